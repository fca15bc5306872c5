"""A policy: a rule on resources with its reasons, and an example that passes and one that fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from iac_agent.guard.predicates import Predicate


class Ruling(StrEnum):
    """What a finding, or all of them together, comes to; the worst counts."""

    PASS = "pass"
    WARN = "warn"
    UNKNOWN = "unknown"
    REFUSE = "refuse"

    @property
    def rank(self) -> int:
        return _RULINGS[self]


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        return _SEVERITIES[self]


_RULINGS = {ruling: number for number, ruling in enumerate(Ruling)}
_SEVERITIES = {severity: number for number, severity in enumerate(Severity)}


@dataclass(frozen=True)
class Example:
    """A resource by its values, and what there is beside it: type.name to values. A value `=ADDRESS` refers to one of these by id."""

    values: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Policy:
    """A rule on every resource of `types`: it is kept where `holds`.

    `fails` is the outcome where it is broken; `unclear` where that cannot be told before apply. An `optional` one is in force only where
    the configuration names it. `why` and `fix` are sentences; `source` is
    the page that says so. `passing` and `failing` are run as tests.
    """

    id: str
    title: str
    types: tuple[str, ...]
    holds: Predicate
    why: str
    fix: str
    source: str
    severity: Severity = Severity.MEDIUM
    fails: Ruling = Ruling.WARN
    unclear: Ruling = Ruling.WARN
    optional: bool = False
    passing: Example | str = field(default_factory=Example)
    failing: Example | str = field(default_factory=Example)

    @property
    def pack(self) -> str:
        return self.id.split("-")[0]
