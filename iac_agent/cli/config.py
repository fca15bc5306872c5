"""Configuration: `.iacagent.yaml` at the root of the repository, overridden by IACAGENT_* variables, overridden by flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from iac_agent.errors import UsageError

FILE = ".iacagent.yaml"


class Allow(BaseModel):
    """What may run although it executes code."""

    model_config = ConfigDict(extra="forbid")

    external_data: bool = Field(False, description='Allow `data "external"`, which runs a program at plan time.')
    provisioners: bool = Field(False, description="Allow provisioners, which run at apply.")
    providers: list[str] = Field(default_factory=list, description="Provider sources to trust beyond the built-in list, as owner/name.")


class Guard(BaseModel):
    """Guardrails."""

    model_config = ConfigDict(extra="forbid")

    allow: Allow = Field(default_factory=lambda: Allow.model_validate({}), description="Exceptions from the static gate.")


class Settings(BaseSettings):
    """The configuration of iacagent for one repository."""

    model_config = SettingsConfigDict(env_prefix="IACAGENT_", env_nested_delimiter="__", extra="forbid")

    terraform: str = Field("", description="The Terraform or OpenTofu to run; empty: terraform, tofu, or the embedded one.")
    lock_timeout: str = Field("", description="How long to wait for locks, as a Terraform duration such as 30s.")
    azurerm: Literal["auto", "4", "5"] = Field("auto", description="The azurerm major; auto reads the lock file and required_providers.")
    guard: Guard = Field(default_factory=lambda: Guard.model_validate({}), description="Guardrails.")

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
    """The settings. Raises UsageError that names the file and the key."""
    path = given or find(start.resolve())
    content: dict[str, Any] = {}
    if path is not None:
        try:
            content = yaml.safe_load(path.read_text("utf-8")) or {}
        except (OSError, yaml.YAMLError) as problem:
            raise UsageError(f"{path}: {problem}") from problem
        if not isinstance(content, dict):
            raise UsageError(f"{path}: a mapping is expected at the top")
    try:
        return Settings(**content)
    except ValidationError as problem:
        first = problem.errors()[0]
        key = ".".join(str(p) for p in first["loc"])
        raise UsageError(f"{path or 'IACAGENT_*'}: {key}: {first['msg']}", hint="See docs/configuration.md.") from problem
