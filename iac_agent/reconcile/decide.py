"""What happens to each finding: the first rule that fits, else the strategy, else a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from iac_agent.drift.finding import Finding, Kind
from iac_agent.drift.rules import Action, Environment, Rule

_POSSIBLE = {
    Kind.CHANGED: {Action.ADOPT, Action.REVERT, Action.IGNORE},
    Kind.DELETED: {Action.FORGET, Action.RECREATE},
    Kind.RECREATED: {Action.ADOPT, Action.REVERT},
    Kind.UNMANAGED: {Action.IMPORT},
    Kind.BEHIND: {Action.ADOPT},
}
_SAME_AS = {(Kind.DELETED, Action.REVERT): Action.RECREATE}


@dataclass(frozen=True)
class Decision:
    """What is to be done about a finding, and who says so (`rule 2: reason`, `--strategy`, `a person`)."""

    finding: Finding
    action: Action
    by: str


def choices(finding: Finding) -> list[Action]:
    """What can be done about a finding."""
    return sorted(_POSSIBLE.get(finding.kind, ()))


def decide(findings: Sequence[Finding], rules: Sequence[Rule], strategies: Sequence[Action], environment: Environment) -> list[Decision]:
    """A decision for every finding: by a rule, else by the first strategy that is possible, else a report."""
    out = []
    for finding in findings:
        decision = _ruled(finding, rules, environment) or _by_strategy(finding, strategies)
        out.append(uncontested(possible(decision)))
    return out


def _by_strategy(finding: Finding, strategies: Sequence[Action]) -> Decision:
    can = [*choices(finding), Action.ASK]
    action = next((s for s in strategies if _SAME_AS.get((finding.kind, s), s) in can), None)
    return Decision(finding, action or Action.REPORT, f"--strategy {action}" if action else "no rule fits")


def possible(decision: Decision) -> Decision:
    """The decision, or a report where that cannot be done to a finding of its kind."""
    kind = decision.finding.kind
    action = _SAME_AS.get((kind, decision.action), decision.action)
    if action == Action.REVERT and _grew(decision.finding):
        return _report(decision, "Azure cannot shrink a disk again; adopt its size")
    if action in (*choices(decision.finding), Action.REPORT, Action.ASK):
        return replace(decision, action=action)
    can = f"; {' or '.join(choices(decision.finding))} can" if choices(decision.finding) else ""
    return _report(decision, f"{action} cannot be done to what is {kind}{can}")


def uncontested(decision: Decision) -> Decision:
    """The decision, or a report where a revert would only be undone again: that is told, not fought."""
    if decision.action == Action.REVERT and decision.finding.contested:
        return _report(decision, f"reverting would not last: {decision.finding.contested}")
    return decision


def _report(decision: Decision, why: str) -> Decision:
    return Decision(decision.finding, Action.REPORT, f"{decision.by}: {why}")


def _grew(finding: Finding) -> bool:
    """Whether a disk got larger: no API makes it smaller."""
    return any(
        d.path[-1] == "disk_size_gb" and isinstance(d.before, int) and isinstance(d.after, int) and d.after > d.before
        for d in finding.differences
    )


def _ruled(finding: Finding, rules: Sequence[Rule], environment: Environment) -> Decision | None:
    for number, rule in enumerate(rules, 1):
        if rule.action != Action.IGNORE and rule.fits(finding, environment):
            return Decision(finding, rule.action, f"rule {number}{f': {rule.reason}' if rule.reason else ''}")
    return None
