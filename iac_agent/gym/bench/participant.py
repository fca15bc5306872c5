"""Who takes part: a participant gets an observation and may step. Ours runs iacagent as a user would, with `--json`.

It tries again once what failed for a passing reason, and names the replacement that a prompt itself consents to.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from iac_agent.gym.bench.environment import Environment, Observation, Step

_PASSING = ("TerraformFailed", "AzureError", "AzureThrottled", "AzureRejected", "NotVerified")


@dataclass(frozen=True)
class Outcome:
    """How it ended: exit code, the answer, steps of the agent (planner rounds and commands), tokens of a model."""

    code: int
    text: str
    steps: int
    tokens: int = 0


class Participant(Protocol):
    """Does one task."""

    name: str

    def run(self, bench: Environment, seen: Observation) -> Outcome: ...


@dataclass
class IacAgent:
    """iacagent itself. `planner` is builtin, auto or model, `config` a configuration file that says which model."""

    planner: str = "builtin"
    config: Path | None = None
    name: str = field(default="iacagent", init=False)

    def run(self, bench: Environment, seen: Observation) -> Outcome:
        prompt = seen.prompt
        flags = [word for flag in prompt.flags for word in flag.split(" ", 1)]
        done, steps = self._once(bench, prompt.command, prompt.text, flags)
        document = _document(done)
        error = document.get("error") or {}
        if done.code == 3 and prompt.consents and error.get("addresses"):
            flags += [word for address in error["addresses"] for word in ("--allow-replace", address)]
            done, more = self._once(bench, prompt.command, prompt.text, flags)
            steps, document = steps + more, _document(done)
        elif done.code == 1 and prompt.command == "apply" and error.get("kind") in _PASSING:
            done, more = self._once(bench, prompt.command, prompt.text, flags)
            steps, document = steps + more, _document(done)
        tokens = (document.get("model") or {}).get("prompt", 0) + (document.get("model") or {}).get("completion", 0)
        return Outcome(done.code, _text(prompt.command, done, document), steps, int(tokens))

    def _once(self, bench: Environment, command: str, text: str, flags: list[str]) -> tuple[Step, int]:
        """One command; its steps are the rounds that the planner took, one at least."""
        given = ["--config", str(self.config)] if self.config else []
        done = bench.step([sys.executable, "-m", "iac_agent.cli.main", "--json", *given, command, text, *flags])
        audit = _document(done).get("audit") or []
        return done, max([1, *(int(r["body"].get("steps", 1)) for r in audit)])


def _document(done: Step) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(done.out)
    except ValueError:
        return {}
    return found


def _text(command: str, done: Step, document: dict[str, Any]) -> str:
    """What the agent tells its user: sentences for a question, everything for a change, the message for an error."""
    error = document.get("error") or {}
    told = " ".join(str(error.get(k, "")) for k in ("message", "hint")) + " " + " ".join(map(str, error.get("candidates", ())))
    if command == "ask":
        return (" ".join(document.get("answer", ())) + " " + told).strip()
    return f"{done.out}\n{done.err}"
