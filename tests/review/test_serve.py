"""The server: deliveries over a real socket, twice, late, forged, replayed, and while it is killed: one right outcome each."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from iac_agent.gym.forges.github import post
from iac_agent.gym.forges.hosted import Pull
from iac_agent.store.jobs import Job, Jobs
from tests.review.stage import SECRET, Stage
from tests.review.test_bot import machine, size


@dataclass
class Serving:
    """A server of its own process; `process` is the one that listens."""

    stage: Stage
    port: int
    workers: int = 1
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.stage.folder / "data"

    def start(self) -> None:
        told = ["--forge", "github", "--repository", self.stage.forge.full_name, "--data", str(self.data), "--url", self.url]
        command = [sys.executable, "-m", "iac_agent.cli.main", "serve", *told, "--port", str(self.port), "--workers", str(self.workers)]
        with (self.stage.folder / "serve.log").open("a") as log:
            self.process = subprocess.Popen(command, env=self.stage.environment, stdout=log, stderr=log, text=True, start_new_session=True)
        until(lambda: self.get("/healthz")[0] == 200)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode()
        except OSError:
            return 0, ""

    def kill(self) -> None:
        """kill -9 of the server and all its workers."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def post(self, kind: str, payload: object, secret: str = SECRET, delivery: str = "") -> int:
        return post(f"{self.url}/webhooks/github", kind, json.dumps(payload).encode(), secret, delivery)

    def jobs(self) -> list[Job]:
        held = Jobs(f"sqlite:///{self.data / 'queue.db'}", self.data / "workers")
        try:
            return held.all()
        finally:
            held.close()

    def idle(self) -> list[Job]:
        """Wait until everything is done; the jobs."""
        until(lambda: all(j.status in ("done", "failed") for j in self.jobs()), 120)
        return self.jobs()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


@contextmanager
def served(stage: Stage, workers: int = 1) -> Iterator[Serving]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Serving(stage, port, workers)
    made.start()
    stage.forge.hook = (f"{made.url}/webhooks/github", SECRET)
    try:
        yield made
    finally:
        stage.forge.hook = None
        made.kill()


def reviews(stage: Stage, pull: Pull) -> list[str]:
    return [t for t in stage.forge.said(pull.number) if t.startswith("<!-- iacagent:review")]


def test_a_pull_request_is_reviewed_and_applied_through_the_server(stage: Stage) -> None:
    with served(stage) as server:
        size(stage)
        pull = stage.pull()
        server.idle()
        (comment,) = reviews(stage, pull)
        stage.forge.approve(pull, "ben")
        stage.forge.say(pull, "ann", "/iacagent apply")
        server.idle()
        link = comment.split("[The whole review](")[1].split(")")[0]
        shown, metrics = server.get(link.removeprefix(server.url)), server.get("/metrics")[1]

        assert machine(stage, "live/jobs")["size"] == "Standard_B2ms"
        assert "**Applied**: `live/jobs`" in stage.forge.said(pull.number)[-1]
        assert shown[0] == 200
        assert "`size`: `Standard_D2s_v5` → `Standard_B2ms`" in shown[1]
        assert server.get("/reviews/" + "0" * 40)[0] == 404
        assert 'iacagent_deliveries_total{outcome="queued"} 2' in metrics
        assert 'iacagent_jobs{status="done"} 2' in metrics


def test_deliveries_twice_replayed_forged_and_out_of_order(stage: Stage) -> None:
    with served(stage) as server:
        stage.forge.hook = None
        size(stage)
        pull = stage.pull()
        opened = stage.forge.pull_event(pull, "opened")
        stage.replace("live/jobs/terraform.tfvars", "Standard_B2ms", "Standard_B4ms")
        stage.push("change")
        pushed = stage.forge.pull_event(pull, "synchronize")

        codes = [
            server.post("pull_request", pushed),
            server.post("pull_request", opened),  # late
            server.post("pull_request", opened),  # twice
            server.post("pull_request", pushed, delivery="another-id"),  # replayed
            server.post("issue_comment", pushed),  # replayed as something else
            server.post("pull_request", opened, secret="a secret that is guessed"),
            server.post("pull_request", {**opened, "repository": {"full_name": "some/body"}}),
            server.post("pull_request", ["no", "object"]),
            server.post("pull_request", {"action": "opened", "repository": {"full_name": "octo/platform"}}),
            server.post("ping", {"zen": "x", "repository": opened["repository"]}),
        ]
        jobs = server.idle()

        assert codes == [202, 202, 200, 200, 200, 401, 200, 400, 400, 200]
        assert [j.status for j in jobs] == ["done", "done"]
        (comment,) = reviews(stage, pull)
        assert "Standard_B4ms" in comment
        assert len(stage.forge.checks) == 1


def test_an_apply_that_comes_twice_applies_once(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    with served(stage, workers=2) as server:
        server.post("pull_request", stage.forge.pull_event(pull, "opened"))
        server.idle()
        stage.forge.approve(pull, "ben")
        stage.forge.hook = None
        identity = stage.forge.say(pull, "ann", "/iacagent apply")
        event = stage.forge.comment_event(identity)
        codes = {server.post("issue_comment", event) for _ in range(5)}
        server.idle()

        assert codes == {202, 200}
        answers = [t for t in stage.forge.said(pull.number) if t.startswith("<!-- iacagent:answer")]
        assert len(answers) == 1
        assert "**Applied**" in answers[0]


def test_an_edited_comment_and_one_of_a_bot_are_no_commands(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    stage.forge.approve(pull, "ben")
    with served(stage) as server:
        server.post("pull_request", stage.forge.pull_event(pull, "opened"))
        server.idle()
        stage.forge.hook = None
        for login, action in (("ann", "edited"), ("other[bot]", "created")):
            identity = stage.forge.say(pull, login, "/iacagent apply")
            assert server.post("issue_comment", stage.forge.comment_event(identity, action)) == 200
        server.idle()

    assert machine(stage, "live/jobs")["size"] == "Standard_D2s_v5"


def test_a_closed_pull_request_is_neither_reviewed_nor_applied(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    opened = stage.forge.pull_event(pull, "opened")
    with served(stage) as server:
        server.post("pull_request", opened)
        server.idle()
        assert list(server.data.glob("*/plans/*.plan"))
        stage.forge.close(pull)
        stage.forge.say(pull, "ann", "/iacagent apply")
        stage.forge.hook = None
        server.post("pull_request", stage.forge.pull_event(pull, "reopened"))
        server.idle()

        assert "**Refused**: pull request 1 is closed" in stage.forge.said(pull.number)[-1]
        assert list(server.data.glob("*/plans/*.plan")) == []


@pytest.mark.parametrize("moment", ["queued", "reviewing", "applying"])
def test_kill_9_loses_no_job_and_doubles_none(stage: Stage, moment: str) -> None:
    size(stage)
    pull = stage.pull()
    stage.forge.approve(pull, "ben")
    with served(stage, workers=0 if moment == "queued" else 1) as server:
        if moment == "applying":
            server.post("pull_request", stage.forge.pull_event(pull, "opened"))
            server.idle()
            stage.gym.settings(operation_seconds=1)
            stage.forge.say(pull, "ann", "/iacagent apply")
            until(lambda: any(server.data.glob("*/homes/*/runs/*/apply.jsonl")))
            time.sleep(0.3)
        else:
            server.post("pull_request", stage.forge.pull_event(pull, "opened"))
            if moment == "reviewing":
                until(lambda: any(j.status == "running" for j in server.jobs()))
                time.sleep(0.5)
        server.kill()
        server.workers = 1
        server.start()
        jobs = server.idle()

        assert {j.status for j in jobs} == {"done"}
        assert len(reviews(stage, pull)) == 1
        if moment == "applying":
            answers = [t for t in stage.forge.said(pull.number) if t.startswith("<!-- iacagent:answer")]
            assert len(answers) == 1
            assert "**Applied**: `live/jobs`" in answers[0], answers
            assert machine(stage, "live/jobs")["size"] == "Standard_B2ms"


def test_it_stops_in_order(stage: Stage) -> None:
    size(stage)
    with served(stage) as server:
        pull = stage.pull()
        until(lambda: any(j.status == "running" for j in server.jobs()))
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)

        assert [j.status for j in server.jobs()] == ["done"]
        assert len(reviews(stage, pull)) == 1
        server.start()


def test_a_worker_that_dies_again_and_again_does_not_take_its_job_along_for_ever(tmp_path: Path) -> None:
    jobs = Jobs(f"sqlite:///{tmp_path / 'q.db'}", tmp_path / "workers")
    assert jobs.add("k", "lane", {"n": 1})
    assert not jobs.add("k", "lane", {"n": 1})
    assert jobs.add("k2", "lane", {"n": 2})
    taken = []
    for number in range(4):
        job = jobs.take(f"dead-{number}")  # holds no lock
        taken.append(job.key if job else None)

    assert taken == ["k", "k", "k", "k2"]
    assert jobs.counts() == {"queued": 0, "running": 1, "done": 0, "failed": 1}


def test_without_a_secret_it_does_not_start(stage: Stage) -> None:
    ran = stage.iacagent(
        "serve", "--forge", "github", "--repository", "o/r", "--data", str(stage.folder / "d"), GITHUB_WEBHOOK_SECRET="short"
    )

    assert ran.returncode == 1
    assert "at least 16 characters" in ran.stderr
