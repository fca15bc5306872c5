"""The edit that takes an edit back, worked out before it is applied: what `iacagent undo` is made of."""

from __future__ import annotations

from typing import Any

from iac_agent.hcl import datafile
from iac_agent.hcl import edits as e
from iac_agent.hcl.address import parse_path, show_path
from iac_agent.hcl.document import Block, literal, unwrap
from iac_agent.hcl.expressions import items
from iac_agent.hcl.module import RootModule
from iac_agent.hcl.paths import descend, node_at, source_at


def inverse(root: RootModule, edit: e.Edit) -> e.Edit | None:
    """The inverse of `edit` as applied to `root`; None when there is none that would be exact."""
    match edit:
        case e.AddTopLevel():
            return None if edit.address.split(".")[-2:-1] == ["moved"] else e.RemoveResource(edit.address)
        case e.RenameReferences():
            return e.RenameReferences(edit.address, edit.new, edit.old)
        case e.RenameBlock():
            head = edit.address.rsplit(".", 1)[0]
            return e.RenameBlock(f"{head}.{edit.to}", edit.address.rsplit(".", 1)[1])
    if datafile.is_data_file(edit.address):
        return _of_data_file(root, edit)
    _, block = root.locate(edit.address)
    match edit:
        case e.RemoveResource():
            text = block.document.text(block.node)
            return e.AddTopLevel(edit.address, text, str(block.document.path).rsplit("/", 1)[-1])
        case e.AddBlock():
            return e.RemoveBlock(edit.address, _new_block_path(block, edit.path))
        case e.AddNested():
            return None
        case e.RemoveBlock():
            inner, _ = descend(block, parse_path(edit.path))
            return e.AddNested(edit.address, _dedented(inner)) if len(parse_path(edit.path)) <= 2 else None
        case e.InnerEdit():
            return _of_value(block, edit)
    return None


def _of_value(block: Block, edit: e.InnerEdit) -> e.Edit | None:
    """The inverse of an edit of one value in HCL."""
    now = source_at(block, parse_path(edit.path))
    match edit:
        case e.SetAttribute():
            if now is None:
                return e.RemoveAttribute(edit.address, edit.path)
            return e.SetAttribute(edit.address, edit.path, now, replacing=edit.value)
        case e.RemoveAttribute():
            return e.SetAttribute(edit.address, edit.path, now) if now is not None else None
        case e.PutKey():
            held = source_at(block, (*parse_path(edit.path), edit.key))
            if now is None:
                return e.RemoveAttribute(edit.address, edit.path)
            return e.DropKey(edit.address, edit.path, edit.key) if held is None else e.PutKey(edit.address, edit.path, edit.key, held)
        case e.DropKey():
            held = source_at(block, (*parse_path(edit.path), edit.key))
            return e.PutKey(edit.address, edit.path, edit.key, held) if held is not None else None
        case e.RenameKey():
            return e.RenameKey(edit.address, edit.path, edit.to, edit.key)
        case e.AppendItem():
            return e.RemoveItem(edit.address, edit.path, edit.value)
        case e.RemoveValue():
            return _appended(block, edit, now)
    return None


def _appended(block: Block, edit: e.RemoveValue, now: str | None) -> e.Edit | None:
    *above, index = parse_path(edit.path)
    node = node_at(block, tuple(above))
    last = node is not None and index == len(items(unwrap(node))) - 1
    return e.AppendItem(edit.address, show_path(tuple(above)), now) if last and now is not None else None


def _new_block_path(block: Block, path: str) -> str:
    kin = sum(1 for b in block.blocks if b.type == path)
    return path if not kin else f"{path}[{kin}]"


def _dedented(block: Block) -> str:
    lines = block.document.text(block.node).splitlines()
    indent = block.document.indent_at(block.node.start_byte).decode()
    return "\n".join(line.removeprefix(indent) for line in lines)


def _of_data_file(root: RootModule, edit: e.Edit) -> e.Edit | None:
    value = datafile.read(edit.address, root.read(root.own_file(edit.address)), edit.address).plain()
    match edit:
        case e.SetAttribute():
            steps = parse_path(edit.path)
            held = _at(value, steps)
            return e.SetAttribute(edit.address, edit.path, literal(held)) if held is not None else e.RemoveValue(edit.address, edit.path)
        case e.PutKey():
            held = _at(value, (*parse_path(edit.path), edit.key))
            return (
                e.DropKey(edit.address, edit.path, edit.key) if held is None else e.PutKey(edit.address, edit.path, edit.key, literal(held))
            )
        case e.DropKey():
            return e.PutKey(edit.address, edit.path, edit.key, literal(_at(value, (*parse_path(edit.path), edit.key))))
        case e.RenameKey():
            return e.RenameKey(edit.address, edit.path, edit.to, edit.key)
        case e.AppendItem():
            return e.RemoveValue(edit.address, f"{edit.path}[{len(_at(value, parse_path(edit.path)) or [])}]")
        case e.RemoveValue():
            *above, index = parse_path(edit.path)
            listed = _at(value, tuple(above))
            last = isinstance(listed, list) and index == len(listed) - 1
            return e.AppendItem(edit.address, show_path(tuple(above)), literal(listed[-1])) if last else None
    return None


def _at(value: Any, steps: tuple[Any, ...]) -> Any:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value
