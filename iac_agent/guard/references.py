"""What an expression refers to by the plan alone: through variables, outputs and module calls, down to resources.

This is for modules whose files are not at hand; where they are, `hcl.configuration` tells exactly. The plan lists the references of every
expression but those of locals, and does not say which instance an index picks, so that several may be meant.
Source: https://developer.hashicorp.com/terraform/internals/json-format#expression-representation
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from iac_agent.hcl.address import Address

_DEPTH = 24
_TOKEN = re.compile(r'\["(?P<key>[^"]*)"\]|\[(?P<number>\d+)\]|\[[^\]]*\]|\.?(?P<name>[\w*-]+)')
Index = str | int | None


class _Any:
    """An instance key of a module call that may be any."""


ANY = _Any()
Path = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Target:
    """A block that is referred to: in which module instances, under which key. `every` says that all its instances are meant."""

    block: str
    modules: Path
    key: Index = None
    every: bool = False

    def within(self, address: str) -> bool:
        found = parsed(address).modules
        return len(found) == len(self.modules) and all(
            name == wanted and (key is ANY or key == held) for (name, held), (wanted, key) in zip(found, self.modules, strict=True)
        )


@dataclass(frozen=True)
class _Frame:
    """Where an expression stands: the module instance, the block (`type.name` or `module.name`), and that block's own instance key."""

    modules: Path
    block: str
    index: Index


@functools.lru_cache(maxsize=65536)
def parsed(address: str) -> Address:
    return Address.parse(address)


class Wiring:
    """The references of one configuration."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self._root: Mapping[str, Any] = configuration.get("root_module") or {}
        self._resources: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}
        self._known: dict[tuple[Any, ...], tuple[Target, ...]] = {}
        self._mentioned: dict[tuple[tuple[str, ...], str], set[str]] = {}

    def targets(self, address: str, path: str) -> tuple[Target, ...]:
        """The blocks that an attribute of a resource refers to."""
        at = parsed(address)
        frame = _Frame(at.modules, f"{at.type}.{at.name}", at.index)
        key = (frame, path)
        if key not in self._known:
            resource = self._resource(frame)
            listed = _expressions(resource.get("expressions"), tuple(path.split("."))) if resource else []
            self._known[key] = tuple(dict.fromkeys(t for refs in listed for t in self._all(refs, frame, _DEPTH)))
        return self._known[key]

    def written(self, address: str) -> Mapping[str, Any] | None:
        """The expressions of a resource by the names of its attributes and blocks; None when the plan does not hold them."""
        at = parsed(address)
        resource = self._resource(_Frame(at.modules, f"{at.type}.{at.name}", None))
        return None if resource is None else resource.get("expressions") or {}

    def mentions(self, address: str) -> set[str]:
        """The blocks (addresses without keys) that any expression of a resource refers to, as far as the plan tells."""
        at = parsed(address)
        frame = _Frame(at.modules, f"{at.type}.{at.name}", at.index)
        names = (tuple(name for name, _ in at.modules), frame.block)
        if names not in self._mentioned:
            resource = self._resource(frame) or {}
            listed = [*_every(resource.get("expressions")), list(resource.get("depends_on") or ())]
            self._mentioned[names] = {t.block for refs in listed for t in self._all(refs, frame, _DEPTH)}
        return self._mentioned[names]

    # --- following -------------------------------------------------------------------------------------------------

    def _all(self, refs: Iterable[str], frame: _Frame, depth: int) -> Iterator[Target]:
        held = list(refs)
        longest = [r for r in held if not any(o != r and o.startswith(r) and o[len(r)] in ".[" for o in held)]
        picks = any(r.split(".")[0] in ("each", "count", "var", "local", "data", "path") for r in longest)
        for ref in longest:
            yield from self._one(ref, frame, picks, depth)

    def _one(self, ref: str, frame: _Frame, picks: bool, depth: int) -> Iterator[Target]:
        """`picks` says that something else in the expression may choose among the instances."""
        tokens = _tokens(ref)
        head = tokens[0]
        if depth == 0 or len(tokens) < 2 or head in ("count", "path", "terraform", "data", "self", "local"):
            return
        if head == "var":
            yield from self._variable(str(tokens[1]), _key(tokens[2:]), frame, depth - 1)
        elif head == "each":
            if tokens[1] == "value":
                yield from self._looped(frame, depth - 1)
        elif head == "module":
            yield from self._output(tokens, frame, depth - 1)
        else:
            key = tokens[2].value if len(tokens) > 2 and isinstance(tokens[2], _Keyed) else None
            every = key is None and not picks and not _is_picked(tokens[2:])
            yield Target(_joined(frame.modules, f"{head}.{tokens[1]}"), frame.modules, key, every)

    def _variable(self, name: str, hint: Index, frame: _Frame, depth: int) -> Iterator[Target]:
        """What a module's variable is given at its call."""
        if not frame.modules:
            return
        parent, (call, key) = frame.modules[:-1], frame.modules[-1]
        expression = (self._module(parent).get("module_calls", {}).get(call, {}).get("expressions") or {}).get(name)
        above = _Frame(parent, f"module.{call}", None if key is ANY else key)
        for refs in _every(expression):
            yield from self._hinted(self._all(refs, above, depth), hint)

    def _looped(self, frame: _Frame, depth: int) -> Iterator[Target]:
        """What `each.value` stands for: what for_each goes over, under the block's own key."""
        if frame.block.startswith("module."):
            held = self._module(frame.modules).get("module_calls", {}).get(frame.block[7:], {})
        else:
            held = self._resource(frame) or {}
        for refs in _every(held.get("for_each_expression")):
            yield from self._hinted(self._all(refs, frame, depth), frame.index)

    def _output(self, tokens: list[str | int], frame: _Frame, depth: int) -> Iterator[Target]:
        """What an output of a called module refers to."""
        name, rest = str(tokens[1]), tokens[2:]
        keyed = bool(rest) and rest[0].__class__ is _Keyed
        key: Any = rest[0].value if keyed else ANY  # type: ignore[union-attr]
        rest = rest[1:] if keyed else rest
        called = self._module(frame.modules).get("module_calls", {}).get(name, {})
        if not rest or "module" not in called:
            return
        if "count_expression" not in called and "for_each_expression" not in called:
            key = None
        inside = _Frame((*frame.modules, (name, key)), f"output.{rest[0]}", None)
        output = (called["module"].get("outputs") or {}).get(str(rest[0]), {})
        for refs in _every(output.get("expression")):
            yield from self._hinted(self._all(refs, inside, depth), _key(rest[1:]))

    @staticmethod
    def _hinted(targets: Iterable[Target], hint: Index) -> Iterator[Target]:
        """Targets of a collection of which one element is taken: the instance of that key, where there is one."""
        for target in targets:
            yield target if hint is None or target.key is not None else Target(target.block, target.modules, hint)

    # --- reading ---------------------------------------------------------------------------------------------------

    def _module(self, modules: Path) -> Mapping[str, Any]:
        held = self._root
        for name, _ in modules:
            held = held.get("module_calls", {}).get(name, {}).get("module") or {}
        return held

    def _resource(self, frame: _Frame) -> Mapping[str, Any] | None:
        names = tuple(name for name, _ in frame.modules)
        if names not in self._resources:
            self._resources[names] = {r["address"]: r for r in self._module(frame.modules).get("resources", ())}
        return self._resources[names].get(frame.block)


class _Keyed(str):
    """A token that stood in brackets."""

    value: Index


def _tokens(ref: str) -> list[Any]:
    found: list[Any] = []
    for match in _TOKEN.finditer(ref):
        if match["name"] is not None:
            found.append(match["name"])
            continue
        token = _Keyed(match[0])
        token.value = match["key"] if match["key"] is not None else int(match["number"]) if match["number"] is not None else None
        found.append(token)
    return found


def _key(tokens: list[Any]) -> Index:
    """The key that the first token picks: in brackets, or as an attribute of an object (`var.subnets.db`)."""
    if not tokens or tokens[0] in ("id", "*"):
        return None
    return tokens[0].value if isinstance(tokens[0], _Keyed) else str(tokens[0])


def _is_picked(tokens: list[Any]) -> bool:
    return bool(tokens) and isinstance(tokens[0], _Keyed) and tokens[0] != "[*]"


def _joined(modules: Path, block: str) -> str:
    return "".join(f"module.{name}." for name, _ in modules) + block


def _expressions(held: Any, steps: tuple[str, ...]) -> list[list[str]]:
    """The references of every expression at a path."""
    if isinstance(held, list):
        return [refs for one in held for refs in _expressions(one, steps)]
    if not isinstance(held, Mapping):
        return []
    if not steps or "references" in held:
        return [list(held.get("references") or ())]
    return _expressions(held.get(steps[0]), steps[1:])


def _every(held: Any) -> Iterator[list[str]]:
    """The references of every expression inside."""
    if isinstance(held, list):
        for one in held:
            yield from _every(one)
    elif isinstance(held, Mapping):
        if "references" in held:
            yield list(held["references"])
        else:
            for one in held.values():
                yield from _every(one)
