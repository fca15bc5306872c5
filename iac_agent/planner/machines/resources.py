"""New machines written as resources: an interface and a machine each, in the repository's naming, tags and files."""

from __future__ import annotations

import re

from iac_agent.hcl.document import literal
from iac_agent.planner import inventory as inv
from iac_agent.planner.inventory import LINUX, MACHINES, NIC, WINDOWS
from iac_agent.planner.machines.surroundings import Surroundings, access, in_root
from iac_agent.planner.machines.wanted import Image, Wanted
from iac_agent.planner.world import World
from iac_agent.planner.writing.style import add_resource, block_source, file_of, label_for, name_source

DEFAULT_SIZE = {LINUX: "Standard_B2s", WINDOWS: "Standard_D2s_v5"}


def as_resources(wanted: Wanted, around: Surroundings, world: World) -> None:
    """Raises Unsettled."""
    repeat, index, own = "", "", wanted.base
    if wanted.number > 1 and len(wanted.names) > 1:
        repeat, index, own = f"  for_each = toset({literal(list(wanted.names))})\n\n", "[each.key]", "${each.key}"
    elif wanted.number > 1:
        repeat, index, own = f"  count = {wanted.number}\n\n", "[count.index]", wanted.base + "-${count.index + 1}"
    label = label_for(world, wanted.os, wanted.stem if len(wanted.names) > 1 else wanted.base)
    nic = _interface(wanted, around, label, own, repeat, index, world)
    _machine(wanted, around, label, f"{NIC}.{nic}{index}.id", own, repeat, world)


def _interface(wanted: Wanted, around: Surroundings, label: str, own: str, repeat: str, index: str, world: World) -> str:
    """Write the network interface, with a public address if there should be one; returns its label."""
    inner = {"name": '"internal"', "subnet_id": around.subnet, "private_ip_address_allocation": '"Dynamic"'}
    if wanted.public:
        address = label_for(world, inv.PUBLIC_IP, label)
        add_resource(world, inv.PUBLIC_IP, address, around.public_address(own), around.file, repeat)
        inner["public_ip_address_id"] = f"{inv.PUBLIC_IP}.{address}{index}.id"
    nics = [n for m in in_root(world, *MACHINES) for n in world.inventory.refers_to(m, NIC)]
    sibling = next((n for n in nics if not n.instance.scope.module.path), None)
    nic = label_for(world, NIC, label)
    arguments = {"name": name_source(world, sibling, own, "nic-"), **around.home, **around.tagged}
    add_resource(world, NIC, nic, arguments, file_of(sibling, around.file), repeat, [block_source("ip_configuration", inner)])
    return nic


def _machine(wanted: Wanted, around: Surroundings, label: str, nic: str, own: str, repeat: str, world: World) -> None:
    user, secret = access(wanted, around, world)
    name = name_source(world, around.sibling, own, "vm-").replace('"${each.key}"', "each.key")
    machine = {"name": name}
    if wanted.os == WINDOWS and len(re.sub(r"\$\{[^}]*\}", "12345", name.strip('"'))) > 15:
        machine["computer_name"] = f'"{re.sub(r"[^A-Za-z0-9-]", "", own)[:15]}"'
    machine |= {**around.home, "size": literal(wanted.size or DEFAULT_SIZE[wanted.os]), "admin_username": user}
    if wanted.zone:
        machine["zone"] = literal(wanted.zone)
    if wanted.os == WINDOWS:
        machine["admin_password"] = secret
    machine["network_interface_ids"] = f"[{nic}]"
    if wanted.spot:
        machine |= {"priority": '"Spot"', "eviction_policy": '"Deallocate"'}
    if wanted.price is not None:
        machine["max_bid_price"] = literal(wanted.price)
    blocks = [] if wanted.os == WINDOWS else [block_source("admin_ssh_key", {"username": user, "public_key": secret})]
    blocks.append(block_source("os_disk", {"caching": '"ReadWrite"', "storage_account_type": '"StandardSSD_LRS"'}))
    publisher, offer, sku = image_of(wanted, around)
    image = {"publisher": literal(publisher), "offer": literal(offer), "sku": literal(sku), "version": '"latest"'}
    blocks.append(block_source("source_image_reference", image))
    add_resource(world, wanted.os, label, {**machine, **around.tagged}, around.file, repeat, blocks)


def image_of(wanted: Wanted, around: Surroundings) -> Image:
    """The image asked for by name, else the sibling's, else the usual one."""
    sibling = around.sibling
    held = sibling.value("source_image_reference") if sibling is not None and sibling.type == wanted.os else None
    image = held[0] if isinstance(held, list) and held and isinstance(held[0], dict) else {}
    if all(isinstance(image.get(k), str) for k in ("publisher", "offer", "sku")) and wanted.accepts(image):
        return image["publisher"], image["offer"], image["sku"]
    return wanted.image
