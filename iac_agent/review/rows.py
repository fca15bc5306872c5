"""Planned changes as rows for people: what changes from what to what, without anything sensitive, the most dangerous first."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from iac_agent.drift.wording import value_text
from iac_agent.guard import redact
from iac_agent.guard.blast import Impact
from iac_agent.guard.check import where as where_written
from iac_agent.guard.redact import MASK
from iac_agent.guard.verdict import dotted
from iac_agent.hcl.module import RootModule
from iac_agent.hcl.secrets import held_in, is_sensitive_name
from iac_agent.review.report import Attribute, Row
from iac_agent.terraform.models import ResourceChange

_AFTER_APPLY = "(known after apply)"
_EMPTY = frozenset(map(value_text, (None, "", False, 0, [], {})))
Steps = tuple[str | int, ...]
# https://developer.hashicorp.com/terraform/internals/json-format#change-representation, action_reason
_REASONS = {
    "delete_because_no_resource_config": "it is not in the configuration any more",
    "delete_because_no_module": "its module is not called any more",
    "delete_because_each_key": "its key is not in for_each any more",
    "delete_because_count_index": "its index is beyond count",
    "delete_because_wrong_repetition": "count or for_each came or went",
    "delete_because_no_move_target": "what it was moved to is not in the configuration",
    "replace_because_tainted": "its creation failed before, so it is tainted",
    "replace_because_cannot_update": "",
    "replace_by_triggers": "replace_triggered_by",
    "replace_by_request": "-replace asks for it",
}


def rows(
    changes: Iterable[ResourceChange], impacts: Iterable[Impact], places: Places, baseline: Iterable[ResourceChange] = ()
) -> tuple[Row, ...]:
    """The rows of these changes. `places` tells where an address is written; `baseline` is what would be changed without them."""
    before = {c.address: c for c in baseline}
    held: dict[str, list[Impact]] = {}
    for impact in impacts:
        held.setdefault(impact.address, []).append(impact)
    found = (_row(c, tuple(held.get(c.address, ())), places, before.get(c.address)) for c in changes)
    return tuple(sorted(found, key=lambda r: r.rank))


def _row(change: ResourceChange, impacts: tuple[Impact, ...], places: Places, baseline: ResourceChange | None) -> Row:
    forced = {dotted(p) for p in change.change.replace_paths}
    paths = () if change.action in ("create", "delete") else change.change.changed_paths
    attributes = [_attribute(change, p, forced, waiting=baseline is not None and _same(change, baseline, p)) for p in paths]
    attributes = [replace(a, before=places.clean(a.before), after=places.clean(a.after)) for a in attributes]
    forcing_first = tuple(sorted((a for a in attributes if not _is_noise(a)), key=lambda a: (a.waiting, not a.forces)))
    action, reason = str(change.action), _REASONS.get(change.action_reason, change.action_reason.replace("_", " "))
    if action == "no-op":
        action = "import" if change.change.importing else "move"
        reason = f"from {change.previous_address}" if change.previous_address else reason
    return Row(change.address, action, places.of(change.address), forcing_first, reason, impacts)


def _is_noise(attribute: Attribute) -> bool:
    """What Azure fills in again after a replacement says nothing, nor does an empty value in place of another."""
    filled_in = attribute.after == _AFTER_APPLY or (attribute.before in _EMPTY and attribute.after in _EMPTY)
    return filled_in and not attribute.forces


def _same(change: ResourceChange, other: ResourceChange, path: Steps) -> bool:
    """Whether another plan changes the attribute too, and to the same."""
    return path in other.change.changed_paths and _at(change.change.after, path) == _at(other.change.after, path)


def _attribute(change: ResourceChange, path: Steps, forced: set[str], *, waiting: bool) -> Attribute:
    at, said = dotted(path), change.change
    marked = _marked(said.before_sensitive, path) or _marked(said.after_sensitive, path)
    unknown = _marked(said.after_unknown, path)
    before, after = (_shown(at, _at(v, path), marked) for v in (said.before, said.after))
    forces = any(at == f or at.startswith(f"{f}.") or f.startswith(f"{at}.") for f in forced)
    return Attribute(at, before, _AFTER_APPLY if unknown else after, forces, waiting)


def _shown(at: str, value: Any, marked: bool) -> str:
    """A value for people: never one that is sensitive by schema, by its name, by the name of anything in it, or by its looks."""
    if value is None:
        return value_text(None)
    if value in ("", False, [], {}):
        return value_text(value)
    if marked or is_sensitive_name(at) or held_in(value):
        return MASK
    return redact.printable(value_text(value))


def _at(value: Any, path: Steps) -> Any:
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step] if step < len(value) else None
        else:
            return None
    return value


def _marked(marks: Any, path: Steps) -> bool:
    """Whether a mark covers the path, or something below it."""
    for step in path:
        if marks is True:
            return True
        marks = _at(marks, (step,))
    return _any_true(marks)


def _any_true(marks: Any) -> bool:
    if isinstance(marks, Mapping):
        return any(map(_any_true, marks.values()))
    if isinstance(marks, list):
        return any(map(_any_true, marks))
    return marks is True


class Places:
    """Where things are written in a checkout, as the repository names it: never with a path of this machine."""

    def __init__(self, top: Path, root: RootModule) -> None:
        self._top, self._root = top.resolve(), root

    def clean(self, text: str) -> str:
        """A text without the path of the checkout."""
        return text.replace(f"{self._top}/", "").replace(str(self._top), ".")

    def of(self, address: str) -> str:
        """`file:line` of an address; empty where it is not written, as when it goes."""
        return self.named(where_written(self._root, address, ""))

    def named(self, where: str) -> str:
        """A place as messages show it (relative to the root module), relative to the repository."""
        if not where:
            return ""
        file, colon, line = where.rpartition(":")
        file, line = (file, line) if colon and line.isdigit() else (where, "")
        path = os.path.relpath(os.path.normpath(self._root.directory / file), self._top).replace(os.sep, "/")
        return f"{path}:{line}" if line else path
