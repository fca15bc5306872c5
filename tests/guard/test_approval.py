"""Signing and reading approvals: what is said when a key, a file or a signature will not do."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iac_agent.errors import UsageError
from iac_agent.guard import approval
from iac_agent.guard.approval import ApprovalRules, Approvals, Subject
from iac_agent.guard.verdict import Item, Verdict

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ABOUT = Subject(Verdict((Item("azurerm_subnet.a", "delete"),), digest="d", file_hash="f"), "files", ".", ("carol@example.com",))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "alice"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "alice", "-f", str(file)], check=True)
    (tmp_path / "signers").write_text(f"alice@example.com {file.with_suffix('.pub').read_text()}")
    return file


def signed(key: Path, rules: ApprovalRules, about: Subject = ABOUT) -> Approvals:
    file = key.with_name("p.alice.approval")
    file.write_text(approval.sign(approval.state(ABOUT, 1, NOW), key))
    return approval.read([file], about, rules, NOW)


def test_a_signature_of_somebody_allowed_counts(key: Path) -> None:
    found = signed(key, ApprovalRules(signers=key.with_name("signers")))
    assert found.people == {"alice"}
    assert found.covers("azurerm_subnet.a", "delete")
    assert not found.covers("azurerm_subnet.a", "update")


def test_what_is_no_key_does_not_sign(tmp_path: Path) -> None:
    (tmp_path / "no-key").write_text("x")
    with pytest.raises(UsageError, match="cannot sign"):
        approval.sign(approval.state(ABOUT, 1, NOW), tmp_path / "no-key")


@pytest.mark.parametrize("signers", [None, Path("/nowhere")])
def test_without_signers_nothing_counts(key: Path, signers: Path | None) -> None:
    found = signed(key, ApprovalRules(signers=signers))
    assert found.people == set()
    assert "no file of allowed signers" in found.refused[0]


def test_a_stranger_is_told_apart_from_a_bad_signature(key: Path) -> None:
    signers = key.with_name("signers")
    signers.write_text("")
    assert "none of the allowed signers" in signed(key, ApprovalRules(signers=signers)).refused[0]
