"""New machines as the repository keeps its own, and what goes with a machine that goes: judged by the files the edits leave behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from iac_agent.hcl.changeset import apply_edits
from iac_agent.hcl.module import RootModule
from iac_agent.planner.builtin import BuiltinPlanner
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Question
from iac_agent.terraform.models import State
from tests.planner import table


def answer(folder: Path, request: str) -> Answer:
    return BuiltinPlanner().plan(request, Context(RootModule(folder), State(), 5))


def edited(folder: Path, request: str, file: str) -> str:
    """A file as the request leaves it."""
    changes = answer(folder, request)
    assert isinstance(changes, ChangeSet), changes
    files = {p.name: c.after.decode() for p, c in apply_edits(RootModule(folder), list(changes.edits)).files.items()}
    assert file in files, list(files)
    return files[file]


@pytest.fixture
def foreach(tmp_path: Path) -> Path:
    return Path(shutil.copytree(table.FOLDER / "foreach", tmp_path / "root"))


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    return Path(shutil.copytree(table.FOLDER / "modules", tmp_path / "root"))


def test_an_element_has_what_it_cannot_do_without(foreach: Path) -> None:
    """Not its model's disks, tags, size or fixed address."""
    text = edited(foreach, "create a linux vm called cache in the data subnet", "terraform.tfvars")
    assert '  cache = {\n    nic = "cache"\n  }\n' in text
    assert '  cache = { subnet = "data" }\n' in text


def test_a_whole_copy_has_all_but_the_fixed_address(foreach: Path) -> None:
    text = edited(foreach, "create a vm like db called db2", "terraform.tfvars")
    assert 'size             = "Standard_E4s_v5"' in text.partition("db2 = {")[2]
    assert "data = { size_gb = 512, lun = 0 }" in text.partition("db2 = {")[2]
    assert '  db2 = { subnet = "data" }\n' in text


def test_a_set_of_names_takes_no_machine_of_another_kind(foreach: Path) -> None:
    """The workers' block gives role=worker and a price cap nobody asked for."""
    assert "batch = {" in edited(foreach, "create a spot vm named batch in snet-backend", "terraform.tfvars")


def test_a_call_is_copied_with_its_required_arguments(modules: Path) -> None:
    text = edited(modules, "we need one more linux vm in the db subnet, call it cache, D2s_v5", "main.tf")
    call = text.partition('module "cache" {')[2]
    assert 'source = "./modules/stack/modules/vm"' in call
    assert 'name           = "${var.name}-cache"' in call
    assert 'subnet_id      = module.platform.subnet_ids["db"]' in call
    assert 'size           = "Standard_D2s_v5"' in call


def test_a_copy_that_azure_would_refuse_is_not_made(modules: Path) -> None:
    """The db stack puts a security group on its subnet, which may have one only."""
    found = answer(modules, "create a vm like vm-acme-db-0 called db2")
    assert isinstance(found, ChangeSet)
    assert not any("association" in t for t in found.touches)
    assert any("not copied" in n for n in found.notes)


def test_one_of_several_calls_keeps_the_default_of_the_others(modules: Path) -> None:
    """Terraform passes null on to a variable that has a default, unless it is declared not nullable."""
    edited_main = edited(modules, "create two linux vms named edge in the web subnet", "main.tf")
    (modules / "main.tf").write_text(edited_main)
    text = edited(modules, "resize vm-acme-edge-2 to Standard_D4s_v5", "main.tf")
    assert 'lookup({ edge-2 = "Standard_D4s_v5" }, each.key, "Standard_D2as_v5")' in text


def test_the_default_of_a_type_is_not_where_one_machine_is_tagged(foreach: Path) -> None:
    text = edited(foreach, "create a linux vm called cache in the data subnet and tag it owner=ml", "terraform.tfvars")
    assert 'tags = { owner = "ml" }' in text


def test_a_flag_is_turned_off_where_the_rest_of_the_element_stays(foreach: Path) -> None:
    assert 'web = { subnet = "frontend", public = false }' in edited(foreach, "delete the public ip of web", "terraform.tfvars")
    changes = answer(foreach, "delete the public ip of web")
    assert isinstance(changes, ChangeSet)
    assert changes.touches == ('azurerm_public_ip.this["web"]',)


def test_a_bare_name_of_several_is_asked_about_before_it_is_removed(tmp_path: Path) -> None:
    counted = Path(shutil.copytree(table.FOLDER / "counted", tmp_path / "root"))
    found = answer(counted, "remove worker")
    assert isinstance(found, Question)
    assert [*found.candidates] == ["azurerm_linux_virtual_machine.worker[0]", "azurerm_linux_virtual_machine.worker[1]", "all"]


def test_later_wishes_speak_of_what_earlier_ones_make(foreach: Path) -> None:
    changes = answer(foreach, "two more workers and tag them a=b")
    assert isinstance(changes, ChangeSet)
    assert 'Tag azurerm_linux_virtual_machine.worker["w3"]' in changes.reason
    assert "w1" not in changes.reason.partition("Tag")[2]
