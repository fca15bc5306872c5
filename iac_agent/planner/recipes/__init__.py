"""Recipes: each understands one kind of wish and says how it is done in HCL. One file each.

How to add one: write a module with a class as `Recipe` describes it, and list it in `all_recipes`, the more specific before the more
general. Its examples are run as tests and printed in docs/requests.md.
"""

from __future__ import annotations

from typing import Protocol

from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World


class Recipe(Protocol):
    """`claims` tells whether a wish is of this kind; `plan` writes its edits into the world, or raises Unsettled."""

    id: str
    title: str
    examples: tuple[str, ...]

    def claims(self, wish: Wish, world: World) -> bool: ...
    def plan(self, wish: Wish, world: World) -> None: ...


def all_recipes(modules: str = "") -> list[Recipe]:
    """In the order they are asked. `modules` is where new machines find iac-agent's modules; empty: they are written without them."""
    from iac_agent.planner.recipes.alert import Alert
    from iac_agent.planner.recipes.attach_disk import AttachDisk
    from iac_agent.planner.recipes.autoscale import Autoscale
    from iac_agent.planner.recipes.boot_diagnostics import BootDiagnostics
    from iac_agent.planner.recipes.detach_disk import DetachDisk
    from iac_agent.planner.recipes.diagnostic_setting import DiagnosticSetting
    from iac_agent.planner.recipes.disk_type import DiskType
    from iac_agent.planner.recipes.grow_disk import GrowDisk
    from iac_agent.planner.recipes.move_region import MoveRegion
    from iac_agent.planner.recipes.port import Port
    from iac_agent.planner.recipes.provision import Provision
    from iac_agent.planner.recipes.public_ip import PublicIp
    from iac_agent.planner.recipes.remove import Remove
    from iac_agent.planner.recipes.rename import Rename
    from iac_agent.planner.recipes.resize import Resize
    from iac_agent.planner.recipes.scale import Scale
    from iac_agent.planner.recipes.setting import Setting
    from iac_agent.planner.recipes.spot import Spot
    from iac_agent.planner.recipes.tags import Tags

    return [
        Alert(),
        Autoscale(),
        DiagnosticSetting(),
        Setting(),
        Rename(),
        Tags(),
        BootDiagnostics(),
        Provision(modules),
        PublicIp(),
        Spot(),
        DetachDisk(),
        DiskType(),
        GrowDisk(),
        AttachDisk(),
        Port(),
        Scale(),
        MoveRegion(),
        Remove(),
        Resize(),
    ]
