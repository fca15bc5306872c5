"""Cost: what is paid for and used by nobody, and what is dearer than it need be. Budgets are in `guard.cost`."""

from __future__ import annotations

import re

from iac_agent.azure.sizes import get
from iac_agent.guard.planned import AFTER_APPLY, Resource
from iac_agent.guard.policies.types import (
    ADDRESS,
    ATTACHMENT,
    AUTOSCALE,
    BALANCER,
    DISK,
    LEARN,
    LINUX,
    MACHINES,
    NAT_ADDRESS,
    NETWORK,
    NIC,
    SCALE_SET,
    SNAPSHOT,
    WINDOWS,
    WORKSPACE,
)
from iac_agent.guard.policy import Example, Policy, Severity
from iac_agent.guard.predicates import A, Custom, UsedBy
from iac_agent.guard.truth import Truth, known

_CORES, _CEILING, _YEAR = 16, 20, 365
_SPECIAL = re.compile(r"^Standard_(?:N[CDV]|M\d|H[BCX])", re.IGNORECASE)
_PREMIUM = ("Premium_LRS", "Premium_ZRS", "PremiumV2_LRS", "UltraSSD_LRS")
_DEVELOPMENT = r"^(?:dev|development|test|sandbox|qa)$"


def _modest(value: object) -> bool:
    """Whether a size is of no special hardware and has no more than 16 cores; one that is not known is judged by its number."""
    name = str(value)
    known_size, said = get(name), re.search(r"_[A-Z]+?(\d+)", name)
    cores = known_size.cores if known_size else int(said[1]) if said else 0
    return cores <= _CORES and not _SPECIAL.match(name)


def _is_development(resource: Resource) -> Truth:
    tags = resource.one("tags")
    if tags is AFTER_APPLY:
        return Truth.UNKNOWN
    held = {k.lower(): str(v).lower() for k, v in (tags or {}).items()}
    said = held.get("environment") or held.get("env") or ""
    return known(re.match(_DEVELOPMENT, said) is not None)


_DEV = Custom("it is tagged as development", _is_development, ("tags",))
POLICIES = (
    Policy(
        "CST-001",
        "Machines have no more than 16 cores and no special hardware",
        MACHINES,
        A("size").passes(_modest, "has at most 16 cores and no special hardware"),
        "The largest sizes cost thousands a month, and are often a slip of the finger.",
        "Take a smaller size, or except this machine with a reason.",
        f"{LEARN}virtual-machines/sizes/overview",
        severity=Severity.HIGH,
        passing=Example({"size": "Standard_D4s_v5"}),
        failing=Example({"size": "Standard_M128ms"}),
    ),
    Policy(
        "CST-002",
        "Instances of scale sets have no more than 16 cores and no special hardware",
        (SCALE_SET,),
        A("sku").passes(_modest, "has at most 16 cores and no special hardware"),
        "The price is per instance.",
        "Take a smaller size and more instances, or except this set with a reason.",
        f"{LEARN}virtual-machines/sizes/overview",
        severity=Severity.HIGH,
        passing=Example({"sku": "Standard_D2s_v5"}),
        failing=Example({"sku": "Standard_NC24ads_A100_v4"}),
    ),
    Policy(
        "CST-003",
        "Development uses no premium disks",
        (DISK,),
        _DEV >> ~A("storage_account_type").is_in(*_PREMIUM),
        "Nobody measures them there.",
        "Use StandardSSD_LRS.",
        f"{LEARN}virtual-machines/disks-types",
        severity=Severity.LOW,
        passing=Example({"tags": {"env": "dev"}, "storage_account_type": "StandardSSD_LRS"}),
        failing=Example({"tags": {"Environment": "dev"}, "storage_account_type": "Premium_LRS"}),
    ),
    Policy(
        "CST-004",
        "Disks are attached",
        (DISK,),
        ~A("create_option", "Empty").is_("Empty") | UsedBy(((ATTACHMENT, "managed_disk_id"), (LINUX, "os_managed_disk_id"))),
        "A disk is paid for by its size, also when nobody reads it.",
        "Attach it, or remove it.",
        f"{LEARN}virtual-machines/windows/find-unattached-disks",
        severity=Severity.LOW,
        passing=Example({"id": "/d", "create_option": "Empty"}, {f"{ATTACHMENT}.a": {"managed_disk_id": "/d"}}),
        failing=Example({"id": "/d", "create_option": "Empty"}),
    ),
    Policy(
        "CST-005",
        "Public addresses are used",
        (ADDRESS,),
        UsedBy(
            (
                (NIC, "ip_configuration.public_ip_address_id"),
                (BALANCER, "frontend_ip_configuration.public_ip_address_id"),
                (NAT_ADDRESS, "public_ip_address_id"),
            )
        ),
        "Standard addresses cost the same idle.",
        "Remove it, unless another configuration uses it.",
        f"{LEARN}virtual-network/ip-services/public-ip-addresses",
        severity=Severity.LOW,
        passing=Example({"id": "/ip"}, {f"{NAT_ADDRESS}.n": {"public_ip_address_id": "/ip"}}),
        failing=Example({"id": "/ip"}),
    ),
    Policy(
        "CST-006",
        "Log workspaces have a daily cap",
        (WORKSPACE,),
        A("daily_quota_gb", -1).at_least(0),
        "One chatty service fills it for the price of a machine a day.",
        "Set daily_quota_gb well above the usual volume.",
        f"{LEARN}azure-monitor/logs/daily-cap",
        severity=Severity.LOW,
        passing=Example({"daily_quota_gb": 5}),
        failing=Example({"daily_quota_gb": -1}),
    ),
    Policy(
        "CST-007",
        "Logs are kept for a year at most",
        (WORKSPACE,),
        A("retention_in_days", 30).at_most(_YEAR),
        "Interactive retention is the dearest way to keep logs.",
        "Lower retention_in_days and archive the rest.",
        f"{LEARN}azure-monitor/logs/data-retention-configure",
        severity=Severity.LOW,
        passing=Example({"retention_in_days": 90}),
        failing=Example({"retention_in_days": 730}),
    ),
    Policy(
        "CST-008",
        "Snapshots are incremental",
        (SNAPSHOT,),
        A("incremental_enabled", False).is_(True),
        "A full one is paid for like the disk.",
        "Set incremental_enabled = true.",
        f"{LEARN}virtual-machines/disks-incremental-snapshots",
        severity=Severity.LOW,
        passing=Example({"incremental_enabled": True}),
        failing=Example({"incremental_enabled": False}),
    ),
    Policy(
        "CST-009",
        "Autoscale has a ceiling",
        (AUTOSCALE,),
        A("profile.capacity.maximum").at_most(_CEILING),
        "A loop in the load is a loop in the bill.",
        f"Set maximum to {_CEILING} or less, or except this setting with a reason.",
        f"{LEARN}azure-monitor/autoscale/autoscale-best-practices",
        passing=Example({"profile": [{"capacity": [{"maximum": 5}]}]}),
        failing=Example({"profile": [{"capacity": [{"maximum": 200}]}]}),
    ),
    Policy(
        "CST-010",
        "Plans of DDoS protection are deliberate",
        (NETWORK,),
        ~A("ddos_protection_plan.enable", False).is_(True),
        "A plan costs about 2,900 dollars a month.",
        "Share one plan in the tenant, and except the networks that use it.",
        f"{LEARN}ddos-protection/ddos-protection-sku-comparison",
        passing=Example(),
        failing=Example({"ddos_protection_plan": [{"enable": True}]}),
    ),
    Policy(
        "CST-011",
        "Windows machines use the licences that we have",
        (WINDOWS,),
        A("license_type", "None").is_in("Windows_Server", "Windows_Client"),
        "Without it the licence is paid for by the hour.",
        'Set license_type = "Windows_Server" where licences are held.',
        f"{LEARN}virtual-machines/windows/hybrid-use-benefit-licensing",
        severity=Severity.LOW,
        optional=True,
        passing=Example({"license_type": "Windows_Server"}),
        failing=Example(),
    ),
)
