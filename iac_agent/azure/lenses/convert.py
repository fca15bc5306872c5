"""Terraform values to ARM JSON and back, driven by the rows of a lens and the types of the provider schema.

Unknown and null values are both absent here: callers strip Terraform's unknowns first.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import Any

from iac_agent.azure.lenses.codecs import JSON, NOT, same_json, set_order
from iac_agent.azure.lenses.table import Attr, Body, Field, Lens, Nested, Values, get_path, put_path
from iac_agent.azure.schemas import AttributeSchema, BlockSchema, provider_schema


def block_schema(lens: Lens, major: int) -> BlockSchema:
    return provider_schema(major).resources[lens.type]


@functools.cache
def child_schema(schema: BlockSchema, name: str) -> BlockSchema:
    """The schema of a nested block, also when the provider declares it as an attribute of objects."""
    if name in schema.blocks:
        return schema.blocks[name]
    nesting, inner = schema.attributes[name].type
    if nesting == "object":
        nesting, inner = "single", ["object", inner]
    attributes = {
        k: AttributeSchema(k, t, required=False, optional=True, computed=False, sensitive=False, write_only=False, deprecated=False)
        for k, t in inner[1].items()
    }
    return BlockSchema(attributes, {}, nesting)


def is_empty(value: Any) -> bool:
    """Null, or what the legacy SDK cannot tell from null: empty text, zero, false, empty collections."""
    return value is None or value in ("", 0, False) or (isinstance(value, list | dict) and not value)


# --- to ARM ----------------------------------------------------------------------------------------------------------


def expand(lens: Lens, values: Values, major: int) -> Body:
    """The body of the create PUT for these values."""
    body: Body = copy.deepcopy(dict(lens.constant))
    expand_fields(lens.fields_for(major), values, block_schema(lens, major), body, major)
    if lens.hooks.expand:
        lens.hooks.expand(body, values, major)
    return body


def expand_fields(fields: tuple[Field, ...], values: Mapping[str, Any], schema: BlockSchema, body: Body, major: int) -> None:
    for field in fields:
        if field.send == "never" or field.arm is None or field.major not in (None, major):
            continue
        value = values.get(field.name)
        if isinstance(field, Attr):
            _expand_attr(field, value, schema, body)
        elif value:
            items = value if isinstance(value, list) else [value]
            inner = child_schema(schema, field.name)
            elements: list[Body] = []
            for item in items:
                element: Body = {}
                expand_fields(field.fields, item or {}, inner, element, major)
                elements.append(element)
            if field.single:
                put_path(body, field.arm, {**(get_path(body, field.arm) or {}), **elements[0]})
            else:
                put_path(body, field.arm, elements)
        elif field.send == "always":
            put_path(body, field.arm, {} if field.single else [])


def _expand_attr(field: Attr, value: Any, schema: BlockSchema, body: Body) -> None:
    assert field.arm is not None
    kind = schema.attributes[field.name].type
    if isinstance(value, list) and kind == ["set", "string"]:
        value = set_order(value)
    if field.send == "always":
        if value is None:
            if get_path(body, field.arm) is not None:
                return
            value = schema.attributes[field.name].zero if field.unset is None else field.unset
        put_path(body, field.arm, field.codec.to_arm(value))
    elif value == field.unset and value is not None:
        return
    elif not is_empty(value) or (value is False and field.default):
        put_path(body, field.arm, field.codec.to_arm(value))


# --- from ARM --------------------------------------------------------------------------------------------------------


def flatten(lens: Lens, live: Body, known: Values, major: int) -> Values:
    """Attribute values from a live body. `known` are the values before: what ARM does not tell is kept from there."""
    values = flatten_fields(lens.fields_for(major), live, known, block_schema(lens, major), major)
    if lens.hooks.flatten:
        lens.hooks.flatten(values, live, known, major)
    return values


def flatten_fields(fields: tuple[Field, ...], live: Any, known: Mapping[str, Any], schema: BlockSchema, major: int) -> Values:
    values: Values = {}
    for field in fields:
        if field.major not in (None, major) or (field.name not in schema.attributes and field.name not in schema.blocks):
            continue
        if field.read == "never" or field.arm is None:
            kept = known.get(field.name)
            zero = schema.attributes[field.name].zero if field.read == "value" and field.name in schema.attributes else None
            values[field.name] = zero if kept is None else kept
            continue
        found = get_path(live, field.arm)
        if isinstance(field, Attr):
            values[field.name] = _flatten_attr(field, found, known, schema)
        else:
            values[field.name] = _flatten_nested(field, found, known, schema, major)
    return values


def _flatten_attr(field: Attr, found: Any, known: Mapping[str, Any], schema: BlockSchema) -> Any:
    declared = schema.attributes[field.name]
    if found is None:
        absent = field.codec.from_arm(False) if field.codec is NOT else declared.zero
        absent = absent if field.unset is None else field.unset
        return absent if field.read == "value" else None
    value = field.codec.from_arm(found)
    before = known.get(field.name)
    if field.codec.ids and _same_ids(value, before):
        return before
    if field.codec is JSON and same_json(value, before):
        return before
    if (
        isinstance(value, list)
        and _is_set(declared.type)
        and isinstance(before, list)
        and sorted(value, key=str) == sorted(before, key=str)
    ):
        return before
    return value


def _flatten_nested(field: Nested, found: Any, known: Mapping[str, Any], schema: BlockSchema, major: int) -> Any:
    if found is None:
        return None if field.read == "present" and field.computed else []
    inner = child_schema(schema, field.name)
    before = known.get(field.name) or []
    before = before if isinstance(before, list) else [before]
    items = [found] if field.single else list(found)
    matched = match_elements(items, before, field)
    out = []
    for item, prior in zip(items, matched, strict=True):
        element = flatten_fields(field.fields, item, prior, inner, major)
        for name, attribute in inner.attributes.items():
            element.setdefault(name, prior.get(name) if prior else (attribute.zero if name != "id" else ""))
        for name in inner.blocks:
            element.setdefault(name, prior.get(name, []) if prior else [])
        out.append(element)
    return _in_known_order(out, matched, before)


def match_elements(items: list[Any], before: list[Values], field: Nested) -> list[Values]:
    """For each live element the element before that it continues: by name where elements have names, else by position."""
    by_name = {str(b.get("name")): b for b in before if isinstance(b, dict) and b.get("name")}
    named = any(f.name == "name" for f in field.fields)
    out: list[Values] = []
    for position, item in enumerate(items):
        if named and not field.single:
            row = next(f for f in field.fields if f.name == "name")
            out.append(by_name.get(str(get_path(item, row.arm or "name")), {}))
        else:
            out.append(before[position] if position < len(before) else {})
    return out


def _in_known_order(out: list[Values], matched: list[Values], before: list[Values]) -> list[Values]:
    """Live elements in the order the configuration has them; new ones last. ARM does not promise an order."""
    rank = {id(b): i for i, b in enumerate(before)}
    ranked = sorted(range(len(out)), key=lambda i: rank.get(id(matched[i]), len(before) + i))
    return [out[i] for i in ranked]


def _is_set(kind: Any) -> bool:
    return isinstance(kind, list) and kind[0] == "set"


def _same_ids(value: Any, before: Any) -> bool:
    if isinstance(value, str) and isinstance(before, str):
        return bool(value) and value.lower() == before.lower()
    if isinstance(value, list) and isinstance(before, list):
        return len(value) == len(before) and sorted(str(v).lower() for v in value) == sorted(str(v).lower() for v in before)
    return False


def settle(values: Values, planned: Mapping[str, Any], schema: BlockSchema) -> Values:
    """Values as the legacy SDK would return them after apply or read: an empty collection that was null stays null,
    a null scalar takes the planned value, and every attribute of the schema is there.

    Source: `normalizeNullValues` of terraform-plugin-sdk v2.
    """
    out: Values = {}
    for name, attribute in schema.attributes.items():
        value, before = values.get(name), planned.get(name)
        if isinstance(attribute.type, list) and (value is None or value in ([], {})):
            out[name] = before if value is None or (name in planned and before is None) else value
        else:
            out[name] = before if value is None else value
        if isinstance(out[name], list) and isinstance(attribute.type[1], list) and attribute.type[1][0] == "object":
            out[name] = [_settle_object(v, attribute.type[1][1]) for v in out[name]]
    for name, block in schema.blocks.items():
        items, before = values.get(name), planned.get(name)
        if name == "timeouts" or items is None:
            out[name] = before
            continue
        befores = before if isinstance(before, list) else []
        out[name] = [
            settle(item, befores[i] if i < len(befores) and isinstance(befores[i], dict) else {}, block) for i, item in enumerate(items)
        ]
    return out


def _settle_object(value: Any, types: Mapping[str, Any]) -> Values:
    return {name: (value or {}).get(name) for name in types}
