"""`iacagent approve`: sign a saved plan, so that it can be applied where a signature is needed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from iac_agent.cli.main import Globals


@click.command()
@click.argument("plan_file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The SSH key to sign with.")
@click.option("--hours", type=float, default=0.0, help="How long it holds; at most, and by default, guard.approval.hours.")
@click.pass_obj
def approve(options: Globals, plan_file: Path, key: Path, hours: float) -> None:
    """Sign PLAN_FILE, a plan saved with `iacagent plan -out`. The signature lies beside it, and `iacagent apply` finds it there.

    It holds for this plan and these changes, until it expires. Look at the plan before: its changes are shown again.
    """
    from iac_agent.agent import saved
    from iac_agent.cli import config, rules, wiring
    from iac_agent.guard import approval
    from iac_agent.store.audit import Audit
    from iac_agent.store.home import Home

    settings = config.load(options.directory, options.config)
    allowed = rules.approval(settings.guard, settings.path)
    runner, _ = wiring.terraform(options.directory, settings, wiring.Request())
    found = saved.opened(plan_file, runner)
    about = saved.subject(found, Audit(Home(options.directory).database_url), str(found.told["root_module"]))
    statement = approval.state(about, min(hours or allowed.hours, allowed.hours), datetime.now(UTC))
    for item in found.verdict.items:
        click.echo(f"  {item.action:<8} {item.address}", err=True)
    text = approval.sign(statement, key)
    out = plan_file.with_name(f"{plan_file.name}.{key.stem}{approval.SUFFIX}")
    out.write_text(text, encoding="utf-8")
    click.echo(f"Signed: {out}, until {statement.expires}", err=True)
