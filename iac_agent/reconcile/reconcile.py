"""Reconciling: findings in, decisions carried out, every finding left in a true state.

Everything goes the one way a change goes: edits, plan, gate, approval, write, apply, proof. Read `Reconciler.run` from the top.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from iac_agent.agent import journal, shadow
from iac_agent.agent.journal import Run, sha256
from iac_agent.agent.loop import Agent
from iac_agent.agent.report import Proof
from iac_agent.azure.lenses.table import Arm
from iac_agent.drift.finding import Finding, Kind
from iac_agent.drift.rules import Action
from iac_agent.errors import ApprovalMissing, HclError, IacAgentError, NotVerified, TerraformFailed
from iac_agent.guard import gate
from iac_agent.guard.verdict import Verdict, judge
from iac_agent.hcl.address import without_keys
from iac_agent.hcl.changeset import Outcome, apply_edits
from iac_agent.hcl.module import RootModule
from iac_agent.planner.protocol import ChangeSet, Context, Unsettled
from iac_agent.planner.world import World
from iac_agent.reconcile import imports
from iac_agent.reconcile.adopt import adopt, why_not
from iac_agent.reconcile.decide import Decision
from iac_agent.terraform.models import Plan, State, StateModule, StateResource, StateValues

_STRAYED = "strayed"


@dataclass(frozen=True)
class Settled:
    """How one finding ended: `outcome` is adopted, reverted, imported, forgotten, recreated, refreshed, reported or failed."""

    finding: Finding
    outcome: str
    detail: str = ""

    @property
    def done(self) -> bool:
        return self.outcome not in ("reported", "failed")


@dataclass
class Proposal:
    """Edits for some decisions, with the world they were written in."""

    world: World
    addresses: dict[str, Decision] = field(default_factory=dict)
    refused: list[Settled] = field(default_factory=list)


@dataclass
class Reconciler:
    """Carries out decisions on one root module. The lock is held by whoever calls."""

    agent: Agent
    arm: Arm
    state: Sequence[StateResource]
    ended: Callable[[str, str], None]
    max_reverts: int
    drifted: frozenset[str] = frozenset()
    _said: dict[str, frozenset[str]] = field(default_factory=dict)
    _left: dict[str, frozenset[str]] = field(default_factory=dict)

    def run(self, decisions: Sequence[Decision]) -> list[Settled]:
        """Carry out every decision. A failure ends its own group; what was done stays done, and is told."""
        settled = [self._reported(d) for d in decisions if d.action in (Action.REPORT, Action.ASK)]
        writing = [d for d in decisions if d.action in (Action.ADOPT, Action.IMPORT)]
        reverting = [d for d in decisions if d.action == Action.REVERT]
        for group, work in ((writing, self._write), (reverting[: self.max_reverts], self._revert)):
            if not group:
                continue
            try:
                settled += work(group)
            except IacAgentError as problem:
                told = {s.finding.key for s in settled}
                settled += [Settled(d.finding, "failed", problem.message) for d in group if d.finding.key not in told]
                if isinstance(problem, ApprovalMissing):
                    self._end(settled)
                    raise
        settled += [
            Settled(d.finding, "reported", f"more than {self.max_reverts} reverts in one run") for d in reverting[self.max_reverts :]
        ]
        self._end(settled)
        return settled

    def _end(self, settled: Sequence[Settled]) -> None:
        for one in settled:
            if one.done:
                self.ended(one.finding.key, one.outcome)

    @staticmethod
    def _reported(decision: Decision) -> Settled:
        return Settled(decision.finding, "reported", decision.by)

    # --- adopt and import ------------------------------------------------------------------------------------------

    def _write(self, decisions: list[Decision]) -> list[Settled]:
        """Edits for all of them, proven by one plan; those that do not end in an empty plan are withdrawn."""
        session = self.agent.session
        root = RootModule(session.directory)
        gate.require(root, session.rules)
        run = journal.new_run(session.home, f"reconcile drift: {len(decisions)} to adopt or import")
        self.agent.record(run, "request", {"request": run.request, "findings": [d.finding.key for d in decisions]})
        sound, withdrawn = self._sound(run, root, decisions)
        if sound:
            proposal = self._proposed(root, sound)
            outcome, bad = self._proved(run, root, proposal)
            if not bad and not proposal.refused:
                return [*withdrawn, *self._carried_out(run, proposal, outcome)]
            withdrawn += [*proposal.refused, *bad]
        shutil.rmtree(run.folder, ignore_errors=True)
        return withdrawn

    def _sound(self, run: Run, root: RootModule, decisions: list[Decision]) -> tuple[list[Decision], list[Settled]]:
        """The decisions whose edits end in an empty plan together, and the others with the reason.

        Where a plan changes what none of them meant, it does not say whose edits did that: halves are tried by themselves.
        """
        withdrawn: list[Settled] = []
        while decisions:
            proposal = self._proposed(root, decisions)
            withdrawn += proposal.refused
            decisions = list(proposal.addresses.values())
            bad = self._proved(run, root, proposal)[1] if decisions else []
            strayed = [s for s in bad if s.outcome == _STRAYED]
            if strayed and len(decisions) > 1:
                half = len(decisions) // 2
                (one, left), (other, right) = (self._sound(run, root, part) for part in (decisions[:half], decisions[half:]))
                withdrawn += [*left, *right]
                if [*one, *other] == decisions:
                    return one, withdrawn + [Settled(d.finding, "reported", "withdrawn: it does not go with the others") for d in other]
                decisions = [*one, *other]
                continue
            if not bad:
                break
            if self._say_more(proposal, bad):
                continue
            withdrawn += [Settled(s.finding, "reported", s.detail) for s in bad]
            gone = {s.finding.key for s in bad}
            decisions = [d for d in decisions if d.finding.key not in gone]
        return decisions, withdrawn

    def _say_more(self, proposal: Proposal, bad: list[Settled]) -> bool:
        """Whether an import that the plan would still change can be written with those arguments too, and is tried again."""
        more = False
        for settled in bad:
            named = self._left.get(settled.finding.key, frozenset())
            held = self._said.get(settled.finding.key, frozenset())
            if named - held:
                self._said[settled.finding.key] = held | named
                more = True
        return more

    def _proposed(self, root: RootModule, decisions: Sequence[Decision]) -> Proposal:
        session = self.agent.session
        state = State(values=StateValues(root_module=StateModule.model_construct(resources=list(self.state), child_modules=[])))
        world = World.build(Context(root, state, session.major, given=session.given))
        proposal = Proposal(world)
        for decision in decisions:
            trial = proposal.world.trial()
            try:
                if decision.action == Action.IMPORT:
                    said = self._said.get(decision.finding.key, frozenset())
                    address = imports.write(trial, decision.finding, self.arm, session.major, said)
                else:
                    address = decision.finding.address
                    if decision.finding.kind != Kind.BEHIND:
                        adopt(trial, decision.finding, session.major)
                proposal.world.adopt(trial)
                proposal.world.advance()
            except Unsettled as problem:
                proposal.refused.append(Settled(decision.finding, "reported", why_not(problem)))
            except HclError as problem:
                proposal.refused.append(Settled(decision.finding, "reported", problem.message))
            else:
                proposal.addresses[address] = decision
        return proposal

    def _proved(self, run: Run, root: RootModule, proposal: Proposal) -> tuple[Outcome, list[Settled]]:
        """Plan with the edits: an adopted address must not be in it, an imported one only be imported, and nothing else may be new."""
        session = self.agent.session
        proposal.world.writer.settle()
        edits = list(proposal.world.writer.edits)
        try:
            outcome = apply_edits(root, edits)
            edited = {path: change.after for path, change in outcome.files.items()}
            gate.require(root.with_edits(edited), session.rules)
            shutil.rmtree(run.folder / "shadow", ignore_errors=True)
            place = shadow.cast(root, edited, run.folder / "shadow")
            plan = self.agent.planned(session.terraform.at(place), run.folder / "proof.tfplan")
        except (TerraformFailed, HclError) as problem:
            why = f"withdrawn: {problem.message.splitlines()[0]}"
            return Outcome(), [Settled(d.finding, "reported", why) for d in _blamed(proposal, problem)]
        return outcome, self._unproven(plan, proposal)

    def _unproven(self, plan: Plan, proposal: Proposal) -> list[Settled]:
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
        strayed = [a for a in changes if a not in self.drifted]
        if strayed and not bad:
            told = f"withdrawn: its edits would also change {', '.join(strayed[:3])}"
            bad = [Settled(d.finding, _STRAYED, told) for d in proposal.addresses.values()]
        return bad

    def _carried_out(self, run: Run, proposal: Proposal, outcome: Outcome) -> list[Settled]:
        """Approve, write, and let Terraform take it into the state: by a refresh of what was adopted, an import of the rest."""
        session = self.agent.session
        edits = tuple(proposal.world.writer.edits)
        adopted = [a for a, d in proposal.addresses.items() if d.action == Action.ADOPT]
        imported = [a for a, d in proposal.addresses.items() if d.action == Action.IMPORT]
        session.reporter.understood(ChangeSet(_reason(adopted, imported), edits, by="reconcile"))
        session.reporter.edited(outcome)
        run.keep(list(outcome.files.values()))
        run.targets = [*adopted, *imported]
        run.save(status="planned")
        verdict = Verdict(())
        self._approve(run, verdict, [*adopted, *imported])
        run.write()
        for addresses, refresh_only in ((adopted, True), (imported, False)):
            if addresses:
                self._take(run, addresses, refresh_only=refresh_only)
        after = self.agent.planned(session.terraform, run.folder / "after.tfplan", run.targets)
        left = {c.address for c in after.changes}
        proofs = [Proof(f"plan of {a}", "not empty" if a in left else "empty", a not in left) for a in run.targets]
        session.reporter.proven(proofs)
        run.save(status="done")
        journal.clean(session.home)
        self.agent.record(run, "verified" if all(p.holds for p in proofs) else "not-verified", {"proofs": [p.as_json() for p in proofs]})
        return [self._settled(a, d, a in left) for a, d in proposal.addresses.items()]

    @staticmethod
    def _settled(address: str, decision: Decision, left: bool) -> Settled:
        if left:
            return Settled(decision.finding, "failed", "the plan after it was not empty")
        kinds = {Kind.DELETED: "forgotten", Kind.BEHIND: "refreshed"}
        word = "imported" if decision.action == Action.IMPORT else kinds.get(decision.finding.kind, "adopted")
        return Settled(decision.finding, word, address if word == "imported" else "")

    def _approve(self, run: Run, verdict: Verdict, addresses: list[str]) -> None:
        """Edits change no resource, so only a general yes is needed; but it is needed."""
        session = self.agent.session
        if not session.consent.ordinary and not session.approver.ordinary(verdict):
            run.save(status="refused")
            raise ApprovalMissing("nobody approved the edits", [], hint="Pass --auto-approve, or answer at the prompt.")
        self.agent.record(run, "approval", {"addresses": addresses, "files": [f.path for f in run.files]})
        run.save(status="approved", approved=addresses)

    def _take(self, run: Run, addresses: list[str], *, refresh_only: bool) -> None:
        """Apply a plan that only reads these addresses into the state, or imports them."""
        session = self.agent.session
        session.terraform.plan(run.plan_file, session.reporter.terraform, targets=tuple(addresses), refresh_only=refresh_only)
        plan = session.terraform.show_plan(run.plan_file)
        if plan.changes:
            raise ApprovalMissing(
                f"the plan would also change {', '.join(c.address for c in plan.changes)}",
                [c.address for c in plan.changes],
                hint="Nothing was applied; the files hold the adopted values.",
            )
        self.agent.apply_file(run, run.plan_file)

    # --- revert ----------------------------------------------------------------------------------------------------

    def _revert(self, decisions: list[Decision]) -> list[Settled]:
        """Let Terraform bring these addresses back to the configuration; replacements and destroys need their names as ever."""
        session = self.agent.session
        root = RootModule(session.directory)
        gate.require(root, session.rules)
        addresses = [d.finding.address for d in decisions]
        run = journal.new_run(session.home, f"revert drift of {', '.join(addresses)}"[:200])
        self.agent.record(run, "request", {"request": run.request, "findings": [d.finding.key for d in decisions]})
        run.targets = addresses
        plan = self.agent.planned(session.terraform, run.plan_file, addresses)
        verdict = judge(plan, None, digest=plan.digest(), file_hash=sha256(run.plan_file.read_bytes()))
        run.verdict = verdict.as_json()
        run.save()
        planned = {i.address for i in verdict.items}
        session.reporter.judged(verdict)
        if not planned:
            shutil.rmtree(run.folder, ignore_errors=True)
            return [
                Settled(d.finding, "reported", "the configuration does not say this, so there is nothing to revert to") for d in decisions
            ]
        self.agent.approve(run, verdict)
        try:
            self.agent.execute(run, [], verdict)
        except (TerraformFailed, NotVerified) as problem:
            return self._partly_reverted(run, decisions, planned, problem)
        return [self._reverted(d, planned) for d in decisions]

    def _partly_reverted(self, run: Run, decisions: list[Decision], planned: set[str], problem: IacAgentError) -> list[Settled]:
        """What is true after an apply that failed half-way: a plan tells which addresses are back. No file was touched."""
        run.save(status="abandoned", pid=0)
        session = self.agent.session
        after = self.agent.planned(session.terraform, run.folder / "after.tfplan", run.targets)
        left = {c.address for c in after.changes}
        journal.clean(session.home)
        back = [self._reverted(d, planned) for d in decisions if d.finding.address not in left]
        return back + [Settled(d.finding, "failed", problem.message) for d in decisions if d.finding.address in left]

    @staticmethod
    def _reverted(decision: Decision, planned: set[str]) -> Settled:
        finding = decision.finding
        if finding.address not in planned:
            return Settled(finding, "reported", "the configuration does not say this, so there is nothing to revert to")
        return Settled(finding, "recreated" if finding.kind == Kind.DELETED else "reverted")


def _blamed(proposal: Proposal, problem: TerraformFailed | HclError) -> list[Decision]:
    """Whose edits made the plan fail: those of the addresses that Terraform names, else the last ones, one by one."""
    named = {d.address for d in problem.diagnostics} if isinstance(problem, TerraformFailed) else set()
    held = [d for a, d in proposal.addresses.items() if {a, without_keys(a)} & named]
    return held or list(proposal.addresses.values())[-1:]


def _reason(adopted: list[str], imported: list[str]) -> str:
    parts = [f"Adopt what is live into {', '.join(adopted)}"] if adopted else []
    parts += [f"import {', '.join(imported)}"] if imported else []
    return "; ".join(parts) + "."
