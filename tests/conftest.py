"""A gym for the tests (one per process), and a sandbox: a root module with Terraform and iacagent pointed at that gym."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.identity import ClientSecretCredential

from iac_agent.azure.provider_version import major_of
from iac_agent.gym import identity
from iac_agent.gym.bench.environment import Environment
from iac_agent.gym.bench.tasks import Prompt
from iac_agent.gym.daemon import Gym
from iac_agent.terraform.binary import find
from tests.zygote import Zygote

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"


Figure = Callable[[str, int, int], None]


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Report that `matched` of `total` fit; the same label from several tests is added up at the end of the run."""

    def report(label: str, matched: int, total: int) -> None:
        record_property("figure", [label, matched, total])

    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    sums: dict[str, list[int]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for label, matched, total in (v for name, v in report.user_properties if name == "figure" and report.when == "call"):
                held = sums.setdefault(label, [0, 0])
                sums[label] = [held[0] + matched, held[1] + total]
    for label in sorted(sums):
        terminalreporter.write_line(f"{label}: {sums[label][0]} of {sums[label][1]}")


@dataclass
class Ran:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@functools.cache
def zygote() -> Zygote:
    """What forks the commands of this test process."""
    return Zygote()


@dataclass
class Sandbox:
    """A root module directory. Commands run as processes of their own, with the environment of the gym."""

    directory: Path
    gym: Gym
    extra: dict[str, str] = field(default_factory=dict)

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def copy(self, folder: Path) -> None:
        shutil.copytree(folder, self.directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*", ".iacagent"))

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.gym.environment(major_of(self.directory)), **self.extra}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "iac_agent.cli.main", *arguments]

    def iacagent(self, *arguments: str, stdin: str | None = None) -> Ran:
        done = zygote().run(list(arguments), self.directory, self.environment, stdin)
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command in the background, in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment,
            text=True,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def terraform(self, *arguments: str, check: bool = True) -> Ran:
        done = subprocess.run(
            [*find().command, *arguments], cwd=self.directory, env=self.environment, text=True, capture_output=True, timeout=240
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
        if check and done.returncode:
            raise AssertionError(f"terraform {' '.join(arguments)}: {ran.out}\n{ran.err}")
        return ran

    def up(self) -> None:
        """Initialise and apply with Terraform alone."""
        self.terraform("init", "-no-color", "-input=false")
        self.terraform("apply", "-auto-approve", "-no-color", "-input=false")

    def is_empty_plan(self) -> bool:
        return self.terraform("plan", "-detailed-exitcode", "-no-color", "-input=false", check=False).code == 0

    def files(self) -> dict[str, bytes]:
        """The user's files, as bytes."""
        return {p.name: p.read_bytes() for p in sorted(self.directory.glob("*.tf*")) if p.is_file() and "tfstate" not in p.name}

    def state(self) -> dict[str, dict[str, Any]]:
        shown = json.loads(self.terraform("show", "-json").out)
        return {r["address"]: r["values"] for r in shown.get("values", {}).get("root_module", {}).get("resources", [])}

    def group(self) -> str:
        """The name of the first resource group in the state."""
        listed = self.terraform("state", "list").out.split()
        address = next(a for a in listed if ".azurerm_resource_group." in f".{a}")
        shown = self.terraform("state", "show", "-no-color", address).out
        return re.search(r'^\s*name\s*= "(.*)"', shown, re.MULTILINE)[1]  # type: ignore[index]


@pytest.fixture(scope="session")
def one_gym() -> Iterator[Gym]:
    """A gym for this process. Its folder is short: Unix sockets allow no more than about 100 characters."""
    folder = Path(tempfile.mkdtemp(prefix="ia-"))
    gym = Gym(folder)
    gym.up()
    yield gym
    gym.remove()


@pytest.fixture
def gym(one_gym: Gym) -> Gym:
    """The gym, empty."""
    one_gym.reset()
    one_gym.settings(operation_seconds=0, clock_offset=0, quota={}, deleted_vaults={}, throttle=False, latency_seconds=0)
    one_gym.settings(graph_lag_seconds=0, activity_delay_seconds=0, token_seconds=24 * 3600, faults=[], forbidden=[])
    return one_gym


def client_options(gym: Gym) -> dict[str, Any]:
    """How an azure-mgmt client is pointed at the gym."""
    endpoint, authority = gym.status().endpoint, str(gym.folder / "ca.pem")
    credential = ClientSecretCredential(
        identity.TENANT,
        identity.CLIENT_ID,
        identity.SECRET,
        authority=endpoint,
        disable_instance_discovery=True,
        connection_verify=authority,
    )
    return {
        "credential": credential,
        "subscription_id": identity.SUBSCRIPTION,
        "base_url": endpoint,
        "credential_scopes": [f"{endpoint}/.default"],
        "connection_verify": authority,
        "polling_interval": 0,
    }


@pytest.fixture
def sandbox(tmp_path: Path, gym: Gym) -> Sandbox:
    folder = tmp_path / "root"
    folder.mkdir()
    return Sandbox(folder, gym)


Scene = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def _scenes() -> dict[str, Path]:
    return {}


@pytest.fixture
def scene(gym: Gym, _scenes: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Set a scene by its name (small letters): what builds it is run once, then the gym goes back to it; the folder it was built in."""

    def set_scene(name: str, build: Callable[[Path], None]) -> Path:
        if name in _scenes:
            gym.rewind(name)
        else:
            folder = tmp_path_factory.mktemp(name)
            build(folder)
            gym.checkpoint(name)
            _scenes[name] = folder
        return _scenes[name]

    return set_scene


@pytest.fixture
def web_tier(sandbox: Sandbox, scene: Scene) -> Sandbox:
    """examples/web-tier, applied."""

    def build(folder: Path) -> None:
        made = Sandbox(folder, sandbox.gym)
        made.copy(ROOT / "examples" / "web-tier")
        made.up()

    shutil.copytree(scene("webtier", build), sandbox.directory, symlinks=True, dirs_exist_ok=True)
    return sandbox


@pytest.fixture(scope="session")
def own_gym() -> Iterator[Environment]:
    """A gym of its own that a test sets the scene in: each reset puts it back in a fraction of a second."""
    with Environment() as bench:
        yield bench


@pytest.fixture
def fleet(own_gym: Environment) -> Environment:
    """The benchmark's fleet, applied, nothing wrong with it."""
    own_gym.reset(Prompt("test", "test", "fleet", 0, "", "ask", {}))
    return own_gym
