"""The alerts that fired: which rule, on what, since when, by which value against which threshold.

Source: Microsoft.AlertsManagement 2019-05-05-preview, read over ARM.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from iac_agent.azure.clients import AzureClients
from iac_agent.monitor.ranges import Range
from iac_agent.monitor.targets import Target, Targets

_API = "2019-05-05-preview"
_WORDS = {
    "GreaterThan": "above",
    "GreaterThanOrEqual": "at or above",
    "LessThan": "below",
    "LessThanOrEqual": "at or below",
    "Equals": "equal to",
    "NotEquals": "not",
}


@dataclass(frozen=True)
class Alert:
    """One alert. `condition` is `Fired` or `Resolved`; `value` and `threshold` are None for alerts on the activity log."""

    rule: str
    rule_id: str
    rule_address: str
    target: str
    severity: str
    condition: str
    state: str
    started: datetime
    resolved: datetime | None
    description: str
    metric: str = ""
    comparison: str = ""
    threshold: float | None = None
    value: float | None = None
    aggregation: str = ""

    @property
    def firing(self) -> bool:
        return self.condition == "Fired" and self.state != "Closed"

    def sentence(self) -> str:
        who = f"{self.rule}{f' ({self.rule_address})' if self.rule_address else ''} on {self.target.rsplit('/', 1)[-1]}"
        why = f"{self.aggregation} {self.metric} was {self.value:g}, {self.comparison} {self.threshold:g}" if self.value is not None else ""
        until = f"resolved {self.resolved:%H:%M}" if self.resolved else "still firing" if self.firing else self.state.lower()
        parts = [p for p in (why, f"since {self.started:%Y-%m-%d %H:%M %Z}", until) if p]
        return f"{self.severity} {who}: {'; '.join(parts)}"

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "started": self.started.isoformat(), "resolved": self.resolved.isoformat() if self.resolved else None}


@dataclass
class Alerts:
    """Reads alerts of the subscription."""

    clients: AzureClients
    targets: Targets

    def fired(self, span: Range, about: list[Target] | None = None) -> list[Alert]:
        """The alerts that began in a range or still fire, the newest first; on the given resources or on any. Raises AzureError."""
        path = f"/subscriptions/{self.clients.subscription}/providers/Microsoft.AlertsManagement/alerts"
        asked = f"{path}?{urlencode({'includeContext': 'true', 'timeRange': '30d'})}"
        found = [self._alert(body, span) for page in self.clients.pages(asked, _API) for body in page]
        wanted = {t.id.lower() for t in about or ()}
        return [a for a in found if (a.started >= span.start or a.firing) and (not wanted or a.target.lower() in wanted)]

    def _alert(self, body: dict[str, Any], span: Range) -> Alert:
        told = body["properties"]["essentials"]
        context = body["properties"].get("context") or {}
        conditions: list[dict[str, Any]] = context.get("conditions") or (context.get("condition") or {}).get("allOf") or []
        condition = conditions[0] if conditions else {}
        rule = str(told.get("alertRule", ""))
        known = self.targets.by_id(rule)
        zone = span.start.tzinfo
        resolved = told.get("monitorConditionResolvedDateTime")
        return Alert(
            rule=str(body.get("name", "")),
            rule_id=rule,
            rule_address=known.address if known else "",
            target=str(told.get("targetResource", "")),
            severity=str(told.get("severity", "")),
            condition=str(told.get("monitorCondition", "")),
            state=str(told.get("alertState", "")),
            started=_moment(told["startDateTime"]).astimezone(zone),
            resolved=_moment(resolved).astimezone(zone) if resolved else None,
            description=str(told.get("description", "")),
            metric=str(condition.get("metricName", "")),
            comparison=_WORDS.get(str(condition.get("operator", "")), str(condition.get("operator", ""))),
            threshold=float(condition["threshold"]) if "threshold" in condition else None,
            value=float(condition["metricValue"]) if condition.get("metricValue") is not None else None,
            aggregation=str(condition.get("timeAggregation", "")),
        )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
