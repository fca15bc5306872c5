"""Bigger disks: data disks and OS disks, to a size, by some, or doubled. Azure cannot shrink a disk, so that is refused.

Source: https://learn.microsoft.com/azure/virtual-machines/linux/expand-disks
"""

from __future__ import annotations

import re

from iac_agent.planner.inventory import ATTACHMENT, DISK, MACHINES, Resource
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed

OS_DISK = r"\b(?:os|root|system|boot)[\s-]*(?:disks?|drives?|volumes?)\b"
DISKS = r"\b(?:disk|scratch|drive) space\b|\b(?:disks?|drives?|volumes?)\b|\bdisk-\w+"
NEW = (
    r"\b(?:attach|hook|mount|plug|stick|slap|bolt|hang)\b|(?:\b(?:a|an|another|one more|new|extra|additional)|"
    r"(?<!the )\b(?:second|third))\s+(?:[\w.]+\s+){0,6}?(?:disks?|drives?|volumes?)\b(?! size)|"
    r"\b(?:disks?|drives?)\s+each\b|\b\d+\s*-?(?:gb|gib|tb|gigs?)\s+(?:(?!to\b|of\b|on\b|for\b)[\w.-]+\s+){0,4}?(?:disks?|"
    r"drives?|ssds?|hdds?)\b"
)
_MORE = r"\b(?:double|triple|twice|grow|extend|expand|enlarge|increase|bigger|larger|resize|bump|raise|upsize)\b"
_LESS = r"\b(?:shrink|reduce|decrease|smaller|halve|downsize|cut|cut (?:it )?down)\b"
_WORDS = re.compile(
    rf"{OS_DISK}|{_MORE}|{_LESS}|\bsize\b|\b\d+(?:[.,]\d+)?\s*-?(?:tib|tb|terabytes?|gib|gb|gigs?|gigabytes?|g)\b|\b(?:to|by|"
    rf"each|full|nearly|running|filling|too small|plus|make|add|more)\b",
    re.IGNORECASE,
)


class GrowDisk:
    id = "grow-disk"
    title = "grow a data disk or an OS disk"
    examples: tuple[str, ...] = ("grow the os disk of vm-web to 128 GB", "db's data disk plus 100 gigs", "double the data disk of db")

    def claims(self, wish: Wish, world: World) -> bool:
        if not wish.cores and wish.amounts and not wish.has(NEW) and not wish.has(r"\bmemory\b|\bram\b") and _names_disk(wish, world):
            return True
        if not (wish.has(DISKS) or wish.has(OS_DISK)) or (wish.has(NEW) and not wish.has(OS_DISK)):
            return False
        return bool(wish.amounts) or wish.has(r"\bto \d{2,5}$") or wish.has(_MORE) or wish.has(_LESS)

    def plan(self, wish: Wish, world: World) -> None:
        system = wish.has(OS_DISK)
        kinds, path = (MACHINES, "os_disk.disk_size_gb") if system else ((DISK,), "disk_size_gb")
        targets = list(world.choose(wish, kinds, wish.without(_WORDS)))
        wanted = {t: self._wanted(wish, t, path) for t in targets}
        for target, size in wanted.items():
            now = _now(target, path)
            if now is not None and size < now:
                held = f"{target.address} ({target.azure_name}) has {now} GB"
                raise Unsettled(Refusal(f"Azure cannot shrink a disk: {held}. Create a smaller disk and copy the data."))
        changing = {t: s for t, s in wanted.items() if _now(t, path) != s}
        if not changing:
            raise Unsettled(Refusal(f"{listed(targets)} has {next(iter(wanted.values()))} GB already."))
        world.writer.set_each(wanted, path)
        for target, size in changing.items():
            world.expect([target], "os_disk.0.disk_size_gb" if system else path, size)
            world.say(
                f"Grow the {'OS disk of ' if system else 'disk '}{listed([target])} from {_now(target, path) or 'its default'} to "
                f"{size} GB."
            )
        world.touch(changing)

    @staticmethod
    def _wanted(wish: Wish, target: Resource, path: str) -> int:
        now = _now(target, path)
        factor = 2 if wish.has(r"\b(?:double|twice)\b") else 3 if wish.has(r"\btriple\b") else 0
        if wish.has(r"\bhalve\b"):
            raise Unsettled(Refusal(f"Azure cannot shrink a disk: {target.address} ({target.azure_name})."))
        bare = re.search(r"\bto\s+(\d{2,5})$", wish.text)
        if bare and not wish.amounts:
            return int(bare[1])
        if not wish.amounts and not factor:
            raise Unsettled(Question(f"To what size should the disk of {target.address} grow? It has {now} GB.", {}))
        if (factor or wish.amounts[0].relative) and now is None:
            raise Unsettled(Question(f"To what size? The present one of {target.address} is not known here.", {}))
        if factor:
            return int(now or 0) * factor
        amount = wish.amounts[-1]
        lessened = wish.has(_LESS) and amount.relative
        return int(now or 0) + (-amount.gigabytes if lessened else amount.gigabytes) if amount.relative else amount.gigabytes


def _names_disk(wish: Wish, world: World) -> bool:
    """Whether the strongest name in a wish is that of a disk: `db-data to 1 TB`."""
    mentions = world.selector.names.mentions(wish.text)
    best = [(s, r) for m in mentions for s, r in m.named]
    top = max((s for s, _ in best), default=0)
    if best and all(r.type in (DISK, ATTACHMENT) for _, r in best) and wish.has(r"\b(?:to|at|=)\s+\d"):
        return True
    return top >= 3 and any(r.type == DISK for s, r in best if s == top) and not any(r.type in MACHINES for s, r in best if s == top)


def _now(target: Resource, path: str) -> int | None:
    held = target.value(path)
    return int(held) if isinstance(held, int | float) and held else None
