"""Every policy that is shipped: its example that passes does, the one that fails does not, and what it says is whole."""

from __future__ import annotations

from typing import Any

import pytest

from iac_agent.guard.planned import Resource, World
from iac_agent.guard.policies import PACKS, shipped
from iac_agent.guard.policies.tagging import Conventions
from iac_agent.guard.policies.types import NSG, RULE
from iac_agent.guard.policy import Example, Policy, Ruling
from iac_agent.guard.references import Wiring
from iac_agent.guard.truth import Truth
from tests.conftest import Figure

CONVENTIONS = Conventions(("owner", "environment"), {"environment": ("dev", "prod")}, ("westeurope",), ("Standard_B2s",))
POLICIES = shipped(CONVENTIONS)
WITH_VALUES = [p for p in POLICIES if isinstance(p.passing, Example)]


def world_of(kind: str, example: Example) -> tuple[World, Resource]:
    """A world of the example's resource and what is beside it."""
    held = {"azurerm.example": (kind, example.values), **{a: (a.split(".")[0], v) for a, v in example.beside.items()}}
    made = {a: Resource(a, t, "create", v, dict.fromkeys(example.unknown, True)) for a, (t, v) in held.items()}
    world = World(made, Wiring({}))
    for resource in made.values():
        resource.world = world
    return world, made["azurerm.example"]


@pytest.mark.parametrize("policy", WITH_VALUES, ids=lambda p: p.id)
def test_the_examples(policy: Policy) -> None:
    assert isinstance(policy.passing, Example)
    assert isinstance(policy.failing, Example)
    for kind in policy.types[:1]:
        assert policy.holds.of(world_of(kind, policy.passing)[1]) == Truth.YES
        failing = world_of(kind, policy.failing)[1]
        assert policy.holds.of(failing) == Truth.NO
        assert list(policy.holds.blame(failing)), "what is broken must be named"


@pytest.mark.parametrize("policy", [p for p in WITH_VALUES if p.types == (RULE, NSG)], ids=lambda p: p.id)
def test_rules_written_inside_a_group_are_judged_too(policy: Policy) -> None:
    for example, expected in ((policy.passing, Truth.YES), (policy.failing, Truth.NO)):
        assert isinstance(example, Example)
        group = world_of(NSG, Example({"security_rule": [dict(example.values)]}))[1]
        assert policy.holds.of(group) == expected


def test_no_rule_is_lost() -> None:
    """The ids that are shipped, written down: taking a rule away is a change that somebody sees."""
    counted = {"NET": 18, "IDN": 13, "ENC": 11, "DAT": 13, "REL": 21, "CST": 12, "TAG": 3, "NAM": 2}
    wanted = [f"{pack}-{n:03}" for pack, count in counted.items() for n in range(1, count + 1)]
    wanted += [f"DEP-{n:03}" for n in (*range(1, 21), *range(30, 53))]
    assert sorted(p.id for p in POLICIES) == sorted(wanted)


def test_what_the_policies_say_is_whole(figure: Figure) -> None:
    assert len({p.id for p in POLICIES}) == len(POLICIES)
    for policy in POLICIES:
        assert policy.pack in PACKS
        assert policy.source.startswith("https://")
        for sentence in (policy.why, policy.fix):
            assert sentence.endswith((".", "}.", '".')), f"{policy.id}: {sentence}"
        assert not policy.title.endswith(".")
        assert str(policy.holds)
        assert policy.unclear != Ruling.PASS or policy.pack == "DEP"
    figure("policies with an example that passes and one that fails", len(POLICIES), len(POLICIES))


@pytest.mark.parametrize(
    ("kind", "values", "unknown", "rule"),
    [
        (
            "azurerm_network_security_rule",
            {"access": "Allow", "direction": "Inbound", "protocol": "Tcp", "destination_port_range": "22"},
            ("source_address_prefix",),
            "NET-001",
        ),
        ("azurerm_storage_account", {}, ("min_tls_version",), "ENC-001"),
        ("azurerm_storage_container", {}, ("container_access_type",), "DAT-002"),
        ("azurerm_role_assignment", {"role_definition_name": None}, ("role_definition_id",), "IDN-005"),
        ("azurerm_virtual_network", {}, ("location",), "NAM-002"),
    ],
)
def test_what_is_known_only_after_apply_never_passes(kind: str, values: dict[str, Any], unknown: tuple[str, ...], rule: str) -> None:
    policy = next(p for p in POLICIES if p.id == rule)
    assert policy.holds.of(world_of(kind, Example(values, {}, unknown))[1]) == Truth.UNKNOWN
    assert policy.unclear == Ruling.UNKNOWN


def test_unknown_does_not_hide_what_is_decided() -> None:
    policy = next(p for p in POLICIES if p.id == "NET-001")
    deny = Example(
        {"access": "Deny", "direction": "Inbound", "protocol": "Tcp", "destination_port_range": "22"}, {}, ("source_address_prefix",)
    )
    assert policy.holds.of(world_of("azurerm_network_security_rule", deny)[1]) == Truth.YES


def test_a_zone_known_after_apply_is_not_refused() -> None:
    policy = next(p for p in POLICIES if p.id == "DEP-007")
    disk, machine = "azurerm_managed_disk.d", "azurerm_linux_virtual_machine.m"
    beside = {disk: {"id": "/d", "storage_account_type": "Premium_LRS", "zone": "1"}, machine: {"id": "/m", "zone": "2"}}
    world, attachment = world_of(
        "azurerm_virtual_machine_data_disk_attachment", Example({"managed_disk_id": "/d", "virtual_machine_id": "/m"}, beside)
    )
    assert policy.holds.of(attachment) == Truth.NO
    world.resources[machine].unknown = {"zone": True}
    assert policy.holds.of(attachment) == Truth.UNKNOWN
