"""The planner that needs no model: it asks each recipe in turn."""

from __future__ import annotations

from iac_agent.planner.inventory import Inventory
from iac_agent.planner.protocol import Answer, Context, Refusal
from iac_agent.planner.recipes import Recipe, all_recipes


class BuiltinPlanner:
    """Satisfies `protocol.Planner`. The first recipe that knows the request answers it."""

    def __init__(self, recipes: list[Recipe] | None = None) -> None:
        self.recipes = recipes if recipes is not None else all_recipes()

    def plan(self, request: str, context: Context) -> Answer:
        if not request.strip():
            return Refusal("The request is empty. " + self.abilities())
        inventory = Inventory.build(context.root, context.state)
        for recipe in self.recipes:
            answer = recipe.plan(request, inventory, context)
            if answer is not None:
                return answer
        return Refusal(f"I do not know how to do that. {self.abilities()}")

    def abilities(self) -> str:
        return "I can: " + "; ".join(f"{r.title} ({r.example!r})" for r in self.recipes) + "."
