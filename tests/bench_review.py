"""Figures of the bot: a review of a repository with 50 root modules, and webhook deliveries a second, none lost.

python -m tests.bench_review
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from iac_agent.gym.daemon import Gym
from iac_agent.gym.forges import serving
from iac_agent.gym.forges.github import GitHubForge, post
from iac_agent.store.jobs import Jobs
from iac_agent.terraform.binary import find
from tests.bench import IACAGENT, running_gym, seconds, show
from tests.review.repositories import commit, git, put

ROOTS, DELIVERIES, SENDERS = 50, 2_000, 8
SECRET = "a secret of the webhook"
MODULE = """
variable "name" {
  type = string
}

variable "env" {
  type    = string
  default = "test"
}

resource "azurerm_resource_group" "this" {
  name     = "rg-${var.name}"
  location = "westeurope"
  tags     = { env = var.env }
}

resource "azurerm_virtual_network" "this" {
  name                = "vnet-${var.name}"
  location            = azurerm_resource_group.this.location
  resource_group_name = azurerm_resource_group.this.name
  address_space       = ["10.0.0.0/16"]
}
"""


def repository(top: Path, gym: Gym) -> None:
    """So many root modules that call one module, half of them another one too; all applied, with a local state each."""
    top.mkdir()
    git(top, "init", "--quiet", "--initial-branch=main")
    put(top, ".gitignore", ".terraform/\n*.tfstate*\n.iacagent/\n")
    put(top, "modules/network/main.tf", MODULE)
    for number in range(ROOTS):
        call = f'module "n" {{\n  source = "../../modules/network"\n  name   = "r{number}"\n}}\n'
        put(top, f"live/r{number:02}/main.tf", 'provider "azurerm" {\n  features {}\n}\n' + call)
    commit(top)
    environment = {**os.environ, **gym.environment(5)}
    for number in range(ROOTS):
        for arguments in (["init"], ["apply", "-auto-approve"]):
            command = [*find().command, *arguments, "-input=false"]
            subprocess.run(command, cwd=top / f"live/r{number:02}", env=environment, check=True, capture_output=True)


def bench_review(folder: Path, gym: Gym) -> None:
    top = folder / "repository"
    repository(top, gym)
    environment = {**os.environ, **gym.environment(5)}
    git(top, "checkout", "--quiet", "-b", "one")
    put(top, "live/r07/more.tf", "locals {}\n")
    commit(top)
    git(top, "checkout", "--quiet", "-b", "all", "main")
    put(top, "modules/network/main.tf", MODULE.replace('"test"', '"prod"'))
    commit(top)
    for branch, touched in (("one", 1), ("all", ROOTS)):
        for how in ((), ("--static",)):
            git(top, "checkout", "--quiet", branch)
            took = seconds([*IACAGENT, "review", "--base", "main", *how, "--comment", str(folder / "c.md")], top, environment)
            assert f"{touched} root module" in (folder / "c.md").read_text()
            name = f"review of {touched} of {ROOTS} root modules{', static' if how else ', planned twice each, with drift'}"
            show(name, f"{took:.1f} s", "", None)


def bench_deliveries(folder: Path) -> None:
    git(folder, "init", "--quiet", "--bare", "bare.git")
    forge = GitHubForge(folder / "bare.git")
    with serving(forge.app) as api, socket.socket() as free:
        forge.api = api
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        told = {"GITHUB_API_URL": api, "GITHUB_TOKEN": "token-of-the-bot", "GITHUB_WEBHOOK_SECRET": SECRET}
        command = [
            *IACAGENT,
            "serve",
            "--forge",
            "github",
            "--repository",
            forge.full_name,
            "--data",
            str(folder / "data"),
            "--workers",
            "0",
        ]
        server = subprocess.Popen(
            [*command, "--port", str(port)], env={**os.environ, **told}, stderr=subprocess.DEVNULL, start_new_session=True
        )
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.05)
        bodies = [
            json.dumps(
                {"action": "opened", "pull_request": {"number": n}, "repository": {"full_name": forge.full_name}, "x": "y" * 20_000}
            ).encode()
            for n in range(DELIVERIES)
        ]
        url = f"http://127.0.0.1:{port}/webhooks/github"
        begun = time.perf_counter()
        with ThreadPoolExecutor(SENDERS) as pool:
            codes = list(pool.map(lambda raw: post(url, "pull_request", raw, SECRET), bodies))
        took = time.perf_counter() - begun
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    jobs = Jobs(f"sqlite:///{folder / 'data' / 'queue.db'}", folder / "data" / "workers")
    kept = jobs.counts()["queued"]
    jobs.close()
    show(
        f"webhook deliveries of 20 kB, signed, each on disk before its answer ({SENDERS} senders)", f"{DELIVERIES / took:.0f} /s", "", None
    )
    show(
        "  of those answered with 202, on disk after kill -9",
        f"{kept} of {codes.count(202)}",
        "all",
        kept == codes.count(202) == DELIVERIES,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench_deliveries(Path(folder))
    with running_gym() as gym, tempfile.TemporaryDirectory() as folder:
        bench_review(Path(folder), gym)


if __name__ == "__main__":
    sys.exit(main())
