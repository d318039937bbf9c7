"""Decide from an entry's times, the time now and the tag's timeout whether it may be served.

Pure: no clock is read here. All values are in seconds, ``now`` and ``made_at`` on one clock.
"""

from enum import Enum

SKEW = 60.0
"""How far in the future an entry may have been made: the clocks of two hosts are rarely equal."""


class Verdict(Enum):
    """Say what may be done with an entry."""

    FRESH = "fresh"
    GONE = "gone"


def remaining(made_at: float, lifetime: float, now: float, timeout: float) -> float:
    """Return how long an entry stays fresh: 0.0 when it no longer is, ``math.inf`` when always.

    ``lifetime`` is the entry's own timeout, ``timeout`` the one that the template gives it now:
    the shorter counts, so an edit applies at once to what is stored. An entry from the near
    future has age 0; one from beyond ``SKEW`` has a wrong clock behind it and is not served.
    """
    age = now - made_at
    if age < -SKEW:
        return 0.0
    return max(0.0, min(lifetime, timeout) - max(0.0, age))


def judge(made_at: float, lifetime: float, now: float, timeout: float) -> Verdict:
    """Return ``FRESH`` while some time remains, so ``GONE`` at the very end of the timeout."""
    return Verdict.FRESH if remaining(made_at, lifetime, now, timeout) > 0.0 else Verdict.GONE
