"""The review of a change: find what it touches, plan each root module without a lock, judge it by the rules of the base, look for drift.

Read `Reviewer.review` from the top. It changes nothing: every plan is made in a clone of its own, with what `Setup` gives it.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from iac_agent.agent.git import Git
from iac_agent.agent.journal import sha256
from iac_agent.drift.finding import Finding as Drifted
from iac_agent.drift.scan import Report
from iac_agent.errors import IacAgentError
from iac_agent.guard import redact, tampering
from iac_agent.guard.check import Finding
from iac_agent.guard.guard import Guard
from iac_agent.guard.policy import Ruling
from iac_agent.guard.verdict import Item, Verdict, judge
from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.module import RootModule
from iac_agent.hcl.secrets import in_values
from iac_agent.review import static
from iac_agent.review.checkout import Checkouts, Revisions
from iac_agent.review.dependencies import is_loaded
from iac_agent.review.report import Review, Reviewed, Row
from iac_agent.review.rows import Places, rows
from iac_agent.review.touched import Pattern, Repository, Target, Touched, touched
from iac_agent.terraform.models import Plan
from iac_agent.terraform.runner import Terraform

_PLANS_AT_ONCE = 4


@dataclass(frozen=True)
class Setup:
    """What one target is reviewed with: Terraform in its directory, the guard of the base, and a scan for drift."""

    terraform: Terraform
    guard: Guard
    major: int
    drift: Callable[[], Report]


@dataclass(frozen=True)
class Planned:
    """A plan that was made, with the file that an apply would take."""

    plan: Plan
    file: Path


@dataclass
class Reviewer:
    """Reviews changes of one repository. `patterns` tells which root modules the configuration names in a checkout; `wire` sets up a
    target: its checkout, and the checkout and the place in it whose rules hold.

    `keep` is told each plan that may be applied later, while its files are there; `alone` holds others off a target while it is planned.
    """

    repository: Path
    patterns: Callable[[Path], Sequence[Pattern]]
    wire: Callable[[Path, Path, Target, str], Setup]
    keep: Callable[[Reviewed, Verdict, Path], None] = lambda *_: None
    tell: Callable[[str], None] = lambda _: None
    alone: Callable[[Target], AbstractContextManager[object]] = lambda _: nullcontext()
    _judging: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _installing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def review(self, base: str, head: str, folder: Path, *, rules: str = "", trusted: bool = True) -> Review:
        """Review `head` against `base`, both commits of the repository, with checkouts below `folder`, by the rules of the base or of the
        commit `rules`. Where it is not `trusted` nothing of it is run. Raises UsageError for revisions that are not there, GitFailed.
        """
        checkouts = Checkouts(self.repository, folder)
        revisions = checkouts.revisions(base, head)
        after_top, base_top = checkouts.merged(revisions), checkouts.at(revisions.base)
        rules_top = checkouts.at(rules or revisions.base)
        patterns = self.patterns(rules_top)
        before, after = Repository(base_top, patterns), Repository(after_top, patterns)
        since = revisions.fork if revisions.conflicts else revisions.base
        changed = checkouts.changed(since, Git(after_top).told("rev-parse", "HEAD"))
        change = touched(before, after, changed)
        work = _Work(self, checkouts, revisions, before, after, rules_top, checkouts.changed(revisions.fork, revisions.base))
        with ThreadPoolExecutor(_PLANS_AT_ONCE) as pool:
            found = list(pool.map(lambda one: work.safely(work.planned if trusted else work.static, one), change.touched))
        edited = tuple(n for n in changed if n.rpartition("/")[2] in tampering.RULES_FILES)
        return Review(revisions, tuple(found), change.unread, edited, static=not trusted)

    def back(
        self, base: str, head: str, folder: Path, keep: Callable[[Target, Verdict, Path, int | None], None], *, rules: str = ""
    ) -> list[Reviewed]:
        """Plan the base again in every root module that a change touches: what it would take to go back. `keep` is told each plan."""
        checkouts = Checkouts(self.repository, folder)
        revisions = checkouts.revisions(base, head)
        before_top, after_top = checkouts.at(revisions.base), checkouts.merged(revisions)
        rules_top = checkouts.at(rules or revisions.base)
        patterns = self.patterns(rules_top)
        before, after = Repository(before_top, patterns), Repository(after_top, patterns)
        change = touched(before, after, checkouts.changed(revisions.base, Git(after_top).told("rev-parse", "HEAD")))
        work = _Work(self, checkouts, revisions, before, after, rules_top, [])
        return [work.safely(lambda one: work.back(one, keep), t) for t in change.touched]


@dataclass
class _Work:
    """One review on the way: what the targets share."""

    by: Reviewer
    checkouts: Checkouts
    revisions: Revisions
    before: Repository
    after: Repository
    rules_top: Path
    others: list[str]

    def safely(self, review: Callable[[Touched], Reviewed], one: Touched) -> Reviewed:
        """A review of one target that cannot be read, told as such: it does not take the others along."""
        try:
            return review(one)
        except IacAgentError as problem:
            return Reviewed(one, problem=_scrubbed(f"{problem.message} {problem.hint}".strip(), (), self.checkouts))
        except (OSError, ValueError, RuntimeError, MemoryError) as problem:
            return Reviewed(one, problem=_scrubbed(f"it cannot be read: {type(problem).__name__}: {problem}", (), self.checkouts))

    def _setup(self, top: Path, one: Touched, target: Target) -> Setup:
        """A target in a checkout, by the rules of the place that the base knows it by."""
        return self.by.wire(top, self.rules_top, target, one.was or one.target.place)

    # --- with Terraform ----------------------------------------------------------------------------------------------

    def planned(self, one: Touched) -> Reviewed:
        """Plan one target, judge the plan, and look for what is so without the change."""
        with self.by.alone(one.target):
            return self._planned(one)

    def _planned(self, one: Touched) -> Reviewed:
        self.by.tell(f"{one.target.name}: touched by {', '.join(one.by[:3])}{' ...' if len(one.by) > 3 else ''}")
        if one.gone:
            return self._gone(one)
        place = one.target.place
        setup = self._setup(self.after.top, one, one.target)
        found = replace(self._gated(one, setup), behind=self._behind(one))
        if found.refused:
            return found
        known: set[str] = set()
        baseline, blind = self._baseline(one)
        try:
            made = self._plan(setup, one.target, self.after.top)
            known = _secrets(made.plan)
            undone = self._undone(one, made.plan) if found.behind and not self.revisions.conflicts else ()
        except IacAgentError as problem:
            return replace(found, problem=_scrubbed(f"{problem.message} {problem.hint}".strip(), known, self.checkouts))
        file_hash = sha256(made.file.read_bytes())
        verdict = judge(made.plan, baseline, digest=made.plan.digest(), file_hash=file_hash)
        root = RootModule(self.after.top / place)
        verdict = self._assessed(setup, verdict, made.plan, root, one.target)
        places = Places(self.after.top, root)
        drift, drift_unknown = self._drift(one, known) if not blind else ((), blind)
        reviewed = replace(
            found,
            rows=self._rows(made.plan, verdict.intended, verdict, places, baseline, moves=True),
            waiting=self._rows(made.plan, verdict.unrelated, verdict, places),
            findings=(*found.findings, *(_placed(f, places) for f in verdict.findings)),
            undone=undone,
            drift=drift,
            drift_unknown=drift_unknown,
            cost=verdict.cost,
            digest=verdict.digest,
            serial=serial_in(made.file),
        )
        if not self.revisions.conflicts and not blind:
            self.by.keep(reviewed, verdict, made.file)
        return reviewed

    def _assessed(self, setup: Setup, verdict: Verdict, plan: Plan, root: RootModule, target: Target) -> Verdict:
        """Judged by the guard, one at a time: the prover is not made for threads."""
        with self.by._judging:
            return setup.guard.assess(verdict, plan, root, target.given(root.directory))

    def back(self, one: Touched, keep: Callable[[Target, Verdict, Path, int | None], None]) -> Reviewed:
        """Plan one target as the base has it, for going back to it."""
        if one.new:
            return Reviewed(one, problem="it is not in the base: going back would take it away. Destroy it by a change of its own.")
        target = one.before
        setup = self._setup(self.before.top, one, target)
        root = RootModule(setup.terraform.directory)
        setup.guard.require(root)
        made = self._plan(setup, target, self.before.top)
        there = None
        if not one.gone:
            forward = self._setup(self.after.top, one, one.target)
            forward.guard.require(RootModule(forward.terraform.directory))
            there = self._plan(forward, one.target, self.after.top).plan
        verdict = judge(made.plan, there, digest=made.plan.digest(), file_hash=sha256(made.file.read_bytes()))
        verdict = self._assessed(setup, verdict, made.plan, root, target)
        places = Places(self.before.top, root)
        rows = self._rows(made.plan, verdict.intended, verdict, places, there, moves=True)
        waiting = self._rows(made.plan, verdict.unrelated, verdict, places)
        found = Reviewed(one, rows, verdict.findings, waiting, digest=verdict.digest)
        if found.outcome != "refused" and verdict.items:
            keep(target, verdict, made.file, serial_in(made.file))
        return found

    def _gated(self, one: Touched, setup: Setup) -> Reviewed:
        """What the static gate says, and what was swapped that a reviewer should look at."""
        root = RootModule(self.after.top / one.target.place)
        places = Places(self.after.top, root)
        reads = self.after.reads(one.target)
        outside = next((n for n in self.checkouts.unlinked(self.after.top) if reads.on(n)), "")
        if outside:
            return Reviewed(
                one, problem=f"{redact.printable(outside)} is a link that leaves the repository, or leads nowhere", refused=True
            )
        try:
            found = [_placed(f, places) for f in setup.guard.gated(root)]
            if not found and not one.new:
                swapped = tampering.pinned(RootModule(self.before.top / one.before.place), root)
                found = [_placed(replace(f, outcome=Ruling.WARN, fix="Look at it well."), places) for f in swapped]
        except IacAgentError as problem:
            return Reviewed(one, problem=_scrubbed(problem.message, (), self.checkouts))
        return Reviewed(one, findings=tuple(found), refused=any(f.outcome == Ruling.REFUSE for f in found))

    def _gone(self, one: Touched) -> Reviewed:
        """A root module that is not there any more: nothing is planned, and what it made stays."""
        told = "its configuration is gone, so nothing can be planned: what it made stays in Azure and in its state, managed by nobody"
        return Reviewed(one, problem=f"{told}. Destroy it first, or move its resources.", behind=self._behind(one))

    def _plan(self, setup: Setup, target: Target, top: Path) -> Planned:
        """Plan in a checkout, without a lock. Raises what Terraform raises."""
        directory = setup.terraform.directory
        _lend(self.by.repository, top, target.place)
        with self.by._installing:
            setup.terraform.init(backend=tuple(str(directory / b) for b in target.backend))
        file = top.parent / f"{top.name}-{target.name.replace('/', '-')}.tfplan"
        setup.terraform.plan(file)
        return Planned(setup.terraform.show_plan(file), file)

    def _baseline(self, one: Touched) -> tuple[Plan | None, str]:
        """What would be done without the change; why that is not known, where the base is broken."""
        if one.new:
            return None, ""
        try:
            setup = self._setup(self.before.top, one, one.before)
            setup.guard.require(RootModule(setup.terraform.directory))
            return self._plan(setup, one.before, self.before.top).plan, ""
        except IacAgentError as problem:
            told = f"the base cannot be planned, so what would be done without this change is not told apart: {problem.message}"
            return None, _scrubbed(told, (), self.checkouts)

    def _behind(self, one: Touched) -> tuple[str, ...]:
        """The files that others changed on the base since the branch left it, and that this target reads."""
        if not self.before.holds(one.before.place):
            return ()
        return tuple(n for n in self.others if self.before.reads(one.before).on(n))

    def _undone(self, one: Touched, merged: Plan) -> tuple[Row, ...]:
        """What the branch alone, applied as it is, would do beside: it takes back what others merged meanwhile."""
        top = self.checkouts.at(self.revisions.head)
        if not (top / one.target.place).is_dir():
            return ()
        setup = self._setup(top, one, one.target)
        root = RootModule(setup.terraform.directory)
        setup.guard.require(root)
        alone = self._plan(setup, one.target, top).plan
        beside = judge(alone, merged).intended
        return self._rows(alone, beside, None, Places(top, root))

    @staticmethod
    def _rows(
        plan: Plan, items: Iterable[Item], verdict: Verdict | None, places: Places, baseline: Plan | None = None, *, moves: bool = False
    ) -> tuple[Row, ...]:
        """The rows of these items; with `moves` also what only gets another address, or is taken over."""
        wanted = {i.address for i in items}
        changes = [c for c in plan.changes if c.address in wanted]
        if moves:
            known = {c.address for c in (*plan.changes, *((*baseline.moves, *baseline.imports) if baseline else ()))}
            changes += [c for c in (*plan.moves, *plan.imports) if c.address not in known]
        return rows(changes, verdict.impacts if verdict else (), places, baseline.changes if baseline else ())

    def _drift(self, one: Touched, known: Iterable[str]) -> tuple[tuple[Drifted, ...], str]:
        """What drifts in it already, by the state of the base; why that is not known."""
        if one.new:
            return (), ""
        try:
            report = self._setup(self.before.top, one, one.before).drift()
        except IacAgentError as problem:
            return (), _scrubbed(problem.message, known, self.checkouts)
        gaps = [*report.gaps, *(f"{f.subject}: {f.reason}" for f in report.findings if f not in report.drifted)]
        return tuple(report.drifted), _scrubbed("; ".join(gaps[:3]), known, self.checkouts)

    # --- without ------------------------------------------------------------------------------------------------------

    def static(self, one: Touched) -> Reviewed:
        """Judge one target by its configuration alone: nothing of it is run, and nothing is asked of Azure."""
        if one.gone:
            return replace(self._gone(one), static=True)
        setup = self._setup(self.after.top, one, one.target)
        found = replace(self._gated(one, setup), behind=self._behind(one), static=True)
        if found.problem or found.refused:
            return found
        root, old = RootModule(self.after.top / one.target.place), RootModule(self.before.top / one.before.place)
        given = one.target.given(root.directory)
        try:
            configuration = Configuration(root, given)
            prior = None if one.new else Configuration(old, one.before.given(old.directory))
            plan = static.plan(prior, configuration, setup.major)
            verdict = self._assessed(setup, judge(plan, None), plan, root, one.target)
        except IacAgentError as problem:
            return replace(found, problem=_scrubbed(problem.message, (), self.checkouts))
        places = Places(self.after.top, root)
        findings = (*found.findings, *(_placed(f, places) for f in verdict.findings))
        return replace(found, rows=self._rows(plan, verdict.intended, verdict, places), findings=findings, cost=verdict.cost)


def _placed(finding: Finding, places: Places) -> Finding:
    """A finding whose place is named as the repository names it, and that says nothing secret."""
    where = places.named(finding.where)
    address = where if finding.address == finding.where else finding.address
    return replace(finding, where=where, address=address, detail=redact.text(finding.detail))


def _lend(repository: Path, top: Path, place: str) -> None:
    """Copy what Terraform needs of the user's checkout and git does not hold: a local state, and variable files that git ignores."""
    checkout = Git(repository).told("rev-parse", "--show-toplevel", accept=(0, 128))  # a bare repository has none
    source, into = Path(checkout) / place, top / place
    if not checkout or not source.is_dir():
        return
    for file in source.iterdir():
        state = file.name == "terraform.tfstate"
        if file.is_file() and (state or is_loaded(file.name)) and not (into / file.name).exists():
            shutil.copyfile(file, into / file.name)
        elif file.name == "terraform.tfstate.d" and file.is_dir():
            shutil.copytree(file, into / file.name, dirs_exist_ok=True)


def serial_in(plan_file: Path) -> int | None:
    """The serial of the state that a plan was made of, which the plan file holds."""
    with zipfile.ZipFile(plan_file) as archive:
        try:
            return int(json.loads(archive.read("tfstate"))["serial"])
        except (KeyError, ValueError):
            return None


def _secrets(plan: Plan) -> set[str]:
    """What is secret in a plan: no message may hold it."""
    return {
        text
        for c in plan.resource_changes
        for values, marks in ((c.change.before, c.change.before_sensitive), (c.change.after, c.change.after_sensitive))
        for text in in_values(values, marks)
        if len(text) > 3
    }


def _scrubbed(text: str, known: Iterable[str], checkouts: Checkouts) -> str:
    """A message without secrets, and without paths of this machine."""
    for secret in sorted(known, key=len, reverse=True):
        text = text.replace(secret, redact.MASK)
    for top in checkouts.tops():
        text = text.replace(f"{top}{os.sep}", "").replace(str(top), ".")
    return redact.printable(redact.text(text))
