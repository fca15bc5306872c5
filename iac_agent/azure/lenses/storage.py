"""Storage accounts and containers, through the management plane only.

azurerm 4 reads queue properties and the static website over the data plane, which lenses leave alone. Sources: recordings in golden
`storage`; internal/services/storage of hashicorp/terraform-provider-azurerm; ARM api-version 2025-08-01.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import (
    COMMAS,
    EDGE_ZONE,
    ENABLED,
    ENABLED_WHEN_TRUE,
    HOST,
    IP_RULES,
    NOT,
    PLAIN_ID,
    PUBLIC_ACCESS,
    SEMICOLONS,
    SUBNET_RULES,
)
from iac_agent.azure.lenses.convert import block_schema, child_schema, expand_fields, flatten_fields
from iac_agent.azure.lenses.shared import IDENTITY, always_identity, drop_empty_identity
from iac_agent.azure.lenses.table import (
    GROUP,
    LOCATION_ROW,
    NAME,
    TAGS,
    Arm,
    Attr,
    Body,
    Hooks,
    Lens,
    Nested,
    Values,
)

INF = float("inf")
_API = "2025-08-01"
_OPEN = {"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "resourceAccessRules": [], "virtualNetworkRules": []}
_ZONAL = {"ZRS", "GZRS", "RAGZRS"}
_WITH_TIER = ("BlobStorage", "FileStorage", "StorageV2")


def _endpoints() -> tuple[Attr, ...]:
    """`primary_blob_endpoint`, `secondary_web_internet_host` and their like: the URL and its host, for every place and kind."""
    rows = []
    for place in ("primary", "secondary"):
        for kind in ("blob", "dfs", "file", "queue", "table", "web"):
            for word, part in (("", ""), ("internet_", "internetEndpoints."), ("microsoft_", "microsoftEndpoints.")):
                arm = f"properties.{place}Endpoints.{part}{kind}"
                rows.append(Attr(f"{place}_{kind}_{word}endpoint", arm, send="never"))
                rows.append(Attr(f"{place}_{kind}_{word}host", arm, HOST, send="never"))
    return tuple(rows)


_ENDPOINTS = _endpoints()
_METRIC_FIELDS = (Attr("enabled"), Attr("version"), Attr("include_apis"), Attr("retention_policy_days"))
_QUEUE_FIELDS = (
    Nested("cors_rule", None, ()),
    Nested("logging", None, (), computed=True),
    Nested("hour_metrics", None, _METRIC_FIELDS, computed=True),
    Nested("minute_metrics", None, _METRIC_FIELDS, computed=True),
)


def _expand_account(body: Body, values: Values, major: int) -> None:
    tier, version = values["account_tier"], values.get("provisioned_billing_model_version") or ""
    body["sku"] = {"name": f"{tier}{version}_{values['account_replication_type']}", "tier": tier}
    properties = body["properties"]
    if not properties.get("accessTier"):
        properties.pop("accessTier", None)
        if body["kind"] in _WITH_TIER:
            properties["accessTier"] = "Hot"
    properties["networkAcls"] = {**_OPEN, **(properties.get("networkAcls") or {})}
    properties["encryption"]["keySource"] = "Microsoft.Storage"
    if properties.get("largeFileSharesState") is None:
        properties.pop("largeFileSharesState", None)
    always_identity(body)
    for key in values.get("customer_managed_key") or []:
        url = key.get("key_vault_key_id") or key.get("managed_hsm_key_id") or ""
        host, _, rest = url.removeprefix("https://").partition("/keys/")
        name, _, key_version = rest.partition("/")
        properties["encryption"] |= {
            "keySource": "Microsoft.Keyvault",
            "keyvaultproperties": {"keyvaulturi": f"https://{host}/", "keyname": name, "keyversion": key_version},
            "identity": {"userAssignedIdentity": key["user_assigned_identity_id"]},
        }


def _flatten_account(values: Values, live: Body, known: Values, major: int) -> None:
    sku, _, replication = str((live.get("sku") or {}).get("name", "")).partition("_")
    values["account_replication_type"] = replication
    values["account_tier"] = sku.removesuffix("V2")
    values["provisioned_billing_model_version"] = "V2" if sku.endswith("V2") else ""
    rules = (live.get("properties") or {}).get("networkAcls") or {}
    untouched = not known.get("network_rules") and all((rules.get(k) or v) == v for k, v in _OPEN.items())
    if untouched:
        values["network_rules"] = []
    drop_empty_identity(values)


def _replace_account(prior: Values, planned: Values, major: int) -> list[tuple[str | int, ...]]:
    found: list[tuple[str | int, ...]] = []
    kinds = [prior.get("account_kind"), planned.get("account_kind")]
    if kinds[0] != kinds[1] and kinds != ["Storage", "StorageV2"]:
        found.append(("account_kind",))
    before, after = prior.get("account_replication_type"), planned.get("account_replication_type")
    if before != after and (before in _ZONAL) != (after in _ZONAL):
        found.append(("account_replication_type",))
    if prior.get("large_file_share_enabled") and planned.get("large_file_share_enabled") is False:
        found.append(("large_file_share_enabled",))
    return found


def _service(name: str) -> Nested:
    return next(f for f in STORAGE_ACCOUNT.fields if isinstance(f, Nested) and f.name == name)


_SERVICES = {"blob_properties": "blobServices", "share_properties": "fileServices"}


def _read_services(arm: Arm, live: Body, values: Values) -> None:
    """Keys, and the settings of the blob and file services, are resources of their own in ARM."""
    _read_keys(arm, live, values)
    for name, service in _SERVICES.items():
        found = arm.get(f"{values['id']}/{service}/default", _API) or {}
        properties = dict(found.get("properties") or {})
        for policy in ("containerDeleteRetentionPolicy", "deleteRetentionPolicy", "restorePolicy", "shareDeleteRetentionPolicy"):
            if not (properties.get(policy) or {}).get("enabled"):
                properties.pop(policy, None)
        schema = child_schema(block_schema(STORAGE_ACCOUNT, 5), name)
        values[name] = [flatten_fields(_service(name).fields, {"properties": properties}, {}, schema, 5)]


def _read_keys(arm: Arm, live: Body, values: Values) -> None:
    keys = [k["value"] for k in arm.post(f"{values['id']}/listKeys?$expand=kerb", _API).get("keys", [])]
    endpoints = (live.get("properties") or {}).get("primaryEndpoints") or {}
    blob = str(endpoints.get("blob", ""))
    suffix = blob.split(".blob.", 1)[-1].rstrip("/")
    name = live["name"]
    for which, key in zip(("primary", "secondary"), keys, strict=False):
        values[f"{which}_access_key"] = key
        values[f"{which}_connection_string"] = f"DefaultEndpointsProtocol=https;AccountName={name};AccountKey={key};EndpointSuffix={suffix}"
        held = blob if which == "primary" else str(((live.get("properties") or {}).get("secondaryEndpoints") or {}).get("blob", ""))
        values[f"{which}_blob_connection_string"] = (
            f"DefaultEndpointsProtocol=https;BlobEndpoint={held};AccountName={name};AccountKey={key}" if held else ""
        )


def _write_services(arm: Arm, resource_id: str, values: Values, major: int) -> None:
    for name, service in _SERVICES.items():
        for block in values.get(name) or []:
            body: Body = {}
            schema = child_schema(block_schema(STORAGE_ACCOUNT, major), name)
            expand_fields(_service(name).fields, block, schema, body, major)
            for policy in (
                "containerDeleteRetentionPolicy",
                "deleteRetentionPolicy",
                "restorePolicy",
                "shareDeleteRetentionPolicy",
            ):
                if policy in body.get("properties", {}):
                    body["properties"][policy]["enabled"] = bool(body["properties"][policy])
            arm.put(f"{resource_id}/{service}/default", body, _API)


def _account_of(arm: Arm, values: Values, subscription: str) -> None:
    """azurerm 4 may name the account instead of giving its id."""
    if not values.get("storage_account_id") and values.get("storage_account_name"):
        path = f"/subscriptions/{subscription}/providers/Microsoft.Storage/storageAccounts"
        for account in (arm.get(path, _API) or {}).get("value", []):
            if account["name"] == values["storage_account_name"]:
                values["storage_account_id"] = account["id"]


def _read_container(arm: Arm, live: Body, values: Values) -> None:
    account = arm.get(str(values["storage_account_id"]), _API) or {}
    blob = ((account.get("properties") or {}).get("primaryEndpoints") or {}).get("blob", "")
    values["url"] = f"{blob}{live['name']}"
    values["resource_manager_id"] = values["id"]


def _expand_container(body: Body, values: Values, major: int) -> None:
    if not values.get("default_encryption_scope"):
        body["properties"].pop("denyEncryptionScopeOverride", None)


def _flatten_container(values: Values, live: Body, known: Values, major: int) -> None:
    """The account's own key is what ARM calls the scope when none is set; azurerm shows it once it is live."""
    if not (live.get("properties") or {}).get("publicAccess"):
        values["container_access_type"] = "private"


STORAGE_ACCOUNT = Lens(
    "azurerm_storage_account",
    "Microsoft.Storage/storageAccounts",
    {4: "2025-08-01", 5: "2025-08-01"},
    "{group}/providers/Microsoft.Storage/storageAccounts/{name}",
    (
        NAME,
        GROUP,
        LOCATION_ROW,
        Attr(
            "account_kind",
            "kind",
            default="StorageV2",
            choices=("BlobStorage", "BlockBlobStorage", "FileStorage", "Storage", "StorageV2"),
            send="always",
        ),
        Attr("account_tier", None, new=True, choices=("Premium", "Standard")),
        Attr("account_replication_type", None, choices=("LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS"), send="always"),
        Attr("provisioned_billing_model_version", None, new=True, choices=("V2",)),
        Attr("access_tier", "properties.accessTier", choices=("Cold", "Cool", "Hot", "Premium"), send="always"),
        Attr("cross_tenant_replication_enabled", "properties.allowCrossTenantReplication", default=False, send="always"),
        Attr("https_traffic_only_enabled", "properties.supportsHttpsTrafficOnly", default=True, send="always"),
        Attr("min_tls_version", "properties.minimumTlsVersion", default="TLS1_2", choices=("TLS1_2",), send="always", major=5),
        Attr(
            "min_tls_version",
            "properties.minimumTlsVersion",
            default="TLS1_2",
            choices=("TLS1_0", "TLS1_1", "TLS1_2"),
            send="always",
            major=4,
        ),
        Attr("allow_nested_items_to_be_public", "properties.allowBlobPublicAccess", default=False, send="always", major=5),
        Attr("allow_nested_items_to_be_public", "properties.allowBlobPublicAccess", default=True, send="always", major=4),
        Attr("shared_access_key_enabled", "properties.allowSharedKeyAccess", default=True, send="always"),
        Attr("public_network_access_enabled", "properties.publicNetworkAccess", ENABLED, default=True, send="always"),
        Attr(
            "dns_endpoint_type",
            "properties.dnsEndpointType",
            default="Standard",
            new=True,
            choices=("Standard", "AzureDnsZone"),
            send="always",
        ),
        Attr("default_to_oauth_authentication", "properties.defaultToOAuthAuthentication", default=False, send="always"),
        Attr("is_hns_enabled", "properties.isHnsEnabled", default=False, new=True, send="always"),
        Attr("nfsv3_enabled", "properties.isNfsV3Enabled", default=False, new=True, send="always"),
        Attr("sftp_enabled", "properties.isSftpEnabled", default=False, send="always"),
        Attr("local_user_enabled", "properties.isLocalUserEnabled", default=True, send="always"),
        Attr("large_file_share_enabled", "properties.largeFileSharesState", ENABLED_WHEN_TRUE),
        Attr("infrastructure_encryption_enabled", "properties.encryption.requireInfrastructureEncryption", default=False, new=True),
        Attr(
            "queue_encryption_key_type",
            "properties.encryption.services.queue.keyType",
            default="Service",
            new=True,
            choices=("Account", "Service"),
            send="always",
        ),
        Attr(
            "table_encryption_key_type",
            "properties.encryption.services.table.keyType",
            default="Service",
            new=True,
            choices=("Account", "Service"),
            send="always",
        ),
        Attr("allowed_copy_scope", "properties.allowedCopyScope", choices=("AAD", "PrivateLink")),
        Attr("edge_zone", "extendedLocation", EDGE_ZONE, new=True),
        Nested(
            "azure_files_authentication",
            "properties.azureFilesIdentityBasedAuthentication",
            (
                Attr("directory_type", "directoryServiceOptions", choices=("AADDS", "AADKERB", "AD"), send="always"),
                Attr(
                    "default_share_level_permission",
                    "defaultSharePermission",
                    default="None",
                    choices=(
                        "None",
                        "StorageFileDataSmbShareContributor",
                        "StorageFileDataSmbShareElevatedContributor",
                        "StorageFileDataSmbShareReader",
                    ),
                    send="always",
                ),
                Nested(
                    "active_directory",
                    "activeDirectoryProperties",
                    (
                        Attr("domain_guid", "domainGuid", send="always"),
                        Attr("domain_name", "domainName", send="always"),
                        Attr("storage_sid", "azureStorageSid"),
                        Attr("domain_sid", "domainSid"),
                        Attr("forest_name", "forestName"),
                        Attr("netbios_domain_name", "netBiosDomainName"),
                    ),
                    single=True,
                    computed=True,
                    read="present",
                ),
            ),
            single=True,
        ),
        Nested(
            "custom_domain",
            "properties.customDomain",
            (
                Attr("name", "name", send="always"),
                Attr("use_subdomain", "useSubDomainName", default=False, send="always", read="never"),
            ),
            single=True,
            read="present",
        ),
        Nested(
            "customer_managed_key",
            None,
            (
                Attr("key_vault_key_id"),
                Attr("managed_hsm_key_id", major=4),
                Attr("user_assigned_identity_id"),
            ),
            read="never",
        ),
        Nested(
            "immutability_policy",
            "properties.immutableStorageWithVersioning",
            (
                Attr("allow_protected_append_writes", "allowProtectedAppendWrites", send="always"),
                Attr("period_since_creation_in_days", "immutabilityPeriodSinceCreationInDays", send="always"),
                Attr("state", "state", choices=("Disabled", "Locked", "Unlocked"), send="always"),
            ),
            single=True,
            new=True,
            read="present",
        ),
        Nested(
            "sas_policy",
            "properties.sasPolicy",
            (
                Attr("expiration_action", "expirationAction", default="Log", choices=("Block", "Log"), send="always"),
                Attr("expiration_period", "sasExpirationPeriod", send="always"),
            ),
            single=True,
            read="present",
        ),
        Nested(
            "routing",
            "properties.routingPreference",
            (
                Attr(
                    "choice",
                    "routingChoice",
                    default="MicrosoftRouting",
                    choices=("InternetRouting", "MicrosoftRouting"),
                    send="always",
                ),
                Attr("publish_internet_endpoints", "publishInternetEndpoints", default=False, send="always"),
                Attr("publish_microsoft_endpoints", "publishMicrosoftEndpoints", default=False, send="always"),
            ),
            single=True,
            computed=True,
        ),
        Nested(
            "network_rules",
            "properties.networkAcls",
            (
                Attr("default_action", "defaultAction", choices=("Allow", "Deny"), send="always"),
                Attr("bypass", "bypass", COMMAS, choices=("AzureServices", "Logging", "Metrics", "None")),
                Attr("ip_rules", "ipRules", IP_RULES, send="always"),
                Attr("virtual_network_subnet_ids", "virtualNetworkRules", SUBNET_RULES, send="always"),
                Nested(
                    "private_link_access",
                    "resourceAccessRules",
                    (
                        Attr("endpoint_resource_id", "resourceId", send="always"),
                        Attr("endpoint_tenant_id", "tenantId", send="always"),
                    ),
                    send="always",
                ),
            ),
            single=True,
            computed=True,
            send="always",
        ),
        IDENTITY,
        Nested(
            "blob_properties",
            None,
            (
                Attr("change_feed_enabled", "properties.changeFeed.enabled", default=False, send="always"),
                Attr("change_feed_retention_in_days", "properties.changeFeed.retentionInDays", between=(1, 146000)),
                Attr("versioning_enabled", "properties.isVersioningEnabled", default=False, send="always"),
                Attr("last_access_time_enabled", "properties.lastAccessTimeTrackingPolicy.enable", default=False, send="always"),
                Attr("default_service_version", "properties.defaultServiceVersion"),
                Nested(
                    "container_delete_retention_policy",
                    "properties.containerDeleteRetentionPolicy",
                    (Attr("days", "days", default=7, between=(1, 365), send="always"),),
                    single=True,
                    send="always",
                    read="present",
                ),
                Nested(
                    "delete_retention_policy",
                    "properties.deleteRetentionPolicy",
                    (
                        Attr("days", "days", default=7, between=(1, 365), send="always"),
                        Attr("permanent_delete_enabled", "allowPermanentDelete", default=False, send="always"),
                    ),
                    single=True,
                    send="always",
                    read="present",
                ),
                Nested(
                    "restore_policy",
                    "properties.restorePolicy",
                    (Attr("days", "days", between=(1, 365), send="always"),),
                    single=True,
                    send="always",
                    read="present",
                ),
                Nested(
                    "cors_rule",
                    "properties.cors.corsRules",
                    (
                        Attr("allowed_headers", "allowedHeaders", send="always"),
                        Attr(
                            "allowed_methods",
                            "allowedMethods",
                            choices=("DELETE", "GET", "HEAD", "MERGE", "POST", "OPTIONS", "PUT", "PATCH"),
                            send="always",
                        ),
                        Attr("allowed_origins", "allowedOrigins", send="always"),
                        Attr("exposed_headers", "exposedHeaders", send="always"),
                        Attr("max_age_in_seconds", "maxAgeInSeconds", between=(0, 2000000000), send="always"),
                    ),
                    send="always",
                ),
            ),
            single=True,
            computed=True,
        ),
        Nested(
            "share_properties",
            None,
            (
                Nested(
                    "cors_rule",
                    "properties.cors.corsRules",
                    (
                        Attr("allowed_headers", "allowedHeaders", send="always"),
                        Attr(
                            "allowed_methods",
                            "allowedMethods",
                            choices=("DELETE", "GET", "HEAD", "MERGE", "POST", "OPTIONS", "PUT", "PATCH"),
                            send="always",
                        ),
                        Attr("allowed_origins", "allowedOrigins", send="always"),
                        Attr("exposed_headers", "exposedHeaders", send="always"),
                        Attr("max_age_in_seconds", "maxAgeInSeconds", between=(0, 2000000000), send="always"),
                    ),
                    send="always",
                ),
                Nested(
                    "retention_policy",
                    "properties.shareDeleteRetentionPolicy",
                    (Attr("days", "days", default=7, between=(1, 365), send="always"),),
                    single=True,
                    send="always",
                    read="present",
                ),
                Nested(
                    "smb",
                    "properties.protocolSettings.smb",
                    (
                        Attr(
                            "authentication_types",
                            "authenticationMethods",
                            SEMICOLONS,
                            choices=("Kerberos", "NTLMv2"),
                            send="always",
                        ),
                        Attr(
                            "channel_encryption_type",
                            "channelEncryption",
                            SEMICOLONS,
                            choices=("AES-128-CCM", "AES-128-GCM", "AES-256-GCM"),
                            send="always",
                        ),
                        Attr(
                            "kerberos_ticket_encryption_type",
                            "kerberosTicketEncryption",
                            SEMICOLONS,
                            choices=("AES-256", "RC4-HMAC"),
                            send="always",
                        ),
                        Attr("versions", "versions", SEMICOLONS, choices=("SMB2.1", "SMB3.0", "SMB3.1.1"), send="always"),
                        Attr("multichannel_enabled", "multichannel.enabled", default=False, send="always"),
                    ),
                    single=True,
                    send="always",
                    read="present",
                ),
            ),
            single=True,
            computed=True,
        ),
        Nested("static_website", None, (Attr("error_404_document"), Attr("index_document")), computed=True, read="never", major=4),
        Nested("queue_properties", None, _QUEUE_FIELDS, computed=True, read="never", major=4),
        Attr("primary_location", "properties.primaryLocation", send="never"),
        Attr("secondary_location", "properties.secondaryLocation", send="never"),
        Attr("primary_access_key", None, send="never", read="never"),
        Attr("primary_connection_string", None, send="never", read="never"),
        Attr("primary_blob_connection_string", None, send="never", read="never"),
        Attr("secondary_access_key", None, send="never", read="never"),
        Attr("secondary_connection_string", None, send="never", read="never"),
        Attr("secondary_blob_connection_string", None, send="never", read="never"),
        *_ENDPOINTS,
        TAGS,
    ),
    exactly_one=(("customer_managed_key.0.managed_hsm_key_id", "customer_managed_key.0.key_vault_key_id"),),
    together=(("blob_properties.0.restore_policy", "blob_properties.0.delete_retention_policy"),),
    hooks=Hooks(
        expand=_expand_account,
        flatten=_flatten_account,
        read_more=_read_services,
        written=_write_services,
        replace=_replace_account,
    ),
)


STORAGE_CONTAINER = Lens(
    "azurerm_storage_container",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    {4: "2025-08-01", 5: "2025-08-01"},
    "{storage_account_id}/blobServices/default/containers/{name}",
    (
        NAME,
        Attr("storage_account_id", None, PLAIN_ID, new=True, send="never"),
        Attr("storage_account_name", None, new=True, send="never", read="present", major=4),
        Attr("resource_manager_id", None, send="never", major=4),
        Attr(
            "container_access_type",
            "properties.publicAccess",
            PUBLIC_ACCESS,
            default="private",
            choices=("blob", "container", "private"),
            send="always",
        ),
        Attr("default_encryption_scope", "properties.defaultEncryptionScope", new=True),
        Attr("encryption_scope_override_enabled", "properties.denyEncryptionScopeOverride", NOT, default=True, new=True),
        Attr("metadata", "properties.metadata", send="always"),
        Attr("has_immutability_policy", "properties.hasImmutabilityPolicy", send="never"),
        Attr("has_legal_hold", "properties.hasLegalHold", send="never"),
        Attr("url", None, send="never"),
    ),
    exactly_one=(("storage_account_id", "storage_account_name"),),
    hooks=Hooks(expand=_expand_container, flatten=_flatten_container, read_more=_read_container, prepare=_account_of),
)


LENSES = (STORAGE_ACCOUNT, STORAGE_CONTAINER)
