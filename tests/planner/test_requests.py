"""The request tables: people's words on seven root modules, judged by the JSON of a real plan: every twentieth row
here, all of them in `make bench`. A miss must be named in misses.txt to be allowed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from iac_agent.gym.daemon import Gym
from iac_agent.gym.model import ModelServer, Reply
from iac_agent.hcl.module import RootModule
from iac_agent.planner.builtin import BuiltinPlanner
from iac_agent.planner.model.client import Access, ModelClient
from iac_agent.planner.model.planner import ModelPlanner
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Question, Refusal
from tests.conftest import Figure
from tests.planner import table

KNOWN_MISSES = frozenset((table.FOLDER / "misses.txt").read_text("utf-8").splitlines())


@pytest.mark.timeout(560)
@pytest.mark.parametrize("style", table.STYLES)
def test_requests(style: str, tmp_path: Path, gym: Gym, figure: Figure) -> None:
    place = table.applied(style, tmp_path, gym)
    planner = BuiltinPlanner()
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    misses = []
    for number, row in enumerate(table.rows(style)):
        why = table.judge(row, place, planner, with_terraform=number % 20 == 0)
        total[row.recipe] += 1
        right[row.recipe] += not why
        if why and row.ask not in KNOWN_MISSES:
            misses.append(f"[{row.recipe}] {row.ask}: {why}")
    for recipe in total:
        figure(f"requests answered as they should be (every twentieth plan by Terraform), {recipe}", right[recipe], total[recipe])
    figure("requests answered as they should be (every twentieth plan by Terraform), all", sum(right.values()), sum(total.values()))
    assert not misses, "\n".join(misses)


def test_the_suite_is_as_large_as_it_claims() -> None:
    every = [r for s in table.STYLES for r in table.rows(s)]
    assert len(every) >= 300
    assert sum(r.question is not None for r in every) >= 40
    assert sum(r.refuse for r in every) >= 40
    assert len(KNOWN_MISSES) * 20 <= len(every), "no more than one in twenty may be missed"
    assert {r.ask for r in every} >= KNOWN_MISSES


# --- the same through the model planner --------------------------------------------------------------------------------


class Oracle:
    """A scripted model that knows the built-in planner's answers, and errs first on every third request."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: Counter[str] = Counter()
        self.number = 0

    def __call__(self, body: dict[str, object]) -> Reply:
        messages = body["messages"]
        assert isinstance(messages, list)
        said = next(m["content"] for m in messages if m["role"] == "user")
        request = said.rsplit("The request of the user:\n", 1)[1].strip()
        self.asked[request] += 1
        self.number += self.asked[request] == 1
        if self.asked[request] == 1 and self.number % 3 == 0:
            return [
                {"text": "I would do it like this."},
                {"call": "propose_edits", "arguments": "{broken"},
                {"call": "nonsense", "with": {}},
            ][self.number // 3 % 3]
        answer = self.answers[request]
        if isinstance(answer, Question):
            return {"call": "ask", "with": {"question": answer.text, "candidates": list(answer.candidates)}}
        if isinstance(answer, Refusal):
            return {"call": "refuse", "with": {"reason": answer.reason}}
        return {
            "call": "propose_edits",
            "with": {"reason": answer.reason, "addresses": list(answer.touches), "edits": [e.as_json() for e in answer.edits]},
        }


@pytest.fixture
def oracle() -> Iterator[tuple[Oracle, ModelServer]]:
    script = Oracle()
    server = ModelServer(script)
    server.start()
    yield script, server
    server.stop()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("style", table.STYLES)
def test_the_model_planner_gives_the_same_answers(style: str, oracle: tuple[Oracle, ModelServer]) -> None:
    """What the edits do is judged above: here they must arrive unchanged through prompts, tool calls, errors and placeholders."""
    script, server = oracle
    planner = ModelPlanner(ModelClient(Access("scripted", server.base_url, "key", retries=0)))
    from iac_agent.terraform.models import State

    context = Context(RootModule(table.FOLDER / style), State(), 5)
    builtin = BuiltinPlanner()
    for row in itertools.islice(table.rows(style), 0, None, 3):
        request = " ".join(row.ask.split())
        expected = script.answers[request] = builtin.plan(request, context)
        found = planner.plan(request, context)
        assert type(found) is type(expected), f"{request}: {found}"
        if isinstance(expected, ChangeSet) and isinstance(found, ChangeSet):
            assert found.edits == expected.edits, request
