"""What happens to each finding: the first rule that fits, else the strategy, else a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from iac_agent.drift.finding import Finding, Kind
from iac_agent.drift.rules import Action, Rule

_POSSIBLE = {
    Kind.CHANGED: {Action.ADOPT, Action.REVERT},
    Kind.DELETED: {Action.ADOPT, Action.REVERT},
    Kind.RECREATED: {Action.IMPORT},
    Kind.UNMANAGED: {Action.IMPORT},
    Kind.BEHIND: {Action.ADOPT},
    Kind.UNREADABLE: set[Action](),
    Kind.UNSUPPORTED: set[Action](),
}


@dataclass(frozen=True)
class Decision:
    """What is to be done about a finding, and who says so (`rule 2: reason`, `--strategy`, `a person`)."""

    finding: Finding
    action: Action
    by: str


def decide(
    findings: Sequence[Finding],
    rules: Sequence[Rule],
    strategies: Sequence[Action],
    workspace: str,
    today: date,
    ask: Callable[[Finding, list[Action]], Action] | None = None,
) -> list[Decision]:
    """A decision for every finding: by a rule, else by the first strategy that is possible. `ask` is a person, where one is there."""
    out = []
    for finding in findings:
        actions = _POSSIBLE[finding.kind]
        fallback = next((s for s in strategies if s in actions or s == Action.ASK), Action.REPORT)
        action, by = _ruled(finding, rules, workspace, today) or (fallback, "no rule fits")
        if action == Action.ASK and ask is not None and actions:
            action, by = ask(finding, sorted(actions)), "a person"
        out.append(possible(Decision(finding, action, by)))
    return out


def possible(decision: Decision) -> Decision:
    """The decision, or a report where that cannot be done to a finding of its kind."""
    kind, action = decision.finding.kind, decision.action
    if action == Action.REVERT and _grew(decision.finding):
        return Decision(decision.finding, Action.REPORT, f"{decision.by}: Azure cannot shrink a disk again; adopt its size")
    if action in _POSSIBLE[kind] or action in (Action.REPORT, Action.ASK):
        return decision
    return Decision(decision.finding, Action.REPORT, f"{decision.by}: {action} cannot be done to what is {kind}")


def _grew(finding: Finding) -> bool:
    """Whether a disk got larger: no API makes it smaller."""
    return any(
        d.path[-1] == "disk_size_gb" and isinstance(d.before, int) and isinstance(d.after, int) and d.after > d.before
        for d in finding.differences
    )


def _ruled(finding: Finding, rules: Sequence[Rule], workspace: str, today: date) -> tuple[Action, str] | None:
    for number, rule in enumerate(rules, 1):
        if rule.action != Action.IGNORE and rule.fits(finding, workspace, today):
            return rule.action, f"rule {number}{f': {rule.reason}' if rule.reason else ''}"
    return None
