"""Recipes: each understands one kind of request and says how it is done in HCL. One file each.

How to add one: write a module with a class that has `title`, `example` and `plan`, and list it here.
"""

from __future__ import annotations

from typing import Protocol

from iac_agent.planner.inventory import Inventory
from iac_agent.planner.protocol import Answer, Context


class Recipe(Protocol):
    """`plan` returns None when the request is not of this kind."""

    title: str
    example: str

    def plan(self, request: str, inventory: Inventory, context: Context) -> Answer | None: ...


def all_recipes() -> list[Recipe]:
    """In the order they are asked."""
    from iac_agent.planner.recipes.attach_disk import AttachDisk
    from iac_agent.planner.recipes.boot_diagnostics import BootDiagnostics
    from iac_agent.planner.recipes.new_vm import NewVm
    from iac_agent.planner.recipes.resize import Resize
    from iac_agent.planner.recipes.spot import Spot
    from iac_agent.planner.recipes.tags import Tags

    return [NewVm(), AttachDisk(), BootDiagnostics(), Tags(), Spot(), Resize()]
