"""What is to be done about findings, as `.iacagent.yaml` says it: the first rule that fits decides.

A rule fits when everything it names fits; names are globs. An ignoring rule says why, who answers for it and until when.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field, model_validator

from iac_agent.drift.finding import Difference, Finding, Kind, Severity


class Action(StrEnum):
    """What can be done: `adopt` writes live values into HCL, `revert` brings Azure back to it; `import` takes over what nobody manages;
    of what was deleted, `forget` takes the HCL away and `recreate` makes it again; `ignore` writes `ignore_changes`, or is a rule.
    """

    ADOPT = "adopt"
    REVERT = "revert"
    IMPORT = "import"
    FORGET = "forget"
    RECREATE = "recreate"
    IGNORE = "ignore"
    ASK = "ask"
    REPORT = "report"


@dataclass(frozen=True)
class Environment:
    """Where findings are decided: the workspace, the root module's folder below the configuration file, and the day."""

    workspace: str
    root_module: str
    today: date


class Rule(BaseModel):
    """One rule. A list that is empty fits everything."""

    model_config = ConfigDict(extra="forbid")

    action: Action = Field(description="adopt, revert, import, forget, recreate, ignore, ask or report.")
    types: list[str] = Field(default_factory=list, description="azurerm or ARM types, as in azurerm_network_*.")
    addresses: list[str] = Field(default_factory=list, description="Resource addresses, as in module.web.*.")
    attributes: list[str] = Field(default_factory=list, description="Attribute paths, as in tags.* or os_disk.disk_size_gb.")
    kinds: list[Kind] = Field(default_factory=list, description="changed, deleted, recreated, moved, unmanaged or state behind.")
    severities: list[Severity] = Field(default_factory=list, description="critical, high, medium, low or info.")
    who: list[str] = Field(default_factory=list, description="Who did it: a upn, a principal, a policy assignment.")
    clients: list[str] = Field(default_factory=list, description="With what: Azure Portal, Azure CLI, Azure Policy, ...")
    tags: dict[str, str] = Field(default_factory=dict, description="Tags of the resource.")
    workspaces: list[str] = Field(default_factory=list, description="Terraform workspaces.")
    root_modules: list[str] = Field(default_factory=list, description="Folders of root modules below this file, as in envs/prod*.")
    reason: str = Field("", description="Why; needed to ignore.")
    owner: str = Field("", description="Who answers for it; needed to ignore.")
    until: date | None = Field(None, description="The last day an ignoring rule holds; needed to ignore.")

    @model_validator(mode="after")
    def _accountable(self) -> Rule:
        if self.action == Action.IGNORE and not (self.reason and self.owner and self.until):
            raise ValueError("an ignoring rule needs a reason, an owner and a day until which it holds")
        return self

    def fits(self, finding: Finding, environment: Environment) -> bool:
        """Whether the rule is about this finding; its `attributes` must cover every difference, its `who` and `clients` every cause."""
        return self._about(finding, environment) and all(self.covers(d) for d in finding.differences)

    def covers(self, difference: Difference) -> bool:
        return _any(self.attributes, difference.name)

    def _about(self, finding: Finding, environment: Environment) -> bool:
        held = finding.facts.get("tags") or {}
        return (
            (self.until is None or environment.today <= self.until)
            and _any(self.types, finding.type)
            and _any(self.addresses, finding.address)
            and (not self.kinds or finding.kind in self.kinds)
            and (not self.severities or finding.severity in self.severities)
            and all(_any(self.who, c.who) and _any(self.clients, c.client) for c in finding.causes)
            and _any(self.workspaces, environment.workspace)
            and _any(self.root_modules, environment.root_module)
            and all(fnmatchcase(str(held.get(k, "")), v) for k, v in self.tags.items())
            and (not self.attributes or bool(finding.differences))
        )

    def left(self, finding: Finding, environment: Environment) -> Finding | None:
        """What an ignoring rule leaves of a finding: the differences it does not cover; None when nothing is left."""
        if self.action != Action.IGNORE or not self._about(finding, environment):
            return finding
        rest = tuple(d for d in finding.differences if not self.covers(d))
        return replace(finding, differences=rest) if rest else None


def _any(patterns: Iterable[str], text: str) -> bool:
    found = list(patterns)
    return not found or any(fnmatchcase(text.lower(), p.lower()) for p in found)


def unignored(findings: Iterable[Finding], rules: Sequence[Rule], environment: Environment) -> list[Finding]:
    """The findings without what rules ignore."""
    out = []
    for finding in findings:
        held: Finding | None = finding
        for rule in rules:
            held = rule.left(held, environment) if held else None
        if held is not None:
            out.append(held)
    return out
