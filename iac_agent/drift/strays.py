"""What nobody manages: resources in the groups that a state owns, or the configuration names, that are in no state."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from iac_agent.azure.ids import ResourceId
from iac_agent.azure.lenses import all_lenses
from iac_agent.azure.lenses.table import Put
from iac_agent.drift.finding import Finding, Kind
from iac_agent.drift.live import LiveArm, Reader
from iac_agent.errors import AzureError, UsageError

_RESOURCES_API = "2021-04-01"
Row = dict[str, Any]
_OF_THEIR_OWN = frozenset(x.arm.lower() for x in all_lenses().values() if isinstance(x.strategy, Put) and x.arm.count("/") > 1)


class Azure(Reader, Protocol):
    """Reads, and Resource Graph. Raises AzureError."""

    def query(self, kql: str) -> Iterator[Row]: ...


@dataclass(frozen=True)
class Strays:
    """The search in some resource groups (lower-case names). `owned` are the lower-case ids of what is managed, or holds what is."""

    azure: Azure
    major: int
    groups: frozenset[str]
    owned: Collection[str]
    _listed: dict[str, frozenset[str]] = field(default_factory=dict)

    def asked(self) -> dict[str, Row]:
        """What Resource Graph has in the groups and nobody owns, by lower-case id. Raises AzureError."""
        if not self.groups:
            return {}
        listed = ", ".join(f"'{g}'" for g in sorted(self.groups))
        query = f"resources | where resourceGroup in~ ({listed}) | project id, name, type, managedBy, location | order by id asc"
        return {key: row for row in self.azure.query(query) if (key := str(row["id"]).lower()) not in self.owned}

    def found(self, rows: dict[str, Row], live: LiveArm, gaps: list[str]) -> Iterator[Finding]:
        """Those that ARM really has, the graph's rows and what was listed taken together. `gaps` gets what could not be read."""
        seen = dict(rows)
        for key in live.ids():
            if key not in seen and key not in self.owned and _is_top(key) and key.split("/")[4] in self.groups:
                seen[key] = {"id": key, "name": key.rsplit("/", 1)[1], "type": ResourceId.parse(key).type, "managedBy": ""}
        for key, row in sorted(seen.items()):
            holder = str(row.get("managedBy") or "").lower()
            part = holder in self.owned or holder in seen or self._part_of_something(key)
            if not part and self._is_there(str(row["id"]), live, gaps):
                yield Finding(Kind.UNMANAGED, "", str(row["type"]), str(row["id"]), str(row["name"]))

    def _part_of_something(self, key: str) -> bool:
        """Whether it lies below something that is managed and is no resource of its own for Terraform."""
        if ResourceId.parse(key).type.lower() in _OF_THEIR_OWN:
            return False
        parts = key.split("/")
        return any("/".join(parts[:n]) in self.owned for n in range(9, len(parts)))

    def _is_there(self, resource_id: str, live: LiveArm, gaps: list[str]) -> bool:
        """Whether ARM has it: the graph may lag. A type whose api-version no lens knows is asked for in the generic list."""
        kind = ResourceId.parse(resource_id).type.lower()
        api = next((lens.api[self.major] for lens in all_lenses().values() if lens.arm.lower() == kind), "")
        try:
            if api:
                return live.get(resource_id, api) is not None
            return resource_id.lower() in self._in_group("/".join(resource_id.lower().split("/")[:5]))
        except AzureError as problem:
            gaps.append(f"{resource_id} could not be read: {problem.message}")
            return False

    def _in_group(self, group: str) -> frozenset[str]:
        """The lower-case ids of everything in a resource group, listed once. Raises AzureError."""
        if group not in self._listed:
            pages = self.azure.pages(f"{group}/resources", _RESOURCES_API)
            self._listed[group] = frozenset(str(item["id"]).lower() for page in pages for item in page)
        return self._listed[group]


def _is_top(key: str) -> bool:
    try:
        rid = ResourceId.parse(key)
    except UsageError:
        return False
    return len(rid.types) == 1 and not rid.scope and rid.namespace != "Microsoft.Resources"
