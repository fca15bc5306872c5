"""Whether a port is open: the rules of security groups as they are in Azure now, in the order Azure takes them.

The first rule by priority that fits decides; what no rule fits is let in from inside the network (AllowVnetInBound, 65000) and denied
from elsewhere (DenyAllInBound, 65500).
Sources: https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview#security-rules and
Microsoft.Network/networkSecurityGroups 2024-05-01.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from iac_agent.azure.clients import AzureClients
from iac_agent.azure.exposure import ANYWHERE, port_ranges
from iac_agent.azure.lenses.table import Body
from iac_agent.errors import NoTelemetry
from iac_agent.monitor.answer import Answer, Table
from iac_agent.monitor.targets import Targets
from iac_agent.planner import lexicon
from iac_agent.planner.inventory import NSG
from iac_agent.planner.wish import CIDR

_API = "2024-05-01"
_WHOLE = {"*", "virtualnetwork"}
_INSIDE = "for what is in the virtual network, its peers or behind its gateway"
_ASKED = re.compile(
    r"^\W*(?:so |and |tell me )?(?:is|are|does|do|can|could|which rules?|what rules?|whether|if)\b.*"
    r"\b(?:open|opened|let|lets|allow\w*|reach\w*|expos\w*|block\w*|clos\w*|accept\w*|permit\w*|den(?:y|ies|ied)|ssh|rdp)\b",
    re.IGNORECASE | re.DOTALL,
)
_PORT = re.compile(r"\b(?:ports?|tcp|udp)\s*[:/]?\s*(\d{1,5})\b|\b(\d{1,5})/(?:tcp|udp)\b", re.IGNORECASE)
_SERVICE = re.compile(rf"\b({'|'.join(map(re.escape, lexicon.SERVICES))})\b", re.IGNORECASE)

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Wanted:
    """What is asked of: a port, a protocol, and a source; `source` is None for the Internet."""

    port: int
    protocol: str
    source: _Network | None

    def shown(self) -> str:
        return f"{self.protocol} {self.port} from {self.source or 'the Internet'}"


def wanted(question: str) -> Wanted | None:
    """None for a question that is not about whether a port is open."""
    if _ASKED.search(question) is None:
        return None
    said, service, source = _PORT.search(question), _SERVICE.search(question), CIDR.search(question)
    number = (said[1] or said[2]) if said else lexicon.SERVICES[service[1].lower()] if service else ""
    if not number.isdigit() or not 0 < int(number) < 65536:
        return None
    datagrams = service is not None and said is None and service[1].lower() in lexicon.UDP_SERVICES
    protocol = "UDP" if datagrams or re.search(r"\budp\b", question, re.IGNORECASE) else "TCP"
    return Wanted(int(number), protocol, ipaddress.ip_network(source[0], strict=False) if source else None)


class Openings:
    """Reads security groups that Terraform manages, live."""

    def __init__(self, clients: AzureClients, targets: Targets) -> None:
        self._clients = clients
        self._targets = targets

    def answered(self, question: str, asked: Wanted) -> Answer:
        """Yes or no for each group that is meant, and the rule that decides. Raises AzureError, NoTelemetry."""
        groups = {r.azure_name: str(r.state.values.get("id", "")) for r in self._targets.inventory.of_types(NSG) if r.state}
        named = {n for n in groups if re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", question, re.IGNORECASE)}
        if not groups:
            raise NoTelemetry("there is no network security group in the state")
        answer, rows = Answer("openings"), []
        for name in sorted(named or groups):
            held = self._clients.get(groups[name], _API)
            if held is None:
                answer.sentences.append(f"{name} is not in Azure.")
                continue
            rules = sorted(_inbound(held), key=lambda r: int(r["properties"]["priority"]))
            answer.sentences.append(_verdict(name, rules, asked))
            rows += [(name, *_cells(r)) for r in rules if _fits(r["properties"], asked)]
        answer.table = Table(("group", "rule", "priority", "access", "source", "destination"), rows) if rows else None
        answer.sources = [f"Microsoft.Network/networkSecurityGroups {_API}, read now"]
        return answer


def _inbound(group: Body) -> Iterator[Body]:
    yield from (r for r in group["properties"].get("securityRules", ()) if r["properties"]["direction"] == "Inbound")


def _verdict(group: str, rules: list[Body], asked: Wanted) -> str:
    partly: list[str] = []
    for rule in rules:
        held = rule["properties"]
        if not _fits(held, asked):
            continue
        told = f"{rule['name']} (priority {held['priority']}, {held['access']} from {', '.join(_sources(held))})"
        everyone, whole = any(_covers(s, asked.source) for s in _sources(held)), _destination(held).lower() in _WHOLE
        if everyone and held["access"] == "Allow":
            return f"Yes: {told} lets {asked.shown()} into {group}{'' if whole else f', to {_destination(held)}'}."
        if everyone and whole:
            return f"No{_except(partly)}: {told} keeps {asked.shown()} out of {group}."
        if _is_inside(asked.source) and "virtualnetwork" in map(str.lower, _sources(held)):
            return f"It depends: {told} decides on {asked.shown()} into {group} {_INSIDE}."
        if held["access"] == "Allow":
            partly.append(told)
    if _is_inside(asked.source):
        return (
            f"It depends: no rule of {group} is about {asked.shown()}, so AllowVnetInBound (priority 65000) lets it in "
            f"{_INSIDE}, and DenyAllInBound (priority 65500) keeps it out from elsewhere."
        )
    return f"No{_except(partly)}: no rule of {group} lets {asked.shown()} in, so DenyAllInBound (priority 65500) decides."


def _is_inside(source: _Network | None) -> bool:
    """Whether an address may belong to the virtual network: private ones may."""
    return source is not None and not source.is_global


def _except(partly: list[str]) -> str:
    return f", but for {' and '.join(partly)}" if partly else ""


def _fits(rule: Body, asked: Wanted) -> bool:
    """Whether a rule is about that port and protocol."""
    ports = [*rule.get("destinationPortRanges", ()), *([rule["destinationPortRange"]] if rule.get("destinationPortRange") else ())]
    if rule["protocol"] not in ("*", asked.protocol) and rule["protocol"].upper() != asked.protocol:
        return False
    return any(first <= asked.port <= last for first, last in port_ranges(ports))


def _sources(rule: Body) -> list[str]:
    return _addresses(rule, "source")


def _destination(rule: Body) -> str:
    return ", ".join(_addresses(rule, "destination"))


def _addresses(rule: Body, end: str) -> list[str]:
    """What a rule is for at one end: prefixes, service tags, and application security groups by name."""
    one = rule.get(f"{end}AddressPrefix")
    groups = [g["id"].rsplit("/", 1)[-1] for g in rule.get(f"{end}ApplicationSecurityGroups") or ()]
    return [*([one] if one else ()), *(rule.get(f"{end}AddressPrefixes") or ()), *groups]


def _covers(source: str, asked: _Network | None) -> bool:
    """Whether a rule's source holds all that is asked of; a service tag other than Internet does not."""
    if source.lower() in ANYWHERE:
        return source.lower() != "internet" or not _is_inside(asked)
    try:
        held = ipaddress.ip_network(source, strict=False)
    except ValueError:
        return False
    return asked is not None and held.version == asked.version and asked.subnet_of(held)  # type: ignore[arg-type]


def _cells(rule: Body) -> tuple[str, ...]:
    held = rule["properties"]
    return (rule["name"], str(held["priority"]), held["access"], ", ".join(_sources(held)), _destination(held))
