"""The comment: a review as Markdown that a reviewer reads from the top down, cut to what the forge takes.

What comes from code, plans and people is shown as code, so that it mentions nobody, links nowhere and closes no tag.
Limits: GitHub 65,536 characters, GitLab 1,000,000, Azure DevOps 150,000, Bitbucket Server 32,768 (each platform's documentation).
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from iac_agent.drift.wording import cause_text, difference_text
from iac_agent.guard import redact
from iac_agent.guard.check import Finding
from iac_agent.guard.policy import Ruling
from iac_agent.hcl.address import without_keys
from iac_agent.review.report import Review, Reviewed, Row

MARKER = "<!-- iacagent:review -->"
_WORDS = {
    "delete": "destroyed", "replace": "replaced", "forget": "forgotten, not destroyed", "update": "changed", "create": "created",
    "import": "imported", "move": "moved",
}  # fmt: skip
_OUTCOMES = {Ruling.REFUSE: "⛔ refused", Ruling.UNKNOWN: "❓ cannot be told", Ruling.WARN: "⚠ warned", Ruling.PASS: "✓"}
_SAID = {
    "refused": "⛔ refused", "failed": "✗ not planned", "approval": "✋ needs approval by name", "warned": "⚠ passes, with warnings",
    "passed": "✓ passes",
}  # fmt: skip


@dataclass(frozen=True)
class Detail:
    """How much of each kind is shown: root modules in the table and with a section, dangerous rows, other rows, attributes of a row,
    findings, and characters of a message.
    """

    roots: int = 1_000_000
    sections: int = 1_000_000
    rows: int = 1_000_000
    other: int = 1_000_000
    attributes: int = 1_000_000
    findings: int = 1_000_000
    text: int = 20_000


WHOLE = Detail()
_LADDER = (
    Detail(500, 100, 200, 100, 20, 100, 6000), Detail(500, 60, 80, 30, 8, 40, 3000), Detail(300, 40, 30, 10, 4, 15, 1000),
    Detail(200, 20, 10, 4, 2, 6, 400), Detail(100, 8, 4, 1, 1, 3, 200), Detail(50, 0, 0, 0, 0, 0, 0), Detail(5, 0, 0, 0, 0, 0, 0),
)  # fmt: skip


def render(review: Review, *, limit: int = 0, link: str = "", commands: bool = True, kept: bool = False) -> str:
    """The comment, at most `limit` bytes in UTF-8 (0: all of it). `link` leads to the whole review; `kept`: an apply takes this plan."""
    whole = _rendered(review, WHOLE, link, commands, kept)
    if not limit or len(whole.encode()) <= limit:
        return whole
    for detail in _LADDER:
        text = _rendered(review, detail, link, commands, kept)
        if len(text.encode()) <= limit:
            return text
    return f"{MARKER}\n## iacagent: {headline(review)}\n\nIt does not fit here{f': [the whole review]({link})' if link else ''}.\n"


def headline(review: Review) -> str:
    """What it comes to, in a line."""
    count = len(review.roots)
    where = "no root module is touched" if not count else f"{count} root module{'s' if count > 1 else ''}"
    total = Counter(r.action for root in review.roots for r in root.rows)
    told = ", ".join(f"{total[a]:,} {_WORDS[a]}" for a in _WORDS if total[a])
    if count and not told and not any(r.problem for r in review.roots):
        told = "no changes"
    return f"{where}{f', {told}' if told else ''}; {_SAID[review.outcome] if count else '✓ nothing to plan'}"


def _rendered(review: Review, detail: Detail, link: str, commands: bool, kept: bool) -> str:
    whole = f" ([the whole review]({link}))" if link else ""
    said = _template().render(
        review=review, detail=detail, link=link, whole=whole, marker=MARKER, commands=commands, kept=kept, headline=headline(review),
        words=_WORDS, outcomes=_OUTCOMES,
    )  # fmt: skip
    return re.sub(r"\n{3,}", "\n\n", said).rstrip() + "\n"


@functools.cache
def _template():  # type: ignore[no-untyped-def]
    environment = Environment(
        loader=PackageLoader("iac_agent.review"), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    environment.filters |= {
        "code": code, "plain": plain, "block": block, "cell": cell, "counted": counted, "cost": _cost, "verdict": _verdict,
        "alike": alike, "beyond": beyond,
        "by_type": by_type, "difference": difference_text, "cause": cause_text, "number": lambda n: f"{n:,}",
    }  # fmt: skip
    return environment.get_template("comment.md.j2")


@dataclass(frozen=True)
class Alike:
    """Rows, or findings, of which all is the same but the address: the first, and all the addresses."""

    first: Any
    addresses: tuple[str, ...]


def alike(listed: Sequence[Row] | Sequence[Finding]) -> list[Alike]:
    """What is alike as one, in the order of the first of each: instances of a block that change in one way, or break a rule so."""
    found: dict[Any, list[Any]] = {}
    for one in listed:
        if isinstance(one, Row):
            impacts = tuple((i.kind, i.what, i.dependents) for i in one.impacts)
            key: Any = (without_keys(one.address), one.action, one.where, one.attributes, one.reason, impacts)
        else:
            key = (one.rule, one.outcome, one.where, one.attribute, one.value, one.excepted, one.detail, one.title, one.why, one.fix)
        found.setdefault(key, []).append(one)
    return [Alike(held[0], tuple(h.address for h in held)) for held in found.values()]


def beyond(rows: Sequence[Row], shown: Sequence[Alike]) -> list[Row]:
    """The rows that none of these groups shows."""
    held = {a for group in shown for a in group.addresses}
    return [r for r in rows if r.address not in held]


def code(text: object) -> str:
    """Text as a code span, whatever is in it. Source: https://spec.commonmark.org/0.31.2/#code-spans"""
    said = " ".join(redact.printable(str(text)).split())
    if not said:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", said)), default=0) + 1)
    pad = " " if said.startswith("`") or said.endswith("`") else ""
    return f"{fence}{pad}{said}{pad}{fence}"


def plain(text: object) -> str:
    """Text as text: what Markdown and HTML would act on is escaped, and nobody is mentioned."""
    said = " ".join(redact.printable(str(text)).split())
    said = re.sub(r"([\\`*\[\]<>|#~])", r"\\\1", said.replace("&", "&amp;"))
    return re.sub(r"(?<=@)(?=\w)|(?=://)|(?<=www)(?=\.)", "\N{ZERO WIDTH NON-JOINER}", said)


def block(text: object, most: int) -> str:
    """Lines of text as they are, in a fenced block; at most so many characters."""
    said = redact.printable(str(text)).strip()
    if len(said) > most:
        said = f"{said[:most]} ..."
    return f"\n\n{fenced(said, 'text')}"


def fenced(text: str, kind: str) -> str:
    """A fenced block of a kind, whatever is in it. Source: https://spec.commonmark.org/0.31.2/#fenced-code-blocks"""
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence}{kind}\n{text}\n{fence}"


def cell(text: str) -> str:
    """What stands in a table."""
    return text.replace("\\|", "|").replace("|", "\\|").replace("\n", " ")


def counted(reviewed: Reviewed) -> str:
    """What happens to how many, the most dangerous first."""
    counts = reviewed.counts()
    told = [f"{'**' if a in ('delete', 'replace') else ''}{counts[a]:,} {_WORDS[a]}{'**' if a in ('delete', 'replace') else ''}"
            for a in _WORDS if a in counts]  # fmt: skip
    return ", ".join(told) or ("" if reviewed.problem else "no changes")


def _cost(reviewed: Reviewed) -> str:
    cost = reviewed.cost
    if cost is None:
        return "unknown" if reviewed.problem else ""
    unknown = f", {len(cost.unknown)} unknown" if cost.unknown else ""
    return f"{f'{cost.change:+,.2f} {cost.currency}' if cost.change else 'no change'}{unknown}"


def _verdict(reviewed: Reviewed) -> str:
    rules = sorted({f.rule for f in reviewed.findings if f.outcome == Ruling.REFUSE})
    return _SAID[reviewed.outcome] + (f": {', '.join(rules[:4])}{' ...' if len(rules) > 4 else ''}" if rules else "")


def by_type(rows: Sequence[Row]) -> str:
    """How many of which type."""
    counts = Counter(without_keys(r.address).split(".")[-2] if "." in r.address else r.address for r in rows)
    told = [f"{n:,} {code(kind)}" for kind, n in counts.most_common(6)]
    return ", ".join(told) + (" and others" if len(counts) > 6 else "")
