"""The module calls that lead to a resource, and whom a value at each of them reaches."""

from __future__ import annotations

from dataclasses import dataclass

from iac_agent.hcl.address import parse_path
from iac_agent.hcl.document import Block, literal, map_source
from iac_agent.hcl.evaluate import Frame
from iac_agent.hcl.paths import source_at
from iac_agent.hcl.scope import Instance, Scope
from iac_agent.planner.inventory import Inventory, Resource


@dataclass(frozen=True)
class Level:
    """A block on the way from the root to a resource: a module call or the resource itself, in one scope."""

    block: Block
    address: str
    scope: Scope
    key: str | int | None

    @property
    def index(self) -> str:
        """What tells its instances apart, as source."""
        return "each.key" if isinstance(self.key, str) else "count.index"

    def among(self, keys: list[str | int]) -> str:
        """The condition that holds for the instances with these keys."""
        return f"contains({literal(keys)}, {self.index})"

    def by_key(self, keys: list[str | int], source: str, otherwise: str) -> str:
        """An expression that is `source` for the instances with these keys."""
        own = map_source({str(k): source for k in keys})
        return f"lookup({own}, {self.index if isinstance(self.key, str) else f'tostring({self.index})'}, {otherwise})"

    def written(self, path: str) -> str:
        """The source of the expression at a path of its block; empty when there is none."""
        return source_at(self.block, parse_path(path)) or ""


def levels_of(instance: Instance) -> list[Level]:
    """The module calls that lead to an instance, the outermost first, and its own block last."""
    chain: list[Level] = [Level(instance.block, instance.block_address, instance.scope, instance.index)]
    scope: Scope | None = instance.scope
    while scope is not None and scope.parent is not None and scope.module.call is not None:
        address = f"{scope.parent.module.prefix}module.{scope.module.path[-1]}"
        chain.insert(0, Level(scope.module.call, address, scope.parent, scope.keys[-1]))
        scope = scope.parent
    return chain


def below(inventory: Inventory, level: Level, target: Resource) -> list[Resource]:
    """The instances of the target's own block that a value at this level reaches."""
    return [r for r in inventory.siblings(target) if any(x.block == level.block for x in levels_of(r.instance))]


def key_at(resource: Resource, level: Level) -> str | int | None:
    return next((x.key for x in levels_of(resource.instance) if x.block == level.block), None)


def own_keys(inventory: Inventory, target: Resource, targets: list[Resource], level: Level) -> list[str | int] | None:
    """The keys of a level that lead to the targets; None when they lead to others too, or when it has none."""
    reached = below(inventory, level, target)
    keys = {key for t in targets if t in reached and (key := key_at(t, level)) is not None}
    shared = any(key_at(r, level) in keys and r not in targets for r in reached)
    return None if level.key is None or shared else sorted(keys, key=str)


def frame_at(target: Resource, level: Level) -> Frame:
    if target.block == level.block:
        return target.instance.frame
    scope: Scope | None = target.instance.scope
    while scope is not None and scope.module.call != level.block:
        scope = scope.parent
    assert scope is not None
    assert scope.call is not None
    return scope.call
