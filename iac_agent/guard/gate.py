"""The static gate: what would run code, read files or fetch things on this machine is refused before Terraform sees the directory.

Terraform's init fetches modules and providers and runs the latter; its plan runs external data sources and reads files; apply runs
provisioners. Source: https://www.runatlantis.io/docs/security ("terraform plan is not safe").
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iac_agent.errors import GateRefused
from iac_agent.guard.check import Finding
from iac_agent.guard.policy import Ruling, Severity
from iac_agent.guard.reads import Reads
from iac_agent.hcl.configuration import Configuration
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
_PREFIXES = frozenset({t.rsplit("/", 1)[1] for t in TRUSTED} | {"external"})
_REGISTRY = re.compile(r"^(?:registry\.(?:terraform\.io|opentofu\.org)/)?(?P<namespace>[\w-]+)/[\w-]+/[\w-]+(?://[\w./-]+)?$")
_NAMESPACES = ("azure",)  # Microsoft's own, verified by the registry
# Where a provider sends its tokens: never a matter of a repository.
_ENDPOINTS = ("metadata_host", "msi_endpoint", "oidc_request_url", "endpoint", "arm_endpoint")
_SOURCE = "https://developer.hashicorp.com/terraform/language"


@dataclass(frozen=True)
class GateRules:
    """What the configuration allows beyond the default: providers as owner/name, modules and files as patterns."""

    external_data: bool = False
    provisioners: bool = False
    providers: tuple[str, ...] = ()
    http_data: bool = False
    modules: tuple[str, ...] = ()
    files: tuple[str, ...] = ("~/.ssh/*.pub",)


@dataclass(frozen=True)
class _Rule:
    """A rule of the gate: its id, title, the setting that allows it (empty: none does), and why it is there."""

    id: str
    title: str
    setting: str
    why: str


_EXTERNAL = _Rule("GATE-001", "No program is run for data", "guard.allow.external_data", "It runs a program at plan time.")
_PROVISIONER = _Rule("GATE-002", "No provisioner runs", "guard.allow.provisioners", "It runs a program at apply.")
_PROVIDER = _Rule(
    "GATE-003", "Providers are trusted", "guard.allow.providers", "Terraform runs the provider's program with our credentials."
)
_MODULE = _Rule(
    "GATE-004", "Modules come from here or from a trusted place", "guard.allow.modules", "What it holds can change with every init."
)
_HTTP = _Rule(
    "GATE-005", "Nothing is fetched for data", "guard.allow.http_data", "What is fetched can say anything, and what is sent can leak."
)
_FILE = _Rule(
    "GATE-006", "Only files of the repository are read", "guard.allow.files", "A file that is read ends up in the plan, and then in Azure."
)
_ENDPOINT = _Rule("GATE-007", "Providers speak to Azure", "", "Whoever answers there gets our token.")
_PLUGIN = _Rule("GATE-008", "No provider is in the repository", "", "Terraform runs what lies there instead of the provider it names.")
_UNREAD = _Rule("GATE-009", "Every file that is run is read", "", "This tool does not read such files, so that it cannot judge them.")


@dataclass
class _Scan:
    root: RootModule
    rules: GateRules
    found: list[Finding] = field(default_factory=list)
    declared: frozenset[str] = frozenset()

    def add(self, rule: _Rule, what: str, where: str, value: str = "") -> None:
        fix = f"If you trust it, allow it in .iacagent.yaml: {rule.setting}." if rule.setting else "Take it out."
        self.found.append(Finding(rule.id, rule.title, Ruling.REFUSE, Severity.CRITICAL, what, where, value, "", rule.why, fix, _SOURCE))


def require(root: RootModule, rules: GateRules) -> None:
    """Raise GateRefused, naming every finding, unless the rules allow all of them."""
    refuse(scan(root, rules))


def refuse(found: list[Finding]) -> None:
    """Raise GateRefused when anything was found."""
    if found:
        listed = "; ".join(f"{f.where}: {f.address} [{f.rule}]" for f in found[:8])
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        raise GateRefused(
            f"this configuration may not be run: {listed}{more}",
            hint=" ".join(dict.fromkeys(f.fix for f in found)),
        )


def scan(root: RootModule, rules: GateRules) -> list[Finding]:
    """Everything that is not allowed, in the root module, its local modules and its installed ones."""
    documents = list(_documents(root))
    scan_ = _Scan(root, rules, declared=frozenset(_declared(documents)))
    for document in documents:
        for block in document.blocks:
            _scan_block(block, scan_)
    for module in root.modules:
        for file, content in module.json_files:
            _scan_json(content, str(root.shown(file)), scan_)
    _scan_folders(scan_)
    for read in Reads(Configuration(root)).outside(rules.files):
        scan_.add(_FILE, read.what, read.where, read.path)
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


def _declared(documents: list[Document]) -> Iterator[str]:
    """The names under required_providers: those are judged by their source."""
    for document in documents:
        for block in document.blocks:
            for inner in block.blocks if block.type == "terraform" else ():
                if inner.type == "required_providers":
                    yield from inner.attributes


def _scan_block(block: Block, scan_: _Scan) -> None:
    rules = scan_.rules
    if block.type == "data" and block.labels[:1] == ("external",) and not rules.external_data:
        scan_.add(_EXTERNAL, f'data "external" "{block.labels[-1]}"', block.where)
    if block.type == "data" and block.labels[:1] == ("http",) and not rules.http_data:
        scan_.add(_HTTP, f'data "http" "{block.labels[-1]}"', block.where)
    if block.type in ("resource", "data", "ephemeral") and block.labels:
        prefix = block.labels[0].split("_", 1)[0]
        if prefix not in _PREFIXES | scan_.declared:
            _check_provider(f"hashicorp/{prefix}", block.where, scan_)
    if block.type == "provisioner" and not rules.provisioners:
        scan_.add(_PROVISIONER, f"provisioner {' '.join(block.labels)}", block.where)
    if block.type == "provider":
        for name in _ENDPOINTS:
            if name in block.attributes:
                scan_.add(_ENDPOINT, f"provider {' '.join(block.labels)} sets {name}", block.where, name)
    if block.type == "module" and "source" in block.attributes:
        source = block.document.text(unwrap(block.attributes["source"].value)).strip('"')
        _check_module(source, "version" in block.attributes, block.where, scan_)
    if block.type == "required_providers":
        _scan_required(block, scan_)
    for inner in block.blocks:
        _scan_block(inner, scan_)


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
            scan_.add(_EXTERNAL, "provider hashicorp/external", where)
    elif plain not in TRUSTED and plain not in {p.lower() for p in scan_.rules.providers}:
        scan_.add(_PROVIDER, f"provider {source}", where, source)


def _check_module(source: str, has_version: bool, where: str, scan_: _Scan) -> None:
    """A module is in the repository, Microsoft's own in a version that is named, or allowed."""
    allowed = any(fnmatch.fnmatchcase(source, pattern) for pattern in scan_.rules.modules)
    if source.startswith(("./", "../")) and not re.search(r"\.(?:zip|tar|tgz|gz|bz2|xz)\b|\?|//", source):
        return
    registry = _REGISTRY.match(source)
    if allowed or (registry and registry["namespace"].lower() in _NAMESPACES and has_version):
        return
    lacks = " without a version" if registry and registry["namespace"].lower() in _NAMESPACES else ""
    scan_.add(_MODULE, f"module source {source}{lacks}", where, source)


def _scan_folders(scan_: _Scan) -> None:
    """Files that Terraform takes without being told, and that are not HCL or not ours to read."""
    root = scan_.root
    plugins = root.directory / "terraform.d" / "plugins"
    if plugins.exists():
        scan_.add(_PLUGIN, str(root.shown(plugins)), str(root.shown(plugins)))
    for folder in {m.directory for m in root.modules}:
        for file in sorted([*folder.glob("*.tofu"), *folder.glob("*.tofu.json")]):
            scan_.add(_UNREAD, str(root.shown(file)), str(root.shown(file)))


def _scan_json(content: Mapping[str, object], where: str, scan_: _Scan) -> None:
    text = json.dumps(content)
    for kind, rule, allowed in (("external", _EXTERNAL, scan_.rules.external_data), ("http", _HTTP, scan_.rules.http_data)):
        if not allowed and any(kind in held for held in _all_at(content, "data")):
            scan_.add(rule, f"data {kind}", where)
    if not scan_.rules.provisioners and '"provisioner"' in text:
        scan_.add(_PROVISIONER, "a provisioner", where)
    for name in _ENDPOINTS:
        if any(name in held for one in _all_at(content, "provider") for held in _flat(list(one.values()))):
            scan_.add(_ENDPOINT, f"a provider sets {name}", where, name)
    for calls in _all_at(content, "module"):
        for call in _flat(list(calls.values())):
            if "source" in call:
                _check_module(str(call["source"]), "version" in call, where, scan_)
    for terraform in _all_at(content, "terraform"):
        for required in _flat([terraform.get("required_providers")]):
            for name, details in required.items():
                source = details.get("source", f"hashicorp/{name}") if isinstance(details, Mapping) else f"hashicorp/{name}"
                _check_provider(str(source), where, scan_)


def _all_at(content: Any, key: str) -> Iterator[Mapping[str, Any]]:
    """The objects under a key, wherever it is."""
    if isinstance(content, Mapping):
        for name, inner in content.items():
            if name == key:
                yield from _flat([inner])
            yield from _all_at(inner, key)
    elif isinstance(content, list):
        for inner in content:
            yield from _all_at(inner, key)


def _flat(values: list[Any]) -> Iterator[Mapping[str, Any]]:
    for value in values:
        if isinstance(value, Mapping):
            yield value
        elif isinstance(value, list):
            yield from _flat(value)
