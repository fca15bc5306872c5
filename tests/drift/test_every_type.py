"""Drift of every type that can change in place: somebody else's Terraform applies other values, on the same resources."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from iac_agent.azure.schemas import VERSIONS
from tests.conftest import FIXTURES, Figure, Sandbox
from tests.drift.actors import PIPELINE
from tests.drift.test_reconcile import reconcile
from tests.drift.test_scan import detect

ELSEWHERE = """
provider "azurerm" {
  client_id     = "11111111-0000-0000-0000-000000000004"
  client_secret = "gym-secret"
}
"""


def _changed_elsewhere(sandbox: Sandbox, major: int) -> dict[str, str]:
    """Apply the changed values from a copy of the root module; returns the type of each address that Terraform changed."""
    sandbox.copy(FIXTURES / "all-types" / str(major))
    _split(sandbox.directory / "main.tf")
    sandbox.up()
    other = Sandbox(sandbox.directory.parent / "elsewhere", sandbox.gym)
    shutil.copytree(sandbox.directory, other.directory, symlinks=True)
    other.write({"elsewhere_override.tf": ELSEWHERE})
    other.terraform("plan", "-out=p", "-no-color", "-input=false", "-var", "changed=true")
    plan = json.loads(other.terraform("show", "-json", "p").out)
    other.terraform("apply", "-no-color", "-input=false", "p")
    return {c["address"]: c["type"] for c in plan["resource_changes"] if c["change"]["actions"] == ["update"]}


def _split(main: Path) -> None:
    """One file of 2,000 lines as files of about ten blocks, as people keep them."""
    blocks = [f"{text}\n}}\n" for text in main.read_text().split("\n}\n") if text.strip()]
    for number in range(0, len(blocks), 10):
        main.with_name(f"part_{number:03d}.tf").write_text("".join(blocks[number : number + 10]))
    main.unlink()


@pytest.mark.timeout(280)
@pytest.mark.parametrize("major", list(VERSIONS))
def test_every_type_that_changed_is_found_with_who_did_it(major: int, sandbox: Sandbox, figure: Figure) -> None:
    changed = _changed_elsewhere(sandbox, major)
    found = {f["address"]: f for f in detect(sandbox)["findings"]}
    missed = {address: kind for address, kind in changed.items() if address not in found}
    figure(f"azurerm {major} types whose drift is found", len(set(changed.values()) - set(missed.values())), len(set(changed.values())))
    assert missed == {}
    causes = {a: f["cause"] for a, f in found.items()}  # the activity log alone, for what the graph does not follow, names no client
    wrong = {
        a: c
        for a, c in causes.items()
        if PIPELINE.who not in c["who"] or c["client"] not in (("Terraform",) if c["sure"] == "certain" else ("",))
    }
    assert wrong == {}
    assert {f["kind"] for f in found.values()} == {"changed"}


@pytest.mark.timeout(280)
def test_every_type_is_adopted_with_an_empty_plan(sandbox: Sandbox, figure: Figure) -> None:
    changed = _changed_elsewhere(sandbox, 5)
    _, outcomes, document = reconcile(sandbox, "--strategy", "adopt", "--auto-approve")
    adopted = [a for a, outcome in outcomes.items() if outcome == "adopted"]
    figure(
        "types of all, drifted at once, adopted with an empty plan",
        len({changed[a] for a in adopted if a in changed}),
        len(set(changed.values())),
    )
    left = {s["subject"]: s["detail"] for s in document["settled"] if s["outcome"] != "adopted"}
    assert "failed" not in outcomes.values(), left
    sandbox.terraform("plan", "-out=p", "-no-color", "-input=false")
    plan: dict[str, Any] = json.loads(sandbox.terraform("show", "-json", "p").out)
    changing = {c["address"] for c in plan["resource_changes"] if c["change"]["actions"] != ["no-op"]}
    assert changing & set(adopted) == set()
    assert len(left) <= 5, left
    assert all(left.values()), left


def test_state_of_either_major_gives_the_same_findings(tmp_path: Path, sandbox: Sandbox) -> None:
    """The same infrastructure, its state written by azurerm 4 and by azurerm 5."""
    from tests.conftest import ROOT
    from tests.drift.actors import ALICE, Azure

    told = {}
    for major in VERSIONS:
        sandbox.gym.reset()
        one = Sandbox(tmp_path / f"azurerm-{major}", sandbox.gym)
        one.directory.mkdir()
        one.copy(ROOT / "examples" / "web-tier")
        versions = one.directory / "versions.tf"
        versions.write_text(
            versions.read_text().replace('source = "hashicorp/azurerm"', f'source  = "hashicorp/azurerm"\n      version = "~> {major}.0"')
        )
        one.up()
        azure, held = Azure(sandbox.gym), {a: str(v["id"]) for a, v in one.state().items()}
        for address in ("azurerm_linux_virtual_machine.web", "azurerm_virtual_network.web", "azurerm_public_ip.web"):
            body = azure.done("GET", held[address])
            azure.done("PUT", held[address], {**body, "tags": {"by": "hand"}}, ALICE)
        azure.done("DELETE", f"{held['azurerm_network_security_group.web']}/securityRules/allow-ssh", by=ALICE)
        told[major] = [(f["address"], f["kind"], f["severity"], f["differences"]) for f in detect(one)["findings"]]
    assert told[4] == told[5]
    assert len(told[5]) == 4
