"""Edits of arguments and nested blocks, as byte spans: each function takes a block and returns the new document.

Nothing here knows files or modules; `changeset` finds the block and checks the result.
"""

from __future__ import annotations

import itertools
import re

from tree_sitter import Node

from iac_agent.errors import EditRejected, HclError, UnknownAddress, ValueElsewhere
from iac_agent.hcl.address import parse_path, show_path
from iac_agent.hcl.document import Attribute, Block, Document, is_literal, walk
from iac_agent.hcl.layout import Splice, rebuild, splice
from iac_agent.hcl.paths import descend

UNIT = b"  "


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
    return b"\t" if outer.startswith(b"\t") else UNIT


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


def source(document: Document, value: str) -> bytes:
    """A new value as bytes, with the line ends of the file. Raises EditRejected when a comment stands behind it."""
    given = value.replace("\r\n", "\n")
    alone = Document("the new value", f"x = {given}\n".encode())
    if any(c.type == "comment" for top in alone.tree.root_node.children for c in (top, *top.children)):
        raise EditRejected(f"{document.path}: the new value ends in a comment: {value}")
    return given.encode().replace(b"\n", document.newline)


def require_literal(block: Block, attribute: Attribute, path: str) -> None:
    """Raise ValueElsewhere when the value is an expression rather than a literal."""
    if not is_literal(attribute.value):
        line = attribute.node.start_point[0] + 1
        where = f"{block.document.path}:{line}"
        raise ValueElsewhere(where, path, block.document.text(attribute.value), [])


# --- arguments -------------------------------------------------------------------------------------------------------


def set_attribute(block: Block, path: str, value: str, after: str = "") -> Document:
    inner, steps = descend(block, parse_path(path))
    if not steps:
        raise UnknownAddress(f"argument {path!r}", sorted(inner.attributes), inner.where)
    if len(steps) != 1 or not isinstance(steps[0], str):
        missing = show_path(steps[:-1])
        raise UnknownAddress(f"block {missing}", sorted({b.type for b in inner.blocks}), inner.where)
    name = steps[0]
    present = inner.attributes.get(name)
    if present is None:
        return insert_attribute(inner, name, value, after)
    require_literal(inner, present, path)
    document = inner.document
    return rebuild(document, [Splice(present.value.start_byte, present.value.end_byte, source(inner.document, value))])


def insert_attribute(block: Block, name: str, value: str, after: str) -> Document:
    block = _expand(block)
    document = block.document
    nl, line = document.newline, f"{name} = ".encode() + source(document, value)
    anchor = _anchor(block, after)
    if anchor is not None:
        at = content_end(document, anchor.node.end_byte)
        closing = _block_end(block).start_byte
        indent = document.indent_at(anchor.node.start_byte)
        if at > closing:
            return rebuild(document, [Splice(closing, closing, nl + indent + line + nl)])
        return rebuild(document, [Splice(at, at, nl + indent + line)])
    at = content_end(document, _block_start(block).end_byte)
    gap = nl if block.blocks else b""
    text = nl + _indent_inside(block) + line + gap
    return rebuild(document, [Splice(at, at, text)])


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
    return rebuild(document, [_line_splice(document, attribute.node)])


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


# --- names -----------------------------------------------------------------------------------------------------------


def rename_block(block: Block, to: str) -> Document:
    """Give a block its last label anew."""
    label = [c for c in block.node.children[1:] if c.type in ("string_lit", "identifier")][-1]
    return rebuild(block.document, [Splice(label.start_byte, label.end_byte, f'"{to}"'.encode())])


def rename_references(document: Document, old: str, new: str) -> Document:
    """Let references to `old` (two names joined by a dot) say `new`; `moved` blocks keep telling what was."""
    splices = []
    for block in (b for b in document.blocks if b.type != "moved"):
        for node in walk(block.node):
            parts = node.children if node.child_count > 1 else []
            for head, tail in itertools.pairwise(parts):
                if head.type == "variable_expr" and tail.type == "get_attr" and document.text(head) + document.text(tail) == old:
                    splices.append(Splice(head.start_byte, tail.end_byte, new.encode()))
    return rebuild(document, splices)


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
    inner = b"".join(indent + unit + f"{k.ljust(width)} = ".encode() + source(document, v) + nl for k, v in arguments)
    text = indent + name.encode() + (b" {" + nl + inner + indent + b"}" if arguments else b" {}")
    return _insert_block(parent, name, text)


def add_nested(block: Block, text: str) -> Document:
    """Add a nested block given as source, indented like its neighbours."""
    parent = _expand(block)
    indent, unit, nl = _indent_inside(parent), _unit(parent), parent.document.newline
    lines = []
    for line in text.strip().splitlines():
        bare = line.lstrip(" ")
        depth = (len(line) - len(bare)) // 2
        lines.append(indent + unit * depth + bare.encode() if bare else b"")
    name = text.split(None, 1)[0].strip("{")
    return _insert_block(parent, name, nl.join(lines))


def _insert_block(parent: Block, name: str, text: bytes) -> Document:
    document, nl = parent.document, parent.document.newline
    kin = [b for b in parent.blocks if b.type == name]
    before = kin or [b for b in parent.blocks if b.type not in ("lifecycle", "provisioner", "timeouts", "connection")]
    if before:
        at = content_end(document, before[-1].node.end_byte)
        return rebuild(document, [Splice(at, at, nl + nl + text)])
    anchor = _anchor(parent, "")
    start = anchor.node.end_byte if anchor else _block_start(parent).end_byte
    at = content_end(document, start)
    gap = nl + nl if anchor else nl
    following = document.data[document.line_end(at) : document.line_end(document.line_end(at))]
    tail = nl if parent.blocks and following.strip() else b""
    return rebuild(document, [Splice(at, at, gap + text + tail)])


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
    if cut.end == len(data) and not data.endswith(b"\n"):
        cut.start = len(data[: cut.start].rstrip(b"\r\n"))
    return rebuild(document, [cut])
