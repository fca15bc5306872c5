"""Alert rules that fire: metric alerts by their window and frequency, activity log alerts by what is written to the log.

What fired is kept with its rule. Evaluation goes step by step up to now, so that moving the clock by hours misses nothing.
Sources: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-types and .../alerts-common-schema; azure-rest-api-specs,
Microsoft.AlertsManagement 2019-05-05-preview. A resolved alert needs three healthy evaluations, as in Azure.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from datetime import timedelta

from iac_agent.gym.cloud import Cloud, stable_guid
from iac_agent.gym.life import metrics
from iac_agent.gym.life.definitions import find
from iac_agent.gym.life.history import iso_of, minute_of
from iac_agent.gym.store import Body, Resource

METRIC_ALERT, LOG_ALERT = "Microsoft.Insights/metricAlerts", "Microsoft.Insights/activityLogAlerts"
_COMPARED = {
    "GreaterThan": operator.gt,
    "GreaterThanOrEqual": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqual": operator.le,
    "Equals": operator.eq,
    "NotEquals": operator.ne,
}
_HEALTHY_TO_RESOLVE = 3
_LOOKS_BACK = 2 * 1440  # minutes: of a longer jump of the clock only the end is evaluated


@dataclass(frozen=True)
class Notice:
    """One message to be delivered: to an action group, about an alert that fired or was resolved."""

    action_group: str
    payload: Body


def evaluate(cloud: Cloud) -> list[Notice]:
    """Bring every alert rule up to now; returns what is to be delivered, in order."""
    found: list[Notice] = []
    for rule in cloud.store.of_type(METRIC_ALERT):
        if rule.properties.get("enabled", True):
            found += _Rule(cloud, rule).run()
    for rule in cloud.store.of_type(LOG_ALERT):
        if rule.properties.get("enabled", True):
            found += _over_log(cloud, rule)
    return found


def fired(cloud: Cloud) -> list[Body]:
    """Every alert there was, the newest first."""
    rules = [*cloud.store.of_type(METRIC_ALERT), *cloud.store.of_type(LOG_ALERT)]
    every = [a for r in rules for a in r.hidden.get("alerts", ())]
    return sorted(every, key=lambda a: str(a["properties"]["essentials"]["startDateTime"]), reverse=True)


# --- metric alerts ---------------------------------------------------------------------------------------------------


class _Rule:
    """One metric alert rule on its way to now."""

    def __init__(self, cloud: Cloud, rule: Resource) -> None:
        self.cloud, self.rule = cloud, rule
        self.properties = rule.properties
        self.every, self.window = _minutes(self.properties["evaluationFrequency"]), _minutes(self.properties["windowSize"])
        self.alerts: list[Body] = [dict(a) for a in rule.hidden.get("alerts", ())]
        self.healthy: dict[str, int] = dict(rule.hidden.get("healthy", {}))

    def run(self) -> list[Notice]:
        now = minute_of(self.cloud.now())
        last = max(int(self.rule.hidden.get("evaluated", now)), now - _LOOKS_BACK)
        first = last + self.every - last % self.every
        targets = [t for t in map(self.cloud.store.get, self.properties.get("scopes") or []) if t is not None]
        found = [n for minute in range(first, now + 1, self.every) for t in targets for n in self._step(t, minute)]
        if found or first <= now or "evaluated" not in self.rule.hidden:
            hidden = {**self.rule.hidden, "evaluated": now, "alerts": self.alerts, "healthy": self.healthy}
            self.cloud.store.save(Resource(self.rule.id, self.rule.body, hidden))
        return found

    def _step(self, target: Resource, minute: int) -> list[Notice]:
        """One evaluation: the window that ends at `minute`."""
        held = [self._criterion(c, target, minute) for c in (self.properties.get("criteria") or {}).get("allOf") or []]
        if not held or any(h is None for h in held):
            return []
        key = target.id.lower()
        open_alert = next((a for a in self.alerts if _open(a) and _target(a) == key), None)
        if all(h["holds"] for h in held if h):
            self.healthy[key] = 0
            return [] if open_alert else self._fire(target, minute, [h for h in held if h])
        self.healthy[key] = self.healthy.get(key, 0) + 1
        if open_alert is None or not self.properties.get("autoMitigate", True) or self.healthy[key] < _HEALTHY_TO_RESOLVE:
            return []
        return self._resolve(open_alert, minute)

    def _criterion(self, wanted: Body, target: Resource, minute: int) -> Body | None:
        """Whether a condition holds; None where it cannot be told: no samples, or a threshold that Azure would have to learn."""
        metric = find(target.type, str(wanted.get("metricName", "")))
        if metric is None or "threshold" not in wanted:
            return None
        of = metrics.subject(self.cloud, target)
        bucket = metrics.Bucket(minute, [s for b in metrics.series(of, metric, minute - self.window, minute, 1) for s in b.samples])
        value = bucket.aggregate(str(wanted.get("timeAggregation", "Average")))
        if value is None:
            return None
        holds = _COMPARED[str(wanted["operator"])](value, float(wanted["threshold"]))
        return {"holds": holds, "value": round(value, 3), "wanted": wanted, "start": minute - self.window}

    def _fire(self, target: Resource, minute: int, held: list[Body]) -> list[Notice]:
        conditions = [_condition(h) for h in held]
        alert = _alert(self.rule, target.id, iso_of(minute), "Platform", conditions, iso_of(held[0]["start"]))
        self.alerts.append(alert)
        return _notices(self.rule, alert, "Fired")

    def _resolve(self, alert: Body, minute: int) -> list[Notice]:
        essentials = alert["properties"]["essentials"]
        essentials |= {
            "monitorCondition": "Resolved",
            "monitorConditionResolvedDateTime": iso_of(minute),
            "lastModifiedDateTime": iso_of(minute),
        }
        return _notices(self.rule, alert, "Resolved")


def _condition(held: Body) -> Body:
    wanted = held["wanted"]
    return {
        "metricName": wanted["metricName"],
        "metricNamespace": wanted.get("metricNamespace", ""),
        "operator": wanted["operator"],
        "threshold": str(wanted["threshold"]),
        "timeAggregation": wanted.get("timeAggregation", "Average"),
        "dimensions": [],
        "metricValue": held["value"],
    }


# --- activity log alerts ---------------------------------------------------------------------------------------------


def _over_log(cloud: Cloud, rule: Resource) -> list[Notice]:
    log = cloud.store.events()
    events = [e for e in log[int(rule.hidden.get("seen", 0)) :] if _concerns(rule, e)]
    alerts = [*rule.hidden.get("alerts", ())]
    notices: list[Notice] = []
    for event in events:
        alert = _alert(rule, event["resourceId"], event["eventTimestamp"], "Activity Log - Administrative", [], event["eventTimestamp"])
        alert["properties"]["context"] = event
        alerts.append(alert)
        notices += _notices(rule, alert, "Fired")
    if events:
        cloud.store.save(Resource(rule.id, rule.body, {**rule.hidden, "seen": len(log), "alerts": alerts}))
    return notices


def _concerns(rule: Resource, event: Body) -> bool:
    scopes = [s.lower().rstrip("/") for s in rule.properties.get("scopes") or []]
    target = str(event["resourceId"]).lower()
    conditions = (rule.properties.get("condition") or {}).get("allOf") or []
    return any(f"{target}/".startswith(f"{s}/") for s in scopes) and all(_meets(c, event) for c in conditions)


def _meets(condition: Body, event: Body) -> bool:
    if condition.get("anyOf"):
        return any(_meets(c, event) for c in condition["anyOf"])
    found = event.get(str(condition.get("field", "")))
    told = str(found.get("value") if isinstance(found, dict) else found).lower()
    if condition.get("containsAny"):
        return any(str(c).lower() in told for c in condition["containsAny"])
    return told == str(condition.get("equals", "")).lower()


# --- what an alert looks like ----------------------------------------------------------------------------------------


def _alert(rule: Resource, target: str, at: str, service: str, conditions: list[Body], window: str) -> Body:
    subscription = rule.id.split("/")[2]
    guid = stable_guid(rule.id, target, at)
    return {
        "id": f"/subscriptions/{subscription}/providers/Microsoft.AlertsManagement/alerts/{guid}",
        "name": rule.body["name"],
        "type": "Microsoft.AlertsManagement/alerts",
        "properties": {
            "essentials": {
                "severity": f"Sev{rule.properties.get('severity', 4)}",
                "signalType": "Metric" if rule.type == METRIC_ALERT else "Log",
                "alertState": "New",
                "monitorCondition": "Fired",
                "targetResource": target,
                "targetResourceName": target.rsplit("/", 1)[1],
                "targetResourceGroup": target.split("/")[4] if target.count("/") > 4 else "",
                "targetResourceType": "/".join(
                    [target.split("/providers/")[-1].split("/")[0], *target.split("/providers/")[-1].split("/")[1::2]]
                ),
                "monitorService": service,
                "alertRule": rule.id,
                "sourceCreatedId": guid,
                "description": rule.properties.get("description", ""),
                "startDateTime": at,
                "lastModifiedDateTime": at,
                "lastModifiedUserName": "System",
            },
            "context": {"conditions": conditions, "windowStart": window, "windowEnd": at},
        },
    }


def _notices(rule: Resource, alert: Body, what: str) -> list[Notice]:
    actions = rule.properties.get("actions") or []
    groups = actions.get("actionGroups", []) if isinstance(actions, dict) else actions
    return [Notice(str(g["actionGroupId"]), _payload(alert, what)) for g in groups]


def _payload(alert: Body, what: str) -> Body:
    """The common alert schema."""
    essentials, context = alert["properties"]["essentials"], alert["properties"]["context"]
    platform = essentials["signalType"] == "Metric"
    times = {"firedDateTime": essentials["startDateTime"]}
    if what == "Resolved":
        times["resolvedDateTime"] = essentials["monitorConditionResolvedDateTime"]
    told = {
        "alertId": alert["id"],
        "alertRule": alert["name"],
        "severity": essentials["severity"],
        "signalType": "Metric" if platform else "Activity Log",
        "monitorCondition": what,
        "monitoringService": essentials["monitorService"],
        "alertTargetIDs": [essentials["targetResource"].lower()],
        "configurationItems": [essentials["targetResourceName"]],
        "originAlertId": essentials["sourceCreatedId"],
        **times,
        "description": essentials["description"],
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
    }
    condition = {
        "windowSize": "",
        "allOf": context.get("conditions"),
        "windowStartTime": context.get("windowStart"),
        "windowEndTime": context.get("windowEnd"),
    }
    inner = {"properties": None, "conditionType": "SingleResourceMultipleMetricCriteria", "condition": condition} if platform else context
    return {"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": told, "alertContext": inner}}


def _open(alert: Body) -> bool:
    return bool(alert["properties"]["essentials"]["monitorCondition"] == "Fired")


def _target(alert: Body) -> str:
    return str(alert["properties"]["essentials"]["targetResource"]).lower()


def _minutes(duration: str) -> int:
    match = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", duration)
    days, hours, minutes = (int(g or 0) for g in match.groups()) if match else (0, 0, 1)
    return int(timedelta(days=days, hours=hours, minutes=minutes).total_seconds() // 60)


def change_state(cloud: Cloud, alert_id: str, state: str) -> Body | None:
    """Acknowledge or close an alert; None when there is none."""
    for kind in (METRIC_ALERT, LOG_ALERT):
        for rule in cloud.store.of_type(kind):
            for alert in rule.hidden.get("alerts", ()):
                if alert["id"].lower().endswith(alert_id.lower()):
                    alert["properties"]["essentials"] |= {"alertState": state, "lastModifiedDateTime": cloud.now().isoformat()}
                    cloud.store.save(rule)
                    return dict(alert)
    return None
