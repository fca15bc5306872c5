"""Figures in answers are the gym's own, for every machine, metric, aggregation and range, however they are asked for."""

from __future__ import annotations

import itertools
import random

import pytest

from iac_agent.gym.bench.environment import Environment
from tests.conftest import Figure
from tests.monitor.conftest import Ask, Scene

LOADS = {
    "vm-web-1": "daily low=5 high=60",
    "vm-web-2": "spike cpu=12 peak=93 every=2",
    "vm-api": "leak cpu=22 hours=5",
    "vm-db": "steady cpu=71",
    "vm-batch": "dying hours=30",
}
METRICS = {
    "Percentage CPU": ("cpu", "processor time", "cpu load", "CPU utilisation"),
    "Available Memory Bytes": ("free memory", "available RAM"),
    "Network In Total": ("inbound traffic", "network in"),
    "Network Out Total": ("outbound traffic", "bytes sent"),
    "Disk Write Bytes": ("disk writes", "bytes written to its disk"),
    "OS Disk Queue Depth": ("disk queue depth", "queue length"),
}
WORDS = {
    "Average": ("average", "mean", "avg"),
    "Maximum": ("peak", "highest", "maximum"),
    "Minimum": ("lowest", "minimum"),
    "Total": ("total", "sum of"),
}
RANGES = {
    "in the last half an hour": 30,
    "over the past 6 hours": 360,
    "last 2h": 120,
    "during the last 45 minutes": 45,
    "for the last day": 1440,
}
FORMS = (
    "what was the {word} {metric} of {machine} {span}?",
    "{word} {metric} on {machine} {span}",
    "show me the {word} {metric} for {machine} {span} please",
    "how high was the {word} {metric} of {machine} {span}",
)


def questions() -> list[tuple[str, str, str, str, int]]:
    """240 questions, with machine, metric, aggregation and minutes of what they ask for; the same ones every time."""
    picked = random.Random(11)
    every = [
        (machine, metric, aggregation, span)
        for machine, metric, aggregation, span in itertools.product(LOADS, METRICS, WORDS, RANGES)
        if (aggregation == "Total") == (metric.endswith(("Total", "Write Bytes")))
    ]
    out = []
    for machine, metric, aggregation, span in picked.sample(every, 240):
        words = {"word": picked.choice(WORDS[aggregation]), "metric": picked.choice(METRICS[metric]), "machine": machine, "span": span}
        out.append((picked.choice(FORMS).format(**words), machine, metric, aggregation, RANGES[span]))
    return out


def test_two_hundred_and_forty_generated_questions(scene: Scene, monitor: Ask, figure: Figure) -> None:
    bench = scene({"load": LOADS}, {"advance": "26h"})
    source = monitor(bench)
    wrong = []
    for question, machine, metric, aggregation, minutes in questions():
        found = source.ask(question).series
        own = bench.figure(machine, metric, aggregation, minutes)
        told = [(s.target.name, s.metric, s.aggregation, s.range.minutes) for s in found]
        if told != [(machine, metric, aggregation, minutes)] or own is None or found[0].figure != pytest.approx(own, rel=1e-9):
            wrong.append((question, told, own, found[0].figure))
    figure("figures in answers equal to the gym's", 240 - len(wrong), 240)
    assert not wrong


def test_a_figure_is_exact_whatever_the_grain(scene: Scene, monitor: Ask) -> None:
    bench = scene({"load": {"vm-db": "spike cpu=10 peak=97 every=1 minutes=7"}}, {"advance": "5h"})
    found = monitor(bench).ask("peak cpu of vm-db over the last 4 hours").series[0]
    assert found.grain == "PT5M"
    assert found.figure == pytest.approx(bench.figure("vm-db", "Percentage CPU", "Maximum", 240))
    assert max(v for _, v in found.points if v is not None) == found.figure


def test_many_are_asked_in_batches_and_are_the_same(scene: Scene, monitor: Ask) -> None:
    bench = scene({"load": {"vm-*": "daily"}}, {"advance": "7h"})
    before = bench.gym.counted()["calls"]
    found = monitor(bench).ask("average cpu of all machines over the last 6 hours").series
    calls = bench.gym.counted()["calls"] - before
    assert [s.figure for s in found] == [pytest.approx(bench.figure(s.target.name, "Percentage CPU", "Average", 360)) for s in found]
    assert len(found) == 5
    assert calls <= 6, "a batch for the points, one for the figures"


def test_the_top_is_in_order_of_the_gyms_figures(scene: Scene, monitor: Ask) -> None:
    bench = scene(
        {"load": {"vm-db": "steady cpu=40", "vm-api": "steady cpu=80", "vm-web-1": "steady cpu=60", "vm-web-2": "steady cpu=3"}},
        {"advance": "2h"},
    )
    answer = monitor(bench).ask("which machine uses most cpu?")
    ranking = [(r["resource"].rsplit("/", 1)[1], r["figure"]) for r in answer.data["ranking"]]
    assert [name for name, _ in ranking][:3] == ["vm-api", "vm-web-1", "vm-db"]
    for name, value in ranking:
        assert value == pytest.approx(bench.figure(name, "Percentage CPU", "Average", 60))


def test_used_memory_is_the_other_side_of_free(scene: Scene, monitor: Ask) -> None:
    bench = scene({"load": {"vm-api": "leak hours=4"}}, {"advance": "3h"})
    found = monitor(bench).ask("peak memory use of vm-api in the last 2 hours").series[0]
    assert (found.metric, found.aggregation) == ("Available Memory Bytes", "Minimum")
    assert found.figure == pytest.approx(bench.figure("vm-api", "Available Memory Bytes", "Minimum", 120))


def test_the_same_seed_gives_the_same_day(own_gym: Environment, scene: Scene) -> None:
    def day(seed: int) -> list[float | None]:
        bench = scene()
        bench.gym.settings(seed=seed)
        bench.gym.tell("time", {"set": "2027-03-01T00:00:00Z"})
        return [bench.figure(vm, "Percentage CPU", "Average", minutes) for vm in LOADS for minutes in (5, 60, 600)]

    assert day(3) == day(3)
    assert day(3) != day(4)
