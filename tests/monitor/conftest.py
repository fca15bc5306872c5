"""A fleet in a gym of its own, set up anew for each test in a fraction of a second, and everything that answers over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from iac_agent.azure.clients import AzureClients
from iac_agent.cli import config, wiring
from iac_agent.cli.monitor_wiring import over
from iac_agent.gym.bench.environment import Environment
from iac_agent.gym.bench.tasks import Prompt
from iac_agent.monitor.ask import Monitor

Scene = Callable[..., Environment]


@pytest.fixture
def scene(own_gym: Environment) -> Scene:
    """Set steps of a benchmark's scene: `scene({"load": {...}}, {"advance": "6h"})`."""

    def play(*steps: dict[str, object], root: str = "fleet") -> Environment:
        own_gym.reset(Prompt("test", "test", root, 0, "", "ask", {}, tuple(steps)))
        return own_gym

    return play


Ask = Callable[..., Monitor]


@pytest.fixture
def monitor() -> Iterator[Ask]:
    """Everything that answers over a scene, in this process, with the real SDKs."""
    opened: list[AzureClients] = []

    def make(bench: Environment, timezone: str = "UTC", answer: str = "") -> Monitor:
        seen = bench.observation
        runner, _ = wiring.terraform(seen.directory, config.load(seen.directory, None), wiring.Request())
        opened.append(AzureClients(seen.environment))
        return over(replace(runner, environment=seen.environment), opened[-1], timezone, answer)

    yield make
    for clients in opened:
        clients.close()
