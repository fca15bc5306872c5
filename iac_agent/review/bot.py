"""The bot: an event of a forge in, a review, an answer or an apply out. It is the same in a job of a pipeline and in the server.

What an event says is only a hint: everything is read again from the forge, so that events may come twice, late, or out of order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from iac_agent.agent import saved
from iac_agent.errors import GateRefused, IacAgentError, Refused
from iac_agent.guard import redact
from iac_agent.guard.verdict import Verdict
from iac_agent.review import answers, commands, comment, fix
from iac_agent.review.applying import Applier, Applying
from iac_agent.review.checkout import Checkouts
from iac_agent.review.commands import Command
from iac_agent.review.forges import Event, Forge, PullRequest
from iac_agent.review.kept import Binding, Plans, moment
from iac_agent.review.report import Review, Reviewed
from iac_agent.review.review import Reviewer
from iac_agent.review.source import Source
from iac_agent.review.touched import Target
from iac_agent.store.audit import acting_for


@dataclass
class Bot:
    """Answers the events of one repository. Without `plans` nothing is kept, and nothing can be applied.

    `reviewer` makes a reviewer on the source, `applier` applies a kept plan; `page` takes a whole review and tells where it can be read.
    """

    forge: Forge
    source: Source
    reviewer: Callable[[], Reviewer]
    applier: Applier
    plans: Plans | None = None
    page: Callable[[int, Review], str] = lambda *_: ""
    tell: Callable[[str], None] = lambda _: None

    def handle(self, event: Event) -> str:
        """Do what an event asks for; what was done, in a sentence. Raises what goes wrong with the forge and git."""
        if event.kind == "closed":
            if self.plans is not None and self.forge.pull(event.number).state != "open":
                self.plans.drop(event.number)
            return "its kept plans are forgotten"
        pull = self.forge.pull(event.number)
        if event.kind == "opened":
            return self.review(pull) if pull.state == "open" else f"it is {pull.state}: nothing is reviewed"
        return self._commented(event, pull)

    # --- reviewing -----------------------------------------------------------------------------------------------------

    def review(self, pull: PullRequest, *, trusted: bool = True) -> str:
        """Review a pull request and say so on it; where it is not `trusted`, or its author may not push, nothing of it is run."""
        review = self._reviewed(pull, trusted and not pull.fork and self.forge.may_write(pull.author))
        if self.forge.pull(pull.number).head != pull.head:
            return "it got new commits meanwhile: this review is not shown"
        link = self.page(pull.number, review)
        kept = self.plans is not None and bool(self.plans.of(pull.number))
        body = comment.render(review, limit=self.forge.limit, link=link, kept=kept)
        self.forge.comment(pull.number, comment.MARKER, body)
        self.forge.publish(pull, review, body, link)
        return f"reviewed {pull.head[:12]} on {pull.base[:12]}: {review.outcome}"

    def _reviewed(self, pull: PullRequest, trusted: bool) -> Review:
        self.source.ensure()
        self.source.fetch(pull)
        reviewer = self.reviewer()
        if self.plans is not None:
            self.plans.drop(pull.number)
        keep = self._keeper(pull) if self.plans is not None and trusted else (lambda *_: None)
        with tempfile.TemporaryDirectory(prefix="iacagent-") as folder:
            return replace(reviewer, keep=keep).review(pull.base, pull.head, Path(folder), trusted=trusted)

    def _keeper(self, pull: PullRequest) -> Callable[[Reviewed, Verdict, Path], None]:
        def keep(reviewed: Reviewed, verdict: Verdict, plan_file: Path) -> None:
            if reviewed.outcome not in ("refused", "failed") and verdict.items:
                self._keep(pull, reviewed.touched.target, verdict, plan_file, reviewed.serial)

        return keep

    def _keep(self, pull: PullRequest, target: Target, verdict: Verdict, plan: Path, serial: int | None, *, undo: bool = False) -> None:
        assert self.plans is not None
        binding = Binding(
            self.plans.repository, pull.number, target.place, target.workspace, target.var_files, target.backend, pull.head, pull.base,
            serial, verdict.digest, pull.author, moment(), (*(i.address for i in verdict.unrelated), *verdict.entangled), undo,
        )  # fmt: skip
        out = plan.with_suffix(".saved")
        place = self.applier.place(target)
        saved.save_plan(out, plan, verdict, request(pull, undo), place, pull.author)
        self.plans.keep(binding, out.read_bytes())

    # --- commands ------------------------------------------------------------------------------------------------------

    def _commented(self, event: Event, pull: PullRequest) -> str:
        try:
            command = commands.parse(event.text)
            if command is None:
                return "it is no command"
            with acting_for(event.by):
                body = self._obeyed(command, event, pull)
        except Refused as problem:
            body = _told("Refused", problem)
        except IacAgentError as problem:
            body = _told("Not done", problem)
        marker = f"<!-- iacagent:answer {event.comment} -->"
        self.forge.comment(pull.number, marker, answers.fitted(marker, body, self.forge.limit))
        return body.splitlines()[0]

    def _obeyed(self, command: Command, event: Event, pull: PullRequest) -> str:
        """Do it; the answer. Raises Refused for who may not, and what must not."""
        if not self.forge.may_write(event.by):
            raise Refused(f"{event.by} may not push to this repository, so comments of theirs are not commands")
        if pull.state != "open":
            raise Refused(f"pull request {pull.number} is {pull.state}")
        self.forge.seen(event)
        match command.name:
            case "plan":
                return f"{self.review(pull).capitalize()}."
            case "apply":
                return self._apply(command, event, pull)
            case "undo":
                return self._undo(pull)
            case "explain":
                return answers.explain(self._looked_at(pull), command.given["address"])
            case "drift":
                return answers.drift(self._looked_at(pull))
        return self._fix(command, pull)

    def _looked_at(self, pull: PullRequest) -> Review:
        """A review for an answer: nothing of it is kept or shown elsewhere."""
        self._require_own(pull)
        self.source.ensure()
        self.source.fetch(pull)
        with tempfile.TemporaryDirectory(prefix="iacagent-") as folder:
            return self.reviewer().review(pull.base, pull.head, Path(folder))

    def _require_own(self, pull: PullRequest) -> None:
        if pull.fork or not self.forge.may_write(pull.author):
            raise GateRefused(
                f"this is code of {pull.author or 'somebody'}, who may not push here: it is not run",
                hint="Somebody who may push can bring it to a branch of this repository.",
            )

    def _apply(self, command: Command, event: Event, pull: PullRequest) -> str:
        if self.plans is None:
            raise Refused("no plans are kept here, so none can be applied", hint="See docs/review.md, applying.")
        self._require_own(pull)
        given = command.given
        named = frozenset(given["allow_replace"]), frozenset(given["allow_destroy"]), frozenset(given["allow_unknown"])
        wanted = Applying(event.by, f"comment {event.comment}", tuple(given["roots"]), *named, given["include_unrelated"])
        self.source.ensure()
        self.source.fetch(pull)
        kept = self.plans.of(pull.number)
        return answers.applied(self.applier.apply(self.source, pull, kept, wanted, self.forge.approvers(pull), self.plans.drop))

    def _undo(self, pull: PullRequest) -> str:
        """Plan the configuration of the base for what was applied from here, and keep it for an apply."""
        if self.plans is None:
            raise Refused("no plans are kept here, so nothing was applied from here", hint="See docs/review.md, applying.")
        self._require_own(pull)
        self.source.ensure()
        self.source.fetch(pull)
        self.plans.drop(pull.number)
        with tempfile.TemporaryDirectory(prefix="iacagent-") as folder:
            reviewer = self.reviewer()
            found = reviewer.back(pull.base, pull.head, Path(folder), lambda t, v, f, s: self._keep(pull, t, v, f, s, undo=True))
        return answers.undo(found)

    def _fix(self, command: Command, pull: PullRequest) -> str:
        self._require_own(pull)
        self.source.ensure()
        self.source.fetch(pull)
        with tempfile.TemporaryDirectory(prefix="iacagent-") as folder:
            checkouts = Checkouts(self.source.directory, Path(folder))
            found = fix.fixes(self.reviewer(), checkouts, pull, command.given["rule"].upper(), command.given["address"])
        in_diff = [f.suggestion for f in found if f.suggestion is not None]
        if in_diff:
            self.forge.suggest(pull, in_diff)
        return answers.fixed(command.given["rule"].upper(), found)


def request(pull: PullRequest, undo: bool) -> str:
    """What a kept plan is for, as the audit tells it."""
    return f"{'undo ' if undo else ''}pull request {pull.number}: {redact.text(pull.title)}"


def _told(word: str, problem: IacAgentError) -> str:
    hint = f"\n\n{comment.plain(problem.hint)}" if problem.hint else ""
    return f"**{word}**: {comment.plain(redact.text(problem.message))}{hint}\n"
