"""Microsoft.Compute: machines, disks, snapshots, sets, scale sets and extensions: what a PUT checks and fills.

Power and the other operations of a machine are in `machines`. Source: azure-rest-api-specs, Microsoft.Compute 2024-03-01.
"""

from __future__ import annotations

import re

from iac_agent.azure.ids import ResourceId, group_id
from iac_agent.gym import faults, sizes
from iac_agent.gym.cloud import Cloud, ResourceType, Write, stable_guid
from iac_agent.gym.services import combinations, machines
from iac_agent.gym.services.authorization import fill_identity
from iac_agent.gym.store import Body, Resource

_VM = "Microsoft.Compute/virtualMachines"
_DISK = "Microsoft.Compute/disks"
_OS_DISK_GB = {"Linux": 30, "Windows": 127}


# --- machines --------------------------------------------------------------------------------------------------------


def _fill_vm(write: Write) -> None:
    properties = write.properties
    _keep_what_made_it(write)
    size = str((properties.get("hardwareProfile") or {}).get("vmSize", ""))
    sizes.require(size)
    sizes.require_quota(write, size, 1)
    _require_unchanged(write)
    if properties.get("priority") != "Spot" and (properties.get("billingProfile") or {}).get("maxPrice") not in (
        None,
        -1,
        -1.0,
    ):
        raise faults.conflict("OperationNotAllowed", "Operation 'Max price' is not supported for VMs with Regular priority.")
    if properties.get("priority") == "Spot" and not properties.get("evictionPolicy"):
        properties["evictionPolicy"] = "Deallocate"
    for reference in (properties.get("networkProfile") or {}).get("networkInterfaces") or []:
        nic = write.require(reference["id"])
        holder = (nic.properties.get("virtualMachine") or {}).get("id") if isinstance(nic, Resource) else None
        if holder and holder.lower() != write.id.text.lower():
            raise faults.conflict("NicInUse", f"Network Interface {reference['id']} is used by existing resource {holder}.")
    for key in ("availabilitySet", "proximityPlacementGroup"):
        target = (properties.get(key) or {}).get("id")
        if target:
            write.require(target)
    combinations.machine(write)
    _fill_os_profile(write)
    _fill_os_disk(write)
    _fill_data_disks(write)
    fill_identity(write)
    for empty in ("additionalCapabilities", "applicationProfile"):
        content = properties.get(empty)
        if not content or content == {"galleryApplications": []}:
            properties.pop(empty, None)
    properties["vmId"] = write.old.get("vmId") or stable_guid(write.id.text, "vm", write.cloud.now().isoformat())
    properties["timeCreated"] = write.old.get("timeCreated") or write.cloud.now().isoformat()
    write.hidden.setdefault("power", "running")
    _link_nics(write)


def _keep_what_made_it(write: Write) -> None:
    """What a machine was made from stays, also when a client leaves it out of an update, as az does."""
    image = (write.old.get("storageProfile") or {}).get("imageReference")
    if image and not write.properties.setdefault("storageProfile", {}).get("imageReference"):
        write.properties["storageProfile"]["imageReference"] = image
    if write.old.get("osProfile") and not write.properties.get("osProfile"):
        write.properties["osProfile"] = write.old["osProfile"]


def _require_unchanged(write: Write) -> None:
    """Properties of a VM that ARM never changes."""
    if not write.before:
        return
    if (write.old.get("priority") or "Regular") != (write.properties.get("priority") or "Regular"):
        raise faults.conflict("PropertyChangeNotAllowed", "Changing property 'priority' is not allowed.")
    for path in ("osProfile.computerName", "osProfile.adminUsername", "storageProfile.imageReference.sku"):
        was, now = _dig(write.old, path), _dig(write.properties, path)
        if was is not None and now is not None and was != now:
            raise faults.conflict("PropertyChangeNotAllowed", f"Changing property '{path}' is not allowed.")
    zones = write.before.body.get("zones")
    if zones and write.body.get("zones") != zones:
        raise faults.conflict("PropertyChangeNotAllowed", "Changing property 'zones' is not allowed.")


def _dig(body: Body, path: str) -> object:
    found: object = body
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _fill_os_profile(write: Write) -> None:
    profile = write.properties.get("osProfile")
    if profile is None:
        return
    name = str(profile.get("computerName", ""))
    if write.before is None and not re.fullmatch(r"(?!\d+$)[^\s`~!@#$%^&*()=+_\[\]{}\\|;:.'\",<>/?]{1,64}", name):
        raise faults.bad_request(
            "InvalidParameter",
            "Linux host name cannot exceed 64 characters in length or contain the following characters: ` ~ ! @ # $ % ^ & * ( ) = + _ "
            "[ ] { } \\ | ; : ' \" , < > / ?.",
        )
    profile.pop("adminPassword", None)
    profile.pop("customData", None)
    profile.setdefault("requireGuestProvisionSignal", True)
    profile.setdefault("secrets", [])


def _fill_os_disk(write: Write) -> None:
    storage = write.properties.setdefault("storageProfile", {})
    disk = storage.setdefault("osDisk", {})
    old = (write.old.get("storageProfile") or {}).get("osDisk") or {}
    managed = disk.setdefault("managedDisk", {})
    if disk.get("createOption") == "Attach" and managed.get("id"):
        write.require(managed["id"])
        disk["name"] = managed["id"].rsplit("/", 1)[1]
    name = disk.get("name") or old.get("name") or _free_disk_name(write)
    disk["name"] = name
    group = write.id.text.split("/providers/")[0]
    managed.setdefault("id", (old.get("managedDisk") or {}).get("id") or f"{group}/providers/{_DISK}/{name}")
    held = write.cloud.store.get(managed["id"])
    size = int(disk.get("diskSizeGB") or (held.properties.get("diskSizeGB", 0) if held else 0) or _OS_DISK_GB[disk.get("osType", "Linux")])
    if held and size < int(held.properties["diskSizeGB"]):
        raise _shrink(name, int(held.properties["diskSizeGB"]), size)
    if held and write.before is None and held.body.get("managedBy"):
        raise faults.conflict(
            "ConflictingUserInput",
            f"Disk '{name}' already exists in resource group {write.id.resource_group}. Only CreateOption.Attach is supported.",
        )
    disk["diskSizeGB"] = size
    managed.setdefault("storageAccountType", held.body["sku"]["name"] if held else "Standard_LRS")
    body = held.body if held else _os_disk_body(write, managed["id"], name, str(disk.get("osType", "Linux")))
    body["sku"] = {"name": managed["storageAccountType"], "tier": str(managed["storageAccountType"]).split("_")[0]}
    body["properties"]["diskSizeGB"] = size
    body["properties"]["diskState"] = "Attached"
    body["managedBy"] = write.id.text
    write.cloud.store.save(Resource(managed["id"], body, held.hidden if held else {}))


def _free_disk_name(write: Write) -> str:
    group = write.id.text.split("/providers/")[0]
    name = f"{write.id.name}_OsDisk_1"
    taken = write.cloud.store.get(f"{group}/providers/{_DISK}/{name}")
    return f"{name}_{stable_guid(write.id.text, write.cloud.now().isoformat()).replace('-', '')}" if taken else name


def _os_disk_body(write: Write, disk_id: str, name: str, os_type: str) -> Body:
    image = write.properties["storageProfile"].get("imageReference") or {}
    body: Body = {
        "id": disk_id,
        "name": name,
        "type": _DISK,
        "location": write.body["location"],
        "tags": {},
        "properties": {
            "osType": os_type,
            "hyperVGeneration": "V2",
            "provisioningState": "Succeeded",
            "creationData": {
                "createOption": "FromImage",
                "imageReference": {"id": str(image.get("id") or image.get("sku") or "")},
            },
            "encryption": {"type": "EncryptionAtRestWithPlatformKey"},
            "networkAccessPolicy": "AllowAll",
            "publicNetworkAccess": "Enabled",
            "timeCreated": write.cloud.now().isoformat(),
            "uniqueId": stable_guid(disk_id, write.cloud.now().isoformat()),
        },
    }
    if write.body.get("zones"):
        body["zones"] = write.body["zones"]
    return body


def _fill_data_disks(write: Write) -> None:
    disks = write.properties["storageProfile"].setdefault("dataDisks", [])
    old = (write.old.get("storageProfile") or {}).get("dataDisks") or []
    luns: dict[int, str] = {}
    limit = sizes.require(str(write.properties["hardwareProfile"]["vmSize"])).get("maxDataDiskCount", 64)
    if len(disks) > limit:
        raise faults.conflict(
            "OperationNotAllowed",
            f"The maximum number of data disks allowed to be attached to a VM of this size is {limit}.",
        )
    for disk in disks:
        if disk.get("lun") in luns:
            raise faults.conflict("InvalidParameter", f"A disk at LUN {disk['lun']} already exists.")
        luns[disk.get("lun", 0)] = disk.get("name", "")
        disk_id = (disk.get("managedDisk") or {}).get("id") or _make_empty(write, disk)
        held = write.require(disk_id)
        assert isinstance(held, Resource)
        owner = held.body.get("managedBy")
        if owner and owner.lower() != write.id.text.lower():
            raise faults.conflict(
                "AttachDiskWhileBeingDetached" if disk.get("toBeDetached") else "ConflictingUserInput",
                f"Disk '{held.body['name']}' cannot be attached because it is already attached to VM '{owner}'.",
            )
        combinations.data_disk(write, disk, held)
        disk.setdefault("name", held.body["name"])
        disk["managedDisk"].setdefault("storageAccountType", held.body["sku"]["name"])
        disk["diskSizeGB"] = held.properties.get("diskSizeGB")
        _own(write.cloud, held, write.id.text)
    kept = {str((d.get("managedDisk") or {}).get("id", "")).lower() for d in disks}
    for disk in old:
        disk_id = str((disk.get("managedDisk") or {}).get("id", ""))
        gone = write.cloud.store.get(disk_id)
        if disk_id.lower() not in kept and gone:
            _own(write.cloud, gone, None)


def _make_empty(write: Write, disk: Body) -> str:
    """Make the disk that a machine asks for without naming one; returns its id."""
    name = disk.setdefault("name", f"{write.id.name}_disk{disk.get('lun', 0)}_{stable_guid(write.id.text, str(disk.get('lun')))[:8]}")
    kind = (disk.get("managedDisk") or {}).get("storageAccountType") or "Premium_LRS"
    rid = ResourceId.parse(f"{group_id(write.id.subscription, write.id.resource_group)}/providers/{_DISK}/{name}")
    properties = {"creationData": {"createOption": "Empty"}, "diskSizeGB": disk.get("diskSizeGB") or 4}
    body = {"location": write.body.get("location"), "sku": {"name": kind}, "properties": properties}
    made, _ = write.cloud.put(rid, body, write.caller)
    disk["managedDisk"] = {"id": made["id"], "storageAccountType": kind}
    return str(made["id"])


def _own(cloud: Cloud, disk: Resource, owner: str | None) -> None:
    if owner:
        disk.body["managedBy"] = owner
    else:
        disk.body.pop("managedBy", None)
    disk.properties["diskState"] = "Attached" if owner else "Unattached"
    cloud.store.save(disk)


def _link_nics(write: Write) -> None:
    wanted = {str(n["id"]).lower() for n in (write.properties.get("networkProfile") or {}).get("networkInterfaces") or []}
    before = {str(n["id"]).lower() for n in (write.old.get("networkProfile") or {}).get("networkInterfaces") or []}
    for nic_id in wanted | before:
        nic = write.cloud.store.get(nic_id)
        if nic is None:
            continue
        if nic_id in wanted:
            nic.properties["virtualMachine"] = {"id": write.id.text}
        else:
            nic.properties.pop("virtualMachine", None)
        write.cloud.store.save(nic)


def _removing_vm(cloud: Cloud, machine: Resource) -> None:
    for reference in (machine.properties.get("networkProfile") or {}).get("networkInterfaces") or []:
        nic = cloud.store.get(reference["id"])
        if nic:
            nic.properties.pop("virtualMachine", None)
            cloud.store.save(nic)
    storage = machine.properties["storageProfile"]
    for disk in [storage["osDisk"], *storage.get("dataDisks", [])]:
        held = cloud.store.get(str((disk.get("managedDisk") or {}).get("id", "")))
        if held and disk.get("deleteOption") == "Delete":
            cloud.store.remove(held.id)
        elif held:
            _own(cloud, held, None)


# --- disks, sets, scale sets, extensions -----------------------------------------------------------------------------


def _shrink(name: str, was: int, now: int) -> faults.ArmFaultError:
    return faults.bad_request(
        "BadRequest",
        f"Disk size reduction is not supported. Current size is {was * 1024**3} bytes, requested size is {now * 1024**3} bytes. "
        f"Disk: {name}.",
    )


def _fill_disk(write: Write) -> None:
    properties = write.properties
    creation = properties.get("creationData") or {}
    if write.before is None and not creation.get("createOption"):
        raise faults.bad_request("InvalidParameter", "Required parameter 'creationData.createOption' is missing (null).")
    source = creation.get("sourceResourceId")
    origin = write.require(source) if source else None
    if not properties.get("diskSizeGB"):
        inherited = origin.properties.get("diskSizeGB") if isinstance(origin, Resource) else None
        properties["diskSizeGB"] = inherited or write.old.get("diskSizeGB") or 32
    if write.before and int(properties["diskSizeGB"]) < int(write.old["diskSizeGB"]):
        raise _shrink(write.id.name, int(write.old["diskSizeGB"]), int(properties["diskSizeGB"]))
    if not properties.get("osType"):
        properties.pop("osType", None)
    sku = write.body.setdefault("sku", {"name": "Standard_LRS"})
    sku["tier"] = str(sku["name"]).split("_")[0]
    combinations.disk(write)
    size = int(properties["diskSizeGB"])
    properties.setdefault("diskIOPSReadWrite", min(7500, max(500, size * 4 - 12)))
    properties.setdefault("diskMBpsReadWrite", min(250, max(60, size // 2)))
    held = write.before is not None and write.before.body.get("managedBy")
    properties["diskState"] = "Attached" if held else "Unattached"
    properties["diskSizeBytes"] = size * 1024**3
    properties["timeCreated"] = write.old.get("timeCreated") or write.cloud.now().isoformat()
    properties["uniqueId"] = write.old.get("uniqueId") or stable_guid(write.id.text, str(properties["timeCreated"]))
    if write.before and write.before.body.get("managedBy"):
        write.body["managedBy"] = write.before.body["managedBy"]


def _removing_disk(_: Cloud, disk: Resource) -> None:
    owner = disk.body.get("managedBy")
    if owner:
        raise faults.conflict("OperationNotAllowed", f"Disk {disk.body['name']} is attached to VM {owner}.")


def _fill_snapshot(write: Write) -> None:
    creation = write.properties.get("creationData") or {}
    source = creation.get("sourceResourceId") or creation.get("sourceUri")
    if source and str(source).startswith("/subscriptions/"):
        origin = write.require(source)
        if isinstance(origin, Resource):
            write.hidden["size"] = origin.properties.get("diskSizeGB")
            write.properties.setdefault("osType", origin.properties.get("osType")) if origin.properties.get("osType") else None
    write.body.setdefault("sku", {"name": "Standard_LRS", "tier": "Standard"})
    write.properties["timeCreated"] = write.old.get("timeCreated") or write.cloud.now().isoformat()
    write.properties["uniqueId"] = stable_guid(write.id.text)


def _fill_set(write: Write) -> None:
    domains = write.properties.get("platformFaultDomainCount", 2)
    if not 1 <= int(domains) <= 3:
        raise faults.bad_request("InvalidParameter", f"The specified fault domain count {domains} must fall in the range 1 to 3.")
    combinations.availability_set(write)
    write.properties["virtualMachines"] = []


def _members(cloud: Cloud, resource: Resource) -> list[Resource]:
    return [r for r in cloud.store.referrers(resource.id) if r.type in (_VM, "Microsoft.Compute/virtualMachineScaleSets")]


def _removing_set(cloud: Cloud, resource: Resource) -> None:
    members = _members(cloud, resource)
    if members:
        what = "Availability Set" if "availabilitySets" in resource.id else "Proximity Placement Group"
        raise faults.conflict(
            "OperationNotAllowed",
            f"{what} '{resource.body['name']}' cannot be deleted. Before deleting the {what} please ensure that it does not contain any "
            f"VM: {members[0].id}.",
        )


def _show_set(cloud: Cloud, resource: Resource) -> Body:
    members = [{"id": m.id} for m in _members(cloud, resource)]
    return {**resource.body, "properties": {**resource.properties, "virtualMachines": members}}


def _fill_scale_set(write: Write) -> None:
    sku = write.body.get("sku") or {}
    sizes.require(str(sku.get("name", "")))
    sizes.require_quota(write, str(sku["name"]), int(sku.get("capacity") or 0))
    profile = write.properties.get("virtualMachineProfile") or {}
    (profile.get("osProfile") or {}).pop("adminPassword", None)
    (profile.get("osProfile") or {}).pop("customData", None)
    was, now = _dig(write.old, "virtualMachineProfile.priority"), profile.get("priority")
    if was is not None and now is not None and was != now:
        raise faults.conflict("PropertyChangeNotAllowed", "Changing property 'virtualMachineProfile.priority' is not allowed.")
    for nic in (profile.get("networkProfile") or {}).get("networkInterfaceConfigurations") or []:
        for configuration in nic["properties"].get("ipConfigurations") or []:
            subnet = (configuration["properties"].get("subnet") or {}).get("id")
            if subnet:
                write.require(subnet)
    if not write.properties.get("additionalCapabilities"):
        write.properties.pop("additionalCapabilities", None)
    fill_identity(write)
    write.properties["uniqueId"] = write.old.get("uniqueId") or stable_guid(write.id.text, write.cloud.now().isoformat())
    write.properties["timeCreated"] = write.old.get("timeCreated") or write.cloud.now().isoformat()


def _fill_extension(write: Write) -> None:
    for required in ("publisher", "type", "typeHandlerVersion"):
        if not write.properties.get(required):
            raise faults.bad_request("InvalidParameter", f"Required parameter '{required}' is missing (null).")
    combinations.extension(write)
    write.properties.pop("protectedSettings", None)


TYPES = [
    ResourceType(_VM, slow=True, fill=_fill_vm, removing=_removing_vm),
    ResourceType(f"{_VM}/extensions", slow=True, fill=_fill_extension),
    ResourceType(_DISK, created=200, slow=True, fill=_fill_disk, removing=_removing_disk),
    ResourceType("Microsoft.Compute/snapshots", created=200, slow=True, fill=_fill_snapshot),
    ResourceType("Microsoft.Compute/availabilitySets", created=200, fill=_fill_set, removing=_removing_set, show=_show_set),
    ResourceType("Microsoft.Compute/proximityPlacementGroups", removing=_removing_set),
    ResourceType("Microsoft.Compute/virtualMachineScaleSets", slow=True, fill=_fill_scale_set),
]
ROUTES = machines.ROUTES
