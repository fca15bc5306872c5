"""Running the real Terraform: streams, errors with places, interrupts, variables, workspaces; also the embedded one."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iac_agent.errors import Interrupted, TerraformFailed, TerraformNotFound
from iac_agent.terraform.binary import Binary, find
from iac_agent.terraform.runner import Inputs, Terraform

EMBEDDED = Binary((sys.executable, "-m", "iac_agent.terraform.embedded"), "terraform (embedded)")
BINARIES = [pytest.param(EMBEDDED, id="embedded")]
if find().command != EMBEDDED.command:
    BINARIES.append(pytest.param(find(), id=find().name))
CONFIG = 'variable "v" {\n  default = "a"\n}\n\nresource "terraform_data" "x" {\n  input = var.v\n}\n'


def terraform(folder: Path, binary: Binary, **environment: str) -> Terraform:
    return Terraform(folder, binary, {**os.environ, **environment})


@pytest.mark.parametrize("binary", BINARIES)
def test_plan_show_apply_state(binary: Binary, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(CONFIG)
    runner = terraform(tmp_path, binary)
    assert runner.version().startswith("1.")
    runner.init()
    lines: list[str] = []
    assert runner.plan(tmp_path / "p", lines.append) is True
    assert any('"planned_change"' in line for line in lines)
    plan = runner.show_plan(tmp_path / "p")
    assert [(c.address, c.action) for c in plan.changes] == [("terraform_data.x", "create")]
    assert plan.digest() == runner.show_plan(tmp_path / "p").digest()
    streamed: list[str] = []
    runner.apply(tmp_path / "p", tmp_path / "log", streamed.append)
    assert any('"apply_complete"' in line for line in streamed)
    assert [r.values["input"] for r in runner.state().resources()] == ["a"]
    assert runner.plan(tmp_path / "p2") is False
    assert runner.workspace() == "default"


@pytest.mark.parametrize("binary", BINARIES)
def test_errors_say_where(binary: Binary, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('resource "terraform_data" "x" {\n  nope = 1\n}\n')
    runner = terraform(tmp_path, binary)
    runner.init()
    with pytest.raises(TerraformFailed) as caught:
        runner.plan(tmp_path / "p")
    (found,) = caught.value.diagnostics
    assert (found.file, found.line) == ("main.tf", 2)
    assert caught.value.returncode == 1


def test_variables_and_files_and_environment_pass_through(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(CONFIG + 'variable "w" {}\noutput "w" {\n  value = var.w\n}\n')
    (tmp_path / "x.tfvars").write_text('v = "from file"\n')
    runner = Terraform(tmp_path, find(), {**os.environ, "TF_VAR_w": "from environment"}, Inputs(var_files=(str(tmp_path / "x.tfvars"),)))
    runner.init()
    runner.plan(tmp_path / "p")
    plan = runner.show_plan(tmp_path / "p")
    assert plan.changes[0].change.after["input"] == "from file"
    assert plan.output_changes["w"].after == "from environment"


def test_workspaces_and_a_data_folder_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(CONFIG)
    runner = terraform(tmp_path, find(), TF_WORKSPACE="blue", TF_DATA_DIR=str(tmp_path / "data"))
    runner.init()
    assert runner.workspace() == "blue"
    assert not (tmp_path / ".terraform").exists()


@pytest.fixture
def _heeds_interrupts() -> Iterator[None]:
    """A shell starts what it runs in the background with interrupts ignored; this test is about them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heeds_interrupts")
@pytest.mark.parametrize("binary", BINARIES)
def test_an_interrupt_is_passed_on_once_and_waited_for(binary: Binary, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'resource "terraform_data" "x" {\n  provisioner "local-exec" {\n    command = "sleep 3; echo done > finished"\n  }\n}\n'
    )
    runner = terraform(tmp_path, binary)
    runner.init()
    runner.plan(tmp_path / "p")
    pids: list[int] = []

    def interrupt() -> None:
        while not pids:
            time.sleep(0.05)
        time.sleep(1.5)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    started = time.monotonic()
    with pytest.raises(Interrupted):
        runner.apply(tmp_path / "p", tmp_path / "log", started=pids.append)
    assert time.monotonic() - started < 30
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert (tmp_path / "terraform.tfstate").exists()


def test_which_terraform(tmp_path: Path) -> None:
    for name in ("terraform", "tofu", "mine"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    path = str(tmp_path)
    assert find({"PATH": path, "IACAGENT_TERRAFORM": "mine"}).command == (str(tmp_path / "mine"),)
    assert find({"PATH": path}).name == "terraform"
    (tmp_path / "terraform").unlink()
    assert find({"PATH": path}).name == "tofu"
    (tmp_path / "tofu").unlink()
    assert find({"PATH": path}).command == EMBEDDED.command
    with pytest.raises(TerraformNotFound):
        find({"PATH": path, "IACAGENT_TERRAFORM": "absent"})
