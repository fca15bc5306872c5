"""What happened to a machine, by time: power, load, boots, its agent. Kept with the machine, read by everything that looks back."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from iac_agent.gym import sizes
from iac_agent.gym.cloud import Cloud
from iac_agent.gym.life.load import Load, Usage, noise, usage, usual
from iac_agent.gym.store import Body, Resource

VM = "Microsoft.Compute/virtualMachines"
_KEPT = "history"


def note(machine: Resource, now: datetime, **what: Any) -> None:
    """Add to a machine's history; the caller saves the machine. `power`, `load`, `boot` (what ails it) or `agent`."""
    machine.hidden[_KEPT] = [*machine.hidden.get(_KEPT, ()), {"at": now.timestamp(), **what}]


@dataclass(frozen=True)
class Boot:
    """One start of the operating system. `ails` names why it does not come up; `text` is a further line of its serial log."""

    at: datetime
    ails: str = ""
    text: str = ""


@dataclass
class Machine:
    """A machine seen through its history. Times are minutes since 1970, as metrics are kept by the minute."""

    resource: Resource
    seed: int
    _usages: dict[int, Usage] = field(default_factory=dict)

    @classmethod
    def of(cls, cloud: Cloud, resource: Resource) -> Machine:
        return cls(resource, int(cloud.store.setting("seed", 0)))

    @cached_property
    def key(self) -> int:
        return zlib.crc32(f"{self.seed}:{self.resource.id.lower()}".encode())

    @cached_property
    def size(self) -> Body:
        return sizes.require(str(self.resource.properties["hardwareProfile"]["vmSize"]))

    @cached_property
    def created(self) -> datetime:
        return _moment(self.resource.properties["timeCreated"])

    @cached_property
    def born(self) -> int:
        """The first minute of its life."""
        return minute_of(self.created)

    @cached_property
    def _events(self) -> list[Body]:
        return list(self.resource.hidden.get(_KEPT, ()))

    @cached_property
    def _powers(self) -> list[tuple[float, str]]:
        return [(self.created.timestamp(), "running"), *((e["at"], e["power"]) for e in self._events if "power" in e)]

    @cached_property
    def loads(self) -> list[tuple[float, Load]]:
        said = [(e["at"], Load.from_json(e["load"], int(e["at"]) // 60)) for e in self._events if "load" in e]
        return [(0.0, usual(self.key, self.born)), *said]

    @cached_property
    def boots(self) -> list[Boot]:
        """Every start since it was created, the oldest first."""
        boots, ails, text = [Boot(self.created)], "", ""
        for event in self._events:
            if "boot" in event:
                ails, text = event["boot"], event.get("text", "")
            if event.get("power") == "running":
                boots.append(Boot(datetime.fromtimestamp(event["at"], UTC), ails, text))
        return boots

    def power(self, minute: int) -> str:
        """`running`, `stopped` or `deallocated` at the end of a minute; empty before it was created."""
        return "" if minute < self.born else _last(self._powers, minute)

    def boot(self, minute: int) -> Boot:
        """The start that a minute belongs to."""
        return next((b for b in reversed(self.boots) if b.at.timestamp() < (minute + 1) * 60), self.boots[0])

    def up(self, minute: int) -> bool:
        """Whether its guest answers: power is on, it has booted, and its load has not killed it."""
        return self.power(minute) == "running" and not self.boot(minute).ails and self.usage(minute).alive

    def usage(self, minute: int) -> Usage:
        """What it does in a minute in which its power is on; a guest that hangs in its boot does next to nothing."""
        found = self._usages.get(minute)
        if found is None:
            load: Load = _last(self.loads, minute)
            found = usage(load, self.key, minute)
            if self.boot(minute).ails:
                found = Usage(round(0.5 + 0.3 * noise(self.key, minute, "cpu"), 3), 5.0, 0.0, False)
            self._usages[minute] = found
        return found

    def agent_ready(self, minute: int) -> bool:
        """Whether the VM agent reports. It may be stopped in a guest that is otherwise well."""
        stopped = next((e["agent"] for e in reversed(self._events) if "agent" in e and e["at"] < (minute + 1) * 60), "") == "stopped"
        return self.up(minute) and not stopped

    def since(self, minute: int) -> datetime:
        """Since when its power is what it is."""
        at = next((at for at, _ in reversed(self._powers) if at < (minute + 1) * 60), self.created.timestamp())
        return datetime.fromtimestamp(at, UTC)

    def down_since(self, minute: int) -> int | None:
        """The first minute of the outage that a minute lies in, looking back a day at most; None when it is up then."""
        if self.up(minute):
            return None
        first = minute
        while first - 1 >= max(self.born, minute - 1440) and not self.up(first - 1):
            first -= 1
        return first


def _last(entries: list[tuple[float, Any]], minute: int) -> Any:
    end = (minute + 1) * 60
    return next((value for at, value in reversed(entries) if at < end), entries[0][1])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def iso_of(minute: int) -> str:
    """The moment at which a minute begins, as Azure writes it."""
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def minute_of(moment: datetime) -> int:
    return int(moment.timestamp()) // 60
