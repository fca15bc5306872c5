"""The main job from outside: real Terraform, the real command line, the gym."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT, Sandbox

VM = "azurerm_linux_virtual_machine.web"


def two_vms(sandbox: Sandbox) -> Sandbox:
    """examples/web-tier with a second machine, applied."""
    sandbox.copy(ROOT / "examples" / "web-tier")
    vm = (sandbox.directory / "vm.tf").read_text()
    second = (
        vm.replace('"web" {', '"two" {')
        .replace("-${var.prefix}-web", "-two")
        .replace("network_interface.web.id", "network_interface.two.id")
    )
    second = second.replace("    public_ip_address_id          = azurerm_public_ip.web.id\n", "")
    sandbox.write({"two.tf": second})
    sandbox.up()
    return sandbox


def test_make_vm_spot(web_tier: Sandbox) -> None:
    before = web_tier.files()
    ran = web_tier.iacagent("apply", "make vm spot", "--allow-replace", VM)
    assert ran.code == 0, ran.err
    shown = [
        "Understood",
        "Edits",
        '+  priority            = "Spot"',
        "Plan",
        "replace, because of priority",
        "Verdict",
        "Approval",
        "Proof",
    ]
    positions = [ran.out.index(text) for text in shown]
    assert positions == sorted(positions)
    assert "second plan: empty" in ran.out
    assert "priority = Spot: Spot" in ran.out
    assert "Creation complete" in ran.err
    after = web_tier.files()
    assert {n for n in after if after[n] != before[n]} == {"vm.tf"}
    added = b'  priority            = "Spot"\n  eviction_policy     = "Deallocate"\n'
    assert after["vm.tf"].replace(added, b"", 1) == before["vm.tf"]
    assert web_tier.state()[VM]["priority"] == "Spot"
    assert web_tier.is_empty_plan()
    assert "5 records, the chain verifies" in web_tier.iacagent("audit", "verify").out


def test_plan_changes_nothing(web_tier: Sandbox) -> None:
    before = web_tier.files()
    ran = web_tier.iacagent("plan", "make vm spot")
    assert ran.code == 0
    assert web_tier.files() == before
    assert web_tier.iacagent("plan", "make vm spot", "--detailed-exitcode").code == 2
    assert web_tier.state()[VM]["priority"] == "Regular"


def test_two_machines_are_a_question(sandbox: Sandbox) -> None:
    two_vms(sandbox)
    ran = sandbox.iacagent("plan", "make vm spot")
    assert ran.code == 4
    assert VM in ran.err
    assert "azurerm_linux_virtual_machine.two" in ran.err
    answered = sandbox.iacagent("plan", "make vm spot", "--answer", "azurerm_linux_virtual_machine.two", "--json")
    assert answered.code == 0
    assert [e["address"] for e in answered.json["edits"]] == ["azurerm_linux_virtual_machine.two"] * 2


def test_a_general_yes_never_covers_a_replacement(sandbox: Sandbox) -> None:
    two_vms(sandbox)
    before = sandbox.files()
    ran = sandbox.iacagent("apply", "make vm-two spot", "--auto-approve")
    assert ran.code == 3
    assert "--allow-replace 'azurerm_linux_virtual_machine.two'" in ran.err
    assert sandbox.files() == before
    wrong = sandbox.iacagent("apply", "make vm-two spot", "--auto-approve", "--allow-replace", VM)
    assert wrong.code == 3
    assert sandbox.files() == before
    right = sandbox.iacagent("apply", "make vm-two spot", "--allow-replace", "azurerm_linux_virtual_machine.two")
    assert right.code == 0, right.err
    assert sandbox.state()["azurerm_linux_virtual_machine.two"]["priority"] == "Spot"
    assert sandbox.state()[VM]["priority"] == "Regular"


def test_a_change_in_place_needs_a_yes(web_tier: Sandbox) -> None:
    before = web_tier.files()
    assert web_tier.iacagent("apply", "resize vm to Standard_D4s_v5").code == 3
    assert web_tier.files() == before
    ran = web_tier.iacagent("apply", "resize vm to Standard_D4s_v5", "-auto-approve")
    assert ran.code == 0, ran.err
    assert web_tier.state()[VM]["size"] == "Standard_D4s_v5"
    assert b'size                = "Standard_D4s_v5" # two cores are enough' in web_tier.files()["vm.tf"]


@pytest.mark.parametrize(
    ("request_text", "address", "attribute", "value"),
    [
        ("enable boot diagnostics", VM, "boot_diagnostics", [{"storage_account_uri": ""}]),
        ("attach a 256 GB premium disk to the vm", "azurerm_managed_disk.web_data", "disk_size_gb", 256),
        ("create a linux vm called api", "azurerm_linux_virtual_machine.api", "name", "vm-shop-api"),
        ("grow the os disk of the vm to 128 GB", VM, "os_disk.0.disk_size_gb", 128),
    ],
)
def test_recipes(web_tier: Sandbox, request_text: str, address: str, attribute: str, value: object) -> None:
    ran = web_tier.iacagent("apply", request_text, "--auto-approve")
    assert ran.code == 0, ran.err
    found: object = web_tier.state()[address]
    for part in attribute.split("."):
        found = found[int(part)] if isinstance(found, list) else found[part]  # type: ignore[index]
    assert found == value
    assert web_tier.is_empty_plan()


def test_a_value_shared_with_others_is_split_off(web_tier: Sandbox) -> None:
    before = web_tier.files()
    ran = web_tier.iacagent("apply", "tag vm owner=sre", "--auto-approve")
    assert ran.code == 0, ran.err
    after = web_tier.files()
    assert {n for n in after if after[n] != before[n]} == {"vm.tf"}
    assert b'merge(var.tags, { owner = "sre" })' in after["vm.tf"]
    assert web_tier.is_empty_plan()


@pytest.mark.parametrize(
    ("request_text", "said"),
    [("polish the silver", "make vm-web spot"), ("", "make vm-web spot"), ("delete everything", "Name what should go")],
)
def test_out_of_reach_says_why(web_tier: Sandbox, request_text: str, said: str) -> None:
    ran = web_tier.iacagent("apply", request_text)
    assert ran.code == 3
    assert said in ran.err


def test_drift_is_shown_apart_and_not_applied(web_tier: Sandbox) -> None:
    network = web_tier.directory / "network.tf"
    network.write_text(network.read_text().replace('destination_port_range     = "443"', 'destination_port_range     = "8443"'))
    ran = web_tier.iacagent("apply", "enable boot diagnostics", "--auto-approve")
    assert ran.code == 0, ran.err
    assert "Unrelated, not applied" in ran.out
    assert "azurerm_network_security_group.web" in ran.out
    rules = {r["name"]: r for r in web_tier.state()["azurerm_network_security_group.web"]["security_rule"]}
    assert rules["allow-https"]["destination_port_range"] == "443"
    assert not web_tier.is_empty_plan()
    both = web_tier.iacagent("apply", "resize vm to Standard_D4s_v5", "--auto-approve", "--include-unrelated")
    assert both.code == 0, both.err
    assert web_tier.is_empty_plan()


def test_a_resource_with_changes_of_its_own_is_entangled(web_tier: Sandbox) -> None:
    vm = web_tier.directory / "vm.tf"
    vm.write_text(vm.read_text().replace("disk_size_gb         = 64", "disk_size_gb         = 96"))
    before = web_tier.files()
    ran = web_tier.iacagent("apply", "enable boot diagnostics", "--auto-approve")
    assert ran.code == 3
    assert "did not ask for" in ran.err
    assert web_tier.files() == before


def test_json_is_one_document(web_tier: Sandbox) -> None:
    ran = web_tier.iacagent("apply", "make vm spot", "--allow-replace", VM, "--json")
    document = ran.json
    assert document["schema_version"] == 1
    assert document["exit_code"] == 0
    assert document["verdict"]["intended"][0]["forced_by"] == ["priority", "eviction_policy"]
    assert all(p["holds"] for p in document["proofs"])
    refused = web_tier.iacagent("--json", "apply", "resize vm to Standard_B2s")
    assert refused.code == 3
    assert refused.json["error"]["kind"] == "ApprovalMissing"


def test_an_error_of_azure_leaves_files_state_and_audit_telling_one_story(web_tier: Sandbox) -> None:
    web_tier.gym.settings(quota={"cores": 2})
    ran = web_tier.iacagent("apply", "resize vm to Standard_D64s_v5", "--auto-approve")
    assert ran.code == 1
    assert "exceeding approved Total Regional Cores quota" in ran.err
    assert VM in ran.err
    assert "iacagent resume" in ran.err
    assert b"Standard_D64s_v5" in web_tier.files()["vm.tf"]
    assert web_tier.state()[VM]["size"] == "Standard_D2s_v5"
    other = web_tier.iacagent("apply", "enable boot diagnostics", "--auto-approve")
    assert other.code == 3
    assert "unfinished" in other.err
    web_tier.gym.settings(quota={})
    resumed = web_tier.iacagent("resume")
    assert resumed.code == 0, resumed.err
    assert web_tier.state()[VM]["size"] == "Standard_D64s_v5"
    kinds = [r["kind"] for r in web_tier.iacagent("--json", "audit", "show").json["records"]]
    assert kinds == ["request", "verdict", "approval", "apply", "failed", "request", "apply", "verified"] or kinds[-2:] == [
        "apply",
        "verified",
    ]
    assert "failed" in kinds


def test_a_failed_run_can_be_given_up(web_tier: Sandbox) -> None:
    before = web_tier.files()
    web_tier.gym.settings(quota={"cores": 2})
    assert web_tier.iacagent("apply", "resize vm to Standard_D64s_v5", "--auto-approve").code == 1
    given_up = web_tier.iacagent("resume", "--abandon")
    assert given_up.code == 0, given_up.err
    assert "keep the approved edit" in given_up.err
    (web_tier.directory / "vm.tf").write_bytes(before["vm.tf"])
    assert web_tier.is_empty_plan()
    assert "no unfinished run" in web_tier.iacagent("resume").err


def test_a_saved_plan_is_applied_as_it_was_judged(web_tier: Sandbox) -> None:
    saved = web_tier.directory / "spot.plan"
    assert web_tier.iacagent("plan", "make vm spot", "-out", str(saved)).code == 0
    assert saved.stat().st_mode & 0o077 == 0
    refused = web_tier.iacagent("apply", str(saved), "--auto-approve")
    assert refused.code == 3
    ran = web_tier.iacagent("apply", str(saved), "--allow-replace", VM)
    assert ran.code == 0, ran.err
    assert web_tier.state()[VM]["priority"] == "Spot"
    again = web_tier.iacagent("apply", str(saved), "--allow-replace", VM)
    assert again.code == 3
    assert "changed since" in again.err


def test_a_saved_plan_is_refused_when_the_state_moved_on(web_tier: Sandbox) -> None:
    saved = web_tier.directory / "spot.plan"
    web_tier.iacagent("plan", "make vm spot", "-out", str(saved))
    shutil.copy(web_tier.directory / "vm.tf", web_tier.directory / "keep")
    web_tier.iacagent("apply", "enable boot diagnostics", "--auto-approve")
    shutil.copy(web_tier.directory / "keep", web_tier.directory / "vm.tf")
    ran = web_tier.iacagent("apply", str(saved), "--allow-replace", VM)
    assert ran.code == 1
    assert "stale" in ran.err.lower()
    assert web_tier.state()[VM]["priority"] == "Regular"


def test_a_tampered_saved_plan_is_refused(web_tier: Sandbox, tmp_path: Path) -> None:
    import zipfile

    saved, other = web_tier.directory / "spot.plan", tmp_path / "other.plan"
    web_tier.iacagent("plan", "make vm spot", "-out", str(saved))
    web_tier.iacagent("plan", "enable boot diagnostics", "-out", str(other))
    forged = tmp_path / "forged.plan"
    with zipfile.ZipFile(saved) as one, zipfile.ZipFile(other) as two, zipfile.ZipFile(forged, "w") as out:
        for name in two.namelist():
            out.writestr(name, one.read(name) if name == "plan.tfplan" else two.read(name))
    ran = web_tier.iacagent("apply", str(forged), "--auto-approve")
    assert ran.code == 3
    assert "is not as it was planned" in ran.err


def test_nothing_secret_is_shown_or_kept(web_tier: Sandbox) -> None:
    secret = "Tr0ub4dor&3-secret"
    vm = web_tier.directory / "vm.tf"
    text = vm.read_text().replace(
        '  admin_username      = "azureuser"', f'  admin_username      = "azureuser"\n  admin_password      = "{secret}"', 1
    )
    vm.write_text(text)
    ran = web_tier.iacagent("apply", "make vm spot", "--allow-replace", VM, "--include-unrelated", "--json")
    assert ran.code == 0, ran.err + ran.out
    assert secret not in ran.out + ran.err
    assert "(sensitive)" in ran.out
    for path in (web_tier.directory / ".iacagent").rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_the_gate_refuses_before_terraform_runs(web_tier: Sandbox) -> None:
    marker = web_tier.directory / "ran"
    web_tier.write({"evil.tf": f'data "external" "x" {{\n  program = ["sh", "-c", "touch {marker}; echo {{}}"]\n}}\n'})
    ran = web_tier.iacagent("plan", "make vm spot")
    assert ran.code == 3
    assert "evil.tf:1" in ran.err
    assert "guard.allow.external_data" in ran.err
    assert not marker.exists()


def test_a_read_only_file_stops_the_run_before_anything_is_applied(web_tier: Sandbox) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write read-only files")
    vm = web_tier.directory / "vm.tf"
    vm.chmod(0o400)
    ran = web_tier.iacagent("apply", "make vm spot", "--allow-replace", VM)
    assert ran.code == 1
    assert "read-only" in ran.err
    assert web_tier.state()[VM]["priority"] == "Regular"


def test_modules_below_and_beside_the_root_module(sandbox: Sandbox) -> None:
    sandbox.copy(ROOT / "examples" / "web-tier")
    module = sandbox.directory.parent / "modules" / "machine"
    module.mkdir(parents=True)
    vm = (sandbox.directory / "vm.tf").read_text()
    start = vm.index('resource "azurerm_linux_virtual_machine"')
    body = vm[start:].replace("azurerm_resource_group.web.location", "var.location").replace("azurerm_resource_group.web.name", "var.group")
    body = body.replace("azurerm_network_interface.web.id", "var.nic").replace("var.prefix", '"x"').replace("var.tags", "{}")
    body = body.replace('"vm-${"x"}-web"', '"vm-x-web"').replace("var.ssh_public_key", "var.key")
    (module / "main.tf").write_text(body + "".join(f'variable "{v}" {{}}\n' for v in ("location", "group", "nic", "key")))
    call = """
module "machine" {
  source   = "../modules/machine"
  location = azurerm_resource_group.web.location
  group    = azurerm_resource_group.web.name
  nic      = azurerm_network_interface.web.id
  key      = var.ssh_public_key
}
"""
    (sandbox.directory / "vm.tf").write_text(
        vm[:start].replace("# The shop front. Stateless: it can be rebuilt from the image at any time.\n", "") + call
    )
    (sandbox.directory / "outputs.tf").unlink()
    sandbox.up()
    address = "module.machine.azurerm_linux_virtual_machine.web"
    ran = sandbox.iacagent("apply", "make vm spot", "--allow-replace", address)
    assert ran.code == 0, ran.err
    assert 'priority            = "Spot"' in (module / "main.tf").read_text()


def test_the_plan_file_that_was_approved_is_the_one_applied(web_tier: Sandbox) -> None:
    ran = web_tier.iacagent("--json", "apply", "make vm spot", "--allow-replace", VM)
    records = {r["kind"]: r["body"] for r in ran.json["audit"]}
    hashes = {records[k]["plan_file_sha256"] for k in ("verdict", "approval", "apply")}
    assert len(hashes) == 1
    assert len(hashes.pop()) == len(hashlib.sha256(b"").hexdigest())


def test_an_empty_repository(sandbox: Sandbox) -> None:
    ran = sandbox.iacagent("plan", "make vm spot")
    assert ran.code == 3
    assert "no virtual machine" in ran.err


def test_the_git_status_stays_clean(web_tier: Sandbox) -> None:
    import subprocess

    subprocess.run(["git", "init", "-q"], cwd=web_tier.directory, check=True)
    (web_tier.directory / ".gitignore").write_text("*.tfstate*\n.terraform*\n")
    subprocess.run(["git", "add", "-A"], cwd=web_tier.directory, check=True)
    web_tier.iacagent("plan", "make vm spot")
    shown = subprocess.run(["git", "status", "--porcelain"], cwd=web_tier.directory, capture_output=True, text=True, check=True)
    assert [line for line in shown.stdout.splitlines() if not line.startswith("A ")] == []


def test_json_of_a_question_lists_the_candidates(sandbox: Sandbox) -> None:
    two_vms(sandbox)
    ran = sandbox.iacagent("plan", "make vm spot", "--json")
    assert ran.code == 4
    assert len(json.loads(ran.out)["error"]["candidates"]) == 2
