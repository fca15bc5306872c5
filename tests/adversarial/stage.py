"""The root module of the stage, and what must be as before after an attack that was stopped."""

from __future__ import annotations

import contextlib
import io
import json
import os
import traceback
from dataclasses import dataclass
from typing import Any
from unittest import mock

from iac_agent.cli.main import run
from tests.conftest import Ran, Sandbox

MAIN = """terraform {
  required_providers {
    azurerm = {
      source = "hashicorp/azurerm"
    }
  }
}

provider "azurerm" {
  features {}
}

resource "azurerm_resource_group" "g" {
  name     = "rg-stage"
  location = "westeurope"
}

resource "azurerm_network_security_group" "n" {
  name                = "nsg-stage"
  location            = azurerm_resource_group.g.location
  resource_group_name = azurerm_resource_group.g.name

  security_rule {
    name                       = "https"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "443"
    source_address_prefix      = "10.0.0.0/8"
    destination_address_prefix = "*"
  }
}

resource "azurerm_storage_account" "s" {
  name                            = "ststage0001"
  location                        = azurerm_resource_group.g.location
  resource_group_name             = azurerm_resource_group.g.name
  account_tier                    = "Standard"
  account_replication_type        = "LRS"
  https_traffic_only_enabled      = true
  allow_nested_items_to_be_public = false
}

resource "azurerm_storage_container" "c" {
  name                  = "data"
  storage_account_id    = azurerm_storage_account.s.id
  container_access_type = "private"
}

resource "azurerm_managed_disk" "d" {
  name                 = "disk-stage"
  location             = azurerm_resource_group.g.location
  resource_group_name  = azurerm_resource_group.g.name
  storage_account_type = "Standard_LRS"
  create_option        = "Empty"
  disk_size_gb         = 32
}

resource "azurerm_management_lock" "l" {
  name       = "lock-stage"
  scope      = azurerm_storage_account.s.id
  lock_level = "CanNotDelete"
}
"""
GROUP, NSG, STORAGE = "azurerm_resource_group.g", "azurerm_network_security_group.n", "azurerm_storage_account.s"
CONTAINER, DISK, LOCK = "azurerm_storage_container.c", "azurerm_managed_disk.d", "azurerm_management_lock.l"


@dataclass
class Stage(Sandbox):
    """A sandbox with a look at everything that an attack could have changed."""

    def rewind(self) -> None:
        """Put Azure back as it was: an attack that succeeds must not show in those after it."""
        self.gym.rewind()

    def azure(self) -> dict[str, Any]:
        """Every resource of the gym, as Azure would tell it."""
        found = self.gym.tell("resources", method="GET")["resources"]
        return {str(r["id"]).lower(): r["body"] for r in found}

    def everything(self) -> dict[str, bytes]:
        """The files of the repository but the agent's own, by their paths."""
        top = self.directory.parent
        return {
            str(p.relative_to(top)): p.read_bytes()
            for p in sorted(top.rglob("*"))
            if p.is_file() and not {".iacagent", ".git", ".terraform"} & set(p.parts)
        }

    def inside(self, *arguments: str) -> Ran:
        """The command line in this process: a second faster than in one of its own."""
        out, err = io.StringIO(), io.StringIO()
        quiet = mock.patch("sys.stdin", io.StringIO())
        before = os.getcwd()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), mock.patch.dict(os.environ, self.environment), quiet:
            os.chdir(self.directory)
            try:
                code = run(list(arguments))
            except Exception:
                err.write(traceback.format_exc())
                code = 1
            finally:
                os.chdir(before)
        return Ran(code, out.getvalue(), err.getvalue())

    def error(self, *arguments: str) -> tuple[Ran, dict[str, Any]]:
        """Run with --json: what it returned, and the error it tells."""
        ran = self.inside("--json", *arguments)
        told = json.loads(ran.out) if ran.out.strip().startswith("{") else {}
        return ran, told.get("error", {})
