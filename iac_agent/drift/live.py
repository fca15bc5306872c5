"""What is in Azure now, read the cheapest sound way: lists by type for the broad look, single reads for what no list holds.

A `LiveArm` answers the lenses' reads from what was listed. It cannot write. What a list does not hold is read by itself, so that nothing
is called deleted because a page was missing; a scope that could not be listed stays unreadable.
Source: the list operations of each resource provider, paged by `nextLink`.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from iac_agent.azure.ids import ResourceId
from iac_agent.azure.lenses import all_lenses
from iac_agent.azure.lenses.table import Association, Body, Lens, Put
from iac_agent.errors import AzureDenied, AzureError, AzureNotFound, CredentialsMissing, NoSpace, UsageError

WORKERS = 16
_FEW_GROUPS = 8


class Reader(Protocol):
    """What a scan needs of Azure: reads. Raises AzureError; `get` answers None on 404, `pages` yields the items of each page."""

    def get(self, path: str, api: str) -> Body | None: ...
    def pages(self, path: str, api: str) -> Iterator[list[Body]]: ...


@dataclass(frozen=True)
class Listing:
    """One list call: every resource of a type in a resource group, or in a subscription. `below` is what it is asked for."""

    below: str
    type: str
    api: str

    @property
    def path(self) -> str:
        if self.type == "microsoft.resources/resourcegroups":
            return f"{self.below}/resourcegroups"
        return f"{self.below}/providers/{self.type}"


def top_of(lens: Lens, resource_id: str) -> ResourceId | None:
    """The resource whose list holds this one: itself, or what it is a part of; None where only a single read tells."""
    parts = lens.parse_id(resource_id)
    owner = lens.arm_path(resource_id)
    if isinstance(lens.strategy, Association):
        owner = str(parts.get(lens.strategy.parent, "")) or resource_id
    elif not isinstance(lens.strategy, Put):
        owner = lens.owner_id(resource_id)
    try:
        rid = ResourceId.parse(owner)
    except UsageError:
        return None
    if rid.scope or (not rid.resource_group and rid.types != ("resourceGroups",)) or rid.namespace.lower() == "microsoft.authorization":
        return None
    while len(rid.types) > 1:
        rid = ResourceId.parse(rid.parent)
    return rid


def listings(tops: Iterable[tuple[ResourceId, str]]) -> list[Listing]:
    """The lists that hold all of these: by resource group while those are few, else by subscription."""
    groups: dict[tuple[str, str], set[str]] = {}
    apis: dict[str, str] = {}
    for rid, api in tops:
        kind = rid.type.lower()
        apis[kind] = max(apis.get(kind, ""), api)
        groups.setdefault((rid.subscription, kind), set()).add(rid.resource_group.lower())
    found = []
    for (subscription, kind), names in groups.items():
        whole = f"/subscriptions/{subscription}"
        if kind == "microsoft.resources/resourcegroups" or len(names) > _FEW_GROUPS:
            found.append(Listing(whole, kind, apis[kind]))
        else:
            found += [Listing(f"{whole}/resourceGroups/{name}", kind, apis[kind]) for name in sorted(names)]
    return found


_INSIDE = frozenset(
    lens.arm.rsplit("/", 1)[1].lower() for lens in all_lenses().values() if lens.arm.count("/") > 1 and isinstance(lens.strategy, Put)
)


@dataclass
class LiveArm:
    """Satisfies `lenses.table.Arm` for reading. Bodies wait in a database that lives on disk while the scan runs."""

    reader: Reader
    calls: int = 0
    failed: dict[str, AzureError] = field(default_factory=dict)
    _known: dict[str, AzureError | None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._bodies = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._store("create table bodies (key text primary key, body blob not null) without rowid", None)

    def _store(self, statement: str, rows: list[tuple[str, str]] | None) -> None:
        """Write to the database on disk. Raises NoSpace: what could not be kept must not be taken for absent."""
        try:
            self._bodies.execute(statement) if rows is None else self._bodies.executemany(statement, rows)
        except sqlite3.Error as problem:
            hint = f"Make room in {tempfile.gettempdir()}, or set SQLITE_TMPDIR to another folder."
            raise NoSpace(f"what was read could not be kept on disk: {problem}", hint=hint) from problem

    def close(self) -> None:
        self._bodies.close()

    # --- the broad look ------------------------------------------------------------------------------------------

    def look(self, wanted: Collection[Listing], progress: Callable[[str], None] = lambda _: None) -> None:
        """Read the lists side by side. One that fails is remembered: what it would have held is unreadable, not gone."""
        with ThreadPoolExecutor(WORKERS) as pool:
            for listing, problem in pool.map(self._list, wanted):
                if problem is not None:
                    self.failed[self._scope(listing)] = problem
                    progress(f"{listing.path} could not be listed: {problem.message}")

    @staticmethod
    def _scope(listing: Listing) -> str:
        return f"{listing.below.lower()}|{listing.type}"

    def _list(self, listing: Listing) -> tuple[Listing, AzureError | None]:
        try:
            for page in self.reader.pages(listing.path, listing.api):
                self._keep(page)
        except AzureNotFound:
            return listing, None
        except CredentialsMissing:
            raise
        except AzureError as problem:
            return listing, problem
        return listing, None

    def _keep(self, page: list[Body]) -> None:
        rows = []
        for body in page:
            rows.append((str(body["id"]).lower(), json.dumps(body, separators=(",", ":"))))
            rows += [(str(e["id"]).lower(), json.dumps(e, separators=(",", ":"))) for e in _elements(body)]
        with self._lock:
            self.calls += 1
            self._store("insert or replace into bodies values (?, ?)", rows)

    def ids(self) -> list[str]:
        """The lower-case id of everything listed."""
        with self._lock:
            return [key for (key,) in self._bodies.execute("select key from bodies order by key")]

    # --- Arm -----------------------------------------------------------------------------------------------------

    def get(self, path: str, api: str) -> Body | None:
        """From what was listed; else by a single read, once. Raises AzureError where the list that should hold it failed."""
        key = path.split("?")[0].lower()
        with self._lock:
            held = self._bodies.execute("select body from bodies where key = ?", (key,)).fetchone()
            known, seen = self._known.get(path.lower()), path.lower() in self._known
        if held is not None:
            body: Body = json.loads(held[0])
            return body
        if known is not None:
            raise known
        if seen:
            return None
        self._require_listed(key)
        return self._read(path, api)

    def _require_listed(self, key: str) -> None:
        for scope, problem in self.failed.items():
            below, kind = scope.split("|")
            if key.startswith(f"{below}/") and f"/providers/{kind}/" in key:
                raise problem

    def _read(self, path: str, api: str) -> Body | None:
        try:
            with self._lock:
                self.calls += 1
            found = self.reader.get(path, api)
        except AzureError as problem:
            with self._lock:
                self._known[path.lower()] = problem
            raise
        with self._lock:
            if found is None or "id" not in found or str(found["id"]).lower() != path.lower():
                self._known[path.lower()] = None
            if found is not None:
                self._store("insert or replace into bodies values (?, ?)", [(path.split("?")[0].lower(), json.dumps(found))])
        return found

    def put(self, path: str, body: Body, api: str) -> Body:
        raise AzureDenied(f"a scan does not write: PUT {path}")

    def delete(self, path: str, api: str) -> None:
        raise AzureDenied(f"a scan does not write: DELETE {path}")

    def post(self, path: str, api: str) -> Body:
        """Nothing: keys are what lenses post for, and a Reader may not list them."""
        return {}


def _elements(body: Body) -> Iterator[dict[str, Any]]:
    """The parts of a resource that are resources by themselves: a network's subnets, a group's rules."""
    prefix = f"{str(body['id']).lower()}/"
    for name, value in (body.get("properties") or {}).items():
        if name.lower() in _INSIDE and isinstance(value, list):
            yield from (e for e in value if isinstance(e, dict) and str(e.get("id", "")).lower().startswith(prefix))
