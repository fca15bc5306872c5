"""Metric alerts and activity log alerts.

Sources: recordings in golden `monitor`; internal/services/monitor of hashicorp/terraform-provider-azurerm; ARM api-versions 2018-03-01 and
2020-10-01.
"""

from __future__ import annotations

from iac_agent.azure.lenses.codecs import PLAIN_ID
from iac_agent.azure.lenses.convert import block_schema, child_schema, expand_fields, flatten_fields
from iac_agent.azure.lenses.table import GROUP, LOCATION_ROW, NAME, TAGS, Attr, Body, Hooks, Lens, Nested, Values

INF = float("inf")
_ODATA = "Microsoft.Azure.Monitor."
_MULTIPLE = _ODATA + "MultipleResourceMultipleMetricCriteria"
_WEB_TEST = _ODATA + "WebtestLocationAvailabilityCriteria"
_STATIC, _DYNAMIC = "StaticThresholdCriterion", "DynamicThresholdCriterion"
_TEST_BLOCK = "application_insights_web_test_location_availability_criteria"


def _block(name: str) -> Nested:
    return next(f for f in MONITOR_METRIC_ALERT.fields if isinstance(f, Nested) and f.name == name)


def _expand_alert(body: Body, values: Values, major: int) -> None:
    """The criteria say by their type which block they came from; static ones are numbered Metric1, Metric2."""
    schema = block_schema(MONITOR_METRIC_ALERT, major)
    criteria: list[Body] = []
    for name, kind in (("criteria", _STATIC), ("dynamic_criteria", _DYNAMIC)):
        for position, block in enumerate(values.get(name) or [], 1):
            one: Body = {"criterionType": kind, "name": f"Metric{position}"}
            expand_fields(_block(name).fields, block, child_schema(schema, name), one, major)
            criteria.append(one)
    tests = values.get(_TEST_BLOCK) or []
    if tests:
        inner: Body = {"odata.type": _WEB_TEST}
        expand_fields(_block(_TEST_BLOCK).fields, tests[0], child_schema(schema, _TEST_BLOCK), inner, major)
        body["properties"]["criteria"] = inner
    else:
        body["properties"]["criteria"] = {"odata.type": _MULTIPLE, "allOf": criteria}


def _flatten_alert(values: Values, live: Body, known: Values, major: int) -> None:
    schema = block_schema(MONITOR_METRIC_ALERT, major)
    found = live.get("properties", {}).get("criteria") or {}
    for name, kind in (("criteria", _STATIC), ("dynamic_criteria", _DYNAMIC)):
        matching = [c for c in found.get("allOf") or [] if c.get("criterionType", _STATIC) == kind]
        before = known.get(name) or []
        values[name] = [
            flatten_fields(_block(name).fields, c, before[i] if i < len(before) else {}, child_schema(schema, name), major)
            for i, c in enumerate(matching)
        ]
    is_test = found.get("odata.type") == _WEB_TEST
    test_schema = child_schema(schema, _TEST_BLOCK)
    values[_TEST_BLOCK] = [flatten_fields(_block(_TEST_BLOCK).fields, found, {}, test_schema, major)] if is_test else []


# --- activity log alerts: every criterion is a condition on a field of the event ------------------------------------------

_SINGLE = {
    "category": "category",
    "operation_name": "operationName",
    "caller": "caller",
    "level": "level",
    "resource_provider": "resourceProvider",
    "resource_type": "resourceType",
    "resource_group": "resourceGroup",
    "resource_id": "resourceId",
    "status": "status",
    "sub_status": "subStatus",
    "recommendation_type": "properties.recommendationType",
    "recommendation_category": "properties.recommendationCategory",
    "recommendation_impact": "properties.recommendationImpact",
}
_ANY = {
    "levels": "level",
    "resource_providers": "resourceProvider",
    "resource_types": "resourceType",
    "resource_groups": "resourceGroup",
    "resource_ids": "resourceId",
    "statuses": "status",
    "sub_statuses": "subStatus",
}
_HEALTH = {
    "resource_health": {
        "current": ("properties.currentHealthStatus", "anyOf"),
        "previous": ("properties.previousHealthStatus", "anyOf"),
        "reason": ("properties.cause", "anyOf"),
    },
    "service_health": {
        "locations": ("properties.impactedServices[*].ImpactedRegions[*].RegionName", "containsAny"),
        "events": ("properties.incidentType", "anyOf"),
        "services": ("properties.impactedServices[*].ServiceName", "containsAny"),
    },
}


def _any_of(name: str, wanted: list[str]) -> Body:
    return {"anyOf": [{"equals": value, "field": name} for value in wanted]}


def _expand_activity(body: Body, values: Values, major: int) -> None:
    criteria = (values.get("criteria") or [{}])[0]
    conditions: list[Body] = [{"equals": criteria[k], "field": f} for k, f in _SINGLE.items() if criteria.get(k)]
    conditions += [_any_of(f, criteria[k]) for k, f in _ANY.items() if criteria.get(k)]
    for block, fields in _HEALTH.items():
        for held in criteria.get(block) or []:
            for key, (name, shape) in fields.items():
                if held.get(key):
                    contains = {"containsAny": held[key], "field": name}
                    conditions.append(_any_of(name, held[key]) if shape == "anyOf" else contains)
    body["properties"]["condition"] = {"allOf": conditions}
    body["properties"]["actions"] = {"actionGroups": body["properties"].get("actions", {}).get("actionGroups", [])}


def _wanted(conditions: list[Body], name: str) -> list[str]:
    """The values a field may have, from `anyOf` or `containsAny`."""
    for condition in conditions:
        if condition.get("field") == name and condition.get("containsAny"):
            return list(condition["containsAny"])
        options = condition.get("anyOf") or []
        if options and options[0].get("field") == name:
            return [o["equals"] for o in options]
    return []


def _flatten_activity(values: Values, live: Body, known: Values, major: int) -> None:
    conditions = (live.get("properties", {}).get("condition") or {}).get("allOf") or []
    equal = {c["field"]: c["equals"] for c in conditions if c.get("field") and c.get("equals") is not None}
    criteria: Values = {k: equal.get(f, "") for k, f in _SINGLE.items()}
    before = (known.get("criteria") or [{}])[0] or {}
    for key, name in _ANY.items():
        found = _wanted(conditions, name)
        criteria[key] = found or (None if before.get(key) is None else [])
    for block, fields in _HEALTH.items():
        held = {key: _wanted(conditions, name) for key, (name, _) in fields.items()}
        criteria[block] = [{k: v or None for k, v in held.items()}] if any(held.values()) else []
    values["criteria"] = [criteria]


MONITOR_METRIC_ALERT = Lens(
    "azurerm_monitor_metric_alert",
    "Microsoft.Insights/metricAlerts",
    {4: "2018-03-01", 5: "2018-03-01"},
    "{group}/providers/Microsoft.Insights/metricAlerts/{name}",
    (
        NAME,
        GROUP,
        Attr("scopes", "properties.scopes", PLAIN_ID, send="always"),
        Attr("target_resource_type", "properties.targetResourceType", send="always"),
        Attr("target_resource_location", "properties.targetResourceRegion", send="always"),
        Nested(
            "criteria",
            None,
            (
                Attr("metric_namespace", "metricNamespace", send="always"),
                Attr("metric_name", "metricName", send="always"),
                Attr("aggregation", "timeAggregation", choices=("Average", "Count", "Minimum", "Maximum", "Total"), send="always"),
                Attr(
                    "operator",
                    "operator",
                    choices=("Equals", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"),
                    send="always",
                ),
                Attr("skip_metric_validation", "skipMetricValidation", default=False, send="always"),
                Nested(
                    "dimension",
                    "dimensions",
                    (
                        Attr("name", "name", send="always"),
                        Attr("operator", "operator", choices=("Include", "Exclude", "StartsWith"), send="always"),
                        Attr("values", "values", send="always"),
                    ),
                    send="always",
                ),
                Attr("threshold", "threshold", send="always"),
            ),
            read="present",
        ),
        Nested(
            "dynamic_criteria",
            None,
            (
                Attr("metric_namespace", "metricNamespace", send="always"),
                Attr("metric_name", "metricName", send="always"),
                Attr("aggregation", "timeAggregation", choices=("Average", "Count", "Minimum", "Maximum", "Total"), send="always"),
                Attr("operator", "operator", choices=("LessThan", "GreaterThan", "GreaterOrLessThan"), send="always"),
                Attr("skip_metric_validation", "skipMetricValidation", send="always"),
                Nested(
                    "dimension",
                    "dimensions",
                    (
                        Attr("name", "name", send="always"),
                        Attr("operator", "operator", choices=("Include", "Exclude", "StartsWith"), send="always"),
                        Attr("values", "values", send="always"),
                    ),
                    send="always",
                ),
                Attr("alert_sensitivity", "alertSensitivity", choices=("Low", "Medium", "High"), send="always"),
                Attr("evaluation_total_count", "failingPeriods.numberOfEvaluationPeriods", default=4, between=(1, INF), send="always"),
                Attr(
                    "evaluation_failure_count",
                    "failingPeriods.minFailingPeriodsToAlert",
                    default=4,
                    between=(1, INF),
                    send="always",
                ),
                Attr("ignore_data_before", "ignoreDataBefore"),
            ),
            read="present",
        ),
        Nested(
            "application_insights_web_test_location_availability_criteria",
            None,
            (
                Attr("web_test_id", "webTestId", send="always"),
                Attr("component_id", "componentId", send="always"),
                Attr("failed_location_count", "failedLocationCount", between=(1, INF), send="always"),
            ),
            single=True,
            read="present",
        ),
        Nested(
            "action",
            "properties.actions",
            (
                Attr("action_group_id", "actionGroupId", PLAIN_ID, send="always"),
                Attr("webhook_properties", "webHookProperties", send="always"),
            ),
            send="always",
        ),
        Attr("auto_mitigate", "properties.autoMitigate", default=True, send="always"),
        Attr("description", "properties.description", send="always"),
        Attr("enabled", "properties.enabled", default=True, send="always"),
        Attr(
            "frequency",
            "properties.evaluationFrequency",
            default="PT1M",
            choices=("PT1M", "PT5M", "PT15M", "PT30M", "PT1H"),
            send="always",
        ),
        Attr("severity", "properties.severity", default=3, between=(0, 4), send="always"),
        Attr(
            "window_size",
            "properties.windowSize",
            default="PT5M",
            choices=("PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D"),
            send="always",
        ),
        TAGS,
    ),
    exactly_one=(("criteria", "dynamic_criteria", "application_insights_web_test_location_availability_criteria"),),
    constant={"location": "global"},
    hooks=Hooks(expand=_expand_alert, flatten=_flatten_alert),
)


MONITOR_ACTIVITY_LOG_ALERT = Lens(
    "azurerm_monitor_activity_log_alert",
    "Microsoft.Insights/activityLogAlerts",
    {4: "2020-10-01", 5: "2020-10-01"},
    "{group}/providers/Microsoft.Insights/activityLogAlerts/{name}",
    (
        NAME,
        GROUP,
        LOCATION_ROW,
        Attr("scopes", "properties.scopes", PLAIN_ID, send="always"),
        Nested(
            "criteria",
            None,
            (
                Attr(
                    "category",
                    None,
                    choices=(
                        "Administrative",
                        "Autoscale",
                        "Policy",
                        "Recommendation",
                        "ResourceHealth",
                        "Security",
                        "ServiceHealth",
                    ),
                ),
                Attr("operation_name", None),
                Attr("caller", None),
                Attr("level", None, choices=("Verbose", "Informational", "Warning", "Error", "Critical")),
                Attr("levels", None, choices=("Verbose", "Informational", "Warning", "Error", "Critical"), read="present"),
                Attr("resource_provider", None),
                Attr("resource_providers", None, read="present"),
                Attr("resource_type", None),
                Attr("resource_types", None, read="present"),
                Attr("resource_group", None),
                Attr("resource_groups", None, read="present"),
                Attr("resource_id", None),
                Attr("resource_ids", None, read="present"),
                Attr("status", None),
                Attr("statuses", None, read="present"),
                Attr("sub_status", None),
                Attr("sub_statuses", None, read="present"),
                Attr("recommendation_type", None),
                Attr(
                    "recommendation_category",
                    None,
                    choices=("Cost", "Reliability", "OperationalExcellence", "Performance", "HighAvailability"),
                ),
                Attr("recommendation_impact", None, choices=("High", "Medium", "Low")),
                Nested(
                    "resource_health",
                    None,
                    (
                        Attr("current", None, choices=("Available", "Degraded", "Unavailable", "Unknown"), read="present"),
                        Attr("previous", None, choices=("Available", "Degraded", "Unavailable", "Unknown"), read="present"),
                        Attr("reason", None, choices=("PlatformInitiated", "UserInitiated", "Unknown"), read="present"),
                    ),
                    single=True,
                    computed=True,
                    read="present",
                ),
                Nested(
                    "service_health",
                    None,
                    (
                        Attr("locations", None, read="present"),
                        Attr(
                            "events",
                            None,
                            choices=("Incident", "Maintenance", "Informational", "ActionRequired", "Security"),
                            read="present",
                        ),
                        Attr("services", None, read="present"),
                    ),
                    single=True,
                    computed=True,
                    read="present",
                ),
            ),
            single=True,
            send="always",
        ),
        Nested(
            "action",
            "properties.actions.actionGroups",
            (
                Attr("action_group_id", "actionGroupId", PLAIN_ID, send="always"),
                Attr("webhook_properties", "webhookProperties", send="always"),
            ),
            send="always",
        ),
        Attr("description", "properties.description", send="always"),
        Attr("enabled", "properties.enabled", default=True, send="always"),
        TAGS,
    ),
    hooks=Hooks(expand=_expand_activity, flatten=_flatten_activity),
)


LENSES = (MONITOR_METRIC_ALERT, MONITOR_ACTIVITY_LOG_ALERT)
