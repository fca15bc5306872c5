"""Proofs over a network: that no packet gets from here to there, or a packet that does and the rules it passes.

A solver (z3) looks for a packet. Where the network holds something that is not known or not modelled, it may choose what that does: if it
finds no packet even so, the proof stands; if what it finds hangs on its choice, the answer is that it is unknown, and why.
Source: L. de Moura, N. Bjørner, Z3 (TACAS 2008); Azure's own use of it: K. Jayaraman et al., SecGuru (MSR-TR-2014-11).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import z3

from iac_agent.guard.network.answer import Answer, Packet, Result
from iac_agent.guard.network.topology import (
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
    ordered,
    shown,
    system_routes,
)

PROTOCOLS = {"tcp": 1, "udp": 2, "icmp": 3}
_MOST = 6  # unknowns of which every combination is tried


_Way = tuple[Endpoint, str, Any]  # to which target, how in words, and as a formula


class Prover:
    """Asks about one topology."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.source, self.destination = z3.BitVecs("source destination", 32)
        self.port, self.source_port, self.front = z3.BitVecs("port source_port front", 17)
        self.protocol = z3.BitVec("protocol", 2)
        self._free: dict[str, Any] = {}
        self._tags: dict[str, Any] = {}
        self._used: dict[str, Any] = {}  # those of the way that is looked at

    # --- questions -------------------------------------------------------------------------------------------------

    def from_internet(
        self, targets: Sequence[Endpoint], ports: Sequence[Range], protocol: str = "tcp", but_from: Sequence[Range] = ()
    ) -> Answer:
        """Whether no packet from the Internet, but for some networks, reaches one of the targets on these ports."""
        outside = z3.And(self._outside(), z3.Not(self._in(self.source, but_from)))

        def ways() -> Iterator[_Way]:
            for target in targets:
                for entry in target.entries:
                    self._used = {}
                    passes = z3.And(outside, self._enters(entry), self._admitted(target, entry))
                    yield target, f"in by {entry.name}{self._mapped(entry)}", passes

        return self._answered(ways(), targets, ports, protocol)

    def between(self, sources: Sequence[Endpoint], targets: Sequence[Endpoint], ports: Sequence[Range], protocol: str = "tcp") -> Answer:
        """Whether no packet from one of the sources reaches one of the targets on these ports."""

        def ways() -> Iterator[_Way]:
            for source, target in itertools.product(sources, targets):
                if source.name != target.name and self._connected(source.network, target.network):
                    self._used = {}
                    sent = z3.And(self._in(self.source, source.private), self._sent(source, target))
                    yield target, f"out of {source.name}", z3.And(sent, self._let_out(source), self._let_in(target))

        return self._answered(ways(), targets, ports, protocol, extra=tuple(sources))

    def _answered(
        self,
        ways: Iterable[_Way],
        targets: Sequence[Endpoint],
        ports: Sequence[Range],
        protocol: str,
        extra: tuple[Endpoint, ...] = (),
    ) -> Answer:
        asked = z3.And(self._in(self.port, ports), z3.ULE(self.source_port, 65535), z3.UGE(self.source_port, 1), self._said(protocol))
        doubts: dict[str, None] = {}
        for target, how, way in ways:
            formula = z3.And(asked, self._in(self.destination, target.private), way)
            solver = z3.Solver()
            solver.add(formula)
            if solver.check() == z3.unsat:
                continue
            model = self._certain(formula)
            if model is None:
                doubts |= dict.fromkeys(self._used)
                continue
            packet = self._packet(model)
            return Answer(Result.REFUTED, len(targets), packet, target.name, (how, *self._steps(model, target, extra)))
        if doubts or self.topology.unmodelled:
            return Answer(Result.UNKNOWN, len(targets), reasons=(*doubts, *self.topology.unmodelled))
        return Answer(Result.PROVED, len(targets))

    def _certain(self, formula: Any) -> Any:
        """A model of a packet that gets through whatever the unknowns are; None when there is none.

        A source outside of every service tag can always be chosen: no tag holds all of the Internet.
        """
        tags = [b for why, b in self._used.items() if why in self._tags]
        formula = z3.substitute(formula, *[(b, z3.BoolVal(False)) for b in tags]) if tags else formula
        unknown = [b for why, b in self._used.items() if why in self._free]
        if len(unknown) > _MOST:
            return None
        solver = z3.Solver()
        for choice in itertools.product((False, True), repeat=len(unknown)):
            pairs = [(b, z3.BoolVal(c)) for b, c in zip(unknown, choice, strict=True)]
            solver.add(z3.substitute(formula, *pairs) if pairs else formula)
        return solver.model() if solver.check() == z3.sat else None

    # --- the network as formulas -----------------------------------------------------------------------------------

    def _maybe(self, why: str) -> Any:
        """A choice of the solver: it stands for what is not known."""
        self._used[why] = self._free.setdefault(why, z3.Bool(f"unknown {len(self._free)}"))
        return self._used[why]

    def _tag(self, tag: str, end: str) -> Any:
        why = f"what the service tag {tag} holds is not modelled{'' if end == 'source' else ' (as a destination)'}"
        self._used[why] = self._tags.setdefault(why, z3.Bool(f"tag {tag} {end}"))
        return self._used[why]

    @staticmethod
    def _in(value: Any, ranges: Iterable[Range]) -> Any:
        found = [z3.And(z3.UGE(value, low), z3.ULE(value, high)) if low != high else value == low for low, high in ranges]
        return z3.Or(*found) if found else z3.BoolVal(False)

    def _outside(self) -> Any:
        """The source is of the Internet: neither private, nor of one of the networks."""
        return z3.Not(self._in(self.source, (*NOT_PUBLIC, *self.topology.all_space)))

    def _said(self, protocol: str) -> Any:
        return z3.BoolVal(True) if protocol == "*" else self.protocol == PROTOCOLS[protocol]

    def _enters(self, entry: Entry) -> Any:
        mapped = self.port == (self.front if entry.to is None else entry.to)
        there = z3.And(self._said(entry.protocol), self._in(self.front, [entry.ports]), mapped)
        return z3.And(there, self._maybe(entry.unclear)) if entry.unclear else there

    def _admitted(self, endpoint: Endpoint, entry: Entry) -> Any:
        if not endpoint.groups:
            return z3.BoolVal(not entry.standard)
        return self._let_in(endpoint)

    def _let_in(self, endpoint: Endpoint) -> Any:
        return z3.And(*[self._group(g, endpoint.network, True) for g in endpoint.groups])

    def _let_out(self, endpoint: Endpoint) -> Any:
        return z3.And(*[self._group(g, endpoint.network, False) for g in endpoint.groups])

    def _group(self, group: Group, network: str, inbound: bool) -> Any:
        decided = z3.BoolVal(False)
        for rule in reversed(ordered(group, inbound)):
            decided = z3.If(self._fits(rule, network), z3.BoolVal(rule.allow), decided)
        return z3.Or(decided, self._maybe(group.unclear)) if group.unclear else decided

    def _fits(self, rule: Rule, network: str) -> Any:
        return z3.And(
            self._said(rule.protocol),
            self._in(self.port, rule.ports),
            self._in(self.source_port, rule.source_ports),
            self._side(rule.source, self.source, network, "source"),
            self._side(rule.destination, self.destination, network, "destination"),
        )

    def _side(self, side: Side, value: Any, network: str, end: str) -> Any:
        found = [self._in(value, side.ranges)]
        for tag in side.tags:
            inside = self._in(value, self.topology.inside(network))
            if tag.lower() == "virtualnetwork":
                found.append(inside)
            elif tag.lower() == "internet":
                found.append(z3.And(z3.Not(inside), z3.Not(self._in(value, NOT_PUBLIC))))
            elif tag.startswith(MEMBERS):
                found.append(z3.And(inside, self._maybe(f"who is a member of {tag.removeprefix(MEMBERS)} is not modelled")))
            else:
                found.append(self._tag(tag, end))
        if side.unclear:
            found.append(self._maybe(side.unclear))
        return z3.Or(*found)

    def _connected(self, one: str, other: str) -> bool:
        held: Network | None = self.topology.networks.get(one)
        return one == other or (held is not None and other in held.peers)

    def _sent(self, source: Endpoint, target: Endpoint) -> Any:
        """The route that is taken to the target leads there."""
        routes = [*source.routes, *system_routes(self.topology, source.network)]
        longest = sorted(routes, key=lambda r: (r.prefix[1] - r.prefix[0], r.name == "system"))
        decided = z3.BoolVal(False)
        for route in reversed(longest):
            decided = z3.If(self._in(self.destination, [route.prefix]), self._leads(route), decided)
        return decided

    def _leads(self, route: Route) -> Any:
        if route.hop == "vnetlocal":
            return z3.BoolVal(True)
        if route.hop in ("none", "internet"):
            return z3.BoolVal(False)
        return self._maybe(f"where {route.name} leads ({route.hop}) is not modelled")

    # --- showing ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _mapped(entry: Entry) -> str:
        return "" if entry.to in (None, entry.ports[0]) else f" (its port {entry.ports[0]} becomes {entry.to})"

    def _number(self, model: Any, variable: Any) -> int:
        return int(model.eval(variable, model_completion=True).as_long())

    def _packet(self, model: Any) -> Packet:
        names = {number: name for name, number in PROTOCOLS.items()}
        return Packet(
            shown(self._number(model, self.source)),
            self._number(model, self.source_port),
            shown(self._number(model, self.destination)),
            self._number(model, self.port),
            names.get(self._number(model, self.protocol), "tcp"),
        )

    def _steps(self, model: Any, target: Endpoint, sources: tuple[Endpoint, ...]) -> list[str]:
        """The rules that let the packet pass."""
        steps = [self._step(model, g, s.network, False) for s in sources[:1] for g in s.groups]
        if not target.groups:
            return [*steps, f"{target.name} and its subnet have no security group"]
        return [*steps, *(self._step(model, g, target.network, True) for g in target.groups)]

    def _step(self, model: Any, group: Group, network: str, inbound: bool) -> str:
        for rule in ordered(group, inbound):
            if z3.is_true(model.eval(self._fits(rule, network), model_completion=True)):
                return f"{group.name}: {rule.name} (priority {rule.priority}) {'allows' if rule.allow else 'denies'} it"
        return f"{group.name}: no rule fits"
