"""State against live values of one resource: which attributes differ in a way that Terraform would see.

The lens has made both sides alike already (case of ids and locations, defaults, JSON formatting); what is left is order in sets, and
what only Azure sets.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from iac_agent.azure.lenses.convert import block_schema, child_schema, is_empty, settle
from iac_agent.azure.lenses.table import Attr, Field, Lens, Nested, Values
from iac_agent.azure.schemas import AttributeSchema, BlockSchema
from iac_agent.drift.finding import Difference, Path
from iac_agent.hcl import secrets

_IDENTITIES = {
    "azurerm_linux_virtual_machine": "virtual_machine_id",
    "azurerm_windows_virtual_machine": "virtual_machine_id",
    "azurerm_user_assigned_identity": "principal_id",
    "azurerm_log_analytics_workspace": "workspace_id",
    "azurerm_linux_virtual_machine_scale_set": "unique_id",
}


def differences(lens: Lens, state: Values, live: Values, major: int, sensitive: Collection[Path] = ()) -> tuple[Difference, ...]:
    """The configurable attributes whose live value is another than in state, each at the innermost path that differs."""
    schema = block_schema(lens, major)
    settled = settle(live, state, schema)
    if settled == state:
        return ()
    found = _block(schema, lens.fields_for(major), state, settled, (), "")
    return tuple(_marked(d, schema, sensitive) for d in found)


def is_another(lens: Lens, state: Values, live: Values) -> bool:
    """Whether this is a new resource under the old name: the identity that Azure gave it is another."""
    name = _IDENTITIES.get(lens.type, "")
    return bool(name and state.get(name) and live.get(name) and state[name] != live[name])


def has_identity(lens: Lens, state: Values) -> bool:
    """Whether state holds an identity that Azure gave, by which the resource is known wherever it is."""
    return bool(state.get(_IDENTITIES.get(lens.type, "")))


def _marked(difference: Difference, schema: BlockSchema, sensitive: Collection[Path]) -> Difference:
    declared = schema.attributes.get(str(difference.path[0]))
    hidden = (declared is not None and declared.sensitive) or any(difference.path[: len(p)] == tuple(p) for p in sensitive)
    hidden = hidden or _gives_itself_away(
        difference, named=declared is not None and isinstance(declared.type, list) and declared.type[0] == "map"
    )
    return Difference(difference.path, difference.before, difference.after, hidden, difference.arm)


def _gives_itself_away(difference: Difference, *, named: bool) -> bool:
    """Whether a value, or the key that somebody gave it in a map (`named`), has the shape of a secret, though no schema says so."""
    told = [v if isinstance(v, str) else json.dumps(v) for v in (difference.before, difference.after) if v is not None]
    return (named and secrets.is_sensitive_name(str(difference.path[-1]))) or any(next(secrets.in_text(t), None) is not None for t in told)


def _block(
    schema: BlockSchema, fields: tuple[Field, ...], state: Mapping[str, Any], live: Mapping[str, Any], at: Path, arm: str
) -> Iterator[Difference]:
    rows = {f.name: f for f in fields}
    for name, attribute in schema.attributes.items():
        row = rows.get(name)
        if not (attribute.required or attribute.optional) or (row is not None and row.read == "never"):
            continue
        place = _joined(arm, row)
        if isinstance(row, Nested):
            yield from _nested(child_schema(schema, name), row, state.get(name), live.get(name), (*at, name), place)
        else:
            yield from _attribute(attribute, state.get(name), live.get(name), (*at, name), place)
    for name, block in schema.blocks.items():
        row = rows.get(name)
        if isinstance(row, Nested) and row.read != "never":
            yield from _nested(block, row, state.get(name), live.get(name), (*at, name), _joined(arm, row))


def _joined(outer: str, row: Field | None) -> str:
    if row is None or row.arm is None:
        return outer
    return f"{outer}.{row.arm}" if outer else row.arm


def _attribute(attribute: AttributeSchema, before: Any, after: Any, at: Path, arm: str) -> Iterator[Difference]:
    kind = attribute.type
    if is_empty(before) and is_empty(after):
        return
    if isinstance(kind, list) and kind[0] == "map":
        was, now = before or {}, after or {}
        for key in sorted(was.keys() | now.keys()):
            if was.get(key) != now.get(key):
                yield Difference((*at, key), was.get(key), now.get(key), arm=f"{arm}.{key}" if arm else "")
    elif isinstance(kind, list) and kind[0] == "set":
        if _canonical(before) != _canonical(after):
            yield Difference(at, before, after, arm=arm)
    elif (float(before or 0) != float(after or 0)) if kind == "number" else (before != after):
        yield Difference(at, before, after, arm=arm)


def _canonical(value: Any) -> list[str]:
    return sorted(json.dumps(v, sort_keys=True) for v in value or [])


def _nested(schema: BlockSchema, row: Nested, before: Any, after: Any, at: Path, arm: str) -> Iterator[Difference]:
    was, now = before or [], after or []
    was, now = (x if isinstance(x, list) else [x] for x in (was, now))
    if len(was) == len(now) == 1 and (row.single or schema.max_items == 1):
        yield from _block(schema, row.fields, was[0] or {}, now[0] or {}, at, arm)
        return
    key = _key_of(row)
    if not key and schema.nesting == "set":
        if _canonical(was) != _canonical(now):
            yield Difference(at, was, now, arm=arm)
        return
    left = {_step(e, key, n): e for n, e in enumerate(was)}
    right = {_step(e, key, n): e for n, e in enumerate(now)}
    for step in dict.fromkeys([*left, *right]):
        one, other = left.get(step), right.get(step)
        if one is None or other is None:
            yield Difference((*at, step), one, other, arm=arm)
        else:
            yield from _block(schema, row.fields, one, other, (*at, step), arm)


def _key_of(row: Nested) -> str:
    """The attribute that tells elements apart: their name, where they have one."""
    names = [f.name for f in row.fields if isinstance(f, Attr)]
    return "name" if "name" in names else ""


def _step(element: Mapping[str, Any], key: str, position: int) -> str | int:
    return str(element.get(key)) if key and element.get(key) else position
