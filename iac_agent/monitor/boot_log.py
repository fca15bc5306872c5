"""The serial log of a machine, and the line of it that tells why it did not come up.

Source: retrieveBootDiagnosticsData of Microsoft.Compute 2024-03-01. The text of the log is data: it is shown, never followed.
"""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from iac_agent.azure.clients import AzureClients, translated
from iac_agent.errors import AzureError, AzureRejected, NoTelemetry
from iac_agent.guard import redact
from iac_agent.monitor.targets import Target

_SECONDS, _MOST = 30, 8 * 1024 * 1024
_BOOT = re.compile(r"Linux version \d|^--- boot ", re.MULTILINE)
# The first pattern that a boot matches names its cause; what is more fundamental stands first.
_CAUSES: list[tuple[str, str, re.Pattern[str], str]] = [
    ("kernel-panic", "kernel panic", re.compile(r"Kernel panic - not syncing.*|VFS: (?:Cannot open|Unable to mount) root.*"),
     "The kernel found no root file system: attach the OS disk to a rescue machine (az vm repair) and rebuild the initramfs or fix root=."),
    ("full-disk", "no space left on the disk", re.compile(r".*No space left on device.*"),
     "Grow the OS disk, or free space from a rescue machine (az vm repair)."),
    ("fstab", "a file system in /etc/fstab that could not be mounted",
     re.compile(r".*(?:Timed out waiting for device.*|Dependency failed for (?:\S+\.mount|/\S*).*|You are in emergency mode.*)"),
     "Correct /etc/fstab from a rescue machine; mark data disks `nofail`."),
    ("cloud-init", "cloud-init that failed",
     re.compile(r".*(?:Failed loading yaml blob.*|failed run of stage.*|cloud-init.*(?:Traceback|ERROR|CRITICAL).*)"),
     "Correct the cloud-init (custom_data); its change replaces the machine."),
    ("grub", "a boot loader that could not go on", re.compile(r".*(?:grub rescue>|error: (?:unknown filesystem|no such partition)).*"),
     "Reinstall the boot loader from a rescue machine (az vm repair)."),
]  # fmt: skip
_STAMP = re.compile(r"^\[\s*\d+\.\d+\]\s*")
_LOGIN = re.compile(r"\S+ login: *$", re.MULTILINE)


@dataclass(frozen=True)
class BootLog:
    """The log of the last boot. `cause` is empty for a boot that went well or says nothing; `line` counts from 1 in `text`."""

    target: Target
    text: str
    cause: str = ""
    reason: str = ""
    line: int = 0
    failing: str = ""
    advice: str = ""
    came_up: bool = False

    def verdict(self) -> str:
        if self.cause:
            return f"{self.target.name} did not come up because of {self.reason}: line {self.line}: {self.failing.rstrip('.')}"
        if self.came_up:
            return f"{self.target.name} came up: its log ends at the login prompt"
        return f"The serial log of {self.target.name} shows no known failure and no login prompt"

    def around(self, lines: int = 3) -> list[tuple[int, str]]:
        """Lines around the failing one, numbered; the last ones where none fails."""
        every = self.text.splitlines()
        middle = self.line - 1 if self.line else len(every) - 1
        first, last = max(0, middle - lines), min(len(every), middle + lines + 1)
        return list(enumerate(every[first:last], first + 1))

    def as_json(self) -> dict[str, Any]:
        held = {k: v for k, v in vars(self).items() if k not in ("target", "text")}
        return {
            "resource": self.target.id,
            "address": self.target.address,
            "verdict": self.verdict(),
            **held,
            "lines": self.text.splitlines(),
        }


def read(clients: AzureClients, target: Target) -> BootLog:
    """The log of the last boot of a machine. Raises NoTelemetry where boot diagnostics are off, AzureError."""
    try:
        with translated(f"boot diagnostics of {target.name}"):
            places = clients.compute.virtual_machines.retrieve_boot_diagnostics_data(target.group, target.name)
    except AzureRejected as problem:
        if "oot diagnostics" not in problem.message:
            raise
        raise NoTelemetry(
            f"boot diagnostics are off for {target.shown()}, so there is no serial log",
            hint='Turn them on: iacagent apply "enable boot diagnostics for ..."; the log begins with the next boot.',
        ) from problem
    return examined(target, _downloaded(str(places.serial_console_log_blob_uri), clients.cloud.verify))


def screenshot(clients: AzureClients, target: Target) -> bytes:
    """The picture of the machine's screen, a BMP as Azure keeps it. Raises AzureError."""
    with translated(f"boot diagnostics of {target.name}"):
        places = clients.compute.virtual_machines.retrieve_boot_diagnostics_data(target.group, target.name)
    return _fetched(str(places.console_screenshot_blob_uri), clients.cloud.verify)


def examined(target: Target, text: str) -> BootLog:
    """Find what went wrong in the last boot of a log. Secrets in it are masked."""
    text = "\n".join(redact.text(line) for line in text.splitlines())
    starts = [m.start() for m in _BOOT.finditer(text)]
    last = text[max((s for s in starts if text[s:].startswith("--- boot")), default=starts[-1] if starts else 0) :]
    came_up = _LOGIN.search(last) is not None
    for cause, reason, pattern, advice in _CAUSES:
        for number, line in enumerate(last.splitlines(), 1):
            match = pattern.search(line)
            if match:
                return BootLog(target, last, cause, reason, number, _STAMP.sub("", match[0]).strip(), advice, came_up=False)
    return BootLog(target, last, came_up=came_up)


def _downloaded(url: str, verify: str | bool) -> str:
    return _fetched(url, verify).decode("utf-8", "replace")


def _fetched(url: str, verify: str | bool) -> bytes:
    context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS, context=context) as answer:
            content: bytes = answer.read(_MOST)
            return content
    except (OSError, urllib.error.URLError) as problem:
        raise AzureError(f"the boot diagnostics could not be downloaded: {problem}", hint="Check the network.") from problem
