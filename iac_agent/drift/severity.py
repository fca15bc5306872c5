"""How bad a finding is: rules from the worst down; the first that fits decides, and says why."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from iac_agent.azure.exposure import ANYWHERE
from iac_agent.drift.finding import Difference, Finding, Kind, Severity


@dataclass(frozen=True)
class Rule:
    """`kinds`, `types` and `paths` are patterns that must all fit; `when` looks at the difference itself."""

    severity: Severity
    why: str
    kinds: str = "changed"
    types: str = ""
    paths: str = ""
    when: Callable[[Difference], bool] = lambda _: True


def _opened(difference: Difference) -> bool:
    """Whether a rule now lets the Internet in: a new rule, or one whose source or access became wider."""
    rule = difference.after if isinstance(difference.after, dict) else None
    if rule is not None:
        sources = [rule.get("source_address_prefix"), *(rule.get("source_address_prefixes") or [])]
        inbound = rule.get("access") == "Allow" and rule.get("direction") == "Inbound"
        return inbound and any(_anywhere(s) for s in sources)
    name = str(difference.path[-1])
    if name in ("source_address_prefix", "source_address_prefixes"):
        held = difference.after if isinstance(difference.after, list) else [difference.after]
        return any(_anywhere(v) for v in held)
    return name == "access" and difference.after == "Allow"


def _anywhere(value: Any) -> bool:
    return str(value).lower() in ANYWHERE


def _turned(to: Any) -> Callable[[Difference], bool]:
    return lambda d: d.after == to


def _public(difference: Difference) -> bool:
    return difference.after not in (None, "", "private")


_NSG = r"network_security_(?:group|rule)$"
RULES = (
    Rule(Severity.CRITICAL, "a port is open to the Internet", types=_NSG, when=_opened),
    Rule(
        Severity.CRITICAL, "the machine has a public address now", types=r"network_interface$", paths=r"public_ip_address_id", when=_public
    ),
    Rule(Severity.CRITICAL, "blobs can be read by anyone", types=r"storage_container$", paths=r"container_access_type", when=_public),
    Rule(
        Severity.CRITICAL, "public access is on", paths=r"allow_nested_items_to_be_public|public_network_access_enabled", when=_turned(True)
    ),
    Rule(Severity.HIGH, "traffic is let through by default", paths=r"network_(?:rules|acls).*default_action", when=_turned("Allow")),
    Rule(Severity.HIGH, "a lock is gone", kinds="deleted|changed", types=r"management_lock$"),
    Rule(Severity.HIGH, "it is gone", kinds="deleted"),
    Rule(Severity.HIGH, "another resource has its name", kinds="recreated"),
    Rule(Severity.HIGH, "it is not where Terraform looks for it", kinds="moved"),
    Rule(Severity.HIGH, "someone has a role that Terraform does not know", kinds="unmanaged", types=r"roleassignments"),
    Rule(Severity.HIGH, "rights changed", types=r"role_assignment$|key_vault$", paths=r"role_definition|principal_id|access_policy"),
    Rule(Severity.HIGH, "encryption or transport security changed", paths=r"encrypt|https|tls_version|purge_protection|secure_boot|vtpm"),
    Rule(Severity.LOW, "it is said about the resource, not done by it", paths=r"(?:^|\.)(?:tags|description|notes)(?:\b|\.)"),
    Rule(Severity.HIGH, "a security rule changed", types=_NSG),
    Rule(Severity.MEDIUM, "it exposes something", kinds="unmanaged", types=r"publicipaddresses|networksecuritygroups"),
    Rule(Severity.LOW, "nobody keeps it in Terraform", kinds="unmanaged"),
    Rule(Severity.INFO, "it is unknown whether it drifted", kinds="unreadable|unsupported"),
    Rule(Severity.INFO, "live is as configured; only the state lags", kinds="state behind"),
    Rule(Severity.MEDIUM, "it works differently than configured"),
)


def judge(finding: Finding) -> tuple[Severity, str]:
    """The severity and why: of several differences the worst counts."""
    looked = finding.differences or (Difference((), None, None),)
    return min((_first(finding, d) for d in looked), key=lambda found: found[0].rank)


def _first(finding: Finding, difference: Difference) -> tuple[Severity, str]:
    for rule in RULES:
        fits = (
            re.fullmatch(rule.kinds, finding.kind)
            and re.search(rule.types, finding.type, re.IGNORECASE)
            and re.search(rule.paths, difference.name)
            and (finding.kind != Kind.CHANGED or rule.when(difference))
        )
        if fits:
            return rule.severity, rule.why
    return Severity.MEDIUM, "it differs"
