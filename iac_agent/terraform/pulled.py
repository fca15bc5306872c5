"""State as `terraform state pull`, a `.tfstate` file or `terraform show -json` have it: read without a provider and without a lock.

Source: https://developer.hashicorp.com/terraform/internals/json-format does not cover it; `statefile/version4.go` of Terraform does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from iac_agent.errors import UsageError
from iac_agent.hcl.address import show_index
from iac_agent.terraform.models import State, StateResource

Path = tuple[str | int, ...]


def resources(raw: bytes, named: str = "the state") -> list[StateResource]:
    """The managed resource instances. `sensitive_values` are the paths Terraform marks. Raises UsageError when it is no state."""
    if not raw.strip():
        return []
    try:
        held = json.loads(raw)
        if "format_version" in held:
            return _shown(State.model_validate(held))
        version = held["version"]
    except (ValueError, KeyError, TypeError) as problem:
        raise UsageError(f"{named} is not a Terraform state: {problem}") from problem
    if version != 4:
        raise UsageError(f"{named} has version {version}; only 4 is known", hint="Run `terraform apply -refresh-only` with Terraform 1.x.")
    return [
        _instance(resource, instance)
        for resource in held.get("resources") or []
        if resource.get("mode") == "managed"
        for instance in resource.get("instances") or []
        if "deposed" not in instance
    ]


def _shown(state: State) -> list[StateResource]:
    """The managed resources of `terraform show -json`."""
    found = [r for r in state.resources() if r.mode == "managed"]
    return [r.model_copy(update={"sensitive_values": list(_marked(r.sensitive_values, ()))}) for r in found]


def _marked(marks: Any, at: Path) -> Iterator[Path]:
    """`{"x": true, "y": {"z": true}}` as paths."""
    if marks is True:
        yield at
    elif isinstance(marks, dict | list):
        for step, inner in marks.items() if isinstance(marks, dict) else enumerate(marks):
            yield from _marked(inner, (*at, step))


def _instance(resource: dict[str, Any], instance: dict[str, Any]) -> StateResource:
    module = f"{resource['module']}." if resource.get("module") else ""
    index = instance.get("index_key")
    return StateResource.model_construct(
        address=f"{module}{resource['type']}.{resource['name']}{show_index(index)}",
        type=resource["type"],
        name=resource["name"],
        mode="managed",
        index=index,
        provider_name=resource.get("provider", ""),
        values=instance.get("attributes") or {},
        sensitive_values=[_path(p) for p in instance.get("sensitive_attributes") or []],
    )


def _path(steps: list[dict[str, Any]]) -> Path:
    """`[{"type": "get_attr", "value": "x"}, ...]` as a path."""
    held = [s["value"] for s in steps]
    return tuple(h["value"] if isinstance(h, dict) else h for h in held)
