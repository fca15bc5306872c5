"""`attach a 128 GB disk to vm-web`: a managed disk and its attachment, beside the machine."""

from __future__ import annotations

import re

from iac_agent.hcl.edits import AddTopLevel
from iac_agent.planner import resolve
from iac_agent.planner.inventory import MACHINES, Inventory, Resource, literal_text
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Expectation, Question, Refusal

_TOPIC = re.compile(r"\b(attach|add|give|mount|create|new|need)\b.*\bdisk\b|\bdisk\b.*\b(attach|to)\b", re.IGNORECASE)
_GB = re.compile(r"\b(\d+)\s*(GB|GiB|TB|TiB|gigs?)\b", re.IGNORECASE)
_KINDS = {
    "premium ssd v2": "PremiumV2_LRS",
    "premium": "Premium_LRS",
    "standard ssd": "StandardSSD_LRS",
    "standardssd": "StandardSSD_LRS",
    "ultra": "UltraSSD_LRS",
    "standard": "Standard_LRS",
    "hdd": "Standard_LRS",
    "ssd": "StandardSSD_LRS",
}
_DEFAULT_GB = 128


class AttachDisk:
    title = "attach a new data disk to a VM"
    example = "attach a 256 GB premium disk to vm-web"

    def plan(self, request: str, inventory: Inventory, context: Context) -> Answer | None:
        if not _TOPIC.search(request) or re.search(r"\b(os disk|resize|grow|shrink|tag)\b", request, re.IGNORECASE):
            return None
        targets = resolve.find(request, inventory, MACHINES, context.answer)
        if targets is None or isinstance(targets, Question):
            return targets or Refusal("There is no virtual machine here that this could mean.")
        if len(targets.resources) != 1:
            return Refusal("One disk belongs to one machine: name the machine.")
        machine = targets.resources[0]
        if machine.module.path:
            return Refusal(f"{machine.address} lives in a module; add the disk to the module's own configuration.")
        if any(n in machine.block.attributes for n in ("count", "for_each")):
            return Refusal(f"{machine.address} has several instances; a disk for each is not one of my recipes.")
        return _change(machine, request, inventory)


def _change(machine: Resource, request: str, inventory: Inventory) -> ChangeSet:
    size = _size(request)
    kind = next((v for k, v in _KINDS.items() if re.search(rf"\b{k}\b", request, re.IGNORECASE)), "StandardSSD_LRS")
    number = _free_number(machine, inventory)
    label = f"{machine.label}_data" + (str(number) if number else "")
    lun = _free_lun(machine, inventory)
    name = f"{(machine.azure_names or [machine.label])[0]}-data{number or ''}"
    zone = f"\n  zone                 = {machine.address}.zone" if "zone" in machine.block.attributes else ""
    disk = f"""resource "azurerm_managed_disk" "{label}" {{
  name                 = "{name}"
  location             = {machine.address}.location
  resource_group_name  = {machine.address}.resource_group_name
  storage_account_type = "{kind}"
  create_option        = "Empty"
  disk_size_gb         = {size}{zone}
}}
"""
    attachment = f"""resource "azurerm_virtual_machine_data_disk_attachment" "{label}" {{
  managed_disk_id    = azurerm_managed_disk.{label}.id
  virtual_machine_id = {machine.address}.id
  lun                = {lun}
  caching            = "ReadWrite"
}}
"""
    file = str(machine.block.document.path)
    disk_address, attachment_address = f"azurerm_managed_disk.{label}", f"azurerm_virtual_machine_data_disk_attachment.{label}"
    return ChangeSet(
        f"Attach a new {size} GB {kind} disk to {machine.address} at LUN {lun}.",
        (AddTopLevel(disk_address, disk, file), AddTopLevel(attachment_address, attachment, file)),
        (Expectation(disk_address, "disk_size_gb", size), Expectation(attachment_address, "lun", lun)),
    )


def _size(request: str) -> int:
    match = _GB.search(request)
    if not match:
        return _DEFAULT_GB
    return int(match[1]) * (1024 if match[2].lower().startswith("t") else 1)


def _free_number(machine: Resource, inventory: Inventory) -> int:
    """0 for the first data disk of this machine, then 2, 3, ..."""
    taken = {r.label for r in inventory.resources}
    number = 0
    while f"{machine.label}_data{number or ''}" in taken:
        number = max(2, number + 1)
    return number


def _free_lun(machine: Resource, inventory: Inventory) -> int:
    used = set()
    for attachment in inventory.of_types(("azurerm_virtual_machine_data_disk_attachment",)):
        text = attachment.block.document.text(attachment.block.node)
        if machine.address in text:
            value = literal_text(attachment.block, "lun")
            used.add(int(value) if value.isdigit() else -1)
    return next(n for n in range(64) if n not in used)
