"""A saved plan: `plan -out FILE` keeps everything that `apply FILE` needs, and nothing else can be applied with it.

The file is a zip: the Terraform plan, both versions of every edited file, and what was judged. Whoever can write the file can write all
of that, so nothing in it is believed that the Terraform plan does not say too: what changes is read from the plan, and the edited files
must be those that the plan was made of. Like Terraform's own plan files it may hold sensitive values, so it is written for its owner only.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from iac_agent.agent import journal, lock
from iac_agent.agent.journal import FileEntry, Run, sha256
from iac_agent.agent.loop import Agent, Prepared, Session
from iac_agent.agent.report import Proof
from iac_agent.errors import PlanChanged, Refused, TerraformFailed, UsageError
from iac_agent.guard import approval
from iac_agent.guard.approval import Subject
from iac_agent.guard.guard import require_allowed
from iac_agent.guard.verdict import Verdict, judge
from iac_agent.hcl.module import RootModule
from iac_agent.planner.protocol import Expectation
from iac_agent.store.audit import Audit, Record, actor
from iac_agent.terraform.models import Plan
from iac_agent.terraform.runner import Terraform

_MEMBER, _PLAN = "iacagent.json", "plan.tfplan"
_VERSION = 2
# Files that Terraform's plan holds a copy of.
_IN_PLAN = (".tf", ".tf.json")


@dataclass(frozen=True)
class Saved:
    """A saved plan whose Terraform plan is the one that was judged. `blobs` are the files that are to be written, by their SHA-256."""

    told: dict[str, Any]
    plan: Plan
    plan_bytes: bytes
    blobs: dict[str, bytes]
    verdict: Verdict

    @property
    def files_sha256(self) -> str:
        rows = sorted((f["path"], f["before"], f["after"]) for f in self.told["files"])
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def save(prepared: Prepared, session: Session, out: Path) -> None:
    """Write the saved plan of a request, replacing `out` atomically."""
    run, root = prepared.run, session.directory
    told = {
        "request": run.request,
        "root_module": session.place,
        "verdict": run.verdict,
        "expects": run.expects,
        "targets": run.targets,
        "requested_by": actor(),
        "files": [{"path": os.path.relpath(f.path, root), "before": f.before, "after": f.after} for f in run.files],
    }
    _write(out, told, run.plan_file, sorted((run.folder / "files").iterdir()))


def save_plan(out: Path, plan_file: Path, verdict: Verdict, request: str, root_module: str, requested_by: str) -> None:
    """Write a saved plan of the configuration as it is, with no edits: of a commit that was reviewed."""
    told = {"request": request, "root_module": root_module, "verdict": verdict.as_json(), "requested_by": requested_by}
    _write(out, {**told, "expects": [], "targets": [], "files": []}, plan_file, ())


def _write(out: Path, told: Mapping[str, Any], plan_file: Path, blobs: Iterable[Path]) -> None:
    """Write a saved plan, replacing `out` atomically."""
    partial = out.with_name(f".{out.name}.partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_MEMBER, json.dumps({"version": _VERSION, **told}))
        archive.write(plan_file, _PLAN)
        for blob in blobs:
            archive.write(blob, f"files/{blob.name}")
    os.replace(partial, out)


def is_saved(path: Path) -> bool:
    """Whether a path is a saved plan of ours (Terraform's own plan files are zips too)."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return _MEMBER in archive.namelist()


def opened(path: Path, terraform: Terraform) -> Saved:
    """A saved plan, checked against the Terraform plan in it. Raises UsageError when it is none of ours, PlanChanged when altered."""
    if not is_saved(path):
        raise UsageError(f"{path} is no saved plan of iacagent", hint="Save one with: iacagent plan REQUEST -out FILE")
    try:
        with zipfile.ZipFile(path) as archive:
            told: dict[str, Any] = json.loads(archive.read(_MEMBER))
            if told.get("version") != _VERSION:
                raise UsageError(f"{path} is a saved plan of another version of iacagent", hint="Plan again.")
            plan_bytes = archive.read(_PLAN)
            names = [n for n in archive.namelist() if n.startswith("files/")]
            blobs = {Path(n).name: archive.read(n) for n in names if sha256(archive.read(n)) == Path(n).name}
        [Expectation(**e) for e in told["expects"]]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / _PLAN
            file.write_bytes(plan_bytes)
            plan = terraform.show_plan(file)
            _require_of_the_plan(path, told, blobs, file)
        return Saved(told, plan, plan_bytes, blobs, _verdict(path, told, plan, sha256(plan_bytes)))
    except (KeyError, ValueError, TypeError, AttributeError, TerraformFailed, zipfile.BadZipFile) as problem:
        raise PlanChanged(f"{path} is damaged: {problem}", hint="Plan again.") from problem


def _require_of_the_plan(path: Path, told: dict[str, Any], blobs: dict[str, bytes], plan: Path) -> None:
    """The files that are to be written are those that the plan was made of, as far as it holds a copy of them."""
    with zipfile.ZipFile(plan) as archive:
        copies = {(Path(n).name, archive.read(n)) for n in archive.namelist() if n.startswith("tfconfig/")}
    for entry in told["files"]:
        content = blobs.get(entry["after"])
        if content is None or (entry["path"].endswith(_IN_PLAN) and (Path(entry["path"]).name, content) not in copies):
            raise PlanChanged(f"{path} is damaged: {entry['path']} is not as it was planned", hint="Plan again.")


def _verdict(path: Path, told: dict[str, Any], plan: Plan, file_hash: str) -> Verdict:
    """What the plan changes, by the plan; what was said of it must be the same."""
    said, found = told["verdict"], judge(plan, None, digest=plan.digest(), file_hash=file_hash)
    rows = {(i["address"], i["action"]) for i in [*said["intended"], *said["unrelated"]]}
    same = (said["plan_digest"], said["plan_file_sha256"]) == (found.digest, file_hash)
    if not same or rows != {(i.address, i.action) for i in found.items}:
        raise PlanChanged(f"{path} does not hold the plan that was judged", hint="Plan again.")
    unrelated = {i["address"] for i in said["unrelated"]}
    return replace(
        found,
        intended=tuple(i for i in found.items if i.address not in unrelated),
        unrelated=tuple(i for i in found.items if i.address in unrelated),
    )


def subject(saved: Saved, audit: Audit, place: str, applier: str = "") -> Subject:
    """What an approval of it must be about. Who asked is who the file names, and who the audit does; who applies it cannot approve it."""
    asked = [str(saved.told.get("requested_by", "")), applier]
    asked += [r.actor for r in _judgements(audit, saved)]
    return Subject(saved.verdict, saved.files_sha256, place, tuple(dict.fromkeys(a for a in asked if a)))


def _judgements(audit: Audit, saved: Saved) -> Iterator[Record]:
    """What the audit says of the making of this plan."""
    return (r for r in audit.records() if r.kind == "verdict" and r.body.get("plan_digest") == saved.verdict.digest)


def apply(agent: Agent, path: Path) -> list[Proof]:
    """Apply a saved plan. Raises PlanChanged when the files or the plan are not those that were judged."""
    session = agent.session
    with lock.held(session.home, f"apply {path}", session.terraform.inputs.lock_timeout):
        left = journal.unfinished(session.home)
        if left is not None:
            raise Refused(f"run {left.id} ({left.request!r}) is unfinished", hint="Run `iacagent resume` first.")
        saved = opened(path, session.terraform)
        if saved.told["root_module"] != session.place:
            raise PlanChanged(f"{path} is for the root module {saved.told['root_module']}", hint=f"Here is {session.place}.")
        run = _prepared(agent, path, saved)
        agent.record(run, "request", {"request": run.request, "saved_plan": sha256(path.read_bytes())})
        try:
            verdict = _judged(agent, run, saved)
            found = approval.read(
                approval.beside(path), subject(saved, session.audit, session.place, actor()), session.approval, datetime.now(UTC)
            )
            _require_known_files(path, saved, session.audit, signed=bool(found.people))
            agent.approve(run, verdict, found)
        except Refused as problem:
            agent.record(run, "refused", {"error": problem.kind, "message": problem.message})
            run.save(status="refused")
            raise
        return agent.execute(run, [Expectation(**e) for e in run.expects], verdict)


def _require_known_files(path: Path, saved: Saved, audit: Audit, *, signed: bool) -> None:
    """Files that Terraform's plan holds no copy of, such as tfvars, are those that were judged: by a signature, or by the audit."""
    if signed or all(f["path"].endswith(_IN_PLAN) for f in saved.told["files"]):
        return
    if not any(r.body.get("files") == saved.told["files"] for r in _judgements(audit, saved)):
        raise PlanChanged(
            f"nothing here says that {path} was planned with these files",
            hint="Apply it where it was planned, or have it signed with `iacagent approve`.",
        )


def _prepared(agent: Agent, path: Path, saved: Saved) -> Run:
    """A run as if it had been planned here. Raises PlanChanged when the user's files are not those that were edited."""
    root, told = agent.session.directory, saved.told
    files = [FileEntry(str((root / f["path"]).resolve()), f["before"], f["after"]) for f in told["files"]]
    for entry in files:
        file = Path(entry.path)
        if (sha256(file.read_bytes()) if file.exists() else "") != entry.before:
            raise PlanChanged(f"{entry.path} was changed since the plan was saved", hint="Plan again.")
        if not file.is_relative_to(root.parent):
            raise PlanChanged(f"{path} is damaged: {entry.path}", hint="Plan again.")
    run = journal.new_run(agent.session.home, told["request"])
    (run.folder / "files").mkdir()
    for name, content in saved.blobs.items():
        (run.folder / "files" / name).write_bytes(content)
    run.plan_file.write_bytes(saved.plan_bytes)
    run.files, run.verdict, run.expects, run.targets = files, told["verdict"], told["expects"], told["targets"]
    run.save()
    return run


def _judged(agent: Agent, run: Run, saved: Saved) -> Verdict:
    """The verdict by the rules of now. Raises PolicyRefused, GateRefused."""
    session = agent.session
    edited = {Path(f.path): saved.blobs[f.after] for f in run.files}
    after = session.guard.require_edits(RootModule(session.directory), edited)
    verdict = session.guard.assess(saved.verdict, saved.plan, after, session.given)
    session.reporter.judged(verdict)
    require_allowed(verdict)
    return verdict
