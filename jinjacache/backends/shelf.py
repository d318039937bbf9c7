"""A dict of nodes that never weighs more than its limit; whoever changes it holds a lock."""

from collections.abc import Hashable
from typing import Generic, TypeVar

from jinjacache.backends.sieve import Node, Sieve
from jinjacache.backends.weight import weigh

V = TypeVar("V")

PATIENCE = 512
"""Marks that one insertion may take away before it evicts a marked entry."""


class Shelf(Generic[V]):
    """Hold values by key within ``max_bytes`` and ``max_entries``; ``nodes`` is always one dict.

    ``used`` is in bytes and always the sum of what the nodes weigh. Keys that are equal must be
    of equal types, so that they weigh the same.
    """

    __slots__ = ("evictions", "max_bytes", "max_entries", "nodes", "queue", "used")

    def __init__(self, max_bytes: int, max_entries: int) -> None:
        self.max_bytes = max_bytes
        self.max_entries = max_entries
        self.nodes: dict[Hashable, Node[V]] = {}
        self.queue: Sieve[V] = Sieve()
        self.used = 0
        self.evictions = 0

    def store(self, key: Hashable, value: V, weight: int) -> bool:
        """Put the value under the key; False, and the older one is gone, if it is too heavy."""
        if weight > self.max_bytes:
            self.drop(key)
            return False
        node = self.nodes.get(key)
        if node is None:
            if self.used + weight > self.max_bytes or len(self.nodes) >= self.max_entries:
                self._make_room(self.max_bytes - weight, self.max_entries - 1)
            node = self.nodes[key] = Node(key, value)
        else:
            # Out of the queue, it is no victim; in the dict, it is never missing to a reader.
            self.queue.unlink(node)
            self.used -= weigh(node.key, node.value)
            self._make_room(self.max_bytes - weight, self.max_entries)
            node.value = value
        self.queue.push(node)
        self.used += weight
        return True

    def drop(self, key: Hashable) -> bool:
        """Remove what is under the key; tell whether there was something."""
        node = self.nodes.get(key)
        if node is None:
            return False
        self._let_go(node)
        return True

    def empty(self) -> None:
        """Remove everything, also when an interrupted change has left things half done."""
        self.queue.clear(self.nodes.values())
        self.nodes.clear()
        self.used = 0

    def _make_room(self, room: int, seats: int) -> None:
        patience = PATIENCE
        while self.used > room or len(self.nodes) > seats:
            victim, patience = self.queue.victim(patience)
            self._let_go(victim)
            self.evictions += 1

    def _let_go(self, node: Node[V]) -> None:
        del self.nodes[node.key]
        self.queue.unlink(node)
        self.used -= weigh(node.key, node.value)
