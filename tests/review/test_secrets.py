"""Planted secrets: none of them in anything that the bot writes, says or keeps."""

from __future__ import annotations

import json
from pathlib import Path

from tests.review.stage import Stage
from tests.review.test_bot import VM

PASSWORD = "Tr0ub4dor-and-3-Horses"
TOKEN = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
ACCOUNT_KEY = "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA0K"
CUSTOM = "I2Nsb3VkLWNvbmZpZwpwYXNzd29yZDogaHVudGVyMgo="
QUIET = "correct horse battery staple"
PLANTED = (PASSWORD, TOKEN, ACCOUNT_KEY, CUSTOM, "hunter2", QUIET)

BEFORE = f"""
variable "quiet" {{
  type      = string
  sensitive = true
  default   = "an old secret"
}}

resource "azurerm_windows_virtual_machine" "win" {{
  name                  = "vm-win"
  location              = "westeurope"
  resource_group_name   = module.web.group
  size                  = "Standard_B2s"
  admin_username        = "operator"
  admin_password        = "{PASSWORD}"
  network_interface_ids = [azurerm_network_interface.win.id]
  tags                  = {{ note = var.quiet }}

  os_disk {{
    caching              = "ReadWrite"
    storage_account_type = "Standard_LRS"
  }}

  source_image_reference {{
    publisher = "MicrosoftWindowsServer"
    offer     = "WindowsServer"
    sku       = "2022-datacenter"
    version   = "latest"
  }}
}}

resource "azurerm_network_interface" "win" {{
  name                = "nic-win"
  location            = "westeurope"
  resource_group_name = module.web.group

  ip_configuration {{
    name                          = "internal"
    subnet_id                     = module.web.subnet
    private_ip_address_allocation = "Dynamic"
  }}
}}
"""


def planted(stage: Stage) -> None:
    stage.write({"live/web/win.tf": BEFORE})
    outputs = 'output "group" {\n  value = azurerm_resource_group.this.name\n}\n\noutput "subnet" {\n  value = azurerm_subnet.this.id\n}\n'
    stage.write({"modules/machine/outputs.tf": outputs})
    stage.on_main("A Windows machine")
    stage.terraform("live/web", "apply", "-auto-approve")


def change(stage: Stage) -> None:
    """A change full of secrets: in arguments, tags, keys, variables, and in a condition that fails with one in its message."""
    stage.branch("change")
    stage.replace("live/web/win.tf", f'"{PASSWORD}"', f'"{PASSWORD}-new"')
    stage.replace("live/web/win.tf", '"an old secret"', f'"{QUIET}"')
    stage.replace("live/web/win.tf", "{ note = var.quiet }", f'{{ note = var.quiet, store = "AccountKey={ACCOUNT_KEY}", pat = "{TOKEN}" }}')
    stage.replace("live/web/win.tf", "  os_disk {", f'  custom_data = "{CUSTOM}"\n\n  os_disk {{')


def leaks(where: Path) -> list[str]:
    """The files below a folder that hold a planted secret, but git's own copy of the repository."""
    found = []
    for file in where.rglob("*"):
        inside = file.relative_to(where).as_posix()
        if file.is_file() and "repository.git" not in inside and "/.git/" not in f"/{inside}":
            held = file.read_bytes()
            found += [f"{inside}: {s}" for s in PLANTED if s.encode() in held]
    return found


def test_no_output_of_a_review_holds_a_secret(stage: Stage) -> None:
    planted(stage)
    change(stage)
    pull = stage.pull(f"Rotate to {TOKEN}")
    out = stage.folder / "out"
    out.mkdir()
    files = {"comment": "c.md", "sarif": "s.sarif", "code-quality": "q.json", "widget": "w.json"}
    flags = [f for name, file in files.items() for f in (f"--{name}", str(out / file))]

    comment = stage.review(pull)
    machine = "azurerm_windows_virtual_machine.win"
    bad = f"apply --allow-replace {VM} --bad {PASSWORD}"
    for text in (f"explain {machine} {TOKEN}", f"explain {machine}", "drift", "fix ENC-001", "apply", bad):
        stage.command(pull, "ann", f"/iacagent {text}")
    summary = out / "summary.md"
    ran = stage.iacagent("--json", "review", "--base", "origin/main", "--forge", "none", *flags, "--keep", str(out / "kept"),
                         GITHUB_STEP_SUMMARY=str(summary))  # fmt: skip
    (out / "stdout").write_text(ran.stdout)
    (out / "stderr").write_text(ran.stderr)
    said = json.dumps([[h.path, h.body] for h in stage.heard if h.method != "GET"])

    assert "(sensitive)" in comment
    assert "`admin_password`" in comment
    assert summary.read_text()
    assert [s for s in PLANTED if s in said] == []
    assert leaks(out) == []
    assert leaks(stage.home) == []


def test_neither_does_what_terraform_complains_of(stage: Stage) -> None:
    planted(stage)
    change(stage)
    told = f'      condition     = false\n      error_message = "the password is {PASSWORD}-new"\n'
    check = f"  lifecycle {{\n    precondition {{\n{told}    }}\n  }}\n"
    stage.replace("live/web/win.tf", "  os_disk {", f"{check}\n  os_disk {{")
    pull = stage.pull()

    comment = stage.review(pull)

    assert "**Not planned**" in comment
    assert [s for s in PLANTED if s in json.dumps([h.body for h in stage.heard])] == []


def test_nor_a_review_that_reads_only(stage: Stage) -> None:
    planted(stage)
    change(stage)
    pull = stage.pull(author="mallory", fork="mallory/platform")

    comment = stage.review(pull)

    assert "azurerm_windows_virtual_machine.win" in comment
    assert [s for s in PLANTED if s in json.dumps([h.body for h in stage.heard])] == []


def test_nor_drift(stage: Stage) -> None:
    planted(stage)
    stage.branch("change")
    stage.replace("live/web/main.tf", 'team = "shop"', 'team = "shops"')
    pull = stage.pull()
    stage.terraform("live/web", "apply", "-auto-approve", "-var", f"quiet={QUIET}")

    comment = stage.review(pull)
    answer = stage.command(pull, "ann", "/iacagent drift")

    assert "azurerm_windows_virtual_machine.win" in comment
    assert QUIET not in comment
    assert QUIET not in answer


def test_a_forge_s_token_is_not_seen_by_what_is_planned(stage: Stage) -> None:
    stage.extra |= {"OPENAI_API_KEY": "sk-secret", "IACAGENT_PLAN_ARM_TENANT_ID": "the-reader", "ARM_TENANT_ID": "the-writer"}
    told, program = stage.folder / "seen", stage.folder / "terraform"
    program.write_text(f"#!/bin/sh\nenv >> {told}\nexit 1\n")
    program.chmod(0o755)
    stage.extra["IACAGENT_TERRAFORM"] = str(program)
    stage.branch("change")
    stage.replace("live/jobs/terraform.tfvars", "Standard_D2s_v5", "Standard_B2ms")
    pull = stage.pull()

    stage.review(pull)

    seen = told.read_text()
    assert "ARM_TENANT_ID=the-reader" in seen
    for secret in ("token-of-the-bot", "sk-secret", "a secret of the webhook", "thirty-two characters", "the-writer"):
        assert secret not in seen
