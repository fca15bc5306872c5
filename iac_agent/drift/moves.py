"""Resources that are gone from where state has them and are somewhere else under the same name: moved, not deleted.

Source: https://learn.microsoft.com/azure/azure-resource-manager/management/move-resource-group-and-subscription (a move keeps the
resource, and changes its id).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from iac_agent.azure.ids import ResourceId
from iac_agent.azure.lenses import access, all_lenses
from iac_agent.azure.lenses.table import Arm
from iac_agent.drift import compare
from iac_agent.drift.finding import Finding, Kind
from iac_agent.errors import AzureError, UsageError
from iac_agent.terraform.models import StateResource

_BATCH = 100


class Graph(Protocol):
    """Resource Graph: the rows of a query. Raises AzureError."""

    def query(self, kql: str) -> Iterator[dict[str, Any]]: ...


def found(
    deleted: Sequence[Finding], state: Mapping[str, StateResource], graph: Graph, arm: Arm, major: int, managed: Collection[str]
) -> dict[str, Finding]:
    """The findings, by key, of what moved: with the id it has now as their reason. What cannot be told stays deleted."""
    wanted = {sought: f for f in deleted if (sought := _sought(f)) is not None}
    told = _told(graph, [f.id for f in wanted.values()])
    out = {}
    for row in _candidates(graph, sorted(wanted)):
        finding = wanted.get((str(row["type"]).lower(), str(row["name"]).lower()))
        new_id = str(row["id"])
        if finding is None or new_id.lower() in managed or new_id.lower() == finding.id.lower():
            continue
        how = told.get(finding.id.lower(), "") or _same(state[finding.address], new_id, arm, major)
        if how:
            out[finding.key] = replace(
                finding, kind=Kind.MOVED, reason=f"it is {new_id} now ({how})", facts={**finding.facts, "now": new_id}
            )
    return out


def _sought(finding: Finding) -> tuple[str, str] | None:
    """The ARM type and the name to look for; None for what does not move by itself."""
    try:
        rid = ResourceId.parse(finding.id)
    except UsageError:
        return None
    if rid.scope or len(rid.types) != 1 or not rid.resource_group or rid.types == ("resourceGroups",):
        return None
    return rid.type.lower(), rid.name.lower()


def _candidates(graph: Graph, sought: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(sought), _BATCH):
        part = sought[start : start + _BATCH]
        types = ", ".join(f"'{t}'" for t in dict.fromkeys(t for t, _ in part))
        names = ", ".join(f"'{n}'" for _, n in part)
        try:
            yield from graph.query(
                f"resources | where type in~ ({types}) and name in~ ({names}) | project id, name, type | order by id asc"
            )
        except AzureError:
            return


def _told(graph: Graph, ids: Sequence[str]) -> dict[str, str]:
    """Which of them a move took away, as Resource Graph tells."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), _BATCH):
        listed = ", ".join(f"'{i.lower()}'" for i in ids[start : start + _BATCH])
        query = (
            f"resourcechanges | extend target = tolower(tostring(properties.targetResourceId)) | where target in~ ({listed}) "
            "| where tostring(properties.changeAttributes.operation) contains 'moveResources' | project id, target | order by id asc"
        )
        try:
            found |= {str(row["target"]): "somebody moved it" for row in graph.query(query)}
        except AzureError:
            return found
    return found


def _same(resource: StateResource, new_id: str, arm: Arm, major: int) -> str:
    """Why it is taken for the same resource; empty when it is another."""
    lens = all_lenses()[resource.type]
    try:
        values = access.read(lens, arm, new_id, resource.values, major)
    except AzureError:
        return ""
    if values is None or compare.is_another(lens, resource.values, values):
        return ""
    if compare.has_identity(lens, resource.values):
        return "with the same identity"
    differences = [d for d in compare.differences(lens, resource.values, values, major) if d.path[0] != "resource_group_name"]
    return "" if differences else "the same in all that is configured"
