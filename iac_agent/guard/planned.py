"""The infrastructure as a plan leaves it: resources with their values, what is known only after apply, and what refers to what.

Everything comes from the plan's JSON and the configuration on disk; nothing is asked of Azure.
Source: https://developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from iac_agent.guard.references import Wiring
from iac_agent.hcl.address import without_keys
from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.scope import Instance
from iac_agent.hcl.value import Value
from iac_agent.terraform.models import Plan, ResourceChange


class AfterApply:
    """The value of what is known only after apply."""

    def __repr__(self) -> str:
        return "known after apply"


AFTER_APPLY = AfterApply()


@dataclass(eq=False)
class Resource:
    """A resource instance. `values` are those after the plan (or before it, in `World.prior`); `unknown` says which come with apply.

    A nested block can be looked at as a resource of its own: `prefix` is then its path.
    """

    address: str
    type: str
    action: str
    values: Mapping[str, Any]
    unknown: Any = field(default_factory=dict)
    sensitive: Any = field(default_factory=dict)
    index: str | int | None = None
    world: World = field(default=None, repr=False)  # type: ignore[assignment]
    prefix: tuple[str | int, ...] = ()

    def at(self, steps: tuple[str, ...]) -> list[tuple[str, Any]]:
        """The values at a path, each with its full path; blocks on the way are gone through. An absent value is None.

        What Azure fills in where nothing is written is unknown in the plan of a new resource; here it is absent.
        """
        marks = self.unknown.get(steps[0]) if isinstance(self.unknown, dict) else self.unknown
        if not marks and len(steps) == 1:
            return [(steps[0], self.values.get(steps[0]))]
        found = list(_values(self.values.get(steps[0]), marks, steps[1:], steps[0]))
        if marks and any(value is AFTER_APPLY for _, value in found) and not self.writes(".".join(steps)):
            return [(at, None if value is AFTER_APPLY else value) for at, value in found]
        return found

    def writes(self, path: str) -> bool:
        """Whether the configuration writes an attribute or block of the resource; True where that cannot be told."""
        return self.world.writes(self, (*(p for p in self.prefix if isinstance(p, str)), *path.split(".")))

    def one(self, path: str) -> Any:
        """The value at a path that has only one; AFTER_APPLY where it is not known."""
        return self.at(tuple(path.split(".")))[0][1]

    def blocks(self, path: str) -> list[Resource] | AfterApply:
        """The nested blocks of a name; AFTER_APPLY where it is not known how many there are."""
        held = self.values.get(path)
        unknown = self.unknown.get(path) if isinstance(self.unknown, dict) else None
        if unknown is True:
            return AFTER_APPLY if self.writes(path) else []
        found = []
        for position, values in enumerate(held if isinstance(held, list) else ()):
            inner = unknown[position] if isinstance(unknown, list) and position < len(unknown) else {}
            if inner is True or not isinstance(values, Mapping):
                return AFTER_APPLY
            at = (*self.prefix, path, position)
            found.append(Resource(self.address, self.type, self.action, values, inner, {}, self.index, self.world, at))
        return found

    def related(self, path: str) -> Related:
        """The resources that an attribute refers to, by id."""
        return self.world.related(self, path)

    @property
    def name(self) -> str:
        return str(self.values.get("name") or "")

    @property
    def tags(self) -> Mapping[str, Any]:
        return self.values.get("tags") or {}


@dataclass(frozen=True)
class Related:
    """What an attribute refers to. `certain` is False where it may be any of `resources`, or something outside the plan."""

    resources: tuple[Resource, ...] = ()
    certain: bool = True


@dataclass
class World:
    """All resources of a plan by address. The configuration, where there is one, tells what refers to what before ids are known."""

    resources: dict[str, Resource]
    wiring: Wiring = field(default_factory=lambda: Wiring({}))
    configuration: Configuration | None = None
    _reverse: dict[tuple[str, str], tuple[dict[str, list[tuple[Resource, bool]]], bool]] = field(default_factory=dict, repr=False)
    _groups: dict[Any, dict[Any, list[Resource]]] = field(default_factory=dict, repr=False)

    @classmethod
    def planned(cls, plan: Plan, configuration: Configuration | None = None) -> World:
        """What there is after the plan."""
        gone = {c.address for c in plan.resource_changes if c.action in ("delete", "forget")}
        kept = (_after(c) for c in plan.resource_changes if c.address not in gone)
        world = cls._of(plan, configuration, kept, plan.planned_values)
        for address in gone & world.resources.keys():
            del world.resources[address]
        return world

    @classmethod
    def prior(cls, plan: Plan, configuration: Configuration | None = None) -> World:
        """What there was before it, as far as the state says."""
        held = (c for c in plan.resource_changes if c.change.before is not None)
        return cls._of(plan, configuration, (Resource(c.address, c.type, "no-op", c.change.before, index=c.index) for c in held), {})

    @classmethod
    def _of(cls, plan: Plan, configuration: Configuration | None, resources: Iterable[Resource], values: Mapping[str, Any]) -> World:
        found = {r.address: r for r in resources}
        for row in _rows(values.get("root_module") or {}):
            if row["address"] not in found:
                found[row["address"]] = Resource(row["address"], row["type"], "no-op", row.get("values") or {}, index=row.get("index"))
        return cls(found, Wiring(plan.configuration), configuration)

    def __post_init__(self) -> None:
        for resource in self.resources.values():
            resource.world = self

    @functools.cached_property
    def by_type(self) -> dict[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for resource in self.resources.values():
            found.setdefault(resource.type, []).append(resource)
        return found

    @functools.cached_property
    def by_id(self) -> dict[str, Resource]:
        """Resources by their ids in lower case. An association has the id of what it associates, and is not meant by it."""
        held = (r for r in self.resources.values() if r.values.get("id") and not r.type.endswith("_association"))
        return {str(r.values["id"]).lower(): r for r in held}

    @functools.cached_property
    def _blocks(self) -> dict[str, list[Resource]]:
        """Instances by the address of their block."""
        found: dict[str, list[Resource]] = {}
        for resource in self.resources.values():
            found.setdefault(without_keys(resource.address), []).append(resource)
        return found

    def of_type(self, *types: str) -> Iterator[Resource]:
        for name in types:
            yield from self.by_type.get(name, ())

    def writes(self, resource: Resource, steps: tuple[str, ...]) -> bool:
        """Whether the configuration writes an attribute or block of a resource; True where that cannot be told."""
        written = self.wiring.written(resource.address)
        if written is None or _has(written, steps):
            return True
        instance = self._instances.get(resource.address)
        if instance is None:  # a module whose files are not at hand: its dynamic blocks are not listed, and may write it
            return self.configuration is not None or len(steps) > 1
        if steps[0] not in instance.body.names():
            return False
        return len(steps) == 1 or bool(_written(instance, list(steps)))

    def related(self, resource: Resource, path: str) -> Related:
        """What an attribute of a resource refers to: by the id that it holds, else by the expression it is written with."""
        found: dict[str, Resource] = {}
        certain = True
        for _, value in resource.at(tuple(path.split("."))):
            for one in value if isinstance(value, list) else [value]:
                if one is None or one == "":
                    continue
                held = self.by_id.get(one.lower()) if isinstance(one, str) else None
                if held is not None:
                    found[held.address] = held
                elif one is AFTER_APPLY:
                    meant, exact = self._meant(resource, path)
                    found |= {r.address: r for r in meant}
                    certain = certain and exact
                else:
                    certain = False
        return Related(tuple(found.values()), certain)

    def _meant(self, resource: Resource, path: str) -> tuple[list[Resource], bool]:
        """The instances that the expression of an attribute may mean, and whether it is sure to mean all of them."""
        instance = self._instances.get(resource.address)
        written = _written(instance, [*resource.prefix, *path.split(".")]) if instance else []
        refs = [v.ref for v in written if not v.known]
        if written and all(refs):
            meant = [self.resources[r] for r in dict.fromkeys(refs) if r in self.resources]
            return meant, len(meant) == len(set(refs))
        return self._perhaps_meant(resource, path)

    def _perhaps_meant(self, resource: Resource, path: str) -> tuple[list[Resource], bool]:
        meant: list[Resource] = []
        exact = True
        whole = ".".join(p for p in (*resource.prefix, path) if isinstance(p, str))
        for target in self.wiring.targets(resource.address, whole):
            held = [r for r in self._blocks.get(target.block, ()) if target.within(r.address)]
            if target.key is not None:
                held = [r for r in held if r.index == target.key] or held
            meant += held
            exact = exact and (len(held) == 1 or target.every)
        return meant, exact and bool(meant)

    @functools.cached_property
    def _instances(self) -> dict[str, Instance]:
        return {i.address: i for i in self.configuration.instances} if self.configuration else {}

    def named(self, kind: str, name: Any, group: Any) -> Resource | None:
        """The resource of a type by its name and resource group, where both are known."""
        if name is AFTER_APPLY or group is AFTER_APPLY:
            return None
        return self._named.get((kind, str(name).lower(), str(group).lower()))

    @functools.cached_property
    def _named(self) -> dict[tuple[str, str, str], Resource]:
        return {(r.type, r.name.lower(), str(r.values.get("resource_group_name", "")).lower()): r for r in self.resources.values()}

    def referrers(self, resource: Resource, kind: str, path: str) -> Related:
        """Resources of a type whose attribute refers to this one. Not certain when one of them may or may not."""
        held, loose = self._reversed(kind, path)
        found = held.get(resource.address, [])
        return Related(tuple(r for r, _ in found), all(sure for _, sure in found) and not loose)

    def _reversed(self, kind: str, path: str) -> tuple[dict[str, list[tuple[Resource, bool]]], bool]:
        """For every address what refers to it by an attribute, and whether surely; and whether something may refer to any."""
        if (kind, path) not in self._reverse:
            held: dict[str, list[tuple[Resource, bool]]] = {}
            loose = False
            for other in self.of_type(kind):
                related = other.related(path)
                for target in related.resources:
                    held.setdefault(target.address, []).append((other, related.certain))
                loose = loose or (
                    not related.certain and not related.resources and AFTER_APPLY in [v for _, v in other.at(tuple(path.split(".")))]
                )
            self._reverse[kind, path] = held, loose
        return self._reverse[kind, path]

    def grouped(self, types: tuple[str, ...], keys: Callable[[Resource], Iterable[Any]]) -> dict[Any, list[Resource]]:
        """Resources by each of the keys that a function gives them."""
        if (types, keys) not in self._groups:
            found: dict[Any, list[Resource]] = {}
            for resource in self.of_type(*types):
                for key in dict.fromkeys(keys(resource)):
                    found.setdefault(key, []).append(resource)
            self._groups[types, keys] = found
        return self._groups[types, keys]


def _after(change: ResourceChange) -> Resource:
    held = change.change
    values = held.after if isinstance(held.after, dict) else {}
    return Resource(change.address, change.type, change.action, values, held.after_unknown, held.after_sensitive, change.index)


def _rows(module: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (r for r in module.get("resources", ()) if r.get("mode") == "managed")
    for child in module.get("child_modules", ()):
        yield from _rows(child)


def _values(values: Any, unknown: Any, steps: tuple[str, ...], at: str) -> Iterator[tuple[str, Any]]:
    if unknown is True:
        yield ".".join([at, *steps] if at else steps), AFTER_APPLY
    elif isinstance(values, list) and steps:
        unknowns = unknown if isinstance(unknown, list) else []
        for position, value in enumerate(values):
            inner = unknowns[position] if position < len(unknowns) else None
            yield from _values(value, inner, steps, f"{at}[{position}]")
        if not values:
            yield ".".join([at, *steps]), None
    elif not steps:
        yield at, _with_unknown(values, unknown)
    elif isinstance(values, dict) or values is None:
        held = values.get(steps[0]) if values is not None else None
        inner = unknown.get(steps[0]) if isinstance(unknown, dict) else None
        yield from _values(held, inner, steps[1:], f"{at}.{steps[0]}" if at else steps[0])
    else:
        yield ".".join([at, *steps]), None


def _with_unknown(value: Any, unknown: Any) -> Any:
    """A list whose elements are not all known has AFTER_APPLY in their place; an unknown part of anything else makes it unknown."""
    if isinstance(value, list) and isinstance(unknown, list) and any(u is True for u in unknown):
        size = max(len(value), len(unknown))
        return [AFTER_APPLY if i < len(unknown) and unknown[i] is True else value[i] for i in range(size)]
    return value


def _has(written: Any, steps: tuple[str, ...]) -> bool:
    """Whether the expressions of a resource have one at a path, in any of several blocks."""
    if isinstance(written, list):
        return any(_has(one, steps) for one in written)
    if not steps:
        return True
    return isinstance(written, Mapping) and steps[0] in written and _has(written[steps[0]], steps[1:])


def _written(instance: Instance, steps: list[str | int]) -> list[Value]:
    """The values at a path as they are written: those of every block on the way, or of one by its number, and the elements of a list."""
    found = [instance.body.get(str(steps[0]))]
    for step in steps[1:]:
        if isinstance(step, int):
            found = [f.data[step] if f and isinstance(f.data, list) and step < len(f.data) else f for f in found]
            continue
        inner = [v for f in found if f is not None for v in (f.data if isinstance(f.data, list) else [f])]
        found = [v.data.get(step) if isinstance(v.data, dict) else v for v in inner]
    present = [v for v in found if v is not None]
    return [e for v in present for e in (v.data if isinstance(v.data, list) else [v])]
