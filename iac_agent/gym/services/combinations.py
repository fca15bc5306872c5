"""Combinations that ARM rejects, of machines and disks: each property is right by itself, together they are not.

The words are those of the errors that users report; the codes are ARM's. Called by `compute` when it fills a resource.
Sources: https://learn.microsoft.com/azure/virtual-machines/error-codes-spot, .../disks-types, .../availability-set-overview and issues of
hashicorp/terraform-provider-azurerm (2246, 8089, 11992, 16547), Azure/terraform-azurerm-avm-res-compute-virtualmachine (236).
"""

from __future__ import annotations

from typing import Any

from iac_agent.gym import faults, sizes
from iac_agent.gym.cloud import Write
from iac_agent.gym.store import Body, Resource

_UNCACHED = ("UltraSSD_LRS", "PremiumV2_LRS")
_BIG = 4095


def region(body: Body) -> str:
    return str(body.get("location", "")).replace(" ", "").lower()


def require_same_region(write: Write, target: Resource | Body, what: str) -> None:
    """Raise InvalidResourceReference when what is referred to is in another region."""
    body = target.body if isinstance(target, Resource) else target
    if body.get("location") and write.body.get("location") and region(body) != region(write.body):
        raise faults.bad_request(
            "InvalidResourceReference",
            f"Resource {body.get('id', what)} referenced by resource {write.id.text} was not found. Please make sure that the referenced "
            "resource exists, and that both resources are in the same region.",
        )


def machine(write: Write) -> None:
    """A machine in a set, a zone and a region, on its size."""
    properties = write.properties
    target = (properties.get("availabilitySet") or {}).get("id")
    if target:
        _in_set(write, write.require(target))
    for reference in (properties.get("networkProfile") or {}).get("networkInterfaces") or []:
        require_same_region(write, write.require(reference["id"]), "network interface")
    disk = ((properties.get("storageProfile") or {}).get("osDisk")) or {}
    _premium(write, str((disk.get("managedDisk") or {}).get("storageAccountType", "")), str(disk.get("name", "osDisk")))
    _sign_in(write, properties.get("osProfile") or {})


def _in_set(write: Write, held: Resource | Body) -> None:
    if write.body.get("zones"):
        raise faults.bad_request(
            "InvalidParameter",
            f"The virtual machine '{write.id.name}' cannot be created because both Availability Zone and Availability Set were specified.",
        )
    if write.properties.get("priority") == "Spot":
        raise faults.conflict("OperationNotAllowed", "Azure Spot Virtual Machine is not supported in Availability Set.")
    if not isinstance(held, Resource):
        return
    require_same_region(write, held, "availability set")
    if str((held.body.get("sku") or {}).get("name", "Classic")) != "Aligned":
        raise faults.conflict(
            "OperationNotAllowed",
            "Addition of a VM with managed disks to non-managed Availability Set or addition of a VM with blob based disks to managed "
            "Availability Set is not supported. Please create an Availability Set with 'Aligned' SKU in order to add a VM with managed "
            "disks to it.",
        )


def _premium(write: Write, kind: str, disk: str) -> None:
    size = str(write.properties["hardwareProfile"]["vmSize"])
    if kind.startswith("Premium_") and not sizes.require(size).get("premiumIO", True):
        raise faults.bad_request(
            "InvalidParameter",
            f"Requested operation cannot be performed because the VM size {size} does not support the storage account type {kind} of disk "
            f"'{disk}'. Consider updating the VM to a size that supports Premium storage.",
        )


def _sign_in(write: Write, profile: Body) -> None:
    """Names and keys: asked only of what is made now, since passwords are not kept."""
    if write.before is not None or not profile:
        return
    linux, windows = profile.get("linuxConfiguration"), profile.get("windowsConfiguration")
    if windows is not None and len(str(profile.get("computerName", ""))) > 15:
        raise faults.bad_request(
            "InvalidParameter",
            "Windows computer name cannot be more than 15 characters long, be entirely numeric, or contain the following characters: "
            "` ~ ! @ # $ % ^ & * ( ) = + _ [ ] { } \\ | ; : . ' \" , < > / ?.",
        )
    if linux is None:
        return
    keys = ((linux.get("ssh") or {}).get("publicKeys")) or []
    if not keys and (linux.get("disablePasswordAuthentication") or not profile.get("adminPassword")):
        raise faults.bad_request(
            "InvalidParameter", "Authentication using either SSH or by user name and password must be enabled in Linux profile."
        )


def data_disk(write: Write, disk: Body, held: Resource) -> None:
    """A disk on its machine: its type, cache, zone and region."""
    kind, caching = str(held.body["sku"]["name"]), str(disk.get("caching") or "None")
    name = str(held.body["name"])
    _premium(write, kind, name)
    if kind == "UltraSSD_LRS" and not (write.properties.get("additionalCapabilities") or {}).get("ultraSSDEnabled"):
        raise faults.bad_request(
            "InvalidParameter", "StorageAccountType UltraSSD_LRS can be used only when additionalCapabilities.ultraSSDEnabled is set."
        )
    if kind in _UNCACHED and caching != "None":
        raise faults.bad_request(
            "InvalidParameter", f"Storage Account type {kind} is not supported with caching type {caching}. Please use caching type None."
        )
    if int(held.properties.get("diskSizeGB") or 0) > _BIG and caching != "None":
        raise faults.bad_request("BadRequest", "Only Disk CachingType 'None' is supported for disk with size greater than 4095 GB.")
    if region(held.body) != region(write.body):
        raise faults.bad_request(
            "BadRequest", f"Disk {held.id} cannot be attached to the VM because it is not in the same location as the VM."
        )
    _zones(write, held, kind)


def _zones(write: Write, held: Resource, kind: str) -> None:
    here, there = (write.body.get("zones") or [None])[0], (held.body.get("zones") or [None])[0]
    if kind.endswith("_ZRS") or here == there:
        return
    if there is None:
        raise faults.bad_request("BadRequest", f"Disk {held.id} cannot be attached to the VM because it is not in zone '{here}'.")
    raise faults.bad_request(
        "BadRequest",
        f"Disk {held.id} cannot be attached to the VM because it is not in the same zone as the VM. VM zone: '{here or ''}'. "
        f"Disk zone: '{there}'.",
    )


def disk(write: Write) -> None:
    """A disk by itself."""
    kind = str(write.body["sku"]["name"])
    if kind.endswith("_ZRS") and write.body.get("zones"):
        raise faults.conflict("OperationNotAllowed", f"A disk with sku '{kind}' cannot be created in an availability zone.")
    given: dict[str, Any] = write.properties
    if write.before is None and kind not in _UNCACHED and (given.get("diskIOPSReadWrite") or given.get("diskMBpsReadWrite")):
        raise faults.bad_request(
            "InvalidParameter", f"The properties diskIOPSReadWrite and diskMBpsReadWrite cannot be set on a disk of type {kind}."
        )


def availability_set(write: Write) -> None:
    if int(write.properties.get("platformFaultDomainCount", 2)) == 1 and int(write.properties.get("platformUpdateDomainCount", 5)) != 1:
        raise faults.bad_request(
            "InvalidParameter", "The specified update domain count must be 1 when the specified fault domain count is 1."
        )


def extension(write: Write) -> None:
    """A machine has one extension of a handler."""
    said = (str(write.properties.get("publisher")).lower(), str(write.properties.get("type")).lower())
    for other in write.cloud.store.below(f"{write.id.parent}/extensions"):
        if other.id.lower() == write.id.text.lower():
            continue
        if (str(other.properties.get("publisher")).lower(), str(other.properties.get("type")).lower()) == said:
            raise faults.bad_request(
                "BadRequest",
                f"Multiple VMExtensions per handler not supported for OS type 'Linux'. VMExtension '{write.id.name}' with handler "
                f"'{write.properties['publisher']}.{write.properties['type']}' already added or specified in input.",
            )
