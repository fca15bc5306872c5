"""Terraform's diagnostics become typed errors that say where."""

from __future__ import annotations

import pytest

from iac_agent.errors import AlreadyExists, NotInitialised, StalePlan, StateLocked, TerraformFailed
from iac_agent.terraform.diagnostics import failure, from_lines, from_text

BOX = """There are some problems with the CLI configuration:
╷
│ Warning: Unable to open CLI configuration file
│
│ The CLI configuration file at "/root/.terraformrc" does not exist.
╵
╷
│ Error: Unsupported argument
│
│   on main.tf line 7, in resource "azurerm_subnet" "app":
│    7:   nme = "x"
│
│ An argument named "nme" is not expected here.
╵
"""


def test_a_box_for_people() -> None:
    (found,) = from_text(BOX)
    assert (found.summary, found.file, found.line) == ("Unsupported argument", "main.tf", 7)
    assert "nme" in found.detail


def test_a_json_message() -> None:
    line = (
        '{"@level":"error","type":"diagnostic","diagnostic":{"severity":"error","summary":"No","detail":"why","address":"a.b",'
        '"range":{"filename":"vm.tf","start":{"line":3}}}}'
    )
    (found,) = from_lines(['{"@level":"info","type":"version"}', line])
    assert str(found) == "vm.tf:3: No (a.b): why"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Error: Error acquiring the state lock\n\nlock", StateLocked),
        ("Error: Saved plan is stale\n\nx", StalePlan),
        ("Error: Module not installed\n\nx", NotInitialised),
        ("Error: Inconsistent dependency lock file\n\nx", NotInitialised),
        ('Error: creating: a resource with the ID "/x" already exists - to be managed\n\nx', AlreadyExists),
        ("Error: Something else\n\nx", TerraformFailed),
    ],
)
def test_kinds(text: str, kind: type[TerraformFailed]) -> None:
    assert type(failure("plan", 1, [], text)) is kind


def test_a_warning_is_never_an_error() -> None:
    assert from_text(BOX.split("╵")[0]) == []
