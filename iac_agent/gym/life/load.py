"""Load profiles: what a machine does with its processor, memory, disks and network at any minute, the same for the same seed.

Nothing is recorded: a sample is a function of the seed, the resource id and the minute, so that hours pass at once when the clock is
moved, and every reader (metrics, logs, alerts, health) sees the same figures.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

PROFILES: dict[str, dict[str, float]] = {
    "steady": {"cpu": 20, "memory": 40},
    "daily": {"low": 8, "high": 65, "memory": 45, "hour": 14},
    "spike": {"cpu": 15, "peak": 95, "memory": 45, "every": 6, "minutes": 20},
    "leak": {"cpu": 25, "memory": 35, "hours": 8},
    "dying": {"cpu": 30, "memory": 50, "hours": 2},
}
_NOISE = {"cpu": 0.06, "memory": 0.02, "network": 0.25, "disk": 0.3}


@dataclass(frozen=True)
class Load:
    """A profile with its parameters, in force from the minute `since` (minutes since 1970)."""

    profile: str
    parameters: dict[str, float]
    since: int

    @classmethod
    def from_json(cls, given: dict[str, Any], since: int) -> Load:
        """Raises ValueError for an unknown profile or parameter."""
        profile = str(given.get("profile", ""))
        if profile not in PROFILES:
            raise ValueError(f"there is no load profile {profile!r}; there are {', '.join(PROFILES)}")
        known = PROFILES[profile]
        parameters = {k: float(v) for k, v in given.items() if k != "profile"}
        strange = [k for k in parameters if k not in known]
        if strange:
            raise ValueError(f"the profile {profile} has no {strange[0]}; it has {', '.join(known)}")
        return cls(profile, {**known, **parameters}, since)


@dataclass(frozen=True)
class Usage:
    """One minute of a guest: processor and memory in percent, disk and network as factors of the processor's, and whether it answers."""

    cpu: float
    memory: float
    queue: float
    alive: bool


def noise(key: int, minute: int, salt: str) -> float:
    """A number from -1 to 1 that only these three decide (an integer hash with good mixing)."""
    x = (key ^ zlib.crc32(salt.encode()) ^ (minute * 0x9E3779B1)) & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x45D9F3B) & 0xFFFFFFFF
    return ((x ^ (x >> 16)) & 0xFFFFFFFF) / 0x7FFFFFFF - 1


def usual(key: int, since: int) -> Load:
    """What a machine does when nobody says anything: a steady load of its own between 5 and 35 percent."""
    return Load("steady", {"cpu": 20 + 15 * noise(key, 0, "level"), "memory": 40 + 15 * noise(key, 0, "memory level")}, since)


def usage(load: Load, key: int, minute: int) -> Usage:
    """The sample of one minute."""
    p, ran = load.parameters, (minute - load.since) / 60
    memory, queue, alive = p["memory"], 0.2, True
    match load.profile:
        case "daily":
            wave = (1 + math.cos((minute / 60 - p["hour"]) / 24 * 2 * math.pi)) / 2
            cpu = p["low"] + (p["high"] - p["low"]) * wave
        case "spike":
            within = (minute - load.since) % int(p["every"] * 60)
            spiking = within >= p["every"] * 60 - p["minutes"]
            cpu = p["peak"] if spiking else p["cpu"]
            queue = 4.0 if spiking else 0.2
        case "leak":
            filled = ran % p["hours"] / p["hours"]
            memory = p["memory"] + (98 - p["memory"]) * filled
            cpu = p["cpu"] + (60 * (filled - 0.9) * 10 if filled > 0.9 else 0)
        case "dying":
            alive = ran < p["hours"]
            worn = min(1.0, ran / p["hours"])
            cpu = p["cpu"] + 30 * worn if alive else 0.4
            queue = 0.2 + 40 * worn**3
        case _:
            cpu = p["cpu"]
    return Usage(
        _percent(cpu * (1 + _NOISE["cpu"] * noise(key, minute, "cpu"))),
        _percent(memory * (1 + _NOISE["memory"] * noise(key, minute, "memory"))),
        round(queue * (1 + _NOISE["disk"] * noise(key, minute, "queue")), 3),
        alive,
    )


def _percent(value: float) -> float:
    return round(min(100.0, max(0.0, value)), 3)
