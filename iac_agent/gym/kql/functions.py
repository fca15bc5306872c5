"""The scalar functions, operators and aggregates of Kusto, over Python values: dynamic values are dicts and lists, time is UTC.

Source: https://learn.microsoft.com/kusto/query/scalar-functions and .../aggregation-functions
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]


def text(value: Any) -> str:
    """`tostring`: null is empty, dynamic values are JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return json.dumps(value, separators=(",", ":"), default=text) if isinstance(value, dict | list) else str(value)


def moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        found = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def number(value: Any) -> float | int | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float) or value is None:
        return value
    try:
        return float(value) if re.search(r"[.eE]", str(value)) else int(str(value))
    except ValueError:
        return None


def parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def member(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return value.get(str(key))
    if isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return None


def words(value: Any) -> set[str]:
    """The terms `has` looks for: runs of letters and digits."""
    return set(re.findall(r"[^\W_]+", text(value).lower()))


def _has(value: Any, term: Any) -> bool:
    wanted = text(term).lower()
    return re.search(rf"(?<![^\W_]){re.escape(wanted)}(?![^\W_])", text(value).lower()) is not None


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, datetime) or isinstance(other, datetime):
        return moment(one) == moment(other)
    return bool(one == other) or (isinstance(one, str) != isinstance(other, str) and text(one) == text(other))


def _order(one: Any, other: Any) -> int:
    """Below, at or above zero; raises TypeError where the two cannot be compared."""
    if isinstance(one, datetime) or isinstance(other, datetime):
        one, other = moment(one), moment(other)
    elif isinstance(one, int | float) != isinstance(other, int | float):
        one, other = number(one), number(other)
    if one is None or other is None:
        raise TypeError("null has no order")
    return int(one > other) - int(one < other)


def _folded(check: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda a, b: check(text(a).lower(), text(b).lower())


OPERATORS: dict[str, Callable[..., Any]] = {
    "==": _same,
    "!=": lambda a, b: not _same(a, b),
    "=~": _folded(lambda a, b: a == b),
    "!~": _folded(lambda a, b: a != b),
    "<": lambda a, b: _order(a, b) < 0,
    "<=": lambda a, b: _order(a, b) <= 0,
    ">": lambda a, b: _order(a, b) > 0,
    ">=": lambda a, b: _order(a, b) >= 0,
    "in": lambda a, *rest: any(_same(a, b) for b in _spread(rest)),
    "!in": lambda a, *rest: not any(_same(a, b) for b in _spread(rest)),
    "in~": lambda a, *rest: text(a).lower() in {text(b).lower() for b in _spread(rest)},
    "!in~": lambda a, *rest: text(a).lower() not in {text(b).lower() for b in _spread(rest)},
    "has": _has,
    "!has": lambda a, b: not _has(a, b),
    "has_cs": lambda a, b: text(b) in re.findall(r"[^\W_]+", text(a)),
    "has_any": lambda a, *rest: any(_has(a, b) for b in _spread(rest)),
    "has_all": lambda a, *rest: all(_has(a, b) for b in _spread(rest)),
    "contains": _folded(lambda a, b: b in a),
    "!contains": _folded(lambda a, b: b not in a),
    "contains_cs": lambda a, b: text(b) in text(a),
    "!contains_cs": lambda a, b: text(b) not in text(a),
    "startswith": _folded(lambda a, b: a.startswith(b)),
    "!startswith": _folded(lambda a, b: not a.startswith(b)),
    "endswith": _folded(lambda a, b: a.endswith(b)),
    "!endswith": _folded(lambda a, b: not a.endswith(b)),
    "matches": lambda a, b: re.search(text(b), text(a)) is not None,
    "between": lambda a, low, high: _order(a, low) >= 0 and _order(a, high) <= 0,
    "!between": lambda a, low, high: _order(a, low) < 0 or _order(a, high) > 0,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: (a // b if isinstance(a, int) and isinstance(b, int) else a / b) if b else None,
    "%": lambda a, b: a % b if b else None,
    "negate": lambda a: -a,
}


def _spread(values: Iterable[Any]) -> list[Any]:
    """The values of a list literal; a dynamic array among them counts as its elements."""
    return [x for v in values for x in (v if isinstance(v, list) else [v])]


def _empty(value: Any) -> bool:
    return value is None or value == ""


def bin_of(value: Any, size: Any) -> Any:
    if isinstance(size, timedelta):
        found = moment(value)
        if found is None:
            return None
        epoch = datetime(1, 1, 1, tzinfo=UTC)
        return epoch + (found - epoch) // size * size
    held = number(value)
    return None if held is None or not size else held // size * size


SCALARS: dict[str, Callable[..., Any]] = {
    "tolower": lambda a: text(a).lower(),
    "toupper": lambda a: text(a).upper(),
    "tostring": text,
    "toint": lambda a: None if number(a) is None else int(number(a) or 0),
    "tolong": lambda a: None if number(a) is None else int(number(a) or 0),
    "toreal": lambda a: None if number(a) is None else float(number(a) or 0),
    "todouble": lambda a: None if number(a) is None else float(number(a) or 0),
    "tobool": lambda a: a if isinstance(a, bool) else {"true": True, "false": False}.get(text(a).lower()),
    "todatetime": moment,
    "datetime": moment,
    "todynamic": parsed,
    "parse_json": parsed,
    "dynamic": parsed,
    "isempty": lambda a: text(a) == "",
    "isnotempty": lambda a: text(a) != "",
    "isnull": lambda a: a is None,
    "isnotnull": lambda a: a is not None,
    "not": lambda a: not a,
    "strcat": lambda *all_: "".join(map(text, all_)),
    "strlen": lambda a: len(text(a)),
    "substring": lambda a, start, length=None: text(a)[start:] if length is None else text(a)[start : start + length],
    "split": lambda a, by, index=None: text(a).split(by) if index is None else text(a).split(by)[index : index + 1],
    "replace_string": lambda a, old, new: text(a).replace(old, new),
    "trim": lambda what, a: re.sub(rf"^(?:{what})+|(?:{what})+$", "", text(a)),
    "extract": lambda pattern, group, a: m[group] if (m := re.search(pattern, text(a))) else "",
    "array_length": lambda a: len(a) if isinstance(a, list) else None,
    "bag_keys": lambda a: list(a) if isinstance(a, dict) else None,
    "coalesce": lambda *all_: next((v for v in all_ if not _empty(v)), None),
    "iff": lambda condition, yes, no: yes if condition else no,
    "iif": lambda condition, yes, no: yes if condition else no,
    "case": lambda *all_: next((all_[i + 1] for i in range(0, len(all_) - 1, 2) if all_[i]), all_[-1]),
    "bin": bin_of,
    "abs": lambda a: None if a is None else abs(a),
    "round": lambda a, places=0: None if a is None else round(a, places),
    "pack": lambda *all_: dict(zip(all_[::2], all_[1::2], strict=True)),
    "bag_pack": lambda *all_: dict(zip(all_[::2], all_[1::2], strict=True)),
}


def _values(rows: list[Row], of: Callable[[Row], Any]) -> list[Any]:
    return [v for v in map(of, rows) if v is not None]


def _distinct(values: list[Any]) -> list[Any]:
    return list({text(v): v for v in values}.values())


def _percentile(values: list[Any], share: float) -> Any:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)] if ordered else None


Of = Callable[[Row], Any]
AGGREGATES: dict[str, Callable[..., Any]] = {
    "count": lambda rows: len(rows),
    "countif": lambda rows, of: sum(1 for r in rows if of(r)),
    "dcount": lambda rows, of: len(_distinct(_values(rows, of))),
    "sum": lambda rows, of: sum(_values(rows, of)),
    "avg": lambda rows, of: sum(v) / len(v) if (v := _values(rows, of)) else None,
    "min": lambda rows, of: min(_values(rows, of), default=None),
    "max": lambda rows, of: max(_values(rows, of), default=None),
    "percentile": lambda rows, of, share: _percentile(_values(rows, of), float(share(rows[0]))) if rows else None,
    "stdev": lambda rows, of: statistics.stdev(v) if len(v := _values(rows, of)) > 1 else 0.0,
    "make_list": lambda rows, of, most=None: _values(rows, of)[: int(most(rows[0])) if most else None],
    "make_set": lambda rows, of, most=None: _distinct(_values(rows, of))[: int(most(rows[0])) if most else None],
    "any": lambda rows, of: next(iter(_values(rows, of)), None),
    "take_any": lambda rows, of: next(iter(_values(rows, of)), None),
}
