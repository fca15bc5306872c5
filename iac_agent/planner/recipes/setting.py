"""Set a variable or local value by its name: `set worker_size to Standard_F4s_v2`. Who uses it is said."""

from __future__ import annotations

import re

from iac_agent.hcl import edits as e
from iac_agent.hcl.document import literal
from iac_agent.planner import sizes
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World

_SET = re.compile(
    r"\b(?:set|change|bump|raise|lower|switch|update|put|make)\s+(?:the\s+)?(?:variable\s+|local\s+|var\.|"
    r"local\.)?(?P<name>[A-Za-z]\w*_\w+)\s+(?:to|=|as|at)\s*[\"'`]?(?P<value>[\w./-]+)",
    re.IGNORECASE,
)


class Setting:
    id = "setting"
    title = "set a variable or local by its name"
    examples: tuple[str, ...] = ("set worker_size to Standard_F4s_v2",)

    def claims(self, wish: Wish, world: World) -> bool:
        match = _SET.search(wish.text)
        return match is not None and self._holder(match["name"], world) is not None

    @staticmethod
    def _holder(name: str, world: World) -> str | None:
        index = world.inventory.configuration.scopes[0].module
        if f"variable.{name}" in index.index:
            return "variable"
        return "local" if index.local_values(name) else None

    def plan(self, wish: Wish, world: World) -> None:
        match = _SET.search(wish.text)
        assert match is not None
        name, text = match["name"], match["value"].rstrip(".,")
        scope = world.inventory.configuration.scopes[0]
        value = scope.variable(name) if self._holder(name, world) == "variable" else scope.local(name)
        place = value.written
        if place is None or not place.editable or isinstance(value.data, dict | list):
            raise Unsettled(Refusal(f"{name} is not a plain value that is written here ({value.why or place})."))
        if isinstance(value.data, str) and re.fullmatch(r"standard_\w+", text, re.IGNORECASE):
            sizes.require(text)
        new: object = (
            (text.lower() == "true")
            if isinstance(value.data, bool)
            else float(text)
            if isinstance(value.data, int | float) and _number(text)
            else text
        )
        new = int(new) if isinstance(new, float) and new.is_integer() else new
        if new == value.data:
            raise Unsettled(Refusal(f"{name} is {text} already."))
        world.writer.add(e.SetAttribute(place.address, place.path, literal(new)))
        users = list(dict.fromkeys(a for a, _ in world.inventory.users.of(place)))
        world.touch(users)
        world.say(f"Set {name} to {text} ({place}); used by {', '.join(users[:6]) or 'nothing yet'}.")


def _number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(?:\.\d+)?", text) is not None
