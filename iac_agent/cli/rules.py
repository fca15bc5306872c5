"""From settings to the guard: which rules are in force in a root module, and where they are read from."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from iac_agent.errors import UsageError
from iac_agent.guard.approval import ApprovalRules, Autonomy
from iac_agent.guard.check import Checks, Exempt
from iac_agent.guard.cost.estimate import Budget
from iac_agent.guard.cost.prices import PriceList, current
from iac_agent.guard.gate import GateRules
from iac_agent.guard.guard import Guard, Judge
from iac_agent.guard.policies import PACKS, shipped
from iac_agent.guard.policies.tagging import Conventions
from iac_agent.guard.spec import accepted, in_force
from iac_agent.guard.spec.in_force import Accepted
from iac_agent.guard.tools import Checkov, Conftest
from iac_agent.hcl.module import RootModule, repository_of

if TYPE_CHECKING:
    from iac_agent.cli.config import Guard as GuardSettings


def at_revision(directory: Path, name: str, revision: str) -> str | None:
    """A file of the repository as it is at a git revision; None when it is not there. Raises UsageError for a revision that is none."""
    top = repository_of(directory)
    if top is None:
        raise UsageError(f"{directory} is in no git repository", hint="IACAGENT_RULES_FROM names a git revision.")
    known = subprocess.run(
        ["git", "-C", str(top), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"], capture_output=True, check=False
    )
    if known.returncode:
        raise UsageError(f"{revision} is no revision of {top}", hint="Fetch it, or correct IACAGENT_RULES_FROM.")
    for folder in (directory, *directory.parents):
        inside = folder.relative_to(top).as_posix()
        path = name if inside == "." else f"{inside}/{name}"
        shown = subprocess.run(["git", "-C", str(top), "show", f"{revision}:{path}"], capture_output=True, text=True, check=False)
        if shown.returncode == 0:
            return shown.stdout
        if folder == top:
            break
    return None


def policies_file(directory: Path) -> Path:
    """Where accepted policies are, or would be: beside the configuration file, else at the top of the repository, else here."""
    directory = directory.resolve()
    above = [directory, *directory.parents]
    for name in (accepted.FILE, ".iacagent.yaml"):
        for folder in above:
            if (folder / name).is_file():
                return folder / accepted.FILE
            if (folder / ".git").exists():
                break
    return (repository_of(directory) or directory) / accepted.FILE


def accepted_policies(directory: Path) -> tuple[Accepted, ...]:
    """The policies in plain words that are in force. Raises UsageError when one was changed since it was accepted."""
    revision = os.environ.get("IACAGENT_RULES_FROM", "")
    if revision:
        return accepted.read(at_revision(directory.resolve(), accepted.FILE, revision) or "", f"{revision}:{accepted.FILE}")
    file = policies_file(directory)
    return accepted.read(file.read_text("utf-8"), str(file)) if file.is_file() else ()


def guard(settings: GuardSettings, directory: Path) -> Guard:
    """The guard of a root module. Raises UsageError for rules and packs that do not exist."""
    specs = accepted_policies(directory)
    conventions = Conventions(
        tuple(settings.tags), {k: tuple(v) for k, v in settings.tag_values.items()}, tuple(settings.regions), tuple(settings.sizes)
    )
    policies = shipped(conventions)
    known = {p.id for p in policies} | set(PACKS)
    unknown = [name for name in settings.policies if name not in known]
    if unknown:
        raise UsageError(f"guard.policies: there is no rule {unknown[0]}", hint="List them with: iacagent policy list")
    allow = settings.allow
    return Guard(
        GateRules(
            allow.external_data, allow.provisioners, tuple(allow.providers), allow.http_data, tuple(allow.modules), tuple(allow.files)
        ),
        Checks(
            (*(p for p in policies if not p.optional or p.id in settings.policies), *in_force.policies(specs)),
            dict(settings.policies),
            tuple(Exempt(e.rule, tuple(e.addresses), e.reason, e.owner, e.expires) for e in settings.exceptions),
        ),
        Budget(_least(settings.budget.monthly, in_force.monthly_limit(specs)), settings.budget.increase),
        prices,
        (in_force.NetworkJudge(specs), *_tools(settings, directory)),
        tuple(policies_file(directory).parent / name for name in (settings.approval.signers, settings.conftest) if name),
    )


def _tools(settings: GuardSettings, directory: Path) -> tuple[Judge, ...]:
    """The other tools that the configuration names; their folders are beside it."""
    held: list[Judge] = []
    if settings.conftest:
        held.append(Conftest(policies_file(directory).parent / settings.conftest))
    if settings.checkov:
        held.append(Checkov(directory))
    return tuple(held)


def _least(*limits: float | None) -> float | None:
    return min((x for x in limits if x is not None), default=None)


def prices() -> PriceList:
    return current(price_cache())


def price_cache() -> Path:
    """The folder of the price list that was fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iacagent"


def place(directory: Path, configuration: Path | None) -> str:
    """A root module as the rules name it: relative to the folder of the configuration file, else to its repository."""
    top = configuration.resolve().parent if configuration else RootModule(directory).repository
    here = directory.resolve()
    return here.relative_to(top).as_posix() if here.is_relative_to(top) else here.as_posix()


def approval(settings: GuardSettings, configuration: Path | None) -> ApprovalRules:
    """Who must say yes. Paths are relative to the configuration file."""
    said = settings.approval
    signers = (configuration.parent if configuration else Path()) / said.signers if said.signers else None
    return ApprovalRules(Autonomy(settings.autonomy), signers, said.people, tuple(said.protected), said.hours)
