"""`iacagent audit`: show the trail, or prove that nobody changed it."""

from __future__ import annotations

import json

import click

from iac_agent.cli.main import SCHEMA_VERSION, Globals


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
@click.pass_obj
def verify(options: Globals) -> None:
    """Check the hash chain; exit 1 when a record was changed or removed."""
    trail = _open(options)
    count = trail.verify() if trail else 0
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
