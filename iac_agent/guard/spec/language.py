"""The language of specifications: a scope, and what must hold in it: of attributes, of what is reachable, of what it costs.

It is small on purpose: everything in it can be evaluated on a plan in three values, read aloud in controlled English, and shown with an
example that passes and one that fails. Source: "Cloud Infrastructure Management in the Age of AI Agents", guardrails: natural-language
policy turned into formal specifications that reject a program that does not comply.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from iac_agent.guard.planned import AFTER_APPLY, Resource
from iac_agent.guard.policies.types import MACHINES, SCALE_SET
from iac_agent.guard.truth import Truth, known, some

ALL_MACHINES = (*MACHINES, SCALE_SET)
ENVIRONMENT_KEYS = ("environment", "env", "stage")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scope(_Model):
    """Which resources are meant: of these types, and tagged or named so (with both tags and names either is enough), and of these
    environments.
    """

    types: tuple[str, ...] = Field(default=(), description="azurerm types; none for all.")
    tags: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="Tag keys with the values that are meant; one is enough.")
    names: tuple[str, ...] = Field(default=(), description="Words that the name has, between - and _ and digits.")
    environments: tuple[str, ...] = Field(default=(), description="Values one of which the tag environment, env or stage must have too.")

    def of(self, resource: Resource) -> Truth:
        """Whether a resource is meant. One whose tags are known only after apply may be."""
        if self.types and resource.type not in self.types:
            return Truth.NO
        there = _tagged(resource, dict.fromkeys(ENVIRONMENT_KEYS, self.environments)) if self.environments else Truth.YES
        meant = _tagged(resource, self.tags) | self._named(resource) if self.tags or self.names else Truth.YES
        return there & meant

    def _named(self, resource: Resource) -> Truth:
        name = resource.one("name")
        if name is AFTER_APPLY and self.names:
            return Truth.UNKNOWN
        words = set(re.findall(r"[a-z]+", str(name or "").lower())) | set(re.findall(r"[a-z]+", resource.address.split(".", 1)[-1].lower()))
        return known(bool(words & {n.lower() for n in self.names}))

    def __str__(self) -> str:
        parts = [f"whose tag {listed(keys, 'or')} is {listed(list(v), 'or')}" for v, keys in _by_values(self.tags)]
        parts += [f"whose name has the word {listed(list(self.names), 'or')}"] if self.names else []
        held = (
            f" and whose tag {listed(list(ENVIRONMENT_KEYS), 'or')} is {listed(list(self.environments), 'or')}" if self.environments else ""
        )
        told = [_kind(self.types), " or ".join(parts) + (held if parts else held.removeprefix(" and "))]
        return " ".join(t for t in told if t)


def _by_values(tags: dict[str, tuple[str, ...]]) -> list[tuple[tuple[str, ...], list[str]]]:
    """The keys by their values: those that are to have the same are told together."""
    found: dict[tuple[str, ...], list[str]] = {}
    for key, values in tags.items():
        found.setdefault(values, []).append(key)
    return list(found.items())


def _kind(types: tuple[str, ...]) -> str:
    if set(types) == set(ALL_MACHINES):
        return "machine or scale set"
    if set(types) == set(MACHINES):
        return "machine"
    return listed([t.removeprefix("azurerm_").replace("_", " ") for t in types], "or") if types else "resource"


def _tagged(resource: Resource, tags: dict[str, tuple[str, ...]]) -> Truth:
    """Whether one of these tags has one of its values."""
    if not tags:
        return Truth.NO
    held = resource.one("tags")
    if held is AFTER_APPLY:
        return Truth.UNKNOWN
    wanted = {k.lower(): {v.lower() for v in values} for k, values in tags.items()}
    return some(
        Truth.UNKNOWN if v is AFTER_APPLY else known(str(v).lower() in wanted[k.lower()])
        for k, v in (held or {}).items()
        if k.lower() in wanted
    )


class Where(_Model):
    """Resources are in one of these regions."""

    kind: Literal["regions"] = "regions"
    regions: tuple[str, ...] = Field(min_length=1)

    def __str__(self) -> str:
        return f"is in {listed(list(self.regions), 'or')}"


class Value(_Model):
    """An attribute has one of these values, or has none of them; or is a number of at least or at most so much."""

    kind: Literal["attribute"] = "attribute"
    path: str = Field(pattern=r"^[a-z_]+(?:\.[a-z_]+)*$")
    one_of: tuple[str | bool | int, ...] = ()
    none_of: tuple[str | bool | int, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    absent: str | bool | int | None = Field(default=None, description="What it counts as where nothing is written.")

    def __str__(self) -> str:
        parts = [f"is {listed([_shown(v) for v in self.one_of], 'or')}"] if self.one_of else []
        parts += [f"is not {listed([_shown(v) for v in self.none_of], 'or')}"] if self.none_of else []
        parts += [f"is at least {self.at_least:g}"] if self.at_least is not None else []
        parts += [f"is at most {self.at_most:g}"] if self.at_most is not None else []
        return f"has {self.path} that {' and '.join(parts)}"


class Tagged(_Model):
    """Resources carry these tags, with something in them."""

    kind: Literal["tags"] = "tags"
    keys: tuple[str, ...] = Field(min_length=1)

    def __str__(self) -> str:
        return f"carries the tag {listed(list(self.keys), 'and')}"


class Rules(_Model):
    """Rules that are shipped hold, and refuse where they do not."""

    kind: Literal["rules"] = "rules"
    ids: tuple[str, ...] = Field(min_length=1)

    def __str__(self) -> str:
        return f"keeps {listed(list(self.ids), 'and')}"


class Unreachable(_Model):
    """No packet gets there: from the Internet but for some networks, or from the resources of another scope; on some ports, or on any."""

    kind: Literal["unreachable"] = "unreachable"
    source: Literal["internet"] | Scope = "internet"
    ports: tuple[tuple[int, int], ...] = Field(default=(), description="Ranges of ports of the machine; none for every port.")
    protocol: Literal["tcp", "udp", "*"] = "tcp"
    but_from: tuple[str, ...] = Field(default=(), description="Networks that may reach it.")

    @field_validator("but_from")
    @classmethod
    def _networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for text in given:
            ipaddress.IPv4Network(text, strict=False)
        return given

    def __str__(self) -> str:
        who = "the Internet" if self.source == "internet" else f"a {self.source}"
        but = f", but for {listed(list(self.but_from), 'and')}," if self.but_from else ""
        ports = f"port {listed([_ports(p) for p in self.ports], 'or')}" if self.ports else "any port"
        return f"no {'' if self.protocol == '*' else self.protocol.upper() + ' '}packet from {who}{but} reaches {ports} of"


class Costs(_Model):
    """All of it costs no more than this a month, in the currency of the price list."""

    kind: Literal["costs"] = "costs"
    at_most: float = Field(gt=0)

    def __str__(self) -> str:
        return f"everything together costs at most {self.at_most:,.0f} a month"


Demand = Annotated[Where | Value | Tagged | Rules | Unreachable | Costs, Field(discriminator="kind")]


class Spec(_Model):
    """One specification: every resource of the scope meets the demand."""

    scope: Scope = Scope()
    demand: Demand

    def __str__(self) -> str:
        demand = str(self.demand)
        if isinstance(self.demand, Costs):
            return f"{demand[:1].upper()}{demand[1:]}."
        if isinstance(self.demand, Unreachable):
            return f"{demand[:1].upper()}{demand[1:]} a {self.scope}."
        return f"Every {self.scope} {demand}."

    def digest(self) -> str:
        """SHA-256 of its canonical JSON: what an acceptance is bound to."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def listed(parts: list[str], word: str) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _ports(held: tuple[int, int]) -> str:
    return str(held[0]) if held[0] == held[1] else f"{held[0]}-{held[1]}"
