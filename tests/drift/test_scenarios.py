"""Drifts by the hundred: a part of them here, all of them with `python -m tests.drift.scenarios`."""

from __future__ import annotations

from pathlib import Path

import pytest

from iac_agent.gym.daemon import Gym
from tests.conftest import Figure
from tests.drift import scenarios


@pytest.mark.timeout(280)
def test_drifts_are_found_explained_and_adopted(tmp_path: Path, gym: Gym, figure: Figure) -> None:
    applied = scenarios.Applied.make("foreach", tmp_path, gym)
    figures: dict[str, scenarios.Told] = {}
    for kinds in (lambda a: [next(scenarios.batches(a))], scenarios.rules, scenarios.recreated, scenarios.by_policy):
        for batch in kinds(applied):
            scenarios.run(applied, batch, "adopt", figures)
    made, found, cause, settled = scenarios.sums(figures)
    figure("drifts found", found, made)
    figure("drifts whose cause is right", cause, made)
    figure("drifts adopted with an empty plan", settled, made)
    assert made >= 15
    assert (found, cause) == (made, made)
    assert [w for t in figures.values() for w in t.wrong if not w.startswith("reported")] == []
    assert settled >= 0.85 * made, "what is not adopted is refused with a reason: three rules whose names a shared pattern cannot make"


def test_strangers_are_imported(tmp_path: Path, gym: Gym, figure: Figure) -> None:
    applied = scenarios.Applied.make("flat", tmp_path, gym)
    figures: dict[str, scenarios.Told] = {}
    for batch in scenarios.unmanaged(applied):
        scenarios.run(applied, batch, "import", figures)
    made, _, _, settled = scenarios.sums(figures)
    figure("unmanaged resources imported with an empty plan", settled, made)
    assert [w for t in figures.values() for w in t.wrong] == []
