"""Which resources a request is about: by address, Azure name, label, tag, or type word."""

from __future__ import annotations

import re
from dataclasses import dataclass

from iac_agent.planner.inventory import TYPE_WORDS, Inventory, Resource
from iac_agent.planner.protocol import Question

_ALL = re.compile(r"\b(all|every|each|both)\b", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:module\.[\w-]+(?:\[[^\]]+\])?\.)*azurerm_\w+\.[\w-]+(?:\[[^\]]+\])?")


@dataclass(frozen=True)
class Targets:
    """The resources a request means."""

    resources: tuple[Resource, ...]


def _norm(text: str) -> str:
    return re.sub(r"[\s_-]+", "-", text.strip().lower())


def mentions(request: str, name: str) -> bool:
    if len(name) < 2:
        return False
    pattern = re.escape(_norm(name)).replace(r"\-", r"[\s_-]")
    return re.search(rf"(?<![\w-]){pattern}(?![\w-])", request, re.IGNORECASE) is not None


def find(request: str, inventory: Inventory, types: tuple[str, ...], answer: str = "") -> Targets | Question | None:
    """The targets among `types`. None when nothing fits; a Question when several do and the request does not say which.

    An explicit answer (`--answer`) wins; then addresses in the request, Azure names, labels, tags, type words. A request that names
    nothing means all candidates; one that names something unknown is never guessed at.
    """
    candidates = inventory.of_types(types)
    if answer:
        return _answered(answer, inventory, candidates)
    addressed = [inventory.get(a) for a in _ADDRESS.findall(request)]
    exact = [r for r in addressed if r is not None and r.type in types]
    if exact:
        return Targets(tuple(exact))
    for pick in (_by_azure_name, _by_label, _by_tag):
        found = pick(request, candidates)
        if found:
            return _one_or_ask(request, found)
    unknown = _unknown_name(request)
    if unknown and candidates:
        return _ask(candidates, f"There is no {unknown} here.")
    narrowed = _by_type_word(request, candidates) or candidates
    return _one_or_ask(request, narrowed) if narrowed else None


def _answered(answer: str, inventory: Inventory, candidates: list[Resource]) -> Targets | Question | None:
    if _norm(answer) in ("all", "both", "every"):
        return Targets(tuple(candidates))
    wanted = [a.strip() for a in answer.split(",")]
    found = []
    for one in wanted:
        exact = inventory.get(one)
        named = [r for r in candidates if _norm(one) in {_norm(n) for n in [*r.azure_names, r.label]}]
        if exact in candidates and exact is not None:
            found.append(exact)
        elif len(named) == 1:
            found += named
        else:
            return _ask(candidates, f"{one!r} is none of the candidates.")
    return Targets(tuple(found))


def _by_azure_name(request: str, candidates: list[Resource]) -> list[Resource]:
    return [r for r in candidates if any(mentions(request, n) for n in r.azure_names)]


_NOT_NAMES = {"vm", "main", "this", "default", "spot", "disk", "tag", "all", "vms", "machine", "server"}


def _by_label(request: str, candidates: list[Resource]) -> list[Resource]:
    return [r for r in candidates if _norm(r.label) not in _NOT_NAMES and mentions(request, r.label)]


def _by_tag(request: str, candidates: list[Resource]) -> list[Resource]:
    """`the vm tagged role=web`, `vms with role web`."""
    match = re.search(r"\b(?:tagged|with tag|with)\s+([\w-]+)\s*[=: ]\s*[\"']?([\w.-]+)", request, re.IGNORECASE)
    if not match:
        return []
    return [r for r in candidates if r.tags.get(match[1], "").lower() == match[2].lower()]


def _by_type_word(request: str, candidates: list[Resource]) -> list[Resource]:
    """Candidates of the most specific type word in the request."""
    words = sorted(TYPE_WORDS, key=len, reverse=True)
    for word in words:
        if re.search(rf"(?<![\w-]){word}(?![\w-])", request, re.IGNORECASE):
            found = [r for r in candidates if r.type in TYPE_WORDS[word]]
            if found:
                return found
    return []


_LOOKS_LIKE_A_NAME = re.compile(r"(?<![\w.-])(?:[A-Za-z]\w*(?:[-_]\w+)+|[A-Za-z]+\d+)(?![\w.-])|[\"']([^\"']+)[\"']")
_WORDS = re.compile(
    r"(?:on|non)[-_]demand|boot[-_]diagnostics?|data[-_]disk|os[-_]disk|(?:Standard|Basic|Premium|StandardSSD|UltraSSD)_\w+", re.IGNORECASE
)


def _unknown_name(request: str) -> str:
    """A word of the request that looks like the name of a resource; empty when there is none."""
    for match in _LOOKS_LIKE_A_NAME.finditer(request):
        if not _WORDS.fullmatch(match[0]):
            return match[1] or match[0]
    return ""


def _one_or_ask(request: str, found: list[Resource]) -> Targets | Question:
    if len(found) == 1 or _ALL.search(request):
        return Targets(tuple(found))
    return _ask(found, "")


def _ask(candidates: list[Resource], lead: str) -> Question:
    text = " ".join(part for part in (lead, f"Which of these {len(candidates)} do you mean?") if part)
    return Question(text, {r.address: r.describe() for r in candidates})
