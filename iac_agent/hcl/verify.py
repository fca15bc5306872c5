"""The second opinion on every edit: python-hcl2 parses both versions, and their difference must be exactly the edit.

tree-sitter finds the bytes; this module never looks at them. It compares values.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

import hcl2
from lark.exceptions import LarkError

from iac_agent.errors import EditRejected
from iac_agent.hcl import edits as e
from iac_agent.hcl.address import Step, parse_path
from iac_agent.hcl.document import BOM, Block, Document, key_name, map_key

Tree = dict[str, Any]
_OPTIONS = hcl2.SerializationOptions(with_comments=False)


def parse_values(raw: bytes, path: object) -> Tree:
    """The file as python-hcl2 reads it. Raises EditRejected when it cannot."""
    try:
        return _read(raw)
    except (LarkError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        first = str(problem).strip().splitlines()[:1]
        raise EditRejected(f"{path}: python-hcl2 cannot read this file, so edits cannot be checked: {first}") from problem


@functools.lru_cache(maxsize=32)
def _read(raw: bytes) -> Tree:
    """What is after one edit is before the next, so the last few trees are kept; nobody changes them."""
    text = raw.removeprefix(BOM).decode("utf-8").replace("\r\n", "\n")
    tree: Tree = hcl2.loads(text if text.endswith("\n") else text + "\n", serialization_options=_OPTIONS)
    return tree


def _value(source: str) -> Any:
    return parse_values(f"x = {source}\n".encode(), "the new value")["x"]


def _body(tree: Tree, block: Block) -> tuple[list[Any], int, Tree]:
    """The list a top-level block stands in, its position there, and its body."""
    kin = [b for b in block.document.blocks if b.type == block.type]
    position = next(i for i, b in enumerate(kin) if b.node.start_byte == block.node.start_byte)
    body = tree[block.type][position]
    for label in block.labels:
        body = next(v for k, v in body.items() if k.strip('"') == label)
    return tree[block.type], position, body


def _descend(body: Tree, steps: tuple[Step, ...]) -> tuple[Tree, tuple[Step, ...]]:
    """Follow nested blocks, as `surgery.descend` does, but in the parsed values."""
    while steps and isinstance(body.get(str(steps[0])), list) and _is_blocks(body[str(steps[0])]):
        kin = body[str(steps[0])]
        indexed = len(steps) > 1 and isinstance(steps[1], int)
        body, steps = _unlabelled(kin[steps[1] if indexed else 0]), steps[2:] if indexed else steps[1:]
    return body, steps


def _unlabelled(value: Any) -> Any:
    """The body of a nested block: python-hcl2 wraps it once for every label."""
    while isinstance(value, dict) and "__is_block__" not in value and len(value) == 1:
        value = next(iter(value.values()))
    return value


def _is_blocks(value: Any) -> bool:
    bodies = [_unlabelled(v) for v in value] if isinstance(value, list) else []
    return bool(bodies) and all(isinstance(b, dict) and b.get("__is_block__") for b in bodies)


def _holder(body: Tree, path: str) -> tuple[Any, Step]:
    """The container and key of the value at `path`."""
    inner, steps = _descend(body, parse_path(path))
    holder: Any = inner
    for step in steps[:-1]:
        holder = holder[_key_in(holder, step)]
    return holder, _key_in(holder, steps[-1])


def _key_in(container: Any, step: Step) -> Step:
    if isinstance(container, dict):
        return next((k for k in container if key_name(k) == str(step)), step)
    return step


def expected(tree: Tree, block: Block | None, edit: e.Edit) -> Tree:
    """A copy of the parsed file `tree` with the edit applied to its values."""
    tree = copy.deepcopy(tree)
    if isinstance(edit, e.AddTopLevel):
        for kind, added in parse_values(edit.source.encode(), "the new block").items():
            tree.setdefault(kind, []).extend(added)
        return tree
    assert block is not None
    kin, position, body = _body(tree, block)
    match edit:
        case e.RemoveResource():
            del kin[position]
            if not kin:
                del tree[block.type]
        case e.SetAttribute():
            holder, key = _holder(body, edit.path)
            holder[key] = _value(edit.value)
        case e.RemoveAttribute():
            holder, key = _holder(body, edit.path)
            del holder[key]
        case e.AppendItem():
            holder, key = _holder(body, edit.path)
            holder[key].append(_value(edit.value))
        case e.RemoveItem():
            holder, key = _holder(body, edit.path)
            holder[key].remove(_value(edit.value))
        case e.PutKey() | e.RenameKey() | e.DropKey():
            _expect_map(body, edit)
        case e.AddBlock():
            *above, name = parse_path(edit.path)
            parent, _ = _descend(body, tuple(above))
            added = {"__is_block__": True, **{k: _value(v) for k, v in edit.arguments}}
            parent.setdefault(str(name), []).append(added)
        case e.RemoveBlock():
            _expect_block_gone(body, edit.path)
    return tree


def _expect_map(body: Tree, edit: e.PutKey | e.RenameKey | e.DropKey) -> None:
    holder, name = _holder(body, edit.path)
    if isinstance(edit, e.PutKey) and isinstance(holder, dict) and name not in holder:
        holder[name] = {map_key(edit.key): _value(edit.value)}
        return
    mapping = holder[name]
    key = _key_in(mapping, edit.key)
    if isinstance(edit, e.PutKey):
        mapping[key] = _value(edit.value)
    else:
        value = mapping.pop(key)
        if isinstance(edit, e.RenameKey):
            mapping[map_key(edit.to)] = value


def _expect_block_gone(body: Tree, path: str) -> None:
    steps = parse_path(path)
    index = steps[-1] if isinstance(steps[-1], int) else 0
    name = str(steps[-2] if isinstance(steps[-1], int) else steps[-1])
    parent, _ = _descend(body, steps[: -2 if isinstance(steps[-1], int) else -1])
    del parent[name][index]
    if not parent[name]:
        del parent[name]


def _comparable(value: Any) -> Any:
    """Map keys without the quotes they may be written with, and blocks grouped by type without order between types."""
    if isinstance(value, dict):
        return {key_name(k): _comparable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_comparable(v) for v in value]
    return value


def check(path: object, before: Tree, after: Tree, block: Block | None, edit: e.Edit) -> None:
    """Raise EditRejected unless `after` is `before` with exactly this edit."""
    try:
        wanted = _comparable(expected(before, block, edit))
    except (KeyError, IndexError, StopIteration, ValueError, TypeError) as problem:
        raise EditRejected(f"{path}: cannot predict the effect of: {edit.describe()} ({problem!r})") from problem
    found = _comparable(after)
    if isinstance(edit, e.AddTopLevel):
        wanted, found = _unordered(wanted), _unordered(found)
    if wanted != found:
        raise EditRejected(f"{path}: the edit changed more or less than asked: {edit.describe()}")


def prove(before: Document, after: Document, block: Block, edit: e.Edit) -> None:
    """Check an edit of one top-level block: the whole file, or, where python-hcl2 cannot read another part of it, this block alone.

    In the second case the bytes outside the block must not have changed at all. Raises EditRejected.
    """
    try:
        old, new = parse_values(before.raw, before.path), parse_values(after.raw, before.path)
    except EditRejected:
        _prove_block(before, after, block, edit)
        return
    check(before.path, old, new, block, edit)


def _prove_block(before: Document, after: Document, block: Block, edit: e.Edit) -> None:
    start, end = block.node.start_byte, block.node.end_byte
    tail = before.data[end:]
    changed = after.data[start : len(after.data) - len(tail)]
    if after.data[:start] != before.data[:start] or not after.data.endswith(tail):
        raise EditRejected(f"{before.path}: the edit reaches outside its block: {edit.describe()}")
    alone = Document(before.path, before.data[start:end])
    old = parse_values(alone.raw, before.path)
    new = parse_values(changed, before.path)
    check(before.path, old, new, alone.blocks[0], edit)


def _unordered(tree: Tree) -> Tree:
    return {k: sorted(v, key=repr) if isinstance(v, list) else v for k, v in tree.items()}
