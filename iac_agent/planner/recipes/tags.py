"""`tag vm-web owner=sre`, `remove tag owner from vm-web`, `rename tag env to environment`."""

from __future__ import annotations

import re

from iac_agent.hcl.document import literal
from iac_agent.hcl.edits import DropKey, Edit, PutKey, RenameKey
from iac_agent.planner import resolve
from iac_agent.planner.inventory import TYPE_WORDS, Inventory
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Expectation, Question, Refusal

_TOPIC = re.compile(r"\btag(?:s|ged|ging)?\b", re.IGNORECASE)
_PAIR = re.compile(r"""["']?([\w.:/-]+?)["']?\s*(?:=|:(?!\w*//))\s*(?:"([^"]*)"|'([^']*)'|([\w.@:/-]+))""")
_TO = re.compile(r"""\btag\s+["']?([\w.-]+)["']?\s+(?:to|as|with value)\s+(?:"([^"]*)"|'([^']*)'|([\w.@-]+))""", re.IGNORECASE)
_REMOVE = re.compile(r"""\b(?:remove|delete|drop|unset)\b.*?\btags?\s+["']?([\w.-]+)""", re.IGNORECASE)
_RENAME = re.compile(r"""\brename\b.*?\btag\s+["']?([\w.-]+)["']?\s+to\s+["']?([\w.-]+)""", re.IGNORECASE)


class Tags:
    title = "add, change, rename or remove tags"
    example = "tag vm-web owner=sre"

    def plan(self, request: str, inventory: Inventory, context: Context) -> Answer | None:
        if not _TOPIC.search(request):
            return None
        kinds = tuple({r.type for r in inventory.resources if r.type.startswith("azurerm_")})
        rename, remove = _RENAME.search(request), _REMOVE.search(request)
        pairs = {} if rename or remove else _pairs(request)
        if not (rename or remove or pairs):
            return Refusal("Say which tag, as in: tag vm-web owner=sre.")
        spent = rename or remove
        rest = request.replace(spent[0], "", 1) if spent else _without_pairs(request)
        rest = f"{rest} {_type_words(request)}"
        targets = resolve.find(rest, inventory, kinds, context.answer)
        if targets is None or isinstance(targets, Question):
            return targets or Refusal("There is nothing here with that name to tag.")
        edits: list[Edit] = []
        expects: list[Expectation] = []
        for resource in targets.resources:
            if rename:
                edits.append(RenameKey(resource.address, "tags", rename[1], rename[2]))
            elif remove:
                edits.append(DropKey(resource.address, "tags", remove[1]))
            for key, value in pairs.items():
                if resource.tags.get(key) != value:
                    edits.append(PutKey(resource.address, "tags", key, literal(value)))
                    expects.append(Expectation(resource.address, f"tags.{key}", value))
        names = ", ".join(r.address for r in targets.resources)
        if not edits:
            return Refusal(f"{names} has those tags already.")
        return ChangeSet(f"Change tags of {names}.", tuple(edits), tuple(expects))


def _pairs(request: str) -> dict[str, str]:
    found = {m[1]: m[2] or m[3] or m[4] or "" for m in _PAIR.finditer(request)}
    if not found:
        found = {m[1]: m[2] or m[3] or m[4] or "" for m in _TO.finditer(request)}
    return found


def _without_pairs(request: str) -> str:
    return _TO.sub("", _PAIR.sub("", request))


def _type_words(request: str) -> str:
    return " ".join(w for w in TYPE_WORDS if re.search(rf"\b{w}\b", request, re.IGNORECASE))
