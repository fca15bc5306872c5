"""One verdict on each machine, joined from its power state, its agent, the platform's word, its metric, its probes and its alerts.

Each piece of evidence says where it is from and of what time. What could not be read is said, and never taken for well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from iac_agent.azure.catalogue import BALANCER
from iac_agent.azure.clients import AzureClients, translated
from iac_agent.errors import IacAgentError
from iac_agent.monitor.activity import Activity
from iac_agent.monitor.alerts import Alert, Alerts
from iac_agent.monitor.metrics import Asked, Metrics, Series
from iac_agent.monitor.ranges import Range
from iac_agent.monitor.targets import Target, Targets

_RECENT = timedelta(minutes=5)
_DAY = timedelta(days=1)
_API = "2024-03-01"


class Health(StrEnum):
    """The verdicts, the worst first."""

    DOWN = "down"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    STOPPED = "stopped"
    HEALTHY = "healthy"


@dataclass(frozen=True)
class Evidence:
    """One thing that was found out: `good` is None where it could not be read or says neither."""

    source: str
    found: str
    good: bool | None
    time: datetime | None = None


@dataclass
class Condition:
    """The verdict on one machine with all that supports it."""

    target: Target
    verdict: Health = Health.UNKNOWN
    why: str = ""
    evidence: list[Evidence] = field(default_factory=list)
    power: str = ""

    def add(self, source: str, found: str, good: bool | None, time: datetime | None = None) -> None:
        self.evidence.append(Evidence(source, found, good, time))

    def as_json(self) -> dict[str, Any]:
        evidence = [{**vars(e), "time": e.time.isoformat() if e.time else None} for e in self.evidence]
        return {"resource": self.target.id, "address": self.target.address, "verdict": self.verdict, "why": self.why, "evidence": evidence}


@dataclass
class _Facts:
    """What Azure said, by lower-case resource id. `gaps` are sources that could not be read, with the reason."""

    power: dict[str, dict[str, Any]] = field(default_factory=dict)
    platform: dict[str, Any] = field(default_factory=dict)
    availability: dict[str, Series] = field(default_factory=dict)
    probes: dict[str, Series] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    gaps: dict[str, str] = field(default_factory=dict)


@dataclass
class HealthCheck:
    """Reads the sources side by side and judges."""

    clients: AzureClients
    targets: Targets
    metrics: Metrics
    alerts: Alerts
    activity: Activity

    def conditions(self, machines: Sequence[Target], now: datetime) -> list[Condition]:
        """The verdict on each machine, the worst first."""
        facts = self._read(machines, now)
        found = [self._judged(m, facts, now) for m in machines]
        stopped = [c for c in found if c.verdict == Health.STOPPED]
        if len(stopped) > 0:
            self._who_stopped(stopped, now)
        order = list(Health)
        return sorted(found, key=lambda c: order.index(c.verdict))

    # --- reading ---------------------------------------------------------------------------------------------------

    def _read(self, machines: Sequence[Target], now: datetime) -> _Facts:
        facts = _Facts()
        recent = Range((now - _RECENT).replace(second=0, microsecond=0), now.replace(second=0, microsecond=0))
        sources: dict[str, Callable[[], None]] = {
            "power state": lambda: self._power(machines, facts),
            "resource health": lambda: self._platform(machines, facts),
            "VmAvailabilityMetric": lambda: self._availability(machines, recent, facts),
            "probes": lambda: self._probes(recent, facts),
            "alerts": lambda: facts.alerts.extend(a for a in self.alerts.fired(Range(now - _DAY, now)) if a.firing),
        }

        def attempt(name: str) -> None:
            try:
                sources[name]()
            except IacAgentError as problem:
                facts.gaps[name] = problem.message

        with ThreadPoolExecutor(len(sources)) as pool:
            list(pool.map(attempt, sources))
        return facts

    def _power(self, machines: Sequence[Target], facts: _Facts) -> None:
        """One machine by its instance view, several by the list of all, which takes one call for a thousand."""
        if len(machines) == 1:
            view = self.clients.get(f"{machines[0].id}/instanceView", _API)
            if view is not None:
                facts.power[machines[0].id.lower()] = view
            return
        with translated("the run-time status of all machines"):
            path = f"/subscriptions/{self.clients.subscription}/providers/Microsoft.Compute/virtualMachines?statusOnly=true"
            for page in self.clients.pages(path, _API):
                for body in page:
                    facts.power[str(body["id"]).lower()] = (body.get("properties") or {}).get("instanceView") or {}

    def _platform(self, machines: Sequence[Target], facts: _Facts) -> None:
        with translated("resource health"):
            if len(machines) == 1:
                found = [self.clients.health.availability_statuses.get_by_resource(machines[0].id.lstrip("/"))]
            else:
                found = list(self.clients.health.availability_statuses.list_by_subscription_id())
        for status in found:
            facts.platform[str(status.id).lower().split("/providers/microsoft.resourcehealth/")[0]] = status.properties

    def _availability(self, machines: Sequence[Target], span: Range, facts: _Facts) -> None:
        for series in self.metrics.points(machines, Asked("VmAvailabilityMetric", span, "Average", "PT1M")):
            facts.availability[series.target.id.lower()] = series

    def _probes(self, span: Range, facts: _Facts) -> None:
        """Each load balancer's probe status by backend address."""
        for balancer in self.targets.all(BALANCER):
            for series in self.metrics.series([balancer], Asked("DipAvailability", span, "Average", "PT1M", "BackendIPAddress")):
                facts.probes[series.dimension] = series

    # --- judging ---------------------------------------------------------------------------------------------------

    def _judged(self, machine: Target, facts: _Facts, now: datetime) -> Condition:
        condition = Condition(machine)
        key = machine.id.lower()
        power = self._power_state(condition, facts.power.get(key), facts.gaps.get("power state", ""), now)
        condition.power = power
        platform = self._platform_word(condition, facts.platform.get(key), facts.gaps.get("resource health", ""))
        measured = self._measured(condition, facts.availability.get(key), facts.gaps.get("VmAvailabilityMetric", ""))
        probed = self._probed(condition, facts)
        for source in ("alerts", "probes"):
            if source in facts.gaps:
                condition.add(source, facts.gaps[source], None)
        for alert in facts.alerts:
            if alert.target.lower() == key:
                condition.add("alert", alert.sentence(), False, alert.started)
        agent = next((e.good for e in condition.evidence if e.source == "VM agent"), None)
        condition.verdict, condition.why = _verdict(condition, power, platform, measured, probed, agent)
        return condition

    @staticmethod
    def _power_state(condition: Condition, view: dict[str, Any] | None, gap: str, now: datetime) -> str:
        if view is None:
            condition.add("power state", gap or "not found in Azure", None)
            return ""
        power = power_state(view)
        statuses = {str(s.get("code", "")).split("/")[0]: s for s in view.get("statuses") or []}
        condition.add("power state", f"VM {power}", power == "running", now)
        provisioning = statuses.get("ProvisioningState") or {}
        if str(provisioning.get("code", "")).startswith("ProvisioningState/failed"):
            condition.add("provisioning", str(provisioning.get("message") or provisioning.get("displayStatus")), False, now)
        if power == "running":
            agent = agent_status(view)
            condition.add("VM agent", agent or "does not report", agent == "Ready", now)
        return power

    @staticmethod
    def _platform_word(condition: Condition, status: Any, gap: str) -> str:
        if status is None:
            condition.add("resource health", gap or "says nothing of it", None)
            return ""
        state = str(getattr(status.availability_state, "value", status.availability_state))
        text = f"{state}: {status.title}" if status.title and status.title != state else state
        condition.add("resource health", text, state == "Available", status.occured_time)
        return state

    @staticmethod
    def _measured(condition: Condition, series: Series | None, gap: str) -> float | None:
        last = series.last if series is not None else None
        if last is None:
            condition.add("VmAvailabilityMetric", gap or "no data in the last 5 minutes", None)
            return None
        condition.add("VmAvailabilityMetric", f"{last[1]:g}", last[1] >= 1, last[0])
        return last[1]

    def _probed(self, condition: Condition, facts: _Facts) -> float | None:
        """What load balancers say of its private addresses."""
        addresses = self.targets.addresses(condition.target)
        found = [s for a, s in facts.probes.items() if a in addresses]
        for series in found:
            if series.last is not None:
                moment, value = series.last
                condition.add(f"probe of {series.target.name}", f"{value:g} % of probes answered", value >= 100, moment)
                return value
        return None

    def _who_stopped(self, stopped: list[Condition], now: datetime) -> None:
        """Add who stopped each, where the log of the last days tells; one query for all."""
        try:
            acts = self.activity.acts(Range(now - 7 * _DAY, now), [c.target for c in stopped])
        except IacAgentError:
            return
        for condition in stopped:
            ends = ("/deallocate/action", "/poweroff/action")
            act = next((a for a in acts if a.resource.lower() == condition.target.id.lower() and a.operation.lower().endswith(ends)), None)
            if act is not None:
                condition.add("activity log", act.sentence(), None, act.time)
                condition.why = f"{act.verb} by {act.who} at {act.time:%Y-%m-%d %H:%M %Z}"


def power_state(view: dict[str, Any]) -> str:
    """`running`, `deallocated` and so on, of an instance view; `unknown` where it says none."""
    codes = [str(s.get("code", "")) for s in view.get("statuses") or []]
    return next((c.split("/")[1] for c in codes if c.startswith("PowerState/")), "unknown")


def agent_status(view: dict[str, Any]) -> str:
    """`Ready`, `Not Ready` and so on, of an instance view; empty where the agent of the machine does not report."""
    statuses = (view.get("vmAgent") or {}).get("statuses") or []
    return str(statuses[0].get("displayStatus")) if statuses else ""


def _verdict(
    condition: Condition, power: str, platform: str, measured: float | None, probed: float | None, agent: bool | None
) -> tuple[Health, str]:
    """The verdict and the strongest reason for it."""
    if power and power not in ("running", "starting"):
        return Health.STOPPED, f"its power state is {power}"
    if platform == "Unavailable":
        return Health.DOWN, next(e.found for e in condition.evidence if e.source == "resource health")
    if power == "running" and not agent and (measured is None or measured == 0):
        return Health.DOWN, "its power is on, but neither its agent nor its availability metric answers: the guest did not boot or hangs"
    bad = [e for e in condition.evidence if e.good is False]
    if bad:
        return Health.DEGRADED, f"{bad[0].source}: {bad[0].found}"
    silent = [e for e in condition.evidence if e.good is None]
    if not power or silent:
        return Health.UNKNOWN, f"could not be told by {silent[0].source}: {silent[0].found}" if silent else "no power state"
    return Health.HEALTHY, "every source says so"
