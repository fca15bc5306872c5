"""Family 1: what would run code, read files or fetch things, hidden from the static gate in every way that Terraform still understands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pytest

from iac_agent.errors import GateRefused, HclError
from iac_agent.guard.check import Checks, Exempt
from iac_agent.guard.gate import GateRules, require, scan
from iac_agent.guard.guard import Guard
from iac_agent.hcl.module import RootModule
from tests.adversarial.table import Attack, cases
from tests.conftest import Figure

EXTERNAL = 'data "external" "x" {\n  program = ["sh"]\n}\n'
PROVISIONER = 'resource "terraform_data" "x" {\n  provisioner "local-exec" {\n    command = "id"\n  }\n}\n'
JSON_EXTERNAL = json.dumps({"data": {"external": {"x": {"program": ["sh"]}}}})
SECRET = "/etc/passwd"


@dataclass(frozen=True)
class GateAttack(Attack):
    """Files of a root module that is a repository; `links` point from a name to a place, relative to it. `rule` must be found."""

    rule: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


def hcl(text: str) -> dict[str, str | bytes]:
    return {"main.tf": text}


def js(content: object) -> dict[str, str | bytes]:
    return {"main.tf.json": content if isinstance(content, str) else json.dumps(content)}


def reading(expression: str, more: str = "") -> dict[str, str | bytes]:
    return hcl(f"locals {{\n  x = {expression}\n}}\n{more}")


def source(text: str, more: str = "") -> dict[str, str | bytes]:
    return hcl(f'module "m" {{\n  source = "{text}"{more}\n}}\n')


def required(entry: str) -> dict[str, str | bytes]:
    return hcl(f"terraform {{\n  required_providers {{\n    azurerm = {entry}\n  }}\n}}\n")


def installed(name: str, text: str) -> dict[str, str | bytes]:
    manifest = {"Modules": [{"Key": "", "Dir": "."}, {"Key": "far", "Source": "Azure/b/c", "Dir": ".terraform/modules/far"}]}
    return {
        "main.tf": 'module "far" {\n  source  = "Azure/b/c"\n  version = "1.0.0"\n}\n',
        ".terraform/modules/modules.json": json.dumps(manifest),
        f".terraform/modules/far/{name}": text,
    }


CODE = [
    GateAttack("external data in a check block", "GATE-001", hcl(f'check "c" {{\n  {EXTERNAL}}}\n')),
    GateAttack(
        "external data three modules down",
        "GATE-001",
        {
            **source("./a"),
            "a/main.tf": 'module "b" {\n  source = "./b"\n}\n',
            "a/b/main.tf": 'module "c" {\n  source = "../c"\n}\n',
            "a/c/x.tf": EXTERNAL,
        },
    ),
    GateAttack(
        "external data twenty modules down",
        "GATE-001",
        {
            **source("./m1"),
            **{
                f"{'/'.join(f'm{i}' for i in range(1, n + 1))}/main.tf": f'module "m" {{\n  source = "./m{n + 1}"\n}}\n'
                for n in range(1, 20)
            },
            f"{'/'.join(f'm{i}' for i in range(1, 21))}/main.tf": EXTERNAL,
        },
    ),
    GateAttack("external data in JSON", "GATE-001", js(JSON_EXTERNAL)),
    GateAttack("external data in an override file", "GATE-001", {"main.tf": "", "x_override.tf": EXTERNAL}),
    GateAttack("external data with CRLF", "GATE-001", hcl(EXTERNAL.replace("\n", "\r\n"))),
    GateAttack("external data behind a byte order mark", "GATE-001", {"main.tf": b"\xef\xbb\xbf" + EXTERNAL.encode()}),
    GateAttack("external data in JSON behind a byte order mark", "GATE-001", {"main.tf.json": b"\xef\xbb\xbf" + JSON_EXTERNAL.encode()}),
    GateAttack("labels without quotes", "GATE-001", hcl('data external x {\n  program = ["sh"]\n}\n')),
    GateAttack("a label with an escape", "GATE-001", hcl('data "ext\\u0065rnal" "x" {\n  program = ["sh"]\n}\n')),
    GateAttack("the external provider under another name", "GATE-001", required('{ source = "hashicorp/external" }')),
    GateAttack(
        "after a heredoc that seems to go on",
        "GATE-001",
        hcl(f"locals {{\n  x = <<EOT\na\nEOT \n}}\n{EXTERNAL}locals {{\n  y = <<EOT\nEOT\n}}\n"),
    ),
    GateAttack("after a comment that seems to go on", "GATE-001", hcl(f"/* /* */\n{EXTERNAL}/* */\n")),
    GateAttack("behind a megabyte of comments", "GATE-001", hcl("# nothing here\n" * 70_000 + EXTERNAL)),
    GateAttack("a link to a file outside", "GATE-001", {"../evil.tf": EXTERNAL}, {"link.tf": "../evil.tf"}),
    GateAttack("a link to a module directory outside", "GATE-004", {**source("./m"), "../evil/x.tf": EXTERNAL}, {"m": "../evil"}),
    GateAttack("a module called from JSON", "GATE-001", {**js({"module": {"m": {"source": "./m"}}}), "m/x.tf": EXTERNAL}),
    GateAttack("a module called from JSON in a list", "GATE-001", {**js({"module": [{"m": [{"source": "./m"}]}]}), "m/x.tf": EXTERNAL}),
    GateAttack("a module whose source has an escape", "GATE-001", {**source("./\\u006d"), "m/x.tf": EXTERNAL}),
    GateAttack("a module whose source has an interpolation", "GATE-009", {**source("./${var.d}"), "m/x.tf": EXTERNAL}),
    GateAttack("JSON whose root is a list", "GATE-001", js(f"[{JSON_EXTERNAL}]")),
    GateAttack("JSON with a key twice", "GATE-001", js('{"data": {"external": {"x": {"program": ["sh"]}}}, "data": {}}')),
    GateAttack("a file whose name starts with a hash", "GATE-001", {"#evil.tf": EXTERNAL}),
    GateAttack("an OpenTofu file in a module", "GATE-009", {**source("./m"), "m/x.tofu": EXTERNAL}),
    GateAttack("an OpenTofu JSON file", "GATE-009", {"main.tf": "", "x.tofu.json": JSON_EXTERNAL}),
    GateAttack("an installed module in JSON", "GATE-001", installed("x.tf.json", JSON_EXTERNAL)),
    GateAttack("an installed module with an OpenTofu file", "GATE-009", installed("x.tofu", EXTERNAL)),
    GateAttack(
        "an installed module outside of the repository",
        "GATE-001",
        {
            "main.tf": "",
            "../evil/x.tf": EXTERNAL,
            ".terraform/modules/modules.json": json.dumps({"Modules": [{"Key": "far", "Dir": "../evil"}]}),
        },
    ),
    GateAttack("a program for data of the local provider", "GATE-001", hcl('data "local_command" "x" {\n  command = "sh"\n}\n')),
    GateAttack("a program as an action", "GATE-002", hcl('action "local_command" "x" {\n  config {\n    command = "sh"\n  }\n}\n')),
    GateAttack(
        "a program that hands out keys of encryption",
        "GATE-001",
        hcl('terraform {\n  encryption {\n    key_provider "external" "k" {\n      command = ["sh"]\n    }\n  }\n}\n'),
    ),
    GateAttack(
        "a provisioner on an Azure machine",
        "GATE-002",
        hcl('resource "azurerm_linux_virtual_machine" "x" {\n  provisioner "remote-exec" {\n    inline = ["id"]\n  }\n}\n'),
    ),
    GateAttack(
        "a provisioner at destroy",
        "GATE-002",
        hcl('resource "null_resource" "x" {\n  provisioner "local-exec" {\n    when    = destroy\n    command = "id"\n  }\n}\n'),
    ),
    GateAttack(
        "a provisioner in a removed block",
        "GATE-002",
        hcl('removed {\n  from = null_resource.x\n  provisioner "local-exec" {\n    when    = destroy\n    command = "id"\n  }\n}\n'),
    ),
    GateAttack(
        "a provisioner inside a dynamic block",
        "GATE-002",
        hcl(
            'resource "terraform_data" "x" {\n  dynamic "a" {\n    content {\n'
            '      provisioner "local-exec" {\n        command = "id"\n      }\n    }\n  }\n}\n'
        ),
    ),
    GateAttack(
        "a provisioner with an odd label",
        "GATE-002",
        hcl('resource "terraform_data" "x" {\n  provisioner "loc\\u0061l-exec" {\n    command = "id"\n  }\n}\n'),
    ),
    GateAttack(
        "a provisioner in JSON whose key has an escape",
        "GATE-002",
        js('{"resource": {"terraform_data": {"x": {"pr\\u006fvisioner": {"local-exec": {"command": "id"}}}}}}'),
    ),
    GateAttack(
        "a provisioner in JSON in a list",
        "GATE-002",
        js({"resource": [{"terraform_data": [{"x": [{"provisioner": [{"local-exec": {"command": "id"}}]}]}]}]}),
    ),
    GateAttack(
        "an http source of data in a module",
        "GATE-005",
        {**source("./m"), "m/x.tf": 'data "http" "x" {\n  url = "https://example.com"\n}\n'},
    ),
    GateAttack(
        "state fetched from the Internet",
        "GATE-005",
        hcl('data "terraform_remote_state" "x" {\n  backend = "http"\n  config = {\n    address = "https://example.com"\n  }\n}\n'),
    ),
    GateAttack(
        "state read from a file outside",
        "GATE-006",
        hcl('data "terraform_remote_state" "x" {\n  backend = "local"\n  config = {\n    path = "/root/other/terraform.tfstate"\n  }\n}\n'),
    ),
]
PROVIDERS = [
    GateAttack("a Cyrillic letter in hashicorp", "GATE-003", required('{ source = "h\u0430shicorp/azurerm" }')),
    GateAttack("a Cyrillic letter in azurerm", "GATE-003", required('{ source = "hashicorp/\u0430zurerm" }')),
    GateAttack("a full-width letter", "GATE-003", required('{ source = "hashicorp/\uff41zurerm" }')),
    GateAttack("an owner that looks alike", "GATE-003", required('{ source = "hash1corp/azurerm" }')),
    GateAttack("a host that looks alike", "GATE-003", required('{ source = "registry.terraform.io.example.com/hashicorp/azurerm" }')),
    GateAttack("another host in mixed case", "GATE-003", required('{ source = "Registry.Example.COM/hashicorp/azurerm" }')),
    GateAttack("a host with a port", "GATE-003", required('{ source = "registry.terraform.io:8443/hashicorp/azurerm" }')),
    GateAttack("a space before the source", "GATE-003", required('{ source = " hashicorp/azurerm.evil" }')),
    GateAttack("an escape in the key of the source", "GATE-003", required('{ "sourc\\u0065" = "evil/azurerm" }')),
    GateAttack("a key of the source in brackets", "GATE-003", required('{ ("source") = "evil/azurerm" }')),
    GateAttack("a source written with a colon", "GATE-003", required('{ "source" : "evil/azurerm" }')),
    GateAttack(
        "a provider required in a child module",
        "GATE-003",
        {**source("./m"), "m/x.tf": str(required('{ source = "evil/azurerm" }')["main.tf"])},
    ),
    GateAttack(
        "a provider required in an override file",
        "GATE-003",
        {"main.tf": "", "override.tf": str(required('{ source = "evil/azurerm" }')["main.tf"])},
    ),
    GateAttack("a provider block of a provider nobody required", "GATE-003", hcl('provider "consul" {}\n')),
    GateAttack("a provider argument of a resource", "GATE-003", hcl('resource "azurerm_resource_group" "x" {\n  provider = consul\n}\n')),
    GateAttack(
        "a resource of a provider that another module requires",
        "GATE-003",
        {
            "main.tf": 'terraform {\n  required_providers {\n    consul = {\n      source = "hashicorp/random"\n    }\n  }\n}\n'
            'module "m" {\n  source = "./m"\n}\n',
            "m/x.tf": 'data "consul_keys" "x" {}\n',
        },
    ),
    GateAttack("a resource of another provider in JSON", "GATE-003", js({"data": {"consul_keys": {"x": {}}}})),
    GateAttack(
        "metadata_host in an override file",
        "GATE-007",
        {"main.tf": "", "override.tf": 'provider "azurerm" {\n  metadata_host = "example.com"\n}\n'},
    ),
    GateAttack(
        "msi_endpoint of an alias",
        "GATE-007",
        hcl('provider "azurerm" {\n  alias        = "a"\n  msi_endpoint = "http://example.com"\n}\n'),
    ),
    GateAttack(
        "oidc_request_url in JSON in a list",
        "GATE-007",
        js({"provider": {"azurerm": [{"alias": "a"}, {"oidc_request_url": "http://example.com"}]}}),
    ),
    GateAttack("metadata_host by a variable", "GATE-007", hcl('variable "h" {}\nprovider "azurerm" {\n  metadata_host = var.h\n}\n')),
    GateAttack(
        "an endpoint of azapi as a block",
        "GATE-007",
        hcl('provider "azapi" {\n  endpoint {\n    resource_manager_endpoint = "https://example.com"\n  }\n}\n'),
    ),
    GateAttack(
        "a provider program in terraform.d", "GATE-008", {"main.tf": "", "terraform.d/plugins/linux_amd64/terraform-provider-azurerm": "x"}
    ),
    GateAttack("terraform.d as a link", "GATE-008", {"main.tf": "", "../evil/plugins/x": ""}, {"terraform.d": "../evil"}),
]
MODULES = [
    GateAttack(f"a module source: {text}", "GATE-004", source(text))
    for text in (
        "git::https://example.com/m.git",
        "git@github.com:evil/m.git",
        "github.com/evil/m",
        "s3::https://s3.amazonaws.com/b/m.zip",
        "gcs::https://www.googleapis.com/storage/v1/m.zip",
        "https://example.com/m.zip",
        "./m.tar.gz",
        "./m//sub",
        "./m?archive=zip",
        "\\u0067it::https://example.com/m.git",
        "/opt/evil",
        "evil/naming/azurerm",
        "\u0410zure/naming/azurerm",
        "Azure-evil/naming/azurerm",
        "example.com/Azure/naming/azurerm",
        "registry.terraform.io.example.com/Azure/naming/azurerm",
    )
] + [
    GateAttack("a module source by concatenation", "GATE-009", hcl('module "m" {\n  source = "${"git"}::https://example.com/m.git"\n}\n')),
    GateAttack("a module of Azure with a query", "GATE-004", source("Azure/naming/azurerm?ref=evil", '\n  version = "1.0.0"')),
    GateAttack(
        "a module source in JSON with an escape", "GATE-004", js('{"module": {"m": {"source": "\\u0067it::https://example.com/m.git"}}}')
    ),
    GateAttack("a module directory outside of the repository", "GATE-004", {**source("../evil"), "../evil/x.tf": ""}),
]
READS = [
    GateAttack("file with traversal", "GATE-006", reading('file("${path.module}/../../etc/passwd")')),
    GateAttack("templatefile of an absolute path", "GATE-006", reading(f'templatefile("{SECRET}", {{}})')),
    GateAttack("filebase64 by format", "GATE-006", reading('filebase64(format("/%s/%s", "etc", "passwd"))')),
    GateAttack("file by join", "GATE-006", reading('file(join("/", ["", "etc", "passwd"]))')),
    GateAttack("file by concatenation", "GATE-006", reading('file("/etc/${"pass"}wd")')),
    GateAttack("file by abspath", "GATE-006", reading('file(abspath("/etc/passwd"))')),
    GateAttack("file by pathexpand", "GATE-006", reading('file(pathexpand("~/.azure/accessTokens.json"))')),
    GateAttack("a key beside an allowed one", "GATE-006", reading('file(pathexpand("~/.ssh/id_rsa"))')),
    GateAttack("an allowed pattern with traversal", "GATE-006", reading('file("~/.ssh/../.azure/x.pub")')),
    GateAttack("file by a local", "GATE-006", reading("file(local.p)", f'locals {{\n  p = "{SECRET}"\n}}\n')),
    GateAttack("file by tfvars", "GATE-006", {**reading("file(var.p)", 'variable "p" {}\n'), "terraform.tfvars": f'p = "{SECRET}"\n'}),
    GateAttack(
        "file by an auto.tfvars.json",
        "GATE-006",
        {**reading("file(var.p)", 'variable "p" {\n  default = "a.txt"\n}\n'), "x.auto.tfvars.json": json.dumps({"p": SECRET})},
    ),
    GateAttack(
        "file by each.key",
        "GATE-006",
        hcl(f'resource "azurerm_resource_group" "g" {{\n  for_each = toset(["{SECRET}"])\n  name     = file(each.key)\n}}\n'),
    ),
    GateAttack(
        "file by each.value of a local",
        "GATE-006",
        hcl(
            f'locals {{\n  m = {{ a = "{SECRET}" }}\n}}\n'
            'resource "azurerm_resource_group" "g" {\n  for_each = local.m\n  name     = file(each.value)\n}\n'
        ),
    ),
    GateAttack(
        "file by an argument of a module",
        "GATE-006",
        {**source("./m", f'\n  p = "{SECRET}"'), "m/x.tf": 'variable "p" {}\nlocals {\n  x = file(var.p)\n}\n'},
    ),
    GateAttack(
        "file by an environment that is not known",
        "GATE-006",
        reading("file(data.azurerm_client_config.c.object_id)", 'data "azurerm_client_config" "c" {}\n'),
    ),
    GateAttack("file by a conditional", "GATE-006", reading('file(true ? "/etc/passwd" : "a.txt")')),
    GateAttack("file with an escape in its path", "GATE-006", reading('file("\\u002fetc/passwd")')),
    GateAttack("file by a heredoc", "GATE-006", reading("file(trimspace(<<EOT\n/etc/passwd\nEOT\n))")),
    GateAttack("file inside a template of a heredoc", "GATE-006", reading('<<EOT\n${file("/etc/passwd")}\nEOT')),
    GateAttack(
        "file in a default of a variable's validation",
        "GATE-006",
        hcl('variable "x" {\n  validation {\n    condition     = fileexists("/etc/passwd")\n    error_message = "no"\n  }\n}\n'),
    ),
    GateAttack("fileset of a folder outside", "GATE-006", reading('fileset("/etc", "*")')),
    GateAttack("file as core::file", "GATE-006", reading('core::file("/etc/passwd")')),
    GateAttack("file with the word fileset in its argument", "GATE-006", reading('file(substr("/etc/passwdfileset(", 0, 11))')),
    GateAttack(
        "file of a list beside a fileset",
        "GATE-006",
        reading('[for f in concat(tolist(fileset(path.module, "*.txt")), ["/etc/passwd"]) : file(f)]'),
    ),
    GateAttack(
        "fileset with a pattern that leads out",
        "GATE-006",
        reading('[for f in fileset(path.module, "../../etc/pass*") : file("${path.module}/${f}")]'),
    ),
    GateAttack(
        "file beside a module outside",
        "GATE-006",
        {**source("../evil"), "../evil/x.tf": "", "a.tf": 'locals {\n  x = file("../evil/secret.txt")\n}\n'},
    ),
    GateAttack("file in an installed module", "GATE-006", installed("x.tf", f'locals {{\n  x = file("{SECRET}")\n}}\n')),
    GateAttack(
        "file through a link",
        "GATE-006",
        {**reading('file("${path.module}/inner.txt")'), "../secret.txt": "s"},
        {"inner.txt": "../secret.txt"},
    ),
    GateAttack(
        "file through a link of a folder",
        "GATE-006",
        {**reading('file("${path.module}/d/secret.txt")'), "../evil/secret.txt": "s"},
        {"d": "../evil"},
    ),
    GateAttack("file in JSON", "GATE-006", js({"locals": {"x": '${file("/etc/passwd")}'}})),
    GateAttack("file in JSON with traversal", "GATE-006", js({"locals": {"x": '${file("${path.module}/../../etc/passwd")}'}})),
    GateAttack("file in JSON by join", "GATE-006", js({"locals": {"x": '${file(join("/", ["", "etc", "passwd"]))}'}})),
    GateAttack("file in JSON by a local", "GATE-006", js({"locals": {"p": SECRET, "x": "${file(local.p)}"}})),
    GateAttack(
        "archive_file in JSON", "GATE-006", js({"data": {"archive_file": {"x": {"type": "zip", "source_dir": "/etc", "output_path": "x"}}}})
    ),
    GateAttack(
        "archive_file that writes outside",
        "GATE-006",
        hcl('data "archive_file" "x" {\n  type        = "zip"\n  source_file = "main.tf"\n  output_path = "/root/.bashrc"\n}\n'),
    ),
    GateAttack(
        "local_file that writes outside",
        "GATE-006",
        hcl('resource "local_file" "x" {\n  content  = "x"\n  filename = "/root/.bashrc"\n}\n'),
    ),
    GateAttack(
        "local_file that writes outside by a local",
        "GATE-006",
        hcl('locals {\n  f = "/root/.bashrc"\n}\nresource "local_file" "x" {\n  content  = "x"\n  filename = local.f\n}\n'),
    ),
    GateAttack("a blob whose source is outside", "GATE-006", hcl(f'resource "azurerm_storage_blob" "x" {{\n  source = "{SECRET}"\n}}\n')),
    GateAttack(
        "a secret file of the provider outside",
        "GATE-006",
        hcl(f'provider "azurerm" {{\n  client_secret_file_path = "{SECRET}"\n  features {{}}\n}}\n'),
    ),
]
ATTACKS = [*CODE, *PROVIDERS, *MODULES, *READS]


def laid_out(folder: Path, attack: GateAttack) -> RootModule:
    root = folder / "repository"
    root.mkdir()
    (root / ".git").mkdir()
    for name, content in attack.files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    for name, place in attack.links.items():
        (root / name).symlink_to((root / place).resolve())
    return RootModule(root)


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_the_gate_finds_it(tmp_path: Path, attack: GateAttack, figure: Figure) -> None:
    root = laid_out(tmp_path, attack)
    assert attack.rule in {f.rule for f in scan(root, GateRules())}
    with pytest.raises(GateRefused) as refused:
        require(RootModule(root.directory), GateRules())
    assert refused.value.exit_code == 3
    assert refused.value.kind == "GateRefused"
    figure("attacks stopped, static gate", 1, 1)


@dataclass(frozen=True)
class BrokenAttack(Attack):
    """Files that Terraform would not take either: they must end in an error of ours, not in a pass and not in a crash."""

    files: Mapping[str, str | bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


BROKEN = [
    BrokenAttack("a null byte", {"main.tf": b'data "external" "x"\x00 {\n}\n'}),
    BrokenAttack("UTF-16", {"main.tf": EXTERNAL.encode("utf-16")}),
    BrokenAttack("JSON that is cut off", {"main.tf.json": JSON_EXTERNAL[:-2]}),
    BrokenAttack("an unclosed heredoc", {"main.tf": f"locals {{\n  x = <<EOT\n{EXTERNAL}"}),
    BrokenAttack("a link that leads nowhere", {"main.tf": ""}, {"a.tf": "nowhere.tf"}),
    BrokenAttack("a link to a folder as a file", {"main.tf": "", "d/x": ""}, {"a.tf": "d"}),
    BrokenAttack("JSON nested a hundred thousand deep", {"main.tf.json": "[" * 100_000}),
]


@pytest.mark.parametrize("attack", cases(BROKEN))
def test_what_cannot_be_read_is_an_error(tmp_path: Path, attack: BrokenAttack, figure: Figure) -> None:
    root = laid_out(tmp_path, GateAttack(attack.name, "", attack.files, attack.links))
    with pytest.raises((HclError, GateRefused)) as problem:
        require(root, GateRules())
    assert problem.value.exit_code in (1, 3)
    figure("attacks stopped, static gate", 1, 1)


def test_a_file_name_of_a_folder_hides_nothing(tmp_path: Path, figure: Figure) -> None:
    root = laid_out(tmp_path, GateAttack("", "", {"main.tf": EXTERNAL, "a.tf/x.txt": ""}))
    assert "GATE-001" in {f.rule for f in scan(root, GateRules())}
    figure("attacks stopped, static gate", 1, 1)


def test_nesting_does_not_hide_a_call(tmp_path: Path, figure: Figure) -> None:
    deep = f'{"[" * 300}file("{SECRET}"){"]" * 300}'
    root = laid_out(tmp_path, GateAttack("", "", reading(deep)))
    assert [f.rule for f in scan(root, GateRules())] == ["GATE-006"]
    figure("attacks stopped, static gate", 1, 1)


@dataclass(frozen=True)
class ExceptionAttack(Attack):
    """An exception that must not let EXTERNAL in main.tf:1 through."""

    rule: str
    address: str
    days: int = 1


EXCEPTIONS = [
    ExceptionAttack("an exception of another rule", "GATE-002", "main.tf:1"),
    ExceptionAttack("an exception of another line", "GATE-001", "main.tf:2"),
    ExceptionAttack("an exception of a line that starts alike", "GATE-001", "main.tf:11"),
    ExceptionAttack("an exception with a star", "GATE-001", "*"),
    ExceptionAttack("an exception with a pattern", "GATE-001", "main.tf:*"),
    ExceptionAttack("an exception of the address", "GATE-001", "data.external.x"),
    ExceptionAttack("an exception that expired yesterday", "GATE-001", "main.tf:1", -1),
]


@pytest.mark.parametrize("attack", cases(EXCEPTIONS))
def test_an_exception_of_the_gate_covers_only_what_it_names(tmp_path: Path, attack: ExceptionAttack, figure: Figure) -> None:
    root = laid_out(tmp_path, GateAttack("", "", hcl(EXTERNAL)))
    exempt = Exempt(attack.rule, (attack.address,), "because of it", "somebody", date.today() + timedelta(days=attack.days))
    guard = Guard(checks=Checks((), exempt=(exempt,)))
    with pytest.raises(GateRefused, match="GATE-001"):
        guard.require(root)
    figure("attacks stopped, static gate", 1, 1)


def test_a_provider_program_that_git_tracks(tmp_path: Path, figure: Figure) -> None:
    """Terraform runs the program below .terraform/providers when a lock file fits it: a clone of such a repository must not."""
    import subprocess

    name = ".terraform/providers/registry.terraform.io/hashicorp/azurerm/4.0.0/linux_amd64/terraform-provider-azurerm"
    root = tmp_path / "repository"
    (root / name).parent.mkdir(parents=True)
    (root / name).write_text("#!/bin/sh\nid\n")
    (root / "main.tf").write_text("")
    for command in (["init", "-q"], ["add", "-f", "."]):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    assert "GATE-008" in {f.rule for f in scan(RootModule(root), GateRules())}
    figure("attacks stopped, static gate", 1, 1)
