"""How this repository writes things: references it can use, its naming pattern, its tags, where a new block belongs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

from iac_agent.hcl import edits as e
from iac_agent.hcl.document import literal
from iac_agent.hcl.value import Value
from iac_agent.planner.inventory import Resource
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.world import World

_OWN = re.compile(r"\beach\.|\bcount\.")
_PERSONAL = ("role", "name", "backup", "vm", "idle", "tier", "app", "component")


def reference(world: World, resource: Resource, attribute: str = "id") -> str | None:
    """Source that stands for an attribute of a resource in the root module: its address, or an output of its module; None without one."""
    if not resource.instance.scope.module.path:
        return f"{resource.address}.{attribute}"
    root = world.inventory.configuration.scopes[0]
    for child in (s for s in world.inventory.configuration.scopes if s.parent is root):
        call = f"module.{child.module.path[-1]}" + ("" if child.keys[-1] is None else f"[{literal(child.keys[-1])}]")
        for name in (a.removeprefix("output.") for a in child.module.index if a.startswith("output.")):
            tail = _tail(child.output(name), resource, attribute)
            if tail is not None:
                return f"{call}.{name}{tail}"
    return None


def id_of(world: World, resource: Resource) -> str:
    """Source for the id of a resource in the root module. Raises Unsettled where its module has no output for it."""
    source = reference(world, resource)
    if source is None:
        raise Unsettled(Refusal(f"{resource.address} is in a module that has no output for its id. Add one first."))
    return source


def _tail(value: Value, resource: Resource, attribute: str) -> str | None:
    if value.ref == resource.address and (value.why.endswith(f".{attribute} is set by Azure") or value.data == resource.value(attribute)):
        return ""
    inner = value.data.items() if isinstance(value.data, dict) else enumerate(value.data) if isinstance(value.data, list) else ()
    for key, part in inner:
        found = _tail(part, resource, attribute)
        if found is not None:
            return f"[{literal(key)}]{found}"
    return None


def rows(arguments: Mapping[str, str], indent: int = 2) -> str:
    """Arguments, by name and as source, as lines: those of one line with their equals signs under each other."""
    lines = ""
    for long, group in itertools.groupby(arguments.items(), lambda item: "\n" in item[1]):
        listed = list(group)
        width = 0 if long else max(len(name) for name, _ in listed)
        lines += "".join(f"{' ' * indent}{name.ljust(width)} = {source}\n" for name, source in listed)
    return lines


def add_resource(
    world: World,
    type_name: str,
    label: str,
    arguments: Mapping[str, str],
    file: str = "main.tf",
    repeat: str = "",
    blocks: Sequence[str] = (),
    module: str = "",
) -> None:
    """Write a new resource.

    `arguments` and nested `blocks` are source; `repeat` is its for_each or count, with the empty line behind it; `module` the address
    prefix of the module it belongs to, empty for the root.
    """
    nested = "".join(f"\n{block}" for block in blocks)
    address = f"{module}{type_name}.{label}"
    world.writer.add(e.AddTopLevel(address, f'resource "{type_name}" "{label}" {{\n{repeat}{rows(arguments)}{nested}}}\n', file))
    world.touch([address])


def add_call(world: World, name: str, meta: Mapping[str, str], arguments: Mapping[str, str], file: str) -> None:
    """Write a new module call under a name that is free; `meta` are its source and the like, all as source."""
    wanted = re.sub(r"\W", "_", name)
    taken, number, label = world.context.root.modules[0].index, 2, wanted
    while f"module.{label}" in taken:
        number, label = number + 1, f"{wanted}_{number}"
    world.writer.add(e.AddTopLevel(f"module.{label}", f'module "{label}" {{\n{rows(meta)}\n{rows(arguments)}}}\n', file))


def block_source(name: str, arguments: Mapping[str, str]) -> str:
    """A nested block of a new resource."""
    return f"  {name} {{\n{rows(arguments, 4)}  }}\n"


def own_source(resource: Resource, name: str) -> str | None:
    """The source of an argument of a resource in the root module, where another resource may use it as it is."""
    attribute = resource.block.attributes.get(name)
    if attribute is None or resource.instance.scope.module.path:
        return None
    text = resource.block.document.text(attribute.value)
    return None if _OWN.search(text) else text


def tags_source(resource: Resource | None) -> str | None:
    """The tags of a sibling without what is said of it alone."""
    if resource is None:
        return None
    attribute = resource.block.attributes.get("tags")
    if attribute is None or resource.instance.scope.module.path:
        return None
    text = resource.block.document.text(attribute.value)
    shared = shared_tags(text)
    if shared:
        return shared
    if text.startswith("{"):
        kept = {k: v for k, v in resource.tags.items() if k.lower() not in _PERSONAL}
        return literal(kept) if kept else None
    return None if _OWN.search(text) else text


def shared_tags(source: str) -> str | None:
    """What the source of some tags merges something into; None where it does not."""
    merged = re.match(r"merge\(([^(){}]+?),", source)
    return merged[1].strip() if merged else None


def name_source(world: World, sibling: Resource | None, name: str, prefix: str) -> str:
    """The Azure name of a new resource as HCL source (quoted), by the pattern of a sibling; `name` may hold `${...}`."""
    if sibling is None or sibling.instance.scope.module.path or "name" not in sibling.block.attributes:
        return f'"{name}"' if name.startswith(prefix) else f'"{prefix}{name}"'
    text = sibling.block.document.text(sibling.block.attributes["name"].value)
    own = str(sibling.instance.index if isinstance(sibling.instance.index, str) else sibling.label)
    if name.startswith(prefix):
        return f'"{name}"'
    lead = sibling.azure_name.rpartition(own)[0]
    name = name.removeprefix(lead) if lead and "$" not in name else name
    if text.startswith('"') and (head := re.match(r'"(.*?)\$\{(?:each\.key|count\.index[^}]*)\}"$', text)):
        lead = head[1] if not _counted(text) else _base(head[1], sibling)
        joint = "" if not lead or lead[-1] in "-_" else "-"
        return f'"{lead}{joint}{name}"'
    if text.startswith('"') and text[1:-1].endswith(own):
        return f'"{text[1:-1].removesuffix(own)}{name}"'
    return f'"{prefix}{name}"'


def _counted(text: str) -> bool:
    return "count.index" in text


def _base(head: str, sibling: Resource) -> str:
    """`vm-worker-` is the pattern of workers; that of machines is `vm-`."""
    return head.removesuffix(f"{sibling.label}-")


def label_for(world: World, type_name: str, name: str) -> str:
    """A Terraform label that is free for this type in the root module."""
    label = re.sub(r"\W", "_", name).strip("_") or "this"
    label = f"_{label}" if label[0].isdigit() else label
    taken = {r.label for r in world.inventory.of_types(type_name) if not r.instance.scope.module.path}
    while label in taken:
        label += "_2"
    return label


def file_of(resource: Resource | None, default: str = "main.tf") -> str:
    return str(resource.block.document.path).rsplit("/", 1)[-1] if resource is not None else default
