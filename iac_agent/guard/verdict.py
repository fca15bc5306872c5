"""The verdict on a plan: what the request meant, what is unrelated, and what needs approval by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from iac_agent.azure.lenses import all_lenses
from iac_agent.guard.blast import Impact
from iac_agent.guard.check import Finding
from iac_agent.guard.cost.estimate import Estimate
from iac_agent.guard.policy import Ruling
from iac_agent.terraform.models import Plan, ResourceChange

DANGEROUS = ("replace", "delete", "forget")


@dataclass(frozen=True)
class Item:
    """One change for people and for approval: the attributes that change (dotted), and which of them force a replacement."""

    address: str
    action: str
    changed: tuple[str, ...] = ()
    forced_by: tuple[str, ...] = ()
    reason: str = ""

    @property
    def dangerous(self) -> bool:
        return self.action in DANGEROUS

    def as_json(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "action": self.action,
            "changed": list(self.changed),
            "forced_by": list(self.forced_by),
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Verdict:
    """What a plan means. `intended` follows from the request; `unrelated` would be there without it and is in the plan; `left_out`
    are unrelated changes that the plan does not hold. `unknown` are types without a lens.
    """

    intended: tuple[Item, ...]
    unrelated: tuple[Item, ...] = ()
    entangled: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    digest: str = ""
    file_hash: str = ""
    left_out: tuple[Item, ...] = ()
    findings: tuple[Finding, ...] = ()
    cost: Estimate | None = None
    impacts: tuple[Impact, ...] = ()

    @property
    def outcome(self) -> Ruling:
        """The worst of the findings."""
        return max((f.outcome for f in self.findings), key=lambda o: o.rank, default=Ruling.PASS)

    @property
    def items(self) -> tuple[Item, ...]:
        return self.intended + self.unrelated

    @property
    def need_replace(self) -> list[str]:
        return [i.address for i in self.items if i.action == "replace"]

    @property
    def need_destroy(self) -> list[str]:
        return [i.address for i in self.items if i.action in ("delete", "forget")]

    @property
    def need_unknown(self) -> list[str]:
        """Addresses of which a rule that matters cannot be told."""
        return list(dict.fromkeys(f.address for f in self.findings if f.outcome == Ruling.UNKNOWN))

    @property
    def needs(self) -> dict[str, list[str]]:
        """Addresses that need approval by name, by what it is for: to replace, to destroy, or although a rule cannot be told of them."""
        return {"replace": self.need_replace, "destroy": self.need_destroy, "unknown": self.need_unknown}

    def counts(self) -> dict[str, int]:
        actions = [i.action for i in self.items]
        return {a: actions.count(a) for a in ("create", "update", "replace", "delete") if a in actions}

    def recorded(self) -> dict[str, Any]:
        """What the audit keeps of it: without the findings that were there before the change."""
        return {**self.as_json(), "findings": [f.as_json() for f in self.findings if not f.standing]}

    def as_json(self) -> dict[str, Any]:
        return {
            "intended": [i.as_json() for i in self.intended],
            "unrelated": [i.as_json() for i in self.unrelated],
            "left_out": [i.as_json() for i in self.left_out],
            "entangled": list(self.entangled),
            "unknown": list(self.unknown),
            "plan_digest": self.digest,
            "plan_file_sha256": self.file_hash,
            "outcome": str(self.outcome),
            "findings": [f.as_json() for f in self.findings],
            "cost": self.cost.as_json() if self.cost else None,
            "impacts": [i.as_json() for i in self.impacts],
        }


@dataclass
class Approved:
    """Which dangerous addresses the user allowed by name, and whether in-place changes and creations are approved."""

    replace: set[str] = field(default_factory=set)
    destroy: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    ordinary: bool = False

    def missing(self, verdict: Verdict) -> dict[str, list[str]]:
        """Addresses still lacking a name, by what they lack it for."""
        return {what: [a for a in addresses if a not in getattr(self, what)] for what, addresses in verdict.needs.items()}


def flags(needs: dict[str, list[str]]) -> str:
    """What to pass on the command line to approve them."""
    return " ".join(f"--allow-{what} '{a}'" for what, addresses in needs.items() for a in addresses)


def dotted(path: Iterable[str | int]) -> str:
    return ".".join(str(p) for p in path)


def item_of(change: ResourceChange) -> Item:
    """The item of a planned change. Values themselves are left out: they may be sensitive."""
    changed = () if change.action in ("create", "delete") else tuple(dotted(p) for p in change.change.changed_paths)
    forced = tuple(dotted(p) for p in change.change.replace_paths) if change.action == "replace" else ()
    return Item(change.address, change.action, changed, forced, change.action_reason)


def judge(plan: Plan, baseline: Plan | None, *, digest: str = "", file_hash: str = "") -> Verdict:
    """Split the plan by a plan of the configuration without the edits.

    A change that the baseline has too is unrelated. A resource that the edits change further, while the baseline changes it as well,
    is entangled: its own change cannot be applied without the unrelated one.
    """
    before = {c.address: c for c in baseline.changes} if baseline else {}
    intended: list[Item] = []
    unrelated: list[Item] = []
    entangled: list[str] = []
    for change in plan.changes:
        held = before.get(change.address)
        if held is None:
            intended.append(item_of(change))
        elif _same(held, change):
            unrelated.append(item_of(change))
        else:
            intended.append(item_of(change))
            entangled.append(change.address)
    unknown = sorted({c.type for c in plan.changes if c.type not in all_lenses()})
    return Verdict(tuple(intended), tuple(unrelated), tuple(entangled), tuple(unknown), digest, file_hash)


def _same(one: ResourceChange, other: ResourceChange) -> bool:
    return one.action == other.action and one.change.after == other.change.after
