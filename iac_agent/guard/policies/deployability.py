"""Deployability of machines and disks: combinations that `terraform plan` accepts and Azure rejects at apply, half-way through.

The class of checks of Zodiac (SOSP'24). Each names Azure's error code; the gym rejects the failing examples in fixtures/policies with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from iac_agent.azure import sizes
from iac_agent.azure.lenses.codecs import normal_location
from iac_agent.guard.planned import AFTER_APPLY, Resource
from iac_agent.guard.policies.types import (
    ATTACHMENT,
    AVAILABILITY_SET,
    DISK,
    EXTENSION,
    LEARN,
    LINUX,
    MACHINES,
    SCALE_SET,
    WINDOWS,
)
from iac_agent.guard.policy import Policy, Ruling, Severity
from iac_agent.guard.predicates import A, Custom, Predicate, To, same, surely
from iac_agent.guard.truth import Truth, every, known

_VM = f"{LEARN}virtual-machines/"
_BIG = 4095  # GB: the largest disk that can be cached
_NO_CACHE = ("UltraSSD_LRS", "PremiumV2_LRS")
_PREMIUM = ("Premium_LRS", "Premium_ZRS")


def refused(
    number: int,
    title: str,
    types: tuple[str, ...],
    holds: Predicate,
    why: str,
    fix: str,
    source: str,
) -> Policy:
    """A policy of the pack: Azure rejects what breaks it, so that it is never let through. What cannot be told, Azure will tell."""
    found = f"DEP-{number:03}"
    return Policy(
        found,
        title,
        types,
        holds,
        why,
        fix,
        source,
        severity=Severity.HIGH,
        fails=Ruling.REFUSE,
        unclear=Ruling.PASS,
        passing=f"{found}/pass.tf",
        failing=f"{found}/fail.tf",
    )


def alone(types: tuple[str, ...], keys: Callable[[Resource], Iterable[Any]], says: str, *attributes: str) -> Predicate:
    """No other resource of the types has one of its keys."""

    def test(resource: Resource) -> Truth:
        held = resource.world.grouped(types, keys)
        return every(known(len(held[key]) == 1) for key in keys(resource))

    return Custom(says, test, attributes)


def known_key(resource: Resource, *attributes: str) -> list[Any]:
    """One key of the values of attributes, of an id that is not known yet what it refers to; none where one of them is not known."""
    values = [_known(resource, a) for a in attributes]
    return [] if None in values else [tuple(values)]


def _known(resource: Resource, path: str) -> Any:
    value = resource.one(path)
    if isinstance(value, str):
        held = resource.world.by_id.get(value.lower())
        return held.address if held else value.lower()
    if value is not AFTER_APPLY:
        return value
    target = resource.related(path)
    return target.resources[0].address if target.certain and len(target.resources) == 1 else None


def _size(machine: Resource) -> sizes.Size | None:
    name = machine.one("sku" if machine.type == SCALE_SET else "size")
    return sizes.get(name) if isinstance(name, str) else None


def _takes_premium(machine: Resource) -> Truth:
    size = _size(machine)
    return Truth.YES if size is None else known(size.premium)


def _disks(machine: Resource) -> Truth:
    """As many disks are attached as its size takes, at most."""
    size = _size(machine)
    if size is None:
        return Truth.YES
    attached = machine.world.referrers(machine, ATTACHMENT, "virtual_machine_id")
    sure = [a for a in attached.resources if a.related("virtual_machine_id").certain]
    return known(len(sure) <= size.disks)


def _lun(attachment: Resource) -> list[Any]:
    return known_key(attachment, "virtual_machine_id", "lun")


def _handler(extension: Resource) -> list[Any]:
    return known_key(extension, "virtual_machine_id", "publisher", "type")


def region_of(resource: Resource) -> str:
    return normal_location(str(resource.one("location")))


def _same_zone(attachment: Resource) -> Truth:
    """Disk and machine are in one zone, or the disk is in all."""
    disks, machines = attachment.related("managed_disk_id"), attachment.related("virtual_machine_id")
    found = []
    for disk in disks.resources:
        kind, zone = disk.one("storage_account_type"), disk.one("zone")
        for machine in machines.resources:
            there = machine.one("zone")
            if AFTER_APPLY in (kind, zone, there):
                found.append(Truth.UNKNOWN)
            else:
                found.append(known(str(kind).endswith("_ZRS") or (zone or None) == (there or None)))
    return every(found) if disks.certain and machines.certain else surely(found)


def _same_region(attachment: Resource) -> Truth:
    disks, machines = attachment.related("managed_disk_id"), attachment.related("virtual_machine_id")
    pairs = [(d, m) for d in disks.resources for m in machines.resources]
    found = [
        Truth.UNKNOWN if AFTER_APPLY in (d.one("location"), m.one("location")) else known(region_of(d) == region_of(m)) for d, m in pairs
    ]
    return every(found) if disks.certain and machines.certain else surely(found)


def has(path: str) -> Predicate:
    """An attribute is written, whatever its value will be."""
    steps = tuple(path.split("."))
    return Custom(f"{path} is set", lambda r: known(any(v not in (None, "") for _, v in r.at(steps))), (path,))


def _sets_performance(disk: Resource) -> Truth:
    """Azure fills both in by itself; what counts is whether they are written."""
    return known(disk.writes("disk_iops_read_write") or disk.writes("disk_mbps_read_write"))


_PERFORMANCE = Custom("performance is written", _sets_performance, ("disk_iops_read_write", "disk_mbps_read_write"))
_ULTRA = To("managed_disk_id", A("storage_account_type").is_("UltraSSD_LRS"))
_UNCACHED = A("caching", "None").is_("None")

POLICIES = (
    refused(
        1,
        "A machine is in a zone or in an availability set",
        MACHINES,
        ~(A("zone").is_set() & has("availability_set_id")),
        "Azure takes one or the other; while the set is new Terraform cannot tell.",
        "Drop zone or availability_set_id.",
        f"{_VM}availability-set-overview",
    ),
    refused(
        2,
        "A Spot machine is in no availability set",
        MACHINES,
        A("priority", "Regular").is_("Spot") >> ~has("availability_set_id"),
        "Azure answers OperationNotAllowed: Spot is not supported in an availability set.",
        "Drop availability_set_id, or take a zone.",
        f"{_VM}error-codes-spot",
    ),
    refused(
        3,
        "Premium OS disks are on sizes that take them",
        MACHINES,
        A("os_disk.storage_account_type", "Standard_LRS").is_in(*_PREMIUM)
        >> Custom("the size takes premium disks", _takes_premium, ("size",)),
        "Azure answers InvalidParameter: the size does not support the storage account type.",
        "Take the size with an s in its name (D2s_v5 for D2_v5), or StandardSSD_LRS.",
        f"{_VM}disks-types",
    ),
    refused(
        4,
        "Premium data disks are on sizes that take them",
        (ATTACHMENT,),
        To("managed_disk_id", A("storage_account_type").is_in(*_PREMIUM, *_NO_CACHE))
        >> To("virtual_machine_id", Custom("the size takes premium disks", _takes_premium, ("size",))),
        "Azure answers InvalidParameter: the size does not support the storage account type.",
        "Take the size with an s in its name, or StandardSSD_LRS.",
        f"{_VM}disks-types",
    ),
    refused(
        5,
        "A machine has no more data disks than its size takes",
        MACHINES,
        Custom("as many disks are attached as the size takes", _disks, ("size",)),
        "Azure answers OperationNotAllowed: the maximum number of data disks is less.",
        "Attach fewer, or take a larger size.",
        f"{_VM}sizes/overview",
    ),
    refused(
        6,
        "Every disk of a machine has a LUN of its own",
        (ATTACHMENT,),
        alone((ATTACHMENT,), _lun, "no other disk of the machine has its LUN", "lun"),
        "Azure answers InvalidParameter: a disk at the LUN exists.",
        "Count the LUNs up.",
        f"{_VM}linux/attach-disk-portal",
    ),
    refused(
        7,
        "A disk is in the zone of its machine",
        (ATTACHMENT,),
        Custom("disk and machine are in one zone", _same_zone, ("managed_disk_id",)),
        "Azure answers BadRequest: the disk is not in the zone of the VM.",
        "Set the zone of the disk to that of the machine; on a disk that exists it forces a replacement and loses its data.",
        f"{_VM}managed-disks-overview",
    ),
    refused(
        8,
        "Zone-redundant disks name no zone",
        (DISK,),
        A("storage_account_type").matches("_ZRS$") >> ~A("zone").is_set(),
        "Azure answers OperationNotAllowed: such a disk cannot be created in a zone.",
        "Drop zone.",
        f"{_VM}disks-redundancy",
    ),
    refused(
        9,
        "Ultra disks are on machines that allow them",
        (ATTACHMENT,),
        _ULTRA >> To("virtual_machine_id", A("additional_capabilities.ultra_ssd_enabled", False).is_(True)),
        "Azure answers InvalidParameter: UltraSSD_LRS needs additionalCapabilities.ultraSSDEnabled.",
        "Set additional_capabilities { ultra_ssd_enabled = true }.",
        f"{_VM}disks-enable-ultra-ssd",
    ),
    refused(
        10,
        "Ultra and Premium v2 disks are not cached",
        (ATTACHMENT,),
        To("managed_disk_id", A("storage_account_type").is_in(*_NO_CACHE)) >> _UNCACHED,
        "Azure answers InvalidParameter: the type is supported with caching None only.",
        'Set caching = "None".',
        f"{_VM}disks-types",
    ),
    refused(
        11,
        "Disks of more than 4,095 GB are not cached",
        (ATTACHMENT,),
        To("managed_disk_id", A("disk_size_gb", 0).at_least(_BIG + 1)) >> _UNCACHED,
        "Azure answers BadRequest: only caching None is supported for such a disk.",
        'Set caching = "None", or take several smaller disks.',
        f"{_VM}premium-storage-performance",
    ),
    refused(
        12,
        "A machine has one extension of a kind",
        (EXTENSION,),
        alone((EXTENSION,), _handler, "no other extension of the machine has its publisher and type", "type"),
        "Azure answers BadRequest: several extensions per handler are not supported.",
        "Put both scripts into one extension.",
        f"{_VM}extensions/overview",
    ),
    refused(
        13,
        "Availability sets are made for managed disks",
        MACHINES,
        To("availability_set_id", A("managed", True).is_(True)),
        "Azure answers OperationNotAllowed: a VM with managed disks needs a set of SKU Aligned.",
        "Drop managed = false from the set.",
        f"{_VM}availability-set-overview",
    ),
    refused(
        14,
        "An availability set has one to three fault domains, and one update domain with one",
        (AVAILABILITY_SET,),
        A("platform_fault_domain_count", 3).at_most(3)
        & (A("platform_fault_domain_count", 3).is_(1) >> A("platform_update_domain_count", 5).is_(1)),
        "Azure answers InvalidParameter: the count is out of range.",
        "Set platform_update_domain_count = 1 with one fault domain.",
        f"{_VM}availability-set-overview",
    ),
    refused(
        15,
        "Machine and interfaces are in one region",
        MACHINES,
        same("location", "network_interface_ids", "location"),
        "Azure answers InvalidResourceReference: the interface was not found in the region.",
        "Use one location for both.",
        f"{LEARN}virtual-network/virtual-network-network-interface-vm",
    ),
    refused(
        16,
        "Machine and disks are in one region",
        (ATTACHMENT,),
        Custom(
            "disk and machine are in one region",
            _same_region,
            ("managed_disk_id",),
        ),
        "Azure answers BadRequest: disk and VM must be in the same location.",
        "Use one location for both.",
        f"{_VM}managed-disks-overview",
    ),
    refused(
        17,
        "Machine and availability set are in one region",
        MACHINES,
        same("location", "availability_set_id", "location"),
        "Azure answers InvalidResourceReference: the set was not found in the region.",
        "Use one location for both.",
        f"{_VM}availability-set-overview",
    ),
    refused(
        18,
        "Performance is set only on disks that take it",
        (DISK,),
        _PERFORMANCE >> A("storage_account_type").is_in(*_NO_CACHE),
        "The provider refuses it at apply: IOPS and throughput are for Ultra and Premium v2 disks.",
        "Drop disk_iops_read_write and disk_mbps_read_write, or change the type of the disk.",
        f"{_VM}disks-types",
    ),
    refused(
        19,
        "Names of Windows machines fit a computer's name",
        (WINDOWS,),
        has("computer_name") | A("name", "").matches(r"^(?!\d+$)[A-Za-z0-9-]{1,15}$"),
        "The provider refuses it at apply: a computer's name has 15 characters at most.",
        "Set computer_name.",
        "https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/windows_virtual_machine",
    ),
    refused(
        20,
        "Linux machines have a key or a password",
        (LINUX,),
        (A("disable_password_authentication", True).is_(True) & A("admin_ssh_key.public_key").is_set())
        | (A("disable_password_authentication", True).is_(False) & has("admin_password"))
        | has("os_managed_disk_id"),
        "The provider refuses it at apply: nobody could sign in.",
        "Add admin_ssh_key.",
        "https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/linux_virtual_machine",
    ),
)
