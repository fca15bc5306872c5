"""The storage of a disk: Premium SSD, Standard SSD, HDD. A data disk is changed in place; azurerm replaces a machine for its OS disk.

Source: https://learn.microsoft.com/azure/virtual-machines/disks-types
"""

from __future__ import annotations

import re

from iac_agent.planner.inventory import DISK, MACHINES
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.recipes.grow_disk import DISKS, NEW, OS_DISK
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed

_TYPES: tuple[tuple[str, str], ...] = (
    (r"premium[\s_-]?v2(?:[\s_-]?lrs)?", "PremiumV2_LRS"),
    (r"premium[\s_-]?(?:ssd[\s_-]?)?zrs", "Premium_ZRS"),
    (r"premium(?:[\s_-]?ssd)?(?:[\s_-]?lrs)?", "Premium_LRS"),
    (r"standard[\s_-]?ssd[\s_-]?zrs", "StandardSSD_ZRS"),
    (r"standard[\s_-]?ssd(?:[\s_-]?lrs)?", "StandardSSD_LRS"),
    (r"ultra[\s_-]?(?:ssd|disks?)(?:[\s_-]?lrs)?", "UltraSSD_LRS"),
    (r"standard[\s_-]?(?:hdd|lrs)|\bhdd", "Standard_LRS"),
)
_TYPE = re.compile(rf"\b(?:{'|'.join(p for p, _ in _TYPES)})\b", re.IGNORECASE)
_TURNS = r"\b(?:make|switch|change|convert|move|migrate|upgrade|downgrade|turn|set|use|put|should be|want|to)\b"
_THAT = r"\b(?:it|them|that|those)\b"


class DiskType:
    id = "disk-type"
    title = "change the storage of a disk: Premium SSD, Standard SSD, HDD"
    examples: tuple[str, ...] = ("make db's data disk standard ssd", "switch the os disk of vm-web to standard ssd")

    def claims(self, wish: Wish, world: World) -> bool:
        if not (_TYPE.search(wish.text) and wish.has(_TURNS)) or wish.amounts or wish.has(NEW) or wish.has(r"\btags?\b|\bcreate\b|\bnew\b"):
            return False
        return wish.has(DISKS) or wish.has(OS_DISK) or wish.has(_THAT)

    def plan(self, wish: Wish, world: World) -> None:
        spoken_of = wish.context if wish.has(_THAT) and not wish.has(DISKS) else wish.text
        system = re.search(OS_DISK, spoken_of, re.IGNORECASE) is not None
        kinds, path = (MACHINES, "os_disk.storage_account_type") if system else ((DISK,), "storage_account_type")
        said = _TYPE.search(wish.text)
        assert said is not None
        wanted = next(value for pattern, value in _TYPES if re.fullmatch(pattern, said[0], re.IGNORECASE))
        targets = list(world.choose(wish, kinds, wish.without(_TYPE, OS_DISK, _TURNS)))
        changing = [t for t in targets if t.value(path) != wanted]
        if not changing:
            raise Unsettled(Refusal(f"{listed(targets)} has {wanted} already."))
        world.writer.set(changing, path, wanted)
        world.expect(changing, "os_disk.0.storage_account_type" if system else path, wanted)
        world.touch(changing)
        world.say(f"Give {'the OS disk of ' if system else ''}{listed(changing)} {wanted} storage.")
        if system:
            world.notes.append("azurerm replaces the machine to change the storage of its OS disk; snapshot the disk first to keep it.")
