"""`iacagent drift`: detect what changed behind Terraform's back, show it, and reconcile it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from iac_agent.cli.changes import approvals, with_document
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
@click.option("--no-unmanaged", is_flag=True, help="Do not look for resources that nobody manages.")
@click.option("--no-causes", is_flag=True, help="Do not ask who did it.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How the findings are written.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the findings to a file.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there is drift.")
@click.pass_obj
def detect(options: Globals, /, form: str, out: Path | None, detailed_exitcode: bool, **flags: Any) -> int:
    """Compare state with live Azure. Reads only; Reader rights are enough.

    For example: iacagent drift detect --target module.web --format markdown
    """
    from iac_agent.cli import drift_wiring

    drifts = drift_wiring.drifts(options, sys.stderr.isatty() and not options.as_json)
    report = drifts.detect(**flags)
    drifts.record(report, flags)
    drifts.show(report, "json" if options.as_json else form, out)
    if not report.complete and not report.drifted and detailed_exitcode:
        return 1
    return 2 if detailed_exitcode and report.drifted else 0


@drift.command()
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    type=click.Choice(["report", "ask", "adopt", "revert", "import"]),
    help="What to do where no rule decides; the first that is possible. Without one: ask at a terminal, else report.",
)
@click.option(
    "--decide", "decided", multiple=True, metavar="WHAT=ACTION", help="Decide one finding, by key, address or name: vm-web=revert."
)
@click.option("--target", "targets", multiple=True, metavar="ADDR", help="Only this address, block or module.")
@click.option("--types", "types", multiple=True, metavar="TYPE", help="Only resources of this azurerm type.")
@click.option("--lock-timeout", default="", metavar="DURATION", help="How long to wait for locks, as in 30s.")
@approvals
@click.pass_obj
def reconcile(options: Globals, /, **flags: Any) -> int:
    """Scan, decide what happens to each finding, and do it: adopt into HCL, revert, import.

    Exit codes: 0 nothing drifts any more; 2 drift is left; 1 something failed; 3 refused, or approval missing.

    For example: iacagent drift reconcile --strategy adopt --auto-approve
    """

    def work() -> int:
        from iac_agent.cli import drift_wiring

        return drift_wiring.drifts(options, sys.stderr.isatty() and not options.as_json).reconcile(flags)

    return with_document(options, work)


@drift.command()
@click.argument("key")
@click.pass_obj
def show(options: Globals, key: str) -> int:
    """Everything known about one finding, by its key or the address it is about."""
    from iac_agent.cli import drift_wiring

    found = drift_wiring.drifts(options, False).kept(key)
    if not found:
        raise UsageError(f"there is no finding {key!r}", hint="`iacagent drift history` lists them.")
    import json

    for kept in found:
        click.echo(json.dumps({**kept.body, "first_seen": kept.first_seen, "last_seen": kept.last_seen, "closed": kept.closed}, indent=2))
    return 0


@drift.command()
@click.option("--all", "everything", is_flag=True, help="Also those that are closed.")
@click.pass_obj
def history(options: Globals, everything: bool) -> int:
    """When each finding was first seen, how long it has been open, and how it ended."""
    from iac_agent.cli import drift_wiring

    drift_wiring.drifts(options, False).history(everything, options.as_json)
    return 0
