"""What the tables of attacks share: the base of an attack, and the one list of holes that are known and not mended yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.adversarial.holes import HOLES


@dataclass(frozen=True)
class Attack:
    """One attack: `name` is its own in the whole folder."""

    name: str


def cases(attacks: Iterable[Any]) -> list[Any]:
    """The attacks as parameters; those that are known to succeed are strict xfails."""
    listed = list(attacks)
    assert len({a.name for a in listed}) == len(listed), "attacks must have names of their own"
    return [
        pytest.param(a, id=a.name, marks=[pytest.mark.xfail(strict=True, reason=f"hole: {HOLES[a.name]}")] if a.name in HOLES else [])
        for a in listed
    ]


def known(name: str) -> pytest.MarkDecorator:
    """The mark of a test that is one attack by itself: a strict xfail as long as it is in the list of holes."""
    return pytest.mark.xfail(name in HOLES, strict=True, reason=f"hole: {HOLES.get(name, '')}")
