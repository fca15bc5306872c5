"""Data sources of the supported types: the resource's own lens, read by name."""

from __future__ import annotations

import base64
from typing import Any

from iac_agent.azure.lenses import access, lens_for
from iac_agent.azure.lenses.table import Arm, Lens, Values
from iac_agent.azure.schemas import BlockSchema, provider_schema
from iac_agent.errors import AzureNotFound
from iac_agent.gym import identity


def read(type_name: str, config: Values, arm: Arm, subscription: str, major: int) -> Values:
    """The state of a data source. Raises AzureNotFound when there is no such resource."""
    block = provider_schema(major).data_sources[type_name]
    if type_name == "azurerm_client_config":
        return {**config, **_client_config(subscription)}
    if type_name == "azurerm_subscription":
        return _shaped(block, config, _subscription(arm, config, subscription))
    lens = lens_for(type_name)
    named = {**config, **_parents(config, subscription)}
    if "resource_group_name" in block.attributes and not named.get("resource_group_name"):
        named["resource_group_name"] = _group_of(lens, str(config.get("name")), arm, subscription, major)
    resource_id = lens.build_id(named, subscription)
    values = access.read(lens, arm, resource_id, {}, major)
    if values is None:
        raise AzureNotFound(f"{type_name} {config.get('name')!r} was not found: {resource_id}")
    return _shaped(block, config, {**values, **_extras(values), "id": resource_id})


def _group_of(lens: Lens, name: str, arm: Arm, subscription: str, major: int) -> str:
    """The group of the one resource of this name, where the configuration may leave it out. Raises AzureNotFound."""
    listed = (arm.get(f"/subscriptions/{subscription}/providers/{lens.arm}", lens.api[major]) or {}).get("value", [])
    found = next((b for b in listed if str(b["name"]).lower() == name.lower()), None)
    if found is None:
        raise AzureNotFound(f"{lens.type} {name!r} was not found in subscription {subscription}")
    return str(found["id"]).split("/")[4]


def _parents(config: Values, subscription: str) -> Values:
    """Parent ids that a data source gives by name."""
    group = f"/subscriptions/{subscription}/resourceGroups/{config.get('resource_group_name') or ''}"
    found: Values = {}
    if config.get("private_dns_zone_name"):
        found["private_dns_zone_id"] = f"{group}/providers/Microsoft.Network/privateDnsZones/{config['private_dns_zone_name']}"
    if config.get("storage_account_name"):
        found["storage_account_id"] = f"{group}/providers/Microsoft.Storage/storageAccounts/{config['storage_account_name']}"
    if config.get("virtual_network_id"):
        found["virtual_network_name"] = str(config["virtual_network_id"]).rsplit("/", 1)[1]
        found["resource_group_name"] = str(config["virtual_network_id"]).split("/")[4]
    return found


def _client_config(subscription: str) -> Values:
    text = (
        f"clientConfigs/clientId={identity.CLIENT_ID};objectId={identity.OBJECT_ID};subscriptionId={subscription};"
        f"tenantId={identity.TENANT}"
    )
    return {
        "id": base64.b64encode(text.encode()).decode(),
        "client_id": identity.CLIENT_ID,
        "object_id": identity.OBJECT_ID,
        "subscription_id": subscription,
        "tenant_id": identity.TENANT,
    }


def _subscription(arm: Arm, config: Values, subscription: str) -> Values:
    number = config.get("subscription_id") or subscription
    found = arm.get(f"/subscriptions/{number}", "2022-12-01")
    if found is None:
        raise AzureNotFound(f"subscription {number} was not found")
    policies = found["subscriptionPolicies"]
    return {
        "id": found["id"],
        "subscription_id": number,
        "display_name": found["displayName"],
        "tenant_id": found["tenantId"],
        "state": found["state"],
        "location_placement_id": policies["locationPlacementId"],
        "quota_id": policies["quotaId"],
        "spending_limit": policies["spendingLimit"],
        "tags": {},
    }


def _extras(values: Values) -> Values:
    """Attributes a data source names differently from its resource."""
    prefixes = values.get("address_prefixes") or [""]
    subnets = values.get("subnet")
    found: Values = {"address_prefix": prefixes[0], "allocation_method": values.get("allocation_method")}
    if isinstance(subnets, list):
        found["subnets"] = [s.get("name") for s in subnets]
    return found


def _shaped(block: BlockSchema, config: Values, values: Values) -> Values:
    """The values in the shape of the data source's schema; what the lens does not know stays empty."""
    out: Values = {}
    for name, attribute in block.attributes.items():
        given = config.get(name)
        value = given if given is not None else values.get(name)
        out[name] = _fitting(value, attribute.type) if value is not None else (attribute.zero if attribute.computed else None)
    for name, inner in block.blocks.items():
        out[name] = config.get(name) if name == "timeouts" else (values.get(name) or ([] if inner.nesting != "single" else None))
    return out


def _fitting(value: Any, kind: Any) -> Any:
    """The value cut to a cty type; the type's zero when it does not fit at all."""
    if isinstance(kind, str):
        wanted: dict[str, tuple[type, ...]] = {"string": (str,), "bool": (bool,), "number": (int, float)}
        return value if isinstance(value, wanted.get(kind, (object,))) else None
    shape, inner = kind
    if shape == "object":
        return {k: _fitting(value.get(k), t) if value.get(k) is not None else None for k, t in inner.items()}
    if shape == "map":
        return {k: _fitting(v, inner) for k, v in value.items()} if isinstance(value, dict) else {}
    return [_fitting(v, inner) for v in value] if isinstance(value, list) else []
