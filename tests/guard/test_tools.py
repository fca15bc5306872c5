"""Other tools' findings in our form: from their own answers, recorded from their documentation and, of checkov, from checkov 3.3.30."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from iac_agent.guard.check import Finding
from iac_agent.guard.planned import World
from iac_agent.guard.policy import Ruling
from iac_agent.guard.tools import Checkov, Conftest
from iac_agent.terraform.models import Plan

VM = "azurerm_linux_virtual_machine.web"
PLAN = Plan.model_validate(
    {
        "format_version": "1.2",
        "planned_values": {
            "root_module": {
                "resources": [
                    {"address": "azurerm_storage_account.s", "mode": "managed", "type": "azurerm_storage_account", "name": "s",
                     "values": {"min_tls_version": "TLS1_0", "account_replication_type": "LRS"}}
                ]
            }
        },
        "resource_changes": [
            {"address": "azurerm_storage_account.s", "mode": "managed", "type": "azurerm_storage_account", "name": "s",
             "change": {"actions": ["create"], "before": None, "after": {"min_tls_version": "TLS1_0", "account_replication_type": "LRS"}}}
        ],
    }
)  # fmt: skip
CONFTEST = [
    {"filename": "plan.json", "namespace": "main", "successes": 1, "warnings": [{"msg": "it is large"}],
     "failures": [{"msg": "no Spot in production", "metadata": {"address": VM}}]}
]  # fmt: skip
OPA = {"result": [{"expressions": [{"value": {"deny": ["no Spot in production"], "warn": [{"msg": "it is large", "address": VM}]}}]}]}
CHECKOV = {
    "check_type": "terraform_plan",
    "results": {
        "failed_checks": [
            {"check_id": "CKV_AZURE_50", "check_name": "Ensure Virtual Machine Extensions are not Installed", "resource": VM,
             "check_result": {"result": "FAILED", "evaluated_keys": ["allow_extension_operations"]}, "guideline": None}
        ]
    },
}  # fmt: skip


def judged(judge: Any) -> list[Finding]:
    nothing = World({})
    return list(judge(PLAN, nothing, nothing))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a program on an otherwise empty PATH that prints an answer, and keeps what it was given."""

    def install(name: str, answer: str, code: int = 1) -> Path:
        program, given = tmp_path / name, tmp_path / "given"
        (tmp_path / "answer").write_text(answer)
        program.write_text(f'#!/bin/sh\necho "$@" > {given}\n/bin/cat {tmp_path / "answer"}\nexit {code}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return given

    monkeypatch.setenv("PATH", str(tmp_path))
    return install


@pytest.mark.parametrize(("name", "answer"), [("conftest", CONFTEST), ("opa", OPA)])
def test_rego_by_conftest_or_opa(installed: Any, tmp_path: Path, name: str, answer: Any) -> None:
    given = installed(name, json.dumps(answer))
    found = judged(Conftest(tmp_path / "policy"))
    assert sorted((f.rule, f.outcome, f.title) for f in found) == [
        ("CONFTEST", Ruling.REFUSE, "no Spot in production"),
        ("CONFTEST", Ruling.WARN, "it is large"),
    ]
    assert VM in {f.address for f in found}
    assert str(tmp_path / "policy") in given.read_text()


def test_checkov(installed: Any, tmp_path: Path) -> None:
    given = installed("checkov", json.dumps([CHECKOV]))
    (found,) = judged(Checkov(tmp_path))
    assert (found.rule, found.outcome, found.address) == ("CKV_AZURE_50", Ruling.WARN, VM)
    assert found.attribute == "allow_extension_operations"
    assert "--framework terraform_plan" in given.read_text()


@pytest.mark.parametrize("judge", [Conftest(Path("policy")), Checkov(Path())])
def test_what_is_not_installed_is_unknown(installed: Any, judge: Any) -> None:
    (found,) = judged(judge)
    assert found.outcome == Ruling.UNKNOWN
    assert "is installed" in found.why or "not installed" in found.why


@pytest.mark.parametrize("answer", ["", "Traceback", '{"result": 3}', "[1]"])
@pytest.mark.parametrize(("name", "judge"), [(n, Conftest(Path("policy"))) for n in ("conftest", "opa")] + [("checkov", Checkov(Path()))])
def test_an_answer_that_is_not_understood_is_unknown(installed: Any, name: str, judge: Any, answer: str) -> None:
    installed(name, answer)
    assert [f.outcome for f in judged(judge)] == [Ruling.UNKNOWN]


@pytest.mark.skipif(shutil.which("checkov") is None, reason="checkov is not installed")
def test_the_real_checkov(tmp_path: Path) -> None:
    assert "CKV_AZURE_44" in {f.rule for f in judged(Checkov(tmp_path))}
