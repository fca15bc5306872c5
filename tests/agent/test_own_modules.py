"""`provision.style: module`: new machines as calls of iac-agent's modules, applied and seen by an azure-mgmt client."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from iac_agent.hcl.module import RootModule
from iac_agent.planner.builtin import BuiltinPlanner
from iac_agent.planner.protocol import ChangeSet, Context, Refusal
from iac_agent.planner.recipes import all_recipes
from iac_agent.terraform.models import State
from tests.agent.test_recipes import Live
from tests.conftest import ROOT, Sandbox

CONFIG = "provision:\n  style: module\n"


@pytest.fixture
def prepared(sandbox: Sandbox) -> Sandbox:
    """examples/web-tier with the modules beside it, applied."""
    sandbox.copy(ROOT / "examples" / "web-tier")
    shutil.copytree(ROOT / "modules", sandbox.directory / "modules", ignore=shutil.ignore_patterns(".terraform*"))
    sandbox.write({".iacagent.yaml": CONFIG})
    sandbox.up()
    return sandbox


@pytest.mark.timeout(400)
def test_each_module_is_called_and_applied(prepared: Sandbox) -> None:
    live = Live(prepared, prepared.group())
    for request, module, names in (
        ("create a linux vm called api, D2s_v5, with a 32 GB ssd", "linux-vm", {"vm-shop-api"}),
        ("two ubuntu machines named queue", "vm-group", {"vm-shop-queue-01", "vm-shop-queue-02"}),
        ("create a spot vm named batch with a max price of 5 cents an hour", "spot-vm", {"vm-shop-batch"}),
        ("two linux vms named front behind a new load balancer on port 443", "load-balanced-web", {"vm-shop-front-01", "vm-shop-front-02"}),
    ):
        ran = prepared.iacagent("apply", request, "--auto-approve")
        assert ran.code == 0, f"{request}: {ran.err}"
        assert "second plan: empty" in ran.out
        assert f'source = "./modules/{module}"' in "".join(f.read_text() for f in prepared.directory.glob("*.tf"))
        assert names <= live.names(), live.names()
    assert live.disks("vm-shop-api") == [32]
    assert live.vm("vm-shop-batch").billing_profile.max_price == 0.05
    assert [p.frontend_port for b in live.network.load_balancers.list(live.group) for p in b.load_balancing_rules] == [443]
    assert prepared.is_empty_plan()


def answer(directory: Path, request: str, modules: str) -> ChangeSet | Refusal:
    found = BuiltinPlanner(all_recipes(modules)).plan(request, Context(RootModule(directory), State(), 5))
    assert isinstance(found, ChangeSet | Refusal)
    return found


def test_modules_that_are_not_there_are_a_refusal(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "web-tier", tmp_path / "root")
    found = answer(tmp_path / "root", "create a linux vm called api", "./modules")
    assert isinstance(found, Refusal)
    assert "there is no ./modules/linux-vm here" in found.reason
    assert "provision.modules" in found.reason


def test_a_remote_folder_keeps_its_version(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "web-tier", tmp_path / "root")
    found = answer(tmp_path / "root", "create a linux vm called api in zone 2", "git::https://example.com/iac-agent.git//modules?ref=v1")
    assert isinstance(found, ChangeSet)
    (call,) = (x.source for x in found.edits)  # type: ignore[attr-defined]
    assert 'source = "git::https://example.com/iac-agent.git//modules/linux-vm?ref=v1"' in call
    assert "zone " in call
