"""Where pull requests live. `Forge` is what the bot needs of any of them; each forge is one file beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from iac_agent.review.report import Review

State = Literal["open", "closed", "merged"]


@dataclass(frozen=True)
class PullRequest:
    """A pull request as it is now. `head`, `base` and `default` are commits: the last two the tips of the branch it goes into, and of the
    default branch. `fork`: its branch is in another repository. `pushers` are people whose commits it holds, as far as that is known.
    """

    number: int
    title: str
    author: str
    state: State
    head: str
    base: str
    head_branch: str
    base_branch: str
    default: str = ""
    default_branch: str = ""
    fork: bool = False
    pushers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Event:
    """What a forge told: a pull request was `opened` (or got new commits), `closed`, or somebody `commented` on it."""

    kind: Literal["opened", "closed", "commented"]
    number: int
    by: str = ""
    text: str = ""
    comment: str = ""


@dataclass(frozen=True)
class Suggestion:
    """Lines of a file at the head (1-based, both included) and what should stand there instead."""

    path: str
    first: int
    last: int
    text: str
    why: str


class Forge(Protocol):
    """One repository on a forge. Everything raises ForgeFailed."""

    @property
    def name(self) -> str: ...

    @property
    def limit(self) -> int:
        """How many bytes a comment may have."""

    def remote(self) -> tuple[str, str]:
        """Where git fetches the repository, and the header that signs in there."""

    def pull(self, number: int) -> PullRequest: ...

    def may_write(self, user: str) -> bool:
        """Whether a person may push to the repository: what comments may do is bound to it."""

    def approvers(self, pull: PullRequest) -> frozenset[str]:
        """Who approved the commit that is the head now, and did not write the pull request."""

    def comment(self, number: int, marker: str, body: str) -> str:
        """Write a comment, or over the one of ours that begins with the marker; returns its address."""

    def publish(self, pull: PullRequest, review: Review, body: str, link: str) -> None:
        """Show a review beside the pull request, as the forge does: checks, annotations, reports."""

    def suggest(self, pull: PullRequest, suggestions: Sequence[Suggestion]) -> None:
        """Propose lines, where the forge can take them over with a click."""

    def seen(self, event: Event) -> None:
        """Show that a comment was read."""

    def proposed(self, branch: str) -> int | None:
        """The open pull request of a branch of ours."""

    def propose(self, branch: str, into: str, title: str, body: str) -> int:
        """Open a pull request, or bring the one of this branch up to date; returns its number."""

    def withdraw(self, number: int, why: str) -> None:
        """Close a pull request of ours."""

    def event(self, kind: str, payload: Any) -> Event | None:
        """What a delivery says; None for what is nothing to the bot."""

    def close(self) -> None:
        """Hang up."""
