"""Every supported type, in both majors, through real Terraform: created, planned empty, updated, imported and destroyed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iac_agent.azure.lenses import all_lenses
from iac_agent.azure.lenses.table import Association, Attr
from iac_agent.azure.schemas import VERSIONS
from tests.conftest import FIXTURES, Figure, Sandbox

# What Azure never tells, so that an import cannot know it: azurerm plans a change for these too.
UNREADABLE = {"custom_data", "protected_settings", "source_uri", "source_resource_id", "skip_service_principal_aad_check", "triggers"}


def _plan(sandbox: Sandbox, *arguments: str) -> dict[str, Any]:
    sandbox.terraform("plan", "-out=p", "-no-color", "-input=false", *arguments)
    plan: dict[str, Any] = json.loads(sandbox.terraform("show", "-json", "p").out)
    return plan


def _changes(plan: dict[str, Any]) -> dict[str, list[str]]:
    found = {c["address"]: c["change"]["actions"] for c in plan["resource_changes"] if c["mode"] == "managed"}
    return {a: actions for a, actions in found.items() if actions != ["no-op"]}


def _updatable(major: int) -> set[str]:
    """Types with an attribute that can change in place."""
    found = set()
    for lens in all_lenses().values():
        rows = [r for r in lens.fields_for(major) if not (isinstance(r, Attr) and (r.new or r.send == "never"))]
        if rows and not isinstance(lens.strategy, Association):
            found.add(lens.type)
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("major", list(VERSIONS))
def test_the_life_of_every_type(major: int, sandbox: Sandbox, figure: Figure) -> None:
    sandbox.copy(FIXTURES / "all-types" / str(major))
    sandbox.up()
    state = {r["address"]: r for r in _resources(sandbox)}
    types = {r["type"] for r in state.values() if r["mode"] == "managed"}
    assert types == set(all_lenses())
    assert _changes(_plan(sandbox)) == {}
    changed = _changes(_plan(sandbox, "-var", "changed=true"))
    updated = {state[a]["type"] for a in changed}
    assert set(map(tuple, changed.values())) == {("update",)}
    assert updated == _updatable(major), f"missing: {_updatable(major) - updated}"
    sandbox.terraform("apply", "-no-color", "-input=false", "p")
    assert _changes(_plan(sandbox, "-var", "changed=true")) == {}
    _import(sandbox)
    sandbox.terraform("destroy", "-auto-approve", "-no-color", "-input=false")
    assert sandbox.gym.status().resources == 0
    figure(f"azurerm {major} types created, planned empty, imported and destroyed", len(types), len(all_lenses()))
    figure(f"azurerm {major} types changed in place, of those that can", len(updated), len(_updatable(major)))


def _resources(sandbox: Sandbox) -> list[dict[str, Any]]:
    shown = json.loads(sandbox.terraform("show", "-json").out)
    found: list[dict[str, Any]] = shown["values"]["root_module"]["resources"]
    return found


def _causes(change: dict[str, Any]) -> set[str]:
    """The attributes that a change begins with, but for those that only follow from another resource's replacement."""
    before, after, unknown = change["before"] or {}, change["after"] or {}, change["after_unknown"]
    named = {path[0] for path in change.get("replace_paths", [])} or before.keys() | after.keys()
    return {name for name in named if before.get(name) != after.get(name) and unknown.get(name) is not True}


def _import(sandbox: Sandbox) -> None:
    """Import everything into an empty state next door; nothing may change but what Azure never tells."""
    held = [r for r in _resources(sandbox) if r["mode"] == "managed"]
    blocks = "".join(f'import {{\n  to = {r["address"]}\n  id = "{r["values"]["id"]}"\n}}\n' for r in held)
    other = Sandbox(sandbox.directory.parent / "imported", sandbox.gym)
    other.directory.mkdir()
    other.copy(sandbox.directory)
    other.write({"imports.tf": blocks})
    other.terraform("init", "-no-color", "-input=false")
    plan = _plan(other, "-var", "changed=true")
    unexplained = []
    for change in plan["resource_changes"]:
        if change["mode"] != "managed" or change["change"]["actions"] == ["no-op"]:
            continue
        causes = _causes(change["change"])
        if not causes <= UNREADABLE:
            unexplained.append(f"{change['address']}: {change['change']['actions']} {sorted(causes - UNREADABLE)}")
    assert not unexplained, "\n".join(unexplained)
