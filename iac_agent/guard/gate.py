"""The static gate: what would run code on this machine when Terraform plans or applies is refused unless the configuration allows it.

Terraform's plan runs external data sources and provider binaries; apply runs provisioners.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from iac_agent.errors import GateRefused
from iac_agent.hcl.document import Block, Document, unwrap
from iac_agent.hcl.module import RootModule

TRUSTED = (
    "hashicorp/azurerm",
    "hashicorp/azuread",
    "azure/azapi",
    "hashicorp/random",
    "hashicorp/time",
    "hashicorp/tls",
    "hashicorp/null",
    "hashicorp/local",
    "hashicorp/archive",
    "hashicorp/http",
    "builtin/terraform",
)
_HOSTS = ("registry.terraform.io/", "registry.opentofu.org/", "terraform.io/")


@dataclass(frozen=True)
class GateRules:
    """What the configuration allows beyond the default."""

    external_data: bool = False
    provisioners: bool = False
    providers: tuple[str, ...] = ()


@dataclass(frozen=True)
class GateFinding:
    """Something that would execute: what, and where."""

    what: str
    where: str
    setting: str


@dataclass
class _Scan:
    rules: GateRules
    found: list[GateFinding] = field(default_factory=list)

    def add(self, what: str, where: str, setting: str) -> None:
        self.found.append(GateFinding(what, where, setting))


def require(root: RootModule, rules: GateRules) -> None:
    """Raise GateRefused, naming every finding, unless the rules allow all of them."""
    found = scan(root, rules)
    if found:
        listed = "; ".join(f"{f.where}: {f.what}" for f in found[:8])
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        settings = sorted({f.setting for f in found})
        raise GateRefused(
            f"this configuration would run code: {listed}{more}",
            hint=f"If you trust it, allow it in .iacagent.yaml: {', '.join(settings)}.",
        )


def scan(root: RootModule, rules: GateRules) -> list[GateFinding]:
    """Everything that would execute and is not allowed, in the root module, its local modules and its installed ones."""
    scan_ = _Scan(rules)
    for document in _documents(root):
        for block in document.blocks:
            _scan_block(block, scan_)
    for module in root.modules:
        for file, content in module.json_files:
            _scan_json(content, str(root.shown(file)), scan_)
    return scan_.found


def _documents(root: RootModule) -> Iterator[Document]:
    seen: set[Path] = set()
    for module in root.modules:
        if module.directory not in seen:
            seen.add(module.directory)
            yield from module.documents
    manifest = root.directory / ".terraform" / "modules" / "modules.json"
    if not manifest.is_file():
        return
    for entry in json.loads(manifest.read_text("utf-8")).get("Modules", []):
        folder = (root.directory / entry.get("Dir", ".")).resolve()
        if folder in seen or not folder.is_dir():
            continue
        seen.add(folder)
        for file in sorted(folder.glob("*.tf")):
            yield Document.read(file, shown_as=root.shown(file))


def _scan_block(block: Block, scan_: _Scan) -> None:
    rules = scan_.rules
    if block.type == "data" and block.labels[:1] == ("external",) and not rules.external_data:
        scan_.add(f'data "external" "{block.labels[-1]}" runs a program at plan time', block.where, "guard.allow.external_data")
    if block.type in ("resource", "data") and block.labels:
        provider = _provider_of(block)
        if provider and "/" in provider:
            _check_provider(provider, block.where, scan_)
    if block.type == "resource" and not rules.provisioners:
        for inner in block.blocks:
            if inner.type == "provisioner":
                scan_.add(f"provisioner {inner.labels[0] if inner.labels else ''} runs at apply", inner.where, "guard.allow.provisioners")
    if block.type == "terraform":
        for inner in block.blocks:
            if inner.type == "required_providers":
                _scan_required(inner, scan_)


def _provider_of(block: Block) -> str:
    """Types whose provider is not declared come from hashicorp/<prefix>; only unknown prefixes matter here."""
    prefix = block.labels[0].split("_", 1)[0]
    if prefix in (
        "terraform",
        "azurerm",
        "azuread",
        "azapi",
        "random",
        "time",
        "tls",
        "null",
        "local",
        "archive",
        "http",
        "external",
    ):
        return ""
    return "" if "provider" in block.attributes else prefix


def _scan_required(block: Block, scan_: _Scan) -> None:
    for attribute in block.attributes.values():
        node = unwrap(attribute.value)
        source = f"hashicorp/{attribute.name}"
        for pair in node.children:
            if pair.type == "object_elem" and block.document.text(pair.children[0]).strip('"') == "source":
                source = block.document.text(pair.children[-1]).strip('"')
        where = f"{block.document.path}:{attribute.node.start_point[0] + 1}"
        _check_provider(source, where, scan_)


def _check_provider(source: str, where: str, scan_: _Scan) -> None:
    plain = source.lower()
    for host in _HOSTS:
        plain = plain.removeprefix(host)
    if plain == "hashicorp/external":
        if not scan_.rules.external_data:
            scan_.add("provider hashicorp/external runs programs at plan time", where, "guard.allow.external_data")
    elif plain not in TRUSTED and plain not in {p.lower() for p in scan_.rules.providers}:
        scan_.add(f"provider {source} is not on the list of trusted providers", where, f"guard.allow.providers: [{source}]")


def _scan_json(content: Mapping[str, object], where: str, scan_: _Scan) -> None:
    text = json.dumps(content)
    data = content.get("data")
    if not scan_.rules.external_data and isinstance(data, Mapping) and "external" in data:
        scan_.add("data external runs a program at plan time", where, "guard.allow.external_data")
    if not scan_.rules.provisioners and '"provisioner"' in text:
        scan_.add("a provisioner runs at apply", where, "guard.allow.provisioners")
    terraform = content.get("terraform")
    for entry in terraform if isinstance(terraform, list) else [terraform]:
        required = entry.get("required_providers") if isinstance(entry, Mapping) else None
        for one in required if isinstance(required, list) else [required]:
            for name, details in (one or {}).items() if isinstance(one, Mapping) else ():
                source = details.get("source", f"hashicorp/{name}") if isinstance(details, Mapping) else f"hashicorp/{name}"
                _check_provider(str(source), where, scan_)
