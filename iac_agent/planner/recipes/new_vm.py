"""`create a linux vm called api in subnet app`: a network interface and one machine, in the subnet that is there."""

from __future__ import annotations

import re

from iac_agent.hcl.edits import AddTopLevel
from iac_agent.planner.inventory import Inventory, Resource, literal_text
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Expectation, Question, Refusal
from iac_agent.planner.resolve import mentions

_TOPIC = re.compile(
    r"\b(create|add|provision|deploy|new|launch|spin up|need)\b.*\b(linux |ubuntu )?(vm|virtual machine|server|machine)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"\b(?:called|named|name)\s+[\"']?([A-Za-z][\w-]*)", re.IGNORECASE)
_SIZE = re.compile(r"\bStandard_\w+\b")
_DEFAULT_SIZE = "Standard_B2s"
_KEY = re.compile(r"(ssh-(?:rsa|ed25519) \S+)")


class NewVm:
    title = "create one new Linux VM in an existing subnet"
    example = "create a linux vm called api in subnet app"

    def plan(self, request: str, inventory: Inventory, context: Context) -> Answer | None:
        if not _TOPIC.search(request) or re.search(r"\b(disk|diagnostics|tag|windows|spot)\b", request, re.IGNORECASE):
            return None
        name = _NAME.search(request)
        if not name:
            return Refusal("Name the new machine, as in: create a linux vm called api.")
        subnets = [r for r in inventory.of_types(("azurerm_subnet",)) if not r.module.path]
        if not subnets:
            return Refusal("There is no subnet in this root module to put a machine in.")
        chosen = _choose(request, subnets, context.answer)
        if chosen is None:
            return Question("Which subnet should the new machine be in?", {s.address: s.describe() for s in subnets})
        groups = [r for r in inventory.of_types(("azurerm_resource_group",)) if not r.module.path]
        if len(groups) != 1:
            return Refusal("A new machine needs exactly one resource group in this root module.")
        access = _access(request, inventory)
        if access is None:
            return Refusal("A new machine needs an SSH public key: put it in the request (ssh-ed25519 ...).")
        size = _SIZE.search(request)
        return _change(name[1], chosen, groups[0], access, size[0] if size else _DEFAULT_SIZE)


def _choose(request: str, subnets: list[Resource], answer: str) -> Resource | None:
    if answer:
        return next((s for s in subnets if answer in (s.address, s.label, *s.azure_names)), None)
    named = [s for s in subnets if any(mentions(request, n) for n in [s.label, *s.azure_names])]
    pool = named or subnets
    return pool[0] if len(pool) == 1 else None


def _access(request: str, inventory: Inventory) -> tuple[str, str] | None:
    """Admin name and the source of an SSH public key: from the request, else as another machine here has it."""
    given = _KEY.search(request)
    for machine in inventory.of_types(("azurerm_linux_virtual_machine",)):
        for block in machine.block.blocks:
            if block.type == "admin_ssh_key" and "public_key" in block.attributes and not machine.module.path:
                source = block.document.text(block.attributes["public_key"].value)
                return literal_text(block, "username") or "azureuser", f'"{given[1]}"' if given else source
    return ("azureuser", f'"{given[1]}"') if given else None


def _change(name: str, subnet: Resource, group: Resource, access: tuple[str, str], size: str) -> ChangeSet:
    label = re.sub(r"\W", "_", name)
    user, key = access
    nic = f"""resource "azurerm_network_interface" "{label}" {{
  name                = "nic-{name}"
  location            = {group.address}.location
  resource_group_name = {group.address}.name

  ip_configuration {{
    name                          = "internal"
    subnet_id                     = {subnet.address}.id
    private_ip_address_allocation = "Dynamic"
  }}
}}
"""
    machine = f"""resource "azurerm_linux_virtual_machine" "{label}" {{
  name                  = "{name}"
  location              = {group.address}.location
  resource_group_name   = {group.address}.name
  size                  = "{size}"
  admin_username        = "{user}"
  network_interface_ids = [azurerm_network_interface.{label}.id]

  admin_ssh_key {{
    username   = "{user}"
    public_key = {key}
  }}

  os_disk {{
    caching              = "ReadWrite"
    storage_account_type = "StandardSSD_LRS"
  }}

  source_image_reference {{
    publisher = "Canonical"
    offer     = "ubuntu-24_04-lts"
    sku       = "server"
    version   = "latest"
  }}
}}
"""
    vm_address = f"azurerm_linux_virtual_machine.{label}"
    return ChangeSet(
        f"Create the Linux VM {name} ({size}) in {subnet.address}.",
        (AddTopLevel(f"azurerm_network_interface.{label}", nic), AddTopLevel(vm_address, machine)),
        (Expectation(vm_address, "name", name), Expectation(vm_address, "size", size)),
    )
