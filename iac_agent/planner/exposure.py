"""The last look at edits: whether they let the Internet reach a port that administers machines or serves data, by whatever recipe."""

from __future__ import annotations

import re

from iac_agent.azure.exposure import admin_ports, is_wide
from iac_agent.errors import HclError
from iac_agent.planner.inventory import NSG
from iac_agent.planner.protocol import Context
from iac_agent.planner.rules import Rule, rules_of
from iac_agent.planner.world import World

_SUSPECT = re.compile(r"\*|internet|any\b|::/|/[0-7]\b", re.IGNORECASE)


def opened(world: World, context: Context) -> str:
    """What the edits newly expose, in a sentence; empty when nothing. `context` is as it was before them.

    Looks only where an edit names a wide source.
    """
    if not _SUSPECT.search(" ".join(map(repr, world.writer.edits))):
        return ""
    trial = world.trial()
    try:
        trial.advance()
    except HclError:
        return ""
    before = {(group, port) for group, _, port, _ in _exposed(World.build(context))}
    for group, name, port, source in _exposed(trial):
        if (group, port) not in before:
            return f"Port {port} must not be open to {source} ({name} on {group}). Name a network, as in: from 203.0.113.0/24."
    return ""


def _exposed(world: World) -> list[tuple[str, str, int, str]]:
    """Group, rule, port and source of every rule that lets a wide source reach a port of an administrator."""
    return [
        (group.address, rule.text("name"), port, source)
        for group in world.inventory.of_types(NSG)
        for rule in rules_of(group, world)
        if rule.text("direction").lower() == "inbound" and rule.text("access").lower() == "allow"
        for source in _sources(rule)
        if is_wide(source)
        for port in sorted(admin_ports(rule.ports))
    ]


def _sources(rule: Rule) -> list[str]:
    listed = rule.get("source_address_prefixes")
    several = [str(v.data) for v in listed.data] if listed is not None and isinstance(listed.data, list) else []
    return [s for s in (rule.text("source_address_prefix"), *several) if s]
