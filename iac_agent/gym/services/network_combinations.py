"""Combinations that ARM rejects, of networks, balancers, storage and vaults: each property is right by itself, together they are not.

The words are those of the errors that users report; the codes are ARM's. Called by the services when they fill a resource.
Sources: issues of hashicorp/terraform-provider-azurerm (659, 4225, 5617, 8089, 11759, 16547, 21696), Azure/terraform-azurerm-loadbalancer
(32), Azure/terraform-azurerm-virtual-network (18), kubernetes-sigs/cloud-provider-azure (657) and https://aka.ms/storageaccounttypes
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from iac_agent.gym import faults
from iac_agent.gym.cloud import Write
from iac_agent.gym.services.combinations import require_same_region
from iac_agent.gym.store import Body, Resource

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_FIRST = 4
_SYSTEM = re.compile(r"^(?:\*|[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)?)$")
_PORT = re.compile(r"^(?:\*|\d{1,5}(?:-\d{1,5})?)$")


def interface(write: Write) -> None:
    """An interface is where its network and its addresses are."""
    for configuration in write.properties.get("ipConfigurations") or []:
        inner = configuration.get("properties", {})
        subnet = str((inner.get("subnet") or {}).get("id", ""))
        network = write.cloud.store.get(subnet.rsplit("/subnets/", 1)[0]) if subnet else None
        if network is not None:
            require_same_region(write, {"id": subnet, "location": network.body.get("location")}, "subnet")
        address = (inner.get("publicIPAddress") or {}).get("id")
        if address:
            require_same_region(write, write.require(address), "public address")


def reserved(address: str, ranges: list[Network]) -> None:
    """Raise PrivateIPAddressInReservedRange for the first four addresses of a subnet, and the last."""
    held = ipaddress.ip_address(address)
    for network in (r for r in ranges if held in r):
        if not _FIRST <= int(held) - int(network.network_address) < network.num_addresses - 1:
            raise faults.bad_request(
                "PrivateIPAddressInReservedRange",
                f"Private static IP address {address} falls within reserved IP range of subnet prefix {network}.",
            )


def security_rule(write: Write) -> None:
    """Prefixes in a list are prefixes, and ports are numbers or ranges."""
    for name in ("sourceAddressPrefixes", "destinationAddressPrefixes"):
        bad = [p for p in write.properties.get(name) or [] if _SYSTEM.match(str(p))]
        if bad:
            raise faults.bad_request(
                "SecurityRuleParameterContainsUnsupportedValue",
                f"Security rule parameter {name[:1].upper()}{name[1:-2]} for rule with Id {write.id.text} cannot specify existing "
                f"VIRTUALNETWORK, INTERNET, AZURELOADBALANCER, '*' or system tags. Unsupported value used: {bad[0]}.",
            )
    for name in ("sourcePortRange", "destinationPortRange"):
        said = write.properties.get(name)
        if said and not _PORT.match(str(said)):
            raise faults.bad_request(
                "SecurityRuleInvalidPortRange",
                f"Security rule has invalid Port range. Value provided: {said}. Value should be an integer OR integer range with '-' "
                "delimiter. Valid range 0-65535.",
            )


def subnet(write: Write) -> None:
    group = (write.properties.get("networkSecurityGroup") or {}).get("id")
    if group and write.id.name.lower() == "gatewaysubnet":
        raise faults.bad_request(
            "NetworkSecurityGroupCannotBeAttachedToGatewaySubnet",
            f"The operation failed because the network security group {group} can not be associated to the GatewaySubnet. Please remove "
            "the network security group associated to the GatewaySubnet. For more information, see https://aka.ms/GatewaySubnet.",
        )


def balancer(write: Write) -> None:
    """A balancer has the SKU of its addresses, and no two rules for one port of a pool."""
    sku = str(write.body["sku"].get("name", "Standard"))
    for frontend in write.properties.get("frontendIPConfigurations") or []:
        target = (frontend["properties"].get("publicIPAddress") or {}).get("id")
        address = write.require(target) if target else None
        theirs = str((address.body.get("sku") or {}).get("name", "Basic")) if isinstance(address, Resource) else sku
        if theirs.lower() != sku.lower():
            raise faults.bad_request(
                "PublicIPAndLBSkuDoNotMatch", f"{sku} sku load balancer {write.id.text} cannot reference {theirs} sku publicIP {target}."
            )
    seen: dict[Any, str] = {}
    for rule in write.properties.get("loadBalancingRules") or []:
        inner = rule["properties"]
        pool = str((inner.get("backendAddressPool") or {}).get("id", "")).lower()
        key = (pool, str(inner.get("protocol")).lower(), inner.get("backendPort"))
        if not pool or inner.get("enableFloatingIP"):
            continue
        if key in seen:
            raise faults.bad_request(
                "RulesUseSameBackendPortProtocolAndPool",
                f"Load balancing rules {seen[key]} and {rule['id']} with floating IP disabled use the same protocol "
                f"{inner.get('protocol')} and backend port {inner.get('backendPort')}, and must not be used with the same backend address "
                f"pool {pool}.",
            )
        seen[key] = rule["id"]


def peering(write: Write, other: Resource) -> None:
    mine = write.cloud.store.get(write.id.parent)
    spaces = [_space(mine.properties) if mine else [], _space(other.properties)]
    both = [a for a in spaces[0] for b in spaces[1] if a.version == b.version and a.overlaps(b)]
    if both:
        raise faults.bad_request(
            "VnetAddressSpacesOverlap",
            f"Cannot create or update peering {write.id.text}. Virtual networks {write.id.parent} and {other.id} cannot be peered because "
            f"their address spaces overlap. Overlapping address prefixes: {', '.join(map(str, both))}.",
        )


def _space(properties: Body) -> list[Network]:
    return [ipaddress.ip_network(p) for p in (properties.get("addressSpace") or {}).get("addressPrefixes") or []]


def route_table(write: Write) -> None:
    seen: dict[str, str] = {}
    for route in write.properties.get("routes") or []:
        prefix = str(route["properties"].get("addressPrefix"))
        if prefix in seen:
            raise faults.bad_request(
                "RouteConflict", f"Route: {seen[prefix]} conflicts with Route: {route['name']}. Routes cannot have the same AddressPrefix."
            )
        seen[prefix] = route["name"]


def route(write: Write) -> None:
    hop, address = str(write.properties.get("nextHopType")), write.properties.get("nextHopIpAddress")
    if hop == "VirtualAppliance" and not address:
        raise faults.bad_request(
            "InvalidRequestFormat", "NextHopIpAddress cannot be Null or Empty in route when NextHopType is VirtualAppliance."
        )
    if address and hop != "VirtualAppliance":
        raise faults.bad_request("InvalidRequestFormat", f"NextHopIpAddress must be Null or Empty in route when NextHopType is {hop}.")


def nat_gateway(write: Write) -> None:
    zones = write.body.get("zones") or []
    if len(zones) > 1 and str((write.body.get("sku") or {}).get("name", "Standard")) == "Standard":
        raise faults.bad_request(
            "ResourceCannotHaveMultipleZonesSpecified",
            f"Resource {write.id.text} has {len(zones)} zones specified. Only one zone can be specified for this resource.",
        )


def registration(write: Write) -> None:
    """A network registers its machines in one private zone."""
    if not write.properties.get("registrationEnabled"):
        return
    mine = str((write.properties.get("virtualNetwork") or {}).get("id", "")).lower()
    for other in write.cloud.store.of_type("Microsoft.Network/privateDnsZones/virtualNetworkLinks"):
        same = str((other.properties.get("virtualNetwork") or {}).get("id", "")).lower() == mine
        if same and other.properties.get("registrationEnabled") and other.id.lower() != write.id.text.lower():
            zone = other.id.split("/virtualNetworkLinks")[0]
            raise faults.conflict(
                "Conflict",
                "A virtual network can only be linked to 1 Private DNS zone(s) with auto-registration enabled; conflicting Private DNS "
                f'zone is "{zone}".',
            )


def storage(write: Write) -> None:
    """Kind and SKU of an account go together, and the subnets that it lets in have the endpoint."""
    kind, sku = str(write.body.get("kind") or "StorageV2"), str(write.body["sku"]["name"])
    tier, _, copies = sku.partition("_")
    wrong = tier == "Premium" and copies not in ("LRS", "ZRS")
    wrong = (
        wrong or (tier == "Standard" and kind == "BlockBlobStorage") or (sku in ("Standard_LRS", "Standard_GRS") and kind == "FileStorage")
    )
    if wrong:
        raise faults.bad_request(
            "InvalidValuesForRequestParameters",
            "Values for request parameters are invalid: kind, sku. For more information, see - https://aka.ms/storageaccounttypes",
        )
    for rule in (write.properties.get("networkAcls") or {}).get("virtualNetworkRules") or []:
        if not _has_endpoint(write, str(rule.get("id")), "Microsoft.Storage"):
            raise faults.bad_request(
                "NetworkAclsValidationFailure",
                f"Validation of network acls failure: SubnetsHaveNoServiceEndpointsConfigured:Subnets {rule.get('id')} do not have "
                "ServiceEndpoints for Microsoft.Storage resources configured. Add Microsoft.Storage to subnet's ServiceEndpoints "
                "collection before trying to ACL Microsoft.Storage resources to these subnets..",
            )


def vault(write: Write) -> None:
    for rule in (write.properties.get("networkAcls") or {}).get("virtualNetworkRules") or []:
        if not _has_endpoint(write, str(rule.get("id")), "Microsoft.KeyVault"):
            raise faults.bad_request(
                "VirtualNetworkNotValid",
                f"Virtual network subnet {rule.get('id')} is not valid: SubnetsHaveNoServiceEndpointsConfigured for Microsoft.KeyVault.",
            )


def _has_endpoint(write: Write, subnet_id: str, service: str) -> bool:
    held = write.cloud.find(subnet_id)
    body: Body = held.body if isinstance(held, Resource) else held or {}
    endpoints = body.get("properties", {}).get("serviceEndpoints") or []
    return any(str(e.get("service", "")).lower().startswith(service.lower()) for e in endpoints)
