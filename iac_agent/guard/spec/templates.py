"""From plain words to specifications without a model: sentences that policies are usually written in.

What no template understands is told; it is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from iac_agent.guard.policies import types as t
from iac_agent.guard.spec.language import (
    ALL_MACHINES,
    Costs,
    Rules,
    Scope,
    Spec,
    Tagged,
    Unreachable,
    Value,
    Where,
)

EU = (
    "austriaeast", "belgiumcentral", "denmarkeast", "francecentral", "francesouth", "germanynorth", "germanywestcentral", "italynorth",
    "northeurope", "polandcentral", "spaincentral", "swedencentral", "swedensouth", "westeurope",
)  # fmt: skip
_PLACES = {
    r"(?:the )?(?:eu|european union|e\.u\.)": EU,
    r"(?:the )?eea|(?:the )?european economic area": (*EU, "norwayeast", "norwaywest"),
    r"(?:the )?(?:uk|united kingdom|britain)": ("uksouth", "ukwest"),
    r"switzerland": ("switzerlandnorth", "switzerlandwest"),
    r"germany": ("germanywestcentral", "germanynorth"),
    r"france": ("francecentral", "francesouth"),
    r"sweden": ("swedencentral", "swedensouth"),
    r"(?:the )?(?:us|usa|united states)": (
        "eastus", "eastus2", "westus", "westus2", "westus3", "centralus", "northcentralus", "southcentralus", "westcentralus",
    ),
}  # fmt: skip
_DATA = (t.STORAGE, t.DISK, t.SNAPSHOT, t.VAULT, t.WORKSPACE, *ALL_MACHINES)
_TIER_KEYS = ("tier", "role", "component", "layer")
_ROLES = {
    r"data ?bases?|dbs?|database (?:servers?|machines?|tier)": ("db", "database", "data", "sql", "postgres", "postgresql", "mysql", "mongo",
        "redis",        "oracle"),
    r"web ?(?:servers?|machines?|tier|site)?s?|front[- ]?ends?": ("web", "frontend", "www"),
    r"(?:app(?:lication)?s?|api|back[- ]?ends?) ?(?:servers?|machines?|tier)?": ("app", "application", "api", "backend"),
    r"(?:jump ?(?:hosts?|boxe?s?)|bastions?)": ("jump", "bastion", "jumphost"),
}  # fmt: skip
_ENVIRONMENTS = {
    "production": ("prod", "production", "prd"),
    "development": ("dev", "development"),
    "test": ("test", "testing", "qa"),
    "staging": ("stage", "staging"),
}
_ALIASES = {"prod": "production", "dev": "development", "testing": "test", "qa": "test", "stage": "staging"}
_SERVICES = {
    "ssh": 22,
    "rdp": 3389,
    "http": 80,
    "https": 443,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "sql": 1433,
    "redis": 6379,
}
_KINDS = {
    r"storage(?: accounts?)?": (t.STORAGE,),
    r"(?:managed )?disks?": (t.DISK,),
    r"(?:virtual )?machines?|vms?|servers?|hosts?": ALL_MACHINES,
    r"(?:key )?vaults?": (t.VAULT,),
    r"scale sets?": (t.SCALE_SET,),
    r"(?:public )?(?:ip )?addresses|public ips?": (t.ADDRESS,),
    r"(?:log )?workspaces?": (t.WORKSPACE,),
    r"(?:everything|all(?: resources)?|resources?|anything)": (),
}
_NETWORK = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?\b")
_TAG = re.compile(r"\btag(?:ged)?\s*(?:with\s+)?[\"']?([\w.-]+)[\"']?\s*[=:]\s*[\"']?([\w.-]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Compiled:
    """What became of a text: its sentences with the specifications each comes to, none for those that are not understood."""

    sentences: tuple[tuple[str, tuple[Spec, ...]], ...]

    @property
    def specs(self) -> list[tuple[str, Spec]]:
        return [(said, spec) for said, specs in self.sentences for spec in specs]

    @property
    def not_understood(self) -> list[str]:
        return [said for said, specs in self.sentences if not specs]


def compiled(text: str) -> Compiled:
    """The specifications of a text, sentence by sentence."""
    return Compiled(tuple((said, tuple(_spec(said))) for said in sentences(text)))


def sentences(text: str) -> list[str]:
    """The text taken apart at `;`, at full stops, and at new lines."""
    return [s for part in re.split(r"[;\n]|\.(?=\s|$)", text) if (s := " ".join(part.split()).strip(" .-*"))]


def _spec(said: str) -> Iterator[Spec]:
    for template in (_separate, _reach, _regions, _encrypted, _tags, _sizes, _budget, _public):
        found = list(template(said))
        if found:
            yield from found
            return


# --- what is meant -----------------------------------------------------------------------------------------------------


def _scope(said: str, types: tuple[str, ...] = ()) -> Scope | None:
    """The resources that a phrase means; None when it names none."""
    tag = _TAG.search(said)
    kind = next((v for k, v in _KINDS.items() if re.search(rf"\b(?:{k})\b", said, re.IGNORECASE)), None)
    environments = _ENVIRONMENTS.get(_environment(said), ())
    if tag:
        return Scope(types=kind or types, tags={tag[1]: (tag[2],)})
    for pattern, words in _ROLES.items():
        if re.search(rf"\b(?:{pattern})\b", said, re.IGNORECASE):
            return Scope(types=types, tags=dict.fromkeys(_TIER_KEYS, words), names=words, environments=environments)
    if environments:
        return Scope(types=kind or types, environments=environments)
    return None if kind is None else Scope(types=kind or types)


def _environment(said: str) -> str:
    found = re.search(rf"\b({'|'.join([*_ENVIRONMENTS, *_ALIASES])})\b", said, re.IGNORECASE)
    return _ALIASES.get(found[1].lower(), found[1].lower()) if found else ""


def _ports(said: str) -> tuple[tuple[int, int], ...]:
    found = [(int(a), int(b or a)) for a, b in re.findall(r"\bports?\s+(\d{1,5})(?:\s*-\s*(\d{1,5}))?", said, re.IGNORECASE)]
    found += [(int(p), int(p)) for p in re.findall(r"\bports?\s+\d{1,5}(?:(?:,| and| or)\s*(\d{1,5}))", said, re.IGNORECASE)]
    named = [_SERVICES[w.lower()] for w in re.findall(rf"\b({'|'.join(_SERVICES)})\b", said, re.IGNORECASE)]
    return tuple(dict.fromkeys([*found, *((p, p) for p in named)]))


# --- the templates -----------------------------------------------------------------------------------------------------

_NOT_REACHED = re.compile(
    r"\b(?:not|never|cannot|can't|no\w*)\b.*\b(?:reach\w*|access\w*|expos\w*|connect\w*|path|route|open|visible|talk|get to)\b|"
    r"\b(?:unreachable|inaccessible|isolated|hidden) from\b",
    re.IGNORECASE,
)
_INTERNET = re.compile(r"\b(?:internet|public(?:ly)?|outside(?: world)?|world|anyone|everywhere|anywhere)\b", re.IGNORECASE)
_FROM_TO = re.compile(r"\bfrom\s+(?P<source>.+?)\s+to\s+(?P<target>.+)$", re.IGNORECASE)
_BUT = re.compile(r"\b(?:except|but|other than|apart from|unless)\b.*$", re.IGNORECASE)
_ACTIVE = re.compile(
    r"^(?P<source>.+?)\b(?:must|may|shall|should|can)(?:not| not| never)(?: be able to)? (?:reach|access|connect to|talk to|get to|open)\s+"
    r"(?P<target>.+)$",
    re.IGNORECASE,
)
_PASSIVE = re.compile(
    r"^(?P<target>.+?)\b(?:must|may|shall|should|can|cannot|is|are|never)\b.*?\b(?:from|by|to)\s+(?P<source>.+)$", re.IGNORECASE
)


def _reach(said: str) -> Iterator[Spec]:
    if not _NOT_REACHED.search(said):
        return
    but = _BUT.search(said)
    plain = said[: but.start()].strip() if but else said
    match = _ACTIVE.search(plain) or _FROM_TO.search(plain) or _PASSIVE.search(plain)
    held = match.groupdict() if match else {"target": plain, "source": plain}
    target = _scope(held["target"], ALL_MACHINES) or (Scope(types=ALL_MACHINES) if _ports(held["target"]) else None)
    from_internet = _INTERNET.search(held["source"]) is not None
    source: Literal["internet"] | Scope | None = "internet" if from_internet else _scope(held["source"], ALL_MACHINES)
    if target is None or source is None:
        return
    protocol: Literal["tcp", "udp", "*"] = (
        "udp" if re.search(r"\budp\b", said, re.IGNORECASE) else "tcp" if _ports(plain) or "tcp" in said.lower() else "*"
    )
    networks = tuple(_NETWORK.findall(but[0])) if but else ()
    if but and not networks:
        return
    yield Spec(scope=target, demand=Unreachable(source=source, ports=_ports(plain), protocol=protocol, but_from=networks))


def _separate(said: str) -> Iterator[Spec]:
    """Two environments that do not reach each other, in either direction."""
    if not re.search(r"\b(?:separat\w*|isolat\w*|apart)\b", said, re.IGNORECASE):
        return
    named = [_ALIASES.get(w.lower(), w.lower()) for w in re.findall(rf"\b({'|'.join([*_ENVIRONMENTS, *_ALIASES])})\b", said, re.IGNORECASE)]
    both = list(dict.fromkeys(named))
    if len(both) != 2:
        return
    scopes = [Scope(types=ALL_MACHINES, environments=_ENVIRONMENTS[e]) for e in both]
    for target, source in (scopes, scopes[::-1]):
        yield Spec(scope=target, demand=Unreachable(source=source, protocol="*"))


def _regions(said: str) -> Iterator[Spec]:
    place = next((v for k, v in _PLACES.items() if re.search(rf"\b(?:{k})(?!\w)", said, re.IGNORECASE)), ())
    named = tuple(r for r in _named_regions(said))
    if not (place or named) or not re.search(
        r"\b(?:leave|leaves|outside|stays?|only|in|within|reside|residency|stored?|located?|kept)\b", said, re.IGNORECASE
    ):
        return
    is_about_data = re.search(r"\b(?:data|gdpr|customers?|personal|residency)\b", said, re.IGNORECASE)
    scope = _scope(re.sub(r"\b(?:data)\b", " ", said, flags=re.IGNORECASE)) if not is_about_data else Scope(types=_DATA)
    yield Spec(scope=scope or Scope(), demand=Where(regions=named or place))
    if is_about_data:
        yield Spec(scope=Scope(types=(t.STORAGE,)), demand=Value(path="cross_tenant_replication_enabled", one_of=(False,), absent=False))


def _named_regions(said: str) -> Iterator[str]:
    for region in dict.fromkeys([*EU, *(r for places in _PLACES.values() for r in places)]):
        spaced = re.sub(r"(north|south|east|west|central|europe)", r"\\s*\1", region)
        if re.search(rf"\b{spaced}\b", said, re.IGNORECASE) and region in said.lower().replace(" ", ""):
            yield region


def _encrypted(said: str) -> Iterator[Spec]:
    if not re.search(r"\bencrypt\w*\b|\btls\b|\bhttps\b", said, re.IGNORECASE):
        return
    scope = _scope(said)
    types = scope.types if scope else ()
    if re.search(r"\btls\b|\bhttps\b|in transit|in flight", said, re.IGNORECASE):
        yield Spec(scope=Scope(types=(t.STORAGE,)), demand=Rules(ids=("ENC-001", "ENC-002")))
        return
    customer = re.search(r"\b(?:our own|customer[- ]managed|own) keys?\b|\bcmk\b", said, re.IGNORECASE)
    for kinds, ids in (
        ((t.STORAGE,), ("ENC-003",) if customer else ("ENC-001", "ENC-002")),
        ((t.DISK,), ("ENC-006",) if customer else ()),
        (ALL_MACHINES, () if customer else ("ENC-005",)),
    ):
        if ids and (not types or set(kinds) & set(types)):
            held = scope.model_copy(update={"types": kinds}) if scope else Scope(types=kinds)
            yield Spec(scope=held, demand=Rules(ids=ids))


def _tags(said: str) -> Iterator[Spec]:
    match = re.search(
        r"\b(?:must|should|shall|need\w*|are|is|ha(?:s|ve)|carr(?:y|ies))\b.*?\btag(?:s|ged)?\b\s*(?:with|named|called|for|:)?\s*"
        r"(?P<keys>[\w\"', -]+)$|"
        r"\b(?:must|should|shall|need\w*|ha(?:s|ve)|carr(?:y|ies))\b\s+(?:an?|the)?\s*(?P<before>[\w\"', -]+?)\s+tags?\b",
        said,
        re.IGNORECASE,
    )
    if not match or "=" in said:
        return
    words = re.findall(r"[\w-]+", match["keys"] or match["before"])
    keys = tuple(
        dict.fromkeys(w for w in words if w.lower() not in ("and", "an", "a", "the", "with", "their", "have", "carry", "of", "both"))
    )
    if keys:
        yield Spec(scope=_scope(said[: match.start()]) or Scope(), demand=Tagged(keys=keys))


def _sizes(said: str) -> Iterator[Spec]:
    sizes = tuple(dict.fromkeys(re.findall(r"\bStandard_\w+\b", said)))
    if not sizes or not re.search(r"\b(?:only|must|may|allowed?|never|not|no)\b", said, re.IGNORECASE):
        return
    denied = re.search(r"\b(?:never|not|no)\b", said, re.IGNORECASE)
    scope = _scope(re.sub(r"Standard_\w+", " ", said))
    held = Scope(types=t.MACHINES) if scope is None or not set(scope.types) <= set(t.MACHINES) else scope
    held = Scope(types=t.MACHINES, tags=scope.tags if scope else {}, names=scope.names if scope else ()) if not held.types else held
    yield Spec(scope=held, demand=Value(path="size", none_of=sizes) if denied else Value(path="size", one_of=sizes))


def _budget(said: str) -> Iterator[Spec]:
    match = re.search(
        r"(?:[$€]|\busd\b|\beur\b|\bdollars?\b)?\s*(\d[\d,.]*)\s*(k\b)?\s*(?:[$€]|usd|eur|dollars?|euros?)?", said, re.IGNORECASE
    )
    if not match or not re.search(r"\b(?:cost\w*|spend\w*|budget\w*|bill)\b", said, re.IGNORECASE):
        return
    if not re.search(r"\b(?:month\w*|budget)\b", said, re.IGNORECASE):
        return
    amount = float(match[1].rstrip(".,").replace(",", "")) * (1000 if match[2] else 1)
    yield Spec(demand=Costs(at_most=amount))


def _public(said: str) -> Iterator[Spec]:
    if not re.search(r"\b(?:no|not|never|without)\b", said, re.IGNORECASE):
        return
    if re.search(r"\bpublic (?:ip|address)", said, re.IGNORECASE):
        yield Spec(scope=Scope(types=(t.NIC,)), demand=Rules(ids=("NET-008",)))
        yield Spec(scope=Scope(types=(t.SCALE_SET,)), demand=Rules(ids=("NET-009",)))
    elif re.search(r"\b(?:anonymous|public)\b", said, re.IGNORECASE) and re.search(
        r"\b(?:storage|blobs?|containers?)\b", said, re.IGNORECASE
    ):
        yield Spec(scope=Scope(types=(t.STORAGE,)), demand=Rules(ids=("DAT-001",)))
        yield Spec(scope=Scope(types=(t.CONTAINER,)), demand=Rules(ids=("DAT-002",)))
    elif re.search(r"\bspot\b", said, re.IGNORECASE):
        scope = _scope(re.sub("spot", " ", said, flags=re.IGNORECASE)) or Scope(types=ALL_MACHINES)
        held = scope if scope.types else scope.model_copy(update={"types": ALL_MACHINES})
        yield Spec(scope=held, demand=Value(path="priority", none_of=("Spot",), absent="Regular"))
