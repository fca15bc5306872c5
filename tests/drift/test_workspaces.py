"""Where state comes from: workspaces, a state file, `terraform show -json`, variables that plans need."""

from __future__ import annotations

import pytest

from tests.conftest import Sandbox
from tests.drift.actors import ALICE, Azure
from tests.drift.test_reconcile import reconcile
from tests.drift.test_scan import VM, detect, findings, ids, tag

MAIN = """
terraform {
  required_providers {
    azurerm = {
      source = "hashicorp/azurerm"
    }
  }
}

provider "azurerm" {
  features {}
}

variable "owner" {
  type = string
}

resource "azurerm_resource_group" "it" {
  name     = "rg-${terraform.workspace}"
  location = "westeurope"
}

resource "azurerm_network_security_group" "it" {
  name                = "nsg-${terraform.workspace}"
  resource_group_name = "rg-default"
  location            = azurerm_resource_group.it.location
  tags                = { owner = var.owner }
}
"""
NSG = "azurerm_network_security_group.it"


@pytest.fixture
def two(sandbox: Sandbox) -> Sandbox:
    """Two workspaces that keep a group each in one resource group."""
    sandbox.extra["TF_VAR_owner"] = "ops"
    sandbox.write({"main.tf": MAIN})
    sandbox.up()
    sandbox.terraform("workspace", "new", "prod")
    sandbox.terraform("apply", "-auto-approve", "-no-color")
    sandbox.terraform("workspace", "select", "default")
    return sandbox


def test_what_another_workspace_manages_is_no_stray(two: Sandbox) -> None:
    assert detect(two)["findings"] == []
    group = two.state()["azurerm_resource_group.it"]["id"]
    tag(Azure(two.gym), f"{group}/providers/Microsoft.Network/networkSecurityGroups/nsg-prod", ALICE, owner="alice")
    assert detect(two)["findings"] == []
    found = detect(two, "--workspace", "*")["findings"]
    assert [(f["address"], f["workspace"]) for f in found] == [(NSG, "prod")]
    assert [f["address"] for f in detect(two, "--workspace", "prod")["findings"]] == [NSG]


def test_a_rule_may_name_workspace_and_root_module(two: Sandbox) -> None:
    tag(Azure(two.gym), str(two.state()[NSG]["id"]), ALICE, owner="alice")
    rule = "drift:\n  rules:\n    - {action: ignore, %s, reason: r, owner: o, until: 2999-01-01}\n"
    for names, left in (("workspaces: [prod]", 1), ("workspaces: [default]", 0), ("root_modules: [envs/*]", 1), ("root_modules: ['.']", 0)):
        (two.directory / ".iacagent.yaml").write_text(rule % names)
        assert len(detect(two)["findings"]) == left, names


def test_variables_reach_the_plans(two: Sandbox) -> None:
    del two.extra["TF_VAR_owner"]
    tag(Azure(two.gym), str(two.state()[NSG]["id"]), ALICE, owner="alice")
    code, outcomes, document = reconcile(two, "--strategy", "revert", "--var", "owner=ops", "--auto-approve")
    assert (code, outcomes) == (0, {NSG: "reverted"}), document


def test_a_value_is_adopted_into_the_variable_file_that_was_given(two: Sandbox) -> None:
    del two.extra["TF_VAR_owner"]
    two.write({"prod.tfvars": 'owner = "ops" # the team\n'})
    tag(Azure(two.gym), str(two.state()[NSG]["id"]), ALICE, owner="alice")
    code, outcomes, document = reconcile(two, "--strategy", "adopt", "--var-file", "prod.tfvars", "--auto-approve")
    assert (code, outcomes) == (0, {NSG: "adopted"}), document
    assert (two.directory / "prod.tfvars").read_text() == 'owner = "alice" # the team\n'


def test_a_state_file_and_what_show_prints_are_read_too(web_tier: Sandbox) -> None:
    tag(Azure(web_tier.gym), ids(web_tier)[VM], ALICE, owner="alice")
    (web_tier.directory / "pulled.json").write_text(web_tier.terraform("state", "pull").out)
    (web_tier.directory / "shown.json").write_text(web_tier.terraform("show", "-json").out)
    both = [findings(web_tier, "--state", name) for name in ("pulled.json", "shown.json")]
    assert both[0] == both[1]
    assert set(both[0]) == {VM}
    (web_tier.directory / "wrong.json").write_text("{}")
    assert "is not a Terraform state" in web_tier.iacagent("drift", "detect", "--state", "wrong.json").err
