"""Keeping below Azure's limits instead of running into them: the answers tell what is left, and calls wait for what is refilled.

ARM refills a bucket of 250 reads by 25 a second; Resource Graph allows 15 queries in 5 seconds. Sources:
https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling and
https://learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_READS = "x-ms-ratelimit-remaining-subscription-reads"
_GRAPH_LEFT, _GRAPH_RESETS = "x-ms-user-quota-remaining", "x-ms-user-quota-resets-after"
_RESERVE = 40
_REFILL = 25.0


@dataclass
class Pace:
    """What was told to be left, and when the next call may start. Shared by the threads of one client."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _left: int = _RESERVE + 1
    _next: float = 0.0
    _graph_from: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, *, graph: bool) -> None:
        """Wait until a call may start: at once while plenty is left, else as fast as the bucket is refilled."""
        with self._lock:
            now = self.clock()
            start = now
            if graph:
                start = max(now, self._graph_from)
            elif self._left < _RESERVE:
                start = max(now, self._next)
                self._next = start + 1 / _REFILL
        if start > now:
            self.sleep(start - now)

    def heard(self, headers: Mapping[str, str]) -> None:
        """Take in what an answer tells."""
        left, quota = str(headers.get(_READS, "")), str(headers.get(_GRAPH_LEFT, ""))
        with self._lock:
            if left.isdigit():
                self._left = int(left)
            if quota.isdigit():
                self._graph_from = self.clock() + (_seconds(str(headers.get(_GRAPH_RESETS, ""))) if int(quota) < 1 else 0.0)


def _seconds(span: str) -> float:
    """`00:00:05` in seconds; 5, the whole window, for what is no span."""
    parts = span.split(":")
    if len(parts) != 3 or not all(p.replace(".", "", 1).isdigit() for p in parts):
        return 5.0
    hours, minutes, seconds = map(float, parts)
    return hours * 3600 + minutes * 60 + seconds
