"""The query endpoint of Log Analytics: Kusto over a workspace's tables.

Source: https://learn.microsoft.com/azure/azure-monitor/logs/api/response-format (tables with columns and rows) and .../api/errors
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from iac_agent.gym.faults import ArmFaultError
from iac_agent.gym.kql.functions import Row
from iac_agent.gym.kql.parse import KqlError
from iac_agent.gym.kql.run import run
from iac_agent.gym.life import logs
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.services.metrics import span_of
from iac_agent.gym.store import Body, Resource

_WORKSPACE = "Microsoft.OperationalInsights/workspaces"
_USUAL = timedelta(days=31)


def _query(call: Call, parts: dict[str, str]) -> Outcome:
    """POST with `query` and `timespan`. The workspace is named by its customer id."""
    workspaces = call.cloud.store.of_type(_WORKSPACE)
    found = next((w for w in workspaces if str(w.properties.get("customerId", "")).lower() == parts["workspace"].lower()), None)
    if found is None:
        raise ArmFaultError(404, "PathNotFoundError", "The requested path does not exist")
    text = call.body.get("query") or call.query.get("query", "")
    if not isinstance(text, str) or not text.strip():
        raise _refused(400, "BadArgumentError", "The request had some invalid properties", "query is required")
    return 200, {"tables": [_table(_rows(call, found, text))]}


def _rows(call: Call, workspace: Resource, text: str) -> list[Row]:
    now = call.cloud.now()
    start, end = now - _USUAL, now
    try:
        if call.body.get("timespan") or call.query.get("timespan"):
            start, end = span_of(str(call.body.get("timespan") or call.query.get("timespan")), now)
        return run(re.sub(r"(?m)\|\s*render\b.*$", "", text), logs.tables(call.cloud, workspace, start, end), now)
    except (KqlError, ValueError) as problem:
        raise _refused(400, "BadArgumentError", "The request had some invalid properties", str(problem)) from problem


def _refused(status: int, code: str, message: str, inner: str) -> ArmFaultError:
    return ArmFaultError(status, code, message, inner=inner)


def _table(rows: list[Row]) -> Body:
    names = list(dict.fromkeys(k for r in rows for k in r))
    kinds = {n: _kind(next((r[n] for r in rows if r.get(n) is not None), None)) for n in names}
    return {
        "name": "PrimaryResult",
        "columns": [{"name": n, "type": kinds[n]} for n in names],
        "rows": [[_shown(r.get(n)) for n in names] for r in rows],
    }


def _kind(value: Any) -> str:
    for python, kusto in ((bool, "bool"), (int, "long"), (float, "real"), (datetime, "datetime"), (timedelta, "timespan")):
        if isinstance(value, python):
            return kusto
    return "dynamic" if isinstance(value, dict | list) else "string"


def _shown(value: Any) -> Any:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else str(value) if isinstance(value, timedelta) else value


ROUTES = [
    Operation("POST", "/v1/workspaces/{workspace}/query", _query),
    Operation("GET", "/v1/workspaces/{workspace}/query", _query),
]
TYPES: list[Any] = []
