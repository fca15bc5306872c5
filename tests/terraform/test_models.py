"""Models keep what they do not know, and read every recorded plan."""

from __future__ import annotations

import json

import pytest

from iac_agent.terraform.models import Plan, State
from tests.golden import Recording, recordings

ALL = [pytest.param(r, id=f"{r.major}-{r.name}") for major in (4, 5) for r in recordings(major)]


@pytest.mark.parametrize("recording", ALL)
def test_recorded_plans_and_states_survive(recording: Recording) -> None:
    for name, model in (("plan-create.json", Plan), ("state.json", State)):
        raw = json.loads((recording.folder / name).read_text("utf-8"))
        kept = model.model_validate(raw).model_dump(mode="json", exclude_unset=True)
        assert kept == raw


def test_the_digest_ignores_the_time_and_nothing_else() -> None:
    one, later = Plan.model_validate({"timestamp": "a", "x": 1}), Plan.model_validate({"timestamp": "b", "x": 1})
    other = Plan.model_validate({"timestamp": "a", "x": 2})
    assert one.digest() == later.digest() != other.digest()
