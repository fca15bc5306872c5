"""The verdict: intended, unrelated, entangled; and what needs a name."""

from __future__ import annotations

from typing import Any

from iac_agent.guard import redact
from iac_agent.guard.verdict import Approved, judge
from iac_agent.terraform.models import Plan


def plan(*changes: tuple[str, list[str], dict[str, Any]]) -> Plan:
    rows = [
        {"address": a, "type": a.split(".")[0], "change": {"actions": acts, "before": {"x": 1}, "after": after}}
        for a, acts, after in changes
    ]
    return Plan.model_validate({"resource_changes": rows})


A, B = "azurerm_subnet.a", "azurerm_subnet.b"


def test_what_the_baseline_has_too_is_unrelated() -> None:
    edited = plan((A, ["update"], {"x": 2}), (B, ["update"], {"x": 3}))
    verdict = judge(edited, plan((B, ["update"], {"x": 3})))
    assert [i.address for i in verdict.intended] == [A]
    assert [i.address for i in verdict.unrelated] == [B]
    assert verdict.entangled == ()


def test_a_resource_that_changes_in_both_ways_is_entangled() -> None:
    verdict = judge(plan((A, ["update"], {"x": 2})), plan((A, ["update"], {"x": 9})))
    assert verdict.entangled == (A,)


def test_replacements_and_destroys_need_their_own_names() -> None:
    verdict = judge(plan((A, ["delete", "create"], {}), (B, ["delete"], {}), ("azurerm_subnet.c", ["create", "delete"], {})), None)
    assert Approved(ordinary=True).missing(verdict) == {"replace": [A, "azurerm_subnet.c"], "destroy": [B], "unknown": []}
    assert Approved({A, "azurerm_subnet.c"}, {A}).missing(verdict)["destroy"] == [B]


def test_a_type_without_a_lens_is_unknown() -> None:
    assert judge(plan(("azurerm_cosmosdb_account.x", ["update"], {})), None).unknown == ("azurerm_cosmosdb_account",)


def test_secrets_are_masked_by_name() -> None:
    assert redact.line('+  admin_password = "hunter2" # x') == '+  admin_password = "(sensitive)" # x'
    assert redact.line('  size = "Standard_B2s"') == '  size = "Standard_B2s"'
    assert redact.line("  admin_password = var.password") == "  admin_password = var.password"
    assert redact.edit({"path": "admin_password", "value": '"x"'})["value"] == "(sensitive)"
