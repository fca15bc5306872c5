"""Family 4: what policies forbid, spelled so that they might not see it; and exceptions and budgets that must not cover it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from iac_agent.cli.config import Settings
from iac_agent.errors import PolicyRefused
from iac_agent.guard.check import Exempt
from iac_agent.guard.cost.estimate import Budget
from iac_agent.guard.guard import require_allowed
from iac_agent.guard.policy import Ruling
from iac_agent.guard.verdict import Approved
from tests.adversarial.plans import Planned, assessed
from tests.adversarial.table import Attack, cases
from tests.conftest import Figure

RULE, NSG, ROLE = "azurerm_network_security_rule", "azurerm_network_security_group", "azurerm_role_assignment"
STORAGE, CONTAINER, VM = "azurerm_storage_account", "azurerm_storage_container", "azurerm_linux_virtual_machine"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
REFUSE, UNKNOWN = Ruling.REFUSE, Ruling.UNKNOWN
SSH = {
    "name": "ssh",
    "access": "Allow",
    "direction": "Inbound",
    "protocol": "Tcp",
    "priority": 100,
    "source_address_prefix": "Internet",
    "source_address_prefixes": None,
    "destination_port_range": "22",
    "destination_port_ranges": None,
    "destination_address_prefix": "*",
}


@dataclass(frozen=True)
class PolicyAttack(Attack):
    """A plan, the rule that must speak of `address`, and what it must come to."""

    rule: str
    outcome: Ruling
    resources: Mapping[str, Planned]
    address: str = ""

    @property
    def at(self) -> str:
        return self.address or next(iter(self.resources))


def rule(
    name: str, at_least: Ruling = REFUSE, number: str = "NET-001", unknown: Mapping[str, Any] | None = None, **values: Any
) -> PolicyAttack:
    """An attack by a security rule of its own."""
    held = Planned({**SSH, **values}, unknown=unknown or {})
    return PolicyAttack(name, number, at_least, {f"{RULE}.x": held})


def group(name: str, rules: Any, number: str = "NET-001", outcome: Ruling = REFUSE, **more: Any) -> PolicyAttack:
    return PolicyAttack(name, number, outcome, {f"{NSG}.g": Planned({"name": "g", "security_rule": rules}, **more)})


def source(*prefixes: Any) -> dict[str, Any]:
    return {"source_address_prefix": None, "source_address_prefixes": list(prefixes)}


def ports(*ranges: Any) -> dict[str, Any]:
    return {"destination_port_range": None, "destination_port_ranges": list(ranges)}


EIGHTS = [f"{n}.0.0.0/8" for n in range(1, 224)]
NETWORK = [
    *(
        rule(f"SSH from {s!r}", source_address_prefix=s)
        for s in ("*", "Internet", "INTERNET", "internet", "any", "Any", "0.0.0.0/0", "::/0")
    ),
    *(
        rule(f"SSH from {s!r}", source_address_prefix=s)
        for s in ("0.0.0.0", "1.2.3.4/0", "0.0.0.0/1", "128.0.0.0/1", "0.0.0.0/7", "2000::/3")
    ),
    rule("SSH from two halves", **source("0.0.0.0/1", "128.0.0.0/1")),
    rule("SSH from a good network and a bad one", **source("10.0.0.0/8", "0.0.0.0/0")),
    rule("SSH from every network of eight bits", **source(*EIGHTS)),
    rule("SSH from '0/0'", UNKNOWN, source_address_prefix="0/0"),
    rule("SSH from an address with a space", REFUSE, source_address_prefix="0.0.0.0/0 "),
    rule("SSH from Internet with a space", REFUSE, source_address_prefix=" Internet"),
    rule("SSH from addresses in one text", UNKNOWN, source_address_prefix="10.0.0.0/8,0.0.0.0/0"),
    rule("SSH from a mask in words", source_address_prefix="0.0.0.0/0.0.0.0"),
    rule("SSH from a range of addresses", UNKNOWN, source_address_prefix="0.0.0.0-255.255.255.255"),
    rule("SSH from anybody's machine in Azure", REFUSE, source_address_prefix="AzureCloud"),
    rule("SSH from what is known later", UNKNOWN, unknown={"source_address_prefix": True}, source_address_prefix=None),
    rule("SSH from a list known later", UNKNOWN, unknown={"source_address_prefixes": True}, **source()),
    rule("SSH from a list with one known later", UNKNOWN, unknown={"source_address_prefixes": [False, True]}, **source("10.0.0.0/8", None)),
    rule("a bad network beside one known later", unknown={"source_address_prefixes": [False, True]}, **source("0.0.0.0/0", None)),
    rule("a port that is known later", UNKNOWN, unknown={"destination_port_range": True}, destination_port_range=None),
    rule("an access that is known later", UNKNOWN, unknown={"access": True}, access=None),
    rule("a direction that is known later", UNKNOWN, unknown={"direction": True}, direction=None),
    rule("a protocol that is known later", UNKNOWN, unknown={"protocol": True}, protocol=None),
    *(rule(f"the port as {p!r}", destination_port_range=p) for p in ("*", "20-23", "22-22", "0-65535", "1-100", " 22 ", "022")),
    rule("the port in a list", **ports("443", "22")),
    rule("the port in a range of a list", **ports("443", "8000-8100", "1-1024")),
    rule("a star in a list of ports", **ports("*")),
    rule("ports in one text", UNKNOWN, destination_port_range="443,22"),
    rule("a range of ports with spaces", UNKNOWN, destination_port_range="20 - 23"),
    *(rule(f"access as {a!r}", access=a) for a in ("allow", "ALLOW")),
    rule("direction as 'inbound'", direction="inbound"),
    rule("protocol as a star", protocol="*"),
    rule("protocol as 'TCP'", protocol="TCP"),
    rule("a low priority", priority=4096),
    rule("RDP inside a range", number="NET-002", destination_port_range="3000-4000"),
    rule("RDP by UDP", number="NET-002", destination_port_range="3389", protocol="Udp"),
    rule("a database", number="NET-003", destination_port_range="5432"),
    rule("a database in a range of a list", number="NET-003", **ports("6000-6400")),
    rule("Docker", number="NET-003", destination_port_range="2375"),
    rule("every port", number="NET-004", destination_port_range="0-65535", protocol="*"),
    rule("every port in two halves", protocol="*", **ports("0-32767", "32768-65535")),
    PolicyAttack("a rule of a module", "NET-001", REFUSE, {f"module.m[0].{RULE}.x": Planned(SSH)}),
    PolicyAttack("a rule with a key that looks like another address", "NET-001", REFUSE, {f'{RULE}.x["a.b"]': Planned(SSH)}),
    group("inside a group", [SSH]),
    group("inside a group, behind a harmless one", [{**SSH, "destination_port_range": "443"}, SSH]),
    group("inside a group, behind one that denies", [{**SSH, "access": "Deny", "priority": 100}, {**SSH, "priority": 200}]),
    group("inside a group, all known later", None, outcome=UNKNOWN, unknown={"security_rule": True}),
    group("inside a group, one known later", [None], outcome=UNKNOWN, unknown={"security_rule": [True]}),
    group(
        "inside a group, a source known later",
        [{**SSH, "source_address_prefix": None}],
        outcome=UNKNOWN,
        unknown={"security_rule": [{"source_address_prefix": True}]},
    ),
    group("a new group whose dynamic rules the plan does not list", [SSH], written=("name",)),
    group(
        "a dynamic rule whose source is known later",
        [{**SSH, "source_address_prefix": None}],
        outcome=UNKNOWN,
        unknown={"security_rule": [{"source_address_prefix": True}]},
        written=("name",),
    ),
    PolicyAttack(
        "an open rule in a group behind a harmless one of its name",
        "NET-001",
        REFUSE,
        {
            f"{NSG}.g": Planned({"name": "g", "resource_group_name": "r", "security_rule": [SSH]}),
            f"{RULE}.x": Planned({**SSH, "access": "Deny", "resource_group_name": "r", "network_security_group_name": "g"}),
        },
    ),
    rule("SSH from all of IPv6 by networks of eight bits", **source(*(f"{n:02x}00::/8" for n in range(0x20, 0x40)))),
    rule("SSH from all of IPv6 by networks of sixteen bits", **source(*(f"{n:04x}::/16" for n in range(0x2000, 0x4000)))),
]
IDENTITY = [
    PolicyAttack(
        name, "IDN-005", outcome, {f"{ROLE}.x": Planned({"scope": "/subscriptions/0", "principal_id": "p", **values}, unknown=unknown)}
    )
    for name, outcome, values, unknown in (
        ("Owner", REFUSE, {"role_definition_name": "Owner"}, {}),
        ("OWNER", REFUSE, {"role_definition_name": "OWNER"}, {}),
        ("Owner by id", REFUSE, {"role_definition_id": f"/providers/Microsoft.Authorization/roleDefinitions/{OWNER}"}, {}),
        (
            "Owner by id in upper case",
            REFUSE,
            {"role_definition_id": f"/PROVIDERS/MICROSOFT.AUTHORIZATION/ROLEDEFINITIONS/{OWNER.upper()}"},
            {},
        ),
        (
            "Owner by id at a subscription",
            REFUSE,
            {"role_definition_id": f"/subscriptions/0/providers/Microsoft.Authorization/roleDefinitions/{OWNER}"},
            {},
        ),
        ("Owner by bare id", REFUSE, {"role_definition_id": OWNER}, {}),
        (
            "Owner by id with a slash at the end",
            REFUSE,
            {"role_definition_id": f"/providers/Microsoft.Authorization/roleDefinitions/{OWNER}/"},
            {},
        ),
        ("Owner by id beside an empty name", REFUSE, {"role_definition_name": "", "role_definition_id": f"/x/{OWNER}"}, {}),
        ("a role known later", UNKNOWN, {}, {"role_definition_name": True}),
        ("a role id known later", UNKNOWN, {}, {"role_definition_id": True}),
        ("Owner with an empty condition", REFUSE, {"role_definition_name": "Owner", "condition": ""}, {}),
        ("Owner with a condition of spaces", REFUSE, {"role_definition_name": "Owner", "condition": "  "}, {}),
        ("Owner with a condition known later", UNKNOWN, {"role_definition_name": "Owner", "condition": None}, {"condition": True}),
        ("Owner at a scope with a slash at the end", REFUSE, {"role_definition_name": "Owner", "scope": "/subscriptions/0/"}, {}),
    )
] + [
    PolicyAttack(
        "the right to give rights, by id",
        "IDN-006",
        REFUSE,
        {f"{ROLE}.x": Planned({"role_definition_id": "/x/18D7D88D-D35E-4FB5-A5C3-7773C20A72D9"})},
    ),
    PolicyAttack(
        "the right to give rights, by another name",
        "IDN-006",
        REFUSE,
        {f"{ROLE}.x": Planned({"role_definition_name": "role based access control ADMINISTRATOR"})},
    ),
    PolicyAttack(
        "Owner for an hour",
        "IDN-005",
        REFUSE,
        {
            "azurerm_pim_active_role_assignment.x": Planned(
                {"scope": "/subscriptions/0", "principal_id": "p", "role_definition_id": f"/x/{OWNER}"}
            )
        },
    ),
    PolicyAttack(
        "Owner when asked for",
        "IDN-005",
        REFUSE,
        {
            "azurerm_pim_eligible_role_assignment.x": Planned(
                {"scope": "/subscriptions/0", "principal_id": "p", "role_definition_id": f"/x/{OWNER}"}
            )
        },
    ),
    PolicyAttack(
        "a secret in the settings of a machine",
        "IDN-003",
        REFUSE,
        {"azurerm_virtual_machine_extension.x": Planned({"settings": '{"password": "Tr0ub4dor&3xample!"}'})},
    ),
]


def storage(name: str, number: str, outcome: Ruling = REFUSE, unknown: Mapping[str, Any] | None = None, **values: Any) -> PolicyAttack:
    return PolicyAttack(name, number, outcome, {f"{STORAGE}.x": Planned({"name": "s", **values}, unknown=unknown or {})})


DATA = [
    *(
        PolicyAttack(f"a container that is {v!r}", "DAT-002", REFUSE, {f"{CONTAINER}.x": Planned({"container_access_type": v})})
        for v in ("blob", "Blob", "BLOB", "container", "Container", "private ")
    ),
    PolicyAttack("a container known later", "DAT-002", UNKNOWN, {f"{CONTAINER}.x": Planned({}, unknown={"container_access_type": True})}),
    storage("blobs that may be public", "DAT-001", allow_nested_items_to_be_public=True),
    storage("blobs that may be public, as text", "DAT-001", allow_nested_items_to_be_public="true"),
    storage("blobs that may be public, known later", "DAT-001", UNKNOWN, {"allow_nested_items_to_be_public": True}),
    storage("copies to other tenants", "DAT-010", cross_tenant_replication_enabled=True),
    *(storage(f"TLS as {v!r}", "ENC-001", min_tls_version=v) for v in ("TLS1_0", "TLS1_1", "tls1_0", "1.0", "TLS1_2_or_not", "")),
    storage("TLS known later", "ENC-001", UNKNOWN, {"min_tls_version": True}),
    storage("plain HTTP", "ENC-002", https_traffic_only_enabled=False),
    storage("plain HTTP, as text", "ENC-002", https_traffic_only_enabled="false"),
    storage("plain HTTP under a flag of NFS known later", "ENC-002", UNKNOWN, {"nfsv3_enabled": True}, https_traffic_only_enabled=False),
]
TO_ONE = {**SSH, "destination_address_prefix": "10.9.9.8"}
OPEN_DATABASE = {**SSH, "destination_port_range": "5432"}
STANDING = [
    PolicyAttack(
        "more ports in a group with one open port",
        "NET-003",
        REFUSE,
        {
            f"{NSG}.g": Planned(
                {"security_rule": [OPEN_DATABASE, {**OPEN_DATABASE, "destination_port_range": "445"}]}, {"security_rule": [OPEN_DATABASE]}
            ),
        },
    ),
    PolicyAttack(
        "another rule in a group with an open one",
        "NET-001",
        REFUSE,
        {
            f"{NSG}.g": Planned(
                {"security_rule": [{**SSH, "name": "b", "destination_address_prefix": "10.9.9.9"}, TO_ONE]}, {"security_rule": [TO_ONE]}
            ),
        },
    ),
    PolicyAttack(
        "an open rule that is replaced into another group",
        "NET-001",
        REFUSE,
        {
            f"{RULE}.x[0]": Planned(
                {**SSH, "network_security_group_name": "prod"}, {**SSH, "network_security_group_name": "dev"}, actions=("delete", "create")
            ),
        },
    ),
    PolicyAttack(
        "an open rule from a narrow source to the Internet",
        "NET-001",
        REFUSE,
        {f"{RULE}.x": Planned(SSH, {**SSH, "source_address_prefix": "203.0.113.7"})},
    ),
    PolicyAttack("an open rule that denied before", "NET-001", REFUSE, {f"{RULE}.x": Planned(SSH, {**SSH, "access": "Deny"})}),
    PolicyAttack("an open rule beside a standing one", "NET-001", REFUSE, {f"{RULE}.y": Planned(SSH), f"{RULE}.x": Planned(SSH, SSH)}),
    PolicyAttack(
        "a rule that was known and is known later",
        "NET-001",
        UNKNOWN,
        {
            f"{RULE}.x": Planned(
                {**SSH, "source_address_prefix": None}, {**SSH, "source_address_prefix": "10.0.0.0/8"}, {"source_address_prefix": True}
            ),
        },
    ),
    PolicyAttack(
        "a public container that stood as private",
        "DAT-002",
        REFUSE,
        {f"{CONTAINER}.x": Planned({"container_access_type": "blob"}, {"container_access_type": "private"})},
    ),
    PolicyAttack(
        "Owner for another principal",
        "IDN-005",
        REFUSE,
        {
            f"{ROLE}.x": Planned(
                {"role_definition_name": "Owner", "principal_id": "evil"},
                {"role_definition_name": "Owner", "principal_id": "good"},
                actions=("delete", "create"),
            ),
        },
    ),
]
OTHER_WAYS = [
    PolicyAttack(name, "", UNKNOWN, {address: Planned(values)})
    for name, address, values in (
        (
            "SSH opened through azapi",
            "azapi_resource.x",
            {"type": "Microsoft.Network/networkSecurityGroups/securityRules@2024-01-01", "body": {"properties": {"access": "Allow"}}},
        ),
        ("anything through azapi", "azapi_resource_action.x", {"action": "start", "method": "POST"}),
        ("anything through a template", "azurerm_resource_group_template_deployment.x", {"template_content": "{}"}),
        ("anything through a template of a subscription", "azurerm_subscription_template_deployment.x", {"template_content": "{}"}),
    )
]
ATTACKS = [*NETWORK, *IDENTITY, *DATA, *STANDING]


@pytest.mark.parametrize("attack", cases(ATTACKS))
def test_the_policy_speaks(tmp_path: Path, attack: PolicyAttack, figure: Figure) -> None:
    verdict = assessed(tmp_path, attack.resources)
    found = [f for f in verdict.findings if f.rule == attack.rule and f.address == attack.at]
    assert [f.outcome for f in found] == [attack.outcome]
    if attack.outcome == REFUSE:
        with pytest.raises(PolicyRefused) as refused:
            require_allowed(verdict)
        assert refused.value.exit_code == 3
        assert attack.rule in refused.value.message
    else:
        assert attack.at in Approved(ordinary=True).missing(verdict)["unknown"]
    figure("attacks stopped, policies", 1, 1)


@pytest.mark.parametrize("attack", cases(OTHER_WAYS))
def test_what_no_policy_can_judge_takes_a_name(tmp_path: Path, attack: PolicyAttack, figure: Figure) -> None:
    """A resource that can be anything is not let through by --auto-approve."""
    verdict = assessed(tmp_path, attack.resources)
    assert Approved(ordinary=True).missing(verdict)["unknown"] == [attack.at]
    figure("attacks stopped, policies", 1, 1)


@dataclass(frozen=True)
class ExemptAttack(Attack):
    """An exception that must not cover SSH at RULE.x; `expires` is compared with 2026-06-15."""

    rule: str = "NET-001"
    addresses: tuple[str, ...] = (f"{RULE}.x",)
    expires: date = date(2027, 1, 1)


EXEMPT = [
    ExemptAttack("an exception of another rule", rule="NET-003"),
    ExemptAttack("an exception of the pack", rule="NET"),
    ExemptAttack("an exception in lower case", rule="net-001"),
    ExemptAttack("an exception of everything", rule="*"),
    ExemptAttack("an exception of another address", addresses=(f"{RULE}.y",)),
    ExemptAttack("an exception of all addresses", addresses=("*",)),
    ExemptAttack("an exception of a pattern of addresses", addresses=(f"{RULE}.*",)),
    ExemptAttack("an exception of a prefix", addresses=(RULE, f"{RULE}.")),
    ExemptAttack("an exception of the block inside a module", addresses=(f"module.m.{RULE}.x",)),
    ExemptAttack("an exception of an instance", addresses=(f"{RULE}.x[0]",)),
    ExemptAttack("an exception that expired yesterday", expires=date(2026, 6, 14)),
    ExemptAttack("an exception that expired long ago", expires=date(1970, 1, 1)),
]


@pytest.mark.parametrize("attack", cases([*EXEMPT]))
def test_the_exception_does_not_cover_it(tmp_path: Path, attack: ExemptAttack, figure: Figure) -> None:
    exempt = Exempt(attack.rule, attack.addresses, "because of it", "somebody", attack.expires)
    verdict = assessed(tmp_path, {f"{RULE}.x": Planned(SSH)}, [exempt])
    assert [(f.outcome, f.excepted) for f in verdict.findings if f.rule == "NET-001"] == [(REFUSE, "")]
    with pytest.raises(PolicyRefused, match="NET-001"):
        require_allowed(verdict)
    figure("attacks stopped, policies", 1, 1)


MACHINE = {"name": "v", "location": "westeurope", "size": "Standard_D4s_v5"}
DEAR = {**MACHINE, "size": "Standard_M999ms_v9"}


@dataclass(frozen=True)
class BudgetAttack(Attack):
    """A plan that must not pass a budget."""

    budget: Budget
    resources: Mapping[str, Planned] = field(default_factory=dict)
    outcome: Ruling = REFUSE
    rule: str = "CST-100"


BUDGETS = [
    BudgetAttack("a machine over the budget", Budget(monthly=10), {f"{VM}.x": Planned(MACHINE)}),
    BudgetAttack("a budget of nothing", Budget(monthly=0), {f"{VM}.x": Planned(MACHINE)}),
    BudgetAttack("a size without a price", Budget(monthly=1e6), {f"{VM}.x": Planned(DEAR)}, UNKNOWN),
    BudgetAttack(
        "a size that is known later", Budget(monthly=1e6), {f"{VM}.x": Planned({"location": "westeurope"}, unknown={"size": True})}, UNKNOWN
    ),
    BudgetAttack("a region without prices", Budget(monthly=1e6), {f"{VM}.x": Planned({**MACHINE, "location": "moonbase1"})}, UNKNOWN),
    BudgetAttack(
        "a known price swapped for an unknown one, over the budget",
        Budget(monthly=10),
        {
            f"{VM}.x": Planned(MACHINE, MACHINE),
            f"{VM}.y": Planned(DEAR, MACHINE),
        },
    ),
    BudgetAttack(
        "a known price swapped for an unknown one, as an increase",
        Budget(increase=10),
        {f"{VM}.y": Planned(DEAR, MACHINE)},
        UNKNOWN,
        "CST-101",
    ),
    BudgetAttack(
        "a disk of a negative size beside a machine",
        Budget(monthly=10),
        {
            f"{VM}.x": Planned(MACHINE),
            "azurerm_managed_disk.d": Planned(
                {"location": "westeurope", "storage_account_type": "UltraSSD_LRS", "disk_size_gb": -100000, "disk_iops_read_write": -100000}
            ),
        },
    ),
    BudgetAttack(
        "a scale set of minus ten",
        Budget(monthly=10),
        {
            f"{VM}.x": Planned(MACHINE),
            "azurerm_linux_virtual_machine_scale_set.s": Planned({"location": "westeurope", "sku": "Standard_D4s_v5", "instances": -10}),
        },
    ),
    BudgetAttack(
        "an increase hidden by a removal of as much",
        Budget(monthly=10),
        {
            f"{VM}.old": Planned(None, MACHINE, actions=("delete",)),
            f"{VM}.x": Planned({**MACHINE, "size": "Standard_D8s_v5"}),
        },
    ),
]


@pytest.mark.parametrize("attack", cases(BUDGETS))
def test_the_budget_holds(tmp_path: Path, attack: BudgetAttack, figure: Figure) -> None:
    verdict = assessed(tmp_path, attack.resources, budget=attack.budget)
    assert [f.outcome for f in verdict.findings if f.rule == attack.rule] == [attack.outcome]
    figure("attacks stopped, policies", 1, 1)


@dataclass(frozen=True)
class SettingsAttack(Attack):
    """A configuration of the guard that must not be taken."""

    guard: Mapping[str, Any]


def exception(**fields: Any) -> dict[str, Any]:
    whole = {"rule": "NET-001", "addresses": ["a.b"], "reason": "long enough", "owner": "somebody", "expires": "2027-01-01", **fields}
    return {"exceptions": [{k: v for k, v in whole.items() if v is not None}]}


SETTINGS = [
    SettingsAttack("an exception without an end", exception(expires=None)),
    SettingsAttack("an exception that never ends", exception(expires="never")),
    SettingsAttack("an exception without addresses", exception(addresses=[])),
    SettingsAttack("an exception without a reason", exception(reason="")),
    SettingsAttack("an exception of nobody", exception(owner="")),
    SettingsAttack("a budget below nothing", {"budget": {"monthly": -1}}),
    SettingsAttack("a budget that is no number", {"budget": {"monthly": float("nan")}}),
    SettingsAttack("an approval by nobody", {"approval": {"people": 0}}),
    SettingsAttack("an approval for good", {"approval": {"hours": 1e9}}),
    SettingsAttack("an approval for no number of hours", {"approval": {"hours": float("nan")}}),
    SettingsAttack("an autonomy that is none", {"autonomy": "full"}),
    SettingsAttack("an outcome that is none", {"policies": {"NET-001": "pass"}}),
    SettingsAttack("a setting that is none", {"allow": {"everything": True}}),
]


@pytest.mark.parametrize("attack", cases(SETTINGS))
def test_the_setting_is_not_taken(attack: SettingsAttack, figure: Figure) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"guard": attack.guard})
    figure("attacks stopped, policies", 1, 1)
