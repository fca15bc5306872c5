"""Edits of literal lists and maps, as byte spans: each function takes a block and returns the new document."""

from __future__ import annotations

import re

from tree_sitter import Node

from iac_agent.errors import EditRejected, UnknownAddress, ValueElsewhere
from iac_agent.hcl.address import Step, parse_path, show_path
from iac_agent.hcl.document import Block, Document, is_literal, key_name, map_key, unwrap, walk
from iac_agent.hcl.expressions import items, step_into
from iac_agent.hcl.layout import Splice, rebuild
from iac_agent.hcl.paths import descend
from iac_agent.hcl.surgery import UNIT, content_end, insert_attribute, set_attribute, source


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
    found = step_into(document, node, step)
    if found is None:
        raise UnknownAddress(path, [], block.where)
    return found


def set_value(block: Block, path: str, value: str, after: str, replacing: str) -> Document:
    """Set what `path` names: an argument, or a value deeper inside the literals and calls of one."""
    inner, steps = descend(block, parse_path(path))
    name = steps[0] if steps else None
    present = inner.attributes.get(name) if isinstance(name, str) else None
    if present is None or (len(steps) == 1 and not replacing):
        return set_attribute(block, path, value, after)
    document, node = inner.document, present.value
    for step in steps[1:]:
        node = _element(document, node, step, path, inner)
    text = document.text(node)
    if text != replacing and not (is_literal(node) and not replacing):
        raise ValueElsewhere(f"{document.path}:{node.start_point[0] + 1}", path, text, [])
    return rebuild(document, [Splice(node.start_byte, node.end_byte, source(document, value))])


def _key_text(document: Document, pair: Node) -> str:
    return key_name(document.text(pair.children[0]))


def _pair(document: Document, node: Node, key: str) -> Node | None:
    return next((c for c in node.children if c.type == "object_elem" and _key_text(document, c) == key), None)


def append_item(block: Block, path: str, value: str) -> Document:
    document, node = _collection(block, path, "tuple")
    return _append(document, node, items(node), source(document, value))


def put_key(block: Block, path: str, key: str, value: str) -> Document:
    inner, steps = descend(block, parse_path(path))
    if len(steps) == 1 and isinstance(steps[0], str) and steps[0] not in inner.attributes:
        return insert_attribute(inner, steps[0], f"{{ {map_key(key)} = {value} }}", "")
    document, node = _collection(block, path, "object")
    pair = _pair(document, node, key)
    if pair is not None:
        old = pair.children[-1]
        if not is_literal(old):
            where = f"{document.path}:{old.start_point[0] + 1}"
            raise ValueElsewhere(where, f"{path}.{key}", document.text(old), [])
        return rebuild(document, [Splice(old.start_byte, old.end_byte, source(document, value))])
    pairs = [c for c in node.children if c.type == "object_elem"]
    written = map_key(key)
    separator = " = "
    if pairs:
        if any(document.text(p.children[0]).startswith('"') for p in pairs) and not written.startswith('"'):
            written = f'"{written}"'
        if any(c.type == ":" for c in pairs[-1].children):
            separator = " : " if b" :" in document.data[pairs[-1].start_byte : pairs[-1].end_byte] else ": "
    return _append(document, node, pairs, f"{written}{separator}".encode() + source(document, value))


def _append(document: Document, node: Node, held: list[Node], text: bytes) -> Document:
    """Add an element at the end of a tuple or object, in the style of the elements that are there."""
    closing = node.children[-1]
    inside = document.data[node.children[0].end_byte : closing.start_byte]
    pad = b" " if node.type == "object" else b""
    if not held and not inside.strip():
        return rebuild(document, [Splice(node.start_byte + 1, node.end_byte - 1, pad + text + pad)])
    nl = document.newline
    if not held:
        indent = document.indent_at(node.start_byte)
        at = closing.start_byte - len(inside) + len(inside.rstrip())
        return rebuild(document, [Splice(at, closing.start_byte, nl + indent + UNIT + text + nl + indent)])
    last = held[-1]
    commas = [c for c in node.children if c.type == "," and c.start_byte >= last.end_byte]
    multi_line = b"\n" in document.data[last.end_byte : closing.start_byte]
    if not multi_line:
        at = commas[0].end_byte if commas else last.end_byte
        return rebuild(document, [Splice(at, at, (b" " if commas else b", ") + text)])
    indent = document.indent_at(last.start_byte)
    if document.data[document.line_start(last.start_byte) : last.start_byte].strip():
        indent = document.indent_at(node.start_byte) + UNIT
    if not commas and node.type == "tuple" and _ends_in_heredoc(last):
        return rebuild(document, [Splice(last.end_byte, last.end_byte, nl + indent + b", " + text)])
    needs_comma = not commas and (node.type == "tuple" or any(c.type == "," for c in node.children))
    splices = [Splice(last.end_byte, last.end_byte, b",")] if needs_comma else []
    at = content_end(document, commas[0].end_byte if commas else last.end_byte)
    splices.append(Splice(at, at, nl + indent + text + (b"," if commas else b"")))
    return rebuild(document, splices)


def remove_value(block: Block, path: str) -> Document:
    """Remove one element of a list, by its index."""
    *above, index = parse_path(path)
    document, node = _collection(block, show_path(tuple(above)), "tuple")
    listed = items(node)
    if not isinstance(index, int) or index >= len(listed):
        raise UnknownAddress(path, [f"[{i}]" for i in range(len(listed))], block.where)
    return _cut(document, node, listed, listed[index])


def remove_item(block: Block, path: str, value: str) -> Document:
    document, node = _collection(block, path, "tuple")
    listed = items(node)
    target = next((i for i in listed if document.text(i) == value), None)
    if target is None:
        raise UnknownAddress(f"{value} in {path}", [document.text(i) for i in listed], str(document.path))
    return _cut(document, node, listed, target)


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
    if pair is None:
        keys = [_key_text(document, c) for c in node.children if c.type == "object_elem"]
        raise UnknownAddress(f"{path}.{key}", keys, str(document.path))
    if _pair(document, node, to) is not None:
        raise EditRejected(f"{document.path}:{pair.start_point[0] + 1}: {path} has a key {to} already")
    old = pair.children[0]
    quoted = document.text(old).startswith('"')
    new = map_key(to)
    new = f'"{new}"' if quoted and not new.startswith('"') else new
    return rebuild(document, [Splice(old.start_byte, old.end_byte, new.encode())])


def _cut(document: Document, node: Node, held: list[Node], target: Node) -> Document:
    """Remove one element with its comma; a line of its own goes with it."""
    comma = next((c for c in node.children if c.type == "," and c.start_byte >= target.end_byte), None)
    following = next((i for i in held if i.start_byte > target.start_byte), None)
    if comma is not None and following is not None and comma.start_byte > following.start_byte:
        comma = None
    end = comma.end_byte if comma else target.end_byte
    line_start, line_end = document.line_start(target.start_byte), content_end(document, end)
    behind = document.data[end:line_end].strip()
    own_line = not document.data[line_start : target.start_byte].strip()
    if own_line and (not behind or re.match(rb"#|//|/\*", behind)):
        return rebuild(document, [Splice(line_start, document.line_end(line_end), b"")])
    if len(held) == 1 and not document.data[end : node.end_byte - 1].strip():
        return rebuild(document, [Splice(node.start_byte + 1, node.end_byte - 1, b"")])
    return rebuild(document, [_span(document, held, target, end)])


def _span(document: Document, held: list[Node], target: Node, end: int) -> Splice:
    """What goes with an element that shares its line: the space up to the next or from the last one, but no comment, no line end."""
    data, position = document.data, held.index(target)
    if position + 1 < len(held) and not data[end : held[position + 1].start_byte].strip(b" \t"):
        return Splice(target.start_byte, held[position + 1].start_byte, b"")
    if position and not data[held[position - 1].end_byte : target.start_byte].strip(b" \t,"):
        return Splice(held[position - 1].end_byte, target.end_byte, b"")
    start = target.start_byte
    while data[start - 1 : start] in (b" ", b"\t"):
        start -= 1
    return Splice(start, end, b"")


def _ends_in_heredoc(item: Node) -> bool:
    return any(n.type == "heredoc_template" and n.end_byte == item.end_byte for n in walk(item))
