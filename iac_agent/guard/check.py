"""Running policies on a plan: what is broken or cannot be told, where it is written, and whether it was so before the change."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from iac_agent.guard.planned import AFTER_APPLY, Resource, World
from iac_agent.guard.policy import Policy, Ruling, Severity
from iac_agent.guard.predicates import Blame, shown
from iac_agent.guard.redact import MASK
from iac_agent.guard.truth import NO, UNKNOWN, YES, Truth
from iac_agent.hcl.address import without_keys
from iac_agent.hcl.module import RootModule
from iac_agent.hcl.secrets import in_text, is_sensitive_name

OFF = "off"


@dataclass(frozen=True)
class Finding:
    """One rule that is broken, or of which it cannot be told, on one resource.

    `standing` says that it was so before the change; `excepted` is the reason of the exception that covers it, `detail` a proof.
    """

    rule: str
    title: str
    outcome: Ruling
    severity: Severity
    address: str
    where: str
    attribute: str
    value: str
    why: str
    fix: str
    source: str = ""
    standing: bool = False
    excepted: str = ""
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "outcome": str(self.outcome), "severity": str(self.severity)}


@dataclass(frozen=True)
class Exempt:
    """An exception: one rule, the addresses it names and no others, why, who answers for it, and until when (the day itself included)."""

    rule: str
    addresses: tuple[str, ...]
    reason: str
    owner: str
    expires: date


@dataclass(frozen=True)
class Checks:
    """Which policies are in force. `outcomes` maps a rule or a pack to what a broken rule comes to, or to "off"."""

    policies: tuple[Policy, ...]
    outcomes: Mapping[str, str] = field(default_factory=dict)
    exempt: tuple[Exempt, ...] = ()
    today: Callable[[], date] = date.today

    def run(self, world: World, prior: World, root: RootModule | None) -> list[Finding]:
        """The findings, the worst first; what was so in `prior` already is standing."""
        found: list[Finding] = []
        for policy in self.policies:
            said = self.outcomes.get(policy.id) or self.outcomes.get(policy.pack) or ""
            if said == OFF:
                continue
            broken = Ruling(said) if said else policy.fails
            for resource in world.of_type(*policy.types):
                truth = policy.holds.of(resource)
                if truth == YES or (truth == UNKNOWN and policy.unclear == Ruling.PASS):
                    continue
                found.append(self.excepted(_finding(policy, resource, truth, broken if truth == NO else policy.unclear, prior, root)))
        return sorted(found, key=lambda f: (f.standing, -f.outcome.rank, f.severity.rank, f.rule, f.address))

    def excepted(self, finding: Finding) -> Finding:
        """The finding as it is under the exceptions: let through by one that names it and has not expired."""
        for one in self.exempt:
            if one.rule == finding.rule and finding.address in one.addresses:
                if self.today() <= one.expires:
                    told = f"{one.reason} ({one.owner}, until {one.expires})"
                    return replace(finding, outcome=lenient(finding.outcome), excepted=told)
                return replace(finding, why=f"{finding.why} The exception of {one.owner} expired on {one.expires}.")
        return finding


def _finding(policy: Policy, resource: Resource, truth: Truth, outcome: Ruling, prior: World, root: RootModule | None) -> Finding:
    standing = _stood(policy, resource, truth, outcome, prior)
    at, value = _first(policy.holds.blame(resource))
    return Finding(
        policy.id,
        policy.title,
        lenient(outcome) if standing else outcome,
        policy.severity,
        resource.address,
        where(root, resource.address, at),
        at,
        _shown(resource, at, value),
        policy.why,
        policy.fix,
        policy.source,
        standing,
    )


def lenient(ruling: Ruling) -> Ruling:
    """A warning at the most."""
    return min(ruling, Ruling.WARN, key=lambda r: r.rank)


def _first(blamed: Iterator[Blame]) -> Blame:
    """The first attribute that is blamed and has a value, else the first."""
    first = None
    for at, value in blamed:
        if value not in (None, "", []):
            return at, value
        first = first or (at, value)
    return first or ("", None)


def _stood(policy: Policy, resource: Resource, truth: Truth, outcome: Ruling, prior: World) -> bool:
    """Whether it was so before the change: the same resource, and nothing about it that is broken now and was not then.

    What is replaced is another resource, where more than a warning hangs on it.
    """
    before = prior.resources.get(resource.address)
    other = resource.action == "create" or (resource.action == "replace" and outcome != Ruling.WARN)
    if before is None or other or policy.holds.of(before) > truth:
        return False
    return _blamed(policy, resource) <= _blamed(policy, before)


def _blamed(policy: Policy, resource: Resource) -> set[tuple[str, str]]:
    """What is blamed, whichever block of several it stands in; nothing is nothing, however it is written."""
    return {(re.sub(r"\[\d+\]", "", at), repr(value or None)) for at, value in policy.holds.blame(resource)}


def where(root: RootModule | None, address: str, attribute: str) -> str:
    """file:line of an attribute, or of its block; empty where the configuration is not at hand."""
    if root is None:
        return ""
    plain = without_keys(address)
    for module in root.modules:
        if not plain.startswith(module.prefix):
            continue
        for block in module.index.get(plain[len(module.prefix) :], ()):
            name = attribute.split(".")[0].split("[")[0]
            written = block.attributes.get(name)
            if written is not None:
                return f"{block.document.path}:{written.node.start_point[0] + 1}"
            inner = next((b for b in block.blocks if b.type == name or b.labels[:1] == (name,)), block)
            return inner.where
    return ""


def _shown(resource: Resource, at: str, value: Blame | Any) -> str:
    """A value for people: never one that is sensitive by schema, name or looks."""
    if value is AFTER_APPLY:
        return repr(AFTER_APPLY)
    if is_sensitive_name(at) or (resource.sensitive and _is_sensitive(resource.sensitive, at)) or _holds_secret(value):
        return MASK
    text = shown(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _holds_secret(value: Any) -> bool:
    return isinstance(value, str | list | dict) and _is_secret_in(str(value))


@functools.lru_cache(maxsize=4096)
def _is_secret_in(text: str) -> bool:
    return any(in_text(text))


def _is_sensitive(marks: Any, at: str) -> bool:
    held = marks
    for step in at.replace("]", "").replace("[", ".").split("."):
        if held is True:
            return True
        if isinstance(held, list):
            held = held[int(step)] if step.isdigit() and int(step) < len(held) else None
        else:
            held = held.get(step) if isinstance(held, Mapping) else None
    return held is True
