"""`iacagent gym`: start, stop and use the local Azure."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import click

from iac_agent.cli.main import SCHEMA_VERSION, Globals
from iac_agent.errors import GymError

DIR = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Where the gym keeps its state [default: below the user's cache].",
)


@click.group()
def gym() -> None:
    """Run a local Azure: ARM over TLS, and a sandbox azurerm provider."""


def gym_in(folder: Path | None):  # type: ignore[no-untyped-def]
    from iac_agent.gym.daemon import Gym, default_folder

    return Gym(folder or default_folder())


def say(options: Globals, text: str, **facts: object) -> None:
    click.echo(json.dumps({"schema_version": SCHEMA_VERSION, **facts}) if options.as_json else text)


@gym.command()
@DIR
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of ARM; 0: the last one, or any that is free.")
@click.pass_obj
def up(options: Globals, folder: Path | None, port: int) -> None:
    """Start the gym in the background; its state is as it was."""
    try:
        state = gym_in(folder).up(port)
    except ModuleNotFoundError as missing:
        raise GymError(f"the gym needs {missing.name}", hint="Install it with `pip install 'iac-agent[gym]'`.") from missing
    say(
        options,
        f"The gym is up at {state.endpoint} with {state.resources} resources ({state.folder}).",
        running=True,
        endpoint=state.endpoint,
        resources=state.resources,
        dir=state.folder,
    )


@gym.command()
@DIR
@click.pass_obj
def down(options: Globals, folder: Path | None) -> None:
    """Stop the gym; its state stays."""
    stopped = gym_in(folder).down()
    say(options, "The gym is down." if stopped else "The gym was not up.", running=False, stopped=stopped)


@gym.command()
@DIR
@click.pass_obj
def status(options: Globals, folder: Path | None) -> int:
    """Say whether the gym is up; exit 1 when it is not."""
    state = gym_in(folder).status()
    text = f"up at {state.endpoint}, {state.resources} resources ({state.folder})" if state.running else f"down ({state.folder})"
    say(options, text, running=state.running, endpoint=state.endpoint, resources=state.resources, dir=state.folder)
    return 0 if state.running else 1


@gym.command()
@DIR
@click.pass_obj
def reset(options: Globals, folder: Path | None) -> None:
    """Forget every resource, event and operation."""
    gym_in(folder).reset()
    say(options, "The gym is empty.", resources=0)


@gym.command()
@DIR
@click.pass_obj
def checkpoint(options: Globals, folder: Path | None) -> None:
    """Remember the state as it is now."""
    gym_in(folder).checkpoint()
    say(options, "The gym remembers this state; `iacagent gym rewind` goes back to it.")


@gym.command()
@DIR
@click.pass_obj
def rewind(options: Globals, folder: Path | None) -> None:
    """Go back to the checkpoint: resources, activity log and changes."""
    gym_in(folder).rewind()
    say(options, "The gym is as it was at the checkpoint.")


def _major(directory: Path) -> int:
    from iac_agent.azure.provider_version import major_of

    return major_of(directory)


@gym.command()
@DIR
@click.pass_obj
def env(options: Globals, folder: Path | None) -> None:
    """Print the environment for a shell: `eval "$(iacagent gym env)"`. The azurerm major is that of the current root module."""
    variables = gym_in(folder).environment(_major(options.directory))
    if options.as_json:
        say(options, "", environment=variables)
        return
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@gym.command(name="exec", context_settings={"ignore_unknown_options": True})
@DIR
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(options: Globals, folder: Path | None, command: tuple[str, ...]) -> int:
    """Run a command with the environment of the gym: `iacagent gym exec -- terraform plan`."""
    directory = _directory_of(command, options.directory)
    variables = gym_in(folder).environment(_major(directory))
    try:
        return subprocess.run(command, env={**os.environ, **variables}, cwd=options.directory, check=False).returncode
    except FileNotFoundError as problem:
        raise GymError(f"{command[0]}: not found") from problem
    except KeyboardInterrupt:
        return 130


def _directory_of(command: tuple[str, ...], directory: Path) -> Path:
    """The root module a Terraform or iacagent command line works in: its -chdir or -C, else the current directory."""
    for position, word in enumerate(command):
        if word.startswith(("-chdir=", "--chdir=")):
            return directory / word.split("=", 1)[1]
        if word in ("-C", "-chdir", "--chdir") and position + 1 < len(command):
            return directory / command[position + 1]
    return directory


@gym.command()
@click.option(
    "--script", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True, help="What the model says; see docs/model.md."
)
@click.option("--port", type=int, default=8085, show_default=True, help="The port on 127.0.0.1; 0 for any free one.")
@click.option("--key", default="", help="The key that callers must present; empty: any.")
@click.pass_obj
def model(options: Globals, script: Path, port: int, key: str) -> None:
    """Serve a scripted OpenAI-compatible model until Ctrl-C, and print each question it gets."""
    import json
    import time

    from iac_agent.gym.model import ModelServer, Script

    server = ModelServer(Script.read(script), key)
    server.start(port)
    say(options, f"A scripted model answers at {server.base_url} (set planner.base_url to it). Ctrl-C ends it.", base_url=server.base_url)
    shown = 0
    try:
        while True:
            time.sleep(0.2)
            for raw in server.heard[shown:]:
                last = json.loads(raw)["messages"][-1]
                click.echo(f"{last['role']}: {str(last.get('content', ''))[-400:]}", err=True)
            shown = len(server.heard)
    except KeyboardInterrupt:
        server.stop()
