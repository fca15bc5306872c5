"""Evaluates expressions to values that know where they are written: the part of Terraform's language that decides what a value is.

What only Azure or a provider knows is unknown, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tree_sitter import Node

from iac_agent.hcl import functions
from iac_agent.hcl.address import Step, show_path
from iac_agent.hcl.document import Document, key_name, unwrap
from iac_agent.hcl.expressions import operand_step, operands
from iac_agent.hcl.value import Place, Value, computed, unknown

_POSTFIX = ("get_attr", "index", "splat")
_DEEP = 60


class Names(Protocol):
    """What names mean in one instance of a module."""

    def variable(self, name: str) -> Value: ...
    def local(self, name: str) -> Value: ...
    def module_output(self, name: str, rest: list[str | int | float]) -> tuple[Value, int]: ...
    def resource(self, kind: str, name: str, rest: list[str | int | float]) -> tuple[Value, int]: ...
    def path(self, name: str) -> str: ...
    def read_file(self, path: str, decode: str) -> Value: ...


@dataclass(frozen=True)
class Frame:
    """Where an expression stands: what names mean, the block an edit would address, and each, count and `for` variables."""

    names: Names
    document: Document
    address: str
    bound: Mapping[str, Value]

    @property
    def element(self) -> Value | None:
        """What `each.value` is here: an element of the for_each around the expression; None where there is no for_each."""
        each = self.bound.get("each")
        return each.data["value"] if each is not None else None

    def bind(self, **values: Value) -> Frame:
        return replace(self, bound={**self.bound, **values})

    def place(self, node: Node, path: tuple[Step, ...]) -> Place:
        return Place(
            str(self.document.path), node.start_point[0] + 1, self.address, show_path(path), node.start_byte, self.document.text(node)
        )

    def where(self, node: Node) -> str:
        return f"{self.document.path}:{node.start_point[0] + 1}"


def evaluate(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    """The value of an expression. `path` is how an edit names the expression inside the block of the frame."""
    node = unwrap(node)
    handler = _HANDLERS.get(node.type)
    if handler is None:
        return unknown(f"{frame.where(node)}: {frame.document.text(node)[:60]}")
    value = handler(frame, node, path)
    return value if value.via else value.at(frame.place(node, path))


# --- literals --------------------------------------------------------------------------------------------------------


def _written(frame: Frame, node: Node, path: tuple[Step, ...], data: Any) -> Value:
    place = frame.place(node, path)
    return Value(data, (place,), "", frozenset([place.key]))


def _number(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    text = frame.document.text(node)
    number = float(text)
    return _written(frame, node, path, int(number) if number.is_integer() and "." not in text else number)


def _bool(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    return _written(frame, node, path, frame.document.text(node) == "true")


def _null(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    return _written(frame, node, path, None)


def _string(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    return _written(frame, node, path, key_name(frame.document.text(node)))


def _template(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    parts = [c for c in node.children if c.type in ("template_literal", "template_interpolation", "template_directive")]
    if not any(c.type != "template_literal" for c in parts):
        source = frame.document.text(node)
        return _written(frame, node, path, key_name(source) if source.startswith('"') else _heredoc(source))
    pieces: list[Value] = []
    out = ""
    for part in parts:
        if part.type == "template_literal":
            out += key_name(f'"{frame.document.text(part)}"')
            continue
        inner = next((c for c in part.children if c.type == "expression"), None)
        value = evaluate(frame, inner, (*path, "@template")) if inner is not None else unknown("a template directive")
        if len(parts) == 1 and inner is not None:
            return value
        pieces.append(value)
        if not value.known or isinstance(value.data, dict | list):
            return unknown(f"{frame.where(node)}: put together in a string", *pieces)
        out += functions.text(value.data)
    return computed(out, f"{frame.where(node)}: put together in the string {frame.document.text(node)[:60]}", *pieces)


def _heredoc(source: str) -> str:
    return "\n".join(source.splitlines()[1:-1]) + "\n"


def _tuple(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    elements = [c for c in node.children if c.type == "expression"]
    return _written(frame, node, path, [evaluate(frame, e, (*path, i)) for i, e in enumerate(elements)])


def _object(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    found: dict[str, Value] = {}
    for pair in (c for c in node.children if c.type == "object_elem"):
        key = _object_key(frame, pair.children[0])
        if key is not None:
            found[key] = evaluate(frame, pair.children[-1], (*path, key))
    return _written(frame, node, path, found)


def _object_key(frame: Frame, node: Node) -> str | None:
    inner = unwrap(node)
    if inner.type == "variable_expr":
        return frame.document.text(inner)
    value = evaluate(frame, node, ("@key",))
    return functions.text(value.data) if value.known and not isinstance(value.data, dict | list) else None


# --- computed --------------------------------------------------------------------------------------------------------


def _conditional(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    test, then, other = operands(node)
    condition = evaluate(frame, test, (*path, "@0"))
    if not condition.known:
        return unknown(f"{frame.where(node)}: the condition is not known yet", condition)
    number, branch = (1, then) if condition.data in (True, "true") else (2, other)
    return evaluate(frame, branch, (*path, operand_step(number))).with_deps(condition)


def _call(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    name = frame.document.text(node.children[0])
    parts = operands(node)
    if name in ("try", "can"):
        return _first_that_works(frame, name, parts, path)
    arguments = [evaluate(frame, part, (*path, operand_step(i))) for i, part in enumerate(parts)]
    if arguments and any(c.type == "ellipsis" for child in node.children for c in child.children):
        spread = arguments.pop()
        if not isinstance(spread.data, list):
            return unknown(f"{frame.where(node)}: {name} of something that is not known yet", spread)
        arguments += spread.data
    if name in ("file", "yamldecode", "jsondecode", "templatefile"):
        return _from_file(frame, node, name, arguments)
    return functions.call(name, arguments, frame.where(node))


def _from_file(frame: Frame, node: Node, name: str, arguments: list[Value]) -> Value:
    if name == "file" and arguments and isinstance(arguments[0].data, str):
        return frame.names.read_file(arguments[0].data, "").with_deps(arguments[0])
    inner = arguments[0] if arguments else unknown("nothing")
    if name in ("yamldecode", "jsondecode") and inner.via and inner.via[-1].path == "" and inner.via[-1].offset < 0:
        return frame.names.read_file(inner.via[-1].address, name).with_deps(inner)
    return unknown(f"{frame.where(node)}: computed by {name}", *arguments)


def _first_that_works(frame: Frame, name: str, parts: list[Node], path: tuple[Step, ...]) -> Value:
    tried: list[Value] = []
    for number, part in enumerate(parts):
        value = evaluate(frame, part, (*path, operand_step(number)))
        missing = not value.known and value.why.startswith("no ")
        if name == "can":
            return computed(not missing, "computed by can", value)
        if not missing:
            return value.with_deps(*tried)
        tried.append(value)
    return unknown(f"{name} finds nothing that works", *tried)


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "&&": lambda a, b: a and b,
    "||": lambda a, b: a or b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": lambda a, b: a % b,
}


def _operation(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    inner = node.children[0]
    sides: list[list[Node]] = [[]]
    operator = ""
    for child in inner.children:
        if (not child.is_named and child.type in _OPERATORS) or child.type == "!":
            operator = child.type
            sides.append([])
        elif child.type != "comment":
            sides[-1].append(child)
    values = [_chain(frame, side, (*path, "@operand")) for side in sides if side]
    if not all(v.fully_known() for v in values):
        return unknown(f"{frame.where(node)}: computed with {operator}", *values)
    data = [v.plain() for v in values]
    why = f"{frame.where(node)}: computed with {operator}"
    try:
        if len(data) == 1:
            if operator == "-" and values[0].written:
                return _written(frame, node, path, -data[0])
            return computed(not data[0] if operator == "!" else -data[0], why, *values)
        return computed(_OPERATORS[operator](*data), why, *values)
    except (TypeError, ZeroDivisionError, KeyError):
        return unknown(why, *values)


def _for(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    body = node.children[0]
    parts = operands(node)
    source = evaluate(frame, parts[0], (*path, "@0"))
    if not isinstance(source.data, dict | list):
        return unknown(f"{frame.where(node)}: made from something that is not known yet", source)
    condition = next((c for c in body.children if c.type == "for_cond"), None)
    is_map = body.type == "for_object_expr"
    grouped = any(c.type == "ellipsis" for c in body.children)
    out_map: dict[str, Value] = {}
    out_list: list[Value] = []
    for inner in rounds(frame, node, source):
        if condition is not None:
            test = evaluate(inner, next(c for c in condition.children if c.type == "expression"), (*path, "@if"))
            if not test.known:
                return unknown(f"{frame.where(node)}: its condition is not known yet", test)
            if not test.data:
                continue
        if not is_map:
            out_list.append(evaluate(inner, parts[1], (*path, "@1")))
            continue
        made_key = evaluate(inner, parts[1], (*path, "@1"))
        if not made_key.known:
            return unknown(f"{frame.where(node)}: its keys are not known yet", made_key)
        made = evaluate(inner, parts[2], (*path, "@2"))
        name = functions.text(made_key.data)
        if grouped:
            held = out_map.setdefault(name, computed([], "grouped"))
            held.data.append(made)
        else:
            out_map[name] = made
    return replace(computed(out_map if is_map else out_list, f"{frame.where(node)}: computed by a for", source), parts=(source,))


def rounds(frame: Frame, node: Node, source: Value) -> Iterator[Frame]:
    """The frame of each round of a `for` over a collection whose value is `source`; its condition is not asked."""
    intro = next(c for c in node.children[0].children if c.type == "for_intro")
    names = [frame.document.text(c) for c in intro.children if c.type == "identifier"]
    for key, value in elements(source):
        keyed = {names[0]: computed(key, "the key of a for", source)} if len(names) > 1 else {}
        yield frame.bind(**keyed, **{names[-1]: value})


def elements(source: Value) -> list[tuple[Any, Value]]:
    """Keys and values of a collection, as `for` and `for_each` see them: in order of the keys."""
    if isinstance(source.data, dict):
        return [(k, source.data[k]) for k in sorted(source.data)]
    if isinstance(source.data, list):
        return [(v.data if source.is_set else i, v) for i, v in enumerate(source.data)]
    return []


# --- names and what follows them -------------------------------------------------------------------------------------


def _traversal(frame: Frame, node: Node, path: tuple[Step, ...]) -> Value:
    children = [c for c in node.children if c.type != "comment"]
    value = _chain(frame, children, path)
    return value.at(frame.place(node, path)) if children[0].type == "variable_expr" else value


def _chain(frame: Frame, children: list[Node], path: tuple[Step, ...]) -> Value:
    """A primary and the attributes and indexes behind it."""
    if children[0].type == "(":
        inner = next(i for i, c in enumerate(children) if c.type == ")")
        value, rest = evaluate(frame, children[1], (*path, "@0")), children[inner + 1 :]
    elif children[0].type == "variable_expr":
        return _name(frame, children)
    else:
        value, rest = evaluate(frame, children[0], (*path, "@0") if len(children) > 1 else path), children[1:]
    return _follow(frame, value, rest)


def _name(frame: Frame, children: list[Node]) -> Value:
    document = frame.document
    head = document.text(children[0])
    if head in frame.bound:
        return _follow(frame, frame.bound[head], children[1:])
    steps, keys = _plain_steps(frame, children[1:])
    if head in ("var", "local") and steps:
        value = frame.names.variable(str(steps[0])) if head == "var" else frame.names.local(str(steps[0]))
        return _follow(frame, value, children[2:])
    if head == "path" and steps:
        return computed(frame.names.path(str(steps[0])), "a path")
    if head == "terraform" and steps == ["workspace"]:
        return computed(frame.names.path("workspace"), "the workspace")
    if head == "module" and steps:
        value, used = frame.names.module_output(str(steps[0]), steps[1:])
        return _follow(frame, value.with_deps(*keys), children[2 + used :])
    if head == "data":
        return unknown(f"{document.path}: read from Azure by a data source")
    if "_" in head and steps:
        value, used = frame.names.resource(head, str(steps[0]), steps[1:])
        return _follow(frame, value.with_deps(*keys), children[2 + used :])
    return unknown(f"{frame.where(children[0])}: no meaning known for {head}")


def _plain_steps(frame: Frame, children: list[Node]) -> tuple[list[str | int | float], list[Value]]:
    """The leading attribute names and known indexes behind a name; and the indexes once more, with where they are written."""
    steps: list[str | int | float] = []
    keys: list[Value] = []
    for child in children:
        if child.type == "get_attr":
            steps.append(frame.document.text(child.children[-1]))
        elif child.type == "index":
            index = _index(frame, child)
            if not index.known or isinstance(index.data, dict | list):
                break
            steps.append(index.data)
            keys.append(index)
        elif child.type == "splat":
            steps.append("*")
            break
        else:
            break
    return steps, keys


def _index(frame: Frame, node: Node) -> Value:
    inner = node.children[0]
    expression = next((c for c in inner.children if c.type == "expression"), None)
    if expression is not None:
        return evaluate(frame, expression, ("@index",))
    return computed(int(frame.document.text(node).lstrip(".")), "an index")


def _follow(frame: Frame, value: Value, rest: list[Node]) -> Value:
    for position, node in enumerate(rest):
        if node.type == "splat":
            return _splat(frame, value, node, rest[position + 1 :])
        if node.type not in _POSTFIX:
            continue
        key = computed(frame.document.text(node.children[-1]), "a name") if node.type == "get_attr" else _index(frame, node)
        if not key.known:
            return unknown("the index is not known yet", value, key)
        value = member(value, key.data, key)
    return value


def _splat(frame: Frame, value: Value, node: Node, rest: list[Node]) -> Value:
    inner = [c for c in node.children[0].children if c.type in _POSTFIX] + rest
    if not value.known:
        return unknown(value.why or "a splat of something that is not known yet", value)
    items = value.data if isinstance(value.data, list) else [] if value.data is None else [value]
    return computed([_follow(frame, v, inner) for v in items], "computed by a splat", value)


def member(value: Value, key: Any, by: Value | None = None) -> Value:
    """One element of a collection, with the place it is written at."""
    deps = (by,) if by is not None and by.deps else ()
    if isinstance(value.data, dict):
        found = value.data.get(functions.text(key))
        return found.with_deps(*deps) if found is not None else unknown(f"no {key}", value)
    if isinstance(value.data, list) and isinstance(key, int | float) and not isinstance(key, bool):
        number = int(key)
        return value.data[number].with_deps(*deps) if 0 <= number < len(value.data) else unknown(f"no element {key}", value)
    if value.data is None:
        return unknown(f"no {key} of null", value)
    return unknown(value.why or f"no {key}", value)


_HANDLERS: dict[str, Callable[[Frame, Node, tuple[Step, ...]], Value]] = {
    "numeric_lit": _number,
    "bool_lit": _bool,
    "null_lit": _null,
    "string_lit": _string,
    "quoted_template": _template,
    "heredoc_template": _template,
    "tuple": _tuple,
    "object": _object,
    "conditional": _conditional,
    "function_call": _call,
    "operation": _operation,
    "for_expr": _for,
    "expression": _traversal,
    "variable_expr": lambda frame, node, path: _name(frame, [node]).at(frame.place(node, path)),
}
