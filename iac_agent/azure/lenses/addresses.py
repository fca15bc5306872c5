"""Public addresses and prefixes, NAT gateways and network interfaces.

Sources: recordings in golden `network`, `lb`, `platform`; internal/services/network/public_ip_resource.go,
public_ip_prefix_resource.go, nat_gateway_resource.go, network_interface_resource.go of hashicorp/terraform-provider-azurerm; ARM
api-version 2025-01-01.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import ALL_PRIVATE, EDGE_ZONE, FIRST_PRIVATE, ID, IP_TAGS
from iac_agent.azure.lenses.table import (
    GROUP,
    LOCATION_ROW,
    NAME,
    NAMED,
    TAGS,
    Attr,
    Hooks,
    Lens,
    Nested,
    Problem,
    Values,
)

_BASIC_GONE = (
    "creation of new `Basic` SKU public IP addresses is no longer permitted following its deprecation on March 31, 2025. This also "
    "affects `allocation_method` set to `Dynamic`, as it is only available with the `Basic` SKU. For more information, see "
    "https://azure.microsoft.com/updates/upgrade-to-standard-sku-public-ip-addresses-in-azure-by-30-september-2025-basic-sku-will-be-retired/"
)
_BASIC_FIXED = [
    "name",
    "resource_group_name",
    "location",
    "allocation_method",
    "edge_zone",
    "ip_version",
    "sku",
    "sku_tier",
    "public_ip_prefix_id",
    "ip_tags",
    "zones",
]


def _plan_public_ip(prior: Values | None, planned: Values, major: int) -> list[Problem]:
    """Basic addresses may stay, but neither be created nor changed in what makes them (recorded in golden `network`)."""
    if planned.get("sku") == "Basic" and (prior is None or any(prior.get(n) != planned.get(n) for n in _BASIC_FIXED)):
        return [Problem(_BASIC_GONE)]
    return []


def _replace_public_ip(prior: Values, planned: Values, major: int) -> list[tuple[str | int, ...]]:
    """The scope of the label can be set on an address that had none; every other change replaces it."""
    before, after = prior.get("domain_name_label_scope") or "", planned.get("domain_name_label_scope") or ""
    return [("domain_name_label_scope",)] if before and before != after else []


PUBLIC_IP = Lens(
    "azurerm_public_ip",
    "Microsoft.Network/publicIPAddresses",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/publicIPAddresses/{name}",
    (
        NAMED,
        GROUP,
        LOCATION_ROW,
        TAGS,
        Attr("allocation_method", "properties.publicIPAllocationMethod", choices=("Static", "Dynamic"), send="always"),
        Attr(
            "ddos_protection_mode",
            "properties.ddosSettings.protectionMode",
            default="VirtualNetworkInherited",
            choices=("Disabled", "Enabled", "VirtualNetworkInherited"),
            send="always",
        ),
        Attr("ddos_protection_plan_id", "properties.ddosSettings.ddosProtectionPlan", ID, read="present"),
        Attr("edge_zone", "extendedLocation", EDGE_ZONE, new=True),
        Attr(
            "ip_version",
            "properties.publicIPAddressVersion",
            default="IPv4",
            new=True,
            choices=("IPv4", "IPv6"),
            send="always",
        ),
        Attr("sku", "sku.name", default="Standard", new=True, choices=("Basic", "Standard", "StandardV2"), send="always"),
        Attr("sku_tier", "sku.tier", default="Regional", new=True, choices=("Global", "Regional"), send="always"),
        Attr("idle_timeout_in_minutes", "properties.idleTimeoutInMinutes", default=4, between=(4, 30), send="always"),
        Attr("domain_name_label", "properties.dnsSettings.domainNameLabel"),
        Attr(
            "domain_name_label_scope",
            "properties.dnsSettings.domainNameLabelScope",
            choices=("NoReuse", "ResourceGroupReuse", "SubscriptionReuse", "TenantReuse"),
        ),
        Attr("fqdn", "properties.dnsSettings.fqdn", send="never"),
        Attr("reverse_fqdn", "properties.dnsSettings.reverseFqdn"),
        Attr("ip_address", "properties.ipAddress", send="never"),
        Attr("public_ip_prefix_id", "properties.publicIPPrefix", ID, new=True, read="present"),
        Attr("ip_tags", "properties.ipTags", IP_TAGS, new=True),
        Attr("zones", "zones", new=True),
    ),
    hooks=Hooks(plan_check=_plan_public_ip, replace=_replace_public_ip),
)


PUBLIC_IP_PREFIX = Lens(
    "azurerm_public_ip_prefix",
    "Microsoft.Network/publicIPPrefixes",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/publicIPPrefixes/{name}",
    (
        NAME,
        GROUP,
        LOCATION_ROW,
        TAGS,
        Attr("custom_ip_prefix_id", "properties.customIPPrefix", ID, new=True),
        Attr("sku", "sku.name", default="Standard", new=True, choices=("Standard",), send="always"),
        Attr("sku_tier", "sku.tier", default="Regional", new=True, choices=("Global", "Regional"), send="always"),
        Attr("prefix_length", "properties.prefixLength", default=28, new=True, between=(0, 127), send="always"),
        Attr(
            "ip_version",
            "properties.publicIPAddressVersion",
            default="IPv4",
            new=True,
            choices=("IPv4", "IPv6"),
            send="always",
            read="present",
        ),
        Attr("zones", "zones", new=True),
        Attr("ip_prefix", "properties.ipPrefix", send="never"),
    ),
)


NAT_GATEWAY = Lens(
    "azurerm_nat_gateway",
    "Microsoft.Network/natGateways",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/natGateways/{name}",
    (
        NAME,
        GROUP,
        LOCATION_ROW,
        TAGS,
        Attr("idle_timeout_in_minutes", "properties.idleTimeoutInMinutes", default=4, between=(4, 120), send="always"),
        Attr("sku_name", "sku.name", default="Standard", new=True, choices=("Standard", "StandardV2"), send="always"),
        Attr("zones", "zones", new=True),
        Attr("resource_guid", "properties.resourceGuid", send="never"),
    ),
)


NETWORK_INTERFACE = Lens(
    "azurerm_network_interface",
    "Microsoft.Network/networkInterfaces",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/networkInterfaces/{name}",
    (
        NAMED,
        GROUP,
        LOCATION_ROW,
        TAGS,
        Nested(
            "ip_configuration",
            "properties.ipConfigurations",
            (
                Attr("name", "name", send="always"),
                Attr("subnet_id", "properties.subnet", ID),
                Attr("private_ip_address", "properties.privateIPAddress"),
                Attr(
                    "private_ip_address_version",
                    "properties.privateIPAddressVersion",
                    default="IPv4",
                    choices=("IPv4", "IPv6"),
                    send="always",
                ),
                Attr(
                    "private_ip_address_allocation",
                    "properties.privateIPAllocationMethod",
                    choices=("Dynamic", "Static"),
                    send="always",
                ),
                Attr("public_ip_address_id", "properties.publicIPAddress", ID),
                Attr("primary", "properties.primary", send="always"),
                Attr("gateway_load_balancer_frontend_ip_configuration_id", "properties.gatewayLoadBalancer", ID),
            ),
            send="always",
        ),
        Attr(
            "auxiliary_mode",
            "properties.auxiliaryMode",
            choices=("AcceleratedConnections", "Floating", "MaxConnections", "None"),
        ),
        Attr("auxiliary_sku", "properties.auxiliarySku", choices=("A8", "A4", "A1", "A2", "None")),
        Attr("dns_servers", "properties.dnsSettings.dnsServers"),
        Attr("edge_zone", "extendedLocation", EDGE_ZONE, new=True),
        Attr("accelerated_networking_enabled", "properties.enableAcceleratedNetworking", default=False, send="always"),
        Attr("ip_forwarding_enabled", "properties.enableIPForwarding", default=False, send="always"),
        Attr("internal_dns_name_label", "properties.dnsSettings.internalDnsNameLabel"),
        Attr("internal_domain_name_suffix", "properties.dnsSettings.internalDomainNameSuffix", send="never"),
        Attr("applied_dns_servers", "properties.dnsSettings.appliedDnsServers", send="never"),
        Attr("mac_address", "properties.macAddress", send="never"),
        Attr("private_ip_address", "properties.ipConfigurations", FIRST_PRIVATE, send="never"),
        Attr("private_ip_addresses", "properties.ipConfigurations", ALL_PRIVATE, send="never"),
        Attr("virtual_machine_id", "properties.virtualMachine", ID, send="never"),
    ),
    together=(("auxiliary_mode", "auxiliary_sku"),),
)


LENSES = (PUBLIC_IP, PUBLIC_IP_PREFIX, NAT_GATEWAY, NETWORK_INTERFACE)
