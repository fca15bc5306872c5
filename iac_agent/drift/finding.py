"""What a scan finds: one finding for each resource that is not as Terraform left it, with what differs and who did it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from iac_agent.hcl.address import parse_path

MASK = "(sensitive value)"
Path = tuple[str | int, ...]


class Kind(StrEnum):
    """What happened to a resource. `unreadable` is never taken for `deleted`, `unsupported` never for clean."""

    CHANGED = "changed"
    DELETED = "deleted"
    RECREATED = "recreated"
    MOVED = "moved"
    UNMANAGED = "unmanaged"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    BEHIND = "state behind"


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


def show_path(path: Path) -> str:
    """`os_disk.disk_size_gb`, `tags.env`, `security_rule["ssh"].priority`, as the planner and Terraform write it."""
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        elif step.replace("_", "a").replace("-", "a").isalnum() and not step[0].isdigit():
            out += f".{step}" if out else step
        else:
            out += f'["{step}"]'
    return out


def value_at(values: Any, path: Path) -> Any:
    """The value at a path, None where there is none; elements of lists may be told by their name, single ones left out."""
    for step in path:
        if isinstance(values, dict):
            values = values.get(step)
        elif isinstance(values, list):
            values = _element(values, step)
        else:
            return None
    return values


def _element(values: list[Any], step: str | int) -> Any:
    if isinstance(step, int):
        return values[step] if step < len(values) else None
    blocks = [v for v in values if isinstance(v, dict)]
    named = next((b for b in blocks if b.get("name") == step), None)
    return named if named is not None else blocks[0].get(step) if len(values) == len(blocks) == 1 else None


@dataclass(frozen=True)
class Difference:
    """One attribute: its value in state, and live. `arm` is where ARM keeps it (a dotted path), empty where a lens cannot tell."""

    path: Path
    before: Any
    after: Any
    sensitive: bool = False
    arm: str = ""

    @property
    def name(self) -> str:
        return show_path(self.path)

    def as_json(self) -> dict[str, Any]:
        before, after = (MASK, MASK) if self.sensitive else (self.before, self.after)
        return {"path": self.name, "before": before, "after": after, "sensitive": self.sensitive}


@dataclass(frozen=True)
class Cause:
    """Who did it, with what, when. Empty texts are unknown; `sure` is `certain`, `likely` or `unknown`, `evidence` says from what.

    `again`: it is an assignment in force, which would do it again.
    """

    who: str = ""
    kind: str = ""
    client: str = ""
    when: str = ""
    address: str = ""
    operation: str = ""
    correlation: str = ""
    sure: str = "unknown"
    evidence: tuple[str, ...] = ()
    again: bool = False

    def __str__(self) -> str:
        if not self.who:
            return "unknown"
        with_what = f" with {self.client}" if self.client else ""
        return f"{self.who}{with_what}{f' at {self.when}' if self.when else ''}"

    def as_json(self) -> dict[str, Any]:
        return {**self.__dict__, "evidence": list(self.evidence)}


@dataclass(frozen=True)
class Finding:
    """One resource that is not as Terraform left it.

    `address` is empty for an unmanaged resource. `reason` says why it could not be read or compared, or where it moved. `also` are the
    causes of differences that `cause` does not explain. `contested` says who would change it again if it were reverted.
    """

    kind: Kind
    address: str
    type: str
    id: str
    name: str = ""
    differences: tuple[Difference, ...] = ()
    severity: Severity = Severity.MEDIUM
    why: str = ""
    reason: str = ""
    cause: Cause = Cause()
    also: tuple[Cause, ...] = ()
    contested: str = ""
    workspace: str = ""
    facts: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """The same for the same drift on every night: of the resource, what happened to it, and which attributes."""
        told = "\n".join([self.kind, self.address, self.id.lower(), *sorted(d.name for d in self.differences), *self.workspace.split()])
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    @property
    def subject(self) -> str:
        return self.address or self.id

    @property
    def causes(self) -> tuple[Cause, ...]:
        return (self.cause, *self.also)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Finding:
        """A changed finding as it was kept; without its causes."""
        differences = tuple(Difference(parse_path(d["path"]), d["before"], d["after"], d["sensitive"]) for d in told["differences"])
        return cls(Kind(told["kind"]), told["address"], told["type"], told["id"], told["name"], differences)

    def as_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "kind": str(self.kind),
            "address": self.address,
            "type": self.type,
            "id": self.id,
            "name": self.name,
            "severity": str(self.severity),
            "why": self.why,
            "reason": self.reason,
            "differences": [d.as_json() for d in self.differences],
            "cause": self.cause.as_json(),
            "also": [c.as_json() for c in self.also],
            "contested": self.contested,
            "workspace": self.workspace,
        }
