"""Family 5, first part: approvals that do not hold, signed with real keys."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from iac_agent.errors import ApprovalMissing, Refused
from iac_agent.guard import approval
from iac_agent.guard.approval import UNSIGNED, ApprovalRules, Autonomy, Statement, Subject
from iac_agent.guard.verdict import Item, Verdict
from tests.adversarial.table import Attack, cases
from tests.conftest import Figure

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
VERDICT = Verdict(
    (Item("azurerm_managed_disk.d", "delete"), Item("azurerm_resource_group.g", "update")), digest="d" * 64, file_hash="f" * 64
)
REQUESTER = "rita@laptop"
SUBJECT = Subject(VERDICT, "a" * 64, "prod", (REQUESTER,))


@dataclass(frozen=True)
class Keys:
    """Keys of people, and the file of those who may sign: bob and carol, and rita, who asks; not mallory."""

    folder: Path

    @property
    def signers(self) -> Path:
        return self.folder / "signers"

    def of(self, who: str) -> Path:
        return self.folder / who


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    for who in ("bob", "bob2", "carol", "rita", "mallory", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", str(folder / who)], check=True)
    named = (("bob@corp", "bob", ""), ("bob@home", "bob2", ""), ("carol@corp", "carol", ""), ("rita@corp", "rita", ""))
    lines = [f"{name} {options}{(folder / f'{key}.pub').read_text()}" for name, key, options in named]
    lines.append(f'other@corp namespaces="git" {(folder / "other.pub").read_text()}')
    (folder / "signers").write_text("".join(lines))
    return Keys(folder)


def stated(**changes: object) -> Statement:
    return replace(approval.state(SUBJECT, 8, NOW), **changes)  # type: ignore[arg-type]


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def edited(text: str, **changes: object) -> str:
    """An approval whose statement was changed after it was signed."""
    held = json.loads(text)
    held["statement"] = json.dumps({**json.loads(held["statement"]), **changes}, sort_keys=True, indent=1)
    return json.dumps(held)


def in_namespace(statement: Statement, key: Path, namespace: str) -> str:
    done = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", str(key)],
        input=statement.text(),
        text=True,
        capture_output=True,
        check=True,
    )
    return json.dumps({"statement": statement.text(), "signature": done.stdout})


def of_another(text: str, other: str) -> str:
    """The statement of one with the signature of another."""
    return json.dumps({**json.loads(text), "signature": json.loads(other)["signature"]})


Made = Callable[[Keys], "list[str]"]


@dataclass(frozen=True)
class ApprovalAttack(Attack):
    """Approval files that must not be enough for `people`; none of them may cover the destruction of the disk by itself."""

    files: Made
    people: int = 1


def signed(who: str = "bob", **changes: object) -> Made:
    return lambda keys: [approval.sign(stated(**changes), keys.of(who))]


def changed(**changes: object) -> Made:
    return lambda keys: [edited(approval.sign(stated(), keys.of("bob")), **changes)]


def raw(text: str) -> Made:
    return lambda keys: [text]


ATTACKS = [
    ApprovalAttack("no approval at all", lambda keys: []),
    ApprovalAttack("signed by an unknown key", signed("mallory")),
    ApprovalAttack("signed by a key of another namespace", signed("other")),
    ApprovalAttack("a signature of another namespace", lambda keys: [in_namespace(stated(), keys.of("bob"), "git")]),
    ApprovalAttack("a signature of a file", lambda keys: [in_namespace(stated(), keys.of("bob"), "file")]),
    ApprovalAttack("of another plan", signed(plan_digest="e" * 64)),
    ApprovalAttack("of another plan file", signed(plan_file_sha256="e" * 64)),
    ApprovalAttack("of fewer changes", signed(changes=(("azurerm_resource_group.g", "update"),))),
    ApprovalAttack("of more changes", signed(changes=(*((i.address, i.action) for i in VERDICT.items), ("a.b", "delete")))),
    ApprovalAttack("of a lesser action", signed(changes=(("azurerm_managed_disk.d", "update"), ("azurerm_resource_group.g", "update")))),
    ApprovalAttack("of another root module", signed(root_module="staging")),
    ApprovalAttack("expired", signed(at=iso(NOW - timedelta(hours=9)), expires=iso(NOW - timedelta(seconds=1)))),
    ApprovalAttack("that holds for a year", signed(expires=iso(NOW + timedelta(days=365)))),
    ApprovalAttack("that is dated ahead", signed(at=iso(NOW + timedelta(days=365)), expires=iso(NOW + timedelta(days=365, hours=1)))),
    ApprovalAttack("that ends before it begins", signed(at=iso(NOW + timedelta(days=900)), expires=iso(NOW + timedelta(days=800)))),
    ApprovalAttack("with times without a zone", signed(at="2026-06-15T12:00:00", expires="2026-06-15T20:00:00")),
    ApprovalAttack("with a time that is none", signed(expires="never")),
    ApprovalAttack("with the end edited", changed(expires=iso(NOW + timedelta(hours=20)))),
    ApprovalAttack("with the changes edited", changed(changes=[["azurerm_resource_group.g", "update"]])),
    ApprovalAttack("with the requester edited", changed(requester="somebody")),
    ApprovalAttack("with a space more", lambda keys: [approval.sign(stated(), keys.of("bob")).replace("prod", "prod ")]),
    ApprovalAttack(
        "with the signature of another one",
        lambda keys: [of_another(approval.sign(stated(), keys.of("bob")), approval.sign(stated(requester="x"), keys.of("bob")))],
    ),
    ApprovalAttack("of other files", signed(files_sha256="e" * 64)),
    ApprovalAttack("by the requester", signed("rita")),
    ApprovalAttack("by the requester, who says that somebody else asked", signed("rita", requester="nobody")),
    ApprovalAttack("by the requester, who says that nobody asked", signed("rita", requester="")),
    ApprovalAttack("by one person for two", signed("bob"), 2),
    ApprovalAttack(
        "by one person twice",
        lambda keys: [approval.sign(stated(), keys.of("bob")), approval.sign(stated(at=iso(NOW - timedelta(hours=1))), keys.of("bob"))],
        2,
    ),
    ApprovalAttack(
        "by one person with two keys", lambda keys: [approval.sign(stated(), keys.of("bob")), approval.sign(stated(), keys.of("bob2"))], 2
    ),
    ApprovalAttack(
        "by one person and the requester",
        lambda keys: [approval.sign(stated(), keys.of("bob")), approval.sign(stated(), keys.of("rita"))],
        2,
    ),
    ApprovalAttack(
        "by one person and an unknown key",
        lambda keys: [approval.sign(stated(), keys.of("bob")), approval.sign(stated(), keys.of("mallory"))],
        2,
    ),
    ApprovalAttack("an empty file", raw("")),
    ApprovalAttack("a list", raw("[]")),
    ApprovalAttack("a word", raw('"approved"')),
    ApprovalAttack("a statement without a signature", raw(json.dumps({"statement": stated().text()}))),
    ApprovalAttack("a signature of nothing", raw(json.dumps({"statement": stated().text(), "signature": ""}))),
    ApprovalAttack("a signature that says approved", raw(json.dumps({"statement": stated().text(), "signature": "approved by bob@corp"}))),
    ApprovalAttack(
        "a statement with a field more",
        raw(json.dumps({"statement": json.dumps({**json.loads(stated().text()), "approved": True}), "signature": "x"})),
    ),
]


def read(folder: Path, texts: list[str], rules: ApprovalRules) -> approval.Approvals:
    plan = folder / "x.plan"
    for number, text in enumerate(texts):
        (folder / f"x.plan.{number}.approval").write_text(text)
    return approval.read(approval.beside(plan), SUBJECT, rules, NOW)


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_the_approval_is_not_enough(keys: Keys, tmp_path: Path, attack: ApprovalAttack, figure: Figure) -> None:
    rules = ApprovalRules(signers=keys.signers, people=attack.people, protected=("prod",))
    found = read(tmp_path, attack.files(keys), rules)
    with pytest.raises(ApprovalMissing, match="is protected") as refused:
        approval.require(rules, found, "prod", "default")
    assert refused.value.exit_code == 3
    assert len(found.people) < attack.people
    figure("attacks stopped, approvals", 1, 1)


@dataclass(frozen=True)
class SignersAttack(Attack):
    """A file of signers (None: there is none) with which bob's signature must not count."""

    text: str | None


SIGNERS = [
    SignersAttack("no file of signers", None),
    SignersAttack("an empty file of signers", ""),
    SignersAttack("a file of signers that holds only words", "bob@corp approved\n"),
    SignersAttack("a comment with bob's key", "# bob@corp ssh-ed25519 AAAA\n"),
]


@pytest.mark.parametrize("attack", cases(SIGNERS))
def test_without_signers_nobody_signs(keys: Keys, tmp_path: Path, attack: SignersAttack, figure: Figure) -> None:
    signers = tmp_path / "signers"
    if attack.text is not None:
        signers.write_text(attack.text)
    rules = ApprovalRules(signers=signers, protected=("prod",))
    found = read(tmp_path, [approval.sign(stated(), keys.of("bob"))], rules)
    assert found.people == set()
    with pytest.raises(ApprovalMissing):
        approval.require(rules, found, "prod", "default")
    figure("attacks stopped, approvals", 1, 1)


def test_a_good_signature_is_enough(keys: Keys, tmp_path: Path) -> None:
    """The tables above fail for what they say, and not because nothing ever holds."""
    rules = ApprovalRules(signers=keys.signers, people=2, protected=("prod",))
    found = read(tmp_path, [approval.sign(stated(), keys.of("bob")), approval.sign(stated(), keys.of("carol"))], rules)
    assert len(found.people) == 2
    assert found.covers("azurerm_managed_disk.d", "delete")
    approval.require(rules, found, "prod", "default")


@pytest.mark.parametrize("place", ["prod", "other"])
def test_read_only_takes_no_signature(keys: Keys, tmp_path: Path, place: str, figure: Figure) -> None:
    rules = ApprovalRules(autonomy=Autonomy.READ_ONLY, signers=keys.signers, protected=("prod",))
    found = read(tmp_path, [approval.sign(stated(), keys.of("bob"))], rules)
    for held in (found, UNSIGNED):
        with pytest.raises(Refused, match="read-only") as refused:
            approval.require(rules, held, place, "default")
        assert refused.value.exit_code == 3
    figure("attacks stopped, approvals", 1, 1)


def test_a_signature_does_not_cover_a_worse_action(keys: Keys, tmp_path: Path, figure: Figure) -> None:
    rules = ApprovalRules(signers=keys.signers, protected=("prod",))
    found = read(tmp_path, [approval.sign(stated(), keys.of("bob"))], rules)
    assert len(found.people) == 1
    assert not found.covers("azurerm_managed_disk.d", "replace")
    assert not found.covers("azurerm_resource_group.g", "delete")
    assert not found.covers("azurerm_managed_disk.other", "delete")
    figure("attacks stopped, approvals", 1, 1)
