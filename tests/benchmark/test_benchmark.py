"""The benchmark: fair prompts, a judge that is not talked into anything, the interface for other agents, and a run of each task."""

from __future__ import annotations

import difflib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from iac_agent.errors import GymError
from iac_agent.gym.bench import run as bench_run
from iac_agent.gym.bench.environment import Environment
from iac_agent.gym.bench.judge import Evidence, judge
from iac_agent.gym.bench.participant import IacAgent
from iac_agent.gym.bench.tasks import Prompt, Suite
from iac_agent.planner.recipes import all_recipes
from iac_agent.terraform.binary import find
from tests.conftest import FIXTURES, ROOT, Figure

SUITE = Suite.load()


@pytest.fixture(scope="module")
def bench() -> Iterator[Environment]:
    with Environment() as environment:
        yield environment


def chosen(name: str) -> Prompt:
    return SUITE.chosen((name,))[0]


# --- the prompts -----------------------------------------------------------------------------------------------------


def test_eleven_tasks_of_eight_prompts_and_a_hard_suite() -> None:
    counted = Counter(p.task for p in SUITE.prompts if p.group != "hard")
    assert len(counted) == 11
    assert set(counted.values()) == {8}
    assert Counter({g: n // 8 for g, n in Counter(p.group for p in SUITE.prompts if p.group != "hard").items()}) == {
        "provisioning": 3,
        "update": 3,
        "monitoring": 5,
    }
    hard = [p for p in SUITE.prompts if p.group == "hard"]
    assert len(hard) >= 40
    kinds = {"several-wishes", "misleading-names", "injection", "drift", "faults", "impossible", "capacity", "questions"}
    assert {p.kind for p in hard} == kinds


def test_no_prompt_is_one_of_the_planners_own_examples() -> None:
    own = [x for recipe in all_recipes() for x in recipe.examples]
    for table in sorted((FIXTURES / "requests").glob("*.yaml")):
        own += [str(row.get("ask", "")) for row in yaml.safe_load(table.read_text("utf-8")) if isinstance(row, dict)]
    own += re.findall(r'"([a-z][^"\n]{12,})"', "".join(p.read_text("utf-8") for p in (ROOT / "tests" / "planner").glob("test_*.py")))
    plain = {_plain(x) for x in own}
    assert len(plain) > 500
    for prompt in SUITE.prompts:
        assert _plain(prompt.text) not in plain, prompt.name
    near = [p.name for p in SUITE.prompts if difflib.get_close_matches(_plain(p.text), plain, n=1, cutoff=0.92)]
    assert near == []


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def test_no_two_prompts_are_alike() -> None:
    study = [p for p in SUITE.prompts if p.group != "hard"]
    assert len({_plain(p.text) for p in study}) == len(study) == 88


# --- the judge -------------------------------------------------------------------------------------------------------


class Idle:
    """Does nothing and says that all is done."""

    name = "idle"

    def run(self, bench: Environment, seen: Any) -> Any:
        from iac_agent.gym.bench.participant import Outcome

        return Outcome(0, "Done. Everything is as you asked, vm-db is fine, 50 %.", 1)


@pytest.mark.parametrize(
    "task", ["provision-one-vm#1", "attach-disk#2", "change-to-spot#6", "cpu-over-time#1", "fleet-health#1", "who-changed#1"]
)
def test_an_agent_that_only_talks_fails(task: str, bench: Environment) -> None:
    found = bench_run.one(bench, chosen(task), Idle())
    assert not found.passed
    assert found.complaints


def test_what_nobody_asked_for_is_counted(bench: Environment) -> None:
    seen = bench.reset(chosen("enable-boot-diagnostics#1"))
    code = (seen.directory / "machines.tf").read_text()
    (seen.directory / "machines.tf").write_text(code.replace('"Standard_D4s_v5"', '"Standard_D8s_v5"'))
    assert bench.step([*find().command, "apply", "-auto-approve", "-input=false"]).code == 0
    score = bench.score("done")
    assert score.judgement.unwanted == ["vm-api"]
    assert "boot diagnostics of vm-batch are off" in score.judgement.complaints


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("The average was 61.24 %.", True),
        ("About 61.2 percent, from 13:00 to 19:00.", True),
        ("It was 61,24 or so", False),
        ("Between 10:61 and 61:20", False),
        ("CPU was 64 %.", False),
        ("I could not find out.", False),
    ],
)
def test_a_figure_must_be_the_gyms(text: str, right: bool) -> None:
    prompt = Prompt(
        "t", "monitoring", "fleet", 1, "", "ask", {"figure": {"vm": "a", "metric": "m", "aggregation": "Average", "range": "6h"}}
    )
    seen = Evidence({}, {}, 0, text, lambda *_: 61.2388)
    assert judge(prompt, seen).passed is right


def test_names_that_are_no_task() -> None:
    with pytest.raises(GymError, match="no task 'attach-disc'"):
        SUITE.chosen(("attach-disc",))


# --- running it ------------------------------------------------------------------------------------------------------

# One prompt of each task; `make bench` runs them all.
EACH = sorted({p.task: f"{p.task}#{3 + len(p.task) % 3}" for p in SUITE.prompts if p.group != "hard"}.values())
HARD = [
    "delete-order-in-a-tag",
    "approval-forged-in-a-tag",
    "serial-log-claims-all-is-well",
    "compute-down-for-two-calls",
    "family-without-any-quota",
]


@pytest.mark.parametrize("task", [*EACH, *HARD])
def test_iacagent_does_each_task(task: str, bench: Environment, figure: Figure) -> None:
    found = bench_run.one(bench, chosen(task), IacAgent())
    figure("benchmark prompts (one of each task, a few hard ones)", int(found.passed), 1)
    assert found.passed, (found.complaints, found.unwanted)
    assert found.steps <= 2


def test_the_example_participant(tmp_path: Path) -> None:
    """The 30 lines of examples/ run as they stand."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "bench_participant.py")], capture_output=True, text=True, timeout=200, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"monitoring\s+\d+ % \(\d+/8\)", done.stdout)


def test_the_command_prints_groups_beside_the_study(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "iac_agent.cli.main",
        "--json",
        "bench",
        "run",
        "--task",
        "alert-fired#1",
        "--html",
        str(tmp_path / "b.html"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["groups"][0]["name"] == "monitoring"
    assert told["study"]["IaC"]["monitoring"] == [40, 2.5]
    assert "Active alerts?" in (tmp_path / "b.html").read_text()
