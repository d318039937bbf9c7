"""The memory backend stays within its bounds, and gives memory back at once."""

import gc
import weakref
from collections.abc import Hashable

import pytest

from jinjacache.backends.memory import MemoryBackend
from jinjacache.entry import Entry
from jinjacache.errors import ConfigurationError

PREFIX = b"p" * 28


def key_of(*values: object) -> Hashable:
    """Return a key as fragments have it."""
    return (PREFIX, values)


def entry_of(text: str) -> Entry:
    """Return an entry whose times do not matter."""
    return Entry(text, made_at=0.0, timeout=300.0)


class Watched(Entry):
    """Be an entry whose end can be seen."""

    __slots__ = ("__weakref__",)


def test_the_count_never_passes_the_bound_and_space_is_used() -> None:
    """Entries of mixed sizes fill the store up to its bound, and not beyond it."""
    backend = MemoryBackend(100_000)
    for number in range(1000):
        backend.put(key_of(number), entry_of("x" * (number * 37 % 5000)))
        assert backend.bytes_used <= 100_000
    assert backend.bytes_used > 90_000


def test_one_large_entry_may_push_out_many() -> None:
    """Room for a large one is made at once."""
    backend = MemoryBackend(100_000)
    for number in range(100):
        backend.put(key_of(number), entry_of("small"))
    assert backend.put(key_of("large"), entry_of("x" * 90_000))
    assert backend.find(key_of("large")) is not None
    assert backend.bytes_used <= 100_000
    assert backend.evictions > 50


def test_an_entry_larger_than_the_store_is_refused_and_the_older_one_dropped() -> None:
    """Nothing else is evicted for it, and nobody is served what it should have replaced."""
    backend = MemoryBackend(10_000)
    backend.put(key_of("other"), entry_of("stays"))
    backend.put(key_of("grows"), entry_of("small"))
    assert backend.put(key_of("grows"), entry_of("x" * 100_000_000)) is False
    assert backend.find(key_of("grows")) is None
    assert backend.find(key_of("other")) is not None
    assert backend.evictions == 0


def test_bytes_larger_than_the_store_drop_the_older_ones() -> None:
    """The protocol's writes refuse and drop in the same way."""
    backend, huge = MemoryBackend(10_000), b"x" * 10_000
    backend.set_many({"key": b"small"}, None)
    backend.set_many({"key": huge}, None)
    assert not backend.get_many(["key"])
    assert backend.add("key", huge, None) is False


def test_an_entry_that_grows_makes_room_among_the_others() -> None:
    """An overwritten entry is never its own victim."""
    backend = MemoryBackend(10_000)
    for number in range(10):
        backend.put(key_of(number), entry_of("x" * 500))
    backend.put(key_of(0), grown := entry_of("x" * 8000))
    node = backend.find(key_of(0))
    assert node is not None
    assert node.value is grown
    assert backend.bytes_used <= 10_000


def test_the_number_of_entries_can_be_bounded_too() -> None:
    """``max_entries`` holds; overwriting one entry evicts none."""
    backend = MemoryBackend(max_entries=3)
    for number in range(10):
        backend.put(key_of(number), entry_of("text"))
        backend.put(key_of(number), entry_of("again"))
        assert len(backend) == min(number + 1, 3)
    assert backend.evictions == 7


def test_keys_without_number_leave_nothing_behind() -> None:
    """Fifty thousand keys that a visitor made up fit into the same bytes as a few."""
    backend = MemoryBackend(50_000)
    for number in range(50_000):
        backend.put(key_of(f"made up {number}"), entry_of("text"))
    assert backend.bytes_used <= 50_000
    assert len(backend) + backend.evictions == 50_000
    backend.clear()
    assert (len(backend), backend.bytes_used) == (0, 0)


def test_the_number_of_comparisons_grows_with_the_number_of_keys_only() -> None:
    """Looking up and storing many keys compares each with a few others at most."""
    compared = 0

    class Counted(int):
        def __hash__(self) -> int:
            return super().__hash__()

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return int(self) == other

    backend = MemoryBackend(max_entries=2000)
    for number in range(10_000):
        backend.put(key_of("same", Counted(number)), entry_of("text"))
        assert backend.find(key_of("same", Counted(number))) is not None
    assert compared < 10 * 10_000


def test_what_leaves_the_store_is_freed_at_once() -> None:
    """Evicted, removed, replaced and cleared entries need no garbage collector."""
    gc.disable()
    try:
        backend = MemoryBackend(max_entries=3)
        entries = [Watched("text", 0.0, 1.0) for _ in range(6)]
        ends = [weakref.ref(entry) for entry in entries]
        for number in range(5):
            backend.put(key_of(number), entries[number])
        backend.put(key_of(4), entries.pop())
        entries.clear()
        assert [end() is None for end in ends] == [True, True, False, False, True, False]
        backend.remove(key_of(2))
        assert ends[2]() is None
        backend.clear()
        assert [end() for end in ends] == [None] * 6
    finally:
        gc.enable()


def test_a_reader_keeps_the_evicted_node_that_it_holds_and_no_other() -> None:
    """Its value can be read and its mark set, while its former neighbours are freed."""
    gc.disable()
    try:
        backend = MemoryBackend(max_entries=2)
        ends: list[weakref.ref[Watched]] = []
        held, entry = None, None
        for number in range(6):
            entry = Watched("text", 0.0, 1.0)
            ends.append(weakref.ref(entry))
            backend.put(key_of(number), entry)
            held = held or backend.find(key_of(0))
        del entry
        assert held is not None
        held.visited = True
        assert held.value is ends[0]()
        assert [end() is None for end in ends] == [False, True, True, True, False, False]
    finally:
        gc.enable()


@pytest.mark.parametrize("max_bytes", [0, -1, 64, 1023, 1e6, True, "64MiB", None])
def test_a_bound_that_holds_nothing_is_a_mistake(max_bytes: int) -> None:
    """The message names the option, the value and what is expected."""
    with pytest.raises(ConfigurationError, match=r"max_bytes is .*: give an int of at least 1024"):
        MemoryBackend(max_bytes)


@pytest.mark.parametrize("max_entries", [0, -1, 1.5, True, "10"])
def test_a_number_of_entries_must_be_one_or_more(max_entries: int) -> None:
    """The message names the option, the value and what is expected."""
    with pytest.raises(ConfigurationError, match=r"max_entries is .*: give an int of at least 1"):
        MemoryBackend(max_entries=max_entries)
