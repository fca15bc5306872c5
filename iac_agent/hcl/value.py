"""A value together with where it is written: what evaluating the configuration yields.

Every value carries the places it passed through, from where it is used to where it is written, so that an edit can go to the one place
that matters and can tell who else would feel it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final


class _Unknown:
    def __repr__(self) -> str:
        return "unknown"

    def __bool__(self) -> bool:
        return False


UNKNOWN: Final = _Unknown()
Key = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Place:
    """One spot in the repository: `address` and `path` are what an edit takes; an empty address cannot be edited (TF_VAR_, -var)."""

    file: str
    line: int
    address: str
    path: str
    offset: int
    source: str = ""

    @property
    def key(self) -> Key:
        """The same for the same spot, whichever module call led to it."""
        return self.file, self.offset, self.path if self.offset < 0 else ""

    @property
    def editable(self) -> bool:
        return bool(self.address)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place} ({self.address} {self.path})" if self.address and self.address != self.file else place


@dataclass(frozen=True, slots=True)
class Value:
    """`data` is a scalar, None, UNKNOWN, a dict of values or a list of values.

    `via` are the places it passes through unchanged, the last one where it is written. `why` says why there is no such place, or why it
    is unknown. `deps` are the keys of all places that have a part in it; those of the elements of a collection are with the elements.
    `parts` are the collections it was put together from, the last one wins. `ref` is the address of the instance whose attribute it is.
    """

    data: Any
    via: tuple[Place, ...] = ()
    why: str = ""
    deps: frozenset[Key] = frozenset()
    is_set: bool = False
    parts: tuple[Value, ...] = ()
    ref: str = ""

    @property
    def known(self) -> bool:
        return self.data is not UNKNOWN

    @property
    def written(self) -> Place | None:
        """Where it is written; None when it is computed."""
        return self.via[-1] if self.via and not self.why else None

    def at(self, place: Place) -> Value:
        """The same value as seen one step further from where it is written."""
        return Value(self.data, (place, *self.via), self.why, self.deps | {place.key}, self.is_set, self.parts, self.ref)

    def with_deps(self, *others: Value) -> Value:
        deps = self.deps.union(*[o.deps for o in others])
        return self if len(deps) == len(self.deps) else Value(self.data, self.via, self.why, deps, self.is_set, self.parts, self.ref)

    def all_deps(self) -> frozenset[Key]:
        """The places that have a part in it or in anything inside it."""
        return frozenset().union(*(v.deps for v in self.walk()))

    def walk(self) -> Iterator[Value]:
        yield self
        inner = self.data.values() if isinstance(self.data, dict) else self.data if isinstance(self.data, list) else ()
        for value in inner:
            yield from value.walk()

    def plain(self) -> Any:
        """Python data without places; UNKNOWN inside stays."""
        if isinstance(self.data, dict):
            return {k: v.plain() for k, v in self.data.items()}
        if isinstance(self.data, list):
            return [v.plain() for v in self.data]
        return self.data

    def fully_known(self) -> bool:
        """Whether nothing inside it is unknown."""
        return all(v.known for v in self.walk())


def unknown(why: str, *parts: Value) -> Value:
    """A value nobody can tell before Terraform runs."""
    return Value(UNKNOWN, (), why, frozenset().union(*[p.deps for p in parts]))


def computed(data: Any, why: str, *parts: Value) -> Value:
    """A value made from others: known, but written nowhere as such."""
    return Value(data, (), why, frozenset().union(*[p.deps for p in parts]))


def lift(data: Any, why: str, *parts: Value) -> Value:
    """Plain Python data as a computed value, all the way down."""
    if isinstance(data, dict):
        data = {str(k): lift(v, why, *parts) for k, v in data.items()}
    elif isinstance(data, list | tuple):
        data = [lift(v, why, *parts) for v in data]
    return computed(data, why, *parts)
