"""The audit trail: records in a hash chain, so that a changed, removed or inserted record shows.

Each record's hash is SHA-256 over the hash before it and its own canonical JSON; the first one chains to 64 zeros.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, insert, select

from iac_agent.errors import AuditBroken
from iac_agent.store.database import opened

GENESIS = "0" * 64


_METADATA = MetaData()
_AUDIT = Table(
    "audit",
    _METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("time", String(40), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("run", String(40), nullable=False, index=True),
    Column("kind", String(40), nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)


@dataclass(frozen=True)
class Record:
    """One entry. `number` counts from 1; `body` is what the kind of entry says (no sensitive values)."""

    number: int
    time: str
    actor: str
    run: str
    kind: str
    body: dict[str, Any]
    previous: str
    hash: str


def actor() -> str:
    """Who runs this: `user@host`, or what IACAGENT_ACTOR says (a bot sets it to the person who asked)."""
    given = os.environ.get("IACAGENT_ACTOR")
    if given:
        return given
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _digest(previous: str, number: int, time: str, who: str, run: str, kind: str, body: str) -> str:
    content = json.dumps([previous, number, time, who, run, kind, body], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


class Audit:
    """The trail in one database. Appending is serialised by the database."""

    def __init__(self, url: str) -> None:
        self._engine = opened(url, _METADATA)

    def close(self) -> None:
        self._engine.dispose()

    def append(self, run: str, kind: str, body: dict[str, Any]) -> Record:
        """Add a record at the end of the chain."""
        with self._engine.begin() as connection:
            newest = select(_AUDIT.c.number, _AUDIT.c.hash).order_by(_AUDIT.c.number.desc()).limit(1).with_for_update()
            last = connection.execute(newest).first()
            number, previous = (last.number + 1, last.hash) if last else (1, GENESIS)
            time, who = datetime.now(UTC).isoformat(timespec="milliseconds"), actor()
            text = json.dumps(body, sort_keys=True, separators=(",", ":"))
            digest = _digest(previous, number, time, who, run, kind, text)
            row = {"number": number, "time": time, "actor": who, "run": run, "kind": kind, "body": text}
            connection.execute(insert(_AUDIT).values(**row, previous=previous, hash=digest))
        return Record(number, time, who, run, kind, body, previous, digest)

    def records(self, run: str = "") -> Iterator[Record]:
        """Records in order; of one run when it is named."""
        query = select(_AUDIT).order_by(_AUDIT.c.number)
        with self._engine.connect() as connection:
            for row in connection.execute(query.where(_AUDIT.c.run == run) if run else query):
                yield Record(row.number, row.time, row.actor, row.run, row.kind, json.loads(row.body), row.previous, row.hash)

    def verify(self) -> int:
        """The number of records, all of whose hashes chain. Raises AuditBroken at the first that does not."""
        previous, count = GENESIS, 0
        with self._engine.connect() as connection:
            for row in connection.execute(select(_AUDIT).order_by(_AUDIT.c.number)):
                count += 1
                expected = _digest(previous, row.number, row.time, row.actor, row.run, row.kind, row.body)
                if row.number != count or row.previous != previous or row.hash != expected:
                    raise AuditBroken(
                        f"audit record {count} does not verify: it was changed, or one before it was removed",
                        hint="Compare with a backup; records after it cannot be trusted either.",
                    )
                previous = row.hash
        return count
