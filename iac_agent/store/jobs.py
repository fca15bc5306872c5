"""A queue of jobs that survives its workers: each job is done once, in the order of its lane, or told to have failed.

A job is taken by a worker that holds a lock file for as long as it lives; the kernel frees it when the worker dies, and the job goes back
to the queue. What was delivered twice is one job.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from iac_agent.store.database import opened

_METADATA = MetaData()
_JOBS = Table(
    "jobs",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", String(80), nullable=False, unique=True),
    Column("lane", String(200), nullable=False, index=True),
    Column("body", Text, nullable=False),
    Column("status", String(20), nullable=False, index=True, default="queued"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("worker", String(40), nullable=False, default=""),
    Column("note", Text, nullable=False, default=""),
    Column("created", Float, nullable=False),
    Column("changed", Float, nullable=False),
)


@dataclass(frozen=True)
class Job:
    """A job: `body` is what to do, as JSON; `attempts` counts this one too. `status`: queued, running, done or failed."""

    id: int
    key: str
    lane: str
    body: dict[str, Any]
    status: str
    attempts: int
    note: str
    created: float
    changed: float


class Jobs:
    """The queue in one database. `folder` holds the lock files of workers, on the machine that they all run on."""

    def __init__(self, url: str, folder: Path, most_attempts: int = 3) -> None:
        self._engine = opened(url, _METADATA)
        self._folder, self._most = folder, most_attempts
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def close(self) -> None:
        self._engine.dispose()

    def add(self, key: str, lane: str, body: dict[str, Any]) -> bool:
        """Queue a job; False when this key is known already. One that failed is queued again. Once it returns, the job is on disk."""
        now = time.time()
        values = {"key": key, "lane": lane, "body": json.dumps(body), "status": "queued", "attempts": 0, "worker": "", "note": ""}
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(_JOBS).values(**values, created=now, changed=now))
        except IntegrityError:
            with self._engine.begin() as connection:
                failed = (_JOBS.c.key == key, _JOBS.c.status == "failed")
                again = connection.execute(update(_JOBS).where(*failed).values(status="queued", attempts=0, note="", changed=now))
            return bool(again.rowcount)
        return True

    @contextmanager
    def worker(self, name: str) -> Iterator[None]:
        """Be a worker of this name: jobs that it takes are its own while this lasts."""
        lock = FileLock(str(self._folder / f"{name}.lock"))
        with lock:
            yield
        (self._folder / f"{name}.lock").unlink(missing_ok=True)

    def take(self, name: str) -> Job | None:
        """The oldest job whose lane is free, for a worker; None where there is none. Jobs of dead workers are queued again first."""
        self._take_back()
        with self._engine.begin() as connection:
            busy = select(_JOBS.c.lane).where(_JOBS.c.status == "running")
            query = select(_JOBS).where(_JOBS.c.status == "queued", _JOBS.c.lane.not_in(busy)).order_by(_JOBS.c.id).limit(1)
            row = connection.execute(query).first()
            if row is None:
                return None
            values = {"status": "running", "worker": name, "attempts": row.attempts + 1, "changed": time.time()}
            connection.execute(update(_JOBS).where(_JOBS.c.id == row.id).values(**values))
            return _job(connection.execute(select(_JOBS).where(_JOBS.c.id == row.id)).one())

    def _take_back(self) -> None:
        """Queue what dead workers were at. What killed its workers again and again has failed."""
        with self._engine.connect() as connection:
            running = connection.execute(select(_JOBS.c.id, _JOBS.c.worker, _JOBS.c.attempts).where(_JOBS.c.status == "running")).all()
        for row in running:
            if self._lives(row.worker):
                continue
            spent = row.attempts >= self._most
            values = {"status": "failed" if spent else "queued", "note": "its worker died", "changed": time.time()}
            with self._engine.begin() as connection:
                mine = (_JOBS.c.id == row.id, _JOBS.c.status == "running", _JOBS.c.worker == row.worker)
                connection.execute(update(_JOBS).where(*mine).values(**values))

    def _lives(self, name: str) -> bool:
        lock = FileLock(str(self._folder / f"{name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        (self._folder / f"{name}.lock").unlink(missing_ok=True)
        return False

    def end(self, job: Job, status: str, note: str) -> None:
        """Say how a job ended: done, failed, or queued for another try."""
        with self._engine.begin() as connection:
            connection.execute(update(_JOBS).where(_JOBS.c.id == job.id).values(status=status, note=note[:2000], changed=time.time()))

    def all(self) -> list[Job]:
        """The oldest first."""
        with self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(select(_JOBS).order_by(_JOBS.c.id))]

    def counts(self) -> dict[str, int]:
        """How many jobs have which status."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_JOBS.c.status, func.count().label("jobs")).group_by(_JOBS.c.status)).all()
        return {"queued": 0, "running": 0, "done": 0, "failed": 0} | {row.status: row.jobs for row in rows}

    def later(self, job: Job) -> list[Job]:
        """What waits in the same lane behind a job."""
        query = select(_JOBS).where(_JOBS.c.lane == job.lane, _JOBS.c.id > job.id, _JOBS.c.status == "queued")
        with self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(query)]


def _job(row: Any) -> Job:
    return Job(row.id, row.key, row.lane, json.loads(row.body), row.status, row.attempts, row.note, row.created, row.changed)
