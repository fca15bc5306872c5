"""Pull requests from drift: opened, brought up to date, and closed when they are void; never over somebody else's commits."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.mgmt.compute import ComputeManagementClient

from iac_agent.gym.daemon import Gym
from tests.conftest import client_options
from tests.review.repositories import git
from tests.review.stage import FORGES, Stage, raised

BRANCH = "iacagent/drift/live-jobs"


def tag(stage: Stage, **tags: str) -> None:
    """Somebody sets tags with an SDK."""
    with ComputeManagementClient(**client_options(stage.gym)) as compute:
        held = compute.virtual_machines.get("rg-jobs", "vm-jobs")
        held.tags = {"team": "data", **tags}
        compute.virtual_machines.begin_create_or_update("rg-jobs", "vm-jobs", held).result()


def nightly(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A job of a pipeline: a fresh clone, then the command."""
    clone = stage.folder / f"night-{len(list(stage.folder.glob('night-*')))}"
    git(stage.folder, "clone", "--quiet", "--branch", "main", str(stage.forge.repository), str(clone))
    marks = {"github": {"GITHUB_ACTIONS": "true"}, "gitlab": {"GITLAB_CI": "true"}, "azure-devops": {"TF_BUILD": "True"}}[stage.kind]
    place = clone / "live" / "jobs"
    made = Stage(stage.folder, stage.gym, stage.forge, clone, stage.kind)
    made.terraform("live/jobs", "init")
    return stage.iacagent("drift", "reconcile", "--pr", *arguments, cwd=place, **marks)


@pytest.fixture(params=list(FORGES))
def staged(request: pytest.FixtureRequest, tmp_path: Path, gym: Gym, built: Path) -> Iterator[Stage]:
    with raised(tmp_path, gym, request.param, built) as made:
        yield made


def test_drift_becomes_a_pull_request_that_follows_it_and_is_closed(staged: Stage) -> None:
    tag(staged, debug="yes")
    first = nightly(staged)
    (pull,) = staged.forge.pulls.values()
    before = staged.forge.tip(BRANCH)
    again = nightly(staged)
    unchanged = staged.forge.tip(BRANCH)
    tag(staged, debug="yes", owner="ops")
    second = nightly(staged)
    tag(staged)
    third = nightly(staged)

    assert first.returncode == 2, first.stderr
    assert "pull request 1 takes over 1 finding(s)" in first.stderr
    assert pull.title.startswith("Take over drift in live/jobs: module.jobs.azurerm_linux_virtual_machine.this")
    assert (again.returncode, unchanged) == (2, before)
    assert "pull request 1 takes over 1 finding(s)" in second.stderr
    assert "owner" in pull.body
    assert "**Proof**" in pull.body
    assert third.returncode == 0, third.stderr
    assert "pull request 1 is closed: it is void" in third.stderr
    assert (pull.state, len(staged.forge.pulls)) == ("closed", 1)
    assert BRANCH not in staged.forge.git("branch", "--list")


def test_the_edit_that_is_proposed_makes_the_plan_empty(stage: Stage) -> None:
    tag(stage, debug="yes")
    nightly(stage)
    git(stage.work, "fetch", "--quiet", "origin")
    git(stage.work, "checkout", "--quiet", f"origin/{BRANCH}")

    assert stage.terraform("live/jobs", "plan", "-detailed-exitcode").count("No changes") == 1


def test_commits_of_others_on_the_branch_are_left_alone(stage: Stage) -> None:
    tag(stage, debug="yes")
    nightly(stage)
    git(stage.work, "fetch", "--quiet", "origin")
    git(stage.work, "checkout", "--quiet", "-B", "theirs", f"origin/{BRANCH}")
    stage.write({"live/jobs/more.tf": "locals {}\n"})
    theirs = stage.push(BRANCH, "A touch of mine")
    tag(stage, debug="no")

    ran = nightly(stage)

    assert stage.forge.tip(BRANCH) == theirs
    assert "holds commits of others" in ran.stdout + ran.stderr


def test_outside_of_a_pipeline_it_says_so(stage: Stage) -> None:
    ran = stage.iacagent("drift", "reconcile", "--pr", cwd=stage.work / "live" / "jobs", GITHUB_ACTIONS="", GITLAB_CI="", TF_BUILD="")

    assert ran.returncode == 1
    assert "which forge is meant?" in ran.stderr
