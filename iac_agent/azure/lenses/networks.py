"""Virtual networks, subnets and peerings.

Sources: recordings in golden `network`, `platform`; internal/services/network/virtual_network_resource.go, subnet_resource.go and
virtual_network_peering_resource.go of hashicorp/terraform-provider-azurerm; ARM api-version 2025-01-01.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import EDGE_ZONE, ENABLED, ENDPOINTS, ID, IDS
from iac_agent.azure.lenses.table import (
    GROUP,
    LOCATION_ROW,
    NAME,
    NAMED,
    TAGS,
    Attr,
    Body,
    Hooks,
    Lens,
    Nested,
    Problem,
    Values,
)

DELEGATIONS = (
    "GitHub.Network/networkSettings",
    "Informatica.DataManagement/organizations",
    "Microsoft.ApiManagement/service",
    "Microsoft.Apollo/npu",
    "Microsoft.App/environments",
    "Microsoft.App/testClients",
    "Microsoft.AVS/PrivateClouds",
    "Microsoft.AzureCosmosDB/clusters",
    "Microsoft.BareMetal/AzureHostedService",
    "Microsoft.BareMetal/AzureHPC",
    "Microsoft.BareMetal/AzurePaymentHSM",
    "Microsoft.BareMetal/AzureVMware",
    "Microsoft.BareMetal/CrayServers",
    "Microsoft.BareMetal/MonitoringServers",
    "Microsoft.Batch/batchAccounts",
    "Microsoft.CloudTest/hostedpools",
    "Microsoft.CloudTest/images",
    "Microsoft.CloudTest/pools",
    "Microsoft.Codespaces/plans",
    "Microsoft.ContainerInstance/containerGroups",
    "Microsoft.ContainerService/managedClusters",
    "Microsoft.ContainerService/TestClients",
    "Microsoft.Databricks/workspaces",
    "Microsoft.DBforMySQL/flexibleServers",
    "Microsoft.DBforMySQL/servers",
    "Microsoft.DBforMySQL/serversv2",
    "Microsoft.DBforPostgreSQL/flexibleServers",
    "Microsoft.DBforPostgreSQL/serversv2",
    "Microsoft.DBforPostgreSQL/singleServers",
    "Microsoft.DelegatedNetwork/controller",
    "Microsoft.DevCenter/networkConnection",
    "Microsoft.DevOpsInfrastructure/pools",
    "Microsoft.DocumentDB/cassandraClusters",
    "Microsoft.Fidalgo/networkSettings",
    "Microsoft.HardwareSecurityModules/dedicatedHSMs",
    "Microsoft.Kusto/clusters",
    "Microsoft.LabServices/labplans",
    "Microsoft.Logic/integrationServiceEnvironments",
    "Microsoft.MachineLearningServices/workspaces",
    "Microsoft.MessagingConnectors/connectors",
    "Microsoft.Netapp/volumes",
    "Microsoft.Network/applicationGateways",
    "Microsoft.Network/dnsResolvers",
    "Microsoft.Network/managedResolvers",
    "Microsoft.Network/fpgaNetworkInterfaces",
    "Microsoft.Network/networkWatchers.",
    "Microsoft.Network/virtualNetworkGateways",
    "Microsoft.Orbital/orbitalGateways",
    "Microsoft.PowerAutomate/hostedRpa",
    "Microsoft.PowerPlatform/enterprisePolicies",
    "Microsoft.PowerPlatform/vnetaccesslinks",
    "Microsoft.ServiceFabricMesh/networks",
    "Microsoft.ServiceNetworking/trafficControllers",
    "Microsoft.Singularity/accounts/networks",
    "Microsoft.Singularity/accounts/npu",
    "Microsoft.Sql/managedInstances",
    "Microsoft.Sql/managedInstancesOnebox",
    "Microsoft.Sql/managedInstancesStage",
    "Microsoft.Sql/managedInstancesTest",
    "Microsoft.Sql/servers",
    "Microsoft.StoragePool/diskPools",
    "Microsoft.StreamAnalytics/streamingJobs",
    "Microsoft.Synapse/workspaces",
    "Microsoft.Web/hostingEnvironments",
    "Microsoft.Web/serverFarms",
    "NGINX.NGINXPLUS/nginxDeployments",
    "Oracle.Database/networkAttachments",
    "PaloAltoNetworks.Cloudngfw/firewalls",
    "Qumulo.Storage/fileSystems",
    "PureStorage.Block/storagePools",
)
DELEGATION_ACTIONS = (
    "Microsoft.Network/networkinterfaces/*",
    "Microsoft.Network/publicIPAddresses/join/action",
    "Microsoft.Network/publicIPAddresses/read",
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.Network/virtualNetworks/subnets/action",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
    "Microsoft.Network/virtualNetworks/subnets/prepareNetworkPolicies/action",
    "Microsoft.Network/virtualNetworks/subnets/unprepareNetworkPolicies/action",
)
ENDPOINT_SERVICES = (
    "Microsoft.AzureActiveDirectory",
    "Microsoft.AzureCosmosDB",
    "Microsoft.CognitiveServices",
    "Microsoft.ContainerRegistry",
    "Microsoft.EventHub",
    "Microsoft.KeyVault",
    "Microsoft.ServiceBus",
    "Microsoft.Sql",
    "Microsoft.Storage",
    "Microsoft.Storage.Global",
    "Microsoft.Web",
)


def _prefixes_out(properties: Body, major: int) -> None:
    """azurerm 4 sends a single prefix as `addressPrefix` (recorded in every golden with a subnet)."""
    prefixes = properties.get("addressPrefixes")
    if major == 4 and isinstance(prefixes, list) and len(prefixes) == 1:
        properties["addressPrefix"] = properties.pop("addressPrefixes")[0]
    if prefixes == []:
        del properties["addressPrefixes"]


def _prefixes_in(properties: Body) -> list[str]:
    single = properties.get("addressPrefix")
    return list(properties.get("addressPrefixes") or ([single] if single else []))


def _expand_vnet(body: Body, values: Values, major: int) -> None:
    properties = body["properties"]
    for subnet in properties.get("subnets") or []:
        _prefixes_out(subnet["properties"], major)
    plan = values.get("ddos_protection_plan") or []
    if plan:
        properties["ddosProtectionPlan"] = {"id": plan[0]["id"]}
        properties["enableDdosProtection"] = bool(plan[0]["enable"])


def _flatten_vnet(values: Values, live: Body, known: Values, major: int) -> None:
    properties = live.get("properties", {})
    plan = properties.get("ddosProtectionPlan")
    enabled = bool(properties.get("enableDdosProtection"))
    values["ddos_protection_plan"] = [{"id": plan["id"], "enable": enabled}] if plan else []
    by_name = {s["name"]: s for s in properties.get("subnets") or []}
    for subnet in values.get("subnet") or []:
        subnet["address_prefixes"] = _prefixes_in(by_name[subnet["name"]].get("properties", {}))


def _expand_subnet(body: Body, values: Values, major: int) -> None:
    _prefixes_out(body["properties"], major)


def _flatten_subnet(values: Values, live: Body, known: Values, major: int) -> None:
    values["address_prefixes"] = _prefixes_in(live.get("properties", {}))


def _plan_subnet(prior: Values | None, planned: Values, major: int) -> list[Problem]:
    if planned.get("sharing_scope") and planned.get("default_outbound_access_enabled"):
        text = "`sharing_scope` cannot be set if `default_outbound_access_enabled` is set to `true`"
        return [Problem(text, ("sharing_scope",))]
    return []


VIRTUAL_NETWORK = Lens(
    "azurerm_virtual_network",
    "Microsoft.Network/virtualNetworks",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/virtualNetworks/{name}",
    (
        NAMED,
        GROUP,
        LOCATION_ROW,
        TAGS,
        Attr("address_space", "properties.addressSpace.addressPrefixes"),
        Attr("bgp_community", "properties.bgpCommunities.virtualNetworkCommunity"),
        Nested("ddos_protection_plan", None, (Attr("id"), Attr("enable")), read="never"),
        Nested(
            "encryption",
            "properties.encryption",
            (Attr("enforcement", "enforcement", choices=("DropUnencrypted", "AllowUnencrypted"), send="always"),),
            single=True,
        ),
        Attr("dns_servers", "properties.dhcpOptions.dnsServers", send="always"),
        Attr("edge_zone", "extendedLocation", EDGE_ZONE, new=True),
        Attr("flow_timeout_in_minutes", "properties.flowTimeoutInMinutes", between=(4, 30)),
        Attr("guid", "properties.resourceGuid", send="never"),
        Nested(
            "ip_address_pool",
            "properties.addressSpace.ipamPoolPrefixAllocations",
            (
                Attr("id", "pool", ID, send="always"),
                Attr("number_of_ip_addresses", "numberOfIpAddresses", send="always"),
                Attr("allocated_ip_address_prefixes", "allocatedAddressPrefixes", send="never"),
            ),
        ),
        Attr(
            "private_endpoint_vnet_policies",
            "properties.privateEndpointVNetPolicies",
            default="Disabled",
            choices=("Basic", "Disabled"),
            send="always",
        ),
        Nested(
            "subnet",
            "properties.subnets",
            (
                Attr("name", "name", send="always"),
                Attr("id", "id", send="never"),
                Attr("address_prefixes", "properties.addressPrefixes", send="always"),
                Attr("default_outbound_access_enabled", "properties.defaultOutboundAccess", default=True, send="always"),
                Nested(
                    "delegation",
                    "properties.delegations",
                    (
                        Attr("name", "name", send="always"),
                        Nested(
                            "service_delegation",
                            "properties",
                            (
                                Attr("name", "serviceName", choices=DELEGATIONS, send="always"),
                                Attr("actions", "actions", choices=DELEGATION_ACTIONS, send="always", read="present"),
                            ),
                            single=True,
                            send="always",
                        ),
                    ),
                    send="always",
                ),
                Attr(
                    "private_endpoint_network_policies",
                    "properties.privateEndpointNetworkPolicies",
                    default="Disabled",
                    choices=("Disabled", "Enabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"),
                    send="always",
                ),
                Attr(
                    "private_link_service_network_policies_enabled",
                    "properties.privateLinkServiceNetworkPolicies",
                    ENABLED,
                    default=True,
                    send="always",
                ),
                Attr("route_table_id", "properties.routeTable", ID),
                Attr("security_group", "properties.networkSecurityGroup", ID),
                Attr("service_endpoints", "properties.serviceEndpoints", ENDPOINTS, send="always", major=4),
                Nested(
                    "service_endpoint",
                    "properties.serviceEndpoints",
                    (
                        Attr("service", "service", choices=ENDPOINT_SERVICES, send="always", major=5),
                        Attr("network_identifier", "networkIdentifier", ID, major=5),
                    ),
                    send="always",
                    major=5,
                ),
                Attr("service_endpoint_policy_ids", "properties.serviceEndpointPolicies", IDS, send="always"),
            ),
            computed=True,
            send="always",
        ),
    ),
    exactly_one=(("address_space", "ip_address_pool"),),
    hooks=Hooks(expand=_expand_vnet, flatten=_flatten_vnet),
)


SUBNET = Lens(
    "azurerm_subnet",
    "Microsoft.Network/virtualNetworks/subnets",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/virtualNetworks/{virtual_network_name}/subnets/{name}",
    (
        NAMED,
        GROUP,
        Attr("virtual_network_name", None, new=True, send="never"),
        Attr("address_prefixes", "properties.addressPrefixes"),
        Attr("default_outbound_access_enabled", "properties.defaultOutboundAccess", default=True, send="always"),
        Nested(
            "delegation",
            "properties.delegations",
            (
                Attr("name", "name", send="always"),
                Nested(
                    "service_delegation",
                    "properties",
                    (
                        Attr("name", "serviceName", choices=DELEGATIONS, send="always"),
                        Attr("actions", "actions", choices=DELEGATION_ACTIONS, send="always", read="present"),
                    ),
                    single=True,
                    send="always",
                ),
            ),
            send="always",
        ),
        Nested(
            "ip_address_pool",
            "properties.ipamPoolPrefixAllocations",
            (
                Attr("id", "pool", ID, send="always"),
                Attr("number_of_ip_addresses", "numberOfIpAddresses", send="always"),
                Attr("allocated_ip_address_prefixes", "allocatedAddressPrefixes", send="never"),
            ),
        ),
        Attr(
            "private_endpoint_network_policies",
            "properties.privateEndpointNetworkPolicies",
            default="Disabled",
            choices=("Disabled", "Enabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"),
            send="always",
        ),
        Attr(
            "private_link_service_network_policies_enabled",
            "properties.privateLinkServiceNetworkPolicies",
            ENABLED,
            default=True,
            send="always",
        ),
        Attr("service_endpoints", "properties.serviceEndpoints", ENDPOINTS, send="always", major=4),
        Nested(
            "service_endpoint",
            "properties.serviceEndpoints",
            (
                Attr("service", "service", choices=ENDPOINT_SERVICES, send="always", major=5),
                Attr("network_identifier", "networkIdentifier", ID, major=5),
            ),
            send="always",
            major=5,
        ),
        Attr("service_endpoint_policy_ids", "properties.serviceEndpointPolicies", IDS, send="always"),
        Attr("sharing_scope", "properties.sharingScope", choices=("Tenant",), send="always"),
        Attr("network_security_group_id", "properties.networkSecurityGroup", ID, send="never", major=5),
        Attr("network_security_group_id_wo", "properties.networkSecurityGroup", ID, read="never", major=5),
        Attr("network_security_group_id_wo_version", None, send="never", major=5),
        Attr("route_table_id", "properties.routeTable", ID, send="never", major=5),
        Attr("route_table_id_wo", "properties.routeTable", ID, read="never", major=5),
        Attr("route_table_id_wo_version", None, send="never", major=5),
    ),
    exactly_one=(("address_prefixes", "ip_address_pool"),),
    together=(
        ("network_security_group_id_wo", "network_security_group_id_wo_version"),
        ("route_table_id_wo", "route_table_id_wo_version"),
    ),
    hooks=Hooks(expand=_expand_subnet, flatten=_flatten_subnet, plan_check=_plan_subnet),
)


VIRTUAL_NETWORK_PEERING = Lens(
    "azurerm_virtual_network_peering",
    "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
    {4: "2025-01-01", 5: "2025-01-01"},
    "{group}/providers/Microsoft.Network/virtualNetworks/{virtual_network_name}/virtualNetworkPeerings/{name}",
    (
        NAME,
        GROUP,
        Attr("virtual_network_name", None, new=True, send="never"),
        Attr("remote_virtual_network_id", "properties.remoteVirtualNetwork", ID, new=True, send="always"),
        Attr("allow_virtual_network_access", "properties.allowVirtualNetworkAccess", default=True, send="always"),
        Attr("allow_forwarded_traffic", "properties.allowForwardedTraffic", default=False, send="always"),
        Attr("allow_gateway_transit", "properties.allowGatewayTransit", default=False, send="always"),
        Attr("use_remote_gateways", "properties.useRemoteGateways", default=False, send="always"),
        Attr(
            "peer_complete_virtual_networks_enabled",
            "properties.peerCompleteVnets",
            default=True,
            new=True,
            send="always",
        ),
        Attr("only_ipv6_peering_enabled", "properties.enableOnlyIPv6Peering", new=True),
        Attr("local_subnet_names", "properties.localSubnetNames"),
        Attr("remote_subnet_names", "properties.remoteSubnetNames"),
        Attr("triggers", None, send="never", read="never"),
    ),
)


LENSES = (VIRTUAL_NETWORK, SUBNET, VIRTUAL_NETWORK_PEERING)
