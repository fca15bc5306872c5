"""One wish of a request: its words, with the quantities, names and conditions in it read out."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from iac_agent.planner import lexicon
from iac_agent.planner.names import ADDRESS

_FULL_SIZE = re.compile(r"\b(Standard|Basic)_([A-Za-z]+\d+[a-z]*(?:-\d+)?[a-z]*(?:_[A-Za-z]\w*?)*?(?:_v\d+)?)\b", re.IGNORECASE)
_SHORT_SIZE = re.compile(r"(?<![\w-])((?:B|D|E|F|L|M|DS|DC|NC|NV|HB|A)[1-9]\d*[a-z]*(?:-\d+)?[a-z]*(?:_v\d)?)(?![\w-])", re.IGNORECASE)
_AMOUNT = re.compile(
    r"(?<![\w.-])(?P<number>\d+(?:[.,]\d+)?|half a|a|an|one|two)\s*-?(?P<unit>tib|tb|terabytes?|tera|gib|gb|gigs?|"
    r"gigabytes?|gbs|g(?=\b))\b",
    re.IGNORECASE,
)
_CORES = re.compile(
    r"\b(?P<number>\d+|two|four|eight|sixteen|thirty-two|twice as many|half the)\s*-?\s*(?:v?cpus?|v?cores?)\b", re.IGNORECASE
)
CIDR = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?\b")
PAIR = re.compile(
    r"""(?<![\w])["']?(?P<key>[A-Za-z][\w.-]*)["']?\s*(?:=|:(?!//))\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[\w.@/+-]*[\w@/+-]))"""
)
_PRICE = re.compile(
    r"(?:\$|€)?\s*(?P<amount>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>(?:us\s*)?cents?|ct|¢|c\b|(?:us\s*)?dollars?|usd|bucks)?(?:\s*(?:an|per|/|a|"
    r"each)\s*(?:hour|hr|h))?",
    re.IGNORECASE,
)
_CAPPED = re.compile(
    r"\b(?:max(?:imum)?|at most|no more than|not more than|cap(?:ped)?|up to|limit|bid|price|pay|ceiling)\b.*?(?=(?:\$|€)?\s*(?:\d|\.\d))",
    re.IGNORECASE,
)
_COMMAND = re.compile(r"(?:set|add|put|throw|drop|remove|delete|give|make|tag|rename|change|kill|get|please)$", re.IGNORECASE)


@dataclass(frozen=True)
class Amount:
    """A disk size in GB; `relative` is how it changes what is there: +1 by, 0 to."""

    gigabytes: int
    relative: bool
    start: int
    end: int


@dataclass(frozen=True)
class Wish:
    """One clause. `text` is as typed but for framing words; `context` is the whole request."""

    text: str
    context: str = ""

    def has(self, pattern: str) -> bool:
        return re.search(pattern, self.text, re.IGNORECASE) is not None

    def verb(self, *meanings: str) -> bool:
        return lexicon.verb_pattern(*meanings).search(self.text) is not None

    def without(self, *patterns: re.Pattern[str] | str) -> str:
        """The text with matches blanked, so that what is left can be searched for names."""
        text = self.text
        for pattern in patterns:
            found = re.compile(pattern, re.IGNORECASE) if isinstance(pattern, str) else pattern
            text = found.sub(lambda m: " " * len(m[0]), text)
        return text

    # --- quantities ----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def positive(self) -> str:
        """The text without what it excepts."""
        text = self.text
        for pattern in (lexicon.EXCEPT, lexicon.NEGATED):
            match = pattern.search(text)
            text = text[: match.start()] if match else text
        return text

    @functools.cached_property
    def size(self) -> str:
        """A VM size as azurerm writes it (`Standard_D4s_v5`); empty when none is named."""
        full = _FULL_SIZE.search(self.text)
        if full:
            return f"{full[1].capitalize()}_{full[2]}"
        short = _SHORT_SIZE.search(self.without(CIDR, ADDRESS))
        return f"Standard_{short[1]}" if short and not self.text[: short.start()].rstrip().endswith(("web", "worker")) else ""

    @property
    def size_words(self) -> list[re.Pattern[str]]:
        """What spells the size out, to be left out of the search for names."""
        name = self.size.split("_", 1)[-1]
        return [re.compile(rf"(?:\b(?:Standard|Basic)_)?{re.escape(name)}\b", re.IGNORECASE)] if name else []

    @functools.cached_property
    def amounts(self) -> list[Amount]:
        """Disk sizes in GB, 1 TB = 1024 GB."""
        found = []
        for match in _AMOUNT.finditer(self.without(CIDR)):
            word = match["number"].lower()
            number = 0.5 if word == "half a" else float(lexicon.NUMBERS[word]) if word in lexicon.NUMBERS else float(word.replace(",", "."))
            factor = 1024 if match["unit"].lower().startswith("t") else 1
            before = self.text[: match.start()].lower()
            relative = (
                re.search(
                    r"(?:\bby|\banother|\bplus|\+|\badd(?:itional)?|\bextra|\bmore)\s*(?:another|an extra|an additional)?\s*$", before
                )
                is not None
            )
            relative = relative or re.match(r"\s*(?:more|extra|on top|additional)\b", self.text[match.end() :], re.IGNORECASE) is not None
            found.append(Amount(round(number * factor), relative, match.start(), match.end()))
        return found

    @functools.cached_property
    def cores(self) -> int | None:
        match = _CORES.search(self.text)
        if not match or not (match["number"].isdigit() or match["number"].lower() in lexicon.NUMBERS):
            return None
        return int(match["number"]) if match["number"].isdigit() else lexicon.NUMBERS[match["number"].lower()]

    @functools.cached_property
    def zones(self) -> list[str]:
        """Availability zones in the order they are said, `1` to `3`, as often as they are said."""
        said = re.findall(r"\b(?:availability )?zones?\s*([123](?:(?:\s*,\s*|\s+and\s+)[123])*)\b", self.text, re.IGNORECASE)
        return [zone for each in said for zone in re.findall(r"[123]", each)]

    @functools.cached_property
    def cidrs(self) -> list[str]:
        return [c if "/" in c else f"{c}/32" for c in CIDR.findall(self.text)]

    @functools.cached_property
    def price(self) -> float | None:
        """A cap in dollars an hour."""
        lead = _CAPPED.search(self.text)
        match = _PRICE.match(self.text, lead.end()) if lead else None
        if not match:
            match = next(
                (
                    m
                    for m in _PRICE.finditer(self.without(CIDR))
                    if m["unit"] or re.search(r"[$€]", m[0]) or re.search(r"(?:hour|hr|/h)", m[0])
                ),
                None,
            )
        if not match or re.search(r"(?:-|\bminus)\s*$", self.text[: match.start()], re.IGNORECASE):
            return None
        amount = float(match["amount"])
        cents = (match["unit"] or "").lower().removeprefix("us").strip() in ("cent", "cents", "ct", "¢", "c")
        return round(amount / 100 if cents else amount, 6)

    @functools.cached_property
    def pairs(self) -> dict[str, str]:
        """`key=value` pairs; `key: value` too where the wish speaks of tags."""
        found = [m for m in PAIR.finditer(self.text) if "=" in m[0] or (self.has(r"\btag") and not _COMMAND.match(m["bare"] or ""))]
        return {
            m["key"]: next(m[g] for g in ("double", "single", "bare") if m[g] is not None)
            for m in found
            if m["key"].lower() not in ("tag", "tags")
        }

    @functools.cached_property
    def region(self) -> str:
        """An Azure region, as azurerm writes it."""
        text = self.text.lower()
        return next((n for n in sorted(lexicon.REGIONS, key=len, reverse=True) if _spaced_region(text, n)), "")

    @functools.cached_property
    def number(self) -> int | None:
        """A count: `3 vms`, `three`, `two more`."""
        match = re.search(
            rf"(?<![\w.,/-])(\d{{1,3}}|{'|'.join(n for n in lexicon.NUMBERS if len(n) > 2 and ' ' not in n)})(?![\w./]|-[a-z])",
            self.text,
            re.IGNORECASE,
        )
        if not match:
            return None
        return int(match[1]) if match[1].isdigit() else lexicon.NUMBERS[match[1].lower()]


def _spaced_region(text: str, name: str) -> bool:
    return re.search(r"\b" + r" ?".join(re.escape(c) for c in name) + r"\b", text) is not None
