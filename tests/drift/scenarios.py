"""Drifts by the hundred: what is changed in each resource of a root module, and what a scan must say of it.

A scenario changes one resource through ARM. Those of one batch are made together, found by one scan and settled by one run; then Azure and
the files are put back.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iac_agent.azure.lenses import all_lenses
from iac_agent.azure.lenses.table import Put, get_path, put_path
from iac_agent.gym.daemon import Gym
from iac_agent.terraform import pulled
from iac_agent.terraform.binary import find
from iac_agent.terraform.models import StateResource
from tests.conftest import ROOT
from tests.drift import strangers
from tests.drift.actors import ACTORS, SCRIPT, Actor, Azure, Body

STYLES = {
    **{s: ROOT / "fixtures" / "requests" / s for s in ("flat", "modules", "foreach", "counted", "dynamic", "yaml", "calls")},
    "web-tier": ROOT / "examples" / "web-tier",
}

# By ARM type: Terraform path, ARM path, and the value it gets (one that is there already is skipped).
CHANGES: dict[str, list[tuple[str, str, Any]]] = {
    "microsoft.compute/virtualmachines": [
        ("size", "properties.hardwareProfile.vmSize", "Standard_D8s_v5"),
        ("os_disk.caching", "properties.storageProfile.osDisk.caching", "ReadOnly"),
        ("license_type", "properties.licenseType", "RHEL_BYOS"),
        ("encryption_at_host_enabled", "properties.securityProfile.encryptionAtHost", True),
    ],
    "microsoft.compute/disks": [
        ("disk_size_gb", "properties.diskSizeGB", 2048),
        ("storage_account_type", "sku.name", "StandardSSD_LRS"),
        ("network_access_policy", "properties.networkAccessPolicy", "DenyAll"),
    ],
    "microsoft.network/publicipaddresses": [
        ("idle_timeout_in_minutes", "properties.idleTimeoutInMinutes", 17),
    ],
    "microsoft.network/networkinterfaces": [
        ("accelerated_networking_enabled", "properties.enableAcceleratedNetworking", True),
        ("ip_forwarding_enabled", "properties.enableIPForwarding", True),
        ("dns_servers", "properties.dnsSettings.dnsServers", ["10.0.0.4", "10.0.0.5"]),
    ],
    "microsoft.network/networksecuritygroups/securityrules": [
        ("priority", "properties.priority", 3777),
        ("source_address_prefix", "properties.sourceAddressPrefix", "*"),
        ("destination_port_range", "properties.destinationPortRange", "8443"),
        ("access", "properties.access", "Deny"),
    ],
    "microsoft.network/virtualnetworks": [("dns_servers", "properties.dhcpOptions.dnsServers", ["10.9.9.9"])],
    "microsoft.network/virtualnetworks/subnets": [
        ("private_endpoint_network_policies", "properties.privateEndpointNetworkPolicies", "Enabled")
    ],
    "microsoft.storage/storageaccounts": [
        ("allow_nested_items_to_be_public", "properties.allowBlobPublicAccess", False),
        ("https_traffic_only_enabled", "properties.supportsHttpsTrafficOnly", False),
        ("access_tier", "properties.accessTier", "Cool"),
    ],
    "microsoft.compute/virtualmachinescalesets": [("instances", "sku.capacity", 7)],
    "microsoft.network/loadbalancers/probes": [("interval_in_seconds", "properties.intervalInSeconds", 55)],
    "microsoft.network/loadbalancers/loadbalancingrules": [("idle_timeout_in_minutes", "properties.idleTimeoutInMinutes", 29)],
}
_LINUX_ONLY = {"license_type"}


@dataclass
class Scenario:
    """One drift: what is done, and what must be found. `kind` groups them in the printed figures."""

    kind: str
    address: str
    path: str
    id: str
    by: Actor
    body: Body | None
    create: bool = False


@dataclass
class Told:
    """Figures of one kind of drift."""

    made: int = 0
    found: int = 0
    cause: int = 0
    settled: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Applied:
    """A root module that is applied on the gym, with copies to put back."""

    style: str
    directory: Path
    kept: Path
    gym: Gym
    azure: Azure
    environment: dict[str, str]

    @classmethod
    def make(cls, style: str, folder: Path, gym: Gym, source: Path | None = None) -> Applied:
        directory = folder / "root"
        ignore = shutil.ignore_patterns(".terraform*", "*.tfstate*", ".iacagent")
        shutil.copytree(source or STYLES[style], directory, ignore=ignore)
        environment = {**os.environ, **gym.environment(5)}
        applied = cls(style, directory, folder / "kept", gym, Azure(gym), environment)
        applied.terraform("init", "-no-color", "-input=false")
        applied.terraform("apply", "-auto-approve", "-no-color", "-input=false")
        applied.terraform("apply", "-refresh-only", "-auto-approve", "-no-color", "-input=false")
        shutil.copytree(directory, applied.kept, symlinks=True)
        gym.checkpoint()
        return applied

    def terraform(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([*find().command, *arguments], cwd=self.directory, env=self.environment, text=True, capture_output=True)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def iacagent(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        command = [sys.executable, "-m", "iac_agent.cli.main", "--json", *arguments]
        done = subprocess.run(command, cwd=self.directory, env=self.environment, text=True, capture_output=True)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def resources(self) -> list[StateResource]:
        return pulled.resources((self.directory / "terraform.tfstate").read_bytes())

    def put_back(self) -> None:
        """The files and the state as they were after the apply."""
        for entry in self.directory.iterdir():
            if entry.name not in (".terraform", ".iacagent"):
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        shutil.copytree(
            self.kept, self.directory, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".terraform", ".iacagent")
        )
        shutil.rmtree(self.directory / ".iacagent", ignore_errors=True)


def batches(applied: Applied) -> Iterator[list[Scenario]]:
    """Every change of every resource, no two of one ARM resource in a batch; tags are added, changed and removed in turn."""
    pending: dict[str, list[Scenario]] = {}
    for number, resource in enumerate(applied.resources()):
        for scenario in _scenarios(applied, resource, number):
            pending.setdefault(_top(scenario.id), []).append(scenario)
    while pending:
        batch = [waiting.pop(0) for waiting in pending.values()]
        pending = {k: v for k, v in pending.items() if v}
        yield batch


def _top(resource_id: str) -> str:
    return "/".join(resource_id.lower().split("/")[:9])


def _scenarios(applied: Applied, resource: StateResource, number: int) -> Iterator[Scenario]:
    lens = all_lenses().get(resource.type)
    if lens is None or (not isinstance(lens.strategy, Put) and "/probes" not in lens.arm and "Rules" not in lens.arm):
        return
    live = applied.azure.done("GET", resource.id)
    for turn, (path, arm, value) in enumerate(CHANGES.get(lens.arm.lower(), [])):
        held = get_path(live, arm)
        if held == value or (path in _LINUX_ONLY and "windows" in resource.type):
            continue
        if path == "disk_size_gb" and isinstance(held, int):
            value = held * 2
        body = copy.deepcopy(live)
        put_path(body, arm, value)
        yield Scenario(f"changed {lens.arm.rsplit('/', 1)[1]}", resource.address, path, resource.id, ACTORS[(number + turn) % 4], body)
    if "tags" in resource.values and lens.arm.count("/") == 1:
        yield from _tags(resource, live, number)


def _tags(resource: StateResource, live: Body, number: int) -> Iterator[Scenario]:
    tags = live.get("tags") or {}
    changed = {"added": {**tags, "drifted": "by hand"}}
    if tags:
        first = next(iter(tags))
        changed["changed"] = {**tags, first: "another"}
        changed["removed"] = {k: v for k, v in tags.items() if k != first}
    name, held = list(changed.items())[number % len(changed)]
    key = "drifted" if name == "added" else next(iter(tags))
    yield Scenario(f"tag {name}", resource.address, f"tags.{key}", resource.id, ACTORS[number % 4], {**live, "tags": held})


def rules(applied: Applied) -> Iterator[list[Scenario]]:
    """Security groups: a rule changed, one added, one taken out; inline rules, or resources of their own."""
    groups = [r for r in applied.resources() if r.type == "azurerm_network_security_group"]
    for turn in ("changed", "added", "removed"):
        batch = []
        for number, group in enumerate(groups):
            body = applied.azure.done("GET", group.id)
            held = body["properties"]["securityRules"]
            inline = not any(r.id.lower().startswith(f"{group.id.lower()}/securityrules/") for r in applied.resources())
            if not inline or (not held and turn != "added"):
                continue
            name = held[-1]["name"] if turn != "added" else "by-hand"
            if turn == "changed":
                held[-1]["properties"]["priority"] = 3456
            elif turn == "added":
                held.append({"name": name, **strangers.RULE})
            else:
                held.pop()
            path = f"security_rule.{name}" + (".priority" if turn == "changed" else "")
            batch.append(Scenario(f"rule {turn}", group.address, path, group.id, ACTORS[number % 4], body))
        if batch:
            yield batch


_STAY = {"azurerm_resource_group", "azurerm_virtual_network", "azurerm_subnet", "azurerm_linux_virtual_machine_scale_set"}


def deletions(applied: Applied) -> Iterator[list[Scenario]]:
    """Resources deleted one by one, as far as Azure allows it: those that nothing uses."""
    for number, resource in enumerate(applied.resources()):
        lens = all_lenses().get(resource.type)
        if lens is not None and isinstance(lens.strategy, Put) and resource.type not in _STAY and "|" not in resource.id:
            yield [Scenario("deleted", resource.address, "", resource.id, ACTORS[number % 4], None)]


def unmanaged(applied: Applied) -> Iterator[list[Scenario]]:
    """New resources, and rules in security groups whose rules are resources of their own."""
    held = applied.resources()
    group = next(r for r in held if r.type == "azurerm_resource_group")
    made = strangers.strangers(group.id, group.values["location"])
    batch = [Scenario("unmanaged", "", "", i, ACTORS[n % 4], body) for n, (i, body) in enumerate(made.items())]
    for rule in (r for r in held if r.type == "azurerm_network_security_rule"):
        outer = rule.id.rsplit("/", 1)[0]
        if not any(s.id.startswith(outer) for s in batch):
            batch.append(Scenario("unmanaged", "", "", f"{outer}/by-hand", SCRIPT, strangers.RULE))
    yield batch


POLICY = Actor("", "", "policy assignment cost-tag", "Azure Policy")


def recreated(applied: Applied) -> Iterator[list[Scenario]]:
    """Machines deleted and made again under their name, as they were."""
    batch = []
    for number, resource in enumerate(applied.resources()):
        if resource.type in ("azurerm_linux_virtual_machine", "azurerm_windows_virtual_machine"):
            body = {k: v for k, v in applied.azure.done("GET", resource.id).items() if k != "etag"}
            batch.append(Scenario("recreated", resource.address, "", resource.id, ACTORS[number % 4], body))
    if batch:
        yield batch


def by_policy(applied: Applied) -> Iterator[list[Scenario]]:
    """A policy put in force and remedied: a tag on everything that can carry one, written by nobody."""
    owner = Actor("terraform", "", "", "")
    groups = [r.id for r in applied.resources() if r.type == "azurerm_resource_group"]
    rule = {
        "if": {"field": "tags['cost-center']", "exists": "false"},
        "then": {"effect": "modify", "details": {"operations": [{"operation": "add", "field": "tags['cost-center']", "value": "4711"}]}},
    }
    definition = f"{groups[0].rsplit('/resourceGroups/', 1)[0]}/providers/Microsoft.Authorization/policyDefinitions/cost"
    applied.azure.done("PUT", definition, {"properties": {"policyRule": rule}}, owner)
    for group in groups:
        assignment = f"{group}/providers/Microsoft.Authorization/policyAssignments/cost-tag"
        applied.azure.done(
            "PUT", assignment, {"identity": {"type": "SystemAssigned"}, "properties": {"policyDefinitionId": definition}}, owner
        )
        fix = f"{group}/providers/Microsoft.PolicyInsights/remediations/fix"
        applied.azure.done("PUT", fix, {"properties": {"policyAssignmentId": assignment}}, owner)
    yield [
        Scenario("tag by policy", r.address, "tags.cost-center", r.id, POLICY, {})
        for r in applied.resources()
        if "tags" in r.values
        and "cost-center" in (applied.azure.call("GET", r.id)[1].get("tags") or {})
        and not (r.values.get("tags") or {}).get("cost-center")
        and r.id.split("/providers/")[-1].count("/") == 2
    ]


def run(applied: Applied, batch: list[Scenario], strategy: str, figures: dict[str, Told]) -> None:
    """Make the drifts, let iacagent find and settle them, judge what it says, and put everything back."""
    made = []
    for scenario in batch:
        status, answer = _act(applied, scenario)
        if status < 300:
            made.append(scenario)
        elif scenario.body is not None:
            print(f"   not made: {scenario.address} {scenario.path}: {answer}")
    if not made:
        return
    _, document = applied.iacagent("drift", "reconcile", "--strategy", strategy, "--auto-approve")
    _judge(applied, made, strategy, document, figures)
    applied.gym.rewind()
    applied.put_back()


def _act(applied: Applied, scenario: Scenario) -> tuple[int, Body]:
    """Do what makes the drift; what a policy does, it has done already."""
    if scenario.by is POLICY:
        return 200, {}
    if scenario.kind == "recreated":
        applied.azure.call("DELETE", scenario.id, by=scenario.by)
    verb = "PUT" if scenario.body is not None else "DELETE"
    return applied.azure.call(verb, scenario.id, scenario.body, scenario.by)


_SETTLED = ("adopted", "reverted", "imported", "forgotten", "recreated", "refreshed", "ignored")


def _judge(applied: Applied, made: list[Scenario], strategy: str, document: dict[str, Any], figures: dict[str, Told]) -> None:
    findings = {f["address"] or f["id"]: f for f in document.get("drift", {}).get("findings", [])}
    settled = {s["subject"]: s for s in document.get("settled", [])}
    for scenario in made:
        told = figures.setdefault(scenario.kind, Told())
        told.made += 1
        subject = scenario.address or scenario.id
        finding = findings.get(subject)
        name = f"{applied.style}: {subject} {scenario.path}"
        paths = [d["path"].replace('"]', "").replace('["', ".") for d in finding["differences"]] if finding else []
        if finding is None or (scenario.path and scenario.path not in paths) or (not scenario.path and finding["kind"] != scenario.kind):
            told.wrong.append(f"missed {name}: {paths} {document.get('error')}")
            continue
        told.found += 1
        cause = finding["cause"] if finding else {}
        if scenario.by.who in cause["who"] and cause["client"] == scenario.by.client:
            told.cause += 1
        else:
            told.wrong.append(f"cause {name}: {cause['who']} {cause['client']} for {scenario.by.who} {scenario.by.client}")
        outcome = settled.get(subject, {"outcome": "not told", "detail": ""})
        if outcome["outcome"] in _SETTLED:
            told.settled += 1
        else:
            told.refused += outcome["outcome"] == "reported"
            told.wrong.append(f"{outcome['outcome']} {name}: {outcome['detail']}")
    expected = {s.address or s.id for s in made}
    for address, finding in findings.items():
        below = any(finding["id"].lower().startswith(s.id.lower()) for s in made if s.body is None)
        follows = below or (
            finding["kind"] == "unmanaged" and finding["type"].lower() == "microsoft.compute/disks" and _lost_a_machine(made)
        )
        if address not in expected and not follows:
            figures.setdefault("false alarms", Told()).wrong.append(
                f"{applied.style}: {finding['kind']} {address} {finding['differences']}"
            )
    adopted = [a for a, s in settled.items() if s["outcome"] in _SETTLED]
    if (
        len(adopted) == len(made)
        and strategy == "adopt"
        and applied.terraform("plan", "-detailed-exitcode", "-input=false", check=False).returncode
    ):
        figures.setdefault("false proofs", Told()).wrong.append(f"{applied.style}: the plan is not empty")


def _lost_a_machine(made: list[Scenario]) -> bool:
    """Whether a machine went: its disk stays, and nobody manages that any more."""
    return any(s.kind in ("deleted", "recreated") and "/virtualmachines/" in s.id.lower() for s in made)


def sums(figures: dict[str, Told]) -> tuple[int, int, int, int]:
    """Made, found, cause right, settled: over all kinds."""
    held = figures.values()
    return sum(t.made for t in held), sum(t.found for t in held), sum(t.cause for t in held), sum(t.settled for t in held)


def main() -> None:
    """Every style, every kind; prints the figures and what is wrong. Takes about ten minutes."""
    gym = Gym(Path(tempfile.mkdtemp(prefix="ia-")))
    gym.up()
    figures: dict[str, Told] = {}
    try:
        for style in STYLES:
            gym.reset()
            applied = Applied.make(style, Path(tempfile.mkdtemp()), gym)
            for kinds, strategy in (
                (batches, "adopt"),
                (rules, "adopt"),
                (deletions, "forget"),
                (recreated, "adopt"),
                (by_policy, "adopt"),
                (unmanaged, "import"),
            ):
                for batch in kinds(applied):
                    run(applied, batch, strategy, figures)
            print(f"{style}: done", file=sys.stderr, flush=True)
    finally:
        gym.remove()
    print(f"{'kind':<32} {'made':>5} {'found':>6} {'cause':>6} {'settled':>8} {'refused':>8}")
    for kind, told in sorted(figures.items()):
        print(f"{kind:<32} {told.made:>5} {told.found:>6} {told.cause:>6} {told.settled:>8} {told.refused:>8}")
    print("all: made {}, found {}, cause right {}, settled {}".format(*sums(figures)))
    for told in figures.values():
        print("\n".join(f"  {w}" for w in told.wrong))


if __name__ == "__main__":
    main()
