"""What a wish asks for and its edits do not say: a recipe that overlooks a word must not pass for one that understood it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from iac_agent.hcl.edits import Edit
from iac_agent.planner import lexicon
from iac_agent.planner.selection import is_ordinary
from iac_agent.planner.wish import Wish
from iac_agent.planner.world import World

_DISK_KINDS = {
    r"premium(?:[\s_-]?ssd)?(?:[\s_-]?lrs)?": "Premium",
    r"standard[\s_-]?ssd": "StandardSSD",
    r"ultra(?:[\s_-]?ssd)?(?=\s+disks?\b)": "UltraSSD",
    r"zrs": "ZRS",
}
_WITH_ACCOUNT = r"\b(?:using|via|into|with|to)\s+(?:the|our|its|an?)\s+(?:[\w-]+\s+){0,3}(?:storage account|workspace)\b"
_INSTANCES = re.compile(r"\b(?P<number>\d{1,3})\s+(?:instances|replicas)\b", re.IGNORECASE)
_DISK = r"\b(?:disks?|drives?|ssds?|hdds?|volumes?)\b"
_WORD = re.compile(r"(?<![\w./=:@-])[A-Za-z][A-Za-z]+(?![\w./=:@-])")
_TELLING = re.compile(r"(?:the|both|all|each|every|our|my|these|those|any|on|of|to|from|in|at)", re.IGNORECASE)
_PURPOSE = re.compile(r"\bfor (?:the|our|its|their|my)\s*$", re.IGNORECASE)
_COMMON = frozenset(
    str.split(
        """
    its and are but can don nearly alone nobody together could plenty rest has else does yet way you may say able itself themselves anything
    onto anymore per becomes been being did doing done had having her him his how it itself let me might more must no nor not now off ok on
    onto or ought ours out own per same she should so some still such they this too us very was we were what which who whom why yet yours
    anywhere deallocated deleted evicted included including incl respectively meantime moment future past morning evening weekend summer
    winter admins admin office vpn team teams customers people everyone users clients colleagues guys outside inside cents gigs gig ram
    memory cap pricing plain normal regular empty full poor able fact case order kind sort bit lot couple pair half rest minimum maximum
    beginning start middle top bottom following usual default scratch by cpu cpus scrape talk complete single kind kinds sized
    demand pay go goes tb gb gib tib lun ip ips az id
    """
    )
)


def forgotten(wish: Wish, edits: Sequence[Edit], said: str, world: World) -> str:
    """The first thing the wish asks for that neither its edits nor what is said of them holds; empty when there is none."""
    written = f"{' '.join(map(repr, edits))} {said}".lower()
    missing = next((words for words, value in _asked(wish) if not _holds(written, value.lower())), "")
    return missing or ("" if world.context.answer else _strange(wish, written, world))


def _holds(written: str, value: str) -> bool:
    return re.search(rf"(?<!\w){value}(?!\w)", written) is not None if value.isdigit() else value in written


def _asked(wish: Wish) -> Iterator[tuple[str, str]]:
    """The words that ask for something plain to see, each with what the edits must say then."""
    for cidr in wish.cidrs:
        yield cidr, cidr.removesuffix("/32").removesuffix("/0")
    if wish.size:
        yield wish.size, wish.size
    for pattern, value in _DISK_KINDS.items():
        if match := re.search(rf"\b{pattern}\b", wish.text, re.IGNORECASE):
            yield match[0], value
    for match in _INSTANCES.finditer(wish.text):
        yield match[0], match["number"]
    if wish.has(_DISK) and not wish.cores:
        yield from ((wish.text[a.start : a.end], str(a.gigabytes)) for a in wish.amounts if not a.relative)
    if match := re.search(r"\band (?:the )?[\w-]+ (?P<number>\d{1,3})$", wish.text, re.IGNORECASE):
        yield match[0], match["number"]
    yield from _second_wishes(wish)
    if match := re.search(_WITH_ACCOUNT, wish.text, re.IGNORECASE):
        yield match[0], "log_analytics_workspace" if "workspace" in match[0].lower() else "_account"


def _second_wishes(wish: Wish) -> Iterator[tuple[str, str]]:
    """What a recipe for one thing may have been handed of another: a step in size, Spot, boot diagnostics, several names."""
    if match := re.search(r"\b(?:one|two|a)\s+(?:sizes?|steps?)\s+(?:up|down|larger|bigger|smaller)\b", wish.text, re.IGNORECASE):
        yield match[0], "standard_"
    if match := re.search(r"(?<![\w-])spot(?:\s+too)?(?=\s*(?:$|[,;.]|and\b|too\b))", wish.text, re.IGNORECASE):
        yield match[0], "spot"
    if match := re.search(r"\bboot[\s-]*diag\w*", wish.text, re.IGNORECASE):
        yield match[0], "boot"
    if match := re.search(r"\b(?:called|named)\s+(?P<names>[\w-]+(?:\s*(?:,|\band\b)\s*[\w-]+)+)\s*$", wish.text, re.IGNORECASE):
        yield from ((name, name.lower()) for name in re.split(r"\s*(?:,|\band\b)\s*", match["names"]) if "-" in name or name[-1].isdigit())
    if wish.region:
        yield wish.region, wish.region


def _strange(wish: Wish, written: str, world: World) -> str:
    """A word where a name should be that is none here: `print` of `the print servers`, where there are other servers."""
    tagged = {value.lower() for r in world.inventory.resources for value in r.tags.values()}
    strange = [
        m
        for m in _WORD.finditer(wish.text)
        if _stands_for_a_name(wish.text, m)
        and (word := m[0].lower()) not in {*tagged, *_COMMON}
        and word not in written
        and not is_ordinary(word)
    ]
    known = [(m.start, m.end) for m in world.selector.names.mentions(wish.text)] if strange else []
    return next((m[0] for m in strange if not any(a < m.end() and m.start() < b for a, b in known)), "")


def _stands_for_a_name(text: str, word: re.Match[str]) -> bool:
    before, after = text[: word.start()], text[word.end() :]
    previous = re.search(r"([\w'-]+)\s+$", before)
    following = re.match(r"\s+([\w'-]+)", after)
    of_kind = following is not None and lexicon.KIND_PATTERN.fullmatch(following[1]) is not None
    return of_kind or (previous is not None and _TELLING.fullmatch(previous[1]) is not None and not _PURPOSE.search(before))
