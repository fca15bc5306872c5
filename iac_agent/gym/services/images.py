"""Microsoft.Compute's catalogue: versions of marketplace images, and what sizes there are where; az asks before it makes a machine.

Source: azure-rest-api-specs, Microsoft.Compute 2024-11-01 (virtualMachineImages) and 2019-04-01 (skus).
"""

from __future__ import annotations

import re
from typing import Any

from iac_agent.gym import sizes
from iac_agent.gym.cloud import LOCATIONS
from iac_agent.gym.services import Call, Operation, Outcome
from iac_agent.gym.store import Body

_VERSION = "1.0.20261101"
_SUBSCRIPTION = "/subscriptions/{subscription}/providers/Microsoft.Compute"
_VERSIONS = f"{_SUBSCRIPTION}/locations/{{location}}/publishers/{{publisher}}/artifacttypes/vmimage/offers/{{offer}}/skus/{{sku}}/versions"


def _image(call: Call, parts: dict[str, str], version: str) -> Body:
    path = re.sub(r"/versions(/[^/]+)?$", "", call.path, flags=re.IGNORECASE)
    return {"id": f"{path}/versions/{version}", "name": version, "location": parts["location"]}


def _versions(call: Call, parts: dict[str, str]) -> Outcome:
    return 200, [_image(call, parts, _VERSION)]


def _version(call: Call, parts: dict[str, str]) -> Outcome:
    windows = "windows" in f"{parts['publisher']} {parts['offer']}".lower()
    properties = {
        "osDiskImage": {"operatingSystem": "Windows" if windows else "Linux", "sizeInGb": 127 if windows else 30},
        "dataDiskImages": [],
        "hyperVGeneration": "V2",
        "architecture": "x64",
        "features": [{"name": "SecurityType", "value": "TrustedLaunchSupported"}],
    }
    return 200, {**_image(call, parts, parts["version"]), "properties": properties}


def _skus(call: Call, _: dict[str, str]) -> Outcome:
    wanted = re.search(r"location eq '([^']+)'", call.query.get("$filter", ""))
    places = [wanted[1].lower()] if wanted else LOCATIONS
    return 200, {"value": [_sku(size, place) for size in sizes.all_sizes().values() for place in places]}


def _sku(size: dict[str, Any], place: str) -> Body:
    capabilities = {"vCPUs": size["numberOfCores"], "MemoryGB": size["memoryInMB"] / 1024, "MaxDataDiskCount": size["maxDataDiskCount"]}
    return {
        "resourceType": "virtualMachines",
        "name": size["name"],
        "tier": "Standard",
        "size": size["name"].split("_", 1)[-1],
        "family": size["family"],
        "locations": [place],
        "locationInfo": [{"location": place, "zones": ["1", "2", "3"], "zoneDetails": []}],
        "capabilities": [{"name": n, "value": f"{v:g}"} for n, v in capabilities.items()],
        "restrictions": [],
    }


ROUTES = [
    Operation("GET", _VERSIONS, _versions),
    Operation("GET", f"{_VERSIONS}/{{version}}", _version),
    Operation("GET", f"{_SUBSCRIPTION}/skus", _skus),
]
TYPES: list[Any] = []
