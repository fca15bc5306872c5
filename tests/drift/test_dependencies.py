"""What Terraform takes along: a target brings its dependencies, a refresh reads them, a failed apply keeps what it read."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conftest import Sandbox
from tests.drift.actors import ALICE, BOB, Azure
from tests.drift.test_reconcile import reconcile
from tests.drift.test_scan import NSG, VM, findings, ids, tag

GROUP, ADDRESS = "azurerm_resource_group.web", "azurerm_public_ip.web"


@pytest.fixture
def azure(web_tier: Sandbox) -> Azure:
    return Azure(web_tier.gym)


def slow(azure: Azure, address: str, minutes: int) -> None:
    body = azure.done("GET", address)
    body["properties"]["idleTimeoutInMinutes"] = minutes
    azure.done("PUT", address, body, BOB)


def test_adopting_one_swallows_nothing_of_what_it_depends_on(web_tier: Sandbox, azure: Azure) -> None:
    held = ids(web_tier)
    tag(azure, held[GROUP], BOB, owner="bob")
    slow(azure, held[ADDRESS], 20)
    assert reconcile(web_tier, "--decide", f"{ADDRESS}=adopt", "--auto-approve")[1] == {GROUP: "reported", ADDRESS: "adopted"}
    found = findings(web_tier)
    assert found[GROUP]["kind"] == "changed"
    assert found.get(ADDRESS, {}).get("kind") in (None, "state behind")


def test_reverting_one_reverts_nothing_that_was_left_open(web_tier: Sandbox, azure: Azure) -> None:
    held = ids(web_tier)
    tag(azure, held[GROUP], BOB, owner="bob")
    slow(azure, held[ADDRESS], 20)
    tag(azure, held[NSG], ALICE, owner="alice")
    _, outcomes, document = reconcile(web_tier, "--decide", f"{ADDRESS}=revert", "--auto-approve")
    assert outcomes[ADDRESS] == "reported"
    assert f"{GROUP}, on which it depends, drifted too" in str(document["settled"])
    assert azure.done("GET", held[GROUP])["tags"]["owner"] == "bob"
    both = ["--decide", f"{ADDRESS}=revert", "--decide", f"{GROUP}=revert"]
    assert reconcile(web_tier, *both, "--auto-approve")[1] == {ADDRESS: "reverted", GROUP: "reverted", NSG: "reported"}
    assert set(findings(web_tier)) == {NSG}


def test_a_revert_that_failed_stays_told_until_it_is_done(web_tier: Sandbox, azure: Azure) -> None:
    slow(azure, ids(web_tier)[ADDRESS], 20)
    web_tier.gym.settings(faults=[{"path": "publicIPAddresses", "methods": ["PUT"], "status": 409, "code": "Conflict"}])
    assert reconcile(web_tier, "--strategy", "revert", "--auto-approve")[:2] == (1, {ADDRESS: "failed"})
    web_tier.gym.settings(faults=[])
    again = findings(web_tier)[ADDRESS]
    assert "Terraform's state has it already" in again["reason"]
    assert again["differences"][0]["after"] == 20
    assert reconcile(web_tier, "--strategy", "revert", "--auto-approve")[:2] == (0, {ADDRESS: "reverted"})
    assert findings(web_tier) == {}
    assert web_tier.is_empty_plan()


SHARED = """
resource "azurerm_network_security_group" "n" {
  for_each            = toset(["a", "b"])
  name                = "nsg-${each.key}"
  resource_group_name = azurerm_resource_group.web.name
  location            = azurerm_resource_group.web.location

  security_rule {
    name                       = "ssh"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "22"
    source_address_prefix      = "10.0.0.0/8"
    destination_address_prefix = "*"
  }
}
"""


def test_a_block_that_others_share_is_not_taken_away(web_tier: Sandbox, azure: Azure) -> None:
    web_tier.write({"more.tf": SHARED})
    web_tier.terraform("apply", "-auto-approve", "-no-color")
    group = ids(web_tier)['azurerm_network_security_group.n["a"]']
    azure.done("DELETE", f"{group}/securityRules/ssh", by=BOB)
    _, outcomes, document = reconcile(web_tier, "--strategy", "adopt", "--auto-approve")
    assert set(outcomes.values()) == {"reported"}, document
    assert "in one block for 2 resources" in str(document["settled"])
    assert (web_tier.directory / "more.tf").read_text() == SHARED


def test_who_made_which_of_several_parts(web_tier: Sandbox, azure: Azure) -> None:
    network = ids(web_tier)["azurerm_virtual_network.web"]
    for name, prefix, by in (("by-bob", "10.20.8.0/24", BOB), ("by-alice", "10.20.9.0/24", ALICE)):
        azure.done("PUT", f"{network}/subnets/{name}", {"properties": {"addressPrefix": prefix}}, by)
    rules = ids(web_tier)[NSG]
    for name, by in (("allow-ssh", BOB), ("allow-https", ALICE)):
        rule: dict[str, Any] = azure.done("GET", f"{rules}/securityRules/{name}")
        rule["properties"]["priority"] += 500
        azure.done("PUT", f"{rules}/securityRules/{name}", rule, by)
    found = findings(web_tier)
    assert {f["name"]: f["cause"]["who"] for f in found.values() if f["kind"] == "unmanaged"} == {
        "by-bob": "bob@contoso.com",
        "by-alice": "alice@contoso.com",
    }
    assert sorted(c["who"] for c in (found[NSG]["cause"], *found[NSG]["also"])) == ["alice@contoso.com", "bob@contoso.com"]
    _, outcomes, document = reconcile(web_tier, "--strategy", "import", "--auto-approve")
    assert outcomes == {"by-bob": "imported", "by-alice": "imported", NSG: "reported"}, document["settled"]
    written = b"".join(web_tier.files().values()).decode()
    assert len(re.findall(r"virtual_network_name\s+= azurerm_virtual_network\.web\.name", written)) == 3, written


def test_an_import_writes_no_secret(web_tier: Sandbox, azure: Azure) -> None:
    group = ids(web_tier)[GROUP]
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4"
    for name, tags in (("id-one", {"deploy": secret}), ("id-two", {"password": "hunter2hunter2"}), ("id-three", {"a": "b"})):
        azure.done(
            "PUT", f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}", {"location": "westeurope", "tags": tags}
        )
    _, outcomes, document = reconcile(web_tier, "--strategy", "import", "--auto-approve")
    assert outcomes == {"id-one": "reported", "id-two": "reported", "id-three": "imported"}, document
    text = b"".join(web_tier.files().values()).decode()
    assert secret not in text
    assert "hunter2" not in text


def test_a_subscription_that_is_not_ours_is_not_empty(web_tier: Sandbox) -> None:
    state = web_tier.directory / "terraform.tfstate"
    state.write_text(state.read_text().replace("00000000-0000-0000-0000-000000000004", "99999999-0000-0000-0000-000000000004"))
    ran = web_tier.iacagent("--json", "drift", "detect")
    assert ran.code == 1
    assert {f["kind"] for f in ran.json["findings"]} == {"unreadable"}


def test_no_state_is_not_no_drift(web_tier: Sandbox) -> None:
    (web_tier.directory / "terraform.tfstate").unlink()
    ran = web_tier.iacagent("drift", "detect")
    assert "there is no state, though the configuration has 8 resources" in ran.out
    assert "No drift" not in ran.out


def test_a_variable_file_that_is_not_there_is_told(web_tier: Sandbox) -> None:
    ran = web_tier.iacagent("drift", "detect", "--var-file", "nowhere.tfvars")
    assert ran.code == 1
    assert "there is no file nowhere.tfvars" in ran.err


def test_a_killed_adoption_is_resumed(web_tier: Sandbox, azure: Azure) -> None:
    import os
    import signal
    import time

    machine = azure.done("GET", ids(web_tier)[VM])
    machine["properties"]["hardwareProfile"]["vmSize"] = "Standard_D4s_v5"
    azure.done("PUT", ids(web_tier)[VM], machine, ALICE)
    process = web_tier.start("drift", "reconcile", "--strategy", "adopt", "--auto-approve")
    deadline = time.monotonic() + 60
    while b"Standard_D4s_v5" not in web_tier.files()["vm.tf"]:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    resumed = web_tier.iacagent("resume")
    assert resumed.code == 0, resumed.err
    assert web_tier.is_empty_plan()
    assert reconcile(web_tier, "--strategy", "adopt", "--auto-approve")[0] == 0
