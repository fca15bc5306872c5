"""Shell completion, printed for the user's shell to source."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script. For bash: `source <(iacagent completion bash)`."""
    from iac_agent.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "iacagent", "_IACAGENT_COMPLETE").source())
