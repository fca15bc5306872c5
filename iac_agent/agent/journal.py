"""The journal of one run: what will be written, what was written, and how far it came. Survives kill -9 at any point.

Every change of the journal is an atomic replace of one file; every write to a user's file is one too. A later run therefore finds each
file either as it was or exactly as approved, and the journal says which of the two it should be.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from iac_agent.errors import FilesChanged
from iac_agent.hcl.changeset import FileChange
from iac_agent.store.home import Home

UNFINISHED = ("writing", "written", "applying", "applied", "failed")
FINISHED = ("done", "refused", "abandoned", "rolled-back")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that it is old or new, never half: a synced neighbour takes its place. Mode and symlink target are kept."""
    path = path.resolve()
    mode = path.stat().st_mode & 0o7777 if path.exists() else 0o644
    if path.exists() and not os.access(path, os.W_OK):
        raise FilesChanged(f"{path} is read-only", hint="Make it writable and run `iacagent resume`.")
    neighbour = path.with_name(f".{path.name}.{secrets.token_hex(4)}.iacagent")
    try:
        with neighbour.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(neighbour, mode)
        os.replace(neighbour, path)
    except OSError as problem:
        neighbour.unlink(missing_ok=True)
        raise FilesChanged(f"cannot write {path}: {problem}", hint="Fix the permission and run `iacagent resume`.") from problem
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass
class FileEntry:
    """A file the run changes: hashes before and after; `before` is empty for a new file."""

    path: str
    before: str
    after: str


@dataclass
class Run:
    """One run. `status`: planned, approved, writing, written, applying, applied, failed, done, refused, abandoned, rolled-back."""

    id: str
    folder: Path
    request: str = ""
    status: str = "planned"
    files: list[FileEntry] = field(default_factory=list)
    verdict: dict[str, Any] = field(default_factory=dict)
    expects: list[dict[str, Any]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    approved: list[str] = field(default_factory=list)
    undo: list[dict[str, Any]] = field(default_factory=list)
    program: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    pid: int = 0
    error: str = ""
    started: float = field(default_factory=time.time)

    @property
    def plan_file(self) -> Path:
        return self.folder / "plan.tfplan"

    @property
    def log(self) -> Path:
        return self.folder / "apply.jsonl"

    def save(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self, name, value)
        content = {k: v for k, v in asdict(self).items() if k != "folder"}
        replace_file(self.folder / "run.json", json.dumps(content, indent=1).encode())

    # --- the user's files ------------------------------------------------------------------------------------------

    def keep(self, changes: list[FileChange]) -> None:
        """Store both versions of every file, before anything is touched."""
        blobs = self.folder / "files"
        blobs.mkdir(exist_ok=True)
        for change in changes:
            entry = FileEntry(str(change.path), sha256(change.before) if change.before is not None else "", sha256(change.after))
            for digest, data in ((entry.before, change.before), (entry.after, change.after)):
                if data is not None:
                    replace_file(blobs / digest, data)
            self.files.append(entry)

    def write(self) -> None:
        """Bring every file to its approved version. Raises FilesChanged, touching nothing more, when one is neither old nor new."""
        self.require_known()
        self.save(status="writing")
        for entry in self.files:
            if self._current(entry) != entry.after:
                replace_file(Path(entry.path), (self.folder / "files" / entry.after).read_bytes())
        self.save(status="written")

    def roll_back(self) -> None:
        """Bring every file back to the version before the run."""
        self.require_known()
        for entry in self.files:
            if self._current(entry) == entry.before:
                continue
            if entry.before:
                replace_file(Path(entry.path), (self.folder / "files" / entry.before).read_bytes())
            else:
                Path(entry.path).unlink(missing_ok=True)
        self.save(status="rolled-back")

    def require_known(self) -> None:
        """Raise FilesChanged when a file is neither as before the run nor as approved."""
        for entry in self.files:
            if self._current(entry) not in (entry.before, entry.after):
                raise FilesChanged(
                    f"{entry.path} was changed since the plan was made",
                    hint=f"Put it back, or give the run up with `iacagent resume --abandon` (run {self.id}).",
                )

    @staticmethod
    def _current(entry: FileEntry) -> str:
        path = Path(entry.path)
        return sha256(path.read_bytes()) if path.exists() else ""


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def new_run(home: Home, request: str) -> Run:
    stamp = time.strftime("%Y%m%dT%H%M%S")
    identifier = f"{stamp}-{secrets.token_hex(3)}"
    folder = home.runs / identifier
    folder.mkdir(mode=0o700)
    return Run(identifier, folder, request)


def load_runs(home: Home) -> Iterator[Run]:
    """Every run with a journal, oldest first. A folder without one was killed before it mattered."""
    for folder in sorted(home.runs.iterdir()):
        file = folder / "run.json"
        if file.is_file():
            content = json.loads(file.read_text("utf-8"))
            content["files"] = [FileEntry(**f) for f in content["files"]]
            yield Run(folder=folder, **content)


def unfinished(home: Home) -> Run | None:
    """The run that was interrupted after its approval, if there is one."""
    return next((r for r in load_runs(home) if r.status in UNFINISHED), None)


def clean(home: Home, keep: int = 20) -> None:
    """Remove leftovers of runs that never got to writing, what finished runs no longer need, and old runs beyond `keep`.

    Plan files and copies of the user's files may hold secrets: they go as soon as the run is finished.
    """
    known = {r.folder.name: r for r in load_runs(home)}
    for folder in home.runs.iterdir():
        run = known.get(folder.name)
        if run is None or run.status in ("planned", "approved"):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        leftovers = ["shadow", "baseline", "baseline.tfplan", "after.tfplan"]
        if run.status in FINISHED:
            leftovers += ["files", "plan.tfplan"]
        for name in leftovers:
            _remove(folder / name)
    finished = [r for r in known.values() if r.status in FINISHED]
    for run in finished[:-keep]:
        shutil.rmtree(run.folder, ignore_errors=True)
