"""How a request falls apart into wishes: at separators, where what follows has a verb of its own or repeats the form before it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

from iac_agent.planner import lexicon
from iac_agent.planner.names import ADDRESS
from iac_agent.planner.wish import CIDR, PAIR, Wish

_QUOTED = re.compile(r"\"([^\"]+)\"|(?<!\w)'([^']+)'(?!\w)|`([^`]+)`|“([^”]+)”")


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


# What only says how things are or are to stay: no wish, and no verb in it is one.
_CONSTRAINT = re.compile(
    r"(?:[\w.\"\[\]-]+\s+){1,6}?(?:keeps?|stays?|remains?|does not (?:get|change|need)|do not (?:get|change)|(?:is|are) to (?:stay|remain)|"
    r"must (?:stay|remain)|(?:is|are) (?:of )?no use|(?:is|are) not (?:to be )?(?:touched|changed)|(?:does|do) not matter|"
    r"(?:is|are) untouched)\b.*|"
    r"(?:if|should) (?:it|that|this) (?:cannot|can ?not|can't)\b.*\bsay so|either (?:both|all) or (?:neither|none)|nothing else\b.*|"
    r"name only\b.*|no other\b.*",
    re.IGNORECASE,
)


_STATES = r"(?:keeps?|stays?|remains?|does|is|must)"
_CLAUSE_END = re.compile(rf"(\s*(?:;|\.(?=\s|$)|,?\s+and(?=\s+[\w-]*\d[\w-]*\s+{_STATES})|,\s+(?=\w+-\d+ {_STATES}))\s*)")


def without_constraints(request: str) -> str:
    """The request without sentences and clauses that only say what stays as it is; the request itself where nothing else is said."""
    parts = [*_CLAUSE_END.split(request), ""]
    kept = [(clause, mark) for clause, mark in zip(parts[::2], parts[1::2], strict=True) if not _CONSTRAINT.fullmatch(clause.strip())]
    left = "".join(clause + mark for clause, mark in kept).strip(" ;,")
    return re.sub(r",?\s+and\.?$", "", left) if re.search(r"\w", left) else request


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
        if PAIR.match(rest) and "=" in PAIR.match(rest)[0] and not re.search(r"\b(?:on|to|for)\s", before):  # type: ignore[index]
            continue
        paired = PAIR.match(rest) is not None and re.search(r"\b(?:on|to|for)\s", before) is not None and "=" in before
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
    spans = sorted((m.start(), m.end()) for p in (_QUOTED, PAIR) for m in p.finditer(text) if p is _QUOTED or "=" in m[0])
    for start, end in spans:
        if start >= position:
            out += change(text[position:start]) + text[start:end]
            position = end
    return out + change(text[position:])


def _protected(request: str) -> list[tuple[int, int]]:
    spans = [(m.start(), m.end()) for p in (_QUOTED, ADDRESS, PAIR, CIDR) for m in p.finditer(request)]
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
