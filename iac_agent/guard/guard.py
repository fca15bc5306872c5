"""The guard: one verdict on a plan from the static gate, the policies, the cost and the blast radius.

Everything is computed from the configuration on disk and the plan's JSON. What it goes by comes in through `Guard`; nothing that is judged
can change it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from iac_agent.errors import PolicyRefused, UsageError
from iac_agent.guard import blast, gate, tampering
from iac_agent.guard.check import Checks, Finding
from iac_agent.guard.cost import estimate
from iac_agent.guard.cost.estimate import Budget, Estimator
from iac_agent.guard.cost.prices import PriceList, shipped
from iac_agent.guard.gate import GateRules
from iac_agent.guard.network import prover
from iac_agent.guard.network.answer import Result
from iac_agent.guard.planned import World
from iac_agent.guard.policies.network import EXPOSURES
from iac_agent.guard.policy import Ruling
from iac_agent.guard.verdict import Verdict
from iac_agent.hcl.configuration import Configuration, Given
from iac_agent.hcl.module import RootModule
from iac_agent.terraform.models import Plan

Judge = Callable[[Plan, World, World], list[Finding]]


@dataclass(frozen=True)
class Guard:
    """What is allowed here. `more` are judges beside the policies: proofs over the network, and tools that are installed. `protected` are
    files and folders that it goes by, beside those it knows by name.
    """

    gate: GateRules = field(default_factory=GateRules)
    checks: Checks = field(default_factory=lambda: Checks(()))
    budget: Budget = field(default_factory=Budget)
    prices: Callable[[], PriceList] = shipped
    more: tuple[Judge, ...] = ()
    protected: tuple[Path, ...] = ()

    @functools.cached_property
    def _estimator(self) -> Estimator:
        return Estimator(self.prices())

    def require(self, root: RootModule) -> None:
        """Raise GateRefused for what may not even be planned."""
        gate.refuse(self.gated(root))

    def require_edits(self, root: RootModule, edited: Mapping[Path, bytes]) -> RootModule:
        """The configuration as edited. Raises GateRefused for edits of what edits must leave alone, or with which it may not be planned."""
        after = root.with_edits(dict(edited))
        gate.refuse(tampering.found(root, after, self.protected))
        self.require(after)
        return after

    def gated(self, root: RootModule) -> list[Finding]:
        """What may not even be planned, less what the exceptions let through."""
        found = gate.scan(root, self.gate)
        judged = [self.checks.excepted(replace(f, address=f.where)) for f in found]
        return [f for f, after in zip(found, judged, strict=True) if not after.excepted]

    def assess(self, verdict: Verdict, plan: Plan, root: RootModule, given: Given | None = None, *, whole: bool = False) -> Verdict:
        """The verdict with its findings, its cost and its impacts. `root` is the configuration that was planned.

        With `whole` everything is judged as if it were new, for a look at a root module rather than at a change.
        """
        configuration = Configuration(root, given)
        after, prior = World.planned(plan, configuration), World.prior(plan, configuration)
        before = World({}) if whole else prior
        costs = self._estimator.estimate(after, prior)
        others = [*estimate.within(self.budget, costs), *blast.judged(plan, prior, after)]
        for judge in self.more:
            others += judge(plan, after, before)
        judged = [with_packet(f, after) for f in self.checks.run(after, before, root)]
        found = [*judged, *map(self.checks.excepted, others)]
        return replace(
            verdict,
            findings=tuple(sorted(found, key=lambda f: (f.standing, -f.outcome.rank, f.severity.rank))),
            cost=costs,
            impacts=tuple(blast.impacts(plan, prior, blast.Dependents(prior))),
        )

    def refused_as_new(self, plan: Plan, root: RootModule, given: Given | None = None) -> list[Finding]:
        """What would be refused if all of it were new: for what is in Azure already and would be written into the configuration."""
        after = World.planned(plan, Configuration(root, given))
        return [f for f in self.checks.run(after, World({}), root) if f.outcome == Ruling.REFUSE]


def with_packet(finding: Finding, after: World) -> Finding:
    """A refused opening to the Internet, with a packet that shows it: which machine it reaches, and by which rules."""
    if finding.rule not in EXPOSURES or finding.outcome != Ruling.REFUSE:
        return finding
    from iac_agent.guard.network.planned import topology

    found = topology(after)
    try:
        answer = prover(found).from_internet(found.endpoints, EXPOSURES[finding.rule], "*")
    except UsageError as problem:
        return replace(finding, detail=f"{problem.message}: no packet is shown")
    if answer.result == Result.REFUTED:
        return replace(finding, detail=str(answer))
    return replace(finding, detail="No machine is reached by it yet: nothing with a way in is behind this group.")


def require_allowed(verdict: Verdict) -> None:
    """Raise PolicyRefused, naming every rule that is broken, when the verdict is to refuse."""
    refused = [f for f in verdict.findings if f.outcome == Ruling.REFUSE]
    if refused:
        told = "; ".join(_told(f) for f in refused[:5])
        more = f"; and {len(refused) - 5} more" if len(refused) > 5 else ""
        raise PolicyRefused(
            f"the plan is refused: {told}{more}",
            sorted({f.rule for f in refused}),
            hint=" ".join(dict.fromkeys(f.fix for f in refused[:5])),
        )


def _told(finding: Finding) -> str:
    place = f" ({finding.where})" if finding.where else ""
    what = f" {finding.attribute} = {finding.value}" if finding.attribute else ""
    return f"{finding.rule} {finding.title}: {finding.address}{what}{place}"
