"""What azurerm refuses, and when: real Terraform against the sandbox provider."""

from __future__ import annotations

import pytest

from tests.conftest import Sandbox

HEAD = """
terraform {
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> MAJOR.0"
    }
  }
}

provider "azurerm" {
  features {}
}

variable "wide" {
  type    = bool
  default = false
}

resource "azurerm_resource_group" "main" {
  name     = "rg"
  location = "westeurope"
}
"""
RULE = """
resource "azurerm_network_security_group" "main" {
  name                = "nsg"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
}

resource "azurerm_network_security_rule" "main" {
  name                        = "rule"
  priority                    = 100
  direction                   = "Inbound"
  access                      = "Allow"
  protocol                    = "Tcp"
  source_port_range           = "*"
  destination_port_range      = "22"
  destination_address_prefix  = "*"
  source_address_prefix       = var.wide ? null : "10.0.0.0/8"
  source_address_prefixes     = var.wide ? ["10.0.0.0/8", "192.168.0.0/16"] : null
  resource_group_name         = azurerm_resource_group.main.name
  network_security_group_name = azurerm_network_security_group.main.name
}
"""
SCALE_SET = """
resource "azurerm_linux_virtual_machine_scale_set" "main" {
  name                = "vmss"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  sku                 = "Standard_D2s_v5"
  instances           = 1
  admin_username      = "azureuser"
  ARGUMENTS

  source_image_reference {
    publisher = "Canonical"
    offer     = "ubuntu-24_04-lts"
    sku       = "server"
    version   = "latest"
  }

  os_disk {
    storage_account_type = "Standard_LRS"
    caching              = "ReadWrite"
  }

  network_interface {
    name    = "web"
    primary = true

    ip_configuration {
      name    = "internal"
      primary = true
    }
  }
}
"""
VAULT = """
data "azurerm_client_config" "current" {}

resource "azurerm_key_vault" "main" {
  name                       = "kv-provider-rules"
  location                   = azurerm_resource_group.main.location
  resource_group_name        = azurerm_resource_group.main.name
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  soft_delete_retention_days = 7
  purge_protection_enabled   = true
}
"""
PASSWORD = 'admin_password = "P@ssw0rd1234!"\n  disable_password_authentication = false\n  '


@pytest.mark.parametrize("major", ["4", "5"])
def test_a_choice_between_arguments_may_be_made_by_a_variable(sandbox: Sandbox, major: str) -> None:
    sandbox.write({"main.tf": HEAD.replace("MAJOR", major) + RULE})
    sandbox.up()
    sandbox.terraform("apply", "-auto-approve", "-input=false", "-var", "wide=true")
    assert sandbox.state()["azurerm_network_security_rule.main"]["source_address_prefixes"] == ["10.0.0.0/8", "192.168.0.0/16"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (PASSWORD + 'priority = "Spot"', "an `eviction_policy` must be specified"),
        ("", "at least one `admin_ssh_key` must be specified"),
    ],
)
def test_what_is_refused_when_it_is_created(sandbox: Sandbox, arguments: str, words: str) -> None:
    sandbox.write({"main.tf": HEAD.replace("MAJOR", "5") + SCALE_SET.replace("ARGUMENTS", arguments)})
    sandbox.terraform("init", "-input=false")
    sandbox.terraform("plan", "-input=false")
    ran = sandbox.terraform("apply", "-auto-approve", "-input=false", "-no-color", check=False)
    assert (ran.code, words in ran.err) == (1, True), ran.err


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("purge_protection_enabled   = true", "purge_protection_enabled   = false", "cannot be set to false"),
        ("soft_delete_retention_days = 7", "soft_delete_retention_days = 30", "has been set already"),
    ],
)
def test_a_vault_never_becomes_less_safe(sandbox: Sandbox, before: str, after: str, words: str) -> None:
    sandbox.write({"main.tf": HEAD.replace("MAJOR", "5") + VAULT})
    sandbox.up()
    sandbox.write({"main.tf": HEAD.replace("MAJOR", "5") + VAULT.replace(before, after)})
    ran = sandbox.terraform("apply", "-auto-approve", "-input=false", "-no-color", check=False)
    assert (ran.code, words in ran.err) == (1, True), ran.err


def test_a_private_zone_is_found_without_its_group(sandbox: Sandbox) -> None:
    zone = """
resource "azurerm_private_dns_zone" "main" {
  name                = "corp.internal"
  resource_group_name = azurerm_resource_group.main.name
}

data "azurerm_private_dns_zone" "main" {
  name       = "corp.internal"
  depends_on = [azurerm_private_dns_zone.main]
}
"""
    sandbox.write({"main.tf": HEAD.replace("MAJOR", "5") + zone})
    sandbox.up()
    assert sandbox.state()["data.azurerm_private_dns_zone.main"]["resource_group_name"] == "rg"


def test_a_vault_that_cannot_be_purged_is_recovered(sandbox: Sandbox) -> None:
    sandbox.write({"main.tf": HEAD.replace("MAJOR", "5") + VAULT})
    sandbox.up()
    sandbox.terraform("destroy", "-auto-approve", "-input=false")
    sandbox.up()
    assert sandbox.is_empty_plan()
