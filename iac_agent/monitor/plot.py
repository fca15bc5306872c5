"""Plots of series: in the terminal (plotext), or as PNG, SVG or one HTML page (matplotlib)."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iac_agent.errors import UsageError
from iac_agent.monitor.metrics import Series

_HEIGHT = 15
_STEPS = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


def terminal(series: Sequence[Series], width: int, *, color: bool = False) -> str:
    """The series as text, `width` columns wide. Empty without the `plot` extra: a plot is an addition to the figures, not the answer."""
    try:
        import plotext
    except ImportError:
        return ""
    scale, unit = _scale(series)
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(width, _HEIGHT)
    start = min(m for s in series for m, _ in s.points)
    for number, s in enumerate(series):
        points = [((m - start).total_seconds() / 60, v / scale) for m, v in s.points if v is not None]
        if points:
            style: dict[str, Any] = {"color": ("blue", "red", "green", "magenta", "cyan", "orange")[number % 6]} if color else {}
            plotext.plot(
                [x for x, _ in points], [y for _, y in points], label=_label(s) if len(series) > 1 else None, marker="braille", **style
            )
    first = series[0]
    minutes = first.range.minutes
    ticks = [minutes * n / 4 for n in range(5)]
    form = "%H:%M" if minutes <= 1440 else "%m-%d %H:%M"
    plotext.xticks(ticks, [(first.range.start + (first.range.end - first.range.start) * n / 4).strftime(form) for n in range(5)])
    plotext.xlim(0, minutes)
    plotext.title(f"{first.metric} ({unit or first.unit}), {first.aggregation}, {first.grain}")
    if first.unit == "Percent":
        plotext.ylim(0, None)
    text: str = plotext.build()
    shown: str = text if color else plotext.uncolorize(text)
    return "\n".join(line.rstrip() for line in shown.splitlines()) + "\n"


def write(series: Sequence[Series], file: Path) -> None:
    """Draw into a .png, .svg or .html file. Raises UsageError for another kind, or without the `plot` extra."""
    kind = file.suffix.lower().lstrip(".")
    if kind not in ("png", "svg", "html"):
        raise UsageError(f"{file.name}: a plot is .png, .svg or .html")
    picture = _figure(series, "svg" if kind == "html" else kind)
    content = _page(series, picture.decode("utf-8")).encode() if kind == "html" else picture
    try:
        file.write_bytes(content)
    except OSError as problem:
        raise UsageError(f"cannot write {file}: {problem.strerror}") from problem


def _figure(series: Sequence[Series], form: str) -> bytes:
    try:
        import matplotlib as mpl
    except ImportError as problem:
        raise UsageError("plots into files need matplotlib", hint="pip install 'iac-agent[plot]'") from problem
    mpl.use("Agg")
    from matplotlib import dates, pyplot

    scale, unit = _scale(series)
    first = series[0]
    figure, axes = pyplot.subplots(figsize=(10, 4), layout="constrained")
    for s in series:
        axes.plot(
            [m for m, _ in s.points],  # type: ignore[arg-type]
            [float("nan") if v is None else v / scale for _, v in s.points],
            label=_label(s),
            linewidth=1.4,
        )
    axes.set_title(f"{first.metric}, {first.aggregation}, {first.range.shown()}, grain {first.grain}", fontsize=10)
    axes.set_ylabel(unit or first.unit)
    locator = axes.xaxis.get_major_locator()
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=first.range.start.tzinfo))  # type: ignore[no-untyped-call]
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    out = io.BytesIO()
    figure.savefig(out, format=form, dpi=120)
    pyplot.close(figure)
    return out.getvalue()


def _page(series: Sequence[Series], picture: str) -> str:
    """One page that needs nothing else: the picture, and where its figures come from."""
    sources = "".join(f"<li>{html.escape(s.source)}</li>" for s in series)
    title = html.escape(f"{series[0].metric}, {series[0].range.shown()}")
    drawn = picture[picture.index("<svg") :]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    body = f'<body style="font-family:sans-serif;max-width:70rem;margin:2rem auto">{drawn}<p>Sources:</p><ul>{sources}</ul></body>'
    return f"{head}{body}</html>\n"


def _label(series: Series) -> str:
    return f"{series.target.name} {series.dimension}".strip()


def _scale(series: Sequence[Series]) -> tuple[float, str]:
    """What to divide values by, and the unit that gives: bytes are drawn in binary steps."""
    if series[0].unit not in ("Bytes", "BytesPerSecond"):
        return 1.0, {"Percent": "%"}.get(series[0].unit, "")
    most = max((v for s in series for _, v in s.points if v is not None), default=0.0)
    size, name = next(((size, name) for size, name in _STEPS if most >= size), (1, "B"))
    return float(size), f"{name}/s" if series[0].unit.endswith("Second") else name
