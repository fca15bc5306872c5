"""Microsoft.AlertsManagement: the alerts that fired, and their state.

Source: azure-rest-api-specs, Microsoft.AlertsManagement 2019-05-05-preview (alerts, changestate, history).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from iac_agent.gym import faults
from iac_agent.gym.life import alerts
from iac_agent.gym.services import Call, Operation, Outcome, page
from iac_agent.gym.store import Body

_SPANS = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_FILTERS = {
    "targetresource": "targetResource",
    "targetresourcegroup": "targetResourceGroup",
    "monitorcondition": "monitorCondition",
    "alertstate": "alertState",
    "severity": "severity",
    "alertrule": "alertRule",
}


def _list(call: Call, _: dict[str, str]) -> Outcome:
    found = alerts.fired(call.cloud)
    for asked, name in _FILTERS.items():
        if asked in call.query:
            found = [a for a in found if _essential(a, name).lower() == call.query[asked].lower()]
    span = _SPANS.get(call.query.get("timerange", "1d"))
    if span is None:
        raise faults.bad_request("BadRequest", f"The time range {call.query['timerange']} is not one of {', '.join(_SPANS)}.")
    since = call.cloud.now() - span
    found = [a for a in found if datetime.fromisoformat(_essential(a, "startDateTime")) >= since]
    shown = [a if call.query.get("includecontext") == "true" else _without_context(a) for a in found]
    return 200, page(shown, call, call.cloud.endpoint.removeprefix("https://"))


def _essential(alert: Body, name: str) -> str:
    return str(alert["properties"]["essentials"].get(name, ""))


def _without_context(alert: Body) -> Body:
    return {**alert, "properties": {"essentials": alert["properties"]["essentials"]}}


def _one(call: Call, parts: dict[str, str]) -> Outcome:
    found = next((a for a in alerts.fired(call.cloud) if a["id"].endswith(parts["alert"])), None)
    if found is None:
        raise faults.resource_not_found(call.path, "")
    return 200, found


def _change(call: Call, parts: dict[str, str]) -> Outcome:
    state = call.query.get("newstate", "")
    if state not in ("New", "Acknowledged", "Closed"):
        raise faults.bad_request("BadRequest", f"The state {state!r} is not one of New, Acknowledged, Closed.")
    found = alerts.change_state(call.cloud, parts["alert"], state)
    if found is None:
        raise faults.resource_not_found(call.path.rsplit("/", 1)[0], "")
    return 200, found


_ALL = "/{scope*}/providers/Microsoft.AlertsManagement/alerts"
ROUTES = [
    Operation("GET", _ALL, _list),
    Operation("GET", f"{_ALL}/{{alert}}", _one),
    Operation("POST", f"{_ALL}/{{alert}}/changestate", _change),
]
TYPES: list[Any] = []
