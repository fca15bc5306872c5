"""Revisions of a repository, each checked out in a clone of its own: its working tree, index and branches stay as they are.

What is planned is what will be there after the merge: the head merged into the base as it is now. Where that conflicts it is the head.
Sources: https://git-scm.com/docs/git-merge-tree, https://git-scm.com/docs/git-clone (--shared)
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from iac_agent.agent.git import IDENTITY, Git
from iac_agent.errors import UsageError

_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false", "-c", "protocol.ext.allow=never")


@dataclass(frozen=True)
class Revisions:
    """The commits of a review. `fork` is where the head left the base; `behind` are the commits that the base has since, the newest first;
    `conflicts` the files in which the two cannot be merged.
    """

    base: str
    head: str
    fork: str
    behind: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    tree: str = ""


@dataclass
class Checkouts:
    """Checkouts of one repository below `folder`. Each is made when it is first asked for."""

    repository: Path
    folder: Path
    _made: dict[str, Path] = field(default_factory=dict)

    def revisions(self, base: str, head: str) -> Revisions:
        """What there is to review. Raises UsageError for a revision that is not there, or a history that was not fetched."""
        git = Git(self.repository)
        tips = [self._commit(git, r) for r in (base, head)]
        fork = git.told("merge-base", *tips, accept=(0, 1)).split("\n")[0]
        if not fork:
            raise UsageError(
                f"{base} and {head} have no commit in common here", hint="Fetch the whole history (actions/checkout: fetch-depth: 0)."
            )
        behind = git.told("rev-list", f"{fork}..{tips[0]}").split()
        merged = git.told("merge-tree", "--write-tree", "--name-only", "--no-messages", *tips, accept=(0, 1)).split("\n")
        return Revisions(tips[0], tips[1], fork, tuple(behind), tuple(n for n in merged[1:] if n), merged[0])

    @staticmethod
    def _commit(git: Git, revision: str) -> str:
        found = git.told("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", accept=(0, 1))
        if not found:
            raise UsageError(f"{revision} is no revision of {git.directory}", hint="Fetch it (actions/checkout: fetch-depth: 0).")
        return found

    def at(self, revision: str) -> Path:
        """The top of a checkout of a commit."""
        if revision not in self._made:
            self.folder.mkdir(parents=True, exist_ok=True)
            place = self.folder / revision
            git = Git(self.repository)
            if (place / ".git" / "complete").is_file():  # of a process that died
                self._made[revision] = place
                return place
            shutil.rmtree(place, ignore_errors=True)
            git.told(*_QUIET, "clone", "--quiet", "--shared", "--no-checkout", str(self.repository.resolve()), str(place))
            Git(place).told(*_QUIET, "checkout", "--quiet", "--detach", revision)
            _unlink(place)
            (place / ".git" / "complete").touch()
            self._made[revision] = place
        return self._made[revision]

    def unlinked(self, revision_top: Path) -> list[str]:
        """The links that were taken out of a checkout because they lead out of it, or nowhere."""
        return (revision_top / ".git" / "unlinked").read_text("utf-8", "replace").split("\0")[:-1]

    def tops(self) -> list[Path]:
        """The tops of all checkouts, as they are named and as they really are."""
        return [p for made in self._made.values() for p in dict.fromkeys((made, made.resolve()))]

    def merged(self, revisions: Revisions) -> Path:
        """The top of a checkout of what is planned."""
        if revisions.conflicts or revisions.fork == revisions.base:
            return self.at(revisions.head)
        git = Git(self.repository)
        made = git.told(
            "commit-tree", revisions.tree, "-p", revisions.base, "-p", revisions.head, "-m", "merged for review",
            extra={**IDENTITY, "GIT_AUTHOR_DATE": "1970-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "1970-01-01T00:00:00Z"},
        )  # fmt: skip
        return self.at(made)

    def changed(self, before: str, after: str) -> list[str]:
        """The names of the files that differ between two commits; a renamed one under both names."""
        told = Git(self.repository).run(
            "diff", "--name-only", "--no-renames", "--no-ext-diff", "--ignore-submodules=none", "-z", before, after
        )
        return [n for n in told.stdout.decode("utf-8", "surrogateescape").split("\0") if n]


def _unlink(top: Path) -> None:
    """Take links out of a checkout that lead out of it, or nowhere: what is read of it must be in git."""
    taken = []
    for folder, inner, files in os.walk(top):
        inner[:] = [d for d in inner if d != ".git"]
        for name in (*inner, *files):
            link = Path(folder) / name
            if link.is_symlink() and not _stays(link, top.resolve()):
                link.unlink()
                taken.append(link.relative_to(top).as_posix())
    (top / ".git" / "unlinked").write_text("".join(f"{name}\0" for name in taken), "utf-8", "replace")


def _stays(link: Path, top: Path) -> bool:
    try:
        found = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return False
    return found.is_relative_to(top) and ".git" not in found.relative_to(top).parts
