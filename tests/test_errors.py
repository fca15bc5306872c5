"""The tree of errors: its picture is complete, and every error says what to do next where it can."""

from __future__ import annotations

import inspect

import iac_agent.errors as errors


def _classes() -> list[type[errors.IacAgentError]]:
    return [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.IacAgentError)]


def test_the_picture_shows_every_class_below_its_parent() -> None:
    lines = (errors.__doc__ or "").splitlines()
    depth = {}
    order: list[str] = []
    for line in lines:
        name = line.strip(" │├└─").split(" ")[0]
        if name in {c.__name__ for c in _classes()}:
            depth[name] = len(line) - len(line.lstrip(" │├└─"))
            order.append(name)
    assert set(depth) == {c.__name__ for c in _classes()}
    for cls in _classes():
        if cls is errors.IacAgentError:
            continue
        above = order[: order.index(cls.__name__)]
        parent = next(n for n in reversed(above) if depth[n] < depth[cls.__name__])
        assert parent == cls.__bases__[0].__name__


def test_exit_codes_are_the_documented_ones() -> None:
    assert {c.exit_code for c in _classes()} == {1, 3, 4, 130}
