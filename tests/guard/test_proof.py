"""The proof against a brute-force evaluator on random networks: they must agree on every one, and a packet that is shown must get through.

The evaluator below is written from the four rules at the head of `topology`, without the solver: it tries every address and port at which
anything changes.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from iac_agent.guard.network.answer import Answer, Packet, Result
from iac_agent.guard.network.proof import Prover
from iac_agent.guard.network.topology import (
    ANYONE,
    BALANCER,
    EVERYWHERE,
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
from tests.conftest import Figure

PUBLIC = ("0.0.0.0/0", "203.0.113.0/24", "203.0.113.64/26", "8.8.8.8/32", "128.0.0.0/1")
PRIVATE = ("10.0.0.0/8", "10.0.0.0/24", "10.0.1.0/24", "10.0.1.16/28", "10.1.0.0/16", "10.1.0.4/32")
PORTS: tuple[Range, ...] = ((22, 22), (0, 65535), (20, 25), (443, 443), (1000, 2000), (80, 443))
ASKED = [(22, 22)]


def prefix(text: str) -> Range:
    found = range_of(text)
    assert found is not None
    return found


# --- brute force -----------------------------------------------------------------------------------------------------


def within(value: int, ranges: Sequence[Range]) -> bool:
    return any(low <= value <= high for low, high in ranges)


def is_public(topology: Topology, address: int) -> bool:
    return not within(address, NOT_PUBLIC) and not any(within(address, n.space) for n in topology.networks.values())


def virtual_network(topology: Topology, name: str) -> list[Range]:
    held = topology.networks[name]
    return [*held.space, *(r for p in held.peers for r in topology.networks[p].space)]


def side_fits(side: Side, address: int, topology: Topology, network: str) -> bool:
    inside = within(address, virtual_network(topology, network))
    if within(address, side.ranges) or ("VirtualNetwork" in side.tags and inside):
        return True
    return "Internet" in side.tags and not inside and not within(address, NOT_PUBLIC)


def allows(group: Group, inbound: bool, packet: tuple[int, int, int, int, str], topology: Topology, network: str) -> bool:
    source, source_port, destination, port, protocol = packet
    for rule in sorted((r for r in group.rules if r.inbound == inbound), key=lambda r: r.priority):
        if (
            rule.protocol in ("*", protocol)
            and within(port, rule.ports)
            and within(source_port, rule.source_ports)
            and side_fits(rule.source, source, topology, network)
            and side_fits(rule.destination, destination, topology, network)
        ):
            return rule.allow
    here = virtual_network(topology, network)
    if within(source, here) and within(destination, here):
        return True
    if inbound:
        return source == BALANCER
    return not within(destination, here) and not within(destination, NOT_PUBLIC)


def comes_in(topology: Topology, target: Endpoint, packet: tuple[int, int, int, int, str]) -> bool:
    """Whether a packet from the Internet gets to the target."""
    source, _, destination, port, protocol = packet
    if not is_public(topology, source) or not within(destination, target.private):
        return False
    for entry in target.entries:
        fits = entry.protocol in ("*", protocol) and (within(port, [entry.ports]) if entry.to is None else port == entry.to)
        admitted = all(allows(g, True, packet, topology, target.network) for g in target.groups) if target.groups else not entry.standard
        if fits and admitted:
            return True
    return False


def goes_over(topology: Topology, source: Endpoint, target: Endpoint, packet: tuple[int, int, int, int, str]) -> bool:
    """Whether a packet of one endpoint gets to another."""
    if not within(packet[0], source.private) or not within(packet[2], target.private):
        return False
    if source.network != target.network and target.network not in topology.networks[source.network].peers:
        return False
    ours = [(r.prefix[1] - r.prefix[0], 0, r.hop) for r in source.routes if within(packet[2], [r.prefix])]
    theirs = [(r[1] - r[0], 1, "vnetlocal") for r in virtual_network(topology, source.network) if within(packet[2], [r])]
    if min([*ours, *theirs, (2**32, 1, "internet")])[2] != "vnetlocal":
        return False
    out = all(allows(g, False, packet, topology, source.network) for g in source.groups)
    return out and all(allows(g, True, packet, topology, target.network) for g in target.groups)


def corners(ranges: Sequence[Range], top: int) -> set[int]:
    """Every value at which something may change."""
    return {v for low, high in ranges for v in (low - 1, low, high, high + 1) if 0 <= v <= top}


def packets(topology: Topology, targets: Sequence[Endpoint]) -> Iterator[tuple[int, int, int, int, str]]:
    rules = [r for e in topology.endpoints for g in e.groups for r in g.rules]
    spaces = [r for n in topology.networks.values() for r in n.space]
    private = [r for e in topology.endpoints for r in e.private]
    everywhere = [*spaces, *private, *NOT_PUBLIC, EVERYWHERE, (BALANCER, BALANCER)]
    sources = corners([*(r for x in rules for r in x.source.ranges), *everywhere], 2**32 - 1)
    routes = [r.prefix for e in topology.endpoints for r in e.routes]
    held = [r for t in targets for r in t.private]
    destinations = {
        d for d in corners([*(r for x in rules for r in x.destination.ranges), *everywhere, *routes], 2**32 - 1) if within(d, held)
    }
    source_ports = {p for p in corners([r for x in rules for r in x.source_ports], 65535) if p} | {1, 65535}
    yield from ((s, sp, d, p, "tcp") for s, sp, d, (p, _) in itertools.product(sources, source_ports, destinations, ASKED))


# --- random networks -------------------------------------------------------------------------------------------------


def some_side(pick: random.Random, prefixes: Sequence[str]) -> Side:
    kind = pick.random()
    if kind < 0.2:
        return ANYONE
    if kind < 0.4:
        return Side(tags=(pick.choice(("Internet", "VirtualNetwork")),))
    return Side(tuple(prefix(p) for p in pick.sample(prefixes, pick.randint(1, 2))))


def some_group(pick: random.Random, name: str) -> Group:
    priorities = pick.sample(range(100, 120), pick.randint(0, 4))
    return Group(
        name,
        tuple(
            Rule(
                f"r{p}",
                p,
                pick.random() < 0.6,
                pick.random() < 0.75,
                pick.choice(("*", "tcp", "tcp", "udp")),
                some_side(pick, (*PUBLIC, *PRIVATE)),
                some_side(pick, PRIVATE),
                (pick.choice(PORTS),),
                ((0, 65535),) if pick.random() < 0.9 else ((1024, 65535),),
            )
            for p in priorities
        ),
    )


def some_network(seed: int) -> Topology:
    pick = random.Random(seed)
    peers = pick.random() < 0.5
    networks = {
        "a": Network("a", (prefix("10.0.0.0/16"),), ("b",) if peers else ()),
        "b": Network("b", (prefix("10.1.0.0/16"),), ("a",) if peers else ()),
    }
    places = [("a", "10.0.0.0/24"), ("a", "10.0.1.16/28"), ("b", "10.1.0.4/32"), ("b", "10.1.2.0/24")]
    endpoints = []
    for number in range(pick.randint(1, 3)):
        network, addresses = pick.choice(places)
        entries = [
            Entry("ip", pick.random() < 0.8),
            Entry("lb", pick.random() < 0.8, pick.choice(("tcp", "udp", "*")), (2222, 2222), pick.choice((22, 80))),
            Entry("nat", True, "tcp", (20, 30)),
        ]
        hops = ("none", "vnetlocal", "internet")
        routes = [Route(f"u{i}", prefix(pick.choice(PRIVATE)), pick.choice(hops)) for i in range(pick.randint(0, 2))]
        endpoints.append(
            Endpoint(
                f"e{number}",
                network,
                (prefix(addresses),),
                tuple(some_group(pick, f"g{number}{i}") for i in range(pick.randint(0, 2))),
                tuple(pick.sample(entries, pick.randint(0, 2))),
                tuple({r.prefix: r for r in routes}.values()),
            )
        )
    return Topology(networks, tuple(endpoints))


def as_numbers(packet: Packet) -> tuple[int, int, int, int, str]:
    source, destination = prefix(packet.source)[0], prefix(packet.destination)[0]
    return source, packet.source_port, destination, packet.port, packet.protocol


def agrees(topology: Topology, answer: Answer, reached: bool) -> bool:
    if answer.result == Result.PROVED:
        return not reached
    return answer.result == Result.REFUTED and reached


@pytest.mark.parametrize("part", range(8))
def test_it_agrees_with_brute_force(part: int, figure: Figure) -> None:
    """250 random networks a part: from the Internet to all endpoints, and from the first endpoint to the others."""
    matched = total = 0
    for seed in range(part * 250, part * 250 + 250):
        topology = some_network(seed)
        prover, targets = Prover(topology), topology.endpoints
        answer = prover.from_internet(targets, ASKED)
        ways = any(comes_in(topology, t, p) for t in targets for p in packets(topology, [t]))
        assert agrees(topology, answer, ways), (seed, answer, ways)
        if answer.packet:
            target = next(t for t in targets if t.name == answer.target)
            assert comes_in(topology, target, as_numbers(answer.packet)), (seed, answer)
        first, others = targets[0], targets[1:]
        within_ = Prover(topology).between([first], others, ASKED)
        over = any(goes_over(topology, first, t, p) for t in others for p in packets(topology, [t]))
        assert agrees(topology, within_, over), (seed, within_, over)
        matched, total = matched + 1, total + 1
    figure("random networks on which proof and brute force agree", matched, total)


# --- what is not known or not modelled -------------------------------------------------------------------------------

NETWORKS = {"a": Network("a", (prefix("10.0.0.0/16"),))}
OPEN = Rule("open", 100, True, ports=((22, 22),), source=Side((EVERYWHERE,)))


def one(*rules: Rule, unmodelled: tuple[str, ...] = (), group: str = "", entry: str = "") -> Answer:
    endpoint = Endpoint("nic", "a", (prefix("10.0.0.4/32"),), (Group("nsg", rules, group),), (Entry("ip", unclear=entry),))
    topology = Topology(NETWORKS, (endpoint,), unmodelled)
    return Prover(topology).from_internet([endpoint], ASKED)


def test_a_source_known_after_apply_is_unknown() -> None:
    answer = one(replace(OPEN, source=Side(unclear="the source of rule open is known after apply")))
    assert answer.result == Result.UNKNOWN
    assert answer.reasons == ("the source of rule open is known after apply",)


def test_what_is_unknown_does_not_matter_behind_a_rule_that_denies() -> None:
    deny = Rule("deny", 90, False, ports=((22, 22),), source=Side((EVERYWHERE,)))
    assert one(deny, replace(OPEN, source=Side(unclear="x"))).result == Result.PROVED


def test_a_packet_that_gets_through_anyway_is_shown() -> None:
    answer = one(OPEN, Rule("other", 200, True, source=Side(unclear="x")))
    assert answer.result == Result.REFUTED
    assert "open (priority 100) allows it" in str(answer)


def test_a_service_tag_is_not_the_internet_but_is_not_proved_closed_either() -> None:
    answer = one(replace(OPEN, source=Side(tags=("AzureCloud",))))
    assert answer.result == Result.UNKNOWN
    assert "service tag AzureCloud" in answer.reasons[0]
    denied = Rule("tag", 90, False, source=Side(tags=("AzureCloud",)))
    assert one(denied, OPEN).result == Result.REFUTED


def test_members_of_an_application_group_are_no_strangers() -> None:
    assert one(replace(OPEN, source=Side(tags=("members of asg",)))).result == Result.PROVED


def test_it_refuses_to_answer_where_something_is_not_modelled() -> None:
    answer = one(unmodelled=("azurerm_firewall.x may carry packets in ways that are not modelled",))
    assert answer.result == Result.UNKNOWN
    assert "azurerm_firewall.x" in str(answer)
    assert one(OPEN, unmodelled=("azurerm_firewall.x",)).result == Result.REFUTED


@pytest.mark.parametrize("where", ["group", "entry"])
def test_what_may_be_there_is_unknown(where: str) -> None:
    rules = (OPEN,) if where == "entry" else ()
    assert one(*rules, **{where: "it may be there"}).result == Result.UNKNOWN  # type: ignore[arg-type]
