"""The guard in the whole flow: what is refused changes nothing; unknown needs a name; people sign; rules come from elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Sandbox

VM, RULE = "azurerm_linux_virtual_machine.web", "azurerm_network_security_group.web"
HELD = "ssh-keygen is not installed"
RESIZE = "resize vm to Standard_D4s_v5"


def configure(sandbox: Sandbox, text: str) -> None:
    (sandbox.directory / ".iacagent.yaml").write_text(text)


def audit(sandbox: Sandbox) -> list[dict[str, object]]:
    return list(sandbox.iacagent("--json", "audit", "show").json["records"])


def test_a_budget_stops_a_change_and_nothing_is_written(web_tier: Sandbox) -> None:
    configure(web_tier, "guard:\n  budget:\n    monthly: 100\n")
    before = web_tier.files()
    ran = web_tier.iacagent("apply", RESIZE, "--auto-approve")
    assert ran.code == 3
    assert "CST-100" in ran.out
    assert "PolicyRefused" in json.dumps(audit(web_tier))
    assert web_tier.files() == before
    assert web_tier.state()[VM]["size"] == "Standard_D2s_v5"
    assert web_tier.iacagent("apply", "resize vm to Standard_B2s", "--auto-approve").code == 0, "a change that saves is let through"


def test_a_policy_can_be_made_to_refuse_and_excepted(web_tier: Sandbox) -> None:
    configure(web_tier, "guard:\n  sizes: [Standard_D2s_v5, Standard_B2s]\n")
    ran = web_tier.iacagent("--json", "plan", RESIZE)
    assert ran.code == 3
    (found,) = [f for f in ran.json["verdict"]["findings"] if f["rule"] == "CST-012"]
    assert found["outcome"] == "refuse"
    assert found["where"] == "vm.tf:20"
    assert (found["attribute"], found["value"]) == ("size", "Standard_D4s_v5")
    exception = (
        f"    - rule: CST-012\n      addresses: ['{VM}']\n      reason: load test of May\n      owner: ops\n      expires: 2099-01-01\n"
    )
    configure(web_tier, f"guard:\n  sizes: [Standard_D2s_v5]\n  exceptions:\n{exception}")
    ran = web_tier.iacagent("plan", RESIZE)
    assert ran.code == 0, ran.err
    assert "excepted: load test of May (ops, until 2099-01-01)" in ran.out
    configure(web_tier, f"guard:\n  sizes: [Standard_D2s_v5]\n  exceptions:\n{exception.replace('2099', '2020')}")
    assert "expired on 2020-01-01" in web_tier.iacagent("plan", RESIZE).out


def test_what_cannot_be_told_needs_a_name(web_tier: Sandbox) -> None:
    configure(web_tier, "guard:\n  budget:\n    monthly: 10000\n")
    ran = web_tier.iacagent("apply", "make vm spot", "--auto-approve", "--allow-replace", VM)
    assert ran.code == 3, "the price of Spot is unknown, and so is the budget"
    assert f"--allow-unknown '{VM}'" in ran.err
    assert web_tier.state()[VM]["priority"] == "Regular"
    ran = web_tier.iacagent("apply", "make vm spot", "--auto-approve", "--allow-replace", VM, "--allow-unknown", VM)
    assert ran.code == 0, ran.err


def test_read_only_applies_nothing_and_reversible_takes_a_person(web_tier: Sandbox) -> None:
    configure(web_tier, "guard:\n  autonomy: read-only\n")
    before = web_tier.files()
    for command in (("apply", RESIZE, "--auto-approve"), ("operate", "restart", "vm", "--auto-approve")):
        ran = web_tier.iacagent(*command)
        assert ran.code == 3
        assert "read-only" in ran.err
    assert web_tier.iacagent("plan", RESIZE).code == 0
    configure(web_tier, "guard:\n  autonomy: reversible\n")
    ran = web_tier.iacagent("apply", "make vm spot", "--auto-approve", "--allow-replace", VM)
    assert ran.code == 3
    assert "takes a person" in ran.err
    assert web_tier.files() == before
    assert web_tier.iacagent("apply", RESIZE, "--auto-approve").code == 0


def test_a_policy_in_plain_words_stops_a_request(web_tier: Sandbox) -> None:
    said = "machines only in northeurope; no spot machines in production; the monthly budget is 90 dollars"
    ran = web_tier.iacagent("policy", "compile", said)
    assert ran.code == 3, "nobody accepted it"
    assert not (web_tier.directory / ".iacagent.policies.yaml").exists()
    assert "Every machine or scale set is in northeurope." in ran.out
    ran = web_tier.iacagent("policy", "compile", said, "--accept")
    assert ran.code == 0, ran.err
    ran = web_tier.iacagent("apply", RESIZE, "--auto-approve")
    assert ran.code == 3
    assert "CST-100" in ran.err
    assert "SPEC-001" in web_tier.iacagent("plan", "create a linux vm called api").out
    file = web_tier.directory / ".iacagent.policies.yaml"
    file.write_text(file.read_text().replace("at_most: 90", "at_most: 9000"))
    ran = web_tier.iacagent("apply", RESIZE, "--auto-approve")
    assert ran.code == 1
    assert "was changed since" in ran.err


def test_rules_of_another_revision_are_those_that_count(web_tier: Sandbox) -> None:
    git = ["git", "-C", str(web_tier.directory), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    configure(web_tier, "guard:\n  sizes: [Standard_D2s_v5]\n")
    for command in (["init", "-q", "-b", "main"], ["add", ".iacagent.yaml"], ["commit", "-qm", "rules"]):
        subprocess.run([*git, *command], check=True)
    configure(web_tier, "guard: {}\n")
    assert web_tier.iacagent("plan", RESIZE).code == 0
    web_tier.extra["IACAGENT_RULES_FROM"] = "main"
    assert web_tier.iacagent("plan", RESIZE).code == 3
    web_tier.extra["IACAGENT_RULES_FROM"] = "nowhere"
    assert "is no revision" in web_tier.iacagent("plan", RESIZE).err


# --- signed approvals --------------------------------------------------------------------------------------------------


@pytest.fixture
def people(tmp_path: Path, web_tier: Sandbox) -> dict[str, Path]:
    """Keys of three people, two of whom are allowed to sign; the root module is protected."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip(HELD)
    keys, lines = {}, []
    for name in ("alice", "bob", "mallory"):
        keys[name] = tmp_path / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(keys[name])], check=True)
        if name != "mallory":
            lines.append(f"{name}@example.com {keys[name].with_suffix('.pub').read_text()}")
    (web_tier.directory / ".signers").write_text("".join(lines))
    configure(web_tier, 'guard:\n  approval:\n    signers: .signers\n    protected: ["."]\n')
    web_tier.extra["IACAGENT_ACTOR"] = "carol@example.com"
    return keys


def saved(sandbox: Sandbox, request: str = RESIZE) -> None:
    ran = sandbox.iacagent("plan", request, "--out", "p.iac")
    assert ran.code == 0, ran.err


def test_a_protected_root_module_needs_a_signature_of_somebody_else(web_tier: Sandbox, people: dict[str, Path]) -> None:
    ran = web_tier.iacagent("apply", RESIZE, "--auto-approve")
    assert (ran.code, "is protected" in ran.err) == (3, True)
    saved(web_tier)
    assert web_tier.iacagent("apply", "p.iac", "--auto-approve").code == 3
    ran = web_tier.iacagent("approve", "p.iac", "--key", str(people["mallory"]))
    assert ran.code == 0, ran.err
    ran = web_tier.iacagent("apply", "p.iac", "--auto-approve")
    assert "its key is none of the allowed signers" in ran.err
    assert ran.code == 3
    ran = web_tier.iacagent("approve", "p.iac", "--key", str(people["alice"]))
    assert f"update   {VM}" in ran.err
    ran = web_tier.iacagent("apply", "p.iac")
    assert ran.code == 0, ran.err
    assert "signed by alice" in ran.out
    (record,) = [r for r in audit(web_tier) if r["kind"] == "approval"]
    assert record["body"]["signed_by"] == ["alice"]  # type: ignore[index]


def test_who_asked_cannot_sign(web_tier: Sandbox, people: dict[str, Path]) -> None:
    web_tier.extra["IACAGENT_ACTOR"] = "bob@laptop"
    saved(web_tier)
    web_tier.iacagent("approve", "p.iac", "--key", str(people["bob"]))
    ran = web_tier.iacagent("apply", "p.iac", "--auto-approve")
    assert ran.code == 3
    assert "asked for the plan" in ran.err


def test_a_signature_is_for_one_plan_and_covers_what_it_names(web_tier: Sandbox, people: dict[str, Path]) -> None:
    saved(web_tier)
    web_tier.iacagent("approve", "p.iac", "--key", str(people["alice"]))
    (web_tier.directory / "p.iac").unlink()
    saved(web_tier, "make vm spot")
    ran = web_tier.iacagent("apply", "p.iac", "--auto-approve", "--allow-replace", VM)
    assert ran.code == 3
    assert "for another plan" in ran.err
    web_tier.iacagent("approve", "p.iac", "--key", str(people["alice"]))
    ran = web_tier.iacagent("apply", "p.iac")
    assert ran.code == 0, ran.err
    assert web_tier.state()[VM]["priority"] == "Spot", "the signature named the replacement"
