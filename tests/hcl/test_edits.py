"""Before and after of every kind of edit, in the styles people write."""

from __future__ import annotations

from pathlib import Path

import pytest

from iac_agent.errors import AmbiguousAddress, EditRejected, HclSyntaxError, NotEditable, UnknownAddress, ValueElsewhere
from iac_agent.hcl.changeset import apply_edits
from iac_agent.hcl.document import literal
from iac_agent.hcl.edits import (
    AddBlock,
    AddTopLevel,
    AppendItem,
    DropKey,
    Edit,
    PutKey,
    RemoveAttribute,
    RemoveBlock,
    RemoveItem,
    RemoveResource,
    RenameKey,
    SetAttribute,
)

VM = "azurerm_linux_virtual_machine.vm"
OPEN = 'resource "azurerm_linux_virtual_machine" "vm" {\n'


def edited(tmp_path: Path, before: str | bytes, *edits: Edit) -> str:
    raw = before.encode() if isinstance(before, str) else before
    (tmp_path / "main.tf").write_bytes(raw)
    outcome = apply_edits(tmp_path, list(edits))
    assert (tmp_path / "main.tf").read_bytes() == raw, "edits are made in memory"
    return outcome.files[(tmp_path / "main.tf").resolve()].after.decode()


TABLE = [
    pytest.param(
        OPEN + '  size     = "a" # small\n  priority = "Regular"\n}\n',
        SetAttribute(VM, "size", '"bb"'),
        OPEN + '  size     = "bb" # small\n  priority = "Regular"\n}\n',
        id="a value and nothing else",
    ),
    pytest.param(
        OPEN + '  name = "x"\n  size = "a"\n\n  os_disk {\n    caching = "None"\n  }\n}\n',
        SetAttribute(VM, "eviction_policy", '"Delete"', after="size"),
        OPEN
        + '  name            = "x"\n  size            = "a"\n  eviction_policy = "Delete"\n\n  os_disk {\n    caching = "None"\n  }\n}\n',
        id="a longer argument realigns the run it joins",
    ),
    pytest.param(
        OPEN + '  name = "x"\n  size="a"\n}\n',
        SetAttribute(VM, "eviction_policy", '"Delete"'),
        OPEN + '  name = "x"\n  size="a"\n  eviction_policy = "Delete"\n}\n',
        id="a run that was not aligned is left alone",
    ),
    pytest.param(
        OPEN + '  os_disk { caching = "None" }\n}\n',
        SetAttribute(VM, "os_disk.disk_size_gb", "64"),
        OPEN + '  os_disk {\n    caching      = "None"\n    disk_size_gb = 64\n  }\n}\n',
        id="a one-line block opens up",
    ),
    pytest.param(
        OPEN + "  boot_diagnostics {}\n}\n",
        SetAttribute(VM, "boot_diagnostics.storage_account_uri", '"https://x"'),
        OPEN + '  boot_diagnostics {\n    storage_account_uri = "https://x"\n  }\n}\n',
        id="an empty block opens up",
    ),
    pytest.param(OPEN + "}\n", SetAttribute(VM, "size", '"a"'), OPEN + '  size = "a"\n}\n', id="a first argument"),
    pytest.param(
        OPEN + '\tname = "x" /* the\n\tname */\n}\n',
        SetAttribute(VM, "size", '"a"'),
        OPEN + '\tname = "x" /* the\n\tname */\n\tsize = "a"\n}\n',
        id="tabs, and a comment over two lines",
    ),
    pytest.param(
        OPEN + "  custom_data = <<-EOT\n    a = 1\n    }\n  EOT\n}\n",
        SetAttribute(VM, "size", '"a"'),
        OPEN + '  custom_data = <<-EOT\n    a = 1\n    }\n  EOT\n  size        = "a"\n}\n',
        id="behind a heredoc that looks like HCL",
    ),
    pytest.param(
        OPEN + '  name     = "x"\n  priority = "Spot"\n  zone     = 1\n}\n',
        RemoveAttribute(VM, "priority"),
        OPEN + '  name = "x"\n  zone = 1\n}\n',
        id="removing the longest realigns",
    ),
    pytest.param(
        OPEN + '  os_disk { caching = "None" }\n}\n',
        RemoveAttribute(VM, "os_disk.caching"),
        OPEN + "  os_disk {}\n}\n",
        id="the last argument of a one-line block",
    ),
    pytest.param(
        OPEN + '  zones = ["1"]\n}\n', AppendItem(VM, "zones", '"2"'), OPEN + '  zones = ["1", "2"]\n}\n', id="append on one line"
    ),
    pytest.param(OPEN + "  zones = []\n}\n", AppendItem(VM, "zones", '"2"'), OPEN + '  zones = ["2"]\n}\n', id="append to an empty list"),
    pytest.param(
        OPEN + '  zones = [\n    "1", # one\n    "2" # two\n  ]\n}\n',
        AppendItem(VM, "zones", '"3"'),
        OPEN + '  zones = [\n    "1", # one\n    "2", # two\n    "3"\n  ]\n}\n',
        id="append over lines, without a trailing comma",
    ),
    pytest.param(
        OPEN + '  zones = [\n    "1",\n    "2",\n  ]\n}\n',
        AppendItem(VM, "zones", '"3"'),
        OPEN + '  zones = [\n    "1",\n    "2",\n    "3",\n  ]\n}\n',
        id="append over lines, with a trailing comma",
    ),
    pytest.param(
        OPEN + '  zones = ["1", "2", "3"]\n}\n',
        RemoveItem(VM, "zones", '"2"'),
        OPEN + '  zones = ["1", "3"]\n}\n',
        id="remove from the middle",
    ),
    pytest.param(OPEN + '  zones = ["1", "2"]\n}\n', RemoveItem(VM, "zones", '"2"'), OPEN + '  zones = ["1"]\n}\n', id="remove the last"),
    pytest.param(
        OPEN + '  tags = { a = "b" }\n}\n',
        PutKey(VM, "tags", "c", '"d"'),
        OPEN + '  tags = { a = "b", c = "d" }\n}\n',
        id="a key on one line",
    ),
    pytest.param(
        OPEN + '  tags = {\n    env = "x"\n  }\n}\n',
        PutKey(VM, "tags", "cost centre", '"d"'),
        OPEN + '  tags = {\n    env           = "x"\n    "cost centre" = "d"\n  }\n}\n',
        id="a quoted key over lines realigns",
    ),
    pytest.param(
        OPEN + '  tags = { "a" : "b" }\n}\n',
        PutKey(VM, "tags", "c", '"d"'),
        OPEN + '  tags = { "a" : "b", "c" : "d" }\n}\n',
        id="in the style that is there",
    ),
    pytest.param(
        OPEN + '  size = "a"\n}\n',
        PutKey(VM, "tags", "c", '"d"'),
        OPEN + '  size = "a"\n  tags = { c = "d" }\n}\n',
        id="a map that was missing",
    ),
    pytest.param(
        OPEN + '  tags = { a = "b" }\n}\n', PutKey(VM, "tags", "a", '"z"'), OPEN + '  tags = { a = "z" }\n}\n', id="a key that is there"
    ),
    pytest.param(
        OPEN + '  tags = { a = "b", c = "d" }\n}\n', DropKey(VM, "tags", "a"), OPEN + '  tags = { c = "d" }\n}\n', id="drop a key"
    ),
    pytest.param(
        OPEN + '  tags = { a = "b" }\n}\n', RenameKey(VM, "tags", "a", "b c"), OPEN + '  tags = { "b c" = "b" }\n}\n', id="rename a key"
    ),
    pytest.param(
        OPEN + '  name = "x"\n\n  os_disk {\n    caching = "None"\n  }\n}\n',
        AddBlock(VM, "identity", (("type", '"SystemAssigned"'),)),
        OPEN + '  name = "x"\n\n  os_disk {\n    caching = "None"\n  }\n\n  identity {\n    type = "SystemAssigned"\n  }\n}\n',
        id="a block behind the others",
    ),
    pytest.param(
        OPEN + '  name = "x"\n\n  lifecycle {\n    ignore_changes = [tags]\n  }\n}\n',
        AddBlock(VM, "boot_diagnostics"),
        OPEN + '  name = "x"\n\n  boot_diagnostics {}\n\n  lifecycle {\n    ignore_changes = [tags]\n  }\n}\n',
        id="a block before lifecycle",
    ),
    pytest.param(
        OPEN + '  name = "x"\n\n  boot_diagnostics {}\n\n  os_disk {\n    caching = "None"\n  }\n}\n',
        RemoveBlock(VM, "boot_diagnostics"),
        OPEN + '  name = "x"\n\n  os_disk {\n    caching = "None"\n  }\n}\n',
        id="a block without leaving a gap",
    ),
]


@pytest.mark.parametrize(("before", "edit", "after"), TABLE)
def test_edit(tmp_path: Path, before: str, edit: Edit, after: str) -> None:
    assert edited(tmp_path, before, edit) == after


@pytest.mark.parametrize(("before", "edit", "after"), TABLE)
def test_the_same_with_windows_line_ends_and_a_byte_order_mark(tmp_path: Path, before: str, edit: Edit, after: str) -> None:
    raw = b"\xef\xbb\xbf" + before.replace("\n", "\r\n").encode()
    assert edited(tmp_path, raw, edit).encode() == b"\xef\xbb\xbf" + after.replace("\n", "\r\n").encode()


def test_a_missing_last_newline_stays_missing(tmp_path: Path) -> None:
    assert edited(tmp_path, OPEN + '  size = "a"\n}', SetAttribute(VM, "size", '"b"')) == OPEN + '  size = "b"\n}'


def test_a_new_block_goes_beside_its_kin(tmp_path: Path) -> None:
    before = 'resource "a" "x" {}\n\nresource "b" "y" {}\n'
    after = edited(tmp_path, before, AddTopLevel("a.z", 'resource "a" "z" {\n  k = 1\n}\n'))
    assert after == 'resource "a" "x" {}\n\nresource "a" "z" {\n  k = 1\n}\n\nresource "b" "y" {}\n'


def test_a_new_block_of_a_new_kind_goes_to_the_end_of_its_file(tmp_path: Path) -> None:
    assert (
        edited(tmp_path, 'resource "a" "x" {}', AddTopLevel("b.z", 'resource "b" "z" {}\n'))
        == 'resource "a" "x" {}\n\nresource "b" "z" {}\n'
    )


def test_removing_a_resource_reports_what_still_refers_to_it(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(OPEN + '}\n\noutput "id" {\n  value = azurerm_linux_virtual_machine.vm.id\n}\n')
    outcome = apply_edits(tmp_path, [RemoveResource(VM)])
    assert outcome.dangling == ["main.tf:2"]
    (change,) = outcome.files.values()
    assert change.after == b'output "id" {\n  value = azurerm_linux_virtual_machine.vm.id\n}\n'


ELSEWHERE = [
    pytest.param('  size = var.size\n}\nvariable "size" {\n  default = "a"\n}\n', ["main.tf:5 (variable size)"], id="a variable"),
    pytest.param('  size = local.size\n}\nlocals {\n  size = "a"\n}\n', ["main.tf:5 (local.size)"], id="a local"),
    pytest.param('  for_each = { a = "x" }\n  size = each.value\n}\n', ["main.tf:2 (for_each of this block)"], id="for_each"),
    pytest.param('  size = "Standard_${var.n}"\n}\nvariable "n" {}\n', ["main.tf:4 (variable n, no default)"], id="a template"),
]


@pytest.mark.parametrize(("rest", "origin"), ELSEWHERE)
def test_a_computed_value_is_never_overwritten(tmp_path: Path, rest: str, origin: list[str]) -> None:
    with pytest.raises(ValueElsewhere) as caught:
        edited(tmp_path, OPEN + rest, SetAttribute(VM, "size", '"b"'))
    assert caught.value.origin == origin


def test_a_tfvars_file_is_named_as_the_origin(tmp_path: Path) -> None:
    (tmp_path / "terraform.tfvars").write_text('# sizes\nsize = "b"\n')
    with pytest.raises(ValueElsewhere) as caught:
        edited(tmp_path, OPEN + '  size = var.size\n}\nvariable "size" {}\n', SetAttribute(VM, "size", '"b"'))
    assert caught.value.origin[0] == "terraform.tfvars:2"


def test_inside_a_module_the_call_is_named_as_the_origin(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "vm.tf").write_text('variable "size" {}\n' + OPEN + "  size = var.size\n}\n")
    (tmp_path / "main.tf").write_text('module "web" {\n  source = "./m"\n  size   = "a"\n}\n')
    with pytest.raises(ValueElsewhere) as caught:
        apply_edits(tmp_path, [SetAttribute(f"module.web.{VM}", "size", '"b"')])
    assert caught.value.origin == ["main.tf:3 (argument size of module.web)", "m/vm.tf:1 (variable size, no default)"]


def test_a_literal_inside_a_module_is_edited_there(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "vm.tf").write_text(OPEN + '  size = "a"\n}\n')
    (tmp_path / "main.tf").write_text('module "web" {\n  source = "./m"\n}\n')
    outcome = apply_edits(tmp_path, [SetAttribute(f'module.web["x"].{VM}[0]', "size", '"b"')])
    assert [p.name for p in outcome.files] == ["vm.tf"]


def test_an_unknown_address_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownAddress) as caught:
        edited(tmp_path, OPEN + "}\n", SetAttribute("azurerm_linux_virtual_machine.wm", "size", '"b"'))
    assert caught.value.nearest == [VM]


def test_two_nested_blocks_need_an_index(tmp_path: Path) -> None:
    rules = OPEN + "  rule {\n    p = 1\n  }\n  rule {\n    p = 2\n  }\n}\n"
    with pytest.raises(AmbiguousAddress):
        edited(tmp_path, rules, SetAttribute(VM, "rule.p", "3"))
    assert "p = 3" in edited(tmp_path, rules, SetAttribute(VM, "rule[1].p", "3")).split("p = 1")[1]


def test_json_syntax_is_read_but_not_edited(tmp_path: Path) -> None:
    (tmp_path / "vm.tf.json").write_text('{"resource": {"azurerm_linux_virtual_machine": {"vm": {"size": "a"}}}}')
    with pytest.raises(NotEditable, match=r"vm\.tf\.json"):
        edited(tmp_path, "", SetAttribute(VM, "size", '"b"'))


def test_a_dynamic_block_is_not_edited(tmp_path: Path) -> None:
    text = OPEN + '  dynamic "rule" {\n    for_each = [1]\n    content {\n      p = rule.value\n    }\n  }\n}\n'
    with pytest.raises(NotEditable, match="dynamic"):
        edited(tmp_path, text, SetAttribute(VM, "rule.p", "3"))


def test_a_module_from_elsewhere_is_not_edited(tmp_path: Path) -> None:
    with pytest.raises(NotEditable, match="not in this repository"):
        edited(tmp_path, 'module "m" {\n  source = "Azure/compute/azurerm"\n}\n', SetAttribute(f"module.m.{VM}", "size", '"b"'))


def test_a_value_that_smuggles_in_more_is_rejected(tmp_path: Path) -> None:
    with pytest.raises((EditRejected, HclSyntaxError)):
        edited(tmp_path, OPEN + '  size = "a"\n}\n', SetAttribute(VM, "size", '"b"\n  admin_password = "x"'))


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(HclSyntaxError, match=r"main\.tf:2"):
        edited(tmp_path, OPEN + "  size = = 1\n}\n", SetAttribute(VM, "size", '"b"'))


def test_no_edit_is_applied_when_a_later_one_fails(tmp_path: Path) -> None:
    with pytest.raises(UnknownAddress):
        edited(tmp_path, OPEN + '  size = "a"\n}\n', SetAttribute(VM, "size", '"b"'), RemoveAttribute(VM, "nothing"))


@pytest.mark.parametrize("value", ["plain", 'a "quote"', "${not.interpolated}", "%{if x}", "back\\slash", "line\nbreak", "ünï 🚀"])
def test_a_literal_means_itself(tmp_path: Path, value: str) -> None:
    import subprocess

    from iac_agent.terraform.binary import find

    (tmp_path / "main.tf").write_text(f'output "v" {{\n  value = {literal(value)}\n}}\n')
    command = find().command
    subprocess.run([*command, "apply", "-auto-approve", "-input=false"], cwd=tmp_path, check=True, capture_output=True)
    shown = subprocess.run([*command, "output", "-raw", "v"], cwd=tmp_path, check=True, capture_output=True)
    assert shown.stdout.decode() == value
