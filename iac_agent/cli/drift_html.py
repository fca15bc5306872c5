"""The findings as one HTML file: a plot of drift over time, and a table that can be filtered. No network, no library."""

from __future__ import annotations

from typing import Any

import jinja2

from iac_agent.cli import drift_report
from iac_agent.drift.scan import Report
from iac_agent.drift.wording import cause_text, difference_text
from iac_agent.store.findings import Findings

_WIDTH, _HEIGHT, _MARGIN = 720, 160, 28


def page(report: Report, findings: Findings) -> str:
    """The whole page. `findings` knows the scans before."""
    loader = jinja2.PackageLoader("iac_agent.cli", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    kept = {k.key: k.first_seen for k in findings.all(only_open=True)}
    rows = [
        {
            "severity": str(f.severity),
            "kind": str(f.kind),
            "subject": f.subject,
            "details": [difference_text(d) for d in f.differences] or [f.reason],
            "why": f.why,
            "cause": cause_text(f),
            "since": kept.get(f.key, "")[:16].replace("T", " "),
        }
        for f in report.findings
    ]
    told = {"headline": drift_report.headline(report), "gaps": report.gaps, "rows": rows, "plot": _plot(findings.scans())}
    return environment.get_template("drift.html.j2").render(**told)


def _plot(scans: list[tuple[str, int, int]]) -> dict[str, Any]:
    """Drifted resources of each scan, as points of a polyline, evenly spaced in the order of time."""
    most = max((drifted for _, _, drifted in scans), default=0) or 1
    step = (_WIDTH - 2 * _MARGIN) / max(len(scans) - 1, 1)
    points = [
        {
            "x": round(_MARGIN + n * step, 1),
            "y": round(_HEIGHT - _MARGIN - drifted / most * (_HEIGHT - 2 * _MARGIN), 1),
            "label": f"{time[:16].replace('T', ' ')}: {drifted} of {resources}",
        }
        for n, (time, resources, drifted) in enumerate(scans)
    ]
    return {"width": _WIDTH, "height": _HEIGHT, "margin": _MARGIN, "most": most, "points": points}
