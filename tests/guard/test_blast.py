"""The blast radius: what is lost, interrupted, given up or blocked beside what is changed."""

from __future__ import annotations

from typing import Any

import pytest

from iac_agent.guard import blast
from iac_agent.guard.planned import World
from iac_agent.guard.policy import Ruling
from iac_agent.terraform.models import Plan

VM, NIC, IP, DISK = "azurerm_linux_virtual_machine.a", "azurerm_network_interface.a", "azurerm_public_ip.a", "azurerm_managed_disk.a"
LOCK = "azurerm_management_lock.l"


def plan(*changes: tuple[str, list[str], dict[str, Any], dict[str, Any] | None], refs: dict[str, list[str]] | None = None) -> Plan:
    rows = [
        {"address": a, "type": a.split(".")[0], "change": {"actions": acts, "before": before, "after": after}}
        for a, acts, before, after in changes
    ]
    blocks = [{"address": a, "expressions": {"x": {"references": r}}} for a, r in (refs or {}).items()]
    return Plan.model_validate({"resource_changes": rows, "configuration": {"root_module": {"resources": blocks}}})


def found(made: Plan) -> list[blast.Impact]:
    prior = World.prior(made)
    return blast.impacts(made, prior, blast.Dependents(prior))


def test_a_resize_interrupts() -> None:
    (one,) = found(plan((VM, ["update"], {"size": "a"}, {"size": "b"})))
    assert (one.address, one.kind) == (VM, "interrupted")
    assert "reboots" in one.what


def test_a_tag_interrupts_nothing() -> None:
    assert found(plan((VM, ["update"], {"tags": {}}, {"tags": {"a": "b"}}))) == []


def test_a_deallocation_gives_a_dynamic_address_up() -> None:
    held = [
        (VM, ["update"], {"os_disk": [{"disk_size_gb": 30}], "network_interface_ids": ["/n"]},
         {"os_disk": [{"disk_size_gb": 64}], "network_interface_ids": ["/n"]}),
        (NIC, ["no-op"], {"id": "/n", "ip_configuration": [{"public_ip_address_id": "/p"}]}, {}),
        (IP, ["no-op"], {"id": "/p", "allocation_method": "Dynamic", "ip_address": "20.0.0.1"}, {}),
    ]  # fmt: skip
    kinds = {(i.address, i.kind) for i in found(plan(*held))}
    assert kinds == {(VM, "interrupted"), (IP, "address")}
    held[2] = (IP, ["no-op"], {"id": "/p", "allocation_method": "Static", "ip_address": "20.0.0.1"}, {})
    assert {(i.address, i.kind) for i in found(plan(*held))} == {(VM, "interrupted")}


@pytest.mark.parametrize("actions", [["delete"], ["delete", "create"], ["create", "delete"]])
def test_data_that_goes_is_told_with_what_stands_on_it(actions: list[str]) -> None:
    made = plan((DISK, actions, {}, None), (VM, ["no-op"], {}, {}), refs={DISK: [], VM: [DISK + ".id", DISK]})
    (one,) = found(made)
    assert one.kind == "lost"
    assert "everything on the disk" in one.what
    assert one.dependents == (VM,)


def test_a_replaced_address_is_another_one() -> None:
    assert {i.kind for i in found(plan((IP, ["delete", "create"], {}, {})))} == {"interrupted", "address"}


def test_a_lock_that_goes_needs_a_name_and_what_is_locked_is_refused() -> None:
    made = plan((LOCK, ["delete"], {"scope": "/g"}, None))
    (one,) = blast.judged(made, World.prior(made), World.planned(made))
    assert (one.rule, one.outcome) == ("CHG-003", Ruling.UNKNOWN)
    made = plan((DISK, ["delete"], {"id": "/G/disks/d"}, None), (LOCK, ["no-op"], {"scope": "/g"}, {"scope": "/g"}))
    (two,) = blast.judged(made, World.prior(made), World.planned(made))
    assert (two.rule, two.outcome, two.address) == ("CHG-004", Ruling.REFUSE, DISK)
    made = plan((DISK, ["delete"], {"id": "/other/d"}, None), (LOCK, ["no-op"], {"scope": "/g"}, {"scope": "/g"}))
    assert blast.judged(made, World.prior(made), World.planned(made)) == []
