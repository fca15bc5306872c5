"""The scan beside `terraform plan -refresh-only`, on one gym in one run: `python -m tests.bench_drift`, a part of `make bench`.

Security groups by the thousand at 100 ms a call and with ARM's limits in force. The resources are put into the gym and into the state as
copies of two that Terraform applied.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from iac_agent.gym.daemon import Gym
from iac_agent.terraform.binary import find

MAIN = """
terraform {
  required_providers {
    azurerm = {
      source = "hashicorp/azurerm"
    }
  }
}

provider "azurerm" {
  features {}
}

resource "azurerm_resource_group" "it" {
  name     = "rg-bench"
  location = "westeurope"
}

resource "azurerm_network_security_group" "it" {
  count               = COUNT
  name                = "nsg-${count.index}"
  resource_group_name = azurerm_resource_group.it.name
  location            = azurerm_resource_group.it.location

  security_rule {
    name                       = "https"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "443"
    source_address_prefix      = "Internet"
    destination_address_prefix = "*"
  }
}
"""
PAGE = 1000


def prepared(gym: Gym, folder: Path, count: int) -> dict[str, str]:
    """A root module with `count` groups, applied as far as gym and state can tell. The gym is up afterwards."""
    folder.mkdir()
    environment = {**os.environ, **gym.environment(5)}
    (folder / "main.tf").write_text(MAIN.replace("COUNT", "2"))
    for arguments in (["init"], ["apply", "-auto-approve"]):
        subprocess.run([*find().command, *arguments, "-no-color"], cwd=folder, env=environment, check=True, capture_output=True)
    (folder / "main.tf").write_text(MAIN.replace("COUNT", str(count)))
    _multiply_state(folder / "terraform.tfstate", count)
    gym.down()
    _multiply_resources(gym.folder / "gym.db", count)
    gym.up()
    return {**os.environ, **gym.environment(5)}


def _multiply_state(file: Path, count: int) -> None:
    state = json.loads(file.read_text())
    groups = next(r for r in state["resources"] if r["type"] == "azurerm_network_security_group")
    model = json.dumps(groups["instances"][1])
    groups["instances"] = [{**json.loads(model.replace("nsg-1", f"nsg-{n}")), "index_key": n} for n in range(count)]
    file.write_text(json.dumps(state))


def _multiply_resources(file: Path, count: int) -> None:
    with sqlite3.connect(file) as database:
        key, rid, body, hidden = database.execute("select key, id, body, hidden from resources where key like '%/nsg-1'").fetchone()
        rows = ((*(t.replace("nsg-1", f"nsg-{n}") for t in (key, rid, body)), hidden) for n in range(2, count))
        database.executemany("insert into resources values (?, ?, ?, ?)", rows)
    database.close()


def scanned(folder: Path, environment: dict[str, str], *arguments: str) -> tuple[float, float, dict[str, object]]:
    """Seconds, peak memory in MB and the report of one `drift detect`."""
    command = [sys.executable, "-m", "iac_agent.cli.main", "--json", "drift", "detect", *arguments]
    code = (
        "import json, resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)\n"
        "print(done.stdout.decode()); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *command], cwd=folder, env=environment, text=True, capture_output=True, check=True)
    took = time.perf_counter() - started
    return took, int(done.stderr.split()[-1]) / 1024, json.loads(done.stdout)


def refreshed(folder: Path, environment: dict[str, str]) -> float:
    """Seconds of Terraform's own refresh."""
    started = time.perf_counter()
    arguments = ["plan", "-refresh-only", "-no-color", "-input=false", "-lock=false"]
    subprocess.run([*find().command, *arguments], cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    from tests.bench import show

    for count in (1000, 10_000):
        gym = Gym(Path(tempfile.mkdtemp(prefix="ia-")))
        try:
            gym.up()
            folder = Path(tempfile.mkdtemp()) / "root"
            environment = prepared(gym, folder, count)
            gym.settings(latency_seconds=0.1, throttle=True)
            before = gym.counted()
            took, memory, report = scanned(folder, environment)
            after = gym.counted()
            assert (report["clean"], report["resources"]) == (count + 1, count + 1), report["counts"]
            calls = after["calls"] - before["calls"]
            pages = 2 * (count // PAGE) + 2  # the groups, the graph's rows, the resource group, its list
            large = count == 10_000
            show(
                f"drift scan of {count:,} resources, 100 ms a call",
                f"{took:.1f} s",
                "<= 10 s" if large else "",
                took <= 10 if large else None,
            )
            show("  its peak memory", f"{memory:.0f} MB", "<= 300 MB" if large else "", memory <= 300 if large else None)
            show("  its calls (pages needed)", f"{calls} ({pages})", "<= 2 x", calls <= 2 * pages)
            refused = after["refused"] - before["refused"]
            show("  429s provoked", str(refused), "0", refused == 0)
            gym.settings(throttle=False)
            alone = refreshed(folder, environment)
            show(f"terraform plan -refresh-only of {count:,}, no limits", f"{alone:.1f} s", "", None)
            show("  so the scan is faster by", f"{alone / took:.0f} x", ">= 20 x" if large else "", alone / took >= 20 if large else None)
        finally:
            gym.remove()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    main()
