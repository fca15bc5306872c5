"""Time ranges in people's words and in ISO 8601, in a time zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from iac_agent.errors import UsageError
from iac_agent.monitor import ranges

NOW = datetime(2026, 11, 25, 15, 40, 31, tzinfo=ZoneInfo("UTC"))  # a Wednesday


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ("over the last six hours", "11-25 09:40", "11-25 15:40"),
        ("past half an hour", "11-25 15:10", "11-25 15:40"),
        ("the last half hour", "11-25 15:10", "11-25 15:40"),
        ("previous 30 min", "11-25 15:10", "11-25 15:40"),
        ("in the last 24h", "11-24 15:40", "11-25 15:40"),
        ("across the 2 hours ending now", "11-25 13:40", "11-25 15:40"),
        ("since 9:30", "11-25 09:30", "11-25 15:40"),
        ("since 18:00", "11-24 18:00", "11-25 15:40"),
        ("since yesterday 22:15", "11-24 22:15", "11-25 15:40"),
        ("since monday", "11-23 00:00", "11-25 15:40"),
        ("yesterday", "11-24 00:00", "11-25 00:00"),
        ("today", "11-25 00:00", "11-25 15:40"),
        ("this morning", "11-25 06:00", "11-25 12:00"),
        ("yesterday evening", "11-24 18:00", "11-25 00:00"),
        ("last night", "11-24 22:00", "11-25 06:00"),
        ("between 9 and 11", "11-25 09:00", "11-25 11:00"),
        ("between 9am and 11am yesterday", "11-24 09:00", "11-24 11:00"),
        ("from 22:00 to 2:00", "11-24 22:00", "11-25 02:00"),
        ("an hour ago", "11-25 14:35", "11-25 14:45"),
        ("2026-11-25T06:00Z/PT6H", "11-25 06:00", "11-25 12:00"),
        ("2026-11-24T00:00Z/2026-11-24T12:30Z", "11-24 00:00", "11-24 12:30"),
        ("PT90M/2026-11-25T06:00Z", "11-25 04:30", "11-25 06:00"),
        ("90m", "11-25 14:10", "11-25 15:40"),
        ("nothing about time, web-1 and 443", "11-25 14:40", "11-25 15:40"),
    ],
)
def test_words(words: str, start: str, end: str) -> None:
    found = ranges.found(words, NOW)
    assert (f"{found.start:%m-%d %H:%M}", f"{found.end:%m-%d %H:%M}") == (start, end)


def test_times_are_read_in_the_zone_that_is_named() -> None:
    found = ranges.found("between 9 and 11 in America/New_York", NOW)
    assert found.iso == "2026-11-25T14:00:00Z/2026-11-25T16:00:00Z"
    assert found.shown().endswith("EST")


@pytest.mark.parametrize("words", ["2026-11-25T06:00Z/2026-11-25T05:00Z", "2027-01-01T00:00Z/PT6H", "PT6H/PT6H", "2026-13-45T00:00Z/PT1H"])
def test_what_is_no_range(words: str) -> None:
    with pytest.raises(UsageError):
        ranges.found(words, NOW)


def test_an_option_must_be_a_range() -> None:
    assert ranges.exactly("6h", NOW).minutes == 360
    with pytest.raises(UsageError, match="is no time range"):
        ranges.exactly("fortnightish", NOW)


def test_an_unknown_zone() -> None:
    with pytest.raises(UsageError, match="no time zone"):
        ranges.zone("Mars/Olympus")
