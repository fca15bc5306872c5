"""The scan: state in, live Azure in, findings out. It reads, and nothing else.

Read `Scan.run` from the top: list what state names, compare each resource through its lens, look for what nobody manages, ask who did it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from iac_agent.azure.ids import ResourceId
from iac_agent.azure.lenses import access, all_lenses
from iac_agent.azure.lenses.table import Association, Inside, Lens, Put
from iac_agent.drift import compare, moves, parts, severity
from iac_agent.drift.causes import Causes, History
from iac_agent.drift.finding import Difference, Finding, Kind
from iac_agent.drift.intent import Intent
from iac_agent.drift.live import WORKERS, Listing, LiveArm, Reader, listings, top_of
from iac_agent.drift.strays import Strays
from iac_agent.errors import AzureDenied, AzureError, CredentialsMissing
from iac_agent.terraform.models import StateResource

_PORTION = 25


class Azure(Reader, History, Protocol):
    """Everything a scan asks of Azure, in one subscription."""

    @property
    def subscription(self) -> str: ...


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


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first, then by address."""
    return sorted(findings, key=lambda f: (f.severity.rank, f.workspace, f.subject))


@dataclass
class Report:
    """What a scan saw: findings from the worst down, how many resources are as they should be, and what could not be looked at."""

    findings: list[Finding] = field(default_factory=list)
    resources: int = 0
    clean: int = 0
    calls: int = 0
    gaps: list[str] = field(default_factory=list)

    @classmethod
    def joined(cls, reports: Sequence[Report]) -> Report:
        """What several scans saw, as one."""
        return cls(
            in_order(f for r in reports for f in r.findings),
            sum(r.resources for r in reports),
            sum(r.clean for r in reports),
            sum(r.calls for r in reports),
            list(dict.fromkeys(g for r in reports for g in r.gaps)),
        )

    @property
    def drifted(self) -> list[Finding]:
        """The findings that are drift: not those about which nothing is known."""
        return [f for f in self.findings if f.kind not in (Kind.UNREADABLE, Kind.UNSUPPORTED)]

    @property
    def blind(self) -> bool:
        """Whether nothing at all could be looked at."""
        return self.resources > 0 and sum(f.kind == Kind.UNREADABLE for f in self.findings) >= self.resources

    @property
    def complete(self) -> bool:
        return len(self.drifted) == len(self.findings) and not self.gaps


@dataclass
class Scan:
    """One scan of one state against one subscription. Without `intent` nothing is known of the configuration.

    `groups` are further resource groups to look for unmanaged resources in, `elsewhere` the lower-case ids that other states manage;
    `workspace` marks the findings where several are looked at; `kept` drops what rules ignore.
    """

    azure: Azure
    major: int
    intent: Intent | None = None
    scope: Scope = Scope()
    groups: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    workspace: str = ""
    kept: Callable[[list[Finding]], list[Finding]] = lambda found: found
    progress: Callable[[str], None] = lambda _: None
    _managed: set[str] = field(default_factory=set)

    def run(self, resources: Iterable[StateResource]) -> Report:
        """Find what drifted. Raises AzureError only when Azure cannot be reached at all."""
        held = [r for r in resources if r.provider_name.rstrip(']"').endswith("hashicorp/azurerm")]
        looked = [r for r in held if self.scope.holds(r)]
        live, report = LiveArm(self.azure), Report(resources=len(looked))
        if not held and self.intent is not None and self.intent.instances:
            report.gaps.append(f"there is no state, though the configuration has {self.intent.instances} resources: was it initialised?")
        self._managed = {text for r in held for text in managed_as(r)} | self.elsewhere
        strays = self._strays(held)
        try:
            with ThreadPoolExecutor(1) as beside:
                asked = beside.submit(strays.asked) if strays else None
                live.look(self._lists(looked), self.progress)
                for found in self._compared(looked, live):
                    report.clean += not found
                    report.findings += found
            moved = self._tell_moved(report, looked, live)
            if strays and asked:
                report.findings += self._stray(strays, asked, live, report, moved)
            report.gaps += dict.fromkeys(p.message for p in live.failed.values())
        finally:
            live.close()
        if self.scope.causes and report.findings:
            causes = Causes(self.azure)
            report.findings = causes.explain(report.findings)
            report.gaps += causes.gaps
        report.findings = in_order(self.kept([self._judged(f) for f in report.findings]))
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
        """Side by side in portions, since a few may need a call of their own."""
        portions = [resources[n : n + _PORTION] for n in range(0, len(resources), _PORTION)]
        with ThreadPoolExecutor(WORKERS) as pool:
            for found in pool.map(lambda portion: [self._one(r, live) for r in portion], portions):
                yield from found

    def _tell_moved(self, report: Report, looked: list[StateResource], live: LiveArm) -> set[str]:
        """Tell what is gone from its place and is in another as moved; returns the lower-case ids that such resources have now."""
        deleted = [f for f in report.findings if f.kind == Kind.DELETED]
        if not deleted:
            return set()
        moved = moves.found(deleted, {r.address: r for r in looked}, self.azure, live, self.major, self._managed)
        report.findings = [moved.get(f.key, f) for f in report.findings]
        return {str(f.facts["now"]).lower() for f in moved.values()}

    def _strays(self, held: list[StateResource]) -> Strays | None:
        """The search for what nobody manages, where everything is looked at."""
        if not (self.scope.unmanaged and self.scope.whole):
            return None
        own = f"/subscriptions/{self.azure.subscription}/".lower()
        groups = {r.id.split("/")[4].lower() for r in held if r.type == "azurerm_resource_group" and r.id.lower().startswith(own)}
        groups |= self.groups
        return Strays(self.azure, self.major, frozenset(groups), self._managed | {_owner(r).lower() for r in held})

    @staticmethod
    def _stray(strays: Strays, asked: Future[dict[str, Any]], live: LiveArm, report: Report, moved: set[str]) -> list[Finding]:
        try:
            rows = asked.result()
        except AzureError as problem:
            report.gaps.append(f"unmanaged resources could not be looked for: {problem.message}")
            return []
        return [f for f in strays.found(rows, live, report.gaps) if f.id.lower() not in moved]

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
        found = compare.differences(lens, resource.values, values, self.major, resource.sensitive_values or ())
        finding = replace(base, differences=tuple(d for d in found if not self._elsewhere(resource, lens, d)))
        if compare.is_another(lens, resource.values, values):
            return replace(finding, kind=Kind.RECREATED)
        return self._meant(finding)

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

    def _judged(self, finding: Finding) -> Finding:
        how_bad, why = severity.judge(finding)
        return replace(finding, severity=how_bad, why=why, workspace=self.workspace)


def managed_as(resource: StateResource) -> tuple[str, str]:
    """How a resource in state is known, in lower case: its id, and its type with the id, which several types may share."""
    return resource.id.lower(), f"{resource.type}:{resource.id}".lower()


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
