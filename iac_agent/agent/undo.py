"""Undo: the inverse edits of the last change that was applied, through the same flow as any other change."""

from __future__ import annotations

from dataclasses import replace

from iac_agent.agent import journal
from iac_agent.agent.journal import Run
from iac_agent.agent.loop import Agent
from iac_agent.agent.report import Proof
from iac_agent.errors import Refused
from iac_agent.hcl import edits as e
from iac_agent.planner.protocol import Answer, ChangeSet, Context
from iac_agent.store.home import Home

PREFIX = "undo run "


def undo(agent: Agent) -> list[Proof]:
    """Take the last change back and void what memory learnt from it. Raises Refused when there is nothing to take back."""
    run = last_change(agent.session.home)
    agent.session = replace(agent.session, planner=UndoPlanner(run))
    proofs = agent.apply(f"{PREFIX}{run.id}: {run.request}")
    if agent.session.memory is not None:
        agent.session.memory.void_run(run.id)
    return proofs


def last_change(home: Home) -> Run:
    """The last run that changed something and can be taken back. Raises Refused."""
    done = [r for r in journal.load_runs(home) if r.status == "done"]
    if not done:
        raise Refused("there is no change here to undo")
    run = done[-1]
    if run.request.startswith(PREFIX):
        raise Refused(f"the last change was itself an undo ({run.request})", hint="Ask for the change again instead.")
    if not run.undo:
        raise Refused(
            f"run {run.id} ({run.request!r}) has no exact inverse, or it holds something sensitive",
            hint="Take it back with git, then `terraform apply`.",
        )
    return run


class UndoPlanner:
    """Satisfies `protocol.Planner`: whatever is asked, it takes one run back."""

    rounds = 1

    def __init__(self, run: Run) -> None:
        self.run = run

    def plan(self, request: str, context: Context) -> Answer:
        edits = tuple(e.from_json(x) for x in self.run.undo)
        notes = ("What was replaced is replaced again; data that was lost does not come back.",) if _replaced(self.run) else ()
        return ChangeSet(f"Undo run {self.run.id}: {self.run.request}", edits, notes=notes, by="undo")


def _replaced(run: Run) -> bool:
    return any(i.get("action") in ("replace", "delete") for i in run.verdict.get("intended", []))
