"""Running Terraform in one directory: streamed, interruptible, and with errors that say where."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from iac_agent.errors import Interrupted, NotInitialised, TerraformFailed
from iac_agent.terraform import argv
from iac_agent.terraform.argv import Inputs
from iac_agent.terraform.binary import Binary
from iac_agent.terraform.diagnostics import failure, parse_line
from iac_agent.terraform.models import Plan, State

GRACE_SECONDS = 120.0
_TAIL_SECONDS = 0.05
OnLine = Callable[[str], None]


def _ignore(_: str) -> None:
    """The default listener: nobody wants the lines."""


@dataclass(frozen=True)
class Result:
    """What a command printed and returned."""

    returncode: int
    lines: list[str]
    errors: str

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True)
class Terraform:
    """One root module directory and how Terraform is run there. TF_* of `environment` pass through unchanged."""

    directory: Path
    binary: Binary
    environment: Mapping[str, str]
    inputs: Inputs = field(default_factory=Inputs)
    grace: float = GRACE_SECONDS

    def at(self, directory: Path, **environment: str) -> Terraform:
        """The same, in another directory, with more environment."""
        return replace(self, directory=directory, environment={**self.environment, **environment})

    # --- commands ------------------------------------------------------------------------------------------------

    def version(self) -> str:
        """The version, as `1.11.4`."""
        return str(json.loads(self._run("version", argv.version()).text)["terraform_version"])

    def init(self, on_line: OnLine = _ignore, *, upgrade: bool = False, backend: tuple[str, ...] = ()) -> None:
        """Install what the directory needs. `backend` are files of the backend's configuration."""
        self._run("init", argv.init(upgrade=upgrade, backend=backend), on_line)

    def plan(
        self,
        out: Path,
        on_line: OnLine = _ignore,
        *,
        targets: tuple[str, ...] = (),
        refresh: bool = True,
        destroy: bool = False,
        refresh_only: bool = False,
    ) -> bool:
        """Write a plan file; True when it changes something. Raises TerraformFailed, NotInitialised, StateLocked."""
        built = argv.plan(self.inputs, out, targets=targets, refresh=refresh, destroy=destroy, refresh_only=refresh_only)
        return self._run("plan", built, on_line, accept=(0, 2)).returncode == 2

    def show_plan(self, plan_file: Path) -> Plan:
        return Plan.model_validate(json.loads(self._run("show", argv.show(plan_file)).text))

    def apply(self, plan_file: Path, log: Path, on_line: OnLine = _ignore, started: Callable[[int], None] | None = None) -> None:
        """Apply exactly this plan file. The output goes to `log`, so that Terraform finishes even if we are killed.

        `started` gets the process id. Raises TerraformFailed (StalePlan, AlreadyExists, ...) or Interrupted.
        """
        self._run("apply", argv.apply(plan_file, self.inputs), on_line, log=log, started=started)

    def state(self) -> State:
        """The current state, without refreshing it."""
        return State.model_validate(json.loads(self._run("show", argv.show()).text or "{}"))

    def state_or_empty(self) -> State:
        """The current state; an empty one where `terraform init` never ran, so that nothing is managed yet."""
        try:
            return self.state()
        except NotInitialised:
            return State()

    def pull(self) -> bytes:
        """The state as the backend keeps it, without a lock and without a provider. Empty when nothing was applied yet."""
        command = [*self.binary.command, *argv.state_pull()]
        done = subprocess.run(command, cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode:
            raise failure("state pull", done.returncode, done.stdout.decode().splitlines(), done.stderr.decode("utf-8", "replace"))
        return done.stdout

    def import_resource(self, address: str, resource_id: str, on_line: OnLine = _ignore) -> None:
        self._run("import", argv.import_resource(address, resource_id, self.inputs), on_line)

    def workspace(self) -> str:
        return self._run("workspace show", argv.workspace_show()).text.strip()

    def workspaces(self) -> list[str]:
        """Every workspace of the backend; the default alone where it has none or was not initialised."""
        try:
            lines = self._run("workspace list", argv.workspace_list()).lines
        except TerraformFailed:
            return ["default"]
        return [name for line in lines if (name := line.strip(" *"))]

    # --- running -------------------------------------------------------------------------------------------------

    def _run(
        self,
        name: str,
        arguments: list[str],
        on_line: OnLine = _ignore,
        *,
        accept: tuple[int, ...] = (0,),
        log: Path | None = None,
        started: Callable[[int], None] | None = None,
    ) -> Result:
        result = self._execute(arguments, on_line, log, started)
        if result.returncode not in accept:
            raise failure(name, result.returncode, result.lines, result.errors)
        return result

    def _execute(self, arguments: list[str], on_line: OnLine, log: Path | None, started: Callable[[int], None] | None) -> Result:
        command = [*self.binary.command, *arguments]
        environment = {**self.environment, "TF_IN_AUTOMATION": self.environment.get("TF_IN_AUTOMATION", "1")}
        sink = log.open("wb") if log else None
        process = subprocess.Popen(
            command,
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink or subprocess.PIPE,
            stderr=subprocess.STDOUT if sink else subprocess.PIPE,
            start_new_session=True,
        )
        if sink:
            sink.close()
        if started:
            started(process.pid)
        errors: list[str] = []
        drain = threading.Thread(target=_drain, args=(process.stderr, errors), daemon=True)
        drain.start()
        lines: list[str] = []
        try:
            for line in _tail(log, process) if log else _lines(process.stdout):
                lines.append(line)
                on_line(line)
            process.wait()
        except KeyboardInterrupt:
            self._interrupt(process)
            raise Interrupted("interrupted; Terraform was stopped in an orderly way") from None
        finally:
            drain.join(1)
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        return Result(process.returncode, lines, "".join(errors))

    def _interrupt(self, process: subprocess.Popen[bytes]) -> None:
        """One interrupt, then wait; a second Ctrl-C is passed on, after which Terraform gives up at once."""
        deadline = time.monotonic() + self.grace
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        while process.poll() is None:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
            except subprocess.TimeoutExpired:
                process.kill()


def _lines(stream: IO[bytes] | None) -> Iterator[str]:
    assert stream is not None
    for raw in stream:
        yield raw.decode("utf-8", "replace").rstrip("\r\n")


def _drain(stream: IO[bytes] | None, into: list[str]) -> None:
    if stream is not None:
        with contextlib.suppress(ValueError, OSError):
            into.extend(raw.decode("utf-8", "replace") for raw in stream)


def _tail(log: Path, process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Lines of a growing file until the process has ended and everything is read."""
    pending = b""
    with log.open("rb") as stream:
        while True:
            ended = process.poll() is not None
            chunk = stream.read()
            pending += chunk
            *complete, pending = pending.split(b"\n")
            for raw in complete:
                yield raw.decode("utf-8", "replace").rstrip("\r")
            if ended and not chunk:
                break
            if not chunk:
                time.sleep(_TAIL_SECONDS)
    if pending:
        yield pending.decode("utf-8", "replace")


def messages(lines: list[str]) -> Iterator[dict[str, Any]]:
    """The `-json` messages among lines."""
    for line in lines:
        message = parse_line(line)
        if message is not None:
            yield message


def read_log(log: Path) -> list[str]:
    return log.read_text("utf-8", "replace").splitlines() if log.exists() else []


def default_environment() -> dict[str, str]:
    """The environment Terraform gets: ours."""
    return dict(os.environ)


__all__ = ["Inputs", "Result", "Terraform", "TerraformFailed", "default_environment", "messages", "read_log"]
