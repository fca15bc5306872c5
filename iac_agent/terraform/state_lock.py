"""Taking exactly the lock that Terraform takes, whatever the backend, for what is done outside Terraform.

It is Terraform that takes it: `terraform state replace-provider P P` locks the state, asks whether to go on, and waits. While it waits the
lock is held; it is told no, and so changes nothing. When we die, it reads the end of its input and lets go: no lock is left behind.
(`terraform console` locks in 1.11, but no longer in 1.15.) Source: internal/command/state_replace_provider.go of Terraform.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from iac_agent.errors import Interrupted, NotLockable
from iac_agent.terraform import argv
from iac_agent.terraform.diagnostics import failure
from iac_agent.terraform.runner import Terraform

_ASKING = "Only 'yes' will be accepted"
_PROVIDER = re.compile(r'provider\["([^"]+)"\]')
_DROPPED = ("TF_CLI_ARGS", "TF_INPUT", "TF_CLI_ARGS_state_replace-provider")
_LETTING_GO = 30.0
# What makes a backend lock, where it does not always: any of these arguments, set.
_IF_SET = {"s3": ("use_lockfile", "dynamodb_table"), "http": ("lock_address",), "oss": ("tablestore_endpoint",)}


@contextmanager
def held(terraform: Terraform, timeout: str = "") -> Iterator[None]:
    """Hold the state lock. `timeout` is a Terraform duration to wait for it.

    Raises NotLockable where the backend has no lock or no state, StateLocked when it is not free in time, TerraformFailed.
    """
    provider = _some_provider(terraform)
    require_lockable(terraform)
    environment = {k: v for k, v in terraform.environment.items() if k not in _DROPPED}
    command = [*terraform.binary.command, *argv.replace_provider(provider, timeout)]
    with tempfile.TemporaryFile("w+b") as output:  # a pipe would break when we die, and Terraform before it lets go
        process = subprocess.Popen(
            command,
            cwd=terraform.directory,
            env={**environment, "TF_IN_AUTOMATION": "1"},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_held(process, output.fileno())
            yield
        finally:
            _let_go(process)


def _wait_until_held(process: subprocess.Popen[bytes], output: int) -> None:
    try:
        while _ASKING not in _read(output):
            if process.poll() is not None:
                raise failure("state lock", process.returncode, _read(output).splitlines(), "")
            time.sleep(0.02)
    except KeyboardInterrupt:
        raise Interrupted("interrupted while waiting for the state lock") from None


def _read(output: int) -> str:
    return os.pread(output, 1 << 16, 0).decode("utf-8", "replace")


def _let_go(process: subprocess.Popen[bytes]) -> None:
    try:
        process.communicate(b"no\n", _LETTING_GO)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _some_provider(terraform: Terraform) -> str:
    """A provider that the state names."""
    found = _PROVIDER.search(terraform.pull().decode("utf-8", "replace").replace('\\"', '"'))
    if found is None:
        raise NotLockable("there is no state yet, so there is nothing to lock", hint="Run `terraform apply` first.")
    return found[1]


def require_lockable(terraform: Terraform) -> None:
    """Raise NotLockable when the backend, as it is configured, does not lock."""
    kind, settings = backend(terraform)
    needed = _IF_SET.get(kind)
    if needed and not any(settings.get(n) for n in needed) and not (kind == "http" and terraform.environment.get("TF_HTTP_LOCK_ADDRESS")):
        raise NotLockable(f"the {kind} backend does not lock as it is configured", hint=f"Set {' or '.join(needed)} in its configuration.")
    if kind == "consul" and settings.get("lock") is False:
        raise NotLockable("the consul backend was told not to lock", hint="Remove `lock = false` from its configuration.")


def backend(terraform: Terraform) -> tuple[str, Mapping[str, Any]]:
    """The backend that `terraform init` chose, and its settings; `local` where there is none."""
    kept = terraform.directory / terraform.environment.get("TF_DATA_DIR", ".terraform") / "terraform.tfstate"
    try:
        held = json.loads(kept.read_text("utf-8")).get("backend") or {}
    except (OSError, ValueError):
        return "local", {}
    return str(held.get("type") or "local"), held.get("config") or {}
