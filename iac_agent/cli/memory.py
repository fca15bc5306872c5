"""`iacagent memory`: list, show, forget and run the metaprograms of a root module."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from iac_agent.cli.changes import agent_for, approvals, inputs, with_document
from iac_agent.cli.main import SCHEMA_VERSION, Globals
from iac_agent.errors import UsageError

if TYPE_CHECKING:
    from iac_agent.store.memory import Memory, Metaprogram


@click.group()
def memory() -> None:
    """Proven changes that answer requests of their kind again, without a model."""


@memory.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Also those that are void, replaced or forgotten.")
@click.pass_obj
def list_programs(options: Globals, everything: bool) -> None:
    """List the programs, the newest first."""
    programs = _open(options).programs(everything=everything)
    if options.as_json:
        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, "programs": [asdict(p) for p in programs]}, indent=2))
        return
    for program in programs:
        click.echo(f"{program.id:>4}  {program.status:<9} used {program.used:>3}  {program.pattern}")
    if not programs:
        click.echo("Nothing is remembered here yet.", err=True)


@memory.command()
@click.argument("identifier", type=int)
@click.pass_obj
def show(options: Globals, identifier: int) -> None:
    """Show one: its parameters, edits, checks and evidence."""
    click.echo(json.dumps({"schema_version": SCHEMA_VERSION, **asdict(_get(options, identifier))}, indent=2))


@memory.command()
@click.argument("identifier", type=int)
@click.pass_obj
def forget(options: Globals, identifier: int) -> None:
    """Never use one again."""
    _get(options, identifier)
    _open(options).mark(identifier, "forgotten")
    click.echo(f"Program {identifier} is forgotten.", err=True)


@memory.command()
@click.argument("identifier", type=int)
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@inputs
@approvals
@click.pass_obj
def run(options: Globals, /, identifier: int, values: tuple[str, ...], **flags: object) -> int:
    """Run one with other parameters, as in: iacagent memory run 3 r1=vm-api"""

    def work() -> int:
        from dataclasses import replace

        from iac_agent.planner.remembered import ProgramPlanner

        program = _get(options, identifier)
        given = dict(v.split("=", 1) for v in values if "=" in v)
        unknown = sorted(set(given) - set(program.parameters)) or sorted(set(program.parameters) - set(given))
        if unknown or len(given) != len(values):
            wanted = " ".join(f"{n}=... ({k})" for n, k in program.parameters.items())
            raise UsageError(f"program {identifier} takes: {wanted or 'no parameters'}")
        agent = agent_for(options, True, **flags)
        agent.session = replace(agent.session, planner=ProgramPlanner(program, given))
        agent.apply(program.pattern.format_map(given))
        return 0

    return with_document(options, work)


def _open(options: Globals) -> Memory:
    from iac_agent.store.home import Home
    from iac_agent.store.memory import Memory

    return Memory(Home(options.directory).database_url)


def _get(options: Globals, identifier: int) -> Metaprogram:
    program = _open(options).get(identifier)
    if program is None:
        raise UsageError(f"there is no program {identifier}", hint="See: iacagent memory list")
    return program
