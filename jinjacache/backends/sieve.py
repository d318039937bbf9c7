"""Which entry to evict: SIEVE, a queue with one mark per node and a hand that moves over it.

Zhang et al., "SIEVE is Simpler than LRU" (NSDI '24). A hit sets a mark and moves nothing, so it
needs no lock. The hand goes from the oldest node to the newest, takes marks away, evicts the first
node that has none, and stays there.
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar, cast

V = TypeVar("V")


class Node(Generic[V]):
    """Stand for one key in the queue; ``visited`` may be set by anyone at any time."""

    __slots__ = ("key", "newer", "older", "value", "visited")

    newer: "Node[V]"
    older: "Node[V]"

    def __init__(self, key: Hashable, value: V) -> None:
        self.key = key
        self.value = value
        self.visited = False


class Sieve(Generic[V]):
    """Order nodes by age and choose victims; whoever calls it holds a lock.

    The queue is a ring through ``end``, a node that stands for no key: newer than the newest and
    older than the oldest, so that neither linking nor unlinking has a special case.
    """

    __slots__ = ("end", "hand")

    hand: Node[V]

    def __init__(self) -> None:
        self.end: Node[V] = Node(None, cast("V", None))  # its value is never read
        self.clear(())

    def push(self, node: Node[V]) -> None:
        """Put the node at the new end of the queue."""
        newest = self.end.older
        node.older = newest
        node.newer = self.end
        newest.newer = node
        self.end.older = node

    def unlink(self, node: Node[V]) -> None:
        """Take the node out; the hand moves on if it stood there.

        A node that was taken out keeps no neighbour: a reader who still holds it would hold a
        chain of evicted nodes, and two such nodes could keep each other alive.
        """
        if self.hand is node:
            self.hand = node.newer
        node.older.newer = node.newer
        node.newer.older = node.older
        node.newer = node.older = self.end

    def victim(self, patience: int) -> tuple[Node[V], int]:
        """Return the node to evict, and how much of the patience is left.

        ``patience`` bounds how many marks the hand may take away before it takes a marked node:
        with every mark set, the plain algorithm would go round the whole queue for one insertion.
        The queue must not be empty.
        """
        node = self.hand
        while node is self.end or (node.visited and patience > 0):
            if node is not self.end:
                node.visited = False
                patience -= 1
            node = node.newer
        self.hand = node
        return node, patience

    def clear(self, nodes: Iterable[Node[V]]) -> None:
        """Let go of all the nodes, also when a change was interrupted and links are wrong."""
        for node in nodes:
            node.newer = node.older = self.end
        self.end.newer = self.end.older = self.hand = self.end
