"""Load balancers and what lives inside them.

Probes, rules and NAT rules have no PUT of their own in azurerm: the load balancer is read, changed and written whole.
Sources: recordings in golden `lb`, `platform`; internal/services/loadbalancer of hashicorp/terraform-provider-azurerm; ARM api-version
2025-01-01 (azurerm 4: 2023-09-01).
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import ALL_PRIVATE, EDGE_ZONE, FIRST_ID, FIRST_PRIVATE, ID, IDS, LAST_SEGMENT
from iac_agent.azure.lenses.table import (
    GROUP,
    LOCATION_ROW,
    NAMED,
    TAGS,
    Attr,
    Body,
    Hooks,
    Inside,
    Lens,
    Nested,
    Values,
)

INF = float("inf")


def _expand_lb(body: Body, values: Values, major: int) -> None:
    """A private frontend always says its IP version; a public one never does."""
    for frontend in (body.get("properties") or {}).get("frontendIPConfigurations") or []:
        properties = frontend["properties"]
        if "subnet" in properties:
            properties.setdefault("privateIPAddressVersion", "IPv4")
        else:
            properties.pop("privateIPAddressVersion", None)


def _replace_lb(prior: Values, planned: Values, major: int) -> list[tuple[str | int, ...]]:
    """Taking away every frontend replaces the load balancer."""
    gone = prior.get("frontend_ip_configuration") and planned.get("frontend_ip_configuration") == []
    return [("frontend_ip_configuration",)] if gone else []


def _expand_rule(body: Body, values: Values, major: int) -> None:
    """Rules name their frontend; ARM wants its id."""
    owner = values.get("owner") or values["loadbalancer_id"]
    name = values["frontend_ip_configuration_name"]
    body["properties"]["frontendIPConfiguration"] = {"id": f"{owner}/frontendIPConfigurations/{name}"}
    body.pop("name", None)


def _expand_probe(body: Body, values: Values, major: int) -> None:
    body.pop("name", None)


LB = Lens(
    "azurerm_lb",
    "Microsoft.Network/loadBalancers",
    {4: "2023-09-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/loadBalancers/{name}",
    (
        NAMED,
        LOCATION_ROW,
        GROUP,
        Attr("edge_zone", "extendedLocation", EDGE_ZONE, new=True),
        Attr(
            "sku",
            "sku.name",
            default="Standard",
            new=True,
            choices=("Basic", "Gateway", "Standard"),
            send="always",
            read="present",
        ),
        Attr(
            "sku_tier",
            "sku.tier",
            default="Regional",
            new=True,
            choices=("Regional", "Global"),
            send="always",
            read="present",
        ),
        Nested(
            "frontend_ip_configuration",
            "properties.frontendIPConfigurations",
            (
                Attr("name", "name", send="always"),
                Attr("id", "id", send="never"),
                Attr("subnet_id", "properties.subnet", ID),
                Attr("private_ip_address", "properties.privateIPAddress"),
                Attr(
                    "private_ip_address_allocation",
                    "properties.privateIPAllocationMethod",
                    choices=("Dynamic", "Static"),
                ),
                Attr("private_ip_address_version", "properties.privateIPAddressVersion", choices=("IPv4", "IPv6")),
                Attr("public_ip_address_id", "properties.publicIPAddress", ID),
                Attr("public_ip_prefix_id", "properties.publicIPPrefix", ID),
                Attr("gateway_load_balancer_frontend_ip_configuration_id", "properties.gatewayLoadBalancer", ID),
                Attr("inbound_nat_rules", "properties.inboundNatRules", IDS, send="never"),
                Attr("load_balancer_rules", "properties.loadBalancingRules", IDS, send="never"),
                Attr("outbound_rules", "properties.outboundRules", IDS, send="never"),
                Attr("zones", "zones", new=True, read="present"),
            ),
            read="present",
        ),
        Attr("private_ip_address", "properties.frontendIPConfigurations", FIRST_PRIVATE, send="never"),
        Attr("private_ip_addresses", "properties.frontendIPConfigurations", ALL_PRIVATE, send="never"),
        Attr("public_ip_address_id", None, send="never", read="never", major=4),
        Attr("subnet_id", None, send="never", read="never", major=4),
        TAGS,
    ),
    hooks=Hooks(expand=_expand_lb, replace=_replace_lb),
)


LB_BACKEND_ADDRESS_POOL = Lens(
    "azurerm_lb_backend_address_pool",
    "Microsoft.Network/loadBalancers/backendAddressPools",
    {4: "2023-09-01", 5: "2025-01-01"},
    "{loadbalancer_id}/backendAddressPools/{name}",
    (
        NAMED,
        Attr("loadbalancer_id", None, new=True, send="never"),
        Attr("synchronous_mode", "properties.syncMode", new=True, choices=("Automatic", "Manual")),
        Attr("virtual_network_id", "properties.virtualNetwork", ID),
        Nested(
            "tunnel_interface",
            "properties.tunnelInterfaces",
            (
                Attr("identifier", "identifier", send="always"),
                Attr("type", "type", choices=("None", "Internal", "External"), send="always"),
                Attr("protocol", "protocol", choices=("None", "Native", "VXLAN"), send="always"),
                Attr("port", "port", send="always"),
            ),
        ),
        Attr("backend_ip_configurations", "properties.backendIPConfigurations", IDS, send="never"),
        Attr("inbound_nat_rules", "properties.inboundNatRules", IDS, send="never"),
        Attr("load_balancing_rules", "properties.loadBalancingRules", IDS, send="never"),
        Attr("outbound_rules", "properties.outboundRules", IDS, send="never"),
    ),
    constant={"properties": {}},
)


LB_PROBE = Lens(
    "azurerm_lb_probe",
    "Microsoft.Network/loadBalancers/probes",
    {4: "2023-09-01", 5: "2025-01-01"},
    "{loadbalancer_id}/probes/{name}",
    (
        NAMED,
        Attr("loadbalancer_id", None, new=True, send="never"),
        Attr("protocol", "properties.protocol", default="Tcp", choices=("Http", "Https", "Tcp"), send="always"),
        Attr("port", "properties.port", between=(1, 65535), send="always"),
        Attr("probe_threshold", "properties.probeThreshold", default=1, between=(1, 100), send="always"),
        Attr("request_path", "properties.requestPath"),
        Attr("interval_in_seconds", "properties.intervalInSeconds", default=15, between=(5, INF), send="always"),
        Attr("number_of_probes", "properties.numberOfProbes", default=2, send="always"),
        Attr("load_balancer_rules", "properties.loadBalancingRules", IDS, send="never"),
    ),
    strategy=Inside("loadbalancer_id", "properties.probes"),
    hooks=Hooks(expand=_expand_probe),
)


LB_RULE = Lens(
    "azurerm_lb_rule",
    "Microsoft.Network/loadBalancers/loadBalancingRules",
    {4: "2023-09-01", 5: "2025-01-01"},
    "{loadbalancer_id}/loadBalancingRules/{name}",
    (
        NAMED,
        Attr("loadbalancer_id", None, new=True, send="never"),
        Attr("protocol", "properties.protocol", choices=("All", "Tcp", "Udp"), send="always"),
        Attr("frontend_port", "properties.frontendPort", between=(0, 65535), send="always"),
        Attr("backend_port", "properties.backendPort", between=(0, 65535), send="always"),
        Attr("frontend_ip_configuration_name", "properties.frontendIPConfiguration", LAST_SEGMENT, send="never"),
        Attr("frontend_ip_configuration_id", "properties.frontendIPConfiguration", ID, send="never"),
        Attr("backend_address_pool_ids", "properties.backendAddressPool", FIRST_ID),
        Attr("probe_id", "properties.probe", ID),
        Attr("floating_ip_enabled", "properties.enableFloatingIP", send="always", major=4),
        Attr("floating_ip_enabled", "properties.enableFloatingIP", default=False, send="always", major=5),
        Attr("tcp_reset_enabled", "properties.enableTcpReset", send="always", major=4),
        Attr("tcp_reset_enabled", "properties.enableTcpReset", default=False, send="always", major=5),
        Attr("enable_floating_ip", "properties.enableFloatingIP", major=4),
        Attr("enable_tcp_reset", "properties.enableTcpReset", major=4),
        Attr("disable_outbound_snat", "properties.disableOutboundSnat", default=False, send="always"),
        Attr("idle_timeout_in_minutes", "properties.idleTimeoutInMinutes", default=4, between=(4, 100), send="always"),
        Attr("load_distribution", "properties.loadDistribution", default="Default", send="always"),
    ),
    conflicts=(("enable_floating_ip", "floating_ip_enabled"), ("enable_tcp_reset", "tcp_reset_enabled")),
    strategy=Inside("loadbalancer_id", "properties.loadBalancingRules"),
    hooks=Hooks(expand=_expand_rule),
)


LB_NAT_RULE = Lens(
    "azurerm_lb_nat_rule",
    "Microsoft.Network/loadBalancers/inboundNatRules",
    {4: "2023-09-01", 5: "2025-01-01"},
    "{loadbalancer_id}/inboundNatRules/{name}",
    (
        NAMED,
        GROUP,
        Attr("loadbalancer_id", None, new=True, send="never"),
        Attr("protocol", "properties.protocol", choices=("All", "Tcp", "Udp"), send="always"),
        Attr("frontend_port", "properties.frontendPort", between=(0, 65535), send="always"),
        Attr("backend_port", "properties.backendPort", between=(0, 65535), send="always"),
        Attr("frontend_ip_configuration_name", "properties.frontendIPConfiguration", LAST_SEGMENT, send="never"),
        Attr("frontend_ip_configuration_id", "properties.frontendIPConfiguration", ID, send="never"),
        Attr("floating_ip_enabled", "properties.enableFloatingIP", send="always"),
        Attr("tcp_reset_enabled", "properties.enableTcpReset", send="always", major=4),
        Attr("tcp_reset_enabled", "properties.enableTcpReset", send="always", major=5),
        Attr("enable_floating_ip", "properties.enableFloatingIP", major=4),
        Attr("enable_tcp_reset", "properties.enableTcpReset", major=4),
        Attr("backend_address_pool_id", "properties.backendAddressPool", ID, read="present"),
        Attr("frontend_port_start", "properties.frontendPortRangeStart", between=(1, 65535)),
        Attr("frontend_port_end", "properties.frontendPortRangeEnd", between=(1, 65535)),
        Attr("idle_timeout_in_minutes", "properties.idleTimeoutInMinutes", default=4, between=(4, 30), send="always"),
        Attr("backend_ip_configuration_id", "properties.backendIPConfiguration", ID, send="never"),
    ),
    conflicts=(
        ("frontend_port", "frontend_port_start"),
        ("frontend_port", "frontend_port_end"),
        ("frontend_port", "backend_address_pool_id"),
        ("enable_floating_ip", "floating_ip_enabled"),
        ("enable_tcp_reset", "tcp_reset_enabled"),
    ),
    together=(("backend_address_pool_id", "frontend_port_start", "frontend_port_end"),),
    strategy=Inside("loadbalancer_id", "properties.inboundNatRules"),
    hooks=Hooks(expand=_expand_rule),
)


LENSES = (LB, LB_BACKEND_ADDRESS_POOL, LB_PROBE, LB_RULE, LB_NAT_RULE)
