"""What the agent tells while it works, and whom it asks: the command line implements both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from iac_agent.guard.verdict import Verdict
from iac_agent.hcl.changeset import Outcome
from iac_agent.planner.protocol import ChangeSet
from iac_agent.store.audit import Record


@dataclass(frozen=True)
class Proof:
    """One thing that was checked afterwards: what was expected, what was found, and whether it holds (None: could not be read)."""

    what: str
    found: str
    holds: bool | None

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "found": self.found, "holds": self.holds}


class Reporter(Protocol):
    """Hears what happens, in this order."""

    def understood(self, changes: ChangeSet) -> None: ...
    def edited(self, outcome: Outcome) -> None: ...
    def terraform(self, line: str) -> None: ...
    def judged(self, verdict: Verdict) -> None: ...
    def approved(self, addresses: list[str], how: str) -> None: ...
    def applying(self, directory: str) -> None: ...
    def proven(self, proofs: list[Proof]) -> None: ...
    def recorded(self, records: list[Record]) -> None: ...
    def note(self, text: str) -> None: ...


class Approver(Protocol):
    """Asked for what no flag covers. Answers no when nobody is there."""

    def name(self, address: str, action: str, forced_by: tuple[str, ...]) -> bool: ...
    def ordinary(self, verdict: Verdict) -> bool: ...
    def confirm(self, question: str) -> bool: ...
