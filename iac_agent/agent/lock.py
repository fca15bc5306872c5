"""One run at a time per root module: who comes second waits, or is told who is first."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from iac_agent.errors import RunBusy, UsageError
from iac_agent.store.audit import actor
from iac_agent.store.home import Home

_UNITS = {"s": 1, "m": 60, "h": 3600, "ms": 0.001}


def seconds(duration: str) -> float:
    """A Terraform duration (`30s`, `2m`, `1h30m`) in seconds; empty is 0. Raises UsageError."""
    if not duration:
        return 0
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smh])", duration)
    if not parts or "".join(n + u for n, u in parts) != duration:
        raise UsageError(f"{duration!r} is not a duration", hint="For example 30s or 2m.")
    return sum(float(n) * _UNITS[u] for n, u in parts)


@contextmanager
def held(home: Home, doing: str, timeout: str) -> Iterator[None]:
    """Hold the root module's lock. Raises RunBusy with the holder's name when it is not free in time.

    The kernel frees the lock when its holder dies, so a killed run never blocks the next one.
    """
    lock = FileLock(str(home.lock))
    who = home.folder / "lock.json"
    try:
        lock.acquire(timeout=seconds(timeout))
    except Timeout:
        raise RunBusy(f"another run holds this root module: {_describe(who)}", hint="Wait, or pass -lock-timeout=60s.") from None
    try:
        who.write_text(json.dumps({"actor": actor(), "pid": os.getpid(), "doing": doing, "since": time.time()}))
        yield
    finally:
        who.unlink(missing_ok=True)
        lock.release()


def _describe(who: Path) -> str:
    try:
        holder = json.loads(who.read_text("utf-8"))
        since = time.strftime("%H:%M:%S", time.localtime(holder["since"]))
        return f"{holder['actor']} (process {holder['pid']}), {holder['doing']!r} since {since}"
    except (OSError, ValueError, KeyError):
        return "its name is not known yet"
