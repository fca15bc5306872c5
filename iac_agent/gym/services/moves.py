"""Moves of resources from one resource group to another.

Source: https://learn.microsoft.com/rest/api/resources/resources/move-resources (api-version 2021-04-01).
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from iac_agent.azure.ids import ResourceId
from iac_agent.gym import faults
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.store import Resource


def _move(call: Call, parts: dict[str, str]) -> Outcome:
    """Give the resources, and what lies below them, new ids; what refers to them refers to the new ones."""
    target = ResourceId.parse(str(call.body.get("targetResourceGroup") or ""))
    group = call.cloud.require_group(target.subscription, target.resource_group)
    moved: dict[str, str] = {}
    for wanted in call.body.get("resources") or []:
        resource = call.cloud.store.get(str(wanted))
        if resource is None:
            raise faults.resource_not_found(str(wanted), parts["group"])
        call.cloud.require_unlocked(resource.id, "delete")
        for held in (resource, *call.cloud.store.below(resource.id)):
            moved[held.id] = re.sub(r"(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+", lambda _: group.id, held.id)
    for old in moved:
        resource = call.cloud.store.get(old)
        if resource is not None:
            call.cloud.store.remove(old)
            call.cloud.store.save(_renamed(resource, moved))
    for other in list(call.cloud.store.current.values()):
        changed = _renamed(other, moved)
        if changed.body != other.body:
            call.cloud.store.save(changed)
    return 204, None


def _renamed(resource: Resource, moved: dict[str, str]) -> Resource:
    text = json.dumps(resource.body)
    for old, new in moved.items():
        text = re.sub(re.escape(old) + r'(?=["/])', lambda _, n=new: n, text, flags=re.IGNORECASE)  # type: ignore[misc]
    body: Any = json.loads(text)
    return Resource(str(body["id"]), body, copy.deepcopy(resource.hidden))


ROUTES = [Operation("POST", "/subscriptions/{subscription}/resourceGroups/{group}/moveResources", _move)]
TYPES: list[Any] = []
