"""Commands in comments: `/iacagent apply live/web --allow-replace ADDR`. Only the first line of a comment can be one, no quotation is."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any

import click

from iac_agent.errors import UsageError

PREFIX = "/iacagent"


def _flag(name: str) -> click.Option:
    return click.Option([name], multiple=True)


_COMMANDS = {
    "plan": click.Command("plan"),
    "apply": click.Command(
        "apply",
        params=[
            click.Argument(["roots"], nargs=-1),
            _flag("--allow-replace"),
            _flag("--allow-destroy"),
            _flag("--allow-unknown"),
            click.Option(["--include-unrelated"], is_flag=True),
        ],
    ),
    "explain": click.Command("explain", params=[click.Argument(["address"])]),
    "fix": click.Command("fix", params=[click.Argument(["rule"]), click.Argument(["address"], required=False, default="")]),
    "drift": click.Command("drift"),
    "undo": click.Command("undo"),
}


@dataclass(frozen=True)
class Command:
    """One command: its name and what it was given."""

    name: str
    given: dict[str, Any] = field(default_factory=dict)


def parse(text: str) -> Command | None:
    """The command of a comment; None when it is none. Raises UsageError for one that is not understood."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first.startswith(PREFIX) or first[len(PREFIX) :][:1] not in ("", " ", "\t"):
        return None
    try:
        words = shlex.split(first[len(PREFIX) :])
    except ValueError as problem:
        raise UsageError(f"the command is not understood: {problem}") from problem
    known = _COMMANDS.get(words[0]) if words else None
    if known is None:
        raise UsageError(f"there is no command {words[0]!r}" if words else "there is no command", hint=f"There are {', '.join(_COMMANDS)}.")
    try:
        return Command(words[0], dict(known.make_context(words[0], words[1:], resilient_parsing=False).params))
    except click.ClickException as problem:
        raise UsageError(f"{words[0]}: {problem.format_message()}") from problem
    except click.exceptions.Exit as leaving:
        raise UsageError(f"{words[0]} has no --help here", hint="See docs/review.md.") from leaving
