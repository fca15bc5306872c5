"""Move resources to another region: Azure cannot, so they are replaced, and what depends on them is named.

Source: https://learn.microsoft.com/azure/azure-resource-manager/management/move-region
"""

from __future__ import annotations

import re

from iac_agent.planner import inventory as inv
from iac_agent.planner.inventory import Resource
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed

_WHOLE = re.compile(
    r"\b(?:everything|all of it|the (?:whole|entire|complete) (?:stack|thing|lot|environment|setup|deployment)|all (?:the "
    r")?resources|the stack|whole stack|stack|lock,? stock|all of it|lot)\b",
    re.IGNORECASE,
)


class MoveRegion:
    id = "move-region"
    title = "move resources to another region (they are replaced)"
    examples: tuple[str, ...] = ("move the storage account to northeurope", "move everything to sweden central")

    def claims(self, wish: Wish, world: World) -> bool:
        return (
            bool(wish.region)
            and wish.has(r"\b(?:move|relocate|migrate|shift|rehome|transfer|bring|to|into|location|region|belongs?|should be|go(?:es)?)\b")
            and not wish.has(r"\b(?:in|from) " + re.escape(wish.region) + r"\b(?!.*\bto\b)")
        )

    def plan(self, wish: Wish, world: World) -> None:
        text = re.sub(r"[,;]\s*(?:the rest|only|everything else|nothing else|others?)\b.*$", "", wish.text, flags=re.IGNORECASE)
        text = re.sub(r" ?".join(re.escape(c) for c in wish.region), " ", text, flags=re.IGNORECASE)
        located = [r for r in world.inventory.resources if r.location]
        kinds = tuple(sorted({r.type for r in located}))
        whole = _WHOLE.search(text) is not None
        targets = located if whole else list(world.choose(wish, kinds, text))
        moving = [t for t in targets if t.location != wish.region]
        if not moving:
            raise Unsettled(Refusal(f"{listed(targets)} is in {wish.region} already."))
        if whole:
            self._require_one_home(moving, world)
            world.writer.set_whole(targets, "location", wish.region)
        else:
            self._require_alone(moving, wish.region, world)
            world.writer.set(targets, "location", wish.region)
        world.touch(moving)
        dependants = list(dict.fromkeys(u for m in moving for u in world.inventory.referred_by(m) if u not in moving))
        world.touch(dependants)
        world.say(f"Move {listed(moving)} to {wish.region}.")
        world.notes.append("A region cannot be changed in place: each of these is destroyed and created anew, with the data that is in it.")
        if dependants:
            world.notes.append(f"These depend on them and follow: {listed(dependants)}.")

    @staticmethod
    def _require_alone(moving: list[Resource], region: str, world: World) -> None:
        """A machine, its interface and its network must be in one region."""
        for resource in moving:
            if resource.type in (*inv.MACHINES, *inv.SCALE_SETS, inv.NIC):
                around = [r for r in world.inventory.refers_to(resource, inv.NIC, inv.SUBNET) if r not in moving]
                if around:
                    raise Unsettled(
                        Question(
                            f"{resource.address} cannot move alone: {listed(around)} stays in {resource.location}, "
                            "and a machine must be where its network is. Move the whole stack?",
                            {},
                        )
                    )
            users = [u for u in world.inventory.referred_by(resource, *inv.MACHINES, inv.ATTACHMENT) if u not in moving]
            if users and resource.type == inv.DISK:
                raise Unsettled(
                    Question(f"{resource.address} is attached to a machine that stays in {resource.location}. Move the whole stack?", {})
                )

    @staticmethod
    def _require_one_home(moving: list[Resource], world: World) -> None:
        """Leave resources alone that are in another region on purpose: the whole means what shares the main location."""
        regions: dict[str, list[Resource]] = {}
        for resource in moving:
            regions.setdefault(resource.location, []).append(resource)
        if len(regions) > 1:
            main = max(regions, key=lambda r: len(regions[r]))
            elsewhere = [r for region, listed_ in regions.items() if region != main for r in listed_]
            world.notes.append(f"{listed(elsewhere)} was in another region than the rest and moves too.")
