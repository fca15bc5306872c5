"""What each recorded edit does to the plan: real Terraform and the sandbox provider on the gym against the recordings."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Figure, Sandbox
from tests.golden import Recording, recordings

ALL = [pytest.param(r, id=f"{r.major}-{r.name}") for major in (4, 5) for r in recordings(major)]


def _edited(text: str, change: dict[str, Any]) -> str:
    """The configuration after a recorded edit. Recordings with `file` changed the first occurrence, older ones every one."""
    assert change["from"] in text, change["change"]
    return text.replace(change["from"], change["to"], 1 if "file" in change else -1)


def _words(text: str) -> str:
    return re.sub(r"\W+", " ", re.sub(r"https?://\S*", "", text)).strip().lower()


def _outcome(sandbox: Sandbox) -> dict[str, Any]:
    planned = sandbox.terraform("plan", "-out=p", "-no-color", "-input=false", check=False)
    if planned.code:
        return {"error": planned.err}
    plan = json.loads(sandbox.terraform("show", "-json", "p").out)
    changed = {}
    for resource in plan["resource_changes"]:
        change = resource["change"]
        if change["actions"] not in (["no-op"], ["read"]):
            changed[resource["address"]] = (change["actions"], sorted(map(str, change.get("replace_paths", []))))
    return {"actions": changed}


def _matches(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    if "error" in wanted:
        recorded = _words(wanted["error"].split(" with ")[0].split(" on main.tf")[0])
        return "error" in found and recorded[:120] in _words(found["error"])
    expected = {a: (c["actions"], sorted(map(str, c.get("replace_paths", [])))) for a, c in wanted["actions"].items()}
    return bool(found.get("actions") == expected)


@pytest.mark.parametrize("recording", ALL)
def test_every_recorded_edit_does_to_the_plan_what_it_did_to_azurerm(recording: Recording, sandbox: Sandbox, figure: Figure) -> None:
    for name in ("main.tf", "provider.tf"):
        shutil.copy(recording.folder / name, sandbox.directory / name)
    sandbox.up()
    assert sandbox.is_empty_plan()
    original = (sandbox.directory / "main.tf").read_text("utf-8")
    wrong = []
    for change in recording.changes:
        (sandbox.directory / "main.tf").write_text(_edited(original, change), "utf-8")
        found = _outcome(sandbox)
        if not _matches(found, change):
            wrong.append(f"{change['change']}: {found} instead of {change.get('actions') or change.get('error')}")
    total = len(recording.changes)
    figure(f"azurerm {recording.major} edit outcomes as recorded", total - len(wrong), total)
    assert not wrong, "\n".join(wrong)


def test_the_recordings_hold_every_edit() -> None:
    counts = {major: sum(len(r.changes) for r in recordings(major)) for major in (4, 5)}
    assert counts == {4: 79, 5: 104}
    assert (Path(__file__).parent.parent.parent / "fixtures" / "golden").is_dir()
