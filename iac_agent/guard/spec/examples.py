"""An example that passes a specification and one that fails it, made from it and tried on it, so that a person sees what it means."""

from __future__ import annotations

from typing import Any

from iac_agent.errors import UsageError
from iac_agent.guard.planned import Resource, World
from iac_agent.guard.policies import shipped
from iac_agent.guard.policies.types import LINUX, NETWORK, NIC, NSG, SUBNET, SUBNET_NSG
from iac_agent.guard.policy import Example, Policy
from iac_agent.guard.spec import in_force
from iac_agent.guard.spec.in_force import Accepted
from iac_agent.guard.spec.language import ENVIRONMENT_KEYS, Costs, Rules, Scope, Spec, Tagged, Unreachable, Value, Where
from iac_agent.guard.truth import Truth

_ELSEWHERE = ("eastus", "westeurope", "southeastasia")


def of(spec: Spec) -> tuple[str, str]:
    """What passes and what fails, in a line each. Raises UsageError when they do not: then the specification means nothing, or too much."""
    demand = spec.demand
    if isinstance(demand, Costs):
        return f"{demand.at_most:,.0f} a month", f"{demand.at_most + 1:,.0f} a month"
    if isinstance(demand, Unreachable):
        return _network(spec, demand)
    policy = in_force.policy(Accepted("SPEC", "", spec, "", ""))
    assert policy is not None
    kind, passing, failing = _attributes(spec, policy)
    for values, expected in ((passing, Truth.YES), (failing, Truth.NO)):
        if policy.holds.of(world({f"{kind}.example": values}).resources[f"{kind}.example"]) != expected:
            raise UsageError(f"no example can be made that shows what this means: {spec}", hint="Say it differently.")
    return _shown(kind, passing), _shown(kind, failing)


def world(resources: dict[str, dict[str, Any]]) -> World:
    """A world of resources by address; ids are as they are written."""
    return World({a: Resource(a, a.split(".")[0], "create", v) for a, v in resources.items()})


def _meant(scope: Scope) -> dict[str, Any]:
    """Values that put a resource into a scope."""
    tags = {k: v[0] for k, v in list(scope.tags.items())[:1]}
    if scope.environments:
        tags[ENVIRONMENT_KEYS[0]] = scope.environments[0]
    name = scope.names[0] if scope.names and not scope.tags else "example"
    return {"name": name, **({"tags": tags} if tags else {})}


def _attributes(spec: Spec, policy: Policy) -> tuple[str, dict[str, Any], dict[str, Any]]:
    base, demand = _meant(spec.scope), spec.demand
    kind = policy.types[0]
    if isinstance(demand, Where):
        other = next(r for r in _ELSEWHERE if r not in demand.regions)
        return kind, {**base, "location": demand.regions[0]}, {**base, "location": other}
    if isinstance(demand, Tagged):
        tags = base.get("tags", {})
        return kind, {**base, "tags": {**tags, **dict.fromkeys(demand.keys, "x")}}, {**base, "tags": tags}
    if isinstance(demand, Value):
        good, bad = _values(demand)
        return kind, {**base, **_nested(demand.path, good)}, {**base, **_nested(demand.path, bad)}
    assert isinstance(demand, Rules)
    rule = next(p for p in shipped() if p.id in demand.ids)
    if not isinstance(rule.passing, Example) or not isinstance(rule.failing, Example):
        raise UsageError(f"{rule.id} cannot be put in force by itself", hint="It always is.")
    return rule.types[0], {**rule.passing.values, **base}, {**rule.failing.values, **base}


def _values(demand: Value) -> tuple[Any, Any]:
    if demand.one_of:
        first = demand.one_of[0]
        return first, (not first) if isinstance(first, bool) else "another"
    if demand.none_of:
        return "another", demand.none_of[0]
    if demand.at_least is not None:
        return demand.at_least, demand.at_least - 1
    return demand.at_most, (demand.at_most or 0) + 1


def _nested(path: str, value: Any) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    return {head: [_nested(rest, value)]} if rest else {head: value}


def _shown(kind: str, values: dict[str, Any]) -> str:
    told = ", ".join(f"{k} = {v}" for k, v in values.items() if k != "name")
    return f"a {kind.removeprefix('azurerm_').replace('_', ' ')} with {told or 'nothing else'}"


def _network(spec: Spec, demand: Unreachable) -> tuple[str, str]:
    """A machine behind a group that lets nothing in, and one that lets the source in."""
    port = demand.ports[0][0] if demand.ports else 443
    source = "Internet" if demand.source == "internet" else "VirtualNetwork"
    for access, expected in (("Deny", "proved"), ("Allow", "refuted")):
        answer = in_force.ask(spec, world(_small(spec.scope, demand, access, source, port)))
        if answer.result != expected:
            raise UsageError(f"no example can be made that shows what this means: {spec}", hint="Say it differently.")
    told = f"a machine with a public address behind a group that {{}} {source} to port {port}"
    if demand.source != "internet":
        told = f"two machines in one network, and a group that {{}} port {port} from the one to the other"
    return told.format("denies"), told.format("allows")


def _small(scope: Scope, demand: Unreachable, access: str, source: str, port: int) -> dict[str, dict[str, Any]]:
    rule = {
        "name": "example", "priority": 100, "direction": "Inbound", "access": access, "protocol": "*", "source_port_range": "*",
        "source_address_prefix": source, "destination_address_prefix": "*",
        "destination_port_range": str(port if access == "Allow" else "*"),
    }  # fmt: skip
    made: dict[str, dict[str, Any]] = {
        f"{NETWORK}.n": {"id": "/n", "name": "n", "resource_group_name": "g", "address_space": ["10.0.0.0/16"]},
        f"{SUBNET}.s": {"id": "/s", "virtual_network_name": "n", "resource_group_name": "g", "address_prefixes": ["10.0.1.0/24"]},
        f"{NSG}.g": {"id": "/g", "name": "g", "security_rule": [rule]},
        f"{SUBNET_NSG}.a": {"subnet_id": "/s", "network_security_group_id": "/g"},
        "azurerm_public_ip.p": {"id": "/p", "sku": "Standard"},
    }
    scopes = [("target", scope, "/p")] + ([] if demand.source == "internet" else [("source", demand.source, None)])
    for name, held, public in scopes:
        assert isinstance(held, Scope)
        made[f"{NIC}.{name}"] = {
            "id": f"/nic-{name}",
            "ip_configuration": [{"name": "i", "subnet_id": "/s", "public_ip_address_id": public, "private_ip_address": ""}],
        }
        kind = LINUX if not held.types or LINUX in held.types else held.types[0]
        made[f"{kind}.{name}"] = {**_meant(held), "network_interface_ids": [f"/nic-{name}"]}
    return made
