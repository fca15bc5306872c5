"""The planner that needs no model: it splits a request into wishes, lets the recipe that claims each one write its edits, and says why."""

from __future__ import annotations

import re

from iac_agent.planner import refusals
from iac_agent.planner.briefs import Brief, brief
from iac_agent.planner.exposure import opened
from iac_agent.planner.forgotten import forgotten
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Question, Refusal, Unsettled
from iac_agent.planner.recipes import Recipe, all_recipes
from iac_agent.planner.splitting import starts_anew, wishes, without_constraints
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World


class BuiltinPlanner:
    """Satisfies `protocol.Planner`. It would answer the same again, so it gets one try."""

    rounds = 1

    def __init__(self, recipes: list[Recipe] | None = None) -> None:
        self.recipes = recipes if recipes is not None else all_recipes()

    def plan(self, request: str, context: Context) -> Answer:
        if not request.strip():
            return Refusal("The request is empty. " + self.abilities())
        world = World.build(context)
        harm = refusals.harmful(request)
        if harm is not None:
            return harm
        short = None if context.answer else brief(request, world)
        if short is not None and not short.machines:
            told = self._read(short.text, world)
            return told if isinstance(told, ChangeSet) else self._read(request, World.build(context))
        found = self._read(request, world)
        if short is None or _is_about(found, short):
            return found
        told = self._read(short.text, World.build(context))
        return told if isinstance(told, ChangeSet) and _is_about(told, short) else found

    def _read(self, request: str, world: World) -> Answer:
        """One reading of a request."""
        context, request = world.context, without_constraints(request)
        refusal = refusals.refused(request, [m.text for m in world.selector.names.mentions(request)])
        if refusal is not None:
            return refusal
        unwanted = refusals.forbidding(wishes(request))
        if unwanted is not None:
            return unwanted
        claimed = self._claimed(request, world)
        if not claimed:
            return refusals.unclear(request) or self._unknown(request, world)
        left = self._left(request, claimed, world)
        if left:
            return Question(f"I understand only part of this. What does {left!r} ask for?", {})
        try:
            for recipe, wish in claimed:
                world.how.append(f"{wish.text!r}: {recipe.title}")
                edits, reasons = len(world.writer.edits), len(world.reasons)
                recipe.plan(wish, world)
                words = forgotten(wish, world.writer.edits[edits:], " ".join(world.reasons[reasons:]), world)
                if words:
                    raise Unsettled(Question(f"I would leave out {words!r} of {wish.text!r}. What does it ask for?", {}))
                if recipe.id == "port" and len(claimed) > 1:
                    world.advance()  # rules without a name of their own are told by their place
        except Unsettled as settled:
            return settled.answer
        if not world.writer.edits:
            return Refusal("It is so already.")
        exposed = opened(world, context)
        if exposed:
            return Refusal(exposed, final=True)
        world.writer.settle()
        return ChangeSet(
            " ".join(world.reasons),
            tuple(world.writer.edits),
            tuple(world.expects),
            tuple(dict.fromkeys([*world.notes, *world.writer.notes])),
            tuple(dict.fromkeys(world.touches)),
            world.followers(),
            tuple(world.how),
        )

    def _claimed(self, request: str, world: World) -> list[tuple[Recipe, Wish]]:
        """Each wish with its recipe. A part that nobody claims explains the one before it, or else the one behind it."""
        out: list[tuple[Recipe, Wish]] = []
        loose = ""
        for wish in wishes(request):
            alone = not loose or bool(world.selector.names.mentions(wish.text) and world.selector.names.mentions(loose))
            joined = wish if alone else Wish(f"{loose}, {wish.text}", wish.context)
            recipe = self._who(wish, world) or (self._who(joined, world) if loose else None)
            if recipe is None and out:
                previous, before = out[-1]
                merged = Wish(f"{before.text}, {wish.text}", wish.context)
                out[-1] = (self._who(merged, world) or previous, merged)
            elif recipe is None:
                loose = joined.text
            elif out and (_continues(out[-1][0], recipe, wish, world) or (out[-1][0].id == "provision" and not starts_anew(wish.text))):
                previous, before = out[-1]
                out[-1] = (previous, Wish(f"{before.text}, {wish.text}", wish.context))
            else:
                out.append((recipe, joined))
                loose = ""
        if loose and not out:
            recipe = self._who(Wish(loose, request), world)
            return [(recipe, Wish(loose, request))] if recipe else []
        return out

    def _left(self, request: str, claimed: list[tuple[Recipe, Wish]], world: World) -> str:
        """A part that names something, that nobody claims, and that does not merely explain what comes next."""
        for wish in wishes(request):
            if re.match(r"(?:more|less|fewer|better|bigger)\b", wish.text, re.IGNORECASE) and self._who(wish, world) is None:
                return wish.text
            if any(wish.text in w.text for _, w in claimed) or not world.selector.names.mentions(wish.text):
                continue
            if starts_anew(wish.text) or re.search(r"\b(?:want|need|should|must|add|more|less|fewer)\b", wish.text, re.IGNORECASE):
                return wish.text
        return ""

    def _who(self, wish: Wish, world: World) -> Recipe | None:
        return next((r for r in self.recipes if r.claims(wish, world)), None)

    def _unknown(self, request: str, world: World) -> Answer:
        mentions = world.selector.names.mentions(request)
        if mentions:
            named = list(dict.fromkeys(r.address for m in mentions for _, r in m.named))[:3]
            return Question(
                f"What should change about {', '.join(named)}? For example its size, disks, tags, ports, Spot, or its removal.", {}
            )
        return Refusal(f"I do not know how to do that. {self.abilities()}")

    def abilities(self) -> str:
        return "I can: " + "; ".join(f"{r.title} ({r.examples[0]!r})" for r in self.recipes if r.examples) + "."


_MACHINE = re.compile(r"(?:module\.[\w\[\]\"-]+\.)*azurerm_(?:linux|windows)_virtual_machine\.[\w-]+(?:\[[^\]]+\])?")


def _is_about(answer: Answer, short: Brief) -> bool:
    """Whether a change touches the machines of a brief and no others; a question or a refusal for harm is left as it is."""
    if not isinstance(answer, ChangeSet):
        return isinstance(answer, Refusal) and answer.final and "run time" not in answer.reason
    return set(_MACHINE.findall(answer.reason)) <= set(short.machines)


def _continues(before: Recipe, recipe: Recipe, wish: Wish, world: World) -> bool:
    """Whether a wish only adds to the one before: of the same kind, naming nothing, and no command of its own."""
    if before.id != recipe.id or world.selector.names.mentions(wish.text):
        return before.id == "spot" and wish.has(r"\bevict|\bcents?\b")
    return before.id == "spot" or not starts_anew(wish.text)
