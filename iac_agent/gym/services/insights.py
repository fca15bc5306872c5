"""Microsoft.Insights and Microsoft.OperationalInsights: alerts, action groups, settings, workspaces, the activity log.

Source: azure-rest-api-specs, monitor and operationalinsights, the api-versions azurerm uses.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta
from urllib.parse import urlencode

from iac_agent.gym import activity, faults
from iac_agent.gym.cloud import ResourceType, Write, stable_guid
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.services.authorization import fill_identity
from iac_agent.gym.store import Body

_I = "Microsoft.Insights"
_WORKSPACE = "Microsoft.OperationalInsights/workspaces"
_PAGE = 200


def _fill_metric_alert(write: Write) -> None:
    for scope in write.properties.get("scopes") or []:
        write.require(scope)
    for action in write.properties.get("actions") or []:
        write.require(action["actionGroupId"])


def _fill_log_alert(write: Write) -> None:
    """It looks at what is written to the log from now on."""
    write.hidden.setdefault("seen", len(write.cloud.store.events()))


def _fill_setting(write: Write) -> None:
    properties = write.properties
    targets = [properties.get(k) for k in ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId")]
    if not any(targets):
        raise faults.bad_request("BadRequest", "At least one data sink needs to be specified.")
    if properties.get("workspaceId"):
        write.require(properties["workspaceId"])
    properties.setdefault("logs", [])
    properties.setdefault("metrics", [])
    properties["logs"] = properties["logs"] or []
    properties["metrics"] = properties["metrics"] or []


def _fill_autoscale(write: Write) -> None:
    write.require(write.properties.get("targetResourceUri", ""))


def _fill_workspace(write: Write) -> None:
    properties = write.properties
    properties["customerId"] = stable_guid(write.id.text, "customer")
    properties.setdefault("sku", {"name": "PerGB2018"})
    properties.setdefault("retentionInDays", 30)
    properties.setdefault("publicNetworkAccessForIngestion", "Enabled")
    properties.setdefault("publicNetworkAccessForQuery", "Enabled")
    properties.setdefault("features", {})
    fill_identity(write)


def _shared_keys(call: Call, parts: dict[str, str]) -> Outcome:
    path = call.path.rsplit("/", 1)[0]
    if call.cloud.store.get(path) is None:
        raise faults.resource_not_found(path, parts["group"])

    def key(which: str) -> str:
        return base64.b64encode(hashlib.sha512(f"{path.lower()}{which}".encode()).digest()).decode()

    return 200, {"primarySharedKey": key("primary"), "secondarySharedKey": key("secondary")}


def _activity_log(call: Call, _: dict[str, str]) -> Outcome:
    """The events in pages of 200. Without a start time Azure refuses; what is younger than the log's delay is not there yet."""
    asked = call.query.get("$filter", "")
    if not re.search(r"eventTimestamp\s+ge\s", asked, re.IGNORECASE):
        message = "$filter searching parameters invalid. Need to provide at least eventTimestamp start time."
        return 400, {"Code": "BadRequest", "Message": message}
    seen = call.cloud.now() - timedelta(seconds=float(call.cloud.store.setting("activity_delay_seconds", 0)))
    events = activity.query(call.cloud.store.events(), asked, seen)
    start = int(call.query.get("$skiptoken") or 0)
    body: Body = {"value": events[start : start + _PAGE]}
    if start + _PAGE < len(events):
        query = urlencode({**call.query, "$skiptoken": start + _PAGE})
        body["nextLink"] = f"{call.cloud.endpoint}{call.path}?{query}"
    return 200, body


TYPES = [
    ResourceType(f"{_I}/actionGroups", created=200),
    ResourceType(f"{_I}/metricAlerts", created=200, fill=_fill_metric_alert),
    ResourceType(f"{_I}/activityLogAlerts", created=200, fill=_fill_log_alert),
    ResourceType(f"{_I}/autoScaleSettings", created=200, fill=_fill_autoscale),
    ResourceType(f"{_I}/diagnosticSettings", created=200, located=False, scoped=True, fill=_fill_setting),
    ResourceType(_WORKSPACE, slow=True, fill=_fill_workspace),
]
_GROUP = "/subscriptions/{subscription}/resourceGroups/{group}/providers"
ROUTES = [
    Operation("POST", f"{_GROUP}/{_WORKSPACE}/{{name}}/sharedKeys", _shared_keys),
    Operation("GET", "/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values", _activity_log),
]
