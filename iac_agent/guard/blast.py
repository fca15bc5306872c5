"""The blast radius of a plan: what is lost, interrupted or blocked beside what is changed, and what stands on it.

Sources: https://learn.microsoft.com/azure/virtual-machines/resize-vm, .../virtual-network/ip-services/public-ip-addresses and
.../azure-resource-manager/management/lock-resources
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from iac_agent.guard.check import Finding
from iac_agent.guard.planned import Resource, World
from iac_agent.guard.policy import Ruling, Severity
from iac_agent.hcl.address import without_keys
from iac_agent.terraform.models import Plan, ResourceChange

_MACHINES = ("azurerm_linux_virtual_machine", "azurerm_windows_virtual_machine")
_LOCKS = "https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources"
GONE = ("replace", "delete")
# Types that hold data, and what of it goes with them.
_DATA = {
    "azurerm_managed_disk": "everything on the disk",
    "azurerm_snapshot": "the snapshot",
    "azurerm_storage_account": "every blob, file, queue and table of the account",
    "azurerm_storage_container": "every blob in the container",
    "azurerm_key_vault": "its keys and secrets, until they are recovered",
    "azurerm_log_analytics_workspace": "its logs, unless it is recovered within 14 days",
    "azurerm_linux_virtual_machine": "what is on its OS disk and its temporary disk",
    "azurerm_windows_virtual_machine": "what is on its OS disk and its temporary disk",
    "azurerm_linux_virtual_machine_scale_set": "what is on the disks of its instances",
    "azurerm_resource_group": "everything in the group that Terraform does not know",
}
# Attributes whose change in place interrupts service, with what happens.
_INTERRUPTS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (_MACHINES, "size", "it reboots; where its cluster lacks the size it is deallocated"),
    (_MACHINES, "os_disk.disk_size_gb", "it is deallocated while its disk grows"),
    (_MACHINES, "os_disk.storage_account_type", "it is deallocated while its disk is converted"),
    (_MACHINES, "additional_capabilities", "it is deallocated"),
    (_MACHINES, "encryption_at_host_enabled", "it is deallocated"),
    (_MACHINES, "network_interface_ids", "it is deallocated"),
    (_MACHINES, "proximity_placement_group_id", "it is deallocated"),
    (("azurerm_managed_disk",), "disk_size_gb", "its machine may have to be deallocated while it grows"),
    (("azurerm_managed_disk",), "storage_account_type", "its machine is deallocated while it is converted"),
    (("azurerm_linux_virtual_machine_scale_set",), "sku", "its instances reboot as they are upgraded"),
    (("azurerm_network_interface",), "ip_configuration", "its connections break"),
    (("azurerm_lb",), "frontend_ip_configuration", "its connections break"),
)
_DEALLOCATES = "deallocated"
# What takes a body that only Azure understands.
_OPAQUE = re.compile(r"azapi_|azurerm_.*template_deployment|azurerm_.*deployment_script")


@dataclass(frozen=True)
class Impact:
    """Something that a change does beside what it is for. `kind` is lost, interrupted, blocked or address."""

    address: str
    kind: str
    what: str
    dependents: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"address": self.address, "kind": self.kind, "what": self.what, "dependents": list(self.dependents)}


def impacts(plan: Plan, prior: World, dependents: Callable[[str], tuple[str, ...]]) -> list[Impact]:
    """What the plan does beside. `dependents` gives, for an address, what refers to it."""
    found: list[Impact] = []
    for change in plan.changes:
        held = prior.resources.get(change.address)
        found += _lost(change, dependents)
        found += _interrupted(change, held, dependents)
    return found


def _lost(change: ResourceChange, dependents: Callable[[str], tuple[str, ...]]) -> Iterator[Impact]:
    if change.action not in GONE:
        return
    data = _DATA.get(change.type)
    if data:
        yield Impact(
            change.address,
            "lost",
            f"{data} is lost" if change.action == "delete" else f"{data} is lost as it is replaced",
            dependents(change.address),
        )
    elif change.action == "replace":
        yield Impact(change.address, "interrupted", "it is gone while it is replaced", dependents(change.address))
    if change.type == "azurerm_public_ip":
        yield Impact(change.address, "address", "its address is given up, and another one comes")


def _interrupted(change: ResourceChange, held: Resource | None, dependents: Callable[[str], tuple[str, ...]]) -> Iterator[Impact]:
    if change.action != "update":
        return
    changed = {".".join(str(s) for s in path if not isinstance(s, int)) for path in change.change.changed_paths}
    for types, attribute, what in _INTERRUPTS:
        if change.type in types and any(c == attribute or c.startswith(f"{attribute}.") for c in changed):
            yield Impact(change.address, "interrupted", what, dependents(change.address))
            if _DEALLOCATES in what and held is not None:
                yield from _addresses(held)


def _addresses(machine: Resource) -> Iterator[Impact]:
    """Dynamic public addresses that a deallocation gives up."""
    for nic in machine.related("network_interface_ids").resources:
        for address in nic.related("ip_configuration.public_ip_address_id").resources:
            if address.one("allocation_method") == "Dynamic":
                yield Impact(address.address, "address", f"{address.one('ip_address')} is given up while {machine.address} is deallocated")


def judged(plan: Plan, prior: World, after: World) -> list[Finding]:
    """Changes that need more than a general yes, or cannot be made: locks that go, what is locked, and what no rule can look into."""
    found = [_opaque(c) for c in plan.changes if _OPAQUE.match(c.type) and c.action != "delete"]
    kept = list(after.of_type("azurerm_management_lock"))
    for change in plan.changes:
        if change.type == "azurerm_management_lock" and change.action in GONE:
            found.append(_unlocked(change))
            continue
        held = prior.resources.get(change.address)
        if change.action not in GONE or held is None:
            continue
        here = str(held.values.get("id") or "").lower()
        for lock in kept:
            scope = lock.one("scope")
            if isinstance(scope, str) and here and (here == scope.lower() or here.startswith(f"{scope.lower()}/")):
                found.append(_blocked(change, lock))
    return found


def _opaque(change: ResourceChange) -> Finding:
    return Finding(
        "CHG-001", "Every change can be judged", Ruling.UNKNOWN, Severity.HIGH, change.address, "", "type", change.type,
        "It can make or change anything in Azure, and no rule sees what.", "Use azurerm's own types, or approve it: --allow-unknown.",
        "https://registry.terraform.io/providers/azure/azapi/latest/docs",
    )  # fmt: skip


def _unlocked(change: ResourceChange) -> Finding:
    return Finding(
        "CHG-003", "A lock is not taken away", Ruling.UNKNOWN, Severity.HIGH, change.address, "", "action", change.action,
        "Somebody locked it so that it cannot be deleted.", "Keep the lock, or approve this by name: --allow-unknown.", _LOCKS,
    )  # fmt: skip


def _blocked(change: ResourceChange, lock: Resource) -> Finding:
    return Finding(
        "CHG-004", "What is locked is not destroyed", Ruling.REFUSE, Severity.HIGH, change.address, "", "action", change.action,
        f"{lock.address} locks it: Azure answers ScopeLocked, half-way.", "Remove the lock in a change of its own first.", _LOCKS,
    )  # fmt: skip


class Dependents:
    """What refers to an address, by the references of a whole world; worked out once, when it is first asked for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._held: dict[str, list[str]] | None = None

    def __call__(self, address: str) -> tuple[str, ...]:
        if self._held is None:
            self._held = {}
            for other in self._world.resources.values():
                for block in self._world.wiring.mentions(other.address):
                    self._held.setdefault(block, []).append(other.address)
        return tuple(sorted(a for a in self._held.get(without_keys(address), ()) if a != address))
