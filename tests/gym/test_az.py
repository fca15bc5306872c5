"""The real az, unmodified, against the gym: the commands people use to look at infrastructure and to change it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from iac_agent.gym import identity
from tests.conftest import ROOT, Sandbox
from tests.drift.test_scan import NSG, VM, findings

AZ = shutil.which("az") or shutil.which("az", path=str(ROOT / ".tools" / "az" / "bin"))
pytestmark = pytest.mark.skipif(AZ is None, reason="there is no az here (make tools)")
SCRIPT = next(p for p in identity.PRINCIPALS if p.name == "ops-script")
GROUP = "rg-shop-web"
Az = Callable[..., Any]


@pytest.fixture
def az(web_tier: Sandbox) -> Az:
    """az, signed in as the operations script: its JSON answer."""
    environment = {**os.environ, **web_tier.gym.environment(5), "AZURE_CONFIG_DIR": str(web_tier.directory.parent / "az")}

    def run(*arguments: str) -> Any:
        done = subprocess.run([str(AZ), *arguments, "-o", "json"], env=environment, text=True, capture_output=True, timeout=120)
        assert done.returncode == 0, f"az {' '.join(arguments)}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    run("cloud", "register", "-n", "Gym", "--endpoint-resource-manager", web_tier.gym.status().endpoint)
    run("cloud", "set", "-n", "Gym")
    run("login", "--service-principal", "-u", SCRIPT.app, "-p", identity.SECRET, "--tenant", identity.TENANT)
    return run


@pytest.mark.timeout(280)
def test_machines_disks_and_who_did_it(az: Az, web_tier: Sandbox) -> None:
    assert (
        az("vm", "resize", "-g", GROUP, "-n", "vm-shop-web", "--size", "Standard_D4s_v5")["hardwareProfile"]["vmSize"] == "Standard_D4s_v5"
    )
    az("vm", "restart", "-g", GROUP, "-n", "vm-shop-web")
    az("vm", "disk", "attach", "-g", GROUP, "--vm-name", "vm-shop-web", "--name", "disk-new", "--new", "--size-gb", "16")
    assert az("disk", "update", "-g", GROUP, "-n", "disk-new", "--size-gb", "32")["diskSizeGB"] == 32
    az("vm", "deallocate", "-g", GROUP, "-n", "vm-shop-web")
    assert az("vm", "show", "-d", "-g", GROUP, "-n", "vm-shop-web")["powerState"] == "VM deallocated"
    created = az(
        *("vm", "create", "-g", GROUP, "-n", "vm-by-hand", "--image", "Ubuntu2204", "--size", "Standard_B2s", "--public-ip-address", ""),
        *(
            "--vnet-name",
            "vnet-shop-web",
            "--subnet",
            "web",
            "--nsg",
            "",
            "--admin-username",
            "operator",
            "--admin-password",
            "Long-Enough-123",
        ),
    )
    assert created["powerState"] == "VM running"
    found = findings(web_tier)
    kinds = sorted((f["kind"], (f["address"] or f["name"]).split("/")[-1]) for f in found.values())
    assert ("changed", VM) in kinds
    assert ("unmanaged", "vm-by-hand") in kinds
    assert {f["cause"]["client"] for f in found.values() if f["cause"]["client"]} == {"Azure CLI"}
    assert all(SCRIPT.object_id in f["cause"]["who"] for f in found.values())
    operations = [e["operationName"]["value"] for e in az("monitor", "activity-log", "list", "-g", GROUP, "--offset", "1h")]
    assert "Microsoft.Compute/virtualMachines/deallocate/action" in operations


@pytest.mark.timeout(280)
def test_networks_tags_resources_and_groups(az: Az, web_tier: Sandbox) -> None:
    rule = ("network", "nsg", "rule", "create", "-g", GROUP, "--nsg-name", "nsg-shop-web", "-n", "open", "--priority", "200")
    az(*rule, "--access", "Allow", "--protocol", "Tcp", "--destination-port-ranges", "22", "--source-address-prefixes", "*")
    machine = az("resource", "show", "-g", GROUP, "-n", "vm-shop-web", "--resource-type", "Microsoft.Compute/virtualMachines")["id"]
    az("tag", "update", "--resource-id", machine, "--operation", "merge", "--tags", "owner=ops")
    az("resource", "tag", "-g", GROUP, "-n", "pip-shop-web", "--resource-type", "Microsoft.Network/publicIPAddresses", "--tags", "a=b")
    assert len(az("network", "vnet", "subnet", "list", "-g", GROUP, "--vnet-name", "vnet-shop-web")) == 1
    az("network", "lb", "create", "-g", GROUP, "-n", "lb-by-hand", "--public-ip-address", "pip-lb")
    assert {"vm-shop-web", "lb-by-hand"} <= {r["name"] for r in az("resource", "list", "-g", GROUP)}
    found = {f["address"] or f["name"]: f for f in findings(web_tier).values()}
    assert set(found) == {NSG, VM, "azurerm_public_ip.web", "lb-by-hand", "pip-lb"}
    assert found[NSG]["severity"] == "critical"
    az("group", "create", "-n", "rg-two", "-l", "westeurope")
    az("group", "delete", "-n", GROUP, "--yes")
    assert [g["name"] for g in az("group", "list")] == ["rg-two"]
    assert {f["kind"] for f in findings(web_tier).values()} == {"deleted"}


@pytest.mark.timeout(280)
def test_telemetry(az: Az, web_tier: Sandbox) -> None:
    """Metrics, the activity log, the serial log, a query of Log Analytics, and a command in the guest."""
    gym = web_tier.gym
    gym.tell("load", {"vm-shop-web": {"profile": "steady", "cpu": 40}})
    az("vm", "boot-diagnostics", "enable", "-g", GROUP, "-n", "vm-shop-web")
    gym.tell("time", {"advance": 3600})
    resource = az("vm", "show", "-g", GROUP, "-n", "vm-shop-web")["id"]
    now = datetime.fromisoformat(gym.tell("time", method="GET")["now"])
    span = ("--start-time", f"{now - timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}", "--end-time", f"{now:%Y-%m-%dT%H:%M:%SZ}")
    found = az(
        "monitor", "metrics", "list", "--resource", resource, "--metrics", "Percentage CPU", "--aggregation", "Average", "Maximum", *span
    )
    points = found["value"][0]["timeseries"][0]["data"]
    assert len(points) in (30, 31)
    assert all(37 < p["average"] < 43 for p in points)
    defined = az("monitor", "metrics", "list-definitions", "--resource", resource)
    assert {"Percentage CPU", "VmAvailabilityMetric"} <= {d["name"]["value"] for d in defined}
    acts = az("monitor", "activity-log", "list", "-g", GROUP, "--offset", "2h")
    assert any(a["operationName"]["value"] == "Microsoft.Compute/virtualMachines/write" for a in acts)
    assert "login:" in az("vm", "boot-diagnostics", "get-boot-log", "-g", GROUP, "-n", "vm-shop-web")
    told = az(
        "vm", "run-command", "invoke", "-g", GROUP, "-n", "vm-shop-web", "--command-id", "RunShellScript", "--scripts", "echo it works"
    )
    assert "it works" in told["value"][0]["message"]
    workspace = az("monitor", "log-analytics", "workspace", "create", "-g", GROUP, "-n", "law-shop")
    az(
        *(
            "vm",
            "extension",
            "set",
            "-g",
            GROUP,
            "--vm-name",
            "vm-shop-web",
            "-n",
            "AzureMonitorLinuxAgent",
            "--publisher",
            "Microsoft.Azure.Monitor",
            "--version",
            "1.33",
        )
    )
    gym.tell("time", {"advance": 600})
    url = f"{gym.status().endpoint}/v1/workspaces/{workspace['customerId']}/query"
    body = json.dumps({"query": "Heartbeat | summarize n = count() by Computer"})
    rows = az("rest", "--method", "post", "--url", url, "--resource", gym.status().endpoint, "--body", body)["tables"][0]["rows"]
    assert rows[0][0] == "vm-shop-web"
    assert rows[0][1] >= 10
