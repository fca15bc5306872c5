"""Spot machines and back: priority, eviction policy, price cap. Azure sets the priority at creation only, so it replaces; the B series
cannot be Spot.

Source: https://learn.microsoft.com/azure/virtual-machines/spot-vms
"""

from __future__ import annotations

import re

from iac_agent.hcl.edits import SetAttribute
from iac_agent.planner.inventory import MACHINES, SCALE_SETS, Resource
from iac_agent.planner.protocol import Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed
from iac_agent.planner.writing.switches import condition_of
from iac_agent.planner.writing.write import Writer

_SPOT = r"\bspots?\b|\blow[\s-]?priority\b|\bpre-?emptible\b|\bevict|\bbid price\b"
_REGULAR = (
    r"\bregular\b|\bon[\s-]?demand\b|\bpay[\s-]as[\s-]you[\s-]go\b|\bpayg\b|\bnormal priority\b|\bback from spot\b|"
    r"\b(?:un-?spot|off spot)\b|"
    r"\b(?:not|no longer|no more|never|stop|remove|disable|without|shouldn'?t|must ?n[o']t|don'?t|isn'?t)\b[^,;]*\bspot\b|\bnon[\s-]?spot\b"
)
_DELETE = (
    r"\bdeleted? instead of|evict\w*.{0,30}\bdelet|\bdelet\w*.{0,40}\bevict|evict\w*\W+(?:policy\W+)?(?:to\W+|=\W*|is\W+|"
    r"should be\W+)?delet|delet\w*(?: \w+){0,2} (?:on|when|upon|if|at) (?:it(?:'s| is| gets)? |they(?:'re| are| get)? "
    r")?evict|eviction(?: policy)? delete"
)
_DEALLOCATE = r"\bevict\w*\b.*\b(?:deallocat|stop)\w*|\b(?:deallocat|stop)\w*\b.*\b(?:on|when|upon|if)\b.*\bevict"
_WORDS = re.compile(
    rf"{_SPOT}|{_REGULAR}|\bevictions?\b|\bmax_bid_price\b|\bcaps?\b|\bbid\b|\bremove\b|\bdrop\b|\bdelete\b|\bprices?\b|"
    rf"\bmax\b|\bpolic(?:y|ies)\b|\bdeallocate\b",
    re.IGNORECASE,
)
_LOST = (
    "Changing the priority replaces the machine: its temporary disk and its dynamic addresses are lost. To keep the OS "
    "disk, snapshot it first."
)


_ON_EVICTION = re.compile(r"\bdelete\s+(?:it\s+)?(?:on|upon|when|at)\s+evict\w*|\bevict\w*\s+(?:\w+\s+)?delete\b", re.IGNORECASE)


class Spot:
    id = "spot"
    title = "make a VM or scale set Spot (eviction policy, price cap), or regular again"
    examples: tuple[str, ...] = (
        "make vm-web spot with a max price of 5 cents an hour",
        "web is spot, delete it on eviction",
        "put vm-db back on demand",
    )

    def claims(self, wish: Wish, world: World) -> bool:
        if (
            wish.price is not None
            and wish.has(r"\b(?:max(?:imum)?|price|bid|cap|cents?|\$)")
            and wish.has(r"\b(?:bid|price|pay|cap)\b|\b(?:per|an|/) ?hour\b")
        ):
            return True
        if wish.has(r"\b(?:price cap|max_bid_price|bid price|spot price|price limit)\b"):
            return True
        return wish.has(_SPOT) or wish.has(r"\b(?:back to |on )?(?:regular|on[\s-]demand|pay[\s-]as[\s-]you[\s-]go)\b")

    def plan(self, wish: Wish, world: World) -> None:
        targets = list(world.choose(wish, MACHINES + SCALE_SETS, wish.without(_WORDS)))
        if Wish(_ON_EVICTION.sub(" ", wish.text)).has(
            r"\b(?:remove|drop|lift|no|without|delete|unset|clear)\b.*\b(?:cap|bid|max(?:imum)?(?: \w+)? price|price)\b|\bno "
            r"(?:price )?cap\b"
        ):
            capped = [t for t in targets if t.value("max_bid_price") not in (None, -1)]
            if not capped:
                raise Unsettled(Refusal(f"{listed(targets)} has no price cap."))
            world.writer.unset(capped, "max_bid_price")
            world.touch(capped)
            world.say(f"Lift the price cap of {listed(capped)}.")
        elif wish.has(_REGULAR):
            self._to_regular(targets, world)
        else:
            self._to_spot(targets, wish, world)

    def _to_spot(self, targets: list[Resource], wish: Wish, world: World) -> None:
        bursting = [t for t in targets if t.value("priority") != "Spot" and str(t.value("size") or t.value("sku")).startswith("Standard_B")]
        if bursting:
            raise Unsettled(Refusal(f"Azure has no Spot machines of the B series ({listed(bursting)}): resize first."))
        before = len(world.writer.edits)
        policy = "Delete" if wish.has(_DELETE) else "Deallocate" if wish.has(_DEALLOCATE) else ""
        fresh = make_spot(targets, world.writer, wish.price, policy)
        if wish.price is not None:
            world.expect(targets, "max_bid_price", wish.price)
        if len(world.writer.edits) == before:
            raise Unsettled(Refusal(f"{listed(targets)} is Spot already."))
        world.expect(targets, "priority", "Spot")
        world.touch(targets if policy or wish.price is not None else fresh)
        world.say(f"Make {listed(targets)} Spot." if fresh or not policy else f"Let eviction {policy.lower()} {listed(targets)}.")
        if fresh:
            world.notes.append(_LOST)

    def _to_regular(self, targets: list[Resource], world: World) -> None:
        spot = [t for t in targets if t.value("priority") == "Spot"]
        if not spot:
            raise Unsettled(Refusal(f"{listed(targets)} is regular already."))
        for name in ("priority", "eviction_policy", "max_bid_price"):
            world.writer.unset(spot, name, otherwise="Regular" if name == "priority" else None)
        world.expect(spot, "priority", "Regular")
        world.touch(spot)
        world.say(f"Make {listed(spot)} regular again.")
        world.notes.append(_LOST)


def _follows(target: Resource) -> bool:
    """Whether the eviction policy hangs on the very condition that makes the machine Spot."""
    own, other = condition_of(target, "eviction_policy"), condition_of(target, "priority")
    text = target.block.document.text
    return own is not None and other is not None and text(own) == text(other)


def make_spot(targets: list[Resource], writer: Writer, price: float | None, policy: str = "") -> list[Resource]:
    """Write priority, eviction policy (empty: as it is, or Deallocate) and cap (dollars an hour); returns those that were not Spot."""
    fresh = [t for t in targets if t.value("priority") != "Spot"]
    anchor = "sku" if targets[0].type in SCALE_SETS else "size"
    writer.set(fresh, "priority", "Spot", after=anchor)
    overridden = {x.address for x in writer.edits if isinstance(x, SetAttribute) and x.path.startswith("priority")}
    following = [t for t in fresh if _follows(t) and t.block_address not in overridden]
    unset = [t for t in fresh if t.value("eviction_policy") in (None, "") and t not in following]
    policies = {t: policy or "Deallocate" for t in targets if policy or t in unset}
    writer.set_each(dict(policies), "eviction_policy", after="priority")
    if price is not None:
        writer.set(targets, "max_bid_price", price, after="eviction_policy")
    return fresh
