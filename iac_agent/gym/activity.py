"""The activity log: one event for every write, as GET .../eventtypes/management/values answers it.

Source: azure-rest-api-specs, Microsoft.Insights 2015-04-01, examples/GetActivityLogsFiltered.json.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from iac_agent.azure.ids import ResourceId
from iac_agent.gym.cloud import Caller, Cloud
from iac_agent.gym.store import Body

_CLAUSE = re.compile(r"(\w+)\s+(eq|ge|le|gt|lt)\s+(?:'([^']*)'|(\S+))", re.IGNORECASE)
_CLAIMS = {
    "upn": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
    "name": "name",
    "oid": "http://schemas.microsoft.com/identity/claims/objectidentifier",
    "tid": "http://schemas.microsoft.com/identity/claims/tenantid",
    "unique_name": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
}


def _both(value: str) -> Body:
    return {"value": value, "localizedValue": value}


def event(cloud: Cloud, rid: ResourceId, action: str, status: str, caller: Caller, method: str, code: int) -> Body:
    """The event of one write. `action` is `write`, `delete` or `start/action`."""
    kind = "Microsoft.Resources/subscriptions/resourceGroups" if rid.types == ("resourceGroups",) else rid.type
    operation = f"{kind}/{action}"
    stamp = cloud.now().isoformat().replace("+00:00", "Z")
    claims = {"ipaddr": caller.address} if caller.claims.get("upn") else {}
    claims |= {_CLAIMS.get(k, k): str(v) for k, v in caller.claims.items()}
    event_id = str(uuid.uuid4())
    return {
        "authorization": {"action": operation, "scope": rid.text},
        "caller": caller.name,
        "channels": "Operation",
        "claims": claims,
        "correlationId": caller.correlation,
        "description": "",
        "eventDataId": event_id,
        "eventName": _both("EndRequest"),
        "category": _both("Administrative"),
        "eventTimestamp": stamp,
        "httpRequest": {
            "clientRequestId": caller.correlation,
            "clientIpAddress": caller.address,
            "method": method,
            "uri": cloud.endpoint + rid.text,
        },
        "id": f"{rid.text}/events/{event_id}/ticks/{int(cloud.now().timestamp() * 10_000_000)}",
        "level": "Informational" if status == "Succeeded" else "Error",
        "operationId": caller.correlation,
        "operationName": _both(operation),
        "properties": {"statusCode": str(code), "serviceRequestId": None, "entity": rid.text, "message": operation},
        "resourceGroupName": rid.resource_group,
        "resourceId": rid.text,
        "resourceProviderName": _both(rid.namespace),
        "resourceType": _both(rid.type),
        "status": _both(status),
        "subStatus": _both(""),
        "submissionTimestamp": stamp,
        "subscriptionId": rid.subscription,
        "tenantId": str(caller.claims.get("tid", "")),
    }


def query(events: list[Body], filter_text: str, seen: datetime) -> list[Body]:
    """Events up to `seen` that satisfy an OData filter of `and`-joined comparisons, newest first."""
    clauses = [(name, operator, quoted or plain) for name, operator, quoted, plain in _CLAUSE.findall(filter_text)]
    shown = (e for e in reversed(events) if _instant(e["eventTimestamp"]) <= seen)
    return [e for e in shown if all(_holds(e, *clause) for clause in clauses)]


def _holds(entry: Body, name: str, operator: str, wanted: str) -> bool:
    found: Any
    match name.lower():
        case "eventtimestamp":
            found, limit = _instant(entry["eventTimestamp"]), _instant(wanted)
            holds = {"ge": found >= limit, "le": found <= limit, "gt": found > limit, "lt": found < limit}
            return bool(holds.get(operator.lower(), found == limit))
        case "resourceuri" | "resourceid":
            found = entry["resourceId"]
        case "resourcegroupname":
            found = entry["resourceGroupName"]
        case "resourceprovider":
            found = entry["resourceProviderName"]["value"]
        case "correlationid":
            found = entry["correlationId"]
        case "caller":
            found = entry["caller"]
        case "status":
            found = entry["status"]["value"]
        case _:
            return True
    return bool(str(found).lower() == wanted.lower())


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
