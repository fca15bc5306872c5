"""What a planner takes and gives: the same for the built-in one and for one that asks a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from iac_agent.errors import PlannerError
from iac_agent.hcl.configuration import Given
from iac_agent.hcl.edits import Edit
from iac_agent.hcl.module import RootModule
from iac_agent.terraform.models import State


@dataclass(frozen=True)
class Context:
    """What a planner may look at: the configuration, the state (without refresh), and the azurerm major it is for.

    `about` are the addresses of the change before, which `it` means. `observations` are what came of the planner's earlier attempts at
    this request: errors of Terraform, refusals of the guard. `preview` tells what Terraform would do with some edits.
    """

    root: RootModule
    state: State
    major: int
    answer: str = ""
    given: Given = field(default_factory=Given)
    about: tuple[str, ...] = ()
    observations: tuple[str, ...] = ()
    preview: Callable[[ChangeSet], str] | None = None

    @property
    def directory(self) -> Path:
        return self.root.directory


@dataclass(frozen=True)
class Expectation:
    """What must be true of the live resource afterwards: the value at a dotted attribute path of a block's instances."""

    address: str
    path: str
    value: Any


@dataclass(frozen=True)
class ChangeSet:
    """Edits in the order they apply, the reason in a sentence, and what they should bring about.

    `touches` are the addresses that the plan must change; but for `follows`, which depend on them, it may change no other. Empty:
    not known.
    `how` tells, line by line, how the request was understood.
    """

    reason: str
    edits: tuple[Edit, ...]
    expects: tuple[Expectation, ...] = ()
    notes: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    how: tuple[str, ...] = ()
    by: str = "built-in"


@dataclass(frozen=True)
class Question:
    """The request is ambiguous; each candidate is an answer that settles it (address → what it is)."""

    text: str
    candidates: Mapping[str, str] = field(default_factory=dict)

    @property
    def listed(self) -> list[str]:
        """The candidates for people, a line each."""
        return [f"{address}: {what}" if what else address for address, what in self.candidates.items()]


@dataclass(frozen=True)
class Refusal:
    """Outside the planner's reach, or already so; says what it can do. `final`: no other planner may try either."""

    reason: str
    final: bool = False


Answer = ChangeSet | Question | Refusal


class Unsettled(PlannerError):
    """A request cannot be turned into edits; `answer` is what the planner says instead."""

    def __init__(self, answer: Question | Refusal) -> None:
        super().__init__(answer.text if isinstance(answer, Question) else answer.reason)
        self.answer = answer


class Planner(Protocol):
    """Turns a request into an answer. Has no side effects. `rounds` is how often it may try: more than once when it learns."""

    @property
    def rounds(self) -> int: ...

    def plan(self, request: str, context: Context) -> Answer: ...
