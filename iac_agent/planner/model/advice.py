"""What a model proposes to do about drift: an action with a reason for each finding, for a person or a report; it decides nothing.

Findings go out with their secrets masked, and as data. What comes back is kept where it names a finding and an action that is possible.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iac_agent.planner.model.client import Message, ModelClient
from iac_agent.planner.model.planner import templates
from iac_agent.planner.model.tools import Schema, tool, without_marks

_MOST = 40
_LONGEST_REASON = 300


@dataclass(frozen=True)
class Advice:
    """One of the possible actions, and why."""

    action: str
    reason: str


class Advisor:
    """Asks a model once about up to 40 findings."""

    def __init__(self, client: ModelClient) -> None:
        self.client = client

    def advise(self, findings: Sequence[Mapping[str, Any]], possible: Mapping[str, Sequence[str]]) -> dict[str, Advice]:
        """Advice by finding key. `possible` are the actions that may be proposed, by key. Raises ModelFailed."""
        asked = [f for f in findings if possible.get(str(f["key"]))][:_MOST]
        if not asked:
            return {}
        rows = [json.dumps({**f, "possible": list(possible[str(f["key"])])}, ensure_ascii=False, default=str) for f in asked]
        told = templates().get_template("drift.j2").render(findings=[without_marks(r) for r in rows])
        messages: list[Message] = [{"role": "user", "content": told}]
        reply = self.client.chat(messages, _definitions)
        found: dict[str, Advice] = {}
        for call in reply.calls:
            for one in _listed(call.arguments):
                key, action = str(one.get("key", "")), str(one.get("action", ""))
                if action in possible.get(key, ()):
                    found[key] = Advice(action, " ".join(str(one.get("reason", "")).split())[:_LONGEST_REASON])
        return found


def _listed(arguments: Any) -> list[dict[str, Any]]:
    held = arguments.get("decisions") if isinstance(arguments, dict) else None
    return [x for x in held if isinstance(x, dict)] if isinstance(held, list) else []


def _definitions(*, strict: bool = False) -> list[Schema]:
    text = {"type": "string"}
    one = {
        "type": "object",
        "properties": {"key": text, "action": text, "reason": text},
        "required": ["key", "action", "reason"],
        "additionalProperties": False,
    }
    made = tool(
        "propose_decisions", "What should be done about each finding.", {"decisions": {"type": "array", "items": one}}, ["decisions"]
    )
    if strict:
        made["function"]["strict"] = True
    return [made]
