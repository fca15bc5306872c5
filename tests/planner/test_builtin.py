"""What the built-in planner makes of requests, without Terraform: phrasing tables over small configurations."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from iac_agent import gym
from iac_agent.hcl.changeset import apply_edits
from iac_agent.hcl.edits import AddTopLevel, SetAttribute
from iac_agent.hcl.module import RootModule
from iac_agent.planner.builtin import BuiltinPlanner
from iac_agent.planner.inventory import Inventory
from iac_agent.planner.names import Names
from iac_agent.planner.protocol import Answer, ChangeSet, Context, Question, Refusal
from iac_agent.terraform.models import State

ONE = 'resource "azurerm_linux_virtual_machine" "web" {\n  name = "vm-web"\n  size = "Standard_D2s_v5"\n  tags = { env = "prod" }\n}\n'
TWO = ONE + 'resource "azurerm_windows_virtual_machine" "jump" {\n  name = "vm-jump"\n  size = "Standard_D2s_v5"\n}\n'
SUBNET = 'resource "azurerm_subnet" "app" {\n  name = "app"\n}\nresource "azurerm_resource_group" "rg" {\n  name = "rg"\n}\n'
WEB, JUMP = "azurerm_linux_virtual_machine.web", "azurerm_windows_virtual_machine.jump"


def ask(tmp_path: Path, text: str, request: str, answer: str = "") -> Answer:
    (tmp_path / "main.tf").write_text(text)
    return BuiltinPlanner().plan(request, Context(RootModule(tmp_path), State(), 5, answer))


def edits(answer: Answer) -> list[str]:
    assert isinstance(answer, ChangeSet), answer
    return [f"{e.address.split('.')[-1]} {e.describe()}" for e in answer.edits]


SPOT = ['web set priority = "Spot"', 'web set eviction_policy = "Deallocate"']


@pytest.mark.parametrize(
    ("request_text", "wanted"),
    [
        ("make vm spot", SPOT),
        ("please turn the machine into a Spot VM", SPOT),
        ("convert vm-web to spot with a max price of 0.05", [*SPOT, "web set max_bid_price = 0.05"]),
        ("spot for azurerm_linux_virtual_machine.web, evict to delete", [SPOT[0], 'web set eviction_policy = "Delete"']),
        ("resize vm-web to Standard_D4s_v5", ['web set size = "Standard_D4s_v5"']),
        ("set the size of the vm to D4s_v5", ['web set size = "Standard_D4s_v5"']),
        ("enable boot diagnostics", ["web add block boot_diagnostics {}"]),
        ("turn on boot-diagnostics for vm-web", ["web add block boot_diagnostics {}"]),
        ("tag vm-web owner=sre", ['web set tags.owner = "sre"']),
        ('tag the vm with cost-centre="a b"', ['web set tags.cost-centre = "a b"']),
        ("remove tag env from vm-web", ["web remove tags.env"]),
        ("rename the tag env to environment on the vm", ["web rename tags.env to environment"]),
    ],
)
def test_requests_understood(tmp_path: Path, request_text: str, wanted: list[str]) -> None:
    assert edits(ask(tmp_path, ONE, request_text)) == wanted


@pytest.mark.parametrize("request_text", ["make vm spot", "resize the vm to Standard_D4s_v5", "enable boot diagnostics"])
def test_two_candidates_are_a_question(tmp_path: Path, request_text: str) -> None:
    answer = ask(tmp_path, TWO, request_text)
    assert isinstance(answer, Question)
    assert set(answer.candidates) == {WEB, JUMP}


@pytest.mark.parametrize(
    ("request_text", "answer", "addresses"),
    [
        ("make vm-jump spot", "", {JUMP}),
        ("make the linux vm spot", "", {WEB}),
        ("make the windows vm spot", "", {JUMP}),
        ("make all vms spot", "", {WEB, JUMP}),
        ("make vm spot", JUMP, {JUMP}),
        ("make vm spot", "vm-web", {WEB}),
        ("make vm spot", "all", {WEB, JUMP}),
        ("make jump spot", "", {JUMP}),
    ],
)
def test_which_machine_is_meant(tmp_path: Path, request_text: str, answer: str, addresses: set[str]) -> None:
    found = ask(tmp_path, TWO, request_text, answer)
    assert isinstance(found, ChangeSet), found
    assert {e.address for e in found.edits} == addresses


def test_an_unknown_name_is_never_guessed_at(tmp_path: Path) -> None:
    answer = ask(tmp_path, ONE, "make vm-three spot")
    assert isinstance(answer, Question)
    assert "vm-three" in answer.text


@pytest.mark.parametrize("request_text", ["make vm spot", "resize vm-web to Standard_D2s_v5", "tag vm-web env=prod"])
def test_what_is_so_already_is_said(tmp_path: Path, request_text: str) -> None:
    text = ONE.replace("  tags", '  priority = "Spot"\n  eviction_policy = "Delete"\n  tags')
    answer = ask(tmp_path, text, request_text)
    assert isinstance(answer, Refusal) or request_text.startswith("tag")


def test_a_new_machine_copies_the_access_of_another(tmp_path: Path) -> None:
    keyed = ONE.replace("  tags", '  admin_ssh_key {\n    username   = "ops"\n    public_key = file("k.pub")\n  }\n  tags')
    answer = ask(tmp_path, keyed + SUBNET, "create a linux vm called api of size Standard_D2s_v5")
    assert isinstance(answer, ChangeSet)
    source = "".join(getattr(e, "source", "") for e in answer.edits)
    for wanted in ('name                  = "vm-api"', 'public_key = file("k.pub")', "azurerm_subnet.app.id", '"Standard_D2s_v5"'):
        assert wanted in source
    assert isinstance(ask(tmp_path, ONE + SUBNET, "create a linux vm called api"), Question), "no key to use"


def test_a_disk_gets_a_free_label_and_lun(tmp_path: Path) -> None:
    first = ask(tmp_path, ONE, "attach a 256 GB premium disk to vm-web")
    assert isinstance(first, ChangeSet)
    text = ONE + "\n".join(getattr(e, "source", "") for e in first.edits)
    second = ask(tmp_path, text, "attach a 1 TB disk to vm-web")
    assert isinstance(second, ChangeSet)
    assert second.edits[0].address == "azurerm_managed_disk.web_data2"
    source = "".join(getattr(e, "source", "") for e in second.edits)
    assert "lun                = 1" in source
    assert "disk_size_gb         = 1024" in source


@pytest.mark.parametrize("request_text", ["polish the silver", ""])
def test_the_rest_is_refused_with_what_is_possible(tmp_path: Path, request_text: str) -> None:
    answer = ask(tmp_path, ONE, request_text)
    assert isinstance(answer, Refusal)
    assert "resize" in answer.reason


def test_a_source_behind_several_ports_is_that_of_all_of_them(tmp_path: Path) -> None:
    group = 'resource "azurerm_network_security_group" "n" {\n  name = "nsg-n"\n}\n'
    opened = edits(ask(tmp_path, group, "open 80, 443 and 8443 from 10.0.0.0/8"))
    assert len(opened) == 3
    assert all('source_address_prefix = "10.0.0.0/8"' in e for e in opened)


def test_a_source_that_is_put_together_is_replaced_whole(tmp_path: Path) -> None:
    rule = {
        "name": '"allow-ssh"',
        "priority": "100",
        "direction": '"Inbound"',
        "access": '"Allow"',
        "protocol": '"Tcp"',
        "destination_port_range": '"22"',
        "source_address_prefix": '"${var.net}/8"',
    }
    lines = "".join(f"    {k} = {v}\n" for k, v in rule.items())
    text = f'resource "azurerm_network_security_group" "n" {{\n  name = "nsg-n"\n  security_rule {{\n{lines}  }}\n}}\n'
    text += 'variable "net" {\n  default = "10.0.0.0"\n}\n'
    answer = ask(tmp_path, text, "restrict ssh on nsg-n to 10.9.0.0/16")
    assert isinstance(answer, ChangeSet)
    (change,) = apply_edits(RootModule(tmp_path), list(answer.edits)).files.values()
    assert change.after.decode() == text.replace('"${var.net}/8"', '"10.9.0.0/16"')


def test_a_key_beside_empty_elements_of_a_data_file(tmp_path: Path) -> None:
    (tmp_path / "vms.yaml").write_text("web-1:\nweb-2:\n")
    text = ONE.replace('name = "vm-web"', 'for_each = yamldecode(file("${path.module}/vms.yaml"))\n  name = "vm-${each.key}"')
    answer = ask(tmp_path, text, "add another web vm")
    assert isinstance(answer, ChangeSet)
    (change,) = apply_edits(RootModule(tmp_path), list(answer.edits)).files.values()
    assert change.after.decode() == "web-1:\nweb-2:\nweb-3: null\n"


def test_what_a_piece_of_names_means_is_in_the_order_of_the_configuration(tmp_path: Path) -> None:
    labels = [f"d{n}" for n in range(12)]
    text = "".join(f'resource "azurerm_managed_disk" "{x}" {{\n  name = "disk-{x}-quartz"\n}}\n' for x in labels)
    text += "".join(f'resource "azurerm_subnet" "s{n}" {{\n  name = "snet-s{n}"\n}}\n' for n in range(12))
    (tmp_path / "main.tf").write_text(text)
    (mention,) = Names(Inventory.build(RootModule(tmp_path), State())).mentions("quartz")
    assert [r.label for _, r in mention.named] == labels


# --- what a fourth examiner found -----------------------------------------------------------------------------------------

REGIONS = """
resource "azurerm_resource_group" "eu" {
  name     = "rg-eu"
  location = "westeurope"
}

resource "azurerm_resource_group" "us" {
  name     = "rg-us"
  location = "eastus"
}

resource "azurerm_virtual_network" "eu" {
  name                = "vnet-eu"
  resource_group_name = azurerm_resource_group.eu.name
  location            = azurerm_resource_group.eu.location
  address_space       = ["10.0.0.0/16"]
}

resource "azurerm_virtual_network" "us" {
  name                = "vnet-us"
  resource_group_name = azurerm_resource_group.us.name
  location            = azurerm_resource_group.us.location
  address_space       = ["10.1.0.0/16"]
}

resource "azurerm_subnet" "eu" {
  name                 = "apps-eu"
  resource_group_name  = azurerm_resource_group.eu.name
  virtual_network_name = azurerm_virtual_network.eu.name
  address_prefixes     = ["10.0.1.0/24"]
}

resource "azurerm_subnet" "us" {
  name                 = "apps-us"
  resource_group_name  = azurerm_resource_group.us.name
  virtual_network_name = azurerm_virtual_network.us.name
  address_prefixes     = ["10.1.1.0/24"]
}

variable "office_ip" {
  default = "203.0.113.7/32"
}

resource "azurerm_network_security_group" "eu" {
  name                = "nsg-eu"
  resource_group_name = azurerm_resource_group.eu.name
  location            = azurerm_resource_group.eu.location

  security_rule {
    name                       = "ssh"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_port_range          = "*"
    destination_port_range     = "22"
    source_address_prefix      = var.office_ip
    destination_address_prefix = "*"
  }
}

resource "azurerm_network_interface" "eu" {
  name                = "nic-web-eu"
  resource_group_name = azurerm_resource_group.eu.name
  location            = azurerm_resource_group.eu.location

  ip_configuration {
    name                          = "ip"
    subnet_id                     = azurerm_subnet.eu.id
    private_ip_address_allocation = "Dynamic"
  }
}

resource "azurerm_linux_virtual_machine" "eu" {
  name                  = "web-eu"
  resource_group_name   = azurerm_resource_group.eu.name
  location              = azurerm_resource_group.eu.location
  size                  = "Standard_D2s_v5"
  admin_username        = "adm"
  network_interface_ids = [azurerm_network_interface.eu.id]

  admin_ssh_key {
    username   = "adm"
    public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGV4YW1wbGVleGFtcGxlZXhhbXBsZWV4YW1wbGVleGFt ops@example.com"
  }

  os_disk {
    caching              = "ReadWrite"
    storage_account_type = "StandardSSD_LRS"
  }
}

resource "azurerm_network_interface" "worker" {
  count               = 4
  name                = "nic-worker-${count.index}"
  resource_group_name = azurerm_resource_group.eu.name
  location            = azurerm_resource_group.eu.location

  ip_configuration {
    name                          = "ip"
    subnet_id                     = azurerm_subnet.eu.id
    private_ip_address_allocation = "Dynamic"
  }
}

resource "azurerm_linux_virtual_machine" "worker" {
  count                 = 4
  name                  = "worker-${count.index}"
  resource_group_name   = azurerm_resource_group.eu.name
  location              = azurerm_resource_group.eu.location
  size                  = "Standard_D2s_v5"
  admin_username        = "adm"
  network_interface_ids = [azurerm_network_interface.worker[count.index].id]

  admin_ssh_key {
    username   = "adm"
    public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGV4YW1wbGVleGFtcGxlZXhhbXBsZWV4YW1wbGVleGFt ops@example.com"
  }

  os_disk {
    caching              = "ReadWrite"
    storage_account_type = "StandardSSD_LRS"
  }
}
"""


def _on_regions(request: str, tmp_path: Path) -> Answer:
    (tmp_path / "main.tf").write_text(REGIONS)
    return BuiltinPlanner().plan(request, Context(RootModule(tmp_path), State(), 5))


@pytest.mark.parametrize(
    ("request_", "count"),
    [
        ("scale workers down by one", "3"),
        ("scale the workers up by 2", "6"),
        ("scale out the workers by 3", "7"),
        ("reduce the workers by 50%", "2"),
        ("two more workers", "6"),
    ],
)
def test_by_is_not_to_and_interfaces_count_along(request_: str, count: str, tmp_path: Path) -> None:
    answer = _on_regions(request_, tmp_path)
    assert isinstance(answer, ChangeSet), answer
    assert {(e.address, e.value) for e in answer.edits if isinstance(e, SetAttribute)} == {
        ("azurerm_linux_virtual_machine.worker", count),
        ("azurerm_network_interface.worker", count),
    }


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        ("scale workers by 50%", Question),
        ("scale workers down 2", Question),
        ("do not open port 443 on nsg-eu", Refusal),
        ("please never delete the workers", Refusal),
        ("under no circumstances remove nsg-eu", Refusal),
        ("tag web-eu a=b, do not resize web-eu to D8s_v5", Question),
        ("open 22-23 from internet on nsg-eu", Refusal),
        ("restrict ssh on nsg-eu to 0.0.0.0/0", Refusal),
        ("limit ssh on nsg-eu to 0.0.0.0/1", Refusal),
        ("set office_ip to 0.0.0.0/0", Refusal),
        ("resize web-us to D2s_v5", Question),
        ("delete web-us", Question),
        ("web-eu os disk 256gb and one size up", Question),
        ("make web-eu spot and one size down", Question),
        ("tag web-eu team=core, spot too", Question),
        ("boot diag on web-eu and spot", Question),
    ],
)
def test_what_is_not_wholly_meant_is_not_planned(request_: str, kind: type, tmp_path: Path) -> None:
    assert isinstance(_on_regions(request_, tmp_path), kind)


def test_a_machine_goes_where_its_network_is(tmp_path: Path) -> None:
    answer = _on_regions("create a linux vm called lab in subnet apps-us", tmp_path)
    assert isinstance(answer, ChangeSet), answer
    sources = [e.source for e in answer.edits if isinstance(e, AddTopLevel)]
    assert len(sources) == 2
    for source in sources:
        assert "azurerm_resource_group.us.location" in source
        assert "azurerm_resource_group.us.name" in source


def test_a_rule_is_closed_behind_another_that_is_opened(tmp_path: Path) -> None:
    answer = _on_regions("open 443 on nsg-eu and close ssh", tmp_path)
    assert isinstance(answer, ChangeSet), answer
    after = apply_edits(RootModule(tmp_path), list(answer.edits)).files[tmp_path / "main.tf"].after.decode()
    assert '"443"' in after
    assert '"22"' not in after


def test_everything_in_a_group_is_tagged(tmp_path: Path) -> None:
    answer = _on_regions("tag everything in the eu with env=prod", tmp_path)
    assert isinstance(answer, ChangeSet), answer
    assert "azurerm_linux_virtual_machine.worker[0]" in answer.touches
    assert "azurerm_virtual_network.us" not in answer.touches


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("worker-1 should get more oomph: Standard_D4s_v5", "Resize"),
        ("worker-1 needs extra power: Standard_D4s_v5", "Resize"),
        ("worker-1 should be more powerful", "Better in which way?"),
        ("two more workers", "Scale"),
    ],
)
def test_more_of_what_is_no_machine_scales_nothing(request_: str, answer: str, tmp_path: Path) -> None:
    answered = _on_regions(request_, tmp_path)
    assert answer in str(answered)


def _on_the_fleet(request: str, tmp_path: Path) -> Answer:
    """The fleet the benchmark works on."""
    shutil.copytree(Path(gym.__file__).parent / "bench/roots/fleet", tmp_path / "fleet")
    return BuiltinPlanner().plan(request, Context(RootModule(tmp_path / "fleet"), State(), 5))


def _written(answered: Answer, root: Path) -> str:
    assert isinstance(answered, ChangeSet), answered
    return "".join(f.after.decode() for f in apply_edits(RootModule(root), list(answered.edits)).files.values())


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ("scale the web tier out by two machines: vm-web-3 in zone 3 and vm-web-4 in zone 1", {"web-3": "3", "web-4": "1"}),
        ("add two web servers, vm-web-5 in zone 1 and vm-web-6 in zone 3", {"web-5": "1", "web-6": "3"}),
        ("scale web to 4, the new ones in zone 3", {"web-3": "3", "web-4": "3"}),
        ("add two web servers", {"web-3": "2", "web-4": "2"}),
    ],
)
def test_new_members_are_named_and_placed_as_asked(request_: str, wanted: dict[str, str], tmp_path: Path) -> None:
    text = _written(_on_the_fleet(request_, tmp_path), tmp_path / "fleet")
    assert {k: z for k, z in re.findall(r'"(web-\d)" = \{ zone = "(\d)" \}', text) if k not in ("web-1", "web-2")} == wanted


@pytest.mark.parametrize(
    "request_", ["scale web to 5 in zones 1 and 2", "create linux vms called a-1 and a-2 in subnet apps, one in zone 1, one in zone 3"]
)
def test_zones_that_come_out_uneven_are_not_guessed(request_: str, tmp_path: Path) -> None:
    assert isinstance(_on_the_fleet(request_, tmp_path), Refusal)


def test_a_disk_has_the_name_and_the_unit_it_was_given(tmp_path: Path) -> None:
    answered = _on_the_fleet("put a 32 GB ssd called disk-swap-9 on vm-api, lun 2", tmp_path)
    text = _written(answered, tmp_path / "fleet")
    assert re.search(r'name += "disk-swap-9"', text)
    assert re.search(r"lun += 2\n", text)
