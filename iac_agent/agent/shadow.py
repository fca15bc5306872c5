"""A shadow of the root module: links to everything, with the edited files real, so that planning never touches the user's files."""

from __future__ import annotations

import os
import re
from pathlib import Path

from iac_agent.hcl.module import RootModule

_OWN = (".iacagent", ".git", ".terraform.tfstate.lock.info")
_UPWARDS = re.compile(rb"(?:\.\./)+")


def cast(root: RootModule, edited: dict[Path, bytes], at: Path) -> Path:
    """Build the shadow below `at`; returns the directory that stands for the root module.

    Ancestors are mirrored as far up as the configuration reaches with `../`, so that relative paths keep their meaning.
    """
    top = root.directory
    for _ in range(_levels(root)):
        top = top.parent
    for path in edited:
        while not path.is_relative_to(top):
            top = top.parent
    real_files = {p.resolve() if p.exists() else p for p in edited}
    need_real = {root.directory, *(a for p in real_files for a in p.parents if a.is_relative_to(top))}
    _mirror(top, at, {p.resolve() if p.exists() else p: d for p, d in edited.items()}, need_real, root.directory)
    return at / root.directory.relative_to(top)


def _levels(root: RootModule) -> int:
    """The longest `../../` in the configuration: how far up it can reach."""
    found = [m.group().count(b"../") for module in root.modules for d in module.documents for m in _UPWARDS.finditer(d.data)]
    reach = max(found, default=0)
    return min(reach, len(root.directory.parts) - 1)


def _mirror(source: Path, target: Path, edited: dict[Path, bytes], need_real: set[Path], root: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in os.scandir(source):
        path = Path(entry.path)
        if entry.name in _OWN:
            continue
        if path in edited:
            continue
        inside = path in need_real or any(a == path for a in root.parents) or path == root
        if entry.is_dir() and not entry.is_symlink() and inside:
            _mirror(path, target / entry.name, edited, need_real, root)
        else:
            (target / entry.name).symlink_to(path)
    for path, data in edited.items():
        if path.parent == source:
            (target / path.name).write_bytes(data)
