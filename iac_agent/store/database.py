"""One way to open the store's database, so that processes which open a new one in the same moment do not meet in it."""

from __future__ import annotations

import sqlite3
from typing import Any

import stamina
from sqlalchemy import Engine, MetaData, create_engine, event


def opened(url: str, tables: MetaData) -> Engine:
    """An engine on the database at `url` (an SQLAlchemy URL) that holds `tables`.

    On SQLite every transaction takes the write lock at its start: looking whether a table is there and making it is one step, and so is
    reading the last record of a chain and adding the next.
    """
    engine = create_engine(url)
    if url.startswith("sqlite"):
        event.listen(engine, "connect", _wait_for_others)
        event.listen(engine, "begin", _write_first)
    tables.create_all(engine)
    return engine


@stamina.retry(on=sqlite3.OperationalError, timeout=10, wait_initial=0.02)
def _wait_for_others(connection: Any, _: Any) -> None:
    """Turning to a write-ahead log does not heed the busy timeout, so two processes that open a new database may meet there."""
    connection.isolation_level = None
    connection.execute("pragma busy_timeout = 10000")
    connection.execute("pragma journal_mode = wal")


def _write_first(connection: Any) -> None:
    connection.exec_driver_sql("begin immediate")
