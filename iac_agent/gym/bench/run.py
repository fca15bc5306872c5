"""Running the benchmark: prompts over a few environments at once, results, and the table beside the study's."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from iac_agent.gym.bench.environment import Environment
from iac_agent.gym.bench.participant import Participant
from iac_agent.gym.bench.tasks import GROUPS, Prompt

# Success in per cent and average steps. Source: arXiv 2506.12270, Table 1.
STUDY = {
    "SDK": {"provisioning": (67, 4.5), "update": (67, 2.0), "monitoring": (80, 1.25)},
    "CLI": {"provisioning": (100, 1.6), "update": (67, 3.0), "monitoring": (80, 1.0)},
    "IaC": {"provisioning": (100, 2.0), "update": (33, 5.0), "monitoring": (40, 2.5)},
    "portal": {"provisioning": (33, 46.0), "update": (67, 20.0), "monitoring": (100, 2.75)},
}


@dataclass(frozen=True)
class Result:
    """One prompt's outcome. `answer` is what the participant said, `complaints` what is wrong, `unwanted` what changed unasked."""

    prompt: Prompt
    passed: bool
    answer: str
    complaints: tuple[str, ...]
    unwanted: tuple[str, ...]
    steps: int
    tokens: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        held = {k: v for k, v in vars(self).items() if k != "prompt"}
        return {"task": self.prompt.task, "prompt": self.prompt.number, "group": self.prompt.group, "text": self.prompt.text, **held}


def run(prompts: Sequence[Prompt], participant: Participant, jobs: int, heard: Callable[[Result], None]) -> list[Result]:
    """Every prompt once, `jobs` environments at a time; `heard` is told of each result. Prompts of one root module stay together."""
    waiting: queue.Queue[Prompt] = queue.Queue()
    for prompt in sorted(prompts, key=lambda p: p.root):
        waiting.put(prompt)
    results: list[Result] = []
    failures: list[BaseException] = []
    lock = threading.Lock()

    def work() -> None:
        try:
            with Environment() as bench:
                while not failures:
                    try:
                        prompt = waiting.get_nowait()
                    except queue.Empty:
                        return
                    result = one(bench, prompt, participant)
                    with lock:
                        results.append(result)
                        heard(result)
        except BaseException as problem:
            failures.append(problem)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(jobs, len(prompts)) or 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)
    if failures:
        raise failures[0]
    place = {p.name: n for n, p in enumerate(prompts)}
    return sorted(results, key=lambda r: place[r.prompt.name])


def one(bench: Environment, prompt: Prompt, participant: Participant) -> Result:
    """One prompt in one environment."""
    seen = bench.reset(prompt)
    outcome = participant.run(bench, seen)
    score = bench.score(outcome.text, outcome.code)
    found = score.judgement
    return Result(
        prompt=prompt,
        passed=found.passed,
        answer=outcome.text,
        complaints=tuple(found.complaints),
        unwanted=tuple(found.unwanted),
        steps=outcome.steps,
        tokens=outcome.tokens,
        seconds=round(score.seconds, 2),
    )


# --- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """The results of a group or a task together."""

    name: str
    prompts: int
    passed: int
    steps: float
    tokens: float
    seconds: float
    unwanted: int

    @property
    def success(self) -> float:
        return 100.0 * self.passed / self.prompts


def rows(results: Sequence[Result]) -> list[Row]:
    """One row for each group that has results, in order."""
    return [_row(g, held) for g in GROUPS if (held := [r for r in results if r.prompt.group == g])]


def _row(name: str, held: Sequence[Result]) -> Row:
    def mean(value: Callable[[Result], float]) -> float:
        return sum(map(value, held)) / len(held)

    return Row(
        name,
        len(held),
        sum(r.passed for r in held),
        mean(lambda r: r.steps),
        mean(lambda r: r.tokens),
        mean(lambda r: r.seconds),
        sum(len(r.unwanted) for r in held),
    )


def table(results: Sequence[Result]) -> str:
    """The groups, the study's Table 1 beside them, and every miss by name."""
    lines = [f"{'group':<14}{'success':>16}{'steps':>8}{'tokens':>9}{'seconds':>9}{'unwanted':>10}    the study: {', '.join(STUDY)}"]
    for row in rows(results):
        study = "   ".join(f"{s[row.name][0]} % / {s[row.name][1]:g}" for s in STUDY.values() if row.name in s)
        share = f"{row.success:.0f} % ({row.passed}/{row.prompts})"
        lines.append(f"{row.name:<14}{share:>16}{row.steps:>8.2f}{row.tokens:>9.0f}{row.seconds:>9.1f}{row.unwanted:>10}    {study}")
    missed = [r for r in results if not r.passed]
    lines += [""] + [f"miss: {r.prompt.name}: {'; '.join([*r.complaints, *(f'{u} changed unasked' for u in r.unwanted)])}" for r in missed]
    return "\n".join(lines).rstrip() + "\n"


def page(results: Sequence[Result], name: str) -> str:
    """The same as one HTML page, with each prompt."""
    loader = jinja2.PackageLoader("iac_agent.gym", "bench")
    template = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=True).get_template("results.html.j2")
    return template.render(name=name, groups=rows(results), study=STUDY, results=results)
