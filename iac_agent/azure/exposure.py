"""Which sources stand for the Internet, and which ports must not face it: the same for planner, drift, telemetry and guard."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

ANYWHERE = frozenset({"*", "0.0.0.0/0", "internet", "any", "::/0", "0.0.0.0"})
ADMIN_PORTS = frozenset(
    {21, 22, 23, 25, 135, 139, 389, 445, 1433, 1521, 2049, 2375, 2376, 3306, 3389, 5432, 5984, 5985, 5986, 6379, 9200, 11211, 27017}
)
_WIDE = 8  # a network of less than this many bits is a good part of the Internet


def is_wide(source: str) -> bool:
    """Whether a source is the Internet, or a good part of it."""
    if source.lower() in ANYWHERE:
        return True
    try:
        return ipaddress.ip_network(source, strict=False).prefixlen < _WIDE
    except ValueError:
        return False


def port_ranges(ports: Iterable[str]) -> list[tuple[int, int]]:
    """Ports as a rule writes them (`22`, `8000-8100`, `*`) as ranges, both ends included. What is no port is left out."""
    found = []
    for port in ports:
        first, _, last = str(port).strip().partition("-")
        if first == "*":
            found.append((0, 65535))
        elif first.isdigit() and (last or first).isdigit():
            found.append((int(first), int(last or first)))
    return found


def admin_ports(ports: Iterable[str]) -> set[int]:
    """The ports among these, or inside these ranges, that must not face the Internet."""
    ranges = port_ranges(ports)
    return {p for p in ADMIN_PORTS if any(first <= p <= last for first, last in ranges)}
