"""`--exact`: Terraform's own refresh answers for the types that have no lens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from iac_agent.drift import severity
from iac_agent.drift.finding import Difference, Finding, Kind, value_at
from iac_agent.drift.scan import Report, in_order
from iac_agent.errors import TerraformError
from iac_agent.terraform.models import ResourceChange
from iac_agent.terraform.runner import Terraform


def resolved(report: Report, terraform: Terraform, plan_file: Path) -> Report:
    """The report with every unsupported finding settled by a refresh of its address: clean, changed, deleted, or unreadable."""
    open_ = [f for f in report.findings if f.kind == Kind.UNSUPPORTED]
    if not open_:
        return report
    try:
        terraform.plan(plan_file, targets=tuple(f.address for f in open_), refresh_only=True)
        drift = {c.address: c for c in terraform.show_plan(plan_file).resource_drift}
    except TerraformError as problem:
        settled = [replace(f, kind=Kind.UNREADABLE, reason=f"Terraform could not refresh it: {problem.message}") for f in open_]
    else:
        settled = list(_settled(open_, drift))
        report.clean += len(open_) - len(settled)
    report.findings = in_order([*(f for f in report.findings if f not in open_), *settled])
    return report


def _settled(findings: list[Finding], drift: dict[str, ResourceChange]) -> Iterator[Finding]:
    for finding in findings:
        change = drift.get(finding.address)
        if change is None:
            continue
        if change.action == "delete":
            found = replace(finding, kind=Kind.DELETED, reason="")
        else:
            before, after = change.change.before or {}, change.change.after or {}
            paths = [p for p in change.change.changed_paths if p]
            told = tuple(Difference(p, value_at(before, p), value_at(after, p), _hidden(change, p)) for p in paths)
            found = replace(finding, kind=Kind.CHANGED, differences=told, reason="")
        how_bad, why = severity.judge(found)
        yield replace(found, severity=how_bad, why=why)


def _hidden(change: ResourceChange, path: tuple[str | int, ...]) -> bool:
    held: object = change.change.before_sensitive
    for step in path:
        if held is True:
            return True
        held = value_at(held, (step,))
    return held is True
