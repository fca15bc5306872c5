"""Deployability of networks, balancers and storage: combinations that `terraform plan` accepts and Azure rejects at apply."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any

from iac_agent.guard.planned import AFTER_APPLY, Resource
from iac_agent.guard.policies.deployability import alone, has, known_key, refused, region_of
from iac_agent.guard.policies.network import EITHER_FORM, RuleOrGroup
from iac_agent.guard.policies.types import (
    BALANCER,
    LB_RULE,
    LEARN,
    NAT_GATEWAY,
    NETWORK,
    NIC,
    NSG,
    PEERING,
    ROLE,
    ROUTE,
    RULE,
    STORAGE,
    SUBNET,
    SUBNET_NSG,
    VAULT,
)
from iac_agent.guard.predicates import A, Custom, To, UsedBy, surely
from iac_agent.guard.truth import Truth, every, known

Net = ipaddress.IPv4Network | ipaddress.IPv6Network
_NET = f"{LEARN}virtual-network/"
_LINK = "azurerm_private_dns_zone_virtual_network_link"
_PORT_ATTRIBUTES = ("destination_port_range", "destination_port_ranges", "source_port_range", "source_port_ranges")
_FIRST, _LAST = 4, 1  # addresses of a subnet that Azure keeps at its start and end
_PORTS = re.compile(r"^(?:\*|\d{1,5}(?:-\d{1,5})?)$")
_TAGS = re.compile(r"^(?:\*|[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)?)$")


def nets(values: Iterable[Any]) -> list[Net]:
    """What is an address range among these."""
    found = []
    for value in values:
        try:
            found.append(ipaddress.ip_network(str(value), strict=False))
        except ValueError:
            continue
    return found


def _listed(resource: Resource, path: str) -> list[Any]:
    value = resource.one(path)
    return [] if value is None else value if isinstance(value, list) else [value]


def network_of(subnet: Resource) -> Resource | None:
    return subnet.world.named(NETWORK, subnet.one("virtual_network_name"), subnet.one("resource_group_name"))


def _inside(subnet: Resource) -> Truth:
    network = network_of(subnet)
    prefixes, space = _listed(subnet, "address_prefixes"), _listed(network, "address_space") if network else []
    if network is None or AFTER_APPLY in (*prefixes, *space):
        return Truth.YES
    return known(all(any(_within(p, s) for s in nets(space)) for p in nets(prefixes)))


def _within(inner: Net, outer: Net) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _overlap(one: Iterable[Net], other: Iterable[Net]) -> bool:
    held = list(other)
    return any(a.version == b.version and a.overlaps(b) for a in one for b in held)


def _network_key(subnet: Resource) -> list[str]:
    network = network_of(subnet)
    return [network.address] if network else []


def _apart(subnet: Resource) -> Truth:
    held = subnet.world.grouped((SUBNET,), _network_key)
    others = [s for key in _network_key(subnet) for s in held[key] if s is not subnet]
    mine = nets(_listed(subnet, "address_prefixes"))
    return known(not any(_overlap(mine, nets(_listed(o, "address_prefixes"))) for o in others))


def _static(nic: Resource) -> Iterator[tuple[Resource, ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    """Addresses that an interface fixes, with the subnet of each."""
    blocks = nic.blocks("ip_configuration")
    for block in blocks if isinstance(blocks, list) else ():
        said = block.one("private_ip_address")
        if block.one("private_ip_address_allocation") != "Static" or not isinstance(said, str) or not nets([said]):
            continue
        related = block.related("subnet_id")
        prefixes = _listed(related.resources[0], "address_prefixes") if len(related.resources) == 1 else []
        if related.certain and prefixes and AFTER_APPLY not in prefixes:
            yield related.resources[0], ipaddress.ip_address(said)


def _in_subnet(nic: Resource) -> Truth:
    return every(known(any(a in p for p in nets(_listed(s, "address_prefixes")))) for s, a in _static(nic))


def _free(nic: Resource) -> Truth:
    """No address is one of those that Azure keeps: the first four and the last."""
    found = []
    for subnet, address in _static(nic):
        around = [p for p in nets(_listed(subnet, "address_prefixes")) if address in p]
        found += [known(_FIRST <= int(address) - int(p.network_address) < p.num_addresses - _LAST) for p in around]
    return every(found)


def _fixed(nic: Resource) -> list[Any]:
    return [(s.address, str(a)) for s, a in _static(nic)]


def _priority(rule: Resource) -> list[Any]:
    return known_key(rule, "network_security_group_name", "resource_group_name", "direction", "priority")


def _inline_priorities(group: Resource) -> Truth:
    blocks = group.blocks("security_rule")
    if not isinstance(blocks, list) or not group.writes("security_rule"):
        return Truth.YES
    keys = [(b.one("direction"), b.one("priority")) for b in blocks]
    return known(len(keys) == len(set(keys)))


def _no_tag_in_list(rule: Resource) -> Truth:
    held = [v for p in ("source_address_prefixes", "destination_address_prefixes") for v in _listed(rule, p)]
    return every(known(v is AFTER_APPLY or not _TAGS.match(str(v))) for v in held)


def _ports(rule: Resource) -> Truth:
    held = [v for p in ("destination_port_range", "source_port_range") for v in _listed(rule, p) if v not in (AFTER_APPLY, "")]
    several = [v for p in ("destination_port_ranges", "source_port_ranges") for v in _listed(rule, p) if v is not AFTER_APPLY]
    fine = [_PORTS.match(str(v)) is not None and _ascending(str(v)) for v in (*held, *several)]
    return known(all(fine) and "*" not in several)


def _ascending(port: str) -> bool:
    first, _, last = port.partition("-")
    return port == "*" or int(first) <= int(last or first) <= 65535


def _backend(rule: Resource) -> list[Any]:
    if rule.one("floating_ip_enabled") is True or rule.one("enable_floating_ip") is True:
        return []
    pools = rule.related("backend_address_pool_ids")
    values = (rule.one("protocol"), rule.one("backend_port"))
    return [] if AFTER_APPLY in values or not pools.certain else [(p.address, *values) for p in pools.resources]


def _sku(balancer: Resource) -> Truth:
    sku = balancer.one("sku") or "Standard"
    addresses = balancer.related("frontend_ip_configuration.public_ip_address_id")
    theirs = [a.one("sku") or "Standard" for a in addresses.resources]
    found = [Truth.UNKNOWN if AFTER_APPLY in (sku, s) else known(str(s).lower() == str(sku).lower()) for s in theirs]
    return every(found) if addresses.certain else surely(found)


def _disjoint(peering: Resource) -> Truth:
    mine = peering.world.named(NETWORK, peering.one("virtual_network_name"), peering.one("resource_group_name"))
    theirs = peering.related("remote_virtual_network_id").resources
    if mine is None:
        return Truth.YES
    return every(known(not _overlap(nets(_listed(mine, "address_space")), nets(_listed(t, "address_space")))) for t in theirs)


def _kind(account: Resource) -> Truth:
    """Kind, tier and replication go together."""
    kind, tier, copies = account.one("account_kind") or "StorageV2", account.one("account_tier"), account.one("account_replication_type")
    if AFTER_APPLY in (kind, tier, copies):
        return Truth.UNKNOWN
    if tier == "Premium":
        return known(copies == "LRS" or (copies == "ZRS" and kind in ("FileStorage", "BlockBlobStorage", "StorageV2")))
    return known(kind != "BlockBlobStorage" and (kind != "FileStorage" or account.one("provisioned_billing_model_version") == "V2"))


def _endpoint(service: str) -> Custom:
    def test(subnet: Resource) -> Truth:
        said = [v for _, v in subnet.at(("service_endpoint", "service"))] + _listed(subnet, "service_endpoints")
        if AFTER_APPLY in said:
            return Truth.UNKNOWN
        return known(any(str(v).lower().startswith(service.lower()) for v in said if v))

    return Custom(f"it has the service endpoint {service}", test, ("service_endpoint",))


def _registered(link: Resource) -> list[Any]:
    return known_key(link, "virtual_network_id") if link.one("registration_enabled") is True else []


def _prefix(route: Resource) -> list[Any]:
    return known_key(route, "route_table_name", "resource_group_name", "address_prefix")


def _assignment(role: Resource) -> list[Any]:
    named = isinstance(role.one("role_definition_name"), str)
    return known_key(role, "scope", "role_definition_name" if named else "role_definition_id", "principal_id")


def _regions(path: str) -> Custom:
    """What an attribute refers to is in the region of this resource; a subnet is where its network is."""

    def test(resource: Resource) -> Truth:
        found = []
        for other in resource.related(path).resources:
            held = network_of(other) if other.type == SUBNET else other
            if held is None or AFTER_APPLY in (resource.one("location"), held.one("location")):
                continue
            found.append(known(region_of(resource) == region_of(held)))
        return every(found)

    return Custom(f"{path} is in the same region", test, ("location",))


POLICIES = (
    refused(
        30,
        "Subnets are inside their network",
        (SUBNET,),
        Custom("its prefixes are inside the address space of the network", _inside, ("address_prefixes",)),
        "Azure answers NetcfgSubnetRangeOutsideVnet.",
        "Take a prefix inside address_space.",
        f"{_NET}virtual-networks-faq",
    ),
    refused(
        31,
        "Subnets of a network do not overlap",
        (SUBNET,),
        Custom("its prefixes overlap with those of no other subnet", _apart, ("address_prefixes",)),
        "Azure answers NetcfgSubnetRangesOverlap.",
        "Take a prefix of its own.",
        f"{_NET}virtual-networks-faq",
    ),
    refused(
        32,
        "Fixed addresses are inside their subnet",
        (NIC,),
        Custom("its addresses are inside the subnet", _in_subnet, ("ip_configuration.private_ip_address",)),
        "Azure answers PrivateIPAddressNotInSubnet.",
        "Take an address of the subnet, or Dynamic.",
        f"{_NET}virtual-networks-faq",
    ),
    refused(
        33,
        "Fixed addresses are none that Azure keeps",
        (NIC,),
        Custom("its addresses are not the first four or the last of the subnet", _free, ("ip_configuration.private_ip_address",)),
        "Azure answers PrivateIPAddressInReservedRange: the first four and the last are its own.",
        "Take an address from the fifth on.",
        f"{_NET}virtual-networks-faq",
    ),
    refused(
        34,
        "A fixed address is used once",
        (NIC,),
        alone((NIC,), _fixed, "no other interface has its addresses", "ip_configuration.private_ip_address"),
        "Azure answers PrivateIPAddressIsAllocated.",
        "Take another address, or Dynamic.",
        f"{_NET}virtual-networks-faq",
    ),
    refused(
        35,
        "Rules of a group have priorities of their own",
        (RULE,),
        alone((RULE,), _priority, "no other rule of the group has its direction and priority", "priority"),
        "Azure answers SecurityRuleConflict.",
        "Take a priority that is free.",
        f"{_NET}network-security-groups-overview",
    ),
    refused(
        36,
        "Rules inside a group have priorities of their own",
        (NSG,),
        Custom("no two rules have the same direction and priority", _inline_priorities, ("security_rule",)),
        "Azure answers SecurityRuleConflict.",
        "Take a priority that is free.",
        f"{_NET}network-security-groups-overview",
    ),
    refused(
        37,
        "Lists of prefixes hold prefixes, not service tags",
        EITHER_FORM,
        RuleOrGroup(
            Custom("no service tag is in a list of prefixes", _no_tag_in_list, ("source_address_prefixes", "destination_address_prefixes"))
        ),
        "Azure answers SecurityRuleParameterContainsUnsupportedValue.",
        "Use source_address_prefix or destination_address_prefix for a tag or *.",
        f"{_NET}service-tags-overview",
    ),
    refused(
        38,
        "Ports are numbers or ranges",
        EITHER_FORM,
        RuleOrGroup(Custom("its ports are a number, a range or *", _ports, _PORT_ATTRIBUTES)),
        "Azure answers SecurityRuleInvalidPortRange.",
        "Use destination_port_ranges for several.",
        f"{_NET}network-security-groups-overview",
    ),
    refused(
        39,
        "The gateway's subnet has no security group",
        (SUBNET,),
        A("name").is_("GatewaySubnet") >> ~UsedBy(((SUBNET_NSG, "subnet_id"),)),
        "Azure answers NetworkSecurityGroupCannotBeAttachedToGatewaySubnet.",
        "Drop the association.",
        f"{LEARN}vpn-gateway/vpn-gateway-about-vpn-gateway-settings",
    ),
    refused(
        40,
        "Interfaces are in the region of their network",
        (NIC,),
        _regions("ip_configuration.subnet_id"),
        "Azure answers InvalidResourceReference: the subnet was not found in the region.",
        "Use the location of the network.",
        f"{_NET}virtual-network-network-interface",
    ),
    refused(
        41,
        "Interfaces are in the region of their public address",
        (NIC,),
        _regions("ip_configuration.public_ip_address_id"),
        "Azure answers InvalidResourceReference: the address was not found in the region.",
        "Use one location for both.",
        f"{_NET}virtual-network-network-interface",
    ),
    refused(
        42,
        "Balancers and their addresses have one SKU",
        (BALANCER,),
        Custom("its public addresses have its SKU", _sku, ("sku",)),
        "Azure answers PublicIPAndLBSkuDoNotMatch.",
        "Use Standard for both.",
        f"{LEARN}load-balancer/skus",
    ),
    refused(
        43,
        "Balancing rules of a pool differ in protocol or port",
        (LB_RULE,),
        alone((LB_RULE,), _backend, "no other rule has its pool, protocol and backend port", "backend_port"),
        "Azure answers RulesUseSameBackendPortProtocolAndPool.",
        "Take another backend port, or floating_ip_enabled.",
        f"{LEARN}load-balancer/load-balancer-multivip-overview",
    ),
    refused(
        44,
        "Networks that are peers do not overlap",
        (PEERING,),
        Custom("the address spaces do not overlap", _disjoint, ("remote_virtual_network_id",)),
        "Azure answers VnetAddressSpacesOverlap.",
        "Give each network a space of its own.",
        f"{_NET}virtual-network-manage-peering",
    ),
    refused(
        45,
        "Kind, tier and replication of storage go together",
        (STORAGE,),
        Custom(
            "Premium is LRS or ZRS, and BlockBlobStorage and FileStorage are Premium", _kind, ("account_kind", "account_replication_type")
        ),
        "Azure answers InvalidValuesForRequestParameters: kind, sku.",
        "Use LRS or ZRS with Premium, and Premium with BlockBlobStorage and FileStorage.",
        f"{LEARN}storage/common/storage-account-overview",
    ),
    refused(
        46,
        "Subnets that storage lets in have its service endpoint",
        (STORAGE,),
        To("network_rules.virtual_network_subnet_ids", _endpoint("Microsoft.Storage")),
        "Azure answers NetworkAclsValidationFailure: SubnetsHaveNoServiceEndpointsConfigured.",
        "Add the service endpoint Microsoft.Storage to the subnet.",
        f"{LEARN}storage/common/storage-network-security",
    ),
    refused(
        47,
        "Subnets that a vault lets in have its service endpoint",
        (VAULT,),
        To("network_acls.virtual_network_subnet_ids", _endpoint("Microsoft.KeyVault")),
        "Azure answers VirtualNetworkNotValid: SubnetsHaveNoServiceEndpointsConfigured.",
        "Add the service endpoint Microsoft.KeyVault to the subnet.",
        f"{LEARN}key-vault/general/overview-vnet-service-endpoints",
    ),
    refused(
        48,
        "A network registers its machines in one private zone",
        (_LINK,),
        alone((_LINK,), _registered, "no other link registers the same network", "registration_enabled"),
        "Azure answers Conflict: a network can be linked to one zone with registration only.",
        "Leave registration_enabled on one link.",
        f"{LEARN}dns/private-dns-autoregistration",
    ),
    refused(
        49,
        "Routes of a table have prefixes of their own",
        (ROUTE,),
        alone((ROUTE,), _prefix, "no other route of the table has its prefix", "address_prefix"),
        "Azure answers RouteConflict.",
        "Keep one route for each prefix.",
        f"{_NET}virtual-networks-udr-overview",
    ),
    refused(
        50,
        "Routes to an appliance say its address, and others do not",
        (ROUTE,),
        (A("next_hop_type").is_("VirtualAppliance") >> has("next_hop_in_ip_address"))
        & (has("next_hop_in_ip_address") >> A("next_hop_type").is_("VirtualAppliance")),
        "Azure answers that NextHopIpAddress must be there for VirtualAppliance, and for nothing else.",
        "Set or drop next_hop_in_ip_address.",
        f"{_NET}virtual-networks-udr-overview",
    ),
    refused(
        51,
        "A NAT gateway is in one zone or in none",
        (NAT_GATEWAY,),
        A("zones").passes(lambda v: not isinstance(v, list) or len(v) <= 1, "has one at most") | ~A("sku_name", "Standard").is_("Standard"),
        "Azure answers ResourceCannotHaveMultipleZonesSpecified.",
        "Name one zone, and make a gateway for each.",
        f"{LEARN}nat-gateway/nat-availability-zones",
    ),
    refused(
        52,
        "A role is assigned once",
        (ROLE,),
        alone((ROLE,), _assignment, "no other assignment has its scope, role and principal", "principal_id"),
        "Azure answers RoleAssignmentExists.",
        "Drop one of them.",
        f"{LEARN}role-based-access-control/troubleshooting",
    ),
)
