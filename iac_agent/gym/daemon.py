"""Starting, stopping and describing a gym that runs in the background, and the environment that points clients at it.

Variables and what reads them: see docs/gym.md. Source: https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from filelock import FileLock

from iac_agent.azure.schemas import VERSIONS
from iac_agent.errors import GymError

PROVIDER_ADDRESS = "registry.terraform.io/hashicorp/azurerm"
OPENTOFU_ADDRESS = "registry.opentofu.org/hashicorp/azurerm"
_LONGEST_SOCKET = 100


def default_folder() -> Path:
    """`$IACAGENT_GYM_DIR`, else a folder below the user's cache."""
    given = os.environ.get("IACAGENT_GYM_DIR")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else cache / "iacagent" / "gym"


@dataclass(frozen=True)
class Status:
    """Whether the gym runs, where, and how many resources it holds."""

    running: bool
    endpoint: str = ""
    resources: int = 0
    folder: str = ""


class Gym:
    """One gym in one folder: its state, certificates, sockets and process ids all live there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._children: list[subprocess.Popen[bytes]] = []

    # --- life ------------------------------------------------------------------------------------------------------

    def up(self, port: int = 0, patience: float = 20) -> Status:
        """Start the gym and wait until it answers; with the same port as before when it ran before. Raises GymError."""
        self._prepare_folder()
        with FileLock(str(self.folder / "lock")):
            state = self.status()
            return state if state.running else self._start(port, time.monotonic() + patience)

    def _start(self, port: int, deadline: float) -> Status:
        self._stop_processes()
        for stale in ("arm.json", "provider.ready"):
            (self.folder / stale).unlink(missing_ok=True)
        port = port or self._last_port()
        arm = self._spawn("arm", "iac_agent.gym.server", "--port", str(port))
        endpoint = self._wait_for_arm(arm, deadline)
        (self.folder / "port").write_text(str(urlsplit(endpoint).port))
        provider = self._spawn("provider", "iac_agent.gym.provider.server", "--endpoint", endpoint)
        self._wait_for_provider(provider, deadline)
        return self.status()

    def _prepare_folder(self) -> None:
        if len(str(self.folder)) > _LONGEST_SOCKET - len("/azurerm-5.sock"):
            raise GymError(f"{self.folder} is too long for a Unix socket", hint="Choose a shorter folder with --dir.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.folder / ".write-test").write_text("")
            (self.folder / ".write-test").unlink()
        except OSError as problem:
            raise GymError(f"cannot write to {self.folder}: {problem}", hint="Choose another folder with --dir.") from problem

    def _last_port(self) -> int:
        """The port of the last run, if it is free: state that clients keep then stays valid. 0 for any."""
        import socket

        try:
            port = int((self.folder / "port").read_text())
            socket.create_server(("127.0.0.1", port)).close()
        except (OSError, ValueError):
            return 0
        return port

    def _spawn(self, name: str, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{name}.log").open("ab")
        command = [sys.executable, "-m", module, "--dir", str(self.folder), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        self._children.append(process)
        (self.folder / f"{name}.pid").write_text(str(process.pid))
        return process

    def _wait_for_arm(self, process: subprocess.Popen[bytes], deadline: float) -> str:
        told = self.folder / "arm.json"
        while time.monotonic() < deadline and process.poll() is None:
            if told.exists():
                endpoint = self._endpoint()
                if endpoint and self._ask("/metadata/endpoints", endpoint) is not None:
                    return endpoint
            time.sleep(0.02)
        raise self._died("arm")

    def _wait_for_provider(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        while time.monotonic() < deadline and process.poll() is None:
            if (self.folder / "provider.ready").exists():
                return
            time.sleep(0.02)
        raise self._died("provider")

    def _died(self, name: str) -> GymError:
        log = (self.folder / f"{name}.log").read_text(errors="replace").strip().splitlines()[-5:]
        return GymError(
            f"the gym's {name} process did not start: {' | '.join(log) or 'no output'}",
            hint=f"See {self.folder}/{name}.log.",
        )

    def down(self) -> bool:
        """Stop both processes; the state stays. Returns whether anything ran."""
        return self._stop_processes()

    def _stop_processes(self) -> bool:
        stopped = False
        for name in ("provider", "arm"):
            pid = self._pid(name)
            if pid and _is_ours(pid, self.folder):
                os.kill(pid, signal.SIGTERM)
                _wait_gone(pid, self.folder, 5)
                stopped = True
            (self.folder / f"{name}.pid").unlink(missing_ok=True)
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(5)
        self._children = [c for c in self._children if c.returncode is None]
        return stopped

    def reset(self) -> None:
        """Forget every resource. A gym that is down loses its folder's state."""
        if self.status().running:
            self._ask("/gym/reset?api-version=1", self._endpoint(), method="POST")
            return
        if (self.folder / "gym.db").exists():
            for file in self.folder.glob("gym.db*"):
                file.unlink()

    def checkpoint(self, name: str = "") -> None:
        """Remember the state, so that `rewind` goes back to it; several by `name`, small letters. Raises GymError when the gym is down."""
        self._told("/gym/checkpoint", name)

    def rewind(self, name: str = "") -> None:
        """Go back to the checkpoint. Raises GymError when there is none."""
        self._told("/gym/rewind", name)

    def counted(self) -> dict[str, int]:
        """How many calls ARM got since it is up, how many of them were writes, and how many it refused with 429. Raises GymError."""
        found = self._ask("/gym/calls?api-version=1", self._endpoint())
        if found is None:
            raise GymError("the gym does not answer", hint="Start it with `iacagent gym up`.")
        return {name: int(str(number)) for name, number in found.items()}

    def _told(self, path: str, name: str) -> None:
        if self._ask(f"{path}?api-version=1&name={name}", self._endpoint(), method="POST") is None:
            raise GymError("the gym does not answer, or has no checkpoint", hint="Start it with `iacagent gym up`.")

    def remove(self) -> None:
        """Stop and delete everything."""
        self.down()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- asking ----------------------------------------------------------------------------------------------------

    def _pid(self, name: str) -> int:
        try:
            return int((self.folder / f"{name}.pid").read_text())
        except (OSError, ValueError):
            return 0

    def _endpoint(self) -> str:
        try:
            return str(json.loads((self.folder / "arm.json").read_text())["endpoint"])
        except (OSError, ValueError, KeyError):
            return ""

    def status(self) -> Status:
        endpoint = self._endpoint()
        pids = [self._pid(n) for n in ("arm", "provider")]
        if not endpoint or not all(p and _is_ours(p, self.folder) for p in pids):
            return Status(False, folder=str(self.folder))
        found = self._ask("/gym/status?api-version=1", endpoint)
        if found is None:
            return Status(False, folder=str(self.folder))
        return Status(True, endpoint, int(str(found["resources"])), str(self.folder))

    def settings(self, **values: object) -> None:
        """Change the gym's settings: operation_seconds, clock_offset, quota. Raises GymError when it is down."""
        if self._ask("/gym/settings?api-version=1", self._endpoint(), method="PUT", body=values) is None:
            raise GymError("the gym does not answer", hint="Start it with `iacagent gym up`.")

    def tell(self, path: str, body: object = None, method: str = "POST", query: dict[str, str] | None = None) -> dict[str, Any]:
        """What a path below /gym/ answers: time, load, ail, faults, deliveries. Raises GymError with the reason of a refusal."""
        from iac_agent.gym.admin import asked

        asked_for = urlencode({"api-version": "1", **(query or {})})
        return asked(self._endpoint(), self.folder / "ca.pem", f"/gym/{path}?{asked_for}", method, body)

    def _ask(self, path: str, endpoint: str, method: str = "GET", body: object = None) -> dict[str, object] | None:
        from iac_agent.gym.admin import ask

        return ask(endpoint, self.folder / "ca.pem", path, method, body)

    # --- environment -----------------------------------------------------------------------------------------------

    def environment(self, major: int = 5) -> dict[str, str]:
        """The variables that point Terraform, azurerm, az and the SDKs at this gym. Raises GymError when it is down."""
        from iac_agent.gym import identity

        state = self.status()
        if not state.running:
            raise GymError("the gym is down", hint="Start it with `iacagent gym up`.")
        authority = str(self.folder / "ca.pem")
        return {
            "IACAGENT_GYM_DIR": str(self.folder),
            "ARM_METADATA_HOSTNAME": urlsplit(state.endpoint).netloc,
            "ARM_TENANT_ID": identity.TENANT,
            "ARM_CLIENT_ID": identity.CLIENT_ID,
            "ARM_CLIENT_SECRET": identity.SECRET,
            "ARM_SUBSCRIPTION_ID": identity.SUBSCRIPTION,
            "ARM_MSI_ENDPOINT": f"{state.endpoint}/msi/token",
            "AZURE_AUTHORITY_HOST": state.endpoint,
            "AZURE_CORE_INSTANCE_DISCOVERY": "false",
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_CONFIG_DIR": str(self.folder / "azure-cli"),
            "ARM_USE_DNS_ZONE_ENDPOINT": "true",
            "CHECKPOINT_DISABLE": "1",
            "GO_AZURE_SDK_SKIP_POLLING_DELAY": "true",
            "SSL_CERT_FILE": authority,
            "REQUESTS_CA_BUNDLE": authority,
            "TF_REATTACH_PROVIDERS": self.reattach(major),
        }

    def reattach(self, major: int) -> str:
        """TF_REATTACH_PROVIDERS for one azurerm major, under the names Terraform and OpenTofu know it by."""
        if major not in VERSIONS:
            raise GymError(f"the gym has azurerm {' and '.join(map(str, VERSIONS))}, not {major}")
        entry = {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": self._pid("provider"),
            "Test": True,
            "Addr": {"Network": "unix", "String": str(self.folder / f"azurerm-{major}.sock")},
        }
        return json.dumps({PROVIDER_ADDRESS: entry, OPENTOFU_ADDRESS: entry})


def _is_ours(pid: int, folder: Path) -> bool:
    """Whether a process id is alive and, where /proc tells, one of this very gym's."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return not Path("/proc/self").exists()
    return state != "Z" and os.fsencode(folder) in argv and any(b"iac_agent.gym" in a for a in argv)


def _wait_gone(pid: int, folder: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            os.waitpid(pid, os.WNOHANG)
        if not _is_ours(pid, folder):
            return
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
