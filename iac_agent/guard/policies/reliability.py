"""Reliability: what keeps running when a zone, a machine or a person fails."""

from __future__ import annotations

from iac_agent.guard.planned import AFTER_APPLY, Resource
from iac_agent.guard.policies.types import (
    ACTION_GROUP,
    ACTIVITY_ALERT,
    ADDRESS,
    AUTOSCALE,
    BALANCER,
    EXTENSION,
    LB_RULE,
    LEARN,
    LINUX,
    MACHINES,
    METRIC_ALERT,
    NETWORK,
    PEERING,
    PROBE,
    SCALE_SET,
    STORAGE,
    WINDOWS,
)
from iac_agent.guard.policy import Example, Policy, Severity
from iac_agent.guard.predicates import A, Custom, To
from iac_agent.guard.truth import Truth, known, some

_RECEIVERS = ("email_receiver", "sms_receiver", "webhook_receiver", "azure_app_push_receiver", "arm_role_receiver", "voice_receiver")
_MORE_RECEIVERS = ("azure_function_receiver", "logic_app_receiver", "event_hub_receiver", "itsm_receiver", "automation_runbook_receiver")


def _count(value: object) -> int:
    return len(value) if isinstance(value, list) else 0


def _both_ways(resource: Resource) -> Truth:
    """Each profile with rules has one that goes up and one that goes down."""
    profiles = resource.blocks("profile")
    if not isinstance(profiles, list):
        return Truth.UNKNOWN
    for profile in profiles:
        directions = {v for _, v in profile.at(("rule", "scale_action", "direction")) if v is not None}
        if AFTER_APPLY in directions:
            return Truth.UNKNOWN
        if directions and directions != {"Increase", "Decrease"}:
            return Truth.NO
    return Truth.YES


def _answered(resource: Resource) -> Truth:
    """There is a peering back, where the other network is in this plan."""
    mine = resource.world.named(NETWORK, resource.one("virtual_network_name"), resource.one("resource_group_name"))
    others = resource.related("remote_virtual_network_id")
    if not others.resources or mine is None:
        return Truth.YES
    back = [
        p
        for p in resource.world.of_type(PEERING)
        for o in others.resources
        if p.one("virtual_network_name") == o.one("name") and mine in p.related("remote_virtual_network_id").resources
    ]
    return known(bool(back))


_BALANCE = f"{LEARN}load-balancer/load-balancer-custom-probe-overview"
POLICIES = (
    Policy(
        "REL-001",
        "Machines name a zone, an availability set or a scale set",
        MACHINES,
        A("zone").is_set() | A("availability_set_id").is_set() | A("virtual_machine_scale_set_id").is_set(),
        "Machines that Azure may put into one rack fail together.",
        "Set zone; on a machine that exists it forces a replacement.",
        f"{LEARN}reliability/reliability-virtual-machines",
        severity=Severity.LOW,
        passing=Example({"zone": "1"}),
        failing=Example(),
    ),
    Policy(
        "REL-002",
        "Scale sets span zones",
        (SCALE_SET,),
        A("zones").passes(lambda v: _count(v) >= 2, "has at least two"),
        "A zone that fails takes the whole set.",
        'Set zones = ["1", "2", "3"].',
        f"{LEARN}virtual-machine-scale-sets/virtual-machine-scale-sets-use-availability-zones",
        severity=Severity.LOW,
        passing=Example({"zones": ["1", "2"]}),
        failing=Example({"zones": ["1"]}),
    ),
    Policy(
        "REL-003",
        "Scale sets hold at least two instances",
        (SCALE_SET,),
        A("instances", 0).at_least(2),
        "An upgrade or a repair of the only one is an outage.",
        "Set instances to two or more, or the minimum of its autoscale setting.",
        f"{LEARN}virtual-machine-scale-sets/overview",
        severity=Severity.LOW,
        passing=Example({"instances": 2}),
        failing=Example({"instances": 1}),
    ),
    Policy(
        "REL-004",
        "Scale sets know whether their instances are healthy",
        (SCALE_SET,),
        A("health_probe_id").is_set() | A("extension.type", "").matches(r"^ApplicationHealth"),
        "Dead instances are kept, and upgrades go on over them.",
        "Set health_probe_id, or add the ApplicationHealth extension.",
        f"{LEARN}virtual-machine-scale-sets/virtual-machine-scale-sets-automatic-instance-repairs",
        severity=Severity.LOW,
        passing=Example({"health_probe_id": "/p"}),
        failing=Example(),
    ),
    Policy(
        "REL-005",
        "Load balancers are Standard",
        (BALANCER,),
        ~A("sku", "Standard").is_("Basic"),
        "Basic balancers were retired on 30 September 2025: no zones, no agreement on availability.",
        'Remove sku = "Basic"; it forces a replacement.',
        f"{LEARN}load-balancer/load-balancer-basic-upgrade-guidance",
        severity=Severity.HIGH,
        passing=Example(),
        failing=Example({"sku": "Basic"}),
    ),
    Policy(
        "REL-006",
        "Public addresses are in no single zone",
        (ADDRESS,),
        A("zones").passes(lambda v: _count(v) != 1, "is none or several"),
        "The address fails with its zone, whatever is behind it.",
        'Set zones = ["1", "2", "3"].',
        f"{LEARN}reliability/reliability-load-balancer",
        severity=Severity.LOW,
        passing=Example({"zones": ["1", "2", "3"]}),
        failing=Example({"zones": ["1"]}),
    ),
    Policy(
        "REL-007",
        "Frontends of load balancers are in no single zone",
        (BALANCER,),
        A("frontend_ip_configuration.zones").passes(lambda v: _count(v) != 1, "is none or several"),
        "The frontend fails with its zone, whatever is behind it.",
        'Set zones = ["1", "2", "3"].',
        f"{LEARN}reliability/reliability-load-balancer",
        severity=Severity.LOW,
        passing=Example({"frontend_ip_configuration": [{"zones": None}]}),
        failing=Example({"frontend_ip_configuration": [{"zones": ["2"]}]}),
    ),
    Policy(
        "REL-008",
        "Every balancing rule has a probe",
        (LB_RULE,),
        A("probe_id").passes(lambda v: v not in (None, ""), "is set"),
        "Machines that are dead keep their share of the traffic.",
        "Add an azurerm_lb_probe and name it in probe_id.",
        _BALANCE,
        severity=Severity.HIGH,
        passing=Example({"probe_id": "/p"}),
        failing=Example(),
    ),
    Policy(
        "REL-009",
        "Probes of web ports look at a page",
        (PROBE,),
        A("port").is_in(80, 443, 8080) >> (A("protocol", "Tcp").is_in("Http", "Https") & A("request_path").is_set()),
        "A server that accepts connections may still answer nothing but errors.",
        "Use Http or Https with the path of a health page.",
        _BALANCE,
        severity=Severity.LOW,
        passing=Example({"port": 80, "protocol": "Http", "request_path": "/health"}),
        failing=Example({"port": 80, "protocol": "Tcp"}),
    ),
    Policy(
        "REL-010",
        "Balancing rules reset connections that idle",
        (LB_RULE,),
        A("protocol", "Tcp").is_("Tcp") >> (A("tcp_reset_enabled", False).is_(True) | A("enable_tcp_reset", False).is_(True)),
        "Clients wait for an answer from a connection that is gone.",
        "Set tcp_reset_enabled = true.",
        f"{LEARN}load-balancer/load-balancer-tcp-reset",
        severity=Severity.LOW,
        passing=Example({"protocol": "Tcp", "tcp_reset_enabled": True}),
        failing=Example({"protocol": "Tcp"}),
    ),
    Policy(
        "REL-011",
        "Storage survives the loss of a zone",
        (STORAGE,),
        ~A("account_replication_type").is_("LRS"),
        "With LRS every copy is in one building.",
        'Set account_replication_type = "ZRS" or "GZRS".',
        f"{LEARN}storage/common/storage-redundancy",
        severity=Severity.LOW,
        passing=Example({"account_replication_type": "ZRS"}),
        failing=Example({"account_replication_type": "LRS"}),
    ),
    Policy(
        "REL-012",
        "Linux machines are patched by the platform",
        (LINUX,),
        A("patch_mode", "ImageDefault").is_("AutomaticByPlatform"),
        "Nobody remembers the machine that was never patched.",
        'Set patch_mode = "AutomaticByPlatform".',
        f"{LEARN}virtual-machines/automatic-vm-guest-patching",
        severity=Severity.LOW,
        passing=Example({"patch_mode": "AutomaticByPlatform"}),
        failing=Example(),
    ),
    Policy(
        "REL-013",
        "Windows machines install updates by themselves",
        (WINDOWS,),
        (A("automatic_updates_enabled", True).is_(True) & A("enable_automatic_updates", True).is_(True))
        & ~A("patch_mode", "AutomaticByOS").is_("Manual"),
        "Nobody remembers the machine that was never patched.",
        "Remove automatic_updates_enabled = false.",
        f"{LEARN}virtual-machines/automatic-vm-guest-patching",
        passing=Example(),
        failing=Example({"patch_mode": "Manual"}),
    ),
    Policy(
        "REL-014",
        "Machines keep boot diagnostics",
        MACHINES,
        Custom("boot_diagnostics is there", lambda r: known(r.blocks("boot_diagnostics") not in ([],)), ("boot_diagnostics",)),
        "A machine that does not boot cannot say why.",
        "Add boot_diagnostics {}.",
        f"{LEARN}virtual-machines/boot-diagnostics",
        severity=Severity.LOW,
        passing=Example({"boot_diagnostics": [{"storage_account_uri": None}]}),
        failing=Example({"boot_diagnostics": []}),
    ),
    Policy(
        "REL-015",
        "Alerts reach someone",
        (METRIC_ALERT, ACTIVITY_ALERT),
        A("action.action_group_id").passes(lambda v: v not in (None, ""), "is set") & A("enabled", True).is_(True),
        "An alert that nobody hears is a cost.",
        "Add action { action_group_id = ... }.",
        f"{LEARN}azure-monitor/alerts/action-groups",
        passing=Example({"action": [{"action_group_id": "/a"}]}),
        failing=Example({"action": []}),
    ),
    Policy(
        "REL-016",
        "Action groups tell someone",
        (ACTION_GROUP,),
        Custom(
            "it has a receiver",
            lambda r: some(known(r.blocks(b) != []) for b in (*_RECEIVERS, *_MORE_RECEIVERS)),
            ("email_receiver",),
        )
        & A("enabled", True).is_(True),
        "Its alerts are counted, and told to nobody.",
        "Add email_receiver, webhook_receiver or another one.",
        f"{LEARN}azure-monitor/alerts/action-groups",
        passing=Example({"email_receiver": [{"name": "ops"}]}),
        failing=Example({"email_receiver": []}),
    ),
    Policy(
        "REL-017",
        "Autoscale can move both ways",
        (AUTOSCALE,),
        Custom("profiles with rules have one for each direction", _both_ways, ("profile.rule.scale_action.direction",)),
        "It grows and stays grown, or shrinks and stays small.",
        "Add the rule for the other direction.",
        f"{LEARN}azure-monitor/autoscale/autoscale-best-practices",
        passing=Example(
            {"profile": [{"rule": [{"scale_action": [{"direction": "Increase"}]}, {"scale_action": [{"direction": "Decrease"}]}]}]}
        ),
        failing=Example({"profile": [{"rule": [{"scale_action": [{"direction": "Increase"}]}]}]}),
    ),
    Policy(
        "REL-018",
        "Peerings are mutual",
        (PEERING,),
        Custom("the other network peers back", _answered, ("remote_virtual_network_id",)),
        "A peering of one side carries nothing.",
        "Add the peering of the other side.",
        f"{LEARN}virtual-network/virtual-network-peering-overview",
        passing=Example(
            {"virtual_network_name": "a", "resource_group_name": "g", "remote_virtual_network_id": "/b"},
            {
                f"{NETWORK}.a": {"id": "/a", "name": "a", "resource_group_name": "g"},
                f"{NETWORK}.b": {"id": "/b", "name": "b", "resource_group_name": "g"},
                f"{PEERING}.back": {"virtual_network_name": "b", "resource_group_name": "g", "remote_virtual_network_id": "/a"},
            },
        ),
        failing=Example(
            {"virtual_network_name": "a", "resource_group_name": "g", "remote_virtual_network_id": "/b"},
            {
                f"{NETWORK}.a": {"id": "/a", "name": "a", "resource_group_name": "g"},
                f"{NETWORK}.b": {"id": "/b", "name": "b", "resource_group_name": "g"},
            },
        ),
    ),
    Policy(
        "REL-019",
        "Virtual networks name two DNS servers, or none",
        (NETWORK,),
        A("dns_servers").passes(lambda v: _count(v) != 1, "is none or several"),
        "With one, its restart is an outage of everything that looks up a name.",
        "Add a second server.",
        f"{LEARN}virtual-network/virtual-networks-name-resolution-for-vms-and-role-instances",
        severity=Severity.LOW,
        passing=Example({"dns_servers": ["10.0.0.4", "10.0.0.5"]}),
        failing=Example({"dns_servers": ["10.0.0.4"]}),
    ),
    Policy(
        "REL-020",
        "Extensions take minor versions by themselves",
        (EXTENSION,),
        A("auto_upgrade_minor_version", False).is_(True) | A("automatic_upgrade_enabled", False).is_(True),
        "Agents that are never upgraded stop to work with the platform.",
        "Set auto_upgrade_minor_version = true.",
        f"{LEARN}virtual-machines/automatic-extension-upgrade",
        severity=Severity.LOW,
        passing=Example({"auto_upgrade_minor_version": True}),
        failing=Example({"auto_upgrade_minor_version": False}),
    ),
    Policy(
        "REL-021",
        "Alerts go to an action group that is on",
        (METRIC_ALERT, ACTIVITY_ALERT),
        To("action.action_group_id", A("enabled", True).is_(True)),
        "The alert fires, and the group keeps it to itself.",
        "Set enabled = true on the group.",
        f"{LEARN}azure-monitor/alerts/action-groups",
        passing=Example({"action": [{"action_group_id": "/a"}]}, {f"{ACTION_GROUP}.a": {"id": "/a", "enabled": True}}),
        failing=Example({"action": [{"action_group_id": "/a"}]}, {f"{ACTION_GROUP}.a": {"id": "/a", "enabled": False}}),
    ),
)
