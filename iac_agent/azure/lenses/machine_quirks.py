"""What rows cannot say about machines and scale sets: the two share their profile.

Sources: recordings in golden `vm-linux`, `vm-spot`, `vm-windows`, `vmss`; linux_virtual_machine_resource.go and
windows_virtual_machine_resource.go in internal/services/compute of hashicorp/terraform-provider-azurerm.
"""

from __future__ import annotations

from iac_agent.azure.ids import same_id
from iac_agent.azure.lenses.codecs import private_addresses
from iac_agent.azure.lenses.shared import always_identity, drop_empty_identity
from iac_agent.azure.lenses.table import Arm, Body, Hooks, Problem, Values, get_path
from iac_agent.errors import AzureNotFound, UsageError

_NIC_API = "2023-09-01"
_DISK_API = "2023-04-02"


def settle_profile(profile: Body, values: Values, system: str) -> None:
    """The parts of a profile that are the same for a machine and a scale set."""
    storage = profile.setdefault("storageProfile", {})
    disk = storage.setdefault("osDisk", {})
    disk["createOption"] = "FromImage"
    disk["osType"] = system
    storage.setdefault("dataDisks", [])
    if not values.get("source_image_id") and not values.get("source_image_reference"):
        storage.pop("imageReference", None)
    profile["diagnosticsProfile"] = {"bootDiagnostics": _boot(values)}
    _security(profile, values)
    notice = (profile.get("scheduledEventsProfile") or {}).get("osImageNotificationProfile")
    if notice is not None:
        notice["enable"] = True


def _boot(values: Values) -> Body:
    block = values.get("boot_diagnostics") or []
    uri = (block[0] or {}).get("storage_account_uri") if block else ""
    return {"enabled": bool(block), "storageUri": uri or ""}


def _security(profile: Body, values: Values) -> None:
    """Secure boot or vTPM make a trusted launch; disk encryption with the guest state makes a confidential machine."""
    disk = (values.get("os_disk") or [{}])[0] or {}
    confidential = disk.get("security_encryption_type")
    security = profile.get("securityProfile") or {}
    if confidential:
        security["securityType"] = "ConfidentialVM"
        flags = {"secureBootEnabled": bool(values.get("secure_boot_enabled")), "vTpmEnabled": bool(values.get("vtpm_enabled"))}
        security["uefiSettings"] = flags
    elif security.get("uefiSettings"):
        security["securityType"] = "TrustedLaunch"
    if security:
        profile["securityProfile"] = security


def flatten_profile(values: Values, profile: Body) -> None:
    """Blocks that ARM always answers and azurerm shows only when they are on."""
    if not get_path(profile, "diagnosticsProfile.bootDiagnostics.enabled"):
        values["boot_diagnostics"] = []
    if not get_path(profile, "scheduledEventsProfile.osImageNotificationProfile.enable"):
        values["os_image_notification"] = []
    image = get_path(profile, "storageProfile.imageReference") or {}
    if not image.get("publisher"):
        values["source_image_reference"] = []


def check_machine(config: Values) -> list[Problem]:
    """azurerm's own words for the mistakes about Spot; it finds them at apply, here they are found at plan."""
    priority, policy = config.get("priority"), config.get("eviction_policy")
    known = isinstance(priority, str | None) and isinstance(policy, str | None)
    problems = []
    if known and policy and priority != "Spot":
        problems.append(Problem("an `eviction_policy` can only be specified when `priority` is set to `Spot`", ("eviction_policy",)))
    return problems


def check_new(arm: Arm, values: Values, subscription: str) -> None:
    """What azurerm checks when it creates a machine, and not before (recorded in golden `vm-linux`: the plan takes it).

    Raises UsageError. Source: internal/services/compute of hashicorp/terraform-provider-azurerm.
    """
    if values.get("priority") == "Spot" and not values.get("eviction_policy"):
        raise UsageError("an `eviction_policy` must be specified when `priority` is set to `Spot`")
    if values.get("disable_password_authentication") and not values.get("admin_ssh_key") and not values.get("os_managed_disk_id"):
        raise UsageError("at least one `admin_ssh_key` must be specified when `disable_password_authentication` is set to `true`")


def _expand_machine(system: str, body: Body, values: Values) -> None:
    properties = body["properties"]
    settle_profile(properties, values, system)
    if values.get("os_managed_disk_id") and not values.get("admin_username"):
        properties.pop("osProfile", None)
        disk = properties["storageProfile"]["osDisk"]
        managed = {k: v for k, v in (disk.get("managedDisk") or {}).items() if v}
        disk |= {"createOption": "Attach", "managedDisk": {**managed, "id": values["os_managed_disk_id"]}}
    else:
        managed = properties["storageProfile"]["osDisk"].get("managedDisk") or {}
        managed.pop("id", None)
        profile = properties["osProfile"]
        profile["computerName"] = values.get("computer_name") or values["name"]
        profile.setdefault("secrets", [])
    properties["additionalCapabilities"] = properties.get("additionalCapabilities") or {}
    properties["applicationProfile"] = properties.get("applicationProfile") or {"galleryApplications": []}
    for content in get_path(properties, "osProfile.windowsConfiguration.additionalUnattendContent") or []:
        content |= {"componentName": "Microsoft-Windows-Shell-Setup", "passName": "OobeSystem"}
    for part in ("linuxConfiguration", "windowsConfiguration"):
        _order_patching(get_path(properties, f"osProfile.{part}"))
    always_identity(body)


def _order_patching(configuration: Body | None) -> None:
    platform = ((configuration or {}).get("patchSettings") or {}).get("automaticByPlatformSettings")
    if platform == {}:
        del (configuration or {})["patchSettings"]["automaticByPlatformSettings"]


def _flatten_machine(values: Values, live: Body, known: Values, major: int) -> None:
    properties = live.get("properties") or {}
    flatten_profile(values, properties)
    capabilities = properties.get("additionalCapabilities") or {}
    if not any(capabilities.values()):
        before = known.get("additional_capabilities")
        values["additional_capabilities"] = values["additional_capabilities"] if before and capabilities else []
    drop_empty_identity(values)
    for index, content in enumerate(values.get("additional_unattend_content") or []):
        held = (known.get("additional_unattend_content") or [])[index : index + 1]
        content["content"] = held[0].get("content", "") if held else ""


def _read_addresses(arm: Arm, live: Body, values: Values) -> None:
    """Addresses come from the interfaces; the OS disk's kind from the disk when the machine does not say."""
    private: list[str] = []
    public: list[str] = []
    for nic_id in values.get("network_interface_ids") or []:
        configurations = ((arm.get(nic_id, _NIC_API) or {}).get("properties") or {}).get("ipConfigurations") or []
        private += private_addresses(configurations)
        for configuration in configurations:
            address_id = get_path(configuration, "properties.publicIPAddress.id")
            if address_id:
                address = ((arm.get(address_id, _NIC_API) or {}).get("properties") or {}).get("ipAddress")
                public += [address] if address else []
    values.update(
        private_ip_addresses=private,
        private_ip_address=private[0] if private else "",
        public_ip_addresses=public,
        public_ip_address=public[0] if public else "",
    )
    for disk in values.get("os_disk") or []:
        if not disk.get("storage_account_type") or not disk.get("disk_size_gb"):
            held = arm.get(str(disk.get("id")), _DISK_API) if disk.get("id") else None
            disk["storage_account_type"] = disk.get("storage_account_type") or get_path(held, "sku.name") or ""
            disk["disk_size_gb"] = disk.get("disk_size_gb") or get_path(held, "properties.diskSizeGB") or 0


def _remove_os_disk(arm: Arm, live: Body, values: Values) -> None:
    """azurerm deletes the OS disk with the machine, unless it was given (feature delete_os_disk_on_deletion, on by default)."""
    disk_id = get_path(live, "properties.storageProfile.osDisk.managedDisk.id")
    given = values.get("os_managed_disk_id") and not values.get("admin_username")
    if disk_id and not (given and same_id(str(disk_id), str(values["os_managed_disk_id"]))):
        try:
            arm.delete(str(disk_id), _DISK_API)
        except AzureNotFound:
            return


def machine_hooks(system: str) -> Hooks:
    """The hooks of a machine; `system` is Linux or Windows."""

    def expand(body: Body, values: Values, major: int) -> None:
        _expand_machine(system, body, values)

    return Hooks(prepare=check_new, expand=expand, flatten=_flatten_machine, read_more=_read_addresses, removed=_remove_os_disk)
