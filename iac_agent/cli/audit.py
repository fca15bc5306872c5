"""`iacagent audit`: show the trail, export it, or prove that nobody changed it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from iac_agent.cli.main import SCHEMA_VERSION, Globals
from iac_agent.errors import AuditBroken


@click.group()
def audit() -> None:
    """Show or verify the audit trail of a root module."""


@audit.command()
@click.option("--run", "run_id", default="", help="Only the records of one run.")
@click.pass_obj
def show(options: Globals, run_id: str) -> None:
    """Show the records, oldest first."""
    from dataclasses import asdict

    trail = _open(options)
    records = list(trail.records(run_id)) if trail else []
    if options.as_json:
        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, "records": [asdict(r) for r in records]}, indent=2))
        return
    for record in records:
        detail = record.body.get("request") or record.body.get("message") or ", ".join(record.body.get("addresses", []))
        click.echo(f"{record.number:>4}  {record.time}  {record.actor}  {record.run}  {record.kind:<12} {detail}  {record.hash[:12]}")


@audit.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file to write; else stdout.")
@click.pass_obj
def export(options: Globals, out: Path | None) -> None:
    """Write the trail as lines of JSON, with its head at the end: keep it elsewhere, and verify against it."""
    trail = _open(options)
    lines = "".join(f"{line}\n" for line in trail.export()) if trail else ""
    if out is None:
        click.echo(lines, nl=False)
    else:
        out.write_text(lines, encoding="utf-8")
        click.echo(f"Exported to {out}", err=True)


@audit.command()
@click.option("--against", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="An export that the trail must go on from.")
@click.pass_obj
def verify(options: Globals, against: Path | None) -> None:
    """Check the hash chain; exit 1 when a record was changed, removed, inserted or put elsewhere, or the end was cut off."""
    from iac_agent.store.audit import exported_head

    head = exported_head(iter(against.read_text("utf-8").splitlines())) if against else None
    trail = _open(options)
    if trail is None and head is not None:
        raise AuditBroken("there is no audit trail here, but one was exported", hint="Restore it from a backup.")
    count = trail.verify(head) if trail else 0
    if options.as_json:
        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, "records": count, "verified": True}))
    else:
        click.echo(f"{count} records, the chain verifies.")


def _open(options: Globals):  # type: ignore[no-untyped-def]
    """The trail, or None when this root module has none yet."""
    from iac_agent.store.audit import Audit
    from iac_agent.store.home import Home

    home = Home(options.directory)
    return Audit(home.database_url) if (home.folder / "iacagent.db").exists() else None
