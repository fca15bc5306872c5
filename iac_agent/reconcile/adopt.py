"""Adopting: the live value of each difference is written where the configuration writes that value, as edits.

Whether the edits do it is not decided here: `reconcile` plans, and withdraws what does not end in an empty plan.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from iac_agent.azure.lenses import all_lenses
from iac_agent.azure.lenses.convert import block_schema, child_schema, is_empty
from iac_agent.azure.schemas import BlockSchema
from iac_agent.drift.finding import Difference, Finding, Kind, Path, show_path
from iac_agent.hcl import edits as e
from iac_agent.hcl.address import parse_path
from iac_agent.hcl.document import Block, literal
from iac_agent.hcl.value import Place, Value
from iac_agent.planner.inventory import Resource
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.recipes.remove import DEPENDENT
from iac_agent.planner.world import World
from iac_agent.planner.writing.maps import drop_key, put_keys
from iac_agent.planner.writing.nested import block_present
from iac_agent.planner.writing.removal import remove
from iac_agent.planner.writing.style import reference


@dataclass(frozen=True)
class Context:
    """What adopting one finding works with."""

    world: World
    resource: Resource
    schema: BlockSchema


def adopt(world: World, finding: Finding, major: int) -> None:
    """Write the edits that make the configuration say what is live. Raises Unsettled where that cannot be said."""
    resource = configured(world, finding)
    lens = all_lenses().get(finding.type)
    if finding.kind not in (Kind.CHANGED, Kind.RECREATED) or lens is None:
        raise _cannot(f"what is {finding.kind} cannot be adopted")
    context = Context(world, resource, block_schema(lens, major))
    before = len(world.writer.edits)
    for difference in sorted(finding.differences, key=lambda d: _turn(resource, d)):
        _difference(context, difference)
    world.writer.edits[before:] = [_referring(world, resource, x) for x in world.writer.edits[before:]]
    world.touch([resource])


def _turn(resource: Resource, difference: Difference) -> tuple[int, int]:
    """The order of writing: blocks that go come last, from the last one up, so that the places of those before them stay."""
    if difference.after is not None or not isinstance(difference.before, dict) or len(difference.path) < 2:
        return 0, 0
    step = difference.path[-1]
    held = resource.instance.value(tuple(difference.path[:-1]))
    place = _position(held, step) if isinstance(step, str) and held is not None and isinstance(held.data, list) else step
    return 1, -(place if isinstance(place, int) else 0)


def _cannot(why: str) -> Unsettled:
    return Unsettled(Refusal(why))


def configured(world: World, finding: Finding) -> Resource:
    """The resource that a finding is about. Raises Unsettled where the configuration has none."""
    resource = world.inventory.by_address.get(finding.address)
    if resource is None:
        raise _cannot(f"{finding.address} is not in the configuration")
    return resource


def forget(world: World, finding: Finding) -> None:
    """Take a resource that is gone out of the configuration, with what only makes sense beside it. Raises Unsettled."""
    resource = world.inventory.by_address.get(finding.address)
    if resource is None:  # it went with another that is forgotten
        return
    users = [u for u in world.inventory.referred_by(resource) if u.type not in DEPENDENT]
    if users:
        raise _cannot(f"{', '.join(u.address for u in users[:3])} still refers to it")
    going = [resource, *(u for u in world.inventory.referred_by(resource) if u.type in DEPENDENT)]
    remove(world, going)
    world.touch(going)


def _difference(context: Context, difference: Difference) -> None:
    if difference.sensitive:
        raise _cannot(f"{difference.name} is sensitive: it is not written into HCL")
    name, *rest = difference.path
    attribute = context.schema.attributes.get(str(name))
    writer, targets = context.world.writer, [context.resource]
    if attribute is not None and isinstance(attribute.type, list) and attribute.type[0] == "map" and rest:
        if difference.after is None:
            drop_key(writer, targets, str(name), str(rest[0]))
        else:
            put_keys(writer, targets, str(name), {str(rest[0]): difference.after})
        return
    if rest and isinstance(difference.after if difference.before is None else difference.before, dict):
        _element(context, difference)
        return
    path = _in_configuration(context.resource, difference.path)
    if _means_nothing(context.schema, difference):
        writer.unset(targets, path)
    else:
        writer.set(targets, path, difference.after)


def _means_nothing(schema: BlockSchema, difference: Difference) -> bool:
    """Whether the live value is that of an argument which is not set."""
    if difference.after is None:
        return True
    return len(difference.path) == 1 and is_empty(difference.after) and not isinstance(difference.after, bool | int | float)


def _in_configuration(resource: Resource, path: Path) -> str:
    """The path as an edit takes it: elements that are told by their name get their place among the blocks."""
    steps: list[str | int] = []
    held: Value | None = None
    for step in path:
        at_list = held is not None and isinstance(held.data, list)
        if at_list and held is not None and isinstance(step, str):
            position = _position(held, step)
            if position is not None:
                if len(held.data) > 1:
                    steps.append(position)
                held = resource.instance.value(tuple(steps))
                continue
        steps.append(step)
        held = resource.instance.value(tuple(steps))
    return show_path(tuple(steps))


def _position(held: Value, name: str) -> int | None:
    for number, element in enumerate(held.data):
        told = element.data.get("name") if isinstance(element.data, dict) else None
        if told is not None and told.data == name:
            return number
    return None


# --- nested blocks -------------------------------------------------------------------------------------------------------


def _element(context: Context, difference: Difference) -> None:
    """A nested block that is live and not configured, or the other way round."""
    if len(difference.path) != 2:
        _inner_element(context, difference)
        return
    name, step = str(difference.path[0]), difference.path[-1]
    resource, writer = context.resource, context.world.writer
    inner = child_schema(context.schema, name)
    if isinstance(step, int) and not inner.attributes:
        block_present(writer, [resource], name, difference.after is not None)
        return
    dynamic = resource.block.dynamic(name)
    if dynamic is None:
        _require_unshared(context, name)
    if dynamic is not None and not _fits_beside(context, dynamic, name, difference):
        _through_dynamic(context, dynamic, name, difference)
    elif difference.after is None:
        held = resource.instance.body.get(name)
        position = _position(held, step) if held is not None and isinstance(step, str) else step
        several = held is not None and isinstance(held.data, list) and len(held.data) > 1
        writer.add(e.RemoveBlock(resource.block_address, f"{name}[{position}]" if several else name))
    elif inner.blocks and any(difference.after.get(b) for b in inner.blocks):
        writer.add(e.AddNested(resource.block_address, _source(name, difference.after, inner, "")))
    else:
        writer.add(e.AddBlock(resource.block_address, name, tuple(_arguments(difference.after, inner).items())))


def _require_unshared(context: Context, name: str) -> None:
    made = len(context.world.inventory.siblings(context.resource))
    if made > 1:
        raise _cannot(f"{name} is written in one block for {made} resources; it would change for all of them")


def _inner_element(context: Context, difference: Difference) -> None:
    """A block inside a block, where both are written out."""
    *outer, step = difference.path
    resource, writer, inner = context.resource, context.world.writer, context.schema
    for name in outer:
        if not isinstance(name, str) or resource.block.dynamic(str(outer[0])) is not None:
            raise _cannot(f"{difference.name} is one of several blocks inside others")
        inner = child_schema(inner, name)
    if not resource.block.blocks or all(b.type != outer[0] for b in resource.block.blocks):
        raise _cannot(f"{outer[0]} is not written in {resource.block.where}, so {difference.name} has no place")
    _require_unshared(context, str(outer[0]))
    path = show_path(tuple(outer))
    if difference.after is None:
        held = resource.instance.value(tuple(outer))
        several = held is not None and isinstance(held.data, list) and len(held.data) > 1
        writer.add(e.RemoveBlock(resource.block_address, f"{path}[{step}]" if several else path))
    elif any(difference.after.get(b) for b in inner.blocks):
        raise _cannot(f"{difference.name} has blocks inside")
    else:
        writer.add(e.AddBlock(resource.block_address, path, tuple(_arguments(difference.after, inner).items())))


def _arguments(element: dict[str, Any], schema: BlockSchema) -> dict[str, str]:
    """The arguments that say something, as source; computed ones and empty ones are left out."""
    found = {}
    for name, attribute in sorted(schema.attributes.items(), key=lambda item: item[0] != "name"):
        value = element.get(name)
        if (attribute.required or attribute.optional) and not (is_empty(value) and not attribute.required) and name != "id":
            found[name] = literal(value)
    return found


def _source(name: str, element: dict[str, Any], schema: BlockSchema, indent: str) -> str:
    """A nested block with blocks inside, as source."""
    arguments = _arguments(element, schema)
    width = max(map(len, arguments), default=0)
    lines = [f"{indent}  {k.ljust(width)} = {v}" for k, v in arguments.items()]
    for inner_name, inner in schema.blocks.items():
        for part in element.get(inner_name) or []:
            lines += ["", _source(inner_name, part, inner, f"{indent}  ")]
    body = "\n".join(lines)
    return f"{indent}{name} {{\n{body}\n{indent}}}"


def _fits_beside(context: Context, dynamic: Block, name: str, difference: Difference) -> bool:
    """Whether a new block must stand beside the dynamic one, which cannot make it, and the block around makes one resource only."""
    if difference.after is None or len(context.world.inventory.siblings(context.resource)) > 1:
        return False
    trial = replace(context, world=context.world.trial())
    try:
        _through_dynamic(trial, dynamic, name, difference)
    except Unsettled:
        return True
    return False


def _through_dynamic(context: Context, dynamic: Block, name: str, difference: Difference) -> None:
    """The element of the collection that the dynamic block runs over."""
    resource, writer = context.resource, context.world.writer
    held = resource.instance.body.get(name)
    if difference.after is None:
        position = _position(held, str(difference.path[-1])) if held is not None else None
        home = _home(held.data[position]) if held is not None and position is not None else None
        if home is None:
            raise _cannot(f"{difference.name} is made by a dynamic block whose source is computed")
        _drop(context, *home)
        return
    source = _collection(resource, name)
    if source is None:
        raise _cannot(f"{difference.name} would be made by a dynamic block whose source is computed")
    place, keyed = source
    key, fields = _fields(dynamic, difference)
    if keyed:
        writer.add(e.PutKey(place.address, place.path, key, fields))
    else:
        writer.add(e.AppendItem(place.address, place.path, fields))


def _home(element: Value) -> tuple[str, Path] | None:
    """Where the element of a collection is written: what holds the value that its arguments read."""
    for value in element.data.values() if isinstance(element.data, dict) else ():
        place = value.via[-1] if value.via and not value.why else None
        steps = parse_path(place.path) if place is not None and place.editable else ()
        if place is not None and len(steps) > 1 and "dynamic" not in steps:
            return place.address, steps[:-1]
    return None


def _drop(context: Context, address: str, steps: Path) -> None:
    *outer, last = steps
    if isinstance(last, int):
        context.world.writer.add(e.RemoveValue(address, show_path(steps)))
    else:
        context.world.writer.add(e.DropKey(address, show_path(tuple(outer)), str(last)))


def _collection(resource: Resource, name: str) -> tuple[Place, bool] | None:
    """The literal collection that a dynamic block of this name runs over, and whether it is a map."""
    from iac_agent.hcl.evaluate import evaluate

    dynamic = resource.block.dynamic(name)
    attribute = dynamic.attributes.get("for_each") if dynamic is not None else None
    if attribute is None:
        return None
    source = evaluate(resource.instance.frame, attribute.value, ("dynamic", name, "for_each"))
    place = source.written
    if place is None or not place.editable or not isinstance(source.data, dict | list):
        return None
    return place, isinstance(source.data, dict)


def _fields(dynamic: Block, difference: Difference) -> tuple[str, str]:
    """The key and the source of an element from which the block's content makes this. Raises Unsettled where it cannot."""
    content = next((b for b in dynamic.blocks if b.type == "content"), None)
    iterator = dynamic.attributes.get("iterator")
    each = dynamic.document.text(iterator.value) if iterator is not None else dynamic.labels[0]
    key, fields = str(difference.path[-1]), {}
    for name, attribute in content.attributes.items() if content is not None else ():
        text, wanted = dynamic.document.text(attribute.value).strip(), difference.after.get(name)
        read = re.fullmatch(rf"(?:\w+\()?{re.escape(each)}\.value(?:\.(\w+)|\[\"(\w+)\"\])(?:, .*\))?", text)
        if read:
            fields[read[1] or read[2]] = wanted
        elif text == f"{each}.key":
            key = str(wanted)
        elif text != literal(wanted):
            raise _cannot(f"the dynamic block gives every {difference.path[0]} {name} = {text}; this one has {literal(wanted)}")
    return key, literal(fields)


# --- references ------------------------------------------------------------------------------------------------------------


def _referring(world: World, resource: Resource, edit: e.Edit) -> e.Edit:
    """The edit with ids of managed resources as references, where it is written in the module they can be referred to in."""
    if resource.instance.scope.module.path or not edit.address.startswith(("azurerm_", "local.", "locals")):
        return edit
    if isinstance(edit, e.AddBlock):
        return replace(edit, arguments=tuple((n, _with_references(world, resource, v)) for n, v in edit.arguments))
    if isinstance(edit, e.SetAttribute):
        return replace(edit, value=_with_references(world, resource, edit.value))
    return edit


def _with_references(world: World, resource: Resource, value: str) -> str:
    """A source in which the ids of managed resources are references."""
    if "/subscriptions/" not in value:
        return value
    for other in world.inventory.resources:
        held = other.state.id if other.state is not None else ""
        if held and other is not resource and f'"{held.lower()}"' in value.lower():
            source = reference(world, other)
            if source is not None:
                value = re.sub(re.escape(f'"{held}"'), lambda _, s=source: s, value, flags=re.IGNORECASE)  # type: ignore[misc]
    return value


def why_not(problem: Unsettled) -> str:
    """The reason in a sentence."""
    answer = problem.answer
    return answer.text if isinstance(answer, Question) else answer.reason
