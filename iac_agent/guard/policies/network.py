"""Network exposure: what the Internet can reach. Numbers of other tools: CKV_AZURE_9, 10, 77, 118, 119, 160; CIS Azure 3.0, section 7."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Any

from iac_agent.azure.exposure import ADMIN_PORTS, admin_ports, is_wide, port_ranges
from iac_agent.guard.planned import AFTER_APPLY, AfterApply, Resource
from iac_agent.guard.policies.types import (
    BALANCER,
    LB_RULE,
    LEARN,
    NAT_RULE,
    NIC,
    NIC_NSG,
    NSG,
    PEERING,
    ROUTE,
    RULE,
    SCALE_SET,
    STORAGE,
    SUBNET,
    SUBNET_NSG,
    VAULT,
)
from iac_agent.guard.policy import Example, Policy, Ruling, Severity
from iac_agent.guard.predicates import A, Blame, Blocks, Custom, Predicate, To, UsedBy
from iac_agent.guard.truth import Truth, every, known, some

_MANY_SIX = 2**120  # more than a network of 8 bits
_MANY = 2**24  # public addresses: more than a network of 8 bits
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*$")
_EVERY_CUSTOMER = re.compile(r"AzureCloud(?:\.\w+)?$", re.IGNORECASE)  # machines of whoever pays for one
_GROUPS = f"{LEARN}virtual-network/network-security-groups-overview"
_NO_GROUP = r"^(?:Gateway|AzureFirewall|AzureFirewallManagement|RouteServer)Subnet$"
EITHER_FORM = (RULE, NSG)


_DESTINATION = ("destination_address_prefix", "destination_address_prefixes")


def _held(resource: Resource, *paths: str) -> list[Any]:
    """Everything that stands at these paths, lists taken apart; what is absent is left out."""
    values = [v for p in paths for _, v in resource.at((p,))]
    flat = [e for v in values for e in (v if isinstance(v, list) else [v])]
    return [v for v in flat if v not in (None, "")]


def _wide(resource: Resource) -> Truth:
    """Whether a rule is for sources that are a good part of the Internet, one by one or all together."""
    sources = _held(resource, "source_address_prefix", "source_address_prefixes")
    alone = some(Truth.UNKNOWN if s is AFTER_APPLY else _is_wide(str(s).strip()) for s in sources)
    return alone | known(len(sources) > 1 and _together(sources))


@functools.lru_cache(maxsize=4096)
def _is_wide(text: str) -> Truth:
    """One source. What is neither a network nor a service tag may mean anything."""
    if is_wide(text) or _EVERY_CUSTOMER.match(text):
        return Truth.YES
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return Truth.NO if _TAG.match(text) else Truth.UNKNOWN
    return Truth.NO


def _together(sources: list[Any]) -> bool:
    """Whether public networks add up to more than one of 8 bits; of IPv6, where every site has 48, to more than one of 8 bits of those."""
    four: list[ipaddress.IPv4Network] = []
    six: list[ipaddress.IPv6Network] = []
    for source in sources:
        with contextlib.suppress(ValueError):
            net = ipaddress.ip_network(str(source).strip(), strict=False)
            if isinstance(net, ipaddress.IPv6Network):
                six.append(net)
            elif not net.is_private:
                four.append(net)
    many = sum(n.num_addresses for n in ipaddress.collapse_addresses(four)) > _MANY
    return many or sum(n.num_addresses for n in ipaddress.collapse_addresses(six)) > _MANY_SIX


def _to_ports(resource: Resource, test: Callable[[list[str]], bool]) -> Truth:
    """Whether a rule is for ports that a test names; a port that is not known, or no port, may be one of them."""
    ports = _held(resource, "destination_port_range", "destination_port_ranges")
    clear = [str(p) for p in ports if p is not AFTER_APPLY and port_ranges([str(p)])]
    told = known(test(clear))
    return told if len(clear) == len(ports) else told | Truth.UNKNOWN


def _lets_in(test: Callable[[list[str]], bool], says: str, protocol: str = "") -> Predicate:
    """No rule, standing alone or in its group, lets the Internet in to ports that a test names."""
    into = A("access").is_("Allow") & A("direction").is_("Inbound")
    if protocol:
        into = into & A("protocol").is_in(protocol, "*")

    def exposed(rule: Resource) -> Truth:
        return into.of(rule) & _wide(rule) & _to_ports(rule, test)

    looked_at = ("source_address_prefix", "destination_port_range", "source_address_prefixes", "destination_port_ranges", *_DESTINATION)
    one = _Exposure(says, lambda rule: ~exposed(rule), looked_at)
    return RuleOrGroup(one)


class _Exposure(Custom):
    """Blames what is written, not what is absent."""

    def read(self, resource: Resource) -> Iterator[Blame]:
        yield from ((at, value) for at, value in super().read(resource) if value not in (None, "", []))


class _OwnRules(Blocks):
    """The rules that a group holds and that are no resources of their own: Azure's answer, and so the state, has both."""

    def blocks(self, resource: Resource) -> list[Resource] | AfterApply:
        held = super().blocks(resource)
        if not isinstance(held, list):
            return held
        apart = resource.world.grouped((RULE,), _of_group)
        own = apart.get((resource.name.lower(), str(resource.values.get("resource_group_name")).lower()), ())
        return [b for b in held if not any(_is_same(b, r) for r in own)]


def _is_same(block: Resource, rule: Resource) -> bool:
    """Whether a rule in a group is a resource of its own: the same in all that both say."""
    keys = block.values.keys() & rule.values.keys()
    return all((block.values[k] or None) == (rule.values[k] or None) for k in keys)


def _of_group(rule: Resource) -> list[tuple[str, str]]:
    group, name = rule.one("resource_group_name"), rule.one("network_security_group_name")
    return [] if AFTER_APPLY in (group, name) else [(str(name).lower(), str(group).lower())]


class RuleOrGroup(Predicate):
    """A test of a security rule, on a rule of its own as on those written inside a group."""

    def __init__(self, inner: Predicate) -> None:
        self.inner, self.inside = inner, _OwnRules("security_rule", inner)

    def _form(self, resource: Resource) -> Predicate:
        return self.inside if resource.type == NSG else self.inner

    def of(self, resource: Resource) -> Truth:
        return self._form(resource).of(resource)

    def blame(self, resource: Resource) -> Iterator[Blame]:
        return self._form(resource).blame(resource)

    def read(self, resource: Resource) -> Iterator[Blame]:
        return self._form(resource).read(resource)

    def __str__(self) -> str:
        return str(self.inner)


def _covers(*ports: int) -> Callable[[list[str]], bool]:
    return lambda given: any(first <= p <= last for first, last in port_ranges(given) for p in ports)


def _all_ports(given: list[str]) -> bool:
    return any(first <= 1 and last >= 65535 for first, last in port_ranges(given))


def _rule(port: str, source: str = "Internet", **more: Any) -> Example:
    return Example(
        {
            "access": "Allow",
            "direction": "Inbound",
            "protocol": "Tcp",
            "destination_port_range": port,
            "source_address_prefix": source,
            **more,
        }
    )


def _frontend_is_public(resource: Resource) -> Truth:
    """Whether the frontend that a rule names has a public address."""
    found = []
    related = resource.related("loadbalancer_id")
    for balancer in related.resources:
        blocks = balancer.blocks("frontend_ip_configuration")
        if not isinstance(blocks, list):
            return Truth.UNKNOWN
        name = resource.one("frontend_ip_configuration_name")
        named = [b for b in blocks if b.values.get("name") == name]
        found += [known(bool(_held(b, "public_ip_address_id", "public_ip_prefix_id"))) for b in named]
    return some(found) if related.certain and found else Truth.UNKNOWN


_GUARDED = UsedBy(((NIC_NSG, "network_interface_id"),)) | To("ip_configuration.subnet_id", UsedBy(((SUBNET_NSG, "subnet_id"),)))
_PUBLIC = ("ip_configuration", "public_ip_address_id")
_SOME_ADDRESS = Custom("it has a public address", lambda r: some(known(v is not None) for _, v in r.at(_PUBLIC)), ("ip_configuration",))
_MANAGEMENT = (22, 3389, 5985, 5986)
_CLOSED: dict[str, Any] = {"severity": Severity.CRITICAL, "fails": Ruling.REFUSE, "unclear": Ruling.UNKNOWN}

# The ports of which each rule against openings is.
EXPOSURES: dict[str, tuple[tuple[int, int], ...]] = {
    "NET-001": ((22, 22),),
    "NET-002": ((3389, 3389),),
    "NET-003": tuple((p, p) for p in sorted(ADMIN_PORTS - {22, 3389})),
    "NET-004": ((0, 65535),),
}
POLICIES = (
    Policy(
        "NET-001",
        "SSH is not open to the Internet",
        EITHER_FORM,
        _lets_in(_covers(22), "no inbound rule lets the Internet reach port 22", "Tcp"),
        "Shells that the Internet can reach are tried with passwords and exploits all day.",
        "Name the network that needs it in source_address_prefix, or go through Bastion.",
        f"{LEARN}security/fundamentals/network-best-practices",
        passing=_rule("22", "203.0.113.0/24"),
        failing=_rule("22"),
        **_CLOSED,
    ),
    Policy(
        "NET-002",
        "RDP is not open to the Internet",
        EITHER_FORM,
        _lets_in(_covers(3389), "no inbound rule lets the Internet reach port 3389"),
        "Desktops that the Internet can reach are the first way in for ransomware.",
        "Name the network that needs it in source_address_prefix, or go through Bastion.",
        f"{LEARN}bastion/bastion-overview",
        passing=_rule("3389", "10.0.0.0/8"),
        failing=_rule("3000-4000", "*", protocol="*"),
        **_CLOSED,
    ),
    Policy(
        "NET-003",
        "Ports of administration and data are not open to the Internet",
        EITHER_FORM,
        _lets_in(
            lambda given: bool(admin_ports(given) - {22, 3389}), "no inbound rule lets the Internet reach a port of administration or data"
        ),
        "Databases, file shares and remote management are not made to face strangers.",
        "Put the service behind a private address, or name the networks that need it.",
        _GROUPS,
        passing=_rule("5432", "VirtualNetwork"),
        failing=_rule("5432", "0.0.0.0/0"),
        **_CLOSED,
    ),
    Policy(
        "NET-004",
        "No rule lets the Internet reach every port",
        EITHER_FORM,
        _lets_in(_all_ports, "no inbound rule lets the Internet reach every port"),
        "Such a rule is no rule: everything that listens is exposed, also what is started tomorrow.",
        "Name the ports and the sources.",
        _GROUPS,
        passing=_rule("443"),
        failing=_rule("*", "*"),
        **_CLOSED,
    ),
    Policy(
        "NET-005",
        "UDP is not open to the Internet",
        EITHER_FORM,
        _lets_in(
            lambda given: any(r not in ((443, 443), (500, 500), (4500, 4500)) for r in port_ranges(given)),
            "no inbound rule lets the Internet send UDP, but for 443, 500 and 4500",
            "Udp",
        ),
        "Open UDP services are used to reflect attacks on others.",
        "Name the networks that need it.",
        f"{LEARN}security/fundamentals/network-best-practices",
        severity=Severity.HIGH,
        passing=_rule("443", protocol="Udp"),
        failing=_rule("53", protocol="Udp"),
    ),
    Policy(
        "NET-006",
        "Plain HTTP is not open to the Internet",
        EITHER_FORM,
        _lets_in(_covers(80), "no inbound rule lets the Internet reach port 80", "Tcp"),
        "What goes over port 80 can be read and changed on the way.",
        "Serve 443, and let the front end redirect.",
        _GROUPS,
        severity=Severity.LOW,
        passing=_rule("443"),
        failing=_rule("80"),
    ),
    Policy(
        "NET-007",
        "Every subnet has a network security group",
        (SUBNET,),
        A("name").matches(_NO_GROUP) | UsedBy(((SUBNET_NSG, "subnet_id"),)),
        "Without a group everything in the virtual network, its peers and behind its gateways reaches every port.",
        "Add an azurerm_subnet_network_security_group_association.",
        f"{LEARN}virtual-network/network-security-group-how-it-works",
        passing=Example({"name": "s", "id": "/s"}, {f"{SUBNET_NSG}.a": {"subnet_id": "/s"}}),
        failing=Example({"name": "s", "id": "/s"}),
    ),
    Policy(
        "NET-008",
        "Network interfaces carry no public address",
        (NIC,),
        ~_SOME_ADDRESS,
        "A machine with an address of its own is found by every scan of the Internet.",
        "Reach it through Bastion, a load balancer or a VPN.",
        f"{LEARN}bastion/bastion-overview",
        passing=Example({"ip_configuration": [{"name": "a", "public_ip_address_id": None}]}),
        failing=Example({"ip_configuration": [{"name": "a", "public_ip_address_id": "/ip"}]}),
    ),
    Policy(
        "NET-009",
        "Instances of scale sets carry no public address",
        (SCALE_SET,),
        A("network_interface.ip_configuration.public_ip_address").passes(lambda v: not v, "is absent"),
        "Every instance would be found by every scan of the Internet.",
        "Put a load balancer in front.",
        f"{LEARN}virtual-machine-scale-sets/virtual-machine-scale-sets-networking",
        severity=Severity.HIGH,
        passing=Example({"network_interface": [{"ip_configuration": [{"public_ip_address": []}]}]}),
        failing=Example({"network_interface": [{"ip_configuration": [{"public_ip_address": [{"name": "p"}]}]}]}),
    ),
    Policy(
        "NET-010",
        "An interface with a public address is behind a security group",
        (NIC,),
        _SOME_ADDRESS >> _GUARDED,
        "A Basic address without a group is open on every port, a Standard one is closed on every port.",
        "Associate a group with the interface or with its subnet.",
        f"{LEARN}virtual-network/ip-services/public-ip-addresses",
        severity=Severity.HIGH,
        passing=Example(
            {"id": "/n", "ip_configuration": [{"public_ip_address_id": "/ip"}]}, {f"{NIC_NSG}.a": {"network_interface_id": "/n"}}
        ),
        failing=Example(
            {"id": "/n", "ip_configuration": [{"public_ip_address_id": "/ip", "subnet_id": "/s"}]}, {f"{SUBNET}.s": {"id": "/s"}}
        ),
    ),
    Policy(
        "NET-011",
        "Interfaces do not forward packets",
        (NIC,),
        A("ip_forwarding_enabled", False).is_(False),
        "A machine that forwards can carry traffic around the security groups.",
        "Remove ip_forwarding_enabled, unless this is a firewall.",
        f"{LEARN}virtual-network/virtual-network-network-interface",
        passing=Example(),
        failing=Example({"ip_forwarding_enabled": True}),
    ),
    Policy(
        "NET-012",
        "Storage accounts deny networks by default",
        (STORAGE,),
        A("public_network_access_enabled", True).is_(False) | A("network_rules.default_action", "Allow").is_("Deny"),
        "Anyone with a key or a token reaches the account from anywhere.",
        'Add network_rules { default_action = "Deny" } with the networks that need it.',
        f"{LEARN}storage/common/storage-network-security",
        severity=Severity.HIGH,
        passing=Example({"network_rules": [{"default_action": "Deny"}]}),
        failing=Example({"network_rules": []}),
    ),
    Policy(
        "NET-013",
        "Key vaults deny networks by default",
        (VAULT,),
        A("public_network_access_enabled", True).is_(False) | A("network_acls.default_action", "Allow").is_("Deny"),
        "Anyone with a token reaches the vault from anywhere.",
        'Add network_acls { bypass = "AzureServices", default_action = "Deny" }.',
        f"{LEARN}key-vault/general/network-security",
        severity=Severity.HIGH,
        passing=Example({"public_network_access_enabled": False}),
        failing=Example({"network_acls": [{"default_action": "Allow"}]}),
    ),
    Policy(
        "NET-014",
        "Networks that storage and vaults let in are narrow",
        (STORAGE, VAULT),
        Custom(
            "every ip rule is narrower than /16",
            lambda r: every(
                Truth.UNKNOWN if v is AFTER_APPLY else known("/" not in str(v) or int(str(v).rsplit("/", 1)[1]) >= 16)
                for _, held in [*r.at(("network_rules", "ip_rules")), *r.at(("network_acls", "ip_rules"))]
                for v in (held if isinstance(held, list) else [held])
                if v is not None
            ),
            ("network_rules.ip_rules", "network_acls.ip_rules"),
        ),
        "A list that lets a provider's whole network in lets its other customers in.",
        "List single addresses or small ranges.",
        f"{LEARN}storage/common/storage-network-security-ip-address-range",
        severity=Severity.HIGH,
        passing=Example({"network_rules": [{"ip_rules": ["203.0.113.7"]}]}),
        failing=Example({"network_rules": [{"ip_rules": ["20.0.0.0/8"]}]}),
    ),
    Policy(
        "NET-015",
        "Public load balancers forward no port of administration",
        (LB_RULE, NAT_RULE),
        Custom("it forwards to a port of administration", lambda r: known(r.values.get("backend_port") in _MANAGEMENT), ("backend_port",))
        >> Custom("its frontend is private", lambda r: ~_frontend_is_public(r), ("backend_port",)),
        "The way in is then a rule of a security group away from open.",
        "Go through Bastion.",
        f"{LEARN}load-balancer/inbound-nat-rules",
        severity=Severity.HIGH,
        passing=Example({"backend_port": 8080}),
        failing=Example(
            {"backend_port": 22, "frontend_ip_configuration_name": "f", "loadbalancer_id": "/lb"},
            {f"{BALANCER}.b": {"id": "/lb", "frontend_ip_configuration": [{"name": "f", "public_ip_address_id": "/ip"}]}},
        ),
    ),
    Policy(
        "NET-016",
        "Peers do not forward the traffic of others",
        (PEERING,),
        A("allow_forwarded_traffic", False).is_(False),
        "Networks that are no peers get in through one that is.",
        "Leave it off, unless this is a hub with a firewall.",
        f"{LEARN}virtual-network/virtual-network-peering-overview",
        severity=Severity.LOW,
        passing=Example(),
        failing=Example({"allow_forwarded_traffic": True}),
    ),
    Policy(
        "NET-017",
        "No route of our own sends everything to the Internet",
        (ROUTE,),
        A("address_prefix").is_("0.0.0.0/0") >> ~A("next_hop_type").is_("Internet"),
        "It goes around the firewall that other routes lead to.",
        "Route it to the firewall, or drop the route: Azure has it by default.",
        f"{LEARN}virtual-network/virtual-networks-udr-overview",
        passing=Example({"address_prefix": "0.0.0.0/0", "next_hop_type": "VirtualAppliance"}),
        failing=Example({"address_prefix": "0.0.0.0/0", "next_hop_type": "Internet"}),
    ),
    Policy(
        "NET-018",
        "Rules that let traffic in say why",
        (RULE,),
        (A("access").is_("Allow") & A("direction").is_("Inbound")) >> A("description").is_set(),
        "In a year nobody dares to remove a rule without a reason.",
        "Write who needs it into description.",
        "https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/network_security_rule",
        severity=Severity.LOW,
        passing=_rule("443", description="shop"),
        failing=_rule("443"),
    ),
)
