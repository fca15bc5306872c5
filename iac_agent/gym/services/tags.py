"""Microsoft.Resources/tags: the tags of anything, by themselves: read, put, merged, replaced, deleted.

Source: https://learn.microsoft.com/rest/api/resources/tags (api-version 2021-04-01).
"""

from __future__ import annotations

from typing import Any

from iac_agent.azure.ids import ResourceId
from iac_agent.gym import faults
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.store import Body, Resource

_TAGS = "/{scope*}/providers/Microsoft.Resources/tags/default"


def _tagged(call: Call, parts: dict[str, str]) -> Resource:
    found = call.cloud.store.get(f"/{parts['scope']}")
    if found is None:
        raise faults.resource_not_found(f"/{parts['scope']}", ResourceId.parse(f"/{parts['scope']}").resource_group)
    return found


def _shown(call: Call, resource: Resource) -> Body:
    tags = resource.body.get("tags") or {}
    return {
        "id": f"{resource.id}/providers/Microsoft.Resources/tags/default",
        "name": "default",
        "type": "Microsoft.Resources/tags",
        "properties": {"tags": tags},
    }


def _written(call: Call, resource: Resource, tags: dict[str, str]) -> Outcome:
    rid = ResourceId.parse(resource.id)
    call.cloud.put(rid, {**resource.body, "tags": tags}, call.caller)
    return 200, _shown(call, call.cloud.store.get(resource.id) or resource)


def _read(call: Call, parts: dict[str, str]) -> Outcome:
    return 200, _shown(call, _tagged(call, parts))


def _asked(call: Call) -> dict[str, str]:
    found: dict[str, str] = (call.body.get("properties") or {}).get("tags") or {}
    return found


def _put(call: Call, parts: dict[str, str]) -> Outcome:
    return _written(call, _tagged(call, parts), _asked(call))


def _patch(call: Call, parts: dict[str, str]) -> Outcome:
    resource, asked = _tagged(call, parts), _asked(call)
    held: dict[str, str] = dict(resource.body.get("tags") or {})
    match str(call.body.get("operation", "")).lower():
        case "merge":
            return _written(call, resource, {**held, **asked})
        case "replace":
            return _written(call, resource, asked)
        case "delete":
            return _written(call, resource, {k: v for k, v in held.items() if k not in asked or (asked[k] and asked[k] != v)})
    raise faults.invalid_content("'operation' must be Merge, Replace or Delete")


def _delete(call: Call, parts: dict[str, str]) -> Outcome:
    _written(call, _tagged(call, parts), {})
    return 200, None


ROUTES = [
    Operation("GET", _TAGS, _read),
    Operation("PUT", _TAGS, _put),
    Operation("PATCH", _TAGS, _patch),
    Operation("DELETE", _TAGS, _delete),
]
TYPES: list[Any] = []
