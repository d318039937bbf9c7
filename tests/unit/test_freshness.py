"""An entry is served until the first of two timeouts has passed, on one clock."""

import math

import pytest

from jinjacache.freshness import SKEW, Verdict, judge, remaining

MADE_AT = 1_700_000_000.0
HOUR, DAY, YEAR = 3600.0, 86400.0, 365 * 86400.0


@pytest.mark.parametrize("timeout", [0.25, 1.0, HOUR, 31 * DAY, 20 * YEAR])
def test_an_entry_is_fresh_until_its_timeout_and_gone_at_it(timeout: float) -> None:
    """Short and long timeouts end exactly where they say."""
    ends_at = MADE_AT + timeout
    assert judge(MADE_AT, timeout, MADE_AT, timeout) is Verdict.FRESH
    assert judge(MADE_AT, timeout, math.nextafter(ends_at, 0), timeout) is Verdict.FRESH
    assert judge(MADE_AT, timeout, ends_at, timeout) is Verdict.GONE
    assert judge(MADE_AT, timeout, ends_at + DAY, timeout) is Verdict.GONE


def test_a_timeout_of_nothing_is_never_fresh() -> None:
    """What is fresh for 0 seconds is gone when it is made."""
    assert judge(MADE_AT, 0.0, MADE_AT, HOUR) is Verdict.GONE


def test_a_shorter_timeout_in_the_template_applies_to_what_is_stored() -> None:
    """An edit from an hour to a minute ends the old entry's time after a minute."""
    assert judge(MADE_AT, HOUR, MADE_AT + 59.0, 60.0) is Verdict.FRESH
    assert judge(MADE_AT, HOUR, MADE_AT + 60.0, 60.0) is Verdict.GONE


def test_a_longer_timeout_in_the_template_revives_nothing() -> None:
    """An entry keeps the shorter timeout that it was made with."""
    assert judge(MADE_AT, 60.0, MADE_AT + 60.0, HOUR) is Verdict.GONE
    assert judge(MADE_AT, 60.0, MADE_AT + 60.0, math.inf) is Verdict.GONE


def test_without_a_timeout_an_entry_never_expires() -> None:
    """Two endless timeouts leave endless time; one of them leaves that of the other."""
    later = MADE_AT + 100 * YEAR
    assert judge(MADE_AT, math.inf, later, math.inf) is Verdict.FRESH
    assert remaining(MADE_AT, math.inf, later, math.inf) == math.inf
    assert remaining(MADE_AT, math.inf, MADE_AT + 10.0, 60.0) == 50.0


def test_an_entry_from_the_near_future_is_new() -> None:
    """Clocks that differ by up to a minute neither refuse an entry nor lengthen its time."""
    assert SKEW == 60.0
    assert judge(MADE_AT, HOUR, MADE_AT - SKEW, HOUR) is Verdict.FRESH
    assert remaining(MADE_AT, HOUR, MADE_AT - SKEW, HOUR) == HOUR


def test_an_entry_from_the_far_future_is_gone() -> None:
    """A clock that stepped back by more does not make entries immortal."""
    for now in (MADE_AT - 60.001, MADE_AT - HOUR, MADE_AT - DAY):
        assert judge(MADE_AT, math.inf, now, math.inf) is Verdict.GONE
        assert remaining(MADE_AT, math.inf, now, math.inf) == 0.0


def test_a_clock_that_jumps_ahead_only_loses_entries() -> None:
    """A day ahead of its time, an entry of an hour is missed early."""
    assert judge(MADE_AT, HOUR, MADE_AT + DAY, HOUR) is Verdict.GONE


@pytest.mark.parametrize(
    ("lifetime", "timeout", "age", "left"),
    [(10.0, 60.0, 7.0, 3.0), (60.0, 10.0, 7.0, 3.0), (10.0, 10.0, 10.0, 0.0), (10, 60, 99, 0)],
)
def test_what_remains_is_what_the_shorter_timeout_leaves(
    lifetime: float, timeout: float, age: float, left: float
) -> None:
    """The time left is counted from the making, and is never below nothing."""
    assert remaining(MADE_AT, lifetime, MADE_AT + age, timeout) == left
