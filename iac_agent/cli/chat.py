"""`iacagent chat`: a session at the terminal. Requests are planned and shown; nothing is applied before `apply`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from iac_agent.cli.changes import agent_for, inputs
from iac_agent.cli.main import Globals
from iac_agent.errors import IacAgentError, NeedsAnswer

if TYPE_CHECKING:
    from iac_agent.agent.loop import Agent

_HELP = 'Ask for a change, refine it ("smaller", "and tag it owner=sre"), then: apply, undo, drop, quit.'


@click.command()
@inputs
@click.pass_obj
def chat(options: Globals, /, **flags: Any) -> int:
    """Keep a session: ask, refine, see the plan, approve, undo.

    A plan stands until `apply`, `drop` or another request. Lines may be piped in.
    """
    conversation = Conversation(agent_for(options, True, **flags), options)
    click.echo(_HELP, err=True)
    for line in _lines():
        if line in ("quit", "exit", "q"):
            break
        if line:
            conversation.hear(line)
    return 0


def _lines() -> Iterator[str]:
    """What people type, until the end of input."""
    while True:
        click.echo("> ", nl=False, err=True)
        try:
            line = input()
        except EOFError:
            return
        yield line.strip()


class Conversation:
    """What was asked so far, and the request that a plan stands for."""

    def __init__(self, agent: Agent, options: Globals) -> None:
        self.agent, self.options = agent, options
        self.request = ""
        self.touched: tuple[str, ...] = ()
        self.candidates: list[str] = []

    def hear(self, line: str) -> None:
        """Do what one line says; errors are told, and the session goes on."""
        try:
            self._do(line)
        except NeedsAnswer as question:
            self.candidates = question.candidates
            click.secho(f"Question: {question.message}", fg="yellow", err=True)
            for candidate in question.candidates:
                click.echo(f"  - {candidate}", err=True)
        except IacAgentError as problem:
            click.secho(f"{'Refused' if problem.exit_code == 3 else 'Error'}: {problem.message}", fg="red", err=True)
            if problem.hint:
                click.echo(f"  {problem.hint}", err=True)

    def _do(self, line: str) -> None:
        word = line.lower().rstrip("!. ")
        if word in ("apply", "yes", "do it", "go", "approve"):
            if not self.request:
                click.echo("There is no plan yet.", err=True)
                return
            self.agent.apply(self.request)
            self.request = ""
        elif word == "undo":
            from iac_agent.agent.undo import undo

            planner = self.agent.session.planner
            try:
                undo(self.agent)
            finally:
                self.agent.session = replace(self.agent.session, planner=planner)
        elif word in ("drop", "no", "cancel", "never mind"):
            self.request = ""
            click.echo("Dropped.", err=True)
        elif word in ("help", "?"):
            click.echo(_HELP, err=True)
        else:
            self._plan(line)

    def _plan(self, line: str) -> None:
        """Plan a new request, the answer to a question, or a refinement of the plan that stands."""
        answer = next((c.split(": ")[0] for c in self.candidates if line in (c, c.split(": ")[0]) or line in c.split(": ")[-1]), "")
        request = self.request if answer and self.request else _refined(self.request, line)
        if not answer:
            self.request = request
        self.candidates = []
        earlier = self.agent.session.answer if answer else ""
        self.agent.session = replace(self.agent.session, answer=";".join(filter(None, [earlier, answer])), about=self.touched)
        self.request = request
        prepared = self.agent.plan(request)
        self.touched = tuple(i.address for i in prepared.verdict.intended)


def _refined(before: str, line: str) -> str:
    """The request with a refinement: `and ...`, `but ...`, `also ...` add to what was asked; anything else stands alone."""
    first = line.split(maxsplit=1)[0].lower().rstrip(",") if line.split() else ""
    if before and first in ("and", "also", "plus", "then"):
        return f"{before}, {line if first == 'and' else 'and ' + line.split(maxsplit=1)[-1]}"
    return line
