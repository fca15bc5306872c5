"""A price list in the form of Azure's retail prices API: the snapshot that is shipped, or one that was fetched since.

Source: https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from iac_agent.errors import UsageError

URL = "https://prices.azure.com/api/retail/prices"
SERVICES = ("Virtual Machines", "Storage", "Virtual Network", "Load Balancer", "NAT Gateway", "Azure DNS", "Azure Monitor", "Log Analytics")
# Where Azure bills what it does not bill by region.
_ANYWHERE = ("Global", "Zone 1", "")
Item = dict[str, Any]


@dataclass(frozen=True)
class PriceList:
    """Prices by region and meter, in `currency`, as of `date` (ISO)."""

    items: tuple[Item, ...]
    date: str
    currency: str = "USD"

    @classmethod
    def read(cls, text: str) -> PriceList:
        """A list as the API answers. Raises UsageError for anything else."""
        try:
            held = json.loads(text)
            return cls(tuple(held["Items"]), str(held.get("SnapshotDate", "")), str(held.get("BillingCurrency", "USD")))
        except (ValueError, KeyError, TypeError) as problem:
            raise UsageError(f"this is no price list: {problem}", hint="Fetch one with: iacagent policy prices") from problem

    @functools.cached_property
    def _by_region(self) -> dict[str, list[Item]]:
        found: dict[str, list[Item]] = {}
        for item in self.items:
            if item.get("type") == "Consumption":
                found.setdefault(item["armRegionName"], []).append(item)
        return found

    def find(self, region: str, fits: Callable[[Item], bool]) -> Item | None:
        """The first item that fits in a region, else among what is billed anywhere; the first tier of several."""
        for place in (region, *_ANYWHERE):
            found = [i for i in self._by_region.get(place, ()) if fits(i)]
            if found:
                return min(found, key=lambda i: i["tierMinimumUnits"])
        return None


@functools.cache
def shipped() -> PriceList:
    return PriceList.read(resources.files("iac_agent.guard.cost").joinpath("prices.json").read_text("utf-8"))


def current(cache: Path) -> PriceList:
    """The list that was fetched, where there is one that is newer than the one that is shipped."""
    file = cache / "prices.json"
    if not file.is_file():
        return shipped()
    fetched = PriceList.read(file.read_text("utf-8"))
    return max(shipped(), fetched, key=lambda p: p.date)


def fetch(get: Callable[[str], bytes], regions: Iterable[str], date: str, url: str = URL) -> str:
    """The list for some regions as JSON text, page by page. `get` reads a URL. Raises what it raises."""
    items: list[Item] = []
    for service in SERVICES:
        places = " or ".join(f"armRegionName eq '{r}'" for r in (*regions, *_ANYWHERE))
        query = f"serviceName eq '{service}' and ({places}) and type eq 'Consumption'"
        following: str | None = f"{url}?api-version=2023-01-01-preview&$filter={_quoted(query)}"
        while following:
            page = json.loads(get(following))
            items += page["Items"]
            following = page.get("NextPageLink")
    return json.dumps({"BillingCurrency": "USD", "SnapshotDate": date, "Items": items, "NextPageLink": None, "Count": len(items)})


def _quoted(query: str) -> str:
    from urllib.parse import quote

    return quote(query)
