"""What happened: frozen records for subscribers, counters for everybody, and a log of faults."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

logger = logging.getLogger("jinjacache")

_MOST_KINDS = 256

Cause = Literal["first", "expired", "unreadable", "failed", "refresh", "bypass"]


class FragmentId(NamedTuple):
    """A fragment as people know it: the template's name, and its own.

    ``template`` is None for a template made from a string. The name of an unnamed fragment is
    ``#`` and the first eight hex digits of its source digest.
    """

    template: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry was served."""

    fragment: FragmentId


@dataclass(frozen=True, slots=True)
class Miss:
    """A fragment was rendered, because of ``cause``."""

    fragment: FragmentId
    cause: Cause


@dataclass(frozen=True, slots=True)
class Stored:
    """A rendered fragment was stored: ``size`` bytes of text that took ``seconds`` to render."""

    fragment: FragmentId
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class NotStored:
    """A rendered fragment was not stored, because of ``reason``."""

    fragment: FragmentId
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A backend failed at ``operation``, or an entry could not be read; the page went on."""

    fragment: FragmentId
    operation: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """A key could not be made, and the fragment was rendered uncached (``on_key_error``)."""

    fragment: FragmentId
    reason: str


Event = Hit | Miss | Stored | NotStored | Failed | KeyRefused
Subscriber = Callable[[Event], object]


@dataclass(slots=True)
class FragmentStats:
    """Count what happened to one fragment since the cache was made.

    Counters take no lock: exact under the GIL, near enough on a free-threaded build.
    """

    hits: int = 0
    misses: int = 0
    errors: int = 0
    """Backend failures and unreadable entries."""
    stored: int = 0
    """How many entries were stored; far above the number of pages, it tells of unbounded keys."""
    not_stored: int = 0
    bytes: int = 0
    """The text that was stored in all, in bytes of UTF-8."""
    render_seconds: float = 0.0
    """How long the bodies that were stored took to render, in all."""


class FaultLog:
    """Write one warning per kind of fault in 30 seconds, with the number held back between.

    The first 256 kinds are told apart; all further ones are one kind.
    """

    def __init__(self, *, every: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._clock = clock
        self._kinds: dict[str, list[float]] = {}

    def warn(self, kind: str, message: str, *details: object) -> None:
        """Log ``message % details``, unless ``kind`` was logged a moment ago."""
        now = self._clock()
        if kind not in self._kinds and len(self._kinds) >= _MOST_KINDS:
            kind = ""
        last = self._kinds.setdefault(kind, [-float("inf"), 0])
        if now - last[0] < self._every:
            last[1] += 1
            return
        held_back, last[0], last[1] = last[1], now, 0
        more = f" ({held_back:.0f} more since the last such line)" if held_back else ""
        logger.warning(message + "%s", *details, more)  # noqa: G003 - tools group lines by this text


@dataclass(slots=True)
class Audience:
    """Who listens to a cache, and where its faults are written."""

    faults: FaultLog = field(default_factory=FaultLog)
    subscribers: tuple[Subscriber, ...] = ()

    def tell(self, event: Event) -> None:
        """Call every subscriber; one that raises is logged and does not reach the page."""
        for subscriber in self.subscribers:
            try:
                subscriber(event)
            except Exception as error:  # noqa: BLE001 - whatever a listener does, the page goes on
                self.faults.warn(
                    "subscriber",
                    "a subscriber raised %s on %s; the page is not affected",
                    type(error).__name__,
                    type(event).__name__,
                )


@dataclass(slots=True)
class Journal:
    """Count and tell what happens to one fragment."""

    fragment: FragmentId
    audience: Audience
    stats: FragmentStats

    def hit(self) -> None:
        """Note that an entry was served."""
        self.stats.hits += 1
        if self.audience.subscribers:
            self.audience.tell(Hit(self.fragment))

    def miss(self, cause: Cause) -> None:
        """Note that the body is rendered, and why."""
        self.stats.misses += 1
        if self.audience.subscribers:
            self.audience.tell(Miss(self.fragment, cause))

    def stored(self, text: str, seconds: float) -> None:
        """Note that an entry was stored."""
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        stats = self.stats
        stats.stored += 1
        stats.bytes += size
        stats.render_seconds += seconds
        if self.audience.subscribers:
            self.audience.tell(Stored(self.fragment, size, seconds))

    def not_stored(self, reason: str) -> None:
        """Note that a rendered fragment is not stored, and why."""
        self.stats.not_stored += 1
        if self.audience.subscribers:
            self.audience.tell(NotStored(self.fragment, reason))

    def failed(self, operation: str, reason: str) -> None:
        """Note that a backend failed or an entry was unreadable: counted, logged, forgiven."""
        self.stats.errors += 1
        self.audience.faults.warn(
            f"{operation}: {reason}",
            "fragment %s of %s: %s failed (%s); rendered uncached",
            self.fragment.name,
            self.fragment.template or "<template>",
            operation,
            reason,
        )
        self.audience.tell(Failed(self.fragment, operation, reason))

    def key_refused(self, reason: str) -> None:
        """Note that no key could be made, and that the fragment is rendered uncached."""
        self.stats.errors += 1
        self.audience.faults.warn(
            f"key: {self.fragment}", "%s; rendered uncached (on_key_error='render')", reason
        )
        self.audience.tell(KeyRefused(self.fragment, reason))
