"""Instances of modules and resources: what `var.x`, `local.x`, `module.m.o` and `azurerm_y.z` mean in each, and how often each exists.

Values of variables come from the places Terraform reads, in its order.
Source: https://developer.hashicorp.com/terraform/language/values/variables#variable-definition-precedence
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tree_sitter import Node

from iac_agent.errors import HclError
from iac_agent.hcl import datafile, functions
from iac_agent.hcl.address import Step, show_index
from iac_agent.hcl.document import Attribute, Block, Document, unwrap
from iac_agent.hcl.evaluate import Frame, elements, evaluate, member
from iac_agent.hcl.expressions import operands, pairs
from iac_agent.hcl.module import Module

if TYPE_CHECKING:
    from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.value import Place, Value, computed, lift, unknown

Index = str | int | None


@dataclass(eq=False)
class Instance:
    """One instance of a resource: its address with keys, its block, and its values as far as the configuration tells."""

    scope: Scope
    block: Block
    index: Index
    frame: Frame

    @property
    def type(self) -> str:
        return self.block.labels[0]

    @functools.cached_property
    def address(self) -> str:
        return f"{self.scope.prefix}{'.'.join(self.block.labels)}{show_index(self.index)}"

    @functools.cached_property
    def block_address(self) -> str:
        return self.frame.address

    @functools.cached_property
    def body(self) -> Body:
        return Body(self.frame, self.block, ())

    def value(self, path: tuple[Step, ...]) -> Value | None:
        """The value at a path inside the block; None when nothing is written there."""
        found = self.body.get(str(path[0])) if path else None
        for step in path[1:]:
            if found is None:
                return None
            if isinstance(found.data, list) and isinstance(step, str) and len(found.data) == 1:
                found = found.data[0]
            found = member(found, step)
            if not found.known and found.why.startswith("no "):
                return None
        return found


class Body:
    """The arguments and nested blocks of a block, evaluated when they are asked for; dynamic blocks are expanded."""

    def __init__(self, frame: Frame, block: Block, path: tuple[Step, ...]) -> None:
        self.frame, self.block, self.path = frame, block, path
        self._known: dict[str, Value | None] = {}

    def get(self, name: str) -> Value | None:
        if name not in self._known:
            self._known[name] = self._value(name)
        return self._known[name]

    def names(self) -> list[str]:
        nested = [b.labels[0] if b.type == "dynamic" else b.type for b in self.block.blocks]
        return list(dict.fromkeys([*self.block.attributes, *nested]))

    def whole(self) -> Value:
        found = {name: self.get(name) for name in self.names()}
        place = self.frame.place(self.block.node, self.path)
        return Value({k: v for k, v in found.items() if v is not None}, (place,), "", frozenset([place.key]))

    def _value(self, name: str) -> Value | None:
        attribute = self.block.attributes.get(name)
        if attribute is not None:
            return self._argument(name, attribute)
        listed: list[Value] = []
        plain = [b for b in self.block.blocks if b.type == name]
        for number, inner in enumerate(plain):
            step: tuple[Step, ...] = (name,) if len(plain) == 1 else (name, number)
            listed.append(Body(self.frame, inner, (*self.path, *step)).whole())
        sources: list[Value] = []
        for inner in (b for b in self.block.blocks if b.type == "dynamic" and b.labels == (name,)):
            source = self._dynamic(inner, listed)
            sources.append(source)
            if not source.known:
                return unknown(f"{inner.where}: how often {name} repeats is not known yet", source)
        return computed(listed, "nested blocks", *sources) if listed or sources else None

    def _argument(self, name: str, attribute: Attribute) -> Value:
        """The value of an argument; where it does not depend on the instance, once for all instances in the scope."""
        frame, document = self.frame, self.block.document
        text = document.text(attribute.value)
        if not isinstance(frame.names, Scope) or any(word in text for word in frame.bound):
            return evaluate(frame, attribute.value, (*self.path, name))
        place = (str(document.path), attribute.value.start_byte)
        held = frame.names.constants.get(place)
        if held is None:
            held = frame.names.constants[place] = evaluate(frame, attribute.value, (*self.path, name))
        return held

    def _dynamic(self, block: Block, into: list[Value]) -> Value:
        attribute, content = block.attributes.get("for_each"), next((b for b in block.blocks if b.type == "content"), None)
        if attribute is None or content is None:
            return unknown("a dynamic block without for_each")
        name = block.labels[0]
        iterator = block.attributes.get("iterator")
        bound = block.document.text(iterator.value) if iterator else name
        path: tuple[Step, ...] = (*self.path, "dynamic", name)
        source = evaluate(self.frame, attribute.value, (*path, "for_each"))
        for key, value in elements(source):
            pair = computed({"key": computed(key, "the key of a dynamic block"), "value": value}, "a dynamic block")
            made = Body(self.frame.bind(**{bound: pair}), content, (*path, "content")).whole()
            into.append(made.with_deps(source))
        return source


class Scope:
    """One instance of a module. Satisfies `evaluate.Names`."""

    def __init__(
        self, configuration: Configuration, module: Module, keys: tuple[Index, ...], parent: Scope | None, call: Frame | None
    ) -> None:
        self.configuration, self.module, self.keys, self.parent, self.call = configuration, module, keys, parent, call
        self.constants: dict[tuple[str, int], Value] = {}
        self._cache: dict[str, Value] = {}
        self._busy: set[str] = set()

    @functools.cached_property
    def prefix(self) -> str:
        return "".join(f"module.{n}{show_index(k)}." for n, k in zip(self.module.path, self.keys, strict=True))

    def frame(self, document: Document, address: str, **bound: Value) -> Frame:
        return Frame(self, document, self.module.prefix + address, bound)

    # --- names ---------------------------------------------------------------------------------------------------

    def _once(self, name: str, make: Any) -> Value:
        if name not in self._cache:
            if name in self._busy:
                return unknown(f"{name} refers to itself")
            self._busy.add(name)
            self._cache[name] = make()
            self._busy.discard(name)
        return self._cache[name]

    def variable(self, name: str) -> Value:
        return self._once(f"var.{name}", lambda: self._variable(name))

    def _variable(self, name: str) -> Value:
        declared = self.module.variable(name)
        value = self._given(name)
        if value is None or (value.known and value.data is None and declared is not None and is_not_nullable(declared)):
            default = declared.attributes.get("default") if declared else None
            if declared is None or default is None:
                return unknown(f"variable {name} has no value")
            value = evaluate(self.frame(declared.document, f"variable.{name}"), default.value, ("default",))
        kind = declared.attributes.get("type") if declared else None
        return self._typed(value, declared.document, kind.value, name, ("type",)) if declared and kind else value

    def _given(self, name: str) -> Value | None:
        """What the module call, or for the root module files and flags, say about a variable."""
        if self.parent is None:
            return self.configuration.root_value(name)
        call = self.module.call
        if call is None or self.call is None or name not in call.attributes:
            return None
        return evaluate(self.call, call.attributes[name].value, (name,))

    def _typed(self, value: Value, document: Document, kind: Node, name: str, path: tuple[Step, ...]) -> Value:
        """The value with the defaults that `optional()` in its type fills in, and lists as sets where the type says so."""
        kind = unwrap(kind)
        if kind.type != "function_call":
            return value
        inner = operands(kind)
        match document.text(kind.children[0]), value.data:
            case ("map", dict()) if inner:
                filled = {k: self._typed(v, document, inner[0], name, (*path, "@0")) for k, v in value.data.items()}
                return replace(value, data=filled)
            case ("list" | "set" as which, list()) if inner:
                listed = [self._typed(v, document, inner[0], name, (*path, "@0")) for v in value.data]
                return replace(value, data=listed, is_set=which == "set" or value.is_set)
            case ("object", dict()) if inner:
                return self._object(value, document, unwrap(inner[0]), name, (*path, "@0"))
            case ("optional", _) if inner:
                return self._typed(value, document, inner[0], name, (*path, "@0"))
        return value

    def _object(self, value: Value, document: Document, kind: Node, name: str, path: tuple[Step, ...]) -> Value:
        filled = dict(value.data)
        for field_name, pair in pairs(document, kind).items():
            inner = pair.children[-1]
            held = filled.get(field_name)
            if held is not None and held.data is not None:
                filled[field_name] = self._typed(held, document, inner, name, (*path, field_name))
                continue
            parts = operands(inner)
            if len(parts) > 1:
                frame = self.frame(document, f"variable.{name}")
                filled[field_name] = evaluate(frame, parts[1], (*path, field_name, "@1"))
            elif held is None:
                filled[field_name] = computed(None, "an optional attribute that nobody set")
        return replace(value, data=filled)

    def local(self, name: str) -> Value:
        return self._once(f"local.{name}", lambda: self._local(name))

    def _local(self, name: str) -> Value:
        for block, attribute in self.module.local_values(name):
            return evaluate(self.frame(block.document, f"local.{name}"), attribute.value, (name,))
        return unknown(f"local.{name} is not defined")

    @property
    def outermost(self) -> Scope:
        """The call in the root module that leads here; itself in the root module."""
        return self if self.parent is None or not self.parent.module.path else self.parent.outermost

    def module_children(self, name: str) -> list[Scope]:
        return [s for s in self.configuration.scopes if s.parent is self and s.module.path[-1] == name]

    def output(self, name: str) -> Value:
        block = next(iter(self.module.index.get(f"output.{name}", [])), None)
        if block is None or "value" not in block.attributes:
            return unknown(f"output {name} is not defined")
        return self._once(
            f"output.{name}", lambda: evaluate(self.frame(block.document, f"output.{name}"), block.attributes["value"].value, ("value",))
        )

    def module_output(self, name: str, rest: list[str | int | float]) -> tuple[Value, int]:
        """`module.NAME[KEY].OUTPUT`: the value and how many of the steps it took."""
        children = self.module_children(name)
        if not children:
            return unknown(f"module.{name} is not in this repository"), len(rest)
        if children[0].keys[-1] is None:
            return (children[0].output(str(rest[0])), 1) if rest else (unknown("a whole module"), 0)
        if len(rest) < 2 or rest[0] == "*":
            outputs = {str(c.keys[-1]): _outputs(c) for c in children}
            return computed(outputs, f"all of module.{name}"), 0
        found = next((c for c in children if str(c.keys[-1]) == functions.text(rest[0])), None)
        return (found.output(str(rest[1])), 2) if found else (unknown(f"no module.{name}[{rest[0]}]"), 2)

    def resource(self, kind: str, name: str, rest: list[str | int | float]) -> tuple[Value, int]:
        """`TYPE.NAME[KEY].ATTRIBUTE`: the value and how many of the steps it took."""
        instances = self.configuration.instances_of(self, f"{kind}.{name}")
        if not instances and (held := self.module.index.get(f"{kind}.{name}")) and len(rest) < 2:
            none: Any = {} if "for_each" in held[0].attributes else []
            return computed(none, f"{kind}.{name} has no instance"), 0
        if not instances:
            return unknown(f"{kind}.{name} is not in the configuration"), len(rest)
        if instances[0].index is None:
            return self._attribute(instances[0], rest), min(1, len(rest))
        if len(rest) < 2 or rest[0] == "*":
            whole = [self._whole(i) for i in instances]
            keyed = isinstance(instances[0].index, str)
            found: Any = {str(i.index): v for i, v in zip(instances, whole, strict=True)} if keyed else whole
            return computed(found, f"all of {kind}.{name}"), 0
        one = self.configuration.by_index(self, f"{kind}.{name}").get(functions.text(rest[0]))
        return (self._attribute(one, rest[1:]), min(2, len(rest))) if one else (unknown(f"no {kind}.{name}[{rest[0]}]"), 2)

    def _attribute(self, instance: Instance, rest: list[str | int | float]) -> Value:
        if not rest:
            return self._whole(instance)
        name = str(rest[0])
        value = self._once(f"{instance.address}.{name}", lambda: instance.body.get(name) or self._from_state(instance, name))
        return replace(value, ref=instance.address)

    def _whole(self, instance: Instance) -> Value:
        """A resource as one value: what the configuration says, and what Azure sets as far as the state knows it."""
        whole = instance.body.whole()
        beyond = {"id", *self.configuration.state.get(instance.address, {})} - whole.data.keys()
        more = {name: replace(self._from_state(instance, name), ref=instance.address) for name in sorted(beyond)}
        return replace(whole, data={**whole.data, **more}, ref=instance.address)

    def _from_state(self, instance: Instance, name: str) -> Value:
        held = self.configuration.state.get(instance.address, {})
        if held.get(name) not in (None, ""):
            return lift(held[name], "set by Azure")
        return unknown(f"{instance.address}.{name} is set by Azure")

    def path(self, name: str) -> str:
        if name == "workspace":
            return self.configuration.given.workspace
        return str(self.module.directory if name == "module" else self.configuration.root.directory)

    def read_file(self, path: str, decode: str) -> Value:
        """The text of a file, or what it holds when it is decoded; files outside the repository are unknown."""
        root = self.configuration.root
        file = Path(path) if Path(path).is_absolute() else root.directory / path
        if file not in root.overrides and not (file.is_file() and root.holds(file)):
            return unknown(f"no file {path} in the repository")
        shown = str(root.shown(file))
        place = Place(shown, 1, shown, "", -1)
        try:
            if decode:
                return datafile.read(shown, root.read(file), shown)
            return Value(root.read(file).decode("utf-8"), (place,), "", frozenset([place.key]))
        except (HclError, UnicodeDecodeError) as problem:
            return unknown(str(problem))

    # --- how often things exist --------------------------------------------------------------------------------------

    def repeats(self, block: Block, address: str) -> list[tuple[Index, dict[str, Value]]] | None:
        """The instance keys of a block with what each and count mean there; None when they are not known yet."""
        frame = self.frame(block.document, address)
        for name in ("for_each", "count"):
            attribute: Attribute | None = block.attributes.get(name)
            if attribute is None:
                continue
            source = evaluate(frame, attribute.value, (name,))
            if name == "count":
                if not isinstance(source.data, int | float):
                    return None
                return [(i, {"count": computed({"index": computed(i, "count.index")}, "count")}) for i in range(int(source.data))]
            if not isinstance(source.data, dict | list):
                return None
            return [(str(k), {"each": _each(k, v, source)}) for k, v in elements(source)]
        return [(None, {})]


def _each(key: Any, value: Value, source: Value) -> Value:
    name = computed(str(key), "each.key") if isinstance(source.data, dict) else value
    return computed({"key": name, "value": value}, "each")


def _outputs(scope: Scope) -> Value:
    names = [a.removeprefix("output.") for a in scope.module.index if a.startswith("output.")]
    return computed({n: scope.output(n) for n in names}, "the outputs of a module")


def is_not_nullable(block: Block) -> bool:
    """Whether a variable takes its default when it is given null."""
    attribute = block.attributes.get("nullable")
    return attribute is not None and block.document.text(attribute.value) == "false"
