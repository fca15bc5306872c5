"""The scan: nothing is missed, nothing untouched is reported, nothing is called deleted or clean by mistake, nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iac_agent.azure.schemas import VERSIONS
from iac_agent.gym.daemon import Gym
from tests.conftest import FIXTURES, Figure, Ran, Sandbox
from tests.drift.actors import ALICE, BOB, PIPELINE, SCRIPT, Azure
from tests.drift.strangers import RULE

VM = "azurerm_linux_virtual_machine.web"
NSG = "azurerm_network_security_group.web"
READER = {"ARM_CLIENT_ID": "11111111-0000-0000-0000-000000000003"}


def detect(sandbox: Sandbox, *arguments: str) -> dict[str, Any]:
    ran = sandbox.iacagent("--json", "drift", "detect", *arguments)
    assert ran.code == 0, ran.err + ran.out
    found: dict[str, Any] = ran.json
    return found


def findings(sandbox: Sandbox, *arguments: str) -> dict[str, dict[str, Any]]:
    return {f["address"] or f["id"]: f for f in detect(sandbox, *arguments)["findings"]}


def ids(sandbox: Sandbox) -> dict[str, str]:
    return {a: str(v["id"]) for a, v in sandbox.state().items()}


@pytest.fixture
def azure(web_tier: Sandbox) -> Azure:
    return Azure(web_tier.gym)


def tag(azure: Azure, resource_id: str, by: Any, **tags: str) -> None:
    body = azure.done("GET", resource_id)
    azure.done("PUT", resource_id, {**body, "tags": {**(body.get("tags") or {}), **tags}}, by)


@pytest.mark.parametrize("major", list(VERSIONS))
def test_no_false_alarm_on_every_type(major: int, sandbox: Sandbox, figure: Figure) -> None:
    sandbox.copy(FIXTURES / "all-types" / str(major))
    sandbox.up()
    for _ in range(3):
        found = detect(sandbox)
        assert found["findings"] == []
        assert found["complete"]
    figure(f"azurerm {major} resources scanned three times without a false alarm", found["clean"], found["resources"])


def test_it_says_what_changed_and_who_did_it(web_tier: Sandbox, azure: Azure) -> None:
    held = ids(web_tier)
    body = azure.done("GET", held[VM])
    body["properties"]["hardwareProfile"]["vmSize"] = "Standard_D8s_v5"
    azure.done("PUT", held[VM], body, ALICE)
    rule = {**RULE["properties"], "sourceAddressPrefix": "*"}
    network = azure.done("GET", held[NSG])
    network["properties"]["securityRules"].append({"name": "open", "properties": rule})
    azure.done("PUT", held[NSG], network, SCRIPT)
    group = held["azurerm_resource_group.web"]
    azure.done("PUT", f"{group}/providers/Microsoft.Network/routeTables/rt", {"location": "westeurope", "properties": {}}, BOB)
    found = findings(web_tier)
    told = {
        a: (f["kind"], f["severity"], [d["path"] for d in f["differences"]], f["cause"]["client"], f["cause"]["sure"])
        for a, f in found.items()
    }
    assert told == {
        VM: ("changed", "medium", ["size"], "Azure Portal", "certain"),
        NSG: ("changed", "critical", ["security_rule.open"], "Azure SDK for Python", "certain"),
        f"{group}/providers/Microsoft.Network/routeTables/rt": ("unmanaged", "low", [], "Azure CLI", "certain"),
    }
    assert found[VM]["cause"]["who"] == "alice@contoso.com"
    assert found[VM]["cause"]["operation"] == "Microsoft.Compute/virtualMachines/write"
    assert found[VM]["differences"][0] == {"path": "size", "before": "Standard_D2s_v5", "after": "Standard_D8s_v5", "sensitive": False}
    assert SCRIPT.who in found[NSG]["cause"]["who"]


def test_what_is_deleted_recreated_or_only_behind_is_told_apart(web_tier: Sandbox, azure: Azure) -> None:
    held = ids(web_tier)
    body = azure.done("GET", held[VM])
    body["properties"]["hardwareProfile"]["vmSize"] = "Standard_D4s_v5"
    azure.done("PUT", held[VM], body, PIPELINE)
    vm = web_tier.directory / "vm.tf"
    vm.write_text(vm.read_text().replace("Standard_D2s_v5", "Standard_D4s_v5"))
    assert findings(web_tier)[VM]["kind"] == "state behind"
    azure.done("DELETE", held[VM], by=BOB)
    deleted = findings(web_tier)[VM]
    assert (deleted["kind"], deleted["cause"]["who"], deleted["cause"]["sure"]) == ("deleted", "bob@contoso.com", "certain")
    azure.done("PUT", held[VM], {k: v for k, v in body.items() if k != "etag"}, SCRIPT)
    again = findings(web_tier)[VM]
    assert (again["kind"], again["severity"], again["cause"]["client"]) == ("recreated", "high", "Azure SDK for Python")


def test_ignore_changes_and_targets_are_heeded(web_tier: Sandbox, azure: Azure) -> None:
    held = ids(web_tier)
    tag(azure, held[VM], ALICE, owner="alice")
    tag(azure, held[NSG], ALICE, owner="alice")
    assert set(findings(web_tier)) == {VM, NSG}
    assert set(findings(web_tier, "--target", VM)) == {VM}
    assert set(findings(web_tier, "--types", "azurerm_network_security_group")) == {NSG}
    vm = web_tier.directory / "vm.tf"
    text = vm.read_text()
    vm.write_text(text.rstrip().removesuffix("}") + "\n  lifecycle {\n    ignore_changes = [tags]\n  }\n}\n")
    assert set(findings(web_tier)) == {NSG}


def test_a_rule_ignores_until_its_day(web_tier: Sandbox, azure: Azure) -> None:
    tag(azure, ids(web_tier)[VM], ALICE, owner="alice")
    rule = "drift:\n  rules:\n    - {action: ignore, attributes: ['tags.*'], reason: noise, owner: ops, until: %s}\n"
    (web_tier.directory / ".iacagent.yaml").write_text(rule % "2020-01-01")
    assert set(findings(web_tier)) == {VM}
    (web_tier.directory / ".iacagent.yaml").write_text(rule % "2999-01-01")
    assert findings(web_tier) == {}
    (web_tier.directory / ".iacagent.yaml").write_text("drift:\n  rules:\n    - {action: ignore, attributes: ['tags.*']}\n")
    refused = web_tier.iacagent("drift", "detect")
    assert refused.code == 1
    assert "needs a reason, an owner and a day" in refused.err


def test_reader_rights_are_enough_and_nothing_is_written(web_tier: Sandbox, azure: Azure) -> None:
    tag(azure, ids(web_tier)[VM], ALICE, owner="alice")
    web_tier.extra.update(READER)
    web_tier.gym.settings(faults=[{"path": "", "methods": ["PUT", "PATCH", "DELETE"], "status": 500}])
    state, files = (web_tier.directory / "terraform.tfstate").read_bytes(), web_tier.files()
    assert set(findings(web_tier)) == {VM}
    assert ((web_tier.directory / "terraform.tfstate").read_bytes(), web_tier.files()) == (state, files)


def test_a_group_that_may_not_be_read_is_not_gone(web_tier: Sandbox) -> None:
    web_tier.extra.update(READER)
    web_tier.gym.settings(forbidden=[ids(web_tier)["azurerm_resource_group.web"]])
    ran: Ran = web_tier.iacagent("--json", "drift", "detect", "--detailed-exitcode")
    kinds = {f["kind"] for f in ran.json["findings"]}
    assert kinds == {"unreadable"}
    assert not ran.json["complete"]
    assert ran.code == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"path": "virtualMachines", "status": 500},
        {"path": "networkInterfaces", "status": 503},
        {"path": "networkSecurityGroups", "status": 403, "code": "AuthorizationFailed"},
    ],
)
def test_a_service_that_fails_is_not_gone(web_tier: Sandbox, fault: dict[str, Any]) -> None:
    web_tier.gym.settings(faults=[{**fault, "methods": ["GET"]}])
    kinds = {f["kind"] for f in detect(web_tier)["findings"]}
    assert kinds == {"unreadable"}


def test_throttling_and_a_lagging_graph_change_nothing(web_tier: Sandbox, azure: Azure, gym: Gym) -> None:
    tag(azure, ids(web_tier)[VM], ALICE, owner="alice")
    gym.settings(faults=[{"path": "", "methods": ["GET"], "status": 429, "retry_after": 1, "times": 3}])
    assert set(findings(web_tier)) == {VM}
    gym.settings(faults=[], graph_lag_seconds=3600, activity_delay_seconds=3600)
    late = findings(web_tier)
    assert set(late) == {VM}
    assert (late[VM]["cause"]["who"], late[VM]["cause"]["sure"]) == ("", "unknown")


def test_forms_of_the_report(web_tier: Sandbox, azure: Azure, tmp_path: Path) -> None:
    tag(azure, ids(web_tier)[VM], ALICE, owner="</script><b>")
    text = web_tier.iacagent("drift", "detect").out
    assert "tags.owner: web → </script><b>" in text
    assert "by alice@contoso.com with Azure Portal" in text
    for form, sign in (("markdown", "| low | changed |"), ("junit", "<failure"), ("sarif", '"ruleId": "drift/changed"'), ("json", '"key"')):
        assert sign in web_tier.iacagent("drift", "detect", "--format", form).out
    page = tmp_path / "drift.html"
    assert web_tier.iacagent("drift", "detect", "--format", "html", "--out", str(page)).code == 0
    assert "</script><b>" not in page.read_text()
    assert "polyline" in page.read_text()
    history = web_tier.iacagent("drift", "history").out
    assert VM in history
    assert "open for" in history
    key = history.split()[0]
    assert "alice@contoso.com" in web_tier.iacagent("drift", "show", key).out


def test_without_credentials_it_says_so_once(web_tier: Sandbox) -> None:
    web_tier.extra.update(ARM_CLIENT_SECRET="", ARM_USE_CLI="false")
    ran = web_tier.iacagent("drift", "detect")
    assert ran.code == 1
    assert ran.err.count("no Azure credentials") == 1
