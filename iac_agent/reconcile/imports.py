"""Importing what nobody manages: an import block, and a resource block in the repository's style.

Arguments that say what the provider would take anyway are left out; ids of managed resources become references.
"""

from __future__ import annotations

import re
from typing import Any

from iac_agent.azure.lenses import access, all_lenses
from iac_agent.azure.lenses.convert import block_schema, child_schema, is_empty
from iac_agent.azure.lenses.table import Arm, Attr, Field, Lens, Nested, Values
from iac_agent.azure.schemas import AttributeSchema, BlockSchema
from iac_agent.drift.finding import Finding
from iac_agent.drift.parts import inner_type
from iac_agent.errors import AzureError
from iac_agent.hcl import edits as e
from iac_agent.hcl import secrets
from iac_agent.hcl.document import literal
from iac_agent.planner.inventory import Resource
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.world import World
from iac_agent.planner.writing.style import file_of, label_for, reference, rows
from iac_agent.reconcile import joining

FILE = "imports.tf"
_ALWAYS_SAID = frozenset(
    {"disk_size_gb", "role_definition_id"}
)  # Azure fills it in once; made again without it, the resource would be another
_HOLDERS = {
    "resource_group_name": "azurerm_resource_group",
    "network_security_group_name": "azurerm_network_security_group",
    "virtual_network_name": "azurerm_virtual_network",
    "route_table_name": "azurerm_route_table",
    "private_dns_zone_name": "azurerm_private_dns_zone",
}
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


def write(world: World, finding: Finding, arm: Arm, major: int, also: frozenset[str] = frozenset(), *, alone: bool = False) -> str:
    """Write the import and the resource; returns its address. Raises Unsettled.

    It becomes one more key of its kin where it fits, unless it shall stand `alone`. What the provider computes where nothing is said is
    left out, but for the arguments in `also`: a plan showed that they must be said.
    """
    lens, values = _read(finding, arm, major)
    address = None if alone else joining.joined(world, lens.type, finding, values)
    if address is None:
        address = _own_block(world, lens, values, finding, major, also)
    imported = f"import {{\n  to = {address}\n  id = {literal(finding.id)}\n}}\n"
    world.writer.add(e.AddTopLevel(f"import.{re.sub(r'[^A-Za-z0-9]+', '_', address).strip('_')}", imported, FILE))
    world.touch([address])
    return address


def _own_block(world: World, lens: Lens, values: Values, finding: Finding, major: int, also: frozenset[str]) -> str:
    """Write the resource as a block of its own; returns its address."""
    owned = world.inventory.of_types(lens.type)
    kin = next((r for r in owned if not r.instance.scope.module.path), None)
    label = label_for(world, lens.type, finding.name.lower())
    address = f"{lens.type}.{label}"
    schema = block_schema(lens, major)
    repeated = {f.name for f in lens.fields if isinstance(f, Nested)}
    said = {n: values.get(n) for n, a in schema.attributes.items() if n not in repeated and _is_said(a, _row(lens, n), values.get(n), also)}
    arguments = _styled(world, kin, values, {n: _source(world, n, v) for n, v in said.items()})
    names = [n for n in (*schema.attributes, *schema.blocks) if n in repeated]
    blocks = [b for n in names for b in _blocks(world, lens, n, child_schema(schema, n), values, n in also)]
    nested = "".join(f"\n{b}" for b in blocks)
    source = f'resource "{lens.type}" "{label}" {{\n{rows(arguments)}{nested}}}\n'
    world.writer.add(e.AddTopLevel(address, source, file_of(kin or _neighbour(world, lens))))
    return address


def _neighbour(world: World, lens: Lens) -> Resource | None:
    """A resource of the same ARM service in the root module: what is new goes where the likes of it are."""
    service = lens.arm.split("/")[0].lower()
    types = [x.type for x in all_lenses().values() if x.arm.split("/")[0].lower() == service]
    return next((r for r in world.inventory.of_types(*types) if not r.instance.scope.module.path), None)


def _row(lens: Lens, name: str) -> Attr | None:
    return next((f for f in lens.fields if f.name == name and isinstance(f, Attr)), None)


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


def _is_said(attribute: AttributeSchema, row: Attr | None, value: Any, also: frozenset[str]) -> bool:
    """Whether an argument is written: a required one, and an optional one that differs from what its absence means."""
    if attribute.deprecated or attribute.write_only or attribute.name == "id" or attribute.sensitive:
        return False
    if attribute.required or attribute.name in also or attribute.name in _ALWAYS_SAID:
        return value is not None
    if not attribute.optional or value is None or attribute.computed:
        return False
    default = row.default if row is not None else None
    return bool(value != default) if default is not None else not is_empty(value)


def _blocks(world: World, lens: Lens, name: str, schema: BlockSchema, values: Values, forced: bool) -> list[str]:
    row = next(f for f in lens.fields if f.name == name)
    if not isinstance(row, Nested) or (row.computed and not forced and not inner_type(lens.type, name)):
        return []
    elements = [x for x in values.get(name) or [] if isinstance(x, dict)]
    return [_block(world, name, element, schema, row.fields, "  ") for element in elements]


def _block(world: World, name: str, element: Values, schema: BlockSchema, fields: tuple[Field, ...], indent: str) -> str:
    known = {f.name: f for f in fields}
    said = {}
    for n, a in schema.attributes.items():
        row = known.get(n)
        if not isinstance(row, Nested) and _is_said(a, row, element.get(n), frozenset()):
            said[n] = _source(world, n, element.get(n))
    inner = ""
    for n, s in schema.blocks.items():
        row = known.get(n)
        for part in element.get(n) or []:
            if isinstance(part, dict):
                inner += "\n" + _block(world, n, part, s, row.fields if isinstance(row, Nested) else (), f"{indent}  ")
    return f"{indent}{name} {{\n{rows(said, len(indent) + 2)}{inner}{indent}}}\n"


def _source(world: World, name: str, value: Any) -> str:
    """A value as source: ids of managed resources, and the name of a managed group, as references."""
    if secrets.held_in(value):
        raise Unsettled(Refusal(f"{name} holds what looks like a secret; it is not written into HCL"))
    if isinstance(value, list):
        return "[" + ", ".join(_source(world, name, v) for v in value) + "]"
    if isinstance(value, str) and value.lower().startswith("/subscriptions/"):
        holder = _by_id(world, value)
        source = reference(world, holder) if holder is not None else None
        return source or literal(value)
    if name in _HOLDERS and isinstance(value, str):
        holders = [r for r in world.inventory.of_types(_HOLDERS[name]) if r.azure_name.lower() == value.lower()]
        source = reference(world, holders[0], "name") if len(holders) == 1 else None
        return source or literal(value)
    return literal(value)


def _by_id(world: World, resource_id: str) -> Resource | None:
    wanted = resource_id.lower()
    return next((r for r in world.inventory.resources if r.state is not None and r.state.id.lower() == wanted), None)


_FIRST = ("name", "resource_group_name", "location")


def _styled(world: World, kin: Resource | None, values: Values, arguments: dict[str, str]) -> dict[str, str]:
    """As the repository writes it: the location by reference where its kin or its group has it so, names first, tags last."""
    text = ""
    held = kin.block.attributes.get("location") if kin is not None else None
    if kin is not None and held is not None and kin.location == _plain(values.get("location")):
        text = kin.block.document.text(held.value)
    groups = world.inventory.of_types("azurerm_resource_group")
    group = next((g for g in groups if g.azure_name.lower() == str(values.get("resource_group_name")).lower()), None)
    if not _PLAIN_REFERENCE.fullmatch(text) and group is not None and group.location == _plain(values.get("location")):
        text = reference(world, group, "location") or ""
    if "location" in arguments and _PLAIN_REFERENCE.fullmatch(text):
        arguments["location"] = text
    ordered = [*(n for n in _FIRST if n in arguments), *(n for n in arguments if n not in (*_FIRST, "tags"))]
    return {n: arguments[n] for n in [*ordered, *(["tags"] if "tags" in arguments else [])]}


_PLAIN_REFERENCE = re.compile(r"(?:azurerm_resource_group|var|local|data)\.[\w.]+")


def _plain(location: Any) -> str:
    return str(location or "").lower().replace(" ", "")
