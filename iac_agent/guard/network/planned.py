"""From a planned world to the network that it makes: interfaces with their groups, routes and ways in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from iac_agent.azure.exposure import port_ranges
from iac_agent.guard.network.topology import (
    BALANCER,
    EVERY_PORT,
    EVERYWHERE,
    MEMBERS,
    NOT_PUBLIC,
    Endpoint,
    Entry,
    Group,
    Network,
    Range,
    Route,
    Rule,
    Side,
    Topology,
    range_of,
)
from iac_agent.guard.planned import AFTER_APPLY, Related, Resource, World
from iac_agent.guard.policies import types as t

# What may carry packets in ways that the model does not follow.
_OTHER_WAYS = re.compile(
    r"^azurerm_(?:.*(?:firewall|gateway(?!_public_ip_association)|vpn|express_route|front_?door|bastion|private_endpoint|private_link|virtual_hub|virtual_wan|"
    r"route_server|traffic_manager|kubernetes_cluster|container_group|network_security_perimeter|nat_pool|"
    r"application_security_group_association|orchestrated_virtual_machine|windows_virtual_machine_scale_set)).*$"
)
_MODELLED = (t.NAT_GATEWAY, t.NAT_ADDRESS, t.SUBNET_NAT)
_BALANCING = {"all": "*"}


def topology(world: World) -> Topology:
    """The network of a world."""
    return _Builder(world).built()


class _Builder:
    def __init__(self, world: World) -> None:
        self.world = world
        self.unmodelled: dict[str, None] = {}
        self._groups: dict[str, Group] = {}

    def built(self) -> Topology:
        for kind in self.world.by_type:
            if _OTHER_WAYS.match(kind) and kind not in _MODELLED:
                for resource in self.world.of_type(kind):
                    self.unmodelled[f"{resource.address} may carry packets in ways that are not modelled"] = None
        networks = {n.address: self._network(n) for n in self.world.of_type(t.NETWORK)}
        endpoints = [*self._interfaces(), *self._scale_sets()]
        return Topology(networks, tuple(endpoints), tuple(self.unmodelled))

    # --- networks and subnets ----------------------------------------------------------------------------------------

    def _network(self, network: Resource) -> Network:
        return Network(network.address, self._ranges(network, "address_space"), tuple(self._peers(network)))

    def _ranges(self, resource: Resource, path: str) -> tuple[Range, ...]:
        values = _listed(resource.one(path))
        if AFTER_APPLY in values:
            self.unmodelled[f"{path} of {resource.address} is known after apply"] = None
        return tuple(r for r in (range_of(str(v)) for v in values) if r is not None)

    def _peers(self, network: Resource) -> Iterator[str]:
        """Networks that are peers both ways, and let each other in."""
        there = self._one_way(network)
        for other in there:
            if network in self._one_way(other):
                yield other.address

    def _one_way(self, network: Resource) -> list[Resource]:
        found: list[Resource] = []
        for peering in self.world.of_type(t.PEERING):
            mine = self.world.named(t.NETWORK, peering.one("virtual_network_name"), peering.one("resource_group_name"))
            if mine is network and peering.one("allow_virtual_network_access") is not False:
                found += peering.related("remote_virtual_network_id").resources
        return found

    def _of_subnet(self, holder: Resource) -> tuple[str, tuple[Range, ...], list[Group], tuple[Route, ...]]:
        """The network, the addresses, the group and the routes that come with the subnet of an IP configuration."""
        related = holder.related("subnet_id")
        if not related.certain or len(related.resources) != 1:
            where = holder.one("subnet_id")
            named = where if isinstance(where, str) else f"the subnet of {holder.address}"
            outside = Group(named, unclear=f"{named} is not in this configuration: whether a security group guards it is not known")
            return "", NOT_PUBLIC, [outside], ()
        subnet = related.resources[0]
        network = self.world.named(t.NETWORK, subnet.one("virtual_network_name"), subnet.one("resource_group_name"))
        groups = self._associated(subnet, t.SUBNET_NSG, "subnet_id")
        if subnet.writes("network_security_group_id_wo") and self.world.wiring.written(subnet.address) is not None:
            groups.append(Group(subnet.address, unclear=f"{subnet.address} names its group in an attribute that plans do not show"))
        usable = tuple(_usable(r) for r in self._ranges(subnet, "address_prefixes"))
        return network.address if network else "", usable, groups, self._routes(subnet)

    def _routes(self, subnet: Resource) -> tuple[Route, ...]:
        found = []
        for association in self.world.referrers(subnet, t.SUBNET_ROUTES, "subnet_id").resources:
            for table in association.related("route_table_id").resources:
                blocks = table.blocks("route") if table.writes("route") else []
                own = [
                    r
                    for r in self.world.of_type(t.ROUTE)
                    if self.world.named(t.ROUTES, r.one("route_table_name"), r.one("resource_group_name")) is table
                ]
                found += [self._route(r, table) for r in [*(blocks if isinstance(blocks, list) else ()), *own]]
        return tuple(r for r in found if r is not None)

    @staticmethod
    def _route(route: Resource, table: Resource) -> Route | None:
        prefix = range_of(str(route.one("address_prefix")))
        name = f"{table.address} {route.one('name')}"
        return Route(name, prefix, str(route.one("next_hop_type")).lower()) if prefix else None

    # --- security groups -----------------------------------------------------------------------------------------------

    def _associated(self, guarded: Resource, kind: str, path: str) -> list[Group]:
        links = self.world.referrers(guarded, kind, path)
        found = [g for link in links.resources for g in self._named(link.related("network_security_group_id"), link)]
        if not links.certain:
            told = f"whether a group guards {guarded.address} is not known: an association may be its own or another's"
            return [Group(g.name, g.rules, told) for g in found] or [Group(guarded.address, unclear=told)]
        return found

    def _named(self, related: Related, holder: Resource) -> list[Group]:
        if not related.resources:
            told = f"the security group that {holder.address} names is not in this configuration"
            return [Group(holder.address, unclear=told)]
        groups = [self._group(g) for g in related.resources]
        if related.certain:
            return groups
        return [Group(g.name, g.rules, f"{holder.address} may name {g.name} or another group") for g in groups]

    def _group(self, group: Resource) -> Group:
        if group.address not in self._groups:
            written = group.blocks("security_rule")
            own = [
                r for r in self.world.of_type(t.RULE)
                if self.world.named(t.NSG, r.one("network_security_group_name"), r.one("resource_group_name")) is group
            ]  # fmt: skip
            unclear = "" if isinstance(written, list) else f"the rules of {group.address} are known after apply"
            held = [*(written if isinstance(written, list) else ()), *own]
            self._groups[group.address] = Group(group.address, tuple(dict.fromkeys(self._rule(r) for r in held)), unclear)
        return self._groups[group.address]

    def _rule(self, rule: Resource) -> Rule:
        said = {a: rule.one(a) for a in ("access", "direction", "priority", "protocol", "name")}
        unknown = [a for a, v in said.items() if v is AFTER_APPLY]
        source, destination = self._side(rule, "source"), self._side(rule, "destination")
        if unknown:
            self.unmodelled[f"{unknown[0]} of {rule.address} is known after apply"] = None
        priority = said["priority"] if isinstance(said["priority"], int) else int(float(str(said["priority"]))) if not unknown else 0
        return Rule(
            str(said["name"]),
            priority,
            str(said["access"]).lower() == "allow",
            str(said["direction"]).lower() == "inbound",
            str(said["protocol"]).lower(),
            source,
            destination,
            self._ports(rule, "destination"),
            self._ports(rule, "source"),
        )

    @staticmethod
    def _side(rule: Resource, end: str) -> Side:
        values = [*_listed(rule.one(f"{end}_address_prefix")), *_listed(rule.one(f"{end}_address_prefixes"))]
        ranges, tags, unclear = [], [], ""
        for value in values:
            if value is AFTER_APPLY:
                unclear = f"{end} of {rule.address} is known after apply"
                continue
            found = range_of(str(value))
            if str(value) == "*" or str(value).lower() == "any":
                ranges.append(EVERYWHERE)
            elif found:
                ranges.append(found)
            elif str(value).lower() == "azureloadbalancer":
                ranges.append((BALANCER, BALANCER))
            elif ":" not in str(value):
                tags.append(str(value))
        for group in _listed(rule.one(f"{end}_application_security_group_ids")):
            tags.append(f"{MEMBERS}{group if isinstance(group, str) else f'the groups that {rule.address} names'}")
        return Side(tuple(ranges), tuple(dict.fromkeys(tags)), unclear)

    def _ports(self, rule: Resource, end: str) -> tuple[Range, ...]:
        values = [*_listed(rule.one(f"{end}_port_range")), *_listed(rule.one(f"{end}_port_ranges"))]
        if AFTER_APPLY in values:
            self.unmodelled[f"a port of {rule.address} is known after apply"] = None
        return tuple(port_ranges(str(v) for v in values if v is not AFTER_APPLY))

    # --- endpoints -------------------------------------------------------------------------------------------------------

    def _interfaces(self) -> Iterator[Endpoint]:
        for nic in self.world.of_type(t.NIC):
            owners = [r for kind in t.MACHINES for r in self.world.referrers(nic, kind, "network_interface_ids").resources]
            blocks = nic.blocks("ip_configuration")
            if not isinstance(blocks, list):
                self.unmodelled[f"ip_configuration of {nic.address} is known after apply"] = None
                continue
            groups = self._associated(nic, t.NIC_NSG, "network_interface_id")
            for block in blocks:
                yield from self._endpoint(
                    block, nic.address, tuple(owners) or (nic,), groups, [*self._public(block), *self._balanced(nic, block)]
                )

    def _scale_sets(self) -> Iterator[Endpoint]:
        for holder in self.world.of_type(t.SCALE_SET):
            nics = holder.blocks("network_interface")
            for nic in nics if isinstance(nics, list) else ():
                said = nic.one("network_security_group_id")
                groups = self._named(nic.related("network_security_group_id"), nic) if said not in (None, "") else []
                blocks = nic.blocks("ip_configuration")
                for block in blocks if isinstance(blocks, list) else ():
                    own = [Entry(f"a public address of each instance of {holder.address}")] if block.blocks("public_ip_address") else []
                    pools = block.related("load_balancer_backend_address_pool_ids").resources
                    entries = [*own, *(e for pool in pools for e in self._of_pool(pool))]
                    yield from self._endpoint(block, holder.address, (holder,), groups, entries)
            if not isinstance(nics, list):
                self.unmodelled[f"network_interface of {holder.address} is known after apply"] = None

    def _endpoint(
        self, block: Resource, name: str, owners: tuple[Resource, ...], groups: list[Group], entries: list[Entry]
    ) -> Iterator[Endpoint]:
        if block.one("private_ip_address_version") == "IPv6" or block.one("version") == "IPv6":
            self.unmodelled[f"IPv6 of {name} is not modelled"] = None
            return
        network, ranges, of_subnet, routes = self._of_subnet(block)
        fixed = block.one("private_ip_address")
        known = range_of(fixed) if isinstance(fixed, str) and fixed else None
        yield Endpoint(name, network, (known,) if known else ranges, (*of_subnet, *groups), tuple(entries), routes, owners)

    @staticmethod
    def _public(block: Resource) -> Iterator[Entry]:
        if block.one("public_ip_address_id") in (None, ""):
            return
        related = block.related("public_ip_address_id")
        for address in related.resources:
            unclear = "" if related.certain else f"{block.address} may have the public address {address.address} or another one"
            yield Entry(address.address, str(address.one("sku") or "Standard").lower() != "basic", unclear=unclear)
        if not related.resources:
            yield Entry(
                f"the public address of {block.address}",
                False,
                unclear=f"the public address of {block.address} is not in this configuration",
            )

    def _balanced(self, nic: Resource, block: Resource) -> Iterator[Entry]:
        """The ways in through balancers: rules of the pools that the interface is in, and NAT rules that it has."""
        for link in self.world.referrers(nic, t.NIC_POOL, "network_interface_id").resources:
            if link.one("ip_configuration_name") in (block.one("name"), AFTER_APPLY):
                for pool in link.related("backend_address_pool_id").resources:
                    yield from self._of_pool(pool)
        for link in self.world.referrers(nic, t.NIC_NAT, "network_interface_id").resources:
            for rule in link.related("nat_rule_id").resources:
                yield from self._entry(rule)

    def _of_pool(self, pool: Resource) -> Iterator[Entry]:
        for rule in self.world.referrers(pool, t.LB_RULE, "backend_address_pool_ids").resources:
            yield from self._entry(rule)
        for rule in self.world.referrers(pool, t.NAT_RULE, "backend_address_pool_id").resources:
            yield from self._entry(rule)

    def _entry(self, rule: Resource) -> Iterator[Entry]:
        for balancer in rule.related("loadbalancer_id").resources:
            fronts = balancer.blocks("frontend_ip_configuration")
            named = [f for f in fronts if f.one("name") == rule.one("frontend_ip_configuration_name")] if isinstance(fronts, list) else []
            public = [f for f in named if f.one("public_ip_address_id") not in (None, "") or f.one("public_ip_prefix_id") not in (None, "")]
            if isinstance(fronts, list) and not public:
                continue
            low = rule.one("frontend_port") or rule.one("frontend_port_start") or 0
            high = rule.one("frontend_port") or rule.one("frontend_port_end") or low
            to = rule.one("backend_port")
            said = str(rule.one("protocol") or "tcp").lower()
            unknown = AFTER_APPLY in (low, high, to)
            yield Entry(
                f"{balancer.address} ({rule.address})",
                str(balancer.one("sku") or "Standard").lower() != "basic",
                _BALANCING.get(said, said),
                EVERY_PORT if unknown or not low else (int(low), int(high)),
                None if unknown or not to else int(to),
                f"ports of {rule.address} are known after apply" if unknown else "",
            )


def _listed(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return [v for v in value if v not in (None, "")] if isinstance(value, list) else [value]


def _usable(prefix: Range) -> Range:
    """What Azure gives out of a subnet: not its first four addresses, nor its last."""
    low, high = prefix
    return (low + 4, high - 1) if high - low >= 7 else prefix
