"""Edits as a commit on a branch of their own: the working tree, the index and the branch that is checked out stay as they are.

Source: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects (an index file of our own, write-tree, commit-tree, update-ref).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from iac_agent.agent.git import IDENTITY, Git
from iac_agent.drift.finding import Finding
from iac_agent.drift.wording import cause_text, difference_text
from iac_agent.errors import Refused
from iac_agent.hcl.changeset import FileChange

_TRAILER = "Drift-Finding"


def message(findings: Sequence[Finding]) -> str:
    """The commit message: what is adopted, who did it, and a trailer for each finding."""
    subjects = [f.address or f.name for f in findings]
    lines = [f"Take over drift of {subjects[0]}" + (f" and {len(subjects) - 1} more" if len(subjects) > 1 else ""), ""]
    for finding in findings:
        lines.append(f"{finding.kind} {finding.subject}")
        lines += [f"  {difference_text(d)}" for d in finding.differences]
        lines.append(f"  {cause_text(finding)}")
    return "\n".join([*lines, "", *(f"{_TRAILER}: {f.key}" for f in findings)]) + "\n"


def commit(directory: Path, branch: str, files: Sequence[FileChange], text: str) -> str:
    """Commit the changed files as `branch`, on top of HEAD or of what is on the branch since; returns the commit id.

    A branch that says the same already is left as it is. Raises Refused when someone else committed to it, it is checked out, or a
    file is not as in HEAD; GitFailed when git does.
    """
    git = Git(directory)
    top = Git(Path(git.told("rev-parse", "--show-toplevel")))
    reference, head = f"refs/heads/{branch}", git.told("rev-parse", "HEAD")
    git.told("check-ref-format", reference)
    tip = git.told("rev-parse", "-q", "--verify", reference, accept=(0, 1))
    _require_ours(git, branch, reference, head, tip)
    base = tip if tip and git.told("merge-base", head, tip, accept=(0, 1)) == head else head
    tree = _tree(top, head, base, files)
    if git.told("rev-parse", f"{base}^{{tree}}") == tree:
        return base
    who = {} if git.told("config", "user.email", accept=(0, 1)) else IDENTITY
    made = git.told("commit-tree", tree, "-p", base, "-F", "-", stdin=text.encode(), extra=who)
    git.told("update-ref", "-m", "iacagent drift reconcile", reference, made, tip or "0" * len(made))
    return made


def _require_ours(git: Git, branch: str, reference: str, head: str, tip: str) -> None:
    if git.told("symbolic-ref", "-q", "HEAD", accept=(0, 1)) == reference:
        raise Refused(f"{branch} is checked out", hint="Check out the branch that Terraform applies, and name another one.")
    if not tip:
        return
    untold = git.told("log", "--format=%H", f"--grep=^{_TRAILER}: ", "--invert-grep", f"{head}..{tip}")
    if untold:
        raise Refused(f"{branch} holds commits of others ({untold.split()[0][:12]})", hint="Merge it, or name another branch.")


def _tree(top: Git, head: str, base: str, files: Sequence[FileChange]) -> str:
    """The tree of `base` with the files changed, written through an index of its own."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        top.told("read-tree", base, extra=own)
        for change in files:
            name = os.path.relpath(change.path.resolve(), top.directory.resolve())
            _require_committed(top, name, head, change)
            blob = top.told("hash-object", "-w", "--stdin", f"--path={name}", stdin=change.after)
            held = top.told("ls-tree", head, "--", name)
            mode = held.split()[0] if held else "100644"
            top.told("update-index", "--add", "--cacheinfo", f"{mode},{blob},{name}", extra=own)
        return top.told("write-tree", extra=own)


def _require_committed(top: Git, name: str, head: str, change: FileChange) -> None:
    """Raise Refused when the file holds what is not in HEAD: the branch would carry somebody's unfinished work."""
    if top.told("check-ignore", "--", name, accept=(0, 1)):
        raise Refused(f"{name} is ignored by git: a branch cannot hold its change", hint="Reconcile without --branch.")
    if change.before is None:
        return
    committed = top.told("rev-parse", "-q", "--verify", f"{head}:{name}", accept=(0, 1))
    if committed != top.told("hash-object", "--stdin", f"--path={name}", stdin=change.before):
        raise Refused(f"{name} has changes that are not committed", hint="Commit or stash them first.")
