"""The entry point: global options, commands that are imported only when they run, and errors as exit codes."""

from __future__ import annotations

import gc
import importlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import click

from iac_agent import __version__
from iac_agent.errors import IacAgentError

SCHEMA_VERSION = 1
_COMMANDS = {
    "plan": ("iac_agent.cli.changes", "Plan a request: edits, plan and verdict; changes nothing."),
    "apply": ("iac_agent.cli.changes", "Plan, approve, apply and verify a request, or a saved plan."),
    "undo": ("iac_agent.cli.changes", "Take the last change back, through the same flow."),
    "chat": ("iac_agent.cli.chat", "Keep a session: ask, refine, see the plan, approve, undo."),
    "drift": ("iac_agent.cli.drift", "What changed behind Terraform's back: detect it, say who did it, reconcile it."),
    "monitor": ("iac_agent.cli.monitor", "How what runs is doing: metrics, health, activity, boot logs, alerts."),
    "ask": ("iac_agent.cli.ask", "Answer a question about what runs or what is configured."),
    "operate": ("iac_agent.cli.operate", "Start, stop, restart, redeploy machines, or run a command on them."),
    "memory": ("iac_agent.cli.memory", "Proven changes that answer requests of their kind again."),
    "resume": ("iac_agent.cli.changes", "Finish an interrupted run, or give it up."),
    "policy": ("iac_agent.cli.policy", "Guardrails: list them, check a plan, compile plain words, prove what is reachable."),
    "review": ("iac_agent.cli.review", "Review a pull request: what it does, costs and breaks; apply exactly what was reviewed."),
    "serve": ("iac_agent.cli.serve", "The reviewing bot as a server of webhooks."),
    "approve": ("iac_agent.cli.approve", "Sign a saved plan, where a signature is needed."),
    "lock": ("iac_agent.cli.lock", "Run a command while holding the lock that Terraform takes."),
    "audit": ("iac_agent.cli.audit", "Show or verify the audit trail."),
    "bench": ("iac_agent.cli.bench", "Measure an agent on the study's tasks and a hard suite."),
    "gym": ("iac_agent.cli.gym_life", "Run a local Azure."),
    "completion": ("iac_agent.cli.completion", "Print shell completion for bash, zsh or fish."),
}
_LONG_WITH_ONE_DASH = re.compile(r"-[A-Za-z][A-Za-z-]+(=.*)?", re.DOTALL)


class _LazyGroup(click.Group):
    """Knows its commands by name; imports one only to run it, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(_COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


class Globals:
    """What the global options say. `document` is what --json prints at the end."""

    def __init__(self, directory: Path, config: Path | None, as_json: bool, color: bool) -> None:
        self.directory, self.config, self.as_json, self.color = directory, config, as_json, color
        self.document: dict[str, Any] = {}


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "-C",
    "--chdir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="The root module to work in.",
)
@click.option(
    "--config", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Configuration file instead of .iacagent.yaml."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@click.option("--no-color", is_flag=True, help="No colours (also NO_COLOR).")
@click.version_option(__version__, prog_name="iacagent")
@click.pass_context
def cli(ctx: click.Context, directory: Path, config: Path | None, as_json: bool, no_color: bool) -> None:
    """Plain-language changes to Azure infrastructure kept in Terraform.

    Exit codes: 0 done; 1 error; 2 changes present (with --detailed-exitcode); 3 refused, or approval missing; 4 the request needs an
    answer; 130 interrupted.
    """
    if not directory.is_dir():
        raise click.BadParameter(f"{directory} is not a directory", param_hint="-C")
    ctx.obj = Globals(directory, config, as_json, not (no_color or os.environ.get("NO_COLOR")))


def normalised(arguments: list[str]) -> list[str]:
    """Long options work with one dash too, as Terraform's do; everything behind `--` stays."""
    out: list[str] = []
    for position, argument in enumerate(arguments):
        if argument == "--":
            return out + arguments[position:]
        out.append(f"-{argument}" if _LONG_WITH_ONE_DASH.fullmatch(argument) else argument)
    return out


def main() -> None:
    """Run, and exit with the documented code."""
    collect_rarely()
    sys.exit(run(sys.argv[1:]))


def collect_rarely() -> None:
    """Let Python look for reference cycles after 100,000 new objects instead of 700.

    A command is short and the parsed files live as long as it does: walking them again and again took a third of the planner's time on
    1,000 resources.
    """
    gc.set_threshold(100_000, 50, 50)


def run(arguments: list[str]) -> int:
    arguments = normalised(arguments)
    as_json = "--json" in arguments[: arguments.index("--")] if "--" in arguments else "--json" in arguments
    try:
        outcome = cli.main(args=_json_first(arguments), prog_name="iacagent", standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except IacAgentError as problem:
        _tell(problem, as_json)
        return problem.exit_code
    except click.exceptions.Abort:
        click.echo("Interrupted.", err=True)
        return 130
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        return 130
    except click.ClickException as problem:
        problem.show()
        return 1
    except click.exceptions.Exit as leaving:
        return int(leaving.exit_code)
    except BrokenPipeError:
        sys.stdout = None
        return 1


def _json_first(arguments: list[str]) -> list[str]:
    """`--json` may stand anywhere before `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if "--json" in arguments[:end]:
        return ["--json", *(a for a in arguments[:end] if a != "--json"), *arguments[end:]]
    return arguments


def _tell(problem: IacAgentError, as_json: bool) -> None:
    if as_json:
        error = {"kind": problem.kind, "message": problem.message, "hint": problem.hint, "exit_code": problem.exit_code}
        for name in ("candidates", "addresses", "nearest"):
            if hasattr(problem, name):
                error[name] = getattr(problem, name)
        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, "error": error}, indent=2))
        return
    word = {3: "Refused", 4: "Question"}.get(problem.exit_code, "Error")
    click.secho(f"{word}: ", fg="red" if word == "Error" else "yellow", bold=True, err=True, nl=False)
    click.echo(problem.message, err=True)
    for candidate in getattr(problem, "candidates", []):
        click.echo(f"  - {candidate}", err=True)
    if problem.hint:
        click.echo(f"  {problem.hint}", err=True)


if __name__ == "__main__":
    main()
