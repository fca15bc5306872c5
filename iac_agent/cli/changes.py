"""`iacagent plan`, `apply` and `resume`: flags in, session out; no logic."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from iac_agent.cli.main import SCHEMA_VERSION, Globals
from iac_agent.errors import IacAgentError, UsageError

if TYPE_CHECKING:
    from iac_agent.agent.loop import Agent
    from iac_agent.guard.verdict import Verdict

F = TypeVar("F", bound=Callable[..., Any])


def terraform_inputs(command: F) -> F:
    """The flags of Terraform's own that its plans take."""
    options = [
        click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A Terraform variable."),
        click.option("--var-file", "var_files", multiple=True, metavar="FILE", help="A file of Terraform variables."),
        click.option("--lock-timeout", default="", metavar="DURATION", help="How long to wait for locks, as in 30s."),
        click.option("--parallelism", type=int, default=0, help="Terraform's parallelism."),
    ]
    return _with(options, command)


def inputs(command: F) -> F:
    """The flags of everything that understands a request."""
    options = [
        terraform_inputs,
        click.option("--answer", default="", help="The answer to a question about an ambiguous request; several with ; between."),
        click.option("--explain", is_flag=True, help="Say how the request was understood."),
        click.option("--include-unrelated", is_flag=True, help="Also apply changes the request did not ask for."),
    ]
    return _with(options, command)


def approvals(command: F) -> F:
    """The flags of every command that applies something."""
    options = [
        click.option("--auto-approve", is_flag=True, help="Approve changes in place and creations; never a replacement or a destroy."),
        click.option("--allow-replace", multiple=True, metavar="ADDR", help="Approve the replacement of this address."),
        click.option("--allow-destroy", multiple=True, metavar="ADDR", help="Approve the destruction of this address."),
        click.option("--allow-unknown", multiple=True, metavar="ADDR", help="Approve this address although a rule cannot be told of it."),
    ]
    return _with(options, command)


def _with(options: Sequence[Callable[[F], F]], command: F) -> F:
    for option in reversed(options):
        command = option(command)
    return command


class _Prompt:
    """Asks at the terminal; answers no when nobody is there to answer."""

    def __init__(self, interactive: bool) -> None:
        self.interactive = interactive

    def name(self, address: str, action: str, forced_by: tuple[str, ...]) -> bool:
        if not self.interactive:
            return False
        why = f" (because of {', '.join(forced_by)})" if forced_by else ""
        what = {
            "replace": "will be replaced",
            "destroy": "will be destroyed",
            "run": "will run the command",
            "unknown": "breaks a rule, or does not: that is known only after apply",
        }[action]
        click.echo(f"\n{address} {what}{why}.", err=True)
        typed = click.prompt("Type its address to approve", default="", show_default=False, err=True)
        return bool(typed.strip() == address)

    def ordinary(self, verdict: Verdict) -> bool:
        return self.confirm("\nApply these changes?")

    def confirm(self, question: str) -> bool:
        return self.interactive and click.confirm(question, default=False, err=True)


def agent_for(options: Globals, interactive: bool, **flags: Any) -> Agent:
    from iac_agent.agent.loop import Agent, Consent
    from iac_agent.cli import config, render, wiring

    root = options.directory.resolve()
    settings = config.load(root, options.config)
    explain = flags.get("explain", False)
    reporter = render.JsonReporter(options.document, root) if options.as_json else render.ConsoleReporter(options.color, root, explain)
    consent = Consent(
        flags.get("auto_approve", False),
        frozenset(flags.get("allow_replace", ())),
        frozenset(flags.get("allow_destroy", ())),
        frozenset(flags.get("allow_unknown", ())),
        flags.get("include_unrelated", False),
    )
    request = wiring.Request(
        flags.get("variables", ()),
        flags.get("var_files", ()),
        flags.get("lock_timeout", ""),
        flags.get("parallelism", 0),
        answer=flags.get("answer", ""),
        about=tuple(flags.get("about", ())),
        consent=consent,
    )
    prompt = _Prompt(interactive and not options.as_json and sys.stdin.isatty())
    return Agent(wiring.session(root, settings, request, reporter, prompt))


def with_document(options: Globals, work: Callable[[], int]) -> int:
    """Run, then print the JSON document, also when it ends in an error."""
    if not options.as_json:
        return work()
    error: IacAgentError | None = None
    code = 0
    try:
        code = work()
    except IacAgentError as problem:
        error, code = problem, problem.exit_code
    document: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **options.document, "exit_code": code}
    if error is not None:
        document["error"] = {"kind": error.kind, "message": error.message, "hint": error.hint}
        for name in ("candidates", "addresses", "nearest"):
            if hasattr(error, name):
                document["error"][name] = getattr(error, name)
    click.echo(json.dumps(document, indent=2))
    return code


@click.command()
@click.argument("request")
@inputs
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Keep the plan in a file that `apply` takes.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there are changes.")
@click.pass_obj
def plan(options: Globals, /, request: str, out: Path | None, detailed_exitcode: bool, **flags: Any) -> int:
    """Plan REQUEST: the edits, the plan and the verdict. Changes nothing.

    For example: iacagent plan "make vm spot"
    """

    def work() -> int:
        from iac_agent.agent import saved

        agent = agent_for(options, False, **flags)
        prepared = agent.plan(request)
        if out is not None:
            saved.save(prepared, agent.session, out)
            agent.session.reporter.note(f"Saved to {out}. Apply it with: iacagent apply {out}")
        return 2 if detailed_exitcode and prepared.verdict.items else 0

    return with_document(options, work)


@click.command()
@click.argument("request", required=False)
@inputs
@approvals
@click.option("--allow-run", multiple=True, metavar="ADDR", help="Approve running a command on this address.")
@click.pass_obj
def apply(options: Globals, /, request: str | None, **flags: Any) -> int:
    """Apply REQUEST (or a plan saved with `plan -out`): edit, plan, judge, approve, apply, verify.

    An operation (`restart db`) edits nothing: it is carried out as by `iacagent operate`. Without REQUEST it asks for one at the terminal.

    For example: iacagent apply "make vm spot" --allow-replace azurerm_linux_virtual_machine.vm
    """

    wanted = _asked(options) if request is None else request
    if not _is_file(wanted):
        from iac_agent.agent.operations import is_operation
        from iac_agent.cli.operate import carry_out

        if is_operation(wanted):
            return carry_out(options, wanted, **flags)

    def work() -> int:
        from iac_agent.agent import saved

        agent = agent_for(options, True, **flags)
        if _is_file(wanted) and saved.is_saved(Path(wanted)):
            saved.apply(agent, Path(wanted))
        else:
            agent.apply(wanted)
        return 0

    return with_document(options, work)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a request may be longer than any name of a file
        return False


def _asked(options: Globals) -> str:
    """A request from the terminal. Raises UsageError when nobody is there."""
    if options.as_json or not sys.stdin.isatty():
        raise UsageError("there is no request", hint='For example: iacagent apply "make vm spot"')
    return str(click.prompt("What should change", err=True))


@click.command()
@inputs
@approvals
@click.pass_obj
def undo(options: Globals, /, **flags: Any) -> int:
    """Take the last change back: its inverse edits, planned, judged, approved, applied and verified like any change."""

    def work() -> int:
        from iac_agent.agent import undo as undoing

        agent = agent_for(options, True, **flags)
        undoing.undo(agent)
        return 0

    return with_document(options, work)


@click.command()
@click.option("--abandon", is_flag=True, help="Give the run up instead: files go back if nothing was applied yet.")
@click.option("--lock-timeout", default="", metavar="DURATION", help="How long to wait for locks, as in 30s.")
@click.pass_obj
def resume(options: Globals, abandon: bool, lock_timeout: str) -> int:
    """Finish the run that was interrupted, or give it up."""

    def work() -> int:
        from iac_agent.agent import journal, lock
        from iac_agent.agent import resume as resuming

        agent = agent_for(options, True, lock_timeout=lock_timeout)
        home = agent.session.home
        with lock.held(home, "resume", lock_timeout):
            run = journal.unfinished(home)
            if run is None:
                agent.session.reporter.note("There is no unfinished run here.")
                journal.clean(home)
                return 0
            if abandon:
                agent.session.reporter.note(resuming.abandon(agent, run))
                return 0
            agent.session.reporter.note(f"Finishing run {run.id}: {run.request}")
            agent.finish(run)
            return 0

    return with_document(options, work)
