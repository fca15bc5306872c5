"""Drifts by the hundred: a part of them here, all of them with `python -m tests.drift.scenarios`."""

from __future__ import annotations

from pathlib import Path

import pytest

from iac_agent.gym.daemon import Gym
from tests.conftest import Figure
from tests.drift import scenarios


@pytest.mark.timeout(280)
@pytest.mark.parametrize("style", ["foreach", "calls"])
def test_drifts_are_found_explained_and_adopted(style: str, tmp_path: Path, gym: Gym, figure: Figure) -> None:
    applied = scenarios.Applied.make(style, tmp_path, gym)
    figures: dict[str, scenarios.Told] = {}
    for batch in [next(scenarios.batches(applied)), *scenarios.rules(applied)]:
        scenarios.run(applied, batch, "adopt", figures)
    made, found, cause, settled = scenarios.sums(figures)
    figure("drifts found", found, made)
    figure("drifts whose cause is right", cause, made)
    figure("drifts adopted with an empty plan", settled, made)
    assert made >= 15
    assert (found, cause) == (made, made)
    assert [w for t in figures.values() for w in t.wrong if not w.startswith("reported")] == []
    assert settled >= 0.9 * made


def test_strangers_are_imported(tmp_path: Path, gym: Gym, figure: Figure) -> None:
    applied = scenarios.Applied.make("flat", tmp_path, gym)
    figures: dict[str, scenarios.Told] = {}
    for batch in scenarios.unmanaged(applied):
        scenarios.run(applied, batch, "import", figures)
    made, _, _, settled = scenarios.sums(figures)
    figure("unmanaged resources imported with an empty plan", settled, made)
    assert [w for t in figures.values() for w in t.wrong] == []
