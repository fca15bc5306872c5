"""Metrics by what people call them: the words for each, the aggregation that makes sense, and how a value is shown.

Names are the REST names of https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/metrics-index.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

VM, BALANCER = "Microsoft.Compute/virtualMachines", "Microsoft.Network/loadBalancers"


@dataclass(frozen=True)
class Known:
    """A metric that people ask for by other words than its name. `sense` is how its values are put together by default."""

    name: str
    words: str
    sense: str = "Average"
    kind: str = VM


_FREE, _PERCENT, _MEMORY = r"(?:available|free)\s+", r"(?:%|percent\w*)", r"(?:memory|ram)\b"
_NETWORK, _IN, _OUT = r"(?:network|traffic|bytes?)\s*", r"(?:inbound|incoming|received|ingress)", r"(?:outbound|outgoing|sent|egress)"
_DATA, _OF_DISKS = r"\s+(?:network\s+)?(?:traffic|bytes?|data|network)", r"(?:\s+(?:bytes|throughput|traffic))?(?=.*\bdisks?\b)"
KNOWN = (
    Known("Available Memory Percentage", rf"{_FREE}{_MEMORY}\s*{_PERCENT}|{_PERCENT}\s+(?:of\s+)?{_FREE}{_MEMORY}"),
    Known("Available Memory Bytes", rf"(?:{_FREE})?{_MEMORY}"),
    Known("VmAvailabilityMetric", r"availability|up-?time|downtime"),
    Known("Network In Total", rf"{_NETWORK}(?:coming\s+)?(?:in\b|{_IN})|{_IN}{_DATA}|download\w*", "Total"),
    Known("Network Out Total", rf"{_NETWORK}(?:going\s+)?(?:out\b|{_OUT})|{_OUT}{_DATA}|upload\w*", "Total"),
    Known("Data Disk Read Bytes/sec", r"data disk reads?(?: bytes)?"),
    Known("Data Disk Write Bytes/sec", r"data disk writes?(?: bytes)?"),
    Known("Data Disk Queue Depth", r"data disk queue(?: depth| length)?"),
    Known("Disk Read Operations/Sec", r"(?:disk\s+)?read\s+(?:iops|operations|ops)"),
    Known("Disk Write Operations/Sec", r"(?:disk\s+)?write\s+(?:iops|operations|ops)"),
    Known("Disk Read Bytes", rf"(?:disk\s+)?(?:reads?\b|bytes read|read bytes){_OF_DISKS}|disk reads?(?:\s+bytes)?", "Total"),
    Known(
        "Disk Write Bytes",
        rf"(?:disk\s+)?(?:writes?\b|bytes written|write bytes){_OF_DISKS}|disk writes?(?:\s+bytes)?|written to (?:its |the )?disks?",
        "Total",
    ),
    Known("OS Disk IOPS Consumed Percentage", r"iops (?:consumed|used|limit)|(?:os disk )?iops"),
    Known("OS Disk Queue Depth", r"(?:os |disk )*queue(?: depth| length)?"),
    Known(
        "Percentage CPU",
        r"cpu\w*|processors?(?: time)?|(?<!gpu )utili[sz]ation|busy|busiest|(?<!-)\bload\b(?![ -]?bal)|compute usage|hard .* work\w*|"
        r"working hard",
    ),
    Known("DipAvailability", r"(?:health )?probes?(?: status)?|backend (?:health|availability)", kind=BALANCER),
    Known("VipAvailability", r"(?:data ?path|vip|front-?end) (?:availability|health)|availability", kind=BALANCER),
    Known("SnatConnectionCount", r"snat(?: connections?)?", "Total", BALANCER),
    Known("SYNCount", r"syn(?: packets?| count)?s?", "Total", BALANCER),
    Known("PacketCount", r"packets?", "Total", BALANCER),
    Known("ByteCount", r"bytes?|traffic|throughput|transfer\w*|how much .*\b(?:sent|send|pass\w*|move[ds]?)\b", "Total", BALANCER),
)
# What people ask for and the platform does not measure: it must not be taken for something that it does.
_UNMEASURED = re.compile(
    r"\b(?:gpu(?: (?:memory|usage|utili[sz]ation|load))?|temperatures?|swap(?: usage)?|io ?wait|disk (?:space|usage)|free disk|"
    r"file descriptors|open files|processes|threads|frames? per second|fps|power (?:consumption|draw)|fan speed)\b",
    re.IGNORECASE,
)
_AGGREGATIONS = {
    "Maximum": (
        r"\b(?:exceed\w*|(?:go|goes|went|gone|ever|get|got) (?:above|over|past)|reach(?:es|ed)?|hit|max(?:imum)?|peaks?|peaked|highest|"
        r"worst|"
        r"top(?:ped)?|at most|most it|spik\w+|greatest|higher)\b"
    ),
    "Minimum": r"\b(?:min(?:imum)?|lowest|least|at least|smallest|bottom|low point)\b",
    "Total": r"\b(?:total|sum|altogether|in all|overall amount|how (?:much|many) .* (?:sent|received|read|written|transferred))\b",
    "Average": r"\b(?:average|avg|mean|averaged|typical|typically|on average)\b",
    "Count": r"\b(?:number of samples|sample count|how many samples)\b",
}
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")


def sense_of(name: str) -> str:
    """How values of a metric are put together when nobody says."""
    return next((k.sense for k in KNOWN if k.name.lower() == name.lower()), "Average")


def resolved(given: str) -> tuple[str, str]:
    """The metric that an option names, in words or by Azure's name, and the type of resource that has it."""
    known = {k.name: k.kind for k in KNOWN}
    by_name = next((n for n in known if n.lower() == given.lower()), "")
    if by_name or (re.search(r"[A-Z]", given) and not given.isupper()):
        return (by_name or given), known.get(by_name, VM)
    found = next((n for n in (named(given, VM), named(given, BALANCER)) if n in known), "")
    return (found, known[found]) if found else (given, VM)


def named(text: str, kind: str = VM) -> str:
    """The metric a text asks for, by name or by other words, as it stands where Azure has none; empty when it asks for none."""
    unmeasured = _UNMEASURED.search(text)
    if unmeasured:
        return unmeasured[0]
    for known in sorted(KNOWN, key=lambda k: -len(k.name)):
        if known.kind == kind and known.name.lower() in text.lower():
            return known.name
    for known in KNOWN:
        if known.kind == kind and re.search(rf"\b(?:{known.words})", text, re.IGNORECASE):
            return known.name
    return ""


def aggregation(text: str) -> str:
    """The aggregation a text asks for; empty when it does not say."""
    return next((name for name, pattern in _AGGREGATIONS.items() if re.search(pattern, text, re.IGNORECASE)), "")


def without(text: str) -> str:
    """The text without the words for metrics and aggregations, so that names can be looked for in what is left."""
    for pattern in (*(rf"\b(?:{k.words}|{re.escape(k.name)})\b" for k in KNOWN), *_AGGREGATIONS.values()):
        text = re.sub(pattern, " ", text, flags=re.IGNORECASE)
    return text


def nearest(name: str, defined: list[str]) -> list[str]:
    """The metrics that come closest to a name that does not exist."""
    by_lower = {d.lower(): d for d in defined}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=3, cutoff=0.3)
    return [by_lower[c] for c in close] or defined[:5]


def shown(value: float | None, unit: str) -> str:
    """A value with its unit, for people: bytes in binary steps, the rest with the digits that matter."""
    if value is None:
        return "no data"
    if unit in ("Bytes", "BytesPerSecond"):
        step = 0
        while abs(value) >= 1024 and step < len(_BINARY) - 1:
            value, step = value / 1024, step + 1
        return f"{_plain(value)} {_BINARY[step]}{'/s' if unit.endswith('Second') else ''}"
    suffix = {"Percent": " %", "CountPerSecond": "/s", "Seconds": " s", "MilliSeconds": " ms"}.get(unit, "")
    return f"{_plain(value)}{suffix}"


def _plain(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:,.1f}".rstrip("0").rstrip(".")
