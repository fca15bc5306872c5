"""Entries of maps such as tags: put, dropped and renamed for some resources, without losing what is there."""

from __future__ import annotations

import re
from typing import Any

from iac_agent.hcl import edits as e
from iac_agent.hcl.address import parse_path
from iac_agent.hcl.document import literal
from iac_agent.hcl.expressions import operands
from iac_agent.hcl.paths import node_at
from iac_agent.hcl.value import Place, Value
from iac_agent.planner.inventory import Resource
from iac_agent.planner.writing.levels import Level, below, levels_of, own_keys
from iac_agent.planner.writing.write import Writer, home_of, is_type_default


def put_keys(writer: Writer, targets: list[Resource], path: str, entries: dict[str, str]) -> None:
    """Give every target these entries in the map at `path`, keeping the others."""
    for target in targets:
        missing: dict[str, str] = {}
        for key, value in entries.items():
            held = target.instance.value((*parse_path(path), key))
            if held is not None and held.plain() == value:
                continue
            written = _exclusive_literal(writer, held, targets, path) if held is not None and held.known else None
            if written is not None:
                writer.write_at(written, value)
            else:
                missing[key] = value
        if missing:
            _extend(writer, target, targets, path, missing)


def _exclusive_literal(writer: Writer, value: Value, targets: list[Resource], path: str) -> Place | None:
    place = value.written
    if place is None or not place.editable:
        return None
    return place if writer.inventory.users.exclusive(place, [t.instance for t in targets], path) else None


def _extend(writer: Writer, target: Resource, targets: list[Resource], path: str, entries: dict[str, str]) -> None:
    value = target.instance.value(parse_path(path))
    source = literal(entries)
    if value is None or (value.known and value.data is None):
        level = levels_of(target.instance)[-1]
        if value is None and set(below(writer.inventory, level, target)) <= set(targets):
            for key, text in entries.items():
                writer.add(e.PutKey(level.address, path, key, literal(text)))
        else:
            writer.split(target, targets, path, source)
        return
    instances = [t.instance for t in targets]
    if any(_has_by_now(writer, value, part, entries) for part in _homes(value)):
        return
    for part in _homes(value):
        place = home_of(part)
        if place is None or not isinstance(part.data, dict) or any(_set_later(value, part, k) for k in entries):
            continue
        if is_type_default(place):
            if _put_field_of_type(writer, target, targets, place, {**part.plain(), **entries}):
                return
            continue
        own_text = place.address == target.block_address and target.instance.index is not None
        if own_text and _put_own_field(writer, target, targets, path, entries):
            return
        if place.editable and writer.inventory.users.exclusive(place, instances, path):
            for key, text in entries.items():
                writer.add(e.PutKey(place.address, place.path, key, literal(text)))
            return
    place = writer.exclusive(value, targets, path)
    if place is not None:
        writer.add(e.SetAttribute(place.address, place.path, _merged(place.source, source), replacing=place.source))
        return
    _merge_by_key(writer, target, targets, path, value.via[0].source if value.via else "{}", entries)


def _has_by_now(writer: Writer, value: Value, part: Value, entries: dict[str, str]) -> bool:
    """Whether this request gives the entries to a part of a merge already, with nothing behind it that has another value for them."""
    place = home_of(part)
    written = place is not None and all(e.PutKey(place.address, place.path, k, literal(t)) in writer.edits for k, t in entries.items())
    return written and not any(_set_later(value, part, k) for k in entries)


def _put_field_of_type(writer: Writer, target: Resource, targets: list[Resource], place: Place, value: Any) -> bool:
    """Set the field that a type gives a default, in the target's own element."""
    level = next((x for x in reversed(levels_of(target.instance)) if isinstance(x.key, str)), None)
    name = next((str(s) for s in reversed(parse_path(place.path)) if not str(s).startswith("@")), "")
    return level is not None and writer.put_field(target, targets, level, f"each.value.{name}", value)


def _put_own_field(writer: Writer, target: Resource, targets: list[Resource], path: str, entries: dict[str, str]) -> bool:
    """The map that an operand of the block's expression reads from the target's element (`try(each.value.tags, {})`), not there yet."""
    level = levels_of(target.instance)[-1]
    node = node_at(target.block, parse_path(path))
    sources = [target.block.document.text(n) for n in operands(node)] if node is not None else []
    return any(writer.put_field(target, targets, level, source, entries) for source in sources)


def _set_later(value: Value, part: Value, key: str) -> bool:
    """Whether a later part of a merge has the last word on a key."""
    later = False
    for one in value.parts:
        if later and isinstance(one.data, dict) and key in one.data:
            return True
        later = later or one is part
    return False


def _merge_by_key(writer: Writer, target: Resource, targets: list[Resource], path: str, now: str, entries: dict[str, str]) -> None:
    level = levels_of(target.instance)[-1]
    keys = own_keys(writer.inventory, target, targets, level)
    if keys is None:
        _through_variable_map(writer, target, targets, level, path, entries, now)
    else:
        writer.add(e.SetAttribute(level.address, path, _merged(now, level.by_key(keys, literal(entries), "{}")), replacing=now))


def _through_variable_map(
    writer: Writer, target: Resource, targets: list[Resource], level: Level, path: str, entries: dict[str, str], now: str
) -> None:
    """Entries for one call of a module that is called several times, by a variable that the module merges in."""
    above = writer.above(target, targets, level, path)
    name = f"{level.block.labels[-1]}_{path}" if level.block.type == "resource" else f"extra_{path}"
    if level.block.labels[-1] in ("this", "main"):
        name = f"{level.block.labels[0].rsplit('_', 1)[-1]}_{path}"
    if not re.search(rf"\bvar\.{name}\b", now):
        writer.declare(level, name, "map(string)", "{}")
        writer.add(e.SetAttribute(level.address, path, _merged(now, f"var.{name}"), replacing=now))
    writer.split_at(target, targets, above, name, literal(entries))


def drop_key(writer: Writer, targets: list[Resource], path: str, key: str) -> None:
    """Take a key out of the map at `path` of every target."""
    for target in targets:
        value = target.instance.value(parse_path(path))
        if value is None or not isinstance(value.data, dict) or key not in value.data:
            continue
        home = _home_of_key(writer, value, key, targets, path)
        if home is not None:
            writer.add(e.DropKey(home.address, home.path, key))
            continue
        _filter(writer, target, targets, path, value, key)


def _home_of_key(writer: Writer, value: Value, key: str, targets: list[Resource], path: str) -> Place | None:
    """The literal map that alone holds a key, when only the targets use that entry."""
    holders = [p for p in _homes(value) if isinstance(p.data, dict) and key in p.data and not p.parts]
    if len(holders) != 1:
        return None
    place, entry = home_of(holders[0]), holders[0].data[key].written
    if place is None or entry is None or not place.editable:
        return None
    return place if writer.inventory.users.exclusive(entry, [t.instance for t in targets], path) else None


def _filter(writer: Writer, target: Resource, targets: list[Resource], path: str, value: Value, key: str) -> None:
    place = writer.exclusive(value, targets, path)
    if place is not None:
        source = f'{{ for k, v in {place.source} : k => v if k != "{key}" }}'
        writer.add(e.SetAttribute(place.address, place.path, source, replacing=place.source))
        return
    level = levels_of(target.instance)[-1]
    keys = own_keys(writer.inventory, target, targets, level)
    now = value.via[0].source if value.via else level.written(path)
    if keys is None:
        _filter_through_variable(writer, target, targets, level, path, now, key)
        return
    source = f'{{ for k, v in {now} : k => v if k != "{key}" || !{level.among(keys)} }}'
    writer.add(e.SetAttribute(level.address, path, source, replacing=now))


def _filter_through_variable(
    writer: Writer, target: Resource, targets: list[Resource], level: Level, path: str, now: str, key: str
) -> None:
    """A key taken out for one call of a module that is called several times: the call names the keys it does without."""
    above = writer.above(target, targets, level, path)
    kind = level.block.labels[0].rsplit("_", 1)[-1] if level.block.labels[-1] in ("this", "main") else level.block.labels[-1]
    name = f"{kind}_without_{path}"
    if not re.search(rf"\bvar\.{name}\b", now):
        writer.declare(level, name, "list(string)", "[]")
        writer.add(e.SetAttribute(level.address, path, f"{{ for k, v in {now} : k => v if !contains(var.{name}, k) }}", replacing=now))
    writer.split_at(target, targets, above, name, literal([key]))


def rename_key(writer: Writer, targets: list[Resource], path: str, key: str, to: str) -> None:
    """Rename a key of the map at `path` of every target, keeping its value."""
    for target in targets:
        value = target.instance.value(parse_path(path))
        if value is None or not isinstance(value.data, dict) or key not in value.data:
            continue
        home = _home_of_key(writer, value, key, targets, path)
        if home is not None:
            writer.add(e.RenameKey(home.address, home.path, key, to))
            continue
        held = value.data[key]
        others = [t for t in targets if t.tags.get(key) == held.plain()]
        _filter(writer, target, others, path, value, key)
        last = writer.edits[-1]
        if isinstance(last, e.SetAttribute) and not last.value.startswith("merge("):
            writer.edits[-1] = e.SetAttribute(
                last.address, last.path, f"merge({last.value}, {literal({to: held.plain()})})", last.after, last.replacing
            )


def _homes(value: Value) -> list[Value]:
    """The collections a value is put together from, the strongest first; itself when it is one literal."""
    if not value.parts:
        return [value]
    return [home for part in reversed(value.parts) for home in _homes(part)]


def _merged(now: str, extra: str) -> str:
    """`now` with another map laid over it."""
    inner = re.fullmatch(r"merge\((.*)\)", now, re.DOTALL)
    if inner and not inner[1].rstrip().endswith(("...", ",")) and _balanced(inner[1]):
        return f"merge({inner[1].rstrip()}, {extra})"
    return f"merge({now}, {extra})"


def _balanced(text: str) -> bool:
    depth = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if depth < 0:
            return False
    return depth == 0
