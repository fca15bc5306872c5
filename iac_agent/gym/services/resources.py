"""Microsoft.Resources: subscriptions, locations, providers, resource groups and the generic resource list.

Source: api-version 2023-07-01 (resource groups), 2022-12-01 (subscriptions).
"""

from __future__ import annotations

import re

from iac_agent.azure.ids import group_id
from iac_agent.gym import faults, identity
from iac_agent.gym.cloud import LOCATIONS, Cloud, ResourceType, Write
from iac_agent.gym.services import Call, Operation, Outcome, page
from iac_agent.gym.store import Body, Resource

NAMESPACES = [
    "Microsoft.Authorization",
    "Microsoft.Compute",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.Resources",
    "Microsoft.Storage",
]
_FILTER = re.compile(r"(resourceType|name|location|resourceGroup|tagName|tagValue)\s+eq\s+'([^']*)'", re.IGNORECASE)


def _fill_group(write: Write) -> None:
    location = write.body.get("location")
    if not location:
        raise faults.location_required("Microsoft.Resources/resourceGroups")
    plain = str(location).replace(" ", "").lower()
    if plain not in LOCATIONS:
        raise faults.location_unknown(str(location), "Microsoft.Resources/resourceGroups", list(LOCATIONS))
    if write.before and write.before.body["location"] != plain:
        raise faults.group_location_conflict(write.id.name, write.before.body["location"], str(location))
    write.body["location"] = plain


def _removing_group(cloud: Cloud, group: Resource) -> None:
    """A group takes everything in it along; a lock on anything inside stops it (checked before)."""
    users = ("networkinterfaces", "loadbalancers", "natgateways", "virtualmachines", "virtualmachinescalesets", "virtualnetworks")
    for inner in cloud.store.below(group.id):
        for holder in cloud.store.referrers(inner.id):
            watches = inner.type == "Microsoft.Compute/virtualMachines" or holder.type == inner.type == "Microsoft.Network/virtualNetworks"
            outside = not holder.id.lower().startswith(group.id.lower() + "/")
            if outside and not watches and holder.type.split("/", 1)[-1].lower() in users:
                raise faults.conflict(
                    "ResourceGroupDeletionBlocked",
                    f"Deletion of resource group '{group.body['name']}' failed as resources with identifiers '{inner.id}' "
                    f"could not be deleted: it is in use by '{holder.id}'.",
                )


TYPES = [
    ResourceType("Microsoft.Resources/resourceGroups", located=False, slow=False, fill=_fill_group, removing=_removing_group),
]


def _subscription(_: Call, parts: dict[str, str]) -> Outcome:
    return 200, subscription(parts["subscription"])


def subscription(number: str) -> Body:
    return {
        "id": f"/subscriptions/{number}",
        "subscriptionId": number,
        "displayName": "Gym",
        "tenantId": identity.TENANT,
        "homeTenantId": identity.TENANT,
        "state": "Enabled",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def _subscriptions(call: Call, _: dict[str, str]) -> Outcome:
    return 200, {"value": [subscription(identity.SUBSCRIPTION)], "count": {"type": "Total", "value": 1}}


def _tenants(call: Call, _: dict[str, str]) -> Outcome:
    tenant = {
        "id": f"/tenants/{identity.TENANT}",
        "tenantId": identity.TENANT,
        "displayName": "Gym",
        "tenantCategory": "Home",
    }
    return 200, {"value": [tenant]}


def _locations(_: Call, parts: dict[str, str]) -> Outcome:
    values = [
        {
            "id": f"/subscriptions/{parts['subscription']}/locations/{name}",
            "name": name,
            "displayName": name,
            "type": "Region",
            "regionalDisplayName": name,
            "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
        }
        for name in LOCATIONS
    ]
    return 200, {"value": values}


def _provider(call: Call, namespace: str, number: str) -> Body:
    types = [k for k in call.cloud.types.values() if k.name.lower().startswith(namespace.lower() + "/")]
    return {
        "id": f"/subscriptions/{number}/providers/{namespace}",
        "namespace": namespace,
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [
            {
                "resourceType": k.name.split("/", 1)[1],
                "locations": list(LOCATIONS),
                "apiVersions": ["2025-01-01", "2024-03-01"],
            }
            for k in types
        ],
    }


def _providers(call: Call, parts: dict[str, str]) -> Outcome:
    return 200, {"value": [_provider(call, n, parts["subscription"]) for n in NAMESPACES]}


def _one_provider(call: Call, parts: dict[str, str]) -> Outcome:
    known = next((n for n in NAMESPACES if n.lower() == parts["namespace"].lower()), None)
    if known is None:
        raise faults.not_emulated(f"the resource provider {parts['namespace']}")
    return 200, _provider(call, known, parts["subscription"])


def _groups(call: Call, parts: dict[str, str]) -> Outcome:
    prefix = f"/subscriptions/{parts['subscription']}/"
    found = [g.body for g in call.cloud.store.of_type(TYPES[0].name) if g.id.lower().startswith(prefix.lower())]
    return 200, {"value": found}


def _listed(resource: Resource) -> Body:
    keep = ("id", "name", "type", "kind", "location", "tags", "sku", "identity", "zones", "managedBy")
    return {k: resource.body[k] for k in keep if k in resource.body}


def _resources(call: Call, parts: dict[str, str]) -> Outcome:
    """The generic list: top-level resources, filtered by `$filter` comparisons joined with `and`."""
    scope = group_id(parts["subscription"], parts["group"]) if "group" in parts else f"/subscriptions/{parts['subscription']}"
    if "group" in parts:
        call.cloud.require_group(parts["subscription"], parts["group"])
    given = call.query.get("$filter", "")
    clauses = {k.lower(): v for k, v in _FILTER.findall(given)}
    if re.sub(r"\band\b|\s+", "", _FILTER.sub("", given), flags=re.IGNORECASE):
        raise faults.bad_request("InvalidFilterInQueryString", f"Invalid $filter '{given}' specified in the query string.")
    found = []
    for resource in call.cloud.store.below(scope):
        tail = resource.id.split("/providers/")[-1]
        kind = call.cloud.types.get(resource.type.lower())
        if resource.type == TYPES[0].name or tail.count("/") > 2 or (kind and kind.scoped):
            continue
        tags = resource.body.get("tags") or {}
        facts = {
            "resourcetype": resource.type,
            "name": resource.body["name"],
            "location": resource.body.get("location", ""),
            "resourcegroup": resource.id.split("/")[4],
            "tagname": clauses.get("tagname") if clauses.get("tagname") in tags else "",
            "tagvalue": tags.get(clauses.get("tagname"), ""),
        }
        if all(str(facts[k]).lower() == v.lower() for k, v in clauses.items()):
            found.append(_listed(resource))
    return 200, page(found, call, call.cloud.endpoint.removeprefix("https://"))


ROUTES = [
    Operation("GET", "/subscriptions", _subscriptions),
    Operation("GET", "/tenants", _tenants),
    Operation("GET", "/subscriptions/{subscription}", _subscription),
    Operation("GET", "/subscriptions/{subscription}/locations", _locations),
    Operation("GET", "/subscriptions/{subscription}/providers", _providers),
    Operation("GET", "/subscriptions/{subscription}/providers/{namespace}", _one_provider),
    Operation("POST", "/subscriptions/{subscription}/providers/{namespace}/register", _one_provider),
    Operation("GET", "/subscriptions/{subscription}/resourceGroups", _groups),
    Operation("GET", "/subscriptions/{subscription}/resources", _resources),
    Operation("GET", "/subscriptions/{subscription}/resourceGroups/{group}/resources", _resources),
]
