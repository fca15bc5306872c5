"""What a new machine written on its own takes from around it: resource group, location, network, tags, the way to log in."""

from __future__ import annotations

import ipaddress
import itertools
import re
from dataclasses import dataclass

from iac_agent.hcl.document import literal
from iac_agent.planner import inventory as inv
from iac_agent.planner.inventory import LINUX, MACHINES, SUBNET, WINDOWS, Resource
from iac_agent.planner.machines.wanted import Wanted
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World
from iac_agent.planner.writing.style import add_resource, file_of, id_of, label_for, own_source, reference, tags_source

_KEY = re.compile(r"(ssh-(?:rsa|ed25519) [A-Za-z0-9+/=]+(?: [^\s\"']+)?)")


@dataclass(frozen=True)
class Surroundings:
    """All as source, but for `sibling`, a machine of the root module to take after, and `file`."""

    sibling: Resource | None
    group: str
    location: str
    subnet: str
    tags: str | None
    file: str

    @property
    def home(self) -> dict[str, str]:
        return {"location": self.location, "resource_group_name": self.group}

    @property
    def tagged(self) -> dict[str, str]:
        return {"tags": self.tags} if self.tags else {}

    def public_address(self, name: str) -> dict[str, str]:
        """The arguments of a public address for the machine or balancer of this name."""
        return {"name": f'"pip-{name}"', **self.home, "allocation_method": '"Static"', "sku": '"Standard"', **self.tagged}


def look_around(wanted: Wanted, wish: Wish, world: World) -> Surroundings:
    """Writes a resource group and a network where there are none. Raises Unsettled."""
    network = next(iter(world.inventory.refers_to(wanted.subnet, inv.NETWORK)), None) if wanted.subnet is not None else None
    sibling = _sibling(wanted, world, network.location if network is not None else "")
    group, location = _home(wish, sibling, wanted, world, network)
    subnet = _subnet_source(wanted.subnet, wish, world)
    return Surroundings(sibling, group, location, subnet, tags_source(sibling), file_of(sibling))


def in_root(world: World, *types: str) -> list[Resource]:
    return [r for r in world.inventory.of_types(*types) if not r.instance.scope.module.path]


def _sibling(wanted: Wanted, world: World, region: str) -> Resource | None:
    """A machine to take after: of the same system rather than not, in the region of the network if one is known."""
    found = [*in_root(world, wanted.os), *in_root(world, *MACHINES)]
    return next((r for r in found if r.location == region), None) if region else next(iter(found), None)


def _home(wish: Wish, sibling: Resource | None, wanted: Wanted, world: World, network: Resource | None) -> tuple[str, str]:
    """Resource group name and location: of a machine like it, else of the network it will be in."""
    if sibling is not None and (group := own_source(sibling, "resource_group_name")) and (location := own_source(sibling, "location")):
        return group, location
    if network is not None and (group := own_source(network, "resource_group_name")) and (location := own_source(network, "location")):
        return group, location
    groups = in_root(world, inv.GROUP) or world.inventory.of_types(inv.GROUP)
    if groups:
        name, location = reference(world, groups[0], "name"), reference(world, groups[0], "location")
        if name and location:
            return name, location
        if wanted.subnet is not None or sibling is not None:
            return literal(str(groups[0].azure_name)), literal(groups[0].location)
    if not wish.region:
        raise Unsettled(Question("In which region? There is no resource group here yet. For example: in westeurope.", {}))
    label = label_for(world, inv.GROUP, "main")
    add_resource(world, inv.GROUP, label, {"name": f'"rg-{wanted.stem}"', "location": literal(wish.region)})
    return f"{inv.GROUP}.{label}.name", f"{inv.GROUP}.{label}.location"


def _subnet_source(subnet: Resource | None, wish: Wish, world: World) -> str:
    if subnet is None:
        return f"{SUBNET}.{_network(wish, world)}.id"
    return id_of(world, subnet)


def _network(wish: Wish, world: World) -> str:
    """A network with one subnet, where there is none: with the addresses that are asked for, the subnet a /24 of them."""
    asked = next((c for c in wish.cidrs if not c.endswith("/32")), "10.0.0.0/16")
    try:
        space = ipaddress.ip_network(asked)
    except ValueError as problem:
        raise Unsettled(Refusal(f"{asked} is no network: {problem}.")) from problem
    inner = next(itertools.islice(space.subnets(new_prefix=24), asked == "10.0.0.0/16", None)) if space.prefixlen < 24 else space
    groups = in_root(world, inv.GROUP)
    group = groups[0].address if groups else f"{inv.GROUP}.main"
    network = {
        "name": '"vnet-main"',
        "location": f"{group}.location",
        "resource_group_name": f"{group}.name",
        "address_space": f'["{space}"]',
    }
    subnet = {
        "name": '"snet-main"',
        "resource_group_name": f"{group}.name",
        "virtual_network_name": f"{inv.NETWORK}.main.name",
        "address_prefixes": f'["{inner}"]',
    }
    add_resource(world, inv.NETWORK, "main", network)
    add_resource(world, SUBNET, "main", subnet)
    return "main"


def access(wanted: Wanted, around: Surroundings, world: World) -> tuple[str, str]:
    """Admin user, and the public key or password, as source. Raises Unsettled when there is none to use."""
    sibling = around.sibling if around.sibling is not None and around.sibling.type == wanted.os else None
    user = (own_source(sibling, "admin_username") if sibling else None) or '"azureuser"'
    return user, _password(sibling, world) if wanted.os == WINDOWS else _public_key(sibling, world)


def _password(sibling: Resource | None, world: World) -> str:
    password = own_source(sibling, "admin_password") if sibling else None
    password = password or _declared("password", world)
    if password is None:
        raise Unsettled(
            Question(
                "A Windows machine needs an administrator password: declare a sensitive variable with `password` in its name, "
                "and ask again.",
                {},
            )
        )
    return password


def _declared(pattern: str, world: World) -> str | None:
    """The first variable of the root module whose name fits, as source."""
    names = (n.removeprefix("variable.") for n in world.context.root.modules[0].index if n.startswith("variable."))
    return next((f"var.{n}" for n in names if re.search(pattern, n)), None)


def _public_key(sibling: Resource | None, world: World) -> str:
    given = _KEY.search(world.context.answer) or _KEY.search(" ".join(world.how))
    if given:
        return literal(given[1])
    for machine in ([sibling] if sibling else []) + in_root(world, LINUX):
        for block in machine.block.blocks:
            if block.type == "admin_ssh_key" and "public_key" in block.attributes:
                return block.document.text(block.attributes["public_key"].value)
    declared = _declared(r"ssh.*key|public_key", world)
    if declared is not None:
        return declared
    keys = sorted(world.context.directory.glob("*.pub"))
    if keys:
        return f'file("${{path.module}}/{keys[0].name}")'
    raise Unsettled(
        Question(
            "A Linux machine needs an SSH public key: put it in the request or the answer (ssh-ed25519 ...), or a .pub file beside "
            "the configuration.",
            {},
        )
    )
