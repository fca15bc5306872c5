"""Reconciling: each decision is carried out and proven, or withdrawn and told; a person or a rule decides."""

from __future__ import annotations

import json
import subprocess
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


def test_what_a_policy_refuses_is_not_written_into_the_configuration(web_tier: Sandbox) -> None:
    azure, network = Azure(web_tier.gym), str(web_tier.state()[NSG]["id"])
    body = azure.done("GET", network)
    opened = {**RULE["properties"], "access": "Allow", "direction": "Inbound", "protocol": "Tcp", "destinationPortRange": "22"}
    opened |= {"sourceAddressPrefix": "Internet", "priority": 222}
    body["properties"]["securityRules"].append({"name": "rescue", "properties": opened})
    azure.done("PUT", network, body, ALICE)
    before = web_tier.files()
    code, outcomes, document = reconcile(web_tier, "--decide", f"{NSG}=adopt", "--auto-approve")
    assert outcomes == {NSG: "reported"}, document
    assert "NET-001" in document["settled"][0]["detail"]
    assert code == 2
    assert web_tier.files() == before
    code, outcomes, _ = reconcile(web_tier, "--decide", f"{NSG}=revert", "--auto-approve")
    assert (code, outcomes) == (0, {NSG: "reverted"})


def test_without_a_decision_nothing_happens(drifted: Sandbox) -> None:
    files, state = drifted.files(), (drifted.directory / "terraform.tfstate").read_bytes()
    code, outcomes, _ = reconcile(drifted)
    assert code == 2
    assert set(outcomes.values()) == {"reported"}
    assert (drifted.files(), (drifted.directory / "terraform.tfstate").read_bytes()) == (files, state)


def test_without_approval_nothing_happens(drifted: Sandbox) -> None:
    files = drifted.files()
    code, outcomes, _ = reconcile(drifted, "--strategy", "adopt")
    assert (code, outcomes[VM], outcomes[NSG]) == (3, "refused", "refused")
    assert drifted.files() == files
    kept = json.loads(drifted.iacagent("--json", "drift", "history").out)["findings"]
    assert {f["address"] for f in kept} >= {VM, NSG}, "what was refused stays open"
    assert "0 of 3 findings are settled." in drifted.iacagent("drift", "reconcile", "--strategy", "adopt").out
    assert reconcile(drifted, "--strategy", "adopt", "--auto-approve")[1][VM] == "adopted"


def test_what_is_gone_is_forgotten_or_made_again(web_tier: Sandbox) -> None:
    azure, held = Azure(web_tier.gym), {a: str(v["id"]) for a, v in web_tier.state().items()}
    azure.done("DELETE", held[VM])
    web_tier.gym.checkpoint()
    disk = next(r for r in _listed(azure, held) if "OsDisk" in r)
    azure.done("DELETE", disk)
    web_tier.gym.checkpoint()
    assert reconcile(web_tier, "--strategy", "adopt", "--auto-approve")[:2] == (2, {VM: "reported"})
    code, outcomes, document = reconcile(web_tier, "--decide", f"{VM}=revert", "--auto-approve")
    assert (code, outcomes) == (0, {VM: "recreated"}), document
    assert web_tier.is_empty_plan()
    azure.done("DELETE", held[VM])
    assert reconcile(web_tier, "--decide", f"{VM}=forget", "--auto-approve")[1][VM] == "forgotten"
    assert b"azurerm_linux_virtual_machine" not in b"".join(web_tier.files().values())


def test_what_was_made_again_by_hand_is_taken_over(web_tier: Sandbox) -> None:
    azure, held = Azure(web_tier.gym), {a: str(v["id"]) for a, v in web_tier.state().items()}
    machine = azure.done("GET", held[VM])
    azure.done("DELETE", held[VM])
    machine["properties"]["hardwareProfile"]["vmSize"] = "Standard_D4s_v5"
    azure.done("PUT", held[VM], {k: v for k, v in machine.items() if k != "etag"}, SCRIPT)
    _, outcomes, document = reconcile(web_tier, "--decide", f"{VM}=adopt", "--auto-approve")
    assert outcomes[VM] == "adopted", document
    assert b"Standard_D4s_v5" in web_tier.files()["vm.tf"]
    assert web_tier.is_empty_plan()
    assert VM not in reconcile(web_tier)[1]


def _listed(azure: Azure, held: dict[str, str]) -> list[str]:
    group = held["azurerm_resource_group.web"]
    return [str(r["id"]) for r in azure.done("GET", f"{group}/resources")["value"]]


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


def test_a_change_is_ignored_in_hcl_or_by_a_rule(drifted: Sandbox) -> None:
    assert reconcile(drifted, "--decide", f"{VM}=ignore", "--auto-approve")[1][VM] == "ignored"
    assert b"ignore_changes = [size]" in drifted.files()["vm.tf"]
    assert VM not in {f["address"] for f in drifted.iacagent("--json", "drift", "detect").json["findings"]}
    config = drifted.directory / ".iacagent.yaml"
    config.write_text("# ours\nlock_timeout: 30s\n")
    given = ["--reason", "opened for the audit", "--owner", "ops@contoso.com"]
    assert drifted.iacagent("drift", "ignore", NSG, *given, "--until", "tomorrow").code == 1
    assert config.read_text() == "# ours\nlock_timeout: 30s\n"
    assert drifted.iacagent("drift", "ignore", NSG, *given, "--until", "2999-01-01").code == 0
    assert config.read_text().startswith("# ours\nlock_timeout: 30s\n")
    found = drifted.iacagent("--json", "drift", "detect").json["findings"]
    assert [f["type"].lower() for f in found] == ["microsoft.network/routetables"]
    assert drifted.iacagent("drift", "ignore", found[0]["key"], *given, "--until", "2999-01-01").code == 0
    assert drifted.iacagent("--json", "drift", "detect").json["findings"] == []


def test_what_needs_a_name_is_refused_and_the_rest_is_done(drifted: Sandbox) -> None:
    azure, held = Azure(drifted.gym), {a: str(v["id"]) for a, v in drifted.state().items()}
    address = azure.done("GET", held["azurerm_public_ip.web"])
    address["properties"]["idleTimeoutInMinutes"] = 20
    azure.done("PUT", held["azurerm_public_ip.web"], address)
    web = drifted.directory / "vm.tf"
    web.write_text(web.read_text().replace('admin_username      = "azureuser"', 'admin_username      = "someoneelse"'))
    code, outcomes, document = reconcile(drifted, "--strategy", "revert", "--auto-approve")
    assert code == 3
    assert outcomes == {VM: "refused", NSG: "reverted", "azurerm_public_ip.web": "reverted", "rt-hand": "reported"}, document
    assert any("--allow-replace" in s["detail"] for s in document["settled"])


def test_only_so_many_are_reverted_in_a_day(drifted: Sandbox) -> None:
    (drifted.directory / ".iacagent.yaml").write_text("drift: {max_reverts: 1}\n")
    _, outcomes, _ = reconcile(drifted, "--strategy", "revert", "--auto-approve")
    assert sorted([outcomes[VM], outcomes[NSG]]) == ["reported", "reverted"]
    _, outcomes, document = reconcile(drifted, "--strategy", "revert", "--auto-approve")
    assert "reverted" not in outcomes.values()
    assert any("as many as may be reverted in a day" in s["detail"] for s in document["settled"])


def test_changes_that_wait_in_the_configuration_do_not_stop_it(drifted: Sandbox) -> None:
    network = drifted.directory / "network.tf"
    network.write_text(network.read_text().replace('address_space       = ["10.20.0.0/16"]', 'address_space       = ["10.20.0.0/15"]'))
    code, outcomes, document = reconcile(drifted, "--decide", f"{VM}=adopt", "--auto-approve")
    assert (code, outcomes[VM]) == (2, "adopted"), document
    assert "azurerm_virtual_network.web" in drifted.terraform("plan", "-no-color").out


# --- on a branch ---------------------------------------------------------------------------------------------------------


def _git(sandbox: Sandbox, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=sandbox.directory, text=True, capture_output=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def committed(drifted: Sandbox) -> Sandbox:
    (drifted.directory / ".gitignore").write_text(".terraform*\n*.tfstate*\n.iacagent/\n")
    _git(drifted, "init", "-q", "-b", "main")
    _git(drifted, "config", "user.email", "ops@contoso.com")
    _git(drifted, "config", "user.name", "Ops")
    _git(drifted, "add", "-A")
    _git(drifted, "commit", "-qm", "As it is")
    return drifted


ADOPT = ("--decide", f"{VM}=adopt", "--decide", "rt-hand=import", "--branch", "drift/adopt", "--auto-approve")


def test_edits_go_to_a_branch_with_their_causes(committed: Sandbox) -> None:
    state = (committed.directory / "terraform.tfstate").read_bytes()
    code, outcomes, document = reconcile(committed, *ADOPT)
    assert (code, outcomes[VM], outcomes["rt-hand"], outcomes[NSG]) == (2, "proposed", "proposed", "reported"), document
    assert _git(committed, "status", "--porcelain") == ""
    assert (committed.directory / "terraform.tfstate").read_bytes() == state
    message = _git(committed, "log", "-1", "--format=%B", "drift/adopt")
    assert "size: Standard_D2s_v5 → Standard_D4s_v5" in message
    assert "by alice@contoso.com with Azure Portal" in message
    assert message.count("Drift-Finding: ") == 2
    assert sorted(_git(committed, "diff", "--name-only", "main", "drift/adopt").split()) == ["imports.tf", "network.tf", "vm.tf"]
    tip = _git(committed, "rev-parse", "drift/adopt")
    assert reconcile(committed, *ADOPT)[1][VM] == "proposed"
    assert _git(committed, "rev-parse", "drift/adopt") == tip
    _git(committed, "merge", "-q", "drift/adopt")
    committed.terraform("apply", "-auto-approve", "-no-color", "-target", VM, "-target", "azurerm_route_table.rt_hand")
    assert set(reconcile(committed)[1]) == {NSG}


def test_a_branch_never_takes_what_is_not_ours(committed: Sandbox) -> None:
    vm = committed.directory / "vm.tf"
    text = vm.read_text()
    vm.write_text(f"{text}\n# not committed yet\n")
    assert "has changes that are not committed" in str(reconcile(committed, *ADOPT)[2])
    vm.write_text(text)
    _git(committed, "checkout", "-qb", "drift/adopt")
    assert "is checked out" in str(reconcile(committed, *ADOPT)[2])
    _git(committed, "commit", "-qm", "by a person", "--allow-empty")
    _git(committed, "checkout", "-q", "main")
    assert "holds commits of others" in str(reconcile(committed, *ADOPT)[2])
    assert reconcile(committed, *ADOPT[:-2], "bad..name", "--auto-approve")[0] in (1, 2)


def test_without_a_repository_a_branch_is_an_error(drifted: Sandbox) -> None:
    code, outcomes, document = reconcile(drifted, *ADOPT)
    assert (code, outcomes[VM]) == (1, "failed"), document
    assert drifted.files()["vm.tf"].count(b"Standard_D4s_v5") == 0
