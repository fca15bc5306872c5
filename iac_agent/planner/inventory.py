"""What there is to talk about: every managed resource instance with the names people call it by, and what belongs to what."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

from iac_agent.hcl.address import Step, parse_path, without_keys
from iac_agent.hcl.configuration import Configuration, Given
from iac_agent.hcl.document import Block
from iac_agent.hcl.module import RootModule
from iac_agent.hcl.scope import Instance
from iac_agent.hcl.trace import Users
from iac_agent.hcl.value import UNKNOWN, Value
from iac_agent.terraform.models import State, StateResource

LINUX, WINDOWS = "azurerm_linux_virtual_machine", "azurerm_windows_virtual_machine"
MACHINES = (LINUX, WINDOWS)
SCALE_SETS = ("azurerm_linux_virtual_machine_scale_set",)
DISK, ATTACHMENT = "azurerm_managed_disk", "azurerm_virtual_machine_data_disk_attachment"
NIC, SUBNET, NETWORK = "azurerm_network_interface", "azurerm_subnet", "azurerm_virtual_network"
NSG, RULE = "azurerm_network_security_group", "azurerm_network_security_rule"
POOL_MEMBER = "azurerm_network_interface_backend_address_pool_association"
NIC_ADDRESS = "ip_configuration.public_ip_address_id"
PUBLIC_IP, BALANCER, GROUP = "azurerm_public_ip", "azurerm_lb", "azurerm_resource_group"

_FEW = 8


@dataclass(frozen=True, eq=False)
class Resource:
    """One instance: what the configuration says about it, and what Terraform last saw."""

    instance: Instance
    state: StateResource | None = None

    @property
    def address(self) -> str:
        return self.instance.address

    @property
    def block_address(self) -> str:
        return self.instance.block_address

    @property
    def type(self) -> str:
        return self.instance.type

    @property
    def block(self) -> Block:
        return self.instance.block

    @property
    def label(self) -> str:
        return self.instance.block.labels[1]

    @property
    def keys(self) -> tuple[str | int, ...]:
        """Its own instance key and those of the modules around it, the innermost first."""
        found = (self.instance.index, *reversed(self.instance.scope.keys))
        return tuple(k for k in found if k is not None)

    def value(self, path: str) -> object:
        """What the configuration says at a path; else what Terraform last saw; None when neither knows."""
        steps = parse_path(path)
        held = self.instance.value(steps)
        if held is None or not held.known:
            return self._seen(steps, None)
        return held.plain() if held.fully_known() else self._seen(steps, held.plain())

    def _seen(self, steps: tuple[Step, ...], otherwise: object) -> object:
        found: object = self.state.values if self.state else None
        for step in steps:
            if isinstance(found, list) and isinstance(step, str):
                found = found[0] if found else None
            if isinstance(found, dict):
                found = found.get(str(step))
            elif isinstance(found, list) and isinstance(step, int):
                found = found[step] if step < len(found) else None
            else:
                return otherwise
        return otherwise if found is None else found

    @functools.cached_property
    def azure_name(self) -> str:
        name = self.value("name")
        return name if isinstance(name, str) else ""

    @functools.cached_property
    def tags(self) -> dict[str, str]:
        held = self.value("tags")
        return {str(k): str(v) for k, v in held.items() if v is not UNKNOWN} if isinstance(held, dict) else {}

    @functools.cached_property
    def location(self) -> str:
        held = self.value("location")
        return held.lower().replace(" ", "") if isinstance(held, str) else ""

    def describe(self) -> str:
        return f"{self.azure_name or self.label} ({self.block.where})"


@dataclass
class Inventory:
    """All managed resource instances, in the order of the configuration."""

    configuration: Configuration
    resources: list[Resource] = field(default_factory=list)
    _referred: dict[Resource, list[str]] = field(default_factory=dict, repr=False)
    _asked: int = 0

    @classmethod
    def build(cls, root: RootModule, state: State, given: Given | None = None) -> Inventory:
        seen = {r.address: r for r in state.resources() if r.mode == "managed"}
        configuration = Configuration(root, given, {a: r.values for a, r in seen.items()})
        return cls(configuration, [Resource(i, seen.get(i.address)) for i in configuration.instances])

    @functools.cached_property
    def users(self) -> Users:
        return Users(self.configuration)

    @functools.cached_property
    def by_address(self) -> dict[str, Resource]:
        return {r.address: r for r in self.resources}

    @functools.cached_property
    def position(self) -> dict[Resource, int]:
        """Where each resource stands in the order of the configuration."""
        return {r: n for n, r in enumerate(self.resources)}

    def of_types(self, *types: str) -> list[Resource]:
        return [r for r in self.resources if r.type in types]

    def of_block(self, address: str) -> list[Resource]:
        """Every instance of a block, by the address of the block or of any instance."""
        plain = without_keys(address)
        return [r for r in self.resources if r.block_address == plain]

    def siblings(self, resource: Resource) -> list[Resource]:
        """The instances written by the very same block, also through other calls of its module."""
        return list(self._by_block[resource.block])

    @functools.cached_property
    def _by_block(self) -> dict[Block, list[Resource]]:
        found: dict[Block, list[Resource]] = {}
        for resource in self.resources:
            found.setdefault(resource.block, []).append(resource)
        return found

    # --- what belongs to what ------------------------------------------------------------------------------------------

    def _references(self, resource: Resource) -> list[str]:
        """The addresses of what a resource refers to."""
        if resource not in self._referred:
            body = resource.instance.body
            found = dict.fromkeys(ref for name in body.names() for ref in _refs(body.get(name), name))
            self._referred[resource] = [a for a in found if a != resource.address]
        return self._referred[resource]

    def refers_to(self, resource: Resource, *types: str) -> list[Resource]:
        """What this resource refers to."""
        known = (self.by_address.get(a) for a in self._references(resource))
        return list(dict.fromkeys(r for r in known if r is not None and (not types or r.type in types)))

    def referred_by(self, resource: Resource, *types: str) -> list[Resource]:
        """What refers to this resource. The first few questions are answered one by one, since most are about few; then all at once."""
        self._asked += 1
        if self._asked > _FEW:
            return [r for r in self._referrers.get(resource.address, []) if not types or r.type in types]
        near = self._blocks_near(resource)
        found = [r for r in self.resources if (not types or r.type in types) and r.block in near]
        return [r for r in found if resource.address in self._references(r)]

    def _blocks_near(self, to: Resource) -> set[Block]:
        """The blocks whose text can stand for a reference: it names the resource's block, a local that does, or something of a module."""
        names, near = self._names_for(to), set()
        for block, held in self._by_block.items():
            scope, text = held[0].instance.scope, block.document.text(block.node)
            through = scope.module is not to.instance.scope.module or "module." in text or (scope.prefix and "var." in text)
            if through or any(name in text for name in names):
                near.add(block)
        return near

    def _names_for(self, resource: Resource) -> list[str]:
        """What the resource's block is called in its module: its own name, and the locals that it is part of."""
        names = [".".join(resource.block.labels)]
        texts = resource.instance.scope.module.local_texts
        while more := [n for n, text in texts.items() if n not in names and any(known in text for known in names)]:
            names += more
        return names

    @functools.cached_property
    def _referrers(self) -> dict[str, list[Resource]]:
        """For every address the resources that refer to it, in the order of the configuration."""
        found: dict[str, list[Resource]] = {}
        for resource in self.resources:
            for address in self._references(resource):
                found.setdefault(address, []).append(resource)
        return found

    def disks_of(self, machine: Resource) -> list[Resource]:
        """The data disks attached to a machine."""
        return [d for a in self.referred_by(machine, ATTACHMENT) for d in self.refers_to(a, DISK)]

    def attachments_of(self, disk: Resource) -> list[Resource]:
        return self.referred_by(disk, ATTACHMENT)

    def subnets_of(self, resource: Resource) -> list[Resource]:
        """The subnets a machine, scale set or interface is in."""
        direct = self.refers_to(resource, SUBNET)
        return direct or [s for nic in self.refers_to(resource, NIC) for s in self.refers_to(nic, SUBNET)]

    def pooled(self) -> list[Resource]:
        """The interfaces that are in a backend pool."""
        return [n for link in self.of_types(POOL_MEMBER) for n in self.refers_to(link, NIC)]

    def guards_of(self, resource: Resource) -> list[Resource]:
        """The network security groups that protect a machine, an interface or a subnet."""
        if resource.type == NSG:
            return [resource]
        around = [resource, *self.refers_to(resource, NIC), *self.subnets_of(resource)]
        links = ("azurerm_subnet_network_security_group_association", "azurerm_network_interface_security_group_association")
        found = [g for thing in around for link in self.referred_by(thing, *links) for g in self.refers_to(link, NSG)]
        return list(dict.fromkeys(found))

    def related(self, resource: Resource, types: tuple[str, ...]) -> list[Resource]:
        """Resources of these types that belong to another one: `db's data disk`, `the subnet of web-0`."""
        if DISK in types and resource.type in MACHINES:
            return self.disks_of(resource)
        if ATTACHMENT in types and resource.type in (*MACHINES, DISK):
            return self.referred_by(resource, ATTACHMENT)
        if SUBNET in types and resource.type != NETWORK:
            return self.subnets_of(resource)
        if NSG in types:
            return self.guards_of(resource)
        if PUBLIC_IP in types:
            nics = [resource, *self.refers_to(resource, NIC)]
            return [p for n in nics for p in self.refers_to(n, PUBLIC_IP)]
        if types[0] in (*MACHINES, *SCALE_SETS) and resource.type == DISK:
            return [m for a in self.attachments_of(resource) for m in self.refers_to(a, *MACHINES)]
        if types[0] in MACHINES and resource.type in (SUBNET, NETWORK, NSG, NIC):
            return [m for m in self.of_types(*types) if resource in self._around(m)]
        return self.refers_to(resource, *types) or self.referred_by(resource, *types)

    def _around(self, machine: Resource) -> list[Resource]:
        nics, subnets = self.refers_to(machine, NIC), self.subnets_of(machine)
        return [*nics, *subnets, *(n for s in subnets for n in self.refers_to(s, NETWORK)), *self.guards_of(machine)]


def _refs(value: Value | None, name: str) -> Iterator[str]:
    """The instances whose identity a value carries: not those it shares a location or a tag with."""
    if value is None or name in ("location", "tags", "for_each", "count", "zone"):
        return
    for inner in value.walk():
        if inner.ref:
            yield inner.ref
