"""Eviction follows SIEVE, and the hand's way is bounded."""

from random import Random

import pytest

from jinjacache.backends.memory import MemoryBackend
from jinjacache.backends.shelf import PATIENCE
from jinjacache.entry import Entry

ENTRY = Entry("text", 0.0, 300.0)


class PlainSieve:
    """Follow the paper in a list of keys, the oldest first."""

    def __init__(self, seats: int) -> None:
        self.seats = seats
        self.queue: list[int] = []
        self.marked: set[int] = set()
        self.hand = 0

    def put(self, key: int) -> None:
        """Let a key arrive, or arrive anew with the mark that it has."""
        if key in self.queue:
            self._take_out(key)
        elif len(self.queue) == self.seats:
            while self.queue[self.hand] in self.marked:
                self.marked.discard(self.queue[self.hand])
                self.hand = (self.hand + 1) % self.seats
            self._take_out(self.queue[self.hand])
        self.queue.append(key)

    def remove(self, key: int) -> None:
        """Let a key go, with its mark."""
        if key in self.queue:
            self._take_out(key)
            self.marked.discard(key)

    def _take_out(self, key: int) -> None:
        place = self.queue.index(key)
        del self.queue[place]
        self.hand -= place < self.hand
        if self.hand == len(self.queue):
            self.hand = 0


@pytest.mark.parametrize("seed", range(20))
def test_the_same_keys_stay_as_in_the_plain_algorithm(seed: int) -> None:
    """After every operation of a random run, both hold the same keys with the same marks."""
    random = Random(seed)  # noqa: S311  # to be repeated
    model, backend = PlainSieve(8), MemoryBackend(max_entries=8)
    for _ in range(500):
        key = int(random.triangular(0, 24, 3))
        node = backend.find(key)
        if node and random.random() < 0.7:
            node.visited = True
            model.marked.add(key)
        elif random.random() < 0.1:
            assert backend.remove(key) is (key in model.queue)
            model.remove(key)
        else:
            backend.put(key, ENTRY)
            model.put(key)
        nodes = {key: node for key in range(25) if (node := backend.find(key))}
        assert nodes.keys() == set(model.queue)
        assert {key for key, node in nodes.items() if node.visited} == model.marked


def test_what_is_used_outlives_a_scan() -> None:
    """A thousand keys that are asked for once do not push out one that is asked for often."""
    backend = MemoryBackend(max_entries=10)
    backend.put("used", ENTRY)
    for number in range(1000):
        node = backend.find("used")
        assert node is not None
        node.visited = True
        backend.put(number, ENTRY)


def test_the_hand_takes_away_a_bounded_number_of_marks() -> None:
    """With every mark set, an insertion evicts one entry after a bounded walk."""
    backend = MemoryBackend(max_entries=5000)
    for number in range(5000):
        backend.put(number, ENTRY)
    nodes = [backend.find(number) for number in range(5000)]
    for node in nodes:
        assert node is not None
        node.visited = True
    backend.put("new", ENTRY)
    gone = [number for number in range(5000) if backend.find(number) is None]
    assert gone == [PATIENCE]
    assert [bool(node and node.visited) for node in nodes] == [False] * PATIENCE + [True] * (
        5000 - PATIENCE
    )


def test_the_walk_is_bounded_for_all_victims_of_one_insertion_together() -> None:
    """An entry that needs the place of many takes away no more marks than any other."""
    backend = MemoryBackend(2_000_000)
    number = 0
    while not backend.evictions:
        backend.put(number, ENTRY)
        number += 1
    nodes = [node for key in range(number) if (node := backend.find(key))]
    for node in nodes:
        node.visited = True
    backend.put("large", Entry("x" * 1_000_000, 0.0, 300.0))
    assert backend.evictions > 1000
    assert sum(not node.visited for node in nodes) == PATIENCE


def test_the_hand_goes_on_where_it_stood() -> None:
    """Insertions go round the queue: each entry loses its mark before any loses it twice."""
    backend = MemoryBackend(max_entries=4)
    for number in range(4):
        backend.put(number, ENTRY)
    for number in (0, 1):
        node = backend.find(number)
        assert node is not None
        node.visited = True
    for number in (4, 5, 6, 7):
        backend.put(number, ENTRY)
    assert {number for number in range(8) if backend.find(number)} == {0, 1, 6, 7}
