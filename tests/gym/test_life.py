"""The gym as a daemon: up, down, killed, moved, refused; and its command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iac_agent.errors import GymError
from iac_agent.gym.daemon import Gym
from tests.gym.conftest import GROUP


@pytest.fixture
def own() -> Iterator[Gym]:
    gym = Gym(Path(tempfile.mkdtemp(prefix="ia-")))
    yield gym
    gym.remove()


def cli(gym: Gym, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "iac_agent.cli.main", *arguments]
    environment = {**os.environ, "IACAGENT_GYM_DIR": str(gym.folder)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, timeout=60, check=False)


def make_group(gym: Gym) -> None:
    assert gym._ask(f"{GROUP}?api-version=2023-07-01", gym.status().endpoint, "PUT", {"location": "westeurope"}) is None, (
        "401 without a token"
    )
    from iac_agent.gym.provider.client import ArmHttp

    ArmHttp(gym.status().endpoint, gym.folder / "ca.pem", 5).put(GROUP, {"location": "westeurope"}, "2023-07-01")


def test_state_survives_down_and_kill_9(own: Gym) -> None:
    first = own.up()
    make_group(own)
    assert own.up() == own.status(), "a second up changes nothing"
    assert own.down()
    assert not own.down()
    again = own.up()
    assert (again.resources, again.endpoint) == (1, first.endpoint)
    for name in ("arm", "provider"):
        os.kill(int((own.folder / f"{name}.pid").read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 5
    while own.status().running and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not own.status().running
    assert own.up().resources == 1
    own.reset()
    assert own.status().resources == 0


def test_down_stops_its_own_gym_only(own: Gym, gym: Gym) -> None:
    """After a crash the process id in the folder may be another gym's by now."""
    for name in ("arm", "provider"):
        (own.folder / f"{name}.pid").write_text((gym.folder / f"{name}.pid").read_text())
    assert not own.down()
    assert gym.status().running


def test_a_port_that_is_taken_is_an_error_with_its_reason(own: Gym) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(GymError, match="did not start"):
        own.up(taken.getsockname()[1])


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GymError, match="cannot write"):
        Gym(tmp_path / "file" / "gym").up()
    with pytest.raises(GymError, match="too long"):
        Gym(tmp_path / ("x" * 90)).up()


def test_the_commands(own: Gym, tmp_path: Path) -> None:
    assert cli(own, "gym", "status").returncode == 1
    assert cli(own, "gym", "env").returncode == 1
    up = cli(own, "--json", "gym", "up", "-port", "0")
    assert json.loads(up.stdout)["running"] is True
    assert "up at https://localhost:" in cli(own, "gym", "status").stdout
    exported = cli(own, "gym", "env", cwd=tmp_path).stdout
    assert "export ARM_METADATA_HOSTNAME=localhost:" in exported
    done = cli(own, "gym", "exec", "--", "sh", "-c", "echo $ARM_SUBSCRIPTION_ID; exit 7")
    assert (done.stdout.strip(), done.returncode) == ("00000000-0000-0000-0000-000000000004", 7)
    assert cli(own, "gym", "exec", "--", "no-such-program").returncode == 1
    assert cli(own, "gym", "reset").returncode == 0
    assert cli(own, "gym", "down").returncode == 0


@pytest.mark.parametrize(
    ("constraint", "socket_name"), [("~> 4.0", "azurerm-4.sock"), ("~> 5.0", "azurerm-5.sock"), ("", "azurerm-5.sock")]
)
def test_the_provider_is_of_the_major_that_the_root_module_asks_for(gym: Gym, tmp_path: Path, constraint: str, socket_name: str) -> None:
    version = f'\n      version = "{constraint}"' if constraint else ""
    text = f'terraform {{\n  required_providers {{\n    azurerm = {{\n      source = "hashicorp/azurerm"{version}\n    }}\n  }}\n}}\n'
    (tmp_path / "main.tf").write_text(text)
    shown = cli(gym, "--json", "-C", str(tmp_path), "gym", "env").stdout
    assert socket_name in json.loads(shown)["environment"]["TF_REATTACH_PROVIDERS"]


def test_a_gym_that_is_down_says_so_in_terraform_too(own: Gym, tmp_path: Path) -> None:
    ran = cli(own, "-C", str(tmp_path), "gym", "exec", "--", "true")
    assert ran.returncode == 1
    assert "iacagent gym up" in ran.stderr
