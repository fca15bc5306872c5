"""What Azure Policy did on the way of a write: which assignment, which of the properties, and whether it would do so again.

The activity log tells that an assignment changed a write, not what it changed; that is in its definition.
Source: https://learn.microsoft.com/azure/governance/policy/concepts/effect-modify
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Protocol

from iac_agent.drift.matching import overlap
from iac_agent.errors import AzureError

_EVENT = re.compile(r"Microsoft\.Authorization/policies/(?:modify|append)/action", re.IGNORECASE)
_DEFINITION_API, _ASSIGNMENT_API = "2023-04-01", "2023-04-01"
_TAG = re.compile(r"tags\[['\"]?(.+?)['\"]?\]", re.IGNORECASE)
_PARAMETER = re.compile(r"parameters\('([^']+)'\)")


class Getter(Protocol):
    """A single read: None on 404. Raises AzureError."""

    def get(self, path: str, api: str) -> dict[str, Any] | None: ...


@dataclass(frozen=True)
class Effect:
    """One assignment that changed a write. `fields` are ARM paths in lower case, None when its definition could not be read."""

    name: str
    assignment: str
    fields: frozenset[str] | None
    in_force: bool

    def explains(self, arm_path: str) -> bool:
        """Whether it is what set this property."""
        return self.fields is not None and any(overlap(arm_path.lower(), f) for f in self.fields)


@dataclass
class Policies:
    """The effects that events of the activity log tell of; each definition is read once."""

    reader: Getter
    _known: dict[tuple[str, str], dict[str, Any] | None] = field(default_factory=dict)

    def effects(self, events: list[dict[str, Any]], resource_id: str) -> list[Effect]:
        """What policies did to this resource in the operation that these events are of."""
        found = []
        for event in events:
            if _EVENT.fullmatch(plain_text(event.get("operationName"))) and str(event.get("resourceId", "")).lower() == resource_id.lower():
                found += [self._effect(told) for told in _told(event)]
        return found

    def _effect(self, told: dict[str, Any]) -> Effect:
        assignment_id, definition_id = str(told.get("policyAssignmentId") or ""), str(told.get("policyDefinitionId") or "")
        assignment = self._read(assignment_id, _ASSIGNMENT_API)
        definition = self._read(definition_id, _DEFINITION_API)
        name = str(told.get("policyAssignmentName") or assignment_id.rsplit("/", 1)[-1])
        fields = None if definition is None or assignment is None else _fields(definition, assignment)
        return Effect(name, assignment_id, fields, assignment is not None)

    def _read(self, path: str, api: str) -> dict[str, Any] | None:
        if path and (path, api) not in self._known:
            try:
                self._known[path, api] = self.reader.get(path, api)
            except AzureError:
                self._known[path, api] = None
        return self._known.get((path, api))


def plain_text(told: Any) -> str:
    """A text of the activity log, which it may tell in a second, localized form."""
    return str(told.get("value", "")) if isinstance(told, dict) else str(told or "")


def _told(event: dict[str, Any]) -> list[dict[str, Any]]:
    held = (event.get("properties") or {}).get("policies")
    try:
        policies = json.loads(held) if isinstance(held, str) else held or []
    except ValueError:
        return []
    return [p for p in policies if isinstance(p, dict)]


def _fields(definition: dict[str, Any], assignment: dict[str, Any]) -> frozenset[str]:
    """The ARM paths that the effect writes."""
    properties = definition.get("properties") or {}
    details = ((properties.get("policyRule") or {}).get("then") or {}).get("details") or []
    operations = details.get("operations") or [] if isinstance(details, dict) else details
    values = {n: p.get("defaultValue") for n, p in (properties.get("parameters") or {}).items()}
    values |= {n: p.get("value") for n, p in ((assignment.get("properties") or {}).get("parameters") or {}).items()}
    return frozenset(_path(str(o.get("field")), values).lower() for o in operations)


def _path(told: str, values: dict[str, Any]) -> str:
    """A policy's field as a path in the resource: `tags['cost']`, `[concat('tags[', parameters('name'), ']')]`, or an alias."""
    if told.startswith("[concat("):
        pieces = re.findall(r"parameters\('[^']+'\)|'[^']*'", told)
        told = "".join(str(values.get(m[1])) if (m := _PARAMETER.fullmatch(p)) else p.strip("'") for p in pieces)
    tag = _TAG.fullmatch(told)
    return f"tags.{tag[1]}" if tag else f"properties.{told.rsplit('/', 1)[-1]}"
