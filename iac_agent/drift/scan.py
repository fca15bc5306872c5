"""The scan: state in, live Azure in, findings out. It reads, and nothing else.

Read `Scan.run` from the top: list what state names, compare each resource through its lens, look for what nobody manages, ask who did it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from iac_agent.azure.ids import ResourceId
from iac_agent.azure.lenses import access, all_lenses
from iac_agent.azure.lenses.table import Association, Inside, Lens, Put
from iac_agent.drift import compare, parts, severity
from iac_agent.drift.causes import Causes, History
from iac_agent.drift.finding import Difference, Finding, Kind
from iac_agent.drift.intent import Intent
from iac_agent.drift.live import WORKERS, Listing, LiveArm, Reader, listings, top_of
from iac_agent.errors import AzureDenied, AzureError, CredentialsMissing, UsageError
from iac_agent.terraform.models import StateResource

_RESOURCES_API = "2021-04-01"


class Azure(Reader, History, Protocol):
    """Everything a scan asks of Azure."""


@dataclass(frozen=True)
class Scope:
    """What to look at: addresses (or modules, or blocks) and azurerm types; empty means everything. `unmanaged`: look for those too."""

    targets: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    unmanaged: bool = True
    causes: bool = True

    def holds(self, resource: StateResource) -> bool:
        wanted = not self.targets or any(resource.address == t or resource.address.startswith((f"{t}.", f"{t}[")) for t in self.targets)
        return wanted and (not self.types or resource.type in self.types)

    @property
    def whole(self) -> bool:
        return not self.targets and not self.types


@dataclass
class Report:
    """What a scan saw: findings from the worst down, how many resources are as they should be, and what could not be looked at."""

    findings: list[Finding] = field(default_factory=list)
    resources: int = 0
    clean: int = 0
    calls: int = 0
    gaps: list[str] = field(default_factory=list)

    @property
    def drifted(self) -> list[Finding]:
        """The findings that are drift: not those about which nothing is known."""
        return [f for f in self.findings if f.kind not in (Kind.UNREADABLE, Kind.UNSUPPORTED)]

    @property
    def complete(self) -> bool:
        return len(self.drifted) == len(self.findings) and not self.gaps


@dataclass
class Scan:
    """One scan of one state against one subscription. Without `intent` nothing is known of the configuration.

    `groups` are further resource groups to look for unmanaged resources in; `kept` drops what rules ignore.
    """

    azure: Azure
    major: int
    intent: Intent | None = None
    scope: Scope = Scope()
    groups: frozenset[str] = frozenset()
    kept: Callable[[list[Finding]], list[Finding]] = lambda found: found
    progress: Callable[[str], None] = lambda _: None
    _managed: set[str] = field(default_factory=set)

    def run(self, resources: Iterable[StateResource]) -> Report:
        """Find what drifted. Raises AzureError only when Azure cannot be reached at all."""
        held = [r for r in resources if r.provider_name.rstrip(']"').endswith("hashicorp/azurerm")]
        looked = [r for r in held if self.scope.holds(r)]
        live = LiveArm(self.azure)
        self._managed = {text.lower() for r in held for text in (r.id, f"{r.type}:{r.id}")}
        try:
            live.look(self._lists(looked), self.progress)
            report = Report(resources=len(looked))
            for found in self._compared(looked, live):
                report.clean += not found
                report.findings += found
            if self.scope.unmanaged and self.scope.whole:
                report.findings += self._unmanaged(held, live, report)
            report.gaps += dict.fromkeys(p.message for p in live.failed.values())
        finally:
            live.close()
        if self.scope.causes and report.findings:
            causes = Causes(self.azure)
            report.findings = causes.explain(report.findings)
            report.gaps += causes.gaps
        report.findings = sorted(self.kept([self._judged(f) for f in report.findings]), key=lambda f: (f.severity.rank, f.subject))
        report.calls = live.calls
        return report

    # --- what state names ------------------------------------------------------------------------------------------

    def _lists(self, resources: Iterable[StateResource]) -> list[Listing]:
        tops: list[tuple[ResourceId, str]] = []
        for resource in resources:
            lens = all_lenses().get(resource.type)
            top = top_of(lens, resource.id) if lens and resource.id else None
            if lens and top:
                tops.append((top, lens.api[self.major]))
        return listings(tops)

    def _compared(self, resources: list[StateResource], live: LiveArm) -> Iterator[list[Finding]]:
        with ThreadPoolExecutor(WORKERS) as pool:
            yield from pool.map(lambda r: self._one(r, live), resources)

    def _one(self, resource: StateResource, live: LiveArm) -> list[Finding]:
        """What happened to one resource, and the parts of it that nobody manages."""
        lens = all_lenses().get(resource.type)
        finding = self._compare(resource, lens, live)
        found = [finding] if finding else []
        if lens is not None and isinstance(lens.strategy, Put) and self.scope.unmanaged and (not finding or finding.kind == Kind.CHANGED):
            body = live.get(lens.arm_path(resource.id), lens.api[self.major]) or {}
            found += parts.unmanaged(resource, lens, body, self._managed, self.intent)
        return found

    def _compare(self, resource: StateResource, lens: Lens | None, live: LiveArm) -> Finding | None:
        base = Finding(Kind.CHANGED, resource.address, resource.type, resource.id, _name_of(resource), facts=_facts(lens, resource))
        if lens is None:
            return replace(base, kind=Kind.UNSUPPORTED, reason=f"there is no lens for {resource.type}; use --exact")
        try:
            values = access.read(lens, live, resource.id, resource.values, self.major)
        except CredentialsMissing:
            raise
        except AzureDenied as problem:
            return replace(base, kind=Kind.UNREADABLE, reason=f"no permission to read it: {problem.message}")
        except AzureError as problem:
            return replace(base, kind=Kind.UNREADABLE, reason=problem.message)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
            return replace(base, kind=Kind.UNREADABLE, reason=f"Azure's answer could not be understood: {problem!r}")
        if values is None:
            return replace(base, kind=Kind.DELETED)
        if compare.is_another(lens, resource.values, values):
            return replace(base, kind=Kind.RECREATED)
        found = compare.differences(lens, resource.values, values, self.major, resource.sensitive_values or ())
        return self._meant(replace(base, differences=tuple(d for d in found if not self._elsewhere(resource, lens, d))))

    def _meant(self, finding: Finding) -> Finding | None:
        """The finding in the light of the configuration: without what it leaves to others, and told from a state that only lags."""
        if self.intent is not None:
            left = tuple(d for d in finding.differences if not self.intent.leaves(finding.address, d.path))
            finding = replace(finding, differences=left)
            if self.intent.is_behind(finding):
                return replace(finding, kind=Kind.BEHIND)
        return finding if finding.differences else None

    def _elsewhere(self, resource: StateResource, lens: Lens, difference: Difference) -> bool:
        """Whether a difference is of a part that is a resource of its own: `security_rule` beside azurerm_network_security_rule."""
        name = str(difference.path[0])
        kind = parts.inner_type(lens.type, name)
        if not kind or len(difference.path) < 2:
            return False
        part = f"{resource.id}/{kind}/{difference.path[1]}".lower()
        return part in self._managed or not parts.is_inline(resource, name, self.intent)

    @staticmethod
    def _judged(finding: Finding) -> Finding:
        how_bad, why = severity.judge(finding)
        return replace(finding, severity=how_bad, why=why)

    # --- what nobody names -------------------------------------------------------------------------------------------

    def _unmanaged(self, held: list[StateResource], live: LiveArm, report: Report) -> list[Finding]:
        """Resources in the groups that state owns, or the configuration names, that are not in state nor part of something that is."""
        owned = self._managed | {_owner(r).lower() for r in held}
        groups = {r.id.split("/")[4].lower() for r in held if r.type == "azurerm_resource_group"} | self.groups
        if not groups:
            return []
        listed = ", ".join(f"'{g}'" for g in sorted(groups))
        query = f"resources | where resourceGroup in~ ({listed}) | project id, name, type, managedBy, location | order by id asc"
        try:
            rows = list(self.azure.query(query))
        except AzureError as problem:
            report.gaps.append(f"unmanaged resources could not be looked for: {problem.message}")
            return []
        seen = {str(r["id"]).lower(): r for r in rows}
        for key in live.ids():
            if key not in seen and _is_top(key) and key.split("/")[4] in groups:
                seen[key] = {"id": key, "name": key.rsplit("/", 1)[1], "type": ResourceId.parse(key).type, "managedBy": ""}
        found = []
        for key, row in sorted(seen.items()):
            part = str(row.get("managedBy") or "").lower() in owned or _part_of(key, owned)
            if key not in owned and not part and self._is_there(str(row["id"]), live, report):
                found.append(Finding(Kind.UNMANAGED, "", str(row["type"]), str(row["id"]), str(row["name"])))
        return found

    def _is_there(self, resource_id: str, live: LiveArm, report: Report) -> bool:
        """Whether ARM has it: the graph may lag. A type whose api-version no lens knows is asked for in the generic list."""
        kind = ResourceId.parse(resource_id).type.lower()
        api = next((lens.api[self.major] for lens in all_lenses().values() if lens.arm.lower() == kind), "")
        try:
            if api:
                return live.get(resource_id, api) is not None
            group = "/".join(resource_id.split("/")[:5])
            items = [i for page in self.azure.pages(f"{group}/resources", _RESOURCES_API) for i in page]
            return any(str(i["id"]).lower() == resource_id.lower() for i in items)
        except AzureError as problem:
            report.gaps.append(f"{resource_id} could not be read: {problem.message}")
            return False


def _name_of(resource: StateResource) -> str:
    return str(resource.values.get("name") or resource.id.rsplit("/", 1)[-1])


def _facts(lens: Lens | None, resource: StateResource) -> dict[str, Any]:
    """What the search for causes needs: the ARM resource that holds this one, and the property of it that it is."""
    if lens is None:
        return {"tags": resource.values.get("tags") or {}}
    slot = ""
    if isinstance(lens.strategy, Association):
        slot = re.sub(r"\[[^]]*\]", "", lens.strategy.slot)
    elif not isinstance(lens.strategy, Put):
        slot = lens.strategy.array
    elif lens.arm.count("/") > 1:
        slot = f"properties.{lens.arm.rsplit('/', 1)[1]}"
    return {"owner": _owner(resource), "slot": slot, "tags": resource.values.get("tags") or {}}


def _owner(resource: StateResource) -> str:
    """The ARM id of what holds a resource: itself, or its parent."""
    lens = all_lenses().get(resource.type)
    if lens is None or not resource.id:
        return resource.id
    if isinstance(lens.strategy, Association):
        return str(lens.parse_id(resource.id).get(lens.strategy.parent) or resource.id.split("|")[0])
    if isinstance(lens.strategy, Inside):
        return resource.id
    return lens.arm_path(resource.id)


def _is_top(key: str) -> bool:
    try:
        rid = ResourceId.parse(key)
    except UsageError:
        return False
    return len(rid.types) == 1 and not rid.scope and rid.namespace != "Microsoft.Resources"


def _part_of(key: str, owned: set[str]) -> bool:
    """Whether it lies below something that is managed."""
    parts = key.split("/")
    return any("/".join(parts[:n]) in owned for n in range(9, len(parts)))
