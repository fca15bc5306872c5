"""Specifications in force: judged on a plan like the policies that are shipped, and over its network."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from iac_agent.azure.lenses.codecs import normal_location
from iac_agent.guard.check import Finding
from iac_agent.guard.network import prover
from iac_agent.guard.network.answer import Answer, Result
from iac_agent.guard.network.topology import EVERY_PORT, Endpoint, Range, Topology, range_of
from iac_agent.guard.planned import World
from iac_agent.guard.policies import shipped
from iac_agent.guard.policies.tagging import types_with
from iac_agent.guard.policy import Policy, Ruling, Severity
from iac_agent.guard.predicates import A, Custom, Predicate
from iac_agent.guard.spec.language import Costs, Rules, Scope, Spec, Tagged, Unreachable, Value, Where
from iac_agent.guard.truth import Truth
from iac_agent.terraform.models import Plan

_SOURCE = "https://learn.microsoft.com/azure/cloud-adoption-framework/govern/policy-compliance"


@dataclass(frozen=True)
class Accepted:
    """A specification that a person accepted: its id, what was said, and who accepted it when."""

    id: str
    says: str
    spec: Spec
    by: str
    at: str


def policies(accepted: Iterable[Accepted]) -> tuple[Policy, ...]:
    """Those about attributes, as policies that refuse."""
    return tuple(p for one in accepted if (p := policy(one)) is not None)


def policy(accepted: Accepted) -> Policy | None:
    """The policy of a specification; None for one that is about the network or the cost."""
    spec, demand = accepted.spec, accepted.spec.demand
    if isinstance(demand, Unreachable | Costs):
        return None
    types = spec.scope.types or _types(demand)
    return Policy(
        accepted.id,
        accepted.says,
        types,
        _in_scope(spec.scope) >> _demand(demand),
        f"{accepted.by} accepted this on {accepted.at[:10]}.",
        f"It must be so: {spec}",
        _SOURCE,
        severity=Severity.HIGH,
        fails=Ruling.REFUSE,
        unclear=Ruling.UNKNOWN,
    )


def monthly_limit(accepted: Iterable[Accepted]) -> float | None:
    """The least of the budgets among them."""
    return min((a.spec.demand.at_most for a in accepted if isinstance(a.spec.demand, Costs)), default=None)


def _types(demand: Where | Value | Tagged | Rules) -> tuple[str, ...]:
    if isinstance(demand, Where):
        return types_with("location")
    if isinstance(demand, Tagged):
        return types_with("tags")
    if isinstance(demand, Value):
        return types_with(demand.path.split(".")[0])
    return tuple(dict.fromkeys(t for p in shipped() if p.id in demand.ids for t in p.types))


def _in_scope(scope: Scope) -> Predicate:
    return Custom(f"it is a {scope}", scope.of, ("tags",))


def _demand(demand: Where | Value | Tagged | Rules) -> Predicate:
    if isinstance(demand, Where):
        regions = {r.lower() for r in demand.regions} | {"global"}
        return A("location", "global").passes(lambda v: normal_location(str(v)) in regions, str(demand))
    if isinstance(demand, Tagged):
        return A("tags").has(*demand.keys)
    if isinstance(demand, Value):
        return _value(demand)
    held = {p.id: p for p in shipped()}
    found = [held[i] for i in demand.ids if i in held]
    return functools.reduce(lambda one, other: one & other, (_where_it_applies(p) for p in found))


def _where_it_applies(rule: Policy) -> Predicate:
    applies = Custom(f"{rule.id} applies", lambda r: Truth.YES if r.type in rule.types else Truth.NO)
    return applies >> rule.holds


def _value(demand: Value) -> Predicate:
    attribute = A(demand.path, demand.absent)
    parts = [attribute.is_in(*demand.one_of)] if demand.one_of else []
    parts += [~attribute.is_in(*demand.none_of)] if demand.none_of else []
    parts += [attribute.at_least(demand.at_least)] if demand.at_least is not None else []
    parts += [attribute.at_most(demand.at_most)] if demand.at_most is not None else []
    return functools.reduce(lambda one, other: one & other, parts)


# --- over the network --------------------------------------------------------------------------------------------------


def meant(topology: Topology, scope: Scope) -> list[Endpoint]:
    """The endpoints that a scope means, or may mean."""
    return [e for e in topology.endpoints if any(scope.of(o) != Truth.NO for o in e.owners)]


@dataclass(frozen=True)
class NetworkJudge:
    """Judges the specifications about the network. The solver is loaded only when there is one."""

    accepted: tuple[Accepted, ...]

    def __call__(self, plan: Plan, after: World, before: World) -> list[Finding]:
        held = [a for a in self.accepted if isinstance(a.spec.demand, Unreachable)]
        return [f for a in held if (f := self._judged(a, after, before)) is not None]

    @staticmethod
    def _judged(accepted: Accepted, after: World, before: World) -> Finding | None:
        answer = ask(accepted.spec, after)
        if answer.result == Result.PROVED:
            return None
        standing = ask(accepted.spec, before).result != Result.PROVED
        ruling = Ruling.REFUSE if answer.result == Result.REFUTED else Ruling.UNKNOWN
        return Finding(
            accepted.id,
            accepted.says,
            Ruling.WARN if standing else ruling,
            Severity.CRITICAL,
            answer.target or accepted.id,
            "",
            "packet" if answer.packet else "network",
            str(answer.packet) if answer.packet else "; ".join(answer.reasons),
            f"{accepted.by} accepted this on {accepted.at[:10]}.",
            f"It must be so: {accepted.spec}",
            _SOURCE,
            standing,
            "",
            str(answer) if answer.packet else "",
        )


def ask(spec: Spec, world: World) -> Answer:
    """The answer of the proof for a specification about the network. Raises UsageError where the solver is not installed."""
    from iac_agent.guard.network.planned import topology

    demand = spec.demand
    assert isinstance(demand, Unreachable)
    found = topology(world)
    targets = meant(found, spec.scope)
    ports: tuple[Range, ...] = demand.ports or (EVERY_PORT,)
    proof = prover(found)
    if demand.source == "internet":
        but_from = [r for r in map(range_of, demand.but_from) if r is not None]
        return proof.from_internet(targets, ports, demand.protocol, but_from)
    return proof.between(meant(found, demand.source), targets, ports, demand.protocol)
