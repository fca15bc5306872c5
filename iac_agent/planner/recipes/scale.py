"""More or fewer of the same: count, keys of for_each, instances of a scale set. With count the highest index goes first."""

from __future__ import annotations

import re

from iac_agent.hcl.scope import Index
from iac_agent.planner import inventory as inv
from iac_agent.planner import sizes
from iac_agent.planner.inventory import MACHINES, SCALE_SETS, Resource
from iac_agent.planner.lexicon import NUMBERS
from iac_agent.planner.machines.balancer import members
from iac_agent.planner.machines.copying import Copy, copy_elements
from iac_agent.planner.machines.wanted import BEHIND
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.recipes.remove import DEPENDENT, Remove
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World
from iac_agent.planner.writing.removal import call_count, remove, set_count

_WORD = "|".join(n for n in NUMBERS if n not in ("a", "an", "both", "half a", "couple"))
_NUMBER = rf"(\d{{1,3}}|{_WORD})"
_NOUN = r"(?:[\w-]+\s+){0,3}?(?:instances?|machines?|vms?|servers?|nodes?|boxes|box|workers?|replicas?|hosts?|[\w-]+s)"
_TO = re.compile(
    rf"\b(?:scale|set|run|grow|shrink|increase|reduce|bring|resize|have|want|need|keep|go|bump|cut|should be|take|"
    rf"drop)\b[^,;]*?\b(?:to|at|be|with|of|=)\s+(?:just |only )?{_NUMBER}\b(?!\s*(?:cores?|v?cpus?|gb|gib|tb|gigs?|g|cents?|"
    rf"%|percent|x|steps?|sizes?))",
    re.IGNORECASE,
)
_RUN = re.compile(rf"\b(?:run|have|want|need|keep)\s+(?:just |only )?{_NUMBER}\s+(?P<noun>{_NOUN})\b", re.IGNORECASE)
_MORE = re.compile(
    rf"\b{_NUMBER}\s+(?:more|additional|extra|further)\b|\badd\s+{_NUMBER}\b|"
    rf"\b(?:another|one more|an additional|an extra)\s+(?:{_NUMBER})?",
    re.IGNORECASE,
)
_LESS = re.compile(rf"\b{_NUMBER}\s+(?:[\w-]+\s+){{0,3}}(?:less|fewer)\b|\b(?:one|{_NUMBER})\s+(?:less|fewer)\b", re.IGNORECASE)
_BY = re.compile(rf"\bby\s+(?:another\s+)?{_NUMBER}\b\s*(?P<percent>%|percent\b)?", re.IGNORECASE)
_PERCENT = re.compile(r"\b\d+\s*(?:%|percent\b)", re.IGNORECASE)
_DOWN = r"\b(?:down|scaled?\s+in|scale\s+[\w -]{1,30}?\s+in|reduce|decrease|shrink|lower|cut|drop|fewer|less|remove)\b"
_UP = r"\b(?:up|scaled?\s+out|scale\s+[\w -]{1,30}?\s+out|increase|grow|raise|add|bump|extend|more)\b"
_BARE_STEP = re.compile(rf"\b(?:up|down|in|out)\s+{_NUMBER}\s*$", re.IGNORECASE)
_PLAIN = re.compile(
    rf"(?:^|\b(?:need|want|have|expect)\b[^,]*?,?\s)(?:an? )?{_NUMBER}\s+(?!more\b|new\b)(?:[a-z]+\s+)?[a-z]+s?(?:\s+(?:will "
    rf"do|would do|is enough|are enough|suffices?|in total)\b.*)?$",
    re.IGNORECASE,
)
_LEAVING = re.compile(r",?\s*\b(?:by|and)\s+(?:remov|dropp?|delet|retir|kick)ing\s+(?:the\s+)?(?P<who>[\w, -]+)$", re.IGNORECASE)
_INSTANCES = re.compile(rf"^{_NUMBER} (?:instances?|nodes|replicas) (?:on|of|for|in)\b", re.IGNORECASE)
_CALLED = re.compile(r"\b(?:called|named|name it|call it|key)\s+[\"'`]?(?P<name>[A-Za-z][\w-]*)", re.IGNORECASE)
_ADDED = re.compile(
    r"\b(?:add|create|spin up|launch)\s+(?:an?|another|one more)\s+(?:new\s+)?[a-z]+\s+(?P<name>[a-z][\w-]*)"
    r"(?=\s*$|\s*,|\s+(?:and|with|in|like)\b)",
    re.IGNORECASE,
)
_COMMON = re.compile(
    r"(?:vms?|machines?|servers?|instances?|nodes?|box(?:es)?|hosts?|replicas?|workers?|please|too|more|now)", re.IGNORECASE
)
_ADD = re.compile(
    rf"\b(?:add|another|new|one more)\b|\b(?:additional|extra|more)\s+(?!resources\b){_NOUN}\b",
    re.IGNORECASE,
)
_WORDS = re.compile(
    rf"{_CALLED.pattern}|\b(?:scale|scaled|out|in|up|down|run|set|add|another|more|less|fewer|additional|extra|to|instances?|"
    rf"replicas?|count|need|want|have|number of)\b|\b(?:{_WORD}|\d{{1,3}})\b(?!-)",
    re.IGNORECASE,
)


class Scale:
    id = "scale"
    title = "more or fewer instances of a count, a for_each or a scale set"
    examples: tuple[str, ...] = ("scale worker to 5", "two more workers", "one worker less")

    def claims(self, wish: Wish, world: World) -> bool:
        if wish.has(r"\bhalf of the [\w ]*(?:instances|nodes)\b"):
            return True
        if (
            wish.has(r"\b(?:disks?|cores?|cpus?|gb|tb|gigs?|port|ports|rule|memory|ram|size)\b")
            or wish.cidrs
            or (wish.price is not None and wish.has(r"cents|\$"))
        ):
            return False
        if wish.size and wish.has(r"\bboth to\b"):
            return False
        if _INSTANCES.search(wish.text) and group_of(wish, world):
            return True
        if _BY.search(wish.text) and wish.has(f"{_DOWN}|{_UP}") and group_of(wish, world):
            return True
        if wish.has(r"\bscale\b") and (wish.number is not None or wish.has(r"\b(?:out|in)\b")):
            return True
        if (
            _PLAIN.search(wish.text)
            and group_of(wish, world)
            and not wish.has(r"\b(?:create|new|launch|spin|deploy|linux|windows|ubuntu)\b")
        ):
            return True
        if wish.has(r"\btwice as many\b|\b(?:double|halve)\b.*\b(?:number|instances|count)\b"):
            return True
        return any(p.search(wish.text) for p in (_TO, _RUN, _MORE, _LESS)) or (
            _ADD.search(wish.text) is not None and group_of(wish, world) is not None
        )

    def plan(self, wish: Wish, world: World) -> None:
        found = group_of(wish, world)
        if found is None:
            raise Unsettled(Question("What should be scaled, and to how many?", {}))
        groups = found
        if len(groups) > 1:
            raise Unsettled(Question("Which of these should be scaled?", {g[0].block_address: g[0].describe() for g in groups}))
        group = groups[0]
        if group[0].type in SCALE_SETS:
            self._scale_set(group[0], wish, world)
            return
        leaving = _LEAVING.search(wish.text)
        if leaving:
            Remove().plan(Wish(f"remove {leaving['who']}", wish.context), world)
            self._require_left(group, _wanted(wish, len(group)), world)
            return
        now = len(group)
        wanted = _wanted(wish, now)
        names = _new_members(wish, group) or _names(wish)
        present = {str(k) for r in group for k in r.keys}
        if names and all(n in present for n in names) and (wanted is None or wanted > now):
            raise Unsettled(Refusal(f"{', '.join(names)} is there already."))
        if wanted is None and names:
            wanted = now + sum(n not in present for n in names)
        if wanted is None:
            raise Unsettled(Question(f"To how many should {group[0].block_address} be scaled? There are {now}.", {}))
        if wanted == now:
            raise Unsettled(Refusal(f"{group[0].block_address} has {now} already."))
        if wanted > now and len(names) > wanted - now:
            raise Unsettled(Question(f"{', '.join(names)} are more than the {wanted - now} that are wanted. How many should there be?", {}))
        if wanted < 1:
            raise Unsettled(Question(f"That leaves none of {group[0].block_address}. Should they all be removed?", {}))
        self._change(group, wanted, names, world)
        new = world.advance()
        world.touch(new)
        if wish.size and _ADD.search(wish.text):
            world.writer.set([r for r in new if r.type == group[0].type], "size", sizes.require(wish.size).name)
        if wish.zones:
            self._put_into_zones([r for r in new if r.type == group[0].type], wish, world)
        added = [r for r in new if r.type == group[0].type] if names or not _TO.search(wish.text) else []
        world.last = tuple(added or [r for r in world.inventory.of_types(group[0].type) if _alike(r) == _alike(group[0])])
        world.say(f"Scale {group[0].block_address} from {now} to {wanted}.")

    @staticmethod
    def _put_into_zones(added: list[Resource], wish: Wish, world: World) -> None:
        """All into the one zone that is said, or each into its own; raise Unsettled where that does not come out even."""
        zones = wish.zones * len(added) if len(wish.zones) == 1 else wish.zones
        if not added or len(zones) != len(added):
            raise Unsettled(Refusal("I cannot tell which machine goes into which zone. Name the zone of each new one, or one for all."))
        for machine, zone in zip(added, zones, strict=True):
            world.writer.set([machine], "zone", zone)

    @staticmethod
    def _require_left(group: list[Resource], wanted: int | None, world: World) -> None:
        """Raise Unsettled when taking out those that were named does not leave the number that was asked for."""
        left = sum(r.address not in world.touches for r in group)
        if wanted is not None and wanted != left:
            raise Unsettled(Question(f"Without them there are {left} of {group[0].block_address}, not {wanted}. Which is meant?", {}))

    @staticmethod
    def _scale_set(target: Resource, wish: Wish, world: World) -> None:
        held = target.value("instances")
        now = int(held) if isinstance(held, int | float) else 0
        wanted = _wanted(wish, now)
        if wanted is None:
            raise Unsettled(Question(f"How many instances should {target.address} have? It has {now}.", {}))
        if wanted == now:
            raise Unsettled(Refusal(f"{target.address} has {now} instances already."))
        world.writer.set([target], "instances", wanted)
        world.expect([target], "instances", wanted)
        world.touch([target])
        world.last = (target,)
        world.say(f"Give {target.address} {wanted} instances instead of {now}.")

    def _change(self, group: list[Resource], wanted: int, names: list[str], world: World) -> None:
        index = group[0].instance.index
        if isinstance(index, int):
            companions = _companions(group, world)
            set_count(world, group[0], wanted, companions)
            for one in {c.block_address: c for c in companions}.values():
                held = one.instance.body.get("count")
                if held is not None and held.written is not None and held.written.address == one.block_address and held.data == len(group):
                    set_count(world, one, wanted, companions)
            world.touch(r for r in (*group, *companions) if isinstance(r.instance.index, int) and r.instance.index >= wanted)
        elif isinstance(index, str):
            self._keys(group, wanted, names, world)
        else:
            self._calls(group, wanted, names, world)

    @staticmethod
    def _keys(group: list[Resource], wanted: int, names: list[str], world: World) -> None:
        if wanted < len(group):
            going = group[wanted:]
            remove(world, [r for r in world.inventory.resources if r in going or any(r in _dependents(g, world) for g in going)])
            return
        present = [str(r.instance.index) for r in world.inventory.siblings(group[0])]
        present = [k for k in present if k not in {str(r.instance.index) for r in group}] + [str(r.instance.index) for r in group]
        fresh = _fresh(present, wanted - len(group), names)
        for key in fresh:
            copy_elements(Copy(group[-1], world, whole=True), key)

    @staticmethod
    def _calls(group: list[Resource], wanted: int, names: list[str], world: World) -> None:
        """A machine of its own inside a module that is called with count or for_each."""
        scope = group[0].instance.scope
        key = scope.keys[-1] if scope.keys else None
        if key is None:
            raise Unsettled(
                Refusal(f"{group[0].address} is a single resource: it has neither count nor for_each. Ask for a new machine instead.")
            )
        if isinstance(key, int):
            call_count(world, group[0], wanted)
            return
        if wanted < len(group):
            keys = [str(r.instance.scope.keys[-1]) for r in group][wanted:]
            raise Unsettled(Question(f"Which of them should go? {', '.join(keys)} would be the last.", {}))
        fresh = _fresh([str(r.instance.scope.keys[-1]) for r in group], wanted - len(group), names)
        for new in fresh:
            copy_elements(Copy(group[0], world, whole=True), new)


def group_of(wish: Wish, world: World) -> list[list[Resource]] | None:
    """The groups of alike machines a wish names: all instances of a counted block, of a for_each, or of module calls."""
    text = _WORDS.sub(lambda m: " " * len(m[0]), wish.text)
    kinds = SCALE_SETS if wish.has(r"\bscale ?sets?\b|\bvmss\b(?![\s-]*subnet)") else (*MACHINES, *SCALE_SETS)
    mentions = world.selector.names.mentions(text)
    by_name = [found for m in mentions if (found := world.selector.meant(m, kinds))]
    agreed = [r for r in (by_name[0] if by_name else ()) if all(r in found for found in by_name)]
    meant = (agreed if _ADD.search(wish.text) and not _LESS.search(wish.text) else []) or [r for found in by_name for r in found]
    if wish.has(BEHIND) and wish.has(r"\b(?:more|another|additional|extra)\b"):
        meant = members(world) or meant
    if not meant and wish.has(r"\binstances?\b|\bscale ?sets?\b|\bvmss\b"):
        meant = world.inventory.of_types(*SCALE_SETS)
    if not meant:
        from_answer = world.inventory.of_block(world.context.answer) if world.context.answer else []
        meant = from_answer
    if not meant and wish.has(r"\bscale\b"):
        meant = [r for r in world.inventory.of_types(*kinds) if re.search(rf"(?<![\w-]){re.escape(r.label)}(?![\w-])", text)]
    groups: dict[tuple[str, tuple[Index, ...]], list[Resource]] = {}
    for resource in meant:
        groups.setdefault(_alike(resource), [])
    for resource in world.inventory.of_types(*kinds):
        counted = not (resource.keys and isinstance(resource.keys[0], str))
        if _alike(resource) in groups and (counted or resource in meant):
            groups[_alike(resource)].append(resource)
    able = [
        g
        for g in groups.values()
        if g[0].type in SCALE_SETS
        or g[0].instance.index is not None
        or (g[0].instance.scope.keys and g[0].instance.scope.keys[-1] is not None)
    ]
    if wish.has(r"\bscale ?sets?\b|\bvmss\b|\binstances\b"):
        able = [g for g in able if g[0].type in SCALE_SETS] or able
    return able or None


def _alike(resource: Resource) -> tuple[str, tuple[Index, ...]]:
    """What the members of a group have in common: their block, and the keys of the modules around it but for the one they differ in."""
    keys = tuple(resource.instance.scope.keys)
    return resource.block_address, keys[:-1] if resource.instance.index is None else keys


def _wanted(wish: Wish, now: int) -> int | None:
    def number(text: str | None) -> int:
        return 1 if not text else int(text) if text.isdigit() else NUMBERS[text.lower()]

    by = _BY.search(wish.text)
    if by:
        return _stepped(wish, now, number(by[1]), percent=bool(by["percent"]))
    if _PERCENT.search(wish.text) or _BARE_STEP.search(wish.text):
        return None
    less, more = _LESS.search(wish.text), _MORE.search(wish.text)
    if less:
        return now - number(next((g for g in less.groups() if g), None))
    if more:
        return now + number(next((g for g in more.groups() if g), None))
    if wish.has(r"\bdouble\b|\btwice\b"):
        return now * 2
    if wish.has(r"\bhalve\b|\bhalf\b"):
        return max(1, now // 2)
    match = _INSTANCES.search(wish.text) or _TO.search(wish.text) or _RUN.search(wish.text) or _PLAIN.search(wish.text)
    if match:
        return number(match[1])
    if wish.number is not None and wish.has(r"\bscale\b"):
        return wish.number
    return now + 1 if _ADD.search(wish.text) else None


def _stepped(wish: Wish, now: int, step: int, *, percent: bool) -> int | None:
    """The number after `by 2` or `by 25%`; None where no word says in which direction."""
    down, up = wish.has(_DOWN), wish.has(_UP)
    if down == up:
        return None
    change = max(1, round(now * step / 100)) if percent else step
    return now - change if down else now + change


def _names(wish: Wish) -> list[str]:
    match = _CALLED.search(wish.text) or _ADDED.search(wish.text)
    if match and not _COMMON.fullmatch(match["name"]):
        return [match["name"]]
    tail = re.search(r":\s*(?P<list>[\w-]+(?:(?:\s*,\s*|\s+and\s+)[\w-]+)+)\s*$", wish.text)
    return re.split(r"\s*,\s*|\s+and\s+", tail["list"]) if tail else []


def _new_members(wish: Wish, group: list[Resource]) -> list[str]:
    """The keys of members that are named as those present are and are not there: `web-3`, `vm-web-4`."""
    keys = [str(r.keys[0]) for r in group if r.keys and isinstance(r.keys[0], str)]
    numbered = re.fullmatch(r"(.*\D)\d+", keys[0]) if keys else None
    if numbered is None:
        return []
    prefix = group[0].azure_name.removesuffix(keys[0])
    said = re.findall(rf"(?<![\w.-])(?:{re.escape(prefix)})?({re.escape(numbered[1])}\d+)(?![\w.-])", wish.text)
    return [key for key in dict.fromkeys(said) if key not in keys]


def _fresh(present: list[str], number: int, names: list[str]) -> list[str]:
    """New keys: the names asked for, else the pattern of the present ones counted on."""
    found = [n for n in names if n not in present][:number]
    match = re.fullmatch(r"(.*?)(\d+)", present[-1])
    stem, last, width = (match[1], int(match[2]), len(match[2])) if match else (f"{present[-1]}-", 1, 1)
    while len(found) < number:
        last += 1
        key = f"{stem}{last:0{width}d}"
        if key not in present and key not in found:
            found.append(key)
    return found


def _companions(group: list[Resource], world: World) -> list[Resource]:
    """What comes and goes with the members of a group: interfaces, disks, attachments, associations that count the same."""
    found: list[Resource] = []
    for member in group:
        found += _dependents(member, world)
    return list(dict.fromkeys(found))


def _dependents(member: Resource, world: World) -> list[Resource]:
    nics = world.inventory.refers_to(member, inv.NIC)
    disks = world.inventory.disks_of(member)
    around = [*nics, *disks, *(p for n in nics for p in world.inventory.refers_to(n, inv.PUBLIC_IP))]
    around += [u for x in (member, *nics) for u in world.inventory.referred_by(x, *DEPENDENT)]
    return [r for r in around if r.instance.index == member.instance.index]
