"""New machines: one, several in a network, or behind a load balancer; written as this repository writes machines.

Sources: https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/linux_virtual_machine and its neighbours.
"""

from __future__ import annotations

import re
from dataclasses import replace

from iac_agent.planner.inventory import MACHINES, NIC, WINDOWS, Resource
from iac_agent.planner.machines.balancer import join, new_balancer, present_pool
from iac_agent.planner.machines.kept import as_kept
from iac_agent.planner.machines.modules import as_module, module_for
from iac_agent.planner.machines.resources import DEFAULT_SIZE, as_resources
from iac_agent.planner.machines.surroundings import Surroundings, look_around
from iac_agent.planner.machines.wanted import BEHIND, NOUNS, Wanted, like_of, names_of, read, role
from iac_agent.planner.names import EXACT
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.recipes.attach_disk import AttachDisk
from iac_agent.planner.recipes.scale import group_of
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed
from iac_agent.planner.writing.nested import block_present

_MAKES = (
    r"\b(?:create|provision|deploy|launch|spin(?: |-)up|stand up|set up|setup|build|bring up|roll out|put up|(?:i|we) "
    r"(?:need|want)|need an?|new|add|another|make me|get me|give me)\b"
)
_NUMBER_OF = (
    r"^(?:\d+|an?|one|two|three|four|five|six|another)\s+(?:(?:\w+\s+)?(?:linux|ubuntu|windows|debian|rhel)\b|(?:[\w.-]+\s+){0,3}?"
    r"(?:vms?|machines?|servers?|boxe?s?)\s+(?:named|called)\b)"
)
_FRESH = r"\b(?:new|linux|windows|ubuntu|debian|rhel|create|provision|deploy|launch|spin|stand up|set up|build|named|called)\b"
_NOT_THIS = r"\bdisks?\b(?!.*\bvm)|\btags?\b|\bboot diag|\bport\b(?!.*\bbalancer)(?=.*\bnsg)|\brule\b"
_WITH_DISKS = re.compile(
    r",?\s*\b(?:with|and|plus|having)\s+(?P<disks>(?:an?|one|two|three|\d+(?!\s*(?:cores|cpus|vcpus)))\s+(?:[\w.-]+\s+){0,5}?"
    r"(?:disks?|drives?|volumes?|hdds?|ssds?))\b(?:\s+(?:each|attached|on (?:it|them|each)))?",
    re.IGNORECASE,
)

_OS_DISK = re.compile(
    r",?\s*\b(?:with |and )?(?:an? )?\d+\s*-?(?:gib|gb|gigs?|tb)\s+(?:os|root|system)[ -]?disks?\b|"
    r",?\s*\b(?:os|root|system)[ -]?disks?(?: of| with)? \d+\s*-?(?:gib|gb|gigs?|tb)\b",
    re.IGNORECASE,
)
_WITH_BOOT = re.compile(r",?\s*\b(?:with|and|plus)\s+boot[\s-]*diag\w*(?:\s+(?:on|enabled))?", re.IGNORECASE)
_DISK_FOR = r"\b(?:disks?|drives?|volumes?|ssds?|hdds?)\b.*\b(?:to|on|onto|for|off|into|at)\b"
_LIKE_ONE = re.compile(r"\b(?:like|same as|copy of|clone of|identical to)\b", re.IGNORECASE)
_SIZE_ONLY = "in size only"


class Provision:
    """`modules` is where iac-agent's modules are, as a Terraform source address; empty: machines are written as resources."""

    id = "provision"
    title = "new Linux or Windows machines, alone, in a network, or behind a load balancer"
    examples: tuple[str, ...] = (
        "create a linux vm called api in subnet app",
        "spin up 3 ubuntu servers named queue in snet-app, D2s_v5",
        "two linux vms behind a load balancer on port 443",
        "create a linux vm called archive in subnet app with a 1 TB hdd",
        "another vm just like vm-db, called db2",
    )

    def __init__(self, modules: str = "") -> None:
        self.modules = modules

    def claims(self, wish: Wish, world: World) -> bool:
        if wish.has(_MAKES) and _WITH_DISKS.search(wish.text):
            wish = _without_disks(wish)
        if wish.has(_MAKES):
            wish = Wish(_WITH_BOOT.sub(" ", _OS_DISK.sub(" ", wish.text)), wish.context)
        if wish.has(r"\b(?:os|root|system)[ -]?disks?\b") or _is_for_one_that_is_there(wish, world):
            return False
        if wish.cores and not wish.has(
            r"\b(?:create|provision|deploy|launch|spin|set up|build|new|linux|windows|ubuntu|debian|called|named)\b|"
            r"\badd an? (?:[\w.-]+ ){0,3}?(?:vm|machine|server|box)\b"
        ):
            return False
        if wish.has(r"\b(?:less|fewer)\b") or (wish.has(r"^(?:please )?scale\b") and group_of(wish, world)):
            return False
        behind = wish.has(BEHIND)
        makes = wish.has(_MAKES) or behind or wish.has(_NUMBER_OF)
        noun = wish.has(NOUNS) or (wish.has(r"\b(?:bastion|jump ?host|jump ?box)\b") and wish.has(r"\b(?:linux|windows|ubuntu)\b"))
        like, names = like_of(wish, world), names_of(wish)
        if not (makes and (noun or like or (wish.has(r"\bspin up\b") and names))) or wish.has(_NOT_THIS):
            return False
        if like is None and _means_more(wish, world):
            return False
        own = wish.has(r"\b(?:linux|windows|ubuntu|new)\b|\b(?:vms?|virtual machines?|machines?|servers?|box(?:es)?)\s+(?:called|named)\b")
        purpose = role(wish)
        fresh = purpose not in ("", "vm", "web") and not world.selector.names.mentions(purpose)
        own = own or bool(names) or fresh
        number_only = wish.has(r"\badd\b") and not own and group_of(wish, world)
        return bool(wish.has(_FRESH) or behind or wish.size or wish.number or like or names) and not number_only

    def plan(self, wish: Wish, world: World) -> None:
        booting = _WITH_BOOT.search(wish.text)
        wish = Wish(_WITH_BOOT.sub(" ", wish.text), wish.context) if booting else wish
        system = _OS_DISK.search(wish.text)
        wish = Wish(_OS_DISK.sub(" ", wish.text), wish.context) if system else wish
        disks = _WITH_DISKS.search(wish.text)
        wish = _without_disks(wish)
        wanted = read(wish, world)
        balanced = wish.has(BEHIND)
        pool = present_pool(wish, world) if balanced else None
        known = {*world.inventory.by_address}
        module = module_for(wanted, new_balancer=balanced and pool is None) if self.modules else ""
        around = self._write(module, wanted, wish, world)
        world.advance()
        made = [r for r in world.inventory.resources if r.address not in known]
        machines = [r for r in made if r.type == wanted.os]
        self._require_new_names(machines, world)
        if module:
            world.touch(made)
        if booting:
            missing = [m for m in machines if not m.value("boot_diagnostics")]
            block_present(world.writer, missing, "boot_diagnostics", True)
        if system:
            world.writer.set(machines, "os_disk.disk_size_gb", Wish(system[0]).amounts[0].gigabytes)
        self._say(wanted, machines, balanced, world)
        if balanced and module != "load-balanced-web":
            around = around or look_around(wanted, wish, world)
            nics = [n for m in machines for n in world.inventory.refers_to(m, NIC)[:1]]
            join(nics, pool or new_balancer(wanted, around, wish, world), wanted, around.file, world)
        if disks is not None:
            world.advance()
            copied = [d for m in machines for d in world.inventory.disks_of(m)]
            if copied:
                self._fit_disks(copied, machines, Wish(disks["disks"]), world)
                return
            AttachDisk().plan(Wish(f"attach {disks['disks']} to {' and '.join(m.address for m in machines)}"), world)
        world.last = tuple(machines)

    @staticmethod
    def _fit_disks(copied: list[Resource], machines: list[Resource], wish: Wish, world: World) -> None:
        """Give the one disk that each copy has of its model the size that was asked for. Raises Unsettled when there are others."""
        if len(copied) != len(machines) or len(wish.amounts) != 1 or wish.has(r"\b(?:two|three|\d+) (?:[\w.-]+ )*disks\b"):
            raise Unsettled(Question("The machine to be like has data disks, and they are copied. Ask for other disks afterwards.", {}))
        world.writer.set(copied, "disk_size_gb", wish.amounts[0].gigabytes)

    def _write(self, module: str, wanted: Wanted, wish: Wish, world: World) -> Surroundings | None:
        """Write the machines, in the way that fits; returns what they took from around them, None where that was not looked at."""
        if not module:
            if as_kept(wanted, world):
                return None
            if wanted.like is not None and world.inventory.disks_of(wanted.like) and world.context.answer != _SIZE_ONLY:
                raise Unsettled(
                    Question(
                        f"I cannot copy {wanted.like.address} with its disks here. Without them?", {_SIZE_ONLY: "its size and network"}
                    )
                )
            if wanted.like is not None:
                wanted = _in_size_only(wanted, wanted.like, world)
                if as_kept(wanted, world):
                    return None
        around = look_around(wanted, wish, world)
        if module:
            as_module(module, self.modules, wanted, around, wish, world)
        else:
            as_resources(wanted, around, world)
        return around

    @staticmethod
    def _require_new_names(machines: list[Resource], world: World) -> None:
        """Raise Unsettled when Azure has a machine of one of these names in the same place."""
        for machine in machines:
            held = [m for m in world.inventory.of_types(*MACHINES) if m not in machines and m.azure_name == machine.azure_name]
            if machine.azure_name and held:
                raise Unsettled(Refusal(f"{listed(held)} has that name already. Give the new machine another one."))

    @staticmethod
    def _say(wanted: Wanted, machines: list[Resource], balanced: bool, world: World) -> None:
        what = "Windows" if wanted.os == WINDOWS else "Linux"
        count = f"{wanted.number} {what} machines" if wanted.number > 1 else f"the {what} machine {wanted.base}"
        size = next((str(s) for m in machines if (s := m.value("size"))), wanted.size or DEFAULT_SIZE[wanted.os])
        place = wanted.subnet.address if wanted.subnet is not None else "a new network"
        world.say(f"Create {count} ({size}) in {place}{', behind a load balancer' if balanced else ''}.")
        disks = [d for m in machines for d in world.inventory.disks_of(m)]
        if disks:
            world.notes.append(f"As the others of its kind it comes with a data disk: {listed(disks)}.")


def _is_for_one_that_is_there(wish: Wish, world: World) -> bool:
    """Whether what is new is a disk for a machine that is named in full: `attach a new 64 GB disk to vm-web`."""
    if not wish.has(_DISK_FOR) or _LIKE_ONE.search(wish.text):
        return False
    mentions = world.selector.names.mentions(wish.text)
    return any(strength == EXACT and r.type in MACHINES for m in mentions for strength, r in m.named)


def _in_size_only(wanted: Wanted, like: Resource, world: World) -> Wanted:
    """What is left of being like another machine where that cannot be copied as it is."""
    world.notes.append(f"Only size and network are as those of {like.address}: its disks and other settings are not copied.")
    return replace(wanted, like=None, size=wanted.size or str(like.value("size") or ""))


def _without_disks(wish: Wish) -> Wish:
    return Wish(_WITH_DISKS.sub(" ", wish.text).strip(), wish.context)


def _means_more(wish: Wish, world: World) -> bool:
    """Whether the wish is for more of a group that is there: `one more worker`, `we need 5 workers: ...`."""
    if wish.has(r"\b(?:another|one more|more|additional|extra)\b") and not wish.has(r"\b(?:new|linux|windows|ubuntu|debian)\b"):
        return group_of(wish, world) is not None
    if wish.has(r"^(?:we |i )?(?:need|want)\b") and not wish.has(r"\b(?:new|linux|windows|ubuntu|debian|rhel|vms?|servers?)\b"):
        return True
    return wish.has(r"^(?:we |i )?need \d+ \w+s\s*:") and group_of(wish, world) is not None
