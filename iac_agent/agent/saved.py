"""A saved plan: `plan -out FILE` keeps everything that `apply FILE` needs, and nothing else can be applied with it.

The file is a zip: the Terraform plan, both versions of every edited file, and what was judged. Like Terraform's own plan files it may hold
sensitive values, so it is written for its owner only.
"""

from __future__ import annotations

import json
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from iac_agent.agent import journal, lock
from iac_agent.agent.journal import FileEntry, Run, sha256
from iac_agent.agent.loop import Agent, Prepared
from iac_agent.agent.report import Proof
from iac_agent.errors import PlanChanged, Refused, UsageError
from iac_agent.guard import approval
from iac_agent.guard.guard import require_allowed
from iac_agent.guard.verdict import Item, Verdict
from iac_agent.hcl.module import RootModule
from iac_agent.planner.protocol import Expectation
from iac_agent.store.audit import actor

_MEMBER = "iacagent.json"
_VERSION = 1


def save(prepared: Prepared, root: Path, out: Path) -> None:
    """Write the saved plan, replacing `out` atomically."""
    run = prepared.run
    content = {
        "version": _VERSION,
        "request": run.request,
        "root_module": str(root),
        "verdict": run.verdict,
        "expects": run.expects,
        "targets": run.targets,
        "requested_by": actor(),
        "files": [{"path": os.path.relpath(f.path, root), "before": f.before, "after": f.after} for f in run.files],
    }
    partial = out.with_name(f".{out.name}.partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_MEMBER, json.dumps(content))
        archive.write(run.plan_file, "plan.tfplan")
        for blob in sorted((run.folder / "files").iterdir()):
            archive.write(blob, f"files/{blob.name}")
    os.replace(partial, out)


def is_saved(path: Path) -> bool:
    """Whether a path is a saved plan of ours (Terraform's own plan files are zips too)."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return _MEMBER in archive.namelist()


def apply(agent: Agent, path: Path) -> list[Proof]:
    """Apply a saved plan. Raises PlanChanged when the files or the plan are not those that were judged."""
    session = agent.session
    with lock.held(session.home, f"apply {path}", session.terraform.inputs.lock_timeout):
        left = journal.unfinished(session.home)
        if left is not None:
            raise Refused(f"run {left.id} ({left.request!r}) is unfinished", hint="Run `iacagent resume` first.")
        run, verdict, expects = _load(agent, path)
        agent.record(run, "request", {"request": run.request, "saved_plan": sha256(path.read_bytes())})
        try:
            session.reporter.judged(verdict)
            require_allowed(verdict)
            found = approval.read(approval.beside(path), verdict, session.approval, datetime.now(UTC))
            agent.approve(run, verdict, found)
        except Refused as problem:
            agent.record(run, "refused", {"error": problem.kind, "message": problem.message})
            run.save(status="refused")
            raise
        return agent.execute(run, expects, verdict)


def described(path: Path) -> dict[str, Any]:
    """What a saved plan says of itself. Raises UsageError when it is none of ours."""
    if not is_saved(path):
        raise UsageError(f"{path} is no saved plan of iacagent", hint="Save one with: iacagent plan REQUEST -out FILE")
    with zipfile.ZipFile(path) as archive:
        found: dict[str, Any] = json.loads(archive.read(_MEMBER))
    if found.get("version") != _VERSION:
        raise UsageError(f"{path} is a saved plan of another version of iacagent", hint="Plan again.")
    return found


def _load(agent: Agent, path: Path) -> tuple[Run, Verdict, list[Expectation]]:
    root = agent.session.directory
    told = described(path)
    with zipfile.ZipFile(path) as archive:
        run = journal.new_run(agent.session.home, told["request"])
        blobs = run.folder / "files"
        blobs.mkdir()
        for name in archive.namelist():
            if name.startswith("files/") and sha256(archive.read(name)) == Path(name).name:
                (blobs / Path(name).name).write_bytes(archive.read(name))
        run.plan_file.write_bytes(archive.read("plan.tfplan"))
    run.files = [FileEntry(str((root / f["path"]).resolve()), f["before"], f["after"]) for f in told["files"]]
    for entry in run.files:
        current = sha256(Path(entry.path).read_bytes()) if Path(entry.path).exists() else ""
        if current != entry.before:
            raise PlanChanged(f"{entry.path} was changed since the plan was saved", hint="Plan again.")
        if not Path(entry.path).is_relative_to(root.parent) or not (blobs / entry.after).exists():
            raise PlanChanged(f"{path} is damaged: {entry.path}", hint="Plan again.")
    verdict = of_json(told["verdict"])
    plan = agent.session.terraform.show_plan(run.plan_file)
    if sha256(run.plan_file.read_bytes()) != verdict.file_hash or plan.digest() != verdict.digest:
        raise PlanChanged(f"{path} does not hold the plan that was judged", hint="Plan again.")
    run.verdict, run.expects, run.targets = told["verdict"], told["expects"], told["targets"]
    run.save()
    edited = {Path(f.path): (blobs / f.after).read_bytes() for f in run.files}
    bare = RootModule(root)
    agent.session.guard.require_edits(bare, edited)
    judged = agent.session.guard.assess(verdict, plan, bare.with_edits(edited), agent.session.given)
    return run, judged, [Expectation(**e) for e in run.expects]


def of_json(described: dict[str, Any]) -> Verdict:
    """The verdict that a saved plan was judged with, without its findings: those are found again when it is applied."""

    def items(key: str) -> tuple[Item, ...]:
        rows = described.get(key)
        return tuple(
            Item(r["address"], r["action"], tuple(r["changed"]), tuple(r["forced_by"]), r["reason"])
            for r in (rows if isinstance(rows, list) else [])
        )

    unknown = described.get("unknown")
    return Verdict(
        items("intended"),
        items("unrelated"),
        (),
        tuple(unknown) if isinstance(unknown, list) else (),
        str(described["plan_digest"]),
        str(described["plan_file_sha256"]),
        items("left_out"),
    )
