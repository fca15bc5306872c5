"""Time ranges in people's words and in ISO 8601: `last 6 hours`, `yesterday`, `since 9:30`, `between 9 and 11`, `2026-11-28/PT6H`.

Every range is in whole minutes, as metrics are, and has a time zone: the one that was asked for, else the machine's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from iac_agent.errors import UsageError

_NUMBERS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twelve": 12,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "forty-five": 45,
    "sixty": 60,
    "half a": 0.5,
    "half an": 0.5,
    "half": 0.5,
    "couple of": 2,
    "a couple of": 2,
    "few": 3,
}
_UNITS = {"m": 60, "min": 60, "h": 3600, "hr": 3600, "d": 86400, "w": 604800, "s": 1, "sec": 1}
_UNIT = r"(?:minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w|seconds?|secs?|s)"
_COUNT = r"(?:\d+(?:[.,]\d+)?|" + "|".join(sorted(map(re.escape, _NUMBERS), key=len, reverse=True)) + ")"
_CLOCK = r"(?:(?:2[0-3]|[01]?\d)(?::[0-5]\d)?\s*(?:am|pm|o'?clock|h)?|noon|midnight)"
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = rf"(?:today|the day before yesterday|day before yesterday|yesterday|{'|'.join(_DAYS)}|\d{{4}}-\d\d-\d\d)"
_STAMP = r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)?"
_MOMENT = rf"(?:{_STAMP}|(?:{_DAY})(?:\s+(?:at\s+)?{_CLOCK})?|(?:this morning|tonight|last night)|{_CLOCK}(?:\s+{_DAY})?)"
_AMOUNT = rf"(?P<n>{_COUNT})\s*-?(?P<u>{_UNIT})"
_ISO = rf"{_STAMP}|\d{{4}}-\d\d-\d\d"
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.IGNORECASE)
_ZONE = re.compile(r"\b(?:in\s+)?(UTC|GMT|[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_]+)?)\b")

_PATTERNS: list[tuple[str, re.Pattern[str]]] = [
    (kind, re.compile(pattern, re.IGNORECASE if kind != "duration" else 0))
    for kind, pattern in (
        ("iso", rf"(?P<a>{_ISO}|P\w+)\s*/\s*(?P<b>{_ISO}|P\w+)"),
        ("between", rf"\b(?:between|from)\s+(?P<a>{_MOMENT})\s+(?:and|to|until|till|-)\s+(?P<b>{_MOMENT})"),
        (
            "span",
            r"\b(?:(?:over|in|during|for|within|across|of)\s+)?(?:the\s+)?(?:last|past|previous|trailing|recent)\s+"
            rf"(?P<n>{_COUNT}\s+|{_COUNT}(?=\w))?(?P<u>{_UNIT})\b",
        ),
        ("span", rf"\b{_AMOUNT}\s+(?:back|ago\s+(?:until|till|to)\s+now|up to now|until now|to now)\b"),
        ("since", rf"\bsince\s+{_AMOUNT}(?:\s+ago)?\b"),
        ("since", rf"\b(?:since|from)\s+(?P<a>{_MOMENT})(?:\s+(?:on|until now|to now|onwards?))?"),
        ("night", r"\b(?:last night|overnight)\b"),
        ("part", r"\b(?P<d>this|yesterday)\s+(?P<p>morning|afternoon|evening)\b"),
        ("week", r"\b(?P<w>this|last)\s+week\b"),
        ("day", rf"\b(?:on\s+|all\s+)?(?P<a>{_DAY})\b"),
        ("at", r"\bat\s+(?P<a>(?:2[0-3]|[01]?\d):[0-5]\d|\d{1,2}\s*(?:am|pm)|noon|midnight)\b"),
        ("ago", rf"\b{_AMOUNT}\s+ago\b"),
        ("span", rf"\b(?:over|for|during|within|in|across)\s+(?:the\s+)?(?:space of\s+)?{_AMOUNT}(?:\s+ending now)?\b"),
        ("bare", rf"^\s*(?P<n>\d+(?:\.\d+)?)\s*(?P<u>{_UNIT})\s*$"),
        ("duration", r"\b(?P<a>P(?=[\dT])(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?)?)\b"),
        ("now", r"\b(?:right now|now|currently|at the moment|at present|just now)\b"),
    )
]
_PARTS = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24)}


@dataclass(frozen=True)
class Range:
    """From `start` up to `end`, both with a zone, in whole minutes. `words` are the ones that said so; empty for a default."""

    start: datetime
    end: datetime
    words: str = ""

    @property
    def minutes(self) -> int:
        return int((self.end - self.start).total_seconds()) // 60

    @property
    def iso(self) -> str:
        """As Azure Monitor takes it."""
        return "/".join(t.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for t in (self.start, self.end))

    def shown(self) -> str:
        """For people, in its own zone: `2026-11-28 13:00 to 19:00 UTC`."""
        same = self.start.date() == self.end.date()
        end = self.end.strftime("%H:%M" if same else "%Y-%m-%d %H:%M")
        return f"{self.start:%Y-%m-%d %H:%M} to {end} {self.end.tzname()}"


def zone(name: str) -> tzinfo:
    """A time zone by its IANA name; the machine's own for none. Raises UsageError."""
    if not name:
        return datetime.now().astimezone().tzinfo or UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise UsageError(f"{name!r} is no time zone", hint="For example Europe/Amsterdam or UTC.") from problem


def found(text: str, now: datetime, default: timedelta = timedelta(hours=1)) -> Range:
    """The range that a text speaks of, else the time up to now that `default` spans. `now` has the zone to read times in.

    Raises UsageError for a range that ends before it starts, or lies in the future.
    """
    named = _ZONE.search(text)
    if named and not re.fullmatch(r"UTC|GMT", named[1]):
        now = now.astimezone(zone(named[1]))
    elif named:
        now = now.astimezone(UTC)
    for kind, pattern in _PATTERNS:
        match = pattern.search(text)
        if match:
            start, end = _read(kind, match, now)
            return _checked(start, end, match[0].strip(), now)
    return _checked(now - default, now, "", now)


def exactly(text: str, now: datetime) -> Range:
    """As `found`, but the text is nothing but a range. Raises UsageError when it says none."""
    spoken = found(text, now)
    if not spoken.words:
        spoken = found(f"last {text}", now)
    if not spoken.words:
        raise UsageError(f"{text!r} is no time range", hint="For example 6h, yesterday, since 9:30, or 2026-11-28T06:00Z/PT6H.")
    return spoken


def without(text: str) -> str:
    """The text without what speaks of time."""
    text = _ZONE.sub(" ", text)
    for _, pattern in _PATTERNS:
        text = pattern.sub(" ", text)
    return text


def _read(kind: str, match: re.Match[str], now: datetime) -> tuple[datetime, datetime]:
    held = match.groupdict()
    midnight = datetime.combine(now.date(), time(), now.tzinfo)
    match kind:
        case "iso":
            return _iso_pair(held["a"], held["b"], now)
        case "between":
            day = re.search(_DAY, held["b"], re.IGNORECASE)
            first = held["a"] if day is None or re.search(_DAY, held["a"], re.IGNORECASE) else f"{held['a']} {day[0]}"
            start = _moment(first, now)
            end = _moment(held["b"], now if day else start)
            end += timedelta(days=1) if end <= start else timedelta()
            late = start > now
            return (start - timedelta(days=1), end - timedelta(days=1)) if late else (start, end)
        case "span" | "bare":
            return now - _length(held["n"], held["u"]), now
        case "duration":
            return now - _duration(held["a"]), now
        case "since":
            start = now - _length(held["n"], held["u"]) if held.get("n") else _moment(held["a"], now)
            return (start if start <= now else start - timedelta(days=1)), now
        case "ago":
            middle = now - _length(held["n"], held["u"])
            return middle - timedelta(minutes=5), min(now, middle + timedelta(minutes=5))
        case "at":
            middle = _moment(held["a"], now)
            middle -= timedelta(days=1) if middle > now else timedelta()
            return middle - timedelta(minutes=5), min(now, middle + timedelta(minutes=5))
        case "night":
            return midnight - timedelta(hours=2), min(now, midnight + timedelta(hours=6))
        case "part":
            day_start = midnight - timedelta(days=1) if held["d"].lower() == "yesterday" else midnight
            first_hour, last_hour = _PARTS[held["p"].lower()]
            return day_start + timedelta(hours=first_hour), min(now, day_start + timedelta(hours=last_hour))
        case "week":
            monday = midnight - timedelta(days=now.weekday())
            return (monday, now) if held["w"].lower() == "this" else (monday - timedelta(days=7), monday)
        case "now":
            return now - timedelta(minutes=5), now
    day_start = datetime.combine(_moment(held["a"], now).date(), time(), now.tzinfo)
    return day_start, min(now, day_start + timedelta(days=1))


def _checked(start: datetime, end: datetime, words: str, now: datetime) -> Range:
    start, end = (t.astimezone(now.tzinfo).replace(second=0, microsecond=0) for t in (start, end))
    if start >= end:
        raise UsageError(f"the range {words or 'asked for'!r} ends before it starts, or lies in the future")
    if start > now:
        raise UsageError(f"the range {words!r} lies in the future")
    return Range(start, end, words)


def _length(number: str | None, unit: str) -> timedelta:
    word = (number or "1").strip().lower().replace(",", ".")
    count = float(_NUMBERS[word]) if word in _NUMBERS else float(word)
    short = unit.lower().rstrip("s") or "s"
    seconds = _UNITS.get(short) or _UNITS[short[:1]]
    return timedelta(seconds=count * seconds)


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise UsageError(f"{text!r} is no duration", hint="For example PT6H or P1D.")
    days, hours, minutes, seconds = (int(g or 0) for g in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _iso_pair(first: str, second: str, now: datetime) -> tuple[datetime, datetime]:
    if second.upper().startswith("P"):
        start = _iso(first, now)
        return start, start + _duration(second)
    end = _iso(second, now)
    return (end - _duration(first) if first.upper().startswith("P") else _iso(first, now)), end


def _iso(text: str, now: datetime) -> datetime:
    """A time in ISO 8601; without a zone in that of `now`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise UsageError(f"{text!r} is no time", hint="For example 2026-11-28T06:00Z.") from problem
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)


def _moment(text: str, now: datetime) -> datetime:
    """A day, a time of day, or both. A time of day without a day is the last one that was, a day without a time begins at midnight."""
    text = text.strip().lower()
    if re.fullmatch(_ISO, text, re.IGNORECASE) and "t" in text:
        return _iso(text.upper(), now)
    words = {"this morning": (0, 6), "tonight": (0, 20), "last night": (-1, 22)}
    if text in words:
        days, hour = words[text]
        return datetime.combine(now.date() + timedelta(days=days), time(hour), now.tzinfo)
    day_match = re.search(_DAY, text, re.IGNORECASE)
    clock = re.search(_CLOCK, text.replace(day_match[0], " ") if day_match else text, re.IGNORECASE)
    day = now.date()
    if day_match:
        word = day_match[0]
        if word.endswith("day before yesterday"):
            day -= timedelta(days=2)
        elif word == "yesterday":
            day -= timedelta(days=1)
        elif word in _DAYS:
            day -= timedelta(days=(now.weekday() - _DAYS.index(word)) % 7 or 7)
        elif word != "today":
            day = _iso(word, now).date()
    return datetime.combine(day, _clock(clock[0]) if clock else time(), now.tzinfo)


def _clock(text: str) -> time:
    if text in ("noon", "midnight"):
        return time(12 if text == "noon" else 0)
    match = re.match(r"(\d{1,2})(?::(\d\d))?\s*(am|pm)?", text)
    assert match is not None, "the pattern of a time of day"
    hour = int(match[1])
    if match[3] and hour > 12:
        raise UsageError(f"{text!r} is no time of day")
    if match[3]:
        hour = hour % 12 + (12 if match[3] == "pm" else 0)
    return time(hour, int(match[2] or 0))
