"""The fragments that are being rendered just now, and what bubbles up from one to the next.

One context variable holds it all, so that threads, tasks and the workers that they start each
see their own, and a hit outside of any fragment reads one variable and nothing else.
"""

import math
from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from datetime import timedelta
from enum import Enum
from typing import NamedTuple, Protocol

from jinjacache.backends.protocol import Token
from jinjacache.durations import seconds as parse_seconds
from jinjacache.entry import Entry
from jinjacache.events import FragmentId, Journal
from jinjacache.keys import Key

Clock = Callable[[], float]


class Mode(Enum):
    """What a cache does for the current request instead of its usual work."""

    OFF = "off"
    """Nothing is read, stored or counted."""
    BYPASS = "bypass"
    """Nothing is read or stored."""
    REFRESH = "refresh"
    """Nothing is read; what is rendered is stored."""


Modes = Mapping[object, Mode]
"""The mode of each cache that has one."""

NO_MODES: Modes = {}


class Problem(NamedTuple):
    """What went wrong in a store: the operation, and the kind of failure."""

    operation: str
    reason: str


class Scope(Protocol):
    """What holds where a page is being rendered."""

    @property
    def recording(self) -> "Recording | None":
        """The innermost fragment that is being rendered."""
        ...

    @property
    def modes(self) -> Modes:
        """The modes that hold here."""
        ...

    def admits(self, entry: Entry, age: float, timeout: float) -> bool:
        """Say whether an entry that is fresh for ``timeout`` may be served here without more ado.

        What is around it then lives no longer than it does.
        """
        ...


SCOPE: ContextVar[Scope | None] = ContextVar("jinjacache", default=None)


class Recording:
    """A fragment on its way through the cache; `current_fragment` returns the innermost.

    It begins as a question: the entry under ``key``, at most ``timeout`` seconds old. What the
    store finds, what the body prints and what is told meanwhile is written down on it. What is
    told here holds for every fragment around it too.
    """

    __slots__ = (
        "_bounds",
        "clock",
        "cost",
        "entry",
        "journal",
        "key",
        "made_at",
        "mode",
        "modes",
        "outer",
        "outside",
        "problem",
        "refusal",
        "text",
        "timeout",
        "token",
        "unfit",
    )

    def __init__(
        self,
        key: Key,
        timeout: float,
        journal: Journal,
        clock: Clock,
        *,
        mode: Mode | None = None,
        outside: Scope | None = None,
    ) -> None:
        self.key = key
        self.timeout = timeout
        self.journal = journal
        self.clock = clock
        self.mode = mode
        self.outside = outside
        self.outer: Recording | None = None
        self.modes = NO_MODES
        if outside is not None:
            self.outer = outside.recording
            self.modes = outside.modes
        self.entry: Entry | None = None
        """What was found, and later what is to be kept."""
        self.token: Token | None = None
        """The namespace's token from before the render; without one nothing can be kept."""
        self.problem: Problem | None = None
        """What went wrong in the store at the last step."""
        self.refusal: str | None = None
        """Why the store did not keep the entry."""
        self.unfit: str | None = None
        """Why what is rendered must not be stored."""
        self.text = ""
        self.made_at = 0.0
        """When the body began, on the store's clock: what it read is that old."""
        self.cost = 0.0
        """Seconds that the body took."""
        self._bounds: list[float] | None = None

    @property
    def fragment(self) -> FragmentId:
        """The fragment as people know it: its template's name, and its own."""
        return self.journal.fragment

    @property
    def recording(self) -> "Recording":
        """Itself, as the innermost fragment."""
        return self

    def expire_within(self, timeout: float | timedelta) -> None:
        """Let this fragment expire at most ``timeout`` seconds from now.

        Raises:
            InvalidDuration: ``timeout`` is negative, NaN, a bool, text or undefined.
        """
        self.bound(parse_seconds(timeout))

    def skip(self, reason: str) -> None:
        """Keep this fragment, and every one around it, from being stored in this render."""
        self.unfit = reason

    def bound(self, seconds: float) -> None:
        """Let it expire at most ``seconds`` from now; a number that is known to be one."""
        if seconds < math.inf:
            if self._bounds is None:
                self._bounds = []
            # A list, because appending is atomic: a body may ask other threads for help.
            self._bounds.append(self.clock() + seconds)

    def lifetime(self) -> float:
        """Return the seconds after ``made_at`` for which all that was gathered allows an entry."""
        if self._bounds is None:
            return self.timeout
        return min(self.timeout, min(self._bounds) - self.made_at)

    def bubble(self) -> None:
        """Tell the fragment around this one what holds for it too."""
        outer = self.outer
        if outer is None:
            return
        if self.unfit is not None:
            outer.skip(self.unfit)
        lifetime = self.lifetime()
        if lifetime < math.inf:
            outer.bound(max(0.0, self.made_at + lifetime - self.clock()))

    def contains(self, key: Hashable) -> bool:
        """Say whether ``key`` is being rendered here or around here."""
        recording: Recording | None = self
        while recording is not None:
            if recording.key.in_memory == key:
                return True
            recording = recording.outer
        return False

    def admits(self, entry: Entry, age: float, timeout: float) -> bool:
        """Say whether a fresh entry may be served here; this fragment lives no longer than it."""
        if self.modes:
            return False
        self.bound(min(entry.timeout, timeout) - max(0.0, age))
        return True


class Request(NamedTuple):
    """A part of a program in which caches have modes."""

    recording: Recording | None
    modes: Modes

    def admits(self, entry: Entry, age: float, timeout: float) -> bool:  # noqa: ARG002
        """Say no: a mode decides first."""
        return False


def current_fragment() -> Recording | None:
    """Return the fragment that is being rendered now, or None outside of any.

    For functions, filters and lazy properties that a template calls: they know when the data
    that they return will change (``expire_within``), or that it must not be kept (``skip``).
    """
    scope = SCOPE.get()
    return None if scope is None else scope.recording
