"""Plan, state and schema as Terraform prints them in JSON. What we do not know stays in the models.

Source: https://developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Action = Literal["no-op", "create", "read", "update", "delete", "replace", "forget"]


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", populate_by_name=True)


class Change(_Open):
    """One change: values before and after, what is unknown or sensitive in them, and what forces a replacement."""

    actions: list[str]
    before: Any = None
    after: Any = None
    after_unknown: Any = None
    before_sensitive: Any = None
    after_sensitive: Any = None
    replace_paths: list[list[str | int]] = Field(default_factory=list)
    importing: dict[str, Any] | None = None

    @property
    def action(self) -> Action:
        if sorted(self.actions) == ["create", "delete"]:
            return "replace"
        return self.actions[0]  # type: ignore[return-value]

    @property
    def changed_paths(self) -> list[tuple[str | int, ...]]:
        """Paths whose value differs or becomes unknown; the innermost ones."""
        return list(_differences(self.before, self.after, self.after_unknown, ()))


class ResourceChange(_Open):
    """A resource in the plan."""

    address: str
    change: Change
    type: str = ""
    name: str = ""
    mode: str = "managed"
    index: str | int | None = None
    module_address: str = ""
    previous_address: str = ""
    provider_name: str = ""
    action_reason: str = ""

    @property
    def action(self) -> Action:
        return self.change.action


class Plan(_Open):
    """`terraform show -json PLANFILE`."""

    format_version: str = ""
    terraform_version: str = ""
    resource_changes: list[ResourceChange] = Field(default_factory=list)
    resource_drift: list[ResourceChange] = Field(default_factory=list)
    output_changes: dict[str, Change] = Field(default_factory=dict)
    planned_values: dict[str, Any] = Field(default_factory=dict)
    prior_state: dict[str, Any] = Field(default_factory=dict)
    configuration: dict[str, Any] = Field(default_factory=dict)
    errored: bool = False

    @property
    def changes(self) -> list[ResourceChange]:
        """Managed resources that the plan changes: no-ops and reads left out."""
        return [c for c in self.resource_changes if c.mode == "managed" and c.action not in ("no-op", "read")]

    @property
    def imports(self) -> list[ResourceChange]:
        """Resources that the plan takes over without changing them."""
        return [c for c in self.resource_changes if c.change.importing and c.action == "no-op"]

    @property
    def moves(self) -> list[ResourceChange]:
        """Resources that only get another address."""
        return [c for c in self.resource_changes if c.previous_address and c.previous_address != c.address]

    def digest(self) -> str:
        """SHA-256 of the canonical JSON, without the time it was made."""
        content = self.model_dump(mode="json", exclude={"timestamp"})
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class StateResource(_Open):
    """A resource instance in state."""

    address: str
    type: str = ""
    name: str = ""
    mode: str = "managed"
    index: str | int | None = None
    provider_name: str = ""
    values: dict[str, Any] = Field(default_factory=dict)
    sensitive_values: Any = None

    @property
    def id(self) -> str:
        return str(self.values.get("id") or "")


class StateModule(_Open):
    resources: list[StateResource] = Field(default_factory=list)
    child_modules: list[StateModule] = Field(default_factory=list)


class StateValues(_Open):
    root_module: StateModule = Field(default_factory=StateModule)


class State(_Open):
    """`terraform show -json` of the current state. Empty when nothing was applied yet."""

    format_version: str = ""
    terraform_version: str = ""
    values: StateValues | None = None

    def resources(self) -> Iterator[StateResource]:
        """Every resource instance, modules included."""
        if self.values is not None:
            yield from _resources(self.values.root_module)

    def get(self, address: str) -> StateResource | None:
        return next((r for r in self.resources() if r.address == address), None)


def _resources(module: StateModule) -> Iterator[StateResource]:
    yield from module.resources
    for child in module.child_modules:
        yield from _resources(child)


def _differences(before: Any, after: Any, unknown: Any, at: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if unknown is True:
        yield at
    elif isinstance(before, dict) and isinstance(after, dict):
        unknowns = unknown if isinstance(unknown, dict) else {}
        for key in sorted(before.keys() | after.keys() | unknowns.keys()):
            yield from _differences(before.get(key), after.get(key), unknowns.get(key), (*at, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for position, (one, other) in enumerate(zip(before, after, strict=True)):
            inner = unknown[position] if isinstance(unknown, list) and position < len(unknown) else None
            yield from _differences(one, other, inner, (*at, position))
    elif before != after:
        yield at
