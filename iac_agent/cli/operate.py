"""`iacagent operate`: start, stop, restart, redeploy machines or run a command on them, under the lock that Terraform takes."""

from __future__ import annotations

from typing import Any

import click

from iac_agent.cli.changes import agent_for, with_document
from iac_agent.cli.main import Globals


@click.command()
@click.argument("verb", type=click.Choice(["start", "stop", "restart", "redeploy", "run-command"]))
@click.argument("machines", nargs=-1, required=True)
@click.option("--script", default="", help="What run-command runs.")
@click.option("--auto-approve", is_flag=True, help="Approve what interrupts service; never a command.")
@click.option("--lock-timeout", default="", metavar="DURATION", help="How long to wait for locks, as in 30s.")
@click.option("--answer", default="", help="Which of the candidates a question offered is meant.")
@click.option("--allow-run", multiple=True, metavar="ADDR", help="Approve running a command on this address.")
@click.pass_obj
def operate(options: Globals, /, verb: str, machines: tuple[str, ...], script: str, **flags: Any) -> int:
    """VERB on MACHINES, named as in requests. Stop deallocates. The configuration stays as it is, and nothing drifts.

    For example: iacagent operate restart db --auto-approve
    """
    words = " and ".join(machines)
    request = f"run command `{script}` on {words}" if verb == "run-command" else f"{verb} {words}"
    return carry_out(options, request, **flags)


def carry_out(options: Globals, request: str, **flags: Any) -> int:
    """Understand and carry out one operation; its document is printed with --json."""

    def work() -> int:
        from iac_agent.agent.operations import Operator
        from iac_agent.azure.clients import AzureClients
        from iac_agent.hcl.module import RootModule
        from iac_agent.planner.inventory import Inventory

        session = agent_for(options, True, **flags).session
        operator = Operator(
            session.home,
            session.terraform,
            Inventory.build(RootModule(session.directory), session.terraform.state_or_empty(), session.given),
            AzureClients(session.terraform.environment),
            session.audit,
            session.reporter,
            session.approver,
            session.approval,
            session.place,
            session.given.workspace,
            session.consent.ordinary,
            frozenset(flags.get("allow_run", ())),
            session.answer,
        )
        operator.run(operator.understood(request), request)
        return 0

    return with_document(options, work)
