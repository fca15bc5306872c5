"""YAML and JSON files that the configuration reads: their values with places, and edits of single values that leave every other byte.

PyYAML's marks say where each value stands; JSON is read by the same parser.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from iac_agent.errors import EditRejected, HclSyntaxError, UnknownAddress
from iac_agent.hcl.address import Step, show_path
from iac_agent.hcl.value import Place, Value

SUFFIXES = (".yaml", ".yml", ".json")


def compose(shown: str, raw: bytes) -> tuple[str, yaml.Node | None]:
    """The text without its byte order mark, and its node tree. Raises HclSyntaxError."""
    try:
        text = raw.decode("utf-8-sig")
        return text, yaml.compose(text.replace("\t", " ") if shown.endswith(".json") else text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        raise HclSyntaxError(shown, mark.line + 1 if mark else 1, f"this is not valid: {getattr(problem, 'problem', problem)}") from problem
    except (UnicodeDecodeError, RecursionError) as problem:
        raise HclSyntaxError(shown, 1, f"this cannot be read: {problem}") from problem


def read(shown: str, raw: bytes, address: str) -> Value:
    """The whole file as a value whose parts know their places. `address` is what edits of it name."""
    text, node = compose(shown, raw)
    try:
        return _value(node, text, shown, address, ()) if node is not None else Value(None)
    except RecursionError as problem:
        raise HclSyntaxError(shown, 1, "this goes too deep, or refers to itself") from problem


def _value(node: yaml.Node, text: str, shown: str, address: str, path: tuple[Step, ...]) -> Value:
    source = text[node.start_mark.index : node.end_mark.index]
    place = Place(shown, node.start_mark.line + 1, address, show_path(path), node.start_mark.index, source)
    deps = frozenset([place.key])
    if isinstance(node, yaml.MappingNode):
        found = {_key(k): _value(v, text, shown, address, (*path, _key(k))) for k, v in node.value}
        return Value(found, (place,), "", deps)
    if isinstance(node, yaml.SequenceNode):
        listed = [_value(v, text, shown, address, (*path, i)) for i, v in enumerate(node.value)]
        return Value(listed, (place,), "", deps)
    return Value(_scalar(node), (place,), "", deps)


def _key(node: yaml.Node) -> str:
    return str(node.value)


def _scalar(node: yaml.Node) -> Any:
    try:
        data = yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError, KeyError, AttributeError):  # what PyYAML takes for a date or a number, and is none
        data = None if node.value is None else str(node.value)
    return data if isinstance(data, str | int | float | bool) or data is None else str(node.value)


def _find(root: yaml.Node | None, steps: tuple[Step, ...], shown: str) -> yaml.Node:
    node = root
    for step in steps:
        inner: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            inner = next((v for k, v in node.value if _key(k) == str(step)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            inner = node.value[step]
        if inner is None:
            known = [_key(k) for k, _ in node.value] if isinstance(node, yaml.MappingNode) else []
            raise UnknownAddress(show_path(steps), known, shown)
        node = inner
    if node is None:
        raise UnknownAddress(show_path(steps), [], shown)
    return node


def _written(shown: str, value: Any) -> str:
    """A value in the file's notation, on one line."""
    if shown.endswith(".json") or isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9).strip()
    return text.removesuffix("...").strip()


def set_value(shown: str, raw: bytes, steps: tuple[Step, ...], value: Any) -> bytes:
    """The file with the value at `steps` replaced, or added to the map or list that holds it."""
    text, root = compose(shown, raw)
    holder = _find(root, steps[:-1], shown)
    try:
        node = _find(holder, steps[-1:], shown)
    except UnknownAddress:
        return _finish(shown, raw, _added(shown, text, holder, steps[-1], value), steps, value)
    quote = text[node.start_mark.index : node.start_mark.index + 1]
    new = _written(shown, value)
    if isinstance(value, str) and quote in "\"'" and not shown.endswith(".json"):
        new = json.dumps(value, ensure_ascii=False) if quote == '"' else "'" + value.replace("'", "''") + "'"
    start, end = _span(text, node)
    return _finish(shown, raw, text[:start] + new + text[end:], steps, value)


def append_value(shown: str, raw: bytes, steps: tuple[Step, ...], value: Any) -> bytes:
    """The file with a value at the end of the list at `steps`."""
    text, root = compose(shown, raw)
    holder = _find(root, steps, shown)
    at = (*steps, len(holder.value))
    return _finish(shown, raw, _added(shown, text, holder, at[-1], value), at, value)


def rename_key(shown: str, raw: bytes, steps: tuple[Step, ...], key: str, to: str) -> bytes:
    """The file with a key of the map at `steps` renamed."""
    text, root = compose(shown, raw)
    holder = _find(root, steps, shown)
    node = next((k for k, _ in holder.value if _key(k) == key), None) if isinstance(holder, yaml.MappingNode) else None
    if node is None:
        raise UnknownAddress(show_path((*steps, key)), [], shown)
    quote = text[node.start_mark.index]
    new = json.dumps(to) if quote == '"' else to
    after = text[: node.start_mark.index] + new + text[node.end_mark.index :]
    wanted, found = yaml.safe_load(text), yaml.safe_load(after)
    inner = wanted
    for step in steps:
        inner = inner[_known(inner, step)]
    inner[to] = inner.pop(_known(inner, key))
    if wanted != found:
        raise EditRejected(f"{shown}: renaming {key} changed more or less than asked")
    return after.encode("utf-8")


def _span(text: str, node: yaml.Node) -> tuple[int, int]:
    """Where a value stands, without the white space and comments that a block collection's end mark swallows."""
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
        end = _span(text, last)[1]
    elif isinstance(node, yaml.ScalarNode):
        end = start + len(text[start:end].rstrip())
    return start, end


def _added(shown: str, text: str, holder: yaml.Node, step: Step, value: Any) -> str:
    if not isinstance(holder, yaml.CollectionNode) or not holder.value:
        if isinstance(holder, yaml.CollectionNode) and holder.flow_style:
            at = holder.end_mark.index - 1
            inner = (
                f"{_written(shown, str(step))}: {_written(shown, value)}"
                if isinstance(holder, yaml.MappingNode)
                else _written(shown, value)
            )
            return text[:at] + inner + text[at:]
        raise EditRejected(f"{shown}: there is nothing to add {step} to")
    mapping = isinstance(holder, yaml.MappingNode)
    first, last = holder.value[0], holder.value[-1]
    start = (first[0] if mapping else first).start_mark
    end = _span(text, last[1] if mapping else last)[1]
    key = str(step) if mapping else ""
    if holder.flow_style:
        piece = f"{json.dumps(key) if text[start.index] == chr(34) else key}: {_flow(shown, value)}" if mapping else _flow(shown, value)
        multi = "\n" in text[holder.start_mark.index : start.index]
        lead = ",\n" + " " * start.column if multi else ", "
        return text[:end] + lead + piece + text[end:]
    at = text.find("\n", end)
    at = len(text) if at < 0 else at
    newline = "\r\n" if "\r\n" in text else "\n"
    at -= text[at - 1 : at] == "\r"
    lines = _block_lines(shown, key, value) if mapping else _item_lines(shown, value)
    column = start.column if mapping else holder.start_mark.column
    return text[:at] + "".join(newline + " " * column + line for line in lines) + text[at:]


def _flow(shown: str, value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else _written(shown, value)


def _block_lines(shown: str, key: str, value: Any) -> list[str]:
    if isinstance(value, dict) and value:
        return [f"{key}:", *("  " + line for k, v in value.items() for line in _block_lines(shown, str(k), v))]
    return [f"{key}: {_written(shown, value)}"]


def _item_lines(shown: str, value: Any) -> list[str]:
    if isinstance(value, dict) and value:
        inner = [line for k, v in value.items() for line in _block_lines(shown, str(k), v)]
        return [f"- {inner[0]}", *(f"  {line}" for line in inner[1:])]
    return [f"- {_written(shown, value)}"]


def remove_value(shown: str, raw: bytes, steps: tuple[Step, ...]) -> bytes:
    """The file without the key or element at `steps`."""
    text, root = compose(shown, raw)
    holder = _find(root, steps[:-1], shown)
    _find(holder, steps[-1:], shown)
    mapping = isinstance(holder, yaml.MappingNode)
    index = next(i for i, e in enumerate(holder.value) if (_key(e[0]) if mapping else i) == steps[-1])
    element = holder.value[index]
    start = (element[0] if mapping else element).start_mark.index
    end = _span(text, element[1] if mapping else element)[1]
    if isinstance(holder, yaml.CollectionNode) and holder.flow_style:
        new = _cut_flow(text, start, end)
    elif len(holder.value) == 1:
        new = text[:start] + ("{}" if mapping else "[]") + text[end:]
        if not mapping:
            dash = text.rfind("-", 0, start)
            new = text[:dash] + "[]" + text[end:]
    else:
        new = _cut_lines(text, start, end, first_of_item=mapping and index == 0, next_start=_start(holder.value, index + 1, mapping))
    return _finish(shown, raw, new, steps, None, removed=True)


def _start(elements: list[Any], index: int, mapping: bool) -> int:
    if index >= len(elements):
        return -1
    element = elements[index]
    return int((element[0] if mapping else element).start_mark.index)


def _cut_flow(text: str, start: int, end: int) -> str:
    after = end + len(text[end:]) - len(text[end:].lstrip())
    if text[after : after + 1] == ",":
        rest = text[after + 1 :]
        return text[:start] + rest.lstrip()
    before = text[:start].rstrip()
    return (before.removesuffix(",") if before.endswith(",") else before) + text[end:]


def _cut_lines(text: str, start: int, end: int, *, first_of_item: bool, next_start: int) -> str:
    line = text.rfind("\n", 0, start) + 1
    if first_of_item and text[line:start].strip() and next_start >= 0:
        return text[:start] + text[next_start:]
    stop = text.find("\n", end)
    return text[:line] + (text[stop + 1 :] if stop >= 0 else "")


def _finish(shown: str, raw: bytes, text: str, steps: tuple[Step, ...], value: Any, *, removed: bool = False) -> bytes:
    """The new bytes, proven: read again, the file must differ by exactly this edit. Raises EditRejected."""
    bom = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    after = bom + text.encode("utf-8")
    wanted, found = yaml.safe_load(raw.decode("utf-8-sig").replace("\t", " ")), yaml.safe_load(text.replace("\t", " "))
    holder = wanted
    for step in steps[:-1]:
        holder = holder[_known(holder, step)]
    key = _known(holder, steps[-1])
    if removed:
        del holder[key]
    elif isinstance(holder, list) and key == len(holder):
        holder.append(value)
    else:
        holder[key] = value
    if wanted != found:
        raise EditRejected(f"{shown}: the edit of {show_path(steps)} changed more or less than asked")
    return after


def _known(holder: Any, step: Step) -> Any:
    if isinstance(holder, dict):
        return next((k for k in holder if str(k) == str(step)), step)
    return step


def is_data_file(address: str) -> bool:
    return Path(address).suffix in SUFFIXES
