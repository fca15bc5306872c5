"""What plan and apply look like on a terminal, and as JSON. Results go to stdout, progress to stderr."""

from __future__ import annotations

import difflib
from typing import Any

from rich.console import Console
from rich.text import Text

from iac_agent.agent.report import Proof
from iac_agent.guard import redact
from iac_agent.guard.check import Finding
from iac_agent.guard.cost.estimate import Estimate
from iac_agent.guard.policy import Ruling, Severity
from iac_agent.guard.verdict import Item, Verdict, flags
from iac_agent.hcl.changeset import FileChange, Outcome
from iac_agent.planner.protocol import ChangeSet
from iac_agent.store.audit import Record
from iac_agent.terraform.diagnostics import parse_line

_SIGN = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "replace": ("±", "red"),
    "delete": ("-", "red"),
    "forget": (".", "red"),
}
_RULING = {
    Ruling.REFUSE: ("✗", "red"),
    Ruling.UNKNOWN: ("?", "yellow"),
    Ruling.WARN: ("!", "yellow"),
    Ruling.PASS: ("✓", "green"),
}
_WORD = {"update": "update in place", "create": "create", "replace": "replace", "delete": "destroy", "forget": "forget"}


def unified(change: FileChange, name: str) -> list[str]:
    """A unified diff of one file, secrets masked."""
    before = (change.before or b"").decode("utf-8", "replace").splitlines()
    after = change.after.decode("utf-8", "replace").splitlines()
    old = name if change.before is not None else "/dev/null"
    lines = difflib.unified_diff(before, after, f"a/{old}" if change.before is not None else old, f"b/{name}", n=2, lineterm="")
    return [redact.line(line) for line in lines]


class _Console(Console):
    """Prints nothing that would act on the terminal: names, tags and a model's words are data."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*map(_harmless, objects), **options)


def _harmless(shown: Any) -> Any:
    if isinstance(shown, str):
        return redact.printable(shown)
    return Text(redact.printable(shown.plain), style=shown.style) if isinstance(shown, Text) else shown


class ConsoleReporter:
    """Prints each step as it happens."""

    def __init__(self, color: bool, root: Any, explain: bool = False) -> None:
        self.explain = explain
        style: dict[str, Any] = {"no_color": not color, "highlight": False, "soft_wrap": True}
        self.out = _Console(**style)
        self.err = _Console(stderr=True, **style)
        self.root = root

    def _head(self, text: str) -> None:
        self.out.print()
        self.out.print(Text(text, style="bold"))

    def understood(self, changes: ChangeSet) -> None:
        self._head("Understood")
        self.out.print(f"  {redact.text(changes.reason)}", markup=False)
        for line in changes.how if self.explain else ():
            self.out.print(f"    {redact.text(line)}", markup=False, style="dim")
        for edit in changes.edits:
            described = redact.edit(edit.as_json())
            text = (
                edit.describe()
                if described == edit.as_json() or "path" not in described
                else f"set {described.get('path')} = {redact.MASK}"
            )
            self.out.print(f"  • {edit.address}: {text}", markup=False)
        for note in changes.notes:
            self.out.print(f"  ! {note}", markup=False, style="yellow")

    def edited(self, outcome: Outcome) -> None:
        self._head("Edits")
        for change in outcome.files.values():
            for line in unified(change, self._shown(change)):
                style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
                self.out.print(Text(f"  {line}", style="bold" if line.startswith(("+++", "---")) else style))
        for place in outcome.dangling:
            self.out.print(f"  ! {place} still refers to what was removed", markup=False, style="yellow")

    def _shown(self, change: FileChange) -> str:
        return str(change.path.relative_to(self.root)) if change.path.is_relative_to(self.root) else str(change.path)

    def terraform(self, line: str) -> None:
        message = parse_line(line)
        if message is None:
            return
        kind = message.get("type")
        if kind in ("apply_start", "apply_progress", "apply_complete", "apply_errored"):
            self.err.print(f"  {message['@message']}", markup=False)
        elif kind == "diagnostic" and message.get("@level") == "warn":
            self.err.print(f"  Warning: {message['diagnostic'].get('summary', '')}", markup=False, style="yellow")

    def judged(self, verdict: Verdict) -> None:
        self._head("Plan")
        for item in verdict.intended:
            self._item(item)
        if verdict.unrelated:
            self.out.print("  Unrelated, applied too:", style="yellow")
            for item in verdict.unrelated:
                self._item(item)
        if verdict.left_out:
            self.out.print("  Unrelated, not applied (drift, or edits not applied yet):", style="yellow")
            for item in verdict.left_out:
                self._item(item)
        if not verdict.items:
            self.out.print("  no changes")
        self._impacts(verdict)
        self._head("Verdict")
        self.findings(verdict)
        self.out.print(f"  {summary(verdict)}", markup=False)

    def _impacts(self, verdict: Verdict) -> None:
        for impact in verdict.impacts:
            on = f" ({len(impact.dependents)} depend on it)" if impact.dependents else ""
            self.out.print(Text(f"  ! {impact.address}: {impact.what}{on}", style="red" if impact.kind == "lost" else "yellow"))

    def findings(self, verdict: Verdict) -> None:
        """What the rules found, the worst first; warnings of what was so before are only counted."""
        for finding in verdict.findings:
            if not finding.standing:
                self._finding(finding)
        standing = sum(f.standing for f in verdict.findings)
        if standing:
            self.out.print(f"  {standing} warning(s) of what was so before: iacagent policy check", style="dim")
        if verdict.cost is not None:
            self.out.print(f"  {cost(verdict.cost)}", markup=False)

    def _finding(self, finding: Finding) -> None:
        mark, color = _RULING[finding.outcome]
        place = f" ({finding.where})" if finding.where else ""
        self.out.print(Text(f"  {mark} {finding.rule} {finding.title}: {finding.address}{place}", style=color))
        if finding.outcome == Ruling.WARN and finding.severity.rank > Severity.HIGH.rank:
            return
        said = f"{finding.attribute} = {finding.value}. " if finding.attribute else ""
        self.out.print(f"      {said}{finding.why} {finding.fix}", markup=False, style="dim")
        for line in finding.detail.splitlines():
            self.out.print(f"      {line}", markup=False)
        if finding.excepted:
            self.out.print(f"      excepted: {finding.excepted}", markup=False, style="dim")

    def _item(self, item: Item) -> None:
        sign, color = _SIGN.get(item.action, ("?", ""))
        detail = ""
        if item.forced_by:
            detail = f", because of {', '.join(item.forced_by)}"
        elif item.changed:
            detail = f": {', '.join(item.changed[:6])}" + (" …" if len(item.changed) > 6 else "")
        self.out.print(Text(f"  {sign} {item.address}  {_WORD.get(item.action, item.action)}{detail}", style=color))

    def approved(self, addresses: list[str], how: str) -> None:
        self._head("Approval")
        for address in addresses:
            self.out.print(f"  ✓ {address} ({how})", markup=False)

    def applying(self, directory: str) -> None:
        self.err.print()
        self.err.print(Text(f"Applying in {directory}", style="bold"))

    def proven(self, proofs: list[Proof]) -> None:
        self._head("Proof")
        for proof in proofs:
            mark, color = {True: ("✓", "green"), False: ("✗", "red"), None: ("?", "yellow")}[proof.holds]
            self.out.print(Text(f"  {mark} {proof.what}: {proof.found}", style=color))

    def recorded(self, records: list[Record]) -> None:
        self._head("Audit")
        for record in records:
            self.out.print(f"  {record.number:>3}  {record.kind:<10} {record.actor}  {record.hash[:16]}", markup=False)

    def note(self, text: str) -> None:
        self.err.print(f"  {text}", markup=False)


def cost(estimate: Estimate) -> str:
    """One line: what it costs a month, and what is unknown."""
    change = f"{estimate.change:+,.2f}" if estimate.change else "no change"
    unknown = f", without {len(estimate.unknown)} of unknown price" if estimate.unknown else ""
    return f"cost: {estimate.after:,.2f} {estimate.currency} a month ({change}){unknown}; prices of {estimate.date}"


def summary(verdict: Verdict) -> str:
    """One line: what may happen, and what it needs."""
    counts = verdict.counts()
    words = ", ".join(f"{n} to {_WORD[a]}" for a, n in counts.items()) or "nothing to do"
    needs = flags(verdict.needs)
    text = f"{verdict.outcome}: {words}."
    if needs:
        text += f" Needs approval by name: {needs}."
    if verdict.unknown:
        text += f" Unknown: no lens for {', '.join(verdict.unknown)}."
    return text


class JsonReporter:
    """Collects everything into one document."""

    def __init__(self, document: dict[str, Any], root: Any) -> None:
        self.document, self.root = document, root

    def understood(self, changes: ChangeSet) -> None:
        self.document["reason"] = changes.reason
        self.document["edits"] = [redact.edit(e.as_json()) for e in changes.edits]
        self.document["notes"] = list(changes.notes)
        self.document["how"] = list(changes.how)
        self.document["planner"] = changes.by
        self.document["touches"] = list(changes.touches)

    def edited(self, outcome: Outcome) -> None:
        self.document["diff"] = [{"path": str(c.path), "diff": "\n".join(unified(c, c.path.name))} for c in outcome.files.values()]
        self.document["dangling"] = outcome.dangling

    def terraform(self, line: str) -> None:
        """Terraform's own lines are not part of the document."""

    def judged(self, verdict: Verdict) -> None:
        self.document["verdict"] = {**verdict.as_json(), "summary": summary(verdict)}

    def approved(self, addresses: list[str], how: str) -> None:
        self.document["approved"] = {"addresses": addresses, "how": how}

    def applying(self, directory: str) -> None:
        self.document["applied_in"] = directory

    def proven(self, proofs: list[Proof]) -> None:
        self.document["proofs"] = [p.as_json() for p in proofs]

    def recorded(self, records: list[Record]) -> None:
        self.document["audit"] = [vars(r) for r in records]

    def note(self, text: str) -> None:
        self.document.setdefault("messages", []).append(text)
