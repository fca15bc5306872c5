"""Other tools' rules as findings of the same form: conftest or OPA with the repository's Rego, and checkov, where they are installed.

What is configured and cannot be run is unknown, never passed over. Sources: https://www.conftest.dev/options, https://www.openpolicyagent.org/docs/cli
and https://www.checkov.io/2.Basics/Reviewing%20Scan%20Results.html
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iac_agent.guard.check import Finding
from iac_agent.guard.planned import World
from iac_agent.guard.policy import Ruling, Severity
from iac_agent.terraform.models import Plan

_SECONDS = 600
_CONFTEST, _CHECKOV = "https://www.conftest.dev", "https://www.checkov.io"


@dataclass(frozen=True)
class Conftest:
    """Judges by Rego policies in a folder: by conftest, else by opa (`data.main.deny` and `data.main.warn`)."""

    folder: Path

    def __call__(self, plan: Plan, after: World, before: World) -> list[Finding]:
        program = next((p for p in ("conftest", "opa") if shutil.which(p)), "")
        if not program:
            return [_unknown("CONFTEST", "neither conftest nor opa is installed", _CONFTEST)]
        with _on_disk(plan) as file:
            if program == "conftest":
                arguments = ["conftest", "test", "--output", "json", "--all-namespaces", "--policy", str(self.folder), file]
            else:
                arguments = ["opa", "eval", "--format", "json", "--data", str(self.folder), "--input", file, "data.main"]
            return _run("CONFTEST", arguments, _of_conftest if program == "conftest" else _of_opa, _CONFTEST)


@dataclass(frozen=True)
class Checkov:
    """Judges by the rules that checkov ships. `where` is the directory whose .checkov.yaml counts."""

    where: Path

    def __call__(self, plan: Plan, after: World, before: World) -> list[Finding]:
        if not shutil.which("checkov"):
            return [_unknown("CHECKOV", "checkov is not installed", _CHECKOV)]
        with _on_disk(plan) as file:
            arguments = ["checkov", "--file", file, "--framework", "terraform_plan", "--output", "json", "--quiet", "--compact"]
            return _run("CHECKOV", arguments, _of_checkov, _CHECKOV, self.where)


@contextmanager
def _on_disk(plan: Plan) -> Iterator[str]:
    """The plan as a file that only its owner reads, for as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan.json"
        descriptor = os.open(file, os.O_CREAT | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump(plan.model_dump(mode="json"), stream)
        yield str(file)


def _run(rule: str, arguments: list[str], read: Any, source: str, where: Path | None = None) -> list[Finding]:
    """The findings of a tool. Any answer that is not understood is unknown."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=_SECONDS, check=False, cwd=where)
        return list(read(json.loads(done.stdout), source))
    except (OSError, subprocess.TimeoutExpired) as problem:
        return [_unknown(rule, f"it could not be run: {problem}", source)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [_unknown(rule, f"its answer is not understood: {(done.stderr or done.stdout).strip()[:200]}", source)]


def _of_conftest(answer: list[Mapping[str, Any]], source: str) -> Iterator[Finding]:
    for result in answer:
        for key, ruling in (("failures", Ruling.REFUSE), ("warnings", Ruling.WARN)):
            for held in result.get(key) or ():
                yield _finding("CONFTEST", str(held["msg"]), ruling, held.get("metadata") or {}, source)


def _of_opa(answer: Mapping[str, Any], source: str) -> Iterator[Finding]:
    for result in answer["result"]:
        for expression in result["expressions"]:
            for key, ruling in (("deny", Ruling.REFUSE), ("violation", Ruling.REFUSE), ("warn", Ruling.WARN)):
                for held in expression["value"].get(key) or ():
                    told = held if isinstance(held, Mapping) else {"msg": held}
                    yield _finding("CONFTEST", str(told["msg"]), ruling, told, source)


def _of_checkov(answer: Any, source: str) -> Iterator[Finding]:
    for report in answer if isinstance(answer, list) else [answer]:
        if "resource_count" in report and "results" not in report:
            continue  # there was nothing to look at
        for held in report["results"]["failed_checks"]:
            yield Finding(
                str(held["check_id"]),
                str(held["check_name"]),
                Ruling.WARN,
                Severity.MEDIUM,
                str(held["resource"]),
                "",
                ", ".join(str(k).split("/")[0] for k in (held.get("check_result") or {}).get("evaluated_keys") or ()),
                "",
                "checkov says so.",
                str(held.get("guideline") or "See checkov's documentation."),
                str(held.get("guideline") or source),
            )


def _finding(rule: str, message: str, ruling: Ruling, metadata: Mapping[str, Any], source: str) -> Finding:
    address = str(metadata.get("address") or metadata.get("resource") or "")
    return Finding(rule, message, ruling, Severity.HIGH, address, "", "", "", "A policy of the repository says so.", message, source)


def _unknown(rule: str, why: str, source: str) -> Finding:
    return Finding(
        rule,
        "The rules of another tool are kept",
        Ruling.UNKNOWN,
        Severity.HIGH,
        rule.lower(),
        "",
        "",
        "",
        f"It is configured, but {why}.",
        "Install it, or take it out of the configuration.",
        source,
    )
