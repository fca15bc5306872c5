"""Microsoft.Insights metrics: values, definitions and namespaces of one resource, and the batch endpoint for fifty.

Sources: azure-rest-api-specs, Microsoft.Insights 2024-02-01 (examples/GetMetric.json), metricDefinitions 2024-02-01, and the data plane's
2024-02-01 metricBatch (POST /subscriptions/{id}/metrics:getBatch).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

from iac_agent.gym import faults
from iac_agent.gym.life import metrics
from iac_agent.gym.life.definitions import BY_TYPE, GRAINS, Metric, find
from iac_agent.gym.life.history import iso_of, minute_of
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.store import Body, Resource

_RETENTION, _LONGEST = timedelta(days=93), timedelta(days=31)
_MOST_METRICS, _MOST_RESOURCES, _MOST_SERIES = 20, 50, 100
_AGGREGATIONS = ("Average", "Minimum", "Maximum", "Total", "Count")
_CLAUSE = re.compile(r"([\w/ ]+?)\s+eq\s+'([^']*)'", re.IGNORECASE)


class _RefusedError(Exception):
    """A query that Azure Monitor refuses. ARM's metrics answer it flat, the batch endpoint inside `error`."""

    @property
    def body(self) -> Body:
        return {"code": "BadRequest", "message": str(self)}


@dataclass(frozen=True)
class _Query:
    """What is asked: minutes [start, end), grain in minutes, metrics, aggregations (none: each metric's own), and dimension clauses."""

    start: int
    end: int
    grain: int
    metrics: list[Metric]
    aggregations: list[str]
    clauses: list[tuple[str, str]]
    top: int

    @property
    def timespan(self) -> str:
        return f"{iso_of(self.start)}/{iso_of(self.end)}"


def _values(call: Call, _: dict[str, str]) -> Outcome:
    resource = _resource(call, "/metrics")
    try:
        query = _query(call, resource.type, call.query)
        of = metrics.subject(call.cloud, resource)
    except _RefusedError as refused:
        return 400, refused.body
    told = [_metric(of, m, query, resource.id) for m in query.metrics]
    return 200, {
        "cost": len(told) * max(0, query.end - query.start - 1),
        "timespan": query.timespan,
        "interval": _grain_name(query.grain),
        "value": told,
        "namespace": resource.type,
        "resourceregion": resource.body.get("location", ""),
    }


def _batch(call: Call, _: dict[str, str]) -> Outcome:
    """Up to 50 resources of one type, region and subscription."""
    ids = [str(i) for i in call.body.get("resourceids") or []]
    namespace = call.query.get("metricnamespace", "")
    given = {**call.query, "metricnames": call.query.get("metricnames", "")}
    if "starttime" in call.query:
        given["timespan"] = f"{call.query['starttime']}/{call.query.get('endtime', call.cloud.now().isoformat())}"
    if "filter" in call.query:
        given["$filter"] = call.query["filter"]
    try:
        if not 1 <= len(ids) <= _MOST_RESOURCES:
            raise _RefusedError(f"The number of resource IDs must be between 1 and {_MOST_RESOURCES}; {len(ids)} were given.")
        query = _query(call, namespace, given)
        told = [_one_of_batch(call, i, namespace, query) for i in ids]
    except _RefusedError as refused:
        return 400, {"error": refused.body}
    return 200, {"values": told}


def _one_of_batch(call: Call, resource_id: str, namespace: str, query: _Query) -> Body:
    resource = call.cloud.store.get(resource_id)
    if resource is None or resource.type.lower() != namespace.lower():
        raise _RefusedError(f"The resource {resource_id} was not found, or is not of the type {namespace}.")
    of = metrics.subject(call.cloud, resource)
    return {
        "starttime": iso_of(query.start),
        "endtime": iso_of(query.end),
        "interval": _grain_name(query.grain),
        "namespace": namespace,
        "resourceregion": resource.body.get("location", ""),
        "resourceid": resource.id,
        "value": [_metric(of, m, query, resource.id) for m in query.metrics],
    }


def _resource(call: Call, tail: str) -> Resource:
    path = re.sub(rf"/providers/microsoft\.insights{tail}$", "", call.path, flags=re.IGNORECASE)
    found = call.cloud.find(path)
    if not isinstance(found, Resource):
        raise faults.resource_not_found(path, path.split("/")[4] if path.count("/") > 4 else "")
    return found


# --- reading a query -------------------------------------------------------------------------------------------------


def _query(call: Call, kind: str, given: dict[str, str]) -> _Query:
    if kind.lower() not in BY_TYPE:
        raise _RefusedError(f"Metrics are not supported for the resource type {kind}.")
    asked = given.get("metricnamespace", kind)
    if asked.lower() != kind.lower():
        raise _RefusedError(f"Failed to find metric namespace {asked} for the resource type {kind}.")
    start, end = _timespan(given.get("timespan", ""), call.cloud.now())
    grain = _grain(given.get("interval", ""), end - start)
    chosen = _chosen(kind, given.get("metricnames", ""))
    return _Query(
        start, end, grain, chosen, _aggregations(given), _clauses(given.get("$filter", ""), chosen), int(given.get("top") or _MOST_SERIES)
    )


def _chosen(kind: str, names: str) -> list[Metric]:
    wanted = [n.strip() for n in names.split(",") if n.strip()]
    if len(wanted) > _MOST_METRICS:
        raise _RefusedError(f"Requested metrics count: {len(wanted)} bigger than allowed max: {_MOST_METRICS}")
    found = []
    for name in wanted:
        metric = find(kind, name)
        if metric is None:
            provider, _, short = kind.partition("/")
            valid = ",".join(m.name for m in BY_TYPE[kind.lower()])
            raise _RefusedError(
                f"Failed to find metric configuration for provider: {provider}, resource Type: {short}, metric: {name}, "
                f"Valid metrics: {valid}"
            )
        found.append(metric)
    return found or BY_TYPE[kind.lower()][:1]


def _aggregations(given: dict[str, str]) -> list[str]:
    wanted = [a.strip() for a in given.get("aggregation", "").split(",") if a.strip()]
    names = {a.lower(): a for a in _AGGREGATIONS}
    strange = next((a for a in wanted if a.lower() not in names), None)
    if strange:
        raise _RefusedError(f"Invalid aggregation type: {strange}. Valid values are: {', '.join(_AGGREGATIONS)}.")
    return [names[a.lower()] for a in wanted]


def span_of(text: str, now: datetime) -> tuple[datetime, datetime]:
    """Start and end of `start/end`, `start/duration`, `duration/end` or a duration up to now; without a zone it is UTC. Raises ValueError.

    az quotes it twice.
    """
    first, _, second = unquote_plus(text).partition("/")
    if second.startswith("P"):
        start = _moment(first)
        return start, start + _duration(second)
    end = _moment(second) if second else now
    return end - _duration(first) if first.startswith("P") else _moment(first), end


def _timespan(text: str, now: datetime) -> tuple[int, int]:
    """The minutes [start, end) of a query, 31 days at most."""
    try:
        start, end = span_of(text or "PT1H", now)
    except ValueError as problem:
        forms = "(Datetime/Datetime, Datetime/Duration, Duration/Datetime, Duration)"
        raise _RefusedError(f"Detected invalid time interval input: {text}, supported Iso 8601 time interval format: {forms}") from problem
    if start >= end:
        raise _RefusedError(f"Detected invalid time interval input: {text}, the start must be before the end.")
    if end < now - _RETENTION:
        raise _RefusedError(f"Query endTime: {end:%-m/%-d/%Y %-I:%M:%S %p} is out of the Max metrics retention period: 93.00:00:00")
    start = max(start, end - _LONGEST)
    return minute_of(start), max(minute_of(end), minute_of(start) + 1)


def _grain(text: str, span: int) -> int:
    if not text:
        return 1
    if text.upper() == "FULL":
        return max(1, span)
    if text.upper() not in GRAINS:
        known = "00:01:00,00:05:00,00:15:00,00:30:00,01:00:00,06:00:00,12:00:00,1.00:00:00"
        raise _RefusedError(f"Invalid time grain duration: {text}, supported ones are: {known}")
    return GRAINS[text.upper()]


def _clauses(text: str, chosen: list[Metric]) -> list[tuple[str, str]]:
    """`LUN eq '*' and ...`, as pairs. A dimension that a metric does not have is an error."""
    found = [(re.sub(r"^(?:and|or)\s+", "", name.strip(), flags=re.IGNORECASE), value) for name, value in _CLAUSE.findall(text)]
    if text.strip() and not found:
        raise _RefusedError(f"Invalid filter: {text}")
    for name, _ in found:
        for metric in chosen:
            if name.lower() not in (d.lower() for d in metric.dimensions):
                valid = ",".join(metric.dimensions)
                raise _RefusedError(
                    f"Metric: {metric.name} does not support requested dimension combination: {name.lower()}, supported ones are: {valid}"
                )
    return found


# --- answering -------------------------------------------------------------------------------------------------------


def _metric(of: Any, metric: Metric, query: _Query, resource_id: str) -> Body:
    wanted = query.aggregations or [metric.primary]
    return {
        "id": f"{resource_id}/providers/Microsoft.Insights/metrics/{metric.name}",
        "type": "Microsoft.Insights/metrics",
        "name": {"value": metric.name, "localizedValue": metric.shown},
        "displayDescription": metric.shown,
        "unit": metric.unit,
        "timeseries": [_series(of, metric, query, wanted, *place) for place in _places(of, query)],
        "errorCode": "Success",
    }


def _places(of: Any, query: _Query) -> list[tuple[str, str]]:
    """The dimension values to split by; one unnamed where nothing is split."""
    if not query.clauses:
        return [("", "")]
    name = query.clauses[0][0]
    there = metrics.dimension_values(of, name)
    wanted = [v for n, v in query.clauses if n.lower() == name.lower()]
    found = there if "*" in wanted else [v for v in there if v in wanted]
    return [(name, v) for v in found][: query.top]


def _series(of: Any, metric: Metric, query: _Query, wanted: list[str], dimension: str, value: str) -> Body:
    data = []
    for bucket in metrics.series(of, metric, query.start, query.end, query.grain, value):
        point: Body = {"timeStamp": iso_of(bucket.start)}
        for how in wanted:
            found = bucket.aggregate(how) if how in metric.aggregations else None
            if found is not None:
                point[how.lower()] = found
        data.append(point)
    named = [{"name": {"value": dimension.lower(), "localizedValue": dimension}, "value": value}] if dimension else []
    return {"metadatavalues": named, "data": data}


def _definitions(call: Call, _: dict[str, str]) -> Outcome:
    resource = _resource(call, "/metricDefinitions")
    namespace = resource.type
    return 200, {"value": [m.as_json(resource.id, namespace) for m in BY_TYPE.get(resource.type.lower(), [])]}


def _namespaces(call: Call, _: dict[str, str]) -> Outcome:
    resource = _resource(call, "/metricNamespaces")
    if resource.type.lower() not in BY_TYPE:
        return 200, {"value": []}
    name = resource.type
    return 200, {
        "value": [
            {
                "id": f"{resource.id}/providers/microsoft.insights/metricNamespaces/{name}",
                "name": name,
                "type": "Microsoft.Insights/metricNamespaces",
                "classification": "Platform",
                "properties": {"metricNamespaceName": name},
            }
        ]
    }


def _grain_name(minutes: int) -> str:
    return next((n for n, m in GRAINS.items() if m == minutes), f"PT{minutes}M")


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text.replace(" ", "+"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?", text)
    if match is None or not any(match.groups()):
        raise ValueError(text)
    days, hours, minutes, seconds = (int(g or 0) for g in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


_ANY = "/{scope*}/providers/Microsoft.Insights"
ROUTES = [
    Operation("GET", f"{_ANY}/metrics", _values),
    Operation("GET", f"{_ANY}/metricDefinitions", _definitions),
    Operation("GET", f"{_ANY}/metricNamespaces", _namespaces),
    Operation("POST", "/subscriptions/{subscription}/metrics:getBatch", _batch),
]
TYPES: list[Any] = []
