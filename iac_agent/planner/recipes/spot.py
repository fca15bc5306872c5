"""`make vm spot`: priority, eviction policy, and a price cap when one is given; and back to regular.

Source: https://learn.microsoft.com/azure/virtual-machines/spot-vms ; azurerm replaces a machine whose priority changes.
"""

from __future__ import annotations

import re

from iac_agent.hcl.document import literal
from iac_agent.hcl.edits import Edit, RemoveAttribute, SetAttribute
from iac_agent.planner import resolve
from iac_agent.planner.inventory import MACHINES, SCALE_SETS, Inventory, Resource, literal_text
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Expectation, Question, Refusal

_SPOT = re.compile(r"\bspot\b", re.IGNORECASE)
_REGULAR = re.compile(
    r"\b(regular|on[- ]demand|not? (?:a |be )?spot|(?:no|off|without|stop using|remove|disable) spot|back from spot)\b",
    re.IGNORECASE,
)
_PRICE = re.compile(
    r"(?:max(?:imum)?(?: bid)?(?: price)?|cap(?:ped)?|at most|up to|price(?: cap)?)[^\d$]{0,20}\$?(\d+(?:\.\d+)?)", re.IGNORECASE
)
_DELETE = re.compile(r"evict\w*\W+(?:policy\W+)?(?:to\W+|=\W*)?delete|delete (?:on|when|upon) evict", re.IGNORECASE)


class Spot:
    title = "make a VM or scale set Spot (eviction policy, price cap), or regular again"
    example = "make vm-web spot with a max price of 0.05"

    def plan(self, request: str, inventory: Inventory, context: Context) -> Answer | None:
        regular = _REGULAR.search(request)
        if not (_SPOT.search(request) or regular):
            return None
        targets = resolve.find(request, inventory, MACHINES + SCALE_SETS, context.answer)
        if targets is None or isinstance(targets, Question):
            return targets or Refusal("There is no virtual machine or scale set here that this could mean.")
        edits: list[Edit] = []
        expects: list[Expectation] = []
        for resource in targets.resources:
            if regular:
                edits += _to_regular(resource)
                expects.append(Expectation(resource.address, "priority", "Regular"))
            else:
                more, hopes = _to_spot(resource, request)
                edits += more
                expects += hopes
        kind = "regular" if regular else "Spot"
        if not edits:
            return Refusal(f"{', '.join(r.address for r in targets.resources)} is {kind} already.")
        names = ", ".join(f"{r.address} ({', '.join(r.azure_names[:2]) or r.label})" for r in targets.resources)
        notes = ("Changing the priority replaces the machine: its temporary disk and its dynamic addresses are lost.",)
        return ChangeSet(f"Make {names} {kind}.", tuple(edits), tuple(expects), notes)


def _to_spot(resource: Resource, request: str) -> tuple[list[Edit], list[Expectation]]:
    policy = "Delete" if _DELETE.search(request) else "Deallocate"
    price = _PRICE.search(request)
    have = literal_text(resource.block, "priority")
    anchor = "sku" if resource.type in SCALE_SETS else "size"
    edits: list[Edit] = []
    expects = [Expectation(resource.address, "priority", "Spot")]
    if have != "Spot":
        edits.append(SetAttribute(resource.address, "priority", literal("Spot"), after=anchor))
    asked = bool(_DELETE.search(request))
    if "eviction_policy" not in resource.block.attributes or (asked and literal_text(resource.block, "eviction_policy") != policy):
        edits.append(SetAttribute(resource.address, "eviction_policy", literal(policy), after="priority"))
        expects.append(Expectation(resource.address, "eviction_policy", policy))
    if price and literal_text(resource.block, "max_bid_price") != price[1]:
        edits.append(SetAttribute(resource.address, "max_bid_price", price[1], after="eviction_policy"))
        expects.append(Expectation(resource.address, "max_bid_price", float(price[1])))
    return edits, expects


def _to_regular(resource: Resource) -> list[Edit]:
    names = [n for n in ("priority", "eviction_policy", "max_bid_price") if n in resource.block.attributes]
    if literal_text(resource.block, "priority") in ("", "Regular") and names in ([], ["priority"]):
        return []
    return [RemoveAttribute(resource.address, n) for n in names]
