"""Applying what was reviewed: exactly the kept plan, by a person with the right, and only while nothing moved since.

Everything is asked before anything is applied; then each plan goes the way of every saved plan: judged by the rules of now, approved,
applied, proven, recorded. A run that was cut off is proven or given up, never begun again.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from iac_agent.agent import journal, lock, saved
from iac_agent.agent.git import Git
from iac_agent.agent.loop import Agent, Session
from iac_agent.agent.resume import wait_for
from iac_agent.errors import ApprovalMissing, IacAgentError, PlanChanged, Refused
from iac_agent.guard.verdict import Verdict, flags
from iac_agent.review.checkout import Checkouts
from iac_agent.review.forges import PullRequest
from iac_agent.review.kept import Binding, Kept, Now, moved
from iac_agent.review.source import Source
from iac_agent.review.touched import Target

_COMMITS_TOLD = 5


@dataclass(frozen=True)
class BotRules:
    """What the base lets comments do: apply at all, after how many approvals, and for how many hours a review holds.

    `branches` are patterns of those beside the default one whose rules count.
    """

    apply: bool = False
    approvals: int = 1
    hours: float = 24.0
    branches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Present:
    """How a pull request is at this moment, and who approved its head."""

    pull: PullRequest
    approvers: frozenset[str]


@dataclass(frozen=True)
class Applying:
    """What is asked for: root modules by name (none: all that are kept), and the addresses named for what needs it."""

    roots: tuple[str, ...] = ()
    replace: frozenset[str] = frozenset()
    destroy: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    include_unrelated: bool = False


@dataclass(frozen=True)
class Applied:
    """What became of one target: its proofs as JSON, and why it was not applied where it was not."""

    name: str
    proofs: tuple[dict[str, Any], ...] = ()
    problem: str = ""
    addresses: tuple[str, ...] = ()
    again: bool = False


@dataclass
class Named:
    """A person who answered in a comment: what is named there is approved, and nothing else that needs a name."""

    wanted: Applying

    def name(self, address: str, action: str, forced_by: tuple[str, ...]) -> bool:
        return address in {"replace": self.wanted.replace, "destroy": self.wanted.destroy}.get(action, self.wanted.unknown)

    def ordinary(self, verdict: Verdict) -> bool:
        return True

    def confirm(self, question: str) -> bool:
        return False


@dataclass
class _Ready:
    """One kept plan that may be applied: its session, the file of the saved plan, and the rules of its place. `done`: it was applied."""

    kept: Kept
    session: Session
    document: dict[str, Any]
    file: Path
    rules: BotRules
    done: bool = False

    @property
    def name(self) -> str:
        return self.kept.binding.target.name


@dataclass
class Applier:
    """`session` sets up a target: its checkout, the checkout and the place whose rules hold, the approver, and where to write its document.

    `rules` reads what a checkout lets comments do at a place; `folder` is where checkouts stand while they are applied.
    """

    session: Callable[[Path, Path, str, Target, Named, dict[str, Any]], Session]
    rules: Callable[[Path, str], BotRules]
    folder: Path
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def apply(self, source: Source, kept: Sequence[Kept], wanted: Applying, present: Callable[[], Present]) -> list[Applied]:
        """Apply the kept plans of a pull request, which `present` reads anew.

        Raises Refused before anything is applied, with everything that moved or is missing.
        """
        chosen, seen = _chosen(kept, wanted.roots), present()
        checkouts = Checkouts(source.directory, self.folder / str(seen.pull.number))
        try:
            ready = [self._ready(checkouts, k, wanted) for k in chosen]
            self._require_allowed(source, ready, seen)
            _require_named(ready, wanted)
            return list(self._all(source, ready, present))
        finally:
            shutil.rmtree(checkouts.folder, ignore_errors=True)

    def _all(self, source: Source, ready: Sequence[_Ready], present: Callable[[], Present]) -> Iterator[Applied]:
        """Apply one after the other, each only if nothing moved meanwhile; what comes behind one that fails is not tried."""
        failed = ""
        for one in ready:
            if failed:
                yield Applied(one.name, problem=f"it was not tried, because {failed} failed")
                continue
            applied = self._applied(source, one, present)
            failed = one.name if applied.problem else ""
            yield applied

    def _ready(self, checkouts: Checkouts, kept: Kept, wanted: Applying) -> _Ready:
        binding = kept.binding
        base_top = checkouts.at(binding.base)
        top = base_top if binding.undo else checkouts.merged(checkouts.revisions(binding.base, binding.head))
        document: dict[str, Any] = {}
        session = self.session(top, base_top, binding.ruled, binding.target, Named(wanted), document)
        session.terraform.init(backend=tuple(str(session.directory / b) for b in binding.backend))
        file = checkouts.folder / f"{binding.digest}.saved"
        journal.replace_file(file, kept.saved)
        file.chmod(0o600)
        one = _Ready(kept, session, document, file, self.rules(base_top, binding.ruled))
        with lock.held(session.home, f"look at {one.name}", "10m"):
            _settle(session)
        one.done = _was_applied(one)
        return one

    def _require_allowed(self, source: Source, ready: Sequence[_Ready], seen: Present) -> None:
        """Raise Refused unless every plan that is not applied yet may be, as things are now."""
        told: dict[str, list[str]] = {}
        for one in (r for r in ready if not r.done):
            if not one.rules.apply:
                raise Refused(f"comments may not apply {one.name}", hint="Set review.apply in the configuration of the base.")
            if seen.pull.state != "open":
                raise Refused(f"pull request {seen.pull.number} is {seen.pull.state}")
            now = Now(seen.pull.head, seen.pull.base, _serial(one.session.terraform.pull()), self.now())
            for what in moved(one.kept.binding, now, one.rules.hours):
                told.setdefault(what, []).append(one.name)
        if told:
            listed = "; ".join(f"{what} ({', '.join(names)})" for what, names in told.items())
            commits = _commits(source, ready[0].kept.binding, seen.pull)
            raise PlanChanged(f"the reviewed plan is not applied: {listed}{commits}", hint="Plan again: /iacagent plan")
        for one in (r for r in ready if not r.done):
            _require_approved(seen, one.rules.approvals)

    def _applied(self, source: Source, one: _Ready, present: Callable[[], Present]) -> Applied:
        """Apply one plan. What goes wrong is told in the answer: others may have been applied already."""
        if one.done:
            return Applied(one.name, again=True)
        try:
            self._require_allowed(source, [one], present())
            saved.apply(Agent(one.session), one.file)
        except IacAgentError as problem:
            with lock.held(one.session.home, f"close {one.name}", "10m"):
                _settle(one.session)
            return Applied(one.name, tuple(one.document.get("proofs", ())), f"{problem.message} {problem.hint}".strip())
        addresses = (one.document.get("approved") or {}).get("addresses", ())
        return Applied(one.name, tuple(one.document.get("proofs", ())), addresses=tuple(addresses))


def _settle(session: Session) -> None:
    """Close a run that was cut off or failed, by what is true: it is proven when nothing is left to do, and given up otherwise.

    Nothing is applied that was not reviewed: what is left takes a new plan.
    """
    left = journal.unfinished(session.home)
    if left is None:
        return
    wait_for(left, session.reporter.note)
    if left.status in ("applying", "applied"):
        with contextlib.suppress(IacAgentError):
            Agent(session).prove(left, [])
            return
    left.save(status="abandoned", pid=0)
    journal.clean(session.home)


def _was_applied(one: _Ready) -> bool:
    """Whether the audit says that this very plan was applied and proven."""
    records = list(one.session.audit.records())
    runs = {r.run for r in records if r.kind == "approval" and r.body.get("plan_digest") == one.kept.binding.digest}
    return any(r.kind == "verified" and r.run in runs for r in records)


def _chosen(kept: Sequence[Kept], roots: Sequence[str]) -> list[Kept]:
    """The kept plans that are meant. Raises Refused where there is none."""
    if not kept:
        raise Refused("no reviewed plan is kept for this pull request", hint="Plan first: /iacagent plan")
    wrong = [r for r in roots if r not in {name for k in kept for name in (k.binding.target.name, k.binding.place)}]
    if wrong:
        names = ", ".join(k.binding.target.name for k in kept)
        raise Refused(f"no reviewed plan of {wrong[0]} is kept", hint=f"There are plans of {names}.")
    return [k for k in kept if not roots or k.binding.target.name in roots or k.binding.place in roots]


def _require_approved(seen: Present, needed: int) -> None:
    lacking = needed - len(seen.approvers)
    if lacking > 0:
        who = f", approved by {', '.join(sorted(seen.approvers))}" if seen.approvers else ""
        raise ApprovalMissing(
            f"{lacking} more approval(s) of {seen.pull.head[:12]} are needed, by people who may push and did not write it{who}", []
        )


def _require_named(ready: Sequence[_Ready], wanted: Applying) -> None:
    """Raise Refused where a plan also does what would be done without the pull request, ApprovalMissing for what must be named."""
    for one in (r for r in ready if not r.done):
        beside = one.kept.binding.beside
        if beside and not wanted.include_unrelated:
            raise Refused(
                f"{one.name}: the plan also does what would be done without this pull request, to {', '.join(beside[:5])}",
                hint="Settle that first (/iacagent drift), or pass --include-unrelated.",
            )
        verdict = saved.opened(one.file, one.session.terraform).verdict
        approver = Named(wanted)
        missing = {w: [a for a in found if not approver.name(a, w, ())] for w, found in verdict.needs.items()}
        if any(missing.values()):
            need = [a for found in missing.values() for a in found]
            raise ApprovalMissing(f"{one.name}: {', '.join(need)} must be approved by name", need, hint=f"Add {flags(missing)}.")


def _serial(state: bytes) -> int | None:
    return int(json.loads(state)["serial"]) if state.strip() else None


def _commits(source: Source, binding: Binding, pull: PullRequest) -> str:
    """What is new on the base, in a line."""
    if binding.base == pull.base or not source.has(binding.base):
        return ""
    told = Git(source.directory).told("log", "--format=%h %s", f"--max-count={_COMMITS_TOLD}", f"{binding.base}..{pull.base}")
    return f"; new there: {', '.join(told.splitlines())}" if told else ""
