"""The static gate: what would run code, read files or fetch things on this machine is refused before Terraform sees the directory.

Terraform's init fetches modules and providers and runs the latter; its plan runs external data sources and reads files; apply runs
provisioners. Source: https://www.runatlantis.io/docs/security ("terraform plan is not safe").
"""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iac_agent.errors import GateRefused
from iac_agent.guard.check import Finding
from iac_agent.guard.constructs import OPAQUE, Construct, Folder, Plain, as_mapping, folder_of
from iac_agent.guard.policy import Ruling, Severity
from iac_agent.guard.reads import Reads
from iac_agent.hcl.configuration import Configuration
from iac_agent.hcl.module import RootModule, called_from

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
_IMPLIED = frozenset({t.rsplit("/", 1)[1] for t in TRUSTED} | {"external"})
_RUNS = ("external", "local_command")
_REGISTRY = re.compile(r"^(?:registry\.(?:terraform\.io|opentofu\.org)/)?(?P<namespace>[\w-]+)/[\w-]+/[\w-]+(?://[\w./-]+)?$")
_NAMESPACES = ("azure",)  # Microsoft's own, verified by the registry
# Where a provider sends its tokens: never a matter of a repository.
_ENDPOINTS = ("metadata_host", "msi_endpoint", "oidc_request_url", "endpoint", "arm_endpoint")
_ARCHIVE = re.compile(r"\.(?:zip|tar|tgz|gz|bz2|xz)\b|\?|//")
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
_PROVISIONER = _Rule("GATE-002", "No provisioner runs", "guard.allow.provisioners", "It runs at apply, and no plan shows what it does.")
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
    folders: dict[Path, Folder] = field(default_factory=dict)

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
    """Everything that is not allowed, in the root module, in the modules that it calls, and in those that are installed."""
    scan_ = _Scan(root, rules)
    _enter(scan_, root.directory)
    for directory in _installed(root):
        _enter(scan_, directory)
    _scan_plugins(scan_)
    for read in Reads(Configuration(root), scan_.folders.values()).outside(rules.files):
        scan_.add(_FILE, read.told, read.where, read.path)
    return list({(f.rule, f.address, f.where): f for f in scan_.found}.values())


def _installed(root: RootModule) -> Iterator[Path]:
    manifest = root.directory / ".terraform" / "modules" / "modules.json"
    if manifest.is_file():
        for entry in json.loads(manifest.read_text("utf-8")).get("Modules", []):
            folder = (root.directory / entry.get("Dir", ".")).resolve()
            if folder.is_dir():
                yield folder


def _enter(scan_: _Scan, directory: Path) -> None:
    """Judge a directory and the local modules that it calls, each once."""
    if directory in scan_.folders:
        return
    folder = scan_.folders[directory] = folder_of(scan_.root, directory)
    for shown, why in folder.unread:
        scan_.add(_UNREAD, f"{shown}: {why}", shown)
    _scan_providers(folder, scan_)
    for block in folder.blocks:
        _scan_block(block, scan_)
        if block.type == "module":
            _scan_module(block, directory, scan_)


def _scan_block(block: Construct, scan_: _Scan) -> None:
    rules, kind = scan_.rules, block.labels[0] if block.labels else ""
    told = " ".join([block.type, *(f'"{label}"' for label in block.labels)])
    if block.type == "data" and kind in _RUNS and not rules.external_data:
        scan_.add(_EXTERNAL, told, block.where)
    if block.type in ("key_provider", "method") and kind == "external" and not rules.external_data:
        scan_.add(_EXTERNAL, told, block.where)
    if block.type == "data" and (kind == "http" or _fetches_state(block, kind)) and not rules.http_data:
        scan_.add(_HTTP, told, block.where)
    if (block.type == "provisioner" or (block.type == "action" and len(block.labels) == 2)) and not rules.provisioners:
        scan_.add(_PROVISIONER, told, block.where)
    if block.type == "provider":
        for name, _ in block.objects():
            if name in _ENDPOINTS:
                scan_.add(_ENDPOINT, f"provider {kind} sets {name}", block.where, name)


def _fetches_state(block: Construct, kind: str) -> bool:
    """Another state is read from Azure's storage, or from a file of the repository; not from anywhere else."""
    return kind == "terraform_remote_state" and block.arguments.get("backend") not in ("azurerm", "local")


def _scan_providers(folder: Folder, scan_: _Scan) -> None:
    """The providers that a directory names, and those that Terraform infers from what it uses."""
    declared: set[str] = set()
    for block in (b for b in folder.blocks if b.type == "required_providers"):
        for name, entry in block.arguments.items():
            declared.add(name)
            if isinstance(entry, list):
                _scan_entry(name, entry, block.where, scan_)
            else:
                _check_provider(f"hashicorp/{name}", block.where, scan_)
    for block in folder.blocks:
        for name in _used(block):
            if name not in declared | _IMPLIED:
                _check_provider(f"hashicorp/{name}", block.where, scan_)


def _scan_entry(name: str, entry: list[tuple[Plain, Any]], where: str, scan_: _Scan) -> None:
    if any(key is OPAQUE for key, _ in entry):
        scan_.add(_PROVIDER, f"provider {name}, whose source is not plainly written", where)
        return
    source = as_mapping(entry).get("source", f"hashicorp/{name}")
    if isinstance(source, str):
        _check_provider(source, where, scan_)
    else:
        scan_.add(_PROVIDER, f"provider {name}, whose source is not plainly written", where)


def _used(block: Construct) -> Iterator[str]:
    """The local names of the providers that a block needs."""
    if block.type in ("resource", "data", "ephemeral", "action", "list") and block.labels:
        said = block.arguments.get("provider")
        yield str(said).strip("${}").split(".")[0] if isinstance(said, str) else block.labels[0].split("_", 1)[0]
    elif block.type == "provider" and block.labels:
        yield block.labels[0]


def _check_provider(source: str, where: str, scan_: _Scan) -> None:
    plain = source.lower()
    for host in _HOSTS:
        plain = plain.removeprefix(host)
    if plain == "hashicorp/external":
        if not scan_.rules.external_data:
            scan_.add(_EXTERNAL, "provider hashicorp/external", where)
    elif plain not in TRUSTED and plain not in {p.lower() for p in scan_.rules.providers}:
        scan_.add(_PROVIDER, f"provider {source}", where, source)


def _scan_module(block: Construct, directory: Path, scan_: _Scan) -> None:
    """A module is in the repository, Microsoft's own in a version that is named, or allowed."""
    source = block.arguments.get("source", "")
    if not isinstance(source, str):
        scan_.add(_UNREAD, f"module {' '.join(block.labels)}, whose source is not plainly written", block.where)
        return
    if any(fnmatch.fnmatchcase(source, pattern) for pattern in scan_.rules.modules):
        return
    if source.startswith(("./", "../")) and not _ARCHIVE.search(source):
        _scan_local(source, called_from(directory, source), block, scan_)
        return
    registry = _REGISTRY.match(source)
    official = registry is not None and registry["namespace"].lower() in _NAMESPACES
    if not official or "version" not in block.arguments:
        scan_.add(_MODULE, f"module source {source}{' without a version' if official else ''}", block.where, source)


def _scan_local(source: str, target: Path | None, block: Construct, scan_: _Scan) -> None:
    if target is None:
        scan_.add(_UNREAD, f"module source {source[:120]}, which is no path", block.where)
    elif not scan_.root.may_call(target):
        scan_.add(_MODULE, f"module source {source}, which is outside of the repository", block.where, source)
    elif not target.is_dir():
        scan_.add(_UNREAD, f"module source {source}, which is not there", block.where)
    else:
        _enter(scan_, target)


def _scan_plugins(scan_: _Scan) -> None:
    """Programs that Terraform would run without being told: plugins beside the configuration, and providers that are in git."""
    root = scan_.root
    plugins = root.directory / "terraform.d" / "plugins"
    if plugins.exists():
        scan_.add(_PLUGIN, str(root.shown(plugins)), str(root.shown(plugins)))
    if (root.directory / ".terraform").is_dir() and (root.repository / ".git").exists():
        listed = subprocess.run(
            ["git", "-C", str(root.directory), "ls-files", "--", ".terraform"], capture_output=True, text=True, check=False
        ).stdout
        if listed.strip():
            scan_.add(_PLUGIN, f"{listed.splitlines()[0]}, which is in git", ".terraform")
