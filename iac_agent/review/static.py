"""The static review: what a change does as far as its configuration alone tells, for code that must not run and may see no credentials.

Both revisions are evaluated and compared as Terraform would compare states, so that the same rules judge the same kind of plan. What only
Terraform or Azure know is unknown in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from iac_agent.azure.lenses import all_lenses
from iac_agent.azure.lenses.planning import replacements
from iac_agent.azure.schemas import BlockSchema, provider_schema
from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.scope import Instance
from iac_agent.hcl.value import Key, Value
from iac_agent.terraform.models import Change, Plan, ResourceChange

_META = frozenset({"for_each", "count", "provider", "lifecycle", "depends_on", "provisioner", "connection"})
Values = dict[str, Any]


def plan(before: Configuration | None, after: Configuration | None, major: int) -> Plan:
    """A plan from what was written to what is; None is nothing."""
    old, new = _instances(before), _instances(after)
    held = [v for c in (before, after) if c is not None for v in _secrets(c)]
    marking = _Marking(major, frozenset(s for v in held for s in _texts(v.plain())), frozenset(k for v in held for k in v.all_deps()))
    changes = [_change(a, old.get(a), new.get(a), marking) for a in dict.fromkeys((*new, *old))]
    return Plan(resource_changes=changes)


def _instances(configuration: Configuration | None) -> dict[str, Instance]:
    return {i.address: i for i in configuration.instances} if configuration is not None else {}


def _secrets(configuration: Configuration) -> Iterator[Value]:
    """The values of variables that are declared sensitive: whatever holds one, or is made from one, is sensitive too."""
    for scope in configuration.scopes:
        for local, blocks in scope.module.index.items():
            flag = blocks[0].attributes.get("sensitive") if local.startswith("variable.") else None
            if flag is not None and blocks[0].document.text(flag.value).strip() == "true":
                yield scope.variable(local.removeprefix("variable."))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and str(value):
        yield str(value)


@dataclass(frozen=True)
class _Marking:
    """Marks what is sensitive: by the provider's schema, by the secrets that are known, and by the places where those are written."""

    major: int
    secrets: frozenset[str]
    places: frozenset[Key]

    def of(self, instance: Instance | None, values: Values | None) -> Any:
        if instance is None or values is None:
            return {}
        schema = provider_schema(self.major).resources.get(instance.type)
        made = {n for n in values if (v := instance.body.get(n)) is not None and not self.places.isdisjoint(v.all_deps())}
        return {n: True if n in made else m for n, v in values.items() if (m := self._marked(v, schema, n)) or n in made}

    def _marked(self, value: Any, schema: BlockSchema | None, name: str) -> Any:
        declared = schema.attributes.get(name) if schema is not None else None
        if declared is not None and declared.sensitive:
            return True
        inner = schema.blocks.get(name) if schema is not None else None
        if isinstance(value, Mapping):
            return {k: m for k, v in value.items() if (m := self._marked(v, inner, k))}
        if isinstance(value, list):
            marks = [self._element(v, inner, name) for v in value]
            return marks if any(marks) else []
        return not isinstance(value, bool) and any(s in str(value) for s in self.secrets)

    def _element(self, value: Any, inner: BlockSchema | None, name: str) -> Any:
        if isinstance(value, Mapping):
            return {k: m for k, v in value.items() if (m := self._marked(v, inner, k))}
        return self._marked(value, None, name)


def _change(address: str, old: Instance | None, new: Instance | None, marking: _Marking) -> ResourceChange:
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
        replaced = _replacing(some.type, before, after, marking.major)
        actions = ["delete", "create"] if replaced else ["update"]
    sensitive = {"before_sensitive": marking.of(old, before), "after_sensitive": marking.of(new, after)}
    change = Change(actions=actions, before=before, after=after, after_unknown=unknown, replace_paths=replaced, **sensitive)
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
