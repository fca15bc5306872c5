"""Recipes applied for real, in six styles: a second plan is empty, and an azure-mgmt client sees the change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient

from tests.conftest import ROOT, Sandbox, client_options


class Live:
    """What the azure-mgmt clients see of one resource group."""

    def __init__(self, sandbox: Sandbox, group: str) -> None:
        options = client_options(sandbox.gym)
        self.compute = ComputeManagementClient(**options)
        self.network = NetworkManagementClient(**options)
        self.group = group

    def vm(self, name: str) -> Any:
        return self.compute.virtual_machines.get(self.group, name)

    def disk(self, name: str) -> Any:
        return self.compute.disks.get(self.group, name)

    def size(self, name: str) -> str:
        return str(self.vm(name).hardware_profile.vm_size)

    def disks(self, name: str) -> list[int]:
        """Sizes of the attached data disks, in GB."""
        return [d.disk_size_gb for d in self.vm(name).storage_profile.data_disks]

    def ports(self, nsg: str) -> dict[str, str]:
        """Source by port."""
        rules = self.network.network_security_groups.get(self.group, nsg).security_rules
        return {r.destination_port_range: r.source_address_prefix for r in rules}

    def kind(self, disk: str) -> Any:
        return self.disk(disk).sku.name

    def public(self, name: str) -> bool:
        """Whether a machine has a public address."""
        nic = self.network.network_interfaces.get(self.group, self.vm(name).network_profile.network_interfaces[0].id.rsplit("/", 1)[-1])
        return any(c.public_ip_address is not None for c in nic.ip_configurations)

    def gone(self, name: str) -> bool:
        try:
            self.vm(name)
        except ResourceNotFoundError:
            return True
        return False

    def names(self) -> set[str]:
        return {m.name for m in self.compute.virtual_machines.list(self.group)}


Step = tuple[str, Callable[[Live], bool]]
FLAT: list[Step] = [
    ("attach a 64 GB premium disk to vm-orders-batch", lambda z: len(z.vm("vm-orders-batch").storage_profile.data_disks) >= 1),
    ("open 8443 from 10.0.0.0/8 on nsg-orders-front", lambda z: z.ports("nsg-orders-front")["8443"] == "10.0.0.0/8"),
    ("close port 8443 on nsg-orders-front", lambda z: "8443" not in z.ports("nsg-orders-front")),
    ("make vm-orders-jump spot", lambda z: z.vm("vm-orders-jump").priority == "Spot"),
    ("spin up a linux vm called cache in the front subnet, Standard_B2s", lambda z: any("cache" in n for n in z.names())),
    ("rename azurerm_linux_virtual_machine.jump to bastion in the code", lambda z: not z.gone("vm-orders-jump")),
    ("delete vm-orders-reports but keep its disk", lambda z: z.gone("vm-orders-reports")),
]
FOREACH: list[Step] = [
    ("resize vm-orders-web to Standard_D4s_v5", lambda z: z.vm("vm-orders-web").hardware_profile.vm_size == "Standard_D4s_v5"),
    ("postgres only from 10.30.2.16/28", lambda z: z.ports("nsg-orders-data")["5432"] == "10.30.2.16/28"),
    ("add a worker called w3", lambda z: any(n.endswith("w3") for n in z.names())),
    ("detach the log disk from db", lambda z: len(z.vm("vm-orders-db").storage_profile.data_disks) == 1),
    ("make db's data disk standard ssd", lambda z: z.kind("disk-orders-db-data") == "StandardSSD_LRS"),
    ("two spot vms named batch in snet-backend and tag them owner=ml", lambda z: z.vm("vm-orders-batch-2").tags["owner"] == "ml"),
]
YAML: list[Step] = [
    ("spin up a linux vm called report-1 in the back subnet, D4s_v5", lambda z: z.size("vm-media-report-1") == "Standard_D4s_v5"),
    ("another report machine", lambda z: z.size("vm-media-report-2") == "Standard_D4s_v5"),
    ("attach a 64 GB ssd to report-1", lambda z: z.disks("vm-media-report-1") == [64]),
    ("make the db-wal disk standard ssd", lambda z: z.kind("disk-media-db-wal") == "StandardSSD_LRS"),
    ("delete vm-media-report-2", lambda z: z.gone("vm-media-report-2")),
]
MODULES: list[Step] = [
    ("we need one more linux vm in the db subnet, call it cache, D2s_v5", lambda z: z.size("vm-acme-cache") == "Standard_D2s_v5"),
    ("set up a second jump host just like the first one", lambda z: not z.gone("vm-acme-jump-2")),
    ("create two linux vms named edge behind the load balancer", lambda z: {"vm-acme-edge-1", "vm-acme-edge-2"} <= z.names()),
    ("put owner=ops on vm-acme-cache", lambda z: z.vm("vm-acme-cache").tags["owner"] == "ops"),
]
CALLS: list[Step] = [
    ("the ledger machine needs a public ip", lambda z: z.public("ord-ldg-01")),
    ("switch the report's data disk to standard ssd", lambda z: z.kind("ord-report-data") == "StandardSSD_LRS"),
    ("I need a second reporting box just like the first one", lambda z: z.disks("ord-report-2") == [256]),
    ("drop ord-wrk-gamma and its disk", lambda z: z.gone("ord-wrk-gamma")),
    ("ssh on the mgmt nsg should only be reachable from 10.8.0.0/16", lambda z: "22" in z.ports("nsg-mgmt")),
]
COUNTED: list[Step] = [
    ("every web server gets a 64 gig premium data disk", lambda z: all(z.vm(f"vm-web-0{i}").storage_profile.data_disks for i in (1, 2, 3))),
    ("scale workers to 3", lambda z: "vm-worker-2" in z.names()),
    ("one worker less", lambda z: "vm-worker-2" not in z.names()),
]


@pytest.mark.timeout(560)
@pytest.mark.parametrize(
    ("style", "steps"), [("flat", FLAT), ("foreach", FOREACH), ("counted", COUNTED), ("yaml", YAML), ("modules", MODULES), ("calls", CALLS)]
)
def test_applied_and_seen(sandbox: Sandbox, style: str, steps: list[Step]) -> None:
    sandbox.copy(ROOT / "fixtures" / "requests" / style)
    sandbox.up()
    live: Live | None = None
    for request, seen in steps:
        ran = sandbox.iacagent("--json", "apply", request, "--auto-approve")
        if ran.code == 3 and ran.json["error"]["kind"] == "ApprovalMissing":
            named = [x for a in ran.json["error"]["addresses"] for x in ("--allow-replace", a, "--allow-destroy", a)]
            ran = sandbox.iacagent("--json", "apply", request, "--auto-approve", *named)
        assert ran.code == 0, f"{request}: {ran.out}"
        assert {"what": "second plan", "found": "empty", "holds": True} in ran.json["proofs"], request
        live = live or Live(sandbox, sandbox.group())
        assert seen(live), request
    assert sandbox.is_empty_plan()
