"""What is kept comes back as it was or not at all, in memory and as bytes."""

import time

import pytest

from jinjacache.backends.memory import MemoryBackend
from jinjacache.backends.null import NullBackend
from jinjacache.backends.protocol import Backend
from jinjacache.entry import Codec, Entry
from jinjacache.errors import ConfigurationError
from jinjacache.recording import Mode
from jinjacache.stores import TOKEN_MEMO, ByteStore, MemoryStore, NullStore, open_store
from jinjacache.testing import ManualClock, RecordingBackend
from tests.support.stores import CODEC, fetch, found, keep, keep_entry, key, store_over, text_of

TEXTS = ["", "text", "né 😀", "\ud800", "VALUE x\r\nEND\r\n", "\0", "compressible " * 3_000]


@pytest.fixture
def clock() -> ManualClock:
    """Return the clock of stores and backends."""
    return ManualClock()


@pytest.fixture
def backend(clock: ManualClock) -> RecordingBackend:
    """Return a backend that keeps bytes and notes what it is asked."""
    return RecordingBackend(MemoryBackend(clock=clock))


@pytest.fixture(params=["memory", "bytes"])
def shared(request: pytest.FixtureRequest, clock: ManualClock) -> Backend:
    """Return what stores are over: entries as they are, or bytes."""
    memory = MemoryBackend(clock=clock)
    return memory if request.param == "memory" else RecordingBackend(memory)


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_entry_comes_back_as_it_was(text: str, shared: Backend, clock: ManualClock) -> None:
    """Text and times are exact, whatever the text is made of."""
    store = store_over(shared, clock)
    assert keep(store, key(), text) is None
    clock.advance(1)
    entry = fetch(store, key()).entry
    assert entry is not None
    assert (entry.body, entry.made_at, entry.timeout, entry.cost) == (text, clock() - 1, 60.0, 0.5)
    assert type(entry.body) is str


def test_other_keys_have_other_entries(shared: Backend, clock: ManualClock) -> None:
    """Nothing is found under a key where nothing was kept."""
    store = store_over(shared, clock)
    keep(store, key(1), "one")
    keep(store, key("1"), "text")
    assert [text_of(store, key(value)) for value in (1, "1", 2, True)] == [
        "one",
        "text",
        None,
        None,
    ]


def test_a_refresh_asks_for_no_entry(shared: Backend, clock: ManualClock) -> None:
    """It gets the token that it needs to keep what it renders."""
    store = store_over(shared, clock)
    keep(store, key(), "old")
    recording = fetch(store, key(), Mode.REFRESH)
    assert recording.entry is None
    assert recording.token is not None
    assert keep_entry(store, recording, Entry("new", clock(), 60.0)) is None
    assert text_of(store, key()) == "new"


def test_one_entry_can_be_deleted(shared: Backend, clock: ManualClock) -> None:
    """The answer says whether there was one."""
    store = store_over(shared, clock)
    keep(store, key(1), "one")
    keep(store, key(2), "two")
    assert [store.delete(key(1)), store.delete(key(1))] == [True, False]
    assert [text_of(store, key(1)), text_of(store, key(2))] == [None, "two"]


def test_clear_ends_one_namespace(shared: Backend, clock: ManualClock) -> None:
    """Another application on the same backend keeps its entries."""
    ours, theirs = store_over(shared, clock), store_over(shared, clock, namespace="theirs")
    keep(ours, key(), "ours")
    keep(theirs, key(namespace="theirs"), "theirs")
    ours.clear()
    assert text_of(ours, key()) is None
    assert text_of(theirs, key(namespace="theirs")) == "theirs"
    keep(ours, key(), "new")
    assert text_of(ours, key()) == "new"


def test_what_a_clear_overtook_is_never_served(shared: Backend, clock: ManualClock) -> None:
    """The token that a render sampled before it began is no longer that of the namespace."""
    store, other = store_over(shared, clock), store_over(shared, clock)
    recording = fetch(store, key())
    assert recording.token is not None
    store.clear()
    keep_entry(store, recording, Entry("overtaken", clock(), 60.0))
    for seconds in (0.0, TOKEN_MEMO, 10.0):
        clock.advance(seconds)
        assert text_of(store, key()) is None
        assert text_of(other, key()) is None


def test_memory_refuses_what_a_clear_overtook(clock: ManualClock) -> None:
    """It takes no room in the store."""
    backend = MemoryBackend()
    store = store_over(backend, clock)
    recording = fetch(store, key())
    assert recording.token is not None
    store.clear()
    refusal = keep_entry(store, recording, Entry("overtaken", clock(), 60.0))
    assert "cleared while it was rendered" in str(refusal)
    assert len(backend) == 0


def test_memory_keeps_entries_as_they_are(clock: ManualClock) -> None:
    """A hit gives the very text, and marks the entry as used."""
    store = store_over("memory://", clock)
    text = "text" * 2
    keep(store, key(), text)
    node = store.find(key().in_memory)
    assert node is not None
    assert not node.visited
    assert text_of(store, key()) is text
    assert node.visited


def test_bytes_are_not_at_hand(backend: RecordingBackend, clock: ManualClock) -> None:
    """What must be asked for cannot be found without asking."""
    store = store_over(backend, clock)
    keep(store, key(), "text")
    assert store.find(key().in_memory) is None
    assert store.waits


def test_memory_is_not_concerned_with_the_wall_clock() -> None:
    """Entries in memory are timed by the monotonic clock, bytes by the one that hosts share."""
    opened = [
        open_store(backend, namespace="n", codec=CODEC, clock=None, on_error="ignore")
        for backend in ("memory://", "null://", RecordingBackend())
    ]
    assert [type(store) for store in opened] == [MemoryStore, NullStore, ByteStore]
    assert [store.clock for store in opened] == [time.monotonic, time.monotonic, time.time]


@pytest.mark.parametrize("size", [60_000, 200_000])
def test_too_large_an_entry_ends_the_old_one(
    size: int, shared: Backend, clock: ManualClock
) -> None:
    """It is not kept, the refusal says why, and nothing older is served in its place."""
    shared = MemoryBackend(50_000) if isinstance(shared, MemoryBackend) else shared
    store = store_over(shared, clock)
    keep(store, key(), "old")
    refusal = keep(store, key(), "x" * size)
    assert isinstance(refusal, str)
    assert "too large" in refusal or "over the limit of 50000 bytes" in refusal
    assert text_of(store, key()) is None


@pytest.mark.parametrize("backend", ["null://", NullBackend()], ids=["url", "object"])
def test_null_keeps_nothing(backend: str | NullBackend, clock: ManualClock) -> None:
    """There is no token to keep anything with, and nothing to find, delete or clear."""
    store = store_over(backend, clock)
    recording = fetch(store, key())
    assert found(recording) == (None, None, None)
    assert keep_entry(store, recording, Entry("text", clock(), 60.0)) is None
    assert store.find(key().in_memory) is None
    assert store.delete(key()) is False
    store.clear()
    store.close()
    assert found(fetch(store, key())) == (None, None, None)
    assert not store.waits


def test_closing_a_store_closes_its_backend(clock: ManualClock) -> None:
    """Memory has nothing to close, and keeps what it has."""
    backend = RecordingBackend()
    store_over(backend, clock).close()
    assert [call.operation for call in backend.calls] == ["close"]
    store = store_over("memory://", clock)
    keep(store, key(), "text")
    store.close()
    assert text_of(store, key()) == "text"


class HalfABackend:
    """Have some of the methods of a backend."""

    cas = close = None

    def get_many(self) -> None:
        """Get nothing."""

    set_many = add = get_many


class Asynchronous:
    """Have the methods of a backend as coroutines."""

    async def get_many(self) -> None:
        """Get nothing."""

    set_many = add = cas = delete = close = get_many


@pytest.mark.parametrize(
    ("backend", "problem"),
    [
        (HalfABackend(), "HalfABackend is no backend: it lacks cas, delete, close"),
        (None, "NoneType is no backend: it lacks get_many"),
        ({}, "dict is no backend"),
        (RecordingBackend, "RecordingBackend is a class: give an instance"),
        (MemoryBackend, "MemoryBackend is a class: give an instance"),
        (Asynchronous(), "Asynchronous is asynchronous: give a backend with plain methods"),
        ("memory", "begins with a scheme"),
    ],
    ids=["half", "none", "dict", "class", "memory class", "asynchronous", "no scheme"],
)
def test_what_is_no_backend_is_refused(backend: Backend, problem: str) -> None:
    """At once, since later its failures would be forgiven and nothing cached."""
    with pytest.raises(ConfigurationError, match=problem):
        open_store(backend, namespace="n", codec=Codec(), clock=None, on_error="ignore")
