"""`iacagent drift reconcile` and `ignore`, as the command line wires them: scan, decide, carry out, tell."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from iac_agent.agent import journal, lock
from iac_agent.agent.git import Git
from iac_agent.cli import config, drift_report, wiring
from iac_agent.cli.changes import agent_for
from iac_agent.cli.drift_page import ask
from iac_agent.cli.drift_wiring import Drifts, Wanted
from iac_agent.cli.main import Globals
from iac_agent.drift.finding import Finding
from iac_agent.drift.rules import Action
from iac_agent.drift.scan import Report
from iac_agent.errors import ModelFailed, Refused, UsageError
from iac_agent.hcl import datafile
from iac_agent.hcl.module import repository_of
from iac_agent.planner.model.advice import Advice, Advisor
from iac_agent.reconcile.decide import Decision, choices, decide, possible
from iac_agent.reconcile.prove import Prover, Settled
from iac_agent.reconcile.reconcile import Reconciler

if TYPE_CHECKING:
    from iac_agent.review.proposing import Proposing


def reconcile(options: Globals, flags: Mapping[str, Any]) -> int:
    """Scan, decide, carry out, tell; returns the exit code."""
    there = sys.stdin.isatty() and not options.as_json
    drifts = Drifts(options, sys.stderr.isatty() and not options.as_json, flags)
    agent = agent_for(options, True, **flags)
    wanted = Wanted(flags["targets"], flags["types"])
    proposing = _proposing(options, drifts, flags) if flags["pull_request"] else None
    if proposing is not None:
        proposing.begin()
        flags = {**flags, "branch": proposing.branch, "strategies": flags["strategies"] or ("adopt",)}
    with lock.held(agent.session.home, "drift reconcile", flags["lock_timeout"]):
        left = journal.unfinished(agent.session.home)
        if left is not None:
            raise Refused(f"run {left.id} ({left.request!r}) is unfinished", hint="Run `iacagent resume` first.")
        report = drifts.detect(wanted)
        drifts.record(report, wanted)
        decisions = _decisions(drifts, report, flags, there)
        prover = Prover(agent, agent.session.arm(), drifts.state_of(drifts.given.workspace))
        day = datetime.now(UTC) - timedelta(days=1)
        spent = 0 if there else drifts.findings.ended_since(("reverted", "recreated"), day)
        most = max(0, drifts.settings.drift.max_reverts - spent)
        settled = Reconciler(agent, prover, drifts.findings.end, most, flags["branch"]).run(decisions)
    _tell(options, report, settled)
    if proposing is not None:
        click.echo(f"{proposing.branch}: {proposing.publish(settled, complete=report.complete)}", err=True)
        proposing.forge.close()
    if flags["notify"]:
        drifts.tell(report, settled)
    return _code(report, settled)


def _proposing(options: Globals, drifts: Drifts, flags: Mapping[str, Any]) -> Proposing:
    """Where the pull request goes. Raises UsageError outside of a pipeline, of a repository, or of a branch."""
    from iac_agent.cli import review_wiring
    from iac_agent.review.proposing import Proposing

    if flags["branch"]:
        raise UsageError("--pr names its branch itself", hint="Leave --branch out.")
    told = drifts.terraform.environment
    name = review_wiring.detected(told)
    if name == "none":
        raise UsageError("which forge is meant?", hint="--pr is for pipelines of GitHub, GitLab and Azure DevOps.")
    top = repository_of(drifts.terraform.directory)
    if top is None:
        raise UsageError(f"{drifts.terraform.directory} is in no git repository")
    git = Git(top)
    into = flags["into"] or git.told("symbolic-ref", "--quiet", "--short", "HEAD", accept=(0, 1))
    if not into:
        raise UsageError("no branch is checked out", hint="Pass --into BRANCH.")
    place = drifts.terraform.directory.relative_to(top.resolve()).as_posix()
    workspace = "" if drifts.given.workspace == "default" else f"-{drifts.given.workspace}"
    forge = review_wiring.forge(name, told)
    return Proposing(
        forge, review_wiring.mirror(top, forge, git.told("remote", "get-url", "origin", accept=(0, 1, 2, 128))), place + workspace, into
    )


def _code(report: Report, settled: list[Settled]) -> int:
    outcomes = {s.outcome for s in settled}
    if "failed" in outcomes:
        return 1
    if "refused" in outcomes:
        return 3
    return 0 if all(s.done for s in settled) and report.complete else 2


def _decisions(drifts: Drifts, report: Report, flags: Mapping[str, Any], there: bool) -> list[Decision]:
    strategies = [Action(s) for s in flags["strategies"]] or [Action.ASK]
    found = decide(report.findings, drifts.settings.drift.rules, strategies, drifts.environment(drifts.given.workspace))
    for text in flags["decided"]:
        what, _, action = text.rpartition("=")
        if action not in [a.value for a in Action] or not what:
            raise UsageError(f"{text!r} is not a decision", hint="For example azurerm_linux_virtual_machine.web=revert.")
        named = [n for n, d in enumerate(found) if what in (d.finding.key, d.finding.address, d.finding.name, d.finding.id)]
        if not named:
            raise UsageError(f"there is no finding {what!r}", hint="`iacagent drift detect` lists them.")
        for number in named:
            found[number] = possible(Decision(found[number].finding, Action(action), "--decide"))
    open_ = [d.finding for d in found if d.action == Action.ASK and choices(d.finding)]
    advice = _advice(drifts, open_)
    if there and open_:
        answers = ask(open_, advice)
        found = [answers.get(d.finding.key, d) for d in found]
    return [_proposed(d, advice) for d in found]


def _advice(drifts: Drifts, findings: list[Finding]) -> dict[str, Advice]:
    """What the model proposes, where one is configured; one that fails is only told of."""
    client = wiring.model_client(drifts.settings, drifts.terraform.environment) if findings else None
    if client is None:
        return {}
    try:
        return Advisor(client).advise([f.as_json() for f in findings], {f.key: [str(c) for c in choices(f)] for f in findings})
    except ModelFailed as problem:
        click.echo(f"The model proposes nothing: {problem.message}", err=True)
        return {}


def _proposed(decision: Decision, advice: Mapping[str, Advice]) -> Decision:
    """An open question is reported, with what the model proposes."""
    if decision.action != Action.ASK:
        return decision
    told = advice.get(decision.finding.key)
    return Decision(decision.finding, Action.REPORT, f"the model proposes {told.action}: {told.reason}" if told else decision.by)


def _tell(options: Globals, report: Report, settled: list[Settled]) -> None:
    if options.as_json:
        options.document["drift"] = drift_report.document(report)
        options.document["settled"] = [
            {"key": s.finding.key, "subject": s.finding.subject, "outcome": s.outcome, "detail": s.detail} for s in settled
        ]
        return
    for one in settled:
        click.echo(f"{one.outcome:<10} {one.finding.subject}{f': {one.detail}' if one.detail else ''}")
    left = sum(not s.done for s in settled)
    click.echo(f"{len(settled) - left} of {len(settled)} findings are settled." if settled else drift_report.headline(report))


def ignore(options: Globals, what: str, reason: str, owner: str, until: str) -> int:
    """Add a rule to the configuration file that ignores a finding: its address and its attributes. Writes no other byte."""
    drifts = Drifts(options, False, {})
    kept = next(iter(drifts.kept(what)), None)
    if kept is None:
        raise UsageError(f"there is no finding {what!r}", hint="`iacagent drift history` lists them.")
    rule: dict[str, Any] = {"action": "ignore"}
    rule |= {"addresses": [kept.body["address"]]} if kept.body["address"] else {"types": [kept.body["type"]]}
    paths = [d["path"] for d in kept.body["differences"]]
    rule |= {"attributes": paths} if paths else {"kinds": [kept.body["kind"]]}
    rule |= {"reason": reason, "owner": owner, "until": until}
    path = options.config or config.find(drifts.terraform.directory) or drifts.terraform.directory / config.FILE
    before = path.read_bytes() if path.exists() else b""
    journal.replace_file(path, _with_rule(path, before, rule))
    try:
        config.load(drifts.terraform.directory, path)
    except UsageError:
        journal.replace_file(path, before) if before else path.unlink()
        raise
    drifts.findings.end(kept.key, "ignored")
    click.echo(f"{path}: {kept.body['address'] or kept.body['id']} is ignored until {until} ({owner}: {reason}).")
    return 0


def _with_rule(path: Path, before: bytes, rule: dict[str, Any]) -> bytes:
    held = yaml.safe_load(before) or {}
    if not held:
        return before + yaml.safe_dump({"drift": {"rules": [rule]}}, sort_keys=False, allow_unicode=True).encode()
    if not held.get("drift"):
        return datafile.set_value(path.name, before, ("drift",), {"rules": [rule]})
    if not held["drift"].get("rules"):
        return datafile.set_value(path.name, before, ("drift", "rules"), [rule])
    return datafile.append_value(path.name, before, ("drift", "rules"), rule)
