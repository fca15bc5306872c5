"""Answering: a question goes to the source that knows, and every figure in an answer is one that source gave.

Text that Azure returns (tags, logs, names) is data: it is shown, and nothing here does what it says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from iac_agent.azure import catalogue
from iac_agent.azure.catalogue import VM
from iac_agent.azure.clients import AzureClients
from iac_agent.errors import IacAgentError, NeedsAnswer, NoTelemetry
from iac_agent.monitor import boot_log, composition, openings, questions, ranges
from iac_agent.monitor.activity import Act, Activity, meant
from iac_agent.monitor.alerts import Alerts
from iac_agent.monitor.answer import Answer, Table
from iac_agent.monitor.health import Condition, Health, HealthCheck
from iac_agent.monitor.metrics import Asked, Metrics, Series
from iac_agent.monitor.questions import Kind, Reading
from iac_agent.monitor.ranges import Range
from iac_agent.monitor.targets import Target, Targets

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_TOP, _FEW = 10, 3
_NOW = re.compile(r"\b(?:right now|just now|now|currently|at the moment|at present)\b", re.IGNORECASE)
_BY_HAND = re.compile(
    r"\bby hand\b|\bmanual(?:ly)?\b|\b(?:in|with|through|from) the (?:portal|cli)\b|\boutside (?:of )?terraform\b", re.IGNORECASE
)
_ALLOCATED = re.compile(
    r"\bstopped\b.*\bnot (?:been )?deallocated\b|\b(?:stopped|not run\w*|does not run|isn't running)\b.*\b(?:cost|bill|paid|pay|charg)\w*|"
    r"\b(?:cost|bill|paid|pay|charg)\w*\b.*\b(?:stopped|not running|off)\b",
    re.IGNORECASE,
)
_ABILITIES = (
    "I answer questions about metrics (`how busy was db over the last 6 hours`), health (`is everything all right`), failed boots "
    "(`why does batch not boot`), activity (`who stopped api`), alerts (`why was I paged`), rankings (`which machine uses most cpu`), "
    "about ports (`is ssh open on nsg-web`), and about what is configured (`what size is db`)."
)


@dataclass
class Monitor:
    """Everything that answers, over one root module and one subscription. `now` is Azure's time in the zone to read times in."""

    targets: Targets
    metrics: Metrics
    alerts: Alerts
    activity: Activity
    health: HealthCheck
    openings: openings.Openings
    now: datetime
    answer: str = ""

    def ask(self, question: str) -> Answer:
        """Answer a question by the built-in understanding. Raises NeedsAnswer for one that is not understood, and what sources raise."""
        if (port := openings.wanted(question)) is not None:
            return self.openings.answered(question, port)
        reading = questions.read(question)
        match reading.kind:
            case Kind.BOOT:
                return self.boot(question)
            case Kind.ALERTS:
                return self.fired(question)
            case Kind.ACTIVITY:
                return self.acts(question)
            case Kind.TOP:
                return self.top(question, reading)
            case Kind.METRICS:
                return self.values(question, reading)
            case Kind.HEALTH:
                return self.conditions(question)
            case Kind.COMPOSITION:
                return composition.answered(question, self.targets, self._machines(_without_attributes(question)))
        raise NeedsAnswer(f"I do not know what {question!r} asks for. {_ABILITIES}", [])

    # --- metrics ---------------------------------------------------------------------------------------------------

    def values(self, question: str, reading: Reading, grain: str = "") -> Answer:
        """A metric over time: a figure for each resource, and the points to plot."""
        span = ranges.found(question, self.now)
        targets = self._targets(question, reading.type)
        return self.measured(targets, Asked(questions.metric_named(question) or reading.metric, span, reading.aggregation, grain))

    def measured(self, targets: Sequence[Target], asked: Asked) -> Answer:
        """The answer on a metric of some resources. Raises UnknownMetric, NoTelemetry."""
        if not targets:
            raise NoTelemetry("there is no resource of that kind in the state")
        found = self.metrics.series(targets, asked)
        answer = Answer("metrics", [self._sentence(s) for s in found[:_TOP]], series=found, sources=[s.source for s in found])
        if len(found) > 1:
            answer.sentences = [f"{found[0].aggregation} {found[0].metric} of {len(found)} series, {asked.range.shown()}."]
            known = [s for s in found if s.figure is not None]
            ordered = sorted(known, key=lambda s: s.figure or 0, reverse=True) + [s for s in found if s.figure is None]
            rows = [(s.target.name, s.dimension, catalogue.shown(s.figure, s.unit), _at(s, True), _at(s, False)) for s in ordered]
            split = any(s.dimension for s in found)
            headings = ("resource", "dimension", found[0].aggregation.lower(), "highest", "lowest")
            answer.table = Table(headings if split else headings[:1] + headings[2:], rows if split else [(r[0], *r[2:]) for r in rows])
            answer.sentences += [self._absence(s) for s in found if s.figure is None]
        return answer

    def _sentence(self, series: Series) -> str:
        if series.figure is None:
            return self._absence(series)
        value = catalogue.shown(series.figure, series.unit)
        extremes = f" Highest {_at(series, True)}, lowest {_at(series, False)} (by {series.grain})." if series.measured > 1 else ""
        missing = len(series.points) - series.measured
        gaps = f" {missing} of {len(series.points)} points have no data{self._why_none(series)}." if missing else ""
        return f"{series.aggregation} {series.metric} of {series.target.name} was {value}, {series.range.shown()}.{extremes}{gaps}"

    def _absence(self, series: Series) -> str:
        """Nothing was measured: say so, and why where that is known."""
        return f"{series.target.name} has no {series.metric} for {series.range.shown()}{self._why_none(series)}."

    def _why_none(self, series: Series) -> str:
        """Created later, or stopped: what explains missing data, by the activity log and the instance view."""
        if series.target.type != VM:
            return ""
        condition = self.health.conditions([series.target], self.now)[0]
        made = next((a for a in self._log(series.target, 90) if a.created), None)
        if made is not None and made.time > series.range.start:
            return f": it was created at {made.time:%Y-%m-%d %H:%M %Z}"
        if condition.verdict == Health.STOPPED:
            return f": it is stopped ({condition.why})"
        return ""

    def _log(self, target: Target, days: int) -> list[Act]:
        return self.activity.acts(Range(self.now - timedelta(days=days - 1), self.now), [target])

    def top(self, question: str, reading: Reading) -> Answer:
        """Machines in order of a metric, by batches of 50."""
        span = ranges.found(question, self.now)
        targets = self._targets(question, VM)
        if len(targets) == 1:
            return self.values(question, reading)
        lowest = re.search(r"\b(?:least|lowest|lower|idlest|smallest|min(?:imum)?)\b", question, re.IGNORECASE) is not None
        used = reading.metric.startswith("Available Memory") and not re.search(r"\b(?:free|available|left)\b", question, re.IGNORECASE)
        lowest = lowest != used  # Azure measures what is free
        said = reading.aggregation if reading.aggregation in ("Average", "Total") else ""
        aggregation = said or ("Maximum" if re.search(r"\bpeak\w*|\bspik\w*|\bmax(?:imum)?\b", question, re.IGNORECASE) else "")
        number = re.search(r"\btop\s+(\d+)\b", question, re.IGNORECASE)
        return self.ranked(targets, Asked(reading.metric, span, aggregation), int(number[1]) if number else _TOP, lowest=lowest)

    def ranked(self, targets: Sequence[Target], asked: Asked, most: int, *, lowest: bool = False) -> Answer:
        """The resources with the highest (lowest) figures."""
        if not targets:
            raise NoTelemetry("there is no machine in the state")
        found = self.metrics.figures(targets, asked)
        known = sorted((s for s in found if s.figure is not None), key=lambda s: s.figure or 0.0, reverse=not lowest)
        silent = [s.target.name for s in found if s.figure is None]
        rows = [(str(n), s.target.name, s.target.address, catalogue.shown(s.figure, s.unit)) for n, s in enumerate(known[:most], 1)]
        sense = found[0].aggregation.lower() if found else ""
        word = "lowest" if lowest else "highest"
        sentences = [f"No machine has data for {asked.range.shown()}."]
        if known:
            value = catalogue.shown(known[0].figure, known[0].unit)
            sentences = [f"{known[0].target.name} has the {word} {sense} {asked.metric}: {value}, {asked.range.shown()}."]
        if silent:
            sentences.append(f"No data: {', '.join(silent[:_TOP])}{' ...' if len(silent) > _TOP else ''}.")
        return Answer(
            "top",
            sentences,
            Table(("", "machine", "address", f"{sense} {asked.metric}"), rows, (f"{sense} {asked.metric}",)),
            sources=[s.source for s in known[:most]],
            data={"ranking": [{"resource": s.target.id, "figure": s.figure, "unit": s.unit} for s in known]},
        )

    # --- the others ------------------------------------------------------------------------------------------------

    def conditions(self, question: str) -> Answer:
        """The verdict on the machines that are meant, with the reason of a boot that failed."""
        answer = self.judged(self._machines(questions_without(question)), allocated=_ALLOCATED.search(question) is not None)
        down = [c.target for c in answer.conditions if c.verdict == Health.DOWN]
        for machine in down if len(down) <= _FEW else []:
            try:
                log = boot_log.read(self.clients, machine)
            except IacAgentError:
                continue
            if log.cause:
                answer.sentences.append(f"{log.verdict()}.")
                answer.sources.append(f"{machine.shown()} · serial log of the last boot, line {log.line}")
        return answer

    def judged(self, machines: Sequence[Target], *, allocated: bool = False) -> Answer:
        """The answer on the health of some machines, the worst first; `allocated`: on those only that are stopped and still paid for."""
        if not machines:
            raise NoTelemetry("there is no machine in the state")
        found = self.health.conditions(machines, self.now)
        if allocated:
            return self._still_paid_for([c for c in found if c.power == "stopped"])
        worse = [c for c in found if c.verdict in (Health.DOWN, Health.DEGRADED, Health.UNKNOWN)]
        stopped = [c for c in found if c.verdict == Health.STOPPED]
        head = f"{len(found) - len(worse) - len(stopped)} of {len(found)} healthy"
        parts = [head, *(f"{c.target.name} is {c.verdict}: {c.why}" for c in (*worse, *stopped))]
        shown = parts[:1] + parts[1 : _TOP + 1]
        rows = [row for c in found for row in _evidence(c, whole=len(found) == 1)]
        return Answer(
            "health",
            [f"{s}." for s in shown],
            Table(("machine", "verdict", "source", "found", "time"), rows),
            sources=["power state, VM agent, resource health, VmAvailabilityMetric, probes, alerts, activity log"],
            data={"conditions": [c.as_json() for c in found]},
            conditions=found,
        )

    @staticmethod
    def _still_paid_for(found: list[Condition]) -> Answer:
        sentences = [f"{c.target.name} is stopped, but not deallocated: its cores are billed ({c.why})." for c in found]
        return Answer(
            "health",
            sentences or ["No machine is stopped without being deallocated."],
            sources=["power state, activity log"],
            data={"conditions": [c.as_json() for c in found]},
        )

    def boot(self, question: str) -> Answer:
        """Why a machine did not come up, by its serial log, and what else is known where the log says nothing."""
        machines = self._machines(questions_without(question))
        if len(machines) > 1:
            machines = [c.target for c in self.health.conditions(machines, self.now) if c.verdict in (Health.DOWN, Health.DEGRADED)]
            if len(machines) != 1:
                names = [t.shown() for t in (machines or self.targets.all())]
                raise NeedsAnswer("Which machine's serial log?", names)
        return self.booted(machines[0])

    def booted(self, machine: Target) -> Answer:
        """The answer on the last boot of a machine."""
        log = boot_log.read(self.clients, machine)
        sentences = [f"{log.verdict()}."]
        if log.advice:
            sentences.append(log.advice)
        if not log.cause:
            sentences += _sentence_of(self.health.conditions([machine], self.now)[0])
        return Answer(
            "boot-log",
            sentences,
            sources=[f"{machine.shown()} · serial log of the last boot, line {log.line or len(log.text.splitlines())}"],
            data={"boot": log.as_json()},
            excerpt=log.around(),
            marked=log.line,
        )

    def acts(self, question: str) -> Answer:
        """Who did what, in the range that is asked for or the last week."""
        span = ranges.found(_NOW.sub(" ", question), self.now, _WEEK)
        about = self._about(question)
        found = meant(self.activity.acts(span, about), question)
        by_hand = [a for a in found if a.tool != "Terraform"]
        return self.done(by_hand if _BY_HAND.search(question) else found, span, about)

    def done(self, acts: Sequence[Act], span: Range, about: Sequence[Target]) -> Answer:
        """The answer on what was done, the newest first."""
        where = f" to {', '.join(t.name for t in about)}" if about else ""
        if not acts:
            return Answer("activity", [f"Nothing of that kind was done{where}, {span.shown()}."], sources=["the activity log"])
        rows = [
            (f"{a.time:%Y-%m-%d %H:%M:%S}", a.who, a.verb, a.resource.rsplit("/", 1)[-1], a.tool, a.status, a.correlation[:8]) for a in acts
        ]
        headings = ("time", "who", "did", "resource", "tool", "status", "operation")
        return Answer(
            "activity",
            [f"{acts[0].sentence()}."],
            Table(headings, rows),
            sources=[f"the activity log, {span.shown()}, correlation {acts[0].correlation}"],
            data={"acts": [a.as_json() for a in acts]},
        )

    def fired(self, question: str) -> Answer:
        """The alerts of the last day (or the range that is asked for), and the rules that are quiet."""
        span = ranges.found(_NOW.sub(" ", question), self.now, _DAY)
        about = [t for t in self.targets.mentioned(questions_without(question)) if t.type == VM and t.name.lower() in question.lower()]
        answer = self.alerted(span, about)
        if re.search(
            r"\b(?:not|n't|isn't|aren't|no longer|never) (?:\w+ )?(?:firing|fired|active|raised)\b|\bquiet\b", question, re.IGNORECASE
        ):
            quiet = answer.data["quiet"]
            answer.sentences = [f"Not firing: {', '.join(quiet)}." if quiet else "Every alert rule is firing."]
        return answer

    def alerted(self, span: Range, about: Sequence[Target]) -> Answer:
        """The answer on alerts."""
        found = self.alerts.fired(span, list(about))
        firing = [a for a in found if a.firing]
        rules = [
            r for r in self.targets.inventory.resources if r.type in ("azurerm_monitor_metric_alert", "azurerm_monitor_activity_log_alert")
        ]
        busy = {a.rule.lower() for a in firing}
        quiet = [r.azure_name for r in rules if r.azure_name.lower() not in busy]
        sentences = [f"{a.sentence()}." for a in firing] or [f"No alert is firing{_on(about)}."]
        sentences += [f"{a.sentence()}." for a in found if not a.firing][:_TOP]
        if quiet:
            sentences.append(f"Not firing: {', '.join(quiet)}.")
        return Answer(
            "alerts",
            sentences,
            sources=[f"the alerts of the subscription, {span.shown()}"],
            data={"alerts": [a.as_json() for a in found], "quiet": quiet},
        )

    # --- what is meant ---------------------------------------------------------------------------------------------

    @property
    def clients(self) -> AzureClients:
        return self.metrics.clients

    def _targets(self, question: str, kind: str) -> list[Target]:
        return self.targets.named(questions_without(question), kind, self.answer)

    def _machines(self, text: str) -> list[Target]:
        return self.targets.named(text, VM, self.answer)

    def _about(self, question: str) -> list[Target]:
        """The resources that a question on the log or on alerts names; none for a question about everything."""
        text = questions_without(question)
        named = self.targets.mentioned(text)
        return named if named or not _looks_named(text, self.targets) else self._machines(text)


def questions_without(question: str) -> str:
    """The question without times, metrics and words that only point, so that names are looked for in what is left."""
    return re.sub(
        r"\b(?:my|our|your|these|those|this|that|actually|really)\b", " ", catalogue.without(ranges.without(question)), flags=re.IGNORECASE
    )


def _without_attributes(question: str) -> str:
    return re.sub(
        r"\b(?:size|sizes|region|location|zone|tags?|image|spot|priority|ips?|address(?:es)?|disks?|boot diagnostics)\b",
        " ",
        question,
        flags=re.IGNORECASE,
    )


def _looks_named(text: str, targets: Targets) -> bool:
    return re.search(r"\b(?:vm|vms|machine|machines|server|servers)\b|\w-\w", text, re.IGNORECASE) is not None and bool(targets.all())


def _evidence(condition: Condition, *, whole: bool) -> list[tuple[str, ...]]:
    """A row for each piece of evidence; one row for a machine that is well, among several."""
    name, verdict = condition.target.name, str(condition.verdict)
    if condition.verdict == Health.HEALTHY and not whole:
        return [(name, verdict, f"{len(condition.evidence)} sources", condition.why, "")]
    return [(name, verdict, e.source, e.found, f"{e.time:%H:%M:%S}" if e.time else "") for e in condition.evidence]


def _sentence_of(condition: Condition) -> list[str]:
    return [f"{condition.target.name} is {condition.verdict}: {condition.why}."]


def _on(about: Sequence[Target]) -> str:
    return f" on {', '.join(t.name for t in about)}" if about else ""


def _at(series: Series, highest: bool) -> str:
    found = series.extreme(highest)
    return f"{catalogue.shown(found[1], series.unit)} at {found[0]:%H:%M}" if found else ""
