"""Machines behind a load balancer: one that is there, or a new one with frontend, pool, probe and rule."""

from __future__ import annotations

import re

from iac_agent.hcl.document import literal
from iac_agent.planner import inventory as inv
from iac_agent.planner.inventory import NIC, Resource
from iac_agent.planner.lexicon import SERVICES
from iac_agent.planner.machines.surroundings import Surroundings
from iac_agent.planner.machines.wanted import Wanted
from iac_agent.planner.protocol import Question, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World
from iac_agent.planner.writing.style import add_resource, block_source, id_of, label_for

_POOL = "azurerm_lb_backend_address_pool"


def present_pool(wish: Wish, world: World) -> str | None:
    """The id, as source, of the pool of a balancer that is there, when the wish means one. Raises Unsettled."""
    if wish.has(r"\b(?:a|an|new|its own)\s+(?:new\s+|public\s+|internal\s+|standard\s+)*(?:load ?balancer|lb)\b"):
        return None
    pools = world.inventory.of_types(_POOL)
    mentions = [m for m in world.selector.names.mentions(wish.text) if any(r.type in (inv.BALANCER, _POOL) for _, r in m.named)]
    if not pools or not (mentions or wish.has(r"\b(?:the|our|existing|same)\s+(?:\w+\s+){0,2}(?:load ?balancer|lb|balancer|pool)\b")):
        return None
    named = [r for m in mentions for _, r in m.named]
    fitting = [p for p in pools if p in named or any(b in named for b in world.inventory.refers_to(p, inv.BALANCER))] or pools
    if len(fitting) > 1:
        raise Unsettled(Question("Which backend pool?", {p.address: p.describe() for p in fitting}))
    return id_of(world, fitting[0])


def members(world: World) -> list[Resource]:
    """The machines whose interfaces are in a backend pool."""
    pooled = world.inventory.pooled()
    return [m for m in world.inventory.of_types(*inv.MACHINES) if any(n in pooled for n in world.inventory.refers_to(m, inv.NIC))]


def port_of(wish: Wish) -> str:
    """The port to balance, 80 unless the wish names one."""
    match = re.search(r"\b(?:port|on|for|tcp)\s+(\d{2,5})\b", wish.text, re.IGNORECASE)
    return match[1] if match else next((SERVICES[s] for s in ("https", "http") if wish.has(rf"\b{s}\b")), "80")


def new_balancer(wanted: Wanted, around: Surroundings, wish: Wish, world: World) -> str:
    """Write a balancer; returns the id of its pool as source."""
    label, port = label_for(world, inv.BALANCER, wanted.base), port_of(wish)
    front = {"name": '"frontend"'}
    if wish.has(r"\b(?:internal|private)\b"):
        front |= {"subnet_id": around.subnet, "private_ip_address_allocation": '"Dynamic"'}
    else:
        front["public_ip_address_id"] = f"{inv.PUBLIC_IP}.{label}_lb.id"
        add_resource(world, inv.PUBLIC_IP, f"{label}_lb", around.public_address(f"{wanted.base}-lb"), around.file)
    balancer = {"name": f'"lb-{wanted.base}"', **around.home, "sku": '"Standard"', **around.tagged}
    add_resource(world, inv.BALANCER, label, balancer, around.file, blocks=[block_source("frontend_ip_configuration", front)])
    of_balancer, called = {"loadbalancer_id": f"{inv.BALANCER}.{label}.id"}, {"name": f'"tcp-{port}"'}
    parts = {
        _POOL: {"name": literal(wanted.base), **of_balancer},
        "azurerm_lb_probe": {**called, **of_balancer, "protocol": '"Tcp"', "port": port},
        "azurerm_lb_rule": {
            **called,
            **of_balancer,
            "frontend_ip_configuration_name": '"frontend"',
            "protocol": '"Tcp"',
            "frontend_port": port,
            "backend_port": port,
            "backend_address_pool_ids": f"[{_POOL}.{label}.id]",
            "probe_id": f"azurerm_lb_probe.{label}.id",
        },
    }
    for kind, arguments in parts.items():
        add_resource(world, kind, label, arguments, around.file)
    return f"{_POOL}.{label}.id"


def join(nics: list[Resource], pool: str, wanted: Wanted, file: str, world: World) -> None:
    """Put interfaces into a pool. Raises Unsettled for one in a module without an output for its id."""
    repeat, nic = _repeated(nics, world)
    name = nics[0].value("ip_configuration.name")
    member = {
        "network_interface_id": nic,
        "ip_configuration_name": literal(name if isinstance(name, str) else "internal"),
        "backend_address_pool_id": pool,
    }
    add_resource(world, inv.POOL_MEMBER, label_for(world, inv.POOL_MEMBER, wanted.stem), member, file, repeat)


def _repeated(nics: list[Resource], world: World) -> tuple[str, str]:
    """How the association repeats, and the id of one interface, as source."""
    ids = [id_of(world, n) for n in nics]
    if len(nics) == 1:
        return "", ids[0]
    keys = [n.instance.index for n in nics]
    block = nics[0].block_address
    whole = len(world.inventory.of_block(block)) == len(nics) and not nics[0].instance.scope.module.path
    if whole and all(isinstance(k, int) for k in keys):
        return f"  count = {len(nics)}\n\n", f"{block}[count.index].id"
    if all(isinstance(k, str) for k in keys) and all(n.type == NIC and not n.instance.scope.module.path for n in nics):
        return f"  for_each = toset({literal(keys)})\n\n", f"{block}[each.key].id"
    rows = {str(n.keys[0] if n.keys else n.label): i for n, i in zip(nics, ids, strict=True)}
    listed = ", ".join(f"{literal(k)} = {i}" for k, i in rows.items())
    return f"  for_each = {{ {listed} }}\n\n", "each.value"
