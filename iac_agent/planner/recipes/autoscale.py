"""Autoscale of a scale set by its processor: a setting in HCL, with a rule to grow and one to shrink.

Source: https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/monitor_autoscale_setting; why the two thresholds
lie apart: https://learn.microsoft.com/azure/azure-monitor/autoscale/autoscale-best-practices
"""

from __future__ import annotations

import re

from iac_agent.hcl.document import literal
from iac_agent.planner.inventory import SCALE_SETS, Resource
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed
from iac_agent.planner.writing.style import add_resource, file_of, label_for, own_source, reference, tags_source

_SETTING = "azurerm_monitor_autoscale_setting"
AUTOSCALE = re.compile(
    r"\bauto[\s-]?scal\w*\b|\bscale (?:itself|themselves|automatically|(?:by|on) (?:its|their|itself|themselves)\b)", re.IGNORECASE
)
_BOUNDS = re.compile(
    r"\b(?:between|from)?\s*(?P<least>\d+)\s*(?:and|to|-|–)\s*(?P<most>\d+)\b(?!\s*%)|"
    r"\bmin(?:imum)?\s*(?:of\s*)?(?P<low>\d+)\D+max(?:imum)?\s*(?:of\s*)?(?P<high>\d+)",
    re.IGNORECASE,
)
_ABOVE = re.compile(
    r"\b(?:above|over|at|past|exceeds?|more than|when cpu (?:is|hits|reaches))\s*(?P<above>\d{1,3})\s*(?:%|percent)", re.IGNORECASE
)
_BELOW = re.compile(r"\b(?:below|under|less than)\s*(?P<below>\d{1,3})\s*(?:%|percent)", re.IGNORECASE)
_USUAL, _APART = 70, 40


class Autoscale:
    id = "autoscale"
    title = "let a scale set grow and shrink by its processor"
    examples: tuple[str, ...] = ()

    def claims(self, wish: Wish, world: World) -> bool:
        return AUTOSCALE.search(wish.text) is not None and not wish.has(r"\b(?:disable|remove|stop|turn off|no|without|drop|delete)\b")

    def plan(self, wish: Wish, world: World) -> None:
        bounds = _BOUNDS.search(wish.text)
        targets = world.choose(wish, SCALE_SETS, wish.without(AUTOSCALE, _BOUNDS, _ABOVE, _BELOW, r"\bcpu\b|\binstances?\b"), nothing=_NONE)
        if bounds is None:
            raise Unsettled(Question("Between how many instances? For example: between 2 and 10.", {}))
        least, most = sorted(int(bounds[a] or bounds[b]) for a, b in (("least", "low"), ("most", "high")))
        above, below = _ABOVE.search(wish.text), _BELOW.search(wish.text)
        high = int(above["above"]) if above else _USUAL
        low = int(below["below"]) if below else max(5, high - _APART)
        if low >= high:
            raise Unsettled(Refusal(f"It would grow above {high} % and shrink below {low} %: the two must lie apart, or it never rests."))
        for target in targets:
            self._write(target, (least, most), (low, high), world)
        world.touch(world.advance())
        world.say(f"Let {listed(targets)} scale between {least} and {most} instances: out above {high} % CPU, in below {low} %.")

    @staticmethod
    def _write(target: Resource, bounds: tuple[int, int], limits: tuple[int, int], world: World) -> None:
        source, group, location = reference(world, target), own_source(target, "resource_group_name"), own_source(target, "location")
        if source is None or group is None or location is None:
            raise Unsettled(Refusal(f"I cannot tell the id and the place of {target.address} from the configuration."))
        if any(
            r.value("target_resource_id") == (target.state.values.get("id") if target.state else "")
            for r in world.inventory.of_types(_SETTING)
        ):
            raise Unsettled(Refusal(f"{target.address} has an autoscale setting already. Change its limits there."))
        now = target.value("instances")
        default = now if isinstance(now, int) and bounds[0] <= now <= bounds[1] else bounds[0]
        arguments = {
            "name": literal(f"autoscale-{target.azure_name}"),
            "resource_group_name": group,
            "location": location,
            "target_resource_id": source,
        }
        tags = tags_source(target)
        profile = _profile(source, (default, *bounds), limits)
        label = label_for(world, _SETTING, target.label)
        add_resource(world, _SETTING, label, arguments | ({"tags": tags} if tags else {}), file_of(target), blocks=[profile])


_NONE = "There is no scale set here: machines of their own do not scale by themselves."


def _profile(source: str, capacity: tuple[int, int, int], limits: tuple[int, int]) -> str:
    default, least, most = capacity
    out, back = _rule(source, "GreaterThan", limits[1], "Increase"), _rule(source, "LessThan", limits[0], "Decrease")
    rules = f"{out}\n\n{back}"
    bounds = f"      default = {default}\n      minimum = {least}\n      maximum = {most}\n"
    return f'  profile {{\n    name = "cpu"\n\n    capacity {{\n{bounds}    }}\n\n{rules}\n  }}\n'


def _rule(source: str, operator: str, threshold: int, direction: str) -> str:
    return (
        "    rule {\n"
        "      metric_trigger {\n"
        '        metric_name        = "Percentage CPU"\n'
        f"        metric_resource_id = {source}\n"
        '        time_grain         = "PT1M"\n'
        '        statistic          = "Average"\n'
        '        time_window        = "PT5M"\n'
        '        time_aggregation   = "Average"\n'
        f'        operator           = "{operator}"\n'
        f"        threshold          = {threshold}\n"
        "      }\n\n"
        "      scale_action {\n"
        f'        direction = "{direction}"\n'
        '        type      = "ChangeCount"\n'
        '        value     = "1"\n'
        '        cooldown  = "PT5M"\n'
        "      }\n"
        "    }"
    )
