"""Wire concrete parts into a session: the one place where planner, runner, clients and rules are chosen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from iac_agent.agent.loop import Consent, Session
from iac_agent.agent.report import Approver, Reporter
from iac_agent.azure.lenses.table import Arm
from iac_agent.azure.provider_version import major_of
from iac_agent.cli import rules
from iac_agent.cli.config import Settings
from iac_agent.errors import UsageError
from iac_agent.hcl.configuration import Given
from iac_agent.planner.auto import AutoPlanner
from iac_agent.planner.builtin import BuiltinPlanner
from iac_agent.planner.protocol import Planner
from iac_agent.planner.recipes import all_recipes
from iac_agent.planner.remembered import MemoryPlanner
from iac_agent.store.audit import Audit
from iac_agent.store.home import Home
from iac_agent.store.memory import Memory
from iac_agent.terraform.argv import Inputs
from iac_agent.terraform.binary import find
from iac_agent.terraform.runner import Terraform

if TYPE_CHECKING:
    from iac_agent.planner.model.client import ModelClient


@dataclass(frozen=True)
class Request:
    """What the flags of plan and apply say."""

    variables: tuple[str, ...] = ()
    var_files: tuple[str, ...] = ()
    lock_timeout: str = ""
    parallelism: int = 0
    lock: bool = True
    answer: str = ""
    about: tuple[str, ...] = ()
    consent: Consent = field(default_factory=Consent)


def terraform(directory: Path, settings: Settings, request: Request, environment: Mapping[str, str] | None = None) -> tuple[Terraform, int]:
    """Terraform on one root module, with our environment or this one, and its azurerm major.

    Raises TerraformNotFound, or UsageError for an azurerm we do not know.
    """
    directory = directory.resolve()
    environment = dict(os.environ if environment is None else environment)
    if settings.terraform:
        environment["IACAGENT_TERRAFORM"] = settings.terraform
    major = major_of(directory) if settings.azurerm == "auto" else int(settings.azurerm)
    environment |= _gym_provider(environment, major)
    inputs = Inputs(
        request.variables,
        tuple(_var_file(directory, f) for f in request.var_files),
        request.lock_timeout or settings.lock_timeout,
        request.parallelism,
        request.lock,
    )
    return Terraform(directory, find(environment), environment, inputs), major


def _var_file(directory: Path, given: str) -> str:
    """A -var-file, relative to the root module as Terraform has it with -chdir, else to where we are. Raises UsageError."""
    for found in ((directory / given).resolve(), Path(given).resolve()):
        if found.is_file():
            return str(found)
    raise UsageError(f"there is no file {given}", hint=f"It is looked for in {directory} and in the current directory.")


def session(
    directory: Path,
    settings: Settings,
    request: Request,
    reporter: Reporter,
    approver: Approver,
    *,
    environment: Mapping[str, str] | None = None,
    ruled: Path | None = None,
    kept: Path | None = None,
) -> Session:
    """A session on one root module. `ruled` is where the rules are read that hold for it, `kept` where its runs and its audit are kept,
    where that is not in the root module itself. Raises TerraformNotFound, or UsageError for an azurerm we do not know.
    """
    runner, major = terraform(directory, settings, request, environment)
    environment = dict(runner.environment)
    home = Home(runner.directory, kept)
    ruled = ruled or runner.directory
    memory = Memory(home.database_url)

    def arm() -> Arm:
        from iac_agent.azure.clients import AzureClients

        return AzureClients(environment)

    return Session(
        home=home,
        terraform=runner,
        planner=_planner(settings, environment, memory),
        audit=Audit(home.database_url),
        arm=arm,
        guard=rules.guard(settings.guard, ruled),
        approval=rules.approval(settings.guard, settings.path),
        reporter=reporter,
        approver=approver,
        major=major,
        consent=request.consent,
        answer=request.answer,
        given=given(runner),
        memory=memory,
        max_steps=settings.planner.max_steps,
        about=request.about,
        place=rules.place(ruled, settings.path),
    )


def given(runner: Terraform) -> Given:
    """What flags and environment say about variables, as Terraform will hear it."""
    environment = runner.environment
    workspace = environment.get("TF_WORKSPACE", "")
    kept = runner.directory / environment.get("TF_DATA_DIR", ".terraform") / "environment"
    if not workspace and kept.is_file():
        workspace = kept.read_text("utf-8").strip()
    told = {k: v for k, v in environment.items() if k.startswith("TF_VAR_")}
    return Given(runner.inputs.variables, runner.inputs.var_files, told, workspace or "default")


def model_client(settings: Settings, environment: Mapping[str, str]) -> ModelClient | None:
    """The model that is configured; None where there is none. Raises UsageError without the `openai` package."""
    wanted = settings.planner
    if not wanted.model or wanted.mode == "builtin":
        return None
    from iac_agent.planner.model.client import Access, ModelClient

    key = environment.get(wanted.api_key_env, "")
    access = Access(wanted.model, wanted.base_url, key, wanted.azure_api_version, wanted.timeout, wanted.retries)
    try:
        return ModelClient(access)
    except ImportError as problem:
        raise UsageError("planner.model needs the `openai` package", hint="pip install 'iac-agent[model]'") from problem


def _planner(settings: Settings, environment: Mapping[str, str], memory: Memory) -> Planner:
    wanted = settings.planner
    model: Planner | None = None
    client = model_client(settings, environment)
    if client is not None:
        from iac_agent.planner.model.planner import ModelPlanner

        model = ModelPlanner(client, wanted.max_steps, wanted.context_tokens, (wanted.price.input, wanted.price.output))
    modules = settings.provision.modules if settings.provision.style == "module" else ""
    return AutoPlanner(wanted.mode, BuiltinPlanner(all_recipes(modules)), MemoryPlanner(memory), model)


def _gym_provider(environment: dict[str, str], major: int) -> dict[str, str]:
    """In a gym the provider must be of the root module's own major, wherever the environment was set up."""
    folder = environment.get("IACAGENT_GYM_DIR")
    if not folder or "TF_REATTACH_PROVIDERS" not in environment:
        return {}
    from iac_agent.gym.daemon import Gym

    return {"TF_REATTACH_PROVIDERS": Gym(Path(folder)).reattach(major)}
