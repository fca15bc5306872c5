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
from iac_agent.hcl.document import Document
from iac_agent.hcl.module import RootModule, called_from, is_ignored

_CONFIGURATION = (".tf", ".tf.json", ".tofu", ".tofu.json")
_AUTOMATIC = (".auto.tfvars", ".auto.tfvars.json")
_LOCK = ".terraform.lock.hcl"
_LOADED = ("terraform.tfvars", "terraform.tfvars.json", "terraform.tfstate", _LOCK)
# Arguments and functions whose path is a folder, all of which is read.
_WHOLE = ("source_dir",)


@dataclass
class Dependencies:
    """What one root module depends on. `modules` are folders of configuration, `files` single names, `patterns` sets of names."""

    root: str
    modules: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    patterns: list[re.Pattern[str]] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)

    def on(self, name: str) -> bool:
        """Whether a plan may differ when the file of this name differs, comes or goes."""
        folder, _, file = name.rpartition("/")
        if folder in self.modules and is_configuration(file):
            return True
        if folder == self.root and is_loaded(file):
            return True
        if name in self.files or any(p.fullmatch(name) for p in self.patterns):
            return True
        # a submodule, or a link, that holds what is read
        return any(held.startswith(f"{name}/") or held == name for held in (*self.modules, *self.files, *self.folders) if held)


def is_configuration(file: str) -> bool:
    """Whether Terraform reads a file of this name in a folder of configuration."""
    return file.endswith(_CONFIGURATION) and not is_ignored(file)


def is_loaded(file: str) -> bool:
    """Whether Terraform loads a file of this name in a root module, beside its configuration; hidden ones too."""
    return file in _LOADED or file.endswith(_AUTOMATIC)


def of(
    top: Path, place: str, given: Given | None = None, beside: Iterable[str] = (), parsed: dict[Path, Document] | None = None
) -> Dependencies:
    """The dependencies of the root module at `place` in a checkout; `beside` are files of it that flags name (relative to it). `parsed` are
    the documents of the checkout, which are parsed once for all of its root modules.
    """
    top = top.resolve()
    directory = top / place
    found = Dependencies(_name(top, directory))
    found.files |= set(_links(top, directory))
    root = RootModule(directory, {}, parsed if parsed is not None else {})
    folders = reached(root)
    for folder in folders:
        found.modules.add(_name(top, folder))
        for file in folder.iterdir():
            if is_configuration(file.name) or (folder == root.directory and is_loaded(file.name)):
                found.files |= {_name(top, file), *_links(top, file)}
    for folder, held in folders.items():
        for source in (b.arguments.get("source") for b in held.blocks if b.type == "module"):
            target = called_from(folder, source) if isinstance(source, str) else None
            if target is not None:
                found.files |= set(_links(top, Path(os.path.normpath(folder / str(source)))))
                found.modules.add(_name(top, target))
        if any(b.type == "data" and b.labels[:1] == ("external",) for b in held.blocks):  # a program of which nobody knows what it reads
            found.patterns += [_below(_name(top, folder)), _below(found.root)]
    for name in beside:
        found.files |= {_name(top, directory / name), *_links(top, directory / name)}
    try:
        _add_reads(found, top, Reads(Configuration(root, given), folders.values()))
    except (HclError, RecursionError, ValueError, OSError, RuntimeError):  # what cannot be evaluated may read anything
        found.patterns.append(_ANY)
    return found


def _add_reads(found: Dependencies, top: Path, reads: Reads) -> None:
    folders: list[Path] = []  # of a fileset() whose pattern comes next
    ended = False
    listed: list[Read] = []
    for read in reads.every():
        if read.listed:
            listed.append(read)
        elif read.what == PATTERN:
            found.patterns += [_glob(top, f, read.path) if read.known else _below(_name(top, f)) for f in folders]
            ended = True
        elif not read.known:
            folder = _known_part(top, reads, read)
            found.patterns.append(_ANY if folder is None else _below(folder))
        else:
            file = reads.file(read)
            found.files |= set(_links(top, file))
            if read.what == "fileset":
                folders = [*(() if ended else folders), file]
                ended = False
                _add_links_below(found, top, file)
            elif read.what in _WHOLE:
                found.patterns.append(_below(_name(top, file)))
                _add_links_below(found, top, file)
            else:
                found.files.add(_name(top, file))
    for read in listed:  # what is read where fileset() looked is told by its pattern
        folder = _known_part(top, reads, read)
        if folder not in found.folders:
            found.patterns.append(_ANY if folder is None else _below(folder))


def _add_links_below(found: Dependencies, top: Path, folder: Path) -> None:
    """A folder whose files are found: what links in it point to counts as well."""
    found.folders.add(_name(top, folder))
    for where, inner, files in os.walk(folder):
        for name in (*inner, *files):
            link = Path(where) / name
            if link.is_symlink():
                found.files |= {_name(top, link), *_links(top, link)}
                if link.is_dir():
                    found.patterns.append(_below(_name(top, link)))


def _known_part(top: Path, reads: Reads, read: Read) -> str | None:
    """The folder that a path begins with, of which only the beginning is known; None where nothing is."""
    if read.listed and re.fullmatch(r"\w+", read.path):
        return _name(top, reads.file(Read(read.what, read.where, "${path.root}", True, read.folder)))
    start = re.match(r"(?:\$\{path\.(?:module|root|cwd)\}/)?[^$%(){}\[\]?:]*", read.path)
    head = start[0] if start and "/" in start[0] and "${" in read.path else ""
    if not head:
        return None
    return _name(top, reads.file(Read(read.what, read.where, head.rpartition("/")[0], True, read.folder)))


# Any file that is no configuration: where that counts is known.
_ANY = re.compile(r"(?:[^/]+/)*(?![^/]*\.(?:tf|tofu)(?:\.json)?$)[^/]+", re.DOTALL)


def _below(folder: str) -> re.Pattern[str]:
    return re.compile(f"{_escaped(folder)}.*", re.DOTALL)


def _escaped(folder: str) -> str:
    return f"{re.escape(folder)}/" if folder else ""


def _glob(top: Path, folder: Path, pattern: str) -> re.Pattern[str]:
    """The names that a pattern of fileset() finds below a folder; the whole folder for a pattern that is not understood.

    `**` as a whole part stands for any folders, `*` and `?` for what is within a name, `{a,b}` for either; both are cleaned together.
    Source: https://pkg.go.dev/github.com/bmatcuk/doublestar, which fileset() uses.
    """
    steps = os.path.normpath(f"{_FIXED}/{pattern}").split("/")
    if steps[:1] == [_FIXED]:
        base, steps = _name(top, folder), steps[1:]
    else:  # the pattern leads out of the folder
        base, steps = _name(top, Path(os.path.normpath(folder / ".."))), [s for s in steps if s != ".."]
    try:
        parts = ["(?:[^/]+/)*" if s == "**" else _step(s) + ("/" if n < len(steps) - 1 else "") for n, s in enumerate(steps)]
        return re.compile(_escaped(base) + "".join(parts) + ("[^/]+" if steps[-1:] == ["**"] else ""), re.DOTALL)
    except re.error:
        return _below(base)


_FIXED = "\N{SYMBOL FOR NULL}"
_MOST_STARS = 4


def _step(step: str) -> str:
    """One part of a pattern; one with so many stars that matching takes for ever is taken for a single star."""
    if step.count("*") > _MOST_STARS:
        return "[^/]*"
    out, depth = "", 0
    for part in re.findall(r"\\.|\*+|\?|\{|\}|,|\[[^\]]+\]|[^*?{},\[\\]+|.", step, re.DOTALL):
        match part[0]:
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
            case "[" if len(part) > 2:
                out += part.replace("[!", "[^")
            case _:
                out += re.escape(part[1:] if part[0] == "\\" and len(part) > 1 else part)
    return out + ")" * depth


def _name(top: Path, file: Path) -> str:
    """A path as git names it, links followed; one outside of the repository as a name that git never lists."""
    try:
        return _relative(top, file.resolve())
    except (OSError, RuntimeError, ValueError):  # too long, links in a circle, a null byte
        return _relative(top, Path(str(file).replace("\0", "?")))


def _links(top: Path, file: Path) -> Iterator[str]:
    """The links on the way to a file, and on the way of what they point to, as git names them: they are part of what is read."""
    waiting = list(file.parts[:0:-1])
    here, followed = Path(file.anchor), 0
    while waiting and followed < _MOST_LINKS:
        step = waiting.pop()
        here = here.parent if step == ".." else here / step
        try:
            if not here.is_symlink():
                continue
            target = Path(os.readlink(here))
        except (OSError, ValueError):
            return
        yield _relative(top, here)
        followed += 1
        waiting += reversed([p for p in target.parts if p != target.anchor])
        here = Path(target.anchor) if target.is_absolute() else here.parent


_MOST_LINKS = 40  # as many as Linux follows


def _relative(top: Path, file: Path) -> str:
    name = os.path.relpath(file, top).replace(os.sep, "/")
    return "" if name == "." else name
