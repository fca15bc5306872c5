"""Forges on this machine: the part of GitHub's, GitLab's and Azure DevOps' APIs that the bot uses, over a real git repository."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette


@dataclass(frozen=True)
class Heard:
    """One request and its answer, as JSON: what a test holds against the forge's own description."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int
    answer: Any


Listener = Callable[[Heard], None]


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Serve an application on a free port of this machine; its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
