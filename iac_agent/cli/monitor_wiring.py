"""Wire the telemetry shim: the state, the clients, Azure's clock; and show an answer."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from iac_agent.azure.clients import AzureClients, translated
from iac_agent.cli import config, wiring
from iac_agent.cli.main import SCHEMA_VERSION, Globals
from iac_agent.errors import UsageError
from iac_agent.guard import redact
from iac_agent.hcl.module import RootModule
from iac_agent.monitor import ranges
from iac_agent.monitor.activity import Activity
from iac_agent.monitor.alerts import Alerts
from iac_agent.monitor.answer import Answer
from iac_agent.monitor.ask import Monitor
from iac_agent.monitor.health import HealthCheck
from iac_agent.monitor.metrics import Metrics
from iac_agent.monitor.openings import Openings
from iac_agent.monitor.targets import Target, Targets
from iac_agent.planner.inventory import Inventory
from iac_agent.terraform.runner import Terraform

_DRAWN, _SOURCES, _ROWS, _UNFOLDED, _PLOT = 6, 6, 40, 180, 100


def monitor_for(options: Globals, timezone: str, answer: str = "") -> Monitor:
    """Everything that answers, for the root module that the options name."""
    settings = config.load(options.directory.resolve(), options.config)
    runner, _ = wiring.terraform(options.directory, settings, wiring.Request())
    return over(runner, AzureClients(runner.environment), timezone, answer)


def over(runner: Terraform, clients: AzureClients, timezone: str = "", answer: str = "") -> Monitor:
    """Everything that answers, over a root module and its subscription."""
    zone = ranges.zone(timezone)
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(clients.synchronised)
        inventory = Inventory.build(RootModule(runner.directory), runner.state_or_empty(), wiring.given(runner))
    targets = Targets(inventory, lambda: _machines(clients))
    metrics, activity, alerts = Metrics(clients), Activity(clients), Alerts(clients, targets)
    now = asked.result().astimezone(zone)
    health = HealthCheck(clients, targets, metrics, alerts, activity)
    return Monitor(targets, metrics, alerts, activity, health, Openings(clients, targets), now, answer)


def _machines(clients: AzureClients) -> Iterator[Target]:
    with translated("the machines of the subscription"):
        for machine in clients.compute.virtual_machines.list_all():
            yield Target(str(machine.id), str(machine.location), "", dict(machine.tags or {}))


# --- showing ---------------------------------------------------------------------------------------------------------


def show(options: Globals, answer: Answer, *, plot: Path | None = None, as_csv: bool = False) -> None:
    """Print an answer: as text with a plot of its series, as one JSON document, or its points as CSV; and draw it into a file."""
    if plot is not None:
        _drawn(answer, plot)
    if as_csv:
        click.echo(as_rows(answer), nl=False)
        return
    if options.as_json:
        click.echo(json.dumps({"schema_version": SCHEMA_VERSION, **answer.as_json()}, indent=2))
        return
    _print(options, answer)
    if plot is not None:
        click.echo(f"Drawn into {plot}.", err=True)


def as_rows(answer: Answer) -> str:
    """The points as CSV (time, resource, metric, aggregation, unit, value), or the table of an answer without any."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if answer.series:
        writer.writerow(("time", "resource", "dimension", "metric", "aggregation", "unit", "value"))
        for s in answer.series:
            for moment, value in s.points:
                shown = "" if value is None else value
                writer.writerow((moment.isoformat(), s.target.id, s.dimension, s.metric, s.aggregation, s.unit, shown))
    elif answer.table is not None:
        writer.writerow(answer.table.headings)
        writer.writerows(answer.table.rows)
    return out.getvalue()


def _print(options: Globals, answer: Answer) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(no_color=not options.color, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _UNFOLDED
    for sentence in answer.sentences:
        console.print(Text(redact.text(sentence)))
    if answer.series and len(answer.series) <= _DRAWN and any(s.measured > 1 for s in answer.series):
        from iac_agent.monitor import plot

        console.print(Text(plot.terminal(answer.series, min(console.width, _PLOT), color=options.color and console.is_terminal)), end="")
    for number, line in answer.excerpt:
        console.print(
            Text(f"{'>' if number == answer.marked else ' '} {number:>4}  {line}", style="bold red" if number == answer.marked else "")
        )
    if answer.table is not None and answer.table.rows:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in answer.table.headings:
            table.add_column(heading, justify="right" if heading in answer.table.right else "left", overflow="fold")
        for row in answer.table.rows[:_ROWS]:
            table.add_row(*(Text(redact.text(cell)) for cell in row))
        console.print(table, soft_wrap=False)
        if len(answer.table.rows) > _ROWS:
            console.print(Text(f"... and {len(answer.table.rows) - _ROWS} rows more; --csv and --json hold them all", style="dim"))
    for source in answer.sources[:_SOURCES]:
        console.print(Text(f"Source: {source}", style="dim"))
    if len(answer.sources) > _SOURCES:
        console.print(Text(f"Source: and {len(answer.sources) - _SOURCES} more; --json names them all", style="dim"))


def _drawn(answer: Answer, file: Path) -> None:
    if not answer.series:
        raise UsageError("there is nothing to plot in this answer", hint="Ask for a metric over a range.")
    from iac_agent.monitor import plot

    plot.write(answer.series, file)


def watched(every: float, once: Callable[[], Any]) -> None:
    """Do it again and again, on a cleared screen, until Ctrl-C."""
    while True:
        if os.isatty(1):
            click.clear()
        once()
        time.sleep(every)
