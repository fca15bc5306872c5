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
    (tmp_path / "main.tf").write_text('module "m" {\n  source = "./m"\n}\nmodule "far" {\n  source = "a/b/c"\n}\n')
    manifest = {"Modules": [{"Key": "", "Dir": "."}, {"Key": "far", "Dir": ".terraform/modules/far"}]}
    (tmp_path / ".terraform" / "modules" / "modules.json").write_text(json.dumps(manifest))
    assert {f.where for f in scan(RootModule(tmp_path), GateRules())} == {"m/x.tf:1", ".terraform/modules/far/x.tf:1"}


def test_in_json_syntax(tmp_path: Path) -> None:
    content = {"data": {"external": {"x": {"program": ["sh"]}}}, "terraform": {"required_providers": {"e": {"source": "x/e"}}}}
    (tmp_path / "main.tf.json").write_text(json.dumps(content))
    assert len(scan(RootModule(tmp_path), GateRules())) == 2


def test_words_in_comments_and_strings_are_data(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('# data "external" "x" {}\nlocals {\n  x = "provisioner local-exec"\n}\n')
    require(RootModule(tmp_path), GateRules())


def test_the_usual_providers_pass(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'terraform {\n  required_providers {\n    azurerm = {\n      source = "hashicorp/azurerm"\n    }\n'
        '    random = {\n      source = "registry.terraform.io/hashicorp/random"\n    }\n  }\n}\n'
    )
    require(RootModule(tmp_path), GateRules())
