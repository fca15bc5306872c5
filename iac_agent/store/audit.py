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

from sqlalchemy import Engine, Integer, String, Text, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from iac_agent.errors import AuditBroken

GENESIS = "0" * 64


class _Base(DeclarativeBase):
    pass


class _Row(_Base):
    __tablename__ = "audit"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    time: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(200))
    run: Mapped[str] = mapped_column(String(40), index=True)
    kind: Mapped[str] = mapped_column(String(40))
    body: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


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
        self._engine: Engine = create_engine(url)
        if url.startswith("sqlite"):
            event.listen(self._engine, "connect", _wait_for_others)
            event.listen(self._engine, "begin", _write_first)
        _Base.metadata.create_all(self._engine)

    def close(self) -> None:
        self._engine.dispose()

    def append(self, run: str, kind: str, body: dict[str, Any]) -> Record:
        """Add a record at the end of the chain."""
        with Session(self._engine) as session, session.begin():
            last = session.scalars(select(_Row).order_by(_Row.number.desc()).limit(1).with_for_update()).first()
            previous, number = (last.hash, last.number + 1) if last else (GENESIS, 1)
            time, who = datetime.now(UTC).isoformat(timespec="milliseconds"), actor()
            text = json.dumps(body, sort_keys=True, separators=(",", ":"))
            digest = _digest(previous, number, time, who, run, kind, text)
            row = _Row(number=number, time=time, actor=who, run=run, kind=kind, body=text, previous=previous, hash=digest)
            session.add(row)
            return _record(row)

    def records(self, run: str = "") -> Iterator[Record]:
        """Records in order; of one run when it is named."""
        with Session(self._engine) as session:
            query = select(_Row).order_by(_Row.number)
            for row in session.scalars(query.where(_Row.run == run) if run else query):
                yield _record(row)

    def verify(self) -> int:
        """The number of records, all of whose hashes chain. Raises AuditBroken at the first that does not."""
        previous, count = GENESIS, 0
        with Session(self._engine) as session:
            for row in session.scalars(select(_Row).order_by(_Row.number)):
                count += 1
                expected = _digest(previous, row.number, row.time, row.actor, row.run, row.kind, row.body)
                if row.number != count or row.previous != previous or row.hash != expected:
                    raise AuditBroken(
                        f"audit record {count} does not verify: it was changed, or one before it was removed",
                        hint="Compare with a backup; records after it cannot be trusted either.",
                    )
                previous = row.hash
        return count


def _record(row: _Row) -> Record:
    return Record(row.number, row.time, row.actor, row.run, row.kind, json.loads(row.body), row.previous, row.hash)


def _wait_for_others(connection: Any, _: Any) -> None:
    connection.isolation_level = None
    connection.execute("pragma busy_timeout = 10000")
    connection.execute("pragma journal_mode = wal")


def _write_first(connection: Any) -> None:
    """SQLite takes its write lock at the start, so that two appends cannot chain to the same record."""
    connection.exec_driver_sql("begin immediate")
