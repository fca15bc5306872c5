"""What a wish asks for and its edits do not say: a recipe that overlooks a word must not pass for one that understood it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from iac_agent.hcl.edits import Edit
from iac_agent.planner.wish import Wish

_DISK_KINDS = {
    r"premium(?:[\s_-]?ssd)?(?:[\s_-]?lrs)?": "Premium",
    r"standard[\s_-]?ssd": "StandardSSD",
    r"ultra(?:[\s_-]?ssd)?(?=\s+disks?\b)": "UltraSSD",
    r"zrs": "ZRS",
}
_WITH_ACCOUNT = r"\b(?:using|via|into|with|to)\s+(?:the|our|its|an?)\s+(?:[\w-]+\s+){0,3}(?:storage account|workspace)\b"
_INSTANCES = re.compile(r"\b(?P<number>\d{1,3})\s+(?:instances|replicas)\b", re.IGNORECASE)


def forgotten(wish: Wish, edits: Sequence[Edit], said: str) -> str:
    """The first thing the wish asks for that neither its edits nor what is said of them holds; empty when there is none."""
    written = f"{' '.join(map(repr, edits))} {said}"
    return next((words for words, value in _asked(wish) if value.lower() not in written.lower()), "")


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
    if match := re.search(_WITH_ACCOUNT, wish.text, re.IGNORECASE):
        yield match[0], "_account"
