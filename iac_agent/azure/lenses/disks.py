"""Managed disks, snapshots and data disk attachments.

Sources: recordings in golden `disks`; internal/services/compute/managed_disk_resource.go, snapshot_resource.go and
virtual_machine_data_disk_attachment_resource.go of hashicorp/terraform-provider-azurerm; ARM api-versions
2023-04-02, 2022-03-02, 2024-03-01.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import EDGE_ZONE, ENABLED, ID, ONE, PLAIN_ID, TRUSTED_LAUNCH
from iac_agent.azure.lenses.table import (
    GROUP,
    LOCATION_ROW,
    NAME,
    NAMED,
    TAGS,
    Arm,
    Attr,
    Body,
    DataDisk,
    Hooks,
    Lens,
    Nested,
    Values,
)

INF = float("inf")


def _expand_disk(body: Body, values: Values, major: int) -> None:
    """Encryption always says its kind (recorded in golden `disks`); the settings collection says that it is on."""
    properties = body["properties"]
    encryption = properties.setdefault("encryption", {})
    held = "diskEncryptionSetId" in encryption
    encryption["type"] = "EncryptionAtRestWithCustomerKey" if held else "EncryptionAtRestWithPlatformKey"
    if "encryptionSettingsCollection" in properties:
        properties["encryptionSettingsCollection"]["enabled"] = True


def _flatten_disk(values: Values, live: Body, known: Values, major: int) -> None:
    kind = ((live.get("properties") or {}).get("securityProfile") or {}).get("securityType", "")
    values["security_type"] = kind if kind.startswith("ConfidentialVM") else ""


def _name_attachment(arm: Arm, values: Values, subscription: str) -> None:
    """An attachment is called after its disk."""
    values["name"] = str(values["managed_disk_id"]).rsplit("/", 1)[-1]


def _expand_snapshot(body: Body, values: Values, major: int) -> None:
    collection = body["properties"].setdefault("encryptionSettingsCollection", {})
    collection["enabled"] = "encryptionSettings" in collection


_NETWORK_ACCESS = Attr(
    "network_access_policy",
    "properties.networkAccessPolicy",
    default="AllowAll",
    choices=("AllowAll", "AllowPrivate", "DenyAll"),
    send="always",
)
_ENCRYPTION_SETTINGS = Nested(
    "encryption_settings",
    "properties.encryptionSettingsCollection.encryptionSettings",
    (
        Nested(
            "disk_encryption_key",
            "diskEncryptionKey",
            (
                Attr("secret_url", "secretUrl", send="always"),
                Attr("source_vault_id", "sourceVault", ID, send="always"),
            ),
            single=True,
            send="always",
        ),
        Nested(
            "key_encryption_key",
            "keyEncryptionKey",
            (
                Attr("key_url", "keyUrl", send="always"),
                Attr("source_vault_id", "sourceVault", ID, send="always"),
            ),
            single=True,
        ),
    ),
)


MANAGED_DISK = Lens(
    "azurerm_managed_disk",
    "Microsoft.Compute/disks",
    {4: "2023-04-02", 5: "2023-04-02"},
    "{group}/providers/Microsoft.Compute/disks/{name}",
    (
        NAMED,
        GROUP,
        LOCATION_ROW,
        Attr(
            "storage_account_type",
            "sku.name",
            choices=(
                "Premium_LRS",
                "PremiumV2_LRS",
                "Premium_ZRS",
                "Standard_LRS",
                "StandardSSD_LRS",
                "StandardSSD_ZRS",
                "UltraSSD_LRS",
            ),
            send="always",
            read="present",
        ),
        Attr(
            "create_option",
            "properties.creationData.createOption",
            new=True,
            choices=("Copy", "Empty", "FromImage", "Import", "ImportSecure", "Restore", "Upload"),
            send="always",
        ),
        Attr("disk_size_gb", "properties.diskSizeGB", between=(0, 65536)),
        Attr("edge_zone", "extendedLocation", EDGE_ZONE, new=True),
        Attr("zone", "zones", ONE, new=True),
        Attr("os_type", "properties.osType", choices=("Linux", "Windows"), send="always"),
        Attr("source_uri", "properties.creationData.sourceUri", new=True),
        Attr("storage_account_id", "properties.creationData.storageAccountId", new=True),
        Attr("source_resource_id", "properties.creationData.sourceResourceId", PLAIN_ID, new=True),
        Attr("image_reference_id", "properties.creationData.imageReference", ID, new=True),
        Attr("gallery_image_reference_id", "properties.creationData.galleryImageReference", ID, new=True),
        Attr("upload_size_bytes", "properties.creationData.uploadSizeBytes", new=True, between=(1, INF)),
        Attr("logical_sector_size", "properties.creationData.logicalSectorSize", new=True, choices=(512, 4096), read="present"),
        Attr("performance_plus_enabled", "properties.creationData.performancePlus", default=False, new=True, send="always"),
        Attr("optimized_frequent_attach_enabled", "properties.optimizedForFrequentAttach", default=False, send="always"),
        Attr("disk_iops_read_write", "properties.diskIOPSReadWrite", between=(1, INF)),
        Attr("disk_mbps_read_write", "properties.diskMBpsReadWrite", between=(1, INF)),
        Attr("disk_iops_read_only", "properties.diskIOPSReadOnly", between=(1, INF)),
        Attr("disk_mbps_read_only", "properties.diskMBpsReadOnly", between=(1, INF)),
        Attr("max_shares", "properties.maxShares", between=(2, 10)),
        Attr("tier", "properties.tier"),
        Attr("on_demand_bursting_enabled", "properties.burstingEnabled"),
        Attr("hyper_v_generation", "properties.hyperVGeneration", new=True, choices=("V1", "V2")),
        Attr("trusted_launch_enabled", "properties.securityProfile.securityType", TRUSTED_LAUNCH, new=True),
        Attr(
            "security_type",
            "properties.securityProfile.securityType",
            new=True,
            choices=(
                "ConfidentialVM_VMGuestStateOnlyEncryptedWithPlatformKey",
                "ConfidentialVM_DiskEncryptedWithPlatformKey",
                "ConfidentialVM_DiskEncryptedWithCustomerKey",
            ),
        ),
        Attr("secure_vm_disk_encryption_set_id", "properties.securityProfile.secureVMDiskEncryptionSetId", new=True),
        Attr("disk_encryption_set_id", "properties.encryption.diskEncryptionSetId", PLAIN_ID),
        _NETWORK_ACCESS,
        Attr("disk_access_id", "properties.diskAccessId"),
        Attr("public_network_access_enabled", "properties.publicNetworkAccess", ENABLED, default=True, send="always"),
        TAGS,
        _ENCRYPTION_SETTINGS,
    ),
    conflicts=(
        ("image_reference_id", "gallery_image_reference_id"),
        ("disk_encryption_set_id", "secure_vm_disk_encryption_set_id"),
    ),
    hooks=Hooks(expand=_expand_disk, flatten=_flatten_disk),
)


SNAPSHOT = Lens(
    "azurerm_snapshot",
    "Microsoft.Compute/snapshots",
    {4: "2022-03-02", 5: "2022-03-02"},
    "{group}/providers/Microsoft.Compute/snapshots/{name}",
    (
        NAME,
        GROUP,
        LOCATION_ROW,
        Attr("create_option", "properties.creationData.createOption", choices=("Copy", "Import"), send="always", major=4),
        Attr("create_option", "properties.creationData.createOption", choices=("Copy", "CopyStart", "Import"), send="always", major=5),
        Attr("incremental_enabled", "properties.incremental", default=False, new=True, send="always"),
        Attr("source_uri", "properties.creationData.sourceUri", new=True, read="never"),
        Attr("source_resource_id", "properties.creationData.sourceResourceId", new=True, read="never"),
        Attr("storage_account_id", "properties.creationData.storageAccountId", new=True),
        _NETWORK_ACCESS,
        Attr("disk_access_id", "properties.diskAccessId"),
        Attr("public_network_access_enabled", "properties.publicNetworkAccess", ENABLED, default=True, send="always"),
        Attr("disk_size_gb", "properties.diskSizeGB"),
        Attr("trusted_launch_enabled", "properties.securityProfile.securityType", TRUSTED_LAUNCH, send="never"),
        TAGS,
        _ENCRYPTION_SETTINGS,
    ),
    hooks=Hooks(expand=_expand_snapshot),
)


VIRTUAL_MACHINE_DATA_DISK_ATTACHMENT = Lens(
    "azurerm_virtual_machine_data_disk_attachment",
    "Microsoft.Compute/virtualMachines",
    {4: "2024-03-01", 5: "2024-03-01"},
    "{virtual_machine_id}/dataDisks/{name}",
    (
        Attr("managed_disk_id", "managedDisk.id", PLAIN_ID, new=True, send="always", read="present"),
        Attr("virtual_machine_id", None, PLAIN_ID, new=True, send="never"),
        Attr("lun", "lun", new=True, between=(0, INF), send="always"),
        Attr("caching", "caching", choices=("None", "ReadOnly", "ReadWrite"), send="always"),
        Attr("create_option", "createOption", default="Attach", new=True, choices=("Attach", "Empty"), send="always"),
        Attr("write_accelerator_enabled", "writeAcceleratorEnabled", default=False, send="always"),
    ),
    strategy=DataDisk(),
    hooks=Hooks(prepare=_name_attachment),
)


LENSES = (MANAGED_DISK, SNAPSHOT, VIRTUAL_MACHINE_DATA_DISK_ATTACHMENT)
