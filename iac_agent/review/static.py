"""The static review: what a change does as far as its configuration alone tells, for code that must not run and may see no credentials.

Both revisions are evaluated and compared as Terraform would compare states, so that the same rules judge the same kind of plan. What only
Terraform or Azure know is unknown in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iac_agent.azure.lenses import all_lenses
from iac_agent.azure.lenses.planning import replacements
from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.scope import Instance
from iac_agent.hcl.value import Value
from iac_agent.terraform.models import Change, Plan, ResourceChange

_META = frozenset({"for_each", "count", "provider", "lifecycle", "depends_on", "provisioner", "connection"})
Values = dict[str, Any]


def plan(before: Configuration | None, after: Configuration | None, major: int) -> Plan:
    """A plan from what was written to what is; None is nothing."""
    old, new = _instances(before), _instances(after)
    changes = [_change(a, old.get(a), new.get(a), major) for a in dict.fromkeys((*new, *old))]
    return Plan(resource_changes=changes)


def _instances(configuration: Configuration | None) -> dict[str, Instance]:
    return {i.address: i for i in configuration.instances} if configuration is not None else {}


def _change(address: str, old: Instance | None, new: Instance | None, major: int) -> ResourceChange:
    some = new or old
    assert some is not None
    before, known_before = _values(old) if old else (None, {})
    after, unknown = _values(new) if new else (None, {})
    replaced: list[list[str | int]] = []
    if before is None:
        actions = ["create"]
    elif after is None:
        actions = ["delete"]
    elif (before, known_before) == (after, unknown):
        actions = ["no-op"]
    else:
        replaced = _replacing(some.type, before, after, major)
        actions = ["delete", "create"] if replaced else ["update"]
    change = Change(actions=actions, before=before, after=after, after_unknown=unknown, replace_paths=replaced)
    name = some.block.labels[1]
    return ResourceChange(address=address, type=some.type, name=name, index=some.index, change=change)


def _replacing(kind: str, before: Values, after: Values, major: int) -> list[list[str | int]]:
    lens = all_lenses().get(kind)
    try:
        return [list(p) for p in replacements(lens, before, after, major)] if lens else []
    except (KeyError, TypeError, AttributeError):  # values are only partly known: what they force is then not told
        return []


def _values(instance: Instance) -> tuple[Values, Values]:
    """The arguments of an instance as plain data, and marks of what is not known."""
    held = {n: _split(v) for n in instance.body.names() if n not in _META and (v := instance.body.get(n)) is not None}
    return {n: plain for n, (plain, _) in held.items()}, {n: marks for n, (_, marks) in held.items() if marks}


def _split(value: Value) -> tuple[Any, Any]:
    if not value.known:
        return None, True
    if isinstance(value.data, Mapping):
        held = {k: _split(v) for k, v in value.data.items()}
        return {k: p for k, (p, _) in held.items()}, {k: m for k, (_, m) in held.items() if m}
    if isinstance(value.data, list):
        listed = [_split(v) for v in value.data]
        return [p for p, _ in listed], [m for _, m in listed] if any(m for _, m in listed) else []
    return value.data, False
