"""Configuration: `.iacagent.yaml` at the root of the repository, overridden by IACAGENT_* variables, overridden by flags."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from iac_agent.cli import rules
from iac_agent.drift.finding import Severity
from iac_agent.drift.rules import Rule
from iac_agent.errors import UsageError

FILE = ".iacagent.yaml"


class Allow(BaseModel):
    """What may run although it executes code, reads files or fetches things."""

    model_config = ConfigDict(extra="forbid")

    external_data: bool = Field(False, description='Allow `data "external"`, which runs a program at plan time.')
    provisioners: bool = Field(False, description="Allow provisioners, which run at apply.")
    providers: list[str] = Field(default_factory=list, description="Provider sources to trust beyond the built-in list, as owner/name.")
    http_data: bool = Field(False, description='Allow `data "http"`, which fetches at plan time.')
    modules: list[str] = Field(default_factory=list, description="Patterns of module sources to trust beyond the repository and Azure/*.")
    files: list[str] = Field(
        default_factory=lambda: ["~/.ssh/*.pub"], description="Patterns of files outside the repository that functions may read."
    )


class ExceptionSettings(BaseModel):
    """One rule that is let through for some addresses, and for no others, until a day."""

    model_config = ConfigDict(extra="forbid")

    rule: str = Field(description="The id of the rule, as in NET-001.")
    addresses: list[str] = Field(min_length=1, description="Resource addresses, or file:line for the static gate. No patterns.")
    reason: str = Field(min_length=8, description="Why.")
    owner: str = Field(min_length=2, description="Who answers for it.")
    expires: date = Field(description="The last day it holds, as in 2027-01-31.")


class BudgetSettings(BaseModel):
    """What a root module may cost a month, in the currency of the price list."""

    model_config = ConfigDict(extra="forbid")

    monthly: float | None = Field(None, ge=0, description="At most this much a month, all in all.")
    increase: float | None = Field(None, ge=0, description="At most this much more a month by one change.")


class ApprovalSettings(BaseModel):
    """Who must say yes, beside who asks."""

    model_config = ConfigDict(extra="forbid")

    signers: str = Field("", description="The allowed signers file of ssh-keygen, relative to the configuration file.")
    people: int = Field(1, ge=1, le=9, description="How many people must sign where it is protected; never who asked for the plan.")
    protected: list[str] = Field(default_factory=list, description="Patterns of root modules (relative to the repository) or workspaces.")
    hours: float = Field(24.0, gt=0, le=24 * 31, description="How long a signature holds.")


class Guard(BaseModel):
    """Guardrails."""

    model_config = ConfigDict(extra="forbid")

    allow: Allow = Field(default_factory=lambda: Allow.model_validate({}), description="Exceptions from the static gate.")
    policies: dict[str, Literal["refuse", "warn", "off"]] = Field(
        default_factory=dict, description="What a broken rule, or a pack, comes to; naming an optional rule puts it in force."
    )
    exceptions: list[ExceptionSettings] = Field(default_factory=list, description="Rules that are let through, each for some addresses.")
    tags: list[str] = Field(default_factory=list, description="Tags that every resource carries.")
    tag_values: dict[str, list[str]] = Field(default_factory=dict, description="The values that a tag may have.")
    regions: list[str] = Field(default_factory=list, description="The regions that may be used.")
    sizes: list[str] = Field(default_factory=list, description="The sizes of machines that may be used.")
    budget: BudgetSettings = Field(default_factory=lambda: BudgetSettings.model_validate({}), description="What it may cost.")
    autonomy: Literal["read-only", "reversible", "named"] = Field(
        "named",
        description="named: flags approve what they name; reversible: what is final takes a person; read-only: nothing is applied.",
    )
    approval: ApprovalSettings = Field(
        default_factory=lambda: ApprovalSettings.model_validate({}), description="Who must say yes, beside who asks."
    )
    conftest: str = Field("", description="A folder of Rego policies for conftest, relative to the configuration file; empty: not run.")
    checkov: bool = Field(False, description="Run checkov on the plan too.")


class Prices(BaseModel):
    """What a model costs, in dollars per million tokens."""

    model_config = ConfigDict(extra="forbid")

    input: float = Field(0.0, description="Dollars per million tokens sent.")
    output: float = Field(0.0, description="Dollars per million tokens answered.")


class PlannerSettings(BaseModel):
    """Who turns a request into edits."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["auto", "builtin", "model"] = Field(
        "auto", description="auto: built-in where it is sure, then memory, then the model if one is configured."
    )
    model: str = Field("", description="The model's name, or the deployment's with Azure OpenAI; empty: no model.")
    base_url: str = Field(
        "", description="An OpenAI-compatible server, ending in /v1; empty: the OpenAI API. With Azure OpenAI its endpoint."
    )
    api_key_env: str = Field("OPENAI_API_KEY", description="The environment variable that holds the key.")
    azure_api_version: str = Field("", description="Set for Azure OpenAI, as in 2024-10-21.")
    max_steps: int = Field(5, ge=1, le=20, description="How often a planner may try until a plan passes.")
    context_tokens: int = Field(6000, ge=1000, description="How much of the configuration is sent at first, in tokens.")
    timeout: float = Field(60.0, gt=0, description="Seconds to wait for one answer.")
    retries: int = Field(3, ge=0, le=10, description="Retries after a rate limit or a failed connection; Retry-After is honoured.")
    price: Prices = Field(default_factory=lambda: Prices.model_validate({}), description="For the cost that is shown.")


class ProvisionSettings(BaseModel):
    """How new machines are written."""

    model_config = ConfigDict(extra="forbid")

    style: Literal["repository", "module"] = Field(
        "repository",
        description="repository: as it writes its own (as data, by its module, as resources); module: with iac-agent's modules.",
    )
    modules: str = Field("./modules", description="Where iac-agent's modules are: a source address as Terraform takes it, of their folder.")


class WebhookSettings(BaseModel):
    """A webhook that is told of new findings."""

    model_config = ConfigDict(extra="forbid")

    url_env: str = Field(description="The environment variable that holds its URL, which is a secret.")
    format: Literal["slack", "teams"] = Field("slack", description="Whose JSON it takes.")


class MailSettings(BaseModel):
    """Mail that tells of new findings."""

    model_config = ConfigDict(extra="forbid")

    host: str = Field(description="The mail server.")
    port: int = Field(587, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="How the connection is kept private.")
    sender: str = Field(description="From whom.")
    to: list[str] = Field(description="To whom.")
    user: str = Field("", description="Who signs in; empty: nobody.")
    password_env: str = Field("", description="The environment variable that holds the password.")


class NotifySettings(BaseModel):
    """Who is told of new findings, with --notify."""

    model_config = ConfigDict(extra="forbid")

    webhooks: list[WebhookSettings] = Field(default_factory=list, description="Webhooks.")
    mail: MailSettings | None = Field(None, description="Mail over SMTP.")
    least: Severity = Field(Severity.LOW, description="The least severity that is told.")


class DriftSettings(BaseModel):
    """Drift: where to look, and what to do about what is found."""

    model_config = ConfigDict(extra="forbid")

    resource_groups: list[str] = Field(
        default_factory=list, description="Resource groups to look for unmanaged resources in, beside those in state."
    )
    rules: list[Rule] = Field(default_factory=list, description="What to do about findings; the first rule that fits decides.")
    max_reverts: int = Field(10, ge=0, description="How many findings may be reverted in 24 hours; past it they are only reported.")
    notify: NotifySettings = Field(default_factory=lambda: NotifySettings.model_validate({}), description="Who is told of new findings.")


class RootModuleSettings(BaseModel):
    """How root modules are planned for a review."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="A pattern of places of root modules in the repository, as in live/*.")
    workspaces: list[str] = Field(default_factory=list, description="The workspaces to plan; none: the selected one.")
    var_files: list[str] = Field(
        default_factory=list, description="Files of variables, relative to the root module; {workspace} stands for the workspace."
    )
    backend: list[str] = Field(default_factory=list, description="Files of the backend's configuration, relative to the root module.")


class ReviewSettings(BaseModel):
    """Reviews of pull requests."""

    model_config = ConfigDict(extra="forbid")

    root_modules: list[RootModuleSettings] = Field(
        default_factory=list, description="The root modules to plan, the first that fits decides; none: those that are found."
    )
    environment: list[str] = Field(
        default_factory=list, description="Variables of the environment that plans may see, beside those of Terraform and Azure."
    )
    drift: bool = Field(True, description="Look for drift in what a change touches.")
    branches: list[str] = Field(
        default_factory=list, description="Patterns of branches beside the default one whose rules hold, and into which comments may apply."
    )
    apply: bool = Field(False, description="Let comments apply the reviewed plan.")
    approvals: int = Field(1, ge=0, le=9, description="How many people must have approved the reviewed commit before it is applied.")
    hours: float = Field(24.0, gt=0, le=24 * 31, description="How long a reviewed plan may be applied.")


class Settings(BaseSettings):
    """The configuration of iacagent for one repository."""

    model_config = SettingsConfigDict(env_prefix="IACAGENT_", env_nested_delimiter="__", extra="forbid")

    terraform: str = Field("", description="The Terraform or OpenTofu to run; empty: terraform, tofu, or the embedded one.")
    lock_timeout: str = Field("", description="How long to wait for locks, as a Terraform duration such as 30s.")
    azurerm: Literal["auto", "4", "5"] = Field("auto", description="The azurerm major; auto reads the lock file and required_providers.")
    planner: PlannerSettings = Field(
        default_factory=lambda: PlannerSettings.model_validate({}), description="Who turns a request into edits."
    )
    provision: ProvisionSettings = Field(
        default_factory=lambda: ProvisionSettings.model_validate({}), description="How new machines are written."
    )
    drift: DriftSettings = Field(default_factory=lambda: DriftSettings.model_validate({}), description="Drift.")
    guard: Guard = Field(default_factory=lambda: Guard.model_validate({}), description="Guardrails.")
    review: ReviewSettings = Field(default_factory=lambda: ReviewSettings.model_validate({}), description="Reviews of pull requests.")
    _path: Path | None = PrivateAttr(None)

    @property
    def path(self) -> Path | None:
        """The file that it was read from; None where there is none."""
        return self._path

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def find(start: Path) -> Path | None:
    """The configuration file for a directory: its own, or that of the repository it is in."""
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder / FILE
        if (folder / ".git").exists():
            return None
    return None


def load(start: Path, given: Path | None = None) -> Settings:
    """The settings. Raises UsageError that names the file and the key.

    With IACAGENT_RULES_FROM, a git revision, the guard's part is read from there: who changes the rules is not judged by the change.
    """
    path = given or find(start.resolve())
    content = _content(path.read_text("utf-8"), str(path)) if path is not None else {}
    revision = os.environ.get("IACAGENT_RULES_FROM", "")
    if revision:
        base = rules.at_revision(start.resolve(), FILE, revision)
        content = {k: v for k, v in content.items() if k != "guard"}
        content |= {k: v for k, v in (_content(base, f"{revision}:{FILE}") if base is not None else {}).items() if k == "guard"}
    try:
        settings = Settings(**content)
        settings._path = path
        return settings
    except ValidationError as problem:
        first = problem.errors()[0]
        key = ".".join(str(p) for p in first["loc"])
        raise UsageError(f"{path or 'IACAGENT_*'}: {key}: {first['msg']}", hint="See docs/configuration.md.") from problem


def _content(text: str, where: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as problem:
        raise UsageError(f"{where}: {problem}") from problem
    if not isinstance(content, dict):
        raise UsageError(f"{where}: a mapping is expected at the top")
    return content
