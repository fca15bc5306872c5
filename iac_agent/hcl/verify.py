"""The second opinion on every edit: python-hcl2 parses both versions, and their difference must be exactly the edit.

tree-sitter finds the bytes; this module never looks at them. It compares values.
"""

from __future__ import annotations

import copy
import functools
import re
from typing import Any

import hcl2
from lark.exceptions import LarkError

from iac_agent.errors import EditRejected
from iac_agent.hcl import edits as e
from iac_agent.hcl.address import Step, parse_path, show_path
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


def python_value(source: str) -> Any:
    """The Python data that a literal in HCL source stands for. Raises EditRejected when it is not one."""
    return _plain(_value(source), source)


def _plain(value: Any, source: str) -> Any:
    if isinstance(value, dict):
        return {key_name(k): _plain(v, source) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v, source) for v in value]
    if isinstance(value, str) and value.startswith('"'):
        return key_name(value)
    if isinstance(value, str):
        raise EditRejected(f"{source} is not a literal")
    return value


def _body(tree: Tree, block: Block) -> tuple[list[Any], int, Tree]:
    """The list a top-level block stands in, its position there, and its body; a tfvars file is its own body."""
    if not block.type:
        return [], 0, tree
    kin = [b for b in block.document.blocks if b.type == block.type]
    position = next(i for i, b in enumerate(kin) if b.node.start_byte == block.node.start_byte)
    body = tree[block.type][position]
    for label in block.labels:
        body = next(v for k, v in body.items() if k.strip('"') == label)
    return tree[block.type], position, body


def _descend(body: Tree, steps: tuple[Step, ...]) -> tuple[Tree, tuple[Step, ...]]:
    """Follow nested blocks, as `paths.descend` does, but in the parsed values."""
    while steps and isinstance(body.get(str(steps[0])), list) and _is_blocks(body[str(steps[0])]):
        labelled = [v for b in body["dynamic"] for k, v in b.items() if (key_name(k),) == steps[1:2]] if steps[0] == "dynamic" else []
        if labelled:
            body, steps = labelled[0], steps[2:]
            continue
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
    if isinstance(edit, e.RenameReferences):
        return {k: v if k == "moved" else _renamed(v, edit) for k, v in tree.items()}
    assert block is not None
    kin, position, body = _body(tree, block)
    match edit:
        case e.RemoveResource():
            del kin[position]
            if not kin:
                del tree[block.type]
        case e.RenameBlock():
            kin[position] = _relabelled(kin[position], block, edit.to)
        case e.RemoveValue():
            holder, key = _holder(body, edit.path)
            del holder[key]
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
        case e.AddNested():
            for kind, added in parse_values(edit.source.encode(), "the new block").items():
                body.setdefault(kind, []).extend(added)
        case e.RemoveBlock():
            _expect_block_gone(body, edit.path)
    return tree


def _renamed(value: Any, edit: e.RenameReferences) -> Any:
    """References inside the expressions of a value renamed; python-hcl2 keeps expressions as `${...}` text."""
    if isinstance(value, dict):
        return {k: _renamed(v, edit) for k, v in value.items()}
    if isinstance(value, list):
        return [_renamed(v, edit) for v in value]
    if isinstance(value, str) and "${" in value:
        return re.sub(rf"(?<![\w.-]){re.escape(edit.old)}(?![\w-])", edit.new, value)
    return value


def _relabelled(wrapped: Tree, block: Block, to: str) -> Tree:
    *above, last = block.labels
    inner: Any = wrapped
    for label in above:
        inner = next(v for k, v in inner.items() if key_name(k) == label)
    old = next(k for k in inner if key_name(k) == last)
    inner[f'"{to}"' if old.startswith('"') else to] = inner.pop(old)
    return wrapped


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
    if block is not None and isinstance(edit, e.InnerEdit) and (into := _computed_part(edit)) is not None:
        before, after = _without(before, block, into), _without(after, block, into)
        if before != after:
            raise EditRejected(f"{path}: the edit changed more than asked: {edit.describe()}")
        return
    try:
        wanted = _comparable(expected(before, block, edit))
    except (KeyError, IndexError, StopIteration, ValueError, TypeError) as problem:
        raise EditRejected(f"{path}: cannot predict the effect of: {edit.describe()} ({problem!r})") from problem
    found = _comparable(after)
    if isinstance(edit, e.AddTopLevel):
        wanted, found = _unordered(wanted), _unordered(found)
    if wanted != found:
        raise EditRejected(f"{path}: the edit changed more or less than asked: {edit.describe()}")


def _computed_part(edit: e.InnerEdit) -> tuple[Step, ...] | None:
    """The path to the computed expression an edit reaches into; None when it stays among literals, which both parsers see inside."""
    steps = parse_path(edit.path)
    first = next((i for i, s in enumerate(steps) if str(s).startswith("@")), None)
    return None if first is None else steps[:first]


def _without(tree: Tree, block: Block, steps: tuple[Step, ...]) -> Any:
    tree = copy.deepcopy(tree)
    holder, key = _holder(_body(tree, block)[2], show_path(steps))
    holder[key] = None
    return _comparable(tree)


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
