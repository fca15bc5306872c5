"""Workflow memory: changes that were applied and proven, kept as metaprograms that answer the next request of their kind.

A metaprogram is the request with its parameters lifted out, the typed edits with the same parameters, what was checked before them, and
the evidence. One whose change was undone is void. Source: section "exploration then exploitation" of arXiv 2506.12270.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, insert, select, update

from iac_agent.store.database import opened

_METADATA = MetaData()
_MEMORY = Table(
    "memory",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("run", String(40), nullable=False, index=True),
    Column("time", String(40), nullable=False),
    Column("pattern", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("used", Integer, nullable=False),
    Column("body", Text, nullable=False),
)


@dataclass(frozen=True)
class Metaprogram:
    """`pattern` is the request with `{name}` for each parameter; `parameters` maps a name to its kind (`resource:TYPE`, `number`, `text`).

    `edits` are edits as JSON with the same placeholders; `checks` what must hold before: (address, path, whether a value is there).
    `evidence` tells what was planned, approved and proven. `id` is 0 until it is kept.
    """

    run: str
    pattern: str
    parameters: dict[str, str]
    edits: list[dict[str, Any]]
    checks: list[tuple[str, str, bool]]
    evidence: dict[str, Any] = field(default_factory=dict)
    id: int = 0
    time: str = ""
    status: str = "active"
    used: int = 0


class Memory:
    """The metaprograms of one root module, in its database."""

    def __init__(self, url: str) -> None:
        self._engine = opened(url, _METADATA)

    def keep(self, program: Metaprogram) -> int:
        """Remember a program; one with the same pattern and edits is replaced by it. Returns its id."""
        time = datetime.now(UTC).isoformat(timespec="seconds")
        body = {k: v for k, v in asdict(program).items() if k in ("parameters", "edits", "checks", "evidence")}
        with self._engine.begin() as connection:
            connection.execute(
                update(_MEMORY).where(_MEMORY.c.pattern == program.pattern, _MEMORY.c.status == "active").values(status="replaced")
            )
            row = {"run": program.run, "time": time, "pattern": program.pattern, "status": "active", "used": 0, "body": json.dumps(body)}
            made = connection.execute(insert(_MEMORY).values(**row)).inserted_primary_key
        return int(made[0]) if made else 0

    def programs(self, *, everything: bool = False) -> list[Metaprogram]:
        """Those in use, the newest first; with `everything` also the void and replaced ones."""
        query = select(_MEMORY).order_by(_MEMORY.c.id.desc())
        with self._engine.connect() as connection:
            rows = connection.execute(query if everything else query.where(_MEMORY.c.status == "active")).all()
        return [_program(r) for r in rows]

    def get(self, identifier: int) -> Metaprogram | None:
        return next((p for p in self.programs(everything=True) if p.id == identifier), None)

    def mark(self, identifier: int, status: str) -> None:
        """Set the status of one: `void` when its change was undone, `forgotten` when a person says so."""
        self._change(_MEMORY.c.id == identifier, status=status)

    def void_run(self, run: str) -> None:
        self._change(_MEMORY.c.run == run, status="void")

    def count_use(self, identifier: int) -> None:
        self._change(_MEMORY.c.id == identifier, used=_MEMORY.c.used + 1)

    def _change(self, which: Any, **values: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(_MEMORY).where(which).values(**values))


def _program(row: Any) -> Metaprogram:
    body = json.loads(row.body)
    checks = [(str(a), str(p), bool(there)) for a, p, there in body["checks"]]
    return Metaprogram(
        row.run, row.pattern, body["parameters"], body["edits"], checks, body["evidence"], row.id, row.time, row.status, row.used
    )
