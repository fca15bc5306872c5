"""The bot: an event of a forge in, a review, an answer or an apply out. It is the same in a job of a pipeline and in the server.

What an event says is only a hint: everything is read again from the forge, so that events may come twice, late, or out of order.
"""

from __future__ import annotations

import fnmatch
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from iac_agent.agent import saved
from iac_agent.errors import ForgeFailed, IacAgentError
from iac_agent.guard import redact
from iac_agent.guard.verdict import Verdict
from iac_agent.review import comment
from iac_agent.review.applying import Applier
from iac_agent.review.checkout import Checkouts
from iac_agent.review.confined import confined
from iac_agent.review.forges import Event, Forge, PullRequest
from iac_agent.review.kept import Binding, Kept, Plans, moment
from iac_agent.review.report import Review, Reviewed
from iac_agent.review.review import Reviewer
from iac_agent.review.source import Source
from iac_agent.review.touched import Target


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
    _made: list[Kept] = field(default_factory=list, repr=False)

    def handle(self, event: Event) -> str:
        """Do what an event asks for; what was done, in a sentence. Raises what goes wrong with the forge and git."""
        from iac_agent.review.obeying import Obeying

        if event.kind == "closed":
            if self.plans is not None and self.forge.pull(event.number).state != "open":
                self.plans.drop(event.number)
            return "its kept plans are forgotten"
        pull = self.forge.pull(event.number)
        if event.kind == "opened":
            return self.review(pull) if pull.state == "open" else f"it is {pull.state}: nothing is reviewed"
        return Obeying(self, event, pull).answer()

    # --- reviewing -----------------------------------------------------------------------------------------------------

    def review(self, pull: PullRequest, *, trusted: bool = True) -> str:
        """Review a pull request and say so on it; where it is not `trusted`, or its author may not push, nothing of it is run."""
        if self.plans is not None:
            self.plans.drop(pull.number)
        try:
            review = self._reviewed(pull, trusted and self.is_own(pull))
        except ForgeFailed:
            raise
        except Exception as problem:  # whatever it is, an old review must not stand for this commit
            self._tell_failed(pull, problem)
            raise
        if self.forge.pull(pull.number).head != pull.head:
            return "it got new commits meanwhile: this review is not shown"
        kept = self._made if review.outcome not in ("refused", "failed") and not self.foreign(pull) else []
        link = self.page(pull.number, review)
        body = comment.render(review, limit=self.forge.limit, link=link, kept=bool(kept))
        self.forge.comment(pull.number, comment.MARKER, body)
        self.forge.publish(pull, review, body, link)
        if self.plans is not None:
            for one in kept:
                self.plans.keep(one.binding, one.saved)
        return f"reviewed {pull.head[:12]} on {pull.base[:12]}: {review.outcome}"

    def _tell_failed(self, pull: PullRequest, problem: Exception) -> None:
        said = problem.message if isinstance(problem, IacAgentError) else type(problem).__name__
        told = comment.block(self.clean(said), 2000)
        self.forge.comment(
            pull.number, comment.MARKER, f"{comment.MARKER}\n## iacagent: ✗ {pull.head[:12]} could not be reviewed\n{told}\n"
        )

    def _reviewed(self, pull: PullRequest, trusted: bool) -> Review:
        self._made.clear()
        with self.checkouts(pull) as folder:
            reviewer, rules = replace(self.reviewer(), keep=self._keeper(pull)), self.ruling(pull)
            if trusted:
                return reviewer.review(pull.base, pull.head, folder, rules=rules)
            return confined(lambda: reviewer.review(pull.base, pull.head, folder, rules=rules, trusted=False))

    @contextmanager
    def checkouts(self, pull: PullRequest) -> Iterator[Path]:
        """A folder for checkouts, with the commits of a pull request at hand."""
        self.source.ensure()
        self.source.fetch(pull)
        with tempfile.TemporaryDirectory(prefix="iacagent-") as folder:
            yield Path(folder)

    # --- whose rules ---------------------------------------------------------------------------------------------------

    def is_own(self, pull: PullRequest) -> bool:
        """Whether its code may be run: it is in this repository, by somebody who may push to it."""
        return not pull.fork and self.forge.may_write(pull.author)

    def ruling(self, pull: PullRequest) -> str:
        """The commit whose rules hold: the base, or the default branch where anybody could have made the base."""
        return pull.default if self.foreign(pull) else pull.base

    def foreign(self, pull: PullRequest) -> bool:
        """Whether a pull request goes into a branch whose rules do not count: neither the default one, nor one that its rules name."""
        if pull.base_branch == pull.default_branch:
            return False
        with self.checkouts(pull) as folder:
            named = self.applier.rules(Checkouts(self.source.directory, folder).at(pull.default), ".").branches
        return not any(fnmatch.fnmatchcase(pull.base_branch, p) for p in named)

    # --- keeping plans -------------------------------------------------------------------------------------------------

    def _keeper(self, pull: PullRequest) -> Callable[[Reviewed, Verdict, Path], None]:
        def keep(reviewed: Reviewed, verdict: Verdict, plan_file: Path) -> None:
            if self.plans is not None and reviewed.rows and reviewed.outcome not in ("refused", "failed"):
                one = reviewed.touched
                self._made.append(self.sealed(pull, one.target, verdict, plan_file, reviewed.serial, ruled=one.was))

        return keep

    def sealed(
        self, pull: PullRequest, target: Target, verdict: Verdict, plan: Path, serial: int | None, *, ruled: str = "", undo: bool = False
    ) -> Kept:
        """A plan with what it is bound to; it is kept only once it was shown. `ruled`: another place whose rules hold."""
        assert self.plans is not None
        beside = (*(i.address for i in verdict.unrelated), *verdict.entangled)
        binding = Binding(
            self.plans.repository, pull.number, target.place, target.workspace, target.var_files, target.backend, pull.head, pull.base,
            serial, verdict.digest, pull.author, moment(), ruled or target.place, beside, undo,
        )  # fmt: skip
        out = plan.with_suffix(".saved")
        what = f"{'undo ' if undo else ''}pull request {pull.number}: {redact.text(pull.title)}"
        saved.save_plan(out, plan, verdict, what, target.place, pull.author)
        return Kept(binding, out.read_bytes())

    def clean(self, text: str) -> str:
        """A message without secrets, and without paths of this machine."""
        for folder in {self.source.directory.resolve().parent, self.applier.folder.parent, Path(tempfile.gettempdir()).resolve()}:
            text = text.replace(f"{folder}/", "").replace(str(folder), "")
        return redact.printable(redact.text(text))
