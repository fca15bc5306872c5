"""Reverts that failed: Terraform reads drift into its state before it changes anything, so that no comparison of the two shows it any more.

They are told on, until the state no longer has what drifted, or the configuration says it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from iac_agent.drift import severity
from iac_agent.drift.finding import Finding, value_at
from iac_agent.drift.intent import Intent
from iac_agent.terraform.models import StateResource

_WHY = "a revert of it failed; Terraform's state has it already"


def still_there(kept: Iterable[Mapping[str, Any]], state: Iterable[StateResource], intent: Intent | None) -> Iterator[Finding]:
    """Of findings that were kept as failed (their JSON), those that still drift."""
    held = {r.address: r for r in state}
    for told in kept:
        finding = Finding.from_json(dict(told))
        resource = held.get(finding.address)
        if resource is None or any(d.sensitive for d in finding.differences):
            continue
        left = tuple(d for d in finding.differences if value_at(resource.values, d.path) == d.after)
        wanted = [intent.value(finding.address, d.path) if intent else None for d in left]
        if left and any(w != d.after for w, d in zip(wanted, left, strict=True)):
            how_bad, why = severity.judge(finding)
            yield replace(finding, severity=how_bad, why=why, reason=_WHY)
