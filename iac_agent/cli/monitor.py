"""`iacagent monitor`: metrics, health, activity, boot logs, alerts and rankings of what runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from iac_agent.cli.main import Globals
from iac_agent.errors import NeedsAnswer, UsageError

if TYPE_CHECKING:
    from iac_agent.monitor.answer import Answer
    from iac_agent.monitor.ask import Monitor
    from iac_agent.monitor.ranges import Range


@click.group()
def monitor() -> None:
    """What Terraform cannot tell: how what runs is doing. Resources are named as in requests: address, name, tag, role, plural."""


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command here."""
    for option in (
        click.option("--tz", "timezone", default="", metavar="ZONE", help="Time zone to read and show times in [default: this machine's]."),
        click.option("--watch", "every", type=click.FloatRange(1), default=None, metavar="SECONDS", help="Again every so many seconds."),
        click.option("--csv", "as_csv", is_flag=True, help="Print rows as CSV."),
        click.option("--answer", default="", help="Which of the candidates a question offered is meant."),
    ):
        command = option(command)
    return command


def _run(options: Globals, make: Callable[[Monitor], Answer], flags: dict[str, Any], plot: Path | None = None) -> None:
    from iac_agent.cli.monitor_wiring import monitor_for, show, watched

    def once() -> None:
        found = make(monitor_for(options, flags["timezone"], flags["answer"]))
        show(options, found, plot=plot, as_csv=flags["as_csv"])

    if flags["every"]:
        watched(flags["every"], once)
    once()


def _span(text: str, source: Monitor, default: str) -> Range:
    from iac_agent.monitor import ranges

    return ranges.exactly(text or default, source.now)


_RANGE = click.option("--range", "range_text", default="", metavar="RANGE", help="6h, yesterday, 'since 9:30', 2026-11-28T06:00Z/PT6H.")


@monitor.command()
@click.argument("resources", nargs=-1)
@click.option("--metric", default="cpu", show_default=True, help="A metric by Azure's name or in words: cpu, memory, network in.")
@click.option(
    "--aggregation", type=click.Choice(["average", "minimum", "maximum", "total", "count"]), help="[default: what suits the metric]"
)
@click.option("--grain", default="", help="1m, 5m, 15m, 30m, 1h, 6h, 12h, 1d [default: at most 120 points].")
@click.option("--split", default="", metavar="DIMENSION", help="A series for each value of a dimension: LUN, BackendIPAddress.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw into FILE.png, .svg or .html.")
@_RANGE
@shared
@click.pass_obj
def metrics(options: Globals, /, resources: tuple[str, ...], metric: str, plot: Path | None, range_text: str, **flags: Any) -> None:
    """A metric of RESOURCES over time [default: CPU of every machine, the last hour].

    For example: iacagent monitor metrics db --metric memory --range 6h --plot memory.png
    """

    def make(source: Monitor) -> Answer:
        from iac_agent.azure import catalogue
        from iac_agent.monitor.metrics import Asked

        named, kind = catalogue.resolved(metric)
        aggregation = (flags["aggregation"] or "").capitalize()
        asked = Asked(named, _span(range_text, source, "1h"), aggregation, flags["grain"], flags["split"])
        return source.measured(source.targets.named(" ".join(resources), kind, source.answer, strict=True), asked)

    _run(options, make, flags, plot)


@monitor.command()
@click.argument("resources", nargs=-1)
@shared
@click.pass_obj
def health(options: Globals, /, resources: tuple[str, ...], **flags: Any) -> None:
    """One verdict on each machine, with the evidence [default: every machine]."""
    _run(options, lambda source: source.judged(source.targets.named(" ".join(resources), answer=source.answer, strict=True)), flags)


@monitor.command()
@click.argument("resources", nargs=-1)
@_RANGE
@shared
@click.pass_obj
def activity(options: Globals, /, resources: tuple[str, ...], range_text: str, **flags: Any) -> None:
    """Who did what with which tool, the newest first [default: to anything, the last day]."""

    def make(source: Monitor) -> Answer:
        span, text = _span(range_text, source, "24h"), " ".join(resources)
        about = (source.targets.mentioned(text) or source.targets.named(text, answer=source.answer, strict=True)) if text else []
        return source.done(source.activity.acts(span, about), span, about)

    _run(options, make, flags)


@monitor.command(name="boot-log")
@click.argument("machine")
@click.option("--screenshot", type=click.Path(path_type=Path, dir_okay=False), help="Save the picture of its screen (.png or .bmp).")
@click.option("--full", is_flag=True, help="Print the whole log of the last boot.")
@shared
@click.pass_obj
def boot_log(options: Globals, /, machine: str, screenshot: Path | None, full: bool, **flags: Any) -> None:
    """The serial log of MACHINE's last boot, and the line that tells why it did not come up."""

    def make(source: Monitor) -> Answer:
        from iac_agent.monitor import boot_log

        found = source.targets.named(machine, answer=source.answer, strict=True)
        if len(found) != 1:
            raise NeedsAnswer("Which machine's serial log?", [t.shown() for t in found])
        if screenshot is not None:
            _save(boot_log.screenshot(source.clients, found[0]), screenshot)
        answer = source.booted(found[0])
        if full:
            answer.excerpt = list(enumerate(answer.data["boot"]["lines"], 1))
        return answer

    _run(options, make, flags)


def _save(picture: bytes, file: Path) -> None:
    """Azure keeps a BMP; a .png is made of it."""
    import io

    if file.suffix.lower() not in (".png", ".bmp"):
        raise UsageError(f"{file.name}: a screenshot is .png or .bmp")
    try:
        if file.suffix.lower() == ".png":
            from PIL import Image

            Image.open(io.BytesIO(picture)).save(file, "PNG")
        else:
            file.write_bytes(picture)
    except ImportError as problem:
        raise UsageError("a PNG needs pillow", hint="pip install 'iac-agent[plot]', or save a .bmp") from problem
    except OSError as problem:
        raise UsageError(f"cannot write {file}: {problem}") from problem


@monitor.command()
@click.argument("resources", nargs=-1)
@_RANGE
@shared
@click.pass_obj
def alerts(options: Globals, /, resources: tuple[str, ...], range_text: str, **flags: Any) -> None:
    """The alerts that fired, with value and threshold [default: all, the last day]."""

    def make(source: Monitor) -> Answer:
        text = " ".join(resources)
        about = source.targets.named(text, answer=source.answer, strict=True) if text else []
        return source.alerted(_span(range_text, source, "24h"), about)

    _run(options, make, flags)


@monitor.command()
@click.argument("metric", default="cpu")
@click.argument("resources", nargs=-1)
@click.option("-n", "--number", type=click.IntRange(1), default=10, show_default=True, help="How many.")
@click.option("--aggregation", type=click.Choice(["average", "minimum", "maximum", "total"]), help="[default: what suits the metric]")
@click.option("--lowest", is_flag=True, help="The lowest first.")
@_RANGE
@shared
@click.pass_obj
def top(options: Globals, /, metric: str, resources: tuple[str, ...], number: int, range_text: str, **flags: Any) -> None:
    """Machines in order of METRIC [default: CPU of every machine, the last hour]."""

    def make(source: Monitor) -> Answer:
        from iac_agent.azure import catalogue
        from iac_agent.monitor.metrics import Asked

        asked = Asked(catalogue.resolved(metric)[0], _span(range_text, source, "1h"), (flags["aggregation"] or "").capitalize())
        return source.ranked(
            source.targets.named(" ".join(resources), answer=source.answer, strict=True), asked, number, lowest=flags["lowest"]
        )

    _run(options, make, flags)
