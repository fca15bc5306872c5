"""`iacagent review`: what a pull request will do, what it costs, what it breaks, and whether applying it will do exactly that."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from iac_agent.cli.changes import with_document
from iac_agent.cli.main import Globals
from iac_agent.errors import UsageError

if TYPE_CHECKING:
    from iac_agent.review.bot import Bot
    from iac_agent.review.forges import Event, Forge
    from iac_agent.review.report import Review

FORGES = ("auto", "github", "gitlab", "azure-devops", "none")


@click.command()
@click.option("--base", default="", metavar="REV", help="What it goes into; else origin's default branch, or what the event says.")
@click.option("--head", default="HEAD", show_default=True, metavar="REV", help="What is reviewed.")
@click.option("--staged", is_flag=True, help="Review what is staged for the next commit, against HEAD.")
@click.option("--static", is_flag=True, help="Read the configuration only: run nothing, and use no credentials.")
@click.option("--pull-request", "number", type=int, default=0, help="The number of the pull request, on a forge.")
@click.option(
    "--event", "event_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The event of a workflow, as JSON."
)
@click.option("--forge", type=click.Choice(FORGES), default="auto", show_default=True, help="Where the pull request is.")
@click.option("--comment", type=click.Path(path_type=Path, dir_okay=False), help="Write the whole comment to a file.")
@click.option("--sarif", type=click.Path(path_type=Path, dir_okay=False), help="Write the findings as SARIF.")
@click.option("--code-quality", type=click.Path(path_type=Path, dir_okay=False), help="Write GitLab's code quality report.")
@click.option("--widget", type=click.Path(path_type=Path, dir_okay=False), help="Write the counts of GitLab's merge request widget.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the plans here, encrypted, for an apply.")
@click.option("--link", default="", metavar="URL", help="Where the whole review can be read.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes.")
@click.pass_obj
def review(options: Globals, /, detailed_exitcode: bool, **flags: Any) -> int:
    """Review a change of a repository, and tell it as one comment.

    Exit codes: 0 it passes (also with warnings); 1 something could not be planned; 3 it is refused.

    For example: iacagent review --base origin/main
    """

    def work() -> int:
        given = Given(**flags)
        found = _Run(options, given).run()
        if found is None:
            return 0
        if options.as_json:
            options.document["review"] = found.as_json()
        changes = any(r.rows for r in found.roots)
        return {"refused": 3, "failed": 1}.get(found.outcome, 2 if changes and detailed_exitcode else 0)

    return with_document(options, work)


@dataclass(frozen=True)
class Given:
    """What the flags say."""

    base: str
    head: str
    staged: bool
    static: bool
    number: int
    event_file: Path | None
    forge: str
    comment: Path | None
    sarif: Path | None
    code_quality: Path | None
    widget: Path | None
    keep: Path | None
    link: str


class _Run:
    """One review, or one answer to a comment, in a checkout."""

    def __init__(self, options: Globals, given: Given) -> None:
        from iac_agent.hcl.module import repository_of

        self.options, self.given, self.told = options, given, dict(os.environ)
        top = repository_of(options.directory.resolve())
        if top is None:
            raise UsageError(f"{options.directory} is in no git repository", hint="A review compares two commits.")
        self.top = top
        self.found: Review | None = None

    def run(self) -> Review | None:
        """Review, or answer; the review, where there was one."""
        from iac_agent.cli.serve import tell

        forge = self._forge()
        bot = self._bot(forge)
        if self.given.event_file is not None:
            event = self._event(forge)
            done = bot.handle(event) if event is not None else "there is nothing to do"
        elif forge.name == "none":
            done = bot.review(forge.pull(0), trusted=not self.given.static)
        else:
            if not self.given.number:
                raise UsageError("which pull request is meant?", hint="Pass --pull-request N, or --event FILE.")
            done = bot.review(forge.pull(self.given.number))
        forge.close()
        tell(done)
        return self.found

    def _event(self, forge: Forge) -> Event | None:
        assert self.given.event_file is not None
        try:
            payload = json.loads(self.given.event_file.read_text("utf-8"))
        except ValueError as problem:
            raise UsageError(f"{self.given.event_file} is no event: {problem}") from problem
        return forge.event(self.told.get("GITHUB_EVENT_NAME", "") or str(payload.get("object_kind", "")), payload)

    def _bot(self, forge: Forge) -> Bot:
        from iac_agent.cli import review_wiring
        from iac_agent.cli.serve import tell

        home = self.top / ".git" / "iacagent"
        plans = self.given.keep.resolve() if self.given.keep else None
        made = review_wiring.bot(forge, review_wiring.checkout(self.top, forge), self.told, home, plans, self.options.config)
        made.page = self._page
        made.tell = tell
        return made

    def _page(self, number: int, found: Review) -> str:
        """Write the files that were asked for; where the whole review can be read."""
        from iac_agent.review import comment, formats
        from iac_agent.review.forges import github

        self.found = found
        whole = comment.render(found, commands=number > 0)
        outputs: dict[Path | None, Any] = {
            self.given.sarif: formats.sarif(found),
            self.given.code_quality: formats.code_quality(found),
            self.given.widget: formats.widget(found),
        }
        for file, content in outputs.items():
            if file is not None:
                file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if self.given.comment is not None:
            self.given.comment.write_text(whole, encoding="utf-8")
        elif number == 0 and not self.options.as_json:
            click.echo(whole.split("\n", 1)[1], nl=False)
        github.step_summary(comment.render(found, limit=1_000_000), self.told)
        return self.given.link or github.run_page(self.told) or self.told.get("CI_JOB_URL", "")

    # --- which forge ---------------------------------------------------------------------------------------------------

    def _forge(self) -> Forge:
        from iac_agent.cli import review_wiring
        from iac_agent.review.forges.plain import Plain

        name = review_wiring.detected(self.told) if self.given.forge == "auto" else self.given.forge
        if name != "none" and (self.given.number or self.given.event_file):
            return review_wiring.forge(name, self.told)
        base, head = self._revisions()
        return Plain(base, head)

    def _revisions(self) -> tuple[str, str]:
        """The commits to compare; what is staged becomes a commit that no branch has."""
        from iac_agent.agent.git import IDENTITY, Git

        git = Git(self.top)
        if self.given.staged:
            parent = git.told("rev-parse", "HEAD")
            return parent, git.told("commit-tree", git.told("write-tree"), "-p", parent, "-m", "staged", extra=IDENTITY)
        base = self.given.base or _default_branch(git)
        found = [git.told("rev-parse", "--verify", "--quiet", f"{r}^{{commit}}", accept=(0, 1)) for r in (base, self.given.head)]
        for revision, commit in zip((base, self.given.head), found, strict=True):
            if not commit:
                raise UsageError(f"{revision} is no revision here", hint="Fetch it (actions/checkout: fetch-depth: 0), or name another.")
        return found[0], found[1]


def _default_branch(git: Any) -> str:
    """What a review goes against by itself: the default branch of origin, else main or master."""
    told = str(git.told("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD", accept=(0, 1)))
    for name in (told, "origin/main", "origin/master", "main", "master"):
        if name and git.told("rev-parse", "--verify", "--quiet", name, accept=(0, 1)):
            return name
    raise UsageError("what does it go into?", hint="Pass --base REV.")
