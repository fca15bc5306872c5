"""Where values are written: one table of small configurations, an address, a path, and the place an edit would go to."""

from __future__ import annotations

from pathlib import Path

import pytest

from iac_agent.hcl.address import without_keys
from iac_agent.hcl.changeset import apply_edits
from iac_agent.hcl.configuration import Configuration, Given
from iac_agent.hcl.document import literal
from iac_agent.hcl.edits import SetAttribute
from iac_agent.hcl.module import RootModule
from iac_agent.hcl.trace import Users, trace

MODULE = 'variable "size" {\n  default = "M"\n}\nresource "azurerm_x" "y" {\n  size = var.size\n}\n'
VMS = 'variable "vms" {\n  type = map(object({ size = optional(string, "D"), n = number }))\n}\n'


def each(expression: str, source: str = "var.vms") -> str:
    return f'resource "azurerm_x" "y" {{\n  for_each = {source}\n  size     = {expression}\n}}\n'


def one(expression: str, more: str = "") -> dict[str, str]:
    return {"main.tf": f'resource "azurerm_x" "y" {{\n  size = {expression}\n}}\n{more}'}


Y, A = "azurerm_x.y", 'azurerm_x.y["a"]'
CASES: list[tuple[str, dict[str, str], str, object, str]] = [
    ("literal", one('"L"'), Y, "L", "azurerm_x.y size"),
    ("default", one("var.s", 'variable "s" {\n  default = "V"\n}\n'), Y, "V", "variable.s default"),
    ("tfvars", {**one("var.s", 'variable "s" {}\n'), "terraform.tfvars": 's = "T"\n'}, Y, "T", "terraform.tfvars s"),
    (
        "the last tfvars wins",
        {**one("var.s", 'variable "s" {}\n'), "terraform.tfvars": 's = "T"\n', "a.auto.tfvars": 's = "A"\n', "b.auto.tfvars": 's = "B"\n'},
        Y,
        "B",
        "b.auto.tfvars s",
    ),
    ("json tfvars", {**one("var.s", 'variable "s" {}\n'), "z.auto.tfvars.json": '{"s": "J"}'}, Y, "J", "z.auto.tfvars.json s"),
    ("local", one("local.s", 'locals {\n  s = "O"\n}\n'), Y, "O", "local.s s"),
    ("local of a local", one("local.a", 'locals {\n  a = local.b\n  b = "O"\n}\n'), Y, "O", "local.b b"),
    ("map by key", one('local.m["k"]', 'locals {\n  m = { k = "K" }\n}\n'), Y, "K", "local.m m.k"),
    ("list by index", one("local.l[1]", 'locals {\n  l = ["a", "b"]\n}\n'), Y, "b", "local.l l[1]"),
    ("lookup", one('lookup(local.m, "k", "d")', 'locals {\n  m = { k = "K" }\n}\n'), Y, "K", "local.m m.k"),
    ("lookup's default", one('lookup({}, "k", "d")'), Y, "d", "azurerm_x.y size.@2"),
    ("coalesce", one('coalesce(null, "", "c")'), Y, "c", "azurerm_x.y size.@2"),
    ("try", one('try(local.m.nope, "t")', "locals {\n  m = {}\n}\n"), Y, "t", "azurerm_x.y size.@1"),
    ("conditional", one('1 == 2 ? "a" : "b"'), Y, "b", "azurerm_x.y size.@2"),
    ("element", one('element(["a", "b"], 3)'), Y, "b", "azurerm_x.y size.@0[1]"),
    ("merge", one('merge({ s = "1" }, { s = "2" }).s'), Y, "2", "azurerm_x.y size.@0.@1.s"),
    ("interpolation alone", one('"${local.s}"', 'locals {\n  s = "O"\n}\n'), Y, "O", "local.s s"),
    ("another resource", one("azurerm_x.z.size", 'resource "azurerm_x" "z" {\n  size = "Z"\n}\n'), Y, "Z", "azurerm_x.z size"),
    (
        "for_each map",
        {"main.tf": each("each.value.size", '{ a = { size = "1" }, b = { size = "2" } }')},
        A,
        "1",
        "azurerm_x.y for_each.a.size",
    ),
    (
        "for_each variable",
        {"main.tf": VMS + each("each.value.size"), "terraform.tfvars": 'vms = {\n  a = { size = "T", n = 1 }\n}\n'},
        A,
        "T",
        "terraform.tfvars vms.a.size",
    ),
    (
        "optional default",
        {"main.tf": VMS + each("each.value.size"), "terraform.tfvars": "vms = {\n  a = { n = 1 }\n}\n"},
        A,
        "D",
        "variable.vms type.@0.@0.size.@1",
    ),
    ("toset", {"main.tf": each("each.value", 'toset(["a", "b"])')}, A, "a", "azurerm_x.y for_each.@0[0]"),
    (
        "for",
        {"main.tf": each("each.value", "{ for k, v in local.m : k => v.s }") + 'locals {\n  m = { a = { s = "F" } }\n}\n'},
        A,
        "F",
        "local.m m.a.s",
    ),
    (
        "list of objects",
        {"main.tf": each("each.value.s", "{ for v in local.l : v.name => v }") + 'locals {\n  l = [{ name = "a", s = "F" }]\n}\n'},
        A,
        "F",
        "local.l l[0].s",
    ),
    (
        "count",
        {"main.tf": 'resource "azurerm_x" "y" {\n  count = 2\n  size  = local.l[count.index]\n}\nlocals {\n  l = ["a", "b"]\n}\n'},
        "azurerm_x.y[1]",
        "b",
        "local.l l[1]",
    ),
    (
        "yaml",
        {"main.tf": each("each.value.s", 'yamldecode(file("${path.module}/c/v.yaml")).vms'), "c/v.yaml": "vms:\n  a:\n    s: Y # here\n"},
        A,
        "Y",
        "c/v.yaml vms.a.s",
    ),
    (
        "json",
        {"main.tf": each("each.value.s", '{ for v in jsondecode(file("v.json")) : v.n => v }'), "v.json": '[{"n": "a", "s": "J"}]'},
        A,
        "J",
        "v.json [0].s",
    ),
    (
        "module argument",
        {"main.tf": 'module "m" {\n  source = "./m"\n  size   = "A"\n}\n', "m/main.tf": MODULE},
        "module.m.azurerm_x.y",
        "A",
        "module.m size",
    ),
    (
        "module default",
        {"main.tf": 'module "m" {\n  source = "./m"\n}\n', "m/main.tf": MODULE},
        "module.m.azurerm_x.y",
        "M",
        "module.m.variable.size default",
    ),
    (
        "two modules up",
        {
            "main.tf": 'module "o" {\n  source = "./o"\n  size   = local.s\n}\nlocals {\n  s = "U"\n}\n',
            "o/main.tf": 'variable "size" {}\nmodule "m" {\n  source = "../m"\n  size   = var.size\n}\n',
            "m/main.tf": MODULE,
        },
        "module.o.module.m.azurerm_x.y",
        "U",
        "local.s s",
    ),
    (
        "module for_each",
        {
            "main.tf": 'module "m" {\n  source   = "./m"\n  for_each = { a = "1", b = "2" }\n  size     = each.value\n}\n',
            "m/main.tf": MODULE,
        },
        'module.m["b"].azurerm_x.y',
        "2",
        "module.m for_each.b",
    ),
    (
        "module output",
        {
            "main.tf": one("module.m.out")["main.tf"] + 'module "m" {\n  source = "./m"\n}\n',
            "m/main.tf": MODULE + 'output "out" {\n  value = var.size\n}\n',
        },
        Y,
        "M",
        "module.m.variable.size default",
    ),
]


def write(folder: Path, files: dict[str, str]) -> RootModule:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return RootModule(folder)


@pytest.mark.parametrize(("files", "address", "value", "place"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_where_it_is_written(tmp_path: Path, files: dict[str, str], address: str, value: object, place: str) -> None:
    """The place is right when an edit there changes the value, and nothing else about it."""
    root = write(tmp_path, files)
    instance = next(i for i in Configuration(root).instances if i.address == address)
    traced = trace(instance, "size")
    assert traced.value is not None
    assert traced.value.plain() == value
    assert traced.place is not None, traced.explain()
    assert f"{traced.place.address} {traced.place.path}" == place
    outcome = apply_edits(root, [SetAttribute(traced.place.address, traced.place.path, '"NEW"')])
    edited = root.with_edits({p: c.after for p, c in outcome.files.items()})
    after = {i.address: trace(i, "size") for i in Configuration(edited).instances}
    again = next((t for a, t in after.items() if a == address), None)
    assert (again is not None and again.value is not None and again.value.plain() == "NEW") or "toset" in str(files)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ('format("x-%s", "y")', "computed by format"),
        ('"a-${local.s}"', "put together in the string"),
        ("data.azurerm_y.z.size", "read from Azure by a data source"),
        ("azurerm_x.z.id", "set by Azure"),
        ("var.nothing", "no value"),
        ("local.nothing", "not defined"),
        ("sha256(local.s)", "computed by sha256"),
        ("local.loop", "refers to itself"),
    ],
)
def test_what_cannot_be_traced_says_why(tmp_path: Path, expression: str, why: str) -> None:
    more = 'locals {\n  s    = "1"\n  loop = local.loop\n}\nresource "azurerm_x" "z" {}\nvariable "nothing" {}\n'
    root = write(tmp_path, one(expression, more))
    traced = trace(Configuration(root).instances[0], "size")
    assert traced.place is None
    assert why in traced.explain()


@pytest.mark.parametrize(
    ("given", "value", "where"),
    [
        (Given(environment={"TF_VAR_s": "E"}), "D", "variables"),
        (Given(pairs=("s=P",)), "P", "-var s"),
        (Given(environment={"TF_VAR_q": "E"}), "E", "TF_VAR_q"),
    ],
)
def test_values_from_outside_cannot_be_edited(tmp_path: Path, given: Given, value: str, where: str) -> None:
    name = "q" if where == "TF_VAR_q" else "s"
    files = {**one(f"var.{name}", 'variable "s" {}\nvariable "q" {}\n'), "terraform.tfvars": 's = "D"\n'}
    traced = trace(Configuration(write(tmp_path, files), given).instances[0], "size")
    assert traced.value is not None
    assert traced.value.plain() == value
    assert traced.place is not None
    assert traced.place.editable == (where == "variables")


def test_who_shares_a_place(tmp_path: Path) -> None:
    text = 'locals {\n  s = "1"\n  t = { env = "p" }\n}\n'
    for label in ("a", "b"):
        text += f'resource "azurerm_x" "{label}" {{\n  size = local.s\n  tags = merge(local.t, {{ own = "{label}" }})\n}}\n'
    configuration = Configuration(write(tmp_path, {"main.tf": text}))
    users, (a, b) = Users(configuration), configuration.instances
    shared, own = trace(a, "size").place, trace(a, "tags.own").place
    assert shared is not None
    assert own is not None
    assert {address for address, _ in users.of(shared)} == {"azurerm_x.a", "azurerm_x.b"}
    assert not users.exclusive(shared, [a], "size")
    assert users.exclusive(shared, [a, b], "size")
    assert users.exclusive(own, [a], "tags")


@pytest.mark.parametrize("key", ['a"b', "a\\b", "a[1]", "a.b"])
def test_an_instance_is_called_as_terraform_calls_it(tmp_path: Path, key: str) -> None:
    root = write(tmp_path, {"main.tf": f'resource "azurerm_x" "y" {{\n  for_each = toset([{literal(key)}])\n}}\n'})
    (instance,) = Configuration(root).instances
    assert instance.address == f"azurerm_x.y[{literal(key)}]"
    assert without_keys(f"module.m[0].{instance.address}") == "module.m.azurerm_x.y"
