"""`iacagent drift`: detect what changed behind Terraform's back, show it, and reconcile it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from iac_agent.cli.changes import approvals, terraform_inputs, with_document
from iac_agent.cli.drift_report import FORMATS
from iac_agent.cli.main import Globals
from iac_agent.errors import UsageError


@click.group()
def drift() -> None:
    """Find what changed in Azure behind Terraform's back, say who did it, and reconcile it."""


@drift.command()
@click.option("--target", "targets", multiple=True, metavar="ADDR", help="Only this address, block or module.")
@click.option("--types", "types", multiple=True, metavar="TYPE", help="Only resources of this azurerm type.")
@click.option("--since", default="", metavar="TIME", help="Only what changed since then: 24h, 7d, or a date.")
@click.option("--exact", is_flag=True, help="Ask Terraform's refresh about types without a lens.")
@click.option(
    "--state", "state_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A state file instead of the backend."
)
@click.option("--workspace", "workspaces", multiple=True, metavar="NAME", help="Look at this workspace; * for all.")
@click.option("--no-unmanaged", is_flag=True, help="Do not look for resources that nobody manages.")
@click.option("--no-causes", is_flag=True, help="Do not ask who did it.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How the findings are written.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the findings to a file.")
@click.option("--notify", is_flag=True, help="Tell whom drift.notify names of findings that are new.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there is drift.")
@terraform_inputs
@click.pass_obj
def detect(options: Globals, /, form: str, out: Path | None, detailed_exitcode: bool, notify: bool, **flags: Any) -> int:
    """Compare state with live Azure. Reads only; Reader rights are enough.

    For example: iacagent drift detect --target module.web --format markdown
    """
    from iac_agent.cli.drift_wiring import Drifts, Wanted

    drifts = Drifts(options, sys.stderr.isatty() and not options.as_json, flags)
    wanted = Wanted(**{k: v for k, v in flags.items() if k in Wanted.__dataclass_fields__})
    report = drifts.detect(wanted)
    drifts.record(report, wanted)
    drifts.show(report, "json" if options.as_json else form, out)
    if notify:
        drifts.tell(report, [])
    if report.blind or (detailed_exitcode and not report.complete and not report.drifted):
        return 1
    return 2 if detailed_exitcode and report.drifted else 0


@drift.command()
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    type=click.Choice(["report", "ask", "adopt", "revert", "import", "forget", "recreate", "ignore"]),
    help="What to do where no rule decides; the first that is possible. Without one: ask at a terminal, else report.",
)
@click.option(
    "--decide", "decided", multiple=True, metavar="WHAT=ACTION", help="Decide one finding, by key, address or name: vm-web=revert."
)
@click.option("--target", "targets", multiple=True, metavar="ADDR", help="Only this address, block or module.")
@click.option("--types", "types", multiple=True, metavar="TYPE", help="Only resources of this azurerm type.")
@click.option("--branch", default="", metavar="NAME", help="Commit the edits to this git branch instead of writing them here.")
@click.option(
    "--pr", "pull_request", is_flag=True, help="Open, update or close the pull request with what is adopted, on a branch of its own."
)
@click.option("--into", default="", metavar="BRANCH", help="The branch that the pull request goes into; else the one that is checked out.")
@click.option("--notify", is_flag=True, help="Tell whom drift.notify names of findings that are new, and what was done.")
@terraform_inputs
@approvals
@click.pass_obj
def reconcile(options: Globals, /, **flags: Any) -> int:
    """Scan, decide what happens to each finding, and do it: adopt, revert, import, forget, recreate, ignore.

    Exit codes: 0 nothing drifts any more; 2 drift is left; 1 something failed; 3 refused, or approval missing.

    For example: iacagent drift reconcile --strategy adopt --auto-approve
    Or, with the pull request on the forge whose pipeline runs this: iacagent drift reconcile --pr
    """

    def work() -> int:
        from iac_agent.cli import drift_reconcile

        return drift_reconcile.reconcile(options, flags)

    return with_document(options, work)


@drift.command()
@click.argument("key")
@click.pass_obj
def show(options: Globals, key: str) -> int:
    """Everything known about one finding, by its key or the address it is about."""
    import json

    from iac_agent.cli.drift_wiring import Drifts

    found = Drifts(options, False, {}).kept(key)
    if not found:
        raise UsageError(f"there is no finding {key!r}", hint="`iacagent drift history` lists them.")

    for kept in found:
        click.echo(json.dumps({**kept.body, "first_seen": kept.first_seen, "last_seen": kept.last_seen, "closed": kept.closed}, indent=2))
    return 0


@drift.command()
@click.option("--all", "everything", is_flag=True, help="Also those that are closed.")
@click.pass_obj
def history(options: Globals, everything: bool) -> int:
    """When each finding was first seen, how long it has been open, and how it ended."""
    from iac_agent.cli.drift_wiring import Drifts

    Drifts(options, False, {}).history(everything, options.as_json)
    return 0


@drift.command()
@click.argument("what", metavar="KEY|ADDRESS")
@click.option("--reason", required=True, help="Why it may stay as it is.")
@click.option("--owner", required=True, help="Who answers for that.")
@click.option("--until", required=True, metavar="DATE", help="The last day it is ignored, as in 2027-03-31.")
@click.pass_obj
def ignore(options: Globals, what: str, reason: str, owner: str, until: str) -> int:
    """Ignore a finding by a rule in the configuration file, for a reason and until a day.

    `drift reconcile --decide KEY=ignore` writes it as lifecycle.ignore_changes into the HCL instead.
    """
    from iac_agent.cli import drift_reconcile

    return drift_reconcile.ignore(options, what, reason, owner, until)
