"""Resource ids, versions, and the errors of ARM."""

from __future__ import annotations

from pathlib import Path

import pytest

from iac_agent.azure.answers import error_for
from iac_agent.azure.ids import ResourceId, parent_of, same_id
from iac_agent.azure.provider_version import admits, major_of
from iac_agent.errors import AzureDenied, AzureNotFound, AzureRejected, AzureThrottled, UsageError

GROUP = "/subscriptions/s/resourceGroups/g"
VNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v"


def test_parse() -> None:
    subnet = ResourceId.parse(f"{VNET}/subnets/a")
    assert (subnet.type, subnet.name, subnet.resource_group, subnet.parent) == ("Microsoft.Network/virtualNetworks/subnets", "a", "g", VNET)
    lock = ResourceId.parse(f"{VNET}/providers/Microsoft.Authorization/locks/l")
    assert (lock.scope, lock.type) == (VNET, "Microsoft.Authorization/locks")
    assert ResourceId.parse(GROUP).type == "Microsoft.Resources/resourceGroups"
    assert ResourceId.parse("/subscriptions/s").name == "s"
    assert parent_of(VNET) == GROUP
    assert same_id(VNET, VNET.upper())


@pytest.mark.parametrize("text", ["", "x", "/subscriptions", f"{GROUP}/providers/Microsoft.Network", f"{VNET}/subnets", f"{GROUP}/x"])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(UsageError):
        ResourceId.parse(text)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AzureDenied), (403, AzureDenied), (404, AzureNotFound), (409, AzureRejected), (429, AzureThrottled), (500, AzureRejected)],
)
def test_answers_become_errors(status: int, kind: type[Exception]) -> None:
    error = error_for(status, '{"error": {"code": "C", "message": "M"}}', VNET)
    assert type(error) is kind
    assert "C: M" in error.message
    assert error_for(status, "<html>", VNET).fault is not None


@pytest.mark.parametrize(
    ("constraint", "four", "five"),
    [
        ("~> 4.0", True, False),
        ("~> 5.2", False, True),
        (">= 4.1", True, True),
        (">= 4.0, < 5.0", True, False),
        ("5.2.0", False, True),
        ("~> 4.81.0", True, False),
        ("!= 5.2.0", True, False),
        ("> 4.81.0", False, True),
        ("<= 4.81.0", True, False),
    ],
)
def test_constraints(constraint: str, four: bool, five: bool) -> None:
    assert (admits(constraint, (4, 81, 0)), admits(constraint, (5, 2, 0))) == (four, five)


def test_the_major_of_a_root_module(tmp_path: Path) -> None:
    assert major_of(tmp_path) == 5
    required = 'terraform {\n  required_providers {\n    azurerm = {\n      version = "~> 4.0"\n    }\n  }\n}\n'
    (tmp_path / "main.tf").write_text(required)
    assert major_of(tmp_path) == 4
    (tmp_path / ".terraform.lock.hcl").write_text('provider "registry.terraform.io/hashicorp/azurerm" {\n  version = "5.1.0"\n}\n')
    assert major_of(tmp_path) == 5
    (tmp_path / ".terraform.lock.hcl").write_text('provider "registry.terraform.io/hashicorp/azurerm" {\n  version = "3.9.0"\n}\n')
    with pytest.raises(UsageError, match=r"3\.9\.0"):
        major_of(tmp_path)
