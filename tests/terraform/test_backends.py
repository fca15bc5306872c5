"""Every backend of state_backends/ with the real Terraform and a real server: state is kept there, read without a lock, and locked by the
very lock that Terraform takes, in both directions.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iac_agent.errors import NotLockable, StateLocked
from iac_agent.gym import identity
from iac_agent.gym.daemon import Gym
from iac_agent.terraform import pulled, state_lock
from iac_agent.terraform.binary import find
from iac_agent.terraform.runner import Terraform
from tests.conftest import ROOT, Sandbox
from tests.terraform import servers

BACKENDS = ("local", "azurerm", "pg", "s3", "http")
MAIN = """
terraform {{
  backend "{kind}" {{}}
}}

resource "terraform_data" "it" {{
  input = "{value}"
}}
"""
S3 = ("region=eu-central-1", "access_key=x", "secret_key=x", "use_path_style=true", "skip_credentials_validation=true")
S3_SKIPS = ("skip_requesting_account_id=true", "skip_metadata_api_check=true", "skip_region_validation=true")


@contextlib.contextmanager
def _server(kind: str, gym: Gym) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The server of a backend; yields what `init` needs beside the partial configuration, and the environment."""
    endpoint = gym.status().endpoint
    if kind == "azurerm":
        account = Sandbox(Path(tempfile.mkdtemp()), gym)
        account.copy(ROOT / "state_backends" / "azurerm" / "create")
        account.terraform("init", "-no-color")
        account.terraform("apply", "-auto-approve", "-no-color", "-var", "name=stshopstate")
        yield ["resource_group_name=rg-terraform-state", "storage_account_name=stshopstate"], {}
    elif kind == "pg":
        programs = servers.postgres_folder()
        if programs is None:
            pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
        folder = Path(tempfile.mkdtemp(prefix="pg-"))
        with servers.postgres(programs, folder) as connection:
            yield [], {"PG_CONN_STR": connection}
        shutil.rmtree(folder, ignore_errors=True)
    elif kind == "s3":
        with servers.s3() as address:
            yield [f'endpoints={{s3="{address}"}}', *S3, *S3_SKIPS], {}
    elif kind == "http":
        address = f"{endpoint}/state/shop-web"
        signed = {"TF_HTTP_USERNAME": identity.CLIENT_ID, "TF_HTTP_PASSWORD": identity.SECRET}
        yield [f"address={address}", f"lock_address={address}", f"unlock_address={address}"], signed
    else:
        yield [], {}


@pytest.fixture(params=BACKENDS)
def kept(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Sandbox]:
    """A root module whose state is kept in the backend, applied."""
    kind = request.param
    with _server(kind, sandbox.gym) as (settings, environment):
        sandbox.extra = environment
        sandbox.write({"main.tf": MAIN.format(kind=kind, value="one")})
        partial = ROOT / "state_backends" / kind / "backend.hcl"
        sandbox.terraform("init", "-no-color", f"-backend-config={partial}", *(f"-backend-config={s}" for s in settings))
        sandbox.terraform("apply", "-auto-approve", "-no-color")
        yield sandbox


def _runner(sandbox: Sandbox) -> Terraform:
    return Terraform(sandbox.directory, find(sandbox.environment), sandbox.environment)


def test_state_is_read_without_a_lock_and_our_lock_makes_terraform_wait(kept: Sandbox) -> None:
    kind = state_lock.backend(_runner(kept))[0]
    assert kind == "local" or not (kept.directory / "terraform.tfstate").exists()
    with state_lock.held(_runner(kept)):
        found = pulled.resources(_runner(kept).pull())
        refused = kept.terraform("apply", "-auto-approve", "-no-color", check=False)
    assert [r.address for r in found] == ["terraform_data.it"]
    assert refused.code == 1
    assert "Error acquiring the state lock" in refused.err
    kept.write({"main.tf": MAIN.format(kind=kind, value="two")})
    kept.terraform("apply", "-auto-approve", "-no-color")
    assert pulled.resources(_runner(kept).pull())[0].values["output"]["value"] == "two"


def test_the_lock_of_terraform_makes_us_wait(kept: Sandbox) -> None:
    kind = state_lock.backend(_runner(kept))[0]
    kept.write({"main.tf": MAIN.format(kind=kind, value="waiting")})
    with _applying(kept) as process:
        with pytest.raises(StateLocked), state_lock.held(_runner(kept)):
            pytest.fail("the lock was held twice")
        started = time.monotonic()
        timer = subprocess.Popen([sys.executable, "-c", f"import time, os, signal; time.sleep(1.5); os.kill({process.pid}, signal.SIGINT)"])
        with state_lock.held(_runner(kept), "60s"):
            assert time.monotonic() - started > 1
        timer.wait()


@contextlib.contextmanager
def _applying(sandbox: Sandbox) -> Iterator[subprocess.Popen[bytes]]:
    """A `terraform apply` that holds the lock and waits for its approval."""
    log = sandbox.directory / "apply.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*find().command, "apply", "-no-color"],
            cwd=sandbox.directory,
            env=sandbox.environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while "Enter a value" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_killed_holder_lets_go(kept: Sandbox) -> None:
    code = (
        "import os, time\nfrom pathlib import Path\nfrom iac_agent.terraform import state_lock\n"
        "from iac_agent.terraform.binary import find\n"
        "from iac_agent.terraform.runner import Terraform\n"
        "with state_lock.held(Terraform(Path('.'), find(), dict(os.environ))):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], cwd=kept.directory, env={**kept.environment, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        os.kill(holder.pid, signal.SIGKILL)
    with state_lock.held(_runner(kept), "20s"):
        pass


def test_a_command_runs_under_the_lock(sandbox: Sandbox) -> None:
    sandbox.write({"main.tf": MAIN.format(kind="local", value="one")})
    sandbox.up()
    ran = sandbox.iacagent("lock", "--", *find().command, "apply", "-auto-approve", "-no-color")
    assert ran.code == 1
    assert "Error acquiring the state lock" in ran.err
    assert sandbox.iacagent("lock", "--", "true").code == 0
    assert sandbox.iacagent("lock", "--", "no-such-command").err.startswith("Error: no-such-command: not found")


@pytest.mark.parametrize(
    ("settings", "environment", "why"),
    [
        ('{"type": "s3", "config": {"bucket": "b"}}', {}, "the s3 backend does not lock"),
        ('{"type": "http", "config": {"address": "http://x"}}', {}, "the http backend does not lock"),
        ('{"type": "consul", "config": {"lock": false}}', {}, "told not to lock"),
    ],
)
def test_a_backend_that_cannot_be_locked_says_so(settings: str, environment: dict[str, str], why: str, tmp_path: Path) -> None:
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform" / "terraform.tfstate").write_text(f'{{"version": 3, "backend": {settings}}}')
    with pytest.raises(NotLockable, match=why):
        state_lock.require_lockable(Terraform(tmp_path, find(), environment))


def test_without_state_there_is_nothing_to_lock(sandbox: Sandbox) -> None:
    sandbox.write({"main.tf": MAIN.format(kind="local", value="one")})
    sandbox.terraform("init", "-no-color")
    with pytest.raises(NotLockable, match="no state yet"), state_lock.held(_runner(sandbox)):
        pytest.fail("held")
