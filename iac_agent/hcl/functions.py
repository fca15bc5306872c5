"""Terraform's functions, as far as they decide which value is meant. Those that pick a value keep its place; the others compute.

Source: https://developer.hashicorp.com/terraform/language/functions
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from iac_agent.hcl.value import Value, computed, lift, unknown


def merge(arguments: list[Value]) -> Value:
    out: dict[str, Value] = {}
    for argument in arguments:
        if argument.data is None:
            continue
        if not isinstance(argument.data, dict):
            return unknown("merge of something that is not known yet", *arguments)
        out |= argument.data
    return replace(computed(out, "computed by merge", *arguments), parts=tuple(arguments))


def lookup(arguments: list[Value]) -> Value:
    mapping, key = arguments[0], arguments[1]
    if not isinstance(mapping.data, dict) or not key.known:
        return unknown("lookup in something that is not known yet", *arguments)
    if str(key.data) in mapping.data:
        found: Value = mapping.data[str(key.data)]
        return found.with_deps(key)
    return arguments[2].with_deps(key) if len(arguments) > 2 else unknown(f"lookup finds no {key.data}", *arguments)


def coalesce(arguments: list[Value]) -> Value:
    for position, argument in enumerate(arguments):
        if not argument.known:
            return unknown("coalesce of something that is not known yet", *arguments[: position + 1])
        if argument.data not in (None, ""):
            return argument.with_deps(*arguments[:position])
    return unknown("coalesce finds no value", *arguments)


def element(arguments: list[Value]) -> Value:
    sequence, index = arguments
    if isinstance(sequence.data, list) and sequence.data and isinstance(index.data, int | float):
        found: Value = sequence.data[int(index.data) % len(sequence.data)]
        return found.with_deps(index)
    return unknown("element of something that is not known yet", *arguments)


def concat(arguments: list[Value]) -> Value:
    if not all(isinstance(a.data, list) for a in arguments):
        return unknown("concat of something that is not known yet", *arguments)
    return replace(computed([v for a in arguments for v in a.data], "computed by concat", *arguments), parts=tuple(arguments))


def flatten(arguments: list[Value]) -> Value:
    def inner(value: Value) -> list[Value]:
        return [v for item in value.data for v in inner(item)] if isinstance(value.data, list) else [value]

    return computed(inner(arguments[0]), "computed by flatten", *arguments)


def toset(arguments: list[Value]) -> Value:
    (source,) = arguments
    if not isinstance(source.data, list):
        return unknown("a set of something that is not known yet", source)
    seen = {str(v.plain()): v for v in source.data}
    return replace(source, data=[seen[k] for k in sorted(seen)], is_set=True, parts=(source,))


def same(arguments: list[Value]) -> Value:
    return arguments[0]


def tostring(arguments: list[Value]) -> Value:
    value = arguments[0]
    return Value(text(value.data) if value.known and value.data is not None else value.data, value.via, value.why, value.deps)


def values(arguments: list[Value]) -> Value:
    mapping = arguments[0].data
    return computed([mapping[k] for k in sorted(mapping)], "computed by values", *arguments)


def zipmap(arguments: list[Value]) -> Value:
    keys, found = arguments
    return computed({text(k.data): v for k, v in zip(keys.data, found.data, strict=True)}, "computed by zipmap", *arguments)


def one(arguments: list[Value]) -> Value:
    sequence = arguments[0].data
    return sequence[0] if len(sequence) == 1 else computed(None, "one of nothing", *arguments)


def distinct(arguments: list[Value]) -> Value:
    seen = {repr(v.plain()): v for v in reversed(arguments[0].data)}
    return computed([v for v in arguments[0].data if seen.get(repr(v.plain())) is v], "computed by distinct", *arguments)


PICKING: dict[str, Callable[[list[Value]], Value]] = {
    "merge": merge,
    "lookup": lookup,
    "coalesce": coalesce,
    "element": element,
    "concat": concat,
    "flatten": flatten,
    "toset": toset,
    "tolist": same,
    "tomap": same,
    "tonumber": same,
    "tobool": same,
    "tostring": tostring,
    "sensitive": same,
    "nonsensitive": same,
    "values": values,
    "zipmap": zipmap,
    "one": one,
    "distinct": distinct,
}


def text(data: Any) -> str:
    """A scalar as Terraform turns it into a string."""
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, float) and data.is_integer():
        return str(int(data))
    return str(data)


def format_text(pattern: str, *arguments: Any) -> str:
    rest = iter(arguments)

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        value, verb = next(rest), match[0][-1]
        if verb in "sv":
            return f"%{match[0][1:-1]}s" % text(value)
        return match[0] % (int(value) if verb in "dxXob" else float(value))

    return re.sub(r"%%|%[-+0# ]*\d*(?:\.\d+)?[svdfxXobgeq]", replaced, pattern)


def replace_text(source: str, pattern: str, replacement: str) -> str:
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        return re.sub(pattern[1:-1], re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", replacement), source)
    return source.replace(pattern, replacement)


def cidr_subnet(prefix: str, new_bits: float, number: float) -> str:
    network = ipaddress.ip_network(prefix)
    size = int(network.prefixlen + new_bits)
    start = int(network.network_address) + (int(number) << (network.max_prefixlen - size))
    return f"{ipaddress.ip_address(start)}/{size}"


def _range(*bounds: float) -> list[float]:
    return list(range(*(int(b) for b in bounds)))


COMPUTING: dict[str, Callable[..., Any]] = {
    "format": format_text,
    "join": lambda separator, *lists: separator.join(text(v) for part in lists for v in part),
    "split": lambda separator, source: source.split(separator),
    "lower": lambda source: source.lower(),
    "upper": lambda source: source.upper(),
    "title": lambda source: source.title(),
    "trimspace": lambda source: source.strip(),
    "trim": lambda source, cut: source.strip(cut),
    "trimprefix": lambda source, cut: source.removeprefix(cut),
    "trimsuffix": lambda source, cut: source.removesuffix(cut),
    "replace": replace_text,
    "substr": lambda source, start, length: source[int(start) :] if length < 0 else source[int(start) : int(start + length)],
    "length": len,
    "keys": sorted,
    "contains": lambda sequence, wanted: wanted in sequence,
    "startswith": lambda source, head: source.startswith(head),
    "endswith": lambda source, tail: source.endswith(tail),
    "strcontains": lambda source, inner: inner in source,
    "range": _range,
    "min": min,
    "max": max,
    "sum": sum,
    "abs": abs,
    "ceil": lambda number: -int(-number // 1),
    "floor": lambda number: int(number // 1),
    "compact": lambda sequence: [v for v in sequence if v],
    "sort": sorted,
    "reverse": lambda sequence: list(reversed(sequence)),
    "slice": lambda sequence, start, end: sequence[int(start) : int(end)],
    "index": lambda sequence, wanted: sequence.index(wanted),
    "alltrue": all,
    "anytrue": any,
    "setunion": lambda *sets: sorted({v for s in sets for v in s}),
    "setsubtract": lambda one, other: sorted(set(one) - set(other)),
    "cidrsubnet": cidr_subnet,
    "cidrhost": lambda prefix, number: str(ipaddress.ip_network(prefix)[int(number)]),
    "jsonencode": lambda data: json.dumps(data, separators=(",", ":")),
    "basename": lambda path: path.rsplit("/", 1)[-1],
    "dirname": lambda path: path.rpartition("/")[0] or ("/" if path.startswith("/") else "."),
    "regex": lambda pattern, source: re.search(pattern, source)[0],  # type: ignore[index]
}


def call(name: str, arguments: list[Value], where: str) -> Value:
    """The result of a function; unknown, and why, when it cannot be told here."""
    try:
        if name in PICKING:
            return PICKING[name](arguments)
        if name in COMPUTING:
            if name == "length" and isinstance(arguments[0].data, dict | list):
                return computed(len(arguments[0].data), f"{where}: computed by length", *arguments)
            if not all(a.fully_known() for a in arguments):
                return unknown(f"{where}: {name} of something that is not known yet", *arguments)
            return lift(COMPUTING[name](*(a.plain() for a in arguments)), f"{where}: computed by {name}", *arguments)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, StopIteration, re.error):
        return unknown(f"{where}: {name} does not fit its arguments", *arguments)
    return unknown(f"{where}: computed by {name}", *arguments)
