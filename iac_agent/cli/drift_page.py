"""The findings as one page at the terminal: numbered, each with what can be done, and decided several at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import click

from iac_agent.drift.finding import Finding
from iac_agent.drift.rules import Action
from iac_agent.drift.wording import cause_text, difference_text
from iac_agent.errors import UsageError
from iac_agent.planner.model.advice import Advice
from iac_agent.reconcile.decide import Decision, choices, possible

_ANSWER = re.compile(r"\s*[;,]?\s*(?P<which>all|\d[\d,\-\s]*?)\s*[=\s]\s*(?P<action>[a-z]+)")


def ask(findings: Sequence[Finding], advice: Mapping[str, Advice]) -> dict[str, Decision]:
    """Decisions of a person, by finding key; what is not decided is left out."""
    for number, finding in enumerate(findings, 1):
        click.echo(_entry(number, finding, advice.get(finding.key)), err=True)
    click.echo('\nWhat should be done? For example "1-3 adopt, 4 revert" or "all adopt"; Enter leaves the rest as it is.', err=True)
    decided: dict[str, Decision] = {}
    while len(decided) < len(findings):
        answer = click.prompt("", default="", show_default=False, prompt_suffix="> ", err=True).strip().lower()
        if not answer:
            break
        try:
            chosen = parse(answer, findings)
        except UsageError as problem:
            click.echo(f"{problem.message} {problem.hint}".strip(), err=True)
            continue
        decided |= chosen
        click.echo("; ".join(f"{d.finding.subject}: {d.action}" for d in chosen.values()), err=True)
    return decided


def _entry(number: int, finding: Finding, advice: Advice | None) -> str:
    lines = [f"\n{number:>3}  {finding.severity} {finding.kind} {finding.subject}"]
    lines += [f"     {difference_text(d)}" for d in finding.differences]
    lines += [f"     {finding.why}; {cause_text(finding)}"]
    lines += [f"     {finding.contested}"] if finding.contested else []
    lines += [f"     possible: {', '.join(choices(finding))}"]
    lines += [f"     the model proposes {advice.action}: {advice.reason}"] if advice else []
    return "\n".join(lines)


def parse(answer: str, findings: Sequence[Finding]) -> dict[str, Decision]:
    """`1-3 adopt, 4=revert`, `all report` as decisions by finding key. Raises UsageError that says what is wrong."""
    decided: dict[str, Decision] = {}
    position = 0
    while position < len(answer.rstrip(" ;,")):
        match = _ANSWER.match(answer, position)
        if match is None:
            raise UsageError(f"{answer[position:].strip()!r} is no decision.", hint="Say numbers and what to do, as in 1-3 adopt.")
        position = match.end()
        if match["action"] not in [a.value for a in Action]:
            raise UsageError(f"{match['action']!r} cannot be done.", hint="See what is possible for each.")
        for number in _numbers(match["which"], len(findings)):
            finding = findings[number - 1]
            decision = possible(Decision(finding, Action(match["action"]), "a person"))
            if decision.action != Action(match["action"]) and decision.action == Action.REPORT:
                raise UsageError(f"{number}: {decision.by}.")
            decided[finding.key] = decision
    return decided


def _numbers(text: str, most: int) -> list[int]:
    found: list[int] = []
    for piece in [f"1-{most}"] if text == "all" else filter(None, re.split(r"[,\s]+", text)):
        first, _, last = piece.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise UsageError(f"{piece!r} is no number.")
        found += range(int(first), int(last or first) + 1)
    if not found or min(found) < 1 or max(found) > most:
        raise UsageError(f"There are findings 1 to {most}.")
    return found
