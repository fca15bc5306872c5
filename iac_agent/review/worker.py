"""The worker of the server: one job after the other, each with the bot of its repository."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping

from iac_agent.errors import ForgeFailed, GitFailed, IacAgentError
from iac_agent.review.bot import Bot
from iac_agent.review.forges import Event
from iac_agent.store.jobs import Job, Jobs

_PAUSE = 0.2
_TRIES = 3
_LATER = {0, 408, 429, 500, 502, 503, 504}


def work(jobs: Jobs, bots: Mapping[str, Bot], stopping: Callable[[], bool], tell: Callable[[str], None]) -> None:
    """Do jobs until it is to stop; the one that was begun is finished first."""
    name = secrets.token_hex(8)
    with jobs.worker(name):
        while not stopping():
            job = jobs.take(name)
            if job is None:
                time.sleep(_PAUSE)
                continue
            status, note = _done(jobs, bots, job)
            jobs.end(job, status, note)
            tell(f"job {job.id} ({job.lane}, {job.body['event']['kind']}): {status}: {note}")


def _done(jobs: Jobs, bots: Mapping[str, Bot], job: Job) -> tuple[str, str]:
    """How a job ends, and why. What may go better later is queued again."""
    event = Event(**job.body["event"])
    if event.kind == "opened" and any(j.body["event"]["kind"] in ("opened", "closed") for j in jobs.later(job)):
        return "done", "a later one tells the same, and more"
    try:
        return "done", bots[job.body["repository"]].handle(event)
    except (ForgeFailed, GitFailed) as problem:
        again = job.attempts < _TRIES and getattr(problem, "status", 0) in _LATER
        if again:
            time.sleep(min(2.0**job.attempts, 30))
        return "queued" if again else "failed", problem.message
    except IacAgentError as problem:
        return "failed", f"{problem.kind}: {problem.message}"
    except Exception as problem:  # a worker outlives a job that breaks it; the job says what broke
        return "failed", f"{type(problem).__name__}: {problem}"
