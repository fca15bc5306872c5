"""The rules of a network security group as they are written: blocks, resources of their own, or elements that a dynamic block runs over."""

from __future__ import annotations

import re
from dataclasses import dataclass

from iac_agent.hcl.address import Step, parse_path, show_path
from iac_agent.hcl.document import Block, literal
from iac_agent.hcl.evaluate import elements, evaluate
from iac_agent.hcl.paths import source_at
from iac_agent.hcl.value import Place, Value
from iac_agent.planner.inventory import NSG, RULE, Resource
from iac_agent.planner.world import World
from iac_agent.planner.writing.write import home_of


@dataclass(frozen=True)
class Rule:
    """One inbound rule: of which group, the instance it is written in, its path there, and its values."""

    group: Resource
    owner: Resource
    path: tuple[Step, ...]
    value: Value

    def get(self, name: str) -> Value | None:
        if not self.path:
            return self.owner.instance.body.get(name)
        return self.value.data.get(name) if isinstance(self.value.data, dict) else None

    def text(self, name: str) -> str:
        held = self.get(name)
        return str(held.data) if held is not None and held.known and held.data is not None else ""

    @property
    def ports(self) -> list[str]:
        """The ports and ranges it lets in, as they are written."""
        ranges = self.get("destination_port_ranges")
        listed = [str(v.data) for v in ranges.data] if ranges is not None and isinstance(ranges.data, list) else []
        return [p for p in (self.text("destination_port_range"), *listed) if p]

    def allows(self, port: str, protocol: str) -> bool:
        if self.text("direction").lower() != "inbound" or self.text("access").lower() != "allow":
            return False
        kind = self.text("protocol").lower()
        return port in self.ports and (not protocol or kind in ("*", protocol.lower()))


def rules_of(group: Resource, world: World) -> list[Rule]:
    """The rules of a group, in its own blocks and in resources of their own."""
    held = group.instance.body.get("security_rule")
    found: list[Rule] = []
    if held is not None and isinstance(held.data, list):
        found += [Rule(group, group, ("security_rule", i), v) for i, v in enumerate(held.data)]
    for resource in world.inventory.of_types(RULE):
        if _belongs(resource, group, world):
            found.append(Rule(group, resource, (), resource.instance.body.whole()))
    return found


def _belongs(rule: Resource, group: Resource, world: World) -> bool:
    if group in world.inventory.refers_to(rule, NSG):
        return True
    name = rule.instance.body.get("network_security_group_name")
    return name is not None and name.data == group.azure_name and rule.instance.scope is group.instance.scope


def block_path(rule: Rule) -> str:
    """The path of the nested block that a rule is; empty for one that is a resource of its own, `?` for one that is computed."""
    if not rule.path:
        return ""
    blocks = [b for b in rule.group.block.blocks if b.type == "security_rule"]
    place = rule.value.via[-1] if rule.value.via else None
    if place is None or all(b.node.start_byte != place.offset for b in blocks):
        return "?"
    return "security_rule" if len(blocks) == 1 else show_path(rule.path)


def written(rule: Rule, path: str) -> str:
    return source_at(rule.owner.block, parse_path(path)) or ""


def uses(value: Value | None, place: Place) -> bool:
    return value is not None and place.key in value.all_deps()


def dynamic_source(group: Resource, dynamic: Block) -> Value | None:
    attribute = dynamic.attributes.get("for_each")
    return evaluate(group.instance.frame, attribute.value, ("dynamic", "security_rule", "for_each")) if attribute else None


def list_home(source: Value | None, owner: Resource, world: World) -> Place | None:
    """Where the literal list or map stands that rules are made from; of several parts the last that is one."""
    if source is None:
        return None
    parts = [source] if not source.parts else list(reversed(source.parts))
    for part in parts:
        place = home_of(part)
        if place is not None and place.editable and isinstance(part.data, list | dict):
            return place
        if part is not source and (inner := list_home(part, owner, world)) is not None:
            return inner
    return None


def is_list(place: Place) -> bool:
    return place.source.lstrip().startswith(("[", "-"))


def read_fields(content: Block, name: str) -> dict[str, str]:
    """Which argument reads which field of the element, from the source; `name` is the iterator."""
    found = {}
    for argument, attribute in content.attributes.items():
        text = content.document.text(attribute.value)
        match = re.search(rf"\b{re.escape(name)}\.value(?:\.(\w+)|\[\"(\w+)\"\])|lookup\({re.escape(name)}\.value,\s*\"(\w+)\"", text)
        if match:
            found[argument] = match[1] or match[2] or match[3]
    return found


def element_like(sibling: Value | None, fields: dict[str, str], values: dict[str, object]) -> str:
    """A new element: the fields that a sibling has, with the values of the new rule; others copied from it."""
    model = sibling.data if sibling is not None and isinstance(sibling.data, dict) else {}
    written = [
        k for k, v in model.items() if v.via and not v.via[-1].path.startswith("type.") and (v.data is not None or k in ("name",))
    ] or list(model)
    out: dict[str, object] = {}
    by_field = {f: a for a, f in fields.items()}
    for name in written:
        argument = by_field.get(name)
        out[name] = _cast(values[argument], model[name].plain()) if argument in values else _described(name, model[name].plain(), values)
    if values["protocol"] == "Tcp" and fields.get("protocol") in out and len(model) > 4 and model[fields["protocol"]].plain() != "Tcp":
        out[fields["protocol"]] = "Tcp"
    protocol = fields.get("protocol", "")
    if protocol and protocol not in out and values["protocol"] != "Tcp":
        out[protocol] = values["protocol"]
    if not out and fields:
        out = {f: values[a] for a, f in fields.items() if a in values}
    for argument in ("source_address_prefix", "destination_port_range"):
        name = fields.get(argument, "")
        if name and name not in out and not (name in model and model[name].plain() == values[argument]):
            out[name] = values[argument]
    return literal(out)


def _cast(value: object, like: object) -> object:
    if isinstance(like, str):
        return str(value)
    if isinstance(like, int | float) and not isinstance(like, bool) and str(value).isdigit():
        return int(str(value))
    if isinstance(like, list):
        return [value]
    return value


def _described(name: str, present: object, values: dict[str, object]) -> object:
    if name == "description":
        return f"{values['destination_port_range']} from {values['source_address_prefix']}"
    if name == "name":
        return values["name"] if str(present).startswith("allow") else str(values["name"]).removeprefix("allow-")
    return present


def with_name(element: str, key: str, sibling: Value, resource: Resource) -> str:
    field_name = (
        next((n for n, v in sibling.data.items() if v.data == resource.instance.index), None) if isinstance(sibling.data, dict) else None
    )
    return re.sub(rf'(\b{field_name}\b\s*=\s*)"[^"]*"', rf'\g<1>"{key}"', element) if field_name else element


def element_of(rule: Rule, dynamic: Block | None) -> Place | None:
    """Where the element stands that a rule of a dynamic block is made from: the literal map that holds its port."""
    if dynamic is None:
        return None
    source = dynamic_source(rule.group, dynamic)
    static = sum(1 for b in rule.group.block.blocks if b.type == "security_rule")
    index = rule.path[1]
    if source is None or not isinstance(index, int):
        return None
    listed_ = elements(source)
    position = index - static
    return home_of(listed_[position][1]) if 0 <= position < len(listed_) else None
