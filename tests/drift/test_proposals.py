"""Decisions that are open: a model proposes, a person decides on one page; neither goes past a rule."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator

import pytest

from iac_agent.cli.drift_page import parse
from iac_agent.drift.finding import Finding, Kind
from iac_agent.errors import UsageError
from iac_agent.gym.model import ModelServer, Reply
from tests.conftest import Sandbox
from tests.drift.test_reconcile import NSG, VM, drifted, reconcile  # noqa: F401 (a fixture)

KEYS: dict[str, str] = {}


def _answer(body: dict[str, object]) -> Reply:
    """A model that would import everything it must not, and revert the rest."""
    decisions = [{"key": key, "action": "revert", "reason": f"{a} was right"} for a, key in KEYS.items() if a]
    decisions += [{"key": "no-such-key", "action": "revert", "reason": "x"}, {"key": KEYS[VM], "action": "explode", "reason": "x"}]
    return {"call": "propose_decisions", "with": {"decisions": decisions}}


@pytest.fixture
def model(drifted: Sandbox) -> Iterator[ModelServer]:  # noqa: F811
    server = ModelServer(_answer)
    server.start()
    KEYS.clear()
    KEYS.update({f["address"]: f["key"] for f in drifted.iacagent("--json", "drift", "detect").json["findings"]})
    (drifted.directory / ".iacagent.yaml").write_text(
        f"planner: {{model: scripted, base_url: '{server.base_url}'}}\n"
        "drift:\n  rules:\n    - {action: report, types: [azurerm_network_security_*], reason: ask the network team}\n"
    )
    yield server
    server.stop()


def test_a_model_proposes_and_decides_nothing(drifted: Sandbox, model: ModelServer) -> None:  # noqa: F811
    files = drifted.files()
    code, outcomes, document = reconcile(drifted, "--auto-approve")
    assert code == 2
    assert set(outcomes.values()) == {"reported"}
    details = {s["subject"]: s["detail"] for s in document["settled"]}
    assert details[VM] == f"the model proposes revert: {VM} was right"
    assert details[NSG] == "rule 1: ask the network team"
    assert drifted.files() == files
    assert b"nsg-shop-web" not in b"".join(model.heard)


def test_a_model_that_fails_stops_nothing(drifted: Sandbox, model: ModelServer) -> None:  # noqa: F811
    model.answer = lambda body: {"raw": "nonsense", "status": 200}
    code, outcomes, _ = reconcile(drifted, "--decide", f"{VM}=adopt", "--auto-approve")
    assert (code, outcomes[VM]) == (2, "adopted")


def test_a_person_decides_on_one_page(drifted: Sandbox) -> None:  # noqa: F811
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        drifted.command("drift", "reconcile", "--auto-approve"),
        cwd=drifted.directory,
        env={**drifted.environment, "TERM": "dumb"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        close_fds=True,
    )
    os.close(follower)
    shown = _until(leader, "> ")
    assert "  1  " in shown
    assert "possible: adopt, ignore, revert" in shown
    os.write(leader, b"1 fly\n")
    assert "cannot be done" in _until(leader, "> ")
    os.write(leader, b"1-2 adopt; 3=import\n")
    shown = _until(leader, "findings are settled.")
    assert process.wait(60) == 0
    assert "3 of 3 findings are settled." in shown
    os.close(leader)


def _until(terminal: int, sign: str, patience: float = 120) -> str:
    """What the terminal shows until it shows this."""
    shown, deadline = "", time.monotonic() + patience
    while sign not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 65536).decode("utf-8", "replace")
    return shown


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("1-2 adopt", {"a": "adopt", "b": "adopt"}),
        ("all adopt", {"a": "adopt", "b": "adopt", "c": "adopt"}),
        ("1,3 revert; 2=adopt", {"a": "revert", "c": "revert", "b": "adopt"}),
        ("1=adopt, 2 revert", {"a": "adopt", "b": "revert"}),
        ("4 adopt", None),
        ("adopt", None),
        ("1 import", None),
        ("0-2 adopt", None),
        ("1 explode", None),
        ("x adopt", None),
    ],
)
def test_answers_of_a_person(answer: str, told: dict[str, str] | None) -> None:
    found = [Finding(Kind.CHANGED, name, "azurerm_x", f"/{name}") for name in "abc"]
    if told is None:
        with pytest.raises(UsageError):
            parse(answer, found)
    else:
        assert {d.finding.address: str(d.action) for d in parse(answer, found).values()} == told
