"""Conditions in the configuration that turn something on or off for one caller: `count = var.public ? 1 : 0`.

What such a condition reads is given another value where it reaches one machine: an argument of its module call, a field of its element.
"""

from __future__ import annotations

import re
from typing import Any

from tree_sitter import Node

from iac_agent.hcl.address import parse_path
from iac_agent.hcl.document import unwrap
from iac_agent.hcl.evaluate import evaluate
from iac_agent.hcl.expressions import operands
from iac_agent.hcl.paths import node_at
from iac_agent.planner.inventory import Resource
from iac_agent.planner.writing.write import Writer

_TEST = re.compile(r"(?P<read>(?:var|local|each\.value)\.[\w-]+)(?:\s*(?P<operator>==|!=|>)\s*(?P<than>true|false|null|0|\"\"))?")
_OFF: dict[tuple[str, str], Any] = {("!=", "null"): None, ("!=", '""'): "", (">", "0"): 0}
_BOOLEAN = {("", ""): True, ("==", "true"): True, ("!=", "false"): True, ("==", "false"): False, ("!=", "true"): False}


def condition_of(resource: Resource, path: str) -> Node | None:
    """The condition of `condition ? a : b` at a path of a resource; None where something else stands there."""
    node = node_at(resource.block, parse_path(path))
    return operands(unwrap(node))[0] if node is not None and unwrap(node).type == "conditional" else None


def switch(resource: Resource, path: str, on: bool, writer: Writer) -> bool:
    """Make the condition at a path hold, or not, for what belongs to this resource. False, with nothing written, where that cannot be done.

    The condition must read one boolean; to make it fail it may also ask whether a value is there (`var.size > 0`).
    """
    test = condition_of(resource, path)
    if test is None:
        return False
    said = _TEST.fullmatch(resource.block.document.text(test).strip().strip("()"))
    if said is None:
        return False
    form = (said["operator"] or "", said["than"] or "")
    if form in _BOOLEAN:
        value: Any = on == _BOOLEAN[form]
    elif form in _OFF and not on:
        value = _OFF[form]
    else:
        return False
    if evaluate(resource.instance.frame, test, ("@condition",)).data is on:
        return False
    return writer.give(resource, said["read"], value)
