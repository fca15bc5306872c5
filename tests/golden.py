"""Reads the recordings of the real azurerm in fixtures/golden: what was configured, what was sent, what the state became."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent / "fixtures" / "golden"
VERSIONS = {4: "azurerm-4.81.0", 5: "azurerm-5.2.0"}


@dataclass(frozen=True)
class Recording:
    """One scenario of one azurerm version."""

    major: int
    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @functools.cached_property
    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "arm.jsonl").read_text("utf-8").splitlines()]

    @functools.cached_property
    def planned(self) -> dict[str, dict[str, Any]]:
        """Resource changes of the create plan by address."""
        plan = json.loads((self.folder / "plan-create.json").read_text("utf-8"))
        return {c["address"]: c for c in plan["resource_changes"] if c["mode"] == "managed"}

    @functools.cached_property
    def state(self) -> dict[str, dict[str, Any]]:
        """State resources by address."""
        state = json.loads((self.folder / "state.json").read_text("utf-8"))
        return {r["address"]: r for r in state["values"]["root_module"]["resources"] if r["mode"] == "managed"}

    @functools.cached_property
    def configured(self) -> dict[str, dict[str, Any]]:
        """The expressions that the configuration sets, by block address."""
        plan = json.loads((self.folder / "plan-create.json").read_text("utf-8"))
        resources = plan["configuration"]["root_module"]["resources"]
        return {r["address"]: r.get("expressions", {}) for r in resources}

    @functools.cached_property
    def changes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.folder / "changes.json").read_text("utf-8"))
        return found

    def planned_values(self, address: str) -> dict[str, Any]:
        """The values the provider creates from: the plan, with references (unknown in the plan) taken from the state."""
        change, state = self.planned[address]["change"], self.state[address]["values"]
        configured = self.configured[address.split("[")[0]]
        merged: dict[str, Any] = _merge(change["after"], change["after_unknown"], state, configured)
        return merged


def _merge(after: Any, unknown: Any, state: Any, configured: Any) -> Any:
    """`after`, with unknown values filled from the state where the configuration sets them; other unknowns are left out."""
    if isinstance(after, dict):
        unknowns = unknown if isinstance(unknown, dict) else {}
        set_here = configured if isinstance(configured, dict) else {}
        out = {}
        for name in after.keys() | unknowns.keys():
            held = state.get(name) if isinstance(state, dict) else None
            if unknowns.get(name) is True:
                if name in set_here:
                    out[name] = held
            else:
                out[name] = _merge(after.get(name), unknowns.get(name), held, set_here.get(name))
        return out
    if isinstance(after, list):
        return [_merge(a, _at(unknown, i), _at(state, i), _at(configured, i)) for i, a in enumerate(after)]
    return after


def _at(value: Any, position: int) -> Any:
    return value[position] if isinstance(value, list) and position < len(value) else None


def recordings(major: int) -> Iterator[Recording]:
    for folder in sorted((ROOT / VERSIONS[major]).iterdir()):
        yield Recording(major, folder)
