"""No forge at all: a change of the checkout, told at the terminal and in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iac_agent.errors import UsageError
from iac_agent.review.forges import Event, PullRequest, Suggestion
from iac_agent.review.report import Review


class Plain:
    """Two revisions as if they were a pull request. Comments are written to a file, or nowhere."""

    name = "none"
    limit = 0

    def __init__(self, base: str, head: str, out: Path | None = None) -> None:
        self._pull = PullRequest(0, "", "", "open", head, base, head, base, base, base)
        self._out = out

    def remote(self) -> tuple[str, str]:
        return "", ""

    def pull(self, number: int) -> PullRequest:
        return self._pull

    def may_write(self, user: str) -> bool:
        return True

    def approvers(self, pull: PullRequest) -> frozenset[str]:
        return frozenset()

    def comment(self, number: int, marker: str, body: str) -> str:
        if self._out is None:
            return ""
        self._out.write_text(body, encoding="utf-8")
        return str(self._out)

    def publish(self, pull: PullRequest, review: Review, body: str, link: str) -> None:
        """There is nothing beside the comment."""

    def suggest(self, pull: PullRequest, suggestions: Sequence[Suggestion]) -> None:
        """There is nowhere to suggest."""

    def seen(self, event: Event) -> None:
        """Nobody looks."""

    def proposed(self, branch: str) -> int | None:
        return None

    def propose(self, branch: str, into: str, title: str, body: str) -> int:
        raise UsageError("there is no forge to open a pull request on", hint="Name one with --forge.")

    def withdraw(self, number: int, why: str) -> None:
        """There is nothing to close."""

    def close(self) -> None:
        """There is no line."""

    def event(self, kind: str, payload: Any) -> Event | None:
        return None
