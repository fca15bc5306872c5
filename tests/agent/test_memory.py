"""Workflow memory, undo and chat from outside: what was proven answers again, what was undone does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from iac_agent.gym.model import ModelServer, Script
from tests.conftest import ROOT, Sandbox

WEB, API = "azurerm_linux_virtual_machine.web", "azurerm_linux_virtual_machine.api"


def two_machines(sandbox: Sandbox) -> Sandbox:
    sandbox.copy(ROOT / "examples" / "web-tier")
    vm = (sandbox.directory / "vm.tf").read_text()
    second = (
        vm.replace('"web" {', '"api" {')
        .replace("-${var.prefix}-web", "-api")
        .replace("network_interface.web.id", "network_interface.api.id")
    )
    sandbox.write({"api.tf": second.replace("    public_ip_address_id          = azurerm_public_ip.web.id\n", "")})
    sandbox.up()
    return sandbox


@pytest.fixture
def model(sandbox: Sandbox) -> Iterator[ModelServer]:
    """A model that can do one thing once: an attribute that no recipe knows."""
    edit = {"edit": "SetAttribute", "address": WEB, "path": "extensions_time_budget", "value": '"PT45M"'}
    answer = {"call": "propose_edits", "with": {"reason": "longer budget", "addresses": [WEB], "edits": [edit]}}
    server = ModelServer(Script([{"when": "", "say": [answer, {"call": "refuse", "with": {"reason": "asked again"}}]}]))
    server.start()
    sandbox.extra |= {"IACAGENT_PLANNER__MODEL": "m", "IACAGENT_PLANNER__BASE_URL": server.base_url, "OPENAI_API_KEY": "k"}
    yield server
    server.stop()


def test_the_next_request_of_its_kind_needs_no_model(sandbox: Sandbox, model: ModelServer) -> None:
    two_machines(sandbox)
    first = sandbox.iacagent("apply", "give vm-shop-web an extensions budget of PT45M", "--auto-approve")
    assert first.code == 0, first.err
    heard = len(model.heard)
    second = sandbox.iacagent("apply", "give vm-api an extensions budget of PT30M", "--auto-approve")
    assert second.code == 0, second.err
    assert len(model.heard) == heard
    assert "From memory" in second.out
    assert sandbox.state()[API]["extensions_time_budget"] == "PT30M"
    listed = sandbox.iacagent("--json", "memory", "list").json["programs"]
    assert listed[0]["pattern"] == "give {r1} an extensions budget of {v1}"
    assert listed[0]["used"] == 1
    assert sandbox.is_empty_plan()


def test_what_it_checked_must_hold_again(sandbox: Sandbox, model: ModelServer) -> None:
    two_machines(sandbox)
    assert sandbox.iacagent("apply", "give vm-shop-web an extensions budget of PT45M", "--auto-approve").code == 0
    again = sandbox.iacagent("apply", "give vm-shop-web an extensions budget of PT60M", "--auto-approve")
    assert again.code == 3, "the argument is there now: the program does not fit, and the model is asked"
    assert "asked again" in again.err


def test_show_run_and_forget(sandbox: Sandbox, model: ModelServer) -> None:
    two_machines(sandbox)
    assert sandbox.iacagent("apply", "give vm-shop-web an extensions budget of PT45M", "--auto-approve").code == 0
    shown = json.loads(sandbox.iacagent("memory", "show", "1").out)
    assert shown["parameters"] == {"r1": "resource:azurerm_linux_virtual_machine", "v1": "text"}
    assert shown["evidence"]["approved"] == [WEB]
    assert sandbox.iacagent("memory", "run", "1", "r1=vm-api").code == 1, "a parameter is missing"
    ran = sandbox.iacagent("memory", "run", "1", "r1=vm-api", "v1=PT20M", "--auto-approve")
    assert ran.code == 0, ran.err
    assert sandbox.state()[API]["extensions_time_budget"] == "PT20M"
    assert sandbox.iacagent("memory", "forget", "1").code == 0
    assert sandbox.iacagent("--json", "memory", "list").json["programs"] == []
    assert sandbox.iacagent("memory", "show", "9").code == 1


@pytest.mark.parametrize(
    ("request_text", "flags"),
    [
        ("enable boot diagnostics on vm-shop-web", []),
        ("attach a 64 GB premium disk to vm-shop-web", []),
        ("open port 80 on nsg-shop-web", []),
        ("set the env tag of vm-shop-web to test", []),
        ("make vm-shop-web spot", ["--allow-replace", WEB]),
    ],
)
def test_undo_takes_a_change_back(web_tier: Sandbox, request_text: str, flags: list[str]) -> None:
    files, before = web_tier.files(), web_tier.state()
    done = web_tier.iacagent("apply", request_text, "--auto-approve", *flags)
    assert done.code == 0, done.err
    assert web_tier.files() != files
    allow = [x for a in web_tier.state() if a not in before for x in ("--allow-destroy", a)]
    back = web_tier.iacagent("undo", "--auto-approve", *flags, *allow)
    assert back.code == 0, back.err
    assert web_tier.is_empty_plan()
    after = web_tier.state()
    assert set(after) == set(before)
    for name in ("size", "tags", "boot_diagnostics", "priority"):
        assert after[WEB][name] == before[WEB][name]
    rules = "azurerm_network_security_group.web"
    assert {r["name"] for r in after[rules]["security_rule"]} == {r["name"] for r in before[rules]["security_rule"]}
    assert web_tier.iacagent("undo", "--auto-approve").code == 3, "an undo is not undone"


def test_undo_voids_what_memory_learnt(sandbox: Sandbox, model: ModelServer) -> None:
    two_machines(sandbox)
    assert sandbox.iacagent("apply", "give vm-shop-web an extensions budget of PT45M", "--auto-approve").code == 0
    assert sandbox.iacagent("undo", "--auto-approve").code == 0
    assert sandbox.iacagent("--json", "memory", "list", "--all").json["programs"][0]["status"] == "void"
    assert sandbox.iacagent("apply", "give vm-api an extensions budget of PT30M", "--auto-approve").code == 3


def test_nothing_to_undo(web_tier: Sandbox) -> None:
    ran = web_tier.iacagent("undo")
    assert ran.code == 3
    assert "no change here to undo" in ran.err


def test_a_session_refines_and_answers(sandbox: Sandbox) -> None:
    two_machines(sandbox)
    said = "resize the vm to Standard_D4s_v5\nvm-api\nand tag it owner=sre\nmake the moon spot\nhelp\ndrop\nquit\n"
    ran: Any = sandbox.iacagent("chat", stdin=said)
    assert ran.code == 0, ran.err
    assert "Question: Which of these 2" in ran.err
    assert f"~ {API}  update in place: size" in ran.out
    assert f"~ {API}  update in place: size, tags.owner" in ran.out
    assert WEB not in ran.out.split("Plan")[-1]
    assert "Dropped." in ran.err
    assert sandbox.is_empty_plan(), "nothing was applied"


def test_apply_without_a_request_needs_a_terminal(web_tier: Sandbox) -> None:
    ran = web_tier.iacagent("apply")
    assert ran.code == 1
    assert "there is no request" in ran.err


def test_explain_says_how_it_was_understood(web_tier: Sandbox) -> None:
    ran = web_tier.iacagent("plan", "grow the os disk of the web vm to 128 GB", "--explain")
    assert ran.code == 0, ran.err
    assert "grow a data disk or an OS disk" in ran.out
    assert f"means {WEB}" in ran.out
