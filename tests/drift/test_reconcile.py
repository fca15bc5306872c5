"""Reconciling: each decision is carried out and proven, or withdrawn and told; a person or a rule decides."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Sandbox
from tests.drift.actors import ALICE, BOB, SCRIPT, Azure
from tests.drift.strangers import RULE

VM = "azurerm_linux_virtual_machine.web"
NSG = "azurerm_network_security_group.web"


@pytest.fixture
def drifted(web_tier: Sandbox) -> Sandbox:
    """web-tier with three changes behind its back: a size, a rule, and a new route table."""
    azure, held = Azure(web_tier.gym), {a: str(v["id"]) for a, v in web_tier.state().items()}
    machine = azure.done("GET", held[VM])
    machine["properties"]["hardwareProfile"]["vmSize"] = "Standard_D4s_v5"
    azure.done("PUT", held[VM], machine, ALICE)
    network = azure.done("GET", held[NSG])
    network["properties"]["securityRules"].append({"name": "open", **RULE})
    azure.done("PUT", held[NSG], network, BOB)
    group = held["azurerm_resource_group.web"]
    azure.done("PUT", f"{group}/providers/Microsoft.Network/routeTables/rt-hand", {"location": "westeurope", "properties": {}}, SCRIPT)
    return web_tier


def reconcile(sandbox: Sandbox, *arguments: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    ran = sandbox.iacagent("--json", "drift", "reconcile", *arguments)
    document = ran.json
    return ran.code, {s["subject"].rsplit("/", 1)[-1]: s["outcome"] for s in document.get("settled", [])}, document


def test_adopt_one_revert_one_import_one(drifted: Sandbox) -> None:
    decide = ["--decide", f"{VM}=adopt", "--decide", f"{NSG}=revert", "--decide", "rt-hand=import"]
    code, outcomes, document = reconcile(drifted, *decide, "--auto-approve")
    assert outcomes == {VM: "adopted", NSG: "reverted", "rt-hand": "imported"}, document
    assert code == 0
    assert drifted.is_empty_plan()
    assert b'"Standard_D4s_v5"' in drifted.files()["vm.tf"]
    assert "azurerm_route_table.rt_hand" in drifted.terraform("state", "list").out
    rules = [r["name"] for r in drifted.state()[NSG]["security_rule"]]
    assert "open" not in rules
    assert reconcile(drifted)[:2] == (0, {})
    history = drifted.iacagent("drift", "history", "--all").out
    assert all(word in history for word in ("adopted", "reverted", "imported"))
    assert "the chain verifies" in drifted.iacagent("audit", "verify").out


def test_rules_decide_and_what_they_leave_is_reported(drifted: Sandbox) -> None:
    (drifted.directory / ".iacagent.yaml").write_text(
        "drift:\n  rules:\n    - {action: revert, types: [azurerm_network_security_*], reason: rules come from git}\n"
        "    - {action: adopt, attributes: [size], clients: [Azure Portal]}\n"
    )
    code, outcomes, document = reconcile(drifted, "--auto-approve")
    assert outcomes == {VM: "adopted", NSG: "reverted", "rt-hand": "reported"}, document
    assert code == 2


def test_without_a_decision_nothing_happens(drifted: Sandbox) -> None:
    files, state = drifted.files(), (drifted.directory / "terraform.tfstate").read_bytes()
    code, outcomes, _ = reconcile(drifted)
    assert code == 2
    assert set(outcomes.values()) == {"reported"}
    assert (drifted.files(), (drifted.directory / "terraform.tfstate").read_bytes()) == (files, state)


def test_without_approval_nothing_happens(drifted: Sandbox) -> None:
    files = drifted.files()
    code, _, document = reconcile(drifted, "--strategy", "adopt")
    assert (code, document["error"]["kind"]) == (3, "ApprovalMissing")
    assert drifted.files() == files
    assert reconcile(drifted, "--strategy", "adopt", "--auto-approve")[1][VM] == "adopted"


def test_what_is_gone_is_forgotten_or_made_again(web_tier: Sandbox) -> None:
    azure, held = Azure(web_tier.gym), {a: str(v["id"]) for a, v in web_tier.state().items()}
    azure.done("DELETE", held[VM])
    web_tier.gym.checkpoint()
    code, outcomes, document = reconcile(web_tier, "--decide", f"{VM}=revert", "--auto-approve")
    assert outcomes[VM] == "recreated", document
    assert web_tier.is_empty_plan()
    assert code in (0, 2)


def test_a_revert_that_azure_refuses_leaves_the_truth(drifted: Sandbox) -> None:
    drifted.gym.settings(faults=[{"path": "networkSecurityGroups", "methods": ["PUT"], "status": 409, "code": "Conflict"}])
    code, outcomes, _ = reconcile(drifted, "--strategy", "revert", "--auto-approve")
    assert code == 1
    assert (outcomes[VM], outcomes[NSG]) == ("reverted", "failed")
    drifted.gym.settings(faults=[])
    assert not drifted.is_empty_plan()
    assert drifted.state()[VM]["size"] == "Standard_D2s_v5"


def test_a_wrong_decision_is_told(drifted: Sandbox) -> None:
    assert reconcile(drifted, "--decide", "nothing=adopt")[2]["error"]["kind"] == "UsageError"
    assert reconcile(drifted, "--decide", f"{VM}=explode")[2]["error"]["kind"] == "UsageError"
    _, outcomes, document = reconcile(drifted, "--decide", "rt-hand=adopt")
    assert outcomes["rt-hand"] == "reported"
    assert any("cannot be done to what is unmanaged" in s["detail"] for s in document["settled"])
