"""The tools a model has: to look at the configuration, and to end with typed edits, a question or a refusal."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import MISSING, fields
from typing import Any

from iac_agent.azure.schemas import attributes_of
from iac_agent.errors import EditRejected, HclError, IacAgentError, UsageError
from iac_agent.hcl import edits as e
from iac_agent.hcl.changeset import apply_edits
from iac_agent.hcl.datafile import is_data_file
from iac_agent.hcl.trace import trace
from iac_agent.planner.inventory import Inventory
from iac_agent.planner.model.veil import Veil
from iac_agent.planner.names import Names
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Question, Refusal

_LONGEST = 8000
_READING = re.compile(r"\b(?:file\w*|templatefile|pathexpand)\([^()]*\)?")
_TEXT = {"type": "string"}
_LIST = {"type": "array", "items": _TEXT}
_PAIRS = {"type": "array", "items": _LIST}
Schema = dict[str, Any]


def edit_kinds() -> dict[str, type[e.Edit]]:
    """Every kind of edit a model may propose, by name."""
    return {k.__name__: k for k in e.kinds()}


def described_kinds() -> list[str]:
    """One line for each kind: its fields, and what it does."""
    lines = []
    for name, kind in edit_kinds().items():
        said = " ".join((kind.__doc__ or "").split()).split(". ")[0]
        lines.append(f"{name}({', '.join(f.name for f in fields(kind))}): {said}")
    return lines


def tool(name: str, description: str, properties: Schema, required: list[str]) -> Schema:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": _object(properties, required)}}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def definitions(*, strict: bool = False) -> list[Schema]:
    """The tools as the chat completions API takes them.

    `strict`, for all but the preview: as structured outputs, where the server lets the model write nothing but what fits. Every property
    is required, those that may be left out are nullable, and each kind of edit has its own fields.
    Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    """
    one_of: Schema = {"anyOf": [_edit_schema(kind) for _, kind in sorted(edit_kinds().items())]}
    proposal = {"reason": _TEXT, "addresses": _LIST, "edits": {"type": "array", "items": one_of if strict else _any_edit()}}
    preview = tool(
        "preview_plan",
        "What Terraform would do with some edits. Ends nothing.",
        {"edits": {"type": "array", "items": _any_edit()}},
        ["edits"],
    )
    tools = [
        tool("find_resources", "Resources whose address, Azure name, type or tags fit some words.", {"query": _TEXT}, ["query"]),
        tool(
            "read_block",
            "The HCL of a block, by address (resource, variable, local, module, output), or of a tfvars, YAML or JSON file.",
            {"address": _TEXT},
            ["address"],
        ),
        tool(
            "trace",
            "Where the value of an argument of a resource instance is written, and who shares it.",
            {"address": _TEXT, "path": _TEXT},
            ["address", "path"],
        ),
        tool("schema", "The arguments of a resource type.", {"type": _TEXT}, ["type"]),
        tool("propose_edits", "End with these edits.", proposal, ["reason", "addresses", "edits"]),
        tool("ask", "End with a question; candidates are answers that settle it.", {"question": _TEXT, "candidates": _LIST}, ["question"]),
        tool("refuse", "End with a refusal.", {"reason": _TEXT}, ["reason"]),
    ]
    return [preview, *(_strictly(t) if strict else t for t in tools)]


def _any_edit() -> Schema:
    """One schema for every kind of edit, for servers that do not hold models to it."""
    named = {f.name: _TEXT for k in edit_kinds().values() for f in fields(k)}
    return _object({"edit": {"type": "string", "enum": sorted(edit_kinds())}, **named, "arguments": _PAIRS}, ["edit", "address"])


def _edit_schema(kind: type[e.Edit]) -> Schema:
    own = {f.name: _PAIRS if f.name == "arguments" else _TEXT for f in fields(kind)}
    needed = [f.name for f in fields(kind) if f.default is MISSING]
    return _required(_object({"edit": {"type": "string", "enum": [kind.__name__]}, **own}, ["edit", *needed]))


def _strictly(tool: Schema) -> Schema:
    function = tool["function"]
    return {**tool, "function": {**function, "strict": True, "parameters": _required(function["parameters"])}}


def _required(schema: Schema) -> Schema:
    """An object schema with every property required: those that were not may be null."""
    held = schema["properties"].items()
    properties = {n: p if n in schema["required"] else {**p, "type": [p["type"], "null"]} for n, p in held}
    return {**schema, "properties": properties, "required": list(properties)}


_MARKS = re.compile(r"</?\s*data\b[^>]*>", re.IGNORECASE)


def without_marks(text: str) -> str:
    """Text from outside with what would begin or end the data taken out, as often as taking out makes more of it."""
    while _MARKS.search(text):
        text = _MARKS.sub("", text)
    return text


class Toolbox:
    """Runs tool calls on one context. `run` returns the text for the model, or the final answer."""

    def __init__(self, context: Context, veil: Veil) -> None:
        self.context, self.veil = context, veil
        self.inventory = Inventory.build(context.root, context.state, context.given)
        self.names = Names(self.inventory)

    def run(self, name: str, arguments: dict[str, Any] | None) -> str | Answer:
        """Raises nothing that a model's mistake could cause: mistakes come back as text."""
        if arguments is None:
            return "The arguments were not one JSON object."
        tool = getattr(self, f"_{name}", None) if name in {d["function"]["name"] for d in definitions()} else None
        if tool is None:
            return f"There is no tool {name}."
        try:
            outcome = tool(arguments)
        except IacAgentError as problem:
            return self._data(f"{problem.kind}: {problem.message} {problem.hint}".strip())
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            return f"The arguments do not fit: {type(problem).__name__} {str(problem)[:200]}"
        return self._data(outcome) if isinstance(outcome, str) else outcome

    def _data(self, text: str) -> str:
        hidden = self.veil.hide(without_marks(text))
        return f"<data>\n{hidden[:_LONGEST]}{' ... (cut)' if len(hidden) > _LONGEST else ''}\n</data>"

    # --- looking -------------------------------------------------------------------------------------------------------

    def lines(self, query: str) -> list[str]:
        """Every resource as a line, those that fit the words first."""
        mentioned = {r.address: s for m in self.names.mentions(query) for s, r in m.named}
        words = {w.lower() for w in query.replace("-", " ").split() if len(w) > 2}

        def rank(resource: Any) -> tuple[int, int]:
            text = f"{resource.address} {resource.azure_name} {' '.join(resource.tags.values())}".lower()
            return -mentioned.get(resource.address, 0), -sum(w in text for w in words)

        ordered = sorted(self.inventory.resources, key=rank)
        return [f"{r.address} name={r.azure_name or '?'} at {r.block.where} tags={json.dumps(r.tags)}" for r in ordered]

    def _find_resources(self, arguments: dict[str, Any]) -> str:
        found = self.lines(str(arguments["query"]))
        return "\n".join(found[:40]) or "There are no resources."

    def _read_block(self, arguments: dict[str, Any]) -> str:
        address = str(arguments["address"])
        root = self.context.root
        if address.endswith(".tfvars") or is_data_file(address):
            return root.read(root.own_file(address)).decode("utf-8", "replace")
        _, block = root.locate(address)
        return f"# {block.where}\n{block.document.text(block.node)}"

    def _trace(self, arguments: dict[str, Any]) -> str:
        address, path = str(arguments["address"]), str(arguments["path"])
        found = [self.inventory.by_address[address]] if address in self.inventory.by_address else self.inventory.of_block(address)
        if not found:
            near = difflib.get_close_matches(address, list(self.inventory.by_address), n=3)
            return f"There is no instance {address}. Near: {', '.join(near)}"
        lines = []
        for resource in found[:10]:
            traced = trace(resource.instance, path)
            users = self.inventory.users.of(traced.chain[-1]) if traced.chain else []
            others = sorted({a for a, _ in users} - {resource.address})
            value = traced.value.plain() if traced.value is not None else None
            lines.append(f"{traced.explain()}; value {value!r}; shared with {', '.join(others[:10]) or 'nobody'}")
        return "\n".join(lines)

    def _schema(self, arguments: dict[str, Any]) -> str:
        return json.dumps(attributes_of(str(arguments["type"]), self.context.major))[:_LONGEST]

    # --- ending --------------------------------------------------------------------------------------------------------

    def _changes(self, arguments: dict[str, Any]) -> ChangeSet:
        """The edits as typed ones that apply. Raises HclError."""
        listed = arguments["edits"]
        if not isinstance(listed, list) or not listed:
            raise ValueError("edits must be a list with at least one edit")
        edits = tuple(e.from_json(self._revealed(x)) for x in listed)
        self._require_no_reading(edits)
        apply_edits(self.context.root, list(edits))
        addresses = tuple(str(a) for a in arguments.get("addresses") or ())
        return ChangeSet(str(arguments.get("reason", "")), edits, touches=addresses, by="model")

    def _require_no_reading(self, edits: tuple[e.Edit, ...]) -> None:
        """Raise EditRejected when an edit brings in a call that reads files: no file ends up in Azure by a model's wish."""
        present = {
            m[0]
            for module in self.context.root.modules
            for d in module.documents
            for m in _READING.finditer(d.data.decode("utf-8", "replace"))
        }
        for edit in edits:
            for match in _READING.finditer(" ".join(str(v) for v in vars(edit).values())):
                if match[0] not in present:
                    raise EditRejected(f"{match[0]} reads a file; only what the configuration reads already may be read")

    def _revealed(self, described: Any) -> dict[str, Any]:
        if not isinstance(described, dict):
            raise ValueError("an edit must be an object")
        kind = edit_kinds().get(str(described.get("edit")))
        own = {f.name for f in fields(kind)} if kind else set()
        kept = {k: v for k, v in described.items() if v not in (None, "") or (k in own and v is not None)}
        standing = self._standing(str(described.get("address", "")))
        return {k: self.veil.reveal(v, standing) if isinstance(v, str) else v for k, v in kept.items()}

    def _standing(self, address: str) -> str:
        """The source of what an edit is about; empty for what is new."""
        root = self.context.root
        try:
            if is_data_file(address):
                return root.read(root.own_file(address)).decode("utf-8", "replace")
            _, block = root.locate(address)
        except (HclError, UsageError):
            return ""
        return block.document.text(block.node)

    def _preview_plan(self, arguments: dict[str, Any]) -> str:
        changes = self._changes(arguments)
        return self.context.preview(changes) if self.context.preview else "The edits apply. A plan is not available here."

    def _propose_edits(self, arguments: dict[str, Any]) -> ChangeSet:
        return self._changes(arguments)

    def _ask(self, arguments: dict[str, Any]) -> Question:
        candidates = arguments.get("candidates") or []
        known = self.inventory.by_address
        return Question(str(arguments["question"]), {str(c): known[str(c)].describe() if str(c) in known else "" for c in candidates})

    def _refuse(self, arguments: dict[str, Any]) -> Refusal:
        return Refusal(str(arguments["reason"]))
