"""The planned world: what refers to what before any id is known, what is absent and what is unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iac_agent.guard.planned import AFTER_APPLY, World
from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.module import RootModule
from iac_agent.terraform.models import Plan

NIC, SUBNET, LINK = "azurerm_network_interface", "azurerm_subnet", "azurerm_subnet_network_security_group_association"


def plan(resources: dict[str, tuple[dict[str, Any], dict[str, Any]]], configuration: dict[str, Any] | None = None) -> Plan:
    """A plan that creates resources: values and what is known only after apply, by address."""
    rows = [
        {
            "address": a,
            "type": a.split(".")[-2],
            "index": int(a.rsplit("[", 1)[1][:-1]) if a.endswith("]") else None,
            "change": {"actions": ["create"], "after": after, "after_unknown": unknown},
        }
        for a, (after, unknown) in resources.items()
    ]
    return Plan.model_validate({"resource_changes": rows, "configuration": {"root_module": configuration or {}}})


def block(address: str, **references: list[str]) -> dict[str, Any]:
    return {"address": address, "expressions": {k: {"references": v} for k, v in references.items()}}


def test_an_association_is_not_meant_by_the_id_that_it_shares() -> None:
    world = World.planned(plan({f"{SUBNET}.s": ({"id": "/S"}, {}), f"{LINK}.l": ({"id": "/s"}, {}), f"{NIC}.n": ({"subnet_id": "/s"}, {})}))
    related = world.resources[f"{NIC}.n"].related("subnet_id")
    assert [r.address for r in related.resources] == [f"{SUBNET}.s"]
    assert related.certain


def test_what_azure_fills_in_is_absent_and_what_is_written_is_unknown() -> None:
    made = plan({f"{NIC}.n": ({}, {"a": True, "b": True})}, {"resources": [block(f"{NIC}.n", a=["var.x"])]})
    resource = World.planned(made).resources[f"{NIC}.n"]
    assert resource.one("a") is AFTER_APPLY
    assert resource.one("b") is None


def test_by_the_plan_alone_an_index_may_mean_any_instance() -> None:
    made = plan(
        {f"{SUBNET}.s[0]": ({}, {}), f"{SUBNET}.s[1]": ({}, {}), f"{NIC}.n": ({}, {"subnet_id": True})},
        {"resources": [block(f"{NIC}.n", subnet_id=[f"{SUBNET}.s", "count.index"]), block(f"{SUBNET}.s")]},
    )
    related = World.planned(made).resources[f"{NIC}.n"].related("subnet_id")
    assert len(related.resources) == 2
    assert not related.certain


def test_with_the_files_the_instance_is_known(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        f'locals {{\n  home = {SUBNET}.s[1].id\n}}\nresource "{SUBNET}" "s" {{\n  count = 2\n}}\n'
        f'resource "{NIC}" "n" {{\n  subnet_id = local.home\n}}\n'
    )
    made = plan(
        {f"{SUBNET}.s[0]": ({}, {}), f"{SUBNET}.s[1]": ({}, {}), f"{NIC}.n": ({}, {"subnet_id": True})},
        {"resources": [block(f"{NIC}.n", subnet_id=["local.home"]), block(f"{SUBNET}.s")]},
    )
    related = World.planned(made, Configuration(RootModule(tmp_path))).resources[f"{NIC}.n"].related("subnet_id")
    assert [r.address for r in related.resources] == [f"{SUBNET}.s[1]"]
    assert related.certain


def test_through_modules_by_the_plan_alone() -> None:
    made = plan(
        {f"module.net.{SUBNET}.s": ({}, {}), f"module.vm.{NIC}.n": ({}, {"subnet_id": True})},
        {
            "module_calls": {
                "net": {
                    "module": {
                        "outputs": {"subnet": {"expression": {"references": [f"{SUBNET}.s.id", f"{SUBNET}.s"]}}},
                        "resources": [block(f"{SUBNET}.s")],
                    }
                },
                "vm": {
                    "expressions": {"subnet": {"references": ["module.net.subnet", "module.net"]}},
                    "module": {"resources": [block(f"{NIC}.n", subnet_id=["var.subnet"])]},
                },
            }
        },
    )
    related = World.planned(made).resources[f"module.vm.{NIC}.n"].related("subnet_id")
    assert [r.address for r in related.resources] == [f"module.net.{SUBNET}.s"]
    assert related.certain


def test_an_id_of_elsewhere_is_not_certain() -> None:
    related = World.planned(plan({f"{NIC}.n": ({"subnet_id": "/elsewhere"}, {})})).resources[f"{NIC}.n"].related("subnet_id")
    assert related.resources == ()
    assert not related.certain
