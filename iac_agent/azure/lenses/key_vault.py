"""Key vaults (management plane).

Sources: recordings in golden `platform`; internal/services/keyvault/key_vault_resource.go of hashicorp/terraform-provider-azurerm; ARM
api-version 2026-02-01. azurerm 4 also reads certificate contacts over the data plane, which lenses leave alone.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import ENABLED, IDS, Codec
from iac_agent.azure.lenses.table import GROUP, LOCATION_ROW, NAME, TAGS, Arm, Attr, Body, Hooks, Lens, Nested, Values

_PURGE_API = "2023-07-01"
VALUES = Codec(lambda v: [{"value": i} for i in v], lambda v: [r["value"] for r in v])
_OPEN = {"bypass": "AzureServices", "defaultAction": "Allow"}


def _recover_deleted(arm: Arm, values: Values, subscription: str) -> None:
    """A vault that was deleted and is kept yet is recovered (feature recover_soft_deleted_key_vaults, on by default)."""
    place = str(values["location"]).replace(" ", "").lower()
    path = f"/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{place}/deletedVaults/{values['name']}"
    if arm.get(path, _PURGE_API):
        values["create_mode"] = "recover"


def _expand_vault(body: Body, values: Values, major: int) -> None:
    properties = body["properties"]
    properties["createMode"] = values.get("create_mode", "default")
    properties["enableSoftDelete"] = True
    properties["sku"]["family"] = "A"
    days = values.get("soft_delete_retention_days")
    if days in (None, 90):
        properties.pop("softDeleteRetentionInDays", None)


def _flatten_vault(values: Values, live: Body, known: Values, major: int) -> None:
    """ARM leaves the rules out while everything may enter; azurerm then shows them as open."""
    properties = live.get("properties") or {}
    if not properties.get("networkAcls"):
        values["network_acls"] = [{"bypass": "AzureServices", "default_action": "Allow", "ip_rules": [], "virtual_network_subnet_ids": []}]
    values["soft_delete_retention_days"] = properties.get("softDeleteRetentionInDays") or 90


def _purge(arm: Arm, live: Body, values: Values) -> None:
    """azurerm purges what it deletes (feature purge_soft_delete_on_destroy, on by default), unless the vault is protected."""
    subscription = str(live["id"]).split("/")[2]
    place = f"/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{live['location']}"
    if not (live.get("properties") or {}).get("enablePurgeProtection"):
        arm.post(f"{place}/deletedVaults/{values['name']}/purge", _PURGE_API)


KEY_VAULT = Lens(
    "azurerm_key_vault",
    "Microsoft.KeyVault/vaults",
    {4: "2026-02-01", 5: "2026-02-01"},
    "{group}/providers/Microsoft.KeyVault/vaults/{name}",
    (
        NAME,
        GROUP,
        LOCATION_ROW,
        Attr("sku_name", "properties.sku.name", choices=("standard", "premium"), send="always"),
        Attr("tenant_id", "properties.tenantId", send="always"),
        Nested(
            "access_policy",
            "properties.accessPolicies",
            (
                Attr("tenant_id", "tenantId", send="always"),
                Attr("object_id", "objectId", send="always"),
                Attr("application_id", "applicationId"),
                Attr(
                    "certificate_permissions",
                    "permissions.certificates",
                    choices=(
                        "Get",
                        "List",
                        "Update",
                        "Create",
                        "Import",
                        "Delete",
                        "Recover",
                        "Backup",
                        "Restore",
                        "ManageContacts",
                        "ManageIssuers",
                        "GetIssuers",
                        "ListIssuers",
                        "SetIssuers",
                        "DeleteIssuers",
                        "Purge",
                    ),
                    send="always",
                ),
                Attr(
                    "key_permissions",
                    "permissions.keys",
                    choices=(
                        "Get",
                        "List",
                        "Update",
                        "Create",
                        "Import",
                        "Delete",
                        "Recover",
                        "Backup",
                        "Restore",
                        "Decrypt",
                        "Encrypt",
                        "UnwrapKey",
                        "WrapKey",
                        "Verify",
                        "Sign",
                        "Purge",
                        "Release",
                        "Rotate",
                        "GetRotationPolicy",
                        "SetRotationPolicy",
                    ),
                    send="always",
                ),
                Attr(
                    "secret_permissions",
                    "permissions.secrets",
                    choices=("Get", "List", "Set", "Delete", "Recover", "Backup", "Restore", "Purge"),
                    send="always",
                ),
                Attr(
                    "storage_permissions",
                    "permissions.storage",
                    choices=(
                        "Backup",
                        "Delete",
                        "DeleteSAS",
                        "Get",
                        "GetSAS",
                        "List",
                        "ListSAS",
                        "Purge",
                        "Recover",
                        "RegenerateKey",
                        "Restore",
                        "Set",
                        "SetSAS",
                        "Update",
                    ),
                    send="always",
                ),
            ),
            computed=True,
            send="always",
        ),
        Attr("enabled_for_deployment", "properties.enabledForDeployment", send="always"),
        Attr("enabled_for_disk_encryption", "properties.enabledForDiskEncryption", send="always"),
        Attr("enabled_for_template_deployment", "properties.enabledForTemplateDeployment", send="always"),
        Attr("rbac_authorization_enabled", "properties.enableRbacAuthorization", send="always", major=5),
        Attr("rbac_authorization_enabled", "properties.enableRbacAuthorization", send="always", major=4),
        Attr("enable_rbac_authorization", "properties.enableRbacAuthorization", send="always", major=4),
        Nested(
            "network_acls",
            "properties.networkAcls",
            (
                Attr("default_action", "defaultAction", choices=("Allow", "Deny"), send="always"),
                Attr("bypass", "bypass", choices=("None", "AzureServices"), send="always"),
                Attr("ip_rules", "ipRules", VALUES, send="always"),
                Attr("virtual_network_subnet_ids", "virtualNetworkRules", IDS, send="always"),
            ),
            single=True,
            computed=True,
        ),
        Attr("public_network_access_enabled", "properties.publicNetworkAccess", ENABLED, default=True, send="always"),
        Attr("purge_protection_enabled", "properties.enablePurgeProtection"),
        Attr("soft_delete_retention_days", "properties.softDeleteRetentionInDays", default=90, between=(7, 90)),
        Attr("vault_uri", "properties.vaultUri", send="never"),
        Nested("contact", None, (), computed=True, send="never", read="never", major=4),
        TAGS,
    ),
    conflicts=(("enable_rbac_authorization", "rbac_authorization_enabled"),),
    hooks=Hooks(prepare=_recover_deleted, expand=_expand_vault, flatten=_flatten_vault, removed=_purge),
)


LENSES = (KEY_VAULT,)
