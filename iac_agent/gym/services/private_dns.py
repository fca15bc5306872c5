"""Microsoft.Network/privateDnsZones: zones, their start of authority, and links to networks.

Source: azure-rest-api-specs, Microsoft.Network (private DNS) 2024-06-01.
"""

from __future__ import annotations

from iac_agent.gym import faults
from iac_agent.gym.cloud import Cloud, ResourceType, Write
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.services import network_combinations as combinations
from iac_agent.gym.store import Body, Resource


def _fill_zone(write: Write) -> None:
    write.properties.update(
        maxNumberOfRecordSets=25000,
        maxNumberOfVirtualNetworkLinks=1000,
        maxNumberOfVirtualNetworkLinksWithRegistration=100,
        numberOfRecordSets=1,
        numberOfVirtualNetworkLinks=len(write.cloud.store.below(f"{write.id.text}/virtualNetworkLinks")),
    )


def _fill_link(write: Write) -> None:
    write.require((write.properties.get("virtualNetwork") or {}).get("id", ""))
    combinations.registration(write)
    write.properties["virtualNetworkLinkState"] = "Completed"


def _removing_zone(cloud: Cloud, zone: Resource) -> None:
    if cloud.store.below(f"{zone.id}/virtualNetworkLinks"):
        raise faults.conflict(
            "CannotDeleteResource",
            "Can not delete resource before nested resources are deleted: virtual network links exist.",
        )


def _soa(call: Call, parts: dict[str, str]) -> Outcome:
    zone = call.cloud.store.get(call.path.rsplit("/", 2)[0])
    if zone is None:
        raise faults.resource_not_found(call.path.rsplit("/", 2)[0], parts["group"])
    record = zone.hidden.setdefault("soa", {"ttl": 3600, "metadata": {}, "soaRecord": _default_soa()})
    if call.body:
        properties = call.body.get("properties", {})
        record["soaRecord"].update(properties.get("soaRecord") or {})
        record["ttl"] = properties.get("ttl", record["ttl"])
        record["metadata"] = properties.get("metadata") or {}
        call.cloud.store.save(zone)
    name = zone.body["name"]
    body = {
        "id": f"{zone.id}/SOA/@",
        "name": "@",
        "type": "Microsoft.Network/privateDnsZones/SOA",
        "etag": zone.body["etag"],
        "properties": {"fqdn": f"{name}.", "isAutoRegistered": False, **record},
    }
    return 200, body


def _default_soa() -> Body:
    return {
        "email": "azureprivatedns-host.microsoft.com",
        "expireTime": 2419200,
        "host": "azureprivatedns.net",
        "minimumTtl": 10,
        "refreshTime": 3600,
        "retryTime": 300,
        "serialNumber": 1,
    }


_ZONES = "Microsoft.Network/privateDnsZones"
TYPES = [
    ResourceType(_ZONES, slow=True, fill=_fill_zone, removing=_removing_zone),
    ResourceType(f"{_ZONES}/virtualNetworkLinks", slow=True, fill=_fill_link),
]
_ZONE = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{_ZONES}/{{zone}}"
ROUTES = [
    Operation("GET", f"{_ZONE}/SOA/@", _soa),
    Operation("PUT", f"{_ZONE}/SOA/@", _soa),
]
