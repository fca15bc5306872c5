"""The argv of every Terraform command we run, built by python-terraform and apart from running anything.

Source: https://developer.hashicorp.com/terraform/cli/commands
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from python_terraform import IsFlagged
from python_terraform import Terraform as PythonTerraform

_FLAG = IsFlagged


class _Builder(PythonTerraform):  # type: ignore[misc]
    """python-terraform's command builder, without its habit of reading state files."""

    def read_state_file(self, file_path: object = None) -> None:
        self.tfstate = None


@dataclass(frozen=True)
class Inputs:
    """What every plan is given: -var, -var-file, -lock-timeout, -parallelism, in Terraform's own syntax; and, for a plan that is only
    looked at, -lock=false.
    """

    variables: tuple[str, ...] = ()
    var_files: tuple[str, ...] = ()
    lock_timeout: str = ""
    parallelism: int = 0
    lock: bool = True

    def options(self) -> dict[str, object]:
        return {
            "var": list(self.variables),
            "var_file": list(self.var_files),
            "lock_timeout": self.lock_timeout or None,
            "parallelism": self.parallelism or None,
            "lock": None if self.lock else False,
        }


def _build(command: str, *arguments: str, **options: object) -> list[str]:
    argv: list[str] = _Builder(terraform_bin_path="terraform").generate_cmd_string(command, *arguments, **options)
    return argv[1:]


def init(*, upgrade: bool = False, backend: tuple[str, ...] = ()) -> list[str]:
    """`backend` are files of the backend's configuration."""
    return _build("init", input=False, no_color=_FLAG, upgrade=True if upgrade else None, backend_config=list(backend))


def plan(
    inputs: Inputs, out: Path, *, targets: tuple[str, ...] = (), refresh: bool = True, destroy: bool = False, refresh_only: bool = False
) -> list[str]:
    return _build(
        "plan",
        input=False,
        json=_FLAG,
        out=str(out),
        detailed_exitcode=_FLAG,
        refresh=None if refresh else False,
        destroy=_FLAG if destroy else None,
        refresh_only=_FLAG if refresh_only else None,
        target=list(targets),
        **inputs.options(),
    )


def apply(plan_file: Path, inputs: Inputs) -> list[str]:
    """Apply exactly this plan file; variables are in it already."""
    options = {k: v for k, v in inputs.options().items() if k in ("lock_timeout", "parallelism")}
    return _build("apply", str(plan_file), input=False, json=_FLAG, **options)


def show(plan_file: Path | None = None) -> list[str]:
    """The JSON of a plan file, or of the current state."""
    return _build("show", *([str(plan_file)] if plan_file else []), json=_FLAG, no_color=_FLAG)


def state_pull() -> list[str]:
    return _build("state pull")


def import_resource(address: str, resource_id: str, inputs: Inputs) -> list[str]:
    return _build("import", address, resource_id, input=False, no_color=_FLAG, **{**inputs.options(), "parallelism": None})


def version() -> list[str]:
    return _build("version", json=_FLAG)


def workspace_show() -> list[str]:
    return _build("workspace show")


def workspace_list() -> list[str]:
    return _build("workspace list")


def replace_provider(provider: str, lock_timeout: str) -> list[str]:
    """Replace a provider by itself: it locks the state, and asks before it does nothing."""
    return _build("state replace-provider", provider, provider, no_color=_FLAG, lock_timeout=lock_timeout or None)
