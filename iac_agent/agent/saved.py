"""A saved plan: `plan -out FILE` keeps everything that `apply FILE` needs, and nothing else can be applied with it.

The file is a zip: the Terraform plan, both versions of every edited file, and what was judged. Like Terraform's own plan files it may hold
sensitive values, so it is written for its owner only.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

from iac_agent.agent import journal, lock
from iac_agent.agent.journal import FileEntry, Run, sha256
from iac_agent.agent.loop import Agent, Prepared
from iac_agent.agent.report import Proof
from iac_agent.errors import PlanChanged, Refused, UsageError
from iac_agent.guard.verdict import Item, Verdict
from iac_agent.planner.protocol import Expectation

_MEMBER = "iacagent.json"
_VERSION = 1


def save(prepared: Prepared, root: Path, out: Path) -> None:
    """Write the saved plan, replacing `out` atomically."""
    run = prepared.run
    described = {
        "version": _VERSION,
        "request": run.request,
        "root_module": str(root),
        "verdict": run.verdict,
        "expects": run.expects,
        "targets": run.targets,
        "files": [{"path": os.path.relpath(f.path, root), "before": f.before, "after": f.after} for f in run.files],
    }
    partial = out.with_name(f".{out.name}.partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_MEMBER, json.dumps(described))
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
        session.reporter.judged(verdict)
        agent.approve(run, verdict)
        return agent.execute(run, expects, verdict)


def _load(agent: Agent, path: Path) -> tuple[Run, Verdict, list[Expectation]]:
    root = agent.session.directory
    with zipfile.ZipFile(path) as archive:
        described = json.loads(archive.read(_MEMBER))
        if described.get("version") != _VERSION:
            raise UsageError(f"{path} is a saved plan of another version of iacagent", hint="Plan again.")
        run = journal.new_run(agent.session.home, described["request"])
        blobs = run.folder / "files"
        blobs.mkdir()
        for name in archive.namelist():
            if name.startswith("files/") and sha256(archive.read(name)) == Path(name).name:
                (blobs / Path(name).name).write_bytes(archive.read(name))
        run.plan_file.write_bytes(archive.read("plan.tfplan"))
    run.files = [FileEntry(str((root / f["path"]).resolve()), f["before"], f["after"]) for f in described["files"]]
    for entry in run.files:
        current = sha256(Path(entry.path).read_bytes()) if Path(entry.path).exists() else ""
        if current != entry.before:
            raise PlanChanged(f"{entry.path} was changed since the plan was saved", hint="Plan again.")
        if not Path(entry.path).is_relative_to(root.parent) or not (blobs / entry.after).exists():
            raise PlanChanged(f"{path} is damaged: {entry.path}", hint="Plan again.")
    verdict = _verdict(described["verdict"])
    digest = agent.session.terraform.show_plan(run.plan_file).digest()
    if sha256(run.plan_file.read_bytes()) != verdict.file_hash or digest != verdict.digest:
        raise PlanChanged(f"{path} does not hold the plan that was judged", hint="Plan again.")
    run.verdict, run.expects, run.targets = described["verdict"], described["expects"], described["targets"]
    run.save()
    return run, verdict, [Expectation(**e) for e in run.expects]


def _verdict(described: dict[str, object]) -> Verdict:
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
