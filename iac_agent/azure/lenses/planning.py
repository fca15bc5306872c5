"""What a change of configuration does: defaults, validation, and which changes replace the resource.

The same functions let the sandbox provider plan and tell the guard which change forces a replacement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iac_agent.azure.lenses.codecs import JSON, LOCATION, same_json
from iac_agent.azure.lenses.convert import block_schema, child_schema, is_empty
from iac_agent.azure.lenses.table import Attr, Field, Lens, Nested, Problem, Values
from iac_agent.azure.schemas import BlockSchema


class _Unknown:
    """Stands for a value known only after apply."""

    def __repr__(self) -> str:
        return "(known after apply)"


UNKNOWN = _Unknown()
IMPORTED = "ignored-as-imported"  # azurerm's own word for a password it cannot read back
Path = tuple[str | int, ...]


def plan(lens: Lens, prior: Values | None, proposed: Values, config: Values, major: int) -> Values:
    """The planned values: `proposed` with defaults filled in, computed values unknown on create and kept on update.

    All three hold every attribute of the schema; UNKNOWN marks values known only after apply.
    """
    schema = block_schema(lens, major)
    planned = _plan(lens.fields_for(major), prior, proposed, config, schema, prior is None)
    _join_aliases(lens, planned, config, major)
    return planned


def _plan(fields: tuple[Field, ...], prior: Values | None, proposed: Values, config: Values, schema: BlockSchema, create: bool) -> Values:
    rows = {f.name: f for f in fields}
    planned: Values = {}
    for name, attribute in schema.attributes.items():
        row = rows.get(name)
        value, configured = proposed.get(name), config.get(name)
        before = prior.get(name) if prior else None
        if isinstance(row, Nested) and configured and configured is not UNKNOWN:
            planned_elements = [_plan(row.fields, None, v, v, child_schema(schema, name), False) for v in configured]
            value = [_continued(row, v, before if isinstance(before, list) else []) for v in planned_elements]
        elif isinstance(row, Attr) and configured is None and row.default is not None:
            value = row.default
        elif configured is None and attribute.computed:
            value = UNKNOWN if create else before
        elif isinstance(row, Attr) and isinstance(value, str) and not row.codec.ids:
            value = _normalised(row, value)
        planned[name] = None if attribute.write_only else _steady(row, before, value, create)
    for name, block in schema.blocks.items():
        row = rows.get(name)
        planned[name] = proposed.get(name)
        if name == "timeouts" or not isinstance(row, Nested) or planned[name] is UNKNOWN:
            continue
        planned[name] = _plan_block(row, prior, proposed, config, name, block, create)
    return planned


def _plan_block(row: Nested, prior: Values | None, proposed: Values, config: Values, name: str, block: BlockSchema, create: bool) -> Any:
    items = proposed.get(name) or []
    if not items:
        if row.computed and create:
            return UNKNOWN
        return (prior or {}).get(name) if row.computed and prior else items
    configs = config.get(name) or []
    before = (prior or {}).get(name) or []
    out = []
    for position, item in enumerate(items):
        matched = before[position] if position < len(before) and block.nesting == "list" else None
        configured = configs[position] if position < len(configs) else {}
        fresh = create or matched is None
        element = _plan(row.fields, matched, item, configured if configured is not UNKNOWN else {}, block, fresh)
        out.append(_continued(row, element, before) if block.nesting == "set" else element)
    return out


def _continued(row: Nested, element: Values, before: list[Any]) -> Values:
    """The element of `before` that this one equals but for what Azure computes and for empty against null; else itself."""
    computed = {f.name for f in row.fields if isinstance(f, Attr) and f.send == "never"}

    def given(values: Values) -> Values:
        return {k: v for k, v in values.items() if k not in computed}

    return next((b for b in before if isinstance(b, dict) and _alike(given(b), given(element))), element)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_alike(one.get(k), other.get(k)) for k in one.keys() | other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and (
            all(_alike(a, b) for a, b in zip(one, other, strict=True)) or sorted(map(repr, one)) == sorted(map(repr, other))
        )
    return bool(one == other) or (is_empty(one) and is_empty(other))


def _normalised(row: Attr, value: str) -> str:
    return str(row.codec.to_arm(value)) if row.codec is LOCATION else value


def _steady(row: Field | None, before: Any, value: Any, create: bool) -> Any:
    """The value before where the difference means nothing: empty against null, and case in ids."""
    if create or value is UNKNOWN:
        return value
    if before == IMPORTED:
        return before
    if is_empty(before) and is_empty(value) and not isinstance(row, Nested):
        return before
    if isinstance(row, Attr) and row.codec.ids and _equal(before, value, ids=True):
        return before
    if isinstance(row, Attr) and row.codec is JSON and same_json(before, value):
        return before
    return value


def _join_aliases(lens: Lens, planned: Values, config: Values, major: int) -> None:
    """Two attributes on one ARM value (a renamed flag in azurerm 4): the one that is not configured follows the other."""
    by_place: dict[str, list[Attr]] = {}
    for row in lens.fields_for(major):
        if isinstance(row, Attr) and row.arm and row.send != "never":
            by_place.setdefault(row.arm, []).append(row)
    for rows in by_place.values():
        chosen = next((r for r in rows if config.get(r.name) is not None), None)
        for row in rows if len(rows) > 1 and chosen else ():
            assert chosen is not None
            if config.get(row.name) is None and config[chosen.name] is not UNKNOWN:
                planned[row.name] = row.codec.from_arm(chosen.codec.to_arm(config[chosen.name]))


def _equal(one: Any, other: Any, *, ids: bool = False, unordered: bool = False) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        left, right = [str(v).lower() if ids else v for v in one], [str(v).lower() if ids else v for v in other]
        return sorted(left, key=repr) == sorted(right, key=repr) if unordered or ids else left == right
    if ids and isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    return bool(one == other) or (is_empty(one) and is_empty(other))


def replacements(lens: Lens, prior: Values, planned: Values, major: int) -> list[Path]:
    """The attribute paths whose change replaces the resource, in schema order; empty for an update in place."""
    schema = block_schema(lens, major)
    found = _replacements(lens.fields_for(major), prior, planned, schema, ())
    if lens.hooks.replace:
        found += [p for p in lens.hooks.replace(prior, planned, major) if p not in found]
    return found


def _replacements(
    fields: tuple[Field, ...], prior: Mapping[str, Any], planned: Mapping[str, Any], schema: BlockSchema, at: Path
) -> list[Path]:
    found: list[Path] = []
    for row in fields:
        before, after = prior.get(row.name), planned.get(row.name)
        if row.name not in schema.attributes and row.name not in schema.blocks:
            continue
        if isinstance(row, Attr):
            kind = schema.attributes[row.name].type
            unordered = isinstance(kind, list) and kind[0] == "set"
            if row.new and not _equal(before, after, ids=row.codec.ids, unordered=unordered):
                found.append((*at, row.name))
            continue
        old, new = before or [], after or []
        if new is UNKNOWN:
            continue
        if row.new and len(old) != len(new):
            found.append((*at, row.name))
            continue
        inner = child_schema(schema, row.name)
        if inner.nesting == "set":
            if row.new and not _equal(old, new, unordered=True):
                found.append((*at, row.name))
            continue
        for position, (one, other) in enumerate(zip(old, new, strict=False)):
            found += _replacements(row.fields, one, other, inner, (*at, row.name, position))
    return found


def check(lens: Lens, config: Values, major: int) -> list[Problem]:
    """Mistakes a configuration shows by itself: values out of their choices or bounds, and arguments that exclude each other."""
    problems = _check(lens.fields_for(major), config, ())
    unknown = {k for k, v in config.items() if v is UNKNOWN}
    present = {k for k, v in config.items() if v is not None and v != []} - unknown
    known = block_schema(lens, major)
    for group in lens.conflicts:
        clash = [n for n in group if n in present]
        if len(clash) > 1:
            problems.append(Problem(f'"{clash[0]}": conflicts with {clash[1]}', (clash[0],)))
    for group in lens.exactly_one:
        names = [n for n in group if n in known.attributes or n in known.blocks]
        given = sorted(present & set(names))
        listed = ",".join(sorted(names))
        if len(given) > 1:
            text = f"only one of `{listed}` can be specified, but `{','.join(given)}` were specified."
            problems.append(Problem(f'"{names[0]}": {text}', ()))
        elif names and not given and not unknown & set(names):
            problems.append(Problem(f'"{names[0]}": one of `{listed}` must be specified', ()))
    for group in lens.at_least_one:
        names = [n for n in group if n in known.attributes or n in known.blocks]
        if names and not (present | unknown) & set(names):
            problems.append(Problem(f'"{names[0]}": one of `{",".join(names)}` must be specified', ()))
    for group in lens.together:
        if present & set(group) and not set(group) <= present | unknown:
            problems.append(Problem(f'"{group[0]}": all of `{",".join(group)}` must be specified', ()))
    return problems + (lens.hooks.check(config, major) if lens.hooks.check else [])


def _check(fields: tuple[Field, ...], config: Mapping[str, Any], at: Path) -> list[Problem]:
    problems: list[Problem] = []
    for row in fields:
        value = config.get(row.name)
        if value is None or value is UNKNOWN:
            continue
        if isinstance(row, Nested):
            for position, item in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(item, dict):
                    problems += _check(row.fields, item, (*at, row.name, position))
            continue
        for one in value if isinstance(value, list) else [value]:
            if row.choices and one is not UNKNOWN and one not in row.choices:
                allowed = " ".join(f'"{c}"' if isinstance(c, str) else str(c) for c in row.choices)
                problems.append(Problem(f"expected {_dotted(at, row.name)} to be one of [{allowed}], got {one}", (*at, row.name)))
        if row.between and isinstance(value, int | float) and not row.between[0] <= value <= row.between[1]:
            low, high = (format(b, "g") for b in row.between)
            problems.append(
                Problem(
                    f"expected {_dotted(at, row.name)} to be in the range ({low} - {high}), got {value}",
                    (*at, row.name),
                )
            )
    return problems


def _dotted(at: Path, name: str) -> str:
    return ".".join(str(p) for p in (*at, name))
