"""Addresses: which instances one stands for."""

from __future__ import annotations

import pytest

from iac_agent.hcl.address import Address

ONE = 'module.edge["edge-2"].azurerm_linux_virtual_machine.this[0]'


@pytest.mark.parametrize(
    ("given", "covers"),
    [
        (ONE, True),
        ('module.edge["edge-2"].azurerm_linux_virtual_machine.this', True),
        ("module.edge.azurerm_linux_virtual_machine.this", True),
        ("module.edge.azurerm_linux_virtual_machine.this[0]", True),
        ('module.edge["edge-1"].azurerm_linux_virtual_machine.this', False),
        ('module.edge["edge-2"].azurerm_linux_virtual_machine.this[1]', False),
        ("azurerm_linux_virtual_machine.this[0]", False),
        ('module.edge["edge-2"].azurerm_windows_virtual_machine.this[0]', False),
        ('module.edge["edge-2"].data.azurerm_linux_virtual_machine.this[0]', False),
    ],
)
def test_a_key_left_out_stands_for_every_one(given: str, covers: bool) -> None:
    assert Address.parse(given).covers(Address.parse(ONE)) is covers
