"""The lenses: for each supported azurerm type one table that maps Terraform attributes to ARM JSON, both ways.

The same lens lets the sandbox provider create and read a resource, the drift scan compare state with live JSON, adopt and import write
HCL, and the guard tell which change forces a replacement. How to add one: docs/adding-a-resource-type.md.
"""

from __future__ import annotations

import functools
import importlib

from iac_agent.azure.lenses.table import Lens
from iac_agent.errors import UsageError

_MODULES = (
    "addresses",
    "associations",
    "disks",
    "groups",
    "identity",
    "key_vault",
    "load_balancers",
    "machines",
    "alerts",
    "monitor",
    "networks",
    "placement",
    "private_dns",
    "scale_sets",
    "security",
    "storage",
)


@functools.cache
def all_lenses() -> dict[str, Lens]:
    """Every lens by azurerm type."""
    found: dict[str, Lens] = {}
    for name in _MODULES:
        for lens in importlib.import_module(f"{__name__}.{name}").LENSES:
            found[lens.type] = lens
    return found


def lens_for(type_name: str) -> Lens:
    """The lens of an azurerm type. Raises UsageError when there is none."""
    found = all_lenses().get(type_name)
    if found is None:
        raise UsageError(f"there is no lens for {type_name}", hint="See docs/adding-a-resource-type.md.")
    return found
