"""Microsoft.ResourceGraph: Kusto queries over what is deployed and what changed.

Source: api-version 2022-10-01 of https://learn.microsoft.com/rest/api/azureresourcegraph/resourcegraph/resources/resources; the tables
at https://learn.microsoft.com/azure/governance/resource-graph/reference/supported-tables-resources
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from iac_agent.azure.ids import ResourceId
from iac_agent.gym import identity
from iac_agent.gym.cloud import Cloud
from iac_agent.gym.faults import ArmFaultError
from iac_agent.gym.kql.functions import Row
from iac_agent.gym.kql.parse import KqlError
from iac_agent.gym.kql.run import run
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.services.resources import subscription
from iac_agent.gym.store import Body

_MOST, _USUAL = 1000, 100
_KEPT = timedelta(days=14)
_COLUMNS = ("kind", "location", "managedBy", "sku", "plan", "properties", "tags", "identity", "zones", "extendedLocation")
_NESTED = {"microsoft.compute/virtualmachines/extensions", "microsoft.network/privatednszones/virtualnetworklinks"}


def _query(call: Call, _: dict[str, str]) -> Outcome:
    text = call.body.get("query")
    if not isinstance(text, str) or not text.strip():
        raise _bad("InvalidQuery", "Query is missing or empty.")
    options = call.body.get("options") or {}
    start = _offset(options.get("$skipToken"), options.get("$skip"))
    size = min(int(options.get("$top") or _USUAL), _MOST)
    rows = _rows(call, text, first=not options.get("$skipToken"))
    shown = json.loads(json.dumps(rows[start : start + size], default=_moment))
    more = start + size < len(rows)
    body: Body = {"totalRecords": len(rows), "count": len(shown), "data": shown, "facets": [], "resultTruncated": "false"}
    if more and all("id" in r for r in shown):
        body["$skipToken"] = base64.b64encode(json.dumps({"$id": "1", "start": start + size}).encode()).decode()
    elif more:
        body["resultTruncated"] = "true"
    if options.get("resultFormat", "objectArray").lower() == "table":
        body["data"] = _as_table(shown)
    return 200, body


def _rows(call: Call, text: str, *, first: bool) -> list[Row]:
    """The rows of a query; later pages go on with those of the first, as long as nothing changed."""
    who, version = f"{call.caller.claims.get('oid')} {text}", call.cloud.store.version
    held = call.cloud.paged.pop(who, None)
    if first or held is None or held[0] != version:
        try:
            held = version, run(text, _tables(call), call.cloud.now())
        except KqlError as problem:
            raise _bad("InvalidQuery", str(problem)) from problem
    if len(held[1]) > _MOST:
        call.cloud.paged[who] = held
    return held[1]


def _moment(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def _offset(token: Any, skip: Any) -> int:
    if not token:
        return int(skip or 0)
    try:
        return int(json.loads(base64.b64decode(str(token)))["start"])
    except (ValueError, KeyError, TypeError) as problem:
        raise _bad("InvalidSkipToken", "The skip token is invalid.") from problem


def _bad(code: str, message: str) -> ArmFaultError:
    return ArmFaultError(400, code, message)


def _as_table(rows: list[Row]) -> Body:
    names = list(dict.fromkeys(k for r in rows for k in r))
    return {"columns": [{"name": n, "type": "object"} for n in names], "rows": [[r.get(n) for n in names] for r in rows]}


def _tables(call: Call) -> dict[str, Any]:
    cloud = call.cloud
    return {
        "resources": lambda: _visible(call, _resources(cloud)),
        "resourcecontainers": lambda: _visible(call, _containers(cloud)),
        "resourcechanges": lambda: _visible(call, _changes(cloud, groups=False)),
        "resourcecontainerchanges": lambda: _visible(call, _changes(cloud, groups=True)),
    }


def _visible(call: Call, rows: Iterable[Row]) -> list[Row]:
    """What the caller may read: no error, just no rows, as Resource Graph does it."""
    scopes: list[str] = call.cloud.store.setting("forbidden", [])
    if not scopes or call.caller.claims.get("oid") == identity.OBJECT_ID:
        return list(rows)
    return [r for r in rows if not any(f"{r['id'].lower()}/".startswith(f"{s.lower()}/") for s in scopes)]


def _bodies(cloud: Cloud) -> dict[str, Body]:
    """The body of every resource by lower-case id, as it was `graph_lag_seconds` ago: the graph follows ARM with a delay."""
    found = {key: cloud.shown(r) or r.body for key, r in cloud.store.current.items()}
    lag = float(cloud.store.setting("graph_lag_seconds", 0))
    if lag:
        seen = cloud.now() - timedelta(seconds=lag)
        for key, row, before in reversed(cloud.store.changes()):
            if _time(row) <= seen:
                break
            if before is None:
                found.pop(key, None)
            else:
                found[key] = before
    return found


def _time(row: Body) -> datetime:
    return datetime.fromisoformat(row["properties"]["changeAttributes"]["timestamp"])


def _resources(cloud: Cloud) -> Iterable[Row]:
    for _, body in sorted(_bodies(cloud).items()):
        rid = ResourceId.parse(body["id"])
        kind = str(body["type"]).lower()
        if rid.types != ("resourceGroups",) and not rid.scope and (len(rid.types) == 1 or kind in _NESTED):
            yield _row(rid, body, kind)


def _containers(cloud: Cloud) -> Iterable[Row]:
    held = subscription(identity.SUBSCRIPTION)
    yield {
        "id": held["id"],
        "name": held["displayName"],
        "type": "microsoft.resources/subscriptions",
        "tenantId": identity.TENANT,
        "subscriptionId": identity.SUBSCRIPTION,
        "resourceGroup": "",
        "location": "",
        "tags": {},
        "properties": {"state": "Enabled"},
    }
    for _, body in sorted(_bodies(cloud).items()):
        rid = ResourceId.parse(body["id"])
        if rid.types == ("resourceGroups",):
            yield _row(rid, body, "microsoft.resources/subscriptions/resourcegroups")


def _row(rid: ResourceId, body: Body, kind: str) -> Row:
    row: Row = {
        "id": body["id"],
        "name": body["name"],
        "type": kind,
        "tenantId": identity.TENANT,
        "resourceGroup": rid.resource_group.lower(),
        "subscriptionId": rid.subscription,
    }
    return {**row, **{c: body.get(c) for c in _COLUMNS}}


def _changes(cloud: Cloud, *, groups: bool) -> Iterable[Row]:
    lag = timedelta(seconds=float(cloud.store.setting("graph_lag_seconds", 0)))
    oldest, newest = cloud.now() - _KEPT, cloud.now() - lag
    for key, row, _ in cloud.store.changes():
        is_group = len(key.strip("/").split("/")) == 4
        if is_group == groups and oldest <= _time(row) <= newest:
            yield row


ROUTES = [Operation("POST", "/providers/Microsoft.ResourceGraph/resources", _query)]
TYPES: list[Any] = []
