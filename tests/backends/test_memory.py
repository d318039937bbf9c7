"""The memory backend: two kinds of guests, one bound on bytes."""

import copy
import inspect
import pickle
import time
from collections.abc import Callable, Hashable
from typing import cast

import pytest

from jinjacache.backends.memory import DEFAULT_MAX_BYTES, MemoryBackend
from jinjacache.backends.weight import weigh
from jinjacache.entry import Entry
from jinjacache.testing import BackendContract, ManualClock

PREFIX = b"p" * 28


def key_of(*values: object) -> Hashable:
    """Return a key as fragments have it."""
    return (PREFIX, values)


def entry_of(text: str) -> Entry:
    """Return an entry whose times do not matter."""
    return Entry(text, made_at=0.0, timeout=300.0)


class TestMemoryBackend(BackendContract):
    """What every backend promises."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Return the clock that the backend reads."""
        return ManualClock()

    @pytest.fixture
    def backend(self, clock: ManualClock) -> MemoryBackend:
        """Return a new backend."""
        return MemoryBackend(clock=clock)


def test_an_entry_is_found_as_the_very_object_that_was_put() -> None:
    """Nothing is copied or encoded on the way in or out."""
    backend, entry = MemoryBackend(), entry_of("<p>text</p>")
    assert backend.put(key_of("a", 1, None), entry)
    node = backend.find(key_of("a", 1, None))
    assert node is not None
    assert node.value is entry
    assert backend.find(key_of("a", "1", None)) is None


def test_a_later_put_replaces_the_entry_in_the_node_that_readers_hold() -> None:
    """A key that is overwritten is never missing, and only the new value is counted."""
    backend = MemoryBackend()
    backend.put(key_of(1), entry_of("old" * 100))
    held = backend.find(key_of(1))
    backend.put(key_of(1), new := entry_of("new"))
    assert held is not None
    assert held.value is new
    assert backend.find(key_of(1)) is held
    assert (len(backend), backend.bytes_used) == (1, weigh(key_of(1), new))


def test_remove_tells_whether_there_was_an_entry() -> None:
    """A removed entry is gone and gives its bytes back."""
    backend = MemoryBackend()
    backend.put(key_of(1), entry_of("text"))
    assert backend.remove(key_of(1)) is True
    assert backend.remove(key_of(1)) is False
    assert backend.find(key_of(1)) is None
    assert backend.bytes_used == 0


def test_both_kinds_of_guests_share_one_count_and_one_bound() -> None:
    """Bytes under str keys push out entries under tuples, and the other way round."""
    backend = MemoryBackend(4096)
    backend.put(key_of(1), entry_of("x" * 2000))
    backend.set_many({"lease": b"y" * 2000}, None)
    assert backend.find(key_of(1)) is None
    assert 2000 < backend.bytes_used <= 4096
    backend.put(key_of(1), entry_of("x" * 2000))
    assert not backend.get_many(["lease"])
    assert backend.evictions == 2


def test_an_entry_under_a_str_is_no_value_of_the_protocol() -> None:
    """Whoever reads bytes never gets an object."""
    backend = MemoryBackend()
    backend.put("key", entry_of("text"))
    assert not backend.get_many(["key"])
    assert backend.add("key", b"bytes", None) is True


def test_bytes_that_were_read_outlive_those_that_were_not() -> None:
    """A read by the protocol counts as a use."""
    backend = MemoryBackend(max_entries=2)
    backend.set_many({"read": b"1", "unread": b"2"}, None)
    backend.get_many(["read"])
    backend.set_many({"new": b"3"}, None)
    assert backend.get_many(["read", "unread", "new"]).keys() == {"read", "new"}


def test_a_value_is_gone_at_the_very_instant_of_its_expiry() -> None:
    """Expiry is exact to the clock, and a fraction of a second counts."""
    clock = ManualClock(now=0.0)
    backend = MemoryBackend(clock=clock)
    backend.set_many({"key": b"value"}, 0.25)
    clock.now = 0.2499
    assert backend.get_many(["key"])
    clock.now = 0.25
    assert not backend.get_many(["key"])


def test_the_system_clock_is_not_read() -> None:
    """The default clock is the monotonic one, which no change of the date moves."""
    assert inspect.signature(MemoryBackend).parameters["clock"].default is time.monotonic


@pytest.mark.parametrize("value", [bytearray(b"a"), memoryview(b"a"), "a", None])
def test_what_could_change_later_is_no_value(value: bytes) -> None:
    """Only bytes are stored: nobody can alter the cache through what was given or found."""
    backend = MemoryBackend()
    writes: list[Callable[[], object]] = [
        lambda: backend.set_many({"good": b"", "key": value}, None),
        lambda: backend.add("key", value, None),
        lambda: backend.cas("key", value, 0, None),
    ]
    for write in writes:
        with pytest.raises(TypeError, match="give bytes"):
            write()
    assert len(backend) == 0


def test_clear_empties_the_same_dict_that_find_reads() -> None:
    """A ``find`` that was kept from before a clear sees what was put after it."""
    backend = MemoryBackend()
    find = backend.find
    backend.put(key_of(1), entry_of("old"))
    backend.clear()
    assert find(key_of(1)) is None
    backend.put(key_of(1), entry_of("new"))
    assert find(key_of(1)) is backend.find(key_of(1)) is not None


def test_clear_can_choose_by_key() -> None:
    """Only the entries whose key is asked for go, and the count stays exact."""
    backend = MemoryBackend()
    for number in range(10):
        backend.put(key_of(number), entry_of("text"))
    backend.clear(lambda key: key in {key_of(3), key_of(4)})
    left = {number for number in range(10) if backend.find(key_of(number))}
    assert left == {0, 1, 2, 5, 6, 7, 8, 9}
    assert backend.bytes_used == sum(weigh(key_of(n), entry_of("text")) for n in left)


def test_an_error_in_the_midst_of_a_clear_empties_the_store() -> None:
    """What a clear was to remove is not served; the error is passed on, and the lock is free."""
    backend = MemoryBackend()
    backend.put((1,), entry_of("text"))
    backend.put((), entry_of("text"))
    with pytest.raises(IndexError):
        backend.clear(lambda key: bool(cast("tuple[object, ...]", key)[0]))
    assert (len(backend), backend.bytes_used) == (0, 0)
    assert backend.put((1,), entry_of("text")) is True


def test_an_entry_that_was_overtaken_by_a_clear_is_refused() -> None:
    """What began to render before a clear is not stored after it."""
    backend = MemoryBackend()
    since = backend.clears
    assert backend.put(key_of(1), entry_of("in time"), since=since) is True
    backend.clear(lambda _key: False)
    assert backend.put(key_of(2), entry_of("late"), since=since) is False
    assert backend.put(key_of(2), entry_of("new"), since=backend.clears) is True


def test_a_key_without_a_hash_harms_nothing() -> None:
    """The error is the caller's, and what is stored stays."""
    backend = MemoryBackend()
    backend.put(key_of(1), entry_of("text"))
    with pytest.raises(TypeError, match="unhashable"):
        backend.put(key_of([]), entry_of(""))
    with pytest.raises(TypeError, match="unhashable"):
        backend.remove(key_of([]))
    assert backend.find(key_of(1)) is not None


def pickled(backend: MemoryBackend) -> MemoryBackend:
    """Return what a pickle of the backend gives."""
    return cast("MemoryBackend", pickle.loads(pickle.dumps(backend)))  # noqa: S301  # our own


def copied(backend: MemoryBackend) -> MemoryBackend:
    """Return a shallow copy."""
    return copy.copy(backend)


def deeply_copied(backend: MemoryBackend) -> MemoryBackend:
    """Return a deep copy."""
    return copy.deepcopy(backend)


@pytest.mark.parametrize("duplicate", [copied, deeply_copied, pickled])
def test_a_copy_has_the_configuration_and_no_entries(
    duplicate: Callable[[MemoryBackend], MemoryBackend],
) -> None:
    """Limits and clock are carried; the store, its lock and its counts are new."""
    backend = MemoryBackend(5000, max_entries=7)
    backend.put(key_of(1), entry_of("text"))
    twin = duplicate(backend)
    assert repr(twin) == "MemoryBackend(max_bytes=5000, entries=0, bytes_used=0)"
    for number in range(20):
        twin.put(key_of(number), entry_of("text"))
    assert len(twin) == 7
    assert len(backend) == 1


def test_a_copy_reads_the_same_clock() -> None:
    """A clock is configuration, not state."""
    clock = ManualClock()
    twin = copy.deepcopy(MemoryBackend(clock=clock))
    twin.set_many({"key": b"value"}, 1.0)
    clock.advance(1.0)
    assert not twin.get_many(["key"])


def test_an_empty_backend_is_true() -> None:
    """``backend or default`` keeps a backend in which nothing is stored yet."""
    assert MemoryBackend()


def test_repr_shows_the_bound_and_what_is_used() -> None:
    """Numbers only: no key and no text."""
    backend = MemoryBackend(5000)
    backend.put(key_of("secret"), entry := entry_of("text"))
    used = weigh(key_of("secret"), entry)
    assert repr(backend) == f"MemoryBackend(max_bytes=5000, entries=1, bytes_used={used})"
    assert repr(MemoryBackend()).startswith(f"MemoryBackend(max_bytes={DEFAULT_MAX_BYTES},")
