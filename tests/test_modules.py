"""The modules: their own `terraform test` under both majors, their READMEs and the examples in them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from iac_agent.azure.schemas import VERSIONS
from iac_agent.gym.daemon import Gym
from iac_agent.hcl.document import Document
from tests.conftest import ROOT, Sandbox

MODULES = ROOT / "modules"
NAMES = sorted(p.parent.name for p in MODULES.glob("*/main.tf"))

# What the examples take from the root module around them.
AROUND = """
terraform {
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> MAJOR.0"
    }
  }
}

provider "azurerm" {
  features {}
}

variable "ssh_public_key" {
  default = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGV4YW1wbGVleGFtcGxlZXhhbXBsZWV4YW1wbGVleGFt ops@example.com"
}

variable "admin_password" {
  default   = "correct-Horse-7"
  sensitive = true
}

resource "azurerm_resource_group" "app" {
  name     = "rg-app"
  location = "westeurope"
}

resource "azurerm_virtual_network" "app" {
  name                = "vnet-app"
  resource_group_name = azurerm_resource_group.app.name
  location            = azurerm_resource_group.app.location
  address_space       = ["10.50.0.0/16"]
}

resource "azurerm_subnet" "app" {
  name                 = "app"
  resource_group_name  = azurerm_resource_group.app.name
  virtual_network_name = azurerm_virtual_network.app.name
  address_prefixes     = ["10.50.1.0/24"]
}
"""


def _copy(to: Path) -> Path:
    shutil.copytree(MODULES, to, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    return to


def _readme(name: str) -> str:
    return (MODULES / name / "README.md").read_text("utf-8")


def test_all_modules_are_here() -> None:
    assert NAMES == ["linux-vm", "load-balanced-web", "spot-vm", "vm-group", "windows-vm"]


@pytest.mark.parametrize("major", list(VERSIONS))
@pytest.mark.parametrize("name", NAMES)
def test_a_module_passes_its_own_tests(name: str, major: int, tmp_path: Path, gym: Gym) -> None:
    modules = _copy(tmp_path / "modules")
    # A module admits both majors, so its folder does not say which one to test.
    module = Sandbox(modules / name, gym, extra=gym.environment(major))
    module.terraform("init", "-no-color", "-input=false")
    ran = module.terraform("test", "-no-color", check=False)
    summary = re.search(r"Success! (\d+) passed, 0 failed\.", ran.out)
    assert ran.code == 0, ran.out + ran.err
    assert summary is not None, ran.out
    assert int(summary[1]) == len(re.findall(r'^run "', _tests(name), re.MULTILINE))
    assert gym.status().resources == 0


def _tests(name: str) -> str:
    return "".join(p.read_text("utf-8") for p in sorted((MODULES / name / "tests").glob("*.tftest.hcl")))


@pytest.mark.parametrize("major", list(VERSIONS))
def test_the_examples_of_the_readmes_work_together(major: int, sandbox: Sandbox) -> None:
    _copy(sandbox.directory / "modules")
    sandbox.write({"around.tf": AROUND.replace("MAJOR", str(major))})
    for name in NAMES:
        sandbox.write({f"{name}.tf": _example(name)})
    sandbox.up()
    assert sandbox.is_empty_plan()
    sandbox.terraform("destroy", "-auto-approve", "-no-color", "-input=false")
    assert sandbox.gym.status().resources == 0


def _example(name: str) -> str:
    example = re.search(r"```hcl\n(.*?)```", _readme(name), re.DOTALL)
    assert example is not None
    return example[1]


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_lists_every_input_and_output(name: str) -> None:
    tables = _readme(name).split("## Inputs")[1].split("## Outputs")
    inputs, outputs = (re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) for table in tables)
    assert inputs == _described(name, "variable")
    assert outputs == _described(name, "output")


def _described(name: str, kind: str) -> list[str]:
    """The labels of a module's blocks of a kind, each of which has to have a description."""
    blocks = [b for b in Document.read(MODULES / name / f"{kind}s.tf").blocks if b.type == kind]
    assert all("description" in b.attributes for b in blocks)
    return [b.labels[0] for b in blocks]


def test_the_modules_are_formatted(tmp_path: Path, gym: Gym) -> None:
    done = Sandbox(_copy(tmp_path / "modules"), gym).terraform("fmt", "-check", "-recursive", "-diff", check=False)
    assert done.code == 0, done.out
