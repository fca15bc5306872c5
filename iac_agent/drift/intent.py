"""What the configuration says about a resource: what it writes, which values it knows, which changes it leaves to others."""

from __future__ import annotations

import functools
import re
from typing import Any

from iac_agent.drift.finding import Difference, Finding, Path
from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.scope import Instance
from iac_agent.hcl.value import UNKNOWN


class Intent:
    """The configuration of one root module, asked by address."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration

    @functools.cached_property
    def _instances(self) -> dict[str, Instance]:
        return {i.address: i for i in self.configuration.instances}

    @property
    def instances(self) -> int:
        """How many resources it makes."""
        return len(self._instances)

    def knows(self, address: str) -> bool:
        """Whether the configuration has this address at all."""
        return address in self._instances

    def where(self, address: str) -> str:
        """`file:line` of its block; empty when there is none."""
        instance = self._instances.get(address)
        return instance.block.where if instance else ""

    def writes(self, address: str, name: str) -> bool:
        """Whether the block sets this argument, or has such a nested block."""
        instance = self._instances.get(address)
        return instance is not None and name in instance.body.names()

    def value(self, address: str, path: Path) -> Any:
        """What it says at a path: plain data; UNKNOWN when that is not known before Terraform runs, None where it is silent."""
        instance = self._instances.get(address)
        if instance is None or not path:
            return None
        found = instance.value(tuple(path))
        return None if found is None else found.plain() if found.fully_known() else UNKNOWN

    def leaves(self, address: str, path: Path) -> bool:
        """Whether `lifecycle.ignore_changes` leaves changes of this path to others."""
        ignored = self._ignored(address)
        return "all" in ignored or any(_plain(path)[: len(i)] == i for i in map(_steps, ignored))

    @functools.lru_cache(maxsize=1024)  # noqa: B019 (an Intent lives as long as one scan)
    def _ignored(self, address: str) -> frozenset[str]:
        instance = self._instances.get(address)
        lifecycle = next((b for b in instance.block.blocks if b.type == "lifecycle"), None) if instance else None
        attribute = lifecycle.attributes.get("ignore_changes") if lifecycle else None
        if lifecycle is None or attribute is None:
            return frozenset()
        text = lifecycle.document.text(attribute.value).strip()
        return frozenset({"all"} if text == "all" else re.findall(r"[A-Za-z_][\w.\-]*(?:\[[^\]]*\][\w.]*)*", text))

    def is_behind(self, finding: Finding) -> bool:
        """Whether every difference is as the configuration wants it: only the state lags."""
        told = [(d, self.value(finding.address, d.path)) for d in finding.differences]
        return bool(told) and all(v is not UNKNOWN and v is not None and _same(d, v) for d, v in told)


def _same(difference: Difference, value: Any) -> bool:
    if isinstance(value, int | float) and isinstance(difference.after, int | float):
        return float(value) == float(difference.after)
    return bool(value == difference.after)


def _steps(text: str) -> Path:
    """`tags["a.b"]` and `os_disk[0].caching` as steps, single elements left out."""
    found = (quoted or plain for quoted, plain in re.findall(r'\["([^"]*)"\]|([^.\[\]"]+)', text))
    return tuple(s for s in found if s and s != "0")


def _plain(path: Path) -> Path:
    return tuple(str(s) for s in path if s != 0)
