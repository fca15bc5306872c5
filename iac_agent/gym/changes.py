"""What changed in each resource, property by property: the rows behind Resource Graph's `resourcechanges`.

Source: https://learn.microsoft.com/azure/governance/resource-graph/changes/get-resource-changes (the shape of a row) and
https://learn.microsoft.com/azure/governance/resource-graph/changes/resource-graph-changes (14 days are kept).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from iac_agent.azure.ids import ResourceId
from iac_agent.gym.cloud import Caller
from iac_agent.gym.identity import CLI_APP, PORTAL_APP
from iac_agent.gym.store import Body, Resource

_ALWAYS_DIFFERENT = {"etag", "properties.provisioningState"}
_APPLICATIONS = {PORTAL_APP: "Azure Portal", CLI_APP: "Azure CLI"}
_CLIENTS = {
    "azurecli/": "Azure CLI",
    "azurepowershell/": "Azure PowerShell",
    "terraform": "Terraform",
    "azsdk-python": "Azure SDK for Python",
    "azsdk-go": "Azure SDK for Go",
    "microsoft.policyinsights": "Azure Policy",
}


def rows(
    touched: Mapping[str, Resource | None], current: Mapping[str, Resource], operation: str, caller: Caller, moment: datetime
) -> Iterator[Body]:
    """One row for each tracked resource that a transaction changed. `touched` are the resources before it, by lower-case id."""
    for key, before in touched.items():
        after = current.get(key)
        shown = after or before
        if shown is None or not _tracked(shown):
            continue
        differences = dict(_differences(before.body if before else {}, after.body if after else {}, ""))
        if before is None or after is None or differences:
            kind = "Create" if before is None else "Delete" if after is None else "Update"
            whole = kind != "Update"
            yield _row(shown, kind, {} if whole else differences, operation, caller, moment)


def _tracked(resource: Resource) -> bool:
    """Whether Resource Graph follows it: resource groups and what lies directly in one."""
    rid = ResourceId.parse(resource.id)
    return rid.types == ("resourceGroups",) or (not rid.scope and len(rid.types) == 1)


def _row(resource: Resource, kind: str, changes: dict[str, Body], operation: str, caller: Caller, moment: datetime) -> Body:
    ticks = 8_584_000_000_000_000_000 - int(moment.timestamp() * 10_000_000)
    number = f"{ticks:020d}_{uuid.uuid4()}"
    rid = ResourceId.parse(resource.id)
    attributes = {
        "timestamp": moment.isoformat().replace("+00:00", "Z"),
        "correlationId": caller.correlation,
        "changedBy": caller.name,
        "changedByType": kind_of_caller(caller),
        "clientType": client_of(caller),
        "operation": operation,
        "changesCount": len(changes),
        "previousResourceSnapshotId": f"{number}_1",
        "newResourceSnapshotId": f"{number}_2",
        "isTruncated": False,
    }
    return {
        "id": f"{resource.id}/providers/Microsoft.Resources/changes/{number}",
        "name": number,
        "type": "microsoft.resources/changes",
        "resourceGroup": rid.resource_group.lower(),
        "subscriptionId": rid.subscription,
        "properties": {
            "changeType": kind,
            "targetResourceId": resource.id,
            "targetResourceType": resource.type.lower(),
            "changeAttributes": attributes,
            "changes": changes,
        },
    }


def kind_of_caller(caller: Caller) -> str:
    if caller.claims.get("upn"):
        return "User"
    return "ManagedIdentity" if caller.claims.get("xms_mirid") else "Application"


def client_of(caller: Caller) -> str:
    """The client: one of Microsoft's own by the application that signed in, another as its User-Agent tells it."""
    agent = caller.client.lower()
    by_agent = (name for sign, name in _CLIENTS.items() if sign in agent)
    return _APPLICATIONS.get(str(caller.claims.get("appid"))) or next(by_agent, "Unspecified")


def _differences(before: Any, after: Any, path: str) -> Iterator[tuple[str, Body]]:
    if path in _ALWAYS_DIFFERENT or before == after or path.endswith(".etag"):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)
        return
    if isinstance(before, list) and isinstance(after, list):
        yield from _array_differences(before, after, path)
        return
    if isinstance(after if before is None else before, dict | list) and (before is None or after is None):
        empty: Any = {} if isinstance(after if before is None else before, dict) else []
        yield from _differences(empty if before is None else before, empty if after is None else after, path)
        return
    yield path, {"previousValue": _text(before), "newValue": _text(after)}


def _array_differences(before: list[Any], after: list[Any], path: str) -> Iterator[tuple[str, Body]]:
    """Elements that were there are told by their name, where they have one; new ones and others by their place."""
    named = all(isinstance(e, dict) and e.get("name") for e in [*before, *after])
    was = {str(e["name"]) if named else str(n): e for n, e in enumerate(before)}
    now = {str(e["name"]) if named else str(n): e for n, e in enumerate(after)}
    places = {key: n for n, key in enumerate(now)}
    for key in dict.fromkeys([*was, *now]):
        step = f'["{key}"]' if named and key in was else f"[{places.get(key, key)}]"
        yield from _differences(was.get(key), now.get(key), f"{path}{step}")


def _text(value: Any) -> str | None:
    return value if value is None else str(value)
