"""The tasks: what is set up, what is asked, and what must be so afterwards. Data is in study.yaml and hard.yaml.

How to add one: docs/benchmark.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from iac_agent.errors import GymError

GROUPS = ("provisioning", "update", "monitoring", "hard")
MONITORING = "monitoring"


@dataclass(frozen=True)
class Prompt:
    """One wording of a task. `setup` are steps before it, `expect` what is checked after it, `flags` what a person would pass along.

    `consents`: it says itself that a replacement is wanted. `command` is `apply` or `ask`.
    """

    task: str
    group: str
    root: str
    number: int
    text: str
    command: str
    expect: dict[str, Any]
    setup: tuple[dict[str, Any], ...] = ()
    flags: tuple[str, ...] = ()
    consents: bool = False
    kind: str = ""
    why: str = ""

    @property
    def name(self) -> str:
        return f"{self.task}#{self.number}" if self.number else self.task


@dataclass
class Suite:
    """All prompts, in order."""

    prompts: list[Prompt] = field(default_factory=list)

    @classmethod
    def load(cls) -> Suite:
        return cls([*_study(), *_hard()])

    def chosen(self, tasks: tuple[str, ...]) -> list[Prompt]:
        """The prompts of tasks, groups or single prompts (`attach-disk#3`); all for none. Raises GymError for an unknown name."""
        found = [p for p in self.prompts if not tasks or {p.task, p.group, p.name} & set(tasks)]
        strange = [t for t in tasks if not any(t in (p.task, p.group, p.name) for p in self.prompts)]
        if strange:
            known = ", ".join(dict.fromkeys([*GROUPS, *(p.task for p in self.prompts)]))
            raise GymError(f"there is no task {strange[0]!r}", hint=f"There are {known}.")
        return found


def root_module(name: str) -> Path:
    """The folder of a root module that tasks start from."""
    return Path(str(resources.files("iac_agent.gym.bench").joinpath("roots", name)))


def _read(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(resources.files("iac_agent.gym.bench").joinpath(name).read_text("utf-8"))
    return found


def _study() -> list[Prompt]:
    out = []
    for task in _read("study.yaml"):
        command = "ask" if task["group"] == MONITORING else "apply"
        for number, prompt in enumerate(task["prompts"], 1):
            expect = prompt["expect"]
            setup = tuple(_setup(task["id"], expect, number))
            flags = () if command == "ask" else ("--auto-approve",)
            consents = task["id"] == "change-to-spot"
            text = str(prompt["text"]).strip()
            out.append(Prompt(task["id"], task["group"], task["root"], number, text, command, expect, setup, flags, consents))
    return out


def _hard() -> list[Prompt]:
    return [
        Prompt(
            t["id"],
            "hard",
            t["root"],
            0,
            str(t["prompt"]).strip(),
            t["command"],
            t["expect"],
            tuple(t.get("setup") or ()),
            tuple(t.get("flags") or ()),
            kind=t["kind"],
            why=t.get("why", ""),
        )
        for t in _read("hard.yaml")
    ]


_SICK: tuple[dict[str, Any], ...] = ({"dying": 1}, {"boot": "kernel-panic"}, {"agent": "stopped"})
_LOADS = (
    {"load": {"vm-db": "daily low=20 high=70"}},
    {"load": {"vm-api": "steady cpu=35"}},
    {"load": {"vm-web-1": "spike cpu=18 peak=88 every=2 minutes=25"}},
    {"load": {"vm-web-2": "daily low=5 high=40"}},
    {"load": {"vm-batch": "steady cpu=12"}},
)


def _setup(task: str, expect: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """What happens before a monitoring prompt of the study's eleven; the prompts differ in machine, person and ailment."""
    match task:
        case "cpu-over-time":
            return [*_LOADS, {"advance": "26h"}]
        case "fleet-health":
            return [*_LOADS, *(_sicken(vm, n + number) for n, vm in enumerate(expect["health"]["sick"])), {"advance": "3h"}]
        case "boot-failure":
            return [{"advance": "2h"}, {"boot": expect["boot"]}, {"advance": "20m"}]
        case "who-changed":
            told = expect["who"]
            return [{"advance": "5h"}, _done(told["resource"], told["action"], told["by"].split("@")[0]), {"advance": "90m"}]
        case "alert-fired":
            return [{"advance": "1h"}, {"load": {expect["alert"]["resource"]: "steady cpu=96"}}, {"advance": "15m"}]
    return []


def _sicken(machine: str, which: int) -> dict[str, Any]:
    how = _SICK[which % len(_SICK)]
    if "dying" in how:
        return {"load": {machine: "dying hours=1"}}
    return {"boot": {"vm": machine, "kind": how["boot"]}} if "boot" in how else {"agent": {"vm": machine, "state": "stopped"}}


def _done(machine: str, action: str, by: str) -> dict[str, Any]:
    match action:
        case "resize":
            return {"resize": {"vm": machine, "size": "Standard_D8s_v5", "by": by}}
        case "tag":
            return {"tag": {"vm": machine, "tags": {"reviewed": "yes"}, "by": by}}
        case "restart":
            return {"power": {"vm": machine, "state": "restart", "by": by}}
    return {"power": {"vm": machine, "state": "deallocated", "by": by}}
