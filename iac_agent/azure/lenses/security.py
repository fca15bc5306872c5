"""Network security groups, their rules, application security groups, route tables and routes.

Sources: recordings in golden `network`, `platform`; internal/services/network/network_security_group_resource.go,
network_security_rule_resource.go, route_table_resource.go of hashicorp/terraform-provider-azurerm; ARM api-version 2025-01-01.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import HASHED, IDS, NOT
from iac_agent.azure.lenses.table import GROUP, LOCATION_ROW, NAME, NAMED, TAGS, Attr, Lens, Nested

NETWORK_SECURITY_GROUP = Lens(
    "azurerm_network_security_group",
    "Microsoft.Network/networkSecurityGroups",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/networkSecurityGroups/{name}",
    (
        NAMED,
        GROUP,
        LOCATION_ROW,
        TAGS,
        Nested(
            "security_rule",
            "properties.securityRules",
            (
                Attr("name", "name", send="always"),
                Attr("description", "properties.description"),
                Attr("protocol", "properties.protocol", choices=("*", "Tcp", "Udp", "Icmp", "Ah", "Esp"), send="always"),
                Attr("source_port_range", "properties.sourcePortRange", send="always"),
                Attr("destination_port_range", "properties.destinationPortRange", send="always"),
                Attr("source_address_prefix", "properties.sourceAddressPrefix", send="always"),
                Attr("destination_address_prefix", "properties.destinationAddressPrefix", send="always"),
                Attr("source_port_ranges", "properties.sourcePortRanges", HASHED),
                Attr("destination_port_ranges", "properties.destinationPortRanges", HASHED),
                Attr("source_address_prefixes", "properties.sourceAddressPrefixes", HASHED),
                Attr("destination_address_prefixes", "properties.destinationAddressPrefixes", HASHED),
                Attr("source_application_security_group_ids", "properties.sourceApplicationSecurityGroups", IDS),
                Attr("destination_application_security_group_ids", "properties.destinationApplicationSecurityGroups", IDS),
                Attr("access", "properties.access", choices=("Allow", "Deny"), send="always"),
                Attr("priority", "properties.priority", between=(100, 4096), send="always"),
                Attr("direction", "properties.direction", choices=("Inbound", "Outbound"), send="always"),
            ),
            computed=True,
            send="always",
        ),
    ),
)


NETWORK_SECURITY_RULE = Lens(
    "azurerm_network_security_rule",
    "Microsoft.Network/networkSecurityGroups/securityRules",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/networkSecurityGroups/{network_security_group_name}/securityRules/{name}",
    (
        NAMED,
        GROUP,
        Attr("network_security_group_name", None, new=True, send="never"),
        Attr("description", "properties.description"),
        Attr("protocol", "properties.protocol", choices=("*", "Tcp", "Udp", "Icmp", "Ah", "Esp"), send="always"),
        Attr("source_port_range", "properties.sourcePortRange", send="always"),
        Attr("destination_port_range", "properties.destinationPortRange", send="always"),
        Attr("source_address_prefix", "properties.sourceAddressPrefix", send="always"),
        Attr("destination_address_prefix", "properties.destinationAddressPrefix", send="always"),
        Attr("source_port_ranges", "properties.sourcePortRanges", HASHED),
        Attr("destination_port_ranges", "properties.destinationPortRanges", HASHED),
        Attr("source_address_prefixes", "properties.sourceAddressPrefixes", HASHED),
        Attr("destination_address_prefixes", "properties.destinationAddressPrefixes", HASHED),
        Attr("source_application_security_group_ids", "properties.sourceApplicationSecurityGroups", IDS),
        Attr("destination_application_security_group_ids", "properties.destinationApplicationSecurityGroups", IDS),
        Attr("access", "properties.access", choices=("Allow", "Deny"), send="always"),
        Attr("priority", "properties.priority", between=(100, 4096), send="always"),
        Attr("direction", "properties.direction", choices=("Inbound", "Outbound"), send="always"),
    ),
    conflicts=(("source_port_range", "source_port_ranges"), ("destination_port_range", "destination_port_ranges")),
    exactly_one=(
        ("source_address_prefix", "source_address_prefixes", "source_application_security_group_ids"),
        ("destination_address_prefix", "destination_address_prefixes", "destination_application_security_group_ids"),
    ),
)


APPLICATION_SECURITY_GROUP = Lens(
    "azurerm_application_security_group",
    "Microsoft.Network/applicationSecurityGroups",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/applicationSecurityGroups/{name}",
    (
        NAME,
        GROUP,
        LOCATION_ROW,
        TAGS,
    ),
)


ROUTE_TABLE = Lens(
    "azurerm_route_table",
    "Microsoft.Network/routeTables",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/routeTables/{name}",
    (
        NAMED,
        GROUP,
        LOCATION_ROW,
        TAGS,
        Nested(
            "route",
            "properties.routes",
            (
                Attr("name", "name", send="always"),
                Attr("address_prefix", "properties.addressPrefix", send="always"),
                Attr(
                    "next_hop_type",
                    "properties.nextHopType",
                    choices=("VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None"),
                    send="always",
                ),
                Attr("next_hop_in_ip_address", "properties.nextHopIpAddress"),
            ),
            computed=True,
            send="always",
        ),
        Attr("bgp_route_propagation_enabled", "properties.disableBgpRoutePropagation", NOT, default=True, send="always"),
        Attr("subnets", "properties.subnets", IDS, send="never"),
    ),
)


ROUTE = Lens(
    "azurerm_route",
    "Microsoft.Network/routeTables/routes",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/routeTables/{route_table_name}/routes/{name}",
    (
        NAMED,
        GROUP,
        Attr("route_table_name", None, new=True, send="never"),
        Attr("address_prefix", "properties.addressPrefix", send="always"),
        Attr(
            "next_hop_type",
            "properties.nextHopType",
            choices=("VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None"),
            send="always",
        ),
        Attr("next_hop_in_ip_address", "properties.nextHopIpAddress"),
    ),
)


LENSES = (NETWORK_SECURITY_GROUP, NETWORK_SECURITY_RULE, APPLICATION_SECURITY_GROUP, ROUTE_TABLE, ROUTE)
