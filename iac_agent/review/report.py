"""What a review found, as data: one `Reviewed` for each root module that is touched, and all of them as a `Review`.

Nothing in it is sensitive: values are masked before they get here, so that whatever writes a report cannot leak.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from iac_agent.drift.finding import Finding as Drifted
from iac_agent.guard.blast import Impact
from iac_agent.guard.check import Finding
from iac_agent.guard.cost.estimate import Estimate
from iac_agent.guard.policy import Ruling
from iac_agent.guard.verdict import DANGEROUS
from iac_agent.review.checkout import Revisions
from iac_agent.review.touched import Touched


@dataclass(frozen=True)
class Attribute:
    """One attribute that changes, with its values as people may see them; `forces` a replacement; `waiting`: it would change without this
    change too.
    """

    path: str
    before: str
    after: str
    forces: bool = False
    waiting: bool = False


@dataclass(frozen=True)
class Row:
    """One resource that changes: what happens to it, where it is written (`file:line` in the repository), and what it does beside."""

    address: str
    action: str
    where: str = ""
    attributes: tuple[Attribute, ...] = ()
    reason: str = ""
    impacts: tuple[Impact, ...] = ()

    @property
    def dangerous(self) -> bool:
        return self.action in DANGEROUS

    @property
    def rank(self) -> tuple[int, list[str]]:
        """The order of danger: what destroys, what replaces, what forgets, what interrupts, then the rest; by address as people count."""
        kinds = {i.kind for i in self.impacts}
        order = ["delete", "replace", "forget", "interrupted", "update", "create", "import", "move"]
        what = "interrupted" if self.action == "update" and kinds & {"interrupted", "lost", "address"} else self.action
        lost = 0 if "lost" in kinds else 1
        natural = [part.zfill(12) if part.isdigit() else part for part in re.split(r"(\d+)", self.address)]
        return order.index(what) * 2 + lost if what in order else 99, natural

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "attributes": [vars(a) for a in self.attributes], "impacts": [i.as_json() for i in self.impacts]}


@dataclass(frozen=True)
class Reviewed:
    """One target. `rows` are what the change does, the most dangerous first; `waiting` would be there without it; `undone` is the work of
    others that the branch, applied as it is, would take back. `problem` says why it could not be planned, `refused` that it may not be.
    """

    touched: Touched
    rows: tuple[Row, ...] = ()
    findings: tuple[Finding, ...] = ()
    waiting: tuple[Row, ...] = ()
    undone: tuple[Row, ...] = ()
    behind: tuple[str, ...] = ()
    drift: tuple[Drifted, ...] = ()
    drift_unknown: str = ""
    cost: Estimate | None = None
    digest: str = ""
    serial: int | None = None
    problem: str = ""
    refused: bool = False
    static: bool = False

    @property
    def name(self) -> str:
        return self.touched.target.name

    @property
    def outcome(self) -> str:
        """`refused`, `failed`, `approval` (by name), `warned`, `passed`."""
        rulings = {f.outcome for f in self.findings}
        if self.refused or Ruling.REFUSE in rulings:
            return "refused"
        if self.problem:
            return "failed"
        if any(r.dangerous for r in self.rows) or Ruling.UNKNOWN in rulings:
            return "approval"
        return "warned" if any(f.outcome == Ruling.WARN and not f.standing for f in self.findings) else "passed"

    @property
    def needs(self) -> dict[str, list[str]]:
        """The addresses that an apply has to name, by what for."""
        unknown = list(dict.fromkeys(f.address for f in self.findings if f.outcome == Ruling.UNKNOWN))
        return {
            "replace": [r.address for r in self.rows if r.action == "replace"],
            "destroy": [r.address for r in self.rows if r.action in ("delete", "forget")],
            "unknown": unknown,
        }

    def counts(self) -> dict[str, int]:
        actions = [r.action for r in self.rows]
        return {a: actions.count(a) for a in dict.fromkeys(sorted(actions))}

    def as_json(self) -> dict[str, Any]:
        return {
            "root_module": self.touched.target.place,
            "workspace": self.touched.target.workspace,
            "outcome": self.outcome,
            "touched_by": list(self.touched.by),
            "new": self.touched.new,
            "gone": self.touched.gone,
            "static": self.static,
            "changes": [r.as_json() for r in self.rows],
            "waiting": [r.as_json() for r in self.waiting],
            "undone": [r.as_json() for r in self.undone],
            "behind": list(self.behind),
            "findings": [f.as_json() for f in self.findings],
            "drift": [f.as_json() for f in self.drift],
            "drift_unknown": self.drift_unknown,
            "cost": self.cost.as_json() if self.cost else None,
            "plan_digest": self.digest,
            "state_serial": self.serial,
            "problem": self.problem,
        }


_WORST = ("refused", "failed", "approval", "warned", "passed")


@dataclass(frozen=True)
class Review:
    """A whole review. `unread` are files of Terraform that no root module reads; `rules` those of the guard's own that the change edits."""

    revisions: Revisions
    roots: tuple[Reviewed, ...] = ()
    unread: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    static: bool = False

    @property
    def outcome(self) -> str:
        """The worst of its root modules."""
        return min((r.outcome for r in self.roots), key=_WORST.index, default="passed")

    @property
    def cost(self) -> tuple[float, str] | None:
        """The difference a month over all root modules, and the currency; None where none is known."""
        known = [r.cost for r in self.roots if r.cost is not None]
        return (sum(c.change for c in known), known[0].currency) if known else None

    def as_json(self) -> dict[str, Any]:
        return {
            "base": self.revisions.base,
            "head": self.revisions.head,
            "conflicts": list(self.revisions.conflicts),
            "behind": len(self.revisions.behind),
            "outcome": self.outcome,
            "static": self.static,
            "root_modules": [r.as_json() for r in self.roots],
            "unread": list(self.unread),
            "rules": list(self.rules),
        }
