"""Which files a configuration reads with functions, and which of them are not its own."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tree_sitter import Node

from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.document import Document, walk
from iac_agent.hcl.evaluate import Frame, evaluate
from iac_agent.hcl.module import Module
from iac_agent.hcl.scope import Scope

_FUNCTIONS = frozenset(
    str.split("file fileexists fileset filebase64 filebase64sha256 filebase64sha512 filemd5 filesha1 filesha256 filesha512 templatefile")
)
# Arguments that name a file which a provider reads on this machine.
_ARGUMENTS = {
    "archive_file": ("source_dir", "source_file"),
    "local_file": ("filename", "source"),
    "local_sensitive_file": ("filename", "source"),
}
_IN_TEXT = re.compile(rf"\b({'|'.join(sorted(_FUNCTIONS, key=len, reverse=True))})\s*\(\s*\\?\"([^\"\\]+)")
_EXPANDED = re.compile(r'pathexpand\("([^"$]*)"\)')
_HERE = re.compile(r"\$\{path\.(module|root|cwd)\}")


@dataclass(frozen=True)
class Read:
    """A file that is read: by which function, where that is written, and its path as far as it is known."""

    what: str
    where: str
    path: str


class Reads:
    """The reads of one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._root = configuration.root

    def outside(self, allowed: tuple[str, ...]) -> list[Read]:
        """The reads of files that are not of the repository and not allowed, or of which that cannot be told."""
        found = {}
        for scope in self._configuration.scopes:
            for document in scope.module.documents:
                for what, node in _calls(document):
                    for path, known in self._paths(scope, document, node):
                        if not known or not self._is_allowed(path, scope.module, allowed):
                            where = f"{document.path}:{node.start_point[0] + 1}"
                            found[where, path] = Read(f'{what}("{path}")', where, path)
            for file, content in scope.module.json_files:
                for match in _IN_TEXT.finditer(json.dumps(content)):
                    if not self._is_allowed(match[2], scope.module, allowed):
                        shown = str(self._root.shown(file))
                        found[shown, match[2]] = Read(f'{match[1]}("{match[2]}")', shown, match[2])
        return list(found.values())

    def _paths(self, scope: Scope, document: Document, node: Node) -> Iterator[tuple[str, bool]]:
        """What the argument comes to, for each instance of a block that repeats; its text and False where that is not known."""
        text = document.text(node)
        if "fileset(" in text:
            return
        if expanded := _EXPANDED.fullmatch(text):
            yield expanded[1], True
            return
        frames = [scope.frame(document, "")]
        if re.search(r"\b(?:each|count)\.", text):
            frames = [i.frame for i in self._configuration.instances if i.scope is scope and _contains(i.block.node, node)] or frames
        for frame in frames:
            value = evaluate(frame, node, ())
            if isinstance(value.data, str):
                yield value.data, True
            elif not self._listed(frame, document, node):
                yield text.strip('"'), False

    def _listed(self, frame: Frame, document: Document, node: Node) -> bool:
        """Whether what is not known in an argument is the name of a file that fileset() found, going over them one by one."""
        above = node.parent
        while above is not None and above.type not in ("attribute", "body"):
            if above.type in ("for_expr", "for_object_expr", "for_tuple_expr"):
                intro = document.text(above.children[1] if above.child_count > 1 else above)
                return "fileset(" in document.text(above) or "fileset(" in intro
            above = above.parent
        return False

    def _is_allowed(self, path: str, module: Module, allowed: tuple[str, ...]) -> bool:
        path = _HERE.sub(lambda m: str(module.directory if m[1] == "module" else self._root.directory), path)
        if any(fnmatch.fnmatchcase(path, p) and ".." not in path for p in allowed):
            return True
        file = Path(path).expanduser() if path.startswith("~") else Path(path)
        return self._root.holds(file if file.is_absolute() else self._root.directory / file)


def _calls(document: Document) -> Iterator[tuple[str, Node]]:
    """Every call of a function that reads a file, with its first argument; and every argument that names one."""
    for node in walk(document.tree.root_node):
        if node.type == "function_call" and document.text(node.children[0]) in _FUNCTIONS:
            arguments = next((c for c in node.children if c.type == "function_arguments"), None)
            first = next((c for c in arguments.children if c.type == "expression"), None) if arguments else None
            if first is not None:
                yield document.text(node.children[0]), first
    for block in document.blocks:
        for name in _ARGUMENTS.get(block.labels[0] if block.labels else "", ()):
            if name in block.attributes:
                yield name, block.attributes[name].value


def _contains(outer: Node, inner: Node) -> bool:
    return bool(outer.start_byte <= inner.start_byte and inner.end_byte <= outer.end_byte)
