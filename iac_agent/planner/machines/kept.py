"""A new machine as one more of what the repository has: an element of the data its machines are made from, or a call of their module.

A machine that is there is the model. It is copied under the new name, looked at as if it were written, fitted to what was asked for, and
kept only if it is then exactly that.
"""

from __future__ import annotations

from iac_agent.errors import HclError
from iac_agent.planner.inventory import ATTACHMENT, DISK, MACHINES, NIC, NIC_ADDRESS, NSG, PUBLIC_IP, SUBNET, Resource
from iac_agent.planner.machines.blocks import copy_blocks
from iac_agent.planner.machines.copying import Copy, copy_call, copy_elements
from iac_agent.planner.machines.wanted import Wanted
from iac_agent.planner.protocol import Unsettled
from iac_agent.planner.recipes.spot import make_spot
from iac_agent.planner.world import World
from iac_agent.planner.writing.switches import switch

_MODELS = 4
_ALONG = (
    NIC,
    "azurerm_network_interface_security_group_association",
    "azurerm_network_interface_application_security_group_association",
)
_NAMED_ALONE = (*MACHINES, NIC, DISK, PUBLIC_IP, NSG)


def as_kept(wanted: Wanted, world: World) -> bool:
    """Write the machines as the repository keeps its own; False, with nothing written, when it has no such way for what is wanted."""
    for model in _models(wanted, world):
        trial = world.trial()
        try:
            _write(model, wanted, trial)
            known = {*world.inventory.by_address}
            _fit([r for r in trial.advance() if r.type == wanted.os], wanted, trial)
            trial.advance()
        except (Unsettled, HclError):
            continue
        made = [r for r in trial.inventory.resources if r.address not in known]
        if _is_as_wanted(made, wanted, world, trial):
            trial.touch(made)
            world.adopt(trial)
            return True
    return False


def _models(wanted: Wanted, world: World) -> list[Resource]:
    """Machines to copy, one of each way of writing, those in the same subnet first."""
    ways: dict[object, list[Resource]] = {}
    for machine in [wanted.like] if wanted.like else world.inventory.of_types(wanted.os):
        ways.setdefault((machine.block, _path(machine)), []).append(machine)

    def is_near(machine: Resource) -> bool:
        return wanted.subnet in world.inventory.subnets_of(machine)

    able = [g for g in ways.values() if wanted.like or g[0].instance.index is not None or g[0].instance.scope.parent is not None]
    models = [next(filter(is_near, group), group[0]) for group in able]
    return sorted(models, key=lambda m: not is_near(m))[:_MODELS]


def _path(machine: Resource) -> tuple[object, ...]:
    """The directories of the modules around a machine."""
    scope, found = machine.instance.scope, []
    while scope.parent is not None:
        found.append(scope.module.directory)
        scope = scope.parent
    return tuple(found)


def _write(model: Resource, wanted: Wanted, trial: World) -> None:
    changed = {name: value for name, value in (("size", wanted.size), ("zone", wanted.zone)) if value}
    copy = Copy(model, trial, wanted.subnet, wanted.like is not None, changed)
    if isinstance(model.instance.index, str) or any(isinstance(k, str) for k in model.instance.scope.keys):
        for key in wanted.keys:
            copy_elements(copy, key)
    elif model.instance.scope.parent is None:
        for key in wanted.keys:
            copy_blocks(copy, key)
    else:
        copy_call(copy, wanted.stem, wanted.keys)


def _fit(machines: list[Resource], wanted: Wanted, trial: World) -> None:
    """Give the copies what was asked for and their model does not have."""
    if wanted.size:
        trial.writer.set(machines, "size", wanted.size)
    if wanted.zone:
        trial.writer.set(machines, "zone", wanted.zone)
    nics = [n for m in machines for n in trial.inventory.refers_to(m, NIC)]
    for nic in nics if wanted.public is not None else ():
        switch(nic, NIC_ADDRESS, wanted.public is True, trial.writer)
    if wanted.spot:
        make_spot(machines, trial.writer, wanted.price)


def _is_as_wanted(made: list[Resource], wanted: Wanted, before: World, trial: World) -> bool:
    machines = [r for r in made if r.type == wanted.os]
    if len(machines) != wanted.number or not all(_fits(m, key, wanted, trial) for m, key in zip(machines, wanted.keys, strict=True)):
        return False
    taken = {(r.type, r.azure_name) for r in before.inventory.of_types(*_NAMED_ALONE)}
    if any((r.type, r.azure_name) in taken for r in made) or _two_groups_on_a_subnet(trial):
        return False
    allowed = [wanted.os, *_ALONG, *([PUBLIC_IP] if wanted.public else [])]
    if any(trial.inventory.disks_of(m) for m in machines) and _all_have_disks(machines, before):
        allowed += [DISK, ATTACHMENT]
    return wanted.like is not None or all(r.type in allowed for r in made)


def _all_have_disks(machines: list[Resource], before: World) -> bool:
    """Whether each machine of their kind has a data disk of its own, so that these must have one too."""
    alike = [r for r in before.inventory.of_types(*MACHINES) if r.block_address == machines[0].block_address]
    return bool(alike) and all(before.inventory.disks_of(r) for r in alike)


def _fits(machine: Resource, key: str, wanted: Wanted, trial: World) -> bool:
    inventory, like = trial.inventory, wanted.like
    public = any(inventory.refers_to(n, PUBLIC_IP) for n in inventory.refers_to(machine, NIC))
    image = machine.value("source_image_reference")
    spot = wanted.spot or (like is not None and like.value("priority") == "Spot")
    cap = wanted.price if wanted.price is not None else like.value("max_bid_price") if like else None
    no_cap = (None, -1)
    return (
        key in f"{machine.address} {machine.azure_name}"
        and [s.address for s in inventory.subnets_of(machine)] == ([wanted.subnet.address] if wanted.subnet else [])
        and (not wanted.size or machine.value("size") == wanted.size)
        and (not wanted.zone or machine.value("zone") == wanted.zone)
        and (machine.value("priority") == "Spot") == spot
        and (machine.value("max_bid_price") == cap or (machine.value("max_bid_price") in no_cap and cap in no_cap))
        and wanted.accepts(image[0] if isinstance(image, list) and image else None)
        and public == (wanted.public if wanted.public is not None else public and like is not None)
    )


def _two_groups_on_a_subnet(world: World) -> bool:
    """Whether a subnet gets a second network security group: Azure allows one."""
    links = world.inventory.of_types("azurerm_subnet_network_security_group_association")
    subnets = [s for x in links for s in world.inventory.refers_to(x, SUBNET)]
    return len(subnets) > len(set(subnets))
