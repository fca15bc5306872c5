"""Virtual machines and their extensions.

Sources: recordings in golden `vm-linux`, `vm-spot`, `vm-windows`, `disks`, `lb`; internal/services/compute of
hashicorp/terraform-provider-azurerm; ARM api-version 2024-03-01. What the rows cannot say is in `machine_quirks`. The 5.2.0 recording
changes secure boot and vTPM in place; for 4 the source and the documentation say that they replace.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import EDGE_ZONE, ID, JSON, NICS, ONE, PLAIN_ID, SSH_USER
from iac_agent.azure.lenses.machine_quirks import machine_hooks
from iac_agent.azure.lenses.shared import (
    IDENTITY,
    OS_DISK,
    PURCHASE_PLAN,
    SECRET_SETTINGS,
    boot_diagnostics,
    termination_notification,
    vault_secrets,
)
from iac_agent.azure.lenses.table import GROUP, LOCATION_ROW, NAME, NAMED, TAGS, Arm, Attr, Body, Field, Hooks, Lens, Nested, Values

INF = float("inf")
_VM_API = "2024-03-01"


def _place_extension(arm: Arm, values: Values, subscription: str) -> None:
    """An extension is where its machine is."""
    machine = arm.get(str(values["virtual_machine_id"]), _VM_API) or {}
    values["location"] = machine.get("location", "")


def _expand_extension(body: Body, values: Values, major: int) -> None:
    if values.get("location"):
        body["location"] = values["location"]


# --- what both machines have ---

_BASICS: tuple[Field, ...] = (
    NAMED,
    GROUP,
    LOCATION_ROW,
    Attr("edge_zone", "extendedLocation", EDGE_ZONE, new=True),
    TAGS,
    Attr("size", "properties.hardwareProfile.vmSize", send="always"),
    Attr("admin_username", "properties.osProfile.adminUsername", new=True, send="always"),
    Attr("admin_password", "properties.osProfile.adminPassword", new=True, read="never"),
    Attr("computer_name", "properties.osProfile.computerName", new=True, send="always"),
    Attr("custom_data", "properties.osProfile.customData", new=True, read="never"),
    Attr("allow_extension_operations", "properties.osProfile.allowExtensionOperations", send="always", read="present", unset=True),
)
_PLACEMENT: tuple[Field, ...] = (
    Attr("network_interface_ids", "properties.networkProfile.networkInterfaces", NICS, send="always"),
    Attr("availability_set_id", "properties.availabilitySet", ID, new=True),
    Attr("capacity_reservation_group_id", "properties.capacityReservation.capacityReservationGroup", ID),
    Attr("dedicated_host_id", "properties.host", ID),
    Attr("dedicated_host_group_id", "properties.hostGroup", ID),
    Attr("proximity_placement_group_id", "properties.proximityPlacementGroup", ID),
    Attr("virtual_machine_scale_set_id", "properties.virtualMachineScaleSet", ID),
    Attr("platform_fault_domain", "properties.platformFaultDomain", default=-1, new=True, between=(-1, INF), unset=-1),
    Attr("priority", "properties.priority", default="Regular", new=True, choices=("Regular", "Spot"), send="always"),
    Attr("eviction_policy", "properties.evictionPolicy", new=True, choices=("Deallocate", "Delete")),
    Attr("max_bid_price", "properties.billingProfile.maxPrice", default=-1, between=(-1, INF), unset=-1),
    Attr("extensions_time_budget", "properties.extensionsTimeBudget", default="PT1H30M", send="always"),
)
_SECURITY: tuple[Field, ...] = (
    Attr("user_data", "properties.userData"),
    Attr("zone", "zones", ONE, new=True),
    Attr("encryption_at_host_enabled", "properties.securityProfile.encryptionAtHost"),
    Attr("secure_boot_enabled", "properties.securityProfile.uefiSettings.secureBootEnabled", new=True, major=4),
    Attr("secure_boot_enabled", "properties.securityProfile.uefiSettings.secureBootEnabled", major=5),
    Attr("vtpm_enabled", "properties.securityProfile.uefiSettings.vTpmEnabled", new=True, major=4),
    Attr("vtpm_enabled", "properties.securityProfile.uefiSettings.vTpmEnabled", major=5),
    Attr("disk_controller_type", "properties.storageProfile.diskControllerType", choices=("NVMe", "SCSI")),
    Attr("os_managed_disk_id", "properties.storageProfile.osDisk.managedDisk.id", PLAIN_ID, new=True),
)
_PARTS: tuple[Field, ...] = (
    Attr("virtual_machine_id", "properties.vmId", send="never"),
    Attr("private_ip_address", None, send="never", read="never"),
    Attr("private_ip_addresses", None, send="never", read="never"),
    Attr("public_ip_address", None, send="never", read="never"),
    Attr("public_ip_addresses", None, send="never", read="never"),
    Nested(
        "additional_capabilities",
        "properties.additionalCapabilities",
        (
            Attr("ultra_ssd_enabled", "ultraSSDEnabled", default=False, send="always"),
            Attr("hibernation_enabled", "hibernationEnabled", default=False, send="always"),
        ),
        single=True,
        send="always",
    ),
    Nested(
        "os_image_notification",
        "properties.scheduledEventsProfile.osImageNotificationProfile",
        (Attr("timeout", "notBeforeTimeout", default="PT15M", choices=("PT15M",), send="always"),),
        single=True,
        read="present",
    ),
    termination_notification("properties"),
    Nested(
        "os_disk",
        "properties.storageProfile.osDisk",
        (
            *OS_DISK,
            Attr("disk_encryption_set_id", "managedDisk.diskEncryptionSet", ID),
            Attr("secure_vm_disk_encryption_set_id", "managedDisk.securityProfile.diskEncryptionSet", ID, new=True),
            Attr(
                "security_encryption_type",
                "managedDisk.securityProfile.securityEncryptionType",
                new=True,
                choices=("VMGuestStateOnly", "DiskWithVMGuestState"),
            ),
            Attr("name", "name", new=True),
            Attr("id", "managedDisk.id", send="never"),
        ),
        single=True,
        send="always",
    ),
    Attr("source_image_id", "properties.storageProfile.imageReference.id", PLAIN_ID, new=True),
    Nested(
        "source_image_reference",
        "properties.storageProfile.imageReference",
        (
            Attr("publisher", "publisher", new=True, send="always"),
            Attr("offer", "offer", new=True, send="always"),
            Attr("sku", "sku", new=True, send="always"),
            Attr("version", "version", new=True, send="always"),
        ),
        single=True,
        new=True,
    ),
    PURCHASE_PLAN,
    IDENTITY,
)
_IMAGE: tuple[Field, ...] = (
    boot_diagnostics("properties"),
    Nested(
        "gallery_application",
        "properties.applicationProfile.galleryApplications",
        (
            Attr("version_id", "packageReferenceId", send="always"),
            Attr("configuration_blob_uri", "configurationReference", send="always"),
            Attr("order", "order", default=0, between=(0, 2147483647), send="always"),
            Attr("tag", "tags", send="always"),
            Attr("automatic_upgrade_enabled", "enableAutomaticUpgrade", default=False, send="always"),
            Attr("treat_failure_as_deployment_failure_enabled", "treatFailureAsDeploymentFailure", default=False, send="always"),
        ),
        send="always",
        read="present",
    ),
)
_CONFLICTS = (
    ("availability_set_id", "capacity_reservation_group_id"),
    ("availability_set_id", "virtual_machine_scale_set_id"),
    ("availability_set_id", "zone"),
    ("capacity_reservation_group_id", "proximity_placement_group_id"),
    ("dedicated_host_id", "dedicated_host_group_id"),
    ("admin_password", "os_managed_disk_id"),
    ("computer_name", "os_managed_disk_id"),
    ("custom_data", "os_managed_disk_id"),
)
_EXACTLY_ONE = (("admin_username", "os_managed_disk_id"), ("os_managed_disk_id", "source_image_id", "source_image_reference"))


LINUX_VIRTUAL_MACHINE = Lens(
    "azurerm_linux_virtual_machine",
    "Microsoft.Compute/virtualMachines",
    {4: "2024-03-01", 5: "2024-03-01"},
    "{group}/providers/Microsoft.Compute/virtualMachines/{name}",
    (
        *_BASICS,
        Attr(
            "provision_vm_agent",
            "properties.osProfile.linuxConfiguration.provisionVMAgent",
            new=True,
            send="always",
            read="present",
            unset=True,
        ),
        *_PLACEMENT,
        Attr(
            "license_type",
            "properties.licenseType",
            choices=(
                "RHEL_BYOS",
                "RHEL_BASE",
                "RHEL_EUS",
                "RHEL_SAPAPPS",
                "RHEL_SAPHA",
                "RHEL_BASESAPAPPS",
                "RHEL_BASESAPHA",
                "SLES_BYOS",
                "SLES_SAP",
                "SLES_HPC",
                "UBUNTU_PRO",
            ),
        ),
        *_SECURITY,
        Attr(
            "patch_mode",
            "properties.osProfile.linuxConfiguration.patchSettings.patchMode",
            choices=("AutomaticByPlatform", "ImageDefault"),
            send="always",
            unset="ImageDefault",
        ),
        Attr(
            "patch_assessment_mode",
            "properties.osProfile.linuxConfiguration.patchSettings.assessmentMode",
            choices=("AutomaticByPlatform", "ImageDefault"),
            send="always",
            unset="ImageDefault",
        ),
        Attr(
            "bypass_platform_safety_checks_on_user_schedule_enabled",
            "properties.osProfile.linuxConfiguration.patchSettings.automaticByPlatformSettings.bypassPlatformSafetyChecksOnUserSchedule",
            default=False,
        ),
        Attr(
            "reboot_setting",
            "properties.osProfile.linuxConfiguration.patchSettings.automaticByPlatformSettings.rebootSetting",
            choices=("Always", "IfRequired", "Never"),
        ),
        Attr(
            "vm_agent_platform_updates_enabled",
            "properties.osProfile.linuxConfiguration.enableVMAgentPlatformUpdates",
            send="never",
        ),
        *_PARTS,
        vault_secrets("properties"),
        *_IMAGE,
        Attr(
            "disable_password_authentication",
            "properties.osProfile.linuxConfiguration.disablePasswordAuthentication",
            new=True,
            send="always",
            read="present",
            unset=True,
        ),
        Nested(
            "admin_ssh_key",
            "properties.osProfile.linuxConfiguration.ssh.publicKeys",
            (
                Attr("public_key", "keyData", new=True, send="always"),
                Attr("username", "path", SSH_USER, new=True, send="always"),
            ),
            new=True,
            send="always",
        ),
    ),
    conflicts=_CONFLICTS,
    exactly_one=_EXACTLY_ONE,
    hooks=machine_hooks("Linux"),
)


WINDOWS_VIRTUAL_MACHINE = Lens(
    "azurerm_windows_virtual_machine",
    "Microsoft.Compute/virtualMachines",
    {4: "2024-03-01", 5: "2024-03-01"},
    "{group}/providers/Microsoft.Compute/virtualMachines/{name}",
    (
        *_BASICS,
        Attr(
            "provision_vm_agent",
            "properties.osProfile.windowsConfiguration.provisionVMAgent",
            new=True,
            send="always",
            read="present",
            unset=True,
        ),
        *_PLACEMENT,
        Attr("license_type", "properties.licenseType", choices=("None", "Windows_Client", "Windows_Server")),
        *_SECURITY,
        Attr(
            "patch_mode",
            "properties.osProfile.windowsConfiguration.patchSettings.patchMode",
            choices=("AutomaticByOS", "AutomaticByPlatform", "Manual"),
            send="always",
            read="present",
        ),
        Attr(
            "patch_assessment_mode",
            "properties.osProfile.windowsConfiguration.patchSettings.assessmentMode",
            choices=("AutomaticByPlatform", "ImageDefault"),
            send="always",
        ),
        Attr(
            "bypass_platform_safety_checks_on_user_schedule_enabled",
            "properties.osProfile.windowsConfiguration.patchSettings.automaticByPlatformSettings.bypassPlatformSafetyChecksOnUserSchedule",
            default=False,
        ),
        Attr(
            "reboot_setting",
            "properties.osProfile.windowsConfiguration.patchSettings.automaticByPlatformSettings.rebootSetting",
            choices=("Always", "IfRequired", "Never"),
        ),
        Attr(
            "vm_agent_platform_updates_enabled",
            "properties.osProfile.windowsConfiguration.enableVMAgentPlatformUpdates",
            send="never",
        ),
        *_PARTS,
        Nested(
            "secret",
            "properties.osProfile.secrets",
            (
                Attr("key_vault_id", "sourceVault", ID, send="always"),
                Nested(
                    "certificate",
                    "vaultCertificates",
                    (
                        Attr("url", "certificateUrl", send="always"),
                        Attr("store", "certificateStore", send="always"),
                    ),
                    send="always",
                ),
            ),
            send="always",
        ),
        *_IMAGE,
        Attr(
            "automatic_updates_enabled",
            "properties.osProfile.windowsConfiguration.enableAutomaticUpdates",
            new=True,
            send="always",
            read="present",
            unset=True,
        ),
        Attr(
            "enable_automatic_updates",
            "properties.osProfile.windowsConfiguration.enableAutomaticUpdates",
            new=True,
            read="present",
            major=4,
        ),
        Attr(
            "hotpatching_enabled",
            "properties.osProfile.windowsConfiguration.patchSettings.enableHotpatching",
            send="always",
            read="present",
        ),
        Attr("timezone", "properties.osProfile.windowsConfiguration.timeZone", new=True),
        Nested(
            "additional_unattend_content",
            "properties.osProfile.windowsConfiguration.additionalUnattendContent",
            (
                Attr("content", "content", new=True, send="always", read="never"),
                Attr("setting", "settingName", new=True, choices=("AutoLogon", "FirstLogonCommands"), send="always"),
            ),
            new=True,
        ),
        Nested(
            "winrm_listener",
            "properties.osProfile.windowsConfiguration.winRM.listeners",
            (
                Attr("protocol", "protocol", new=True, choices=("Http", "Https"), send="always"),
                Attr("certificate_url", "certificateUrl", new=True),
            ),
            new=True,
            send="always",
        ),
    ),
    conflicts=_CONFLICTS,
    exactly_one=_EXACTLY_ONE,
    hooks=machine_hooks("Windows"),
)


VIRTUAL_MACHINE_EXTENSION = Lens(
    "azurerm_virtual_machine_extension",
    "Microsoft.Compute/virtualMachines/extensions",
    {4: "2024-03-01", 5: "2024-03-01"},
    "{virtual_machine_id}/extensions/{name}",
    (
        NAME,
        Attr("virtual_machine_id", None, PLAIN_ID, new=True, send="never"),
        Attr("publisher", "properties.publisher", new=True, send="always"),
        Attr("type", "properties.type", send="always"),
        Attr("type_handler_version", "properties.typeHandlerVersion", send="always"),
        Attr("auto_upgrade_minor_version", "properties.autoUpgradeMinorVersion", send="always"),
        Attr("automatic_upgrade_enabled", "properties.enableAutomaticUpgrade", send="always"),
        Attr("failure_suppression_enabled", "properties.suppressFailures", default=False, send="always"),
        Attr("settings", "properties.settings", JSON, read="present"),
        Attr("protected_settings", "properties.protectedSettings", JSON, read="never"),
        SECRET_SETTINGS,
        Attr("provision_after_extensions", "properties.provisionAfterExtensions"),
        TAGS,
    ),
    conflicts=(("protected_settings", "protected_settings_from_key_vault"),),
    hooks=Hooks(prepare=_place_extension, expand=_expand_extension),
)


LENSES = (LINUX_VIRTUAL_MACHINE, WINDOWS_VIRTUAL_MACHINE, VIRTUAL_MACHINE_EXTENSION)
