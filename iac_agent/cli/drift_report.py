"""How findings look: on a terminal, in Markdown, SARIF, JUnit XML, HTML and JSON."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

from iac_agent.cli.main import SCHEMA_VERSION
from iac_agent.drift.causes import by_correlation
from iac_agent.drift.finding import Kind
from iac_agent.drift.scan import Report
from iac_agent.drift.wording import cause_text, difference_text

FORMATS = ("text", "json", "sarif", "junit", "markdown", "html")
_COLORS = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}


def counts(report: Report) -> dict[str, int]:
    """How many findings there are of each kind."""
    kinds = [str(f.kind) for f in report.findings]
    return {k: kinds.count(k) for k in map(str, Kind) if k in kinds}


def headline(report: Report) -> str:
    told = ", ".join(f"{n} {k}" for k, n in counts(report).items())
    clean = f"{report.clean} of {report.resources} resources are as Terraform left them"
    return f"{clean}; {told}." if told else f"{clean}. No drift." if report.complete else f"{clean}."


def document(report: Report) -> dict[str, Any]:
    return {
        "resources": report.resources,
        "clean": report.clean,
        "counts": counts(report),
        "complete": report.complete,
        "gaps": report.gaps,
        "calls": report.calls,
        "findings": [f.as_json() for f in report.findings],
    }


def print_text(report: Report, console: Console) -> None:
    """The worst first, each with what differs and who did it."""
    for finding in report.findings:
        line = Text(f"{finding.severity:<8} ", style=_COLORS[finding.severity])
        line.append(f"{finding.kind} ", style="bold")
        line.append(finding.subject)
        line.append(f"  [{finding.key}]", style="dim")
        console.print(line)
        details = [*map(difference_text, finding.differences), *([finding.reason] if finding.reason else [])]
        for text in details:
            console.print(f"           {text}", markup=False)
        if finding.kind not in (Kind.UNREADABLE, Kind.UNSUPPORTED):
            console.print(f"           {finding.why}; {cause_text(finding)}", markup=False, style="dim")
        if finding.contested:
            console.print(f"           {finding.contested}", markup=False, style="yellow")
    for correlation, together in by_correlation(report.findings).items():
        console.print(f"One operation explains {len(together)} of these ({correlation}).", markup=False, style="dim")
    for gap in report.gaps:
        console.print(f"Not known: {gap}", markup=False, style="yellow")
    if report.findings:
        console.print()
    console.print(headline(report), markup=False)


def markdown(report: Report) -> str:
    """For a comment or a job summary."""
    lines = [f"**{headline(report)}**", ""]
    if report.findings:
        lines += ["| severity | what | resource | difference | cause |", "|---|---|---|---|---|"]
    for finding in report.findings:
        details = "<br>".join(_cell(difference_text(d)) for d in finding.differences) or _cell(finding.reason)
        lines.append(f"| {finding.severity} | {finding.kind} | `{_cell(finding.subject)}` | {details} | {_cell(cause_text(finding))} |")
    lines += ["", *(f"- Not known: {_cell(g)}" for g in report.gaps)] if report.gaps else []
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def sarif(report: Report, places: dict[str, str], version: str) -> dict[str, Any]:
    """SARIF 2.1.0. `places` are `file:line` by address; a finding without one points at the state."""
    rules = sorted({str(f.kind) for f in report.findings})
    results = []
    for finding in report.findings:
        file, _, line = places.get(finding.address, "").rpartition(":")
        told = "; ".join(difference_text(d) for d in finding.differences) or finding.reason or str(finding.kind)
        location = {"artifactLocation": {"uri": file or "terraform.tfstate"}, "region": {"startLine": int(line) if line.isdigit() else 1}}
        results.append(
            {
                "ruleId": f"drift/{str(finding.kind).replace(' ', '-')}",
                "level": _LEVELS[finding.severity],
                "message": {"text": f"{finding.subject}: {told}; {cause_text(finding)}"},
                "locations": [{"physicalLocation": location}],
                "partialFingerprints": {"driftKey/v1": finding.key},
            }
        )
    driver = {
        "name": "iacagent drift",
        "version": version,
        "informationUri": "https://github.com/iac-agent/iac-agent",
        "rules": [{"id": f"drift/{r.replace(' ', '-')}", "shortDescription": {"text": f"A resource is {r}"}} for r in rules],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def junit(report: Report) -> str:
    """One test case for each finding, and one for all that is clean: drift fails, what could not be looked at is an error."""
    bad = [f for f in report.findings if f.kind in (Kind.UNREADABLE, Kind.UNSUPPORTED)]
    attributes = {
        "name": "drift",
        "tests": str(len(report.findings) + 1),
        "failures": str(len(report.drifted)),
        "errors": str(len(bad)),
    }
    suite = ElementTree.Element("testsuite", attributes)
    ElementTree.SubElement(suite, "testcase", {"classname": "drift", "name": f"{report.clean} resources as Terraform left them"})
    for finding in report.findings:
        case = ElementTree.SubElement(suite, "testcase", {"classname": f"drift.{finding.type}", "name": finding.subject})
        told = "\n".join(difference_text(d) for d in finding.differences) or finding.reason
        tag = "error" if finding in bad else "failure"
        ElementTree.SubElement(case, tag, {"message": f"{finding.kind}: {finding.why}"}).text = f"{told}\n{cause_text(finding)}"
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def as_json(report: Report, **more: Any) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, **document(report), **more}, indent=2, ensure_ascii=False) + "\n"
