"""VM sizes and core quotas of the gym.

Sources: https://learn.microsoft.com/azure/virtual-machines/sizes and the words of ARM's quota errors in azure-cli's recordings.
"""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from iac_agent.gym import faults
from iac_agent.gym.cloud import Cloud, Write
from iac_agent.gym.store import Body, Resource

DEFAULT_CORES = 350
_MACHINE_TYPES = ("Microsoft.Compute/virtualMachines", "Microsoft.Compute/virtualMachineScaleSets")


@functools.cache
def all_sizes() -> dict[str, Body]:
    """Every known size by name: cores, memory in MB, disks, quota family, and US dollars an hour in westeurope."""
    text = resources.files("iac_agent.azure").joinpath("vm_sizes.json").read_text("utf-8")
    return {size["name"]: size for size in json.loads(text)}


def require(name: str) -> Body:
    """The size. Raises ARM's InvalidParameter."""
    found = next((s for n, s in all_sizes().items() if n.lower() == name.lower()), None)
    if found is None:
        raise faults.bad_request("InvalidParameter", f"The value {name} provided for the VM size is not valid.")
    return found


def _cores(resource: Resource) -> tuple[str, int, bool]:
    """Size name, cores and whether they count as low priority."""
    if resource.type == _MACHINE_TYPES[0]:
        name, count = str(resource.properties["hardwareProfile"]["vmSize"]), 1
        spot = resource.properties.get("priority") in ("Spot", "Low")
    else:
        name, count = str(resource.body["sku"]["name"]), int(resource.body["sku"].get("capacity") or 0)
        spot = (resource.properties.get("virtualMachineProfile") or {}).get("priority") in ("Spot", "Low")
    return name, int(require(name)["numberOfCores"]) * count, spot


def _limit(cloud: Cloud, name: str) -> int:
    quota: dict[str, Any] = cloud.store.setting("quota", {})
    return int(quota.get(name, DEFAULT_CORES))


def _used(cloud: Cloud, location: str, without: str) -> dict[str, int]:
    used: dict[str, int] = {}
    for kind in _MACHINE_TYPES:
        for resource in cloud.store.of_type(kind):
            if resource.body.get("location") != location or resource.id.lower() == without.lower():
                continue
            if resource.hidden.get("power") == "deallocated":
                continue
            name, cores, spot = _cores(resource)
            for bucket in ("lowPriorityCores",) if spot else ("cores", str(require(name)["family"])):
                used[bucket] = used.get(bucket, 0) + cores
    return used


def require_quota(write: Write, size: str, count: int) -> None:
    """Raise ARM's quota error when this write needs more cores than the region or the family has left."""
    profile = write.properties.get("virtualMachineProfile") or write.properties
    spot = profile.get("priority") in ("Spot", "Low")
    _require(write.cloud, str(write.body["location"]), size, count, spot, write.id.text)


def require_quota_to_start(cloud: Cloud, machine: Resource) -> None:
    """The same for a deallocated machine that is started again."""
    size, _, spot = _cores(machine)
    _require(cloud, str(machine.body["location"]), size, 1, spot, machine.id)


def _require(cloud: Cloud, location: str, size: str, count: int, spot: bool, without: str) -> None:
    known = require(size)
    needed = int(known["numberOfCores"]) * count
    used = _used(cloud, location, without)
    for bucket in ("lowPriorityCores",) if spot else ("cores", str(known["family"])):
        limit, current = _limit(cloud, bucket), used.get(bucket, 0)
        if current + needed > limit:
            what = "Total Regional Cores" if bucket == "cores" else "LowPriorityCores" if spot else f"{bucket} Cores"
            raise faults.conflict(
                "OperationNotAllowed",
                f"Operation could not be completed as it results in exceeding approved {what} quota. Additional details - Deployment "
                f"Model: Resource Manager, Location: {location}, Current Limit: {limit}, Current Usage: {current}, Additional "
                f"Required: {needed}, (Minimum) New Limit Required: {current + needed}. Setup Alerts when Quota reaches threshold. "
                "Learn more at https://aka.ms/quotamonitoringalerting . Submit a request for Quota increase.",
            )


def usages(cloud: Cloud, location: str) -> list[Body]:
    """The usages list of Microsoft.Compute for a location."""
    used = _used(cloud, location, "")
    families = sorted({str(s["family"]) for s in all_sizes().values()})
    return [
        {
            "name": {"value": bucket, "localizedValue": bucket},
            "currentValue": used.get(bucket, 0),
            "limit": _limit(cloud, bucket),
            "unit": "Count",
        }
        for bucket in ("cores", "lowPriorityCores", *families)
    ]
