"""The loop: understand → edit in a shadow → plan → judge → approve → write → apply → prove → record.

Read it from `Agent.apply` down. Everything it needs comes in through `Session`; everything it says goes out through the reporter.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from iac_agent.agent import journal, lock, shadow, verification
from iac_agent.agent.journal import Run, sha256
from iac_agent.agent.report import Approver, Proof, Reporter
from iac_agent.azure.lenses.table import Arm
from iac_agent.errors import (
    ApprovalMissing,
    GateRefused,
    HclError,
    IacAgentError,
    NeedsAnswer,
    NotInitialised,
    NotVerified,
    OutOfReach,
    PlanChanged,
    PolicyRefused,
    Refused,
    Surplus,
    TerraformFailed,
    UsageError,
)
from iac_agent.guard import approval, redact
from iac_agent.guard.approval import UNSIGNED, ApprovalRules, Approvals, Autonomy
from iac_agent.guard.guard import Guard, require_allowed
from iac_agent.guard.policy import Ruling
from iac_agent.guard.verdict import Approved, Verdict, flags, judge
from iac_agent.hcl.address import Address, without_keys
from iac_agent.hcl.changeset import Outcome, apply_edits
from iac_agent.hcl.configuration import Given
from iac_agent.hcl.module import RootModule
from iac_agent.planner.protocol import ChangeSet, Context, Expectation, Planner, Question, Refusal
from iac_agent.planner.remembered import lift
from iac_agent.store.audit import Audit, Record
from iac_agent.store.home import Home
from iac_agent.store.memory import Memory, Metaprogram
from iac_agent.terraform.models import Plan
from iac_agent.terraform.runner import Terraform


@dataclass(frozen=True)
class Consent:
    """What the command line already allows: `ordinary` covers changes in place and creations, never more."""

    ordinary: bool = False
    replace: frozenset[str] = frozenset()
    destroy: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    unrelated: bool = False


@dataclass
class Session:
    """What a run works with. `arm` is called only when the live resources are read; `place` is the root module as the rules name it."""

    home: Home
    terraform: Terraform
    planner: Planner
    audit: Audit
    arm: Callable[[], Arm]
    guard: Guard
    approval: ApprovalRules
    reporter: Reporter
    approver: Approver
    major: int
    consent: Consent = field(default_factory=Consent)
    answer: str = ""
    given: Given = field(default_factory=Given)
    memory: Memory | None = None
    max_steps: int = 5
    about: tuple[str, ...] = ()
    place: str = "."

    @property
    def directory(self) -> Path:
        return self.home.root_module


@dataclass
class Prepared:
    """A judged plan that nobody approved yet."""

    run: Run
    changes: ChangeSet
    context: Context
    outcome: Outcome
    verdict: Verdict


class Agent:
    """Runs requests on one root module."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.records: list[Record] = []

    # --- the two commands ------------------------------------------------------------------------------------------

    def plan(self, request: str) -> Prepared:
        """Everything up to the verdict; the user's files stay as they are."""
        with lock.held(self.session.home, f"plan {request}", self.session.terraform.inputs.lock_timeout):
            journal.clean(self.session.home)
            return self._prepare(request)

    def apply(self, request: str) -> list[Proof]:
        """The whole flow. An unfinished run of the same request is finished instead."""
        with lock.held(self.session.home, f"apply {request}", self.session.terraform.inputs.lock_timeout):
            left = journal.unfinished(self.session.home)
            if left is not None and left.request == redact.text(request):
                self.session.reporter.note(f"Run {left.id} of this request was interrupted; finishing it.")
                return self.finish(left)
            if left is not None:
                raise Refused(
                    f"run {left.id} ({left.request!r}) is unfinished", hint="Run `iacagent resume`, or `iacagent resume --abandon`."
                )
            journal.clean(self.session.home)
            prepared = self._prepare(request)
            self.approve(prepared.run, prepared.verdict)
            prepared.run.program = self._lifted(prepared, request)
            return self.execute(prepared.run, prepared.changes.expects, prepared.verdict)

    # --- understand, edit, plan, judge -----------------------------------------------------------------------------

    def _prepare(self, request: str) -> Prepared:
        run = journal.new_run(self.session.home, redact.text(request))
        self.record(run, "request", {"request": run.request, "directory": str(self.session.directory)})
        try:
            return self._judged(run, request)
        except IacAgentError as problem:
            self.record(
                run,
                "refused" if isinstance(problem, Refused) else "stopped",
                {"error": problem.kind, "message": redact.text(problem.message)},
            )
            raise

    def _judged(self, run: Run, request: str) -> Prepared:
        """Let the planner try until a plan passes: errors and refusals go back to it as observations, as often as it can use them."""
        session = self.session
        root = RootModule(session.directory)
        session.guard.require(root)
        context = Context(
            root,
            self.session.terraform.state_or_empty(),
            session.major,
            session.answer,
            session.given,
            session.about,
            preview=lambda changes: self._preview(run, changes, context),
        )
        rounds = min(session.max_steps, session.planner.rounds)
        for step in range(1, rounds + 1):
            changes = self._understand(request, context)
            prepared = None
            try:
                prepared = self._attempt(run, changes, context)
                require_allowed(prepared.verdict)
            except (HclError, TerraformFailed, GateRefused, PolicyRefused, OutOfReach, Surplus) as problem:
                if step == rounds:
                    if prepared is not None:
                        self._shown(prepared)
                    raise
                session.reporter.note(f"Step {step}: {problem.message.splitlines()[0][:200]}")
                context = replace(
                    context, observations=(*context.observations, f"{problem.kind}: {problem.message} {problem.hint}".strip())
                )
                continue
            run.steps = step
            return self._shown(prepared)
        raise OutOfReach("the planner found no change that passes")

    def _attempt(self, run: Run, changes: ChangeSet, context: Context) -> Prepared:
        """Edit in a shadow, plan and judge. Leaves nothing behind but the run's own folder."""
        session, root = self.session, context.root
        outcome = apply_edits(root, list(changes.edits))
        if not outcome.files:
            raise OutOfReach("the edits change nothing: it is so already")
        edited = {path: change.after for path, change in outcome.files.items()}
        after = session.guard.require_edits(root, edited)
        terraform = self.shadowed(run, root, edited)
        plan = self.planned(terraform, run.plan_file)
        verdict = self._verdict(run, plan, changes, root)
        require_only(changes, verdict)
        if not plan.changes and not plan.moves and not plan.output_changes:
            raise OutOfReach("the edits would change nothing in Azure: Terraform plans no change from them")
        if (verdict.unrelated or verdict.entangled) and not session.consent.unrelated:
            plan, verdict = self._narrowed(run, terraform, verdict)
        verdict = session.guard.assess(verdict, plan, after, session.given)
        return Prepared(run, changes, context, outcome, verdict)

    def _lifted(self, prepared: Prepared, request: str) -> dict[str, Any]:
        """The change as a metaprogram, for when it is proven; nothing when it holds something sensitive."""
        run, changes = prepared.run, prepared.changes
        if (
            self.session.memory is None
            or changes.by in ("memory", "undo")
            or redact.text(request) != request
            or any(redact.edit(e.as_json()) != e.as_json() for e in changes.edits)
        ):
            return {}
        program = lift(run.id, request, changes, prepared.context, {"planner": changes.by, "steps": run.steps})
        return asdict(program) if program is not None else {}

    def _preview(self, run: Run, changes: ChangeSet, context: Context) -> str:
        """What Terraform would do, for a planner that looks before it proposes."""
        prepared = self._attempt(run, replace(changes, touches=()), context)
        items = [f"{i.action} {i.address} {', '.join(i.forced_by or i.changed)}".strip() for i in prepared.verdict.intended]
        refused = [f"refused by {f.rule}, {f.title}: {f.address}" for f in prepared.verdict.findings if f.outcome == Ruling.REFUSE]
        return "\n".join([*items, *refused]) or "no changes"

    def shadowed(self, run: Run, root: RootModule, edited: dict[Path, bytes]) -> Terraform:
        """Terraform in a shadow of the root module with the edited files; a `-var-file` that is among them is read from there too."""
        shutil.rmtree(run.folder / "shadow", ignore_errors=True)
        place = shadow.cast(root, edited, run.folder / "shadow")
        terraform = self.session.terraform.at(place)
        inputs = terraform.inputs
        files = tuple(str(place / os.path.relpath(f, root.directory)) if Path(f) in edited else f for f in inputs.var_files)
        return replace(terraform, inputs=replace(inputs, var_files=files))

    def _shown(self, prepared: Prepared) -> Prepared:
        """Tell and keep what passed."""
        session, run, changes, verdict = self.session, prepared.run, prepared.changes, prepared.verdict
        session.reporter.understood(changes)
        session.reporter.edited(prepared.outcome)
        run.keep(list(prepared.outcome.files.values()))
        run.verdict, run.expects = verdict.as_json(), [vars(e) for e in changes.expects if redact.text(str(e.value)) == str(e.value)]
        run.undo = _undo(prepared.outcome)
        run.save()
        session.reporter.judged(verdict)
        edits = [redact.edit(e.as_json()) for e in changes.edits]
        files = [{"path": os.path.relpath(f.path, session.directory), "before": f.before, "after": f.after} for f in run.files]
        made = {"files": files, "edits": edits, "steps": run.steps, "planner": changes.by}
        self.record(run, "verdict", {**verdict.recorded(), **made})
        return prepared

    def _understand(self, request: str, context: Context) -> ChangeSet:
        answer = self.session.planner.plan(request, context)
        if isinstance(answer, Question):
            raise NeedsAnswer(answer.text, answer.listed)
        if isinstance(answer, Refusal):
            raise OutOfReach(answer.reason)
        return answer

    def planned(self, terraform: Terraform, file: Path, targets: Iterable[str] = ()) -> Plan:
        """Plan into `file`, initialising first when Terraform asks for it."""
        on_line = self.session.reporter.terraform
        try:
            terraform.plan(file, on_line, targets=tuple(targets))
        except NotInitialised:
            own = terraform.directory / ".terraform"
            if own.is_symlink():
                own.unlink()
            terraform.init(on_line)
            terraform.plan(file, on_line, targets=tuple(targets))
        return terraform.show_plan(file)

    def _verdict(self, run: Run, plan: Plan, changes: ChangeSet, root: RootModule) -> Verdict:
        """Judge against a plan of the unedited configuration, unless the plan touches nothing but what was edited."""
        digest, file_hash = plan.digest(), sha256(run.plan_file.read_bytes())
        baseline = None
        if not _only_edited(plan, changes):
            baseline = self.baseline(run, root)
        return judge(plan, baseline, digest=digest, file_hash=file_hash)

    def baseline(self, run: Run, root: RootModule) -> Plan:
        """What Terraform would do without any edits."""
        bare = shadow.cast(root, {}, run.folder / "baseline")
        return self.planned(self.session.terraform.at(bare), run.folder / "baseline.tfplan")

    def _narrowed(self, run: Run, terraform: Terraform, full: Verdict) -> tuple[Plan, Verdict]:
        """A plan of the intended changes only, with `-target`; what is unrelated is still shown, but not in the plan."""
        if full.entangled:
            listed = ", ".join(full.entangled)
            raise Refused(
                f"the plan of {listed} also holds changes that the request did not ask for (drift, or edits not applied yet)",
                hint="Apply or revert those first, or pass --include-unrelated.",
            )
        run.targets = [i.address for i in full.intended]
        plan = self.planned(terraform, run.plan_file, run.targets)
        narrow = judge(plan, None, digest=plan.digest(), file_hash=sha256(run.plan_file.read_bytes()))
        outside = [i.address for i in narrow.intended if i.address in {u.address for u in full.unrelated}]
        if outside:
            raise Refused(
                f"the intended change depends on unrelated ones: {', '.join(outside)}",
                hint="Apply those first, or pass --include-unrelated.",
            )
        self.session.reporter.note(f"{len(full.unrelated)} unrelated change(s) are left out; --include-unrelated applies them too.")
        return plan, replace(narrow, left_out=full.unrelated)

    # --- approve ---------------------------------------------------------------------------------------------------

    def approve(self, run: Run, verdict: Verdict, approvals: Approvals = UNSIGNED) -> None:
        """Get consent for every change. Raises ApprovalMissing with the addresses nobody named, Refused where nothing may be applied."""
        session, consent, approver = self.session, self.session.consent, self.session.approver
        approval.require(session.approval, approvals, session.place, session.given.workspace)
        approved = Approved(ordinary=consent.ordinary or bool(approvals.people))
        if session.approval.autonomy == Autonomy.NAMED:
            approved = replace(approved, replace=set(consent.replace), destroy=set(consent.destroy), unknown=set(consent.unknown))
        items = {i.address: i for i in verdict.items}
        for what, addresses in approved.missing(verdict).items():
            for address in addresses:
                item = items.get(address)
                signed = item is not None and approvals.covers(address, item.action)
                if signed or approver.name(address, what, item.forced_by if item else ()):
                    getattr(approved, what).add(address)
        missing = approved.missing(verdict)
        ordinary = [i.address for i in verdict.items if not i.dangerous]
        if any(missing.values()) or (ordinary and not approved.ordinary and not approver.ordinary(verdict)):
            self._refuse(run, missing)
        addresses = [i.address for i in verdict.items]
        by = sorted(approvals.people)
        self.record(
            run,
            "approval",
            {"addresses": addresses, "plan_digest": verdict.digest, "plan_file_sha256": verdict.file_hash, "signed_by": by},
        )
        run.save(status="approved", approved=addresses)
        named = any(verdict.needs.values())
        self.session.reporter.approved(addresses, f"signed by {', '.join(by)}" if by else "by address" if named else "in general")

    def _refuse(self, run: Run, missing: dict[str, list[str]]) -> None:
        need = [a for addresses in missing.values() for a in addresses]
        text = f"approval by name is missing for {', '.join(need)}" if need else "nobody approved the changes"
        self.record(run, "refused", {"error": "ApprovalMissing", "message": text})
        run.save(status="refused")
        hint = f"Pass {flags(missing)}." if need else "Pass --auto-approve, or answer at the prompt."
        if need and self.session.approval.autonomy == Autonomy.REVERSIBLE:
            hint = "guard.autonomy is reversible: this takes a person at the terminal, or a plan that somebody signed (iacagent approve)."
        raise ApprovalMissing(text, need, hint=hint)

    # --- write, apply, prove ---------------------------------------------------------------------------------------

    def execute(self, run: Run, expects: Iterable[Expectation], verdict: Verdict) -> list[Proof]:
        """Write the approved files, apply exactly the approved plan file, and prove the result."""
        if sha256(run.plan_file.read_bytes()) != verdict.file_hash:
            raise PlanChanged("the plan file is not the one that was approved", hint="Plan again.")
        run.write()
        self.apply_file(run, run.plan_file)
        return self.prove(run, expects)

    def apply_file(self, run: Run, plan_file: Path) -> None:
        session = self.session
        session.reporter.applying(str(session.directory))
        self.record(run, "apply", {"plan_file_sha256": sha256(plan_file.read_bytes())})
        run.save(status="applying", error="")

        def started(pid: int) -> None:
            run.save(pid=pid)

        try:
            try:
                session.terraform.apply(plan_file, run.log, session.reporter.terraform, started)
            except NotInitialised:
                session.terraform.init(session.reporter.terraform)
                session.terraform.apply(plan_file, run.log, session.reporter.terraform, started)
        except IacAgentError as problem:
            run.save(status="failed", pid=0, error=problem.message)
            self.record(run, "failed", {"error": problem.kind, "message": problem.message})
            problem.hint = f"{problem.hint} The files hold the approved edit; `iacagent resume` goes on, `--abandon` gives up.".strip()
            raise
        run.save(status="applied", pid=0)

    def prove(self, run: Run, expects: Iterable[Expectation]) -> list[Proof]:
        """Verify and close the run. Raises NotVerified when a proof fails or could not be read."""
        session, expects = self.session, list(expects)
        after = self.planned(session.terraform, run.folder / "after.tfplan", run.targets)
        proofs = [verification.second_plan(after, run.approved)]
        if expects:
            proofs += verification.live(expects, session.terraform.state(), session.arm(), session.major)
        session.reporter.proven(proofs)
        good = all(p.holds for p in proofs)
        run.save(status="done")
        journal.clean(session.home)
        if good and run.program and session.memory is not None:
            evidence = {**run.program["evidence"], "approved": run.approved, "proofs": [p.what for p in proofs]}
            session.memory.keep(Metaprogram(**{**run.program, "evidence": evidence}))
        self.record(run, "verified" if good else "not-verified", {"proofs": [p.as_json() for p in proofs]})
        session.reporter.recorded(self.records)
        bad = [p for p in proofs if not p.holds]
        if bad:
            raise NotVerified(f"applied, but not proven: {'; '.join(f'{p.what}: {p.found}' for p in bad)}")
        return proofs

    def finish(self, run: Run) -> list[Proof]:
        """Go on with an interrupted run: complete its writes, then apply what is still missing of what was approved."""
        from iac_agent.agent.resume import finish

        return finish(self, run)

    def record(self, run: Run, kind: str, body: dict[str, Any]) -> None:
        self.records.append(self.session.audit.append(run.id, kind, body))


def require_only(changes: ChangeSet, verdict: Verdict) -> None:
    """Raise Surplus when the plan changes what the request did not ask for, OutOfReach when it leaves alone what it did."""
    if not changes.touches and changes.by.startswith("model"):
        raise Surplus("the model did not say which addresses its edits are about", hint="Name in `addresses` all that they may change.")
    if not changes.touches:
        return
    wanted = [*changes.touches, *changes.follows]
    surplus = [i.address for i in verdict.intended if not any(_covers(w, i.address) for w in wanted)]
    if surplus:
        raise Surplus(
            f"the edits would also change {', '.join(surplus)}, which the request did not ask for",
            hint="Ask for those too, or name the change differently.",
        )


def _covers(wanted: str, address: str) -> bool:
    """Whether an address is meant by one that may be a block's, or a type's with a star."""
    if wanted.endswith("*"):
        return f".{without_keys(address)}".rsplit(".", 2)[-2] == wanted[:-1]
    try:
        return Address.parse(wanted).covers(Address.parse(address))
    except UsageError:
        return False


def _undo(outcome: Outcome) -> list[dict[str, Any]]:
    """The inverse edits as JSON; empty when one of them is not known or holds something sensitive."""
    described = [i.as_json() for i in outcome.inverses if i is not None]
    whole = len(described) == len(outcome.inverses) and all(redact.edit(d) == d for d in described)
    return described if whole else []


def _only_edited(plan: Plan, changes: ChangeSet) -> bool:
    """Whether every change is of a resource that was edited, in an attribute that was."""
    edited: dict[str, set[str]] = {}
    for edit in changes.edits:
        path = str(getattr(edit, "path", ""))
        edited.setdefault(edit.address, set()).add(path.split(".")[0].split("[")[0])
    for change in plan.changes:
        names = edited.get(without_keys(change.address))
        if names is None or change.action == "delete":
            return False
        if change.action == "create":
            continue
        causes = change.change.replace_paths or change.change.changed_paths
        if any(not p or str(p[0]) not in names for p in causes):
            return False
    return True
