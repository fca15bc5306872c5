"""Microsoft.ResourceHealth: whether the platform can run a resource, and why not.

Source: azure-rest-api-specs, Microsoft.ResourceHealth 2025-05-01 (availabilityStatuses) and
https://learn.microsoft.com/azure/service-health/resource-health-vm-annotation
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from iac_agent.gym import faults
from iac_agent.gym.cloud import Cloud
from iac_agent.gym.life.history import VM, Machine, minute_of
from iac_agent.gym.services import Call, Operation, Outcome, page
from iac_agent.gym.store import Body, Resource

_CURRENT = "/providers/Microsoft.ResourceHealth/availabilityStatuses"
_OTHERS = ("Microsoft.Network/loadBalancers", "Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults")


def status(cloud: Cloud, resource: Resource) -> Body:
    """The availability status of a resource, as it is now."""
    now = cloud.now()
    found = _of_machine(Machine.of(cloud, resource), now) if resource.type == VM else _available(now)
    return {
        "id": f"{resource.id}{_CURRENT}/current",
        "name": "current",
        "type": "Microsoft.ResourceHealth/AvailabilityStatuses",
        "location": resource.body.get("location", ""),
        "properties": {**found, "reportedTime": _iso(now)},
    }


def _available(since: datetime) -> Body:
    return {
        "availabilityState": "Available",
        "title": "Available",
        "summary": "There aren't any known Azure platform problems affecting this resource.",
        "reasonType": "",
        "reasonChronicity": "Persistent",
        "occuredTime": _iso(since),
    }


def _of_machine(machine: Machine, now: datetime) -> Body:
    minute = minute_of(now)
    power = machine.power(minute)
    if power != "running":
        shown = "Stopped and deallocated" if power == "deallocated" else "Stopped"
        return {
            "availabilityState": "Unavailable",
            "title": f"{shown} by user or process",
            "summary": f"This virtual machine is {shown.lower()} as requested by an authorized user or process.",
            "reasonType": "Customer Initiated",
            "reasonChronicity": "Persistent",
            "occuredTime": _iso(machine.since(minute)),
            "context": "Customer Initiated",
        }
    if not machine.usage(minute).alive and not machine.boot(minute).ails:
        down = machine.down_since(minute) or minute
        return {
            "availabilityState": "Unavailable",
            "title": "Disk problems",
            "summary": "We're sorry, your virtual machine isn't available because of connectivity loss to the remote disk. "
            "We're working to restore the connection.",
            "reasonType": "Unplanned",
            "reasonChronicity": "Transient",
            "occuredTime": _iso(datetime.fromtimestamp(down * 60, UTC)),
            "context": "Platform Initiated",
            "category": "Unplanned",
        }
    return _available(machine.since(minute))


def _one(call: Call, _: dict[str, str]) -> Outcome:
    path = re.sub(f"{_CURRENT}(?:/current)?$", "", call.path, flags=re.IGNORECASE)
    resource = call.cloud.find(path)
    if not isinstance(resource, Resource):
        raise faults.resource_not_found(path, path.split("/")[4] if path.count("/") > 4 else "")
    if resource.type not in (VM, *_OTHERS):
        raise faults.bad_request("UnsupportedResourceType", f"Resource health does not support the resource type {resource.type}.")
    found = status(call.cloud, resource)
    return 200, found if call.path.lower().endswith("/current") else {"value": [found]}


def _list(call: Call, parts: dict[str, str]) -> Outcome:
    """The statuses of a subscription or a resource group, page by page."""
    group = f"/resourcegroups/{parts['group'].lower()}/" if "group" in parts else "/"
    there = [r for kind in (VM, *_OTHERS) for r in call.cloud.store.of_type(kind) if group in r.id.lower()]
    host = call.cloud.endpoint.removeprefix("https://")
    return 200, page([status(call.cloud, r) for r in there], call, host)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


ROUTES = [
    Operation("GET", f"/subscriptions/{{subscription}}{_CURRENT}", _list),
    Operation("GET", f"/subscriptions/{{subscription}}/resourceGroups/{{group}}{_CURRENT}", _list),
    Operation("GET", f"/{{scope*}}{_CURRENT}/current", _one),
    Operation("GET", f"/{{scope*}}{_CURRENT}", _one),
]
TYPES: list[Any] = []
