"""The webhook server: it checks a delivery, puts it on disk, and answers; workers do what it asks for.

A delivery is answered with 2xx only when its job is in the queue, so that a forge delivers again what was lost on the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from anyio import move_on_after, to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from iac_agent.guard import redact
from iac_agent.review import commands, webhooks
from iac_agent.review.forges import Event
from iac_agent.store.jobs import Jobs

_BODY_SECONDS = 30
# Tells the repository and the event of a delivery; None for what is nothing to the bot.
Reader = Callable[[str, dict[str, Any]], tuple[str, Event] | None]


@dataclass
class Server:
    """`readers` and `secrets` are by forge; `pages` is a folder with the reviews to show, by names that nobody guesses."""

    jobs: Jobs
    readers: Mapping[str, Reader]
    secrets: Mapping[str, str]
    pages: Path
    stopping: Callable[[], bool] = lambda: False
    counted: Counter[str] = field(default_factory=Counter)

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/webhooks/{forge}", self.receive, methods=["POST"]),
                Route("/healthz", self.health),
                Route("/metrics", self.metrics),
                Route("/reviews/{name}", self.page),
            ]
        )

    async def receive(self, request: Request) -> Response:
        """Take a delivery: 202 when it is queued, 200 when there is nothing to do, 401 when it is not the forge's."""
        forge = request.path_params["forge"]
        if forge not in self.readers:
            return self._counted("unknown", 404)
        raw = await _body(request)
        if raw is None:
            return self._counted("too large", 413)
        headers = {k.lower(): v for k, v in request.headers.items()}
        if not webhooks.genuine(forge, headers, raw, self.secrets[forge]):
            return self._counted("forged", 401)
        delivery = webhooks.read(forge, headers, raw)
        if delivery is None:
            return self._counted("unreadable", 400)
        try:
            found = self.readers[forge](delivery.kind, delivery.payload)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
            return self._counted("unreadable", 400)
        if found is None or (found[1].kind == "commented" and not commands.is_command(found[1].text)):
            return self._counted("ignored", 200)
        repository, event = found
        event = replace(event, text=redact.text(commands.line(event.text)))
        body = {"repository": repository, "event": asdict(event)}
        new = await to_thread.run_sync(self.jobs.add, delivery.key, f"{forge}:{repository}#{event.number}", body)
        return self._counted("queued" if new else "known", 202 if new else 200)

    def _counted(self, outcome: str, status: int) -> Response:
        self.counted[outcome] += 1
        return JSONResponse({"outcome": outcome}, status)

    async def health(self, _: Request) -> Response:
        """200 while deliveries are taken and the queue can be read, 503 otherwise."""
        if self.stopping():
            return JSONResponse({"status": "stopping"}, 503)
        return JSONResponse({"status": "ok", "jobs": await to_thread.run_sync(self.jobs.counts)})

    async def metrics(self, _: Request) -> Response:
        """Prometheus' text format, https://prometheus.io/docs/instrumenting/exposition_formats."""
        jobs = await to_thread.run_sync(self.jobs.all)
        ended = [j for j in jobs if j.status in ("done", "failed")]
        lines = ["# TYPE iacagent_deliveries_total counter"]
        lines += [f'iacagent_deliveries_total{{outcome="{o}"}} {n}' for o, n in sorted(self.counted.items())]
        lines.append("# TYPE iacagent_jobs gauge")
        lines += [f'iacagent_jobs{{status="{s}"}} {n}' for s, n in (await to_thread.run_sync(self.jobs.counts)).items()]
        lines.append("# TYPE iacagent_job_seconds summary")
        lines.append(f"iacagent_job_seconds_sum {sum(j.changed - j.created for j in ended):.3f}")
        lines.append(f"iacagent_job_seconds_count {len(ended)}")
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    async def page(self, request: Request) -> Response:
        """The whole of a review, as text."""
        name = request.path_params["name"]
        file = self.pages / f"{name}.md"
        if not name.isalnum() or not file.is_file():
            return PlainTextResponse("There is no such review.\n", 404)
        headers = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cache-control": "no-store"}
        return PlainTextResponse(file.read_text("utf-8"), headers=headers)


async def _body(request: Request) -> bytes | None:
    """The body; None for one that is larger than any forge sends, or that does not come to its end in time."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > webhooks.LARGEST:
        return None
    parts, size = [], 0
    with move_on_after(_BODY_SECONDS):
        async for part in request.stream():
            size += len(part)
            if size > webhooks.LARGEST:
                return None
            parts.append(part)
        return b"".join(parts)
    return None
