"""Parts of a managed resource that nobody manages: a rule in a security group, a subnet, an attached disk, an association.

azurerm makes many of them resources of their own, so that `terraform plan` never sees one that was added by hand.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from typing import Any

from iac_agent.azure.lenses import all_lenses
from iac_agent.azure.lenses.table import Association, Attr, Body, DataDisk, Inside, Lens, Nested, Put, get_path
from iac_agent.drift.finding import Finding, Kind
from iac_agent.drift.intent import Intent
from iac_agent.terraform.models import StateResource


@functools.cache
def kinds_in(arm: str) -> tuple[Lens, ...]:
    """The lenses of what lies in an array of a resource of this ARM type."""
    depth = arm.count("/") + 1
    return tuple(
        lens
        for lens in all_lenses().values()
        if isinstance(lens.strategy, Put | Inside) and lens.arm.lower().startswith(f"{arm.lower()}/") and lens.arm.count("/") == depth
    )


@functools.cache
def inner_type(type_name: str, name: str) -> str:
    """The ARM type segment of a nested block whose elements are resources of their own (`securityRules`); empty for others."""
    lens = all_lenses()[type_name]
    row = next((f for f in lens.fields if f.name == name and isinstance(f, Nested)), None)
    segment = (row.arm or "").removeprefix("properties.") if row else ""
    return segment if any(_segment(k) == segment for k in kinds_in(lens.arm)) else ""


def _segment(lens: Lens) -> str:
    return lens.arm.rsplit("/", 1)[1]


def is_inline(resource: StateResource, name: str, intent: Intent | None) -> bool:
    """Whether the parts are written in the resource itself; without a configuration, where its state holds some."""
    if intent is not None and intent.knows(resource.address):
        return intent.writes(resource.address, name)
    return bool(resource.values.get(name))


def unmanaged(resource: StateResource, lens: Lens, body: Body, managed: Collection[str], intent: Intent | None) -> Iterator[Finding]:
    """The parts in a live body that are in no state. `managed` holds `id` and `type:id` of what is, in lower case."""
    inline = {inner_type(lens.type, f.name) for f in lens.fields if isinstance(f, Nested) and is_inline(resource, f.name, intent)}
    for kind in kinds_in(lens.arm):
        if _segment(kind) not in inline:
            for element in get_path(body, f"properties.{_segment(kind)}") or []:
                yield from _part(kind, f"{resource.id}/{_segment(kind)}/{element.get('name')}", element, managed)
    for kind in all_lenses().values():
        match kind.strategy:
            case DataDisk(array=array) if kind.arm == lens.arm:
                for disk in get_path(body, array) or []:
                    yield from _part(kind, f"{resource.id}/dataDisks/{disk.get('name')}", disk, managed)
            case Association(slot=slot) if kind.arm == lens.arm and "[" not in slot:
                yield from _associations(resource, lens, kind, slot, body, managed, intent)


def _part(kind: Lens, part_id: str, element: Body, managed: Collection[str]) -> Iterator[Finding]:
    if part_id.lower() not in managed:
        facts = {"owner": part_id, "slot": f"properties.{_segment(kind)}", "body": element}
        yield Finding(Kind.UNMANAGED, "", kind.type, part_id, str(element.get("name")), facts=facts)


def _associations(
    resource: StateResource, lens: Lens, kind: Lens, slot: str, body: Body, managed: Collection[str], intent: Intent | None
) -> Iterator[Finding]:
    if any(isinstance(f, Attr) and (f.arm or "").startswith(slot) and is_inline(resource, f.name, intent) for f in lens.fields):
        return
    held: Any = get_path(body, slot)
    for reference in held if isinstance(held, list) else [held] if held else []:
        target = str(reference.get("id") or "")
        composite = f"{resource.id}|{target}" if "|" in kind.id else resource.id
        if target and f"{kind.type}:{composite}".lower() not in managed and f"{kind.type}:{resource.id}".lower() not in managed:
            facts = {"owner": resource.id, "slot": slot, "target": target}
            yield Finding(Kind.UNMANAGED, "", kind.type, composite, target.rsplit("/", 1)[-1], facts=facts)
