"""Plans made by hand, judged by every policy that is shipped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from iac_agent.guard.check import Checks, Exempt
from iac_agent.guard.cost.estimate import Budget
from iac_agent.guard.guard import Guard
from iac_agent.guard.policies import shipped
from iac_agent.guard.verdict import Verdict, judge
from iac_agent.hcl.module import RootModule
from iac_agent.terraform.models import Plan

TODAY = date(2026, 6, 15)


@dataclass(frozen=True)
class Planned:
    """A resource as a plan shows it: after, before (None: it is new), and what is known only after apply."""

    after: Mapping[str, Any] | None
    before: Mapping[str, Any] | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)
    actions: tuple[str, ...] = ()
    written: tuple[str, ...] | None = None

    def row(self, address: str) -> dict[str, Any]:
        acts = self.actions or (("create",) if self.before is None else ("no-op",) if self.before == self.after else ("update",))
        change = {"actions": list(acts), "before": self.before, "after": self.after, "after_unknown": dict(self.unknown)}
        kind, name = re.sub(r"\[.*?\]", "", address).split(".")[-2:]
        return {"address": address, "type": kind, "name": name, "change": change}


def _expressions(after: Mapping[str, Any], unknown: Mapping[str, Any]) -> dict[str, Any]:
    """The expressions of what has a value or is unknown; a block has those of its own arguments."""
    found: dict[str, Any] = {}
    for name in {*after, *unknown}:
        held, later = after.get(name), unknown.get(name)
        rows = held if isinstance(held, list) and any(isinstance(x, dict) for x in held) else []
        inner = later if isinstance(later, list) else []
        found[name] = [_expressions(x, inner[i] if i < len(inner) else {}) for i, x in enumerate(rows)] or {}
    return found


def plan_of(resources: Mapping[str, Planned]) -> Plan:
    """The configuration says what is written: everything that has a value or is unknown, unless `written` names it."""
    blocks = [
        {
            "address": a.split("[")[0],
            "expressions": _expressions(p.after or {}, p.unknown) if p.written is None else {k: {} for k in p.written},
        }
        for a, p in resources.items()
        if not a.startswith("module.")
    ]
    rows = [p.row(a) for a, p in resources.items()]
    return Plan.model_validate({"resource_changes": rows, "configuration": {"root_module": {"resources": blocks}}})


def assessed(folder: Path, resources: Mapping[str, Planned], exempt: Iterable[Exempt] = (), budget: Budget | None = None) -> Verdict:
    """The verdict of the guard with every policy in force, on a day of 2026."""
    plan = plan_of(resources)
    policies = tuple(p for p in shipped() if not p.optional)
    guard = Guard(checks=Checks(policies, exempt=tuple(exempt), today=lambda: TODAY), budget=budget or Budget())
    return guard.assess(judge(plan, None, digest=plan.digest()), plan, RootModule(folder))
