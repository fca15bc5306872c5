"""The network as far as packets are concerned: groups of rules, routes, networks and endpoints. Addresses are IPv4, as numbers.

What decides about a packet, and in which order, is written down here for people; `proof` says the same to a solver.

1. A packet from the Internet comes in through a public address of the endpoint itself, or through a public load balancer that has a rule
   for the port. The balancer rewrites the port before any security group sees the packet; the source stays.
2. Inbound, the group of the subnet is asked first, then that of the interface; both must allow. In a group the rule with the lowest
   priority number that fits decides; after ours come the three that
   every group has: AllowVnetInBound (65000), AllowAzureLoadBalancerInBound (65001) and DenyAllInBound (65500).
3. With no group at all a Standard public address or balancer lets nothing in, a Basic one everything. From inside, everything passes.
4. From another endpoint: both are in one virtual network, or in two that are peers. The source's groups are asked outbound, the route
   with the longest prefix decides (of equal ones ours wins), then the target's groups inbound.

Sources: https://learn.microsoft.com/azure/virtual-network/network-security-group-how-it-works, .../virtual-networks-udr-overview,
.../ip-services/public-ip-addresses#sku and https://learn.microsoft.com/azure/load-balancer/load-balancer-overview
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Range = tuple[int, int]
LAST, LAST_PORT = 2**32 - 1, 65535
EVERYWHERE: Range = (0, LAST)
EVERY_PORT: Range = (0, LAST_PORT)
MEMBERS = "members of "  # how a tag begins that stands for an application security group
BALANCER = int(ipaddress.IPv4Address("168.63.129.16"))
# Not of the Internet: private, shared, loopback, link-local, multicast and reserved addresses.
_NOT_PUBLIC = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "224.0.0.0/3", "168.63.129.16/32",
)  # fmt: skip


def range_of(prefix: str) -> Range | None:
    """An IPv4 prefix or address as a range; None for anything else."""
    try:
        net = ipaddress.ip_network(prefix.strip(), strict=False)
    except ValueError:
        return None
    return (int(net.network_address), int(net.broadcast_address)) if net.version == 4 else None


NOT_PUBLIC: tuple[Range, ...] = tuple(r for r in map(range_of, _NOT_PUBLIC) if r is not None)


def shown(address: int) -> str:
    return str(ipaddress.IPv4Address(address))


@dataclass(frozen=True)
class Side:
    """What a rule says of one end: ranges of addresses, or service tags. `unclear` is why it cannot be told; then it may fit or not."""

    ranges: tuple[Range, ...] = ()
    tags: tuple[str, ...] = ()
    unclear: str = ""


ANYONE = Side((EVERYWHERE,))


@dataclass(frozen=True)
class Rule:
    """A security rule. `protocol` is tcp, udp, icmp or *; ports are ranges of destination ports."""

    name: str
    priority: int
    allow: bool
    inbound: bool = True
    protocol: str = "*"
    source: Side = ANYONE
    destination: Side = ANYONE
    ports: tuple[Range, ...] = (EVERY_PORT,)
    source_ports: tuple[Range, ...] = (EVERY_PORT,)


@dataclass(frozen=True)
class Group:
    """A network security group. With `unclear` it is not sure whether it is there or what it says."""

    name: str
    rules: tuple[Rule, ...] = ()
    unclear: str = ""


@dataclass(frozen=True)
class Route:
    """A route of ours. `hop` is vnetlocal, internet, none, or what this model does not follow (virtualappliance, virtualnetworkgateway)."""

    name: str
    prefix: Range
    hop: str


@dataclass(frozen=True)
class Network:
    """A virtual network: its space, and the networks that are its peers both ways."""

    name: str
    space: tuple[Range, ...]
    peers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A way in from the Internet: by which address, through which frontend ports, to which port of the endpoint (None: the same).

    `standard` says that nothing comes in where no group is.
    """

    name: str
    standard: bool = True
    protocol: str = "*"
    ports: Range = EVERY_PORT
    to: int | None = None
    unclear: str = ""


@dataclass(frozen=True)
class Endpoint:
    """An interface of a machine or of the instances of a scale set. `private` are the addresses it may have, `owners` whose it is."""

    name: str
    network: str
    private: tuple[Range, ...]
    groups: tuple[Group, ...] = ()
    entries: tuple[Entry, ...] = ()
    routes: tuple[Route, ...] = ()
    owners: tuple[Any, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Topology:
    """Everything there is. `unmodelled` are the things that may carry packets in ways that this model does not know."""

    networks: dict[str, Network]
    endpoints: tuple[Endpoint, ...]
    unmodelled: tuple[str, ...] = ()

    def inside(self, network: str) -> tuple[Range, ...]:
        """What the service tag VirtualNetwork means in a network: its own space and that of its peers."""
        held = self.networks.get(network)
        if held is None:
            return ()
        return (*held.space, *(r for p in held.peers if p in self.networks for r in self.networks[p].space))

    @property
    def all_space(self) -> tuple[Range, ...]:
        return tuple(r for n in self.networks.values() for r in n.space)


def defaults(inbound: bool) -> tuple[Rule, ...]:
    """The rules that every group ends with."""
    inside = Side(tags=("VirtualNetwork",))
    if inbound:
        return (
            Rule("AllowVnetInBound", 65000, True, source=inside, destination=inside),
            Rule("AllowAzureLoadBalancerInBound", 65001, True, source=Side(((BALANCER, BALANCER),))),
            Rule("DenyAllInBound", 65500, False),
        )
    return (
        Rule("AllowVnetOutBound", 65000, True, False, source=inside, destination=inside),
        Rule("AllowInternetOutBound", 65001, True, False, destination=Side(tags=("Internet",))),
        Rule("DenyAllOutBound", 65500, False, False),
    )


def ordered(group: Group, inbound: bool) -> list[Rule]:
    """The rules of a direction in the order in which they are asked."""
    return sorted((r for r in (*group.rules, *defaults(inbound)) if r.inbound == inbound), key=lambda r: r.priority)


def system_routes(topology: Topology, network: str) -> Iterable[Route]:
    """The routes that a network has by itself to its own space and that of its peers."""
    yield from (Route("system", r, "vnetlocal") for r in topology.inside(network))
    yield Route("system", EVERYWHERE, "internet")
