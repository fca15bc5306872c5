"""The static gate: what would run code is found wherever it hides, and only the configuration lets it pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iac_agent.errors import GateRefused
from iac_agent.guard.gate import GateRules, require, scan
from iac_agent.hcl.module import RootModule

EXTERNAL = 'data "external" "x" {\n  program = ["sh"]\n}\n'
PROVISIONER = 'resource "terraform_data" "x" {\n  provisioner "local-exec" {\n    command = "x"\n  }\n}\n'
PROVIDER = 'terraform {\n  required_providers {\n    evil = {\n      source = "someone/evil"\n    }\n  }\n}\n'


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        (EXTERNAL, GateRules(external_data=True)),
        (PROVISIONER, GateRules(provisioners=True)),
        (PROVIDER, GateRules(providers=("someone/evil",))),
    ],
)
def test_refused_unless_allowed(tmp_path: Path, text: str, rules: GateRules) -> None:
    (tmp_path / "main.tf").write_text(text)
    root = RootModule(tmp_path)
    with pytest.raises(GateRefused, match=r"main\.tf:"):
        require(root, GateRules())
    require(root, rules)


def test_in_a_local_module_and_in_an_installed_one(tmp_path: Path) -> None:
    for folder in ("m", ".terraform/modules/far"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.tf").write_text(EXTERNAL)
    (tmp_path / "main.tf").write_text('module "m" {\n  source = "./m"\n}\nmodule "far" {\n  source = "Azure/b/c"\n  version = "1.0.0"\n}\n')
    manifest = {"Modules": [{"Key": "", "Dir": "."}, {"Key": "far", "Dir": ".terraform/modules/far"}]}
    (tmp_path / ".terraform" / "modules" / "modules.json").write_text(json.dumps(manifest))
    assert {f.where for f in scan(RootModule(tmp_path), GateRules())} == {"m/x.tf:1", ".terraform/modules/far/x.tf:1"}


def test_in_json_syntax(tmp_path: Path) -> None:
    content = {"data": {"external": {"x": {"program": ["sh"]}}}, "terraform": {"required_providers": {"e": {"source": "x/e"}}}}
    (tmp_path / "main.tf.json").write_text(json.dumps(content))
    assert len(scan(RootModule(tmp_path), GateRules())) == 2


@pytest.mark.parametrize(
    ("files", "rule", "rules"),
    [
        ({"main.tf": 'check "c" {\n  data "external" "x" {\n    program = ["sh"]\n  }\n}\n'}, "GATE-001", GateRules(external_data=True)),
        ({"main.tf": 'data "evilcorp_thing" "x" {}\n'}, "GATE-003", GateRules(providers=("hashicorp/evilcorp",))),
        (
            {"main.tf": 'module "m" {\n  source = "git::https://example.com/m.git"\n}\n'},
            "GATE-004",
            GateRules(modules=("git::https://example.com/*",)),
        ),
        ({"main.tf": 'module "m" {\n  source = "./gone"\n}\n'}, "GATE-009", None),
        ({"main.tf": 'module "m" {\n  source = "./m.zip"\n}\n'}, "GATE-004", GateRules(modules=("./m.zip",))),
        ({"main.tf": 'module "m" {\n  source = "Azure/naming/azurerm"\n}\n'}, "GATE-004", GateRules(modules=("Azure/naming/azurerm",))),
        (
            {"main.tf": 'module "m" {\n  source = "evil/naming/azurerm"\n  version = "1.0.0"\n}\n'},
            "GATE-004",
            GateRules(modules=("evil/*",)),
        ),
        ({"main.tf": 'data "http" "x" {\n  url = "https://example.com"\n}\n'}, "GATE-005", GateRules(http_data=True)),
        ({"main.tf": 'locals {\n  x = file("/etc/hostname")\n}\n'}, "GATE-006", GateRules(files=("/etc/hostname",))),
        ({"main.tf": 'locals {\n  x = templatefile("${path.module}/../../x", {})\n}\n'}, "GATE-006", GateRules(files=("*",))),
        ({"main.tf": 'variable "f" {}\nlocals {\n  x = file(var.f)\n}\n'}, "GATE-006", None),
        (
            {"main.tf": 'variable "f" {}\nlocals {\n  x = file(var.f)\n}\n', "terraform.tfvars": 'f = "/etc/hostname"\n'},
            "GATE-006",
            GateRules(files=("/etc/hostname",)),
        ),
        (
            {"main.tf": 'data "archive_file" "x" {\n  type = "zip"\n  source_dir = "/etc"\n  output_path = "x"\n}\n'},
            "GATE-006",
            GateRules(files=("/etc",)),
        ),
        ({"main.tf": 'provider "azurerm" {\n  metadata_host = "example.com"\n  features {}\n}\n'}, "GATE-007", None),
        ({"terraform.d/plugins/x/terraform-provider-azurerm": "", "main.tf": ""}, "GATE-008", None),
        ({"main.tf": "", "main.tofu": 'data "external" "x" {}\n'}, "GATE-009", None),
        ({"main.tf.json": '{"module": {"m": {"source": "git::https://example.com/m.git"}}}'}, "GATE-004", GateRules(modules=("git::*",))),
        ({"main.tf.json": '{"locals": {"x": "${file(\\"/etc/hostname\\")}"}}'}, "GATE-006", GateRules(files=("/etc/hostname",))),
        ({"main.tf.json": '{"provider": {"azurerm": {"metadata_host": "example.com"}}}'}, "GATE-007", None),
        ({"main.tf.json": '{"check": {"c": {"data": {"http": {"x": {"url": "x"}}}}}}'}, "GATE-005", GateRules(http_data=True)),
    ],
)
def test_every_rule(tmp_path: Path, files: dict[str, str], rule: str, rules: GateRules | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert [f.rule for f in scan(RootModule(tmp_path), GateRules())] == [rule]
    if rules is not None and rules.files != ("*",):
        assert scan(RootModule(tmp_path), rules) == []


def test_files_of_the_repository_are_its_own(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    root = tmp_path / "envs" / "prod"
    root.mkdir(parents=True)
    (root / "main.tf").write_text(
        'locals {\n  a = file("${path.module}/a.txt")\n  b = file("../../shared/b.txt")\n  c = file(pathexpand("~/.ssh/id.pub"))\n'
        '  d = { for f in fileset(path.module, "vms/*.yaml") : f => file("${path.module}/${f}") }\n  e = file("~/.ssh/id_rsa.pub")\n}\n'
        'resource "azurerm_resource_group" "g" {\n  for_each = toset(["a"])\n  name = file("${path.module}/${each.key}.txt")\n}\n'
    )
    assert scan(RootModule(root), GateRules()) == []


def test_a_link_out_of_the_repository_is_outside(tmp_path: Path) -> None:
    root, secret = tmp_path / "root", tmp_path / "secret.txt"
    root.mkdir()
    secret.write_text("x")
    (root / "inner.txt").symlink_to(secret)
    (root / "main.tf").write_text('locals {\n  x = file("${path.module}/inner.txt")\n}\n')
    assert [f.rule for f in scan(RootModule(root), GateRules())] == ["GATE-006"]


def test_words_in_comments_and_strings_are_data(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('# data "external" "x" {}\nlocals {\n  x = "provisioner local-exec"\n}\n')
    require(RootModule(tmp_path), GateRules())


def test_the_usual_providers_pass(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'terraform {\n  required_providers {\n    azurerm = {\n      source = "hashicorp/azurerm"\n    }\n'
        '    random = {\n      source = "registry.terraform.io/hashicorp/random"\n    }\n  }\n}\n'
    )
    require(RootModule(tmp_path), GateRules())
