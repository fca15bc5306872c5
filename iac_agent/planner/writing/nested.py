"""Nested blocks without arguments, such as boot_diagnostics: given to some resources, or taken away; dynamic blocks are switched."""

from __future__ import annotations

from iac_agent.hcl import edits as e
from iac_agent.hcl.document import Block, literal, unwrap
from iac_agent.hcl.evaluate import evaluate
from iac_agent.hcl.expressions import operands
from iac_agent.planner.inventory import Resource
from iac_agent.planner.writing.levels import Level, below, levels_of, own_keys
from iac_agent.planner.writing.write import Writer


def block_present(writer: Writer, targets: list[Resource], name: str, present: bool) -> None:
    """Give every target an empty nested block, or take it away; a dynamic block is switched at its source."""
    for target in targets:
        held = target.instance.body.get(name)
        if bool(held is not None and held.data) == present and (held is None or held.known):
            continue
        dynamic = target.block.dynamic(name)
        if dynamic is not None:
            _switch(writer, target, targets, dynamic, name, present)
        else:
            _static_block(writer, target, targets, name, present)


def _switch(writer: Writer, target: Resource, targets: list[Resource], dynamic: Block, name: str, present: bool) -> None:
    """Change what a dynamic block's for_each depends on: the condition's own value, or the for_each itwriter."""
    attribute = dynamic.attributes["for_each"]
    node = unwrap(attribute.value)
    if node.type == "conditional":
        condition = evaluate(target.instance.frame, operands(node)[0], ("dynamic", name, "for_each", "@0"))
        if isinstance(condition.data, bool) and writer.set_condition(target, targets, condition, dynamic.document.text(operands(node)[0])):
            return
    level = levels_of(target.instance)[-1]
    now, path = dynamic.document.text(attribute.value), f"dynamic.{name}.for_each"
    if set(below(writer.inventory, level, target)) <= set(targets):
        writer.add(e.SetAttribute(level.address, path, "[1]" if present else "[]", replacing=now))
        return
    keys = own_keys(writer.inventory, target, targets, level)
    if keys is None:
        raise writer.undivided(target, targets, level, path)
    writer.add(e.SetAttribute(level.address, path, f"{level.among(keys)} ? {'[1]' if present else '[]'} : {now}", replacing=now))


def _static_block(writer: Writer, target: Resource, targets: list[Resource], name: str, present: bool) -> None:
    level = levels_of(target.instance)[-1]
    if set(below(writer.inventory, level, target)) <= set(targets):
        writer.add(e.AddBlock(level.address, name) if present else e.RemoveBlock(level.address, name))
        return
    keys = own_keys(writer.inventory, target, targets, level)
    if keys is not None:
        _dynamic(writer, level, name, f"{level.among(keys)} ? {'[1] : []' if present else '[] : [1]'}", present)
        return
    above = writer.above(target, targets, level, name)
    writer.declare(level, name, "bool", literal(not present))
    _dynamic(writer, level, name, f"var.{name} ? [1] : []", present)
    writer.split_at(target, targets, above, name, literal(present))


def _dynamic(writer: Writer, level: Level, name: str, for_each: str, present: bool) -> None:
    content = ""
    if not present:
        held = next(b for b in level.block.blocks if b.type == name)
        content = "".join(f"{a.name} = {held.document.text(a.value)}\n" for a in held.attributes.values())
        writer.add(e.RemoveBlock(level.address, name))
    inside = f"\n{_indented(content)}  " if content else ""
    writer.add(e.AddNested(level.address, f'dynamic "{name}" {{\n  for_each = {for_each}\n\n  content {{{inside}}}\n}}'))


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())
