"""Runs `iacagent` as a process of its own without importing it anew: a process that has imported everything forks for each command.

Half of the time of a short command is its imports, and the suite runs a thousand of them. What is run is the real entry point, in a real
process with its own environment, directory and streams; only that its modules are there already differs from `python -m`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

_PACKAGES = ("cli", "agent", "planner", "drift", "guard", "reconcile", "monitor", "azure", "hcl", "store", "terraform", "review")
_MORE = ("azure.mgmt.compute", "azure.mgmt.network", "azure.identity", "iac_agent.gym.daemon", "z3", "openai")


class Zygote:
    """Forks commands for one test process; started when it is first needed, gone when that ends."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="zy-")
        self._address = str(Path(self._folder) / "s")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.zygote", self._address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        atexit.register(self.close)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        with contextlib.suppress(OSError):
            os.unlink(self._address)
            os.rmdir(self._folder)

    def run(
        self, arguments: list[str], cwd: Path, environment: Mapping[str, str], stdin: str | None = None, timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        """Run `iacagent` with these arguments, as subprocess.run would. Raises subprocess.TimeoutExpired."""
        told = json.dumps({"arguments": arguments, "cwd": str(cwd), "environment": dict(environment)}).encode()
        with tempfile.TemporaryFile() as into, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            into.write((stdin or "").encode())
            into.seek(0)
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(self._address)
                socket.send_fds(line, [len(told).to_bytes(8, "big")], [into.fileno(), out.fileno(), err.fileno()])
                line.sendall(told)
                pid = int.from_bytes(line.recv(8), "big")
                line.settimeout(timeout)
                try:
                    code = int.from_bytes(line.recv(8), "big", signed=True)
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(arguments, timeout) from None
            for stream in (out, err):
                stream.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read().decode(), err.read().decode())


def main(address: str) -> None:
    """Import everything, then fork for each command until whoever started this is gone."""
    for name in _PACKAGES:
        package = importlib.import_module(f"iac_agent.{name}")
        for module in pkgutil.walk_packages(package.__path__, f"iac_agent.{name}."):
            importlib.import_module(module.name)
    for name in _MORE:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1, "a process with threads must not fork"
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        server.settimeout(1)
        print("ready", flush=True)
        while os.getppid() == parent:
            with contextlib.suppress(TimeoutError):
                line, _ = server.accept()
                with line:
                    _serve(line)


def _serve(line: socket.socket) -> None:
    line.settimeout(None)
    size, streams, _, _ = socket.recv_fds(line, 8, 3)
    told = b""
    while len(told) < int.from_bytes(size, "big"):
        told += line.recv(1 << 16)
    pid = os.fork()
    if pid == 0:
        _child(json.loads(told), streams)
    for stream in streams:
        os.close(stream)
    with contextlib.suppress(OSError):
        line.sendall(pid.to_bytes(8, "big"))
        _, status = os.waitpid(pid, 0)
        line.sendall(os.waitstatus_to_exitcode(status).to_bytes(8, "big", signed=True))


def _child(told: dict[str, object], streams: list[int]) -> NoReturn:
    """Be the command: its streams, its directory, its environment, its exit code."""
    code: object = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(str(told["cwd"]))
        os.environ.clear()
        os.environ.update(told["environment"])  # type: ignore[call-overload]
        sys.argv = ["iacagent", *told["arguments"]]  # type: ignore[misc]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from iac_agent.cli.main import main as command

        command()
    except SystemExit as leaving:
        code = leaving.code if leaving.code is not None else 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main(sys.argv[1])
