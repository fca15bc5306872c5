"""The proof after an apply: a second plan is empty, and the live resources are what the request asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from iac_agent.agent.report import Proof
from iac_agent.azure.lenses import access, all_lenses
from iac_agent.azure.lenses.table import Arm, get_path
from iac_agent.errors import AzureError
from iac_agent.hcl.address import without_keys
from iac_agent.planner.inventory import MACHINES
from iac_agent.planner.protocol import Expectation
from iac_agent.terraform.models import Plan, State, StateResource

_VM_API = "2024-03-01"


def second_plan(plan: Plan, addresses: Iterable[str]) -> Proof:
    """Whether the plan after the apply leaves the changed resources alone."""
    wanted = set(addresses)
    left = [c.address for c in plan.changes if c.address in wanted]
    others = len(plan.changes) - len(left)
    found = f"still changes {', '.join(left)}" if left else "empty" + (f" (but for {others} unrelated)" if others else "")
    return Proof("second plan", found, not left)


def live(expects: Iterable[Expectation], state: State, arm: Arm, major: int) -> list[Proof]:
    """Read each expected value from Azure itself, through the lens of its type."""
    proofs: list[Proof] = []
    resources = list(state.resources())
    for expectation in expects:
        instances = [r for r in resources if expectation.address in (r.address, without_keys(r.address))]
        for instance in instances:
            proofs.append(_live_value(expectation, instance, arm, major))
        if not instances:
            proofs.append(Proof(f"{expectation.address} {expectation.path}", "not in state", False))
    seen = {r.address: r for r in resources if r.type in MACHINES}
    touched = {e.address for e in expects}
    proofs += [_health(r, arm) for a, r in seen.items() if touched & {a, without_keys(a)}]
    return proofs


def _live_value(expectation: Expectation, instance: StateResource, arm: Arm, major: int) -> Proof:
    what = f"live {instance.address} {expectation.path} = {_shown(expectation.value)}"
    lens = all_lenses().get(instance.type)
    if lens is None:
        return Proof(what, f"no lens for {instance.type}", None)
    try:
        values = access.read(lens, arm, instance.id, instance.values, major)
    except AzureError as problem:
        return Proof(what, f"could not read: {problem.message}", None)
    if values is None:
        return Proof(what, "not found in Azure", False)
    found = _at(values, expectation.path)
    return Proof(what, _shown(found), _same(found, expectation.value))


def _health(machine: StateResource, arm: Arm) -> Proof:
    """Whether a machine came up: its provisioning and power states."""
    what = f"{machine.address} is healthy"
    try:
        view = arm.get(f"{machine.id}/instanceView", _VM_API)
    except AzureError as problem:
        return Proof(what, f"could not read: {problem.message}", None)
    statuses = [s.get("displayStatus", "") for s in (view or {}).get("statuses", [])]
    failed = any("fail" in s.lower() for s in statuses)
    return Proof(what, ", ".join(statuses) or "no instance view", None if not statuses else not failed)


def _at(values: dict[str, Any], path: str) -> Any:
    found: Any = values
    for part in path.split("."):
        if isinstance(found, list):
            found = found[int(part)] if part.isdigit() and int(part) < len(found) else None
        else:
            found = get_path(found, part)
    return found


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        return float(found) == float(wanted)
    return bool(found == wanted) or (found in (None, [], "") and wanted in (None, [], ""))


def _shown(value: Any) -> str:
    return str(value) if not isinstance(value, str) else (value or '""')
