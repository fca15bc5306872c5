"""The files in examples/review, run as their forges run them, as far as this machine allows: their shell is real, their actions are not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from iac_agent.gym.daemon import Gym
from tests.conftest import ROOT, Sandbox
from tests.review.repositories import commit, git
from tests.review.stage import Stage, raised
from tests.review.test_bot import OPEN, size

EXAMPLES = ROOT / "examples" / "review"
INSTALLS = re.compile(r"^python -m pip install .*$", re.MULTILINE)


def shell(script: str, stage: Stage, **told: str) -> subprocess.CompletedProcess[str]:
    """Run a step of a pipeline with bash, where `iacagent` is this one; what is installed already is not installed again."""
    bin_ = stage.folder / "bin"
    bin_.mkdir(exist_ok=True)
    (bin_ / "iacagent").write_text(f'#!/bin/sh\nexec {sys.executable} -m iac_agent.cli.main "$@"\n')
    (bin_ / "iacagent").chmod(0o755)
    environment = {**stage.environment, **told, "PATH": f"{bin_}:{os.environ['PATH']}"}
    script = INSTALLS.sub("true", script)
    return subprocess.run(["bash", "-e", "-c", script], cwd=stage.work, env=environment, capture_output=True, text=True, timeout=240)


def filled(text: str, values: dict[str, str]) -> str:
    """GitHub's expressions as GitHub would fill them in."""
    return re.sub(r"\$\{\{ *([\w.]+) *\}\}", lambda m: values[m[1]], text)


def action(stage: Stage, event: str, payload: Any) -> list[subprocess.CompletedProcess[str]]:
    """Run the composite action's steps on an event."""
    file = stage.folder / "event.json"
    file.write_text(json.dumps(payload))
    git(stage.work, "fetch", "--quiet", "origin")
    values = {
        "inputs.version": "",
        "inputs.keep": str(stage.folder / "kept"),
        "inputs.token": "token-of-the-bot",
        "runner.temp": str(stage.folder),
    }
    told = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": event, "GITHUB_EVENT_PATH": str(file), "GITHUB_RUN_ID": "7"}
    steps = yaml.safe_load((EXAMPLES / "github" / "action.yml").read_text())["runs"]["steps"]
    return [
        shell(filled(s["run"], values), stage, **told, **{k: filled(v, values) for k, v in s.get("env", {}).items()})
        for s in steps
        if "run" in s
    ]


def test_the_github_action_reviews_and_applies(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    reviewed = action(stage, "pull_request_target", stage.forge.pull_event(pull, "opened"))
    stage.forge.approve(pull, "ben")
    comment = stage.forge.say(pull, "ann", "/iacagent apply")
    applied = action(stage, "issue_comment", stage.forge.comment_event(comment))

    assert [r.returncode for r in (*reviewed, *applied)] == [0, 0, 0, 0], (reviewed[-1].stderr, applied[-1].stderr)
    assert json.loads((stage.folder / "iacagent.sarif").read_text())["version"] == "2.1.0"
    assert "**Applied**: `live/jobs`" in stage.forge.said(pull.number)[-1]


def test_the_workflow_gives_a_fork_no_credentials_and_itself_no_more_than_it_needs() -> None:
    flow = yaml.safe_load((EXAMPLES / "github" / "workflow.yml").read_text())
    (signing,) = (s for s in flow["jobs"]["review"]["steps"] if s.get("name") == "Sign in to Azure")

    assert set(flow[True]) == {"pull_request_target", "issue_comment"}
    assert "head.repo.full_name == github.repository" in signing["if"]
    assert flow["permissions"]["contents"] == "read"
    assert flow["concurrency"]["cancel-in-progress"] is False


def test_the_gitlab_component(tmp_path: Path, gym: Gym, built: Path) -> None:
    with raised(tmp_path, gym, "gitlab", built) as stage:
        spec, jobs = yaml.safe_load_all((EXAMPLES / "gitlab" / "review.yml").read_text())
        job = jobs["iacagent-review"]
        size(stage)
        pull = stage.pull()
        git(stage.work, "fetch", "--quiet", "origin")

        ran = shell(
            "\n".join(job["script"]), stage, GITLAB_CI="true", CI_MERGE_REQUEST_IID=str(pull.number), CI_JOB_URL="https://gitlab.com/j/1"
        )

        assert ran.returncode == 0, ran.stderr
        assert set(spec["spec"]["inputs"]) == {"stage", "image", "version"}
        reports = job["artifacts"]["reports"]
        assert json.loads((stage.work / reports["terraform"]).read_text()) == {"create": 0, "update": 1, "delete": 0}
        assert json.loads((stage.work / reports["codequality"]).read_text()) == []
        assert "[The whole review](https://gitlab.com/j/1)" in stage.forge.said(pull.number)[0]


def test_the_azure_pipelines_template(tmp_path: Path, gym: Gym, built: Path) -> None:
    with raised(tmp_path, gym, "azure-devops", built) as stage:
        steps = yaml.safe_load((EXAMPLES / "azure-devops" / "review.yml").read_text())["steps"]
        (review,) = (s for s in steps if s.get("displayName") == "Review of a fork")
        size(stage)
        pull = stage.pull(fork="mallory/platform", author="mallory")
        git(stage.work, "fetch", "--quiet", "origin")

        ran = shell(review["script"], stage, TF_BUILD="True", SYSTEM_PULLREQUEST_PULLREQUESTID=str(pull.number),
                    BUILD_ARTIFACTSTAGINGDIRECTORY=str(stage.folder))  # fmt: skip

        assert ran.returncode == 0, ran.stderr
        assert "no credentials were used" in stage.forge.said(pull.number)[0]
        assert (stage.folder / "review.md").read_text().startswith("<!-- iacagent:review -->")


def test_the_pre_commit_hook_stops_a_commit(sandbox: Sandbox) -> None:
    git(sandbox.directory, "init", "--quiet", "--initial-branch=main")
    sandbox.write(
        {
            ".pre-commit-config.yaml": (EXAMPLES / "pre-commit-config.yaml").read_text(),
            "main.tf": 'provider "azurerm" {\n  features {}\n}\n',
        }
    )
    commit(sandbox.directory)
    bin_ = sandbox.directory.parent / "bin"
    bin_.mkdir()
    (bin_ / "iacagent").write_text(f'#!/bin/sh\nexec {sys.executable} -m iac_agent.cli.main "$@"\n')
    (bin_ / "iacagent").chmod(0o755)
    path = f"{bin_}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**sandbox.environment, "PATH": path, "PRE_COMMIT_HOME": str(sandbox.directory.parent / "cache")}

    def ran(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=sandbox.directory, env=environment, capture_output=True, text=True, timeout=120)

    assert ran(sys.executable, "-m", "pre_commit", "install").returncode == 0
    sandbox.write({"open.tf": OPEN})
    git(sandbox.directory, "add", "-A")
    stopped = ran("git", "-c", "user.name=t", "-c", "user.email=t@e.com", "commit", "-m", "open")
    sandbox.write({"open.tf": OPEN.replace('"Internet"', '"10.0.0.0/8"')})
    git(sandbox.directory, "add", "-A")
    passed = ran("git", "-c", "user.name=t", "-c", "user.email=t@e.com", "commit", "-m", "closed")

    assert stopped.returncode != 0
    assert "NET-001" in stopped.stdout + stopped.stderr
    assert passed.returncode == 0, passed.stdout + passed.stderr
