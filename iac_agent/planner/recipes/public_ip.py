"""A public address for a machine that is there: the condition that makes one is turned on, or an address is written and named.

Source: https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/public_ip
"""

from __future__ import annotations

import re

from iac_agent.hcl import edits as e
from iac_agent.planner.inventory import MACHINES, NIC, NIC_ADDRESS, PUBLIC_IP, Resource
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed
from iac_agent.planner.writing.removal import condition_field, element_home
from iac_agent.planner.writing.style import add_resource, file_of, label_for, name_source, own_source, tags_source
from iac_agent.planner.writing.switches import switch

_ADDRESS = re.compile(r"\b(?:public|external)\s+(?:ip(?:v4)?(?: address)?|address)\b", re.IGNORECASE)
_ADDS = r"\b(?:give|add|attach|assign|needs?|wants?|gets?|should have|must have|put|associate|enable|with)\b"
_TAKES = (
    r"\b(?:remove|delete|drop|detach|no|without|take|lose|not|disassociate|release|new|create|rid|away)\b|n't\b|\bany (?:longer|more)\b"
)


class PublicIp:
    id = "public-ip"
    title = "give a machine a public address"
    examples: tuple[str, ...] = ("give vm-db a public ip",)

    def claims(self, wish: Wish, world: World) -> bool:
        if (
            not (_ADDRESS.search(wish.text) and wish.has(_ADDS))
            or wish.has(_TAKES)
            or wish.verb("remove")
            or wish.has(r"\b(?:tags?|load ?balancer|lb|named|called)\b")
        ):
            return False
        mentions = world.selector.names.mentions(_ADDRESS.sub(" ", wish.text))
        return any(world.selector.meant(m, MACHINES) for m in mentions) or bool(world.last)

    def plan(self, wish: Wish, world: World) -> None:
        targets = list(world.choose(wish, MACHINES, wish.without(_ADDRESS, _ADDS)))
        for machine in targets:
            nic = next(iter(world.inventory.refers_to(machine, NIC)), None)
            if nic is None:
                raise Unsettled(Refusal(f"The network interface of {machine.address} is not in the configuration."))
            if world.inventory.refers_to(nic, PUBLIC_IP):
                raise Unsettled(Refusal(f"{machine.address} has a public address already."))
            world.touch([nic])
            if not (switch(nic, NIC_ADDRESS, True, world.writer) or self._let_through(nic, world)):
                self._write(machine, nic, world)
        world.touch(world.advance())
        without = [m for m in targets if not world.inventory.related(world.inventory.by_address[m.address], (PUBLIC_IP,))]
        if without:
            raise Unsettled(Refusal(f"I cannot tell how {listed(without)} would get a public address here."))
        world.say(f"Give {listed(targets)} a public address.")
        world.notes.append(
            "A public address makes a machine reachable from the Internet as far as its network security group lets traffic in."
        )

    @staticmethod
    def _let_through(nic: Resource, world: World) -> bool:
        """Turn on the field of the interface's element that addresses are made for: `{ for k, v in var.nics : k => v if v.public }`."""
        home = element_home(nic)
        field = next((f for p in world.inventory.of_types(PUBLIC_IP) if (f := condition_field(p))), "")
        if home is None or not field:
            return False
        world.writer.add(e.PutKey(home.address, home.path, field, "true"))
        return True

    @staticmethod
    def _write(machine: Resource, nic: Resource, world: World) -> None:
        """An address of its own beside the interface."""
        group, location = own_source(nic, "resource_group_name"), own_source(nic, "location")
        if nic.instance.index is not None or nic.instance.scope.module.path or not group or not location:
            raise Unsettled(Refusal(f"{nic.address} is made together with others; I cannot give it alone a public address."))
        label = label_for(world, PUBLIC_IP, nic.label)
        known = next(
            (p for p in world.inventory.of_types(PUBLIC_IP) if not p.instance.scope.module.path and p.instance.index is None), None
        )
        own = machine.azure_name or machine.label
        arguments = {"name": name_source(world, known, own, "pip-"), "location": location, "resource_group_name": group}
        arguments |= {"allocation_method": '"Static"', "sku": '"Standard"'}
        tags = tags_source(nic)
        add_resource(world, PUBLIC_IP, label, arguments | ({"tags": tags} if tags else {}), file_of(nic))
        world.writer.add(e.SetAttribute(nic.block_address, NIC_ADDRESS, f"{PUBLIC_IP}.{label}.id"))
