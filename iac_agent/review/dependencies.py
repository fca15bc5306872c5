"""What Terraform reads when it plans a root module: folders of configuration, variable files, links on the way, files that functions read.

Names are those of git: relative to the top of the repository, with `/`. A name that git would list as changed is asked of `Dependencies`.
Sources: https://developer.hashicorp.com/terraform/language/files, .../language/values/variables#variable-definitions-tfvars-files
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from iac_agent.errors import HclError
from iac_agent.guard.constructs import reached
from iac_agent.guard.reads import PATTERN, Read, Reads
from iac_agent.hcl.configuration import Configuration, Given
from iac_agent.hcl.module import RootModule, is_ignored

_CONFIGURATION = (".tf", ".tf.json", ".tofu", ".tofu.json")
_AUTOMATIC = (".auto.tfvars", ".auto.tfvars.json")
_LOCK = ".terraform.lock.hcl"
_LOADED = ("terraform.tfvars", "terraform.tfvars.json", _LOCK)
# Arguments and functions whose path is a folder, all of which is read.
_WHOLE = ("source_dir",)


@dataclass
class Dependencies:
    """What one root module depends on. `modules` are folders of configuration, `files` single names, `patterns` sets of names."""

    root: str
    modules: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    patterns: list[re.Pattern[str]] = field(default_factory=list)

    def on(self, name: str) -> bool:
        """Whether a plan may differ when the file of this name differs, comes or goes."""
        folder, _, file = name.rpartition("/")
        if folder in self.modules and is_configuration(file):
            return True
        if folder == self.root and is_loaded(file):
            return True
        if name in self.files or any(p.fullmatch(name) for p in self.patterns):
            return True
        return any(f"{held}/".startswith(f"{name}/") for held in self.modules if held)


def is_configuration(file: str) -> bool:
    """Whether Terraform reads a file of this name in a folder of configuration."""
    return file.endswith(_CONFIGURATION) and not is_ignored(file)


def is_loaded(file: str) -> bool:
    """Whether Terraform loads a file of this name in a root module, beside its configuration."""
    return file in _LOADED or (file.endswith(_AUTOMATIC) and not is_ignored(file))


def of(top: Path, place: str, given: Given | None = None, beside: Iterable[str] = ()) -> Dependencies:
    """The dependencies of the root module at `place` in a checkout; `beside` are files of it that flags name (relative to it)."""
    top = top.resolve()
    directory = top / place
    found = Dependencies(place if place != "." else "")
    root = RootModule(directory)
    folders = reached(root)
    for folder in folders:
        found.modules.add(_name(top, folder))
        for file in folder.iterdir():
            if is_configuration(file.name) or (folder == root.directory and is_loaded(file.name)):
                found.files |= {_name(top, file), *_links(top, file)}
    for folder, held in folders.items():
        for source in (b.arguments.get("source") for b in held.blocks if b.type == "module"):
            if isinstance(source, str) and source.startswith(("./", "../")):
                found.files |= set(_links(top, folder / source))
                found.modules.add(_name(top, folder / source))
    for name in beside:
        found.files |= {_name(top, directory / name), *_links(top, directory / name)}
    try:
        reads = Reads(Configuration(root, given), folders.values())
        _add_reads(found, top, root, reads)
    except HclError:  # what is broken is planned, and told then
        found.patterns.append(_below(found.root))
    return found


def _add_reads(found: Dependencies, top: Path, root: RootModule, reads: Reads) -> None:
    folders: list[str] = []  # of a fileset() whose pattern comes next
    ended = False
    for read in reads.every():
        if read.what == PATTERN:
            pattern = _translated(read.path) if read.known else ".*"
            found.patterns += [re.compile(_escaped(f) + pattern) for f in folders]
            ended = True
        elif not read.known:
            found.patterns.append(_partly_known(top, root, reads, read))
        else:
            file = reads.file(read)
            found.files |= set(_links(top, file))
            if read.what == "fileset":
                folders = [*(() if ended else folders), _name(top, file)]
                ended = False
            elif read.what in _WHOLE:
                found.patterns.append(_below(_name(top, file)))
            else:
                found.files.add(_name(top, file))


def _partly_known(top: Path, root: RootModule, reads: Reads, read: Read) -> re.Pattern[str]:
    """The names that a path may be of which only the beginning is known; where nothing is, any file of the root module."""
    start = re.match(r"(?:\$\{path\.(?:module|root|cwd)\}/)?[^$%(){}]*", read.path)
    head = start[0] if start and "/" in start[0] and "$" in read.path else ""
    if not head:
        return _below(_name(top, root.directory))
    known = Read(read.what, read.where, head.rpartition("/")[0], True, read.folder)
    return _below(_name(top, reads.file(known)))


def _below(folder: str) -> re.Pattern[str]:
    return re.compile(f"{_escaped(folder)}.*", re.DOTALL)


def _escaped(folder: str) -> str:
    return f"{re.escape(folder)}/" if folder else ""


def _translated(pattern: str) -> str:
    """A pattern of fileset() as a regular expression: `**` any folders, `*` and `?` within a name, `{a,b}` either.

    Source: https://pkg.go.dev/github.com/bmatcuk/doublestar, which fileset() uses.
    """
    out, depth = "", 0
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\{|\}|,|\[[^\]]*\]|[^*?{},\[]+|\[", pattern):
        match part:
            case "**/":
                out += r"(?:[^/]+/)*"
            case "**":
                out += ".*"
            case "*":
                out += "[^/]*"
            case "?":
                out += "[^/]"
            case "{":
                out, depth = f"{out}(?:", depth + 1
            case "}" if depth:
                out, depth = f"{out})", depth - 1
            case "," if depth:
                out += "|"
            case _:
                out += part if part.startswith("[") and len(part) > 1 else re.escape(part)
    return out + ")" * depth


def _name(top: Path, file: Path) -> str:
    """A path as git names it, links followed; one outside of the repository as a name that git never lists."""
    return _relative(top, file.resolve())


def _links(top: Path, file: Path) -> Iterator[str]:
    """The links on the way to a file, as git names them: what they point to is part of what is read."""
    here = Path(file.anchor)
    for part in file.parts[1:]:
        here = here.parent if part == ".." else here / part
        for _ in range(40):  # as many as Linux follows
            if not here.is_symlink():
                break
            yield _relative(top, here)
            here = Path(os.path.normpath(here.parent / os.readlink(here)))


def _relative(top: Path, file: Path) -> str:
    name = os.path.relpath(file, top).replace(os.sep, "/")
    return "" if name == "." else name
