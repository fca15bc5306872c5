"""The model planner: a prompt within a token budget, rounds of tool calls, and an answer of the same kind as the built-in planner's."""

from __future__ import annotations

import functools
from dataclasses import replace

import jinja2

from iac_agent.errors import ModelFailed
from iac_agent.planner.model.client import Message, ModelClient
from iac_agent.planner.model.tools import Toolbox, definitions, described_kinds, without_marks
from iac_agent.planner.model.veil import Veil
from iac_agent.planner.protocol import Answer, ChangeSet, Context

_CALLS = 12
_CHARACTERS_A_TOKEN = 3.5


@functools.cache
def templates() -> jinja2.Environment:
    loader = jinja2.PackageLoader("iac_agent.planner.model", "prompts")
    return jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)


class ModelPlanner:
    """Satisfies `protocol.Planner`. `context_tokens` bounds what is sent of the configuration; `rounds` how often it may try;
    `prices` are dollars per million tokens sent and answered.
    """

    def __init__(self, client: ModelClient, rounds: int = 5, context_tokens: int = 6000, prices: tuple[float, float] = (0.0, 0.0)) -> None:
        self.client, self.rounds, self.context_tokens, self.prices = client, rounds, context_tokens, prices

    def plan(self, request: str, context: Context) -> Answer:
        """Raises ModelFailed when the server cannot be used, or never gets to an answer."""
        toolbox = Toolbox(context, Veil.over(context.root, context.state))
        messages = self._opening(request, context, toolbox)
        for _ in range(_CALLS):
            reply = self.client.chat(self._within(messages), definitions)
            messages.append(reply.message)
            if reply.cut:
                messages.append(_told("Your answer was cut off: it was too long. Propose fewer or shorter edits."))
                continue
            if not reply.calls:
                messages.append(_told("Answer with a tool call: propose_edits, ask or refuse."))
                continue
            for call in reply.calls:
                outcome = toolbox.run(call.name, call.arguments)
                if not isinstance(outcome, str):
                    return self._signed(outcome)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": outcome})
        raise ModelFailed(
            f"the model came to no answer in {_CALLS} rounds", hint="Word the request differently, or use another planner.model."
        )

    def _opening(self, request: str, context: Context, toolbox: Toolbox) -> list[Message]:
        veil = toolbox.veil
        system = templates().get_template("system.j2").render(major=context.major, edits=described_kinds())
        lines = toolbox.lines(request)
        budget = int(self.context_tokens * _CHARACTERS_A_TOKEN) - len(system)
        shown: list[str] = []
        for line in lines:
            budget -= len(line) + 1
            if budget < 0:
                break
            shown.append(without_marks(line))
        asked = (
            templates()
            .get_template("request.j2")
            .render(
                resources=[veil.hide(x) for x in shown],
                shown=len(shown),
                total=len(lines),
                observations=[veil.hide(without_marks(o))[:3000] for o in context.observations],
                answer=veil.hide(context.answer),
                request=veil.hide(request),
            )
        )
        return [{"role": "system", "content": system}, {"role": "user", "content": asked}]

    def _within(self, messages: list[Message]) -> list[Message]:
        """The conversation with old tool results shortened once it outgrows four times the budget."""
        most = int(self.context_tokens * 4 * _CHARACTERS_A_TOKEN)
        if sum(len(str(m.get("content", ""))) for m in messages) <= most:
            return messages
        return [
            {**m, "content": m["content"][:400] + " ... (shortened)"} if m["role"] == "tool" and m is not messages[-1] else m
            for m in messages
        ]

    def _signed(self, answer: Answer) -> Answer:
        if not isinstance(answer, ChangeSet):
            return answer
        used = self.client.usage
        cost = (used.prompt * self.prices[0] + used.completion * self.prices[1]) / 1e6
        spent = f", ${cost:.4f}" if cost else ""
        note = f"Planned by {self.client.access.model}: {used.rounds} rounds, {used.prompt} + {used.completion} tokens{spent}."
        return replace(answer, notes=(*answer.notes, note), by=f"model {self.client.access.model}")


def _told(text: str) -> Message:
    return {"role": "user", "content": text}
