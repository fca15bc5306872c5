"""Invariant 1: kill -9 at any point leaves files as before or exactly as approved, and a later run finishes the job."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import Sandbox

VM = "azurerm_linux_virtual_machine.web"
POINTS = 6
SPOT = b'  priority            = "Spot"\n  eviction_policy     = "Deallocate"\n'


def _versions(sandbox: Sandbox) -> dict[str, bytes]:
    regular = sandbox.files()["vm.tf"]
    anchor = b"two cores are enough\n"
    return {"Regular": regular, "Spot": regular.replace(anchor, anchor + SPOT, 1)}


def _request(wanted: str) -> list[str]:
    return ["apply", "make vm spot" if wanted == "Spot" else "make vm regular again", "--allow-replace", VM]


def _kill(process: subprocess.Popen[str], whole_group: bool) -> None:
    if whole_group:
        for child in _descendants(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
    process.kill()
    process.communicate()


def _descendants(pid: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            number, rest = entry.read_text().split(" ", 1)
            parents[int(number)] = int(rest.rsplit(")", 1)[1].split()[1])
    found, pending = [], [pid]
    while pending:
        parent = pending.pop()
        children = [c for c, p in parents.items() if p == parent]
        found += children
        pending += children
    return found


@pytest.mark.timeout(560)
def test_kill_9_at_many_points(web_tier: Sandbox) -> None:
    """Half of the kills take Terraform along, half leave it running."""
    versions = _versions(web_tier)
    web_tier.gym.settings(operation_seconds=0.4)
    started = time.monotonic()
    assert web_tier.iacagent(*_request("Spot")).code == 0
    whole = time.monotonic() - started
    reached = set()
    for point in range(POINTS):
        wanted = "Regular" if point % 2 == 0 else "Spot"
        process = web_tier.start(*_request(wanted))
        time.sleep(whole * (point + 1) / (POINTS + 1))
        _kill(process, whole_group=point % 4 < 2)
        name = next((n for n, v in versions.items() if v == web_tier.files()["vm.tf"]), "half")
        assert name != "half", f"half an edit after a kill at point {point}"
        reached.add("written" if name == wanted else "before")
        resumed = web_tier.iacagent("resume")
        assert resumed.code == 0, f"point {point}: {resumed.err}"
        if web_tier.state()[VM]["priority"] != wanted:
            again = web_tier.iacagent(*_request(wanted))
            assert again.code == 0, f"point {point}: {again.err}"
        assert web_tier.files()["vm.tf"] == versions[wanted]
        assert web_tier.state()[VM]["priority"] == wanted
        assert web_tier.is_empty_plan()
        assert "the chain verifies" in web_tier.iacagent("audit", "verify").out
    assert reached == {"before", "written"}, "the kills fell on both sides of the write"


def test_a_second_run_of_the_same_request_finishes_the_first(web_tier: Sandbox) -> None:
    web_tier.gym.settings(operation_seconds=3)
    process = web_tier.start(*_request("Spot"))
    deadline = time.monotonic() + 60
    while b'"Spot"' not in web_tier.files()["vm.tf"] and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    _kill(process, whole_group=True)
    web_tier.gym.settings(operation_seconds=0)
    ran = web_tier.iacagent(*_request("Spot"))
    assert ran.code == 0, ran.err
    assert "was interrupted; finishing it" in ran.err
    assert web_tier.state()[VM]["priority"] == "Spot"
    assert web_tier.is_empty_plan()


def test_ctrl_c_during_the_apply_stops_terraform_in_order(web_tier: Sandbox) -> None:
    web_tier.gym.settings(operation_seconds=2)
    process = web_tier.start(*_request("Spot"))
    deadline = time.monotonic() + 60
    while b'"Spot"' not in web_tier.files()["vm.tf"] and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (0, 1, 130), err
    if process.returncode:
        assert "resume" in err
    web_tier.gym.settings(operation_seconds=0)
    assert web_tier.iacagent("resume").code == 0
    assert web_tier.state()[VM]["priority"] == "Spot"
    assert web_tier.is_empty_plan()


def test_ctrl_c_during_the_plan_leaves_everything(web_tier: Sandbox) -> None:
    before = web_tier.files()
    process = web_tier.start(*_request("Spot"))
    time.sleep(0.9)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    if process.returncode != 0:
        assert process.returncode in (1, 130)
    if b'"Spot"' not in web_tier.files()["vm.tf"]:
        assert web_tier.files() == before


def test_files_changed_under_an_unfinished_run_are_not_overwritten(web_tier: Sandbox) -> None:
    web_tier.gym.settings(quota={"cores": 2})
    assert web_tier.iacagent("apply", "resize vm to Standard_D64s_v5", "--auto-approve").code == 1
    vm = web_tier.directory / "vm.tf"
    vm.write_text(vm.read_text() + "# mine\n")
    mine = vm.read_bytes()
    ran = web_tier.iacagent("resume")
    assert ran.code == 1
    assert "was changed since" in ran.err
    assert vm.read_bytes() == mine


def test_two_applies_at_once_lose_nothing(web_tier: Sandbox) -> None:
    web_tier.gym.settings(operation_seconds=1)
    first = web_tier.start("apply", "resize vm to Standard_D4s_v5", "--auto-approve")
    time.sleep(1.2)
    told = web_tier.iacagent("apply", "enable boot diagnostics", "--auto-approve")
    assert told.code == 1
    assert "another run holds this root module" in told.err
    assert "resize vm" in told.err
    waited = web_tier.iacagent("apply", "enable boot diagnostics", "--auto-approve", "-lock-timeout=60s")
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert waited.code == 0, waited.err
    state = web_tier.state()[VM]
    assert state["size"] == "Standard_D4s_v5"
    assert state["boot_diagnostics"]
    assert web_tier.is_empty_plan()


def test_two_applies_in_the_same_moment(web_tier: Sandbox) -> None:
    requests = ["resize vm to Standard_D4s_v5", "enable boot diagnostics", "grow the os disk of the vm to 128 GB"]
    started = [web_tier.start("apply", r, "--auto-approve", "-lock-timeout=120s") for r in requests]
    codes = []
    for process in started:
        _, err = process.communicate(timeout=180)
        codes.append((process.returncode, err[-300:]))
    assert [c for c, _ in codes] == [0, 0, 0], codes
    state = web_tier.state()[VM]
    assert (state["size"], state["os_disk"][0]["disk_size_gb"], len(state["boot_diagnostics"])) == ("Standard_D4s_v5", 128, 1)
    assert "the chain verifies" in web_tier.iacagent("audit", "verify").out
