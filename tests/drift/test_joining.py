"""Importing as one more of its kin: a key of the map that makes them, where that says all; else a block of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Sandbox
from tests.drift.actors import BOB, Azure
from tests.drift.test_reconcile import reconcile

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
  name     = "rg-it"
  location = "westeurope"
}

variable "sets" {
  type = map(object({
    domains = number
    tags    = optional(map(string), {})
  }))
}

resource "azurerm_availability_set" "it" {
  for_each                    = var.sets
  name                        = "avail-${each.key}"
  resource_group_name         = azurerm_resource_group.it.name
  location                    = azurerm_resource_group.it.location
  platform_fault_domain_count = each.value.domains
  tags                        = each.value.tags
}
"""
VALUES = """sets = {
  web = { domains = 2 } # the shop
  db  = { domains = 3 }
}
"""


@pytest.fixture
def sets(sandbox: Sandbox) -> Sandbox:
    sandbox.write({"main.tf": MAIN, "terraform.tfvars": VALUES})
    sandbox.up()
    return sandbox


def make(sandbox: Sandbox, name: str, **more: Any) -> None:
    group = sandbox.state()["azurerm_resource_group.it"]["id"]
    properties = {"platformFaultDomainCount": 2, "platformUpdateDomainCount": 5, **more.pop("properties", {})}
    body = {"location": "westeurope", "sku": {"name": "Aligned"}, "properties": properties, **more}
    Azure(sandbox.gym).done("PUT", f"{group}/providers/Microsoft.Compute/availabilitySets/{name}", body, BOB)


def test_what_fits_the_pattern_becomes_a_key(sets: Sandbox) -> None:
    make(sets, "avail-cache", tags={"owner": "bob"})
    code, outcomes, document = reconcile(sets, "--strategy", "import", "--auto-approve")
    assert (code, outcomes) == (0, {"avail-cache": "imported"}), document
    assert document["settled"][0]["detail"] == 'azurerm_availability_set.it["cache"]'
    assert (sets.directory / "terraform.tfvars").read_text() == (
        "sets = {\n  web   = { domains = 2 } # the shop\n  db    = { domains = 3 }\n"
        '  cache = { domains = 2, tags = { owner = "bob" } }\n}\n'
    )
    assert sets.is_empty_plan()


@pytest.mark.parametrize(("name", "more"), [("other-name", {}), ("avail-slow", {"properties": {"platformUpdateDomainCount": 3}})])
def test_what_does_not_fit_gets_a_block_of_its_own(name: str, more: dict[str, Any], sets: Sandbox) -> None:
    make(sets, name, **more)
    code, outcomes, document = reconcile(sets, "--strategy", "import", "--auto-approve")
    assert (code, outcomes) == (0, {name: "imported"}), document
    assert (sets.directory / "terraform.tfvars").read_text() == VALUES
    assert f"azurerm_availability_set.{name.replace('-', '_')}" in document["settled"][0]["detail"]
    assert sets.is_empty_plan()
