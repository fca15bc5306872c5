"""Where a path leads inside a block: to a nested block, to an expression, to the source of one."""

from __future__ import annotations

from tree_sitter import Node

from iac_agent.errors import AmbiguousAddress, HclError, NotEditable, UnknownAddress
from iac_agent.hcl.address import Step, show_path
from iac_agent.hcl.document import Block
from iac_agent.hcl.expressions import step_into


def descend(block: Block, steps: tuple[Step, ...]) -> tuple[Block, tuple[Step, ...]]:
    """Follow nested blocks as far as `steps` name them; returns the innermost block and the steps that are left.

    Raises AmbiguousAddress when a step names several blocks and gives no index, NotEditable for dynamic blocks.
    """
    while steps and isinstance(steps[0], str):
        name = steps[0]
        kin = [b for b in block.blocks if b.type == name]
        labelled = next((b for b in kin if name == "dynamic" and b.labels == steps[1:2]), None)
        if labelled is not None:
            block, steps = labelled, steps[2:]
            continue
        index = steps[1] if len(steps) > 1 and isinstance(steps[1], int) else None
        if not kin:
            dynamic = block.dynamic(name)
            if dynamic is not None:
                raise NotEditable(f"{dynamic.where}: {name} is written by a dynamic block", hint="Change its for_each.")
            return block, steps
        if name in block.attributes:
            return block, steps
        if index is None and len(kin) > 1:
            raise AmbiguousAddress(show_path(steps), [f"{name}[{i}] at {b.where}" for i, b in enumerate(kin)])
        if (index or 0) >= len(kin):
            raise UnknownAddress(f"{name}[{index}]", [f"{name}[{i}]" for i in range(len(kin))], block.where)
        block, steps = kin[index or 0], steps[1:] if index is None else steps[2:]
    return block, steps


def node_at(block: Block, path: tuple[Step, ...]) -> Node | None:
    """The expression at a path of a block; None when nothing is there."""
    try:
        inner, steps = descend(block, path)
    except HclError:
        return None
    attribute = inner.attributes.get(str(steps[0])) if steps else None
    node = attribute.value if attribute else None
    for step in steps[1:]:
        node = step_into(inner.document, node, step) if node is not None else None
    return node


def source_at(block: Block, path: tuple[Step, ...]) -> str | None:
    """The source at a path of a block; None when nothing is there."""
    node = node_at(block, path)
    return block.document.text(node) if node is not None else None
