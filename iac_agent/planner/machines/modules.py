"""New machines as a call of one of iac-agent's own modules (`modules/`), for repositories whose configuration says so."""

from __future__ import annotations

from iac_agent.hcl.document import literal, map_source
from iac_agent.planner.inventory import LINUX, WINDOWS
from iac_agent.planner.machines.balancer import port_of
from iac_agent.planner.machines.resources import image_of
from iac_agent.planner.machines.surroundings import Surroundings, access
from iac_agent.planner.machines.wanted import Wanted
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World
from iac_agent.planner.writing.style import add_call, name_source


def module_for(wanted: Wanted, *, new_balancer: bool) -> str:
    """The module that makes what is wanted; empty when none does."""
    if wanted.os == WINDOWS:
        return "" if wanted.spot or new_balancer else "windows-vm"
    if new_balancer:
        return "load-balanced-web"
    if wanted.number > 1:
        return "vm-group"
    return "spot-vm" if wanted.spot else "linux-vm"


def as_module(module: str, folder: str, wanted: Wanted, around: Surroundings, wish: Wish, world: World) -> None:
    """Write a call. `folder` is a source address of the folder of modules, local or remote. Raises Unsettled."""
    meta = {"source": literal(_source(folder, module, world))}
    if wanted.number > 1 and module == "windows-vm":
        meta["for_each"] = f"toset({literal(wanted.keys)})"
    arguments = {
        **_names(module, wanted, around, world),
        "resource_group_name": around.group,
        "location": around.location,
        "subnet_id": around.subnet,
        **_machine(module, wanted, around, world),
        **_balancing(module, wish),
        **around.tagged,
    }
    add_call(world, wanted.stem, meta, arguments, around.file)


def _source(folder: str, module: str, world: World) -> str:
    path, mark, query = folder.partition("?")
    source = f"{path.rstrip('/')}/{module}{mark}{query}"
    if folder.startswith(("./", "../")) and not (world.context.directory / source).is_dir():
        raise Unsettled(
            Refusal(
                f"provision.style is module, but there is no {source} here: copy the folder `modules` of iac-agent there, or set "
                "provision.modules to where it is."
            )
        )
    return source


def _names(module: str, wanted: Wanted, around: Surroundings, world: World) -> dict[str, str]:
    if module not in ("vm-group", "load-balanced-web"):
        own = "${each.key}" if wanted.number > 1 else wanted.base
        return {"name": name_source(world, around.sibling, own, "vm-")}
    prefix = {"prefix": name_source(world, around.sibling, wanted.stem, "vm-")}
    if len(wanted.names) < 2 and not wanted.zone:
        return {**prefix, "machine_count": str(wanted.number)}
    keys = [n.removeprefix(wanted.stem).lstrip("-_") or n for n in wanted.keys]
    own = f"{{ zone = {literal(wanted.zone)} }}" if wanted.zone else "{}"
    return {**prefix, "instances": map_source(dict.fromkeys(keys, own))}


def _machine(module: str, wanted: Wanted, around: Surroundings, world: World) -> dict[str, str]:
    user, secret = access(wanted, around, world)
    found = {"size": literal(wanted.size)} if wanted.size else {}
    if wanted.zone and module in ("linux-vm", "windows-vm", "spot-vm"):
        found["zone"] = literal(wanted.zone)
    found |= {"admin_username": user, "ssh_public_key" if wanted.os == LINUX else "admin_password": secret}
    publisher, offer, sku = image_of(wanted, around)
    found["image"] = f"{{ publisher = {literal(publisher)}, offer = {literal(offer)}, sku = {literal(sku)} }}"
    cap = {} if wanted.price is None else {"max_bid_price": literal(wanted.price)}
    if module == "spot-vm":
        found |= cap
    elif wanted.spot:
        found["spot"] = "{ " + "".join(f"{k} = {v} " for k, v in cap.items()) + "}" if cap else "{}"
    return {**found, "public_ip": "true"} if wanted.public and module != "load-balanced-web" else found


def _balancing(module: str, wish: Wish) -> dict[str, str]:
    if module != "load-balanced-web":
        return {}
    port = port_of(wish)
    return {"ports": f'{{ "tcp-{port}" = {{ frontend_port = {port} }} }}', "probe": f"{{ port = {port} }}"}
