"""One HCL file as bytes plus its syntax tree: finds things, never changes them.

Byte offsets are into `Document.data`, which is the file without its byte order mark.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import tree_sitter
import tree_sitter_hcl
from tree_sitter import Node

from iac_agent.errors import HclSyntaxError

BOM = b"\xef\xbb\xbf"


@functools.cache
def _language() -> tree_sitter.Language:
    return tree_sitter.Language(tree_sitter_hcl.language())


def parse_tree(data: bytes) -> tree_sitter.Tree:
    """The syntax tree of HCL bytes (no byte order mark)."""
    return tree_sitter.Parser(_language()).parse(data)


def first_error(tree: tree_sitter.Tree) -> Node | None:
    """The first node that did not parse, in document order; None when the tree is sound."""
    if not tree.root_node.has_error:
        return None
    node = tree.root_node
    while True:
        bad = next((c for c in node.children if c.is_error or c.is_missing or c.has_error), None)
        if bad is None or bad.is_error or bad.is_missing:
            return bad or node
        node = bad


@dataclass(frozen=True)
class Attribute:
    """`name = expression`. `node` is the whole attribute, `value` its expression."""

    name: str
    node: Node
    value: Node


@dataclass(frozen=True)
class Block:
    """`type "label" ... { body }`, in its document."""

    document: Document
    node: Node

    @functools.cached_property
    def type(self) -> str:
        return self.document.text(self.node.children[0])

    @functools.cached_property
    def labels(self) -> tuple[str, ...]:
        parts = [c for c in self.node.children[1:] if c.type in ("string_lit", "identifier")]
        return tuple(self.document.text(c).strip('"') for c in parts)

    @functools.cached_property
    def body(self) -> Node | None:
        return next((c for c in self.node.children if c.type == "body"), None)

    @functools.cached_property
    def attributes(self) -> dict[str, Attribute]:
        return self.document.attributes_of(self.body)

    @functools.cached_property
    def blocks(self) -> list[Block]:
        return [Block(self.document, c) for c in self.body.children if c.type == "block"] if self.body else []

    def dynamic(self, name: str) -> Block | None:
        """The dynamic block that makes nested blocks of this name; None when there is none."""
        return next((b for b in self.blocks if b.type == "dynamic" and b.labels == (name,)), None)

    @property
    def line(self) -> int:
        """1-based line of the block's first character."""
        return int(self.node.start_point[0]) + 1

    @property
    def where(self) -> str:
        return f"{self.document.path}:{self.line}"


class FileBody(Block):
    """A whole file as a block without a name: what a tfvars file is to an edit."""

    type = ""
    labels = ()
    blocks: list[Block] = []

    def __init__(self, document: Document) -> None:
        super().__init__(document, document.tree.root_node)

    @property
    def body(self) -> Node | None:
        return self.document.body


class Document:
    """A parsed HCL file. Raises HclSyntaxError when it does not parse."""

    def __init__(self, path: Path | str, raw: bytes) -> None:
        self.path = path
        self.raw = raw
        self.bom = BOM if raw.startswith(BOM) else b""
        self.data = raw[len(self.bom) :]
        self.tree = parse_tree(self.data)
        bad = first_error(self.tree)
        if bad is not None:
            line = bad.start_point[0] + 1
            snippet = self.text(bad).strip().splitlines()[:1] or ["end of file"]
            raise HclSyntaxError(path, line, f"this is not valid HCL near {snippet[0][:60]!r}")

    @classmethod
    def read(cls, path: Path, *, shown_as: Path | str | None = None) -> Document:
        """Parse a file on disk; messages call it `shown_as`."""
        return cls(shown_as or path, path.read_bytes())

    @functools.cached_property
    def newline(self) -> bytes:
        """The line end this file uses most."""
        crlf = self.data.count(b"\r\n")
        return b"\r\n" if crlf * 2 > self.data.count(b"\n") else b"\n"

    def text(self, node: Node) -> str:
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")

    @functools.cached_property
    def body(self) -> Node | None:
        return next((c for c in self.tree.root_node.children if c.type == "body"), None)

    @functools.cached_property
    def blocks(self) -> list[Block]:
        """Top-level blocks in order."""
        return [Block(self, c) for c in self.body.children if c.type == "block"] if self.body else []

    def attributes_of(self, body: Node | None) -> dict[str, Attribute]:
        found: dict[str, Attribute] = {}
        for child in body.children if body else ():
            if child.type == "attribute":
                name = self.text(child.children[0])
                value = next(c for c in child.children if c.type == "expression")
                found[name] = Attribute(name, child, value)
        return found

    def line_start(self, offset: int) -> int:
        return self.data.rfind(b"\n", 0, offset) + 1

    def line_end(self, offset: int) -> int:
        """Offset just past the line break of the line that holds `offset`; the end of the file without one."""
        found = self.data.find(b"\n", offset)
        return len(self.data) if found < 0 else found + 1

    def indent_at(self, offset: int) -> bytes:
        start = self.line_start(offset)
        line = self.data[start:offset]
        return line[: len(line) - len(line.lstrip(b" \t"))]


# --- expressions ---------------------------------------------------------------------------------------------------


def unwrap(node: Node) -> Node:
    """Step through nodes that add nothing: an expression with one child, a literal_value, a collection_value."""
    while node.type in ("expression", "literal_value", "collection_value", "template_expr") and node.child_count == 1:
        node = node.children[0]
    return node


def is_literal(node: Node) -> bool:
    """True when the expression holds its own value: no references, no calls, no interpolation."""
    node = unwrap(node)
    if node.type in ("numeric_lit", "bool_lit", "null_lit", "string_lit", "heredoc_template", "quoted_template"):
        return not any(d.type in ("template_interpolation", "template_directive") for d in walk(node))
    if node.type in ("tuple", "object"):
        return all(is_literal(e) for e in node.children if e.type == "expression") and all(
            is_literal(pair.children[-1]) for pair in node.children if pair.type == "object_elem"
        )
    if node.type == "operation":
        inner = unwrap(node.children[0])
        return inner.type == "unary_operation" and is_literal(inner.children[-1])
    return False


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, in document order; deep nesting is no problem."""
    pending = [node]
    while pending:
        inner = pending.pop()
        yield inner
        pending.extend(reversed(inner.children))


def references(document: Document, node: Node) -> list[str]:
    """The dotted references in an expression, as far as they are names: `var.tags`, `azurerm_subnet.app.id`."""
    found: list[str] = []
    for inner in walk(node):
        if inner.type != "expression" or inner.child_count < 2 or inner.children[0].type != "variable_expr":
            continue
        dotted = document.text(inner.children[0])
        for part in inner.children[1:]:
            if part.type == "get_attr":
                dotted += "." + document.text(part.children[-1])
            elif part.type not in ("index", "splat", "comment"):
                break
        found.append(dotted)
    return found


def refers_to(document: Document, node: Node, name: str) -> bool:
    """Whether an expression refers to a name (`var.tags`, `module.web`) or to something inside it."""
    return any(r == name or r.startswith(name + ".") for r in references(document, node))


def literal(value: object) -> str:
    """HCL source for a Python value: str, bool, int, float, None, list or dict (nested).

    Strings are escaped so that they mean themselves: `${` and `%{` do not interpolate.
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, dict):
        return map_source({str(k): literal(v) for k, v in value.items()})
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(literal(v) for v in value) + "]"
    return json.dumps(value)


def map_source(entries: Mapping[str, str]) -> str:
    """A map on one line, its values as source."""
    inner = ", ".join(f"{map_key(k)} = {source}" for k, source in entries.items())
    return f"{{ {inner} }}" if inner else "{}"


_KEYWORDS = ("for", "if")


def map_key(key: str) -> str:
    """A map key as HCL writes it: bare when it is an identifier, else quoted."""
    bare = key.replace("-", "_").replace("_", "a")
    is_name = bare.isascii() and bare.isalnum() and not key[0].isdigit() and key[0] != "-" and key not in _KEYWORDS
    return key if is_name else literal(key)


def key_name(source: str) -> str:
    """The key that HCL source stands for: the reverse of map_key."""
    if not (len(source) > 1 and source.startswith('"') and source.endswith('"')):
        return source
    text = source[1:-1]
    if "\\" in text:
        with contextlib.suppress(ValueError):
            text = str(json.loads(source))
    return text.replace("$${", "${").replace("%%{", "%{")
