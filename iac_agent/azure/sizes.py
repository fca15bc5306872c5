"""VM sizes: which there are and what they have. Source: https://learn.microsoft.com/azure/virtual-machines/sizes (vm_sizes.json)."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Size:
    """A VM size; memory in GB, price in dollars an hour on demand; `disks` is how many data disks it takes."""

    name: str
    cores: int
    memory: float
    price: float
    disks: int = 64
    premium: bool = True

    @property
    def series(self) -> str:
        """What stays when only the number of cores changes: `D*s_v5`."""
        return re.sub(r"\d+", "*", self.name.removeprefix("Standard_"), count=1)

    @property
    def is_burstable(self) -> bool:
        return self.name.startswith("Standard_B")

    @property
    def version(self) -> str:
        return self.name.rpartition("_v")[2] if "_v" in self.name else ""


@functools.cache
def all_sizes() -> dict[str, Size]:
    """Every known size by its name in lower case."""
    rows = json.loads(resources.files("iac_agent.azure").joinpath("vm_sizes.json").read_text("utf-8"))
    found = [
        Size(
            r["name"],
            r["numberOfCores"],
            r["memoryInMB"] / 1024,
            r["linuxPricePerHour"] or 0.0,
            r["maxDataDiskCount"],
            bool(r["premiumIO"]),
        )
        for r in rows
    ]
    return {s.name.lower(): s for s in found}


def get(name: str) -> Size | None:
    return all_sizes().get(name.lower())
