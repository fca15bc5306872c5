"""Wire a drift scan: the state, the clients, the configuration, and where findings are kept."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from iac_agent.azure.clients import AzureClients
from iac_agent.cli import config, drift_report, wiring
from iac_agent.cli.config import Settings
from iac_agent.cli.main import SCHEMA_VERSION, Globals
from iac_agent.drift import exact as refresh
from iac_agent.drift import unsettled
from iac_agent.drift.finding import Finding
from iac_agent.drift.intent import Intent
from iac_agent.drift.notify import Channel, Mail, News, Webhook
from iac_agent.drift.rules import Environment, unignored
from iac_agent.drift.scan import Report, Scan, Scope, in_order, managed_as
from iac_agent.errors import HclError, NotifyFailed, UsageError
from iac_agent.hcl.configuration import Configuration, Given
from iac_agent.hcl.module import RootModule
from iac_agent.reconcile.prove import Settled
from iac_agent.store.findings import Findings, Kept
from iac_agent.store.home import Home
from iac_agent.terraform import pulled
from iac_agent.terraform.models import StateResource
from iac_agent.terraform.runner import Terraform

_SPAN = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Wanted:
    """What the flags of `drift detect` ask for. `workspaces` empty: the selected one; `*`: all there are."""

    targets: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since: str = ""
    exact: bool = False
    state_file: Path | None = None
    workspaces: tuple[str, ...] = ()
    no_unmanaged: bool = False
    no_causes: bool = False

    @property
    def whole(self) -> bool:
        """Whether everything is looked at, so that what is not found is gone."""
        return not (self.targets or self.types or self.since or self.workspaces or self.state_file or self.no_unmanaged)


class Drifts:
    """Detecting drift of one root module, as the command line wires it."""

    def __init__(self, options: Globals, progress: bool, flags: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> None:
        self.options, self.progress = options, progress
        self.settings: Settings = config.load(options.directory.resolve(), options.config)
        request = wiring.Request(
            flags.get("variables", ()), flags.get("var_files", ()), flags.get("lock_timeout", ""), flags.get("parallelism", 0)
        )
        self.terraform, self.major = wiring.terraform(options.directory, self.settings, request, environment)
        self.given = wiring.given(self.terraform)
        self.findings = Findings(Home(self.terraform.directory).database_url)
        self.intent: Intent | None = None
        self._pulled: dict[str, list[StateResource]] = {}

    @property
    def root_module(self) -> str:
        """The root module's folder below the configuration file."""
        folder = self.terraform.directory
        file = self.options.config or config.find(folder)
        return os.path.relpath(folder, file.resolve().parent) if file else folder.name

    def environment(self, workspace: str) -> Environment:
        """Where rules are asked."""
        return Environment(workspace, self.root_module, datetime.now(UTC).date())

    def _intent(self, state: list[StateResource], given: Given) -> Intent | None:
        """What the configuration says; None where there is none that can be read."""
        try:
            root = RootModule(self.terraform.directory)
            return Intent(Configuration(root, given, {r.address: r.values for r in state}))
        except HclError as problem:
            self._say(f"The configuration could not be read: {problem.message}")
            return None

    def states(self, wanted: Wanted) -> dict[str, list[StateResource]]:
        """The resources of each workspace that is to be looked at, by its name; of a state file under an empty name."""
        if wanted.state_file is not None:
            return {"": pulled.resources(wanted.state_file.read_bytes(), str(wanted.state_file))}
        names = list(wanted.workspaces) or [self.given.workspace]
        if "*" in names:
            names = self.terraform.workspaces()
        return {name: self.state_of(name) for name in names}

    def state_of(self, workspace: str) -> list[StateResource]:
        """The resources of a workspace, as they were when they were first asked for."""
        if workspace not in self._pulled:
            self._pulled[workspace] = pulled.resources(self._in(workspace).pull())
        return self._pulled[workspace]

    def _in(self, workspace: str) -> Terraform:
        if workspace == self.given.workspace:
            return self.terraform
        return self.terraform.at(self.terraform.directory, TF_WORKSPACE=workspace)

    def detect(self, wanted: Wanted) -> Report:
        """Scan. Raises UsageError for a state that is none, AzureError when Azure cannot be reached."""
        after = moment(wanted.since)
        with ThreadPoolExecutor(1) as beside:
            there = beside.submit(self._workspaces, wanted)
            states = self.states(wanted)
            names = there.result()
        reports = [self._scanned(name, state, names, wanted, marked=len(states) > 1) for name, state in states.items()]
        report = reports[0] if len(reports) == 1 else Report.joined(reports)
        if after is not None:
            report.findings = [f for f in report.findings if not f.cause.when or _when(f) >= after]
        return report

    def _workspaces(self, wanted: Wanted) -> list[str]:
        """The workspaces whose resources are nobody's strays."""
        return [] if wanted.state_file is not None or wanted.no_unmanaged else self.terraform.workspaces()

    def _scanned(self, name: str, state: list[StateResource], names: list[str], wanted: Wanted, *, marked: bool) -> Report:
        """What drifts in one workspace, `marked` with its name; `names` are those whose resources are no strays."""
        workspace = name or self.given.workspace
        self.intent = self._intent(state, replace(self.given, workspace=workspace))
        scope = Scope(wanted.targets, wanted.types, not wanted.no_unmanaged, not wanted.no_causes)
        environment = self.environment(workspace)
        scan = Scan(
            AzureClients(self.terraform.environment),
            self.major,
            self.intent,
            scope,
            groups=frozenset(g.lower() for g in self.settings.drift.resource_groups),
            elsewhere=frozenset(text for n in names if n != name for r in self.state_of(n) for text in managed_as(r)),
            workspace=name if marked else "",
            kept=lambda found: unignored(found, self.settings.drift.rules, environment),
            progress=self._say,
        )
        report = scan.run(state)
        if scope.whole:
            self._tell_failed(report, state)
        if wanted.exact:
            with tempfile.TemporaryDirectory() as folder:
                report = refresh.resolved(report, self._in(workspace), Path(folder) / "refresh.tfplan")
        return report

    def _tell_failed(self, report: Report, state: list[StateResource]) -> None:
        """Add what a failed revert left in the state, and close what is settled by now."""
        failed = [k.body for k in self.findings.all(only_open=True) if k.outcome == "failed" and k.body["kind"] == "changed"]
        present = {f.address for f in report.findings}
        told = [f for f in unsettled.still_there(failed, state, self.intent) if f.address not in present]
        report.findings = in_order([*report.findings, *told])
        report.clean -= len(told)
        for body in failed:
            if body["address"] not in present | {f.address for f in told}:
                self.findings.end(str(body["key"]), "gone")

    def _say(self, text: str) -> None:
        if self.progress:
            click.echo(text, err=True)

    def record(self, report: Report, wanted: Wanted) -> None:
        self.findings.record([f.as_json() for f in report.drifted], report.resources, whole=report.complete and wanted.whole)

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

    # --- telling people --------------------------------------------------------------------------------------------

    def tell(self, report: Report, settled: list[Settled]) -> None:
        """Tell each channel of the findings it was not told of yet. Raises NotifyFailed after all were tried."""
        outcomes = {s.finding.key: s.outcome for s in settled}
        least = self.settings.drift.notify.least.rank
        worth = {f.key: f for f in report.drifted if f.severity.rank <= least}
        problems = []
        for channel in self._channels():
            fresh = self.findings.untold(channel.name, worth)
            if fresh:
                news = News(self.root_module, [(f, outcomes.get(k, "")) for k, f in worth.items() if k in fresh])
                try:
                    channel.send(news)
                    self.findings.tell(channel.name, fresh)
                except NotifyFailed as problem:
                    problems.append(problem)
        if problems:
            raise problems[0]

    def _channels(self) -> list[Channel]:
        wanted, environment = self.settings.drift.notify, self.terraform.environment
        channels: list[Channel] = []
        for hook in wanted.webhooks:
            url = environment.get(hook.url_env, "")
            if not url.startswith(("https://", "http://")):
                raise UsageError(f"{hook.url_env} holds no URL", hint="drift.notify.webhooks names the variable that holds it.")
            channels.append(Webhook(url, hook.format, f"the webhook in {hook.url_env}"))
        if wanted.mail is not None:
            m = wanted.mail
            password = environment.get(m.password_env, "") if m.password_env else ""
            channels.append(Mail(m.host, m.port, m.sender, tuple(m.to), m.security, m.user, password))
        if not channels:
            raise UsageError("there is nobody to tell", hint="Set drift.notify in .iacagent.yaml; see docs/drift.md.")
        return channels

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


def moment(text: str) -> datetime | None:
    """`24h`, `7d`, a date or a date with time, as a moment; None for nothing. Raises UsageError."""
    if not text:
        return None
    span = _SPAN.fullmatch(text)
    if span:
        return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError as problem:
        raise UsageError(f"{text!r} is not a time", hint="For example 24h, 7d, or 2026-11-24.") from problem
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _when(finding: Finding) -> datetime:
    return datetime.fromisoformat(finding.cause.when)


def _ago(text: str) -> str:
    span = datetime.now(UTC) - datetime.fromisoformat(text)
    if span.days:
        return f"{span.days} d"
    return f"{span.seconds // 3600} h" if span.seconds >= 3600 else f"{span.seconds // 60} min"
