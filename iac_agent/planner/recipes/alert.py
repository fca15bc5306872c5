"""Being told: an alert rule on a metric of machines, with the action group that exists or a new one. What people ask for stays asked for,
so it is written as HCL.

Source: https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/monitor_metric_alert (windows, severities)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iac_agent.azure import catalogue
from iac_agent.hcl.document import literal
from iac_agent.planner.inventory import MACHINES, Resource
from iac_agent.planner.names import EXACT
from iac_agent.planner.protocol import Question, Refusal, Unsettled
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World, listed
from iac_agent.planner.writing.style import add_resource, block_source, file_of, id_of, label_for, name_source, own_source, tags_source

_ALERT, _GROUP = "azurerm_monitor_metric_alert", "azurerm_monitor_action_group"
_TELLS = re.compile(
    r"\b(?:page|alert|notify|warn|tell|inform|ping|wake|e-?mail|call|message)\b"
    r"(?:\s+(?:me|us|the team|on-?call|everyone|ops|somebody|someone))?|"
    r"\b(?:alert|alarm|notification|warning)s?\b",
    re.IGNORECASE,
)
_WHEN = re.compile(r"\b(?:when(?:ever)?|if|once|as soon as|on|for|in case)\b", re.IGNORECASE)
_ABOVE = r"above|over|exceeds?|exceeding|more than|greater than|higher than|beyond|past|reaches|hits|at least|goes? (?:over|above)|>=?"
_BELOW = r"below|under|less than|lower than|fewer than|beneath|drops? (?:below|under|to)|falls? (?:below|under|to)|at most|<=?"
_UNIT = r"(?P<unit>%|percent|gib|gb|mib|mb)?(?!\s*-?(?:minutes?|mins?|m\b|hours?|hrs?|h\b|seconds?|secs?|s\b|days?|ms\b|\d))"
_LIMIT = re.compile(rf"\b(?:(?P<above>{_ABOVE})|(?P<below>{_BELOW}))\s*(?P<number>\d+(?:\.\d+)?)\s*{_UNIT}", re.IGNORECASE)
_DOWN = re.compile(
    r"\b(?:(?:is|goes|went|being|gets) (?:down|dead|offline|unavailable|unreachable|unresponsive)|stops? (?:answering|responding)|dies|"
    r"not (?:available|responding|answering)|crashes)\b",
    re.IGNORECASE,
)
_FOR = re.compile(
    r"\b(?:for|over|during|within)\s+(?:at least\s+|more than\s+|the last\s+)?(?:an?\s+)?(?P<n>\d+|an?|one|half an)[\s-]*"
    r"(?P<u>minutes?|mins?|m|hours?|h)\b",
    re.IGNORECASE,
)
_OTHERS = r"\b(?:latenc\w+|requests?|errors?|connections?|response|transactions?|sessions?|quer\w+|packets?|space|temperature|replicas?)\b"
_WINDOWS = {1: "PT1M", 5: "PT5M", 15: "PT15M", 30: "PT30M", 60: "PT1H", 360: "PT6H", 720: "PT12H", 1440: "P1D"}
_SEVERITIES = (
    (0, r"\bcritical|\bsev(?:erity)?\s*0"),
    (1, r"\berror|\bsev(?:erity)?\s*1"),
    (2, r"\bwarning|\bsev(?:erity)?\s*2"),
    (4, r"\bverbose|\bsev(?:erity)?\s*4"),
)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_HOOK = re.compile(r"https?://[^\s,;\"'<>]+")
_BYTES = {"gib": 1024**3, "gb": 1024**3, "mib": 1024**2, "mb": 1024**2}


@dataclass(frozen=True)
class _Rule:
    """A condition: the metric, how it compares, and with what. `called` is what its name ends in."""

    metric: str
    operator: str
    threshold: float
    aggregation: str
    called: str


class Alert:
    id = "alert"
    title = "be told when a metric goes too far"
    examples: tuple[str, ...] = ("page me when db is above 80 percent cpu", "alert oncall@example.com if vm-web goes down")

    def claims(self, wish: Wish, world: World) -> bool:
        if (
            _present(wish, world)
            and (_LIMIT.search(wish.text) or _FOR.search(wish.text))
            and not wish.has(r"^(?:please )?(?:remove|delete|tag)\b")
        ):
            return True
        told = _TELLS.search(wish.text) is not None and not wish.has(r"^(?:please )?(?:remove|delete|drop|disable|resize|tag|rename)\b")
        return told and _WHEN.search(wish.text) is not None and (_LIMIT.search(wish.text) or _DOWN.search(wish.text)) is not None

    def plan(self, wish: Wish, world: World) -> None:
        present = _present(wish, world)
        if present:
            self._change(wish, present, world)
            return
        rule, window = _rule(wish), _window(wish)
        said = catalogue.without(wish.without(_TELLS, _LIMIT, _DOWN, _FOR, _MAIL, _HOOK, r"\b(?:percent|used|usage|free|available)\b|%"))
        targets = list(world.choose(wish, MACHINES, said, plural=False))
        scopes = [id_of(world, t) for t in targets]
        group = self._group(wish, targets[0], world)
        first = targets[0]
        name = _free_name(f"{first.azure_name if len(targets) == 1 else _stem(targets)}-{rule.called}", rule, world)
        arguments = {
            "name": name_source(world, None, name, "alert-"),
            "resource_group_name": _place(first, "resource_group_name"),
            "scopes": f"[{', '.join(scopes)}]",
            "description": literal(f"{rule.aggregation} {rule.metric} {_WORDS[rule.operator]} {_plain(rule.threshold)}."),
            **_severity(wish),
            "frequency": '"PT1M"',
            "window_size": literal(window),
        }
        if len(targets) > 1:
            arguments |= {"target_resource_type": literal(catalogue.VM), "target_resource_location": _place(first, "location")}
        tags = tags_source(first)
        criteria = {
            "metric_namespace": literal(catalogue.VM),
            "metric_name": literal(rule.metric),
            "aggregation": literal(rule.aggregation),
            "operator": literal(rule.operator),
            "threshold": _plain(rule.threshold),
        }
        blocks = [block_source("criteria", criteria), block_source("action", {"action_group_id": group})]
        known = next(iter(world.inventory.of_types(_ALERT)), None)
        label = label_for(world, _ALERT, name)
        add_resource(world, _ALERT, label, arguments | ({"tags": tags} if tags else {}), file_of(known or first), blocks=blocks)
        world.touch(world.advance())
        told = group.split(".")[1] if "." in group else group
        limit = f"{_WORDS[rule.operator]} {_plain(rule.threshold)}"
        world.say(f"Tell {told} when {rule.metric} of {listed(targets)} is {limit}.")

    @staticmethod
    def _change(wish: Wish, alerts: list[Resource], world: World) -> None:
        """Other limits for an alert that is there."""
        limit, window = _LIMIT.search(wish.text), _FOR.search(wish.text)
        if limit is None and window is None:
            raise Unsettled(
                Question(f"What should change about {listed(alerts)}? Its limit (above 80) or its window (over 15 minutes).", {})
            )
        if limit is not None:
            world.writer.set(alerts, "criteria.threshold", _number(limit["number"]))
            wanted = "GreaterThan" if limit["above"] else "LessThan"
            turned = [a for a in alerts if not str(a.value("criteria.operator")).startswith(wanted)]
            if turned:
                world.writer.set(turned, "criteria.operator", wanted)
        if window is not None:
            world.writer.set(alerts, "window_size", _window(wish))
        world.touch(alerts)
        world.say(f"Let {listed(alerts)} fire{f' {limit[0]}' if limit else ''}{f' {window[0]}' if window else ''}.")

    def _group(self, wish: Wish, machine: Resource, world: World) -> str:
        """The id of the action group, as source: the one that is there or named, or a new one for an address in the wish."""
        mail, hook = _MAIL.search(wish.text), _HOOK.search(wish.text)
        if mail or hook:
            return self._new_group(mail[0] if mail else "", hook[0] if hook else "", machine, world)
        groups = world.inventory.of_types(_GROUP)
        mentioned = [r for m in world.selector.names.mentions(wish.text) for _, r in m.named if r in groups]
        fitting = list(dict.fromkeys(mentioned)) or groups
        if not fitting:
            raise Unsettled(
                Question("Whom should it tell? There is no action group here: name a mail address or a webhook (https://...).", {})
            )
        if len(fitting) > 1:
            raise Unsettled(Question("Which action group should it tell?", {g.address: g.describe() for g in fitting}))
        return id_of(world, fitting[0])

    @staticmethod
    def _new_group(mail: str, hook: str, machine: Resource, world: World) -> str:
        who = re.sub(r"\W+", "-", mail.split("@")[0] if mail else "webhook").strip("-").lower()
        label = label_for(world, _GROUP, who)
        receiver = {"name": literal(who), "email_address": literal(mail)} if mail else {"name": literal(who), "service_uri": literal(hook)}
        block = block_source("email_receiver" if mail else "webhook_receiver", {**receiver, "use_common_alert_schema": "true"})
        arguments = {
            "name": name_source(world, None, who, "ag-"),
            "resource_group_name": _place(machine, "resource_group_name"),
            "short_name": literal(who[:12]),
        }
        tags = tags_source(machine)
        add_resource(world, _GROUP, label, arguments | ({"tags": tags} if tags else {}), file_of(machine), blocks=[block])
        return f"{_GROUP}.{label}.id"


def _present(wish: Wish, world: World) -> list[Resource]:
    """The alerts that a wish names."""
    mentions = world.selector.names.mentions(wish.text)
    return list(
        dict.fromkeys(
            r for m in mentions for s, r in m.named if r.type == _ALERT and (s == EXACT or r.azure_name.lower() == m.text.lower())
        )
    )


def _number(text: str) -> float | int:
    value = float(text)
    return int(value) if value.is_integer() else value


_WORDS = {"GreaterThan": "above", "LessThan": "below"}


def _rule(wish: Wish) -> _Rule:
    """The condition that a wish names. Raises Unsettled for one that names no metric or no limit."""
    limit = _LIMIT.search(wish.text)
    if limit is None:
        return _Rule("VmAvailabilityMetric", "LessThan", 1, "Average", "down")
    if wish.has(rf"(?:\bnot|n't|\bnever|\bno longer)\s+(?:\w+\s+){{0,2}}?(?:{_ABOVE}|{_BELOW})"):
        raise Unsettled(Question("Say it without `not`: above or below which value?", {}))
    metric = catalogue.named(wish.text) or ("Percentage CPU" if (limit["unit"] or "") in ("%", "percent") else "")
    if not metric or (metric == "Percentage CPU" and wish.has(_OTHERS)) or metric not in {k.name for k in catalogue.KNOWN}:
        raise Unsettled(Question("On which metric of Azure: cpu, memory, network in or out, disk reads or writes, disk queue?", {}))
    number, unit = float(limit["number"]), (limit["unit"] or "").lower()
    above = limit["above"] is not None
    aggregation = catalogue.aggregation(wish.text) or catalogue.sense_of(metric)
    if metric.startswith("Available Memory"):
        free = wish.has(r"\b(?:free|available|left)\b")
        if not free and not above and not wish.has(r"\bus(?:e[sd]?|age|ing)\b") and unit not in _BYTES:
            raise Unsettled(Question("Below that much free memory, or that much used?", {}))
        if unit in _BYTES and above and not free:
            raise Unsettled(Question("Azure measures free memory. Below how much free memory, or above how many percent used?", {}))
        if unit in _BYTES:
            metric, number = "Available Memory Bytes", number * _BYTES[unit]
        else:
            metric, number = "Available Memory Percentage", number if free else 100 - number
        above = above if free or unit in _BYTES else not above
        return _Rule(metric, "GreaterThan" if above else "LessThan", number, aggregation, "memory")
    number *= _BYTES.get(unit, 1)
    called = {"Percentage CPU": "cpu"}.get(metric, re.sub(r"\W+", "-", metric).strip("-").lower())
    return _Rule(metric, "GreaterThan" if above else "LessThan", number, aggregation, called)


def _free_name(name: str, rule: _Rule, world: World) -> str:
    """A name that no alert has yet: with the threshold where the plain one is taken. Raises Unsettled where that is taken too."""
    taken = {r.azure_name.removeprefix("alert-"): r for r in world.inventory.of_types(_ALERT)}
    if name not in taken:
        return name
    if f"{name}-{_plain(rule.threshold)}" in taken or taken[name].value("criteria.threshold") == rule.threshold:
        raise Unsettled(Refusal(f"{taken[name].address} tells that already ({taken[name].block.where})."))
    return f"{name}-{_plain(rule.threshold)}"


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _window(wish: Wish) -> str:
    """The window that a wish names, else five minutes: the next that Azure has."""
    match = _FOR.search(wish.text)
    if match is None:
        return "PT5M"
    word = match["n"].lower()
    number = 0.5 if word == "half an" else 1 if word in ("a", "an", "one") else int(word)
    minutes = number * (60 if match["u"].lower().startswith("h") else 1)
    return next((name for size, name in _WINDOWS.items() if size >= minutes), "P1D")


def _severity(wish: Wish) -> dict[str, str]:
    return next(({"severity": str(level)} for level, pattern in _SEVERITIES if wish.has(pattern)), {})


def _place(machine: Resource, name: str) -> str:
    source = own_source(machine, name)
    if source is None:
        raise Unsettled(Refusal(f"I cannot tell the {name} of {machine.address} from the configuration."))
    return source


def _stem(machines: list[Resource]) -> str:
    return machines[0].label if len({m.block_address for m in machines}) == 1 else "machines"
