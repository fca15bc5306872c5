"""Copies of a machine under another name: of its element in the data that machines are made from, or of the call of its module.

A whole copy has all its model has but fixed addresses. Otherwise it has what it cannot do without: the fields that every element has, the
arguments without a default and those that all calls agree in; lists and maps that are not the same everywhere start empty.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from iac_agent.hcl import edits as e
from iac_agent.hcl.address import parse_path, show_path
from iac_agent.hcl.datafile import is_data_file
from iac_agent.hcl.document import Block, Document, literal, map_source, unwrap
from iac_agent.hcl.evaluate import evaluate
from iac_agent.hcl.expressions import pairs
from iac_agent.hcl.scope import Scope
from iac_agent.hcl.value import Key, Value
from iac_agent.planner.inventory import NIC, SUBNET, Resource
from iac_agent.planner.names import stem
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.world import World
from iac_agent.planner.writing.style import add_call, reference, rows, shared_tags
from iac_agent.planner.writing.write import home_of

_FIXED = re.compile(r"(?:private_)?ip(?:_address)?")
_META = ("source", "version", "providers")


@dataclass(frozen=True)
class Copy:
    """What is copied: a machine, into which subnet (None: the same), whether as a whole, and with which arguments of the machine changed;
    and the addresses that copies were given.
    """

    model: Resource
    world: World
    subnet: Resource | None = None
    whole: bool = False
    changed: Mapping[str, object] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)

    @property
    def nics(self) -> list[Resource]:
        return self.world.inventory.refers_to(self.model, NIC)

    def moved(self, value: Value, source: str) -> str | None:
        """The source that stands for the new subnet where a value tells the old one; None where it tells something else."""
        for nic in self.nics:
            held = nic.instance.value(("ip_configuration", "subnet_id"))
            for old in self.world.inventory.refers_to(nic, SUBNET):
                if held is None or self.subnet is None or not _feeds(value, held.all_deps()):
                    continue
                if value.ref == old.address or source == reference(self.world, old):
                    return reference(self.world, self.subnet)
                names = {
                    old.instance.index: self.subnet.instance.index,
                    old.azure_name: self.subnet.azure_name,
                    old.label: self.subnet.label,
                }
                if value.known and not isinstance(value.data, dict | list) and value.data in names:
                    return literal(names[value.data])
        return None

    def fields(self, element: Value) -> dict[str, str]:
        """The changed arguments that the model's element has a field for, by that field, as source."""
        place, found = element.via[-1], {}
        for argument, value in self.changed.items():
            held = self.model.instance.value((argument,))
            written = held.written if held is not None else None
            steps = parse_path(written.path) if written is not None and written.address == place.address else ()
            if steps and show_path(steps[:-1]) == place.path:
                found[str(steps[-1])] = literal(value)
        return found


def _feeds(value: Value, keys: frozenset[Key]) -> bool:
    return bool(value.ref) or any(p.key in keys for p in value.via)


# --- elements ----------------------------------------------------------------------------------------------------------


def copy_elements(copy: Copy, key: str) -> None:
    """One more element under `key` beside the machine's own, and beside its interface's where that has a map of its own.

    Raises Unsettled when the elements are not written anywhere.
    """
    interface = _own_interface(copy)
    _copy_element(copy, copy.model, key, interface)
    for nic in copy.nics if interface else ():
        _copy_element(copy, nic, key)


def element_of(machine: Resource) -> tuple[Value | None, str]:
    """The element a machine is made from, and its key: of its own block, or of the call of a module around it."""
    if isinstance(machine.instance.index, str):
        return machine.instance.frame.element, machine.instance.index
    scope: Scope | None = machine.instance.scope
    while scope is not None and scope.keys and not isinstance(scope.keys[-1], str):
        scope = scope.parent
    if scope is None or scope.call is None:
        return None, ""
    return scope.call.element, str(scope.keys[-1])


def _own_interface(copy: Copy) -> str:
    """The field that names the machine's interface, where interfaces are kept in another map; empty where they are not."""
    element = element_of(copy.model)[0]
    if element is None or not isinstance(element.data, dict):
        return ""
    for nic in copy.nics:
        theirs = nic.instance.frame.element
        named = [n for n, v in element.data.items() if nic.instance.index is not None and v.data == nic.instance.index]
        if named and theirs is not None and home_of(theirs) != home_of(element):
            return str(named[0])
    return ""


def _copy_element(copy: Copy, resource: Resource, key: str, interface: str = "") -> None:
    element, own = element_of(resource)
    place = home_of(element) if element is not None else None
    if element is None or place is None or not place.editable:
        raise Unsettled(
            Refusal(f"The keys are computed ({element.why if element else 'unknown'}); I cannot add {key} where they are made.")
        )
    steps = parse_path(place.path)
    if not isinstance(element.data, dict) and not copy.whole and stem(key) != stem(own):
        raise Unsettled(Refusal(f"{place} lists machines of one kind by name; {key} is of another."))
    if isinstance(element.data, dict):
        source = _element_source(copy, resource, element, own, key, interface)
    else:
        source = literal(key if element.data == own or isinstance(steps[-1], int) else element.plain())
    holder = show_path(steps[:-1])
    if isinstance(steps[-1], int):
        copy.world.writer.add(e.AppendItem(place.address, holder, source))
    else:
        copy.world.writer.add(e.PutKey(place.address, holder, key, source))


def _element_source(copy: Copy, resource: Resource, element: Value, own: str, key: str, interface: str) -> str:
    peers = [_written(v) for r in copy.world.inventory.siblings(resource) if (v := element_of(r)[0]) is not None]
    kept: dict[str, str] = {}
    for name, source in _written(element).items():
        value = element.data.get(name)
        if value is None:
            continue
        if _FIXED.fullmatch(name):
            if all(name in peer for peer in peers) and not _is_optional(copy, element, name):
                kept[name] = _next_address(source, [*(peer[name] for peer in peers), *copy.given])
                copy.given.append(kept[name])
        elif name == interface:
            kept[name] = literal(key)
        elif copy.whole or all(name in peer for peer in peers):
            alike = copy.whole or (len(peers) > 1 and all(peer.get(name) == source for peer in peers))
            begun = source if alike else _emptied(source)
            if begun == source or not _is_optional(copy, element, name):
                kept[name] = copy.moved(value, source) or _renamed(begun, own, key)
                if kept[name] == source and value.data == copy.model.azure_name:
                    kept[name] = literal(_numbered(copy.model.azure_name, own, key))
    if resource is copy.model:
        kept |= copy.fields(element)
    place = element.via[-1]
    return _object(kept, "" if is_data_file(place.address) else place.source)


def _next_address(source: str, taken: list[str]) -> str:
    """The next address after one, both quoted, that is not taken. Raises Unsettled when it is none."""
    try:
        address = ipaddress.ip_address(source.strip('"'))
        while f'"{address}"' in taken:
            address += 1
    except ValueError as problem:
        raise Unsettled(Refusal(f"Every machine has a fixed address here, and I cannot count {source} on.")) from problem
    return f'"{address}"'


def _is_optional(copy: Copy, element: Value, name: str) -> bool:
    """Whether the type of the variable that holds the element lets a field be left out."""
    place = element.via[-1]
    variable = place.address.removeprefix("variable.") if place.address.startswith("variable.") else str(parse_path(place.path)[0])
    declared = copy.world.context.root.modules[0].variable(variable)
    if declared is None or "type" not in declared.attributes:
        return False
    return re.search(rf"\b{name}\s*=\s*optional\(", declared.document.text(declared.attributes["type"].value)) is not None


def _written(element: Value) -> dict[str, str]:
    """The fields that an element is written with, as source."""
    place = home_of(element)
    if place is None or not isinstance(element.data, dict):
        return {}
    if is_data_file(place.address):
        return {k: literal(v.plain()) for k, v in element.data.items()}
    document = Document("an element", f"x = {place.source}\n".encode())
    node = unwrap(document.attributes_of(document.body)["x"].value)
    return {k: document.text(n.children[-1]) for k, n in pairs(document, node).items()} if node.type == "object" else {}


def _object(fields: dict[str, str], like: str) -> str:
    """A map in the layout of another one: a line for each field, or all in one."""
    if "\n" not in like:
        return map_source(fields)
    depth = max(len(x) - len(x.lstrip()) for x in like.splitlines()[-1:])
    return "{\n" + rows(fields, depth + 2) + " " * depth + "}"


def _emptied(source: str) -> str:
    """A list or map without what is in it; anything else as it is."""
    return {"{": "{}", "[": "[]"}.get(source[:1], source)


def _renamed(source: str, own: str, key: str) -> str:
    """The source with the model's name, or what is before the number in it, replaced by the new one's."""
    source = re.sub(rf'"{re.escape(own)}"', f'"{key}"', re.sub(r"#[^\n]*", "", source))
    return literal(stem(key)) if source == literal(stem(own)) else source


# --- calls -------------------------------------------------------------------------------------------------------------


def copy_call(copy: Copy, label: str, keys: list[str]) -> None:
    """One more call of the root module's module that the machine is in, for each key. Raises Unsettled when there is none to copy."""
    scope = copy.model.instance.scope.outermost
    call = scope.module.call
    if call is None or scope.call is None or call.attributes.keys() & {"count", "for_each"}:
        raise Unsettled(Refusal(f"{copy.model.address} is not made by a module call of its own."))
    new = literal(keys[0]) if len(keys) == 1 else '"${each.key}"'
    arguments = _arguments(copy, scope, call, new)
    meta = {n: call.document.text(call.attributes[n].value) for n in _META if n in call.attributes}
    meta |= {"for_each": f"toset({literal(keys)})"} if len(keys) > 1 else {}
    add_call(copy.world, label, meta, arguments, str(call.document.path).rsplit("/", 1)[-1])


def _arguments(copy: Copy, scope: Scope, call: Block, new: str) -> dict[str, str]:
    assert scope.call is not None
    peers = [
        {n: b.document.text(a.value) for n, a in b.attributes.items()}
        for s in copy.world.inventory.configuration.scopes
        if s.module.directory == scope.module.directory and s.parent is scope.parent and (b := s.module.call) is not None
    ]
    kept: dict[str, str] = {}
    for name, attribute in call.attributes.items():
        if name in _META:
            continue
        source = call.document.text(attribute.value)
        alike = len(peers) > 1 and all(peer.get(name) == source for peer in peers)
        declared = scope.module.variable(name)
        required = declared is not None and "default" not in declared.attributes
        if not (copy.whole or alike or required or name.endswith("tags")) or _FIXED.fullmatch(name):
            continue
        if not (copy.whole or alike):
            source = (shared_tags(source) if name.endswith("tags") else None) or _emptied(source)
        value = evaluate(scope.call, attribute.value, (name,))
        kept[name] = copy.moved(value, source) or _named(source, call.labels[0], new)
        if kept[name] == source and value.known and value.data == copy.model.azure_name:
            kept[name] = new if new.startswith('"') and "$" not in new else "each.key"
    return kept


def _numbered(azure_name: str, own: str, key: str) -> str:
    """The Azure name of a copy: with its number where only that differs (`vmsqlprod02` for sql02 after sql01), else the key."""
    before, after = (re.search(r"\d+$", name) for name in (own, key))
    if before and after and stem(own) == stem(key) and azure_name.endswith(before[0]):
        return azure_name.removesuffix(before[0]) + after[0]
    return key


def _named(source: str, own: str, new: str) -> str:
    """The source with the name of the copied call replaced by the new machine's, inside strings."""
    inside = new.strip('"')
    words = rf"(?<![A-Za-z0-9])(?:{'|'.join(re.escape(w) for w in dict.fromkeys([own, own.replace('_', '-')]))})(?![A-Za-z0-9])"
    renamed = re.sub(r'(?<!\[)"[^"\n]*"', lambda m: re.sub(words, lambda _: inside, m[0]), source)
    return "each.key" if renamed == '"${each.key}"' else renamed
