"""Edits inside one block, as byte spans: each function takes a block and returns the new document.

Nothing here knows files or modules; `changeset` finds the block and checks the result.
"""

from __future__ import annotations

import re

from tree_sitter import Node

from iac_agent.errors import AmbiguousAddress, HclError, NotEditable, UnknownAddress, ValueElsewhere
from iac_agent.hcl.address import Step, parse_path, show_path
from iac_agent.hcl.document import Attribute, Block, Document, is_literal, map_key, unwrap
from iac_agent.hcl.layout import Splice, splice, tidy

_UNIT = b"  "


def descend(block: Block, steps: tuple[Step, ...]) -> tuple[Block, tuple[Step, ...]]:
    """Follow nested blocks as far as `steps` name them; returns the innermost block and the steps that are left.

    Raises AmbiguousAddress when a step names several blocks and gives no index, NotEditable for dynamic blocks.
    """
    while steps and isinstance(steps[0], str):
        name = steps[0]
        kin = [b for b in block.blocks if b.type == name]
        index = steps[1] if len(steps) > 1 and isinstance(steps[1], int) else None
        if not kin:
            dynamic = next((b for b in block.blocks if b.type == "dynamic" and b.labels == (name,)), None)
            if dynamic is not None:
                raise NotEditable(f"{dynamic.where}: {name} is written by a dynamic block", hint="Change its for_each.")
            return block, steps
        if name in block.attributes:
            return block, steps
        if index is None and len(kin) > 1:
            raise AmbiguousAddress(show_path(steps), [f"{name}[{i}] at {b.where}" for i, b in enumerate(kin)])
        if (index or 0) >= len(kin):
            raise UnknownAddress(f"{name}[{index}]", [f"{name}[{i}]" for i in range(len(kin))], block.where)
        block, steps = kin[index or 0], steps[1:] if index is None else steps[2:]
    return block, steps


def _rebuild(document: Document, splices: list[Splice], row: int, new_row: int | None = None) -> Document:
    changed = Document(document.path, document.bom + splice(document.data, splices))
    return tidy(document, row, changed, row if new_row is None else new_row)


def _row(document: Document, offset: int) -> int:
    return document.data.count(b"\n", 0, offset)


def _block_start(block: Block) -> Node:
    return next(c for c in block.node.children if c.type == "block_start")


def _block_end(block: Block) -> Node:
    return next(c for c in block.node.children if c.type == "block_end")


def _is_one_line(block: Block) -> bool:
    return b"\n" not in block.document.data[_block_start(block).start_byte : _block_end(block).end_byte]


def _unit(block: Block) -> bytes:
    """The indentation step of the file: what a child of this block, or of its first sibling, adds."""
    document = block.document
    outer = document.indent_at(block.node.start_byte)
    candidates = [block, *document.blocks]
    for other in candidates:
        if other.body is None or _is_one_line(other):
            continue
        inner = document.indent_at(other.body.children[0].start_byte)
        base = document.indent_at(other.node.start_byte)
        if inner.startswith(base) and len(inner) > len(base):
            return inner[len(base) :]
    return b"\t" if outer.startswith(b"\t") else _UNIT


def _indent_inside(block: Block) -> bytes:
    document = block.document
    if block.body is not None and not _is_one_line(block):
        return document.indent_at(block.body.children[0].start_byte)
    return document.indent_at(block.node.start_byte) + _unit(block)


def content_end(document: Document, offset: int) -> int:
    """Where the line of `offset` ends, before its line break, behind a comment that starts on it (even a long one)."""
    end = document.data.find(b"\n", offset)
    end = len(document.data) if end < 0 else end
    opened = document.data.find(b"/*", offset, end)
    if opened >= 0 and not document.data[offset:opened].strip():
        closed = document.data.find(b"*/", opened + 2)
        if closed >= end:
            return content_end(document, closed + 2)
    return end - 1 if end > offset and document.data[end - 1 : end] == b"\r" else end


def _expand(block: Block) -> Block:
    """The same block with its body on lines of its own, when it was written on one line."""
    if not _is_one_line(block):
        return block
    document = block.document
    start, end = _block_start(block), _block_end(block)
    nl, outer = document.newline, document.indent_at(block.node.start_byte)
    inner = document.data[start.end_byte : end.start_byte].strip()
    body = nl + outer + _unit(block) + inner if inner else b""
    changed = splice(document.data, [Splice(start.end_byte, end.start_byte, body + nl + outer)])
    return _same_block(Document(document.path, document.bom + changed), block)


def _same_block(document: Document, block: Block) -> Block:
    """The block that starts where `block` starts, in another version of its document."""
    pending = list(document.blocks)
    while pending:
        candidate = pending.pop()
        if candidate.node.start_byte == block.node.start_byte:
            return candidate
        if candidate.node.start_byte < block.node.start_byte < candidate.node.end_byte:
            pending.extend(candidate.blocks)
    raise HclError(f"{block.where}: lost the block while editing")


def require_literal(block: Block, attribute: Attribute, path: str) -> None:
    """Raise ValueElsewhere when the value is an expression rather than a literal."""
    if not is_literal(attribute.value):
        line = attribute.node.start_point[0] + 1
        where = f"{block.document.path}:{line}"
        raise ValueElsewhere(where, path, block.document.text(attribute.value), [])


# --- arguments -------------------------------------------------------------------------------------------------------


def set_attribute(block: Block, path: str, value: str, after: str = "") -> Document:
    inner, steps = descend(block, parse_path(path))
    if len(steps) != 1 or not isinstance(steps[0], str):
        missing = show_path(steps[:-1])
        raise UnknownAddress(f"block {missing}", sorted({b.type for b in inner.blocks}), inner.where)
    name = steps[0]
    present = inner.attributes.get(name)
    if present is None:
        return _insert_attribute(inner, name, value, after)
    require_literal(inner, present, path)
    document = inner.document
    row = _row(document, present.value.start_byte)
    return _rebuild(document, [Splice(present.value.start_byte, present.value.end_byte, value.encode())], row)


def _insert_attribute(block: Block, name: str, value: str, after: str) -> Document:
    block = _expand(block)
    document = block.document
    nl, line = document.newline, f"{name} = {value}".encode()
    anchor = _anchor(block, after)
    if anchor is not None:
        at = content_end(document, anchor.node.end_byte)
        closing = _block_end(block).start_byte
        indent = document.indent_at(anchor.node.start_byte)
        if at > closing:
            return _rebuild(document, [Splice(closing, closing, nl + indent + line + nl)], _row(document, closing))
        row = _row(document, anchor.node.start_byte)
        inserted = _row(document, at) + 1
        return _rebuild(document, [Splice(at, at, nl + indent + line)], row, inserted)
    at = content_end(document, _block_start(block).end_byte)
    gap = nl if block.blocks else b""
    text = nl + _indent_inside(block) + line + gap
    return _rebuild(document, [Splice(at, at, text)], _row(document, at))


def _anchor(block: Block, after: str) -> Attribute | None:
    """The argument to insert behind: the named one, else the last before the first nested block, else the last."""
    if after in block.attributes:
        return block.attributes[after]
    ordered = sorted(block.attributes.values(), key=lambda a: a.node.start_byte)
    first_block = min((b.node.start_byte for b in block.blocks), default=None)
    leading = [a for a in ordered if first_block is None or a.node.start_byte < first_block]
    meta = ("provider", "depends_on", "count", "for_each")
    plain = [a for a in leading if a.name not in meta] or leading
    return plain[-1] if plain else None


def remove_attribute(block: Block, path: str) -> Document:
    inner, steps = descend(block, parse_path(path))
    name = steps[0] if len(steps) == 1 else None
    if not isinstance(name, str) or name not in inner.attributes:
        raise UnknownAddress(path, sorted(inner.attributes), inner.where)
    document, attribute = inner.document, inner.attributes[name]
    row = _row(document, attribute.node.start_byte)
    return _rebuild(document, [_line_splice(document, attribute.node)], row)


def _line_splice(document: Document, node: Node) -> Splice:
    """The span of a node with its whole lines and trailing comment, when nothing else stands on them; else just the node."""
    start, end = document.line_start(node.start_byte), content_end(document, node.end_byte)
    before, behind = document.data[start : node.start_byte], document.data[node.end_byte : end].strip()
    if before.strip() or (behind and not re.match(rb"#|//|/\*", behind)):
        data, left, right = document.data, node.start_byte, node.end_byte
        while data[left - 1 : left] in (b" ", b"\t"):
            left -= 1
        while data[right : right + 1] in (b" ", b"\t"):
            right += 1
        one_line = data[left - 1 : left] == b"{" and data[right : right + 1] == b"}"
        return Splice(left if one_line else node.start_byte, right if one_line else node.end_byte, b"")
    return Splice(start, document.line_end(end), b"")


# --- nested blocks ---------------------------------------------------------------------------------------------------


def add_block(block: Block, path: str, arguments: tuple[tuple[str, str], ...]) -> Document:
    steps = parse_path(path)
    parent, left = descend(block, steps[:-1])
    if left or not isinstance(steps[-1], str):
        raise UnknownAddress(f"block {show_path(left)}", sorted({b.type for b in parent.blocks}), parent.where)
    name = steps[-1]
    parent = _expand(parent)
    document, nl = parent.document, parent.document.newline
    indent, unit = _indent_inside(parent), _unit(parent)
    width = max((len(k) for k, _ in arguments), default=0)
    inner = b"".join(indent + unit + f"{k.ljust(width)} = {v}".encode() + nl for k, v in arguments)
    text = indent + name.encode() + (b" {" + nl + inner + indent + b"}" if arguments else b" {}")
    kin = [b for b in parent.blocks if b.type == name]
    before = kin or [b for b in parent.blocks if b.type not in ("lifecycle", "provisioner", "timeouts", "connection")]
    if before:
        at = content_end(document, before[-1].node.end_byte)
        return _rebuild(document, [Splice(at, at, nl + nl + text)], _row(document, at))
    anchor = _anchor(parent, "")
    start = anchor.node.end_byte if anchor else _block_start(parent).end_byte
    at = content_end(document, start)
    gap = nl + nl if anchor else nl
    following = document.data[document.line_end(at) : document.line_end(document.line_end(at))]
    tail = nl if parent.blocks and following.strip() else b""
    return _rebuild(document, [Splice(at, at, gap + text + tail)], _row(document, at))


def remove_block(block: Block, path: str) -> Document:
    inner, left = descend(block, parse_path(path))
    if left or inner is block:
        raise UnknownAddress(f"block {path}", sorted({b.type for b in inner.blocks}), inner.where)
    return remove_node(inner.document, inner.node)


def remove_node(document: Document, node: Node) -> Document:
    """Remove a block and one of the blank lines around it, so that no gap is left."""
    cut = _line_splice(document, node)
    data = document.data
    previous = data[: cut.start].rsplit(b"\n", 2)
    blank_before = len(previous) == 3 and not previous[1].strip() and not previous[2]
    following = data[cut.end : document.line_end(cut.end)]
    closes = following.strip().startswith(b"}") or not following
    blank_after = bool(following) and not following.strip()
    if blank_before and (closes or blank_after):
        cut.start = data.rfind(b"\n", 0, cut.start - 1) + 1
    elif blank_after and cut.start == 0:
        cut.end = document.line_end(cut.end)
    return _rebuild(document, [cut], _row(document, cut.start))


# --- lists and maps --------------------------------------------------------------------------------------------------


def _collection(block: Block, path: str, kind: str) -> tuple[Document, Node]:
    """The literal `tuple` or `object` node at `path`. Raises ValueElsewhere when it is computed, UnknownAddress when absent."""
    inner, steps = descend(block, parse_path(path))
    name = steps[0] if steps else None
    if not isinstance(name, str) or name not in inner.attributes:
        raise UnknownAddress(path, sorted(inner.attributes), inner.where)
    attribute, document = inner.attributes[name], inner.document
    node = unwrap(attribute.value)
    for step in steps[1:]:
        node = unwrap(_element(document, node, step, path, inner))
    if node.type != kind:
        line = attribute.node.start_point[0] + 1
        raise ValueElsewhere(f"{document.path}:{line}", path, document.text(attribute.value), [])
    return document, node


def _element(document: Document, node: Node, step: Step, path: str, block: Block) -> Node:
    if node.type == "tuple" and isinstance(step, int):
        items = [c for c in node.children if c.type == "expression"]
        if step < len(items):
            return items[step]
    if node.type == "object":
        pair = _pair(document, node, str(step))
        if pair is not None:
            return pair.children[-1]
    raise UnknownAddress(path, [], block.where)


def _key_text(document: Document, pair: Node) -> str:
    key = document.text(pair.children[0])
    return key[1:-1] if key.startswith('"') and key.endswith('"') else key


def _pair(document: Document, node: Node, key: str) -> Node | None:
    return next((c for c in node.children if c.type == "object_elem" and _key_text(document, c) == key), None)


def append_item(block: Block, path: str, value: str) -> Document:
    document, node = _collection(block, path, "tuple")
    return _append(document, node, [c for c in node.children if c.type == "expression"], value.encode())


def put_key(block: Block, path: str, key: str, value: str) -> Document:
    inner, steps = descend(block, parse_path(path))
    if len(steps) == 1 and isinstance(steps[0], str) and steps[0] not in inner.attributes:
        return _insert_attribute(inner, steps[0], f"{{ {map_key(key)} = {value} }}", "")
    document, node = _collection(block, path, "object")
    pair = _pair(document, node, key)
    if pair is not None:
        old = pair.children[-1]
        if not is_literal(old):
            where = f"{document.path}:{old.start_point[0] + 1}"
            raise ValueElsewhere(where, f"{path}.{key}", document.text(old), [])
        row = _row(document, old.start_byte)
        return _rebuild(document, [Splice(old.start_byte, old.end_byte, value.encode())], row)
    pairs = [c for c in node.children if c.type == "object_elem"]
    written = map_key(key)
    separator = " = "
    if pairs:
        if any(document.text(p.children[0]).startswith('"') for p in pairs) and not written.startswith('"'):
            written = f'"{written}"'
        if any(c.type == ":" for c in pairs[-1].children):
            separator = " : " if b" :" in document.data[pairs[-1].start_byte : pairs[-1].end_byte] else ": "
    return _append(document, node, pairs, f"{written}{separator}{value}".encode())


def _append(document: Document, node: Node, items: list[Node], text: bytes) -> Document:
    """Add an element at the end of a tuple or object, in the style of the elements that are there."""
    closing = node.children[-1]
    inside = document.data[node.children[0].end_byte : closing.start_byte]
    pad = b" " if node.type == "object" else b""
    if not items and not inside.strip():
        return _rebuild(
            document,
            [Splice(node.start_byte + 1, node.end_byte - 1, pad + text + pad)],
            _row(document, node.start_byte),
        )
    nl = document.newline
    if not items:
        indent = document.indent_at(node.start_byte)
        at = content_end(document, document.data.rindex(inside.strip()[-1:], node.start_byte, closing.start_byte) + 1)
        splices = [Splice(at, closing.start_byte, nl + indent + _UNIT + text + nl + indent)]
        return _rebuild(document, splices, _row(document, at))
    last = items[-1]
    commas = [c for c in node.children if c.type == "," and c.start_byte >= last.end_byte]
    multi_line = b"\n" in document.data[last.end_byte : closing.start_byte]
    if not multi_line:
        at = commas[0].end_byte if commas else last.end_byte
        return _rebuild(document, [Splice(at, at, (b" " if commas else b", ") + text)], _row(document, at))
    indent = document.indent_at(last.start_byte)
    if document.data[document.line_start(last.start_byte) : last.start_byte].strip():
        indent = document.indent_at(node.start_byte) + _UNIT
    needs_comma = not commas and (node.type == "tuple" or any(c.type == "," for c in node.children))
    splices = [Splice(last.end_byte, last.end_byte, b",")] if needs_comma else []
    at = content_end(document, commas[0].end_byte if commas else last.end_byte)
    splices.append(Splice(at, at, nl + indent + text + (b"," if commas else b"")))
    return _rebuild(document, splices, _row(document, last.start_byte), _row(document, at) + 1)


def remove_item(block: Block, path: str, value: str) -> Document:
    document, node = _collection(block, path, "tuple")
    items = [c for c in node.children if c.type == "expression"]
    target = next((i for i in items if document.text(i) == value), None)
    if target is None:
        raise UnknownAddress(f"{value} in {path}", [document.text(i) for i in items], str(document.path))
    return _cut(document, node, items, target)


def drop_key(block: Block, path: str, key: str) -> Document:
    document, node = _collection(block, path, "object")
    pairs = [c for c in node.children if c.type == "object_elem"]
    target = _pair(document, node, key)
    if target is None:
        raise UnknownAddress(f"{path}.{key}", [_key_text(document, p) for p in pairs], str(document.path))
    return _cut(document, node, pairs, target)


def rename_key(block: Block, path: str, key: str, to: str) -> Document:
    document, node = _collection(block, path, "object")
    pair = _pair(document, node, key)
    if pair is None or _pair(document, node, to) is not None:
        keys = [_key_text(document, c) for c in node.children if c.type == "object_elem"]
        problem = f"{path}.{key}" if pair is None else f"free key {to}"
        raise UnknownAddress(problem, keys, str(document.path))
    old = pair.children[0]
    quoted = document.text(old).startswith('"')
    new = map_key(to)
    new = f'"{new}"' if quoted and not new.startswith('"') else new
    return _rebuild(document, [Splice(old.start_byte, old.end_byte, new.encode())], _row(document, old.start_byte))


def _cut(document: Document, node: Node, items: list[Node], target: Node) -> Document:
    """Remove one element with its comma; a line of its own goes with it."""
    row = _row(document, target.start_byte)
    comma = next((c for c in node.children if c.type == "," and c.start_byte >= target.end_byte), None)
    following = next((i for i in items if i.start_byte > target.start_byte), None)
    if comma is not None and following is not None and comma.start_byte > following.start_byte:
        comma = None
    end = comma.end_byte if comma else target.end_byte
    line_start, line_end = document.line_start(target.start_byte), content_end(document, end)
    behind = document.data[end:line_end].strip()
    own_line = not document.data[line_start : target.start_byte].strip()
    if own_line and (not behind or re.match(rb"#|//|/\*", behind)):
        return _rebuild(document, [Splice(line_start, document.line_end(line_end), b"")], row)
    if following is not None:
        return _rebuild(document, [Splice(target.start_byte, following.start_byte, b"")], row)
    position = items.index(target)
    if position:
        return _rebuild(document, [Splice(items[position - 1].end_byte, target.end_byte, b"")], row)
    return _rebuild(document, [Splice(node.start_byte + 1, end, b"")], row)
