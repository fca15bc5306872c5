"""The recipes' own examples on one small configuration: run as tests, and made into docs/requests.md by running this module."""

from __future__ import annotations

import tempfile
from pathlib import Path

from iac_agent.hcl.module import RootModule
from iac_agent.planner.builtin import BuiltinPlanner
from iac_agent.planner.protocol import Answer, ChangeSet, Context
from iac_agent.planner.recipes import all_recipes
from iac_agent.terraform.models import State

DOCS = Path(__file__).parent.parent.parent / "docs" / "requests.md"
_NIC = (
    'resource "azurerm_network_interface" "{0}" {{\n  name                = "nic-{0}"\n  location            = '
    "azurerm_resource_group.main.location\n"
    "  resource_group_name = azurerm_resource_group.main.name\n\n  ip_configuration {{\n"
    '    name                          = "internal"\n    subnet_id                     = azurerm_subnet.app.id\n'
    '    private_ip_address_allocation = "Dynamic"\n  }}\n}}\n'
)
_VM = (
    'resource "azurerm_linux_virtual_machine" "{0}" {{\n  name                  = "vm-{0}"\n  location              = '
    "azurerm_resource_group.main.location\n"
    '  resource_group_name   = azurerm_resource_group.main.name\n  size                  = "{1}"\n  admin_username        = "ops"\n'
    '  network_interface_ids = [azurerm_network_interface.{0}.id]\n  tags                  = {{ env = "prod", owner = '
    '"web", role = "{0}" }}\n{2}\n'
    '  admin_ssh_key {{\n    username   = "ops"\n    public_key = file("key.pub")\n  }}\n\n  os_disk {{\n    caching       '
    '       = "ReadWrite"\n'
    '    storage_account_type = "Premium_LRS"\n    disk_size_gb         = 64\n  }}\n}}\n'
)
_RULE = (
    '\n  security_rule {{\n    name                       = "{0}"\n    priority                   = {1}\n    direction     '
    '             = "Inbound"\n'
    '    access                     = "Allow"\n    protocol                   = "Tcp"\n    source_port_range          = "*"\n'
    '    destination_port_range     = "{2}"\n    source_address_prefix      = "10.1.0.0/16"\n    destination_address_prefix = "*"\n  }}\n'
)
SAMPLE = (
    'variable "worker_size" {\n  default = "Standard_F2s_v2"\n}\n\n'
    'resource "azurerm_resource_group" "main" {\n  name     = "rg-main"\n  location = "westeurope"\n}\n\n'
    'resource "azurerm_subnet" "app" {\n  name                 = "snet-app"\n  resource_group_name  = '
    "azurerm_resource_group.main.name\n}\n\n"
    + _NIC.format("web")
    + _VM.format("web", "Standard_D2s_v5", "\n")
    + _NIC.format("db")
    + _VM.format(
        "db", "Standard_D4s_v5", '  priority              = "Spot"\n  eviction_policy       = "Deallocate"\n\n  boot_diagnostics {\n  }\n'
    )
    + 'resource "azurerm_managed_disk" "data" {\n  name         = "disk-db-data"\n  location     = '
    "azurerm_resource_group.main.location\n  disk_size_gb = 256\n}\n\n"
    'resource "azurerm_virtual_machine_data_disk_attachment" "data" {\n  managed_disk_id    = azurerm_managed_disk.data.id\n'
    "  virtual_machine_id = azurerm_linux_virtual_machine.db.id\n  lun                = 0\n}\n\n"
    'resource "azurerm_network_security_group" "web" {\n  name                = "nsg-web"\n  location            = '
    "azurerm_resource_group.main.location\n" + _RULE.format("allow-ssh", 100, "22") + _RULE.format("allow-rdp", 110, "3389") + "}\n\n"
    'resource "azurerm_monitor_action_group" "oncall" {\n  name                = "ag-oncall"\n'
    '  resource_group_name = azurerm_resource_group.main.name\n  short_name          = "oncall"\n}\n\n'
    'resource "azurerm_storage_account" "logs" {\n  name     = "stlogs"\n  location = "westeurope"\n}\n\n'
    'resource "azurerm_linux_virtual_machine" "worker" {\n  count = 2\n\n  name     = "vm-worker-${count.index}"\n  '
    "location = azurerm_resource_group.main.location\n"
    "  size     = var.worker_size\n}\n"
)


def answer(request: str, text: str = SAMPLE) -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.tf").write_text(text)
        return BuiltinPlanner().plan(request, Context(RootModule(Path(folder)), State(), 5))


def page() -> str:
    """docs/requests.md: every recipe with its examples and the edits they make."""
    lines = [
        "# Requests by example",
        "",
        "Generated from the recipes by `python -m tests.planner.examples`; the test suite checks that it is current. The edits "
        "are those on a",
        "small root module with two machines, a data disk, a security group and two workers by `count` (`tests/planner/examples.py`).",
        "",
    ]
    for recipe in all_recipes():
        lines += [f"## {recipe.title[0].upper()}{recipe.title[1:]}", ""]
        for example in recipe.examples:
            lines += [f"    iacagent apply {example!r}".replace("'", '"'), ""]
            found = answer(example)
            if isinstance(found, ChangeSet):
                lines += [f"- `{e.address}`: {' '.join(e.describe().split())[:150]}" for e in found.edits[:8]]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    DOCS.write_text(page(), encoding="utf-8")
