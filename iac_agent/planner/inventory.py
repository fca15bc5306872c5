"""What there is to talk about: every managed resource of the configuration with the names people call it by."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from iac_agent.hcl.document import Attribute, Block, is_literal, unwrap
from iac_agent.hcl.module import Module, RootModule
from iac_agent.terraform.models import State, StateResource

MACHINES = ("azurerm_linux_virtual_machine", "azurerm_windows_virtual_machine")
SCALE_SETS = ("azurerm_linux_virtual_machine_scale_set",)

TYPE_WORDS: dict[str, tuple[str, ...]] = {
    "vm": MACHINES,
    "vms": MACHINES,
    "virtual machine": MACHINES,
    "virtual machines": MACHINES,
    "machine": MACHINES,
    "machines": MACHINES,
    "server": MACHINES,
    "servers": MACHINES,
    "instance": MACHINES,
    "linux vm": ("azurerm_linux_virtual_machine",),
    "windows vm": ("azurerm_windows_virtual_machine",),
    "scale set": SCALE_SETS,
    "vmss": SCALE_SETS,
    "disk": ("azurerm_managed_disk",),
    "data disk": ("azurerm_managed_disk",),
    "resource group": ("azurerm_resource_group",),
    "network": ("azurerm_virtual_network",),
    "vnet": ("azurerm_virtual_network",),
    "virtual network": ("azurerm_virtual_network",),
    "subnet": ("azurerm_subnet",),
    "nic": ("azurerm_network_interface",),
    "network interface": ("azurerm_network_interface",),
    "nsg": ("azurerm_network_security_group",),
    "security group": ("azurerm_network_security_group",),
    "public ip": ("azurerm_public_ip",),
    "load balancer": ("azurerm_lb",),
    "storage account": ("azurerm_storage_account",),
    "key vault": ("azurerm_key_vault",),
    "vault": ("azurerm_key_vault",),
    "workspace": ("azurerm_log_analytics_workspace",),
    "availability set": ("azurerm_availability_set",),
    "snapshot": ("azurerm_snapshot",),
}


@dataclass(frozen=True)
class Resource:
    """One resource block, with its instances in state."""

    address: str
    type: str
    label: str
    module: Module
    block: Block
    instances: tuple[StateResource, ...] = ()

    @property
    def azure_names(self) -> list[str]:
        """Names in Azure: from state, else the literal in the configuration."""
        found = [str(i.values["name"]) for i in self.instances if i.values.get("name")]
        literal = literal_text(self.block, "name")
        return found or ([literal] if literal else [])

    @property
    def tags(self) -> dict[str, str]:
        for instance in self.instances:
            if instance.values.get("tags"):
                return {k: str(v) for k, v in instance.values["tags"].items()}
        return {}

    def describe(self) -> str:
        names = ", ".join(self.azure_names[:3])
        return f"{names or self.label} ({self.block.where})"

    def value(self, name: str) -> object:
        """The value of a top-level argument: of the first instance in state, else the literal in the configuration."""
        for instance in self.instances:
            if instance.values.get(name) not in (None, ""):
                return instance.values[name]
        return literal_text(self.block, name)


@dataclass
class Inventory:
    """All managed resources, in the order of the configuration."""

    resources: list[Resource] = field(default_factory=list)

    @classmethod
    def build(cls, root: RootModule, state: State) -> Inventory:
        instances: dict[str, list[StateResource]] = {}
        for held in state.resources():
            if held.mode == "managed":
                instances.setdefault(re.sub(r"\[[^\]]*\]", "", held.address), []).append(held)
        found = []
        for module in root.modules:
            for local, blocks in module.index.items():
                if blocks[0].type == "resource":
                    address = module.prefix + local
                    kind, label = blocks[0].labels
                    found.append(Resource(address, kind, label, module, blocks[0], tuple(instances.get(address, ()))))
        return cls(found)

    def of_types(self, types: tuple[str, ...]) -> list[Resource]:
        return [r for r in self.resources if r.type in types]

    def get(self, address: str) -> Resource | None:
        plain = re.sub(r"\[[^\]]*\]", "", address)
        return next((r for r in self.resources if r.address == plain), None)


def literal_text(block: Block, name: str) -> str:
    """The text of an argument that is a plain literal; empty otherwise."""
    attribute: Attribute | None = block.attributes.get(name)
    if attribute is None or not is_literal(attribute.value):
        return ""
    return block.document.text(unwrap(attribute.value)).strip('"')
