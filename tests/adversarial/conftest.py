"""A stage for attacks through the command line: a small root module in a gym of its own, applied once, copied for every attack."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iac_agent.gym.daemon import Gym
from iac_agent.gym.model import ModelServer, Reply, Script
from tests.adversarial.stage import MAIN, Stage


@pytest.fixture(scope="session")
def applied() -> Iterator[Stage]:
    """The stage as it is before every attack."""
    folder = Path(tempfile.mkdtemp(prefix="ia-"))
    gym = Gym(folder / "gym")
    gym.up()
    stage = Stage(folder / "template", gym)
    stage.directory.mkdir()
    stage.write({"main.tf": MAIN})
    stage.up()
    gym.checkpoint()
    yield stage
    gym.remove()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def stage(applied: Stage, tmp_path: Path) -> Stage:
    """A copy of the root module, in a git repository of its own, with its state."""
    applied.rewind()
    shutil.copytree(applied.directory, tmp_path / "repository" / "prod", symlinks=True)
    subprocess.run(["git", "init", "-q", str(tmp_path / "repository")], check=True)
    return Stage(tmp_path / "repository" / "prod", applied.gym)


@pytest.fixture(scope="session")
def one_model() -> Iterator[ModelServer]:
    """A scripted model for the whole session: stopping a server takes half a second."""
    server = ModelServer(Script([]))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def model(one_model: ModelServer) -> ModelServer:
    """The model, with nothing heard and nothing to say yet."""
    one_model.heard.clear()
    one_model.answer = Script([])
    return one_model


@pytest.fixture
def modelled(stage: Stage, model: ModelServer) -> Callable[..., Stage]:
    """The stage with a scripted model as its only planner, which says these replies in turn, the last one again and again."""

    def start(*replies: Reply) -> Stage:
        model.answer = Script([{"when": "", "say": list(replies)}])
        settings = {"MODE": "model", "MODEL": "scripted", "BASE_URL": model.base_url, "MAX_STEPS": "1", "RETRIES": "0"}
        stage.extra |= {"OPENAI_API_KEY": "k", **{f"IACAGENT_PLANNER__{k}": v for k, v in settings.items()}}
        return stage

    return start
