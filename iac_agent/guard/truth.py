"""Three-valued logic: a rule is kept, broken, or it cannot be told yet, because a value is known only after apply.

Source: S. C. Kleene, Introduction to Metamathematics (1952), section 64: the strong three-valued connectives.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Truth(IntEnum):
    """Ordered, so that `and` is the least and `or` the greatest. It has no truth value of its own: `if truth` would hide UNKNOWN."""

    NO = 0
    UNKNOWN = 1
    YES = 2

    def __and__(self, other: Truth) -> Truth:  # type: ignore[override]
        return self if self <= other else other

    def __or__(self, other: Truth) -> Truth:  # type: ignore[override]
        return self if self >= other else other

    def __invert__(self) -> Truth:
        return _NOT[self]

    def __bool__(self) -> bool:
        raise TypeError("a three-valued truth is no bool: compare it with Truth.YES, NO or UNKNOWN")


_NOT = {Truth.NO: Truth.YES, Truth.UNKNOWN: Truth.UNKNOWN, Truth.YES: Truth.NO}


# An attribute of an Enum is looked up through its metaclass, five times as slow as a name; rules are asked by the ten thousand.
NO, UNKNOWN, YES = Truth


def known(value: bool) -> Truth:
    return YES if value else NO


def every(truths: Iterable[Truth]) -> Truth:
    """YES for none."""
    return min(truths, default=YES)


def some(truths: Iterable[Truth]) -> Truth:
    """NO for none."""
    return max(truths, default=NO)
