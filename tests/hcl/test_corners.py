"""What a fuzzer and a careful reader found: corners where an edit once did more, less or something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from iac_agent.errors import AmbiguousAddress, EditRejected, HclError, HclSyntaxError, NotEditable, UnknownAddress, ValueElsewhere
from iac_agent.hcl.changeset import Outcome, apply_edits
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

A = "azurerm_x.y"


def outcome(folder: Path, files: dict[str, str | bytes], *edits: Edit) -> Outcome:
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return apply_edits(folder, list(edits))


def inside(folder: Path, body: str, *edits: Edit) -> str:
    """The body of a resource after the edits."""
    head, tail = 'resource "azurerm_x" "y" {\n', "}\n"
    found = outcome(folder, {"main.tf": head + body + tail}, *edits)
    after = next(iter(found.files.values())).after.decode()
    assert (after[: len(head)], after[-len(tail) :]) == (head, tail)
    return after[len(head) : -len(tail)]


@pytest.mark.parametrize(
    ("before", "edit", "after"),
    [
        # comments between items stay
        ("  l = [1, 2, # keep\n  3, 4]\n", RemoveItem(A, "l", "2"), "  l = [1, # keep\n  3, 4]\n"),
        ('  l = ["a", # one\n  "b"]\n', RemoveItem(A, "l", '"a"'), '  l = [ # one\n  "b"]\n'),
        ("  m = { x = 1, yy = 2\n    z = 3\n  }\n", DropKey(A, "m", "yy"), "  m = { x = 1\n    z = 3\n  }\n"),
        # nothing is left of the last one
        ("  m = { x = 1 }\n", DropKey(A, "m", "x"), "  m = {}\n"),
        # empty but for a comment
        ("  m = { /* c */ }\n", PutKey(A, "m", "a", "1"), "  m = { /* c */\n    a = 1\n  }\n"),
        # heredocs end their line
        ("  l = [<<-EOT\n    x\n  EOT\n  ]\n", AppendItem(A, "l", '"z"'), '  l = [<<-EOT\n    x\n  EOT\n    , "z"\n  ]\n'),
        # keys that need escapes, and words that are no keys
        ('  m = { "a\\"b" = 1 }\n', PutKey(A, "m", 'a"b', "2"), '  m = { "a\\"b" = 2 }\n'),
        ('  m = { "$${x}" = 2, b = 1 }\n', DropKey(A, "m", "${x}"), "  m = { b = 1 }\n"),
        ('  m = { "\\u00e8" = 1 }\n', PutKey(A, "m", "è", "2"), '  m = { "\\u00e8" = 2 }\n'),
        ("  m = { a = 1 }\n", RenameKey(A, "m", "a", 'b"c'), '  m = { "b\\"c" = 1 }\n'),
        ("  m = { a = 1 }\n", PutKey(A, "m", "for", "1"), '  m = { a = 1, "for" = 1 }\n'),
        # a second block of a kind, and blocks with labels
        ("  b {\n    n = 1\n  }\n", AddBlock(A, "b", (("n", "2"),)), "  b {\n    n = 1\n  }\n\n  b {\n    n = 2\n  }\n"),
        (
            '  provisioner "local-exec" {\n    command = "x"\n  }\n',
            SetAttribute(A, "provisioner.command", '"y"'),
            '  provisioner "local-exec" {\n    command = "y"\n  }\n',
        ),
        (
            '  dynamic "rule" {\n    for_each = ["a"]\n    content {}\n  }\n',
            AppendItem(A, "dynamic.for_each", '"b"'),
            '  dynamic "rule" {\n    for_each = ["a", "b"]\n    content {}\n  }\n',
        ),
        # `terraform fmt` would have nothing to do
        ("  a = 1\n  m = {\n    x = 1\n  }\n  long_name = 2\n", RemoveAttribute(A, "m"), "  a         = 1\n  long_name = 2\n"),
        ("  c = 2\n  lifecycle {\n  }\n  dd = 3\n", RemoveBlock(A, "lifecycle"), "  c  = 2\n  dd = 3\n"),
    ],
)
def test_edits(tmp_path: Path, before: str, edit: Edit, after: str) -> None:
    assert inside(tmp_path, before, edit) == after


LOCALS = "locals {\n  a = 1\n  b = 2\n}\n"


def test_a_local_is_one_argument_of_its_block(tmp_path: Path) -> None:
    use = "output o {\n  value = local.a\n}\n"
    found = outcome(tmp_path, {"main.tf": LOCALS + use}, RemoveResource("local.a"))
    assert found.files[(tmp_path / "main.tf").resolve()].after.decode() == "locals {\n  b = 2\n}\n" + use
    assert found.dangling == ["main.tf:5"]
    with pytest.raises(UnknownAddress):
        apply_edits(tmp_path, [SetAttribute("local.a", "b", "1")])


def test_a_local_that_is_defined_twice(tmp_path: Path) -> None:
    with pytest.raises(AmbiguousAddress):
        outcome(tmp_path, {"a.tf": LOCALS, "b.tf": "locals {\n  a = 3\n}\n"}, SetAttribute("local.a", "a", "4"))
    (tmp_path / "b.tf").rename(tmp_path / "b_override.tf")
    assert [p.name for p in apply_edits(tmp_path, [SetAttribute("local.a", "a", "4")]).files] == ["b_override.tf"]


def test_override_files(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "main.tf": 'resource "azurerm_x" "y" {\n  a = 1\n  b = 1\n}\n',
        "x_override.tf": 'resource "azurerm_x" "y" {\n  b = 2\n}\n',
    }
    assert [p.name for p in outcome(tmp_path, files, SetAttribute(A, "a", "5")).files] == ["main.tf"]
    with pytest.raises(ValueElsewhere, match=r"x_override\.tf:1"):
        apply_edits(tmp_path, [SetAttribute(A, "b", "5")])


def test_providers_go_by_their_alias(tmp_path: Path) -> None:
    text = 'provider "azurerm" {\n  alias = "b"\n}\n\nprovider "azurerm" {\n}\n'
    for address, position in (("provider.azurerm", 5), ("provider.azurerm.b", 2)):
        found = outcome(tmp_path, {"main.tf": text}, SetAttribute(address, "use_cli", "true"))
        lines = [ln.split("=")[0].strip() for ln in next(iter(found.files.values())).after.decode().splitlines()]
        assert lines.index("use_cli") == position


def test_a_removed_variable_leaves_its_uses(tmp_path: Path) -> None:
    text = 'variable "size" {}\n\nresource "azurerm_x" "y" {\n  a = var.size\n}\n'
    assert outcome(tmp_path, {"main.tf": text}, RemoveResource("variable.size")).dangling == ["main.tf:2"]


NEW = 'resource "azurerm_x" "n" {}'


@pytest.mark.parametrize(
    ("address", "source", "file", "error"),
    [
        ("azurerm_x.q", NEW, "main.tf", EditRejected),
        ("azurerm_x.n", "", "main.tf", EditRejected),
        ("azurerm_x.n", "a = 1", "main.tf", EditRejected),
        ("azurerm_x.n", NEW + "\n" + NEW.replace('"n"', '"m"'), "main.tf", EditRejected),
        ("module.a.azurerm_x.n", NEW, "main.tf", UnknownAddress),
        ("azurerm_x.n", NEW, "../escaped.tf", NotEditable),
        ("azurerm_x.n", NEW, "notes.txt", NotEditable),
        ("azurerm_x.j", NEW.replace('"n"', '"j"'), "main.tf", EditRejected),
    ],
)
def test_a_new_block_is_one_new_block_of_this_module(tmp_path: Path, address: str, source: str, file: str, error: type[HclError]) -> None:
    json_file = '{"resource": {"azurerm_x": {"j": {}}}}'
    with pytest.raises(error):
        outcome(tmp_path, {"main.tf": "", "j.tf.json": json_file}, AddTopLevel(address, source, file))


def test_json_that_does_not_parse(tmp_path: Path) -> None:
    with pytest.raises(HclSyntaxError, match=r"bad\.tf\.json"):
        outcome(tmp_path, {"main.tf": 'resource "azurerm_x" "y" {\n}\n', "bad.tf.json": "{"}, SetAttribute(A, "a", "2"))


def test_bytes_that_are_no_unicode_stay(tmp_path: Path) -> None:
    found = outcome(tmp_path, {"main.tf": b'# \xe9\nresource "azurerm_x" "y" {\n  a = 1\n}\n'}, SetAttribute(A, "a", "2"))
    assert next(iter(found.files.values())).after == b'# \xe9\nresource "azurerm_x" "y" {\n  a = 2\n}\n'


def test_a_deep_expression(tmp_path: Path) -> None:
    terms = " + ".join(["1"] * 600)
    with pytest.raises(HclError):
        inside(tmp_path, f"  a = 1\n  b = {terms}\n", SetAttribute(A, "b", "2"))


def test_new_lines_end_as_the_file_does(tmp_path: Path) -> None:
    raw = b'resource "azurerm_x" "y" {\r\n  n = {}\r\n}\r\n'
    found = outcome(tmp_path, {"main.tf": raw}, SetAttribute(A, "n", "{\n    x = 1\n  }"))
    after = next(iter(found.files.values())).after
    assert after.count(b"\n") == after.count(b"\r\n") == 5


def test_a_value_brings_no_comment(tmp_path: Path) -> None:
    with pytest.raises(EditRejected, match="comment"):
        inside(tmp_path, "  a = 1\n", SetAttribute(A, "a", "2 # two"))


def test_tfvars_in_json_are_an_origin_too(tmp_path: Path) -> None:
    text = 'variable "v" {}\n\nresource "azurerm_x" "y" {\n  a = var.v\n}\n'
    with pytest.raises(ValueElsewhere) as raised:
        outcome(tmp_path, {"main.tf": text, "z.auto.tfvars.json": '{"v": 1}'}, SetAttribute(A, "a", "2"))
    assert "z.auto.tfvars.json:1" in str(raised.value.origin)


def test_a_file_without_a_final_line_end_gets_none(tmp_path: Path) -> None:
    text = 'resource "azurerm_x" "a" {}\n\nresource "azurerm_x" "y" {\n  a = 1\n}'
    found = outcome(tmp_path, {"main.tf": text}, RemoveResource(A))
    assert next(iter(found.files.values())).after.decode() == 'resource "azurerm_x" "a" {}'
