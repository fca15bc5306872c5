"""Every file that Terraform would read, as one kind of thing, whether it is written in HCL or in JSON, here or in a module.

The gate judges what Terraform does, so it follows Terraform's own rules for which files count, and treats what it cannot read as a finding
rather than as absent. Sources: https://developer.hashicorp.com/terraform/language/files, .../language/syntax/json
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tree_sitter import Node

from iac_agent.errors import HclError
from iac_agent.hcl.document import Block, Document, key_name, unwrap
from iac_agent.hcl.module import RootModule, called_from, is_ignored

# How many labels stand behind the type of a block; in JSON they are the keys above its body.
_LABELS = {
    "resource": 2, "data": 2, "ephemeral": 2, "action": 2, "list": 2, "module": 1, "provider": 1, "variable": 1, "output": 1, "check": 1,
    "provisioner": 1, "backend": 1, "key_provider": 2, "method": 2, "dynamic": 1,
}  # fmt: skip


class _Opaque:
    """A value that is no plain text: an expression."""

    def __repr__(self) -> str:
        return "an expression"


OPAQUE = _Opaque()
Plain = str | _Opaque


@dataclass
class Construct:
    """A block: type, labels, arguments (plain text or OPAQUE; an object as pairs), nested blocks, and where it stands."""

    type: str
    labels: tuple[str, ...]
    where: str
    arguments: dict[str, Plain | list[tuple[Plain, Any]]] = field(default_factory=dict)
    blocks: list[Construct] = field(default_factory=list)
    text: str = ""

    def walk(self) -> Iterator[Construct]:
        yield self
        for inner in self.blocks:
            yield from inner.walk()

    def objects(self) -> Iterator[tuple[str, Any]]:
        """Arguments and nested blocks of a name alike: what JSON cannot tell apart."""
        yield from self.arguments.items()
        for inner in self.blocks:
            yield inner.type, list(inner.arguments.items())


@dataclass
class Folder:
    """A directory of configuration: its constructs, its HCL documents, its JSON by file, and the files that could not be read."""

    directory: Path
    constructs: list[Construct] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    json_files: list[tuple[str, Any]] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)

    @property
    def blocks(self) -> Iterator[Construct]:
        for construct in self.constructs:
            yield from construct.walk()


def reached(root: RootModule) -> dict[Path, Folder]:
    """The root module's directory and those of the local modules that it calls, in HCL or JSON."""
    found: dict[Path, Folder] = {}
    waiting = [root.directory]
    while waiting:
        directory = waiting.pop()
        if directory in found or not directory.is_dir() or not root.may_call(directory):
            continue
        folder = found[directory] = folder_of(root, directory)
        sources = (b.arguments.get("source") for b in folder.blocks if b.type == "module")
        waiting += [c for s in sources if isinstance(s, str) and (c := called_from(directory, s))]
    return found


def folder_of(root: RootModule, directory: Path) -> Folder:
    """What Terraform would read in a directory."""
    found = Folder(directory)
    names = {p.name for p in directory.iterdir() if not p.is_dir()} | {p.name for p in root.overrides if p.parent == directory}
    for name in sorted(n for n in names if not is_ignored(n)):
        file, shown = directory / name, str(root.shown(directory / name))
        if name.endswith((".tofu", ".tofu.json")):
            found.unread.append((shown, "OpenTofu reads it, and this tool does not"))
        elif name.endswith((".tf", ".tf.json")):
            _read(found, root, file, shown)
    return found


def _read(found: Folder, root: RootModule, file: Path, shown: str) -> None:
    try:
        if file.name.endswith(".json"):
            content = json.loads(root.read(file).decode("utf-8-sig"), object_pairs_hook=_pairs)
            found.json_files.append((shown, content))
            for part in [content] if isinstance(content, _Twice) else content if isinstance(content, list) else ():
                found.constructs += _of_json(part, shown)
        else:
            document = root.document(file)
            found.documents.append(document)
            found.constructs += _of_document(document)
    except (HclError, OSError, ValueError, RecursionError) as problem:
        found.unread.append((shown, str(problem).splitlines()[0][:120]))


# --- HCL ---------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _of_document(document: Document) -> tuple[Construct, ...]:
    """A document never changes: what was not edited is read once, before the edits as after them."""
    return tuple(map(_of_hcl, document.blocks))


def _of_hcl(block: Block) -> Construct:
    document = block.document
    labels = tuple(str(_text(key_name(document.text(c)))) for c in block.node.children[1:] if c.type in ("string_lit", "identifier"))
    arguments = {n: _value(document, a.value) for n, a in block.attributes.items()}
    return Construct(block.type, labels, block.where, arguments, [_of_hcl(b) for b in block.blocks], document.text(block.node))


def _value(document: Document, node: Node) -> Plain | list[tuple[Plain, Any]]:
    inner = unwrap(node)
    if inner.type == "object":
        pairs = [c for c in inner.children if c.type == "object_elem"]
        return [(_key(document, p.children[0]), _value(document, p.children[-1])) for p in pairs]
    source = document.text(inner)
    if re.fullmatch(r"true|false|null|-?\d+(?:\.\d+)?", source):
        return source
    if inner.type in ("variable_expr", "identifier") or (inner.type == "expression" and "." in source):
        return source if "[" not in source else OPAQUE
    if not source.startswith('"') or "${" in source.replace("$${", "") or "%{" in source.replace("%%{", ""):
        return OPAQUE
    return _text(key_name(source))


def _key(document: Document, node: Node) -> Plain:
    source = document.text(unwrap(node))
    return OPAQUE if source.startswith("(") or "${" in source else _text(key_name(source))


def _text(decoded: str) -> Plain:
    """Text whose escapes were all understood."""
    return OPAQUE if "\\" in decoded else decoded


# --- JSON --------------------------------------------------------------------------------------------------------------


class _Twice(list[tuple[str, Any]]):
    """An object as pairs: Terraform takes every one of the same key, Python's dict only the last."""


def _pairs(pairs: list[tuple[str, Any]]) -> _Twice:
    return _Twice(pairs)


def _of_json(content: Any, where: str) -> Iterator[Construct]:
    for key, value in content if isinstance(content, _Twice) else ():
        for labels, body in _bodies(value, _LABELS.get(key, 0)):
            yield _construct(key, labels, body, where)


def _bodies(value: Any, depth: int) -> Iterator[tuple[tuple[str, ...], _Twice]]:
    """The bodies below so many keys, each with those keys; lists on the way are gone through."""
    if isinstance(value, list) and not isinstance(value, _Twice):
        for one in value:
            yield from _bodies(one, depth)
    elif isinstance(value, _Twice) and depth:
        for key, inner in value:
            for labels, body in _bodies(inner, depth - 1):
                yield (key, *labels), body
    elif isinstance(value, _Twice):
        yield (), value


def _construct(kind: str, labels: tuple[str, ...], body: _Twice, where: str) -> Construct:
    found = Construct(kind, labels, where, text=json.dumps(body))
    for key, value in body:
        found.arguments[key] = _plain(value)
        for inner_labels, inner in _bodies(value, _LABELS.get(key, 0)):
            found.blocks.append(_construct(key, inner_labels, inner, where))
    return found


def _plain(value: Any) -> Plain | list[tuple[Plain, Any]]:
    if isinstance(value, _Twice):
        return [(k, _plain(v)) for k, v in value]
    if not isinstance(value, str) or "${" in value or "%{" in value:
        return OPAQUE
    return value


def strings(content: Any) -> Iterator[str]:
    """Every text in a JSON file."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, _Twice):
        for _, value in content:
            yield from strings(value)
    elif isinstance(content, list):
        for value in content:
            yield from strings(value)


def as_mapping(value: Any) -> Mapping[Any, Any]:
    """An object of an argument as a mapping; keys that are expressions are one OPAQUE."""
    return dict(value) if isinstance(value, list) else {}
