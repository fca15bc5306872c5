"""Reading code that nobody trusts, in a process of its own with an end: neither its time nor its memory is taken from others."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from iac_agent.errors import IacAgentError, Refused

_SECONDS, _BYTES = 120, 4 * 1024**3
T = TypeVar("T")


def confined(work: Callable[[], T], seconds: int = _SECONDS, memory: int = _BYTES) -> T:
    """What `work` returns, or raises of ours. Raises Refused when it takes too long, too much memory, or its process down."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(theirs, work, seconds, memory), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            raise Refused(f"it cannot be read in {seconds} seconds", hint="A review of code that is not trusted has an end.")
        good, found = ours.recv()
    except EOFError:
        raise Refused("it cannot be read in the memory that it gets", hint="A review of code that is not trusted has an end.") from None
    finally:
        process.kill()
        process.join()
        ours.close()
    if good:
        return found  # type: ignore[no-any-return]
    raise Refused(found)


def _run(told: Connection, work: Callable[[], T], seconds: int, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        told.send((True, work()))
    except IacAgentError as problem:
        told.send((False, f"{problem.message} {problem.hint}".strip()))
