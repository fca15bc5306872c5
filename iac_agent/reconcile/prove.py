"""Edits for decisions, and the proof that they are what they say: one plan, in which an adopted address does not appear any more.

What does not end so is withdrawn with the reason; nothing is written here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from iac_agent.agent.journal import Run
from iac_agent.agent.loop import Agent
from iac_agent.azure.lenses.table import Arm
from iac_agent.drift.finding import Finding, Kind
from iac_agent.drift.rules import Action
from iac_agent.errors import HclError, TerraformFailed
from iac_agent.guard.check import Finding as Broken
from iac_agent.hcl import edits as e
from iac_agent.hcl.address import without_keys
from iac_agent.hcl.changeset import Outcome, apply_edits
from iac_agent.hcl.module import RootModule
from iac_agent.planner.protocol import Context, Unsettled
from iac_agent.planner.world import World
from iac_agent.reconcile import ignore, imports
from iac_agent.reconcile.adopt import adopt, forget, why_not
from iac_agent.reconcile.decide import Decision
from iac_agent.terraform.models import Plan, ResourceChange, State, StateModule, StateResource, StateValues

_STRAYED = "strayed"


@dataclass(frozen=True)
class Settled:
    """How one finding ended.

    `outcome` is adopted, reverted, imported, forgotten, recreated, refreshed, ignored, proposed (on a branch), reported, refused or
    failed.
    """

    finding: Finding
    outcome: str
    detail: str = ""

    @property
    def done(self) -> bool:
        return self.outcome not in ("reported", "refused", "failed", "proposed")


@dataclass
class Proposal:
    """Edits for some decisions, with the world they were written in."""

    world: World
    addresses: dict[str, Decision] = field(default_factory=dict)
    refused: list[Settled] = field(default_factory=list)


@dataclass
class Prover:
    """Writes edits for decisions on one root module and plans with them."""

    agent: Agent
    arm: Arm
    state: Sequence[StateResource]
    _said: dict[str, frozenset[str]] = field(default_factory=dict)
    _left: dict[str, frozenset[str]] = field(default_factory=dict)
    _alone: set[str] = field(default_factory=set)
    _before: dict[str, ResourceChange] | None = None

    def sound(self, run: Run, root: RootModule, decisions: list[Decision]) -> tuple[Proposal | None, Outcome, list[Settled]]:
        """The edits that end in an empty plan together, and the decisions that do not, with the reason.

        Where a plan changes what none of them meant, it does not say whose edits did that: halves are tried by themselves.
        """
        withdrawn: list[Settled] = []
        while decisions:
            proposal = self.proposed(root, decisions)
            withdrawn += proposal.refused
            decisions = list(proposal.addresses.values())
            outcome, bad = self.proved(run, root, proposal) if decisions else (Outcome(), [])
            if not bad:
                return (proposal if decisions else None), outcome, withdrawn
            if any(s.outcome == _STRAYED for s in bad) and len(decisions) > 1:
                decisions = self._apart(run, root, decisions, withdrawn)
            elif not self._say_more(proposal, bad):
                withdrawn += [Settled(s.finding, "reported", s.detail) for s in bad]
                gone = {s.finding.key for s in bad}
                decisions = [d for d in decisions if d.finding.key not in gone]
        return None, Outcome(), withdrawn

    def _apart(self, run: Run, root: RootModule, decisions: list[Decision], withdrawn: list[Settled]) -> list[Decision]:
        """Those of the decisions that may go together: each half is proven by itself, and where both hold, the first goes alone."""
        kept: list[list[Decision]] = []
        for part in (decisions[: len(decisions) // 2], decisions[len(decisions) // 2 :]):
            proposal, _, left = self.sound(run, root, part)
            withdrawn += left
            kept.append(list(proposal.addresses.values()) if proposal is not None else [])
        if [*kept[0], *kept[1]] != decisions:
            return [*kept[0], *kept[1]]
        withdrawn += [Settled(d.finding, "reported", "withdrawn: it does not go with the others") for d in kept[1]]
        return kept[0]

    def _say_more(self, proposal: Proposal, bad: list[Settled]) -> bool:
        """Whether an import that the plan would still change can be written with those arguments too, and is tried again."""
        more = False
        joined = {d.finding.key for a, d in proposal.addresses.items() if a.endswith("]") and d.action == Action.IMPORT}
        for settled in bad:
            if settled.finding.key in joined:
                self._alone.add(settled.finding.key)
                more = True
                continue
            named = self._left.get(settled.finding.key, frozenset())
            held = self._said.get(settled.finding.key, frozenset())
            if named - held:
                self._said[settled.finding.key] = held | named
                more = True
        return more

    def proposed(self, root: RootModule, decisions: Sequence[Decision]) -> Proposal:
        session = self.agent.session
        state = State(values=StateValues(root_module=StateModule.model_construct(resources=list(self.state), child_modules=[])))
        world = World.build(Context(root, state, session.major, given=session.given))
        proposal = Proposal(world)
        pending: set[str] = set()
        for decision in decisions:
            try:
                if without_keys(decision.finding.address) in pending:
                    proposal.world.advance()
                    pending.clear()
                trial = proposal.world.trial()
                address = self._written(trial, decision)
                fresh = trial.writer.edits[len(proposal.world.writer.edits) :]
                plain = all(_stays_put(edit) for edit in fresh)
                if plain:
                    apply_edits(trial.context.root, fresh, prove=False)
                proposal.world.adopt(trial)
                if plain:
                    pending |= {without_keys(edit.address) for edit in fresh}
                else:
                    proposal.world.advance()
                    pending.clear()
            except Unsettled as problem:
                proposal.refused.append(Settled(decision.finding, "reported", why_not(problem)))
            except HclError as problem:
                proposal.refused.append(Settled(decision.finding, "reported", problem.message))
            else:
                proposal.addresses[address] = decision
        return proposal

    def _written(self, world: World, decision: Decision) -> str:
        """Write the edits of one decision; returns the address they are about. Raises Unsettled."""
        finding, major = decision.finding, self.agent.session.major
        match decision.action:
            case Action.IMPORT:
                said = self._said.get(finding.key, frozenset())
                return imports.write(world, finding, self.arm, major, said, alone=finding.key in self._alone)
            case Action.FORGET:
                forget(world, finding)
            case Action.IGNORE:
                ignore.write(world, finding)
            case _ if finding.kind != Kind.BEHIND:
                adopt(world, finding, major)
        return finding.address

    def proved(self, run: Run, root: RootModule, proposal: Proposal) -> tuple[Outcome, list[Settled]]:
        """Plan with the edits: an adopted address must not be in it, an imported one only be imported, and nothing else may be new."""
        session = self.agent.session
        proposal.world.writer.settle()
        edits = list(proposal.world.writer.edits)
        try:
            outcome = apply_edits(root, edits)
            edited = {path: change.after for path, change in outcome.files.items()}
            after = session.guard.require_edits(root, edited)
            plan = self.agent.planned(self.agent.shadowed(run, root, edited), run.folder / "proof.tfplan")
            refused = session.guard.refused_as_new(plan, after, session.given)
        except (TerraformFailed, HclError) as problem:
            why = f"withdrawn: {problem.message.splitlines()[0]}"
            return Outcome(), [Settled(d.finding, "reported", why) for d in _blamed(proposal, problem)]
        return outcome, self._unallowed(proposal, refused) or self._unproven(run, root, plan, proposal)

    @staticmethod
    def _unallowed(proposal: Proposal, refused: list[Broken]) -> list[Settled]:
        """What must not be written into the configuration, although it is so in Azure: a policy refuses it."""
        found = []
        for address, decision in proposal.addresses.items():
            meant = {str(d.path[0]) for d in decision.finding.differences}
            for broken in refused:
                if decision.action == Action.ADOPT and broken.address == address and re.split(r"[.\[]", broken.attribute)[0] in meant:
                    told = f"withdrawn: {broken.rule} {broken.title}: {broken.attribute} = {broken.value}"
                    found.append(Settled(decision.finding, "reported", told))
                    break
        return found

    def _unproven(self, run: Run, root: RootModule, plan: Plan, proposal: Proposal) -> list[Settled]:
        bad: list[Settled] = []
        changes = {c.address: c for c in plan.changes}
        for address, decision in proposal.addresses.items():
            change = changes.pop(address, None)
            if change is None:
                continue
            named = {str(p[0]) for p in change.change.changed_paths}
            meant = {str(d.path[0]) for d in decision.finding.differences}
            if decision.action == Action.IMPORT:
                self._left[decision.finding.key] = frozenset(named)
            told = f"withdrawn: the plan would still {change.action} it ({', '.join(sorted(named))})"
            bad.append(Settled(decision.finding, "reported" if named & meant or decision.action == Action.IMPORT else _STRAYED, told))
        strayed = [] if bad else [a for a, c in changes.items() if not self._was_there(run, root, c)]
        if strayed:
            told = f"withdrawn: its edits would also change {', '.join(strayed[:3])}"
            bad = [Settled(d.finding, _STRAYED, told) for d in proposal.addresses.values()]
        return bad

    def _was_there(self, run: Run, root: RootModule, change: ResourceChange) -> bool:
        """Whether Terraform would do this without the edits too: other drift, or what somebody merged and did not apply."""
        if self._before is None:
            self._before = {c.address: c for c in self.agent.baseline(run, root).changes}
        held = self._before.get(change.address)
        return held is not None and held.action == change.action and held.change.changed_paths == change.change.changed_paths


def _stays_put(edit: e.Edit) -> bool:
    """Whether an edit is of a value of one resource's own block, so that what else is written can be found without looking again."""
    return isinstance(edit, e.SetAttribute | e.RemoveAttribute | e.PutKey | e.DropKey) and "azurerm_" in edit.address


def _blamed(proposal: Proposal, problem: TerraformFailed | HclError) -> list[Decision]:
    """Whose edits made the plan fail: those of the addresses that Terraform names, else the last ones, one by one."""
    named = {d.address for d in problem.diagnostics} if isinstance(problem, TerraformFailed) else set()
    held = [d for a, d in proposal.addresses.items() if {a, without_keys(a)} & named]
    return held or list(proposal.addresses.values())[-1:]
