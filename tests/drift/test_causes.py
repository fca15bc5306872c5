"""Who did it, where that takes more than one look: policies, several hands on one resource, moves, values that come back."""

from __future__ import annotations

from typing import Any

import pytest

from iac_agent.gym import identity
from tests.conftest import Sandbox
from tests.drift.actors import ALICE, BOB, SCRIPT, Actor, Azure
from tests.drift.test_reconcile import reconcile
from tests.drift.test_scan import NSG, VM, findings, ids

OWNER = Actor("terraform", "", "", "")
SUBSCRIPTION = f"/subscriptions/{identity.SUBSCRIPTION}"
DEFINITION = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyDefinitions/inherit-cost"
FIELD = "[concat('tags[', parameters('tagName'), ']')]"
RULE = {
    "if": {"allOf": [{"field": FIELD, "notEquals": "[parameters('tagValue')]"}, {"field": "type", "like": "Microsoft.Compute/*"}]},
    "then": {
        "effect": "modify",
        "details": {"operations": [{"operation": "addOrReplace", "field": FIELD, "value": "[parameters('tagValue')]"}]},
    },
}


@pytest.fixture
def azure(web_tier: Sandbox) -> Azure:
    return Azure(web_tier.gym)


def assign(azure: Azure, group: str) -> str:
    """Put the policy in force in a resource group; returns the id of the assignment."""
    declared = {"tagName": {"type": "String", "defaultValue": "cost"}, "tagValue": {"type": "String"}}
    azure.done("PUT", DEFINITION, {"properties": {"mode": "Indexed", "parameters": declared, "policyRule": RULE}}, OWNER)
    assignment = f"{group}/providers/Microsoft.Authorization/policyAssignments/cost-tag"
    given = {"policyDefinitionId": DEFINITION, "parameters": {"tagValue": {"value": "4711"}}}
    azure.done("PUT", assignment, {"identity": {"type": "SystemAssigned"}, "properties": given}, OWNER)
    return assignment


def resize(azure: Azure, machine: str, size: str, by: Actor) -> None:
    body = azure.done("GET", machine)
    body["properties"]["hardwareProfile"]["vmSize"] = size
    azure.done("PUT", machine, body, by)


def causes(finding: dict[str, Any]) -> list[str]:
    return [c["who"] for c in (finding["cause"], *finding["also"])]


def test_a_policy_is_the_cause_of_what_it_changed_and_the_writer_of_the_rest(web_tier: Sandbox, azure: Azure) -> None:
    held = ids(web_tier)
    assign(azure, held["azurerm_resource_group.web"])
    resize(azure, held[VM], "Standard_D4s_v5", ALICE)
    found = findings(web_tier)
    assert set(found) == {VM}
    assert [d["path"] for d in found[VM]["differences"]] == ["size", "tags.cost"]
    assert causes(found[VM]) == ["alice@contoso.com", "policy assignment cost-tag"]
    assert found[VM]["also"][0]["client"] == "Azure Policy"
    assert any("policyAssignments/cost-tag" in e for e in found[VM]["also"][0]["evidence"])


def test_a_revert_that_a_policy_would_undo_is_told_not_fought(web_tier: Sandbox, azure: Azure) -> None:
    held = ids(web_tier)
    assignment = assign(azure, held["azurerm_resource_group.web"])
    fix = f"{held['azurerm_resource_group.web']}/providers/Microsoft.PolicyInsights/remediations/fix"
    azure.done("PUT", fix, {"properties": {"policyAssignmentId": assignment}}, OWNER)
    found = findings(web_tier)
    assert causes(found[VM]) == ["policy assignment cost-tag"]
    code, outcomes, document = reconcile(web_tier, "--strategy", "revert", "--auto-approve")
    assert (code, outcomes[VM]) == (2, "reported")
    assert "is in force and would change it again" in document["settled"][0]["detail"]
    assert web_tier.state()[VM]["tags"] == {"env": "prod", "owner": "web"}
    azure.done("DELETE", assignment, by=OWNER)
    assert reconcile(web_tier, "--strategy", "revert", "--auto-approve")[1][VM] == "reverted"


def test_two_hands_on_one_resource_are_both_named(web_tier: Sandbox, azure: Azure) -> None:
    machine = ids(web_tier)[VM]
    resize(azure, machine, "Standard_D4s_v5", ALICE)
    azure.done("PATCH", f"{machine}/providers/Microsoft.Resources/tags/default", _merge(owner="bob"), BOB)
    assert sorted(causes(findings(web_tier)[VM])) == ["alice@contoso.com", "bob@contoso.com"]


def _merge(**tags: str) -> dict[str, Any]:
    return {"operation": "Merge", "properties": {"tags": tags}}


def test_what_flips_twice_is_told_not_fought(web_tier: Sandbox, azure: Azure) -> None:
    machine = ids(web_tier)[VM]
    resize(azure, machine, "Standard_D4s_v5", SCRIPT)
    assert findings(web_tier)[VM]["contested"] == ""
    assert reconcile(web_tier, "--strategy", "revert", "--auto-approve")[1] == {VM: "reverted"}
    resize(azure, machine, "Standard_D4s_v5", SCRIPT)
    contested = findings(web_tier)[VM]["contested"]
    assert SCRIPT.who in contested
    assert "after it was changed back" in contested
    assert reconcile(web_tier, "--strategy", "revert", "--auto-approve")[1] == {VM: "reported"}
    assert reconcile(web_tier, "--decide", f"{VM}=revert", "--auto-approve")[1] == {VM: "reverted"}


def test_one_operation_explains_several_findings(web_tier: Sandbox, azure: Azure) -> None:
    held = ids(web_tier)
    assignment = assign(azure, held["azurerm_resource_group.web"])
    fix = f"{held['azurerm_resource_group.web']}/providers/Microsoft.PolicyInsights/remediations/fix"
    azure.done("PATCH", f"{held[NSG]}/providers/Microsoft.Resources/tags/default", _merge(owner="bob"), BOB)
    made = {
        "location": "westeurope",
        "sku": {"name": "Standard_LRS"},
        "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 8},
    }
    azure.done("DELETE", assignment, by=OWNER)
    azure.done("PUT", f"{held['azurerm_resource_group.web']}/providers/Microsoft.Compute/disks/loose", made, BOB)
    assign(azure, held["azurerm_resource_group.web"])
    azure.done("PUT", fix, {"properties": {"policyAssignmentId": assignment}}, OWNER)
    found = findings(web_tier)
    assert {causes(f)[0] for a, f in found.items() if a == VM} == {"policy assignment cost-tag"}
    assert found[NSG]["cause"]["correlation"] != found[VM]["cause"]["correlation"]


def test_what_moved_is_not_called_deleted(web_tier: Sandbox, azure: Azure) -> None:
    held = ids(web_tier)
    other = f"{SUBSCRIPTION}/resourceGroups/rg-other"
    azure.done("PUT", other, {"location": "westeurope"}, BOB)
    group = held["azurerm_resource_group.web"]
    wanted = {"resources": [held["azurerm_public_ip.web"]], "targetResourceGroup": other}
    azure.done("POST", f"{group}/moveResources", wanted, BOB)
    moved = findings(web_tier)["azurerm_public_ip.web"]
    assert (moved["kind"], moved["severity"]) == ("moved", "high")
    assert f"{other}/providers/Microsoft.Network/publicIPAddresses/pip-shop-web" in moved["reason"]
    assert causes(moved) == ["bob@contoso.com"]
    assert reconcile(web_tier, "--decide", "azurerm_public_ip.web=revert", "--auto-approve")[1]["azurerm_public_ip.web"] == "reported"
