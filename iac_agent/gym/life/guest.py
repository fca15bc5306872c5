"""The little of a guest that run-command needs: a few commands whose answer follows from the machine; the others are not found."""

from __future__ import annotations

import shlex
from datetime import datetime

from iac_agent.gym.life.history import Machine, minute_of


def run(machine: Machine, script: list[str], now: datetime) -> tuple[str, str]:
    """What the lines of a script print on stdout and stderr."""
    out: list[str] = []
    err: list[str] = []
    for line in (part for text in script for part in text.splitlines()):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as problem:
            err.append(f"sh: syntax error: {problem}")
            continue
        if words:
            said = _said(machine, words, now)
            (err if said is None else out).append(f"sh: 1: {words[0]}: not found" if said is None else said)
    return "\n".join(out), "\n".join(err)


def _said(machine: Machine, words: list[str], now: datetime) -> str | None:
    minute = minute_of(now)
    used = machine.usage(minute)
    match words[0]:
        case "echo":
            return " ".join(words[1:])
        case "hostname":
            return str((machine.resource.properties.get("osProfile") or {}).get("computerName") or machine.resource.body["name"])
        case "uptime":
            up = now - machine.boot(minute).at
            busy = used.cpu / 100 * int(machine.size["numberOfCores"])
            return f" {now:%H:%M:%S} up {up.days} days, {up.seconds // 3600}:{up.seconds // 60 % 60:02}, load average: {busy:.2f}"
        case "free":
            total = int(machine.size["memoryInMB"])
            return f"Mem: {total} total, {round(total * used.memory / 100)} used (MiB)"
    return None
