"""What an answer is made of: sentences, tables, series, and the source of every figure. Rendering is the command line's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from iac_agent.monitor.health import Condition
from iac_agent.monitor.metrics import Series


@dataclass
class Table:
    """Rows under headings; `right` are the headings of columns with numbers."""

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    right: tuple[str, ...] = ()


@dataclass
class Answer:
    """An answer. `kind` is what was asked for; `series` can be plotted; `data` is what --json tells beside."""

    kind: str
    sentences: list[str] = field(default_factory=list)
    table: Table | None = None
    series: list[Series] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    excerpt: list[tuple[int, str]] = field(default_factory=list)
    marked: int = 0
    conditions: list[Condition] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "answer": self.sentences,
            "table": {"headings": self.table.headings, "rows": self.table.rows} if self.table else None,
            "series": [s.as_json() for s in self.series],
            "sources": self.sources,
            **self.data,
        }
