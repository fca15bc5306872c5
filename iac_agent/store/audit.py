"""The audit trail: records in a hash chain, so that a changed, removed, inserted or reordered record shows.

Each record's hash is SHA-256 over the hash before it and its own canonical JSON; the first one chains to 64 zeros. A chain alone cannot
tell that its end was cut off: the seal beside the database does, and an export that is kept elsewhere.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
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


@dataclass(frozen=True)
class Head:
    """How long a trail is, and the hash of its last record."""

    records: int
    hash: str

    @classmethod
    def read(cls, file: Path) -> Head | None:
        """The head that a seal holds; None when there is none. A seal that cannot be read is broken. Raises AuditBroken."""
        try:
            held = json.loads(file.read_text("utf-8"))
            return cls(int(held["records"]), str(held["hash"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as problem:
            raise AuditBroken(f"{file} cannot be read: {problem}", hint="Compare the trail with a backup.") from problem


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


@contextmanager
def acting_for(person: str) -> Iterator[None]:
    """What is recorded meanwhile is recorded as this person's: a bot does what people ask for."""
    before = os.environ.get("IACAGENT_ACTOR")
    os.environ["IACAGENT_ACTOR"] = person
    try:
        yield
    finally:
        os.environ.pop("IACAGENT_ACTOR")
        if before is not None:
            os.environ["IACAGENT_ACTOR"] = before


def _digest(previous: str, number: int, time: str, who: str, run: str, kind: str, body: str) -> str:
    content = json.dumps([previous, number, time, who, run, kind, body], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


class Audit:
    """The trail in one database. Appending is serialised by the database."""

    def __init__(self, url: str) -> None:
        self._engine = opened(url, _METADATA)
        database = url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else ""
        self._seal = Path(database).with_name("audit.seal") if database else None

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
        self._sealed(Head(number, digest))
        return Record(number, time, who, run, kind, body, previous, digest)

    def _sealed(self, head: Head) -> None:
        """Keep how long the trail is outside of its database; never less than is kept already."""
        if self._seal is None:
            return
        held = Head.read(self._seal)
        if held is None or held.records < head.records:
            partial = self._seal.with_name(f".{self._seal.name}.{os.getpid()}.{threading.get_ident()}")
            partial.write_text(json.dumps(vars(head)), encoding="utf-8")
            os.replace(partial, self._seal)

    def records(self, run: str = "") -> Iterator[Record]:
        """Records in order; of one run when it is named."""
        query = select(_AUDIT).order_by(_AUDIT.c.number)
        with self._engine.connect() as connection:
            for row in connection.execute(query.where(_AUDIT.c.run == run) if run else query):
                yield Record(row.number, row.time, row.actor, row.run, row.kind, json.loads(row.body), row.previous, row.hash)

    def verify(self, against: Head | None = None) -> int:
        """The number of records, all of whose hashes chain. Raises AuditBroken at the first that does not, or when the end is missing.

        `against` is the head of an export that was kept elsewhere: the trail must go on from it.
        """
        anchors = [h for h in (against, Head.read(self._seal) if self._seal else None) if h is not None]
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
                if any(h.records == count and h.hash != previous for h in anchors):
                    raise AuditBroken(f"audit record {count} is not the one that was there", hint="The trail was written again.")
        longest = max((h.records for h in anchors), default=0)
        if longest > count:
            raise AuditBroken(
                f"the audit ends at record {count}, but {longest} were written: its end was cut off",
                hint="Compare with a backup, or with the last export.",
            )
        return count

    def export(self) -> Iterator[str]:
        """The whole trail as lines of JSON, the last of them its head. Raises AuditBroken when it does not verify."""
        count, previous = self.verify(), GENESIS
        for record in self.records():
            previous = record.hash
            yield json.dumps(vars(record), sort_keys=True)
        yield json.dumps({"head": vars(Head(count, previous))})


def exported_head(lines: Iterator[str]) -> Head:
    """The head of an export, whose own chain is checked. Raises AuditBroken when it does not hold."""
    previous, count = GENESIS, 0
    for line in lines:
        try:
            row = json.loads(line)
            if "head" in row:
                if Head(**row["head"]) == Head(count, previous):
                    return Head(count, previous)
                break
            count += 1
            text = json.dumps(row["body"], sort_keys=True, separators=(",", ":"))
            expected = _digest(previous, row["number"], row["time"], row["actor"], row["run"], row["kind"], text)
            if (row["number"], row["previous"], row["hash"]) != (count, previous, expected):
                break
            previous = expected
        except (ValueError, KeyError, TypeError):
            break
    raise AuditBroken(f"the export does not verify from its record {count} on", hint="Take another copy of it.")
