"""The deployability pack against the gym: what a policy refuses, Azure rejects at apply; what it lets through, Azure makes.

Every example is a root module of its own in fixtures/policies, planned by Terraform before any of its ids are known.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from iac_agent.guard.check import Checks, Finding
from iac_agent.guard.planned import World
from iac_agent.guard.policies import shipped
from iac_agent.guard.policy import Policy, Ruling
from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.module import RootModule
from iac_agent.terraform.models import Plan
from tests.conftest import FIXTURES, Figure, Sandbox

PACK = [p for p in shipped() if p.pack == "DEP"]
# What the provider rejects before it asks Azure.
_BY_THE_PROVIDER = {"DEP-001": "conflicts with"}


def planned(sandbox: Sandbox, example: str) -> list[Finding]:
    """The findings of the pack on a plan of an example."""
    (sandbox.directory / "main.tf").write_text((FIXTURES / "policies" / example).read_text("utf-8"))
    sandbox.terraform("init", "-no-color", "-input=false")
    sandbox.terraform("plan", "-no-color", "-input=false", "-out", "p")
    plan = Plan.model_validate(json.loads(sandbox.terraform("show", "-json", "p").out))
    root = RootModule(sandbox.directory)
    return Checks(tuple(PACK)).run(World.planned(plan, Configuration(root)), World({}), root)


@pytest.mark.parametrize("policy", PACK, ids=lambda p: p.id)
def test_azure_rejects_what_the_policy_refuses(policy: Policy, sandbox: Sandbox, figure: Figure) -> None:
    found = planned(sandbox, str(policy.failing))
    assert {(f.rule, f.outcome) for f in found} == {(policy.id, Ruling.REFUSE)}
    assert all(re.fullmatch(r"main\.tf:\d+", f.where) for f in found)
    ran = sandbox.terraform("apply", "-no-color", "-input=false", "p", check=False)
    assert ran.code == 1, "the gym made it"
    told = " ".join(ran.err.split())
    code = re.search(r"Azure answers (\w+)", policy.why)
    wanted = _BY_THE_PROVIDER.get(policy.id) or (
        code[1] if code and code[1] not in ("or", "that") else "InvalidParameter|InvalidRequestFormat"
    )
    assert re.search(wanted, told), told[-800:]
    figure("deployability rules whose failing example the gym rejects at apply", 1, 1)


@pytest.mark.parametrize("policy", PACK, ids=lambda p: p.id)
def test_azure_makes_what_the_policy_lets_through(policy: Policy, sandbox: Sandbox, figure: Figure) -> None:
    assert planned(sandbox, str(policy.passing)) == []
    sandbox.terraform("apply", "-no-color", "-input=false", "p")
    figure("deployability rules whose passing example the gym makes", 1, 1)


def test_there_are_examples_of_nothing_else() -> None:
    assert {p.name for p in Path(FIXTURES / "policies").iterdir()} == {p.id for p in PACK}
