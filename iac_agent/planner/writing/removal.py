"""Taking instances out of the configuration: whole blocks, elements of what for_each is made from, the highest of a count."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tree_sitter import Node

from iac_agent.errors import HclError
from iac_agent.hcl import edits as e
from iac_agent.hcl.address import parse_path, show_path
from iac_agent.hcl.document import Block, Document, literal, refers_to, unwrap
from iac_agent.hcl.evaluate import evaluate
from iac_agent.hcl.expressions import pairs
from iac_agent.hcl.module import Module
from iac_agent.hcl.value import Place
from iac_agent.planner.inventory import DISK, Resource
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.world import World
from iac_agent.planner.writing.switches import switch
from iac_agent.planner.writing.write import home_of

WITH_DISKS = "with its disks"


def remove(world: World, going: list[Resource]) -> None:
    """Write the edits that take exactly these instances out. Raises Unsettled when that cannot be said in HCL."""
    done = _whole_calls(world, going)
    done |= _whole_elements(world, [r for r in going if r not in done])
    for resource in going:
        if isinstance(resource.instance.index, str):
            _clean_outputs(world, resource.instance.scope.module, resource.address)
        if resource in done:
            continue
        siblings = world.inventory.siblings(resource)
        together = [r for r in siblings if r in going]
        done |= set(together)
        if _switched_off(world, together, going):
            continue
        if len(together) == len(siblings) and not (resource.instance.index is not None and _still_needed(world, resource, going)):
            if _drop_shared_elements(world, together, going):
                continue
            if isinstance(resource.instance.index, str) and _others_run_over(world, resource, going):
                _exclude_keys(world, together, going)
            else:
                _remove_block(world, resource)
        elif isinstance(resource.instance.index, str):
            _exclude_keys(world, together, going)
        elif isinstance(resource.instance.index, int):
            _lower_count(world, together, siblings, going)
        else:
            _remove_from_module(world, resource, going)


def _whole_calls(world: World, going: list[Resource]) -> set[Resource]:
    """Take out the module calls of which all resources go; returns those resources."""
    done: set[Resource] = set()
    leaving = set(going)
    touched = list(dict.fromkeys(r.instance.scope for r in going if r.instance.scope.prefix))
    for scope in (s for s in world.inventory.configuration.scopes if s in touched):
        inside = [r for r in world.inventory.resources if r.address.startswith(scope.prefix)]
        if leaving.issuperset(inside) and not done.issuperset(inside):
            _remove_from_module(world, next(r for r in inside if r.instance.scope is scope), going)
            done.update(inside)
    return done


def _whole_elements(world: World, going: list[Resource]) -> set[Resource]:
    """Take out the elements that nothing but these is made from, directly or not; returns what goes by that.

    What the configuration computes from them is not traced: the elements are dropped on trial.
    """
    homes = {h.key: h for r in going if isinstance(r.instance.index, str) and (h := element_home(r)) is not None and _steps_ok(h)}
    if all(_all_users_go(world, h, going) for h in homes.values()):
        return set()
    lost = lost_with(world, homes.values())
    if not lost or not lost <= set(going):
        return set()
    for home in homes.values():
        drop(world, home)
    return lost


def lost_with(world: World, homes: Iterable[Place]) -> set[Resource]:
    """What would no longer be made if these elements were dropped; nothing when the files could not be read then."""
    trial = world.trial()
    for home in homes:
        drop(trial, home)
    try:
        trial.advance()
    except HclError:
        return set()
    return {r for r in world.inventory.resources if r.address not in trial.inventory.by_address}


def _switched_off(world: World, together: list[Resource], going: list[Resource]) -> bool:
    """Turn off the field that lets an element through: `public` of `{ for k, v in var.nics : k => v if v.public }`.

    False, with nothing written, where there is none, or where nothing else is made from those elements.
    """
    if all(_counted_off(world, r, going) for r in together):
        return True
    homes = {r: element_home(r) for r in together}
    field = condition_field(together[0])
    whole = {r.block for r in going if all(s in going for s in world.inventory.siblings(r))} - {together[0].block}
    if any(r.block in whole for t in together for r in world.inventory.refers_to(t)):
        return False
    if not field or any(h is None or _all_users_go(world, h, going) for h in homes.values()):
        return False
    for home in homes.values():
        assert home is not None
        world.writer.add(e.PutKey(home.address, home.path, field, "false"))
    return True


def _counted_off(world: World, resource: Resource, going: list[Resource]) -> bool:
    """Let the condition in `count = var.public ? 1 : 0` fail for the module call a resource is in; or its count follows that of others."""
    counted = re.fullmatch(r"length\((azurerm_\w+\.[\w-]+)\)", _count_of(resource))
    if counted and {r for r in world.inventory.resources if r.address.startswith(f"{resource.instance.scope.prefix}{counted[1]}[")} <= set(
        going
    ):
        return True
    alone = [r for r in world.inventory.siblings(resource) if r.instance.scope is resource.instance.scope] == [resource]
    return alone and bool(resource.instance.scope.prefix) and switch(resource, "count", False, world.writer)


def _count_of(resource: Resource) -> str:
    attribute = resource.block.attributes.get("count")
    return resource.block.document.text(attribute.value) if attribute is not None else ""


def condition_field(resource: Resource) -> str:
    """The boolean field of an element that its for_each asks for; empty when it asks for none."""
    attribute = resource.block.attributes.get("for_each")
    if attribute is None or not isinstance(resource.instance.index, str):
        return ""
    document, node = resource.block.document, unwrap(attribute.value)
    named = re.fullmatch(r"local\.([\w-]+)", document.text(node))
    for block, held in resource.instance.scope.module.local_values(named[1]) if named else ():
        document, node = block.document, unwrap(held.value)
    asked = re.search(r"=>\s*(?P<v>\w+)\s+if\s+(?:try\()?(?P=v)\.(?P<field>\w+)(?:,\s*false\))?\s*\}$", document.text(node))
    return asked["field"] if asked and node.type == "for_expr" else ""


def _drop_shared_elements(world: World, together: list[Resource], going: list[Resource]) -> bool:
    """Whether all of a for_each block going means elements that others are made from go too: then those elements are taken out."""
    if not all(isinstance(r.instance.index, str) for r in together):
        return False
    place = element_home(together[0])
    if place is None or not _all_users_go(world, place, going):
        return False
    users = {a for a, _ in world.inventory.users.of(place)}
    if not any(world.inventory.by_address[a].block_address != together[0].block_address for a in users):
        return False
    for resource in together:
        home = element_home(resource)
        if home is None:
            return False
        drop(world, home)
    return True


def _others_run_over(world: World, resource: Resource, going: list[Resource]) -> bool:
    """Whether resources that stay are made from the same for_each source: then the block is kept for what comes later."""
    source = resource.block.document.text(resource.block.attributes["for_each"].value)
    return any(
        r not in going
        and r.block is not resource.block
        and (a := r.block.attributes.get("for_each")) is not None
        and r.block.document.text(a.value) == source
        for r in world.inventory.resources
    )


def _still_needed(world: World, resource: Resource, going: list[Resource]) -> bool:
    """Whether blocks that stay refer to this one in their source, so that it must stay declared with no instance."""
    named = re.compile(rf"(?<![\w.-]){re.escape('.'.join(resource.block.labels))}(?![\w-])")
    leaving = {r.block for r in going if all(s in going for s in world.inventory.siblings(r))} | {resource.block}
    return any(
        block.type != "output" and block not in leaving and named.search(document.text(block.node))
        for document in resource.instance.scope.module.documents
        for block in document.blocks
    )


def _remove_block(world: World, resource: Resource) -> None:
    world.writer.add(e.RemoveResource(resource.block_address))
    _clean_outputs(world, resource.instance.scope.module, ".".join(resource.block.labels))


def _clean_outputs(world: World, module: Module, gone: str) -> None:
    """Take what tells about a removed block, call or keyed instance out of the root's outputs; those of modules are for their callers."""
    if module.path:
        return
    for name, blocks in module.index.items():
        for block in blocks if name.startswith("output.") else ():
            _clean_output(world, name, block, gone)


def _clean_output(world: World, name: str, block: Block, gone: str) -> None:
    """Take what tells about something removed out of a root output: one entry of its map, or all of it."""
    value = block.attributes.get("value")
    if value is None or not _tells(block.document, value.value, gone):
        return
    node = unwrap(value.value)
    entries = pairs(block.document, node) if node.type == "object" else {}
    dropped = [k for k, pair in entries.items() if _tells(block.document, pair, gone)]
    if dropped and len(dropped) < len(entries):
        for key in dropped:
            world.writer.add(e.DropKey(name, "value", key))
    else:
        world.writer.add(e.RemoveResource(name))
    world.notes.append(f"{name} told about {gone}; that goes too.")


def _tells(document: Document, node: Node, gone: str) -> bool:
    return gone in document.text(node) if gone.endswith("]") else refers_to(document, node, gone)


def element_home(resource: Resource) -> Place | None:
    """Where the for_each element of an instance is written: a map entry, or an item of a set or list."""
    element = resource.instance.frame.element
    place = home_of(element) if element is not None else None
    return place if place is not None and place.editable else None


def _all_users_go(world: World, place: Place, going: list[Resource]) -> bool:
    addresses = {r.address for r in going}
    if any(r not in going and (home := element_home(r)) is not None and home.key == place.key for r in world.inventory.resources):
        return False
    inside = {a for p in _places_inside(world, place, going) for a, _ in world.inventory.users.of(p)}
    if inside - addresses - {a for a, _ in world.inventory.users.of(place)}:
        return False
    return not {a for a, _ in world.inventory.users.of(place)} - addresses or _only_keys(world, place, addresses)


def _places_inside(world: World, place: Place, going: list[Resource]) -> list[Place]:
    """The places of everything that is written inside an element."""
    for resource in going:
        element = resource.instance.frame.element
        if element is not None and (home := home_of(element)) is not None and home.key == place.key:
            return [v.via[-1] for v in element.walk() if v.via and v.via[-1].file == place.file and v.via[-1].address == place.address]
    return []


def _only_keys(world: World, place: Place, going: set[str]) -> bool:
    """Whether those who stay use the place only because their for_each runs over the set it is an item of."""
    users = world.inventory.users.of(place)
    staying = {a for a, _ in users} - going
    return bool(staying) and all(name == "for_each" for a, name in users if a in staying)


def drop(world: World, place: Place) -> None:
    """Take out the map entry or list item that stands at a place."""
    steps = parse_path(place.path)
    if isinstance(steps[-1], int):
        world.writer.add(e.RemoveValue(place.address, place.path))
    else:
        world.writer.add(e.DropKey(place.address, show_path(steps[:-1]), str(steps[-1])))


def _exclude_keys(world: World, together: list[Resource], going: list[Resource]) -> None:
    """Take for_each keys out at the source when everybody made from those elements goes; else leave them out here alone."""
    homes = {r: element_home(r) for r in together}
    rest: list[Resource] = []
    for resource, home in homes.items():
        if home is not None and _steps_ok(home) and _all_users_go(world, home, going):
            drop(world, home)
        else:
            rest.append(resource)
    if not rest:
        return
    block, address = rest[0].block, rest[0].block_address
    if len({r.instance.scope.prefix for r in world.inventory.siblings(rest[0])}) > 1:
        raise Unsettled(Refusal(f"{rest[0].address} is made by a module that is called several times; I cannot take it out there alone."))
    attribute = block.attributes["for_each"]
    now = block.document.text(attribute.value)
    keys = sorted(str(r.instance.index) for r in rest)
    evaluated = rest[0].instance.body.get("for_each")
    wanted = f'k != "{keys[0]}"' if len(keys) == 1 else f"!contains({literal(keys)}, k)"
    if evaluated is not None and evaluated.is_set:
        source = f"setsubtract({now}, {literal(keys)})"
    else:
        source = f"{{ for k, v in {now} : k => v if {wanted} }}"
    world.writer.add(e.SetAttribute(address, "for_each", source, replacing=now))


def _steps_ok(place: Place) -> bool:
    steps = parse_path(place.path)
    return bool(steps) and not (isinstance(steps[-1], str) and steps[-1].startswith("@"))


def _lower_count(world: World, together: list[Resource], siblings: list[Resource], going: list[Resource]) -> None:
    indexes = sorted(int(r.instance.index) for r in together if isinstance(r.instance.index, int))
    left = len(siblings) - len(indexes)
    if indexes != list(range(left, len(siblings))):
        raise Unsettled(
            Refusal(
                f"{together[0].address} is one of a count: taking out one that is not the last would move the others to new addresses. "
                "Ask for the last one, or turn count into for_each first."
            )
        )
    set_count(world, together[0], left, list(going))


def set_count(world: World, resource: Resource, number: int, along: list[Resource]) -> None:
    """Let a counted block have `number` instances, at the source when everyone that counts with it comes along."""
    value = resource.instance.body.get("count")
    siblings = world.inventory.siblings(resource)
    if value is None:
        raise Unsettled(Refusal(f"{resource.address} has no count."))
    moving = {r.block_address for r in along} | {resource.block_address}
    if value.why and number < len(siblings) and _shorten(world, resource, number, len(siblings), along):
        return
    for place in reversed(value.via if not value.why else ()):
        users = world.inventory.users.of(place)
        if place.editable and all(world.inventory.by_address[a].block_address in moving for a, _ in users):
            world.writer.write_at(place, number)
            return
    now = resource.block.document.text(resource.block.attributes["count"].value)
    less = len(siblings) - number
    source = f"{now} - {less}" if value.why and less > 0 else str(number)
    world.writer.add(e.SetAttribute(resource.block_address, "count", source, replacing="" if now.isdigit() else now))


def _shorten(world: World, resource: Resource, number: int, present: int, along: list[Resource]) -> bool:
    """Take the last elements out of the list whose length is the count, when nobody else uses them."""
    source = resource.block.document.text(resource.block.attributes["count"].value).strip()
    counted = re.fullmatch(r"length\((local|var)\.([\w-]+)\)", source)
    if not counted:
        return False
    scope = resource.instance.scope
    value = scope.local(counted[2]) if counted[1] == "local" else scope.variable(counted[2])
    place = home_of(value)
    if place is None or not place.editable or not isinstance(value.data, list) or len(value.data) != present:
        return False
    going = {r.address for r in along} | {
        r.address for r in world.inventory.siblings(resource) if isinstance(r.instance.index, int) and r.instance.index >= number
    }
    for element in value.data[number:]:
        users = {a for v in element.walk() if v.via for a, name in world.inventory.users.of(v.via[-1]) if name != "count"}
        if users - going:
            return False
    blocks = {r.block_address for r in world.inventory.resources if r.address in going}
    if any(world.inventory.by_address[a].block_address not in blocks for a, name in world.inventory.users.of(place) if name == "count"):
        return False
    for position in range(present - 1, number - 1, -1):
        world.writer.add(e.RemoveValue(place.address, f"{place.path}[{position}]"))
    return True


def _remove_from_module(world: World, resource: Resource, going: list[Resource]) -> None:
    """An instance in a module that is called several times: the whole call goes when all its resources go."""
    scope = resource.instance.scope
    inside = [r for r in world.inventory.resources if r.address.startswith(scope.prefix)]
    if not scope.module.path or scope.parent is None or scope.module.call is None:
        raise Unsettled(Refusal(f"I cannot take {resource.address} out alone."))
    staying = [r for r in inside if r not in going]
    if staying and all(r.type == DISK for r in staying):
        raise Unsettled(
            Question(
                f"{resource.address} is made together with {', '.join(r.address for r in staying)}. Does that go too?",
                {WITH_DISKS: "deleted"},
            )
        )
    call = f"{scope.parent.module.prefix}module.{scope.module.path[-1]}"
    key = scope.keys[-1]
    if staying:
        raise Unsettled(
            Refusal(
                f"{resource.address} is made by {call}, with {', '.join(r.address for r in staying[:4])}: I cannot take it out there "
                "alone. Say that those go too."
            )
        )
    if key is None:
        world.writer.add(e.RemoveResource(call))
        _clean_outputs(world, scope.parent.module, f"module.{scope.module.path[-1]}")
        return
    if isinstance(key, int):
        _lower_call_count(world, resource, key, going)
        return
    element = scope.call.element if scope.call else None
    home = home_of(element) if element is not None else None
    if home is not None and home.editable and _steps_ok(home):
        drop(world, home)
        return
    raise Unsettled(Refusal(f"I cannot take {call}[{key}] out: its for_each is computed."))


def _lower_call_count(world: World, resource: Resource, key: int, going: list[Resource]) -> None:
    scope = resource.instance.scope
    assert scope.parent is not None
    assert scope.module.call is not None
    alike = [s for s in world.inventory.configuration.scopes if s.parent is scope.parent and s.module.path == scope.module.path]
    gone = [s for s in alike if any(r.instance.scope is s for r in going)]
    keys = sorted(int(s.keys[-1]) for s in gone if isinstance(s.keys[-1], int))
    if keys != list(range(len(alike) - len(gone), len(alike))):
        raise Unsettled(Refusal("Taking out one of a count that is not the last would move the others. Ask for the last one."))
    call_count(world, resource, len(alike) - len(gone))


def call_count(world: World, resource: Resource, number: int) -> None:
    """Set how often the module around an instance is called, for its own parent alone."""
    scope = resource.instance.scope
    call, parent = scope.module.call, scope.parent
    assert call is not None
    assert parent is not None
    attribute = call.attributes["count"]
    address = f"{parent.module.prefix}module.{scope.module.path[-1]}"
    value = evaluate(parent.frame(call.document, address), attribute.value, ("count",))
    shared = len({s.parent for s in world.inventory.configuration.scopes if s.module.call == call}) > 1
    place = next((p for p in reversed(value.via) if p.editable and not (shared and p.address.startswith(parent.module.prefix))), None)
    if place is not None and not (shared and parent.module.path and "variable." in place.address):
        world.writer.write_at(place, number)
        return
    name = re.fullmatch(r"var\.([\w-]+)", call.document.text(attribute.value))
    if name and parent.parent is not None:
        above = f"{parent.parent.module.prefix}module.{parent.module.path[-1]}"
        world.writer.add(e.SetAttribute(above, name[1], str(number)))
        return
    raise Unsettled(Refusal(f"The count of {address} is shared; I cannot change it for one caller."))
