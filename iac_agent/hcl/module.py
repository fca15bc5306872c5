"""The root module on disk with its local child modules: which file holds which address, and where a value comes from."""

from __future__ import annotations

import difflib
import functools
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tree_sitter import Node

from iac_agent.errors import AmbiguousAddress, HclSyntaxError, NotEditable, UnknownAddress, UsageError
from iac_agent.hcl.address import Address
from iac_agent.hcl.document import Attribute, Block, Document, FileBody, is_literal, key_name, references, refers_to, unwrap

_NAMED = re.compile(r"(?P<modules>(?:module\.[\w-]+\.)*)(?P<named>(?:variable|output|local|module)\.[\w-]+|provider\.[\w-]+(?:\.[\w-]+)?)$")


@dataclass(frozen=True)
class Module:
    """One directory of configuration: the path of module calls that leads to it, and its documents."""

    path: tuple[str, ...]
    directory: Path
    documents: tuple[Document, ...]
    json_files: tuple[tuple[Path, Mapping[str, object]], ...]
    call: Block | None = None

    @functools.cached_property
    def index(self) -> dict[str, list[Block]]:
        """Blocks by their local address: `azurerm_subnet.app`, `data.x.y`, `variable.v`, `module.m`, `provider.p`, `output.o`."""
        found: dict[str, list[Block]] = {}
        for document in self.documents:
            for block in document.blocks:
                key = local_address(block)
                if key:
                    found.setdefault(key, []).append(block)
        return found

    def local_values(self, name: str) -> list[tuple[Block, Attribute]]:
        """Where a local value is defined: one place, unless files override it or the configuration is wrong."""
        blocks = [b for d in self.documents for b in d.blocks if b.type == "locals" and name in b.attributes]
        winning = [b for b in blocks if is_override(b)][-1:] or blocks
        return [(b, b.attributes[name]) for b in winning]

    @functools.cached_property
    def local_texts(self) -> dict[str, str]:
        """The source of every local value, by `local.NAME`."""
        blocks = (b for d in self.documents for b in d.blocks if b.type == "locals")
        return {f"local.{n}": b.document.text(a.value) for b in blocks for n, a in b.attributes.items()}

    def variable(self, name: str) -> Block | None:
        """The declaration of a variable, that of an override file where it gives another default; None when there is none."""
        declared = self.index.get(f"variable.{name}", [])
        overriding = [b for b in declared if is_override(b) and "default" in b.attributes]
        return next(iter([*overriding[-1:], *declared]), None)

    @property
    def prefix(self) -> str:
        return "".join(f"module.{name}." for name in self.path)


def is_override(block: Block) -> bool:
    """Whether the block stands in a file whose values win over those of the others.

    Source: https://developer.hashicorp.com/terraform/language/files/override
    """
    return Path(block.document.path).name == "override.tf" or Path(block.document.path).name.endswith("_override.tf")


def local_address(block: Block) -> str:
    """How a block is named inside its module; empty when it has no name."""
    if block.type == "resource" and len(block.labels) == 2:
        return ".".join(block.labels)
    if block.type == "data" and len(block.labels) == 2:
        return "data." + ".".join(block.labels)
    if block.type == "provider" and "alias" in block.attributes:
        alias = block.document.text(block.attributes["alias"].value).strip('"')
        return f"provider.{block.labels[0]}.{alias}"
    if block.type in ("variable", "output", "module", "provider") and len(block.labels) == 1:
        return f"{block.type}.{block.labels[0]}"
    return ""


@dataclass
class RootModule:
    """The configuration of a root module. `overrides` replaces file contents by absolute path (edits not yet written); `parsed`
    holds documents by path, so that a module read again with other overrides parses only what differs.
    """

    directory: Path
    overrides: dict[Path, bytes] = field(default_factory=dict)
    parsed: dict[Path, Document] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory = self.directory.resolve()

    def read(self, path: Path) -> bytes:
        """The bytes of a file, as edited. Raises HclSyntaxError for one that cannot be read."""
        if path in self.overrides:
            return self.overrides[path]
        try:
            return path.read_bytes()
        except OSError as problem:
            raise HclSyntaxError(self.shown(path), 1, f"it cannot be read: {problem.strerror}") from problem

    @functools.cached_property
    def repository(self) -> Path:
        """The repository that the root module is in; the root module itself where there is none."""
        return repository_of(self.directory) or self.directory

    def may_call(self, directory: Path) -> bool:
        """Whether a module there is one of our own: in the repository; where there is none, beside the root module or below that."""
        place = self.repository if (self.repository / ".git").exists() else self.directory.parent
        return directory.resolve().is_relative_to(place)

    def holds(self, path: Path) -> bool:
        """Whether a file, links followed, is inside the repository (what git keeps there is not) or one of the modules that are our own."""
        real = path.resolve()
        own = (m.directory for m in self.modules if self.may_call(m.directory))
        inside = (place for place in (self.repository, *own) if real.is_relative_to(place))
        return any(".git" not in real.relative_to(place).parts for place in inside)

    def shown(self, path: Path) -> Path:
        """The path as messages show it: relative to the root module where that is shorter."""
        try:
            return path.relative_to(self.directory)
        except ValueError:
            return Path("..") / path.relative_to(self.directory.parent) if path.is_relative_to(self.directory.parent) else path

    @functools.cached_property
    def modules(self) -> list[Module]:
        """The root module first, then every local child module it calls, depth first."""
        return list(self._walk((), self.directory, None, frozenset()))

    def _walk(self, path: tuple[str, ...], directory: Path, call: Block | None, above: frozenset[Path]) -> Iterator[Module]:
        module = self._load(path, directory, call)
        yield module
        for document in module.documents:
            for block in document.blocks:
                child = _local_source(block, directory)
                if child and child not in above and child.is_dir():
                    yield from self._walk((*path, block.labels[0]), child, block, above | {directory})

    def _load(self, path: tuple[str, ...], directory: Path, call: Block | None) -> Module:
        names = {p.name for p in directory.iterdir() if p.is_file() or p.is_symlink()}
        names |= {p.name for p in self.overrides if p.parent == directory}
        documents, json_files = [], []
        for name in sorted(n for n in names if not is_ignored(n)):
            file = directory / name
            if name.endswith(".tf"):
                documents.append(self._parse(file))
            elif name.endswith(".tf.json"):
                json_files.append((file, self._json(file)))
        return Module(path, directory, tuple(documents), tuple(json_files), call)

    def _json(self, file: Path) -> Mapping[str, object]:
        try:
            content = json.loads(self.read(file))
        except (ValueError, RecursionError) as problem:
            raise HclSyntaxError(self.shown(file), getattr(problem, "lineno", 1), f"this is not valid JSON: {problem}") from problem
        return content if isinstance(content, dict) else {}

    def _parse(self, file: Path) -> Document:
        raw = self.read(file)
        known = self.parsed.get(file)
        if known is None or known.raw != raw:
            known = self.parsed[file] = Document(self.shown(file), raw)
        return known

    def own_file(self, address: str) -> Path:
        """A file of the repository that an edit names by its path. Raises NotEditable outside of the module directories, UnknownAddress."""
        file = (self.directory / address).resolve()
        if not any(file.is_relative_to(m.directory.resolve()) for m in self.modules):
            raise NotEditable(f"{address} is outside of this root module and its modules")
        if not file.is_file() and file not in self.overrides:
            raise UnknownAddress(address, [], "the repository")
        return file

    def document(self, file: Path) -> Document:
        """Another HCL file of the repository, such as a tfvars file."""
        return self._parse(file)

    def with_edits(self, edited: dict[Path, bytes]) -> RootModule:
        """The same configuration with these files as edited."""
        return RootModule(self.directory, dict(edited), self.parsed)

    def file_of(self, document: Document) -> Path:
        return (self.directory / document.path).resolve()

    # --- locating ----------------------------------------------------------------------------------------------

    def locate(self, address: str) -> tuple[Module, Block]:
        """The block an address names. For `local.x` it is the locals block that holds x.

        Raises UnknownAddress with the nearest matches, AmbiguousAddress when two blocks share the address, NotEditable for
        `.tf.json` and for modules that are not in this repository.
        """
        if address.endswith(".tfvars"):
            return self.modules[0], self._whole_file(address)
        modules, local = self._split(address)
        module = self.module_at(modules, address)
        if local.startswith("local."):
            found = [b for b, _ in module.local_values(local[len("local.") :])]
        else:
            everywhere = module.index.get(local, [])
            found = [b for b in everywhere if not is_override(b)] or everywhere
        if len(found) > 1:
            raise AmbiguousAddress(address, [b.where for b in found])
        if found:
            return module, found[0]
        for file, content in module.json_files:
            if json_has(content, local):
                raise NotEditable(f"{address} is written in {self.shown(file)}: JSON syntax is read, not edited")
        raise UnknownAddress(address, self._nearest(address))

    def _whole_file(self, address: str) -> Block:
        return FileBody(self._parse(self.own_file(address)))

    def overriding(self, address: str) -> list[Block]:
        """The blocks in override files that change the block of this address."""
        modules, local = self._split(address)
        return [b for b in self.module_at(modules, address).index.get(local, []) if is_override(b)]

    @staticmethod
    def _split(address: str) -> tuple[tuple[str, ...], str]:
        named = _NAMED.fullmatch(address)
        if named:
            modules = tuple(part.split(".")[1] for part in re.findall(r"module\.[\w-]+\.", named["modules"]))
            return modules, named["named"]
        parsed = Address.parse(address)
        local = Address(parsed.type, parsed.name, mode=parsed.mode)
        return tuple(name for name, _ in parsed.modules), str(local)

    def module_of(self, address: str) -> Module:
        """The module that the module calls in front of an address lead to."""
        path = tuple(m[1] for m in re.finditer(r"module\.([\w-]+)\.", address))
        return self.module_at(path, address)

    def module_at(self, path: tuple[str, ...], address: str) -> Module:
        for module in self.modules:
            if module.path == path:
                return module
        for depth in range(len(path), 0, -1):
            parent = next((m for m in self.modules if m.path == path[: depth - 1]), None)
            call = parent.index.get(f"module.{path[depth - 1]}", [None])[0] if parent else None
            if call is not None:
                source = call.attributes.get("source")
                text = call.document.text(source.value) if source else "no source"
                raise NotEditable(f"{address}: {call.where} calls {text}, which is not in this repository")
        raise UnknownAddress(address, self._nearest(address))

    def addresses(self, *, managed_only: bool = False) -> list[str]:
        """Every address of the configuration, modules prefixed."""
        found = [m.prefix + local for m in self.modules for local in m.index]
        return [a for a in found if _is_resource(a)] if managed_only else found

    def _nearest(self, address: str) -> list[str]:
        known = self.addresses()
        close = difflib.get_close_matches(address, known, n=4, cutoff=0.5)
        kin = [a for a in known if a.rsplit(".", 1)[0] == address.rsplit(".", 1)[0] and a not in close]
        return (close + kin)[:5]

    # --- where a value comes from --------------------------------------------------------------------------------

    def origin(self, module: Module, block: Block, node: Node, depth: int = 0) -> list[str]:
        """The places an expression takes its value from, innermost first: variable defaults, tfvars, locals, module arguments."""
        places: list[str] = []
        if depth > 8:
            return places
        for reference in references(block.document, node):
            head, _, rest = reference.partition(".")
            name = rest.split(".")[0]
            if head == "var":
                places += self._variable_origin(module, name, depth)
            elif head == "local":
                for owner, attribute in module.local_values(name):
                    places.append(f"{owner.document.path}:{attribute.node.start_point[0] + 1} (local.{name})")
                    places += self.origin(module, owner, attribute.value, depth + 1)
            elif head in ("each", "count"):
                source = block.attributes.get("for_each") or block.attributes.get("count")
                if source:
                    places.append(f"{block.document.path}:{source.node.start_point[0] + 1} ({source.name} of this block)")
                    if not is_literal(source.value):
                        places += self.origin(module, block, source.value, depth + 1)
            else:
                places.append(reference)
        return list(dict.fromkeys(places))

    def _variable_origin(self, module: Module, name: str, depth: int) -> list[str]:
        places = []
        if module.call is not None and name in module.call.attributes:
            argument = module.call.attributes[name]
            line = argument.node.start_point[0] + 1
            places.append(f"{module.call.document.path}:{line} (argument {name} of module.{module.path[-1]})")
            parent = next(m for m in self.modules if m.path == module.path[:-1])
            places += self.origin(parent, module.call, argument.value, depth + 1)
        elif not module.path:
            places += [f"{path}:{line}" for path, line in self._tfvars(name)]
        declared = module.index.get(f"variable.{name}", [])
        if not declared:
            places.append(f"variable {name}, which is not declared")
        for block in declared:
            default = block.attributes.get("default")
            line = (default.node.start_point[0] + 1) if default else block.line
            places.append(f"{block.document.path}:{line} (variable {name}{'' if default else ', no default'})")
        return places

    def variable_files(self) -> list[Path]:
        """The tfvars files that Terraform loads by itself, in its order."""
        edited = {p for p in self.overrides if p.parent == self.directory}
        there = {*self.directory.glob("*.auto.tfvars"), *self.directory.glob("*.auto.tfvars.json")}
        last = sorted(there | {p for p in edited if p.name.endswith((".auto.tfvars", ".auto.tfvars.json"))})
        first = (self.directory / "terraform.tfvars", self.directory / "terraform.tfvars.json")
        return [f for f in (*first, *last) if f in edited or f.is_file()]

    def _tfvars(self, name: str) -> list[tuple[Path, int]]:
        """Where the tfvars files that Terraform loads by itself set a variable, in reverse load order (the last one wins)."""
        found = []
        for file in self.variable_files():
            if file.suffix == ".json":
                found += [(self.shown(file), 1)] if name in self._json(file) else []
            else:
                document = self._parse(file)
                attribute = document.attributes_of(document.body).get(name)
                if attribute:
                    found.append((self.shown(file), attribute.node.start_point[0] + 1))
        return found[::-1]

    def dangling(self, address: str) -> list[str]:
        """Where the configuration refers to a resource: `file:line`, for the report after a removal."""
        modules, local = self._split(address)
        module = self.module_at(modules, address)
        name = f"var.{local.removeprefix('variable.')}" if local.startswith("variable.") else local
        places = []
        for document in module.documents:
            for block in document.blocks:
                if local_address(block) == local:
                    continue
                lines = {node.start_point[0] + 1 for node in _expressions(block.node) if refers_to(document, node, name)}
                places += [f"{document.path}:{line}" for line in sorted(lines)]
        return places


def _expressions(node: Node) -> Iterator[Node]:
    for child in node.children:
        if child.type == "expression":
            yield child
        else:
            yield from _expressions(child)


def repository_of(directory: Path) -> Path | None:
    """The git repository that a directory is in; None where there is none."""
    return next((p for p in (directory, *directory.parents) if (p / ".git").exists()), None)


def called_from(directory: Path, source: str) -> Path | None:
    """The folder of a module in the repository, as Terraform finds it: the path is cleaned first, then links are followed.

    None for a source that is no local path, or none that a file system takes.
    """
    if not source.startswith(("./", "../")):
        return None
    try:
        return Path(os.path.normpath(directory / source)).resolve()
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, links in a circle
        return None


def is_ignored(name: str) -> bool:
    """Terraform's rule for files that it does not read: hidden ones, and those of editors."""
    return name.startswith(".") or name.endswith("~") or (name.startswith("#") and name.endswith("#"))


def _is_resource(address: str) -> bool:
    try:
        return Address.parse(address).mode == "managed" and not _NAMED.fullmatch(address)
    except UsageError:
        return False


def _local_source(block: Block, directory: Path) -> Path | None:
    """The directory a module call points to, when it is a local path."""
    if block.type != "module" or "source" not in block.attributes:
        return None
    text = key_name(block.document.text(unwrap(block.attributes["source"].value)))
    return called_from(directory, text)


def json_has(content: Mapping[str, object], local: str) -> bool:
    parts = local.split(".")
    parts = ["locals" if parts[0] == "local" else parts[0], *parts[1:]]
    parts = parts if parts[0] in ("data", "variable", "output", "module", "provider", "locals") else ["resource", *parts]
    node: object = content
    for part in parts:
        candidates = node if isinstance(node, list) else [node]
        node = next((c[part] for c in candidates if isinstance(c, Mapping) and part in c), None)
        if node is None:
            return False
    return True
