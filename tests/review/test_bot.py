"""The bot on a GitHub of this machine: what it says of a pull request, and what it does when it is told to."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.mgmt.compute import ComputeManagementClient

from iac_agent.review.forges import Event
from tests.conftest import client_options
from tests.review.repositories import git
from tests.review.stage import Stage

VM = "azurerm_linux_virtual_machine.this"


def spot(stage: Stage) -> None:
    """A change of the shared module: another size for web, and Spot for jobs."""
    stage.branch("change")
    stage.replace("modules/machine/variables.tf", '"Standard_B2s"', '"Standard_B2ms"')
    tags = "  tags                  = var.tags\n"
    spot = '  priority              = var.spot ? "Spot" : "Regular"\n  eviction_policy       = var.spot ? "Deallocate" : null\n'
    stage.replace("modules/machine/main.tf", tags, tags + spot)
    stage.write({"modules/machine/spot.tf": 'variable "spot" {\n  type    = bool\n  default = false\n}\n'})
    stage.replace("live/jobs/main.tf", "  size     = var.size\n", "  size     = var.size\n  spot     = true\n")


def test_a_pull_request_that_touches_two_root_modules_through_a_shared_one(stage: Stage) -> None:
    spot(stage)
    pull = stage.pull("Cheaper jobs")

    comment = stage.review(pull)

    assert "2 root modules, 1 replaced, 1 changed" in comment
    assert comment.index("`live/jobs`") < comment.index("### `live/web`")
    assert f"**replaced** `module.jobs.{VM}`" in comment


def size(stage: Stage, value: str = "Standard_B2ms") -> None:
    """A change of one root module, in place: the size of its machine."""
    stage.branch("change")
    stage.replace("live/jobs/terraform.tfvars", "Standard_D2s_v5", value)


def machine(stage: Stage, place: str) -> dict[str, object]:
    """The machine as the state has it."""
    shown = json.loads(stage.terraform(place, "show", "-json"))
    modules = shown["values"]["root_module"]["child_modules"]
    return next(r["values"] for m in modules for r in m["resources"] if r["type"] == "azurerm_linux_virtual_machine")


def test_apply_applies_exactly_the_reviewed_plan(stage: Stage) -> None:
    spot(stage)
    pull = stage.pull("Cheaper jobs")
    stage.review(pull)
    stage.forge.approve(pull, "ben")

    unnamed = stage.command(pull, "ann", "/iacagent apply")
    answer = stage.command(pull, "ann", f"/iacagent apply --allow-replace module.jobs.{VM}")
    again = stage.command(pull, "ann", "/iacagent apply")

    assert "**Refused**" in unnamed
    assert f"--allow-replace 'module.jobs.{VM}'" in unnamed
    assert answer.splitlines()[1] == "**Applied**: `live/jobs`, `live/web`"
    assert "✓ second plan: " in answer
    assert machine(stage, "live/jobs")["priority"] == "Spot"
    assert machine(stage, "live/web")["size"] == "Standard_B2ms"
    assert "no reviewed plan is kept" in again


def test_a_pull_request_without_approvals_is_not_applied(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    stage.review(pull)
    stage.forge.approve(pull, "eve")
    stage.forge.approve(pull, "ann")

    answer = stage.command(pull, "ann", "/iacagent apply")

    assert "1 more approval(s)" in answer
    assert machine(stage, "live/jobs")["size"] == "Standard_D2s_v5"


def test_an_approval_of_an_older_commit_counts_no_more(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    stage.forge.approve(pull, "ben")
    stage.replace("live/jobs/terraform.tfvars", "Standard_B2ms", "Standard_B4ms")
    stage.push("change")
    stage.review(pull)

    assert "1 more approval" in stage.command(pull, "ann", "/iacagent apply")


@pytest.mark.parametrize("what", ["branch", "base", "state", "time"])
def test_what_moved_since_the_review_is_told_and_nothing_is_applied(stage: Stage, what: str) -> None:
    size(stage)
    pull = stage.pull()
    stage.review(pull)
    head = stage.forge.head(pull)
    if what == "branch":
        stage.write({"live/network/more.tf": "locals {}\n"})
        stage.push("change")
    elif what == "base":
        stage.switch("main")
        stage.write({"live/network/more.tf": "locals {}\n"})
        stage.on_main("Locals for the network")
    elif what == "state":
        stage.switch("main")
        stage.terraform("live/jobs", "apply", "-auto-approve", "-var", "size=Standard_B4ms")
    else:
        stage.switch("main")
    stage.forge.approve(pull, "ben")
    bot = stage.bot()
    if what == "time":
        bot.applier.now = lambda: datetime.now(UTC) + timedelta(hours=25)
    identity = stage.forge.say(pull, "ann", "/iacagent apply")
    bot.handle(Event("commented", pull.number, "ann", "/iacagent apply", str(identity)))
    answer = stage.forge.said(pull.number)[-1]

    told = {
        "branch": f"the branch moved from {head[:12]} to {stage.forge.head(pull)[:12]}",
        "base": "Locals for the network",
        "state": "the state moved from serial 2 to 3",
        "time": "the plan is older than 24 hours",
    }
    assert "**Refused**: the reviewed plan is not applied" in answer
    assert told[what] in answer
    assert machine(stage, "live/jobs")["size"] == ("Standard_B4ms" if what == "state" else "Standard_D2s_v5")


def test_who_may_not_push_is_not_obeyed(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    stage.review(pull)

    for text in ("/iacagent apply", "/iacagent plan", "/iacagent undo", "/iacagent drift"):
        assert "**Refused**: eve may not push" in stage.command(pull, "eve", text)


def test_what_is_no_command_is_not_answered(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()

    for text in ("looks good", "> /iacagent apply", "see /iacagent apply", "/iacagentapply", "hello\n/iacagent apply"):
        assert stage.command(pull, "ann", text) == ""
    assert "there is no command 'destroy'" in stage.command(pull, "ann", "/iacagent destroy")
    assert "No such option" in stage.command(pull, "ann", "/iacagent apply --auto-approve")
    assert "not understood" in stage.command(pull, "ann", "/iacagent explain 'x")


def watched(stage: Stage) -> Path:
    """Let the bot have a Terraform that leaves a file behind when it is run."""
    told, program = stage.folder / "was-run", stage.folder / "terraform"
    program.write_text(f"#!/bin/sh\ntouch {told}\nexit 1\n")
    program.chmod(0o755)
    stage.extra["IACAGENT_TERRAFORM"] = str(program)
    return told


def test_code_of_a_fork_is_read_and_not_run(stage: Stage) -> None:
    told = watched(stage)
    size(stage)
    stage.write({"live/jobs/run.tf": 'data "external" "x" {\n  program = ["sh", "-c", "env"]\n}\n'})
    pull = stage.pull(author="mallory", fork="mallory/platform")

    comment = stage.review(pull)
    answers = [stage.command(pull, "ann", f"/iacagent {c}") for c in ("apply", "drift", "undo", f"explain {VM}", "fix NET-001")]

    assert "no credentials were used" in comment
    assert "⛔ refused: GATE-003" in comment or "⛔ refused: GATE" in comment
    assert all("it is not run" in a for a in answers)
    assert list((stage.home / "plans").glob("*")) == []
    assert not told.exists()


def test_a_static_review_judges_by_the_same_rules(stage: Stage) -> None:
    told = watched(stage)
    stage.branch("change")
    stage.write({"live/web/open.tf": OPEN})
    pull = stage.pull(author="mallory", fork="mallory/platform")

    comment = stage.review(pull)

    assert "⛔ refused: NET-001" in comment
    assert "`azurerm_network_security_group.open` (`live/web/open.tf:" in comment
    assert not told.exists()


def test_an_opening_is_refused_with_its_place_and_never_kept(stage: Stage) -> None:
    stage.branch("change")
    stage.write({"live/web/open.tf": OPEN})
    pull = stage.pull()

    comment = stage.review(pull)
    run = next(iter(stage.forge.checks.values()))
    stage.forge.approve(pull, "ben")

    assert "⛔ refused: NET-001" in comment
    assert (run["conclusion"], run["head_sha"]) == ("failure", stage.forge.head(pull))
    assert {(a["path"], a["annotation_level"]) for a in run["output"]["annotations"]} >= {("live/web/open.tf", "failure")}
    results = stage.forge.sarifs[0]["sarif"]["runs"][0]["results"]
    assert {r["ruleId"] for r in results if r["level"] == "error"} == {"NET-001"}
    assert "no reviewed plan is kept" in stage.command(pull, "ann", "/iacagent apply")


def test_one_comment_is_kept_up_to_date(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    stage.forge.say(pull, "eve", "<!-- iacagent:review -->\nI am the bot")
    first = stage.review(pull)
    stage.replace("live/jobs/terraform.tfvars", "Standard_B2ms", "Standard_B4ms")
    stage.push("change")
    second = stage.review(pull)

    assert "Standard_B2ms" in first
    assert "Standard_B4ms" in second
    assert len(stage.forge.said(pull.number)) == 1
    assert stage.forge.said(pull.number, "eve") == ["<!-- iacagent:review -->\nI am the bot"]
    assert len(stage.forge.checks) == 2


def test_a_base_that_moved_on_is_merged_and_what_would_be_taken_back_is_told(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    stage.switch("main")
    stage.replace("live/jobs/main.tf", 'team = "data"', 'team = "data", owner = "ops"')
    stage.on_main("An owner for jobs")
    stage.terraform("live/jobs", "apply", "-auto-approve")

    comment = stage.review(pull)

    assert "**The base has moved on** (`live/jobs/main.tf`)" in comment
    taken_back = comment.split("would take back the work of others:")[1].split("**Changed**")[0]
    assert "`tags.owner`: `ops` → `(none)`" in taken_back
    assert "tags.owner" not in comment.split("**Changed**")[1]


def test_a_conflict_is_told_and_cannot_be_applied(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    stage.switch("main")
    stage.replace("live/jobs/terraform.tfvars", "Standard_D2s_v5", "Standard_D4s_v5")
    stage.on_main()

    comment = stage.review(pull)
    stage.forge.approve(pull, "ben")

    assert "**It conflicts with the base** in `live/jobs/terraform.tfvars`" in comment
    assert "no reviewed plan is kept" in stage.command(pull, "ann", "/iacagent apply")


def test_drift_is_told_apart_from_the_change(stage: Stage) -> None:
    portal = client_options(stage.gym)
    with ComputeManagementClient(**portal) as compute:
        held = compute.virtual_machines.get("rg-jobs", "vm-jobs")
        held.tags = {**(held.tags or {}), "debug": "yes"}
        compute.virtual_machines.begin_create_or_update("rg-jobs", "vm-jobs", held).result()
    size(stage)
    pull = stage.pull()

    comment = stage.review(pull)
    stage.forge.approve(pull, "ben")
    refused = stage.command(pull, "ann", "/iacagent apply")
    answer = stage.command(pull, "ann", "/iacagent drift")

    before, _, after = comment.partition("There without this change: 1 drifted")
    assert "`size`: `Standard_D2s_v5` → `Standard_B2ms`" in before
    assert "tags.debug" in after
    assert "tags.debug" in answer
    assert "by " in answer
    assert "**Refused**" in refused


def test_explain_says_everything_of_an_address(stage: Stage) -> None:
    spot(stage)
    pull = stage.pull()

    answer = stage.command(pull, "ben", f"/iacagent explain module.jobs.{VM}")
    unknown = stage.command(pull, "ben", "/iacagent explain module.jobs.azurerm_linux_virtual_machine.thsi")

    assert f"**replace** `module.jobs.{VM}` in `live/jobs` (`modules/machine/main.tf:44`)" in answer
    assert "`priority`: `Regular` → `Spot`, which forces the replacement" in answer
    assert f"Nearest: module.jobs.{VM}" in unknown


def test_a_fix_is_proven_and_suggested_where_the_lines_are(stage: Stage) -> None:
    stage.branch("change")
    stage.write({"live/web/store.tf": STORE})
    pull = stage.pull()

    stage.review(pull)
    answer = stage.command(pull, "ben", "/iacagent fix ENC-001")
    none = stage.command(pull, "ben", "/iacagent fix NET-001")

    assert "1 of 1 can be fixed by an edit" in answer, answer
    (suggestion,) = stage.forge.suggestions
    assert suggestion["path"] == "live/web/store.tf"
    assert "```suggestion\n" in suggestion["body"]
    assert "is not broken" in none


def test_undo_plans_the_base_again_and_apply_applies_that(stage: Stage) -> None:
    size(stage)
    pull = stage.pull()
    stage.review(pull)
    stage.forge.approve(pull, "ben")
    stage.command(pull, "ann", "/iacagent apply")
    assert machine(stage, "live/jobs")["size"] == "Standard_B2ms"

    undo = stage.command(pull, "ann", "/iacagent undo")
    plain = stage.command(pull, "ann", "/iacagent apply")
    answer = stage.command(pull, "ann", "/iacagent apply --undo")

    assert "**Undo**" in undo
    assert "no reviewed plan is kept" in plain
    assert "**Applied**: `live/jobs`" in answer
    assert machine(stage, "live/jobs")["size"] == "Standard_D2s_v5"
    assert "**Nothing to undo**" in stage.command(pull, "ann", "/iacagent undo")


def test_a_change_that_touches_nothing_says_so(stage: Stage) -> None:
    stage.branch("change")
    stage.write({"docs/notes.md": "x", "live/web/prod.tfvars": "a = 1\n"})
    pull = stage.pull()

    comment = stage.review(pull)

    assert "no root module is touched; ✓ nothing to plan" in comment
    assert "No root module that is planned reads `live/web/prod.tfvars`" in comment


def test_a_root_module_that_goes_and_one_that_is_new(stage: Stage) -> None:
    stage.branch("change")
    git(stage.work, "rm", "-r", "--quiet", "live/network")
    stage.write({"live/extra/main.tf": 'provider "azurerm" {\n  features {}\n}\nresource "azurerm_resource_group" "x" {\n'
                 '  name     = "rg-x"\n  location = "westeurope"\n}\n'})  # fmt: skip
    pull = stage.pull()

    comment = stage.review(pull)

    assert "| `live/extra` (new) | 1 created |" in comment
    assert "| `live/network` (gone) |" in comment
    assert "managed by nobody" in comment


def test_what_terraform_refuses_is_told_without_paths_of_this_machine(stage: Stage) -> None:
    stage.branch("change")
    stage.replace("live/jobs/main.tf", "size     = var.size", "size     = var.sise")
    pull = stage.pull()

    comment = stage.review(pull)

    assert "**Not planned**" in comment
    assert "main.tf" in comment
    assert "/tmp/" not in comment
    assert next(iter(stage.forge.checks.values()))["conclusion"] == "failure"


def test_a_change_that_mends_a_broken_base_is_reviewed_and_not_applied(stage: Stage) -> None:
    stage.switch("main")
    stage.replace("live/jobs/main.tf", "var.size", "var.sise")
    stage.on_main("Break it")
    stage.branch("change")
    stage.replace("live/jobs/main.tf", "var.sise", "var.size")
    stage.replace("live/jobs/terraform.tfvars", "Standard_D2s_v5", "Standard_B2ms")
    pull = stage.pull()

    comment = stage.review(pull)
    stage.forge.approve(pull, "ben")

    assert "`size`: `Standard_D2s_v5` → `Standard_B2ms`" in comment
    assert "the base cannot be planned" in comment
    assert "no reviewed plan is kept" in stage.command(pull, "ann", "/iacagent apply")


def test_rules_are_those_of_the_base(stage: Stage) -> None:
    stage.branch("change")
    stage.write(
        {"live/web/open.tf": OPEN, ".iacagent.yaml": "guard:\n  policies:\n    NET-001: 'off'\nreview:\n  apply: true\n  approvals: 0\n"}
    )
    pull = stage.pull()

    comment = stage.review(pull)

    assert "**It edits the rules** (`.iacagent.yaml`)" in comment
    assert "⛔ refused: NET-001" in comment


OPEN = """resource "azurerm_network_security_group" "open" {
  name                = "nsg-open"
  location            = "westeurope"
  resource_group_name = "rg-web"

  security_rule {
    name                       = "ssh"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "22"
    source_address_prefix      = "Internet"
    destination_address_prefix = "*"
  }
}
"""

STORE = """resource "azurerm_storage_account" "files" {
  name                     = "stplatformfiles"
  location                 = "westeurope"
  resource_group_name      = "rg-web"
  account_tier             = "Standard"
  account_replication_type = "LRS"
  min_tls_version          = "TLS1_0"
}
"""
