"""What goes wrong in life: never is something called deleted or clean by mistake, and never is anything left behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from iac_agent.azure.pace import Pace
from iac_agent.gym.daemon import Gym
from tests import bench_drift
from tests.conftest import Sandbox
from tests.drift.actors import ALICE, Azure
from tests.drift.test_scan import NSG, VM, detect, findings, ids, tag

UNKNOWN = {"unreadable", "unsupported"}


@pytest.fixture
def many(tmp_path: Path, gym: Gym) -> Sandbox:
    """A root module of 1,500 security groups, one of them changed: two pages of every list."""
    sandbox = Sandbox(tmp_path / "root", gym)
    bench_drift.prepared(gym, sandbox.directory, 1500)
    group = next(r for r in _state(sandbox) if r["type"] == "azurerm_network_security_group")
    tag(Azure(gym), str(group["instances"][1200]["attributes"]["id"]), ALICE, owner="alice")
    return sandbox


def _state(sandbox: Sandbox) -> list[dict[str, Any]]:
    import json

    found: list[dict[str, Any]] = json.loads((sandbox.directory / "terraform.tfstate").read_text())["resources"]
    return found


CHANGED = "azurerm_network_security_group.it[1200]"


def test_a_page_that_fails_half_way(many: Sandbox) -> None:
    many.gym.settings(faults=[{"path": "networkSecurityGroups$", "methods": ["GET"], "after": 1, "status": 500}])
    report = detect(many)
    assert {f["kind"] for f in report["findings"]} <= {"unreadable", "changed"}
    assert not report["complete"]
    assert report["clean"] < 1501
    many.gym.settings(faults=[])
    assert set(findings(many)) == {CHANGED}


def test_a_storm_of_429(many: Sandbox) -> None:
    storm = [{"path": "", "methods": ["GET", "POST"], "after": n, "times": 1, "status": 429, "retry_after": 1} for n in (1, 3, 5)]
    many.gym.settings(faults=storm)
    assert set(findings(many)) == {CHANGED}


def test_nothing_is_written_and_no_limit_is_met(many: Sandbox) -> None:
    many.gym.settings(throttle=True)
    before = many.gym.counted()
    assert set(findings(many)) == {CHANGED}
    after = many.gym.counted()
    assert (after["writes"], after["refused"]) == (before["writes"], before["refused"])


def test_a_token_that_expires_on_the_way(web_tier: Sandbox) -> None:
    tag(Azure(web_tier.gym), ids(web_tier)[VM], ALICE, owner="alice")
    web_tier.gym.settings(token_seconds=1, latency_seconds=0.4)
    ran = web_tier.iacagent("--json", "drift", "detect")
    assert ran.code in (0, 1), ran.err
    kinds = {f["kind"] for f in ran.json.get("findings", [])}
    assert kinds <= {"changed", "unreadable"}


def test_a_wrong_secret_is_told_and_nothing_is_clean(web_tier: Sandbox) -> None:
    web_tier.extra["ARM_CLIENT_SECRET"] = "wrong"
    ran = web_tier.iacagent("drift", "detect")
    assert ran.code == 1
    assert "signing in failed" in ran.err
    assert "No drift" not in ran.out


def test_no_network_at_all(web_tier: Sandbox) -> None:
    web_tier.extra["ARM_METADATA_HOSTNAME"] = "localhost:9"
    ran = web_tier.iacagent("drift", "detect")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert "No drift" not in ran.out


def test_a_graph_that_lags_hides_nothing_that_arm_knows(web_tier: Sandbox) -> None:
    """Resource Graph still has what is gone, and has not what is new; lists and reads are believed."""
    azure, held = Azure(web_tier.gym), ids(web_tier)
    group = held["azurerm_resource_group.web"]
    azure.done("PUT", f"{group}/providers/Microsoft.Network/networkSecurityGroups/nsg-new", {"location": "westeurope", "properties": {}})
    azure.done("PUT", f"{group}/providers/Microsoft.Network/routeTables/rt", {"location": "westeurope", "properties": {}})
    azure.done("DELETE", f"{group}/providers/Microsoft.Network/routeTables/rt")
    web_tier.gym.settings(graph_lag_seconds=3600)
    assert [f["name"] for f in findings(web_tier).values()] == ["nsg-new"]


def test_a_clock_that_is_wrong(web_tier: Sandbox) -> None:
    """Azure is two days ahead of us, and one behind: causes and times are Azure's own."""
    machine = ids(web_tier)[VM]
    for days in (2, -1):
        web_tier.gym.settings(clock_offset=days * 86_400)
        tag(Azure(web_tier.gym), machine, ALICE, owner=f"alice{days}")
        found = findings(web_tier)[VM]
        assert (found["kind"], found["cause"]["who"]) == ("changed", "alice@contoso.com")
        ahead = datetime.fromisoformat(found["cause"]["when"].replace("Z", "+00:00")).timestamp() - time.time()
        assert abs(ahead - days * 86_400) < 600


def test_killed_in_the_middle(web_tier: Sandbox) -> None:
    tag(Azure(web_tier.gym), ids(web_tier)[NSG], ALICE, owner="alice")
    files, state = web_tier.files(), (web_tier.directory / "terraform.tfstate").read_bytes()
    web_tier.gym.settings(latency_seconds=0.3)
    for wait in (1.0, 1.6, 2.4):
        process = web_tier.start("--json", "drift", "detect")
        time.sleep(wait)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    web_tier.gym.settings(latency_seconds=0)
    assert (web_tier.files(), (web_tier.directory / "terraform.tfstate").read_bytes()) == (files, state)
    assert set(findings(web_tier)) == {NSG}
    assert web_tier.iacagent("drift", "history").out.count(NSG) == 1


def test_a_full_disk_is_told_and_nothing_is_clean(many: Sandbox) -> None:
    """What was read is kept on disk: where no more than 200 KB may be written, there is no report."""

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    state = many.terraform("state", "pull").out
    (many.directory / "state.json").write_text(state)
    done = subprocess.run(
        many.command("drift", "detect", "--state", "state.json"),
        cwd=many.directory,
        env=many.environment,
        text=True,
        capture_output=True,
        preexec_fn=little_room,
    )
    assert done.returncode == 1
    assert "could not be kept on disk" in done.stderr
    assert "No drift" not in done.stdout
    assert "Traceback" not in done.stderr


def test_calls_slow_down_before_the_bucket_is_empty() -> None:
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(clock=lambda: now[0], sleep=sleep)
    pace.heard({"x-ms-ratelimit-remaining-subscription-reads": "200"})
    pace.wait(graph=False)
    assert slept == []
    pace.heard({"x-ms-ratelimit-remaining-subscription-reads": "10"})
    for _ in range(26):
        pace.wait(graph=False)
    assert 0.9 < sum(slept) < 1.2
    pace.heard({"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:03"})
    pace.wait(graph=True)
    assert 2.5 < slept[-1] <= 3
