"""Lifting a proven change to a metaprogram, and answering a request from one: no model, only its parameters and its checks."""

from __future__ import annotations

import json
import re
from typing import Any

from iac_agent.errors import HclError, IacAgentError
from iac_agent.hcl import edits as e
from iac_agent.hcl.address import parse_path
from iac_agent.hcl.changeset import apply_edits
from iac_agent.hcl.datafile import is_data_file
from iac_agent.hcl.document import literal
from iac_agent.hcl.module import RootModule
from iac_agent.hcl.paths import source_at
from iac_agent.planner.inventory import Inventory, Resource
from iac_agent.planner.names import Names
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Refusal
from iac_agent.store.memory import Memory, Metaprogram

_TOKEN = re.compile(r"[\w./@+-]+")


def lift(run: str, request: str, changes: ChangeSet, context: Context, evidence: dict[str, Any]) -> Metaprogram | None:
    """The metaprogram of a change: what the request names becomes parameters. None when nothing is reusable."""
    inventory = Inventory.build(context.root, context.state, context.given)
    edits = [x.as_json() for x in changes.edits]
    pattern, parameters, replaced = _resources(request, edits, inventory)
    pattern, more = _values(pattern, replaced)
    if not pattern.strip():
        return None
    checks = [(c["address"], c["path"], c["there"]) for c in _checks(changes, context.root, replaced)]
    return Metaprogram(run, pattern, {**parameters, **more}, replaced, checks, evidence)


def _resources(request: str, edits: list[dict[str, Any]], inventory: Inventory) -> tuple[str, dict[str, str], list[dict[str, Any]]]:
    """Resources that the request names and the edits are about, as `{r1}`."""
    addresses = {str(x["address"]) for x in edits}
    text, parameters = json.dumps(edits), {}
    mentions = [
        m for m in Names(inventory).mentions(request) if len({r.block_address for _, r in m.named if r.block_address in addresses}) == 1
    ]
    pattern = request
    for number, mention in enumerate(reversed(mentions), 1):
        resource = next(r for _, r in mention.named if r.block_address in addresses)
        name = f"r{number}"
        parameters[name] = f"resource:{resource.type}"
        pattern = f"{pattern[: mention.start]}{{{name}}}{pattern[mention.end :]}"
        text = text.replace(json.dumps(resource.block_address), json.dumps(f"{{{name}}}"))
    replaced: list[dict[str, Any]] = json.loads(text)
    return pattern, parameters, replaced


def _values(pattern: str, edits: list[dict[str, Any]]) -> tuple[str, dict[str, str]]:
    """Values and keys of the edits that the request says word for word, as `{v1}`."""
    parameters: dict[str, str] = {}
    for field_name in ("value", "key", "to"):
        for edit in edits:
            said = str(edit.get(field_name, "")).strip('"')
            found = [m for m in _TOKEN.finditer(pattern) if m[0].strip(".") == said and pattern[m.start() - 1 : m.start()] != "{"]
            if not said or len(found) != 1:
                continue
            name = f"v{len(parameters) + 1}"
            is_number = re.fullmatch(r"-?\d+(?:\.\d+)?", said) is not None
            parameters[name] = "number" if is_number else "text"
            pattern = f"{pattern[: found[0].start()]}{{{name}}}{pattern[found[0].start() + len(said) :]}"
            for other in edits:
                for key in ("value", "key", "to"):
                    if str(other.get(key, "")).strip('"') == said:
                        other[key] = f"{{{name}}}"
    return pattern, parameters


def _checks(changes: ChangeSet, root: RootModule, replaced: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for edit, lifted in zip(changes.edits, replaced, strict=True):
        if isinstance(edit, e.SetAttribute | e.RemoveAttribute | e.AddBlock) and not (
            edit.address.endswith(".tfvars") or is_data_file(edit.address)
        ):
            there = _there(root, edit.address, edit.path)
            if there is not None:
                found.append({"address": lifted["address"], "path": edit.path, "there": there})
    return found


def _there(root: RootModule, address: str, path: str) -> bool | None:
    try:
        _, block = root.locate(address)
    except IacAgentError:
        return None
    first = str(parse_path(path)[0])
    return source_at(block, parse_path(path)) is not None or any(b.type == first for b in block.blocks)


class MemoryPlanner:
    """Answers from memory where a program fits and its checks hold again; else says nothing."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def plan(self, request: str, context: Context) -> Answer | None:
        """The change of a remembered program for this request; None when none fits."""
        programs = self.memory.programs()
        if not programs:
            return None
        inventory = Inventory.build(context.root, context.state, context.given)
        names = Names(inventory)
        for program in programs:
            bound = match(program, request, names)
            changes = instantiate(program, bound, context.root) if bound is not None else None
            if changes is not None:
                self.memory.count_use(program.id)
                return changes
        return None


def match(program: Metaprogram, request: str, names: Names) -> dict[str, str] | None:
    """What the parameters of a program are in a request; None when the request is another one."""
    parts = re.split(r"\{(\w+)\}", " ".join(program.pattern.split()))
    pattern = "".join(re.escape(p) if i % 2 == 0 else f"(?P<{p}>.+?)" for i, p in enumerate(parts))
    found = re.fullmatch(pattern, " ".join(request.split()), re.IGNORECASE)
    if found is None:
        return None
    bound: dict[str, str] = {}
    for name, kind in program.parameters.items():
        said = found[name].strip()
        if kind.startswith("resource:"):
            resource = _named(said, kind.removeprefix("resource:"), names)
            if resource is None:
                return None
            bound[name] = resource.block_address
        elif (kind == "number" and not re.fullmatch(r"-?\d+(?:\.\d+)?", said)) or not _TOKEN.fullmatch(said):
            return None
        else:
            bound[name] = said
    return bound


def _named(said: str, kind: str, names: Names) -> Resource | None:
    mentions = names.mentions(said)
    if len(mentions) != 1 or mentions[0].text.strip() != said.removeprefix("the ").strip():
        return None
    found = {r.block_address: r for _, r in mentions[0].named if r.type == kind and r.instance.index is None}
    return next(iter(found.values())) if len(found) == 1 else None


def instantiate(program: Metaprogram, bound: dict[str, str], root: RootModule) -> ChangeSet | None:
    """The change with its parameters put in, when everything that was checked the first time holds again; else None."""
    missing = set(program.parameters) - set(bound)
    if missing:
        return None
    for address, path, there in program.checks:
        if _there(root, _put(address, bound), path) is not there:
            return None
    try:
        edits = tuple(e.from_json({k: _filled(k, v, program, bound) for k, v in x.items()}) for x in program.edits)
        apply_edits(root, list(edits))
    except (HclError, KeyError):
        return None
    reason = f"As in run {program.run}: {_put(program.pattern, bound)}"
    return ChangeSet(reason, edits, notes=(f"From memory (program {program.id}), after its checks held again.",), by="memory")


def _filled(key: str, value: Any, program: Metaprogram, bound: dict[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    alone = re.fullmatch(r"\{(\w+)\}", value)
    if alone and key == "value" and program.parameters.get(alone[1]) == "text":
        return literal(bound[alone[1]])
    return _put(value, bound)


def _put(text: str, bound: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda m: bound.get(m[1], m[0]), text)


class ProgramPlanner:
    """Satisfies `protocol.Planner`: runs one program with given parameters, after its checks."""

    rounds = 1

    def __init__(self, program: Metaprogram, given: dict[str, str]) -> None:
        self.program, self.given = program, given

    def plan(self, request: str, context: Context) -> Answer:
        names = Names(Inventory.build(context.root, context.state, context.given))
        bound: dict[str, str] = {}
        for name, said in self.given.items():
            kind = self.program.parameters[name]
            resource = _named(said, kind.removeprefix("resource:"), names) if kind.startswith("resource:") else None
            if kind.startswith("resource:") and resource is None:
                return Refusal(f"{said} is no single {kind.removeprefix('resource:')} here.")
            bound[name] = resource.block_address if resource is not None else said
        changes = instantiate(self.program, bound, context.root)
        return changes or Refusal(f"What program {self.program.id} checks before it runs does not hold here.")
