"""What people ask for of alerts, diagnostic settings and autoscale becomes HCL, with the limits that were said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from iac_agent.gym.bench.tasks import root_module
from iac_agent.hcl.module import RootModule
from iac_agent.planner.builtin import BuiltinPlanner
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Question, Refusal
from iac_agent.terraform.models import State

MORE = """
resource "azurerm_linux_virtual_machine_scale_set" "workers" {
  name                = "vmss-workers"
  resource_group_name = azurerm_resource_group.orion.name
  location            = azurerm_resource_group.orion.location
  sku                 = "Standard_D2s_v5"
  instances           = 3
  admin_username      = "azureuser"
}

resource "azurerm_log_analytics_workspace" "logs" {
  name                = "law-orion"
  resource_group_name = azurerm_resource_group.orion.name
  location            = azurerm_resource_group.orion.location
}
"""


def answer(request: str, tmp_path: Path, more: str = "") -> Answer:
    for file in root_module("fleet").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "more.tf").write_text(MORE + more)
    return BuiltinPlanner().plan(request, Context(RootModule(tmp_path), State(), 5))


def written(request: str, tmp_path: Path, more: str = "") -> dict[str, str]:
    """The arguments that are written, by name; the last of each."""
    found = answer(request, tmp_path, more)
    assert isinstance(found, ChangeSet), found
    text = "\n".join(str(getattr(e, "source", "") or f"{getattr(e, 'path', '')} = {getattr(e, 'value', '')}") for e in found.edits)
    return {name: value.strip('"') for name, value in re.findall(r"^\s*([\w.]+)\s*=\s*(.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ("page me when api is above 80 percent cpu", {"metric_name": "Percentage CPU", "operator": "GreaterThan", "threshold": "80"}),
        ("alert us if cpu on vm-batch stays over 95% for 15 minutes", {"threshold": "95", "window_size": "PT15M"}),
        (
            "warn us when vm-db uses more than 90% of its memory",
            {"metric_name": "Available Memory Percentage", "operator": "LessThan", "threshold": "10"},
        ),
        (
            "notify me when free memory of vm-api drops below 2 GB",
            {"metric_name": "Available Memory Bytes", "operator": "LessThan", "threshold": "2147483648"},
        ),
        (
            "tell ops@example.com if vm-api goes down",
            {"metric_name": "VmAvailabilityMetric", "threshold": "1", "email_address": "ops@example.com"},
        ),
        (
            "critical alert to https://hooks.example.com/x when vm-batch cpu exceeds 99%",
            {"severity": "0", "service_uri": "https://hooks.example.com/x"},
        ),
        ("send metrics and logs of lb-orion to the log analytics workspace", {"category_group": "allLogs", "category": "AllMetrics"}),
        (
            "ship the logs of nsg-apps to law-orion",
            {"category_group": "allLogs", "target_resource_id": "azurerm_network_security_group.apps.id"},
        ),
        (
            "autoscale the workers between 2 and 8 instances above 75% cpu",
            {"minimum": "2", "maximum": "8", "default": "3", "threshold": "35"},
        ),
        ("let the workers scale by themselves from 1 to 4", {"minimum": "1", "maximum": "4"}),
        ("let alert-db-cpu fire above 90 percent over 15 minutes", {"criteria.threshold": "90", "window_size": "PT15M"}),
    ],
)
def test_what_is_written(request_: str, wanted: dict[str, str], tmp_path: Path) -> None:
    found = written(request_, tmp_path)
    assert {k: found.get(k) for k in wanted} == wanted


@pytest.mark.parametrize(
    ("request_", "kind", "said"),
    [
        ("page me when vm-db is above 85 percent cpu for 5 minutes and vm-none too", Question, ""),
        ("page me when api uses more than 6 GB of memory", Question, "Azure measures free memory"),
        ("autoscale the workers", Question, "Between how many instances"),
        ("autoscale the workers between 2 and 8, out above 40% and in below 60%", Refusal, "must lie apart"),
        ("disable autoscale of the workers", Refusal, "by hand"),
        ("send the logs of vm-api to law-orion", Refusal, "no logs of the platform"),
        ("send the metrics of nsg-apps to law-orion", Refusal, "no metrics"),
    ],
)
def test_what_is_asked_or_refused(request_: str, kind: type, said: str, tmp_path: Path) -> None:
    found = answer(request_, tmp_path)
    assert isinstance(found, kind), found
    assert said in (found.text if isinstance(found, Question) else found.reason)


def test_the_same_alert_twice(tmp_path: Path) -> None:
    more = """
resource "azurerm_monitor_metric_alert" "vm_api_cpu" {
  name                = "alert-vm-api-cpu"
  resource_group_name = azurerm_resource_group.orion.name
  scopes              = [azurerm_linux_virtual_machine.api.id]

  criteria {
    metric_namespace = "Microsoft.Compute/virtualMachines"
    metric_name      = "Percentage CPU"
    aggregation      = "Average"
    operator         = "GreaterThan"
    threshold        = 80
  }
}
"""
    again = answer("page me when api is above 80 percent cpu", tmp_path, more)
    assert isinstance(again, Refusal)
    assert "tells that already" in again.reason
    other = written("page me when api is above 95 percent cpu", tmp_path, more)
    assert other["name"] == "alert-vm-api-cpu-95"


# --- requests that are told at length --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ("attach a new 64 GB Premium_LRS data disk to vm-api", "Attach a new disk of 64 GB to azurerm_linux_virtual_machine.api"),
        (
            "Our uploads need more room than we thought, so vm-api should get a fresh 256 GB premium disk. Leave vm-db alone.",
            "Attach a new disk of 256 GB to azurerm_linux_virtual_machine.api",
        ),
        (
            "The portal says that vm-batch has no boot diagnostics. Could you turn that on, managed storage please?",
            "azurerm_linux_virtual_machine.batch",
        ),
        ("put vm-web-1 on spot, vm-web-2 stays regular. delete on evict, at most 4 US cents an hour", 'web["web-1"]'),
    ],
)
def test_one_thing_told_at_length(request_: str, reason: str, tmp_path: Path) -> None:
    found = answer(request_, tmp_path)
    assert isinstance(found, ChangeSet), found
    assert reason in found.reason
    assert "vm-db" not in found.reason
    assert "web-2" not in found.reason


def test_a_cap_in_us_cents(tmp_path: Path) -> None:
    found = written("make vm-batch spot, deallocate on eviction, capped at 4 US cents an hour", tmp_path)
    assert found["max_bid_price"] == "0.04"


def test_what_stays_is_no_wish(tmp_path: Path) -> None:
    found = answer("Resize vm-web-1 to Standard_D4s_v5 and tag vm-web-2 with canary=true. vm-web-1 does not get the tag.", tmp_path)
    assert isinstance(found, ChangeSet)
    assert 'Tag azurerm_linux_virtual_machine.web["web-2"]' in found.reason


@pytest.mark.parametrize(
    ("request_", "number", "size", "names"),
    [
        ("We need three Linux boxes in Sweden Central for the load test, Standard_B2s each, all in one new vnet", 3, "Standard_B2s", []),
        ("2x debian 12 vms, names edge-1 and edge-2, standard_d2s_v5, uksouth", 2, "Standard_D2s_v5", ["edge-1", "edge-2"]),
        (
            "Please deploy the machines pay-1 to pay-3 (Standard_D2s_v5, West US 3) behind a public load balancer on port 8443",
            3,
            "Standard_D2s_v5",
            ["pay-3"],
        ),
    ],
)
def test_new_machines_from_nothing(request_: str, number: int, size: str, names: list[str], tmp_path: Path) -> None:
    for file in root_module("start").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    found = BuiltinPlanner().plan(request_, Context(RootModule(tmp_path), State(), 5))
    assert isinstance(found, ChangeSet), found
    assert f"Create {number} Linux machines ({size}) in a new network" in found.reason
    assert all(name in str(found.edits) for name in names)
