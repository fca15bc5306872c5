"""Which files a configuration reads with functions and arguments, and which of them are not its own.

What a path comes to is evaluated; where that is not known before Terraform runs, the read is told as one of a file outside.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tree_sitter import Node

from iac_agent.errors import HclError
from iac_agent.guard.constructs import Folder, strings
from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.document import Document, unwrap, walk
from iac_agent.hcl.evaluate import Frame, evaluate, rounds
from iac_agent.hcl.expressions import operands
from iac_agent.hcl.scope import Scope

_FUNCTIONS = frozenset(
    str.split("file fileexists fileset filebase64 filebase64sha256 filebase64sha512 filemd5 filesha1 filesha256 filesha512 templatefile")
)
# Arguments that name a file which a provider reads, or writes, on this machine; `path` is that of another state.
_ARGUMENTS = {
    "archive_file": ("source_dir", "source_file", "output_path"),
    "local_file": ("filename", "source"),
    "local_sensitive_file": ("filename", "source"),
    "azurerm_storage_blob": ("source",),
}
# What the second argument of fileset() is called.
PATTERN = "fileset pattern"
_HERE = re.compile(r"\$\{path\.(module|root|cwd)\}")
_OVER_FILES = re.compile(r"for\s+(?:\w+\s*,\s*)?(\w+)\s+in\s+(?:toset\(|sort\()?fileset\([^()]*\)\)?\s*:", re.DOTALL)
_EXPANDED = re.compile(r'pathexpand\("([^"$]*)"\)')


@dataclass(frozen=True)
class Read:
    """A path that is read: by which function or argument, where that is written, the path as far as it is `known`, and the folder of the
    module that reads it. `listed`: what is not known of it is the name of a file that fileset() found. The pattern of fileset() is a read
    of its own, behind that of its folder.
    """

    what: str
    where: str
    path: str
    known: bool
    folder: Path
    listed: bool = False

    @property
    def told(self) -> str:
        return f'{self.what}("{self.path}")'


class Reads:
    """The reads of one configuration: of the modules whose names can be evaluated, and of the other folders that Terraform reads."""

    def __init__(self, configuration: Configuration, folders: Iterable[Folder]) -> None:
        self._configuration = configuration
        self._root = configuration.root
        self._folders = {f.directory: f for f in folders}

    def outside(self, allowed: tuple[str, ...]) -> list[Read]:
        """The reads of files that are not of the repository and not allowed, or of which that cannot be told."""
        outside = (r for r in self.every() if not r.listed and not (r.known and self._is_allowed(r, allowed)))
        return list({(r.where, r.path): r for r in outside}.values())

    def every(self) -> Iterator[Read]:
        """Every read, once for each value that its path may have."""
        for scope, folder in self._places():
            for document in (*folder.documents, *self._templates(folder)):
                for what, node in _calls(document):
                    where = f"{document.path}:{node.start_point[0] + 1}"
                    for path, known, listed in self._paths(scope, document, node):
                        read = Read(what, where, path, known, folder.directory, listed)
                        yield read
                        if what == "templatefile" and known:
                            yield from self._in_template(read)

    def _in_template(self, template: Read) -> Iterator[Read]:
        """What a template reads itself: functions work in it, but for templatefile()."""
        try:
            file = self.file(template)
            text = self._root.read(file).decode("utf-8") if file.is_file() and self._root.holds(file) else ""
        except (HclError, UnicodeDecodeError, OSError, ValueError, RuntimeError):
            return
        if "file" not in text:
            return
        shown = str(self._root.shown(file))
        document = _as_document(shown, text)
        for what, node in _calls(document):
            for path, known, listed in self._paths(None, document, node):
                yield Read(what, shown, path, known, template.folder, listed)

    def file(self, read: Read) -> Path:
        """The file that a known path names, cleaned, links not followed. Raises RuntimeError for the home of somebody unknown."""
        path = _HERE.sub(lambda m: str(read.folder if m[1] == "module" else self._root.directory), read.path)
        home = Path(path).expanduser() if path == "~" or path.startswith("~/") else Path(path)
        return Path(os.path.normpath(self._root.directory / home))

    def _places(self) -> Iterator[tuple[Scope | None, Folder]]:
        """Every folder with each scope that it is evaluated in; None for one that is called from JSON or installed."""
        scoped: set[Path] = set()
        for scope in self._configuration.scopes:
            folder = self._folders.get(scope.module.directory)
            if folder is not None:
                scoped.add(folder.directory)
                yield scope, folder
        yield from ((None, f) for d, f in self._folders.items() if d not in scoped)

    @staticmethod
    def _templates(folder: Folder) -> Iterator[Document]:
        """The texts in JSON that are templates, each as a document of its own."""
        for shown, content in folder.json_files:
            for text in strings(content):
                if "${" in text or "%{" in text:
                    yield _as_document(shown, text)
        for block in folder.constructs:
            if block.type in ("data", "resource") and block.where in {s for s, _ in folder.json_files}:
                for name in _ARGUMENTS.get(block.labels[0] if block.labels else "", ()):
                    said = block.arguments.get(name)
                    if isinstance(said, str):
                        yield _as_document(block.where, f"${{file({json.dumps(said)})}}")

    def _paths(self, scope: Scope | None, document: Document, node: Node) -> Iterator[tuple[str, bool, bool]]:
        """What the argument comes to, for each instance of a block that repeats, and True; its text and False where that is not known.

        The last says whether what is not known is the name of a file that fileset() found.
        """
        text = document.text(unwrap(node))
        if expanded := _EXPANDED.fullmatch(text):
            yield expanded[1], True, False
            return
        plain = text[1:-1] if text.startswith('"') else ""
        if plain and "\\" not in plain and "${" not in _HERE.sub("", plain) and "%{" not in plain:
            yield plain, True, False
            return
        if scope is None:
            yield text.strip('"'), False, False
            return
        for frame in self._frames(scope, document, node, text):
            value = evaluate(frame, node, ())
            if isinstance(value.data, str):
                yield value.data, True, False
            else:
                yield text.strip('"'), False, _is_listed(document, node)

    def _frames(self, scope: Scope, document: Document, node: Node, text: str) -> list[Frame]:
        frames = [scope.frame(document, "")]
        if re.search(r"\b(?:each|count)\.", text):
            held = (i for i in self._configuration.instances if i.scope is scope and i.block.document is document)
            frames = [i.frame for i in held if _contains(i.block.node, node)] or frames
        for around in _fors_around(node):
            frames = [r for f in frames for r in rounds(f, around, evaluate(f, operands(around)[0], ()))] or frames
        return frames

    def _is_allowed(self, read: Read, allowed: tuple[str, ...]) -> bool:
        path = _HERE.sub(lambda m: str(read.folder if m[1] == "module" else self._root.directory), read.path)
        if any(fnmatch.fnmatchcase(path, p) and ".." not in path for p in allowed):
            return True
        if "\0" in path or not path:
            return False
        try:
            return self._root.holds(self.file(read))
        except (OSError, ValueError, RuntimeError):  # no name that a file system takes, or links in a circle
            return False


def _as_document(shown: str, text: str) -> Document:
    """A template of a JSON file as HCL. One that is none is read as the text that it is not: its reads are then not known."""
    try:
        return Document(shown, f"x = <<TEMPLATE_OF_JSON\n{text}\nTEMPLATE_OF_JSON\n".encode())
    except HclError:
        return Document(shown, b"x = file(unknown)\n")


def _calls(document: Document) -> Iterator[tuple[str, Node]]:
    """Every call of a function that reads a file, with the arguments that say which; and every argument of a block that names one."""
    for node in _function_calls(document):
        name = document.text(node.children[0]).rsplit("::", 1)[-1].strip()
        if name in _FUNCTIONS or (name == "core" and "::" in document.text(node)):
            arguments = next((c for c in node.children if c.type == "function_arguments"), None)
            given = [c for c in arguments.children if c.type == "expression"] if arguments else []
            yield from ((name, one) for one in given[:1])
            yield from ((PATTERN, one) for one in given[1:2] if name == "fileset")
    for block in document.blocks:
        for name, attribute in block.attributes.items():
            if name in _ARGUMENTS.get(block.labels[0] if block.labels else "", ()) or (block.type == "provider" and name.endswith("_path")):
                yield name, attribute.value
        if block.labels[:1] == ("terraform_remote_state",) and "config" in block.attributes:
            yield from (("path", n) for n in _paths_in(document, block.attributes["config"].value))


def _function_calls(document: Document) -> Iterator[Node]:
    """The function calls of a document; none is looked for where its bytes cannot hold one that reads: all have `file` or `::` in them."""
    if any(part in document.raw for part in (b"file", b"::")):
        yield from (n for n in walk(document.tree.root_node) if n.type == "function_call")


def _paths_in(document: Document, config: Node) -> Iterator[Node]:
    """What the configuration of another state says of its path. One that is no plain object may say anything."""
    held = unwrap(config)
    if held.type != "object":
        yield config
    for pair in (c for c in held.children if c.type == "object_elem"):
        if "path" in document.text(pair.children[0]):
            yield pair.children[-1]


def _is_listed(document: Document, node: Node) -> bool:
    """Whether what is not known in an argument is the name of a file that fileset() found: an expression goes over just that, and the
    argument is the folder and the name.
    """
    above = node.parent
    while above is not None and above.type not in ("attribute", "body"):
        if above.type in ("for_object_expr", "for_tuple_expr"):
            intro = next(c for c in above.children if c.type == "for_intro")
            match = _OVER_FILES.fullmatch(document.text(intro))
            return match is not None and _names_only(document.text(node), match[1])
        above = above.parent
    return False


def _names_only(argument: str, variable: str) -> bool:
    return re.fullmatch(rf'{variable}|"(?:\$\{{path\.(?:module|root)\}}/)?(?:[\w-]+/)*\$\{{{variable}\}}"', argument.strip()) is not None


def _fors_around(node: Node) -> list[Node]:
    """The `for` expressions that a node stands in, the outermost first."""
    found: list[Node] = []
    above = node.parent
    while above is not None:
        if above.type == "for_expr":
            found.insert(0, above)
        above = above.parent
    return found


def _contains(outer: Node, inner: Node) -> bool:
    return bool(outer.start_byte <= inner.start_byte and inner.end_byte <= outer.end_byte)
