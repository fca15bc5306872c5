"""One wish of a request: its words, with the quantities, names and conditions in it read out; and how a request falls apart into wishes."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable
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
_PAIR = re.compile(
    r"""(?<![\w])["']?(?P<key>[A-Za-z][\w.-]*)["']?\s*(?:=|:(?!//))\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[\w.@/+-]*[\w@/+-]))"""
)
_PRICE = re.compile(
    r"(?:\$|€)?\s*(?P<amount>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>cents?|ct|¢|c\b|dollars?|usd|bucks)?(?:\s*(?:an|per|/|a|"
    r"each)\s*(?:hour|hr|h))?",
    re.IGNORECASE,
)
_CAPPED = re.compile(
    r"\b(?:max(?:imum)?|at most|no more than|not more than|cap(?:ped)?|up to|limit|bid|price|pay|ceiling)\b.*?(?=(?:\$|€)?\s*(?:\d|\.\d))",
    re.IGNORECASE,
)
_COMMAND = re.compile(r"(?:set|add|put|throw|drop|remove|delete|give|make|tag|rename|change|kill|get|please)$", re.IGNORECASE)
_QUOTED = re.compile(r"\"([^\"]+)\"|(?<!\w)'([^']+)'(?!\w)|`([^`]+)`|“([^”]+)”")


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
        if not match:
            return None
        amount = float(match["amount"])
        cents = (match["unit"] or "").lower() in ("cent", "cents", "ct", "¢", "c")
        return round(amount / 100 if cents else amount, 6)

    @functools.cached_property
    def pairs(self) -> dict[str, str]:
        """`key=value` pairs; `key: value` too where the wish speaks of tags."""
        found = [m for m in _PAIR.finditer(self.text) if "=" in m[0] or (self.has(r"\btag") and not _COMMAND.match(m["bare"] or ""))]
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


_TICKET = re.compile(r"^\[?(?:(?:ticket|issue|jira)\s+)?(?:[A-Z]{2,}-\d+|#\d+)\]?\s*[:–-]\s*", re.IGNORECASE)
_SEPARATOR = re.compile(
    r"\s*(?:;|\.(?=\s|$)|,?\s+and\s+then\s+|,?\s+then\s+|,?\s+and also\s+|,\s*and\s+|\s+and\s+|,\s+|\s+plus\s+|\s+but\s+|:\s+)\s*",
    re.IGNORECASE,
)
_STARTS = re.compile(
    r"(?:also |then |please |its? |the |his )?(?:"
    + "|".join(
        sorted(
            {
                re.escape(w).replace(r"\ ", r"\s+")
                for m in (
                    "create",
                    "attach",
                    "detach",
                    "grow",
                    "shrink",
                    "enable",
                    "disable",
                    "remove",
                    "rename",
                    "move",
                    "open",
                    "close",
                    "scale",
                    "resize",
                    "tag",
                    "narrow",
                )
                for w in lexicon.VERBS[m]
                if w
                not in (
                    "on",
                    "off",
                    "no",
                    "a",
                    "new",
                    "more",
                    "larger",
                    "bigger",
                    "smaller",
                    "another",
                    "additional",
                    "only",
                    "up",
                    "with",
                    "plus",
                    "size",
                    "half",
                    "step",
                    "need",
                    "needs",
                    "want",
                    "wants",
                    "label",
                    "host",
                    "use",
                    "run",
                    "cut",
                    "call",
                    "without",
                    "change",
                    "have",
                    "just from",
                    "get",
                    "gets",
                    "put",
                    "give",
                    "takes",
                    "goes",
                )
            },
            key=len,
            reverse=True,
        )
    )
    + r"|make|set|turn|convert|switch|change|use|run|give|put|have|go\s+to)\b(?!\s+(?:on|off)?\s*$)",
    re.IGNORECASE,
)
_TOPIC = re.compile(r"(?:its |the |and )?boot[ -]?diag\w*\b", re.IGNORECASE)
_ELLIPSIS = re.compile(r"^(?P<name>.+?)\s+(?P<value>(?:to|->|=>|at|by|with)\s+.+|regular|spot|plus \S+ ?\w*|\d+ ?\w+)$", re.IGNORECASE)


def starts_anew(text: str) -> bool:
    """Whether a part begins with a verb of its own."""
    return _STARTS.match(text) is not None or _TOPIC.match(text) is not None


_SERVICES = "|".join(sorted(map(re.escape, lexicon.SERVICES), key=len, reverse=True))
_PORTED = re.compile(rf"(?:(?:tcp|udp)\s+)?(?:\d{{2,5}}|{_SERVICES})\s+(?:for|from|on|to|is|only|should|must)\b", re.IGNORECASE)
_NUMBERED = re.compile(
    r"(?:\d{1,2}|two|three|four|five|six|seven|eight)\s+(?!(?:gb|gib|tb|gigs?|cores?|v?cpus?|cents?|more)\b)[a-z][\w-]*(?:\s+[a-z]+)?\s*$",
    re.IGNORECASE,
)


def wishes(request: str) -> list[Wish]:
    """The wishes of a request, in order. A part without a verb of its own belongs to the one before it."""
    request = _TICKET.sub("", " ".join(request.replace("’", "'").split()))
    parts: list[str] = []
    position = 0
    protected = _protected(request)
    for match in _SEPARATOR.finditer(request):
        if any(a <= match.start() < b for a, b in protected):
            continue
        rest = request[match.end() :]
        before = request[position : match.start()]
        if not before.strip() or not rest.strip():
            continue
        if match[0].strip().lower() == "but" and re.search(r"\b(?:all|every\w*|anything|each)\b[\w ]{0,20}$", before, re.IGNORECASE):
            continue
        full_stop = match[0].strip() in (";", ".")
        if _PAIR.match(rest) and "=" in _PAIR.match(rest)[0] and not re.search(r"\b(?:on|to|for)\s", before):  # type: ignore[index]
            continue
        paired = _PAIR.match(rest) is not None and re.search(r"\b(?:on|to|for)\s", before) is not None and "=" in before
        if paired or full_stop or (starts_anew(rest) and not _dangles(before)) or _elliptic(before, rest):
            parts.append(before)
            position = match.end()
    parts.append(request[position:])
    cleaned = [_spelt(_framed(p)) for p in parts]
    found = [Wish(c, request) for c in cleaned if c]
    return _complete(found) or [Wish("", request)]


def _framed(text: str) -> str:
    return _outside_quotes(text, lambda part: lexicon.POLITE.sub(" ", part)).strip(" ,.;!?:-") if not re.fullmatch(r"\W*", text) else ""


_SPELLINGS = (
    "disable",
    "enable",
    "remove",
    "delete",
    "attach",
    "detach",
    "resize",
    "rename",
    "restrict",
    "increase",
    "decrease",
    "downsize",
    "upsize",
    "create",
    "provision",
    "deploy",
    "convert",
    "destroy",
    "extend",
    "expand",
    "shrink",
    "enlarge",
    "relocate",
    "migrate",
    "diagnostics",
    "machines",
    "instances",
    "servers",
    "regular",
)


def _spelt(text: str) -> str:
    """The text with misspelt verbs set right: a word that is none, and is close to one."""

    def right(match: re.Match[str]) -> str:
        word = match[0].lower()
        if word in _SPELLINGS or len(word) < 6 or word in lexicon.KNOWN_WORDS:
            return match[0]
        close = difflib.get_close_matches(word, _SPELLINGS, n=1, cutoff=0.84)
        return close[0] if close and sorted(close[0])[:3] == sorted(word)[:3] else match[0]

    return _outside_quotes(text, lambda part: re.sub(r"(?<![\w.-])[A-Za-z]{6,}(?![\w.-])", right, part))


def _outside_quotes(text: str, change: Callable[[str], str]) -> str:
    """The text with everything changed but what is quoted or a pair: those are values."""
    out, position = "", 0
    spans = sorted((m.start(), m.end()) for p in (_QUOTED, _PAIR) for m in p.finditer(text) if p is _QUOTED or "=" in m[0])
    for start, end in spans:
        if start >= position:
            out += change(text[position:start]) + text[start:end]
            position = end
    return out + change(text[position:])


def _protected(request: str) -> list[tuple[int, int]]:
    spans = [(m.start(), m.end()) for p in (_QUOTED, ADDRESS, _PAIR, CIDR) for m in p.finditer(request)]
    return spans + [
        (m.start(), m.end())
        for m in re.finditer(r"\b(?:but not|but (?:don'?t|do not)|but leave|but keep|and (?:don'?t|do not))\b.*", request, re.IGNORECASE)
    ]


def _dangles(before: str) -> bool:
    """Whether a part cannot stand alone: it ends in a verb or preposition."""
    return re.search(r"\b(?:to|and|or|the|of|for|with|a|an|is|be)\s*$", before, re.IGNORECASE) is not None


def _elliptic(before: str, rest: str) -> bool:
    """`resize web to D4s_v5 and db to E8s_v5`: the second part repeats the form of the first without its verb."""
    if (
        _PORTED.match(rest)
        and re.search(r"\b(?:for|from|on|to)\s", before)
        and re.search(rf"(?<![\w.-])(?:\d{{2,5}}|{_SERVICES})(?![\w.-])", before, re.IGNORECASE)
    ):
        return True
    if (
        _NUMBERED.match(rest)
        and re.search(r"\b(?:\d{1,2}|two|three|four|five|six|seven|eight)\s+[\w-]+(?:\s+\w+)?\s*$", before, re.IGNORECASE)
        and not re.search(r"\bvms?\b.*\bvms?\b", before)
    ):
        return True
    piece = re.split(r"\s*(?:;|,|\sand\s)\s*", rest, maxsplit=1)[0]
    match = _ELLIPSIS.match(piece.strip())
    if match is None or len(match["name"].split()) > 5 or re.match(r"(?:from|in|on|only|to|the port)\b", match["name"], re.IGNORECASE):
        return False
    head = match["value"].split()[0].lower()
    if head in ("to", "by") and re.search(r"\b(?:to|by|plus)\s", before, re.IGNORECASE):
        return True
    if head in ("regular", "spot"):
        return re.search(r"\b(?:spot|regular|demand|priority)\b", before, re.IGNORECASE) is not None
    return re.search(rf"(?<!\w){re.escape(head)}(?!\w)", before, re.IGNORECASE) is not None or head == "plus"


def _complete(found: list[Wish]) -> list[Wish]:
    """Give a part without a verb the verb of the part before it, by putting that in front."""
    out: list[Wish] = []
    for wish in found:
        match = _ELLIPSIS.match(wish.text) or _PORTED.match(wish.text)
        if out and match and not _STARTS.match(wish.text):
            lead = re.match(r"(?:[a-z]+(?:\s+(?:up|down|on|off))?)\b", out[-1].text, re.IGNORECASE)
            nouns = re.search(r"\b(?:os|data|boot|root)?\s?(?:disks?|diagnostics|size|price)\b", out[-1].text, re.IGNORECASE)
            verb = lead[0] if lead and _STARTS.match(out[-1].text) else ""
            noun = f" {nouns[0]}" if nouns and not re.search(r"\b(?:disk|one|diagnostics|size)\b", wish.text, re.IGNORECASE) else ""
            text = re.sub(r"\bone\b", nouns[0] if nouns else "one", wish.text) if nouns else wish.text
            out.append(Wish(f"{verb}{noun} {text}".strip() if verb or noun else text, wish.context))
        else:
            out.append(wish)
    return out
