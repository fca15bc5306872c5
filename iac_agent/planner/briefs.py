"""Requests that are told at length: with a purpose, a title, conditions in sentences of their own. What they ask for is read as a whole and
said again in the short form that the recipes understand.

A brief is of one kind (new machines, a new disk, boot diagnostics, Spot); what speaks of anything else besides is left to the ordinary
reading, which asks. Machines count only when they are named in full, so that a word of the story is never taken for one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iac_agent.planner import lexicon
from iac_agent.planner import sizes as sizes_of_azure
from iac_agent.planner.inventory import MACHINES, Resource
from iac_agent.planner.names import EXACT
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World

_COUNTS = {
    "single": 1,
    "pair": 2,
    "couple": 2,
    "trio": 3,
    "quartet": 4,
    "dozen": 12,
    **{k: v for k, v in lexicon.NUMBERS.items() if len(k) > 2},
}
_NOUN = (
    r"(?:vms?|virtual machines?|machines?|servers?|box(?:es)?|hosts?|nodes?|instances?|computers?|brokers?|workers?|backends?|runners?|"
    r"replicas?)"
)
_KEPT_OUT = re.compile(
    r"[^.;,]*\b(?:must not be|not to be|may not be|should not be|is not to be|shall not be|stays?|remains?|keeps?|leave|unlike|untouched|"
    r"as (?:it|they) (?:is|are)|no other|nothing else|the rest)\b[^.;,]*",
    re.IGNORECASE,
)
_ELSE = re.compile(
    r"\b(?:resiz\w*|tag(?:s|ged|ging)?\b|renam\w*|open(?:s|ed)? (?:up )?(?:the )?port|(?:ssh|https?) from|remov\w*|detach\w*|"
    r"scal(?:e|ing) (?:to|up|down|out)|shrink|grow\b|alert|backup|key vault|database server|sql|dns|gateway|bastion|firewall|peering|vpn|"
    r"kubernetes|aks|scale set|"
    r"availability set|storage container|snapshot|public ip|zone\b)",
    re.IGNORECASE,
)
_NAME = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
_NUMBERED = rf"(?<![\w.-])(?:vm-{_NAME}|[a-z][a-z0-9]*(?:-[a-z0-9]+)*-\d+|[a-z]+\d+|{_NAME}-[a-z])(?![\w-]|\.\w)"
_LIST = rf"{_NAME}(?:\s*(?:,|\band\b|\s&\s|,\s*and\b|\s)\s*{_NAME})*"
_NAMING = re.compile(
    r"\b(?:called|named|names?(?:\s+(?:is|are|it|them|being)|\s*=)?|call (?:it|them)|to be named|vm names?|known as)\b\s*:?\s*[\"'`]?"
    rf"(?P<names>{_LIST})",
    re.IGNORECASE,
)
_RANGE = re.compile(rf"(?P<stem>{_NAME}-|[a-z]+)(?P<first>\d+)\s*(?:to|through|-|–|\.\.)\s*(?P=stem)(?P<last>\d+)", re.IGNORECASE)
_SIZED = re.compile(
    rf"(?P<name>{_NAME})\s*(?:\(|:|=|,?\s+(?:with|on|as)\s+(?:an?\s+)?(?:size\s+)?)\s*(?P<size>Standard_\w+)", re.IGNORECASE
)
_NOT_NAMES = re.compile(
    r"(?:non|on|pre|re|utf)-\w+|x\d+|ipv\d|sha\d+|\w+-(?:facing|balanced|managed|spot|priority|time|only|based|grade|term|demand|in|up|out|"
    r"off|of|end|side|level|wide|free|less|ready|class|specific|style|party)|rsa|ed\d+|v\d+|tcp\d*|udp\d*|gen\d|ubuntu\d*|debian\d*|rhel\d*|win\d*|"
    r"d\d+\w*|b\d+\w*|e\d+\w*|f\d+\w*|lun\d*|id\w*|zone\d*",
    re.IGNORECASE,
)
_COMMON = frozenset(
    [
        "a",
        "an",
        "the",
        "in",
        "on",
        "with",
        "and",
        "of",
        "for",
        "to",
        "size",
        "one",
        "all",
        "it",
        "them",
        "is",
        "are",
        "each",
        "every",
        "both",
        "that",
        "which",
        "please",
        "region",
        "linux",
        "sku",
        "at",
        "by",
        "from",
        "as",
    ]
)
_PLACES = re.compile(
    r"\b(?:resource group|subnet|network card|nic|virtual network|vnet)\s+(?:called\s+|named\s+)?(?:rg|vnet|snet|nic|net)-", re.IGNORECASE
)
_IMAGE = re.compile(
    r"\b(?:ubuntu(?:\s+(?:server\s+)?\d\d(?:\.\d\d)?)?|debian(?:\s+\d+)?|rhel(?:\s+\d+)?|red hat(?:\s+\d+)?|"
    r"almalinux(?:\s+\d+)?|windows(?:\s+server)?(?:\s+\d{4})?)\b",
    re.IGNORECASE,
)
_SPOT = re.compile(r"(?<![\w-])(?<!not )(?<!non )(?<!no )spot\b|\bspare capacity\b", re.IGNORECASE)
_NOT_SPOT = re.compile(
    r"\bnone of (?:them|these|those)(?: (?:is|are|as))? spot\b|\b(?:not|non|no|isn'?t|never|without)[\s-]+(?:a\s+)?spot\b|"
    r"\bregular (?:price|pricing|priority)\b|\bordinary\b",
    re.IGNORECASE,
)
_BALANCED = re.compile(r"\b(?:load[ -]?balanc(?:er|ed|ing)|lb)\b", re.IGNORECASE)
_PORT = re.compile(r"\b(?:port|tcp|on|to)\s+(?:port\s+)?(\d{2,5})\b(?!\s*(?:gb|gib|%|gigs?))", re.IGNORECASE)
_UNMAKES = re.compile(r"\b(?:delete|destroy|tear down|stop|restart)\b(?![^.;]*evict)", re.IGNORECASE)
_NO_NEW_DISK = re.compile(r"\b(?:os|boot|system)[\s-]+disks?\b|\bdisk-[\w-]+", re.IGNORECASE)
_DISK_WISH = re.compile(r"\b(?:disk|drive|volume)\b", re.IGNORECASE)
_ADDS = re.compile(r"\b(?:attach\w*|add|hook up|hang|connect\w*|give|put|plug|mount|create|provide[d]?|new|blank|fresh)\b", re.IGNORECASE)
_DISK_KIND = (
    ("Premium_LRS", r"premium[\s_-]*(?:ssd|lrs)|premium"),
    ("StandardSSD_LRS", r"standard[\s_-]*ssd"),
    ("Standard_LRS", r"standard[\s_-]*(?:hdd|lrs)|\bhdd\b"),
)
_DIAGNOSTICS = re.compile(r"\bboot[\s-]*diag\w*|\bbootDiagnostics\b", re.IGNORECASE)
_ENABLES = re.compile(
    r"\b(?:enable\w*|activat\w*|turn(?:ed)? on|switch(?:ed)? on|be on|brought into line|get|configur\w*|set up|"
    r"add\w*|need\w*|want\w*|without|lacks?|should have|no)\b",
    re.IGNORECASE,
)
_DISABLES = re.compile(r"\b(?:disable (?:the )?boot|turn off|switch off|deactivate|remove)\b", re.IGNORECASE)
_TO_SPOT = re.compile(
    r"\b(?:to|on|onto|into|as|at|be|make|run(?:s)?)\b[^.;]{0,60}\bspot\b|\bspot\b[^.;]{0,30}\b(?:machine|instance|vm|priority)|\bspot\s*[,;]",
    re.IGNORECASE,
)
_CAP = re.compile(
    r"\b(?:max(?:imum)?(?: price)?|cap(?:ped)?(?: it)?|most we(?:'ll| will) pay|at most|no more than|limit\w*|pay|price)\b[^.;\d$]{0,30}"
    r"(?:US\s*)?\$?\s*(?P<price>\d+(?:\.\d+)?)\s*(?P<unit>(?:US\s*)?cents?)?",
    re.IGNORECASE,
)
_DELETED = re.compile(
    r"\bdelet\w*\s+(?:on|upon|when|at|after)\s+evict\w*|\bevict\w*[^.;]{0,40}\bdelet\w*|\bdelet\w*[^.;]{0,12}\bevict\w*", re.IGNORECASE
)
_DEALLOCATED = re.compile(r"\bdeallocat\w*", re.IGNORECASE)


@dataclass(frozen=True)
class Brief:
    """A request in its short form; `machines` are the addresses it is about, none for new ones."""

    text: str
    machines: tuple[str, ...] = ()


def brief(request: str, world: World) -> Brief | None:
    """The short form of a request, or None where it is not clearly of one of the kinds."""
    text = " ".join(re.sub(r"(?im)^\s*(?:title|body|subject)\s*:", " ", request).split())
    present = world.inventory.of_types(*MACHINES)
    if not present:
        return _provision(text)
    about = _named(_KEPT_OUT.sub(" ", text), world) or _the_one_without(text, present)
    if len(about) != 1 or _ELSE.search(_without_story(text)) or len(_topics(text)) != 1:
        return None
    kinds = [k for k in (_diagnostics(text), _to_spot(text), _disk(text)) if k]
    machine = about[0]
    return Brief(f"{kinds[0][0]} {machine.azure_name}{kinds[0][1]}", (machine.address,)) if len(kinds) == 1 else None


def _named(text: str, world: World) -> list[Resource]:
    """The machines that are named in full."""
    found: list[Resource] = []
    for mention in world.selector.names.mentions(text):
        exact = [
            r for strength, r in mention.named if r.type in MACHINES and (strength == EXACT or r.azure_name.lower() == mention.text.lower())
        ]
        found += [r for r in exact if r not in found]
    return found


def _topics(text: str) -> list[str]:
    """What a request speaks of: one of these, or it is no brief."""
    plain = _NO_NEW_DISK.sub(" ", _without_story(text))
    topics = {
        "diagnostics": _DIAGNOSTICS,
        "spot": _SPOT,
        "disk": _DISK_WISH,
        "size": re.compile(r"\bsizes?\b|\bStandard_[A-Z]+\d", re.IGNORECASE),
    }
    return [name for name, pattern in topics.items() if pattern.search(_NOT_SPOT.sub(" ", plain))]


def _the_one_without(text: str, machines: list[Resource]) -> list[Resource]:
    """The only machine that has no boot diagnostics, where the request means it by just that."""
    if not re.search(
        rf"\b(?:one|an?|the|which)\b[^.;]*\b{_NOUN}\b[^.;]*\b(?:no|without|lacks?|missing|off)\b[^.;]*\bboot", text, re.IGNORECASE
    ):
        return []
    off = [m for m in machines if not m.value("boot_diagnostics")]
    return off if len(off) == 1 else []


def _without_story(text: str) -> str:
    """The text without what explains: `because ...`, `so that ...`, what stays as it is."""
    text = _KEPT_OUT.sub(" ", text)
    return re.sub(r"\b(?:because|since|so that|in order|as (?:it|we|they|our|its))\b[^.;]*", " ", text, flags=re.IGNORECASE)


# --- machines that are there -----------------------------------------------------------------------------------------


def _diagnostics(text: str) -> tuple[str, str] | None:
    if not _DIAGNOSTICS.search(text) or not _ENABLES.search(text) or _DISABLES.search(text):
        return None
    own = re.search(
        r"\b(?:into|in|using|with) (?:the |our )?(?:storage account )?(?P<account>st\w+|\w+ storage account)\b", text, re.IGNORECASE
    )
    managed = re.search(r"\bmanage[sd]?\b|\bno (?:own|custom)\b|\brather than\b", text, re.IGNORECASE)
    return None if own and not managed else ("enable boot diagnostics on", "")


def _to_spot(text: str) -> tuple[str, str] | None:
    if not _SPOT.search(text) or not _TO_SPOT.search(text) or re.search(r"\b(?:from|off|no longer|stop using) spot\b", text, re.IGNORECASE):
        return None
    return ("make", f" spot{_eviction(text)}{_cap(text)}")


def _eviction(text: str) -> str:
    kept = re.sub(r",?\s*(?:and\s+)?not\s+delet\w*|rather than delet\w*|instead of delet\w*", " ", text, flags=re.IGNORECASE)
    if _DELETED.search(kept):
        return ", delete on eviction"
    return ", deallocate on eviction" if _DEALLOCATED.search(kept) else ""


def _cap(text: str) -> str:
    match = _CAP.search(text)
    if match is None or re.search(r"(?:-|minus)\s*$", text[: match.start("price")], re.IGNORECASE):
        return ""
    price = float(match["price"]) / (100 if match["unit"] else 1)
    return f", max price {price:g} dollars an hour" if price < 100 else ""


def _disk(text: str) -> tuple[str, str] | None:
    story = _NO_NEW_DISK.sub(" ", text)
    amounts = {a.gigabytes for a in Wish(_KEPT_OUT.sub(" ", text)).amounts}
    if not _DISK_WISH.search(story) or not _ADDS.search(story) or len(amounts) != 1:
        return None
    kind = next((k for k, pattern in _DISK_KIND if re.search(pattern, text, re.IGNORECASE)), "")
    lun = re.search(r"\blun\s*(\d+)\b", text, re.IGNORECASE)
    name = re.search(r"\b(?:(?:named|called)\s+|(?:disk|drive|volume)\s+(?=disk-|\w+-disk))([a-z][\w-]*)", text, re.IGNORECASE)
    tail = (f", named {name[1]}" if name else "") + (f", lun {lun[1]}" if lun else "")
    return (f"attach a new {amounts.pop()} GB {kind} data disk to".replace("  ", " "), tail)


# --- new machines ----------------------------------------------------------------------------------------------------


def _provision(text: str) -> Brief | None:
    """New machines in a root module that has none: number, names, sizes, system, region, Spot, balancer, address space."""
    wish = Wish(text)
    if not re.search(rf"\b{_NOUN}\b|\blinux\b", text, re.IGNORECASE) or _UNMAKES.search(text) or not wish.region:
        return None
    if _ELSE.search(re.sub(r"\bnot [^.;]*", " ", text)) or _DISK_WISH.search(text) or _PLACES.search(text):
        return None
    names = _names(text)
    number = len(names) or _count(text)
    sizes = _sizes(text)
    if not number or not sizes:
        return None
    if len(sizes) > 1:
        return _each_its_size(text, names, wish)
    called = f" named {_listed(names)}" if names else ""
    balancer = _balancer(text)
    return Brief(f"create {number} {_system(text)} vms{called}, size {sizes[0]}, in {wish.region}{_spot(text)}{_space(wish)}{balancer}")


def _each_its_size(text: str, names: list[str], wish: Wish) -> Brief | None:
    """Machines of different sizes: one wish for each, the later ones in the network of the first."""
    sized = {m["name"].lower(): m["size"] for m in _SIZED.finditer(text)}
    if not names or set(sized) != set(names) or _BALANCED.search(text):
        return None
    each = [f"create a {_system(text)} vm named {name}, size {_proper(sized[name])}{_spot(text)}" for name in names]
    return Brief("; ".join([f"{each[0]}, in {wish.region}{_space(wish)}", *each[1:]]))


def _names(text: str) -> list[str]:
    """What the machines are to be called: a list after a naming word or in brackets, a range, or words that can be nothing but names."""
    plain = re.sub(r"\b(?:Standard|Basic)_\w+|\b\S+\.pub\b|\b\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?", " ", text)
    spread = _RANGE.search(plain)
    if spread:
        width = len(spread["first"])
        return [f"{spread['stem']}{n:0{width}d}".lower() for n in range(int(spread["first"]), int(spread["last"]) + 1)]
    sized = [m["name"].lower() for m in _SIZED.finditer(text) if _is_name(m["name"])]
    if len(sized) > 1:
        return list(dict.fromkeys(sized))
    found = [n.lower() for m in re.finditer(_NUMBERED, plain, re.IGNORECASE) if _is_name(n := m[0])]
    naming = [_first_names(m["names"], plural=m[0].lower().startswith("names")) for m in _NAMING.finditer(plain)]
    if any(naming):
        found = next(n for n in naming if n)
    elif listed := re.search(
        rf"{_NOUN},\s*(?P<names>{_NAME}-{_NAME}(?:(?:\s*,\s*|\s+and\s+){_NAME}-{_NAME})+)(?=\s*[,.;)]|\s)", plain, re.IGNORECASE
    ):
        found = [n.lower() for n in re.split(r"\s*,\s*|\s+and\s+", listed["names"])]
    elif bracketed := re.search(rf"\(\s*(?P<names>{_NAME}(?:\s*,\s*{_NAME})+)\s*\)", plain, re.IGNORECASE):
        found = [n.lower() for n in re.split(r"\s*,\s*", bracketed["names"])]
    return list(dict.fromkeys(found))


def _first_names(said: str, *, plural: bool) -> list[str]:
    """The names at the start of what follows a naming word, up to the first word that is none; after `names` each must look like one."""
    out: list[str] = []
    for word in re.split(r"\s*,\s*|\s+", said):
        if word.lower() in ("and", "&", ""):
            continue
        if not _is_name(word) or ((out or plural) and not re.search(r"[-\d]", word)):
            break
        out.append(word.lower())
    return out


def _is_name(word: str) -> bool:
    return (
        word.lower() not in _COMMON
        and not _NOT_NAMES.fullmatch(word)
        and not re.fullmatch(_NOUN, word, re.IGNORECASE)
        and not Wish(word).region
    )


def _count(text: str) -> int:
    """How many: `3x`, `4 x`, `three Linux machines`, `a trio of`, one for `a` and `one`."""
    words = "|".join(sorted(_COUNTS, key=len, reverse=True))
    match = re.search(
        rf"(?<![\w.-])(?P<n>\d{{1,2}})\s*x\b|(?<![\w.-])(?P<m>\d{{1,2}}|{words})\s+(?:of\s+)?(?:[\w.()-]+\s+){{0,5}}?{_NOUN}\b",
        text,
        re.IGNORECASE,
    )
    if match:
        said = (match["n"] or match["m"]).lower()
        return int(said) if said.isdigit() else _COUNTS[said]
    return (
        1 if re.search(rf"\b(?:an?|one|new)\s+(?:[\w.()-]+\s+){{0,6}}?{_NOUN}\b|\b(?:vm|box|server|machine)\b", text, re.IGNORECASE) else 0
    )


def _sizes(text: str) -> list[str]:
    """The sizes that are named, each once, as Azure writes them."""
    full = [
        _proper(m[0])
        for m in re.finditer(r"\b(?:Standard|Basic)_\w+", text, re.IGNORECASE)
        if not re.search(r"_(?:LRS|ZRS|GRS)$", m[0], re.IGNORECASE)
    ]
    return list(dict.fromkeys(full)) or ([Wish(text).size] if Wish(text).size else [])


def _proper(size: str) -> str:
    """The size as Azure writes it, where it is one."""
    known = sizes_of_azure.get(size)
    return known.name if known else Wish(size).size or size


def _system(text: str) -> str:
    images = [m[0].lower() for m in _IMAGE.finditer(text)]
    return max(images, key=len) if images else "linux"


def _spot(text: str) -> str:
    if not _SPOT.search(_NOT_SPOT.sub(" ", text)):
        return ""
    return f" as spot{_eviction(text) or ', deallocate on eviction'}{_cap(text)}"


def _space(wish: Wish) -> str:
    networks = [c for c in wish.cidrs if not c.endswith("/32")]
    return f" in a new network {networks[0]}" if networks else ""


def _balancer(text: str) -> str:
    if not _BALANCED.search(text):
        return ""
    port = _PORT.search(re.sub(r"\b(?:Standard|Basic)_\w+", " ", text))
    inside = " internal" if re.search(r"\binternal\b(?!ly)|\bprivate load", text, re.IGNORECASE) else " public"
    named = {"https": "443", "http": "80"}
    service = next((p for s, p in named.items() if re.search(rf"\b{s}\b", text, re.IGNORECASE)), "80")
    return f" behind a new{inside} load balancer on port {port[1] if port else service}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
