"""All instances of a root module, and what files, flags and the environment say about its variables."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iac_agent.errors import HclError
from iac_agent.hcl import datafile
from iac_agent.hcl.document import Document
from iac_agent.hcl.evaluate import Frame, evaluate
from iac_agent.hcl.module import RootModule
from iac_agent.hcl.scope import Index, Instance, Scope
from iac_agent.hcl.value import Place, Value, lift, unknown


@dataclass(frozen=True)
class Given:
    """Values of root variables from outside the files: `-var` pairs, `-var-file` paths in order, TF_VAR_ and the workspace."""

    pairs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workspace: str = "default"


class Configuration:
    """All instances of a root module. `state` holds the values Terraform last saw, by instance address."""

    def __init__(self, root: RootModule, given: Given | None = None, state: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.root, self.given, self.state = root, given or Given(), state or {}
        self.unexpanded: list[str] = []
        self._held: dict[tuple[int, str], list[Instance]] = {}
        self._indexed: dict[tuple[int, str], dict[str, Instance]] = {}

    @functools.cached_property
    def scopes(self) -> list[Scope]:
        """The root module first, then every instance of every local module."""
        first = Scope(self, self.root.modules[0], (), None, None)
        self.__dict__["scopes"] = found = [first]
        self._descend(first, found)
        return found

    def _descend(self, scope: Scope, found: list[Scope]) -> None:
        for module in self.root.modules:
            if module.path[:-1] != scope.module.path or not module.path or module.call is None:
                continue
            address = f"module.{module.path[-1]}"
            repeats = scope.repeats(module.call, address)
            if repeats is None:
                self.unexpanded.append(scope.prefix + address)
                repeats = [(None, {})]
            for index, bound in repeats:
                frame = scope.frame(module.call.document, address, **bound)
                child = Scope(self, module, (*scope.keys, index), scope, frame)
                found.append(child)
                self._descend(child, found)

    @functools.cached_property
    def instances(self) -> list[Instance]:
        """Every managed resource instance."""
        return [
            i
            for s in self.scopes
            for local, blocks in s.module.index.items()
            if blocks[0].type == "resource"
            for i in self.instances_of(s, local)
        ]

    def by_index(self, scope: Scope, local: str) -> dict[str, Instance]:
        """The instances of a resource by their keys as text."""
        held = (id(scope), local)
        if not self._indexed.get(held):
            self._indexed[held] = {str(i.index): i for i in self.instances_of(scope, local)}
        return self._indexed[held]

    def instances_of(self, scope: Scope, local: str) -> list[Instance]:
        held = (id(scope), local)
        if held not in self._held:
            self._held[held] = []
            self._held[held] = list(self._expand(scope, local))
        return self._held[held]

    def _expand(self, scope: Scope, local: str) -> Iterator[Instance]:
        block = next(iter(scope.module.index.get(local, [])), None)
        if block is None or block.type != "resource":
            return
        repeats = scope.repeats(block, local)
        if repeats is None:
            self.unexpanded.append(scope.prefix + local)
            repeats = [(index, {}) for index in self._state_keys(scope.prefix + local)]
        for index, bound in repeats:
            yield Instance(scope, block, index, scope.frame(block.document, local, **bound))

    def _state_keys(self, address: str) -> list[Index]:
        keys: list[Index] = []
        for held in self.state:
            if held.startswith(f"{address}["):
                inner = held[len(address) + 1 : -1]
                keys.append(inner.strip('"') if inner.startswith('"') else int(inner))
        return keys or [None]

    # --- root variables ----------------------------------------------------------------------------------------------

    def root_value(self, name: str) -> Value | None:
        """What files, flags and the environment say; the last one in Terraform's order."""
        found: Value | None = None
        if (text := self.given.environment.get(f"TF_VAR_{name}")) is not None:
            found = _outside(text, f"TF_VAR_{name}")
        for file in self._files:
            found = self._file_value(file, name) or found
        for pair in self.given.pairs:
            key, _, text = pair.partition("=")
            if key == name:
                found = _outside(text, f"-var {name}")
        return found

    @functools.cached_property
    def _files(self) -> tuple[Path, ...]:
        return (*self.root.variable_files(), *map(Path, self.given.files))

    def _file_value(self, file: Path, name: str) -> Value | None:
        shown = str(self.root.shown(file))
        if file.suffix == ".json":
            whole = self._json(file, shown)
            return whole.data.get(name) if isinstance(whole.data, dict) else None
        document = self.root.document(file)
        attribute = document.attributes_of(document.body).get(name)
        if attribute is None:
            return None
        frame = Frame(self.scopes[0], document, shown, {})
        return evaluate(frame, attribute.value, (name,))

    def _json(self, file: Path, shown: str) -> Value:
        return datafile.read(shown, self.root.read(file), shown)


def _outside(text: str, what: str) -> Value:
    """A value from the environment or the command line: a literal in HCL where it parses as one, else the text itself."""
    place = Place(what, 0, "", "", -2)
    data: Any = text
    if text.lstrip()[:1] in ("{", "["):
        try:
            document = Document(what, f"x = {text}\n".encode())
        except HclError:
            return Value(text, (place,), "", frozenset([place.key]))
        inner = evaluate(Frame(_Nothing(), document, "", {}), document.attributes_of(document.body)["x"].value, ())
        return Value(lift(inner.plain(), "given from outside").data, (place,), "", frozenset([place.key]))
    if text in ("true", "false"):
        data = text == "true"
    else:
        try:
            number = float(text)
            data = int(number) if number.is_integer() else number
        except ValueError:
            data = text
    return Value(data, (place,), "", frozenset([place.key]))


class _Nothing:
    """Names in a value from outside: there are none."""

    def variable(self, name: str) -> Value:
        return unknown(name)

    local = variable

    def module_output(self, name: str, rest: list[str | int | float]) -> tuple[Value, int]:
        return unknown(name), len(rest)

    def resource(self, kind: str, name: str, rest: list[str | int | float]) -> tuple[Value, int]:
        return unknown(kind), len(rest)

    def path(self, name: str) -> str:
        return name

    def read_file(self, path: str, decode: str) -> Value:
        return unknown(path)
