"""Associations: azurerm resources that are only a reference inside another resource.

The ids of some are composite, `{holder}|{target}`.

Sources: recordings in golden `lb`, `network`, `platform`; the `*_association_resource.go` files of
internal/services/network in hashicorp/terraform-provider-azurerm.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import PLAIN, PLAIN_ID
from iac_agent.azure.lenses.table import Association, Attr, Lens


def _pool(slot: str, target: str) -> Association:
    """A reference inside the IP configuration that `ip_configuration_name` names."""
    selected = "properties.ipConfigurations[name={ip_configuration_name}]."
    return Association("network_interface_id", selected + slot, target, many=True)


def _key(name: str) -> Attr:
    """Every attribute of an association is part of its identity."""
    return Attr(name, None, PLAIN_ID if name.endswith("_id") else PLAIN, new=True, send="never", read="never")


SUBNET_NETWORK_SECURITY_GROUP_ASSOCIATION = Lens(
    "azurerm_subnet_network_security_group_association",
    "Microsoft.Network/virtualNetworks/subnets",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{subnet_id}",
    (_key("subnet_id"), _key("network_security_group_id")),
    strategy=Association("subnet_id", "properties.networkSecurityGroup", "network_security_group_id"),
)


SUBNET_ROUTE_TABLE_ASSOCIATION = Lens(
    "azurerm_subnet_route_table_association",
    "Microsoft.Network/virtualNetworks/subnets",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{subnet_id}",
    (_key("subnet_id"), _key("route_table_id")),
    strategy=Association("subnet_id", "properties.routeTable", "route_table_id"),
)


SUBNET_NAT_GATEWAY_ASSOCIATION = Lens(
    "azurerm_subnet_nat_gateway_association",
    "Microsoft.Network/virtualNetworks/subnets",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{subnet_id}",
    (_key("subnet_id"), _key("nat_gateway_id")),
    strategy=Association("subnet_id", "properties.natGateway", "nat_gateway_id"),
)


NETWORK_INTERFACE_SECURITY_GROUP_ASSOCIATION = Lens(
    "azurerm_network_interface_security_group_association",
    "Microsoft.Network/networkInterfaces",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{network_interface_id}|{network_security_group_id}",
    (_key("network_interface_id"), _key("network_security_group_id")),
    strategy=Association("network_interface_id", "properties.networkSecurityGroup", "network_security_group_id"),
)


NETWORK_INTERFACE_BACKEND_ADDRESS_POOL_ASSOCIATION = Lens(
    "azurerm_network_interface_backend_address_pool_association",
    "Microsoft.Network/networkInterfaces",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{network_interface_id}/ipConfigurations/{ip_configuration_name}|{backend_address_pool_id}",
    (_key("network_interface_id"), _key("ip_configuration_name"), _key("backend_address_pool_id")),
    strategy=_pool("properties.loadBalancerBackendAddressPools", "backend_address_pool_id"),
)


NETWORK_INTERFACE_NAT_RULE_ASSOCIATION = Lens(
    "azurerm_network_interface_nat_rule_association",
    "Microsoft.Network/networkInterfaces",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{network_interface_id}/ipConfigurations/{ip_configuration_name}|{nat_rule_id}",
    (_key("network_interface_id"), _key("ip_configuration_name"), _key("nat_rule_id")),
    strategy=_pool("properties.loadBalancerInboundNatRules", "nat_rule_id"),
)


NAT_GATEWAY_PUBLIC_IP_ASSOCIATION = Lens(
    "azurerm_nat_gateway_public_ip_association",
    "Microsoft.Network/natGateways",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{nat_gateway_id}|{public_ip_address_id}",
    (_key("nat_gateway_id"), _key("public_ip_address_id")),
    strategy=Association("nat_gateway_id", "properties.publicIpAddresses", "public_ip_address_id", many=True),
)


LENSES = (
    SUBNET_NETWORK_SECURITY_GROUP_ASSOCIATION,
    SUBNET_ROUTE_TABLE_ASSOCIATION,
    SUBNET_NAT_GATEWAY_ASSOCIATION,
    NETWORK_INTERFACE_SECURITY_GROUP_ASSOCIATION,
    NETWORK_INTERFACE_BACKEND_ADDRESS_POOL_ASSOCIATION,
    NETWORK_INTERFACE_NAT_RULE_ASSOCIATION,
    NAT_GATEWAY_PUBLIC_IP_ASSOCIATION,
)
