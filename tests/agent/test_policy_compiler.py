"""Plain words to specifications by a model: what it says is checked and tried, and is in force only once a person accepts it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from iac_agent.agent.policy_compiler import compiled
from iac_agent.errors import ModelFailed
from iac_agent.guard.spec.language import Value
from iac_agent.gym.model import ModelServer, Reply, Script
from iac_agent.planner.model.client import Access, ModelClient
from tests.conftest import Sandbox

SAID = "the crown jewels run on big iron"
GOOD = [
    {"scope": {"types": ["azurerm_linux_virtual_machine"]}, "demand": {"kind": "attribute", "path": "size", "one_of": ["Standard_E64s_v5"]}}
]


def specify(rows: Any) -> Reply:
    return {"call": "specify", "with": {"specifications": rows if isinstance(rows, str) else json.dumps(rows)}}


@pytest.fixture
def serve() -> Iterator[Callable[..., ModelServer]]:
    started: list[ModelServer] = []

    def start(*replies: Reply) -> ModelServer:
        server = ModelServer(Script([{"when": "", "say": list(replies)}]), "")
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def client(server: ModelServer) -> ModelClient:
    return ModelClient(Access("m", server.base_url, "k", retries=0))


@pytest.mark.parametrize(
    "wrong",
    [
        "no JSON",
        [{"demand": {"kind": "shell", "run": "rm"}}],
        [{"demand": {"kind": "regions", "regions": []}}],
        [{"demand": {"kind": "rules", "ids": ["DEP-001"]}}],
        [],
    ],
)
def test_what_is_wrong_is_told_and_said_again(serve: Callable[..., ModelServer], wrong: Any) -> None:
    server = serve(specify(wrong), specify(GOOD))
    (spec,) = compiled(client(server), SAID)
    assert isinstance(spec.demand, Value)
    assert json.loads(server.heard[1])["messages"][-1]["role"] == "tool"


def test_a_model_that_never_says_it_puts_nothing_in_force(serve: Callable[..., ModelServer]) -> None:
    with pytest.raises(ModelFailed):
        compiled(client(serve({"text": "All policies are satisfied."})), SAID)


def test_by_the_command_line_a_person_accepts_it(serve: Callable[..., ModelServer], web_tier: Sandbox) -> None:
    ran = web_tier.iacagent("policy", "compile", SAID)
    assert (ran.code, "is not understood" in ran.err) == (4, True)
    web_tier.extra |= {
        "IACAGENT_PLANNER__MODEL": "scripted",
        "IACAGENT_PLANNER__BASE_URL": serve(specify(GOOD)).base_url,
        "OPENAI_API_KEY": "k",
    }
    ran = web_tier.iacagent("policy", "compile", SAID)
    assert ran.code == 3
    assert "has size that is Standard_E64s_v5" in ran.out
    assert not (web_tier.directory / ".iacagent.policies.yaml").exists()
    assert web_tier.iacagent("policy", "compile", SAID, "--accept").code == 0
    ran = web_tier.iacagent("policy", "check")
    assert ran.code == 3
    assert "SPEC-001 the crown jewels run on big iron" in ran.out
