"""Applying what was reviewed: exactly the kept plan, by a person with the right, and only while nothing moved since.

Everything is asked before anything is applied; then each plan goes the way of every saved plan: judged by the rules of now, approved,
applied, proven, recorded. A run that was cut off is finished, not begun again.
"""

from __future__ import annotations

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
    """What the base lets comments do: apply at all, after how many approvals, and for how many hours a review holds."""

    apply: bool = False
    approvals: int = 1
    hours: float = 24.0


@dataclass(frozen=True)
class Applying:
    """Who asks for what: root modules by name (none: all that are kept), and the addresses named for what needs it."""

    by: str
    why: str
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
    """One kept plan that may be applied: its session, and the file of the saved plan."""

    kept: Kept
    session: Session
    document: dict[str, Any]
    file: Path
    state: str = "fresh"

    @property
    def name(self) -> str:
        return self.kept.binding.target.name


@dataclass
class Applier:
    """`session` sets up a target: its checkout, the checkout whose rules hold, the approver, and where its document is written;
    `folder` is where checkouts stand while they are applied, also over the death of the process.
    """

    session: Callable[[Path, Path, Target, Named, dict[str, Any]], Session]
    rules: Callable[[Path], BotRules]
    place: Callable[[Target], str]
    folder: Path
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def apply(
        self,
        source: Source,
        pull: PullRequest,
        kept: Sequence[Kept],
        wanted: Applying,
        approvers: frozenset[str],
        done: Callable[[int, Target | None], None],
    ) -> list[Applied]:
        """Apply the kept plans of a pull request. `done` forgets one that was applied. Raises Refused, with everything that moved."""
        checkouts = Checkouts(source.directory, self.folder / str(pull.number))
        rules = self.rules(checkouts.at(pull.base))
        if not rules.apply:
            raise Refused("comments may not apply here", hint="Set review.apply in the configuration of the base.")
        chosen = _chosen(kept, wanted.roots)
        ready: list[_Ready] = []
        try:
            ready += (self._ready(checkouts, pull, k, wanted) for k in chosen)
            self._require_unmoved(source, pull, ready, rules)
            _require_approved(approvers, rules.approvals, pull)
            _require_named(ready, wanted)
            return list(self._all(ready, lambda target: done(pull.number, target)))
        finally:
            if all(journal.unfinished(one.session.home) is None for one in ready):
                shutil.rmtree(checkouts.folder, ignore_errors=True)

    def _all(self, ready: Sequence[_Ready], done: Callable[[Target], None]) -> Iterator[Applied]:
        """Apply one after the other, until one fails."""
        for one in ready:
            applied = self._applied(one)
            yield applied
            if applied.problem:
                return
            done(one.kept.binding.target)

    def _ready(self, checkouts: Checkouts, pull: PullRequest, kept: Kept, wanted: Applying) -> _Ready:
        binding = kept.binding
        if binding.undo:
            top = checkouts.at(binding.base)
        else:
            top = checkouts.merged(checkouts.revisions(binding.base, binding.head))
        document: dict[str, Any] = {}
        session = self.session(top, checkouts.at(pull.base), binding.target, Named(wanted), document)
        session.terraform.init(backend=tuple(str(session.directory / b) for b in binding.backend))
        file = checkouts.folder / f"{binding.digest[:16]}.saved"
        journal.replace_file(file, kept.saved)
        file.chmod(0o600)
        one = _Ready(kept, session, document, file)
        one.state = _state_of(one)
        return one

    def _require_unmoved(self, source: Source, pull: PullRequest, ready: Sequence[_Ready], rules: BotRules) -> None:
        told: dict[str, list[str]] = {}
        for one in ready:
            if one.state != "fresh":
                continue
            serial = _serial(one.session.terraform.pull())
            for what in moved(one.kept.binding, Now(pull.head, pull.base, serial, self.now()), rules.hours):
                told.setdefault(what, []).append(one.name)
        if told:
            listed = "; ".join(f"{what} ({', '.join(names)})" for what, names in told.items())
            commits = _commits(source, ready[0].kept.binding, pull)
            raise PlanChanged(f"the reviewed plan is not applied: {listed}{commits}", hint="Plan again: /iacagent plan")

    @staticmethod
    def _applied(one: _Ready) -> Applied:
        """Apply one plan, or finish what was begun. What goes wrong is told in the answer: others may have been applied already."""
        if one.state == "finished":
            return Applied(one.name, again=True)
        agent = Agent(one.session)
        try:
            if one.state == "unfinished":
                with lock.held(one.session.home, f"apply {one.name}", "10m"):
                    left = journal.unfinished(one.session.home)
                    if left is not None:
                        agent.finish(left)
            else:
                saved.apply(agent, one.file)
        except IacAgentError as problem:
            return Applied(one.name, tuple(one.document.get("proofs", ())), f"{problem.message} {problem.hint}".strip())
        addresses = (one.document.get("approved") or {}).get("addresses", ())
        return Applied(one.name, tuple(one.document.get("proofs", ())), addresses=tuple(addresses))


def _chosen(kept: Sequence[Kept], roots: Sequence[str]) -> list[Kept]:
    """The kept plans that are meant. Raises Refused where there is none."""
    if not kept:
        raise Refused("no reviewed plan is kept for this pull request", hint="Plan first: /iacagent plan")
    wrong = [r for r in roots if r not in {name for k in kept for name in (k.binding.target.name, k.binding.place)}]
    if wrong:
        names = ", ".join(k.binding.target.name for k in kept)
        raise Refused(f"no reviewed plan of {wrong[0]} is kept", hint=f"There are plans of {names}.")
    return [k for k in kept if not roots or k.binding.target.name in roots or k.binding.place in roots]


def _state_of(one: _Ready) -> str:
    """Whether this very plan was applied and proven already (`finished`), was begun (`unfinished`), or neither. Raises Refused for a run of
    somebody else that is unfinished.
    """
    left = journal.unfinished(one.session.home)
    digest = one.kept.binding.digest
    if left is not None:
        if left.verdict.get("plan_digest") != digest:
            raise Refused(f"{one.name}: run {left.id} ({left.request!r}) is unfinished", hint="Comment /iacagent apply where it was begun.")
        return "unfinished"
    records = list(one.session.audit.records())
    runs = {r.run for r in records if r.kind == "approval" and r.body.get("plan_digest") == digest}
    return "finished" if any(r.kind == "verified" and r.run in runs for r in records) else "fresh"


def _require_approved(approvers: frozenset[str], needed: int, pull: PullRequest) -> None:
    lacking = needed - len(approvers)
    if lacking > 0:
        who = f", approved by {', '.join(sorted(approvers))}" if approvers else ""
        raise ApprovalMissing(f"{lacking} more approval(s) of {pull.head[:12]} are needed by people who may push{who}", [])


def _require_named(ready: Sequence[_Ready], wanted: Applying) -> None:
    """Raise Refused where a plan also does what would be done without the pull request, ApprovalMissing for what must be named."""
    for one in (r for r in ready if r.state == "fresh"):
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
