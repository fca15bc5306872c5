"""Who did it: Resource Graph's property changes joined with the activity log, with the evidence and how sure that makes us.

`resourcechanges` holds 14 days and tells which property changed; the activity log holds 90 days and tells the caller's claims and address.
Sources: https://learn.microsoft.com/azure/governance/resource-graph/changes/resource-graph-changes and
https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from iac_agent.azure.ids import ResourceId
from iac_agent.drift.finding import Cause, Finding, Kind
from iac_agent.errors import AzureError, UsageError

_BATCH = 200
_GRAPH_DAYS, _LOG_DAYS = 14, 89
_FEW = 12
_NOBODY = {"", "unspecified", "unknown", "system"}
_KINDS = {Kind.DELETED: "Delete", Kind.UNMANAGED: "Create", Kind.RECREATED: "Create"}
_APPLICATIONS = {
    "c44b4083-3bb0-49c1-b47d-974e53cbdf3c": "Azure Portal",
    "b677c290-cf4b-4a8e-a60e-91ba650a4abe": "Cloud Shell",
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Azure CLI",
    "1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
    "aebc6443-996d-45c2-90f0-388ff96faa56": "Visual Studio Code",
    "1d78a85d-813d-46f0-b496-dd72f50a3ec0": "Azure Policy",
}
_POLICY = re.compile(r"Microsoft\.Authorization/policies/(\w+)/action", re.IGNORECASE)


class History(Protocol):
    """What can be asked about the past. Raises AzureError. `activity` takes clauses to add to the start time."""

    def query(self, kql: str) -> Iterator[dict[str, Any]]: ...
    def activity(self, since: datetime, *clauses: str) -> Iterator[dict[str, Any]]: ...


@dataclass
class Causes:
    """The past of some findings, read once. `gaps` says what could not be read."""

    history: History
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    gaps: list[str] = field(default_factory=list)
    _changes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def explain(self, findings: Sequence[Finding]) -> list[Finding]:
        """The same findings, each with its cause; one that nothing tells of is left unknown."""
        wanted = [f for f in findings if f.kind not in (Kind.UNREADABLE, Kind.UNSUPPORTED)]
        self._read_changes({tracked(f) for f in wanted})
        rows = {f.key: self._row(f) for f in wanted}
        self._read_events(wanted, rows)
        return [f.with_cause(self._cause(f, rows[f.key])) if f.key in rows else f for f in findings]

    # --- what the graph says -------------------------------------------------------------------------------------

    def _read_changes(self, ids: set[str]) -> None:
        groups = {i for i in ids if i.count("/") == 4}
        for table, held in (("resourcechanges", ids - groups), ("resourcecontainerchanges", groups)):
            ordered = sorted(held)
            for start in range(0, len(ordered), _BATCH):
                self._read_batch(table, ordered[start : start + _BATCH])

    def _read_batch(self, table: str, ids: list[str]) -> None:
        listed = ", ".join(f"'{i}'" for i in ids)
        query = (
            f"{table} | extend target = tolower(tostring(properties.targetResourceId)) | where target in~ ({listed}) "
            f"| where todatetime(properties.changeAttributes.timestamp) > ago({_GRAPH_DAYS}d) "
            "| project id, target, properties | order by id asc"
        )
        try:
            for row in self.history.query(query):
                self._changes.setdefault(row["target"], []).append(row["properties"])
        except AzureError as problem:
            self.gaps.append(f"changes could not be read from Resource Graph: {problem.message}")

    def _row(self, finding: Finding) -> tuple[dict[str, Any], str] | None:
        """The newest change that explains the finding, and what it matches by: `property`, `kind` or `resource`."""
        rows = sorted(self._changes.get(tracked(finding), []), key=lambda r: str(_attributes(r).get("timestamp")), reverse=True)
        kind = _KINDS.get(finding.kind)
        own = tracked(finding) == finding.id.lower()
        if kind and own:
            return next(((r, "kind") for r in rows if r.get("changeType") == kind), None)
        by_property = next((r for r in rows if _touches(finding, r)), None)
        if by_property is not None:
            return by_property, "property"
        updates = [r for r in rows if r.get("changeType") == "Update"]
        return (updates[0], "resource") if updates and not any(d.arm for d in finding.differences) else None

    # --- what the log says ---------------------------------------------------------------------------------------

    def _read_events(self, findings: Sequence[Finding], rows: dict[str, tuple[dict[str, Any], str] | None]) -> None:
        """By correlation while those are few, else by resource group; resources that no change explains by their id."""
        since = self.now - timedelta(days=_LOG_DAYS)
        wanted: dict[str, None] = {}
        correlations = {str(_attributes(r[0]).get("correlationId")) for r in rows.values() if r} - {"None", ""}
        groups = {f.id.split("/")[4] for f in findings if rows[f.key] and f.id.count("/") >= 4}
        if len(correlations) <= max(_FEW, len(groups)):
            wanted |= dict.fromkeys(f"correlationId eq '{c}'" for c in sorted(correlations))
        else:
            wanted |= dict.fromkeys(f"resourceGroupName eq '{g}'" for g in sorted(groups))
        lone = [f for f in findings if rows[f.key] is None]
        scopes = {f.id.split("/")[4] for f in lone if f.id.count("/") >= 4}
        if len(lone) <= max(_FEW, len(scopes)):
            wanted |= dict.fromkeys(f"resourceUri eq '{ownable(f)}'" for f in lone)
        else:
            wanted |= dict.fromkeys(f"resourceGroupName eq '{g}'" for g in sorted(scopes))
        with ThreadPoolExecutor(8) as pool:
            for events in pool.map(lambda clause: self._log(since, clause), wanted):
                for event in events:
                    self._events.setdefault(str(event.get("correlationId")), []).append(event)

    def _log(self, since: datetime, clause: str) -> list[dict[str, Any]]:
        try:
            return list(self.history.activity(since, clause))
        except AzureError as problem:
            self.gaps.append(f"the activity log could not be read ({clause}): {problem.message}")
            return []

    # --- both together -------------------------------------------------------------------------------------------

    def _cause(self, finding: Finding, found: tuple[dict[str, Any], str] | None) -> Cause:
        if found is None:
            return self._from_log(finding)
        row, how = found
        attributes = _attributes(row)
        correlation = str(attributes.get("correlationId") or "")
        events = self._events.get(correlation, [])
        event = next((e for e in events if _value(e.get("status")) in ("Succeeded", "Accepted", "Started")), None)
        cause = Cause(
            who=_somebody(attributes.get("changedBy")),
            kind=_somebody(attributes.get("changedByType")),
            client=_somebody(attributes.get("clientType")),
            when=str(attributes.get("timestamp") or ""),
            operation=str(attributes.get("operation") or ""),
            correlation=correlation,
            evidence=(f"resourcechanges {row.get('changeType', '')} {correlation}".strip(),),
        )
        cause = _with_event(cause, event) if event else cause
        policy = next((e for e in events if _POLICY.fullmatch(_value(e.get("operationName")))), None)
        cause = _by_policy(cause, policy, finding) if policy else cause
        if not cause.who:
            return replace(cause, sure="unknown")
        return replace(cause, sure="certain" if how in ("property", "kind") else "likely")

    def _from_log(self, finding: Finding) -> Cause:
        """The newest successful write or delete of the resource, where the graph does not follow its type or forgot it."""
        target = ownable(finding).lower()
        verb = "delete" if finding.kind == Kind.DELETED else "write"
        fitting = [
            e
            for events in self._events.values()
            for e in events
            if str(e.get("resourceId", "")).lower() == target
            and _value(e.get("status")) == "Succeeded"
            and _value(e.get("operationName")).lower().endswith(f"/{verb}")
        ]
        if not fitting:
            return Cause(evidence=("no change and no event tell of it",))
        event = max(fitting, key=lambda e: str(e.get("eventTimestamp")))
        return replace(_with_event(Cause(correlation=str(event.get("correlationId") or "")), event), sure="likely")


def tracked(finding: Finding) -> str:
    """The lower-case id of the resource that Resource Graph follows: itself, or the top-level resource it is a part of."""
    target = ownable(finding)
    try:
        rid = ResourceId.parse(target)
    except UsageError:
        return target.lower()
    if rid.scope:
        return target.lower()
    while len(rid.types) > 1:
        rid = ResourceId.parse(rid.parent)
    return rid.text.lower()


def ownable(finding: Finding) -> str:
    """The ARM id a finding is about: of what azurerm joins with `|` or hangs below an interface's configuration, the owner's."""
    return str(finding.facts.get("owner") or finding.id.split("|")[0])


def _attributes(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = row.get("changeAttributes") or {}
    return found


def _touches(finding: Finding, row: dict[str, Any]) -> bool:
    """Whether a change is of a property that the finding is about."""
    changed = {_plain(key) for key in row.get("changes") or {}}
    slot = str(finding.facts.get("slot") or "")
    inside = f"{slot}." if slot and tracked(finding) != ownable(finding).lower() else ""
    slots = [f"{inside}{d.arm}" for d in finding.differences if d.arm] or [slot]
    wanted = {_plain(s) for s in slots if s}
    return any(_within(c, w) or _within(w, c) for c in changed for w in wanted)


def _within(path: str, outer: str) -> bool:
    return path == outer or path.startswith(outer + ".")


def _plain(path: str) -> str:
    """A property path without its array indexes and names, lower case."""
    return re.sub(r'\[(?:\d+|"[^"]*")\]', "", path).lower()


def _somebody(text: Any) -> str:
    return "" if str(text or "").lower() in _NOBODY else str(text)


def _value(field_: Any) -> str:
    return str(field_.get("value", "")) if isinstance(field_, dict) else str(field_ or "")


def _with_event(cause: Cause, event: dict[str, Any]) -> Cause:
    """What the activity log adds: who where the graph says nobody, the application where it names no client, the address."""
    claims: dict[str, Any] = event.get("claims") or {}
    application = str(claims.get("appid") or "")
    identity = str(claims.get("xms_mirid") or "")
    kind = "User" if claims.get("idtyp") == "user" else "ManagedIdentity" if identity else "Application" if application else ""
    who = cause.who or _somebody(event.get("caller"))
    if kind == "Application" and application and application not in who:
        who = f"{who} (application {application})"
    if identity:
        who = f"{identity.rsplit('/', 1)[-1]} ({who})"
    return replace(
        cause,
        who=who,
        kind=cause.kind or kind,
        client=cause.client or _APPLICATIONS.get(application, ""),
        when=cause.when or str(event.get("eventTimestamp") or ""),
        address=str(claims.get("ipaddr") or (event.get("httpRequest") or {}).get("clientIpAddress") or ""),
        operation=cause.operation or _value(event.get("operationName")),
        evidence=(*cause.evidence, f"activity log {event.get('eventDataId', '')}".strip()),
    )


def _by_policy(cause: Cause, event: dict[str, Any], finding: Finding) -> Cause:
    """A policy changed the write on its way: the writer did not ask for this property, the assignment did."""
    told = (event.get("properties") or {}).get("policies")
    try:
        policies = json.loads(told) if isinstance(told, str) else told or []
    except ValueError:
        policies = []
    names = [str(p.get("policyAssignmentName") or p.get("policyAssignmentId") or "") for p in policies if isinstance(p, dict)]
    fields = {str(f).lower() for p in policies if isinstance(p, dict) for f in p.get("fields") or []}
    ours = {_plain(d.arm) for d in finding.differences if d.arm}
    if fields and not any(_within(o, f) or _within(f, o) for o in ours for f in fields):
        return cause
    return replace(
        cause,
        who=f"policy assignment {', '.join(names)}" if names else "a policy assignment",
        kind="Policy",
        client="Azure Policy",
        evidence=(*cause.evidence, f"activity log {event.get('eventDataId', '')}", f"written by {cause.who}"),
    )


def by_correlation(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Findings that one operation explains, by its correlation; those with none are left out."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.cause.correlation:
            found.setdefault(finding.cause.correlation, []).append(finding)
    return {c: held for c, held in found.items() if len(held) > 1}
