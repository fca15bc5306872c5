"""Detach data disks: the attachment goes, the disk and its data stay."""

from __future__ import annotations

import re

from iac_agent.planner.inventory import ATTACHMENT, BALANCER, DISK, MACHINES, NSG, SUBNET
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed
from iac_agent.planner.writing.removal import remove

_OFF = (
    r"\b(?:detach|unhook|unplug|unmount|disconnect|unattach|eject|yank|release)\b|\bpull\b.*\b(?:off|out|from)\b|"
    r"\btake\b.*\b(?:off|from|out of)\b|"
    r"\b(?:remove|drop)\b.*\battachments?\b|\b(?:not|no longer) (?:be )?attached\b"
)
_WORDS = re.compile(r"\b(?:detach|unhook|unplug|unmount|disconnect|eject|yank|release|pull|take|off|from|out|keep\b.*)\b", re.IGNORECASE)


class DetachDisk:
    id = "detach-disk"
    title = "detach a data disk and keep it"
    examples: tuple[str, ...] = ("detach the data disk from db", "unplug vm-web's disk but don't delete it")

    def claims(self, wish: Wish, world: World) -> bool:
        return wish.has(_OFF) and not wish.has(r"\b(?:nsg|rule|ip address|public ip|load balancer|pool|backend)\b")

    def plan(self, wish: Wish, world: World) -> None:
        text = re.sub(r"[,;]?\s*(?:but|and)?\s*(?:don'?t|do not|keep|leave|without)\b.*$", "", wish.text, flags=re.IGNORECASE)
        owner = re.search(r"\b(?:from|off|out of)\b.*$", text, re.IGNORECASE)
        text = _WORDS.sub(lambda m: " " * len(m[0]), text)
        named = [{r.type for _, r in m.named} for m in world.selector.names.mentions(owner[0])] if owner else []
        if any(types & {BALANCER, NSG, SUBNET} and not types & {DISK, ATTACHMENT, *MACHINES} for types in named):
            raise Unsettled(Refusal("I detach disks. To take a machine out of a pool or a group, name the association by its address."))
        disks = list(world.choose(wish, (DISK,), text, nothing="There is no managed disk here."))
        attached = [a for d in disks for a in world.inventory.attachments_of(d)]
        if not attached:
            raise Unsettled(Refusal(f"{listed(disks)} is not attached to anything."))
        remove(world, attached)
        world.touch(attached)
        machines = [m for a in attached for m in world.inventory.refers_to(a, *MACHINES)]
        world.say(f"Detach {listed(disks)} from {listed(dict.fromkeys(machines))}; the disk stays.")
