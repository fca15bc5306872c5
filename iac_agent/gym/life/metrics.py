"""Metrics of live resources: samples by the minute, put together into the grains and aggregations that are asked for."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from iac_agent.gym.cloud import Cloud
from iac_agent.gym.life.definitions import Balancer, Metric, luns
from iac_agent.gym.life.history import VM, Machine, minute_of
from iac_agent.gym.store import Body, Resource

LOAD_BALANCER = "Microsoft.Network/loadBalancers"


@dataclass(frozen=True)
class Bucket:
    """The samples of one grain: empty where nothing was measured."""

    start: int
    samples: list[float]

    def aggregate(self, how: str) -> float | None:
        """By an aggregation of Azure's, in any case; None without samples."""
        if not self.samples:
            return None
        match how.lower():
            case "average":
                return sum(self.samples) / len(self.samples)
            case "minimum":
                return min(self.samples)
            case "maximum":
                return max(self.samples)
            case "total":
                return sum(self.samples)
        return float(len(self.samples))


def subject(cloud: Cloud, resource: Resource) -> Machine | Balancer:
    """What the metrics of a resource are taken from. Raises KeyError for a type without metrics."""
    readers: dict[str, Callable[[Cloud, Resource], Machine | Balancer]] = {VM: Machine.of, LOAD_BALANCER: _balancer}
    return readers[resource.type](cloud, resource)


def series(of: Any, metric: Metric, start: int, end: int, grain: int, dimension: str = "") -> list[Bucket]:
    """The buckets from minute `start` up to `end` (exclusive), each `grain` minutes long; the first begins at `start`, as in Azure."""
    return [Bucket(b, _samples(of, metric, range(b, min(b + grain, end)), dimension)) for b in range(start, end, grain)]


def _samples(of: Any, metric: Metric, minutes: range, dimension: str) -> list[float]:
    found = (metric.value(of, m, dimension) for m in minutes if _measured(of, m))
    return [v for v in found if v is not None]


def _measured(of: Machine | Balancer, minute: int) -> bool:
    return of.power(minute) == "running" if isinstance(of, Machine) else minute >= of.born


def dimension_values(of: Any, name: str) -> list[str]:
    """The values a dimension has for a resource; none for those that the gym does not tell apart."""
    match name.lower():
        case "lun":
            return luns(of)
        case "backendipaddress":
            return list(of.backends)
        case "frontendipaddress":
            return list(of.frontends)
    return []


def _balancer(cloud: Cloud, resource: Resource) -> Balancer:
    backends: dict[str, Machine] = {}
    for nic in cloud.store.referrers(resource.id):
        for configuration in nic.properties.get("ipConfigurations") or []:
            inner = configuration.get("properties") or {}
            behind = any(resource.id.lower() in p["id"].lower() for p in inner.get("loadBalancerBackendAddressPools") or [])
            owner = cloud.store.get(str((nic.properties.get("virtualMachine") or {}).get("id", "")))
            if behind and owner is not None:
                backends[str(inner.get("privateIPAddress", nic.body["name"]))] = Machine.of(cloud, owner)
    addresses = [_address(cloud, f) for f in resource.properties.get("frontendIPConfigurations") or []]
    seed = int(cloud.store.setting("seed", 0))
    born = min((m.born for m in backends.values()), default=minute_of(cloud.now()))
    return Balancer(zlib.crc32(f"{seed}:{resource.id.lower()}".encode()), born, [a for a in addresses if a], backends)


def _address(cloud: Cloud, frontend: Body) -> str:
    properties = frontend.get("properties") or {}
    public = cloud.store.get(str((properties.get("publicIPAddress") or {}).get("id", "")))
    return str(public.properties.get("ipAddress", "") if public else properties.get("privateIPAddress", ""))
