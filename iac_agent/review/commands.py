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
    "plan": click.Command("plan", add_help_option=False),
    "apply": click.Command(
        "apply",
        params=[
            click.Argument(["roots"], nargs=-1),
            _flag("--allow-replace"),
            _flag("--allow-destroy"),
            _flag("--allow-unknown"),
            click.Option(["--include-unrelated"], is_flag=True),
            click.Option(["--undo"], is_flag=True),
        ],
        add_help_option=False,
    ),
    "explain": click.Command("explain", params=[click.Argument(["address"])], add_help_option=False),
    "fix": click.Command(
        "fix", params=[click.Argument(["rule"]), click.Argument(["address"], required=False, default="")], add_help_option=False
    ),
    "drift": click.Command("drift", add_help_option=False),
    "undo": click.Command("undo", add_help_option=False),
}


@dataclass(frozen=True)
class Command:
    """One command: its name and what it was given."""

    name: str
    given: dict[str, Any] = field(default_factory=dict)


def line(text: str) -> str:
    """The line of a comment that can be a command: its first."""
    return next((one.strip("\r\n") for one in text.splitlines() if one.strip()), "")


def is_command(text: str) -> bool:
    """Whether a comment is one, understood or not."""
    first = line(text)
    return first.startswith(PREFIX) and first[len(PREFIX) :][:1] in ("", " ", "\t")


def parse(text: str) -> Command:
    """The command of a comment that is one. Raises UsageError for one that is not understood."""
    try:
        words = shlex.split(line(text)[len(PREFIX) :])
    except ValueError as problem:
        raise UsageError(f"the command is not understood: {problem}") from problem
    known = _COMMANDS.get(words[0]) if words else None
    if known is None:
        raise UsageError(f"there is no command {words[0]!r}" if words else "there is no command", hint=f"There are {', '.join(_COMMANDS)}.")
    try:
        return Command(words[0], dict(known.make_context(words[0], words[1:]).params))
    except click.ClickException as problem:
        raise UsageError(f"{words[0]}: {problem.format_message()}") from problem
