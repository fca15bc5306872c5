"""`iacagent gym time|load|ail|fault|deliveries`: what happens in the local Azure. Its other commands are in `gym`, which this completes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from iac_agent.cli.gym import DIR, gym, gym_in, say
from iac_agent.cli.main import Globals
from iac_agent.errors import GymError, UsageError
from iac_agent.gym.limits import FAULTS, ordered

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@gym.command(name="time")
@DIR
@click.option("--advance", default="", metavar="SPAN", help="Move the clock on: 90s, 30m, 6h, 2d.")
@click.option("--set", "moment", default="", metavar="TIME", help="Move the clock on to a time (ISO 8601, UTC).")
@click.option("--stop/--run", "stop", default=None, help="Stop the clock, or let it run.")
@click.pass_obj
def time_(options: Globals, folder: Path | None, advance: str, moment: str, stop: bool | None) -> None:
    """Show or move the gym's clock. Load, metrics, alerts and logs follow it."""
    body: dict[str, Any] = {"advance": seconds(advance)} if advance else {}
    body |= {"set": moment} if moment else {}
    body |= {} if stop is None else {"stop": stop}
    told = gym_in(folder).tell("time", body) if body else gym_in(folder).tell("time", method="GET")
    say(options, f"It is {told['now'][:19]}Z{' (stopped)' if told['stopped'] else ''}.", **told)


def seconds(span: str) -> float:
    """`1h30m` in seconds. Raises UsageError."""
    text = span.replace(" ", "")
    found = _SPAN.findall(text)
    if not found or "".join(n + u for n, u in found) != text:
        raise UsageError(f"{span!r} is no span of time", hint="For example 90s, 30m, 6h, 2d or 1h30m.")
    return sum(float(number) * _SECONDS[unit] for number, unit in found)


@gym.command()
@DIR
@click.argument("loads", nargs=-1, required=True, metavar="MACHINE=PROFILE[,KEY=NUMBER]...")
@click.pass_obj
def load(options: Globals, folder: Path | None, loads: tuple[str, ...]) -> None:
    """Set what machines do from now on: `vm-db=steady,cpu=90 'vm-web-*=daily'`.

    Profiles: steady (cpu, memory), daily (low, high, hour, memory), spike (cpu, peak, every hours, minutes, memory), leak (cpu, memory,
    hours), dying (cpu, memory, hours).
    """
    body = {}
    for given in loads:
        machine, _, text = given.partition("=")
        profile, *pairs = text.split(",")
        try:
            body[machine] = {"profile": profile, **{k: float(v) for k, _, v in (p.partition("=") for p in pairs)}}
        except ValueError as problem:
            raise UsageError(f"{given!r} is no load", hint="For example vm-db=steady,cpu=90.") from problem
    told = gym_in(folder).tell("load", body)
    say(options, f"The load is set for {', '.join(told['loaded'])}.", **told)


@gym.command()
@DIR
@click.argument("machine")
@click.option("--boot", type=click.Choice(["kernel-panic", "full-disk", "fstab", "cloud-init", "well"]), help="How its next start ends.")
@click.option("--text", default="", help="A further line of its serial log.")
@click.option("--agent", type=click.Choice(["stopped", "running"]), help="Stop or start its VM agent.")
@click.pass_obj
def ail(options: Globals, folder: Path | None, machine: str, boot: str | None, text: str, agent: str | None) -> None:
    """Break the boot of a machine (it is restarted at once) or its agent, or heal them."""
    body: dict[str, Any] = {"machine": machine, "text": text}
    body |= {"boot": "" if boot == "well" else boot} if boot else {}
    body |= {"agent": agent} if agent else {}
    told = gym_in(folder).tell("ail", body)
    say(options, f"Done for {', '.join(told['machines'])}.", **told)


@gym.group()
def fault() -> None:
    """Make calls fail: a service down, slow, throttled, short of capacity, or a create that fails half-way."""


@fault.command(name="add")
@DIR
@click.argument("kind", type=click.Choice(list(FAULTS)))
@click.option("--on", "path", default="", metavar="PATTERN", help="Which calls: a pattern of their path [default: all].")
@click.option("--times", type=click.IntRange(1), default=None, help="How often [default: until it is cleared].")
@click.option("--after", type=click.IntRange(0), default=0, help="How many calls go well before.")
@click.option("--seconds", "delay", type=float, default=None, help="How slow (slow), or when to try again (throttle, down).")
@click.pass_obj
def fault_add(options: Globals, folder: Path | None, kind: str, path: str, times: int | None, after: int, delay: float | None) -> None:
    """Order a fault."""
    target = gym_in(folder)
    known = target.tell("faults", method="GET")["faults"]
    fresh = ordered(kind, path, times, after, delay)
    target.settings(faults=[*known, fresh])
    say(options, f"Ordered as number {len(known) + 1}: {kind} on {path or 'every call'}.", faults=[*known, fresh])


@fault.command(name="list")
@DIR
@click.pass_obj
def fault_list(options: Globals, folder: Path | None) -> None:
    """Show what is ordered."""
    known = gym_in(folder).tell("faults", method="GET")["faults"]
    lines = [f"{n}  {f.get('kind', f.get('code', ''))} on {f.get('path') or 'every call'}" for n, f in enumerate(known, 1)]
    say(options, "\n".join(lines) or "No faults are ordered.", faults=known)


@fault.command(name="clear")
@DIR
@click.argument("number", type=click.IntRange(1), required=False)
@click.pass_obj
def fault_clear(options: Globals, folder: Path | None, number: int | None) -> None:
    """Take back one fault, or all."""
    target = gym_in(folder)
    known = target.tell("faults", method="GET")["faults"]
    if number is not None and number > len(known):
        raise GymError(f"there is no fault {number}", hint="`iacagent gym fault list` numbers them.")
    kept = [] if number is None else known[: number - 1] + known[number:]
    target.settings(faults=kept)
    say(options, f"{len(known) - len(kept)} taken back, {len(kept)} left.", faults=kept)


@gym.command()
@DIR
@click.pass_obj
def deliveries(options: Globals, folder: Path | None) -> None:
    """Show what action groups sent, and what became of it."""
    sent = gym_in(folder).tell("deliveries", method="GET")["deliveries"]
    lines = [f"{d['time']}  {d['alert']} {d['condition']} to {d['receiver']} ({d['address']}): {d['outcome']}" for d in sent]
    say(options, "\n".join(lines) or "Nothing was sent.", deliveries=sent)
