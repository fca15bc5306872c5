"""What slows down or refuses a request whatever it asks: latency, ARM's token buckets, Resource Graph's quota, and faults on order.

Sources: https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling (250 reads and 200 writes or
deletes in a bucket, refilled by 25 and 10 a second, for each principal) and https://learn.microsoft.com/azure/governance/resource-graph/
concepts/guidance-for-throttled-requests (15 queries in 5 seconds for each user).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from iac_agent.gym import faults, identity
from iac_agent.gym.faults import ArmFaultError
from iac_agent.gym.store import Body, Store

_BUCKETS = {"reads": (250, 25.0), "writes": (200, 10.0), "deletes": (200, 10.0)}
_KINDS = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}
_DATA_PLANE = ("/metrics:getbatch", "/query")
_GRAPH_QUERIES, _GRAPH_SECONDS = 15, 5.0


# Faults on order, by what people call them.
FAULTS: dict[str, dict[str, Any]] = {
    "down": {"status": 503, "code": "ServiceUnavailable", "message": "The service is unavailable. Please try again later."},
    "slow": {"seconds": 5.0},
    "throttle": {"status": 429, "code": "TooManyRequests", "retry_after": 1, "message": "The request is being throttled."},
    "capacity": {
        "status": 409,
        "code": "SkuNotAvailable",
        "methods": ["PUT", "PATCH"],
        "message": "The requested size is currently not available in this location for lack of capacity. Please try another size or deploy "
        "to a different location or zone. See https://aka.ms/azureskunotavailable for details.",
    },
    "half-create": {"half": True},
}


def ordered(kind: str, path: str, times: int | None = None, after: int = 0, seconds: float | None = None) -> dict[str, Any]:
    """A fault as the setting `faults` has it. `seconds` is how slow, or when a refused call may be tried again; `times` None: always."""
    fault: dict[str, Any] = {"kind": kind, "path": path, "after": after, **FAULTS[kind]}
    if times is not None:
        fault["times"] = times
    if seconds is not None:
        fault |= {"seconds": seconds} if kind == "slow" else {"retry_after": round(seconds)}
    return fault


@dataclass
class Limits:
    """The limits of one running gym. `throttle`, `latency_seconds` and `faults` are settings; what is used up is forgotten at its end."""

    store: Store
    _left: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    _windows: dict[str, tuple[float, int]] = field(default_factory=dict)
    _struck: dict[int, int] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=lambda: {"calls": 0, "writes": 0, "refused": 0})

    @property
    def latency(self) -> float:
        """Seconds that every call takes longer."""
        return float(self.store.setting("latency_seconds", 0))

    def admit(self, claims: Body, method: str, path: str, now: float) -> dict[str, str]:
        """Take from the caller's bucket; returns the headers that tell what is left. Raises 429, or the fault that was ordered."""
        self.counted["calls"] += 1
        self.counted["writes"] += not identity.only_reads(method, path)
        self._strike(method, path)
        who = str(claims.get("oid", ""))
        if path.lower().endswith(_DATA_PLANE):
            return {}
        if path.lower().startswith("/providers/microsoft.resourcegraph/"):
            return self._graph(who, now)
        kind = _KINDS.get(method, "writes")
        most, rate = _BUCKETS[kind]
        left, since = self._left.get((who, kind), (float(most), now))
        left = min(most, left + (now - since) * rate) - 1
        if left < 0 and self.store.setting("throttle", False):
            self.counted["refused"] += 1
            raise faults.throttled(max(1, round(-left / rate + 0.5)))
        self._left[who, kind] = (max(left, 0.0), now)
        return {f"x-ms-ratelimit-remaining-subscription-{kind}": str(int(max(left, 0)))}

    def _graph(self, who: str, now: float) -> dict[str, str]:
        began, used = self._windows.get(who, (now, 0))
        if now - began >= _GRAPH_SECONDS:
            began, used = now, 0
        resets = max(0, round(_GRAPH_SECONDS - (now - began)))
        headers = {"x-ms-user-quota-remaining": str(max(0, _GRAPH_QUERIES - used - 1)), "x-ms-user-quota-resets-after": f"00:00:0{resets}"}
        if used >= _GRAPH_QUERIES and self.store.setting("throttle", False):
            self.counted["refused"] += 1
            message = "Please provide below info when asking for support: timestamp. Client application has been throttled."
            raise ArmFaultError(429, "RateLimiting", message, headers={**headers, "Retry-After": str(max(1, resets))})
        self._windows[who] = (began, used + 1)
        return headers

    def _strike(self, method: str, path: str) -> None:
        """Raise the first ordered fault that fits and is not used up."""
        fault = self._met(method, path, lambda f: "status" in f or not {"seconds", "half"} & f.keys())
        if fault is not None:
            headers = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else {}
            message = str(fault.get("message", "A fault was ordered here."))
            raise ArmFaultError(int(fault.get("status", 500)), str(fault.get("code", "InternalServerError")), message, headers=headers)

    def delay(self, method: str, path: str) -> float:
        """Seconds that this call takes longer, by the latency of all and by a fault that slows it."""
        fault = self._met(method, path, lambda f: "seconds" in f)
        return self.latency + (float(fault["seconds"]) if fault else 0.0)

    def fails_half_way(self, path: str) -> bool:
        """Whether this create was ordered to fail after it began."""
        return self._met("PUT", path, lambda f: "half" in f) is not None

    def _met(self, method: str, path: str, kind: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """The first ordered fault of a kind that fits a call and is not used up; it is counted as met."""
        ordered: list[dict[str, Any]] = self.store.setting("faults", [])
        for number, fault in enumerate(ordered):
            if (
                not kind(fault)
                or not re.search(str(fault.get("path", "")), path, re.IGNORECASE)
                or method not in fault.get("methods", [method])
            ):
                continue
            met = self._struck[number] = self._struck.get(number, 0) + 1
            after, times = int(fault.get("after", 0)), int(fault.get("times", 1_000_000))
            if after < met <= after + times:
                return fault
        return None

    def forget(self) -> None:
        """Start again with full buckets and faults that never struck."""
        for held in (self._left, self._windows, self._struck):
            held.clear()
