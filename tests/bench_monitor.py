"""1,000 machines at 100 ms a call with ARM's limits in force: `python -m tests.bench_monitor`, a part of `make bench`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from iac_agent.gym.daemon import Gym
from iac_agent.terraform.binary import find

MACHINES = int(os.environ.get("MACHINES", "1000"))
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

resource "azurerm_virtual_network" "it" {
  name                = "vnet-bench"
  resource_group_name = azurerm_resource_group.it.name
  location            = azurerm_resource_group.it.location
  address_space       = ["10.0.0.0/16"]
}

resource "azurerm_subnet" "it" {
  name                 = "snet-bench"
  resource_group_name  = azurerm_resource_group.it.name
  virtual_network_name = azurerm_virtual_network.it.name
  address_prefixes     = ["10.0.0.0/20"]
}

resource "azurerm_network_interface" "it" {
  count               = COUNT
  name                = "nic-${count.index}"
  resource_group_name = azurerm_resource_group.it.name
  location            = azurerm_resource_group.it.location

  ip_configuration {
    name                          = "internal"
    subnet_id                     = azurerm_subnet.it.id
    private_ip_address_allocation = "Dynamic"
  }
}

resource "azurerm_linux_virtual_machine" "it" {
  count                 = COUNT
  name                  = "vm-${count.index}"
  resource_group_name   = azurerm_resource_group.it.name
  location              = azurerm_resource_group.it.location
  size                  = "Standard_B1s"
  admin_username        = "azureuser"
  network_interface_ids = [azurerm_network_interface.it[count.index].id]

  admin_ssh_key {
    username   = "azureuser"
    public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl x"
  }

  os_disk {
    caching              = "ReadWrite"
    storage_account_type = "Standard_LRS"
  }

  source_image_reference {
    publisher = "Canonical"
    offer     = "ubuntu-24_04-lts"
    sku       = "server"
    version   = "latest"
  }
}
"""


def measured(gym: Gym, work: Path, *arguments: str) -> tuple[float, int, int]:
    """Seconds, calls and refusals of one command."""
    before, began = gym.counted(), time.monotonic()
    command = [sys.executable, "-m", "iac_agent.cli.main", *arguments]
    subprocess.run(command, cwd=work, env={**os.environ, **gym.environment(5)}, check=True, stdout=subprocess.DEVNULL)
    after = gym.counted()
    return time.monotonic() - began, after["calls"] - before["calls"], after["refused"] - before["refused"]


def show(what: str, took: float, calls: int, refused: int, most: float, fewest: int) -> None:
    verdict = "ok" if took <= most and refused == 0 else "OVER"
    print(f"{what:<44}{took:6.1f} s   <= {most:g} s   {verdict:<5}{calls} calls ({fewest} batches of 50), {refused} 429s", flush=True)


def main() -> None:
    gym = Gym(Path(tempfile.mkdtemp(prefix="ia-")))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "main.tf").write_text(MAIN.replace("COUNT", str(MACHINES)))
        try:
            gym.up()
            gym.settings(quota={"cores": 10**6, "standardBSFamily": 10**6})
            environment = {**os.environ, **gym.environment(5)}
            for arguments in (("init",), ("apply", "-auto-approve", "-parallelism=40")):
                subprocess.run([*find().command, *arguments, "-no-color"], cwd=work, env=environment, check=True, capture_output=True)
            gym.tell("load", {"vm-7": {"profile": "dying", "hours": 1}, "vm-77": {"profile": "steady", "cpu": 99}})
            gym.tell("time", {"advance": 7200})
            gym.settings(latency_seconds=0.1, throttle=True)
            batches = -(-MACHINES // 50)
            show(f"monitor health, {MACHINES:,} machines, 100 ms a call", *measured(gym, work, "monitor", "health"), 5, batches)
            show(f"monitor top cpu, {MACHINES:,} machines", *measured(gym, work, "monitor", "top", "cpu"), 5, batches)
        finally:
            gym.remove()


if __name__ == "__main__":
    main()
