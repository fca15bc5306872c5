"""New machines as the repository keeps its own, and what goes with a machine that goes: judged by the files the edits leave behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from iac_agent.hcl.changeset import apply_edits
from iac_agent.hcl.module import RootModule
from iac_agent.planner.builtin import BuiltinPlanner
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Question, Refusal
from iac_agent.terraform.models import State
from tests.planner import table


def answer(folder: Path, request: str, said: str = "") -> Answer:
    return BuiltinPlanner().plan(request, Context(RootModule(folder), State(), 5, said))


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
    asked = answer(modules, "create a vm like vm-acme-db-0 called db2")
    assert isinstance(asked, Question)
    assert list(asked.candidates) == ["in size only"]
    found = answer(modules, "create a vm like vm-acme-db-0 called db2", "in size only")
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


@pytest.mark.parametrize(
    "request_",
    [
        "remove the os disk size of db",
        "delete the os disk of db",
        "remove the password of web",
        "drop the zone from api",
        "remove api from the nsg",
        "take web out of the load balancer",
        "remove the nsg from snet-data",
        "remove db's data disk from terraform but keep it in azure",
        "drop the premium disk for db and use standard instead",
        "remove 3 workers",
    ],
)
def test_what_is_no_resource_is_not_removed(foreach: Path, request_: str) -> None:
    """Nor is what merely has it, or what it is in."""
    assert not isinstance(answer(foreach, request_), ChangeSet)


def test_a_name_that_is_taken_is_refused(foreach: Path) -> None:
    found = answer(foreach, "create a linux vm called db in the data subnet")
    assert not isinstance(found, ChangeSet)


def test_what_an_optional_field_brings_the_others_is_what_they_had(tmp_path: Path) -> None:
    """An `optional(string)` is null for the elements that leave it out, and a module's variable takes null for a value."""
    files = {
        "main.tf": 'module "w" {\n  source   = "./vm"\n  for_each = var.ws\n\n  name = each.key\n}\n',
        "variables.tf": 'variable "ws" {\n  type = map(object({\n    ip = optional(string)\n  }))\n}\n',
        "terraform.tfvars": "ws = {\n  alpha = {}\n  beta  = {}\n}\n",
        "vm/main.tf": 'variable "name" {}\n\nvariable "size" {\n  default = "Standard_B2s"\n}\n\n'
        'resource "azurerm_linux_virtual_machine" "vm" {\n  name = "vm-${var.name}"\n  size = var.size\n}\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert 'size = optional(string, "Standard_B2s")' in edited(tmp_path, "resize vm-beta to Standard_D4s_v5", "variables.tf")


def test_every_machine_has_its_own_fixed_address(tmp_path: Path) -> None:
    fixed = Path(shutil.copytree(table.FOLDER / "foreach", tmp_path / "root"))
    nics = 'nics = {\n  web = { subnet = "frontend", ip = "10.30.1.4" }\n  api = { subnet = "backend", ip = "10.30.2.4" }\n}\n'
    tfvars = fixed / "terraform.tfvars"
    tfvars.write_text(tfvars.read_text().partition("nics = {")[0].partition("  # PostgreSQL")[0] + "}\n\n" + nics)
    variables = (fixed / "variables.tf").read_text()
    (fixed / "variables.tf").write_text(variables.replace("private_ip = optional(string)", "ip = string"))
    (fixed / "network.tf").write_text((fixed / "network.tf").read_text().replace("each.value.private_ip", "each.value.ip"))
    text = edited(fixed, "create two linux vms named queue in the backend subnet", "terraform.tfvars")
    assert 'queue-1 = { subnet = "backend", ip = "10.30.2.5" }' in text
    assert 'queue-2 = { subnet = "backend", ip = "10.30.2.6" }' in text


# --- what an examiner found: words that were overlooked, and edits that reached further than they were asked to --------------


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return Path(shutil.copytree(table.FOLDER / "calls", tmp_path / "root"))


@pytest.mark.parametrize(
    "request_",
    [
        "the print servers should be spot",
        "enable boot diagnostics for both domain controllers",
        "put a 128 GB disk on each print server",
        "resize the workers to D4s_v5 and mail 16",
        "open 8672 on the nodes nsg from 10.70.0.0/16 using the logs storage account",
    ],
)
def test_what_would_be_left_out_is_asked_about(calls: Path, request_: str) -> None:
    assert isinstance(answer(calls, request_), Question)


def test_one_port_of_a_list_is_closed_alone(tmp_path: Path) -> None:
    rule = (
        'name = "web"\n    priority = 100\n    direction = "Inbound"\n    access = "Allow"\n    protocol = "Tcp"\n'
        '    destination_port_ranges = ["80", "8080"]\n    source_address_prefix = "*"\n'
    )
    (tmp_path / "main.tf").write_text(
        f'resource "azurerm_network_security_group" "w" {{\n  name = "nsg-w"\n  security_rule {{\n    {rule}  }}\n}}\n'
    )
    assert 'destination_port_ranges = ["80"]' in edited(tmp_path, "close 8080 on nsg-w", "main.tf")
    assert isinstance(answer(tmp_path, "restrict 8080 on nsg-w to 10.0.0.0/16"), Question)


def test_a_disk_goes_to_the_machine_it_is_for(tmp_path: Path) -> None:
    """Machines in YAML of which only the first has disks so far."""
    root = Path(shutil.copytree(table.FOLDER / "yaml", tmp_path / "root"))
    found = answer(root, "attach a 64 GB disk to web-1")
    assert isinstance(found, ChangeSet)
    assert "web-1" in str(found.edits)


def test_a_name_that_is_foreign_elsewhere_is_a_name_here(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'resource "azurerm_linux_virtual_machine" "gitlab" {\n  name = "vm-gitlab"\n  size = "Standard_D2s_v5"\n}\n'
    )
    assert "D4s_v5" in edited(tmp_path, "resize gitlab to Standard_D4s_v5", "main.tf")
    assert isinstance(answer(tmp_path, "set up an aws bucket"), Refusal)


def test_azure_has_no_burstable_spot_machines(calls: Path) -> None:
    found = answer(calls, "make the bastion spot")
    assert isinstance(found, Refusal)
    assert "B series" in found.reason


def test_two_answers_settle_two_questions(calls: Path) -> None:
    asked = answer(calls, "remove a worker")
    assert isinstance(asked, Question)
    both = answer(calls, "remove a worker", 'module.workers["gamma"].azurerm_linux_virtual_machine.this;with its disks')
    assert isinstance(both, ChangeSet)
    assert 'module.workers["gamma"].azurerm_managed_disk.data[0]' in both.touches


def test_a_machine_two_modules_down_goes_with_the_calls_that_make_nothing_else(tmp_path: Path) -> None:
    """The outer module has no resource of its own."""
    (tmp_path / "stack" / "vm").mkdir(parents=True)
    (tmp_path / "main.tf").write_text('module "stack" {\n  source = "./stack"\n}\n')
    (tmp_path / "stack" / "main.tf").write_text('module "vm" {\n  source = "./vm"\n}\n')
    machine = 'resource "azurerm_linux_virtual_machine" "this" {\n  name = "vm-lone"\n}\n'
    (tmp_path / "stack" / "vm" / "main.tf").write_text(machine)
    found = answer(tmp_path, "remove vm-lone")
    assert isinstance(found, ChangeSet)
    assert [edit.address for edit in found.edits] == ["module.stack.module.vm"]
