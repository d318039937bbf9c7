"""A duration as a user writes it becomes float seconds, once, at the edge."""

import math
from datetime import timedelta

from jinjacache.errors import InvalidDuration

_ALLOWED = "give seconds from 0 up as an int or a float, a timedelta, or none for no expiry"


def seconds(value: object, *, what: str = "timeout") -> float:
    """Return a duration in seconds, where ``math.inf`` means that it never ends.

    An ``int`` or ``float`` counts seconds, ``None`` never ends, and 0 stays 0.0 (what that means
    is the caller's). ``what`` names the option in the message.

    Raises:
        InvalidDuration: the value is negative, not finite, or of any other type; ``bool`` and
            text are refused too, since they are mistakes more often than they are durations.
    """
    if value is None:
        return math.inf
    duration = _float_or_none(value)
    if duration is None or not 0 <= duration < math.inf:
        raise InvalidDuration(f"{what} cannot be {_shown(value)}: {_ALLOWED}")
    return duration


def _float_or_none(value: object) -> float | None:
    # ``type`` and not ``isinstance``: a bool is an int, and a proxy lies about its class.
    if type(value) is int or type(value) is float:
        try:
            return float(value)
        except OverflowError:
            return None
    if issubclass(type(value), timedelta):
        return timedelta.total_seconds(value)  # type: ignore[arg-type]
    return None


def _shown(value: object) -> str:
    """Name a refused value and its type, calling nothing that the value itself defines."""
    kind = type(value)
    # An int of more than 4,300 digits has no repr, so a large one is shown by its type alone.
    if kind is int and abs(value) > 10**30:  # type: ignore[arg-type]
        return "so large an int"
    if kind in (int, float, bool, timedelta):
        return f"{value!r} ({kind.__name__})"
    if kind in (str, bytes):
        return f"{value[:40]!r} ({kind.__name__})"  # type: ignore[index]
    return f"a value of type {kind.__module__}.{kind.__qualname__}"
