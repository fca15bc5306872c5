"""examples/nightly: the job that all schedulers run is run here, twice and overlapping; their files are read as what they are."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from iac_agent.cli import config
from tests.conftest import ROOT, Sandbox
from tests.drift.actors import ALICE, BOB, Azure
from tests.drift.strangers import RULE
from tests.drift.test_scan import NSG, VM, ids, tag

NIGHTLY = ROOT / "examples" / "nightly"


@pytest.fixture
def repository(web_tier: Sandbox) -> Sandbox:
    """web-tier as a repository with a remote, the example's rules and the job, drifted by two people."""
    root = web_tier.directory
    (root / ".gitignore").write_text(".terraform*\n*.tfstate*\n.iacagent/\n")
    rules = (NIGHTLY / "iacagent.yaml").read_text().replace('root_modules: ["envs/dev*", "envs/test*"]', "root_modules: ['.']")
    (root / ".iacagent.yaml").write_text(rules.split("  notify:")[0])
    remote = root.parent / "remote.git"
    commands = [["init", "-q", "-b", "main"], ["add", "-A"], ["-c", "user.email=o@x", "-c", "user.name=o", "commit", "-qm", "all"]]
    commands += [["init", "-q", "--bare", str(remote)], ["remote", "add", "origin", str(remote)]]
    for command in commands:
        subprocess.run(["git", *command], cwd=root, check=True)
    azure, held = Azure(web_tier.gym), ids(web_tier)
    machine = azure.done("GET", held[VM])
    machine["properties"]["hardwareProfile"]["vmSize"] = "Standard_D4s_v5"
    azure.done("PUT", held[VM], machine, ALICE)
    azure.done("PUT", f"{held[NSG]}/securityRules/open", RULE, BOB)
    tag(azure, held["azurerm_public_ip.web"], BOB, **{"cost-center": "4711"})
    return web_tier


def job(sandbox: Sandbox) -> subprocess.Popen[str]:
    """drift.sh, with `iacagent` on PATH."""
    folder = sandbox.directory.parent / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "iacagent").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m iac_agent.cli.main "$@"\n')
    (folder / "iacagent").chmod(0o755)
    environment = {**sandbox.environment, "PATH": f"{folder}:{os.environ['PATH']}", "DRIFT_PUSH": "origin", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        ["bash", str(NIGHTLY / "drift.sh")],
        cwd=sandbox.directory,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )


def test_the_job_does_what_the_rules_say_and_comes_to_rest(repository: Sandbox) -> None:
    first = job(repository)
    out, err = first.communicate(timeout=200)
    assert first.returncode == 2, out + err
    assert f"proposed   {VM}: on branch drift/adopt" in out
    assert f"reverted   {NSG}" in out
    assert "azurerm_public_ip.web" not in out
    pushed = subprocess.run(["git", "ls-remote", "origin"], cwd=repository.directory, text=True, capture_output=True, check=True).stdout
    assert "refs/heads/drift/adopt" in pushed
    assert subprocess.run(["git", "status", "--porcelain"], cwd=repository.directory, text=True, capture_output=True).stdout == ""
    subprocess.run(["git", "merge", "-q", "drift/adopt"], cwd=repository.directory, check=True)
    repository.terraform("apply", "-auto-approve", "-no-color", "-target", VM)
    second = job(repository)
    out, err = second.communicate(timeout=200)
    assert second.returncode == 0, out + err
    assert "No drift" in out


def test_two_runs_never_overlap(repository: Sandbox) -> None:
    repository.gym.settings(latency_seconds=0.3)
    first = job(repository)
    held = repository.directory / ".iacagent" / "lock.json"
    deadline = time.monotonic() + 60
    while not held.exists():
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    second = job(repository)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "another run holds this root module" in err
    first.communicate(timeout=200)
    assert first.returncode == 2


def test_the_rules_are_valid(tmp_path: Path) -> None:
    settings = config.load(tmp_path, NIGHTLY / "iacagent.yaml")
    assert [str(r.action) for r in settings.drift.rules] == ["revert", "ignore", "adopt"]


@pytest.mark.parametrize("name", ["github-actions.yml", "azure-pipelines.yml", "cronjob.yaml"])
def test_the_schedulers_files_run_the_job(name: str) -> None:
    text = (NIGHTLY / name).read_text()
    assert isinstance(yaml.safe_load(text), dict)
    assert "./drift.sh envs/prod envs/dev" in text
    for line in text.splitlines():
        if "iacagent " in line and "drift " in line and "name:" not in line:
            words = line.split("iacagent ", 1)[1].replace("- script:", "").split()
            command = [w for w in words if not w.startswith((">", '"$'))]
            helped = subprocess.run(
                [sys.executable, "-m", "iac_agent.cli.main", *command[2:4], "--help"], text=True, capture_output=True, cwd=ROOT, check=True
            )
            assert all(option in helped.stdout for option in command if option.startswith("--")), line


def test_the_units_are_units() -> None:
    for name, section in (("iacagent-drift.service", "Service"), ("iacagent-drift.timer", "Timer")):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read(NIGHTLY / name)
        assert unit.has_section(section)
