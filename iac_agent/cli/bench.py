"""`iacagent bench`: the benchmark, beside the study's figures."""

from __future__ import annotations

import json
from pathlib import Path

import click

from iac_agent.cli.main import SCHEMA_VERSION, Globals
from iac_agent.errors import GymError, UsageError


@click.group()
def bench() -> None:
    """Measure an agent: the study's eleven tasks and a hard suite, judged by what is there afterwards."""


@bench.command()
@click.option(
    "--task", "tasks", multiple=True, metavar="NAME", help="A task, a group (provisioning, update, monitoring, hard), or one prompt."
)
@click.option("--planner", type=click.Choice(["builtin", "auto", "model"]), default="builtin", show_default=True, help="Which planner.")
@click.option("--jobs", type=click.IntRange(1, 8), default=2, show_default=True, help="How many gyms at a time.")
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Also write the results as a page.")
@click.pass_obj
def run(options: Globals, tasks: tuple[str, ...], planner: str, jobs: int, page: Path | None) -> int:
    """Run tasks, and print success, steps, tokens, time and unwanted changes for each group; each miss by name. Exit 2 when any missed."""
    try:
        from iac_agent.gym.bench import run as bench_run
        from iac_agent.gym.bench.participant import IacAgent
        from iac_agent.gym.bench.tasks import Suite
    except ModuleNotFoundError as missing:
        raise GymError(f"the benchmark needs {missing.name}", hint="Install it with `pip install 'iac-agent[gym]'`.") from missing
    if planner != "builtin" and options.config is None:
        raise UsageError(
            "which model? The benchmark works in folders of its own", hint="Name a file with planner.model: iacagent --config FILE."
        )
    prompts = Suite.load().chosen(tasks)
    participant = IacAgent(planner, options.config.resolve() if options.config else None)

    def heard(result: bench_run.Result) -> None:
        mark = "ok  " if result.passed else "miss"
        click.echo(f"{mark} {result.prompt.name} ({result.steps} steps, {result.seconds:.1f} s)", err=True)

    results = bench_run.run(prompts, participant, jobs, heard)
    if page is not None:
        page.write_text(bench_run.page(results, f"iacagent, {planner} planner"), "utf-8")
    if options.as_json:
        groups = [{**vars(r), "success": r.success} for r in bench_run.rows(results)]
        document = {"schema_version": SCHEMA_VERSION, "groups": groups, "results": [r.as_json() for r in results], "study": bench_run.STUDY}
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(bench_run.table(results), nl=False)
    return 0 if all(r.passed for r in results) else 2
