"""Reconciling: findings in, decisions carried out, every finding left in a true state.

Everything goes the one way a change goes: edits, plan, gate, approval, write, apply, proof. Read `Reconciler.run` from the top.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from iac_agent.agent import journal
from iac_agent.agent.journal import Run, sha256
from iac_agent.agent.loop import Agent
from iac_agent.agent.report import Proof
from iac_agent.drift.finding import Kind
from iac_agent.drift.rules import Action
from iac_agent.errors import ApprovalMissing, IacAgentError, Interrupted, NotVerified, TerraformFailed
from iac_agent.guard import approval
from iac_agent.guard.approval import UNSIGNED
from iac_agent.guard.guard import require_allowed
from iac_agent.guard.verdict import Verdict, judge
from iac_agent.hcl.changeset import Outcome
from iac_agent.hcl.module import RootModule
from iac_agent.planner.protocol import ChangeSet
from iac_agent.reconcile import branch
from iac_agent.reconcile.decide import Decision
from iac_agent.reconcile.prove import Proposal, Prover, Settled
from iac_agent.terraform.models import Plan

_WRITING = (Action.ADOPT, Action.IMPORT, Action.FORGET, Action.IGNORE)
_REVERTING = (Action.REVERT, Action.RECREATE)
_DONE = {Action.ADOPT: "adopted", Action.IMPORT: "imported", Action.FORGET: "forgotten", Action.IGNORE: "ignored"}
_NOTHING_SAID = "the configuration does not say this, so there is nothing to revert to"


@dataclass
class Reconciler:
    """Carries out decisions on one root module. The lock is held by whoever calls.

    `ended` is told each finding's key and outcome, also that it failed. With `branch` edits are committed there, and neither files nor
    state change.
    """

    agent: Agent
    prover: Prover
    ended: Callable[[str, str], None]
    max_reverts: int
    branch: str = ""
    _drifting: frozenset[str] = frozenset()

    def run(self, decisions: Sequence[Decision]) -> list[Settled]:
        """Carry out every decision. A failure ends its own group; what was done stays done, and is told."""
        self._drifting = frozenset(d.finding.address for d in decisions)
        settled = [Settled(d.finding, "reported", d.by) for d in decisions if d.action in (Action.REPORT, Action.ASK)]
        writing = [d for d in decisions if d.action in _WRITING]
        reverting = [d for d in decisions if d.action in _REVERTING]
        late = reverting[self.max_reverts :]
        settled += [Settled(d.finding, "reported", "as many as may be reverted in a day were") for d in late]
        for group, work in ((writing, self._write), (reverting[: self.max_reverts], self._revert)):
            done = self._tried(group, work) if group else []
            for one in done:
                if one.done or one.outcome == "failed":
                    self.ended(one.finding.key, one.outcome)
            settled += done
        return settled

    def _tried(self, group: list[Decision], work: Callable[[list[Decision]], list[Settled]]) -> list[Settled]:
        """What became of a group. What needs an approval that nobody gave is refused, and the rest is tried without it."""
        try:
            return work(group)
        except ApprovalMissing as problem:
            missing = [d for d in group if d.finding.address in problem.addresses] or group
            rest = [d for d in group if d not in missing]
            refused = [Settled(d.finding, "refused", f"{problem.message}; {problem.hint}") for d in missing]
            return refused + (self._tried(rest, work) if rest else [])
        except Interrupted:
            for decision in group:
                self.ended(decision.finding.key, "failed")
            raise
        except IacAgentError as problem:
            return [Settled(d.finding, "failed", problem.message) for d in group]

    # --- adopt, import, forget, ignore -----------------------------------------------------------------------------

    def _write(self, decisions: list[Decision]) -> list[Settled]:
        """Edits for all of them, proven by one plan; those that do not end in an empty plan are withdrawn."""
        session = self.agent.session
        root = RootModule(session.directory)
        session.guard.require(root)
        run = journal.new_run(session.home, f"reconcile drift: edits for {len(decisions)} finding(s)")
        self.agent.record(run, "request", {"request": run.request, "findings": [d.finding.key for d in decisions]})
        proposal, outcome, withdrawn = self.prover.sound(run, root, decisions)
        if proposal is not None:
            return [*withdrawn, *self._carried_out(run, proposal, outcome)]
        shutil.rmtree(run.folder, ignore_errors=True)
        return withdrawn

    def _carried_out(self, run: Run, proposal: Proposal, outcome: Outcome) -> list[Settled]:
        """Approve, then write and let Terraform take it into the state; or commit it to the branch."""
        session = self.agent.session
        edits = tuple(proposal.world.writer.edits)
        session.reporter.understood(ChangeSet(_reason(proposal), edits, by="reconcile"))
        session.reporter.edited(outcome)
        if self.branch:
            return self._committed(run, proposal, outcome)
        run.keep(list(outcome.files.values()))
        run.targets = list(proposal.addresses)
        run.verdict = {"intended": [], "unrelated": []}
        run.save(status="planned")
        self._approve(run, run.targets)
        run.write()
        imported = [a for a, d in proposal.addresses.items() if d.action == Action.IMPORT]
        adopted = [a for a in proposal.addresses if a not in imported]
        late: dict[str, str] = {}
        for addresses, importing in ((adopted, False), (imported, True)):
            why = self._take(run, addresses, importing=importing) if addresses else ""
            late |= dict.fromkeys(addresses, why)
        after = self.agent.planned(session.terraform, run.folder / "after.tfplan", run.targets)
        left = {c.address for c in [*after.changes, *(c for c in after.imports if not late[c.address])]}
        proofs = [Proof(f"plan of {a}", "not empty" if a in left else "empty", a not in left) for a in run.targets]
        session.reporter.proven(proofs)
        run.save(status="done")
        journal.clean(session.home)
        self.agent.record(run, "verified" if all(p.holds for p in proofs) else "not-verified", {"proofs": [p.as_json() for p in proofs]})
        return [self._settled(a, d, a in left, late[a]) for a, d in proposal.addresses.items()]

    def _committed(self, run: Run, proposal: Proposal, outcome: Outcome) -> list[Settled]:
        """The edits on a branch of their own; the plan with them is proven, but what they are about stays open until it is merged."""
        findings = [d.finding for d in proposal.addresses.values()]
        commit = branch.commit(self.agent.session.directory, self.branch, list(outcome.files.values()), branch.message(findings))
        self.agent.record(run, "proposed", {"branch": self.branch, "commit": commit, "findings": [f.key for f in findings]})
        shutil.rmtree(run.folder, ignore_errors=True)
        return [Settled(f, "proposed", f"on branch {self.branch} ({commit[:12]})") for f in findings]

    @staticmethod
    def _settled(address: str, decision: Decision, left: bool, late: str) -> Settled:
        if left:
            return Settled(decision.finding, "failed", "the plan after it was not empty")
        if late and decision.action == Action.IMPORT:
            return Settled(decision.finding, "proposed", f"{address} is written; {late}")
        word = "refreshed" if decision.finding.kind == Kind.BEHIND else _DONE[decision.action]
        return Settled(decision.finding, word, address if decision.action == Action.IMPORT else late)

    def _approve(self, run: Run, addresses: list[str]) -> None:
        """Edits change no resource, so only a general yes is needed; but it is needed."""
        session = self.agent.session
        approval.require(session.approval, UNSIGNED, session.place, session.given.workspace)
        if not session.consent.ordinary and not session.approver.ordinary(Verdict(())):
            run.save(status="refused")
            raise ApprovalMissing("nobody approved the edits", [], hint="Pass --auto-approve, or answer at the prompt.")
        self.agent.record(run, "approval", {"addresses": addresses, "files": [f.path for f in run.files]})
        run.save(status="approved", approved=addresses)

    def _take(self, run: Run, addresses: list[str], *, importing: bool) -> str:
        """Apply a plan that only reads these addresses into the state, or imports them; says why not where it would do more than that.

        A refresh takes what they depend on along: drift there that nobody decided on would be swallowed.
        """
        session = self.agent.session
        listen, targets = session.reporter.terraform, tuple(addresses)
        session.terraform.plan(run.plan_file, listen, targets=targets, refresh_only=not importing, refresh=not importing)
        plan = session.terraform.show_plan(run.plan_file)
        beyond = self._beyond(plan, run.targets)
        if beyond:
            return f"the next apply takes it into the state: now that would take {', '.join(beyond[:3])} along"
        self.agent.apply_file(run, run.plan_file)
        return ""

    def _beyond(self, plan: Plan, decided: Collection[str]) -> list[str]:
        """What a plan would change, or read into the state, that drifts or waits by itself and that nobody decided on."""
        read = {c.address for c in plan.resource_drift} & self._drifting
        return sorted(({c.address for c in plan.changes} | read) - set(decided))

    # --- revert ----------------------------------------------------------------------------------------------------

    def _revert(self, decisions: list[Decision], decided: frozenset[str] = frozenset()) -> list[Settled]:
        """Let Terraform bring these addresses back to the configuration; replacements and destroys need their names as ever.

        What they depend on comes along: where that drifted too and is not `decided`, they are tried one by one, or told.
        """
        session = self.agent.session
        root = RootModule(session.directory)
        session.guard.require(root)
        addresses = [d.finding.address for d in decisions]
        decided |= frozenset(addresses)
        run = journal.new_run(session.home, f"revert drift of {', '.join(addresses)}"[:200])
        run.targets = addresses
        plan = self.agent.planned(session.terraform, run.plan_file, addresses)
        beyond = self._beyond(plan, decided)
        if beyond:
            shutil.rmtree(run.folder, ignore_errors=True)
            if len(decisions) > 1:
                return [s for d in decisions for s in self._tried([d], lambda one: self._revert(one, decided))]
            told = f"{', '.join(beyond[:3])}, on which it depends, drifted too and would be reverted with it: decide on both"
            return [Settled(d.finding, "reported", told) for d in decisions]
        self.agent.record(run, "request", {"request": run.request, "findings": [d.finding.key for d in decisions]})
        verdict = judge(plan, None, digest=plan.digest(), file_hash=sha256(run.plan_file.read_bytes()))
        verdict = session.guard.assess(verdict, plan, root, session.given)
        run.verdict = verdict.as_json()
        run.save()
        planned = {i.address for i in verdict.items}
        session.reporter.judged(verdict)
        if not planned:
            shutil.rmtree(run.folder, ignore_errors=True)
            return [Settled(d.finding, "reported", _NOTHING_SAID) for d in decisions]
        require_allowed(verdict)
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
            return Settled(finding, "reported", _NOTHING_SAID)
        return Settled(finding, "recreated" if finding.kind == Kind.DELETED else "reverted")


def _reason(proposal: Proposal) -> str:
    """What the edits are for, in a sentence."""
    told = []
    for action in _WRITING:
        addresses = [a for a, d in proposal.addresses.items() if d.action == action]
        told += [f"{action} {', '.join(addresses)}"] if addresses else []
    return f"Drift: {'; '.join(told)}."
