"""Wire a drift scan: the state, the clients, the configuration, and where findings are kept."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from iac_agent.agent import journal
from iac_agent.azure.clients import AzureClients
from iac_agent.azure.provider_version import major_of
from iac_agent.cli import config, drift_report
from iac_agent.cli.config import Settings
from iac_agent.cli.main import SCHEMA_VERSION, Globals
from iac_agent.drift import exact as refresh
from iac_agent.drift.finding import Finding
from iac_agent.drift.intent import Intent
from iac_agent.drift.rules import Action, unignored
from iac_agent.drift.scan import Report, Scan, Scope
from iac_agent.errors import HclError, Refused, UsageError
from iac_agent.hcl.configuration import Configuration, Given
from iac_agent.hcl.module import RootModule
from iac_agent.reconcile.decide import Decision, decide, possible
from iac_agent.reconcile.reconcile import Reconciler, Settled
from iac_agent.store.findings import Findings, Kept
from iac_agent.store.home import Home
from iac_agent.terraform import pulled
from iac_agent.terraform.binary import find
from iac_agent.terraform.models import StateResource
from iac_agent.terraform.runner import Terraform

_SPAN = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Drifts:
    """Detecting drift of one root module, as the command line wires it."""

    def __init__(self, options: Globals, settings: Settings, progress: bool) -> None:
        self.options, self.settings, self.progress = options, settings, progress
        self.directory = options.directory.resolve()
        self.environment = dict(os.environ)
        self.major = major_of(self.directory) if settings.azurerm == "auto" else int(settings.azurerm)
        self.workspace = self.environment.get("TF_WORKSPACE") or "default"
        self.findings = Findings(Home(self.directory).database_url)

    def _terraform(self) -> Terraform:
        return Terraform(self.directory, find(self.environment), self.environment)

    def _intent(self, state: list[StateResource]) -> Intent | None:
        """What the configuration says; None where there is none that can be read."""
        try:
            root = RootModule(self.directory)
            values = {r.address: r.values for r in state}
            given = Given(environment={k: v for k, v in self.environment.items() if k.startswith("TF_VAR_")})
            return Intent(Configuration(root, given, values))
        except HclError as problem:
            self._say(f"The configuration could not be read: {problem.message}")
            return None

    def _state(self, file: Path | None) -> list[StateResource]:
        if file is not None:
            return pulled.resources(file.read_bytes(), str(file))
        return pulled.resources(self._terraform().pull())

    def detect(
        self,
        targets: tuple[str, ...],
        types: tuple[str, ...],
        since: str,
        exact: bool,
        state_file: Path | None,
        no_unmanaged: bool,
        no_causes: bool,
    ) -> Report:
        """Scan. Raises UsageError for a state that is none, AzureError when Azure cannot be reached."""
        after = moment(since)
        state = self._state(state_file)
        self.intent = self._intent(state)
        scope = Scope(targets, types, not no_unmanaged, not no_causes)
        groups = frozenset(g.lower() for g in self.settings.drift.resource_groups)
        scan = Scan(AzureClients(self.environment), self.major, self.intent, scope, groups, self._kept, self._say)
        report = scan.run(state)
        if exact:
            with tempfile.TemporaryDirectory() as folder:
                report = refresh.resolved(report, self._terraform(), Path(folder) / "refresh.tfplan")
        if after is not None:
            report.findings = [f for f in report.findings if not f.cause.when or _when(f) >= after]
        return report

    def _kept(self, findings: list[Finding]) -> list[Finding]:
        return unignored(findings, self.settings.drift.rules, self.workspace, datetime.now(UTC).date())

    def _say(self, text: str) -> None:
        if self.progress:
            click.echo(text, err=True)

    def record(self, report: Report, flags: dict[str, Any]) -> None:
        whole = report.complete and not (flags["targets"] or flags["types"] or flags["since"] or flags["no_unmanaged"])
        self.findings.record([f.as_json() for f in report.drifted], report.resources, whole=whole)

    def show(self, report: Report, form: str, out: Path | None) -> None:
        """Print the findings, or write them to a file."""
        if form == "text" and out is None:
            from rich.console import Console

            drift_report.print_text(report, Console(no_color=not self.options.color, highlight=False, soft_wrap=True))
            return
        text = self._rendered(report, form)
        if out is None:
            click.echo(text, nl=False)
        else:
            out.write_text(text, encoding="utf-8")
            click.echo(f"{drift_report.headline(report)} Written to {out}.", err=True)

    def _rendered(self, report: Report, form: str) -> str:
        from iac_agent import __version__

        match form:
            case "json":
                return drift_report.as_json(report)
            case "markdown":
                return drift_report.markdown(report)
            case "junit":
                return drift_report.junit(report)
            case "sarif":
                places = {f.address: self.intent.where(f.address) for f in report.findings} if self.intent else {}
                return json.dumps(drift_report.sarif(report, places, __version__), indent=2) + "\n"
            case "html":
                from iac_agent.cli.drift_html import page

                return page(report, self.findings)
        from io import StringIO

        from rich.console import Console

        held = StringIO()
        drift_report.print_text(report, Console(file=held, no_color=True, highlight=False, soft_wrap=True, width=200))
        return held.getvalue()

    # --- doing something about it ----------------------------------------------------------------------------------

    def reconcile(self, flags: dict[str, Any]) -> int:
        """Scan, decide, carry out; returns the exit code."""
        from iac_agent.agent import lock
        from iac_agent.cli.changes import agent_for

        agent = agent_for(self.options, True, **flags)
        with lock.held(agent.session.home, "drift reconcile", flags["lock_timeout"]):
            left = journal.unfinished(agent.session.home)
            if left is not None:
                raise Refused(f"run {left.id} ({left.request!r}) is unfinished", hint="Run `iacagent resume` first.")
            state = self._state(None)
            report = self.detect(flags["targets"], flags["types"], "", False, None, bool(flags["targets"] or flags["types"]), False)
            self.record(report, {**flags, "since": "", "no_unmanaged": False})
            decisions = self._decisions(report, flags)
            drifted = frozenset(f.address for f in report.findings)
            reconciler = Reconciler(agent, agent.session.arm(), state, self.findings.end, self.settings.drift.max_reverts, drifted)
            settled = reconciler.run(decisions)
        self._tell(report, settled)
        if any(s.outcome == "failed" for s in settled):
            return 1
        return 0 if all(s.done for s in settled) and report.complete else 2

    def _decisions(self, report: Report, flags: dict[str, Any]) -> list[Decision]:
        there = sys.stdin.isatty() and not self.options.as_json
        strategies = [Action(s) for s in flags["strategies"]] or ([Action.ASK] if there else [])
        today = datetime.now(UTC).date()
        found = decide(report.findings, self.settings.drift.rules, strategies, self.workspace, today, _asked if there else None)
        for text in flags["decided"]:
            what, _, action = text.rpartition("=")
            if action not in [a.value for a in Action] or not what:
                raise UsageError(f"{text!r} is not a decision", hint="For example azurerm_linux_virtual_machine.web=revert.")
            named = [n for n, d in enumerate(found) if what in (d.finding.key, d.finding.address, d.finding.name, d.finding.id)]
            if not named:
                raise UsageError(f"there is no finding {what!r}", hint="`iacagent drift detect` lists them.")
            for number in named:
                found[number] = possible(Decision(found[number].finding, Action(action), "--decide"))
        return found

    def _tell(self, report: Report, settled: list[Settled]) -> None:
        if self.options.as_json:
            self.options.document["drift"] = drift_report.document(report)
            self.options.document["settled"] = [
                {"key": s.finding.key, "subject": s.finding.subject, "outcome": s.outcome, "detail": s.detail} for s in settled
            ]
            return
        for one in settled:
            click.echo(f"{one.outcome:<10} {one.finding.subject}{f': {one.detail}' if one.detail else ''}")
        left = sum(not s.done for s in settled)
        click.echo(f"{len(settled) - left} of {len(settled)} findings are settled." if settled else drift_report.headline(report))

    # --- what was found before -------------------------------------------------------------------------------------

    def kept(self, key: str) -> list[Kept]:
        return [k for k in self.findings.all() if key in (k.key, k.body.get("address"), k.body.get("id"))]

    def history(self, everything: bool, as_json: bool) -> None:
        found = self.findings.all(only_open=not everything)
        if as_json:
            listed = [
                {**k.body, "first_seen": k.first_seen, "last_seen": k.last_seen, "closed": k.closed, "outcome": k.outcome} for k in found
            ]
            click.echo(json.dumps({"schema_version": SCHEMA_VERSION, "findings": listed, "scans": self.findings.scans()}, indent=2))
            return
        for kept in found:
            ended = f"{kept.outcome or 'closed'} {kept.closed[:16]}" if kept.closed else f"open for {_ago(kept.first_seen)}"
            click.echo(f"{kept.key}  {kept.first_seen[:16]}  {ended:<28} {kept.body['kind']} {kept.body['address'] or kept.body['id']}")
        if not found:
            click.echo("No findings are open." if not everything else "Nothing was ever found here.")


def _asked(finding: Finding, actions: list[Action]) -> Action:
    """What a person wants done about a finding."""
    click.echo(f"\n{finding.severity} {finding.kind} {finding.subject}", err=True)
    for difference in finding.differences:
        click.echo(f"  {drift_report.difference_text(difference)}", err=True)
    click.echo(f"  {finding.why}; {drift_report.cause_text(finding)}", err=True)
    choices = [*actions, Action.REPORT]
    return Action(click.prompt("What to do", type=click.Choice([c.value for c in choices]), default=Action.REPORT.value, err=True))


def drifts(options: Globals, progress: bool) -> Drifts:
    return Drifts(options, config.load(options.directory.resolve(), options.config), progress)


def moment(text: str) -> datetime | None:
    """`24h`, `7d`, a date or a date with time, as a moment; None for nothing. Raises UsageError."""
    if not text:
        return None
    span = _SPAN.fullmatch(text)
    if span:
        return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as problem:
        raise UsageError(f"{text!r} is not a time", hint="For example 24h, 7d, or 2026-11-24.") from problem
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _when(finding: Finding) -> datetime:
    return datetime.fromisoformat(finding.cause.when.replace("Z", "+00:00"))


def _ago(text: str) -> str:
    span = datetime.now(UTC) - datetime.fromisoformat(text)
    if span.days:
        return f"{span.days} d"
    return f"{span.seconds // 3600} h" if span.seconds >= 3600 else f"{span.seconds // 60} min"
