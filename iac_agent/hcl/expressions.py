"""The inside of an expression, addressable: what the steps of a path mean beyond literal maps and lists.

A step `@1` is the second operand: an argument of a call, a branch of a conditional, a part of a `for`.
"""

from __future__ import annotations

from tree_sitter import Node

from iac_agent.hcl.address import Step
from iac_agent.hcl.document import Document, key_name, unwrap


def operand_step(number: int) -> str:
    return f"@{number}"


def operands(node: Node) -> list[Node]:
    """The expressions a computed expression is made of, in order; empty for literals."""
    node = unwrap(node)
    if node.type == "function_call":
        arguments = next((c for c in node.children if c.type == "function_arguments"), None)
        return [c for c in arguments.children if c.type == "expression"] if arguments else []
    if node.type == "for_expr":
        body = node.children[0]
        intro = next(c for c in body.children if c.type == "for_intro")
        return [*(c for c in intro.children if c.type == "expression"), *(c for c in body.children if c.type == "expression")]
    if node.type in ("conditional", "expression"):
        return [c for c in node.children if c.is_named and c.type not in ("comment", "get_attr", "index", "splat")]
    return []


def items(node: Node) -> list[Node]:
    """The elements of a literal list."""
    return [c for c in node.children if c.type == "expression"]


def pairs(document: Document, node: Node) -> dict[str, Node]:
    """The `key = value` pairs of a literal map, by key; computed keys are left out."""
    found: dict[str, Node] = {}
    for child in node.children:
        if child.type == "object_elem" and not has_interpolation(child.children[0]):
            found[key_name(document.text(child.children[0]))] = child
    return found


def has_interpolation(node: Node) -> bool:
    inner = unwrap(node)
    return inner.type in ("quoted_template", "heredoc_template") and any(c.type == "template_interpolation" for c in inner.children)


def step_into(document: Document, node: Node, step: Step) -> Node | None:
    """The part of an expression that one step names; None when there is none."""
    node = unwrap(node)
    if isinstance(step, str) and step.startswith("@"):
        parts, number = operands(node), int(step[1:])
        return parts[number] if number < len(parts) else None
    if node.type == "tuple" and isinstance(step, int):
        elements = items(node)
        return elements[step] if step < len(elements) else None
    if node.type == "object":
        pair = pairs(document, node).get(str(step))
        return pair.children[-1] if pair else None
    return None
