"""The guard: `python -m tests.bench_guard`, a part of `make bench`. Verdicts on large plans, proofs on large networks, and a mutation run.

The mutation run takes every rule of the guard away, one at a time, and runs the guard's tests: each must be missed by one at least.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from iac_agent.cli.main import collect_rarely
from iac_agent.guard.check import Checks
from iac_agent.guard.cost.estimate import Budget
from iac_agent.guard.guard import Guard
from iac_agent.guard.network.proof import Prover
from iac_agent.guard.network.topology import Endpoint, Entry, Group, Network, Rule, Side, Topology, range_of
from iac_agent.guard.policies import shipped
from iac_agent.guard.verdict import judge
from iac_agent.hcl.module import RootModule
from iac_agent.terraform.models import Plan
from tests.bench import show
from tests.mutations import run as run_mutations

_KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("azurerm_network_security_rule", {"access": "Allow", "direction": "Inbound", "protocol": "Tcp", "source_port_range": "*",
     "destination_port_range": "443", "source_address_prefix": "203.0.113.0/24", "destination_address_prefix": "*",
     "network_security_group_name": "nsg", "resource_group_name": "rg"}),
    ("azurerm_storage_account", {"location": "westeurope", "account_tier": "Standard", "account_replication_type": "ZRS",
     "min_tls_version": "TLS1_2", "network_rules": [{"default_action": "Deny", "bypass": ["AzureServices"]}]}),
    ("azurerm_network_interface", {"location": "westeurope", 
     "ip_configuration": [{"name": "i", "private_ip_address_allocation": "Dynamic"}]}),
    ("azurerm_linux_virtual_machine", {"location": "westeurope", "size": "Standard_D2s_v5", "zone": "1",
     "os_disk": [{"storage_account_type": "StandardSSD_LRS", "disk_size_gb": 64, "caching": "ReadWrite"}]}),
    ("azurerm_managed_disk", {"location": "westeurope", "storage_account_type": "StandardSSD_LRS", "disk_size_gb": 128,
     "create_option": "Empty"}),
)  # fmt: skip


def a_plan(changes: int) -> Plan:
    """A plan that creates so many resources of five kinds, each interface on its machine."""
    rows, blocks = [], []
    for number in range(changes):
        kind, values = _KINDS[number % len(_KINDS)]
        address = f"{kind}.r{number}"
        unknown: dict[str, Any] = {"id": True}
        references: dict[str, Any] = {name: {"constant_value": 1} for name in values}
        if kind == "azurerm_linux_virtual_machine":
            unknown["network_interface_ids"] = [True]
            target = f"azurerm_network_interface.r{number - 1}"
            references["network_interface_ids"] = {"references": [f"{target}.id", target]}
        held = {**values, "name": f"r{number}", "priority": 100 + number, "tags": {"owner": "ops"}}
        rows.append({"address": address, "type": kind, "name": f"r{number}",
                     "change": {"actions": ["create"], "before": None, "after": held, "after_unknown": unknown}})  # fmt: skip
        blocks.append({"address": address, "type": kind, "name": f"r{number}", "mode": "managed", "expressions": references})
    return Plan.model_validate({"resource_changes": rows, "configuration": {"root_module": {"resources": blocks}}})


def bench_verdict() -> None:
    guard = Guard(checks=Checks(tuple(p for p in shipped() if not p.optional)), budget=Budget(10_000_000))
    with tempfile.TemporaryDirectory() as folder:
        root = RootModule(Path(folder))
        for changes, budget in ((1_000, 0.1), (10_000, None)):
            plan = a_plan(changes)
            bare = judge(plan, None)
            times = []
            for _ in range(5):
                started = time.perf_counter()
                verdict = guard.assess(bare, plan, root)
                times.append(time.perf_counter() - started)
            took = statistics.median(times)
            said = f"<= {budget * 1000:.0f} ms" if budget else ""
            label = f"verdict on {changes:,} changes, {len(verdict.findings):,} findings, median of 5"
            show(label, f"{took * 1000:.0f} ms", said, took <= budget if budget else None)


def bench_proof(groups: int = 200, rules: int = 40) -> None:
    network = range_of("10.0.0.0/8")
    assert network is not None
    endpoints = []
    for number in range(groups):
        low = network[0] + number * 256
        held = [
            Rule(
                f"r{n}",
                100 + n,
                n % 3 != 0,
                protocol="tcp",
                source=Side((range_of(f"{20 + n}.{number}.0.0/16"),)),
                ports=((1000 + n, 1000 + n),),
            )  # type: ignore[arg-type]
            for n in range(rules)
        ]
        if number == groups - 1:
            held.append(Rule("open", 4000, True, source=Side(tags=("Internet",)), ports=((22, 22),)))
        endpoints.append(Endpoint(f"nic-{number}", "vnet", ((low + 4, low + 200),), (Group(f"nsg-{number}", tuple(held)),), (Entry("ip"),)))
    topology = Topology({"vnet": Network("vnet", (network,))}, tuple(endpoints))
    for what, targets in (("proved", endpoints[:-1]), ("refuted by the last", endpoints)):
        started = time.perf_counter()
        answer = Prover(topology).from_internet(targets, ((22, 22),))
        took = time.perf_counter() - started
        show(f"port 22 from the Internet over {groups} groups of {rules} rules, {what}", f"{took:.2f} s", "", None)
        assert str(answer.result) in what


def bench_others() -> None:
    """Other tools on a plan of 1,000 changes, where they are installed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan.json"
        plan = a_plan(1_000).model_dump(mode="json")
        plan |= {"format_version": "1.2", "planned_values": {"root_module": {"resources": [
            {"address": c["address"], "mode": "managed", "type": c["type"], "name": c["name"], "values": c["change"]["after"]}
            for c in plan["resource_changes"]
        ]}}}  # fmt: skip
        file.write_text(json.dumps(plan))
        commands = {
            "checkov": ["checkov", "--file", str(file), "--framework", "terraform_plan", "--output", "json", "--quiet", "--compact"],
            "conftest": ["conftest", "test", "--output", "json", str(file)],
        }
        for name, command in commands.items():
            if shutil.which(name) is None:
                show(f"{name} on the same 1,000 changes", "not installed", "", None)
                continue
            started = time.perf_counter()
            subprocess.run(
                command, cwd=folder, capture_output=True, check=False, env={**os.environ, "CKV_IGNORE_HIDDEN_DIRECTORIES": "false"}
            )
            show(f"{name} on the same 1,000 changes", f"{time.perf_counter() - started:.1f} s", "", None)


def main() -> None:
    collect_rarely()
    bench_verdict()
    bench_proof()
    bench_others()
    caught, missed = run_mutations()
    show("rules of the guard whose loss a test notices", f"{caught} of {caught + len(missed)}", "all", not missed)
    for name in missed:
        print(f"  unnoticed: {name}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
