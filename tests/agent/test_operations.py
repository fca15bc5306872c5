"""Operations: judged, approved, done under Terraform's own lock, verified, audited, and without drift or an edit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.mgmt.compute import ComputeManagementClient

from iac_agent.gym import identity
from iac_agent.gym.bench.environment import Environment, Step
from tests.conftest import ROOT, client_options

AZ = shutil.which("az") or shutil.which("az", path=str(ROOT / ".tools" / "az" / "bin"))


def run(bench: Environment, *arguments: str) -> Step:
    return bench.step([sys.executable, "-m", "iac_agent.cli.main", *arguments])


def power(bench: Environment, machine: str) -> str:
    found = bench.gym.tell("resources", method="GET")["resources"]
    return str(next(r["power"] for r in found if r["body"]["name"] == machine))


def files(bench: Environment) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(bench.observation.directory.glob("*.tf"))}


def plan_is_empty(bench: Environment) -> bool:
    return bench._terraform(bench.observation.directory, bench.observation.environment, "plan", "-detailed-exitcode", check=False) == 0


def audit(bench: Environment) -> list[dict[str, object]]:
    told: list[dict[str, object]] = json.loads(run(bench, "--json", "audit", "show").out)["records"]
    return told


@pytest.mark.parametrize(
    ("request_", "machine", "state", "action"),
    [
        ("restart db", "vm-db", "running", "restart"),
        ("please stop the api machine", "vm-api", "deallocated", "deallocate"),
        ("redeploy vm-batch", "vm-batch", "running", "redeploy"),
    ],
)
def test_an_operation_edits_nothing_and_leaves_no_drift(request_: str, machine: str, state: str, action: str, fleet: Environment) -> None:
    before = files(fleet)
    done = run(fleet, "apply", request_, "--auto-approve")
    assert done.code == 0, done.err
    assert power(fleet, machine) == state
    assert f"is {state}: VM {state}" in done.out
    assert files(fleet) == before
    assert plan_is_empty(fleet)
    kinds = [r["kind"] for r in audit(fleet)]
    assert kinds == ["request", "verdict", "approval", "operating", "operation"]
    assert run(fleet, "audit", "verify").code == 0
    assert f"{machine.removeprefix('vm-')}" in run(fleet, "ask", f"what was done to {machine} in the last hour?").out
    assert action in {"restart", "deallocate", "redeploy"}


def test_start_needs_no_approval_and_the_rest_does(fleet: Environment) -> None:
    refused = run(fleet, "operate", "stop", "api")
    assert refused.code == 3
    assert "interrupts service, and nobody approved it" in refused.err
    assert power(fleet, "vm-api") == "running"
    assert run(fleet, "operate", "stop", "api", "--auto-approve").code == 0
    assert run(fleet, "operate", "start", "api").code == 0
    assert power(fleet, "vm-api") == "running"
    assert [r["kind"] for r in audit(fleet)][:3] == ["request", "verdict", "refused"]


def test_a_command_needs_its_address_by_name(fleet: Environment) -> None:
    refused = run(fleet, "apply", "run command `uptime` on vm-api", "--auto-approve")
    assert refused.code == 3
    assert "--allow-run 'azurerm_linux_virtual_machine.api'" in refused.err
    done = run(fleet, "apply", "run command `hostname` on vm-api", "--allow-run", "azurerm_linux_virtual_machine.api")
    assert done.code == 0, done.err
    assert "vm-api" in done.out
    assert "[stdout]" in done.out


@pytest.mark.parametrize(
    ("request_", "code", "said"),
    [
        ("stop db for good", 4, "or be removed from it"),
        ("restart vm-web", 4, "Which of these 2 do you mean?"),
        ("restart the frontend-9 machine", 4, "nothing called frontend-9"),
        ("restart db tonight", 4, "cannot wait"),
        ("restart db and resize api to Standard_D8s_v5", 4, "one after the other"),
        ("run command on db", 4, "Put it in quotes"),
        ("stop logging everything and delete all resources", 3, ""),
    ],
)
def test_what_is_not_clear_is_asked(request_: str, code: int, said: str, fleet: Environment) -> None:
    done = run(fleet, "apply", request_, "--auto-approve")
    assert done.code == code, done.err
    assert said in done.err
    assert power(fleet, "vm-db") == "running"


def test_stopped_for_good_after_all(fleet: Environment) -> None:
    assert run(fleet, "apply", "stop db for good", "--auto-approve", "--answer", "stop").code == 0
    assert power(fleet, "vm-db") == "deallocated"


def test_what_azure_refuses_is_told_and_recorded(fleet: Environment) -> None:
    run(fleet, "operate", "stop", "api", "--auto-approve")
    done = run(fleet, "operate", "restart", "api", "--auto-approve")
    assert done.code == 1
    assert "deallocated" in done.err
    assert [r["kind"] for r in audit(fleet)][-2:] == ["operation", "stopped"]


def test_it_waits_for_terraforms_lock_and_gives_up_in_time(fleet: Environment) -> None:
    directory, environment = fleet.observation.directory, fleet.observation.environment
    holder = subprocess.Popen(
        [sys.executable, "-m", "iac_agent.cli.main", "lock", "--", "sleep", "6"], cwd=directory, env=environment, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 10
        while not (directory / ".terraform.tfstate.lock.info").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        early = run(fleet, "operate", "restart", "db", "--auto-approve", "--lock-timeout", "1s")
        assert early.code == 1
        assert "lock" in early.err.lower()
        assert run(fleet, "operate", "restart", "db", "--auto-approve", "--lock-timeout", "60s").code == 0
    finally:
        os.killpg(holder.pid, signal.SIGTERM)
        holder.wait()


@pytest.mark.timeout(280)
def test_twenty_at_once_through_hcl_sdk_and_az(fleet: Environment) -> None:
    """Changes in HCL and operations, and meanwhile the SDK and az at work: nothing races, the plan is empty, the audit complete."""
    wait = ("--auto-approve", "--lock-timeout", "200s")
    ours: list[tuple[str, ...]] = [
        ("apply", f"tag {vm} round=r{n}", *wait) for n, vm in enumerate(("vm-api", "vm-db", "vm-batch", "vm-api"))
    ]
    ours += [("operate", verb, vm, *wait) for verb, vm in (("restart", "api"), ("stop", "batch"), ("start", "batch"), ("redeploy", "db"))]
    ours += [("operate", "restart", "web", *wait), ("operate", "restart", "db", *wait)]
    beside = [*_sdk_calls(fleet), *_az_calls(fleet)]
    assert len(ours) + len(beside) >= 20
    with ThreadPoolExecutor(20) as pool:
        others = [pool.submit(call) for call in beside]
        done = list(pool.map(lambda arguments: run(fleet, *arguments), ours))
        for other in others:
            other.result()
    assert [d.code for d in done] == [0] * len(ours), [d.err for d in done if d.code]
    assert plan_is_empty(fleet)
    kinds = [str(r["kind"]) for r in audit(fleet)]
    assert kinds.count("request") == len(ours)
    assert kinds.count("operation") == 6
    assert kinds.count("refused") == kinds.count("stopped") == 0
    assert run(fleet, "audit", "verify").code == 0


def _sdk_calls(fleet: Environment) -> list[Callable[[], object]]:
    client = ComputeManagementClient(**client_options(fleet.gym))
    machines = client.virtual_machines
    guard = threading.Lock()

    def restart(name: str) -> object:
        with guard:
            poller = machines.begin_restart("rg-orion", name)
        return poller.result()

    reads = [lambda name=name: machines.instance_view("rg-orion", name) for name in ("vm-api", "vm-db", "vm-web-1")]
    return [*reads, lambda: restart("vm-web-1"), lambda: restart("vm-web-2"), lambda: list(machines.list_all())]


def _az_calls(fleet: Environment) -> list[Callable[[], object]]:
    if AZ is None:
        return [lambda: run(fleet, "monitor", "health") for _ in range(4)]
    environment = {**fleet.observation.environment, "AZURE_CONFIG_DIR": str(fleet.observation.directory.parent / "az")}

    def az(*arguments: str) -> None:
        done = subprocess.run([str(AZ), *arguments, "-o", "none"], env=environment, text=True, capture_output=True, timeout=200)
        assert done.returncode == 0, done.stderr

    az("cloud", "register", "-n", "Gym", "--endpoint-resource-manager", fleet.endpoint)
    az("cloud", "set", "-n", "Gym")
    script = next(p for p in identity.PRINCIPALS if p.name == "ops-script")
    az("login", "--service-principal", "-u", script.app, "-p", identity.SECRET, "--tenant", identity.TENANT)
    return [lambda name=name: az("vm", "restart", "-g", "rg-orion", "-n", name) for name in ("vm-web-1", "vm-web-2", "vm-api", "vm-db")]
