"""What a red team tried on the bot: whose rules hold, what is applied, what a comment can be made to say, what files can do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from azure.mgmt.compute import ComputeManagementClient

from iac_agent.errors import ForgeFailed, Refused
from iac_agent.review import comment
from iac_agent.review.confined import confined
from iac_agent.review.forges import Event
from iac_agent.store.jobs import Jobs
from tests.conftest import client_options
from tests.review.repositories import git
from tests.review.stage import Stage
from tests.review.test_bot import OPEN, VM, machine, size

LAX = "guard:\n  policies:\n    NET-001: 'off'\nreview:\n  apply: true\n  approvals: 0\n"


def tag(stage: Stage, **tags: str) -> None:
    """Somebody sets tags of the machine of jobs with an SDK."""
    with ComputeManagementClient(**client_options(stage.gym)) as compute:
        held = compute.virtual_machines.get("rg-jobs", "vm-jobs")
        held.tags = {"team": "data", **tags}
        compute.virtual_machines.begin_create_or_update("rg-jobs", "vm-jobs", held).result()


def test_a_base_that_the_author_made_brings_no_rules_and_is_not_applied_to(stage: Stage) -> None:
    stage.branch("lax")
    stage.write({".iacagent.yaml": LAX})
    stage.push("lax")
    stage.write({"live/web/open.tf": OPEN})
    stage.push("evil")
    pull = stage.forge.open_pull("evil", "A change", "ann", base="lax")

    comment = stage.review(pull)
    answer = stage.command(pull, "ann", "/iacagent apply")

    assert "⛔ refused: NET-001" in comment
    assert "comments may apply only what goes into main" in answer


def test_a_branch_that_the_rules_name_counts(stage: Stage) -> None:
    stage.switch("main")
    stage.write({".iacagent.yaml": "review:\n  apply: true\n  approvals: 0\n  branches: ['release-*']\n"})
    stage.on_main()
    stage.branch("release-1")
    stage.push("release-1")
    size(stage)
    stage.push("change")
    pull = stage.forge.open_pull("change", "A change", "ann", base="release-1")
    stage.review(pull)

    assert "**Applied**" in stage.command(pull, "ann", "/iacagent apply")


@pytest.mark.parametrize("what", ["push", "base", "dismiss", "close"])
def test_what_moves_while_an_apply_begins_stops_it(stage: Stage, what: str) -> None:
    size(stage)
    pull = stage.pull()
    stage.review(pull)
    stage.forge.approve(pull, "ben")
    bot = stage.bot()
    session = bot.applier.session

    def late(*arguments: object) -> object:
        if what == "push":
            stage.write({"live/network/x.tf": "locals {}\n"})
            stage.push("change")
        elif what == "base":
            stage.switch("main")
            stage.write({"live/network/y.tf": "locals {}\n"})
            stage.on_main()
        elif what == "dismiss":
            stage.forge.approve(pull, "ben", "DISMISSED")
        else:
            pull.state = "closed"
        return session(*arguments)  # type: ignore[arg-type]

    bot.applier.session = late  # type: ignore[assignment]
    identity = stage.forge.say(pull, "ann", "/iacagent apply")
    bot.handle(Event("commented", pull.number, "ann", "/iacagent apply", str(identity)))
    stage.switch("main")

    assert "**Applied**" not in stage.forge.said(pull.number)[-1]
    assert machine(stage, "live/jobs")["size"] == "Standard_D2s_v5"


def test_an_apply_that_failed_is_not_finished_without_a_review_and_blocks_nobody(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    stage.review(pull)
    stage.forge.approve(pull, "ben")
    stage.gym.settings(faults=[{"path": "virtualMachines", "methods": ["PUT", "PATCH"], "status": 409, "times": 50}])
    failed = stage.command(pull, "ann", "/iacagent apply")
    stage.gym.settings(faults=[])
    tag(stage, debug="yes")
    again = stage.command(pull, "ann", "/iacagent apply")
    stage.branch("other")
    stage.replace("live/jobs/terraform.tfvars", "Standard_D2s_v5", "Standard_B4ms")
    other = stage.pull(branch="other")
    stage.review(other)
    stage.forge.approve(other, "ben")
    theirs = stage.command(other, "ann", "/iacagent apply --include-unrelated")

    assert "**Not applied**: `live/jobs`" in failed
    assert "**Refused**: the reviewed plan is not applied: the state moved" in again or "**Not applied**" in again
    assert "**Applied**: `live/jobs`" in theirs
    assert machine(stage, "live/jobs")["size"] == "Standard_B4ms"
    assert list((stage.home / "applying").glob("*")) == []


def test_undo_leaves_drift_alone_and_does_not_change_what_apply_means(stage: Stage) -> None:
    tag(stage, debug="yes")
    size(stage)
    pull = stage.pull()
    stage.review(pull)
    stage.forge.approve(pull, "ben")

    undo = stage.command(pull, "ann", "/iacagent undo")
    going_back = stage.command(pull, "ann", "/iacagent apply --undo")
    forward = stage.command(pull, "ben", "/iacagent apply")

    assert "`tags.debug`: `yes` → `(none)` (without this pull request, too)" in undo
    assert "**Refused**" in going_back
    assert "**Refused**: live/jobs: the plan also does what would be done without this pull request" in forward


def test_a_root_module_that_moves_keeps_its_rules_and_its_drift(stage: Stage) -> None:
    stage.switch("main")
    stage.write({"live/jobs/.iacagent.yaml": "review:\n  apply: false\n"})
    stage.on_main()
    tag(stage, debug="yes")
    stage.branch("change")
    git(stage.work, "mv", "live/jobs", "live/work")
    stage.replace("live/work/terraform.tfvars", "Standard_D2s_v5", "Standard_B2ms")
    pull = stage.pull()

    shown = stage.review(pull)

    assert "`live/work`" in shown
    assert "(new)" not in shown
    assert "managed by nobody" not in shown
    assert "`tags.debug`: `yes` → `(none)` (without this change, too)" in shown
    stage.forge.approve(pull, "ben")
    assert "comments may not apply live/work" in stage.command(pull, "ann", "/iacagent apply --include-unrelated")


def test_the_rules_of_a_root_module_hold_for_its_apply(stage: Stage) -> None:
    stage.switch("main")
    stage.write({"live/jobs/.iacagent.yaml": "review:\n  apply: true\n  approvals: 2\n"})
    stage.on_main()
    size(stage)
    pull = stage.pull()
    stage.review(pull)
    stage.forge.approve(pull, "ben")

    assert "1 more approval(s)" in stage.command(pull, "ann", "/iacagent apply")


def test_a_plan_that_was_never_shown_is_not_kept(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    bot = stage.bot()

    def refuse(*_: object) -> str:
        raise ForgeFailed("GitHub answered 403", 403)

    bot.forge.comment = refuse  # type: ignore[method-assign]
    with pytest.raises(ForgeFailed):
        bot.review(bot.forge.pull(pull.number))

    assert list((stage.home / "plans").glob("*")) == []


def test_an_answer_that_was_lost_is_given_again(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    stage.review(pull)
    stage.forge.approve(pull, "ben")
    identity = stage.forge.say(pull, "ann", "/iacagent apply")
    event = Event("commented", pull.number, "ann", "/iacagent apply", str(identity))
    bot = stage.bot()
    comment_ = bot.forge.comment

    def lost(*_: object) -> str:
        raise ForgeFailed("GitHub answered 502", 502)

    bot.forge.comment = lost  # type: ignore[method-assign]
    with pytest.raises(ForgeFailed):
        bot.handle(event)
    bot.forge.comment = comment_  # type: ignore[method-assign]
    bot.handle(event)

    assert "was applied already: nothing was done again" in stage.forge.said(pull.number)[-1]
    assert "no reviewed plan is kept" in stage.command(pull, "ann", "/iacagent apply")


def test_who_wrote_commits_of_it_does_not_approve_it(stage: Stage) -> None:
    size(stage)
    git(stage.work, "config", "user.name", "ben")
    git(stage.work, "add", "-A")
    git(stage.work, "-c", "user.name=ben", "commit", "--quiet", "--author=ben <ben@example.com>", "-m", "by ben")
    git(stage.work, "push", "--quiet", "--force", "origin", "HEAD:refs/heads/change")
    pull = stage.forge.open_pull("change", "A change", "ann")
    stage.review(pull)
    stage.forge.approve(pull, "ben")

    assert "1 more approval(s)" in stage.command(pull, "ann", "/iacagent apply")


def test_one_root_module_that_is_refused_holds_the_others(stage: Stage) -> None:
    size(stage)
    stage.write({"live/web/open.tf": OPEN})
    pull = stage.pull()
    stage.review(pull)
    stage.forge.approve(pull, "ben")

    assert "no reviewed plan is kept" in stage.command(pull, "ann", "/iacagent apply")


def test_a_comment_repeats_nothing_that_acts(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()

    answers = [
        stage.command(pull, "ann", '/iacagent fix "** [ok](http://evil) <h1>x</h1> @everyone"'),
        stage.command(pull, "ann", "/iacagent nonsense@everyone"),
        stage.command(pull, "eve", "/iacagent @everyone http://evil"),
    ]

    assert all("evil" not in a or "`" in a for a in answers)
    assert "@everyone" not in comment.plain("@everyone `@cat &commat;x http://evil.example www.evil.example")
    assert "http://" not in comment.plain("http://evil.example")
    assert "&commat;" not in comment.plain("&commat;x")
    assert "may not push" in answers[2]
    assert "@everyone" not in answers[2]


FILES = {
    "a name that is no text": lambda top: (
        (top / "live" / "web").joinpath(b"\xff.tf".decode("utf-8", "surrogateescape")).write_text("locals {}\n")
    ),
    "a link in a circle": lambda top: (top / "live" / "web" / "loop.tf").symlink_to("loop.tf"),
    "a link to nowhere": lambda top: (top / "live" / "web" / "x.auto.tfvars").symlink_to("nowhere"),
    "a link to a device": lambda top: (top / "live" / "web" / "z.tf").symlink_to("/dev/zero"),
    "modules that are installed, and are none": lambda top: _put(
        top / "live/web/.terraform/modules/modules.json", '{"Modules": [{"Dir": 5}]}'
    ),
    "a lock file of tomorrow": lambda top: _put(
        top / "live/web/.terraform.lock.hcl", 'provider "registry.terraform.io/hashicorp/azurerm" {\n  version = "99999.1.0"\n}\n'
    ),
    "a file of git": lambda top: _put(top / "live/web/x.tf", 'locals {\n  x = file("../../.git/config")\n}\n'),
    "a name that breaks lines": lambda top: _put(top / "live/web/a\n::error::x.tf", "locals {}\n"),
}


def _put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize("what", FILES)
@pytest.mark.parametrize("whose", ["fork", "own"])
def test_files_that_break_a_reader_are_told_and_break_nothing(stage: Stage, what: str, whose: str) -> None:
    stage.branch("change")
    git(stage.work, "config", "core.excludesFile", "/dev/null")
    (stage.work / ".gitignore").unlink()
    FILES[what](stage.work)
    stage.replace("live/jobs/terraform.tfvars", "Standard_D2s_v5", "Standard_B2ms")
    git(stage.work, "add", "-A", "--", "live/web", "live/jobs/terraform.tfvars")
    git(stage.work, "commit", "--quiet", "-m", "x")
    git(stage.work, "push", "--quiet", "--force", "origin", "HEAD:refs/heads/change")
    author = "mallory" if whose == "fork" else "ann"
    pull = stage.forge.open_pull("change", "A change", author, fork="mallory/platform" if whose == "fork" else "")
    told: list[str] = []
    bot = stage.bot()
    bot.tell = told.append

    bot.review(bot.forge.pull(pull.number))
    shown = stage.forge.said(pull.number)[0]

    assert "`live/jobs`" in shown
    assert "`size`: `Standard_D2s_v5` → `Standard_B2ms`" in shown
    assert "/tmp/" not in shown
    assert stage.forge.checks


def test_a_fork_takes_neither_time_nor_memory() -> None:
    begun = time.monotonic()

    with pytest.raises(Refused, match="in 1 seconds"):
        confined(lambda: time.sleep(60), seconds=1)
    with pytest.raises(Refused, match="in the memory"):
        confined(lambda: len(bytearray(3 * 1024**3)), memory=2 * 1024**3)

    assert confined(lambda: 41 + 1) == 42
    assert time.monotonic() - begun < 20


def test_an_old_review_does_not_stand_when_a_new_one_fails(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    assert "✓ passes" in stage.review(pull)
    stage.write({".iacagent.yaml": "guard: {policies: {NO-999: refuse}}\nreview: {apply: true}\n"})
    git(stage.work, "stash", "--quiet", "--include-untracked")
    stage.switch("main")
    git(stage.work, "checkout", "--quiet", "stash@{0}", "--", ".iacagent.yaml")
    stage.on_main("A rule that is none")
    bot = stage.bot()

    bot.review(bot.forge.pull(pull.number))

    assert "✓ passes" not in stage.forge.said(pull.number)[0]
    assert "NO-999" in stage.forge.said(pull.number)[0]


def test_a_sensitive_variable_stays_so_whatever_is_made_of_it(stage: Stage) -> None:
    stage.switch("main")
    arguments = {"name": '"rg-x"', "location": '"westeurope"', "tags": '{ p = upper("x${var.q}y") }'}
    made = 'resource "azurerm_resource_group" "x" {\n' + "".join(f"  {n} = {v}\n" for n, v in arguments.items()) + "}\n"
    variable = 'variable "q" {\n  type      = string\n  sensitive = true\n  default   = "correct horse"\n}\n'
    stage.write({"live/web/s.tf": variable + made})
    stage.on_main()
    stage.branch("change")
    stage.replace("live/web/s.tf", 'upper("x${var.q}y")', 'upper("z${var.q}y")')
    pull = stage.pull(author="mallory", fork="mallory/platform")

    shown = stage.review(pull)

    assert "azurerm_resource_group.x" in shown
    assert "HORSE" not in shown
    assert "`(sensitive)`" in shown


def test_a_failed_job_that_is_delivered_again_runs_again(tmp_path: Path) -> None:
    jobs = Jobs(f"sqlite:///{tmp_path / 'q.db'}", tmp_path / "workers")
    assert jobs.add("k", "lane", {"n": 1})
    with jobs.worker("w"):
        job = jobs.take("w")
        assert job is not None
        jobs.end(job, "failed", "401")
        assert jobs.add("k", "lane", {"n": 1})
        job = jobs.take("w")
        assert job is not None
        jobs.end(job, "done", "")
        assert not jobs.add("k", "lane", {"n": 1})
    jobs.close()


def test_vm_is_named_in_what_it_needs(stage: Stage) -> None:
    stage.branch("change")
    stage.replace("live/web/main.tf", 'name     = "web"', 'name     = "webs"')
    pull = stage.pull()
    stage.review(pull)
    stage.forge.approve(pull, "ben")

    assert f"--allow-replace 'module.web.{VM}'" in stage.command(pull, "ann", "/iacagent apply")
