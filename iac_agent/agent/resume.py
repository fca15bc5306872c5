"""Finishing a run that was killed, interrupted or failed; or giving it up."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

from iac_agent.agent import journal
from iac_agent.agent.journal import Run, sha256
from iac_agent.agent.loop import Agent
from iac_agent.agent.report import Proof
from iac_agent.errors import AlreadyExists, Refused
from iac_agent.guard.guard import require_allowed
from iac_agent.guard.verdict import Item, Verdict, judge
from iac_agent.hcl.module import RootModule
from iac_agent.planner.protocol import Expectation
from iac_agent.terraform.diagnostics import parse_line

_ATTEMPTS = 5
_EXISTING_ID = re.compile(r'ID "([^"]+)" already exists')
_MAY_BECOME = {"replace": {"replace", "create", "delete"}, "update": {"update"}, "create": {"create"}, "delete": {"delete"}}


def finish(agent: Agent, run: Run) -> list[Proof]:
    """Complete the files, wait for a Terraform that still runs, then apply what is left of the approved plan and prove it.

    Raises FilesChanged when the user's files moved on, Refused when the plan now wants more than was approved.
    """
    session = agent.session
    wait_for(run, session.reporter.note)
    _mend_state(agent)
    run.write()
    for _ in range(_ATTEMPTS):
        plan = agent.planned(session.terraform, run.plan_file, run.targets)
        if not plan.changes and not plan.imports:
            break
        verdict = judge(plan, None, digest=plan.digest(), file_hash=sha256(run.plan_file.read_bytes()))
        _require_approved(run, verdict)
        verdict = session.guard.assess(verdict, plan, RootModule(session.directory), session.given)
        require_allowed(verdict)
        session.reporter.judged(verdict)
        try:
            agent.apply_file(run, run.plan_file)
            break
        except AlreadyExists as problem:
            adopt_existing(agent, run, problem)
    return agent.prove(run, [Expectation(**e) for e in run.expects])


def _mend_state(agent: Agent) -> None:
    """Put a local state back that Terraform was cutting off when it was killed: what was before is in the backup beside it."""
    state = agent.session.directory / "terraform.tfstate"
    backup = state.with_name("terraform.tfstate.backup")
    if _is_json(state) or not state.exists() or not _is_json(backup):
        return
    journal.replace_file(state, backup.read_bytes())
    agent.session.reporter.note(
        "Terraform was killed while it wrote its state; the state before is put back from terraform.tfstate.backup."
    )


def _is_json(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_text("utf-8")), dict)
    except (OSError, ValueError):
        return False


def _require_approved(run: Run, verdict: Verdict) -> None:
    """Nothing beyond the first approval: the same addresses, and no more than what was approved for each."""
    approved = {i["address"]: i["action"] for i in [*run.verdict["intended"], *run.verdict["unrelated"]]}
    beyond = [
        i for i in verdict.items if i.action not in _MAY_BECOME.get(approved.get(i.address, ""), set()) or i.address not in run.approved
    ]
    if beyond:
        raise Refused(
            f"the plan now wants more than was approved: {', '.join(_brief(i) for i in beyond)}",
            hint="Give the run up with `iacagent resume --abandon` and plan again.",
        )


def _brief(item: Item) -> str:
    return f"{item.action} {item.address}"


def wait_for(run: Run, note: object) -> None:
    """A Terraform that outlived the agent finishes by itself; its output is in the run's log."""
    if run.status != "applying" or not run.pid or not _is_terraform(run.pid):
        return
    if callable(note):
        note(f"Terraform (process {run.pid}) of the interrupted run is still applying; waiting for it.")
    while _is_terraform(run.pid):
        time.sleep(0.2)


def _is_terraform(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return b"apply" in command and state != "Z"


def adopt_existing(agent: Agent, run: Run, problem: AlreadyExists) -> None:
    """Import a resource that this run may create and that is live already. Raises the problem when it is not ours to import."""
    allowed = {i["address"] for i in run.verdict["intended"] if i["action"] in ("create", "replace")}
    adopted = False
    for diagnostic in problem.diagnostics:
        match = _EXISTING_ID.search(f"{diagnostic.summary} {diagnostic.detail}")
        if match and diagnostic.address in allowed:
            agent.session.reporter.note(f"{diagnostic.address} was created before the interruption; importing it.")
            agent.session.terraform.import_resource(diagnostic.address, match[1], agent.session.reporter.terraform)
            agent.record(run, "imported", {"address": diagnostic.address, "id": match[1]})
            adopted = True
    if not adopted:
        raise problem


def abandon(agent: Agent, run: Run) -> str:
    """Give a run up: files go back when nothing was applied; else they stay, since the cloud has changed. Returns what was done."""
    applied = run.status == "applied" or (run.status in ("applying", "failed") and _changed_something(run))
    if applied:
        run.save(status="abandoned")
        text = f"Run {run.id} given up. Part of it was applied, so the files keep the approved edit; run a plan to see what is left."
    else:
        run.roll_back()
        text = f"Run {run.id} given up; the files are as they were before it."
    agent.record(run, "abandoned", {"files": "kept" if applied else "rolled back"})
    journal.clean(agent.session.home)
    return text


def _changed_something(run: Run) -> bool:
    """Whether the apply's log shows any operation begun."""
    if not run.log.exists():
        return run.status == "applying"
    for line in run.log.read_text("utf-8", "replace").splitlines():
        message = parse_line(line)
        if message and message.get("type") in ("apply_start", "apply_complete", "apply_errored"):
            return True
    return False
