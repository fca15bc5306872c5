"""The stage of each test of the bot, and GitHub's own description held against all that was said on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iac_agent.gym.daemon import Gym
from tests.conftest import Scene
from tests.review import openapi
from tests.review.stage import Stage, build, raised


@pytest.fixture
def built(gym: Gym, scene: Scene) -> Path:
    """The folder in which the stage was built; the gym is as it was then."""
    return scene("platform", lambda folder: build(folder, gym))


@pytest.fixture
def stage(tmp_path: Path, gym: Gym, built: Path) -> Iterator[Stage]:
    """Three root modules, applied, on a GitHub of this machine."""
    with raised(tmp_path, gym, built=built) as made:
        yield made
        if (openapi.OCTOKIT / "openapi").is_dir():
            wrong = [p for h in made.heard for p in openapi.problems(h)]
            assert not wrong, "\n".join(dict.fromkeys(wrong))
