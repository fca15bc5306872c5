"""Edits leave alone what the guard rests on, and what the user pinned or protected."""

from __future__ import annotations

from pathlib import Path

import pytest

from iac_agent.errors import GateRefused
from iac_agent.guard.guard import Guard
from iac_agent.guard.tampering import found
from iac_agent.hcl.module import RootModule

KEPT = 'resource "azurerm_storage_account" "s" {\n  name = "a"\n\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n'
PINNED = (
    'terraform {\n  required_providers {\n    azurerm = {\n      source  = "hashicorp/azurerm"\n      version = "~> 5.0"\n    }\n  }\n\n'
    '  backend "local" {\n    path = "x"\n  }\n}\n\nmodule "net" {\n  source  = "Azure/network/azurerm"\n  version = "5.3.0"\n}\n\n'
    'module "own" {\n  source = "./own"\n}\n\nprovider "azurerm" {\n  features {}\n}\n'
)


def versions(directory: Path, edited: dict[Path, bytes]) -> tuple[RootModule, RootModule]:
    root = RootModule(directory)
    return root, root.with_edits(edited)


def rules(tmp_path: Path, before: str, after: str, name: str = "main.tf") -> list[str]:
    (tmp_path / "own").mkdir(exist_ok=True)
    if before:
        (tmp_path / name).write_text(before)
    return [f.rule for f in found(*versions(tmp_path, {tmp_path.resolve() / name: after.encode()}))]


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        (PINNED, PINNED.replace('path = "x"', 'path = "y"'), "EDT-004"),
        (PINNED, PINNED.replace('backend "local"', 'backend "http"'), "EDT-004"),
        (PINNED.replace('  backend "local" {\n    path = "x"\n  }\n', ""), PINNED, "EDT-004"),
        (PINNED, PINNED.replace("~> 5.0", ">= 1.0"), "EDT-005"),
        (PINNED, PINNED.replace('"hashicorp/azurerm"', '"evil/azurerm"'), "EDT-005"),
        (PINNED, PINNED.replace("5.3.0", "9.9.9"), "EDT-005"),
        (PINNED, PINNED.replace("Azure/network", "Azure/other"), "EDT-005"),
        (PINNED, PINNED.replace('"./own"', '"git::https://example.com/x"'), "EDT-005"),
        (PINNED, PINNED.replace("features {}", 'features {}\n  subscription_id = "other"'), "EDT-005"),
        (KEPT, KEPT.replace("prevent_destroy = true", "prevent_destroy = false"), "EDT-006"),
        (KEPT, KEPT.replace("    prevent_destroy = true\n", ""), "EDT-006"),
        (KEPT, "locals {}\n", "EDT-006"),
    ],
)
def test_what_is_pinned_or_protected_stays(tmp_path: Path, before: str, after: str, rule: str) -> None:
    assert rules(tmp_path, before, after) == [rule]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (KEPT, KEPT.replace('"a"', '"b"')),
        (PINNED, PINNED + 'module "more" {\n  source = "./own"\n}\n'),
        (PINNED, PINNED.replace('"./own"', '"./other"')),
        ("", KEPT),
    ],
)
def test_other_edits_are_free(tmp_path: Path, before: str, after: str) -> None:
    assert rules(tmp_path, before, after) == []


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (".iacagent.yaml", "EDT-001"),
        (".iacagent.policies.yaml", "EDT-001"),
        (".github/workflows/x.yml", "EDT-001"),
        (".iacagent/iacagent.db", "EDT-001"),
        (".terraform.lock.hcl", "EDT-002"),
    ],
)
def test_files_that_are_not_the_planners(tmp_path: Path, name: str, rule: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    assert [f.rule for f in found(*versions(tmp_path, {tmp_path.resolve() / name: b"x"}))] == [rule]


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere.tf"
    root.mkdir()
    elsewhere.write_text("locals {}\n")
    (root / "main.tf").symlink_to(elsewhere)
    edited = {root.resolve() / "main.tf": b"locals { a = 1 }\n"}
    assert [f.rule for f in found(*versions(root, edited))] == ["EDT-003"]
    with pytest.raises(GateRefused, match="EDT-003"):
        Guard().require_edits(RootModule(root), edited)
