"""What a proof comes to: proved, refuted by a packet, or unknown and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    PROVED = "proved"
    REFUTED = "refuted"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Packet:
    """A concrete packet, as the target sees it."""

    source: str
    source_port: int
    destination: str
    port: int
    protocol: str

    def __str__(self) -> str:
        return f"{self.protocol.upper()} {self.source}:{self.source_port} -> {self.destination}:{self.port}"


@dataclass(frozen=True)
class Answer:
    """What was found. `packet` and `steps` show the way of a packet that gets through; `reasons` are why it is unknown."""

    result: Result
    looked_at: int
    packet: Packet | None = None
    target: str = ""
    steps: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.result == Result.PROVED:
            return f"proved for {self.looked_at} endpoint(s): no packet gets through"
        if self.result == Result.REFUTED:
            return f"refuted by {self.packet} to {self.target}\n" + "\n".join(f"  {s}" for s in self.steps)
        return "unknown: " + "; ".join(self.reasons)
