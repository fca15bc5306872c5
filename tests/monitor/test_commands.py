"""The commands as people run them: text, JSON, CSV, plots, refusals, and a model that answers through tools."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from iac_agent.gym.bench.environment import Environment, Step
from iac_agent.gym.model import ModelServer
from iac_agent.monitor.model import ModelAnswerer
from iac_agent.planner.model.client import Access, ModelClient
from tests.monitor.conftest import Ask, Scene


def run(bench: Environment, *arguments: str) -> Step:
    return bench.step([sys.executable, "-m", "iac_agent.cli.main", *arguments])


def test_a_metric_as_text_json_csv_and_pictures(scene: Scene, tmp_path: Path) -> None:
    bench = scene({"load": {"vm-db": "daily"}}, {"advance": "7h"})
    shown = run(bench, "monitor", "metrics", "db", "--range", "6h", "--tz", "Europe/Amsterdam")
    assert shown.code == 0, shown.err
    assert "Average Percentage CPU of vm-db was" in shown.out
    assert "Source: vm-db (azurerm_linux_virtual_machine.db) · Percentage CPU · Average ·" in shown.out
    assert "┤" in shown.out, "the plot"
    assert "\x1b" not in shown.out
    document = json.loads(run(bench, "--json", "ask", "cpu of db over the last 6 hours").out)
    assert document["schema_version"] == 1
    assert document["series"][0]["figure"] == pytest.approx(bench.figure("vm-db", "Percentage CPU", "Average", 360))
    rows = list(csv.DictReader(io.StringIO(run(bench, "monitor", "metrics", "db", "web", "--range", "1h", "--csv").out)))
    assert len(rows) == 3 * 60
    for name, magic in (("p.png", b"\x89PNG"), ("p.svg", b"<?xml"), ("p.html", b"<!doctype html>")):
        assert run(bench, "ask", "cpu of all machines last 2h", "--plot", str(tmp_path / name)).code == 0
        assert (tmp_path / name).read_bytes().startswith(magic)


def test_a_screenshot_and_the_whole_log(scene: Scene, tmp_path: Path) -> None:
    bench = scene({"boot": {"vm": "vm-api", "kind": "kernel-panic"}}, {"advance": "5m"})
    told = run(bench, "monitor", "boot-log", "api", "--full", "--screenshot", str(tmp_path / "s.png"))
    assert told.code == 0, told.err
    assert "Hypervisor detected: Microsoft Hyper-V" in told.out
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("monitor", "metrics", "db", "--range", "soonish"), 1, "is no time range"),
        (("monitor", "metrics", "db", "--grain", "7m"), 1, "no grain of Azure Monitor"),
        (("monitor", "metrics", "db", "--metric", "GPU Temperature"), 1, "has no metric 'GPU Temperature'"),
        (("monitor", "metrics", "nowhere-7"), 4, "nothing called nowhere-7"),
        (("monitor", "metrics", "db", "--plot", "/nonexistent/p.png"), 1, "cannot write"),
        (("monitor", "metrics", "db", "--plot", "p.gif"), 1, ".png, .svg or .html"),
        (("monitor", "boot-log", "web"), 4, "Which machine's serial log?"),
        (("ask", ""), 1, "there is no question"),
        (("ask", "restart db"), 1, "is an operation, not a question"),
        (("--json", "monitor", "health", "--tz", "Nowhere"), 1, "no time zone"),
    ],
)
def test_refusals_say_what_to_do(arguments: tuple[str, ...], code: int, message: str, own_gym: Environment, scene: Scene) -> None:
    bench = own_gym if own_gym._now is not None else scene()
    told = run(bench, *arguments)
    assert told.code == code
    assert message in told.out + told.err


def test_a_wish_for_change_is_planned_and_not_applied(scene: Scene) -> None:
    bench = scene()
    before = (bench.observation.directory / "monitoring.tf").read_bytes()
    told = run(bench, "ask", "page me when api is above 80 percent cpu")
    assert told.code == 0, told.err
    assert "azurerm_monitor_metric_alert.vm_api_cpu  create" in told.out
    assert "Nothing is applied" in told.err
    assert (bench.observation.directory / "monitoring.tf").read_bytes() == before


def test_an_alert_that_people_asked_for_fires(scene: Scene) -> None:
    bench = scene()
    assert run(bench, "apply", "page me when api is above 70 percent", "--auto-approve").code == 0
    bench.gym.tell("load", {"vm-api": {"profile": "steady", "cpu": 90}})
    bench.gym.tell("time", {"advance": 900})
    assert "alert-vm-api-cpu" in run(bench, "ask", "which alerts are firing?").out


def test_without_credentials(scene: Scene, tmp_path: Path) -> None:
    bench = scene()
    environment = {k: v for k, v in bench.observation.environment.items() if not k.startswith(("ARM_CLIENT", "ARM_MSI"))}
    command = [sys.executable, "-m", "iac_agent.cli.main", "monitor", "health"]
    done = subprocess.run(
        command,
        cwd=bench.observation.directory,
        env={**environment, "ARM_CLIENT_ID": "x", "ARM_CLIENT_SECRET": "y"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "signing in failed" in done.stderr


# --- a model ---------------------------------------------------------------------------------------------------------


def answered(bench: Environment, monitor: Ask, replies: list[dict[str, Any]]) -> tuple[Any, list[dict[str, Any]]]:
    told = iter(replies)
    server = ModelServer(lambda body: next(told))
    server.start()
    try:
        client = ModelClient(Access("scripted", server.base_url, "k", retries=0))
        return ModelAnswerer(client, monitor(bench)).ask("how busy is the database?"), [json.loads(raw) for raw in server.heard]
    finally:
        server.stop()
        client._client.close()


def test_a_models_figures_come_from_tools(scene: Scene, monitor: Ask) -> None:
    bench = scene({"load": {"vm-db": "steady cpu=55"}}, {"advance": "3h"})
    own = bench.figure("vm-db", "Percentage CPU", "Average", 120) or 0
    look = {"call": "metrics", "with": {"resources": "db", "metric": "cpu", "range": "last 2 hours"}}
    answer, heard = answered(bench, monitor, [look, {"call": "answer", "with": {"text": f"The database runs at {own:.2f} % on average."}}])
    assert answer.sentences == [f"The database runs at {own:.2f} % on average."]
    assert answer.series[0].figure == pytest.approx(own)
    assert answer.sources[0].startswith("vm-db")
    assert f"{own:.2f}".rstrip("0") in heard[1]["messages"][-1]["content"]


def test_an_invented_figure_is_not_shown(scene: Scene, monitor: Ask) -> None:
    bench = scene({"load": {"vm-db": "steady cpu=55"}}, {"advance": "3h"})
    look = {"call": "metrics", "with": {"resources": "db", "metric": "cpu", "range": "last 2 hours"}}
    lie = {"call": "answer", "with": {"text": "It runs at 12.5 %."}}
    answer, heard = answered(bench, monitor, [look, lie, lie])
    assert "12.5" not in " ".join(answer.sentences)
    assert "Average Percentage CPU of vm-db was" in answer.sentences[0]
    assert "No tool gave 12.5" in heard[2]["messages"][-1]["content"]


def test_a_model_that_errs_learns_why(scene: Scene, monitor: Ask) -> None:
    bench = scene({"advance": "2h"})
    wrong = {"call": "metrics", "with": {"resources": "db", "metric": "Fan Speed"}}
    answer, heard = answered(
        bench, monitor, [wrong, {"call": "delete_everything", "with": {}}, {"call": "answer", "with": {"text": "There is no such metric."}}]
    )
    assert answer.sentences == ["There is no such metric."]
    assert "has no metric 'Fan Speed'" in heard[1]["messages"][-1]["content"]
    assert "there is no tool delete_everything" in heard[2]["messages"][-1]["content"]
