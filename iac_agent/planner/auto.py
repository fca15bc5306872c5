"""Which planner answers: the built-in one where it is sure, memory where a proven change fits, the model where one is configured."""

from __future__ import annotations

from iac_agent.planner.builtin import BuiltinPlanner
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Planner, Question, Refusal
from iac_agent.planner.remembered import MemoryPlanner


class AutoPlanner:
    """Satisfies `protocol.Planner`. `mode` is auto, builtin or model; without a model the built-in planner's question or refusal stands."""

    def __init__(self, mode: str, builtin: BuiltinPlanner, memory: MemoryPlanner | None, model: Planner | None) -> None:
        self.mode, self.builtin, self.memory, self.model = mode, builtin, memory, model

    @property
    def rounds(self) -> int:
        return self.model.rounds if self.model is not None else 1

    def plan(self, request: str, context: Context) -> Answer:
        first = None if self.mode == "model" else self.builtin.plan(request, context)
        if isinstance(first, ChangeSet) and not context.observations:
            return first
        if isinstance(first, Refusal) and first.final:
            return first
        remembered = self.memory.plan(request, context) if self.memory is not None and not context.observations else None
        if remembered is not None:
            return remembered
        if self.model is not None and not (isinstance(first, Question) and first.candidates):
            return self.model.plan(request, context)
        return first if first is not None else Refusal("No model is configured: set planner.model and planner.base_url.")
