"""Where the value of an attribute is really written, and who else would feel a change there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from iac_agent.hcl.address import Step, parse_path, show_path
from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.scope import Instance
from iac_agent.hcl.value import Key, Place, Value

Use = tuple[str, str]
_FEW = 5


@dataclass(frozen=True)
class Trace:
    """One value of one instance. `chain` are the places from the resource to where the value is written.

    `value` is None when nothing is written at `path`.
    """

    instance: Instance
    path: tuple[Step, ...]
    value: Value | None

    @property
    def chain(self) -> tuple[Place, ...]:
        return self.value.via if self.value is not None else ()

    @property
    def place(self) -> Place | None:
        return self.value.written if self.value is not None else None

    def explain(self) -> str:
        """Why it cannot be changed at its source, or where that is."""
        shown = f"{self.instance.address} {show_path(self.path)}"
        if self.value is None:
            return f"{shown} is not set"
        chain = " ← ".join(str(p) for p in self.chain)
        if self.place is None:
            return f"{shown} is computed ({self.value.why}): {chain}"
        return f"{shown} is written at {chain}" if self.place.editable else f"{shown} comes from {self.place}, which cannot be edited"


def trace(instance: Instance, path: str) -> Trace:
    """Trace a value, given by its path inside the block (`size`, `os_disk.disk_size_gb`, `tags.env`)."""
    steps = parse_path(path)
    return Trace(instance, steps, instance.value(steps))


class Users:
    """Who uses a place. The first few questions are answered one by one, since most places have few users; then all at once."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._known: dict[Key, list[Use]] | None = None
        self._asked = 0

    def of(self, place: Place) -> list[Use]:
        """Every (instance address, argument) whose value has a part of it written at `place`."""
        if self._known is None:
            self._known = {}
            for instance in self.configuration.instances:
                for name in instance.body.names():
                    for key in _felt(name, instance.body.get(name)):
                        self._known.setdefault(key, []).append((instance.address, name))
        return self._known.get(place.key, [])

    def exclusive(self, place: Place, to: Iterable[Instance], *names: str) -> bool:
        """Whether nobody but these arguments of these instances uses the place."""
        wanted = {(i.address, name) for i in to for name in names}
        self._asked += 1
        if self._known is not None or self._asked > _FEW:
            return set(self.of(place)) <= wanted
        if not self._mentioned_elsewhere(place):
            return True
        return not any(
            place.key in _felt(name, i.body.get(name))
            for i in self.configuration.instances
            for name in i.body.names()
            if (i.address, name) not in wanted
        )

    def _mentioned_elsewhere(self, place: Place) -> bool:
        """Whether anything could use a place beside the one resource it is written in: its block repeats, or is referred to by name."""
        found = re.fullmatch(r"(azurerm_\w+)\.([\w-]+)", place.address)
        if found is None:
            return True
        blocks = self.configuration.root.modules[0].index.get(place.address, [])
        if len(blocks) != 1 or blocks[0].attributes.keys() & {"for_each", "count"}:
            return True
        name = place.address.encode()
        return any(name in d.data for d in self.configuration.root.modules[0].documents)


def _felt(name: str, value: Value | None) -> frozenset[Key]:
    """The places a change of which this argument feels. The elements of a for_each map are felt where they are used, not here."""
    if value is None:
        return frozenset()
    return value.deps if name == "for_each" and isinstance(value.data, dict) else value.all_deps()
