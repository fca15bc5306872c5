"""The monthly cost of a plan, before and after: by resource, and what is unknown as unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iac_agent.azure.lenses.codecs import normal_location
from iac_agent.guard.check import Finding
from iac_agent.guard.cost import meters
from iac_agent.guard.cost.prices import PriceList
from iac_agent.guard.planned import AFTER_APPLY, Resource, World
from iac_agent.guard.policy import Ruling, Severity

_SOURCE = "https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices"


@dataclass(frozen=True)
class Monthly:
    """What a resource costs a month; None where it is unknown, and then `why`."""

    amount: float | None
    why: str = ""


@dataclass(frozen=True)
class Line:
    """One resource whose cost changes."""

    address: str
    before: Monthly
    after: Monthly

    def as_json(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "before": self.before.amount,
            "after": self.after.amount,
            "unknown": self.after.why or self.before.why,
        }


@dataclass(frozen=True)
class Estimate:
    """Totals of what is known, in `currency` a month; `lines` are the resources that change. `unknown` are addresses after the plan."""

    before: float
    after: float
    lines: tuple[Line, ...]
    unknown: tuple[str, ...]
    currency: str
    date: str

    @property
    def change(self) -> float:
        return self.after - self.before

    def as_json(self) -> dict[str, Any]:
        return {
            "before": round(self.before, 2),
            "after": round(self.after, 2),
            "change": round(self.change, 2),
            "currency": self.currency,
            "prices_of": self.date,
            "resources": [line.as_json() for line in self.lines],
            "unknown": list(self.unknown),
        }


@dataclass(frozen=True)
class Budget:
    """What a root module may cost a month, and how much more a change may make it; None for no limit."""

    monthly: float | None = None
    increase: float | None = None


_NOTHING = Monthly(0.0)


@dataclass(frozen=True)
class Estimator:
    """Estimates by one price list."""

    prices: PriceList
    _known: dict[tuple[Any, ...], float | None] = field(default_factory=dict, repr=False)

    def estimate(self, after: World, before: World) -> Estimate:
        """Both worlds by resource; those that cost the same are counted, but are no lines."""
        old, new = self._all(before), self._all(after)
        lines = [
            Line(address, old.get(address, _NOTHING), new.get(address, _NOTHING))
            for address in sorted(old.keys() | new.keys())
            if old.get(address, _NOTHING) != new.get(address, _NOTHING)
        ]
        unknown = tuple(sorted(a for a, m in new.items() if m.amount is None))
        return Estimate(_sum(old), _sum(new), tuple(lines), unknown, self.prices.currency, self.prices.date)

    def _all(self, world: World) -> dict[str, Monthly]:
        return {r.address: self.monthly(r) for r in world.resources.values()}

    def monthly(self, resource: Resource) -> Monthly:
        """What one resource costs a month."""
        try:
            return Monthly(sum(self._amount(resource, m) for m in meters.of(resource)))
        except meters.UnknownPriceError as problem:
            return Monthly(None, str(problem))

    def _amount(self, resource: Resource, meter: meters.Meter) -> float:
        region = _region(resource)
        key = (meter.what.split(" x ")[-1], region)
        if key not in self._known:
            item = self.prices.find(region, meter.fits)
            self._known[key] = float(item["retailPrice"]) if item else None
        price = self._known[key]
        if price is None:
            raise meters.UnknownPriceError(
                f"there is no price for {meter.what} in {region or 'its region'} in the list of {self.prices.date}"
            )
        return price * meter.quantity


def within(budget: Budget, estimate: Estimate) -> list[Finding]:
    """What is over the budget, or may be: an unknown price is no zero."""
    found = []
    for limit, amount, what, rule in (
        (budget.monthly, estimate.after, "a month", "CST-100"),
        (budget.increase, estimate.change, "more a month", "CST-101"),
    ):
        if limit is None or (amount <= limit and not estimate.unknown):
            continue
        told = f"{amount:,.2f} {estimate.currency} {what}"
        over = amount > limit
        standing = over and estimate.change <= 0 and all(x.after.amount is not None for x in estimate.lines)
        found.append(
            Finding(
                rule,
                f"It costs no more than {limit:,.2f} {estimate.currency} {what}",
                (Ruling.WARN if standing else Ruling.REFUSE) if over else Ruling.UNKNOWN,
                Severity.HIGH,
                _dearest(estimate) if over else _unpriced(estimate),
                "",
                "monthly cost",
                told if over else f"{told}, without {len(estimate.unknown)} whose price is unknown",
                "The budget was agreed, and is in the configuration.",
                "Take smaller sizes or fewer, or have the budget raised.",
                _SOURCE,
                standing,
            )
        )
    return found


def _unpriced(estimate: Estimate) -> str:
    """The address whose price is unknown: one that changes, where there is one."""
    return next((x.address for x in estimate.lines if x.after.amount is None), estimate.unknown[0])


def _dearest(estimate: Estimate) -> str:
    """The address that adds the most."""
    rising = [x for x in estimate.lines if x.after.amount is not None]
    return max(rising, key=lambda x: (x.after.amount or 0) - (x.before.amount or 0)).address if rising else ""


def _sum(costs: Mapping[str, Monthly]) -> float:
    return sum(m.amount for m in costs.values() if m.amount is not None)


def _region(resource: Resource) -> str:
    held = resource.values.get("location")
    return "" if held is AFTER_APPLY or held is None else normal_location(str(held))
