"""`iacagent lock`: run a command while holding the lock that Terraform takes."""

from __future__ import annotations

import subprocess

import click

from iac_agent.cli.main import Globals
from iac_agent.errors import UsageError


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--lock-timeout", default="", metavar="DURATION", help="How long to wait for the lock, as in 30s.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def lock(options: Globals, lock_timeout: str, command: tuple[str, ...]) -> int:
    """Run COMMAND while holding the state lock, so that no Terraform run changes the same infrastructure meanwhile.

    For example: iacagent lock -- az vm restart -g rg-shop-web -n vm-shop-web
    """
    from iac_agent.cli import config, wiring
    from iac_agent.terraform import state_lock

    settings = config.load(options.directory.resolve(), options.config)
    runner, _ = wiring.terraform(options.directory, settings, wiring.Request(lock_timeout=lock_timeout))
    with state_lock.held(runner, runner.inputs.lock_timeout):
        try:
            return subprocess.run(command, cwd=options.directory, check=False).returncode
        except FileNotFoundError as problem:
            raise UsageError(f"{command[0]}: not found") from problem
