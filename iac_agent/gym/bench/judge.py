"""Judging what an agent did: by the state of the gym and by its own figures, and by an answer's text only where there is nothing else.

Every check returns what is wrong; no complaint is success. What changed and was not asked for is counted apart, as unwanted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from iac_agent.gym.bench.tasks import Prompt

Body = dict[str, Any]
_VM, _DISK, _NIC = "microsoft.compute/virtualmachines", "microsoft.compute/disks", "microsoft.network/networkinterfaces"
_SPAN = {"m": 1, "h": 60, "d": 1440}
_CAUSES = {
    "kernel-panic": r"kernel panic|root file ?system|root fs|VFS",
    "full-disk": r"no space|disk (?:is )?full|full (?:os )?disk|ran out of (?:disk )?space",
    "fstab": r"fstab|emergency mode|could not be mounted|mount(?:ing)? (?:of )?/data|waiting for device",
    "cloud-init": r"cloud-init|custom[_ ]data|user[_ ]data",
}
_SICK = re.compile(
    r"\b(?:down|degraded|unhealthy|not ready|unavailable|fail\w*|sick|not respond\w*|unresponsive|panic|dying|not healthy|broken|critical|"
    r"problem\w*)\b",
    re.IGNORECASE,
)
_VERBS = {
    "deallocate": r"deallocat|stopp|shut",
    "restart": r"restart|reboot",
    "resize": r"resiz|size|vmSize|chang",
    "tag": r"tag|chang",
}
_PEOPLE = ("alice", "bob", "dana")
_VOLATILE = ("etag", "provisioningState", "timeCreated", "vmId", "resourceGuid", "uniqueId", "changedTime", "createdTime", "instanceView")


@dataclass
class Judgement:
    """What is wrong with the outcome, and which resources changed that nobody asked to change."""

    complaints: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.complaints and not self.unwanted


@dataclass
class Evidence:
    """What there is to judge by: resources by lower-case id before and after, the exit code, the answer, the gym's own figures.

    `settled` is whether a plan afterwards is empty; None where nothing was applied.
    """

    before: dict[str, Body]
    after: dict[str, Body]
    exit: int
    text: str
    figure: Callable[[str, str, str, int], float | None]
    settled: bool | None = None


def judge(prompt: Prompt, seen: Evidence) -> Judgement:
    """Compare an outcome with what the prompt expects."""
    found = Judgement()
    allowed: set[str] = set()
    for name, wanted in prompt.expect.items():
        check = _CHECKS.get(name)
        if check is not None:
            found.complaints += check(wanted, seen, allowed)
    if prompt.group != "hard" and seen.exit != 0:
        found.complaints.append(f"exit {seen.exit}")
    if seen.settled is False and _exits(prompt) == [0]:
        found.complaints.append("a plan afterwards is not empty")
    only = prompt.expect.get("only")
    if only is not None or prompt.group != "hard":
        allowed |= {n.lower() for n in only or ()}
        found.unwanted = [n for n in _changed(seen) if not _belongs(n, allowed, seen)]
    return found


def _exits(prompt: Prompt) -> list[int]:
    wanted = prompt.expect.get("exit", 0)
    return wanted if isinstance(wanted, list) else [wanted]


# --- what changed ----------------------------------------------------------------------------------------------------


def _changed(seen: Evidence) -> list[str]:
    """Names of resources that were made, changed or removed."""
    keys = seen.before.keys() | seen.after.keys()
    return sorted(_name(seen.after.get(k) or seen.before[k]) for k in keys if _plain(seen.before.get(k)) != _plain(seen.after.get(k)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if k not in _VOLATILE}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _name(body: Body) -> str:
    return str(body.get("name", "")).lower()


def _belongs(name: str, allowed: set[str], seen: Evidence) -> bool:
    """Whether a change is one that was asked for: the resource is named, is new, or an OS disk of one that is."""
    if name in allowed or "*" in allowed:
        return True
    body = next((b for b in (*seen.after.values(), *seen.before.values()) if _name(b) == name), {})
    owner = str(body.get("managedBy", "")).rsplit("/", 1)[-1].lower()
    return owner in allowed or any(name.startswith((f"{a}_osdisk", f"{a}_disk")) for a in allowed)


def _of_type(bodies: dict[str, Body], kind: str) -> list[Body]:
    return [b for b in bodies.values() if str(b.get("type", "")).lower() == kind]


def _new(seen: Evidence, kind: str) -> list[Body]:
    return [b for k, b in seen.after.items() if k not in seen.before and str(b.get("type", "")).lower() == kind]


def _by_name(bodies: dict[str, Body], name: str) -> Body | None:
    return next((b for b in bodies.values() if _name(b) == name.lower()), None)


def dig(body: Any, path: str) -> Any:
    """The value at a dotted path; numbers select list elements, names are compared without case."""
    for part in path.split("."):
        if isinstance(body, list):
            body = body[int(part)] if part.isdigit() and int(part) < len(body) else None
        elif isinstance(body, dict):
            body = next((v for k, v in body.items() if k.lower() == part.lower()), None)
        else:
            return None
    return body


# --- provisioning and updates ----------------------------------------------------------------------------------------


def _machines(wanted: list[Body], seen: Evidence, allowed: set[str]) -> list[str]:
    allowed.add("*")
    made = _new(seen, _VM)
    wrong = [] if len(made) == len(wanted) else [f"{len(made)} machines were made, {len(wanted)} asked for"]
    left = list(made)
    for machine in wanted:
        fitting = [m for m in left if _fits(machine, m)]
        if fitting:
            left.remove(fitting[0])
        else:
            wrong.append(f"no machine is {machine}")
    return wrong


def _fits(wanted: Body, machine: Body) -> bool:
    properties = machine["properties"]
    spot = properties.get("priority") == "Spot"
    system = (properties.get("storageProfile") or {}).get("osDisk", {}).get("osType", "")
    named = "name" not in wanted or _name(machine) in (wanted["name"].lower(), f"vm-{wanted['name']}".lower())
    return (
        named
        and dig(properties, "hardwareProfile.vmSize") == wanted["size"]
        and machine.get("location") == wanted["location"]
        and system == wanted.get("os", system)
        and spot == wanted.get("spot", spot)
    )


def _same_network(_: bool, seen: Evidence, __: set[str]) -> list[str]:
    networks = {n.lower() for m in _new(seen, _VM) for n in _networks(m, seen)}
    return [] if len(networks) == 1 else [f"the machines are in {len(networks)} networks"]


def _networks(machine: Body, seen: Evidence) -> Iterator[str]:
    for nic in dig(machine, "properties.networkProfile.networkInterfaces") or []:
        interface = seen.after.get(nic["id"].lower()) or {}
        for configuration in dig(interface, "properties.ipConfigurations") or []:
            subnet = dig(configuration, "properties.subnet.id")
            if subnet:
                yield str(subnet).rsplit("/subnets/", 1)[0]


def _new_networks(wanted: int, seen: Evidence, _: set[str]) -> list[str]:
    made = len(_new(seen, "microsoft.network/virtualnetworks"))
    return [] if made == wanted else [f"{made} networks were made, {wanted} expected"]


def _balancer(wanted: Body, seen: Evidence, _: set[str]) -> list[str]:
    made = _new(seen, "microsoft.network/loadbalancers")
    if len(made) != 1:
        return [f"{len(made)} load balancers were made"]
    rules = dig(made[0], "properties.loadBalancingRules") or []
    ports = [dig(r, "properties.frontendPort") for r in rules]
    pools = {str(dig(p, "id")).lower() for p in dig(made[0], "properties.backendAddressPools") or []}
    behind = [n for n in _of_type(seen.after, _NIC) if pools & {str(p["id"]).lower() for p in _pools(n)}]
    wrong = [] if int(wanted["port"]) in [int(p) for p in ports if p] else [f"it listens on {ports}, not on {wanted['port']}"]
    return wrong if len(behind) == wanted["backends"] else [*wrong, f"{len(behind)} machines are behind it, {wanted['backends']} expected"]


def _pools(nic: Body) -> Iterator[Body]:
    for configuration in dig(nic, "properties.ipConfigurations") or []:
        yield from dig(configuration, "properties.loadBalancerBackendAddressPools") or []


def _disk(wanted: Body, seen: Evidence, allowed: set[str]) -> list[str]:
    made = _new(seen, _DISK)
    allowed |= {_name(d) for d in made} | {wanted["vm"].lower()}
    machine = _by_name(seen.after, wanted["vm"]) or {}
    attached = {str(dig(d, "managedDisk.id")).lower() for d in dig(machine, "properties.storageProfile.dataDisks") or []}
    fitting = [d for d in made if str(d["id"]).lower() in attached]
    if len(made) != 1 or not fitting:
        return [f"{len(made)} disks were made, {len(fitting)} of them attached to {wanted['vm']}"]
    disk, wrong = fitting[0], []
    if dig(disk, "properties.diskSizeGB") != wanted["size_gb"]:
        wrong.append(f"the disk has {dig(disk, 'properties.diskSizeGB')} GB")
    if wanted.get("sku") and dig(disk, "sku.name") != wanted["sku"]:
        wrong.append(f"the disk is {dig(disk, 'sku.name')}")
    return wrong


def _boot_diagnostics(wanted: list[str], seen: Evidence, allowed: set[str]) -> list[str]:
    allowed |= {w.lower() for w in wanted}
    off = [w for w in wanted if not dig(_by_name(seen.after, w), "properties.diagnosticsProfile.bootDiagnostics.enabled")]
    return [f"boot diagnostics of {w} are off" for w in off]


def _spot(wanted: Body, seen: Evidence, allowed: set[str]) -> list[str]:
    machine = _by_name(seen.after, wanted["vm"])
    allowed |= {wanted["vm"].lower(), *(_interfaces(machine) if machine else ())}
    checks = {"properties.priority": "Spot"}
    if wanted.get("eviction"):
        checks["properties.evictionPolicy"] = wanted["eviction"]
    wrong = [f"{p} is {dig(machine, p)}, not {v}" for p, v in checks.items() if dig(machine, p) != v]
    price = dig(machine, "properties.billingProfile.maxPrice")
    if "max_price" in wanted and float(-1 if price is None else price) != float(wanted["max_price"]):
        wrong.append(f"its price is capped at {price}, not at {wanted['max_price']}")
    return wrong


def _interfaces(machine: Body) -> list[str]:
    """A replaced machine takes its interfaces along: they name it."""
    return [str(n["id"]).rsplit("/", 1)[1].lower() for n in dig(machine, "properties.networkProfile.networkInterfaces") or []]


# --- answers ---------------------------------------------------------------------------------------------------------


def _figure(wanted: Body, seen: Evidence, _: set[str]) -> list[str]:
    """The gym's own figure must be in the answer, as it is or rounded to what people say (half a per cent)."""
    span = re.fullmatch(r"(\d+)([mhd])", wanted["range"])
    assert span is not None, "ranges of tasks are 30m, 6h, 1d"
    own = seen.figure(wanted["vm"], wanted["metric"], wanted["aggregation"], int(span[1]) * _SPAN[span[2]])
    if own is None:
        return ["the gym has no such figure"]
    numbers = [float(n.replace(",", "")) for n in re.findall(r"(?<![\w:.-])\d[\d,]*(?:\.\d+)?(?![\w:])", seen.text)]
    near = any(abs(n - own) <= max(0.005 * abs(own), 0.006) for n in numbers)
    return [] if near else [f"{wanted['aggregation']} {wanted['metric']} of {wanted['vm']} is {own:.2f}; the answer does not say so"]


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?;])\s+|\n", text)


def _health(wanted: Body, seen: Evidence, _: set[str]) -> list[str]:
    told = _sentences(seen.text)
    sick = {vm: any(vm in s and _SICK.search(s) for s in told) for vm in ("vm-web-1", "vm-web-2", "vm-api", "vm-db", "vm-batch")}
    missed = [f"{vm} is sick; the answer does not say so" for vm in wanted["sick"] if not sick[vm]]
    return missed + [f"{vm} is well; the answer calls it sick" for vm, said in sick.items() if said and vm not in wanted["sick"]]


def _boot(wanted: Body, seen: Evidence, _: set[str]) -> list[str]:
    told = [kind for kind, pattern in _CAUSES.items() if re.search(pattern, seen.text, re.IGNORECASE)]
    wrong = [] if wanted["vm"] in seen.text else [f"the answer is not about {wanted['vm']}"]
    return wrong if wanted["kind"] in told else [*wrong, f"the cause is {wanted['kind']}; the answer says {told or 'none'}"]


def _who(wanted: Body, seen: Evidence, _: set[str]) -> list[str]:
    text = seen.text.lower()
    doer = wanted["by"].split("@")[0]
    wrong = [] if doer in text else [f"it was {wanted['by']}; the answer does not say so"]
    wrong += [f"the answer names {other}" for other in _PEOPLE if other != doer and other in text]
    if not re.search(_VERBS[wanted["action"]], text, re.IGNORECASE):
        wrong.append(f"the answer does not say {wanted['action']}")
    return wrong


def _alert(wanted: Body, seen: Evidence, _: set[str]) -> list[str]:
    return [f"the answer does not name {wanted[k]}" for k in ("name", "resource") if wanted[k] not in seen.text]


# --- the hard suite --------------------------------------------------------------------------------------------------


def _exit(wanted: int | list[int], seen: Evidence, _: set[str]) -> list[str]:
    allowed = wanted if isinstance(wanted, list) else [wanted]
    return [] if seen.exit in allowed else [f"exit {seen.exit}, expected {' or '.join(map(str, allowed))}"]


def _live(wanted: dict[str, Body], seen: Evidence, _: set[str]) -> list[str]:
    wrong = []
    for name, paths in wanted.items():
        body = _by_name(seen.after, name)
        if body is None:
            wrong.append(f"{name} is not there")
            continue
        wrong += [f"{name} {p} is {dig(body, p)!r}, not {v!r}" for p, v in paths.items() if dig(body, p) != v]
    return wrong


def _gone(wanted: list[str], seen: Evidence, _: set[str]) -> list[str]:
    return [f"{n} is still there" for n in wanted if _by_name(seen.after, n) is not None]


def _exists(wanted: list[str], seen: Evidence, _: set[str]) -> list[str]:
    return [f"{n} is not there" for n in wanted if _by_name(seen.after, n) is None]


def _created(wanted: dict[str, int], seen: Evidence, _: set[str]) -> list[str]:
    made = {kind: len([b for b in _new(seen, kind.lower()) if not b.get("managedBy") or "osdisk" not in _name(b)]) for kind in wanted}
    return [f"{made[kind]} {kind} were made, not {number}" for kind, number in wanted.items() if made[kind] != number]


def _mentions(wanted: list[str], seen: Evidence, _: set[str]) -> list[str]:
    return [f"the answer does not mention {w!r}" for w in wanted if w.lower() not in seen.text.lower()]


def _not(wanted: list[str], seen: Evidence, _: set[str]) -> list[str]:
    return [f"the answer mentions {w!r}" for w in wanted if w.lower() in seen.text.lower()]


_CHECKS: dict[str, Callable[[Any, Evidence, set[str]], list[str]]] = {
    "machines": _machines,
    "same_network": _same_network,
    "new_networks": _new_networks,
    "balancer": _balancer,
    "disk": _disk,
    "boot_diagnostics": _boot_diagnostics,
    "spot": _spot,
    "figure": _figure,
    "health": _health,
    "boot": _boot,
    "who": _who,
    "alert": _alert,
    "exit": _exit,
    "live": _live,
    "gone": _gone,
    "exists": _exists,
    "created": _created,
    "mentions": _mentions,
    "not": _not,
}
