"""What a rule says about a resource: a small typed language of tests on attributes and on what they refer to, in three values.

A test is an object that can be evaluated on a resource, and read aloud. `A("min_tls_version").is_in("TLS1_2", "TLS1_3")` holds when every
value at the path passes; a value that is known only after apply makes it UNKNOWN unless another part decides.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from iac_agent.guard.planned import AFTER_APPLY, AfterApply, Resource
from iac_agent.guard.truth import NO, UNKNOWN, YES, Truth, every, known, some

Blame = tuple[str, Any]


class Predicate(ABC):
    """A test of a resource."""

    @abstractmethod
    def of(self, resource: Resource) -> Truth:
        """Whether the resource passes."""

    @abstractmethod
    def blame(self, resource: Resource) -> Iterator[Blame]:
        """The attributes that keep it from passing, with their values."""

    @abstractmethod
    def read(self, resource: Resource) -> Iterator[Blame]:
        """Every attribute that is looked at, with its value."""

    @abstractmethod
    def __str__(self) -> str: ...

    def __and__(self, other: Predicate) -> Predicate:
        return _All((self, other))

    def __or__(self, other: Predicate) -> Predicate:
        return _Any((self, other))

    def __invert__(self) -> Predicate:
        return _Not(self)

    def __rshift__(self, other: Predicate) -> Predicate:
        """Where this holds, the other must."""
        return _Implies(self, other)


@dataclass(frozen=True)
class _All(Predicate):
    parts: tuple[Predicate, ...]

    def of(self, resource: Resource) -> Truth:
        found = YES
        for part in self.parts:
            found = found & part.of(resource)
            if found == NO:
                break
        return found

    def blame(self, resource: Resource) -> Iterator[Blame]:
        worst = min(p.of(resource) for p in self.parts)
        for part in self.parts:
            if part.of(resource) == worst:
                yield from part.blame(resource)

    def read(self, resource: Resource) -> Iterator[Blame]:
        for part in self.parts:
            yield from part.read(resource)

    def __str__(self) -> str:
        return " and ".join(_bracketed(p) for p in self.parts)


@dataclass(frozen=True)
class _Any(Predicate):
    parts: tuple[Predicate, ...]

    def of(self, resource: Resource) -> Truth:
        found = NO
        for part in self.parts:
            found = found | part.of(resource)
            if found == YES:
                break
        return found

    def blame(self, resource: Resource) -> Iterator[Blame]:
        for part in self.parts:
            yield from part.blame(resource)

    def read(self, resource: Resource) -> Iterator[Blame]:
        for part in self.parts:
            yield from part.read(resource)

    def __str__(self) -> str:
        return " or ".join(_bracketed(p) for p in self.parts)


@dataclass(frozen=True)
class _Not(Predicate):
    inner: Predicate

    def of(self, resource: Resource) -> Truth:
        return ~self.inner.of(resource)

    def blame(self, resource: Resource) -> Iterator[Blame]:
        yield from self.inner.read(resource)

    def read(self, resource: Resource) -> Iterator[Blame]:
        yield from self.inner.read(resource)

    def __str__(self) -> str:
        return f"not ({self.inner})"


@dataclass(frozen=True)
class _Implies(Predicate):
    where: Predicate
    then: Predicate

    def of(self, resource: Resource) -> Truth:
        where = self.where.of(resource)
        return YES if where == NO else ~where | self.then.of(resource)

    def blame(self, resource: Resource) -> Iterator[Blame]:
        yield from self.then.blame(resource) if self.where.of(resource) == YES else self.where.read(resource)

    def read(self, resource: Resource) -> Iterator[Blame]:
        yield from self.where.read(resource)
        yield from self.then.read(resource)

    def __str__(self) -> str:
        return f"if {self.where}, then {self.then}"


def _bracketed(predicate: Predicate) -> str:
    return f"({predicate})" if isinstance(predicate, _All | _Any | _Implies) else str(predicate)


@dataclass(frozen=True)
class Attribute:
    """The values at a path, blocks on the way gone through. `default` is what Azure or the provider takes where nothing is written."""

    path: str
    default: Any = None
    steps: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.path.split(".")))

    def values(self, resource: Resource) -> list[Blame]:
        found = resource.at(self.steps)
        if self.default is None:
            return found
        return [(at, self.default if value is None else value) for at, value in found]

    def _test(self, says: str, test: Callable[[Any], bool | Truth], *, empty: bool = False) -> Predicate:
        return Test(self, says, test, empty)

    def is_(self, value: Any) -> Predicate:
        return self._test(f"is {shown(value)}", lambda held: _same(held, value))

    def is_in(self, *values: Any) -> Predicate:
        low = {_low(v) for v in values}
        return self._test(f"is {' or '.join(map(shown, values))}", lambda held: _low(held) in low)

    def is_set(self) -> Predicate:
        return self._test("is set", lambda held: held not in (None, "", [], {}))

    def at_least(self, number: float) -> Predicate:
        return self._test(f"is at least {number}", lambda held: _number(held, -math.inf) >= number)

    def at_most(self, number: float) -> Predicate:
        return self._test(f"is at most {number}", lambda held: _number(held, math.inf) <= number)

    def matches(self, pattern: str) -> Predicate:
        compiled = re.compile(pattern, re.IGNORECASE)
        return self._test(f"matches {pattern}", lambda held: held is not None and compiled.search(str(held)) is not None)

    def has(self, *keys: str) -> Predicate:
        """A map has every key with something in it, whatever the case of the key."""
        wanted = {k.lower() for k in keys}
        return self._test(
            f"has {', '.join(keys)}",
            lambda held: isinstance(held, dict) and wanted <= {k.lower() for k, v in held.items() if v not in (None, "")},
            empty=True,
        )

    def passes(self, test: Callable[[Any], bool | Truth], says: str) -> Predicate:
        """Any other test of one value, with how it reads."""
        return self._test(says, test)

    def __str__(self) -> str:
        return self.path


A = Attribute


@dataclass(frozen=True)
class Test(Predicate):
    """Every value of an attribute passes. Where there is no value and no default, None is tested."""

    __test__ = False
    attribute: Attribute
    says: str
    test: Callable[[Any], bool | Truth] = field(compare=False)
    empty: bool = False

    def _one(self, value: Any) -> Truth:
        if value is AFTER_APPLY or (isinstance(value, list) and AFTER_APPLY in value):
            return UNKNOWN
        if self.empty and value is None:
            value = {}
        found = self.test(value)
        if found is True:
            return YES
        return found if isinstance(found, Truth) else known(found)

    def of(self, resource: Resource) -> Truth:
        worst = YES
        for _, value in self.attribute.values(resource):
            found = self._one(value)
            if found < worst:
                worst = found
        return worst

    def blame(self, resource: Resource) -> Iterator[Blame]:
        for at, value in self.attribute.values(resource):
            if self._one(value) != YES:
                yield at, value

    def read(self, resource: Resource) -> Iterator[Blame]:
        yield from self.attribute.values(resource)

    def __str__(self) -> str:
        return f"{self.attribute} {self.says}"


@dataclass(frozen=True)
class Custom(Predicate):
    """What the other forms do not say, with how it reads and the attributes it looks at."""

    says: str
    test: Callable[[Resource], Truth] = field(compare=False)
    attributes: tuple[str, ...] = ()

    def of(self, resource: Resource) -> Truth:
        return self.test(resource)

    def blame(self, resource: Resource) -> Iterator[Blame]:
        return self.read(resource)

    def read(self, resource: Resource) -> Iterator[Blame]:
        for path in self.attributes:
            yield from resource.at(tuple(path.split(".")))

    def __str__(self) -> str:
        return self.says


@dataclass(frozen=True)
class To(Predicate):
    """Everything an attribute refers to passes; with `some_of` at least one. Unknown where what is meant is not sure."""

    path: str
    inner: Predicate
    some_of: bool = False

    def of(self, resource: Resource) -> Truth:
        related = resource.related(self.path)
        truths = [self.inner.of(r) for r in related.resources]
        if not related.certain:
            return surely(truths)
        return some(truths) if self.some_of else every(truths)

    def blame(self, resource: Resource) -> Iterator[Blame]:
        return self.read(resource)

    def read(self, resource: Resource) -> Iterator[Blame]:
        yield from resource.at(tuple(self.path.split(".")))

    def __str__(self) -> str:
        return f"{'some' if self.some_of else 'every'} {self.path} has {self.inner}"


@dataclass(frozen=True)
class UsedBy(Predicate):
    """Some resource of these types refers to this one by an attribute, and passes."""

    types: tuple[tuple[str, str], ...]
    inner: Predicate | None = None

    def of(self, resource: Resource) -> Truth:
        truths = []
        for kind, path in self.types:
            related = resource.world.referrers(resource, kind, path)
            truths += [(YES if self.inner is None else self.inner.of(r)) & known_or(related.certain) for r in related.resources]
            if not related.certain:
                truths.append(UNKNOWN)
        return some(truths)

    def blame(self, resource: Resource) -> Iterator[Blame]:
        yield "", f"no {' or '.join(dict.fromkeys(kind for kind, _ in self.types))}"

    def read(self, resource: Resource) -> Iterator[Blame]:
        found = [r for kind, path in self.types for r in resource.world.referrers(resource, kind, path).resources]
        yield "", ", ".join(r.address for r in found)

    def __str__(self) -> str:
        names = " or ".join(dict.fromkeys(kind for kind, _ in self.types))
        return f"there is a {names} for it{f' with {self.inner}' if self.inner else ''}"


@dataclass(frozen=True)
class Blocks(Predicate):
    """Every nested block of a name passes."""

    path: str
    inner: Predicate

    def blocks(self, resource: Resource) -> list[Resource] | AfterApply:
        return resource.blocks(self.path)

    def of(self, resource: Resource) -> Truth:
        blocks = self.blocks(resource)
        return every(map(self.inner.of, blocks)) if isinstance(blocks, list) else UNKNOWN

    def blame(self, resource: Resource) -> Iterator[Blame]:
        blocks = self.blocks(resource)
        if not isinstance(blocks, list):
            yield self.path, AFTER_APPLY
            return
        for block in blocks:
            if self.inner.of(block) != YES:
                yield from ((f"{self.path}[{block.prefix[-1]}].{at}", value) for at, value in self.inner.blame(block))

    def read(self, resource: Resource) -> Iterator[Blame]:
        yield self.path, resource.values.get(self.path)

    def __str__(self) -> str:
        return f"every {self.path} has {self.inner}"


def surely(truths: list[Truth]) -> Truth:
    """The truth of one of several, where it is not sure which one is meant: that of all of them, if they agree that it is NO."""
    return NO if truths and max(truths) == NO else UNKNOWN


def known_or(certain: bool) -> Truth:
    """YES when it is certain, else UNKNOWN."""
    return YES if certain else UNKNOWN


def same(here: str, through: str, there: str) -> Predicate:
    """An attribute is the same here as on everything that another attribute refers to."""
    one, other = Attribute(here), Attribute(there)

    def test(resource: Resource) -> Truth:
        related = resource.related(through)
        truths = [_pairwise(one, resource, other, r) for r in related.resources]
        return every(truths) if related.certain else surely(truths)

    return Custom(f"{here} is the {there} of every {through}", test, (here,))


def _pairwise(one: Attribute, resource: Resource, other: Attribute, related: Resource) -> Truth:
    here, there = [v for _, v in one.values(resource)], [v for _, v in other.values(related)]
    if AFTER_APPLY in here or AFTER_APPLY in there:
        return UNKNOWN
    return known({_low(v) for v in here} == {_low(v) for v in there})


def _low(value: Any) -> Any:
    """Text as Azure compares it: names, regions and ids differ in case only by accident."""
    if isinstance(value, str):
        return value.lower()
    return tuple(map(_low, value)) if isinstance(value, list) else value


def _same(held: Any, value: Any) -> bool:
    if isinstance(value, bool) or isinstance(held, bool):
        return held is value
    return bool(_low(held) == _low(value))


def _number(value: Any, otherwise: float) -> float:
    try:
        return otherwise if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return otherwise


def shown(value: Any) -> str:
    """A value as people write it."""
    return {True: "true", False: "false", None: "absent"}.get(value, str(value)) if isinstance(value, bool | None) else str(value)
