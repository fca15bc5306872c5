"""The names resources go by, strongest first, and where a request mentions them."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from iac_agent.planner.inventory import Inventory, Resource
from iac_agent.planner.lexicon import ROLE_NOUNS, singular

ADDRESS = re.compile(r"(?:module\.[\w-]+(?:\[[^\]]+\])?\.)*azurerm_\w+\.[\w-]+(?:\[[^\]]+\])?")
_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_NUMBER = re.compile(r"[-_]?\d+$")
_PREFIXES = frozenset(
    str.split(
        """
    vm vms vmss disk osdisk nic nsg snet subnet vnet rg pip lb st kv log law plan app asp avset as id ag rt ng nat pe dns snap
    data
    """
    )
)
_SYNONYMS = {"production": "prod", "development": "dev", "testing": "test"}
_NOUNS = frozenset(
    str.split(
        """
    vm vms machine server host box node instance disk nic nsg subnet network interface rule rules pool lb probe account storage
    balancer
    """
    )
)
_LITTLE = frozenset(str.split("to of in on for and the by from with or as at is it be no not all any"))
EXACT, NAME, ROLE, PART = 4, 3, 2, 1
_LONGEST = 6


class Word(NamedTuple):
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Mention:
    """Where the request names something: the span, and the resources by that name with how strong the name is."""

    start: int
    end: int
    text: str
    plural: bool
    named: tuple[tuple[int, Resource], ...]


def words(text: str) -> list[Word]:
    return [Word(m[0].lower(), m.start(), m.end()) for m in _WORD.finditer(text)]


def stem(name: str) -> str:
    """A name without the number at its end: `web` of web-01; itself when it is nothing but a number."""
    return _NUMBER.sub("", name) or name


def _key(text: str) -> tuple[str, ...]:
    return tuple(w.lower() for w in _WORD.findall(text))


class Names:
    """All names of an inventory, as sequences of words."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.index: dict[tuple[str, ...], dict[Resource, int]] = {}
        self._found: dict[str, list[Mention]] = {}
        for resource in inventory.resources:
            for strength, name in _names(resource):
                self._add(_key(name), resource, strength)
        self._add_parts()

    def _add(self, key: tuple[str, ...], resource: Resource, strength: int) -> None:
        if key and (len(key) > 1 or (len(key[0]) > 1 and key[0] not in _NOUNS and key[0] not in _LITTLE)):
            held = self.index.setdefault(key, {})
            held[resource] = max(strength, held.get(resource, 0))

    def _add_parts(self) -> None:
        """Pieces of Azure names that tell some resources from others: `web` of vm-shop-web-01."""
        pieces: dict[tuple[str, ...], dict[Resource, None]] = {}
        for resource in self.inventory.resources:
            whole = _key(resource.azure_name)
            for start in range(len(whole)):
                for end in range(start + 1, len(whole) + 1):
                    if start or not all(w in _PREFIXES for w in whole[start:end]):
                        pieces.setdefault(whole[start:end], {})[resource] = None
        most = max(3, len(self.inventory.resources) * 6 // 10)
        for key, found in pieces.items():
            if len(found) <= most and not all(w.isdigit() for w in key):
                for resource in found:
                    self._add(key, resource, PART)
                for short in _shorter(key):
                    for resource in found:
                        self._add(short, resource, PART)

    @functools.cached_property
    def single_words(self) -> list[str]:
        """Names for suggestions."""
        listed = {r.azure_name for r in self.inventory.resources} | {r.label for r in self.inventory.resources}
        listed |= {str(k) for r in self.inventory.resources for k in r.keys if isinstance(k, str)}
        listed |= {k[0] for k in self.index if len(k) == 1 and not k[0].isdigit() and len(k[0]) > 2}
        return sorted(n for n in listed if n)

    def mentions(self, text: str) -> list[Mention]:
        """Every mention, the longest names first, without overlaps, in order of the text."""
        if text not in self._found:
            self._found[text] = self._mentions(text)
        return self._found[text]

    def _mentions(self, text: str) -> list[Mention]:
        taken: list[Mention] = list(self._addresses(text))
        blank = list(text)
        for known in taken:
            blank[known.start : known.end] = " " * (known.end - known.start)
        found = words("".join(blank))
        position = 0
        while position < len(found):
            mention = self._longest(text, found, position)
            if mention is None:
                position += 1
                continue
            taken.append(mention)
            while position < len(found) and found[position].start < mention.end:
                position += 1
        return sorted(taken, key=lambda m: m.start)

    def _addresses(self, text: str) -> Iterator[Mention]:
        for match in ADDRESS.finditer(text):
            exact = self.inventory.by_address.get(match[0])
            resources = [exact] if exact else [] if "[" in match[0].rsplit(".", 1)[-1] else self.inventory.of_block(match[0])
            if resources:
                yield Mention(match.start(), match.end(), match[0], len(resources) > 1, tuple((EXACT, r) for r in resources))

    def _longest(self, text: str, found: list[Word], position: int) -> Mention | None:
        for length in range(min(_LONGEST, len(found) - position), 0, -1):
            span = found[position : position + length]
            if any(len(text[a.end : b.start].strip(" -_.[]\"'/")) for a, b in itertools.pairwise(span)):
                continue
            key = tuple(w.text for w in span)
            for variant, plural in _variants(key):
                held = self.index.get(variant)
                if held and length == 1 and (one := self.index.get((singular(key[0]),))) and variant == key:
                    held = {**one, **held}
                if held:
                    start, end = span[0].start, span[-1].end
                    alone = not re.match(r"[\w.-]", text[end : end + 1]) and not re.search(r"[\w.-]$", text[:start])
                    several = plural or (alone and max(held.values()) >= ROLE and singular(span[-1].text) != span[-1].text)
                    return Mention(start, end, text[start:end], several, tuple((s, r) for r, s in held.items()))
        return None


def _shorter(key: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """What else a piece of a name is called by: without the number at its end, `web` of webserver."""
    unnumbered = re.sub(r"\d+$", "", key[-1])
    if unnumbered != key[-1] and len(unnumbered) > 1 and (len(key) > 1 or unnumbered not in _PREFIXES):
        yield (*key[:-1], unnumbered)
    compound = re.fullmatch(r"([a-z]{2,})(?:servers?|box|hosts?|nodes?|machines?)", key[-1])
    if compound and len(key) == 1:
        yield (compound[1],)


def _variants(key: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], bool]]:
    yield key, False
    last = singular(key[-1])
    if last != key[-1]:
        yield (*key[:-1], last), True
    if len(key) == 1:
        for word in (key[0], last):
            for other in ROLE_NOUNS.get(word, ()):
                yield (other,), word != key[0] or key[0].endswith("s")
            if word in _SYNONYMS:
                yield (_SYNONYMS[word],), True
    if len(key) == 1 and (match := re.fullmatch(r"([a-z]+)(\d+)", key[0])):
        yield (match[1], match[2]), False
    if len(key) == 1 and len(key[0]) > 2 and not key[0].endswith("s"):
        yield (f"{key[0]}s",), False


def _names(resource: Resource) -> Iterator[tuple[int, str]]:
    if resource.azure_name:
        yield EXACT, resource.azure_name
    keys = resource.keys
    if resource.label not in ("this", "main", "default"):
        yield NAME, resource.label
        for key in keys[:1]:
            yield EXACT, f"{resource.label} {key}"
    for key in keys:
        if isinstance(key, str):
            yield NAME, key
            if len(stemmed := stem(key)) > 1 and stemmed != key:
                yield ROLE, stemmed
    for name, index in zip(reversed(resource.instance.scope.module.path), reversed(resource.instance.scope.keys), strict=True):
        yield ROLE, name
        if index is not None:
            yield NAME, f"{name} {index}"
    outer = [n for n in resource.instance.scope.module.path if n not in ("vm", "vms", "machine")]
    if outer and keys:
        yield NAME, f"{outer[0]} {keys[0]}"
    for name, value in resource.tags.items():
        if len(value) > 1 and not value.isdigit() and name.lower() not in ("backup", "managed-by", "managed_by", "managedby"):
            yield ROLE, value
