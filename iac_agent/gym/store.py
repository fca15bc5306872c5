"""What the gym knows: resources, operations and the activity log, in memory for reads and in SQLite so that they survive a kill."""

from __future__ import annotations

import copy
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Body = dict[str, Any]

_TABLES = """
create table if not exists resources (key text primary key, id text not null, body text not null, hidden text not null);
create table if not exists events (number integer primary key autoincrement, body text not null);
create table if not exists settings (name text primary key, value text not null);
create table if not exists operations (id text primary key, body text not null);
create table if not exists changes (number integer primary key autoincrement, key text not null, body text not null, before text);
create table if not exists blobs (key text primary key, data blob not null, about text not null);
"""

_REMEMBERED = ("resources", "events", "operations", "changes", "blobs", "settings")


@dataclass
class Resource:
    """One live resource. `body` is what clients see; `hidden` what the cloud keeps to itself (power state, secrets)."""

    id: str
    body: Body
    hidden: Body = field(default_factory=dict)

    @property
    def type(self) -> str:
        return str(self.body.get("type", ""))

    @property
    def properties(self) -> Body:
        found: Body = self.body.setdefault("properties", {})
        return found


@dataclass
class Blob:
    """A file in a storage account, or a state. `lease` is who holds it: a lease id, or the lock as Terraform's http backend sends it."""

    data: bytes
    metadata: dict[str, str] = field(default_factory=dict)
    lease: str = ""
    kind: str = "application/octet-stream"
    etag: str = ""
    modified: str = ""


def references(value: Any) -> Iterator[str]:
    """Every ARM id that a body refers to, lower case."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)
    elif isinstance(value, str) and value[:15].lower() == "/subscriptions/":
        yield value.lower()


class Store:
    """All state of one gym. Thread-safe; every write is committed before it returns. `version` is another after every change."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._database.executescript("pragma journal_mode=wal; pragma synchronous=normal;" + _TABLES)
        self._resources: dict[str, Resource] = {}
        self._rendered: dict[str, bytes] = {}
        self._refers: dict[str, set[str]] = {}
        self._referred: dict[str, set[str]] = {}
        self._undo: dict[str, Resource | None] | None = None
        self.version = 0
        file.chmod(0o600)
        self._settings = self._read_settings()
        self._read_resources()

    def _read_resources(self) -> None:
        self.version += 1
        for held in (self._resources, self._rendered, self._refers, self._referred):
            held.clear()
        for key, resource_id, body, hidden in self._database.execute("select key, id, body, hidden from resources"):
            self._resources[key] = Resource(resource_id, json.loads(body), json.loads(hidden))
            self._index(key)

    def _read_settings(self) -> dict[str, Any]:
        return {name: json.loads(value) for name, value in self._database.execute("select name, value from settings")}

    # --- resources -------------------------------------------------------------------------------------------------

    def get(self, resource_id: str) -> Resource | None:
        found = self._resources.get(resource_id.lower())
        if found is not None and self._undo is not None:
            return Resource(found.id, copy.deepcopy(found.body), dict(found.hidden))
        return found

    def rendered(self, resource: Resource) -> bytes:
        """The JSON of a resource, kept until its next write."""
        key = resource.id.lower()
        found = self._rendered.get(key)
        if found is None:
            found = self._rendered[key] = json.dumps(resource.body, separators=(",", ":")).encode()
        return found

    @contextmanager
    def transaction(self) -> Iterator[dict[str, Resource | None]]:
        """Everything inside happens, or nothing: in memory and on disk, also when the process is killed.

        Yields what is touched as it was before, by key.

        Callers replace bodies rather than change them in place; `get` therefore hands out copies inside a transaction.
        """
        with self._lock:
            undo: dict[str, Resource | None] = {}
            self._undo = undo
            self._database.execute("begin immediate")
            try:
                yield undo
                self._database.execute("commit")
            except BaseException:
                self._database.execute("rollback")
                for key, before in undo.items():
                    self._restore(key, before)
                self._settings = self._read_settings()
                raise
            finally:
                self._undo = None

    def _restore(self, key: str, before: Resource | None) -> None:
        self._rendered.pop(key, None)
        if before is None:
            self._resources.pop(key, None)
            self._unindex(key)
        else:
            self._resources[key] = before
            self._index(key)

    def save(self, resource: Resource) -> None:
        self.version += 1
        key = resource.id.lower()
        with self._lock:
            if self._undo is not None:
                self._undo.setdefault(key, self._resources.get(key))
            self._resources[key] = resource
            self._rendered.pop(key, None)
            self._index(key)
            row = (key, resource.id, json.dumps(resource.body), json.dumps(resource.hidden))
            self._database.execute("insert or replace into resources values (?, ?, ?, ?)", row)

    def remove(self, resource_id: str) -> None:
        self.version += 1
        key = resource_id.lower()
        with self._lock:
            if self._undo is not None:
                self._undo.setdefault(key, self._resources.get(key))
            self._resources.pop(key, None)
            self._rendered.pop(key, None)
            self._unindex(key)
            self._database.execute("delete from resources where key = ?", (key,))

    def below(self, prefix: str) -> list[Resource]:
        """Resources whose id starts with `prefix` + "/", in id order."""
        start = prefix.lower().rstrip("/") + "/"
        return [self._resources[k] for k in sorted(self._resources) if k.startswith(start)]

    def of_type(self, kind: str) -> list[Resource]:
        wanted = kind.lower()
        return [r for k, r in sorted(self._resources.items()) if r.type.lower() == wanted]

    def referrers(self, resource_id: str) -> list[Resource]:
        """Other resources whose body refers to this id or to something below it."""
        key = resource_id.lower()
        keys = set(self._referred.get(key, ()))
        for target, holders in self._referred.items():
            if target.startswith(key + "/"):
                keys |= holders
        return [self._resources[k] for k in sorted(keys) if k != key and not k.startswith(key + "/") and k in self._resources]

    def _index(self, key: str) -> None:
        self._unindex(key)
        resource = self._resources[key]
        targets = {t for t in references(resource.body.get("properties")) if t != key and not t.startswith(key + "/")}
        self._refers[key] = targets
        for target in targets:
            self._referred.setdefault(target, set()).add(key)

    def _unindex(self, key: str) -> None:
        for target in self._refers.pop(key, ()):
            holders = self._referred.get(target)
            if holders:
                holders.discard(key)
                if not holders:
                    del self._referred[target]

    # --- blobs -----------------------------------------------------------------------------------------------------

    def blob(self, key: str) -> Blob | None:
        return self.blobs(key).get(key)

    def blobs(self, prefix: str) -> dict[str, Blob]:
        """The blobs whose key starts so, in order."""
        with self._lock:
            rows = self._database.execute(
                "select key, data, about from blobs where substr(key, 1, ?) = ? order by key", (len(prefix), prefix)
            ).fetchall()
        return {key: Blob(data, **json.loads(about)) for key, data, about in rows}

    def save_blob(self, key: str, blob: Blob) -> None:
        about = {k: v for k, v in vars(blob).items() if k != "data"}
        with self._lock:
            self._database.execute("insert or replace into blobs values (?, ?, ?)", (key, blob.data, json.dumps(about)))

    def drop_blob(self, key: str) -> None:
        with self._lock:
            self._database.execute("delete from blobs where key = ?", (key,))

    # --- events, operations, settings ------------------------------------------------------------------------------

    def record(self, event: Body) -> None:
        with self._lock:
            self._database.execute("insert into events (body) values (?)", (json.dumps(event),))

    def events(self) -> list[Body]:
        with self._lock:
            rows = self._database.execute("select body from events order by number").fetchall()
        return [json.loads(body) for (body,) in rows]

    def record_change(self, row: Body, before: Resource | None) -> None:
        """Keep a row of `resourcechanges`, and the body before it for whoever looks back."""
        key = str(row["properties"]["targetResourceId"]).lower()
        values = (key, json.dumps(row), json.dumps(before.body) if before else None)
        with self._lock:
            self._database.execute("insert into changes (key, body, before) values (?, ?, ?)", values)

    def changes(self) -> list[tuple[str, Body, Body | None]]:
        """Key, row and body before of every change, the oldest first."""
        with self._lock:
            found = self._database.execute("select key, body, before from changes order by number").fetchall()
        return [(key, json.loads(body), json.loads(before) if before else None) for key, body, before in found]

    @property
    def current(self) -> dict[str, Resource]:
        """Every resource by key; not to be changed."""
        return self._resources

    def save_operation(self, operation_id: str, body: Body) -> None:
        with self._lock:
            self._database.execute("insert or replace into operations values (?, ?)", (operation_id, json.dumps(body)))

    def operation(self, operation_id: str) -> Body | None:
        with self._lock:
            row = self._database.execute("select body from operations where id = ?", (operation_id,)).fetchone()
        return json.loads(row[0]) if row else None

    def setting(self, name: str, default: Any = None) -> Any:
        with self._lock:
            return copy.deepcopy(self._settings.get(name, default))

    def set_setting(self, name: str, value: Any) -> None:
        with self._lock:
            self._database.execute("insert or replace into settings values (?, ?)", (name, json.dumps(value)))
            self._settings[name] = value

    def reset(self) -> None:
        """Forget every resource, event and operation."""
        with self._lock:
            self.version += 1
            self._database.executescript(
                "delete from resources; delete from events; delete from operations; delete from changes; delete from blobs; "
                "delete from settings where name in ('deleted_vaults', 'deliveries');"
            )
            self._settings.pop("deleted_vaults", None)
            self._settings.pop("deliveries", None)
            for held in (self._resources, self._rendered, self._refers, self._referred):
                held.clear()

    def checkpoint(self, name: str = "") -> None:
        """Remember everything as it is now, in place of what was remembered before by this name (letters, or nothing)."""
        kept = f"kept{name}"
        with self._lock:
            for table in _REMEMBERED:
                self._database.executescript(f"drop table if exists {kept}_{table}; create table {kept}_{table} as select * from {table};")

    def rewind(self, name: str = "") -> bool:
        """Go back to the checkpoint; False when there is none."""
        kept = f"kept{name}"
        with self._lock:
            there = self._database.execute("select 1 from sqlite_master where name = ?", (f"{kept}_resources",)).fetchone()
            if there is None:
                return False
            for table in _REMEMBERED:
                self._database.executescript(f"delete from {table}; insert into {table} select * from {kept}_{table};")
            self._read_resources()
            self._settings = self._read_settings()
        return True

    def count(self) -> int:
        return len(self._resources)
