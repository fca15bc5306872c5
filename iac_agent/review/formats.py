"""A review in the formats that other programs read: SARIF, annotations of a check, GitLab's code quality and merge request widget.

Sources: https://docs.oasis-open.org/sarif/sarif/v2.1.0 and GitHub's SARIF support (25,000 results a run, stable ruleId and
partialFingerprints); https://docs.gitlab.com/ci/testing/code_quality and .../user/infrastructure/iac/mr_integration
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from iac_agent import __version__
from iac_agent.guard import redact
from iac_agent.guard.check import Finding
from iac_agent.guard.policy import Ruling, Severity
from iac_agent.review.report import Review, Reviewed

SARIF_RESULTS = 25_000
_LEVELS = {Ruling.REFUSE: "error", Ruling.UNKNOWN: "warning", Ruling.WARN: "warning", Ruling.PASS: "note"}
_CHECK: dict[Ruling, Literal["failure", "warning", "notice"]] = {
    Ruling.REFUSE: "failure", Ruling.UNKNOWN: "warning", Ruling.WARN: "warning", Ruling.PASS: "notice",
}  # fmt: skip
_QUALITY = {
    Severity.CRITICAL: "blocker", Severity.HIGH: "critical", Severity.MEDIUM: "major", Severity.LOW: "minor",
}  # fmt: skip
_SCORE = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "3.0"}


@dataclass(frozen=True)
class Annotation:
    """A remark on a line of a file."""

    path: str
    line: int
    level: Literal["failure", "warning", "notice"]
    title: str
    message: str


def remarks(review: Review) -> list[Annotation]:
    """The findings that the change brings and that stand somewhere, and dangerous changes where they are written; the worst first."""
    found = [Annotation(*_place(f), _CHECK[f.outcome], f"{f.rule} {f.title}", _said(f)) for _, f in _findings(review) if f.where]
    for reviewed in review.roots:
        for row in reviewed.rows:
            if row.dangerous and row.where:
                path, line = _split(row.where)
                forced = ", ".join(a.path for a in row.attributes if a.forces)
                told = [f"because of {forced}" if forced else "", *(i.what for i in row.impacts)]
                said = redact.printable(f"{row.address}: {'; '.join(t for t in told if t) or row.action}")
                found.append(Annotation(path, line, "warning", f"{row.action} of {row.address}", said))
    return sorted(dict.fromkeys(found), key=lambda a: ["failure", "warning", "notice"].index(a.level))


def sarif(review: Review) -> dict[str, Any]:
    """SARIF 2.1.0 with the findings, those of before the change too: code scanning tells old from new by itself."""
    findings = [f for r in review.roots for f in r.findings][:SARIF_RESULTS]
    rules = {f.rule: f for f in findings}
    numbers = {rule: n for n, rule in enumerate(sorted(rules))}
    results = [_result(reviewed, f, numbers) for reviewed in review.roots for f in reviewed.findings][:SARIF_RESULTS]
    driver = {
        "name": "iacagent",
        "version": __version__,
        "informationUri": "https://github.com/iac-agent/iac-agent",
        "rules": [_rule(rules[r]) for r in numbers],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "automationDetails": {"id": "iacagent/review/"}, "results": results}],
    }


def _rule(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.rule,
        "name": finding.rule.replace("-", ""),
        "shortDescription": {"text": finding.title},
        "fullDescription": {"text": f"{finding.title}. {finding.why}".strip()},
        "help": {"text": finding.fix or finding.title, "markdown": finding.fix or finding.title},
        **({"helpUri": finding.source} if finding.source.startswith("https://") else {}),
        "defaultConfiguration": {"level": _LEVELS[finding.outcome]},
        "properties": {"security-severity": _SCORE[finding.severity], "tags": ["security", "infrastructure"]},
    }


def _result(reviewed: Reviewed, finding: Finding, numbers: dict[str, int]) -> dict[str, Any]:
    path, line = _place(finding)
    path = path or (reviewed.touched.by[0] if reviewed.touched.by else reviewed.touched.target.place)
    told = {
        "ruleId": finding.rule,
        "ruleIndex": numbers[finding.rule],
        "level": _LEVELS[finding.outcome],
        "message": {"text": f"{finding.title}: {_said(finding)}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": path, "uriBaseId": "%SRCROOT%"}, "region": {"startLine": line}}}],
        "partialFingerprints": {"iacagent/v1": fingerprint(reviewed, finding)},
        "baselineState": "unchanged" if finding.standing else "new",
    }
    if finding.excepted:
        told["suppressions"] = [{"kind": "external", "justification": redact.text(finding.excepted)}]
    return told


def code_quality(review: Review) -> list[dict[str, Any]]:
    """GitLab's code quality report."""
    return [
        {
            "description": f"{f.rule} {f.title}: {_said(f)}",
            "check_name": f.rule,
            "fingerprint": fingerprint(reviewed, f),
            "severity": _QUALITY[f.severity],
            "location": {"path": _place(f)[0] or reviewed.touched.target.place, "lines": {"begin": _place(f)[1]}},
        }
        for reviewed, f in _findings(review)
    ]


def widget(review: Review) -> dict[str, int]:
    """What GitLab's merge request widget counts."""
    actions = Counter(r.action for reviewed in review.roots for r in reviewed.rows)
    replaced = actions["replace"]
    return {"create": actions["create"] + replaced, "update": actions["update"], "delete": actions["delete"] + replaced}


def fingerprint(reviewed: Reviewed, finding: Finding) -> str:
    """The same for the same finding on every commit, wherever in the file it stands."""
    told = "\n".join((reviewed.name, finding.rule, finding.address, finding.attribute, _place(finding)[0]))
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _findings(review: Review) -> Iterator[tuple[Reviewed, Finding]]:
    yield from ((r, f) for r in review.roots for f in r.findings if not f.standing)


def _said(finding: Finding) -> str:
    what = f" ({finding.attribute} = {finding.value})" if finding.attribute else ""
    return redact.printable(f"{finding.address}{what}. {finding.why} {finding.fix}".strip())


def _place(finding: Finding) -> tuple[str, int]:
    return _split(finding.where)


def _split(where: str) -> tuple[str, int]:
    file, _, line = where.rpartition(":")
    return (file, int(line)) if file and line.isdigit() else (where, 1)
