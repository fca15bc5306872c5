"""Terraform's diagnostics as typed errors: from `-json` messages, or from the boxes it prints for people."""

from __future__ import annotations

import json
import re
from typing import Any

from iac_agent.errors import AlreadyExists, Diagnostic, NotInitialised, StalePlan, StateLocked, TerraformFailed

_BOX = re.compile(r"^[│╷╵|] ?", re.MULTILINE)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_HEAD = re.compile(r"^(?:Error|Warning): (?P<summary>.+?)\n(?P<rest>.*?)(?=^(?:Error|Warning): |\Z)", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r"\bon (?P<file>\S+) line (?P<line>\d+)")
_WITH = re.compile(r"^\s*with (?P<address>[^,\n]+)", re.MULTILINE)
_CONTEXT = re.compile(r'resource "([^"]+)" "([^"]+)"')
_KINDS: tuple[tuple[type[TerraformFailed], re.Pattern[str]], ...] = (
    (StateLocked, re.compile(r"Error acquiring the state lock|state lock", re.IGNORECASE)),
    (StalePlan, re.compile(r"Saved plan is stale|plan file is stale", re.IGNORECASE)),
    (AlreadyExists, re.compile(r"resource with the ID .* already exists", re.IGNORECASE)),
    (
        NotInitialised,
        re.compile(
            r"Module not installed|Backend initialization required|Required plugins are not installed|"
            r"Inconsistent dependency lock file|please run .?(?:terraform|tofu) init|Initialization required|Missing required provider|"
            r"Provider requirements cannot be satisfied",
            re.IGNORECASE,
        ),
    ),
)


def from_message(message: dict[str, Any]) -> Diagnostic | None:
    """The diagnostic in one `-json` message, or None."""
    found = message.get("diagnostic")
    if not isinstance(found, dict):
        return None
    place = found.get("range") or {}
    block = _CONTEXT.match(str((found.get("snippet") or {}).get("context") or ""))
    return Diagnostic(
        found.get("severity", "error"),
        found.get("summary", ""),
        found.get("detail", ""),
        found.get("address", "") or (f"{block[1]}.{block[2]}" if block else ""),
        place.get("filename", ""),
        int((place.get("start") or {}).get("line", 0)),
    )


def from_text(text: str) -> list[Diagnostic]:
    """The errors in Terraform's output for people."""
    plain = _BOX.sub("", _ANSI.sub("", text))
    found = []
    for match in _HEAD.finditer(plain):
        if not plain[match.start() :].startswith("Error"):
            continue
        rest = match["rest"]
        place, address = _PLACE.search(rest), _WITH.search(rest)
        paragraphs = [p.strip() for p in rest.split("\n\n") if p.strip() and not _PLACE.search(p) and not _WITH.search(p)]
        found.append(
            Diagnostic(
                "error",
                match["summary"].strip(),
                " ".join(" ".join(paragraphs).split()),
                address["address"].strip() if address else "",
                place["file"] if place else "",
                int(place["line"]) if place else 0,
            )
        )
    return found


def from_lines(lines: list[str]) -> list[Diagnostic]:
    """Every error in a run's output, whichever form it has."""
    found, text = [], []
    for line in lines:
        message = parse_line(line)
        if message is None:
            text.append(line)
        elif (diagnostic := from_message(message)) and diagnostic.severity == "error":
            found.append(diagnostic)
    return found or from_text("\n".join(text))


def parse_line(line: str) -> dict[str, Any] | None:
    """One `-json` message; None for anything else."""
    if not line.startswith("{"):
        return None
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def failure(command: str, returncode: int, lines: list[str], errors: str) -> TerraformFailed:
    """The error for a failed command, of the kind its diagnostics tell."""
    found = from_lines(lines) or from_text(errors)
    text = " ".join(f"{d.summary} {d.detail}" for d in found) or errors
    kind = next((k for k, pattern in _KINDS if pattern.search(text)), TerraformFailed)
    return kind(command, returncode, found, errors or "\n".join(lines))
