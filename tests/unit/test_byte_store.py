"""Entries as bytes in a backend that others share: tokens, failures, what goes over the wire."""

import math
from collections.abc import Callable, Mapping, Sequence

import pytest

from jinjacache.backends.memory import MemoryBackend
from jinjacache.backends.protocol import Found, Token
from jinjacache.entry import Entry
from jinjacache.errors import BackendError
from jinjacache.recording import Mode, Problem, Recording
from jinjacache.stores import TOKEN_MEMO
from jinjacache.testing import Call, FailingBackend, ManualClock, RecordingBackend
from tests.support.stores import (
    TOKEN_KEY,
    fetch,
    found,
    journal,
    keep,
    keep_entry,
    key,
    store_over,
    text_of,
)

DAY = 86_400.0
WIRE = key().on_the_wire()


@pytest.fixture
def clock() -> ManualClock:
    """Return the clock of stores and backends."""
    return ManualClock()


@pytest.fixture
def backend(clock: ManualClock) -> RecordingBackend:
    """Return a backend that keeps bytes and notes what it is asked."""
    return RecordingBackend(MemoryBackend(clock=clock))


def test_token_is_asked_for_with_the_entry(backend: RecordingBackend, clock: ManualClock) -> None:
    """The first look-up sets it, one in each 0.15 seconds reads it, in the same round trip."""
    store = store_over(backend, clock)
    alone, both = Call("get_many", (WIRE,)), Call("get_many", (WIRE, TOKEN_KEY))
    fetch(store, key())
    assert backend.calls == [both, Call("add", (TOKEN_KEY,))]
    backend.forget()
    for seconds in (0.0, 0.149, 0.001, 0.0):
        clock.advance(seconds)
        fetch(store, key())
    assert TOKEN_MEMO == 0.15
    assert backend.calls == [alone, alone, both, alone]


def test_token_that_is_known_is_not_asked_for(
    backend: RecordingBackend, clock: ManualClock
) -> None:
    """A refresh needs no round trip then."""
    store = store_over(backend, clock)
    fetch(store, key())
    backend.forget()
    assert fetch(store, key(), Mode.REFRESH).token is not None
    assert backend.calls == []


@pytest.mark.parametrize("jump", [-DAY, -0.01, TOKEN_MEMO, DAY])
def test_clock_that_jumps_does_not_keep_a_token(
    jump: float, backend: RecordingBackend, clock: ManualClock
) -> None:
    """Set back or ahead, the clock has the token read anew."""
    store = store_over(backend, clock)
    fetch(store, key())
    backend.forget()
    clock.advance(jump)
    fetch(store, key())
    assert backend.calls == [Call("get_many", (WIRE, TOKEN_KEY))]


def test_clear_reaches_other_processes_after_the_memo(
    backend: RecordingBackend, clock: ManualClock
) -> None:
    """The process that clears sees it at once, another at most 0.15 seconds later."""
    here, there = store_over(backend, clock), store_over(backend, clock)
    keep(here, key(), "text")
    assert text_of(there, key()) == "text"
    clock.advance(0.1)
    here.clear()
    assert text_of(here, key()) is None
    assert text_of(there, key()) == "text"
    clock.advance(0.05)
    assert text_of(there, key()) is None


class Interrupted(RecordingBackend):
    """Let something else happen right after a read, or right before an ``add`` or a ``cas``."""

    after_read: Callable[[], object] | None = None
    before_write: Callable[[], object] | None = None

    def get_many(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Read, then let it happen once."""
        found = super().get_many(keys)
        event, self.after_read = self.after_read, None
        if event is not None:
            event()
        return found

    def add(self, key: str, value: bytes, expires_in: float | None) -> bool:
        """Let it happen once, then add."""
        self._happen()
        return super().add(key, value, expires_in)

    def cas(self, key: str, value: bytes, token: Token, expires_in: float | None) -> bool:
        """Let it happen once, then compare and set."""
        self._happen()
        return super().cas(key, value, token, expires_in)

    def _happen(self) -> None:
        event, self.before_write = self.before_write, None
        if event is not None:
            event()


def test_clear_during_a_read_is_not_undone_by_it(clock: ManualClock) -> None:
    """A read that began before does not bring the old token back for this process."""
    backend = Interrupted(MemoryBackend(clock=clock))
    store = store_over(backend, clock)
    keep(store, key(), "text")
    clock.advance(1)
    backend.after_read = store.clear
    fetch(store, key())
    assert text_of(store, key()) is None


@pytest.mark.parametrize("evicted", [True, False])
def test_token_of_a_faster_process_is_taken(*, evicted: bool, clock: ManualClock) -> None:
    """Two that find no token, or a foreign value in its place, agree on one."""
    memory = MemoryBackend(clock=clock)
    backend, other = Interrupted(memory), store_over(RecordingBackend(memory), clock)
    if not evicted:
        memory.set_many({TOKEN_KEY: b"foreign"}, None)
    backend.before_write = lambda: keep(other, key(), "theirs")
    store = store_over(backend, clock)
    assert text_of(store, key(2)) is None
    assert text_of(store, key()) == "theirs"


def test_token_that_vanishes_again_is_a_failure(clock: ManualClock) -> None:
    """Without one nothing is served or kept; the page is rendered."""
    memory = MemoryBackend(clock=clock)
    backend = Interrupted(memory)
    backend.before_write = lambda: memory.set_many({TOKEN_KEY: b"foreign"}, None)
    recording = fetch(store_over(backend, clock), key())
    assert found(recording) == (None, None, Problem("fetch", "BackendError"))


class Forgetful(RecordingBackend):
    """Evict a value right after it stood in the way of an ``add``."""

    def add(self, key: str, value: bytes, expires_in: float | None) -> bool:
        """Say that there is one, and have none."""
        super().add(key, value, expires_in)
        self.delete(key)
        return False


def test_token_that_is_evicted_again_is_a_failure(clock: ManualClock) -> None:
    """It costs the caching of one page."""
    recording = fetch(store_over(Forgetful(), clock), key())
    assert found(recording) == (None, None, Problem("fetch", "BackendError"))


@pytest.mark.parametrize("foreign", [b"", b"short", b"nine byte", b'{"a": 1}'[:7]])
def test_foreign_value_in_the_tokens_place_is_replaced(
    foreign: bytes, backend: RecordingBackend, clock: ManualClock
) -> None:
    """The namespace works again at once, and what was kept before is not served."""
    store = store_over(backend, clock)
    keep(store, key(), "old")
    backend.set_many({TOKEN_KEY: foreign}, None)
    clock.advance(1)
    assert text_of(store, key()) is None
    assert keep(store, key(), "new") is None
    clock.advance(1)
    assert text_of(store, key()) == "new"


def test_entry_whose_token_was_evicted_never_comes_back(
    backend: RecordingBackend, clock: ManualClock
) -> None:
    """Each new token is random, so that no entry fits one by chance."""
    store = store_over(backend, clock)
    keep(store, key(), "old")
    tokens: set[object] = set()
    for _ in range(2_000):
        backend.delete(TOKEN_KEY)
        clock.advance(TOKEN_MEMO)
        fetched = fetch(store, key())
        assert fetched.entry is None
        assert fetched.problem is None
        tokens.add(fetched.token)
    assert len(tokens) == 2_000


class Expiries(RecordingBackend):
    """Note how long the backend is told to keep values."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[float | None] = []

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Note the expiry, and store."""
        self.noted.append(expires_in)
        super().set_many(items, expires_in)

    def add(self, key: str, value: bytes, expires_in: float | None) -> bool:
        """Note the expiry, and add."""
        self.noted.append(expires_in)
        return super().add(key, value, expires_in)


@pytest.mark.parametrize(
    ("timeout", "elapsed", "expiry"),
    [
        *[(0.25, 0.0, 0.25), (60.0, 0.0, 60.0), (60.0, 8.0, 52.0), (31 * DAY, 1.0, 31 * DAY - 1)],
        *[(math.inf, 9.0, None), (60.0, -5.0, 60.0)],
    ],
)
def test_backend_keeps_an_entry_no_longer_than_it_is_fresh(
    timeout: float, elapsed: float, expiry: float | None, clock: ManualClock
) -> None:
    """What the render took is taken off; the namespace's token never expires."""
    backend = Expiries()
    store = store_over(backend, clock)
    recording = fetch(store, key())
    assert recording.token is not None
    entry = Entry("text", clock(), timeout)
    clock.advance(elapsed)
    assert keep_entry(store, recording, entry) is None
    assert backend.noted == [None, expiry]


@pytest.mark.parametrize("elapsed", [60.0, 61.0, DAY, -61.0, -DAY])
def test_what_is_past_its_time_is_not_sent(
    elapsed: float, backend: RecordingBackend, clock: ManualClock
) -> None:
    """No expiry of nothing or less reaches a server; a clock that was set back counts too."""
    store = store_over(backend, clock)
    recording = fetch(store, key())
    assert recording.token is not None
    entry = Entry("text", clock(), 60.0)
    clock.advance(elapsed)
    backend.forget()
    assert "past its time" in str(keep_entry(store, recording, entry))
    assert backend.calls == []


def test_too_large_an_entry_is_not_sent(backend: RecordingBackend, clock: ManualClock) -> None:
    """The old one is deleted by name, since the server would go on serving it."""
    store = store_over(backend, clock)
    keep(store, key(), "old")
    backend.forget()
    keep(store, key(), "x" * 60_000)
    assert backend.calls == [Call("get_many", (WIRE,)), Call("delete", (WIRE,))]


ERRORS = [BackendError("down"), OSError("down"), RuntimeError("down"), KeyError("down")]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("operation", ["get_many", "add", "set_many", "delete"])
def test_failure_is_a_problem(operation: str, error: Exception, clock: ManualClock) -> None:
    """It names the operation and the kind of error, never its words."""
    backend = FailingBackend(error=error, operations=[operation])
    store = store_over(backend, clock)
    kind = type(error).__name__
    if operation in ("get_many", "add"):
        assert found(fetch(store, key())) == (None, None, Problem("fetch", kind))
    else:
        text = "text" if operation == "set_many" else "x" * 60_000
        assert keep(store, key(), text) == Problem("store", kind)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_failure_is_raised_where_a_test_suite_wants_it(
    error: Exception, clock: ManualClock
) -> None:
    """``on_error="raise"`` lets the backend's own error through."""
    backend = FailingBackend(error=error, operations=["get_many", "set_many"])
    store = store_over(backend, clock, on_error="raise")
    with pytest.raises(type(error), match="down"):
        fetch(store, key())
    recording = Recording(key(), 60.0, journal(), clock)
    recording.token = b"8 bytes!"
    with pytest.raises(type(error), match="down"):
        keep_entry(store, recording, Entry("text", clock(), 60.0))


@pytest.mark.parametrize("act", ["clear", "delete"])
def test_failed_invalidation_is_raised(act: str, clock: ManualClock) -> None:
    """Whoever clears or deletes must know that entries may still be served."""
    store = store_over(FailingBackend(), clock)
    with pytest.raises(BackendError):
        store.clear() if act == "clear" else store.delete(key())
