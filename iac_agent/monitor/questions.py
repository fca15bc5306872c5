"""What a question asks for, without a model: the kind by its words, then the metric, the range and the resources in it.

A kind is decided by the first list of phrases that fits; they stand in order from what its words tell best to what they tell least.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from iac_agent.azure import catalogue
from iac_agent.azure.catalogue import BALANCER, VM
from iac_agent.monitor import ranges


class Kind(StrEnum):
    """Where a question goes."""

    OPERATION = "operation"
    CHANGE = "change"
    BOOT = "boot-log"
    ALERTS = "alerts"
    ACTIVITY = "activity"
    TOP = "top"
    METRICS = "metrics"
    HEALTH = "health"
    COMPOSITION = "composition"
    UNKNOWN = "unknown"


def _phrases(text: str, before: str = r"\b(?:", after: str = r")") -> re.Pattern[str]:
    """One pattern out of phrases (regular expressions), one a line."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return re.compile(before + "|".join(lines) + after, re.IGNORECASE)


_POLITE = (
    r"^\W*(?:(?:hi|hey|hello|ok|so|and|please|pls|just|now|kindly|quick question|go ahead and|let'?s|can you|could you|would you)\W+)*"
)
_WANTING = rf"{_POLITE}(?:i (?:want|need|would like)(?: you)?(?: to)?\W+)?"
_ASKING = _phrases(
    r"""
    what
    which
    wh(?:o|om|ose)\b
    when
    where
    why
    how
    (?:is|are|was|were|does|do|did|has|have|had|any)\b
    tell
    show
    list
    display
    (?:give|get) me
    plot
    graph
    chart
    report
    compare
    count
    check
    see
    find out
    look (?:up|at|into|over)
    status
    health
    (?:i )?(?:need|want|would (?:like|love)|'d (?:like|love))(?: to)? (?:know|see|the|a (?:plot|graph|chart|report))
    """,
    rf"\?\s*$|{_POLITE}(?:",
)
OPERATION = _phrases(
    r"""
    restart
    reboot
    bounce
    power[- ]?cycle
    redeploy
    start(?: up)?
    power[- ]?on
    (?:turn|switch) on
    boot up
    stop
    shut ?down
    power[- ]?(?:off|down)
    (?:turn|switch) off
    deallocate
    run(?: the)?(?: shell)? (?:command|script)
    """,
    rf"{_WANTING}(?P<verb>",
    r")\b(?!\s+(?:letting|allowing|using|being|paying|logging|diag|boot|public|spot|the (?:alert|public|boot|load)|alert))",
)
_WISH = _phrases(
    r"""
    make
    add
    attach
    create
    provision
    resize
    scale
    set
    tag
    change
    enable
    disable
    remove
    delete
    destroy
    open
    close
    allow
    deny
    put
    move
    grow
    increase
    decrease
    rename
    page
    alert
    notify
    warn
    e-?mail
    spin
    deploy
    build
    convert
    detach
    upgrade
    (?:turn|switch) (?:on|off) (?:boot|diag)
    switch (?:\S+ )?to
    give (?!me)
    """,
    f"{_WANTING}(?:",
    r")\b",
)

_BOOT = _phrases(
    r"""
    boot(?!\s+diag)(?:s|ed|ing)?\b
    boot ?log
    boot diagnostics (?:say|show|log|tell)
    (?:come|comes|came|coming) (?:back )?up
    start(?:s|ing)? up
    during (?:its |the )?(?:start-?up|boot)
    (?:serial|console) (?:log|console|output)
    kernel panic
    stuck (?:in|at|on|during) (?:boot|start)
    gets? past (?:the )?(?:boot|start)
    (?:never|not|n't) (?:reach\w*|gets? to|got to|see) (?:the |a )?(?:login|ssh|prompt)
    (?:won'?t|not|n't|never|refuses to) (?:start|come|came|coming|boot)\w*
    (?:never|not|n't|hasn't|hardly) (?:made|make|makes|got|get) (?:it )?(?:all the way )?up
    (?:keeping|keeps|stopping|stops|preventing|prevents) (?:it|this|that|the \w+|\S+) from (?:start|boot|com)\w*
    (?:never|not|n't) (?:became|become|becomes|got|get) ready
    (?:re)?boot(?:ed)?\b.*\b(?:nothing answers|no answer|not? (?:answer|respond|reach)\w*|dead|unreachable)
    fail(?:s|ed|ing)? to (?:start|boot|come up)
    (?:after|since) (?:the |a |its |last |that |this )*(?:re)?(?:boot|start)\w*.*\b(?:ssh|reach|unreach|respond|login|dead|back|up)
    """
)
_ALERTS = _phrases(
    r"""
    alert(?:s|ing)?\b
    (?<!false )alarms?\b
    (?:paged|pager|firing)\b
    pages? (?:went|came|fired|me)
    on-?call (?:got|was|is)
    got (?:a )?page
    (?:woken|woke)\b
    notif\w+
    threshold
    """
)
_ACTIVITY = _phrases(
    r"""
    wh(?:o|om|ose)\b
    which (?:user|person|people|colleague|account|identity|principal|tool|client|one of us)
    what (?:happened|changed|was (?:changed|done))
    what did (?:\w+ )?(?:change|do)\b
    activity(?: log)?
    audit
    (?:responsible|culprit)
    history of
    last (?:change|changed|operation|modified)
    recent(?:ly)? (?:change|operation)\w*
    when (?:was|were|did)\b.*\b(?:stop|start|restart|reboot|resiz|tag|chang|delet|creat|deallocat|shut|modif)\w*
    (?:some|any)(?:body|one)\b.*\b(?:stop|start|restart|reboot|resiz|tag|chang|delet|creat|deallocat|shut|touch|modif|turn)\w*
    """
)
_TOP = _phrases(
    r"""
    top (?:\d+|cpu|memory|machines?|vms?|consumers?|users?|talkers?)
    (?:busiest|idlest|hottest|laziest)\b
    rank\w*
    (?:which|what)\b.*\b(?:most|least|highest|lowest|hardest|higher|lower|busier|harder)\b
    (?:highest|lowest|most|least) (?:\w+ ){0,3}(?:machine|vm|server)
    (?:least|most) busy
    who (?:uses|eats|hogs)
    """
)
_HEALTH = _phrases(
    r"""
    health\w*
    (?:sick|ill|unwell|fine|okay|ok|all ?right|alive|dead|down|broken|wrong|up)\b
    (?:trouble|problems?|issues?|outage)\b
    fail(?:ing|ed|s)?\b
    (?:un)?(?:respons|avail|reach)\w+
    respond\w*
    (?:good|bad) shape
    (?:working|running|stopped|doing|status)\b
    in order
    state of
    (?:degraded|impaired|suffering|limping|struggling|unhappy|happy)\b
    misbehav\w+
    complain\w*
    (?:green|red)\b
    worr(?:y|ied|ying)
    (?:does not|doesn't|not) run\b
    """
)
_COMPOSITION = _phrases(
    r"""
    sizes?
    sku
    cores?
    region
    location
    tag(?:s|ged)?
    disks?
    subnets?
    v?net(?:work)?s?
    ips?
    address(?:es)?
    zones?
    images?
    os
    operating system
    spot
    priority
    rules?
    ports?
    machines?
    vms?
    servers?
    resources?
    load balancers?
    nics?
    interfaces?
    accounts?
    groups?
    managed
    terraform
    configured?
    attached
    """,
    after=r")\b",
)
_REQUEST = re.compile(r"\W*(?:please|pls|can you|could you|would you)\b", re.IGNORECASE)
_CONFIGURED = re.compile(r"\b(?:how many|what size|which size|spot|tags?|tagged|region|zone|image|ips?|subnet|sku)\b", re.IGNORECASE)
_BALANCER = re.compile(r"\b(?:load[ -]?balancers?|lb|snat|probes?)\b|\blb-", re.IGNORECASE)
_RANKED = re.compile(r"\bbus(?:y|iest)|idlest|hottest|hardest|laziest", re.IGNORECASE)
_ORDER: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (Kind.BOOT, _BOOT),
    (Kind.ALERTS, _ALERTS),
    (Kind.ACTIVITY, _ACTIVITY),
    (Kind.TOP, _TOP),
    (Kind.HEALTH, _HEALTH),
)


@dataclass(frozen=True)
class Reading:
    """How a question was read: its kind, the metric and aggregation it names (empty: none), the type of resource it is about."""

    kind: Kind
    metric: str = ""
    aggregation: str = ""
    type: str = VM


def read(text: str) -> Reading:
    """Read a question."""
    plain = " ".join(text.replace("’", "'").split())
    if OPERATION.match(plain):
        return Reading(Kind.OPERATION)
    if _WISH.match(plain) and (_REQUEST.match(plain) or not _ASKING.search(plain)):
        return Reading(Kind.CHANGE)
    kind = BALANCER if _BALANCER.search(plain) else VM
    metric, aggregation = metric_named(text) or catalogue.named(plain, kind), catalogue.aggregation(ranges.without(plain))
    aggregation = _of_use(plain, metric, aggregation)
    found = next((k for k, pattern in _ORDER if pattern.search(plain) and _fits(k, plain, metric)), None)
    if found == Kind.TOP:
        return Reading(Kind.TOP, metric or "Percentage CPU", aggregation, kind)
    if found is not None:
        return Reading(found, metric, aggregation, kind)
    if metric:
        return Reading(Kind.METRICS, metric, aggregation, kind)
    return Reading(Kind.COMPOSITION if _COMPOSITION.search(plain) else Kind.UNKNOWN)


def _fits(kind: Kind, text: str, metric: str) -> bool:
    """Whether a kind's words mean it here: `up` in a question about a metric, or `running` in one about sizes, does not ask for health."""
    match kind:
        case Kind.ALERTS | Kind.ACTIVITY if _PAID.search(text):
            return False
        case Kind.TOP:
            return bool(metric or _RANKED.search(text))
        case Kind.HEALTH:
            return not metric and not _CONFIGURED.search(text)
        case Kind.ACTIVITY:
            return not metric or re.search(r"\bwhom?\b|\bchange", text, re.IGNORECASE) is not None
    return True


def _of_use(text: str, metric: str, aggregation: str) -> str:
    """Azure measures what is free: the peak of what is used is the lowest of what is free, and the other way round."""
    if not metric.startswith("Available Memory") or re.search(r"\b(?:free|available|left)\b", text, re.IGNORECASE):
        return aggregation
    return {"Maximum": "Minimum", "Minimum": "Maximum"}.get(aggregation, aggregation)


_PAID = re.compile(r"\b(?:cost|bill|paid|pay|charg)\w*\b", re.IGNORECASE)
_METRIC = re.compile(
    r"""\bmetric\s+["'`“]?(?P<a>[A-Z][\w /]*?)["'`”]?(?=\s+(?:of|for|on|over|in|from)\b|[?.,]|$)|["'`“](?P<b>[\w /]+)["'`”]\s+metric\b"""
)


def metric_named(text: str) -> str:
    """A metric that is named as one, whatever we know of it: `the metric "Foo Bar"`; empty for none."""
    named = _METRIC.search(text)
    return (named["a"] or named["b"]).strip() if named else ""
