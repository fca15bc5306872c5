"""Which of Azure's property changes is of which finding: the resource that the graph follows, the property, the element in an array."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from iac_agent.azure.ids import ResourceId
from iac_agent.drift.finding import Difference, Finding
from iac_agent.errors import UsageError


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


def touches(finding: Finding, row: dict[str, Any]) -> bool:
    """Whether a change is of a property that the finding is about."""
    changes = row.get("changes") or {}
    slot = str(finding.facts.get("slot") or "")
    part = bool(slot) and tracked(finding) != ownable(finding).lower()
    inside = f"{slot}." if part else ""
    wanted = [(plain(f"{inside}{d.arm}"), finding.name if part else _element_of(d)) for d in finding.differences if d.arm]
    wanted = wanted or ([(plain(slot), finding.name if part else "")] if slot else [])
    return any(
        overlap(plain(c), w) and (not element or element.lower() in (_elements(c, changes) or {element.lower()}))
        for c in changes
        for w, element in wanted
    )


def _element_of(difference: Difference) -> str:
    """The name of the nested block that a difference is in, where blocks are told by their names."""
    return next((s for s in difference.path[1:] if isinstance(s, str)), "") if "[" in difference.name or len(difference.path) > 2 else ""


def _elements(path: str, changes: Mapping[str, Any]) -> set[str]:
    """The names of the array elements that a changed path leads through: as it says them, or as the row tells of new ones."""
    found = set()
    for match in re.finditer(r'\[(?:(\d+)|"([^"]*)")\]', path):
        told = changes.get(f"{path[: match.end()]}.name") or {}
        name = match[2] or told.get("newValue") or told.get("previousValue")
        if name:
            found.add(str(name).lower())
    return found


def overlap(one: str, other: str) -> bool:
    """Whether two property paths are the same, or one lies within the other."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def plain(path: str) -> str:
    """A property path without its array indexes and names, lower case."""
    return re.sub(r'\[(?:\d+|"[^"]*")\]', "", path).lower()
