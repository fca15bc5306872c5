"""Copies of a machine that stands alone in the root module: its block, and those of interfaces, addresses and disks of its own."""

from __future__ import annotations

import re

from iac_agent.hcl import edits as e
from iac_agent.planner.inventory import ATTACHMENT, DISK, MACHINES, NIC, PUBLIC_IP, Inventory, Resource
from iac_agent.planner.machines.copying import Copy
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.writing.style import file_of, label_for, reference

_LINKS = (
    "azurerm_network_interface_security_group_association",
    "azurerm_network_interface_application_security_group_association",
    "azurerm_network_interface_backend_address_pool_association",
)
_NAMES = re.compile(r'(?P<lead>\n *(?P<which>name|computer_name|domain_name_label) *= *)"(?P<text>[^"\n]*)"')
_FIXED_ADDRESS = re.compile(r'\n *private_ip_address *= *"[^"\n]*"')


def copy_blocks(copy: Copy, key: str) -> None:
    """The machine once more under `key`, with all that is its own. Raises Unsettled where any of that is repeated or in a module."""
    parts = _parts(copy.world.inventory, copy.model)
    odd = next((p for p in parts if p.instance.index is not None or p.instance.scope.module.path), None)
    if odd is not None:
        raise Unsettled(Refusal(f"{odd.address} is not a block of its own in the root module; I cannot copy it with {copy.model.address}."))
    own = _own_name(copy.model)
    before, _, after = copy.model.azure_name.partition(own)
    new = key.removeprefix(before).removesuffix(after) or key
    labels = {p: label_for(copy.world, p.type, _label(p, copy.model, new)) for p in parts}
    for part in parts:
        source = _moved(copy, part.block.document.text(part.block.node))
        for other, label in labels.items():
            source = re.sub(rf"(?<![\w.-]){other.type}\.{re.escape(other.label)}(?![\w-])", f"{other.type}.{label}", source)
        source = source.replace(f'"{part.label}"', f'"{labels[part]}"', 1)
        source = _NAMES.sub(lambda m: f'{m["lead"]}"{_name(m, own, new)}"', source)
        copy.world.writer.add(e.AddTopLevel(f"{part.type}.{labels[part]}", source + "\n", file_of(part)))


def _parts(inventory: Inventory, machine: Resource) -> list[Resource]:
    """The machine and what is its own, in the order of the configuration."""
    nics = [n for n in inventory.refers_to(machine, NIC) if inventory.referred_by(n, *MACHINES) == [machine]]
    attachments = inventory.referred_by(machine, ATTACHMENT)
    found = {machine, *nics, *attachments}
    found |= {p for n in nics for p in inventory.refers_to(n, PUBLIC_IP)}
    found |= {link for n in nics for link in inventory.referred_by(n, *_LINKS)}
    found |= {d for a in attachments for d in inventory.refers_to(a, DISK)}
    return sorted(found, key=inventory.position.__getitem__)


def _own_name(machine: Resource) -> str:
    """What tells its Azure name from those of others: its label where that is part of it."""
    label = machine.label.replace("_", "-")
    plain = re.sub(r"^vm-|-(?:vm|machine|server)$", "", label)
    return next((name for name in (plain, label) if name and name in machine.azure_name), machine.azure_name)


def _label(part: Resource, machine: Resource, new: str) -> str:
    """`sql_2_data` for the disk `sql_data` of a machine `sql` that is copied as `sql-2`."""
    fresh, own = re.sub(r"\W", "_", new), _own_name(machine)
    for known in (machine.label, own, own.replace("-", "_")):
        if known in part.label:
            return part.label.replace(known, fresh)
    return fresh if part.type in (NIC, PUBLIC_IP) else f"{fresh}_{part.label}"


def _name(match: re.Match[str], own: str, new: str) -> str:
    """The text of a name for the copy; names inside nested blocks that do not tell the machine stay as they are."""
    if match["which"] == "computer_name":
        return re.sub(r"[^A-Za-z0-9-]", "", new)[:15]
    renamed = re.sub(rf"(?<![A-Za-z0-9]){re.escape(own)}(?![A-Za-z0-9])", new, match["text"])
    nested = len(match["lead"]) - len(match["lead"].lstrip("\n ")) > 3
    return renamed if renamed != match["text"] or nested else f"{match['text']}-{new}"


def _moved(copy: Copy, source: str) -> str:
    """The source without a fixed private address, in the subnet that is wanted."""
    if _FIXED_ADDRESS.search(source):
        source = re.sub(r'(private_ip_address_allocation *= *)"Static"', r'\g<1>"Dynamic"', _FIXED_ADDRESS.sub("", source))
    for old in copy.world.inventory.subnets_of(copy.model):
        before, after = reference(copy.world, old), reference(copy.world, copy.subnet) if copy.subnet else None
        if before and after and before != after:
            source = source.replace(before, after)
    return source
