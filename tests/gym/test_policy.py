"""Policies, tags and moves: what changes resources without anybody writing to them as such."""

from __future__ import annotations

from typing import Any

import pytest

from iac_agent.gym import identity
from iac_agent.gym.daemon import Gym
from tests.drift.actors import ALICE, BOB, Actor, Azure

OWNER = Actor("terraform", "", "", "")
SUBSCRIPTION = f"/subscriptions/{identity.SUBSCRIPTION}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-it"
DISK = f"{GROUP}/providers/Microsoft.Compute/disks/it"
BODY = {
    "location": "westeurope",
    "sku": {"name": "Standard_LRS"},
    "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 8},
}
DEFINITION = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/policyDefinitions/p"
ASSIGNMENT = f"{GROUP}/providers/Microsoft.Authorization/policyAssignments/a"


@pytest.fixture
def azure(gym: Gym) -> Azure:
    cloud = Azure(gym)
    cloud.done("PUT", GROUP, {"location": "westeurope", "tags": {"team": "core"}}, OWNER)
    return cloud


def define(azure: Azure, effect: str, details: Any, condition: dict[str, Any] | None = None) -> None:
    rule = {"if": condition or {"field": "tags['team']", "exists": "false"}, "then": {"effect": effect, "details": details}}
    azure.done("PUT", DEFINITION, {"properties": {"policyRule": rule}}, OWNER)
    azure.done("PUT", ASSIGNMENT, {"properties": {"policyDefinitionId": DEFINITION}}, OWNER)


INHERIT = {"operations": [{"operation": "addOrReplace", "field": "tags['team']", "value": "[resourceGroup().tags['team']]"}]}


def test_a_tag_is_inherited_on_the_way_of_a_write(azure: Azure) -> None:
    define(azure, "modify", INHERIT)
    made = azure.done("PUT", DISK, BODY, ALICE)
    assert made["tags"] == {"team": "core"}
    log = azure.done(
        "GET", f"{SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes/management/values?$filter=eventTimestamp ge '2020-01-01'"
    )
    own = [e for e in log["value"] if e["resourceId"] == DISK]
    assert [e["operationName"]["value"] for e in own] == ["Microsoft.Compute/disks/write", "Microsoft.Authorization/policies/modify/action"]
    assert len({e["correlationId"] for e in own}) == 1
    assert '"policyAssignmentName": "a"' in own[1]["properties"]["policies"]


def test_append_adds_only_what_is_not_there(azure: Azure) -> None:
    define(azure, "append", [{"field": "tags['team']", "value": "unknown"}])
    assert azure.done("PUT", DISK, BODY)["tags"] == {"team": "unknown"}
    assert azure.done("PUT", DISK, {**BODY, "tags": {"team": "web"}})["tags"] == {"team": "web"}


def test_conditions(azure: Azure) -> None:
    either = {"anyOf": [{"field": "type", "equals": "Microsoft.Network/routeTables"}, {"not": {"field": "location", "in": ["westeurope"]}}]}
    define(azure, "modify", INHERIT, {"allOf": [either, {"field": "name", "notLike": "x*"}]})
    assert azure.done("PUT", DISK, BODY)["tags"] == {}
    route = f"{GROUP}/providers/Microsoft.Network/routeTables/rt"
    assert azure.done("PUT", route, {"location": "westeurope"})["tags"] == {"team": "core"}


def test_a_remediation_writes_as_the_assignment(azure: Azure) -> None:
    azure.done("PUT", DISK, BODY, ALICE)
    define(azure, "modify", INHERIT)
    assert azure.done("GET", DISK)["tags"] == {}
    told = azure.done(
        "PUT", f"{GROUP}/providers/Microsoft.PolicyInsights/remediations/r", {"properties": {"policyAssignmentId": ASSIGNMENT}}, OWNER
    )
    assert told["properties"]["deploymentStatus"]["successfulDeployments"] == 1
    assert azure.done("GET", DISK)["tags"] == {"team": "core"}


def test_what_the_engine_has_not_is_said(azure: Azure) -> None:
    rule = {"if": {"field": "type", "equals": "x"}, "then": {"effect": "deployIfNotExists"}}
    assert azure.call("PUT", DEFINITION, {"properties": {"policyRule": rule}}, OWNER)[0] == 501


def test_tags_at_a_resource(azure: Azure) -> None:
    azure.done("PUT", DISK, {**BODY, "tags": {"a": "1", "b": "2"}})
    at = f"{DISK}/providers/Microsoft.Resources/tags/default"

    def patched(operation: str, tags: dict[str, str]) -> dict[str, str]:
        found: dict[str, str] = azure.done("PATCH", at, {"operation": operation, "properties": {"tags": tags}})["properties"]["tags"]
        return found

    assert patched("Merge", {"c": "3"}) == {"a": "1", "b": "2", "c": "3"}
    assert patched("Delete", {"a": "1", "b": "other"}) == {"b": "2", "c": "3"}
    assert patched("Replace", {"d": "4"}) == {"d": "4"}
    assert azure.done("GET", DISK)["tags"] == {"d": "4"}
    assert azure.call("PATCH", at, {"operation": "Explode", "properties": {"tags": {}}})[0] == 400
    assert azure.call("GET", f"{GROUP}/providers/Microsoft.Compute/disks/none/providers/Microsoft.Resources/tags/default")[0] == 404
    assert azure.call("DELETE", at)[0] == 200
    assert azure.done("GET", DISK)["tags"] == {}


def test_a_move_takes_what_refers_to_it_along(azure: Azure) -> None:
    other = f"{SUBSCRIPTION}/resourceGroups/rg-other"
    azure.done("PUT", other, {"location": "westeurope"}, OWNER)
    network = f"{GROUP}/providers/Microsoft.Network"
    azure.done("PUT", f"{network}/networkSecurityGroups/nsg", {"location": "westeurope", "properties": {}})
    subnets = [
        {
            "name": "s",
            "properties": {"addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": f"{network}/networkSecurityGroups/nsg"}},
        }
    ]
    body = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": subnets}}
    azure.done("PUT", f"{network}/virtualNetworks/v", body)
    wanted = {"resources": [f"{network}/networkSecurityGroups/nsg"], "targetResourceGroup": other}
    assert azure.call("POST", f"{GROUP}/moveResources", wanted, BOB)[0] == 204
    assert azure.call("GET", f"{network}/networkSecurityGroups/nsg")[0] == 404
    moved = azure.done("GET", f"{other}/providers/Microsoft.Network/networkSecurityGroups/nsg")
    assert moved["id"].startswith(other)
    subnet = azure.done("GET", f"{network}/virtualNetworks/v/subnets/s")
    assert subnet["properties"]["networkSecurityGroup"]["id"] == moved["id"]
    assert (
        azure.call("POST", f"{GROUP}/moveResources", {**wanted, "targetResourceGroup": f"{SUBSCRIPTION}/resourceGroups/none"}, BOB)[0]
        == 404
    )
