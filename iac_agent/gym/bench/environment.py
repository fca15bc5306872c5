"""The interface for agents, whoever wrote them: `reset` a task, `step` commands in its directory, `score` the outcome.

with Environment() as bench:
    observation = bench.reset(prompt)
    done = bench.step(["terraform", "apply", "-auto-approve"])
    score = bench.score(done.out, done.code)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from iac_agent.gym.bench.judge import Body, Evidence, Judgement, judge
from iac_agent.gym.bench.scene import Scene
from iac_agent.gym.bench.tasks import Prompt, root_module
from iac_agent.gym.daemon import Gym
from iac_agent.terraform.binary import find

_SECONDS = 240
_DRIFTING = {"fault", "resize", "tag", "rule"}
_SEED = 7


@dataclass(frozen=True)
class Observation:
    """What an agent gets: the prompt, a root module (applied, with its state), the environment that points clients at this Azure."""

    prompt: Prompt
    directory: Path
    environment: dict[str, str]


@dataclass(frozen=True)
class Step:
    """What a command returned and printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Score:
    """The judgement with what it took: commands, and seconds since the reset."""

    judgement: Judgement
    steps: int
    seconds: float


@dataclass
class Environment:
    """One gym with one task at a time in it."""

    seed: int = _SEED
    _folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="iab-")))
    _ready: set[str] = field(default_factory=set)
    _steps: int = 0
    _began: float = 0.0
    _now: Observation | None = None
    _before: dict[str, Body] = field(default_factory=dict)

    def __enter__(self) -> Environment:
        self.gym = Gym(self._folder / "gym")
        self.endpoint = self.gym.up().endpoint
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.gym.remove()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def observation(self) -> Observation:
        """What the agent was given at the last reset."""
        assert self._now is not None, "reset comes first"
        return self._now

    # --- the three calls -------------------------------------------------------------------------------------------

    def reset(self, prompt: Prompt) -> Observation:
        """The Azure and the root module of a task, its scene set. The clock stands still from here on."""
        directory = self._folder / "work"
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(self._template(prompt.root), directory, symlinks=True)
        environment = {**os.environ, **self.gym.environment(5), "TF_IN_AUTOMATION": "1", "NO_COLOR": "1"}
        self._now = Observation(prompt, directory, environment)
        scene = Scene(self.gym, self.endpoint)
        for step in prompt.setup:
            if "file" in step:
                (directory / step["file"]["name"]).write_text(step["file"]["text"], "utf-8")
                self._terraform(directory, environment, "apply", "-auto-approve")
            else:
                scene.play(step)
        self.gym.tell("time", {"stop": True})
        self._before, self._steps, self._began = self._resources(), 0, time.monotonic()
        return self._now

    def step(self, command: list[str], stdin: str = "") -> Step:
        """Run a command in the task's directory."""
        self._steps += 1
        try:
            done = subprocess.run(
                command,
                cwd=self.observation.directory,
                env=self.observation.environment,
                input=stdin,
                text=True,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Step(124, "", f"no answer within {_SECONDS} s")
        return Step(done.returncode, done.stdout, done.stderr)

    def score(self, answer: str, exit_code: int = 0) -> Score:
        """Judge what is there now, and the answer that was given."""
        seconds = time.monotonic() - self._began
        seen = self.observation
        prompt = seen.prompt
        after = self._resources()
        settled = None
        if prompt.command == "apply" and exit_code == 0 and not _DRIFTING & {name for step in prompt.setup for name in step}:
            planned = self._terraform(seen.directory, seen.environment, "plan", "-detailed-exitcode", "-lock=false", check=False)
            settled = planned == 0
        found = judge(prompt, Evidence(self._before, after, exit_code, answer, self.figure, settled))
        return Score(found, self._steps, seconds)

    def figure(self, machine: str, metric: str, aggregation: str, minutes: int) -> float | None:
        """The gym's own figure, taken where metrics are made: no SDK, no answer of the API is between."""
        query = {"machine": machine, "metric": metric, "aggregation": aggregation, "minutes": str(minutes)}
        found = self.gym.tell("figure", method="GET", query=query)["figure"]
        return None if found is None else float(found)

    # --- preparing -------------------------------------------------------------------------------------------------

    def _template(self, root: str) -> Path:
        """A root module, applied to this gym, which is put back to just after that."""
        template = self._folder / f"root-{root}"
        if root not in self._ready:
            shutil.rmtree(template, ignore_errors=True)
            shutil.copytree(root_module(root), template)
            self.gym.reset()
            self.gym.settings(seed=self.seed, faults=[], quota={})
            environment = {**os.environ, **self.gym.environment(5)}
            self._terraform(template, environment, "init")
            self._terraform(template, environment, "apply", "-auto-approve")
            self.gym.checkpoint()
            self._ready = {root}
        self.gym.rewind()
        return template

    def _terraform(self, directory: Path, environment: dict[str, str], *arguments: str, check: bool = True) -> int:
        command = [*find().command, *arguments, "-no-color", "-input=false"]
        done = subprocess.run(command, cwd=directory, env=environment, text=True, capture_output=True, timeout=_SECONDS, check=False)
        if check and done.returncode:
            raise RuntimeError(f"terraform {' '.join(arguments)}: {done.stderr[-1500:]}")
        return done.returncode

    def _resources(self) -> dict[str, Body]:
        found: list[dict[str, Any]] = self.gym.tell("resources", method="GET")["resources"]
        return {str(r["id"]).lower(): {**r["body"], **({"power": r["power"]} if r.get("power") else {})} for r in found}
