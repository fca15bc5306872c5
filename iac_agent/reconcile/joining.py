"""Importing as one more of its kin: where resources of a type are made by `for_each` over a map that is written out, and the name of the
new one fits the pattern, it becomes a new key of that map instead of a block of its own.

Whether the element says enough is not decided here: the plan must import it and change nothing, else it gets a block of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from iac_agent.drift.finding import Finding
from iac_agent.hcl import edits as e
from iac_agent.hcl import secrets
from iac_agent.hcl.document import literal
from iac_agent.hcl.value import Value
from iac_agent.planner.inventory import Resource
from iac_agent.planner.rules import list_home, read_fields
from iac_agent.planner.world import World


def joined(world: World, kind: str, finding: Finding, values: Mapping[str, Any]) -> str | None:
    """Write the new key; returns the address it makes, None where there is no kin that it fits."""
    for kin in _kin(world, kind):
        key = _key(kin, finding.name)
        source = kin.instance.body.get("for_each")
        place = list_home(source, kin, world)
        if key is None or source is None or place is None or not isinstance(source.data, dict) or key in source.data:
            continue
        element = _element(kin, values)
        if element is not None and not secrets.held_in(element):
            world.writer.add(e.PutKey(place.address, place.path, key, literal(element)))
            return f"{kin.block_address}[{json.dumps(key)}]"
    return None


def _kin(world: World, kind: str) -> Iterator[Resource]:
    """The first of each block of the type that for_each repeats, in the root module."""
    seen = set()
    for resource in world.inventory.of_types(kind):
        if isinstance(resource.instance.index, str) and not resource.instance.scope.module.path and resource.block_address not in seen:
            seen.add(resource.block_address)
            yield resource


def _key(kin: Resource, name: str) -> str | None:
    """The key that makes a name as its own key makes the kin's: `web` of nsg-web where `db` makes nsg-db."""
    own = str(kin.instance.index)
    before, found, after = kin.azure_name.rpartition(own)
    fits = bool(found) and name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)
    return name[len(before) : len(name) - len(after)] if fits else None


def _element(kin: Resource, values: Mapping[str, Any]) -> Any:
    """What the map must hold for the live values: the fields that the block reads, as far as its kin says them."""
    model = kin.instance.frame.element
    fields = read_fields(kin.block, "each")
    if model is None or not fields:
        return None
    if not isinstance(model.data, dict):
        return None
    by_field: dict[str, str] = {}
    for argument, name in fields.items():
        by_field.setdefault(name, argument)
    return {
        name: values.get(by_field[name])
        for name, held in model.data.items()
        if name in by_field and _is_said(held, values.get(by_field[name]))
    }


def _is_said(held: Value, value: Any) -> bool:
    """Whether a field is written: where its kin writes it, or where it is not what leaving it out means."""
    written = bool(held.via) and not held.via[-1].path.startswith("type.")
    return written or (held.known and held.plain() != value)
