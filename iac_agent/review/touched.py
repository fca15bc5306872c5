"""Which root modules a change touches: those whose plan may be another one, by what they read before the change or after it."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from iac_agent.guard.constructs import Folder, folder_of
from iac_agent.hcl.configuration import Given
from iac_agent.hcl.document import Document
from iac_agent.hcl.module import RootModule, called_from
from iac_agent.review import dependencies
from iac_agent.review.dependencies import Dependencies, is_configuration, is_loaded

_SKIPPED = {".git", ".terraform", ".iacagent", "node_modules"}
_OWN = ("backend", "cloud")
_MAKES = ("resource", "data", "module", "output", "provider", "ephemeral", "removed", "check", "import", "moved")


@dataclass(frozen=True)
class Pattern:
    """Root modules as the configuration names them: a pattern of their places, the workspaces that are planned, files of variables and of
    the backend (relative to the root module; `{workspace}` stands for the workspace).
    """

    path: str
    workspaces: tuple[str, ...] = ("",)
    var_files: tuple[str, ...] = ()
    backend: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """One thing to plan: a root module by its place in the repository (`.` for its top), in a workspace (empty: as it is)."""

    place: str
    workspace: str = ""
    var_files: tuple[str, ...] = ()
    backend: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.place} ({self.workspace})" if self.workspace else self.place

    def given(self, directory: Path) -> Given:
        """What flags and files say about its variables."""
        files = tuple(str(directory / f) for f in self.var_files if (directory / f).is_file())
        return Given(files=files, workspace=self.workspace or "default")


@dataclass(frozen=True)
class Touched:
    """A target that a change touches, and by which files; `gone` when its root module is not there any more, `new` when it was not.

    `was` is the place that it was moved from: its backend tells that it is the same.
    """

    target: Target
    by: tuple[str, ...]
    gone: bool = False
    new: bool = False
    was: str = ""

    @property
    def before(self) -> Target:
        """The target as the base knows it."""
        return replace(self.target, place=self.was) if self.was else self.target


@dataclass(frozen=True)
class Change:
    """What a change touches, and the files of Terraform in it that no root module reads."""

    touched: tuple[Touched, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass
class Repository:
    """One revision of a repository, checked out at `top`, with the root modules in it."""

    top: Path
    patterns: Sequence[Pattern] = ()
    _known: dict[Target, Dependencies] = field(default_factory=dict)
    _parsed: dict[Path, Document] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.top = self.top.resolve()
        self.places = root_modules(self.top, self._parsed)
        self.targets = list(dict.fromkeys(t for p in self.places for t in self._targets(p)))

    def _targets(self, place: str) -> Iterator[Target]:
        fitting = [p for p in self.patterns if fnmatch.fnmatchcase(place, p.path)]
        if not self.patterns:
            yield Target(place)
        for pattern in fitting[:1]:
            for workspace in pattern.workspaces or ("",):
                var_files, backend = (
                    tuple(f.replace("{workspace}", workspace) for f in files) for files in (pattern.var_files, pattern.backend)
                )
                yield Target(place, workspace, var_files, backend)

    def reads(self, target: Target) -> Dependencies:
        """What the target depends on in this revision."""
        if target not in self._known:
            given = target.given(self.top / target.place)
            self._known[target] = dependencies.of(self.top, target.place, given, (*target.var_files, *target.backend), self._parsed)
        return self._known[target]

    def holds(self, place: str) -> bool:
        """Whether there is configuration at a place, whatever it is."""
        directory = self.top / place
        return directory.is_dir() and any(is_configuration(f.name) for f in directory.iterdir())

    def backend(self, place: str) -> str:
        """What a root module says about its backend; empty where that does not tell it from others."""
        directory = self.top / place
        folder = folder_of(RootModule(directory, {}, self._parsed), directory)
        return "".join(f"{b.labels} {b.arguments}" for b in folder.blocks if b.type in _OWN and b.arguments)


def touched(before: Repository, after: Repository, changed: Collection[str]) -> Change:
    """The targets that these changed files touch, in the order of their places. A renamed file is two: its old and its new name."""
    found = []
    read: set[str] = set()
    for target in dict.fromkeys((*after.targets, *before.targets)):
        held = [r for r in (before, after) if r.holds(target.place)]
        by = {n for n in changed if any(r.reads(target).on(n) for r in held)}
        if by:
            found.append(Touched(target, tuple(sorted(map(_told, by))), gone=after not in held, new=before not in held))
            read |= by
    found = sorted(_joined(found, before, after), key=lambda t: (t.target.place, t.target.workspace))
    unread = sorted(_told(n) for n in set(changed) - read if _is_terraform(n))
    return Change(tuple(found), tuple(unread))


def _joined(found: Sequence[Touched], before: Repository, after: Repository) -> Iterator[Touched]:
    """What goes and what is new with the same backend is one root module that moved."""
    gone = {(before.backend(t.target.place), t.target.workspace): t for t in found if t.gone}
    moved = {
        t.target: gone[key] for t in found if t.new and (key := (after.backend(t.target.place), t.target.workspace))[0] and key in gone
    }
    for one in found:
        if one.target in moved:
            by = tuple(sorted({*one.by, *moved[one.target].by}))
            yield replace(one, new=False, was=moved[one.target].target.place, by=by)
        elif one not in moved.values():
            yield one


def _told(name: str) -> str:
    """A name of a file that can be written, whatever bytes it has."""
    return name.encode("utf-8", "replace").decode()


def _is_terraform(name: str) -> bool:
    file = name.rpartition("/")[2]
    return is_configuration(file) or is_loaded(file) or file.endswith((".tfvars", ".tfvars.json"))


def root_modules(top: Path, parsed: dict[Path, Document] | None = None) -> list[str]:
    """The places of the root modules in a repository: folders of configuration that have a backend, and those that no other folder calls.

    What stands below a folder named `modules` is one only with a sign of it: a provider's configuration, a lock file, variable files.
    """
    parsed = parsed if parsed is not None else {}
    folders = {d: folder_of(RootModule(d, {}, parsed), d) for d in _configured(top)}
    called = {c for d, f in folders.items() for c in _calls(d, f)}
    found = [d for d, f in folders.items() if _is_root(top, d, f, called)]
    linked = [link for link, target in _linked(top) if target in found]
    return sorted(d.relative_to(top).as_posix() for d in (*found, *linked))


def _linked(top: Path) -> Iterator[tuple[Path, Path]]:
    """Links to folders, with what they lead to: a root module may be planned where it is linked, too."""
    for folder, inner, _ in os.walk(top):
        inner[:] = [d for d in inner if d not in _SKIPPED]
        for link in (Path(folder) / d for d in inner):
            if link.is_symlink():
                yield link, Path(os.path.realpath(link))


def _configured(top: Path) -> Iterator[Path]:
    for folder, inner, files in os.walk(top):
        inner[:] = sorted(d for d in inner if d not in _SKIPPED)
        if any(is_configuration(f) for f in files if not (Path(folder) / f).is_dir()):
            yield Path(folder)


def _calls(directory: Path, folder: Folder) -> Iterator[Path]:
    for block in folder.blocks:
        source = block.arguments.get("source") if block.type == "module" else None
        target = called_from(directory, source) if isinstance(source, str) else None
        if target is not None:
            yield target


def _is_root(top: Path, directory: Path, folder: Folder, called: Iterable[Path]) -> bool:
    kinds = {b.type for b in folder.blocks}
    if kinds.intersection(_OWN):
        return True
    if directory in called:
        return False
    signed = "provider" in {b.type for b in folder.constructs} or any(is_loaded(f.name) for f in directory.iterdir())
    makes = bool(folder.unread) or not kinds.isdisjoint(_MAKES)  # what cannot be read may make anything
    return signed or (makes and "modules" not in directory.relative_to(top).parts[:-1])
