"""Durations: what a user may write, and what each of it means in seconds."""

import math
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from jinja2 import StrictUndefined, Undefined

from jinjacache.durations import seconds
from jinjacache.errors import ConfigurationError, InvalidDuration

YEARS_20 = 20 * 365 * 24 * 3600


class Lapse(timedelta):
    """Stand for the duration types that date libraries derive from timedelta."""


class Impostor:
    """Claim to be a timedelta, as a proxy does."""

    __class__ = timedelta  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (600, 600.0),
        (0.2, 0.2),
        (31 * 86400, 2678400.0),
        (YEARS_20, 630720000.0),
        (timedelta(days=31, microseconds=1), 2678400.000001),
        (Lapse(minutes=1), 60.0),
        (0, 0.0),
        (0.0, 0.0),
        (timedelta(0), 0.0),
    ],
)
def test_numbers_and_timedeltas_are_exact_float_seconds(value: object, expected: float) -> None:
    """A duration comes back as the float of the same number of seconds."""
    duration = seconds(value)
    assert duration == expected
    assert type(duration) is float


def test_none_never_ends() -> None:
    """None, a duration without an end, is infinite."""
    assert seconds(None) == math.inf


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-1, "-1 (int)"),
        (-0.5, "-0.5 (float)"),
        (timedelta(seconds=-1), "datetime.timedelta(days=-1, seconds=86399) (timedelta)"),
        (Lapse(seconds=-1), "a value of type "),
        (math.nan, "nan (float)"),
        (math.inf, "inf (float)"),
        (-math.inf, "-inf (float)"),
        (True, "True (bool)"),
        (False, "False (bool)"),
        ("60", "'60' (str)"),
        ("x" * 50, f"'{'x' * 40}' (str)"),
        (b"60", "b'60' (bytes)"),
        (Decimal(60), "a value of type decimal.Decimal"),
        (Undefined(name="x"), "a value of type jinja2.runtime.Undefined"),
        (StrictUndefined(name="x"), "a value of type jinja2.runtime.StrictUndefined"),
        (Impostor(), "a value of type "),
        ([60], "a value of type builtins.list"),
    ],
)
def test_anything_else_is_refused_with_what_was_given_and_what_is_allowed(
    value: object, shown: str
) -> None:
    """The message names the option, the value with its type, and the ways to write a duration."""
    with pytest.raises(InvalidDuration, match=re.escape(f"stale cannot be {shown}")) as refused:
        seconds(value, what="stale")
    assert "seconds from 0 up" in str(refused.value)
    assert "none for no expiry" in str(refused.value)
    assert isinstance(refused.value, ConfigurationError)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_int_that_no_float_holds_is_refused_without_its_digits(sign: int) -> None:
    """Python does not print an int of more than 4,300 digits, and the message need not."""
    with pytest.raises(InvalidDuration, match="timeout cannot be so large an int"):
        seconds(sign * 10**5000)


def test_the_option_is_a_timeout_unless_named() -> None:
    """Without ``what`` the message speaks of the timeout."""
    with pytest.raises(InvalidDuration, match=r"^timeout cannot be "):
        seconds(-1)
