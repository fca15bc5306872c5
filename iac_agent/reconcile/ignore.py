"""Ignoring in HCL: the attributes that drifted become `lifecycle.ignore_changes` of their block.

A rule in the configuration ends on its day and may be about one instance; this lasts until somebody takes it out, and is about every
instance of the block. Source: https://developer.hashicorp.com/terraform/language/meta-arguments/lifecycle#ignore_changes
"""

from __future__ import annotations

from iac_agent.drift.finding import Finding, Path
from iac_agent.hcl import edits as e
from iac_agent.hcl.document import literal
from iac_agent.planner.inventory import Resource
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.world import World
from iac_agent.reconcile.adopt import configured


def write(world: World, finding: Finding) -> None:
    """Add what differs to `ignore_changes`. Raises Unsettled where that would ignore it for other resources too."""
    resource = configured(world, finding)
    kin = world.inventory.siblings(resource)
    if len(kin) > 1:
        raise Unsettled(Refusal(f"ignore_changes would be in force for all {len(kin)} that this block makes; use a rule instead"))
    wanted = list(dict.fromkeys(_reference(d.path) for d in finding.differences))
    _add(world, resource, wanted)
    world.touch([resource])


def _add(world: World, resource: Resource, wanted: list[str]) -> None:
    lifecycle = next((b for b in resource.block.blocks if b.type == "lifecycle"), None)
    held = lifecycle.attributes.get("ignore_changes") if lifecycle is not None else None
    address, source = resource.block_address, f"[{', '.join(wanted)}]"
    if lifecycle is None:
        world.writer.add(e.AddBlock(address, "lifecycle", (("ignore_changes", source),)))
    elif held is None:
        world.writer.add(e.SetAttribute(address, "lifecycle.ignore_changes", source))
    else:
        for name in wanted:
            world.writer.add(e.AppendItem(address, "lifecycle.ignore_changes", name))


def _reference(path: Path) -> str:
    """What differs as `ignore_changes` takes it: `size`, `tags["cost"]`; of a nested block the whole of it."""
    name, *rest = path
    if name == "tags" and rest:
        return f"tags[{literal(str(rest[0]))}]"
    return str(name)
