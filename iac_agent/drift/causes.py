"""Who did it: Resource Graph's property changes joined with the activity log, with the evidence and how sure that makes us.

`resourcechanges` holds 14 days and tells which property changed; the activity log holds 90 days and tells the caller's claims and address.
Sources: https://learn.microsoft.com/azure/governance/resource-graph/changes/resource-graph-changes and
https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from iac_agent.azure.applications import APPLICATIONS
from iac_agent.drift.finding import Cause, Finding, Kind
from iac_agent.drift.matching import ownable, plain, touches, tracked
from iac_agent.drift.policies import Effect, Getter, Policies, plain_text
from iac_agent.errors import AzureError

_BATCH = 200
_GRAPH_DAYS, _LOG_DAYS = 14, 89
_FEW = 12
_NOBODY = {"", "unspecified", "unknown", "system"}
_KINDS = {Kind.DELETED: "Delete", Kind.MOVED: "Delete", Kind.UNMANAGED: "Create", Kind.RECREATED: "Create"}
Row = dict[str, Any]
_Found = tuple[Row, str]  # a change, and what a finding matches it by: `property`, `kind` or `resource`


class History(Getter, Protocol):
    """What can be asked about the past. Raises AzureError. `activity` takes clauses to add to the start time, `now` is Azure's time."""

    def now(self) -> datetime: ...
    def query(self, kql: str) -> Iterator[dict[str, Any]]: ...
    def activity(self, since: datetime, *clauses: str) -> Iterator[dict[str, Any]]: ...


@dataclass
class Causes:
    """The past of some findings, read once. `gaps` says what could not be read."""

    history: History
    gaps: list[str] = field(default_factory=list)
    _changes: dict[str, list[Row]] = field(default_factory=dict)
    _events: dict[str, list[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.policies = Policies(self.history)

    def explain(self, findings: Sequence[Finding]) -> list[Finding]:
        """The same findings, each with its cause; one that nothing tells of is left unknown."""
        wanted = [f for f in findings if f.kind not in (Kind.UNREADABLE, Kind.UNSUPPORTED)]
        self._read_changes({tracked(f) for f in wanted})
        rows = {f.key: self._rows(f) for f in wanted}
        self._read_events(wanted, rows)
        return [self._explained(f, rows[f.key]) if f.key in rows else f for f in findings]

    def _explained(self, finding: Finding, rows: list[_Found]) -> Finding:
        causes = list(dict.fromkeys(c for row in rows for c in self._causes(finding, row))) or [self._from_log(finding)]
        return replace(finding, cause=causes[0], also=tuple(causes[1:]), contested=self._contested(finding, causes))

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

    def _of(self, finding: Finding) -> list[Row]:
        """The changes of what Resource Graph follows, the newest first."""
        return sorted(self._changes.get(tracked(finding), []), key=lambda r: str(_attributes(r).get("timestamp")), reverse=True)

    def _rows(self, finding: Finding) -> list[_Found]:
        """The newest changes that explain the finding: one for all its differences, or several."""
        rows = self._of(finding)
        kind = _KINDS.get(finding.kind)
        if kind and tracked(finding) == finding.id.lower():
            return [(r, "kind") for r in rows if r.get("changeType") == kind][:1]
        parts = [replace(finding, differences=(d,)) for d in finding.differences if d.arm] or [finding]
        found = [next((r for r in rows if touches(part, r)), None) for part in parts]
        by_property = {str(r.get("changeAttributes")): (r, "property") for r in found if r is not None}
        if by_property:
            return sorted(by_property.values(), key=lambda f: str(_attributes(f[0]).get("timestamp")), reverse=True)
        updates = [r for r in rows if r.get("changeType") == "Update"]
        return [(updates[0], "resource")] if updates and not any(d.arm for d in finding.differences) else []

    def _contested(self, finding: Finding, causes: Sequence[Cause]) -> str:
        """Who would change it again after a revert: a policy in force, or whoever set the live value again after it was changed back."""
        enforcing = next((c for c in causes if c.kind == "Policy" and c.again), None)
        if enforcing is not None:
            return f"{enforcing.who} is in force and would change it again"
        past: dict[str, list[tuple[str, Row]]] = {}
        for row in reversed(self._of(finding)):
            for path, change in (row.get("changes") or {}).items():
                if touches(finding, {"changes": {path: change}}):
                    past.setdefault(plain(path), []).append((str(change.get("newValue")), row))
        for path, held in past.items():
            values = [v for v, _ in held]
            before = [n for n, v in enumerate(values[:-1]) if v == values[-1]]
            if before and any(v != values[-1] for v in values[before[-1] + 1 : -1]):
                told = _attributes(held[-1][1])
                return f"{told.get('changedBy')} set {path} to {values[-1]} again at {told.get('timestamp')}, after it was changed back"
        return ""

    # --- what the log says ---------------------------------------------------------------------------------------

    def _read_events(self, findings: Sequence[Finding], rows: dict[str, list[_Found]]) -> None:
        """By correlation while those are few, else by resource group; resources that no change explains by their id."""
        since = self.history.now() - timedelta(days=_LOG_DAYS)
        wanted: dict[str, None] = {}
        correlations = {str(_attributes(r).get("correlationId")) for found in rows.values() for r, _ in found} - {"None", ""}
        groups = {f.id.split("/")[4] for f in findings if rows[f.key] and f.id.count("/") >= 4}
        if len(correlations) <= max(_FEW, len(groups)):
            wanted |= dict.fromkeys(f"correlationId eq '{c}'" for c in sorted(correlations))
        else:
            wanted |= dict.fromkeys(f"resourceGroupName eq '{g}'" for g in sorted(groups))
        lone = [f for f in findings if not rows[f.key]]
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

    def _causes(self, finding: Finding, found: _Found) -> list[Cause]:
        """The cause that a change tells, and the policies that changed that write on its way."""
        row, how = found
        attributes = _attributes(row)
        correlation = str(attributes.get("correlationId") or "")
        events = self._events.get(correlation, [])
        own = [e for e in events if plain_text(e.get("status")) in ("Succeeded", "Accepted", "Started") and not _is_policy(e)]
        event = next((e for e in own if str(e.get("resourceId", "")).lower() == ownable(finding).lower()), next(iter(own), None))
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
        cause = replace(cause, sure="unknown" if not cause.who else "certain" if how in ("property", "kind") else "likely")
        return self._through_policy(finding, row, cause, self.policies.effects(events, tracked(finding)))

    @staticmethod
    def _through_policy(finding: Finding, row: Row, cause: Cause, effects: Sequence[Effect]) -> list[Cause]:
        """The writer did not ask for what an assignment set on the way: of that the assignment is the cause."""
        ours = [d.arm for d in finding.differences if d.arm and touches(replace(finding, differences=(d,)), row)]
        found, left = [], set(ours)
        for effect in effects:
            theirs = {arm for arm in ours if effect.explains(plain(arm))}
            if theirs:
                left -= theirs
                evidence = (*cause.evidence, effect.assignment, f"written by {cause.who}")
                who, client = f"policy assignment {effect.name}", "Azure Policy"
                found.append(replace(cause, who=who, kind="Policy", client=client, again=effect.in_force, evidence=evidence))
        if left or not found:
            doubt = tuple(f"{e.assignment} changed the write too; its definition could not be read" for e in effects if e.fields is None)
            found.insert(0, replace(cause, evidence=(*cause.evidence, *doubt), sure="likely" if doubt else cause.sure))
        return found

    def _from_log(self, finding: Finding) -> Cause:
        """The newest successful write or delete of the resource, where the graph does not follow its type or forgot it."""
        target = ownable(finding).lower()
        verb = "delete" if finding.kind == Kind.DELETED else "write"
        fitting = [
            e
            for events in self._events.values()
            for e in events
            if str(e.get("resourceId", "")).lower() == target
            and plain_text(e.get("status")) == "Succeeded"
            and plain_text(e.get("operationName")).lower().endswith(f"/{verb}")
        ]
        if not fitting:
            return Cause(evidence=("no change and no event tell of it",))
        event = max(fitting, key=lambda e: str(e.get("eventTimestamp")))
        return replace(_with_event(Cause(correlation=str(event.get("correlationId") or "")), event), sure="likely")


def _attributes(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = row.get("changeAttributes") or {}
    return found


def _somebody(text: Any) -> str:
    return "" if str(text or "").lower() in _NOBODY else str(text)


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
        client=cause.client or APPLICATIONS.get(application, ""),
        when=cause.when or str(event.get("eventTimestamp") or ""),
        address=str(claims.get("ipaddr") or (event.get("httpRequest") or {}).get("clientIpAddress") or ""),
        operation=cause.operation or plain_text(event.get("operationName")),
        evidence=(*cause.evidence, f"activity log {event.get('eventDataId', '')}".strip()),
    )


def _is_policy(event: Row) -> bool:
    return plain_text(event.get("operationName")).lower().startswith("microsoft.authorization/policies/")


def by_correlation(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Findings that one operation explains, by its correlation; those with none are left out."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        for correlation in {c.correlation for c in finding.causes} - {""}:
            found.setdefault(correlation, []).append(finding)
    return {c: held for c, held in found.items() if len(held) > 1}
