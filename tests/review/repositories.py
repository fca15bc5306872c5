"""A repository for the table of touched root modules, and what can be done to it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

LOCAL = 'terraform {\n  backend "local" {}\n}\n'
PROVIDER = 'provider "azurerm" {\n  features {}\n}\n'

FILES: dict[str, str] = {
    "README.md": "# infrastructure\n",
    ".iacagent.yaml": "guard: {}\n",
    # live/net: modules below modules, a linked file
    "live/net/main.tf": LOCAL + 'module "net" {\n  source = "../../modules/net"\n}\n',
    "live/net/README.md": "network\n",
    "shared/common.tf": 'locals {\n  owner = "platform"\n}\n',
    # live/web: variables, files that functions read, a lock file
    "live/web/main.tf": PROVIDER
    + """
module "web" {
  source = "../../modules/web"
  size   = var.size
}

locals {
  settings = yamldecode(file("${path.module}/config.yaml"))
  cloud    = templatefile("${path.module}/templates/init.tftpl", { name = "web" })
  keys     = { for k in ["a", "b"] : k => file("${path.module}/keys/${k}.pub") }
  teams    = file("../../shared/teams.json")
}

variable "size" {
  type = string
}
""",
    "live/web/terraform.tfvars": 'size = "small"\n',
    "live/web/10.auto.tfvars": "# more\n",
    "live/web/unloaded.tfvars": 'size = "huge"\n',
    "live/web/.terraform.lock.hcl": "# locked\n",
    "live/web/config.yaml": "a: 1\n",
    "live/web/other.yaml": "b: 1\n",
    "live/web/templates/init.tftpl": "hello ${name}\n",
    "live/web/templates/unused.tftpl": "bye\n",
    "live/web/keys/a.pub": "ssh-ed25519 A\n",
    "live/web/keys/b.pub": "ssh-ed25519 B\n",
    "live/web/keys/c.pub": "ssh-ed25519 C\n",
    "live/web/notes.txt": "nothing\n",
    "shared/teams.json": "{}\n",
    # live/data: JSON syntax, a set of files
    "live/data/main.tf.json": '{"terraform": {"backend": {"local": {}}}, "module": {"s": {"source": "../../modules/storage"}}}\n',
    "live/data/lists.tf": 'locals {\n  rules = [for f in fileset("${path.module}/rules", "**/*.yaml") : '
    'yamldecode(file("${path.module}/rules/${f}"))]\n}\n',
    "live/data/rules/one.yaml": "x: 1\n",
    "live/data/rules/deep/two.yaml": "x: 2\n",
    "live/data/rules/README.md": "rules\n",
    # live/jobs: workspaces, a linked folder of modules
    "live/jobs/main.tf": LOCAL
    + 'module "vm" {\n  source = "./modules/vm"\n}\nlocals {\n  c = yamldecode(file("env/${terraform.workspace}.yaml"))\n}\n',
    "live/jobs/env/dev.tfvars": "# dev\n",
    "live/jobs/env/prod.tfvars": "# prod\n",
    "live/jobs/env/dev.yaml": "n: 1\n",
    "live/jobs/env/prod.yaml": "n: 2\n",
    "live/jobs/azure.tfbackend": "# partial\n",
    # live/plain: nothing but a resource, and a file that is only known later
    "live/plain/main.tf": 'resource "terraform_data" "x" {\n  input = "1"\n}\nvariable "which" {\n  type = string\n}\n'
    'locals {\n  text = file("${path.module}/texts/${var.which}.txt")\n}\n',
    "live/plain/texts/a.txt": "a\n",
    "live/plain/other/b.txt": "b\n",
    "modules/net/main.tf": 'module "subnet" {\n  source = "./subnet"\n}\n',
    "modules/net/subnet/main.tf": 'output "x" {\n  value = 1\n}\n',
    "modules/net/terraform.tfvars.example": "# not read\n",
    "modules/web/main.tf": 'module "vm" {\n  source = "../vm"\n}\nvariable "size" {\n  type = string\n}\n'
    'locals {\n  motd = file("${path.module}/files/motd")\n}\n',
    "modules/web/files/motd": "welcome\n",
    "modules/web/files/other": "unread\n",
    "modules/web/web.tftest.hcl": "# a test\n",
    "modules/vm/main.tf": 'output "y" {\n  value = 2\n}\n',
    "modules/vm/variables.tf": 'variable "z" {\n  default = 1\n}\n',
    "modules/storage/main.tf": 'output "s" {\n  value = 3\n}\n',
    "modules/unused/main.tf": 'output "u" {\n  value = 4\n}\n',
}
LINKS = {"live/net/common.tf": "../../shared/common.tf", "live/jobs/modules": "../../modules"}


def git(top: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *arguments], cwd=top, check=True, capture_output=True, text=True).stdout.strip()


def commit(top: Path, message: str = "change") -> str:
    git(top, "add", "-A")
    git(top, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(top, "rev-parse", "HEAD")


def made(top: Path) -> str:
    """Write the repository; its first commit."""
    top.mkdir(parents=True)
    git(top, "init", "--quiet", "--initial-branch=main")
    for name, text in FILES.items():
        put(top, name, text)
    for name, target in LINKS.items():
        link(top, name, target)
    return commit(top, "first")


def put(top: Path, name: str, text: str) -> None:
    (top / name).parent.mkdir(parents=True, exist_ok=True)
    (top / name).write_text(text, encoding="utf-8")


def add(top: Path, name: str, text: str = "\n# more\n") -> None:
    put(top, name, FILES[name] + text)


def link(top: Path, name: str, target: str) -> None:
    (top / name).parent.mkdir(parents=True, exist_ok=True)
    (top / name).unlink(missing_ok=True)
    os.symlink(target, top / name)


def drop(top: Path, name: str) -> None:
    shutil.rmtree(top / name) if (top / name).is_dir() and not (top / name).is_symlink() else (top / name).unlink()


def move(top: Path, name: str, to: str) -> None:
    (top / to).parent.mkdir(parents=True, exist_ok=True)
    (top / name).rename(top / to)
