"""Which live resources a question is about: by address, Azure name, tag, role, kind or plural, as everywhere in the product.

What Terraform manages is known from its state. A machine it does not manage can be named by its Azure name.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from iac_agent.azure.catalogue import BALANCER, VM
from iac_agent.azure.ids import ResourceId, same_id
from iac_agent.errors import NeedsAnswer, NoTelemetry
from iac_agent.planner.inventory import MACHINES, NIC, Inventory
from iac_agent.planner.inventory import Resource as Managed
from iac_agent.planner.names import EXACT
from iac_agent.planner.protocol import Question
from iac_agent.planner.selection import Selector, is_ordinary

# Words of English with a hyphen, which are no names.
_COMPOUND = re.compile(
    r"\b(?:on|off|up|down|start|back|front|real|follow|check|log|sign|set|shut|stand|break|time|day|night|over|under|re|pre|non|long|short|well|"
    r"high|low|full|half|first|last|out|in|by|of|to|end|high)-(?:call|up|down|off|on|in|out|end|time|line|line|to|date|day|night|term|known|level|"
    r"availability|load|boot|start|check|by|of|the|run|ups|shift|site|going|duty)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(r"\b(?:of|on|for|is|does|did|has|was|about|to)\s+(?:the\s+)?(?P<word>[A-Za-z][\w-]*)(?=\s*(?:$|[?.,]|\b))")
_WORD = re.compile(r"(?P<word>[A-Za-z][\w-]*)")
# What may stand there and is no name.
_SAID = frozenset(
    str.split(
        """
    a able about after again all alright an and answer any anybody anything are at azure back bad be been being besides best between
    bill boot booting both boxes broken busy by can charge check clear come coming cost could course day days dead degraded doing
    down each every everybody everyone everything except fail failing figure fine fleet for good group happening happy have health
    healthy help here hour hours how i if in infrastructure it its just keep know last least less list look lot low machine machines
    many max me metric metrics min mine minute minutes more most much my near need no node nodes not now ok okay on one other
    our out over own page paid percent plain platform please portal power prod production project put red report role running say
    see service services set show sick so some somebody someone something start started starting status still stop stopped system
    tagged take team tell than that the their them there these they thing things this those threshold tier time to today trend
    trouble up us use uses using value vm vms wait was we week well were what when where which who why will with without work
    working worst would wrong yesterday you your
    """
    )
)
_KINDS = {VM: MACHINES, BALANCER: ("azurerm_lb",)}


@dataclass(frozen=True)
class Target:
    """A live resource. `address` is empty for what Terraform does not manage."""

    id: str
    location: str
    address: str = ""
    tags: dict[str, str] = field(default_factory=dict, hash=False, compare=False)

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[1]

    @property
    def type(self) -> str:
        return ResourceId.parse(self.id).type

    @property
    def group(self) -> str:
        return ResourceId.parse(self.id).resource_group

    def shown(self) -> str:
        return f"{self.name} ({self.address})" if self.address else f"{self.name} (not managed by Terraform)"


@dataclass
class Targets:
    """The resources there are. `live` lists the machines of the subscription; it is asked only when a name is not in the state."""

    inventory: Inventory
    live: Callable[[], Iterable[Target]]

    @functools.cached_property
    def selector(self) -> Selector:
        return Selector(self.inventory)

    def all(self, kind: str = VM) -> list[Target]:
        """Every resource of a kind that Terraform manages."""
        return [t for r in self.inventory.of_types(*_KINDS[kind]) if (t := _target(r)) is not None]

    def every_machine(self) -> list[Target]:
        """Every machine of the subscription: the managed ones, and those beside them."""
        managed = self.all(VM)
        return managed + [t for t in self.live() if not any(same_id(t.id, m.id) for m in managed)]

    def _require_known(self, text: str, places: re.Pattern[str]) -> None:
        """Raise NeedsAnswer for a word that stands where a name would, and is none: `cpu of redis`, `is redis healthy`."""
        covered = [(m.start, m.end) for m in self.selector.names.mentions(text)]
        for match in places.finditer(text):
            word = match["word"].lower()
            if not any(a <= match.start("word") < b for a, b in covered) and word not in _SAID and not is_ordinary(word):
                raise NeedsAnswer(f"There is nothing called {match['word']} here.", [t.shown() for t in self.all()[:8]])

    def _exact(self, text: str, kind: str) -> list[Target]:
        """The resources that are named in full: beside one of them, no other word is taken for a name."""
        if re.search(r"\b(?:except|but not|without|other than|besides|apart from)\b", text, re.IGNORECASE):
            return []
        mentions = self.selector.names.mentions(text)
        named = [r for m in mentions for _, r in m.named if r.type in _KINDS[kind] and r.azure_name.lower() == m.text.lower()]
        return [t for r in dict.fromkeys(named) if (t := _target(r)) is not None]

    def mentioned(self, text: str) -> list[Target]:
        """Every managed resource of any type that a text names; the strongest names of a mention count."""
        found: dict[str, Target] = {}
        for mention in self.selector.names.mentions(text):
            strongest = max(strength for strength, _ in mention.named)
            exact = [r for s, r in mention.named if s == EXACT]
            machines = [] if exact else self.selector.meant(mention, MACHINES)
            for resource in exact or machines or [r for s, r in mention.named if s == strongest]:
                target = _target(resource)
                if target is not None:
                    found[target.id] = target
        return list(found.values())

    def addresses(self, machine: Target) -> set[str]:
        """The private IP addresses of a managed machine's interfaces, as the state has them."""
        known = self.inventory.by_address.get(machine.address)
        if known is None or known.state is None:
            return set()
        wanted = {str(i).lower() for i in known.state.values.get("network_interface_ids") or []}
        nics = (r.state.values for r in self.inventory.of_types(NIC) if r.state and str(r.state.values.get("id", "")).lower() in wanted)
        return {str(a) for values in nics for a in values.get("private_ip_addresses") or []}

    def by_id(self, resource_id: str) -> Target | None:
        """The managed resource with an ARM id, of whatever type."""
        found = next((r for r in self.inventory.resources if r.state and same_id(str(r.state.values.get("id", "")), resource_id)), None)
        return _target(found) if found else None

    def named(self, text: str, kind: str = VM, answer: str = "", *, strict: bool = False) -> list[Target]:
        """The resources that a text means, all of the kind when it names none: reading is free, so several are no question.

        `strict`: the text is nothing but names, so that every word of it must be one.
        Raises NeedsAnswer for a name that is not there, NoTelemetry for a resource that is not applied yet.
        """
        beside = self._beside(text, kind)
        if beside:
            return beside
        exact = self._exact(text, kind) if not answer else []
        if exact:
            return exact
        self._require_known(text, _WORD if strict else _PLACE)
        chosen = self.selector.select(_COMPOUND.sub(" ", text), _KINDS[kind], answer, plural=True)
        if chosen is None:
            return []
        if isinstance(chosen, Question):
            raise NeedsAnswer(chosen.text, chosen.listed)
        found = [(r, _target(r)) for r in chosen.resources]
        missing = [r.address for r, target in found if target is None]
        if missing:
            raise NoTelemetry(
                f"{', '.join(missing)} is in the configuration, but not in the state: there is nothing to measure yet",
                hint="Apply it first, or refresh the state.",
            )
        return [target for _, target in found if target is not None]

    def _beside(self, text: str, kind: str) -> list[Target]:
        """Machines that Terraform does not manage and the text names in full."""
        words = {w.lower() for w in re.findall(r"[\w.-]+", text)}
        known = {t.name.lower() for t in self.all(kind)}
        looks_named = [w for w in words if re.search(r"[-_.\d]", w) and w not in known]
        if kind != VM or not looks_named or self.selector.names.mentions(text):
            return []
        return [t for t in self.live() if t.name.lower() in looks_named]


def _target(resource: Managed) -> Target | None:
    if resource.state is None:
        return None
    values = resource.state.values
    return Target(str(values.get("id", "")), str(values.get("location") or ""), resource.address, dict(values.get("tags") or {}))
