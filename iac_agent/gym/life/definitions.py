"""The platform metrics of each type as Azure defines them: name, unit, aggregations, dimensions; and how a minute's value is got.

Source: https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/metrics-index (virtualMachines, disks, loadBalancers).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from iac_agent.gym.life.history import Machine
from iac_agent.gym.life.load import noise
from iac_agent.gym.store import Body

_ALL = ("Average", "Minimum", "Maximum", "Total", "Count")
_LEVEL = ("Average", "Minimum", "Maximum")
Value = Callable[[Any, int, str], float | None]


@dataclass(frozen=True)
class Metric:
    """One metric. `value(subject, minute, dimension value)` is its sample, None where there is none."""

    name: str
    shown: str
    unit: str
    primary: str
    value: Value
    aggregations: tuple[str, ...] = _ALL
    dimensions: tuple[str, ...] = ()

    def as_json(self, resource_id: str, namespace: str) -> Body:
        return {
            "id": f"{resource_id}/providers/microsoft.insights/metricdefinitions/{self.name}",
            "resourceId": resource_id,
            "namespace": namespace,
            "name": {"value": self.name, "localizedValue": self.shown},
            "displayDescription": self.shown,
            "isDimensionRequired": False,
            "unit": self.unit,
            "primaryAggregationType": self.primary,
            "supportedAggregationTypes": list(self.aggregations),
            "metricAvailabilities": [{"timeGrain": g, "retention": "P93D"} for g in GRAINS],
            "dimensions": [{"value": d, "localizedValue": d} for d in self.dimensions],
        }


GRAINS = {"PT1M": 1, "PT5M": 5, "PT15M": 15, "PT30M": 30, "PT1H": 60, "PT6H": 360, "PT12H": 720, "P1D": 1440}


# --- machines --------------------------------------------------------------------------------------------------------


def _memory_bytes(machine: Machine) -> int:
    return int(machine.size["memoryInMB"]) * 1024**2


def _rate(kind: str, scale: float) -> Value:
    """Bytes a second that follow the processor: more work, more traffic."""

    def value(machine: Machine, minute: int, _: str) -> float:
        busy = machine.usage(minute).cpu * int(machine.size["numberOfCores"])
        return busy * scale * (1 + 0.25 * noise(machine.key, minute, kind))

    return value


def _total(kind: str, scale: float) -> Value:
    rate = _rate(kind, scale)
    return lambda machine, minute, which: float(round((rate(machine, minute, which) or 0) * 60))


def _a_second(kind: str, scale: float, size: int) -> Value:
    rate = _rate(kind, scale)
    return lambda machine, minute, which: round((rate(machine, minute, which) or 0) / size, 3)


def _on_disk(value: Value) -> Value:
    """A data disk's share; there is none for a LUN that holds no disk."""
    return lambda machine, minute, lun: None if not luns(machine) else (value(machine, minute, lun) or 0) / len(luns(machine))


def luns(machine: Machine) -> list[str]:
    return [str(d["lun"]) for d in machine.resource.properties["storageProfile"].get("dataDisks") or []]


def _iops_share(machine: Machine, minute: int, _: str) -> float:
    return round(min(100.0, machine.usage(minute).queue * 6 + machine.usage(minute).cpu * 0.2), 3)


_KB, _MB = 1024, 1024**2
_MACHINES = [
    Metric("Percentage CPU", "Percentage CPU", "Percent", "Average", lambda m, t, _: m.usage(t).cpu),
    Metric(
        *("Available Memory Bytes", "Available Memory Bytes (Preview)", "Bytes", "Average"),
        lambda m, t, _: float(round(_memory_bytes(m) * (1 - m.usage(t).memory / 100))),
    ),
    Metric(
        *("Available Memory Percentage", "Available Memory Percentage", "Percent", "Average"),
        lambda m, t, _: round(100 - m.usage(t).memory, 3),
    ),
    Metric("VmAvailabilityMetric", "VM Availability Metric (Preview)", "Count", "Average", lambda m, t, _: float(m.up(t)), _LEVEL),
    Metric("Network In Total", "Network In Total", "Bytes", "Total", _total("net in", 9 * _KB)),
    Metric("Network Out Total", "Network Out Total", "Bytes", "Total", _total("net out", 22 * _KB)),
    Metric("Inbound Flows", "Inbound Flows", "Count", "Average", lambda m, t, _: float(round(m.usage(t).cpu * 4 + 3))),
    Metric("Outbound Flows", "Outbound Flows", "Count", "Average", lambda m, t, _: float(round(m.usage(t).cpu * 4 + 5))),
    Metric("Disk Read Bytes", "Disk Read Bytes", "Bytes", "Total", _total("disk read", 30 * _KB)),
    Metric("Disk Write Bytes", "Disk Write Bytes", "Bytes", "Total", _total("disk write", 45 * _KB)),
    Metric(
        *("Disk Read Operations/Sec", "Disk Read Operations/Sec", "CountPerSecond", "Average", _a_second("disk read", 30 * _KB, 16 * _KB)),
        _LEVEL,
    ),
    Metric(
        *(
            "Disk Write Operations/Sec",
            "Disk Write Operations/Sec",
            "CountPerSecond",
            "Average",
            _a_second("disk write", 45 * _KB, 16 * _KB),
        ),
        _LEVEL,
    ),
    Metric("OS Disk Queue Depth", "OS Disk Queue Depth", "Count", "Average", lambda m, t, _: m.usage(t).queue),
    Metric("OS Disk IOPS Consumed Percentage", "OS Disk IOPS Consumed Percentage", "Percent", "Average", _iops_share),
    Metric(
        *("Data Disk Read Bytes/sec", "Data Disk Read Bytes/Sec", "BytesPerSecond", "Average", _on_disk(_rate("disk read", 20 * _KB))),
        _LEVEL,
        ("LUN",),
    ),
    Metric(
        *("Data Disk Write Bytes/sec", "Data Disk Write Bytes/Sec", "BytesPerSecond", "Average", _on_disk(_rate("disk write", 30 * _KB))),
        _LEVEL,
        ("LUN",),
    ),
    Metric(
        "Data Disk Queue Depth", "Data Disk Queue Depth", "Count", "Average", _on_disk(lambda m, t, _: m.usage(t).queue), _ALL, ("LUN",)
    ),
]


# --- load balancers --------------------------------------------------------------------------------------------------


@dataclass
class Balancer:
    """A load balancer with the machines behind it, by the private address of each. It has samples from `born` on."""

    key: int
    born: int
    frontends: list[str]
    backends: dict[str, Machine]

    def alive(self, minute: int, address: str) -> list[Machine]:
        """The machines that answer its probe, of all or of one address."""
        chosen = [m for a, m in self.backends.items() if address in ("", a)]
        return [m for m in chosen if m.up(minute)]


def _dip(balancer: Balancer, minute: int, address: str) -> float | None:
    asked = 1 if address else len(balancer.backends)
    return 100.0 * len(balancer.alive(minute, address)) / asked if asked else None


def _vip(balancer: Balancer, minute: int, _: str) -> float | None:
    return (100.0 if balancer.alive(minute, "") else 0.0) if balancer.backends else None


def _through(scale: float) -> Value:
    def value(balancer: Balancer, minute: int, _: str) -> float:
        busy = sum(m.usage(minute).cpu * int(m.size["numberOfCores"]) for m in balancer.alive(minute, ""))
        return float(round(busy * scale * (1 + 0.2 * noise(balancer.key, minute, "through"))))

    return value


_TOTAL = ("Total", "Average", "Minimum", "Maximum")
_BALANCERS = [
    Metric("VipAvailability", "Data Path Availability", "Count", "Average", _vip, _LEVEL, ("FrontendIPAddress", "FrontendPort")),
    Metric("DipAvailability", "Health Probe Status", "Count", "Average", _dip, _LEVEL, ("BackendIPAddress", "ProtocolType")),
    Metric("ByteCount", "Byte Count", "Bytes", "Total", _through(60 * 31 * _KB), _TOTAL, ("FrontendIPAddress", "Direction")),
    Metric("PacketCount", "Packet Count", "Count", "Total", _through(60 * 31), _TOTAL, ("FrontendIPAddress", "Direction")),
    Metric("SYNCount", "SYN Count", "Count", "Total", _through(90), _TOTAL, ("FrontendIPAddress", "Direction")),
    Metric("SnatConnectionCount", "SNAT Connection Count", "Count", "Total", _through(11), _TOTAL, ("ConnectionState", "BackendIPAddress")),
]

BY_TYPE: dict[str, list[Metric]] = {
    "microsoft.compute/virtualmachines": _MACHINES,
    "microsoft.network/loadbalancers": _BALANCERS,
}


def find(kind: str, name: str) -> Metric | None:
    return next((m for m in BY_TYPE.get(kind.lower(), ()) if m.name.lower() == name.lower()), None)
