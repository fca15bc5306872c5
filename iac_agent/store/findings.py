"""What scans found, kept over time: when a finding was first seen, last seen and closed, and what was decided about it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, Text, insert, select, update

from iac_agent.store.database import opened

_METADATA = MetaData()
_SCANS = Table(
    "scans",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("time", String(40), nullable=False),
    Column("resources", Integer, nullable=False),
    Column("drifted", Integer, nullable=False),
    Column("body", Text, nullable=False),
)
_FINDINGS = Table(
    "findings",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", String(20), nullable=False, index=True),
    Column("first_seen", String(40), nullable=False),
    Column("last_seen", String(40), nullable=False),
    Column("closed", String(40), nullable=False, default=""),
    Column("outcome", String(40), nullable=False, default=""),
    Column("body", Text, nullable=False),
)
_NOTICES = Table(
    "notices",
    _METADATA,
    Column("finding", Integer, primary_key=True),
    Column("channel", String(200), primary_key=True),
    Column("time", String(40), nullable=False),
)


@dataclass(frozen=True)
class Kept:
    """One finding as it was last seen (`body`, as JSON), with its times (ISO 8601, UTC). `closed` is empty while it is open.

    `outcome` says how it ended: `adopted`, `reverted`, `imported`, `forgotten`, `recreated`, `refreshed`, `ignored`, or `gone` by itself.
    """

    key: str
    first_seen: str
    last_seen: str
    closed: str
    outcome: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """What one scan means against those before it: keys that are new, still open, and closed by it."""

    new: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


class Findings:
    """The findings of one root module, in its database."""

    def __init__(self, url: str) -> None:
        self._engine = opened(url, _METADATA)

    def close(self) -> None:
        self._engine.dispose()

    def record(self, findings: Iterable[dict[str, Any]], resources: int, *, whole: bool) -> Seen:
        """Keep what a scan found (finding JSON with `key`). Only a scan that saw everything closes what it did not find."""
        now = _now()
        bodies = {f["key"]: f for f in findings}
        with self._engine.begin() as connection:
            held = {r.key: r for r in connection.execute(select(_FINDINGS).where(_FINDINGS.c.closed == "")).all()}
            for key, body in bodies.items():
                values = {"last_seen": now, "body": json.dumps(body)}
                if key in held:
                    connection.execute(update(_FINDINGS).where(_FINDINGS.c.id == held[key].id).values(**values))
                else:
                    connection.execute(insert(_FINDINGS).values(key=key, first_seen=now, closed="", outcome="", **values))
            failed = {key for key, row in held.items() if row.outcome == "failed"}
            gone = sorted(held.keys() - bodies.keys() - failed) if whole else []
            if gone:
                connection.execute(
                    update(_FINDINGS).where(_FINDINGS.c.key.in_(gone), _FINDINGS.c.closed == "").values(closed=now, outcome="gone")
                )
            told = {"time": now, "resources": resources, "drifted": len(bodies), "body": json.dumps({"whole": whole})}
            connection.execute(insert(_SCANS).values(**told))
        return Seen(sorted(bodies.keys() - held.keys()), sorted(bodies.keys() & held.keys()), gone)

    def end(self, key: str, outcome: str) -> None:
        """Close a finding that was dealt with. One that `failed` stays open, and no scan closes it: Terraform may have it in state."""
        closed = "" if outcome == "failed" else _now()
        with self._engine.begin() as connection:
            open_ = (_FINDINGS.c.key == key, _FINDINGS.c.closed == "")
            connection.execute(update(_FINDINGS).where(*open_).values(closed=closed, outcome=outcome))

    def ended_since(self, outcomes: Iterable[str], moment: datetime) -> int:
        """How many findings ended so since then."""
        query = select(_FINDINGS.c.id).where(
            _FINDINGS.c.outcome.in_(list(outcomes)), _FINDINGS.c.closed >= moment.isoformat(timespec="seconds")
        )
        with self._engine.connect() as connection:
            return len(connection.execute(query).all())

    def untold(self, channel: str, keys: Iterable[str]) -> set[str]:
        """Those of the findings that this channel was never told of, since they were found anew."""
        with self._engine.connect() as connection:
            told = {r.finding for r in connection.execute(select(_NOTICES.c.finding).where(_NOTICES.c.channel == channel))}
            newest = self._newest(connection, keys)
        return {key for key, number in newest.items() if number not in told}

    def tell(self, channel: str, keys: Iterable[str]) -> None:
        """Remember that this channel was told."""
        with self._engine.begin() as connection:
            for number in self._newest(connection, keys).values():
                connection.execute(insert(_NOTICES).values(finding=number, channel=channel, time=_now()))

    @staticmethod
    def _newest(connection: Connection, keys: Iterable[str]) -> dict[str, int]:
        wanted = set(keys)
        rows = connection.execute(select(_FINDINGS.c.key, _FINDINGS.c.id).order_by(_FINDINGS.c.id)).all()
        return {r.key: r.id for r in rows if r.key in wanted}

    def all(self, *, only_open: bool = False) -> list[Kept]:
        """The newest first."""
        query = select(_FINDINGS).order_by(_FINDINGS.c.id.desc())
        with self._engine.connect() as connection:
            rows = connection.execute(query.where(_FINDINGS.c.closed == "") if only_open else query).all()
        return [Kept(r.key, r.first_seen, r.last_seen, r.closed, r.outcome, json.loads(r.body)) for r in rows]

    def scans(self) -> list[tuple[str, int, int]]:
        """Time, resources and drifted ones of every scan, the oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_SCANS).order_by(_SCANS.c.id)).all()
        return [(r.time, r.resources, r.drifted) for r in rows]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
