"""Runs the request tables in fixtures/requests: what the planner answers, and what a real plan of its edits changes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from iac_agent.agent import shadow
from iac_agent.errors import IacAgentError, NotInitialised
from iac_agent.gym.daemon import Gym
from iac_agent.hcl.changeset import apply_edits
from iac_agent.hcl.module import RootModule
from iac_agent.planner.protocol import ChangeSet, Context, Planner, Question, Refusal
from iac_agent.terraform.binary import find
from iac_agent.terraform.models import Plan, ResourceChange, State
from iac_agent.terraform.runner import Terraform

FOLDER = Path(__file__).parent.parent.parent / "fixtures" / "requests"
STYLES = ("flat", "modules", "foreach", "counted", "dynamic", "yaml", "calls")


@dataclass
class Row:
    """One request and what must come of it."""

    style: str
    ask: str
    recipe: str
    plan: list[dict[str, Any]] | None = None
    question: list[str] | None = None
    refuse: bool = False
    or_question: bool = False


@dataclass
class Miss:
    row: Row
    why: str


@dataclass
class Applied:
    """A root module that is applied on the gym."""

    style: str
    root: RootModule
    state: State
    terraform: Terraform
    scratch: Path
    number: int = field(default=0)


def rows(style: str) -> list[Row]:
    return [Row(style, **r) for r in yaml.safe_load((FOLDER / f"{style}.yaml").read_text("utf-8"))]


def applied(style: str, folder: Path, gym: Gym) -> Applied:
    """A copy of a fixture, applied on the gym."""
    root = folder / "root"
    shutil.copytree(FOLDER / style, root)
    environment = {**os.environ, **gym.environment(5), "TF_CLI_ARGS_plan": "-lock=false"}
    terraform = Terraform(root, find(environment), environment)
    terraform.init()
    command = [*find(environment).command, "apply", "-auto-approve", "-no-color", "-input=false"]
    subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL)
    (folder / "scratch").mkdir()
    return Applied(style, RootModule(root), terraform.state(), terraform, folder / "scratch")


def judge(row: Row, applied: Applied, planner: Planner, major: int = 5, *, with_terraform: bool = True) -> str:
    """Why the row fails; empty when it holds. Without Terraform the edits must only apply."""
    answer = planner.plan(row.ask, Context(applied.root, applied.state, major))
    if isinstance(answer, Question):
        if row.question is not None:
            missing = [a for a in row.question if a not in answer.candidates]
            return f"not offered: {missing}; {answer.text} {list(answer.candidates)}" if missing else ""
        return "" if row.or_question else f"asks: {answer.text} {list(answer.candidates)[:4]}"
    if isinstance(answer, Refusal):
        return "" if row.refuse else f"refuses: {answer.reason[:200]}"
    if row.plan is None:
        return f"plans {[f'{e.address}: {e.describe()}' for e in answer.edits][:4]}"
    try:
        if not with_terraform:
            apply_edits(applied.root, list(answer.edits))
            return ""
        return compare(row.plan, planned(answer, applied))
    except IacAgentError as problem:
        return f"{problem.kind}: {problem.message[:600]} {[f'{e.address}: {e.describe()}' for e in answer.edits][:4]}"


def planned(changes: ChangeSet, applied: Applied) -> Plan:
    """A real plan of the edits, in a shadow of the root module."""
    applied.number += 1
    outcome = apply_edits(applied.root, list(changes.edits))
    edited = {path: change.after for path, change in outcome.files.items()}
    at = applied.scratch / f"s{applied.number}"
    place = shadow.cast(applied.root, edited, at / "shadow")
    terraform = applied.terraform.at(place)
    link = place / ".terraform"
    if link.is_symlink():
        link.unlink()
        shutil.copytree(applied.root.directory / ".terraform", link, symlinks=True)
    try:
        terraform.plan(at / "plan", refresh=False)
    except NotInitialised:
        terraform.init()
        terraform.plan(at / "plan", refresh=False)
    plan = terraform.show_plan(at / "plan")
    shutil.rmtree(at, ignore_errors=True)
    return plan


def compare(wanted: list[dict[str, Any]], plan: Plan) -> str:
    """What of the wanted changes is missing, different or too much."""
    left = [c for c in plan.resource_changes if c.mode == "managed" and (c.action not in ("no-op", "read") or c.previous_address)]
    for want in wanted:
        for _ in range(int(want.get("count", 1))):
            found = next((c for c in left if not _differs(want, c)), None)
            if found is None:
                near = [
                    f"{c.address} {c.action}: {_differs(want, c)}"
                    for c in left
                    if c.address == want.get("address") or c.type == want.get("type")
                ]
                return f"wanted {want}; {near[:3] or [f'{c.address} {c.action}' for c in left][:6]}"
            left.remove(found)
    return f"too much: {[f'{c.address} {c.action}' for c in left][:6]}" if left else ""


def _differs(want: dict[str, Any], change: ResourceChange) -> str:
    action = "moved" if change.previous_address and change.action == "no-op" else change.action
    if "address" in want and change.address != want["address"]:
        return "another address"
    if "type" in want and change.type != want["type"]:
        return "another type"
    if action != want["action"] or (want.get("from") and change.previous_address != want["from"]):
        return f"{action} instead of {want['action']}"
    for path, value in (want.get("after") or {}).items():
        if path.endswith(".*"):
            held = at(change.change.after, path[:-2]) or []
            if not any(all(item.get(k) == v for k, v in value.items()) for item in held):
                return f"{path} holds nothing like {value}"
            continue
        found = at(change.change.after, path)
        if found != value and not (isinstance(found, int | float) and isinstance(value, int | float) and float(found) == float(value)):
            return f"{path} is {found!r}"
    return ""


def at(values: Any, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    found = values
    parts = re.findall(r"[^.]+", path)
    for position, part in enumerate(parts):
        if isinstance(found, dict) and ".".join(parts[position:]) in found:
            return found[".".join(parts[position:])]
        if isinstance(found, list):
            found = found[int(part)] if part.isdigit() and int(part) < len(found) else None
        else:
            found = found.get(part) if isinstance(found, dict) else None
    return found
