"""Obeying a command in a comment: by somebody who may push, on the pull request as it is now. Every answer is one comment of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from iac_agent.errors import ForgeFailed, GateRefused, IacAgentError, Refused
from iac_agent.review import answers, commands, fix
from iac_agent.review.applying import Applying, Present
from iac_agent.review.bot import Bot
from iac_agent.review.checkout import Checkouts
from iac_agent.review.commands import Command
from iac_agent.review.comment import plain
from iac_agent.review.forges import Event, PullRequest
from iac_agent.review.kept import Kept
from iac_agent.review.report import Review
from iac_agent.store.audit import acting_for


@dataclass
class Obeying:
    """One comment that is answered. `after` is done once the answer stands: until then a retry must find everything as it was."""

    bot: Bot
    event: Event
    pull: PullRequest
    after: list[Callable[[], None]] = field(default_factory=list)

    def answer(self) -> str:
        """Do what the comment says, and answer it; the first line of the answer. Raises ForgeFailed, to be tried again."""
        if not commands.is_command(self.event.text):
            return "it is no command"
        try:
            with acting_for(self.event.by):
                body = self._obeyed()
        except ForgeFailed:
            raise
        except Refused as problem:
            body = self._told("Refused", problem)
        except IacAgentError as problem:
            body = self._told("Not done", problem)
        marker = f"<!-- iacagent:answer {self.event.comment} -->"
        self.bot.forge.comment(self.pull.number, marker, answers.fitted(marker, body, self.bot.forge.limit))
        for work in self.after:
            work()
        return body.splitlines()[0]

    def _told(self, word: str, problem: IacAgentError) -> str:
        hint = f"\n\n{plain(self.bot.clean(problem.hint))}" if problem.hint else ""
        return f"**{word}**: {plain(self.bot.clean(problem.message))}{hint}\n"

    def _obeyed(self) -> str:
        """The answer. Raises Refused for who may not, and what must not."""
        bot, pull = self.bot, self.pull
        if not bot.forge.may_write(self.event.by):
            raise Refused(f"{self.event.by} may not push to this repository, so comments of theirs are not commands")
        command = commands.parse(self.event.text)
        if pull.state != "open":
            raise Refused(f"pull request {pull.number} is {pull.state}")
        bot.forge.seen(self.event)
        match command.name:
            case "plan":
                return f"{bot.review(pull).capitalize()}."
            case "apply":
                return self._apply(command)
            case "undo":
                return self._undo()
            case "explain":
                return answers.explain(self._looked_at(), command.given["address"])
            case "drift":
                return answers.drift(self._looked_at())
        return self._fix(command)

    def _looked_at(self) -> Review:
        """A review for an answer: nothing of it is kept or shown elsewhere."""
        self._require_own()
        with self.bot.checkouts(self.pull) as folder:
            return self.bot.reviewer().review(self.pull.base, self.pull.head, folder, rules=self.bot.ruling(self.pull))

    def _require_own(self) -> None:
        if not self.bot.is_own(self.pull):
            raise GateRefused(
                f"this is code of {self.pull.author or 'somebody'}, who may not push here: it is not run",
                hint="Somebody who may push can bring it to a branch of this repository.",
            )

    def _require_appliable(self) -> None:
        if self.bot.plans is None:
            raise Refused("no plans are kept here, so none can be applied", hint="See docs/review.md, applying.")
        self._require_own()
        if self.bot.foreign(self.pull):
            raise Refused(
                f"it goes into {self.pull.base_branch}, and comments may apply only what goes into {self.pull.default_branch}",
                hint="Name the branch in review.branches, in the configuration of the default branch.",
            )

    def _apply(self, command: Command) -> str:
        self._require_appliable()
        bot, given = self.bot, command.given
        assert bot.plans is not None
        plans = bot.plans
        named = {what: frozenset(given[f"allow_{what}"]) for what in ("replace", "destroy", "unknown")}
        wanted = Applying(tuple(given["roots"]), **named, include_unrelated=given["include_unrelated"])
        kept = plans.of(self.pull.number, undo=given["undo"])
        with bot.checkouts(self.pull):
            done = bot.applier.apply(bot.source, kept, wanted, self._present)
        applied = {one.name for one in done if not one.problem}
        gone = [k.binding for k in kept if k.binding.target.name in applied]
        self.after += [lambda b=b: plans.drop(b.number, b) for b in gone]  # type: ignore[misc]
        return self.bot.clean(answers.applied(done))

    def _present(self) -> Present:
        pull = self.bot.forge.pull(self.pull.number)
        return Present(pull, self.bot.forge.approvers(pull))

    def _undo(self) -> str:
        """Plan the configuration of the base for what is touched, and keep that for `apply --undo`."""
        self._require_appliable()
        bot, pull = self.bot, self.pull
        assert bot.plans is not None
        plans = bot.plans
        made: list[Kept] = []
        with bot.checkouts(pull) as folder:
            found = bot.reviewer().back(pull.base, pull.head, folder, lambda *plan: made.append(bot.sealed(pull, *plan, undo=True)))
        self.after += [lambda k=k: plans.keep(k.binding, k.saved) for k in made]  # type: ignore[misc]
        return answers.undo(found)

    def _fix(self, command: Command) -> str:
        self._require_own()
        bot, rule = self.bot, str(command.given["rule"]).upper()
        with bot.checkouts(self.pull) as folder:
            checkouts = Checkouts(bot.source.directory, folder)
            found = fix.fixes(bot.reviewer(), checkouts, self.pull, rule, bot.ruling(self.pull), command.given["address"])
        in_diff = [f.suggestion for f in found if f.suggestion is not None]
        if in_diff:
            bot.forge.suggest(self.pull, in_diff)
        return answers.fixed(rule, found)
