"""Importing what nobody manages: an import block, and a resource block in the repository's style.

Arguments that say what the provider would take anyway are left out; ids of managed resources become references.
"""

from __future__ import annotations

import re
from typing import Any

from iac_agent.azure.ids import ResourceId
from iac_agent.azure.lenses import access, all_lenses
from iac_agent.azure.lenses.convert import block_schema, is_empty
from iac_agent.azure.lenses.table import Arm, Attr, Lens, Values
from iac_agent.azure.schemas import AttributeSchema, BlockSchema
from iac_agent.drift.finding import Finding
from iac_agent.errors import AzureError
from iac_agent.hcl import edits as e
from iac_agent.hcl.document import literal
from iac_agent.planner.inventory import Resource
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.world import World
from iac_agent.planner.writing.style import file_of, label_for, reference, rows

FILE = "imports.tf"
_WINDOWS = "azurerm_windows_virtual_machine"


def lens_of(finding: Finding, body: Values) -> Lens | None:
    """The lens of what an unmanaged resource would be in Terraform."""
    lenses = all_lenses()
    if finding.type in lenses:
        return lenses[finding.type]
    fitting = [lens for lens in lenses.values() if lens.arm.lower() == finding.type.lower() and not lens.type.endswith("_attachment")]
    if len(fitting) > 1 and finding.type.lower() == "microsoft.compute/virtualmachines":
        system = str((((body.get("properties") or {}).get("storageProfile") or {}).get("osDisk") or {}).get("osType") or "Linux")
        return lenses[_WINDOWS] if system == "Windows" else lenses["azurerm_linux_virtual_machine"]
    return fitting[0] if fitting else None


def write(world: World, finding: Finding, arm: Arm, major: int, dropped: frozenset[str] = frozenset()) -> str:
    """Write the import and the resource; returns its address. `dropped` are arguments to leave out. Raises Unsettled."""
    lens, values = _read(finding, arm, major)
    owned = world.inventory.of_types(lens.type)
    kin = next((r for r in owned if not r.instance.scope.module.path), None)
    label = label_for(world, lens.type, finding.name.lower())
    address = f"{lens.type}.{label}"
    schema = block_schema(lens, major)
    arguments = {k: _source(world, k, v) for k, v in _arguments(lens, schema, values).items() if k not in dropped}
    arguments = _styled(world, kin, arguments)
    blocks = [b for name, inner in schema.blocks.items() if name not in dropped for b in _blocks(world, lens, name, inner, values)]
    nested = "".join(f"\n{b}" for b in blocks)
    source = f'resource "{lens.type}" "{label}" {{\n{rows(arguments)}{nested}}}\n'
    world.writer.add(e.AddTopLevel(address, source, file_of(kin)))
    imported = f"import {{\n  to = {address}\n  id = {literal(finding.id)}\n}}\n"
    world.writer.add(e.AddTopLevel(f"import.{label}", imported, FILE))
    world.touch([address])
    return address


def _read(finding: Finding, arm: Arm, major: int) -> tuple[Lens, Values]:
    api = next((x.api[major] for x in all_lenses().values() if x.arm.lower() == finding.type.lower()), "")
    try:
        body = (arm.get(finding.id, api) or {}) if api else {}
        lens = lens_of(finding, body)
        if lens is None:
            raise Unsettled(Refusal(f"there is no lens for {finding.type}"))
        values = access.read(lens, arm, finding.id, {}, major)
    except AzureError as problem:
        raise Unsettled(Refusal(f"it could not be read: {problem.message}")) from problem
    if values is None:
        raise Unsettled(Refusal("it is gone by now"))
    return lens, values


def _arguments(lens: Lens, schema: BlockSchema, values: Values) -> dict[str, Any]:
    """What must be said: required arguments, and optional ones that differ from what their absence means."""
    rows_by_name = {f.name: f for f in lens.fields if isinstance(f, Attr)}
    return {
        name: values.get(name) for name, a in schema.attributes.items() if _is_said(a, rows_by_name.get(name), values.get(name), schema)
    }


def _is_said(attribute: AttributeSchema, row: Attr | None, value: Any, schema: BlockSchema) -> bool:
    if attribute.deprecated or attribute.write_only or attribute.name == "id":
        return False
    if attribute.required:
        return True
    if not attribute.optional or value is None or (is_empty(value) and value is not False):
        return False
    if row is not None and (value == row.default or (value == row.unset and row.unset is not None)):
        return False
    return not (value is False and (row is None or not row.default)) and attribute.name not in schema.blocks


def _blocks(world: World, lens: Lens, name: str, schema: BlockSchema, values: Values) -> list[str]:
    if name == "timeouts":
        return []
    row = next((f for f in lens.fields if f.name == name), None)
    rows_by_name = {f.name: f for f in getattr(row, "fields", ()) if isinstance(f, Attr)}
    return [_block(world, name, element, schema, rows_by_name, "  ") for element in values.get(name) or [] if isinstance(element, dict)]


def _block(world: World, name: str, element: Values, schema: BlockSchema, known: dict[str, Attr], indent: str) -> str:
    said = {k: _source(world, k, element.get(k)) for k, a in schema.attributes.items() if _is_said(a, known.get(k), element.get(k), schema)}
    inner = "".join(
        "\n" + _block(world, k, part, s, {}, f"{indent}  ")
        for k, s in schema.blocks.items()
        for part in element.get(k) or []
        if isinstance(part, dict)
    )
    return f"{indent}{name} {{\n{rows(said, len(indent) + 2)}{inner}{indent}}}\n"


def _source(world: World, name: str, value: Any) -> str:
    """A value as source: ids of managed resources, and the name of a managed group, as references."""
    if isinstance(value, list):
        return "[" + ", ".join(_source(world, name, v) for v in value) + "]"
    if isinstance(value, str) and value.lower().startswith("/subscriptions/"):
        holder = _by_id(world, value)
        source = reference(world, holder) if holder is not None else None
        return source or literal(value)
    if name == "resource_group_name" and isinstance(value, str):
        groups = [r for r in world.inventory.of_types("azurerm_resource_group") if r.azure_name.lower() == value.lower()]
        source = reference(world, groups[0], "name") if groups else None
        return source or literal(value)
    return literal(value)


def _by_id(world: World, resource_id: str) -> Resource | None:
    wanted = resource_id.lower()
    return next((r for r in world.inventory.resources if r.state is not None and r.state.id.lower() == wanted), None)


def _styled(world: World, kin: Resource | None, arguments: dict[str, str]) -> dict[str, str]:
    """As its kin writes it: a location by reference where theirs is one and has the same value."""
    if kin is None or "location" not in arguments:
        return arguments
    held = kin.block.attributes.get("location")
    text = kin.block.document.text(held.value) if held is not None else ""
    same = literal(kin.location) == arguments["location"].lower().replace(" ", "")
    usable = same and re.fullmatch(r"(?:azurerm_resource_group|var|local|data)\.[\w.]+", text)
    return {**arguments, "location": text} if usable else arguments


def is_top_level(finding: Finding) -> bool:
    return len(ResourceId.parse(finding.id.split("|")[0]).types) == 1
