"""Metrics over the Azure Monitor SDKs: one resource by azure-mgmt-monitor, many by querymetrics in batches of 50.

A figure for a whole range is asked of Azure as one (`interval=FULL`), so that it is exact whatever the grain of the plot.
Source: Microsoft.Insights metrics 2024-02-01; batch: https://learn.microsoft.com/azure/azure-monitor/metrics/migrate-to-batch-api
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from iac_agent.azure import catalogue
from iac_agent.azure.clients import AzureClients, translated
from iac_agent.errors import AzureRejected, NoTelemetry, UnknownMetric, UsageError
from iac_agent.monitor.ranges import Range
from iac_agent.monitor.targets import Target

BATCH, AT_ONCE = 50, 8
AGGREGATIONS = ("Average", "Minimum", "Maximum", "Total", "Count")
_GRAINS = {"PT1M": 1, "PT5M": 5, "PT15M": 15, "PT30M": 30, "PT1H": 60, "PT6H": 360, "PT12H": 720, "P1D": 1440}
_POINTS, _LONGEST = 120, 31 * 1440
_RETENTION = timedelta(days=93)


@dataclass(frozen=True)
class Series:
    """A metric of one resource over a range: the points (moment, value or None where nothing was measured) and one figure for all of it.

    `dimension` is the value a series was split by; empty otherwise.
    """

    target: Target
    metric: str
    unit: str
    aggregation: str
    range: Range
    grain: str
    points: tuple[tuple[datetime, float | None], ...]
    figure: float | None
    dimension: str = ""

    @property
    def source(self) -> str:
        """Where the figures come from, for people."""
        split = f" of {self.dimension}" if self.dimension else ""
        return f"{self.target.shown()} · {self.metric}{split} · {self.aggregation} · {self.range.shown()} · grain {self.grain}"

    @property
    def measured(self) -> int:
        return sum(1 for _, value in self.points if value is not None)

    @property
    def last(self) -> tuple[datetime, float] | None:
        """The last point at which something was measured."""
        return next(((moment, value) for moment, value in reversed(self.points) if value is not None), None)

    def extreme(self, highest: bool) -> tuple[datetime, float] | None:
        """The point with the highest or lowest value."""
        known = [(value, moment) for moment, value in self.points if value is not None]
        if not known:
            return None
        value, moment = max(known, key=lambda k: k[0]) if highest else min(known, key=lambda k: k[0])
        return moment, value

    def as_json(self) -> dict[str, Any]:
        return {
            "resource": self.target.id,
            "address": self.target.address,
            "metric": self.metric,
            "unit": self.unit,
            "aggregation": self.aggregation,
            "start": self.range.start.isoformat(),
            "end": self.range.end.isoformat(),
            "grain": self.grain,
            "dimension": self.dimension,
            "figure": self.figure,
            "points": [{"time": moment.isoformat(), "value": value} for moment, value in self.points],
        }


@dataclass(frozen=True)
class Asked:
    """What is asked of every resource: `grain` empty for a sound one, `split` the dimension to split by."""

    metric: str
    range: Range
    aggregation: str = ""
    grain: str = ""
    split: str = ""


def grain_for(span: Range) -> str:
    """The finest grain that gives at most 120 points."""
    return next((name for name, minutes in _GRAINS.items() if span.minutes / minutes <= _POINTS), "P1D")


@dataclass
class Metrics:
    """Reads metrics. Raises AzureError for what cannot be read, UnknownMetric for a metric that the resource does not have."""

    clients: AzureClients

    def series(self, targets: Sequence[Target], asked: Asked) -> list[Series]:
        """One series for each resource (for each value of the dimension, when split), in the order of the resources.

        Raises NoTelemetry when the range is older than what Azure keeps.
        """
        if asked.range.end.timestamp() < (self.clients.now() - _RETENTION).timestamp():
            raise NoTelemetry(f"{asked.range.shown()} is older than the 93 days for which Azure keeps metrics")
        _require_answerable(asked.range)
        wanted = replace(_sensed(asked), grain=_grain(asked.grain) if asked.grain else grain_for(asked.range))
        if len(targets) == 1:
            return self._one(targets[0], wanted)
        return self._many(targets, wanted)

    def figures(self, targets: Sequence[Target], asked: Asked) -> list[Series]:
        """As `series`, but only the figure for the whole range, without points."""
        _require_answerable(asked.range)
        return self._batched(targets, replace(_sensed(asked), grain="FULL", split=""))

    def points(self, targets: Sequence[Target], asked: Asked) -> list[Series]:
        """As `series`, but without the figures for the whole range: half the calls."""
        return self._batched(targets, replace(_sensed(asked), split=""))

    def names(self, target: Target) -> list[str]:
        """The metrics a resource has."""
        with translated(f"the metric definitions of {target.name}"):
            return [str(d.name.value) for d in self.clients.monitor.metric_definitions.list(target.id) if d.name]

    # --- one resource ----------------------------------------------------------------------------------------------

    def _one(self, target: Target, asked: Asked) -> list[Series]:
        points = self._ask(target, asked, asked.grain)
        whole = {s.dimension: s for s in self._ask(target, asked, "FULL")}
        return [_with_figure(s, whole.get(s.dimension)) for s in points]

    def _ask(self, target: Target, asked: Asked, grain: str) -> list[Series]:
        with self._explained(target, asked):
            answer = self.clients.monitor.metrics.list(
                target.id,
                timespan=asked.range.iso,
                interval=grain,
                metricnames=asked.metric.replace(",", "%2"),
                aggregation=asked.aggregation,
                filter=f"{asked.split} eq '*'" if asked.split else None,
            )
        metric = answer.value[0]
        found = [
            _series(target, asked, str(metric.unit), grain, [(d.time_stamp, _value(d, asked)) for d in s.data or []], _dimension(s))
            for s in metric.timeseries
        ]
        return found or [_series(target, asked, str(metric.unit), grain, [], "")]

    # --- many ------------------------------------------------------------------------------------------------------

    def _many(self, targets: Sequence[Target], asked: Asked) -> list[Series]:
        whole = {s.target: s for s in self._batched(targets, replace(asked, grain="FULL", split=""))}
        return [_with_figure(s, whole.get(s.target)) for s in self._batched(targets, asked)]

    def _batched(self, targets: Sequence[Target], asked: Asked) -> list[Series]:
        """All resources in batches of 50 of one type and region, eight batches at a time."""
        groups: dict[tuple[str, str], list[Target]] = {}
        for target in targets:
            groups.setdefault((target.type, target.location), []).append(target)
        batches = [held[i : i + BATCH] for held in groups.values() for i in range(0, len(held), BATCH)]
        if len(batches) == 1:
            found = self._batch(batches[0], asked)
        else:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                found = [s for held in pool.map(lambda b: self._batch(b, asked), batches) for s in held]
        place = {t: n for n, t in enumerate(targets)}
        return sorted(found, key=lambda s: place[s.target])

    def _batch(self, targets: list[Target], asked: Asked) -> list[Series]:
        by_id = {t.id.lower(): t for t in targets}
        options: dict[str, Any] = {"filter": f"{asked.split} eq '*'"} if asked.split else {}
        if asked.grain == "FULL":
            options["params"] = {"interval": "FULL"}
        else:
            options["granularity"] = timedelta(minutes=_GRAINS[asked.grain])
        with self._explained(targets[0], asked):
            answers = self.clients.metrics(targets[0].location).query_resources(
                resource_ids=[t.id for t in targets],
                metric_namespace=targets[0].type,
                metric_names=[asked.metric],
                timespan=(asked.range.start, asked.range.end),
                aggregations=[asked.aggregation],
                **options,
            )
        found = []
        for answer in answers:
            metric = answer.metrics[0]
            target = by_id[str(metric.id).lower().split("/providers/microsoft.insights/")[0]]
            for split in metric.timeseries or []:
                points = [(d.timestamp, getattr(d, asked.aggregation.lower())) for d in split.data]
                dimension = next(iter(split.metadata_values.values()), "") if split.metadata_values else ""
                found.append(_series(target, asked, str(getattr(metric.unit, "value", metric.unit)), asked.grain, points, dimension))
        return found

    # --- shared ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _explained(self, target: Target, asked: Asked) -> Iterator[None]:
        """Turn Azure's refusal of a metric into UnknownMetric with the nearest that exist; every other error is translated."""
        try:
            with translated(f"metrics of {target.name}"):
                yield
        except AzureRejected as rejected:
            if "metric configuration" not in rejected.message:
                raise
            near = catalogue.nearest(asked.metric, self.names(target))
            raise UnknownMetric(
                f"{target.type} has no metric {asked.metric!r}", near, hint=f"It has, among others: {', '.join(near)}."
            ) from rejected


def _sensed(asked: Asked) -> Asked:
    """With the aggregation that suits the metric where none is asked for."""
    return asked if asked.aggregation else replace(asked, aggregation=catalogue.sense_of(asked.metric))


def _series(target: Target, asked: Asked, unit: str, grain: str, points: Iterable[tuple[Any, Any]], dimension: str) -> Series:
    zone = asked.range.start.tzinfo
    placed = tuple((moment.astimezone(zone), value) for moment, value in points)
    figure = placed[0][1] if grain == "FULL" and placed else None
    return Series(target, asked.metric, unit.rsplit(".", 1)[-1], asked.aggregation, asked.range, grain, placed, figure, dimension)


def _with_figure(series: Series, whole: Series | None) -> Series:
    return replace(series, figure=whole.figure if whole else None)


def _value(point: Any, asked: Asked) -> float | None:
    found: float | None = getattr(point, asked.aggregation.lower())
    return found


def _dimension(split: Any) -> str:
    return next((str(v.value) for v in split.metadatavalues or []), "")


def _require_answerable(span: Range) -> None:
    """Azure answers the last 31 days of a longer range, and does not say so."""
    if span.minutes > _LONGEST:
        raise UsageError(f"{span.shown()} is longer than the 31 days that Azure answers at once", hint="Ask for shorter ranges.")


def _grain(text: str) -> str:
    """A grain by its ISO name or as `5m`. Raises UsageError."""
    short = {name.lstrip("PT"): name for name in _GRAINS}
    found = short.get(text.upper(), text.upper())
    if found not in _GRAINS:
        raise UsageError(f"{text!r} is no grain of Azure Monitor", hint=f"It has {', '.join(short).lower()}.")
    return found
