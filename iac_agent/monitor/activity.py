"""Who did what, with which tool: the activity log, with the events of one operation put together by their correlation.

Source: Microsoft.Insights eventtypes/management 2015-04-01; who an event's caller is, as in `drift/causes.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from iac_agent.azure.applications import APPLICATIONS
from iac_agent.azure.clients import AzureClients
from iac_agent.errors import AzureError, NoTelemetry
from iac_agent.monitor.ranges import Range
from iac_agent.monitor.targets import Target

_KEPT_DAYS, _MOST, _FEW = 90, 100, 6
_PROPERTIES = {
    r"\bresiz|\bsize\b|\bsku\b|\bbigger|\bsmaller|\bscal(?:ed|e)\b": r"vmSize|sku\.|diskSizeGB",
    r"\btag|\blabel": r"^tags",
    r"\brules?\b|\bports?\b|\bopened\b": r"securityRules",
}
_BESIDE = re.compile(r"\.(?:id|name|type|etag|provisioningState)$|\*$", re.IGNORECASE)
_VERBS = {
    "deallocate/action": "deallocated",
    "poweroff/action": "powered off",
    "start/action": "started",
    "restart/action": "restarted",
    "redeploy/action": "redeployed",
    "runcommand/action": "ran a command on",
    "write": "created or changed",
    "delete": "deleted",
}
_WORDS = {
    "deallocate/action": r"stop|stopp|shut|deallocat|turned? off|switch\w* off|took? .*down|powered? (?:down|off)|down\b|offline",
    "poweroff/action": r"stop|shut|turned? off|switch\w* off|powered? (?:down|off)|down\b|offline",
    "start/action": r"\bstart|turned? on|switch\w* on|powered? (?:up|on)|brought .*up",
    "restart/action": r"restart|reboot|bounc|power.?cycl",
    "redeploy/action": r"redeploy",
    "runcommand/action": r"\b(?:ran|run|command|script)",
    "write": r"chang|modif|updat|edit|resiz|tag|creat|made|add|alter|touch|wrote|size|bigger|smaller|scal",
    "delete": r"delet|remov|destroy",
}


@dataclass(frozen=True)
class Changed:
    """One property that a write changed, by its ARM path, with the value before and after as Resource Graph has them."""

    path: str
    before: str
    after: str

    @property
    def shown(self) -> str:
        return f"{self.path} {self.before or 'nothing'} → {self.after or 'nothing'}"


@dataclass(frozen=True)
class Act:
    """One thing that was done: an operation on one resource, its outcome, and how many events tell of it.

    `changed` is known for writes of the last 14 days; `tool` where the client can be told.
    """

    time: datetime
    operation: str
    resource: str
    status: str
    caller: str
    name: str
    tool: str
    address: str
    correlation: str
    message: str = ""
    events: int = 1
    changed: tuple[Changed, ...] = ()
    created: bool = False

    @property
    def verb(self) -> str:
        action = (
            "/".join(self.operation.split("/")[-2:]) if self.operation.lower().endswith("/action") else self.operation.rsplit("/", 1)[-1]
        )
        return _VERBS.get(action.lower(), action)

    @property
    def who(self) -> str:
        """`alice@contoso.com`, or an application's name or id."""
        return self.caller if "@" in self.caller else f"{self.name or self.caller} (an application)"

    def sentence(self) -> str:
        tool = f" with {self.tool}" if self.tool else ""
        what = f": {', '.join(c.shown for c in self.changed[:_FEW])}" if self.changed else ""
        failed = "" if self.status == "Succeeded" else f" ({self.status.lower()})"
        return f"{self.who} {self.verb} {self.resource.rsplit('/', 1)[-1]} at {self.time:%Y-%m-%d %H:%M:%S %Z}{tool}{failed}{what}"

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "time": self.time.isoformat(), "verb": self.verb, "changed": [vars(c) for c in self.changed]}


@dataclass
class Activity:
    """Reads the activity log. `names` are those of applications by their id, where something knows them."""

    clients: AzureClients
    names: dict[str, str] = field(default_factory=dict)

    def acts(self, span: Range, targets: Sequence[Target] = ()) -> list[Act]:
        """What was done in a range, the newest first; to the given resources and what is below them, or to anything.

        Raises NoTelemetry for a range that the log no longer holds.
        """
        if (self.clients.now() - span.end).days >= _KEPT_DAYS:
            raise NoTelemetry(f"{span.shown()} is older than the {_KEPT_DAYS} days for which Azure keeps the activity log")
        over = self.clients.now() - span.end > timedelta(minutes=2)
        clauses = [f"eventTimestamp le '{span.end.astimezone(UTC).isoformat()}'"] if over else []
        if len(targets) == 1:
            clauses.append(f"resourceGroupName eq '{targets[0].group}'")
        events = [e for e in self.clients.activity(span.start, *clauses) if _within(e, targets)]
        found = [self._act(held, span) for held in _by_operation(events) if not _only_reads(held[0])]
        return self._with_changes(found)

    def _with_changes(self, acts: list[Act]) -> list[Act]:
        """The writes with what they changed, as far as Resource Graph holds it; without it they are told all the same."""
        wanted = list(dict.fromkeys(a.correlation for a in acts if a.operation.lower().endswith("/write")))[:_MOST]
        if not wanted:
            return acts
        listed = ", ".join(f"'{c}'" for c in wanted)
        query = (
            f"resourcechanges | where tostring(properties.changeAttributes.correlationId) in~ ({listed}) "
            "| project id, properties | order by id asc"
        )
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        with suppress(AzureError):
            for row in self.clients.query(query):
                told = row["properties"]
                rows[str(told["changeAttributes"].get("correlationId")), str(told.get("targetResourceId", "")).lower()] = told
        lone = {c: told for (c, _), told in rows.items() if sum(1 for key in rows if key[0] == c) == 1}
        return [_changed(a, rows.get((a.correlation, a.resource.lower())) or lone.get(a.correlation)) for a in acts]

    def _act(self, events: list[dict[str, Any]], span: Range) -> Act:
        last = events[0]
        claims = last.get("claims") or {}
        application = str(claims.get("appid", ""))
        return Act(
            _moment(last["eventTimestamp"]).astimezone(span.start.tzinfo),
            str((last.get("operationName") or {}).get("value", "")),
            str(last.get("resourceId", "")),
            str((last.get("status") or {}).get("value", "")),
            str(last.get("caller", "")),
            self.names.get(application, str(claims.get("name", ""))),
            APPLICATIONS.get(application, ""),
            str((last.get("httpRequest") or {}).get("clientIpAddress", "")),
            str(last.get("correlationId", "")),
            str((last.get("properties") or {}).get("statusMessage", "")),
            len(events),
        )


def _changed(act: Act, told: dict[str, Any] | None) -> Act:
    if told is None:
        return act
    changes = (told.get("changes") or {}).items()
    found = tuple(
        Changed(path, str(c.get("previousValue") or ""), str(c.get("newValue") or "")) for path, c in changes if not _BESIDE.search(path)
    )
    client = str(told["changeAttributes"].get("clientType") or "")
    kind = str(told.get("changeType", "")).lower()
    shown = () if kind == "create" else found
    return replace(act, changed=shown, tool=act.tool or ("" if client.lower() in ("", "unspecified") else client), created=kind == "create")


def meant(acts: Iterable[Act], text: str) -> list[Act]:
    """The acts of the kind that a question asks for (`who stopped`, `who resized`); all where it says no kind."""
    acts = list(acts)
    for pattern, path in _PROPERTIES.items():
        if re.search(pattern, text, re.IGNORECASE):
            exact = [a for a in acts if any(re.search(path, c.path, re.IGNORECASE) for c in a.changed)]
            if exact:
                return exact
    if re.search(r"\bcreat|\bmade\b|\bset up\b|\bbuilt\b", text, re.IGNORECASE) and any(a.created for a in acts):
        return [a for a in acts if a.created]
    wanted = [action for action, pattern in _WORDS.items() if re.search(rf"\b(?:{pattern})", text, re.IGNORECASE)]
    if not wanted:
        return acts
    return [a for a in acts if any(a.operation.lower().endswith(f"/{w}") for w in wanted)]


def _by_operation(events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Events of the same operation on the same resource, the newest first."""
    held: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for event in events:
        operation = str((event.get("operationName") or {}).get("value", ""))
        held.setdefault((str(event.get("correlationId")), operation.lower(), str(event.get("resourceId")).lower()), []).append(event)
    return list(held.values())


def _only_reads(event: dict[str, Any]) -> bool:
    """Whether an action changes nothing: keys listed, a boot log fetched."""
    name = str((event.get("operationName") or {}).get("value", "")).lower()
    return re.search(r"/(?:list\w*|retrievebootdiagnosticsdata|generate\w*report\w*)/action$", name) is not None


def _within(event: dict[str, Any], targets: Sequence[Target]) -> bool:
    resource = str(event.get("resourceId", "")).lower()
    return not targets or any(resource == t.id.lower() or resource.startswith(f"{t.id.lower()}/") for t in targets)


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
