"""git in one directory: the real program, its answers as text, its failures as one error."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from iac_agent.errors import GitFailed

IDENTITY = {
    "GIT_AUTHOR_NAME": "iacagent",
    "GIT_AUTHOR_EMAIL": "iacagent@localhost",
    "GIT_COMMITTER_NAME": "iacagent",
    "GIT_COMMITTER_EMAIL": "iacagent@localhost",
}


class Git:
    """git in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def told(
        self,
        *arguments: str,
        stdin: bytes = b"",
        extra: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (0,),
    ) -> str:
        """What git prints, without the last line end. Raises GitFailed."""
        return self.run(*arguments, stdin=stdin, extra=extra, accept=accept).stdout.decode("utf-8", "replace").strip()

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        extra: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (0,),
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git; its output as bytes. Raises GitFailed for an exit code that is not accepted."""
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=self.directory, env={**os.environ, **(extra or {})}, input=stdin, capture_output=True, check=False
            )
        except FileNotFoundError as problem:
            raise GitFailed("git is not installed", hint="Install it: branches and reviews need it.") from problem
        if done.returncode not in accept:
            why = done.stderr.decode("utf-8", "replace").strip().splitlines()
            told = why[0] if why else f"exit {done.returncode}"
            raise GitFailed(f"git {arguments[0]}: {told}", hint=f"Looked at in {self.directory}; a git repository is needed.")
        return done
