"""Rows that several types share: managed identities, and what machines and scale sets have alike."""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import ID, IDENTITY_IDS
from iac_agent.azure.lenses.table import Attr, Body, Field, Nested, Values

_KINDS = ("SystemAssigned", "UserAssigned", "SystemAssigned, UserAssigned")
IDENTITY = Nested(
    "identity",
    "identity",
    (
        Attr("type", "type", choices=_KINDS, send="always"),
        Attr("identity_ids", "userAssignedIdentities", IDENTITY_IDS, read="present"),
        Attr("principal_id", "principalId", send="never"),
        Attr("tenant_id", "tenantId", send="never"),
    ),
    single=True,
)

OS_DISK: tuple[Field, ...] = (
    Attr("caching", "caching", choices=("None", "ReadOnly", "ReadWrite"), send="always"),
    Attr(
        "storage_account_type",
        "managedDisk.storageAccountType",
        new=True,
        choices=("Premium_LRS", "Standard_LRS", "StandardSSD_LRS", "StandardSSD_ZRS", "Premium_ZRS"),
        send="always",
    ),
    Attr("disk_size_gb", "diskSizeGB", between=(0, 4095)),
    Attr("write_accelerator_enabled", "writeAcceleratorEnabled", default=False, send="always"),
    Nested(
        "diff_disk_settings",
        "diffDiskSettings",
        (
            Attr("option", "option", new=True, choices=("Local",), send="always"),
            Attr(
                "placement",
                "placement",
                default="CacheDisk",
                new=True,
                choices=("CacheDisk", "NvmeDisk", "ResourceDisk"),
                send="always",
            ),
        ),
        single=True,
        new=True,
    ),
)
PURCHASE_PLAN = Nested(
    "plan",
    "plan",
    (
        Attr("name", "name", new=True, send="always"),
        Attr("product", "product", new=True, send="always"),
        Attr("publisher", "publisher", new=True, send="always"),
    ),
    single=True,
    new=True,
)
SECRET_SETTINGS = Nested(
    "protected_settings_from_key_vault",
    "properties.protectedSettingsFromKeyVault",
    (
        Attr("secret_url", "secretUrl", send="always"),
        Attr("source_vault_id", "sourceVault", ID, send="always"),
    ),
    single=True,
)


# What stands in `properties` of a machine, and in `properties.virtualMachineProfile` of a scale set.


def termination_notification(profile: str) -> Nested:
    return Nested(
        "termination_notification",
        f"{profile}.scheduledEventsProfile.terminateNotificationProfile",
        (
            Attr("enabled", "enable", send="always"),
            Attr("timeout", "notBeforeTimeout", default="PT5M", send="always"),
        ),
        single=True,
        computed=True,
        read="present",
    )


def boot_diagnostics(profile: str) -> Nested:
    return Nested(
        "boot_diagnostics",
        f"{profile}.diagnosticsProfile.bootDiagnostics",
        (Attr("storage_account_uri", "storageUri", send="always"),),
        single=True,
        send="always",
    )


def vault_secrets(profile: str) -> Nested:
    """Certificates from Key Vault, as Linux machines take them."""
    return Nested(
        "secret",
        f"{profile}.osProfile.secrets",
        (
            Attr("key_vault_id", "sourceVault", ID, send="always"),
            Nested("certificate", "vaultCertificates", (Attr("url", "certificateUrl", send="always"),), send="always"),
        ),
        send="always",
    )


def always_identity(body: Body) -> None:
    """Types that send their identity even when there is none (recorded in golden `vm-spot`, `storage`)."""
    held = body.setdefault("identity", {"type": "None"})
    held.setdefault("userAssignedIdentities", None)


def drop_empty_identity(values: Values) -> None:
    """ARM answers type None where azurerm has no block; it also writes the two kinds with and without a space."""
    for held in values.get("identity") or []:
        if held["type"] in ("None", ""):
            values["identity"] = []
        else:
            held["type"] = str(held["type"]).replace(",", ", ").replace("  ", " ")
