"""Private DNS zones and their links to networks.

Sources: recordings in golden `platform`; internal/services/privatedns of hashicorp/terraform-provider-azurerm; ARM api-version 2024-06-01.
azurerm 4 names the zone of a link by name and group, 5 by id.
"""

from __future__ import annotations

from iac_agent.azure.ids import group_id
from iac_agent.azure.lenses.codecs import ID, PLAIN_ID
from iac_agent.azure.lenses.table import GROUP, NAME, TAGS, Arm, Attr, Body, Hooks, Lens, Nested, Values

INF = float("inf")
_SOA_API = "2024-06-01"


def _read_soa(arm: Arm, live: Body, values: Values) -> None:
    """The zone's SOA record is a resource of its own in ARM."""
    found = arm.get(f"{values['id']}/SOA/@", _SOA_API)
    properties = (found or {}).get("properties") or {}
    record = properties.get("soaRecord") or {}
    values["soa_record"] = [
        {
            "email": record.get("email", ""),
            "expire_time": record.get("expireTime", 0),
            "fqdn": properties.get("fqdn", ""),
            "host_name": record.get("host", ""),
            "minimum_ttl": record.get("minimumTtl", 0),
            "refresh_time": record.get("refreshTime", 0),
            "retry_time": record.get("retryTime", 0),
            "serial_number": record.get("serialNumber", 0),
            "tags": properties.get("metadata") or {},
            "ttl": properties.get("ttl", 0),
        }
    ]


def _write_soa(arm: Arm, resource_id: str, values: Values, major: int) -> None:
    for record in values.get("soa_record") or []:
        soa = {
            "email": record["email"],
            "expireTime": record["expire_time"],
            "minimumTtl": record["minimum_ttl"],
            "refreshTime": record["refresh_time"],
            "retryTime": record["retry_time"],
        }
        body = {"properties": {"metadata": record.get("tags") or {}, "soaRecord": soa, "ttl": record["ttl"]}}
        arm.put(f"{resource_id}/SOA/@", body, _SOA_API)


def _zone_id(arm: Arm, values: Values, subscription: str) -> None:
    if not values.get("private_dns_zone_id"):
        group = group_id(subscription, str(values["resource_group_name"]))
        values["private_dns_zone_id"] = f"{group}/providers/Microsoft.Network/privateDnsZones/{values['private_dns_zone_name']}"


def _zone_name(arm: Arm, live: Body, values: Values) -> None:
    values["private_dns_zone_name"] = str(values["private_dns_zone_id"]).rsplit("/", 1)[1]


PRIVATE_DNS_ZONE = Lens(
    "azurerm_private_dns_zone",
    "Microsoft.Network/privateDnsZones",
    {4: "2024-06-01", 5: "2024-06-01"},
    "{group}/providers/Microsoft.Network/privateDnsZones/{name}",
    (
        NAME,
        GROUP,
        Attr("number_of_record_sets", "properties.numberOfRecordSets", send="never"),
        Attr("max_number_of_record_sets", "properties.maxNumberOfRecordSets", send="never"),
        Attr("max_number_of_virtual_network_links", "properties.maxNumberOfVirtualNetworkLinks", send="never"),
        Attr(
            "max_number_of_virtual_network_links_with_registration",
            "properties.maxNumberOfVirtualNetworkLinksWithRegistration",
            send="never",
        ),
        Nested(
            "soa_record",
            None,
            (
                Attr("email", "soaRecord.email", send="always"),
                Attr("expire_time", "soaRecord.expireTime", default=2419200, between=(0, INF), send="always"),
                Attr("minimum_ttl", "soaRecord.minimumTtl", default=10, between=(0, INF), send="always"),
                Attr("refresh_time", "soaRecord.refreshTime", default=3600, between=(0, INF), send="always"),
                Attr("retry_time", "soaRecord.retryTime", default=300, between=(0, INF), send="always"),
                Attr("ttl", "ttl", default=3600, between=(0, 2147483647), send="always"),
                Attr("tags", "metadata", send="always"),
                Attr("fqdn", "fqdn", send="never"),
                Attr("host_name", "soaRecord.host", send="never"),
                Attr("serial_number", "soaRecord.serialNumber", send="never"),
            ),
            computed=True,
            new=True,
            read="never",
        ),
        TAGS,
    ),
    constant={"location": "global"},
    hooks=Hooks(read_more=_read_soa, written=_write_soa),
)


PRIVATE_DNS_ZONE_VIRTUAL_NETWORK_LINK = Lens(
    "azurerm_private_dns_zone_virtual_network_link",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    {4: "2024-06-01", 5: "2024-06-01"},
    "{private_dns_zone_id}/virtualNetworkLinks/{name}",
    (
        NAME,
        Attr("private_dns_zone_id", None, PLAIN_ID, new=True, send="never", major=5),
        Attr("private_dns_zone_name", None, new=True, send="never", major=4),
        GROUP,
        Attr("virtual_network_id", "properties.virtualNetwork", ID, new=True, send="always", read="present"),
        Attr("registration_enabled", "properties.registrationEnabled", default=False, send="always"),
        Attr("resolution_policy", "properties.resolutionPolicy", choices=("Default", "NxDomainRedirect")),
        TAGS,
    ),
    constant={"location": "global"},
    hooks=Hooks(prepare=_zone_id, read_more=_zone_name),
)


LENSES = (PRIVATE_DNS_ZONE, PRIVATE_DNS_ZONE_VIRTUAL_NETWORK_LINK)
