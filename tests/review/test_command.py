"""`iacagent review` in a checkout: no forge, what is staged, static, bad input; and as a step of a workflow."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.review.repositories import commit, git
from tests.review.stage import Stage
from tests.review.test_bot import OPEN, size

MAIN = 'resource "terraform_data" "x" {\n  input = "1"\n}\n'


@pytest.fixture
def checkout(sandbox: Sandbox) -> Sandbox:
    """A repository with one root module and a local state, applied."""
    git(sandbox.directory, "init", "--quiet", "--initial-branch=main")
    sandbox.write({"live/one/main.tf": MAIN, ".gitignore": ".terraform/\n*.tfstate*\n.iacagent/\n"})
    commit(sandbox.directory)
    root = Sandbox(sandbox.directory / "live" / "one", sandbox.gym)
    root.up()
    git(sandbox.directory, "checkout", "--quiet", "-b", "change")
    return sandbox


def test_a_local_state_is_looked_at_where_it_is(checkout: Sandbox) -> None:
    checkout.write({"live/one/main.tf": MAIN.replace('"1"', '"2"')})
    commit(checkout.directory)
    before = state(checkout)

    ran = checkout.iacagent("review")
    again = checkout.iacagent("review", "--detailed-exitcode", "--base", "main")

    assert ran.code == 0, ran.err
    assert "`input`: `1` → `2`" in ran.out
    assert again.code == 2
    assert state(checkout) == before
    assert git(checkout.directory, "status", "--porcelain") == ""
    assert git(checkout.directory, "branch", "--list").split() == ["*", "change", "main"]


def state(checkout: Sandbox) -> dict[str, bytes]:
    folder = checkout.directory / "live" / "one"
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_what_is_staged_is_reviewed_before_it_is_committed(checkout: Sandbox) -> None:
    checkout.write({"live/one/open.tf": OPEN})
    git(checkout.directory, "add", "-A")
    checkout.write({"live/one/open.tf": "locals {}\n"})

    ran = checkout.iacagent("review", "--staged", "--static")

    assert ran.code == 3, ran.err
    assert "NET-001" in ran.out
    assert git(checkout.directory, "log", "--oneline").count("\n") == 0


def test_nothing_to_review(checkout: Sandbox) -> None:
    ran = checkout.iacagent("review", "--base", "main", "--detailed-exitcode")

    assert ran.code == 0
    assert "nothing to plan" in ran.out


def test_json_and_files(checkout: Sandbox) -> None:
    checkout.write({"live/one/main.tf": MAIN.replace('"1"', '"2"')})
    commit(checkout.directory)

    ran = checkout.iacagent("--json", "review", "--base", "main", "--sarif", "s.json", "--code-quality", "q.json", "--widget", "w.json")

    (root,) = ran.json["review"]["root_modules"]
    assert (ran.json["schema_version"], root["root_module"], root["outcome"]) == (1, "live/one", "passed")
    assert json.loads((checkout.directory / "w.json").read_text()) == {"create": 0, "update": 1, "delete": 0}
    assert json.loads((checkout.directory / "q.json").read_text()) == []
    assert json.loads((checkout.directory / "s.json").read_text())["version"] == "2.1.0"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--base", "nowhere"), "nowhere is no revision here"),
        (("--head", "nowhere", "--base", "main"), "nowhere is no revision here"),
        (("--forge", "github", "--pull-request", "1"), "GITHUB_REPOSITORY is not set"),
        (("--forge", "gitlab", "--pull-request", "1"), "CI_PROJECT_PATH is not set"),
        (("--forge", "azure-devops", "--pull-request", "1"), "BUILD_REPOSITORY_NAME is not set"),
        (("--base", "main", "--keep", "kept"), "IACAGENT_KEEP_KEY is not set"),
    ],
)
def test_bad_input_is_told_in_a_line(checkout: Sandbox, arguments: tuple[str, ...], told: str) -> None:
    ran = checkout.iacagent("review", *arguments)

    assert ran.code == 1
    assert told in ran.err
    assert "Traceback" not in ran.err


def test_outside_of_a_repository_and_in_an_empty_one(sandbox: Sandbox) -> None:
    outside = sandbox.iacagent("review")
    git(sandbox.directory, "init", "--quiet")
    empty = sandbox.iacagent("review")

    assert "is in no git repository" in outside.err
    assert empty.code == 1
    assert "Pass --base REV" in empty.err


def test_a_shallow_clone_says_how_to_fetch_the_rest(checkout: Sandbox, tmp_path: Path) -> None:
    checkout.write({"live/one/more.tf": "locals {}\n"})
    commit(checkout.directory)
    git(tmp_path, "clone", "--quiet", "--depth", "1", "--branch", "change", f"file://{checkout.directory}", "shallow")
    git(tmp_path / "shallow", "fetch", "--quiet", "--depth", "1", "origin", "main:refs/remotes/origin/main")

    ran = Sandbox(tmp_path / "shallow", checkout.gym).iacagent("review", "--base", "origin/main")

    assert ran.code == 1
    assert "fetch-depth: 0" in ran.err


def test_a_broken_configuration_fails_with_its_place(checkout: Sandbox) -> None:
    checkout.write({"live/one/main.tf": "resource {{{\n"})
    commit(checkout.directory)

    ran = checkout.iacagent("review", "--base", "main")

    assert ran.code == 1
    assert "live/one/main.tf:1" in ran.out or "main.tf:1" in ran.out


def test_windows_line_ends_and_unicode(checkout: Sandbox) -> None:
    checkout.write({"live/größe/main.tf": MAIN.replace("\n", "\r\n").replace('"1"', '"größer"')})
    commit(checkout.directory)

    ran = checkout.iacagent("review", "--base", "main")

    assert ran.code == 0, ran.err
    assert "`live/größe` (new)" in ran.out


def test_a_link_that_leaves_the_repository_is_not_read(checkout: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "secret.tf").write_text('locals {\n  hidden = "the secret of the machine" {{\n}\n')
    (checkout.directory / "live" / "one" / "x.tf").symlink_to(tmp_path / "secret.tf")
    commit(checkout.directory)

    ran = checkout.iacagent("review", "--base", "main")

    assert ran.code == 3
    assert "live/one/x.tf is a link that leaves the repository" in ran.out
    assert "secret of the machine" not in ran.out + ran.err


def workflow(stage: Stage, name: str, event: object, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run as a step of a GitHub workflow."""
    file = stage.folder / "event.json"
    file.write_text(json.dumps(event))
    told = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": name, "GITHUB_RUN_ID": "77", "GITHUB_SERVER_URL": "https://github.com"}
    git(stage.work, "fetch", "--quiet", "origin")
    return stage.iacagent("review", "--event", str(file), "--keep", str(stage.folder / "kept"), *arguments, **told,
                          GITHUB_STEP_SUMMARY=str(stage.folder / "summary.md"))  # fmt: skip


def test_a_workflow_reviews_and_another_applies_what_it_kept(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()

    reviewed = workflow(stage, "pull_request", stage.forge.pull_event(pull, "opened"))
    stage.forge.approve(pull, "ben")
    comment = stage.forge.say(pull, "ann", "/iacagent apply")
    applied = workflow(stage, "issue_comment", stage.forge.comment_event(comment))
    ignored = workflow(stage, "issue_comment", stage.forge.comment_event(stage.forge.say(pull, "ann", "thanks")))

    assert reviewed.returncode == 0, reviewed.stderr
    assert "[The whole review](https://github.com/octo/platform/actions/runs/77)" in stage.forge.said(pull.number)[0]
    assert "`size`: `Standard_D2s_v5` → `Standard_B2ms`" in (stage.folder / "summary.md").read_text()
    assert applied.returncode == 0, applied.stderr
    assert "**Applied**: `live/jobs`" in stage.forge.said(pull.number)[-1]
    assert "no command" in ignored.stderr


def test_a_refused_pull_request_fails_the_step(stage: Stage) -> None:
    stage.branch("change")
    stage.write({"live/web/open.tf": OPEN})
    pull = stage.pull()

    ran = workflow(stage, "pull_request", stage.forge.pull_event(pull, "synchronize"))

    assert ran.returncode == 3
