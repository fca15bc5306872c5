"""Reviewed plans, kept encrypted until they are applied: a plan holds values that are sensitive, and whoever could change it would change
what is applied.

Each is bound to the commit, the base and the serial of the state. The encryption is Fernet (AES-128-CBC with HMAC-SHA256,
https://github.com/fernet/spec) with a key that is derived from a secret by HKDF, so that a file that was altered does not open.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from iac_agent.agent.journal import replace_file
from iac_agent.errors import PlanChanged, UsageError
from iac_agent.review.touched import Target

KEY = "IACAGENT_KEEP_KEY"
_LEAST = 32


@dataclass(frozen=True)
class Binding:
    """What a kept plan is for, and what it was made of. `made` is ISO 8601 in UTC; `ruled` is the place of the base whose rules hold.

    `beside` are addresses that the plan would change without the pull request too; `undo`: it goes back to the base.
    """

    repository: str
    number: int
    place: str
    workspace: str
    var_files: tuple[str, ...]
    backend: tuple[str, ...]
    head: str
    base: str
    serial: int | None
    digest: str
    author: str
    made: str
    ruled: str
    beside: tuple[str, ...] = ()
    undo: bool = False

    @property
    def target(self) -> Target:
        return Target(self.place, self.workspace, tuple(self.var_files), tuple(self.backend))


@dataclass(frozen=True)
class Kept:
    """A kept plan, opened: what it is bound to, and the saved plan."""

    binding: Binding
    saved: bytes


class Plans:
    """The kept plans of one repository, in a folder."""

    def __init__(self, folder: Path, told: Mapping[str, str], repository: str) -> None:
        """Raises UsageError when the environment holds no secret that is long enough."""
        secret = told.get(KEY, "")
        if len(secret) < _LEAST:
            raise UsageError(
                f"{KEY} is {'too short' if secret else 'not set'}: plans are kept encrypted with it",
                hint=f"At least {_LEAST} characters, as from: openssl rand -base64 48",
            )
        derived = HKDF(SHA256(), 32, salt=None, info=b"iacagent reviewed plan 1").derive(secret.encode())
        self._cipher = Fernet(base64.urlsafe_b64encode(derived))
        self.folder, self.repository = folder, repository

    def keep(self, binding: Binding, saved: bytes) -> Path:
        """Keep a plan in place of the one that was kept for the same target."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._file(binding)
        head = json.dumps(asdict(binding)).encode()
        replace_file(file, self._cipher.encrypt(head + b"\n" + saved))
        os.chmod(file, 0o600)
        return file

    def of(self, number: int, *, undo: bool = False) -> list[Kept]:
        """The plans of a pull request; with `undo` those that go back. Raises PlanChanged for one that was altered, or has another key."""
        found = (self._opened(f, number) for f in self.folder.glob(f"{number}-{_kind(undo)}-*.plan"))
        return sorted(found, key=lambda k: k.binding.target.name)

    def drop(self, number: int, binding: Binding | None = None) -> None:
        """Forget one plan, or all of a pull request."""
        for file in self.folder.glob(f"{number}-*.plan") if binding is None else (self._file(binding),):
            file.unlink(missing_ok=True)

    def _file(self, binding: Binding) -> Path:
        name = hashlib.sha256(binding.target.name.encode()).hexdigest()[:16]
        return self.folder / f"{binding.number}-{_kind(binding.undo)}-{name}.plan"

    def _opened(self, file: Path, number: int) -> Kept:
        try:
            head, _, saved = self._cipher.decrypt(file.read_bytes()).partition(b"\n")
            binding = Binding(**json.loads(head))
        except (InvalidToken, ValueError, TypeError) as problem:
            raise PlanChanged(
                "the kept plan cannot be opened: it was altered, or kept with another key", hint="Plan again: /iacagent plan"
            ) from problem
        if (binding.repository, binding.number) != (self.repository, number) or file != self._file(binding):
            raise PlanChanged("the kept plan is for another pull request", hint="Plan again: /iacagent plan")
        return Kept(binding, saved)


def _kind(undo: bool) -> str:
    return "undo" if undo else "plan"


@dataclass(frozen=True)
class Now:
    """How things stand where a kept plan is to be applied."""

    head: str
    base: str
    serial: int | None
    moment: datetime


def moved(binding: Binding, now: Now, hours: float) -> list[str]:
    """What moved since the plan was reviewed, each in a sentence; nothing when it may be applied."""
    found = []
    if binding.head != now.head and not binding.undo:
        found.append(f"the branch moved from {binding.head[:12]} to {now.head[:12]}")
    if binding.base != now.base:
        found.append(f"the base moved from {binding.base[:12]} to {now.base[:12]}")
    if binding.serial != now.serial:
        found.append(f"the state moved from serial {_serial(binding.serial)} to {_serial(now.serial)}")
    if now.moment > datetime.fromisoformat(binding.made) + timedelta(hours=hours):
        found.append(f"the plan is older than {hours:g} hours")
    return found


def _serial(serial: int | None) -> str:
    return "none" if serial is None else str(serial)


def moment() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
