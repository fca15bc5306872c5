"""`iacagent ask`: a question to what knows the answer, a wish for change to `plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from iac_agent.cli.main import Globals
from iac_agent.errors import IacAgentError, NeedsAnswer, UsageError

if TYPE_CHECKING:
    from iac_agent.monitor.answer import Answer


@click.command()
@click.argument("question")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw the series of the answer into FILE.png, .svg or .html.")
@click.option("--csv", "as_csv", is_flag=True, help="Print rows as CSV.")
@click.option("--tz", "timezone", default="", metavar="ZONE", help="Time zone to read and show times in [default: this machine's].")
@click.option("--answer", default="", help="The answer to a question about an ambiguous one.")
@click.pass_obj
def ask(options: Globals, question: str, plot: Path | None, as_csv: bool, timezone: str, answer: str) -> int:
    """Answer QUESTION. Reads only.

    A question about run time is answered by Azure Monitor, one about what is configured by state and configuration; a wish for change is
    planned (nothing is applied).

    For example: iacagent ask "how busy was db over the last 6 hours?" --plot cpu.png
    """
    from iac_agent.cli.monitor_wiring import show
    from iac_agent.monitor.questions import Kind, read

    reading = read(question)
    if not question.strip():
        raise UsageError("there is no question", hint='For example: iacagent ask "is everything all right?"')
    if reading.kind == Kind.OPERATION:
        raise UsageError(f"{question!r} is an operation, not a question", hint=f'Carry it out with: iacagent apply "{question}"')
    if reading.kind == Kind.CHANGE:
        return _planned(options, question, answer)
    show(options, _answered(options, question, timezone, answer), plot=plot, as_csv=as_csv)
    return 0


def _planned(options: Globals, wish: str, answer: str) -> int:
    from iac_agent.cli.changes import agent_for, with_document

    def work() -> int:
        agent = agent_for(options, False, answer=answer)
        agent.plan(wish)
        agent.session.reporter.note(f'Nothing is applied. To do it: iacagent apply "{wish}"')
        return 0

    return with_document(options, work)


def _answered(options: Globals, question: str, timezone: str, answer: str) -> Answer:
    """By the built-in understanding; by the model where one is configured and that does not understand, or is not wanted."""
    import os

    from iac_agent.cli import config, wiring
    from iac_agent.cli.monitor_wiring import monitor_for

    settings = config.load(options.directory.resolve(), options.config)
    source = monitor_for(options, timezone, answer)
    client = wiring.model_client(settings, os.environ)
    if client is None or settings.planner.mode != "model":
        try:
            return source.ask(question)
        except NeedsAnswer as unclear:
            if client is None or unclear.candidates:
                raise
    from iac_agent.monitor.model import ModelAnswerer

    try:
        return ModelAnswerer(client, source).ask(question)
    except IacAgentError:
        if settings.planner.mode == "model":
            raise
        return source.ask(question)
