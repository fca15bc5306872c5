"""The repository that a bot reviews: the checkout of a job, or a copy that the server keeps and brings up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from iac_agent.agent.git import Git
from iac_agent.errors import GitFailed
from iac_agent.review.forges import PullRequest


@dataclass(frozen=True)
class Source:
    """A git repository on this machine. `remote` tells where commits are fetched from and pushed to (empty: nowhere), and the header that
    signs in there; `pulls` names the heads of pull requests there, with `{number}` in it.
    """

    directory: Path
    remote: Callable[[], tuple[str, str]] = lambda: ("", "")
    pulls: str = "refs/pull/{number}/head"

    def ensure(self) -> None:
        """Make the copy, where there is none yet."""
        if not (self.directory / "HEAD").exists() and not (self.directory / ".git").exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            Git(self.directory).told("init", "--quiet", "--bare", ".")

    def fetch(self, pull: PullRequest) -> None:
        """Have both commits here. Raises GitFailed when they cannot be had."""
        git = Git(self.directory)
        if self.has(pull.base) and self.has(pull.head):
            return
        remote, header = self.remote()
        if not remote:
            missing = pull.head if self.has(pull.base) else pull.base
            raise GitFailed(f"commit {missing[:12]} is not here", hint="Fetch the whole history (actions/checkout: fetch-depth: 0).")
        wanted = [f"+refs/heads/{pull.base_branch}:refs/iacagent/base/{pull.number}"]
        wanted.append(f"+{self.pulls.format(number=pull.number)}:refs/iacagent/head/{pull.number}")
        git.told("fetch", "--quiet", "--no-tags", "--force", "--no-recurse-submodules", remote, *wanted, extra=_signed(header))
        for commit in (pull.base, pull.head):
            if not self.has(commit):
                raise GitFailed(f"commit {commit[:12]} is not at {remote} any more", hint="It was pushed over; a new event will come.")

    def pull(self, branch: str) -> None:
        """Have a branch of ours as it is at the remote, where it is there; what is here and not there is left behind."""
        remote, header = self.remote()
        git = Git(self.directory)
        there = git.told("ls-remote", "--heads", remote, f"refs/heads/{branch}", extra=_signed(header)) if remote else ""
        if there:
            git.told("fetch", "--quiet", "--no-tags", "--force", remote, f"+refs/heads/{branch}:refs/heads/{branch}", extra=_signed(header))
        elif git.told("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", accept=(0, 1)):
            git.told("branch", "--quiet", "-D", branch)

    def push(self, branch: str, commit: str) -> None:
        """Bring a branch of ours to a commit. Raises GitFailed when somebody pushed to it since it was pulled."""
        remote, header = self.remote()
        git = Git(self.directory)
        there = git.told("ls-remote", "--heads", remote, f"refs/heads/{branch}", extra=_signed(header)).split("\t")[0]
        if there == commit:
            return
        if there and not self.has(there):
            raise GitFailed(f"somebody pushed to {branch} meanwhile", hint="Run it again: what they pushed is looked at then.")
        lease = f"--force-with-lease=refs/heads/{branch}:{there}"
        git.told("push", "--quiet", lease, remote, f"{commit}:refs/heads/{branch}", extra=_signed(header))

    def drop(self, branch: str) -> None:
        """Take a branch of ours away, here and at the remote."""
        remote, header = self.remote()
        git = Git(self.directory)
        if git.told("ls-remote", "--heads", remote, f"refs/heads/{branch}", extra=_signed(header)):
            git.told("push", "--quiet", remote, f":refs/heads/{branch}", extra=_signed(header))
        if git.told("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", accept=(0, 1)):
            git.told("branch", "--quiet", "-D", branch)

    def has(self, commit: str) -> bool:
        return bool(Git(self.directory).told("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}", accept=(0, 1, 128)))


def _signed(header: str) -> Mapping[str, str]:
    """Signs in by the environment, where no list of processes shows it."""
    quiet = {"GIT_TERMINAL_PROMPT": "0"}
    if not header:
        return quiet
    return {**quiet, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.extraHeader", "GIT_CONFIG_VALUE_0": header}
