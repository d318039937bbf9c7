"""A backend in this process, bounded by bytes, whose hits take no lock.

It holds two kinds of guests on one shelf. Fragments lie there as they are, `Entry` objects under
tuples, and are found by one call of a dict's own ``get``. Everything else uses it as a ``Backend``:
bytes under str keys, with an expiry of their own. One count of bytes bounds both.
"""

import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar, TypeVarTuple

from jinjacache.backends import sieve
from jinjacache.backends.protocol import Found, Token, check_key
from jinjacache.backends.shelf import Shelf
from jinjacache.backends.url import BackendURL, read_count, read_size
from jinjacache.backends.weight import weigh
from jinjacache.entry import Entry
from jinjacache.errors import ConfigurationError

DEFAULT_MAX_BYTES = 64 * 2**20

_SMALLEST = 1024

Args = TypeVarTuple("Args")
R = TypeVar("R")


class Stored(NamedTuple):
    """Hold the bytes of one write, its cas token, and the instant when it expires."""

    value: bytes
    token: int
    expires_at: float


Node = sieve.Node[Entry | Stored]


class MemoryBackend:
    """Keep entries in this process, and evict with SIEVE when ``max_bytes`` are full.

    ``clock`` counts seconds and never goes back; only the expiry of bytes reads it.

    ``find`` is how a fragment is looked up: it returns the node of a key, or None. The caller reads
    ``node.value`` once and sets ``node.visited``. It may race with anything: at worst it sees
    the older value, or none. ``clears`` counts how often something was cleared.

    Copies and pickles carry the configuration and begin empty. A forked child keeps what was
    stored.

    Raises:
        ConfigurationError: a limit is not an int, or is too small (``max_bytes`` below 1024).
    """

    find: Callable[[Hashable], Node | None]

    def __init__(
        self,
        max_bytes: int = DEFAULT_MAX_BYTES,
        *,
        max_entries: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        seats = sys.maxsize if max_entries is None else _limit("max_entries", max_entries, 1)
        self._shelf: Shelf[Entry | Stored] = Shelf(_limit("max_bytes", max_bytes, _SMALLEST), seats)
        self._clock = clock
        self._writes = 0
        self.clears = 0
        self.find = self._shelf.nodes.get
        self.renew_lock()
        _living.add(self)

    @property
    def bytes_used(self) -> int:
        """Return the bytes that all entries take, keys and overhead included."""
        return self._shelf.used

    @property
    def evictions(self) -> int:
        """Return how many entries had to make room for others."""
        return self._shelf.evictions

    def put(self, key: Hashable, entry: Entry, *, since: Token | None = None) -> bool:
        """Store the entry as it is; tell whether it was stored.

        One that is larger than ``max_bytes`` is refused, and the older one under its key is
        dropped. Where ``since`` is given, what ``clears`` was when the rendering began, an entry
        that was overtaken by a clear is refused.
        """
        hash(key)  # one that has no hash must fail before the shelf is touched
        weight = weigh(key, entry)
        with self._lock:  # not `_exclusively`, whose call costs every miss a twentieth
            if since is not None and since != self.clears:
                return False
            try:
                return self._shelf.store(key, entry, weight)
            except BaseException:
                self._shelf.empty()
                raise

    def remove(self, key: Hashable) -> bool:
        """Remove the entry; tell whether there was one."""
        hash(key)
        return self._exclusively(self._shelf.drop, key)

    def clear(self, which: Callable[[Hashable], bool] | None = None) -> None:
        """Remove every entry, or those whose key ``which`` is true of."""
        self._exclusively(self._clear, which)

    def get_many(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Return what is stored under the keys and has not expired."""
        now = self._clock()
        current = {key: self._current(key, now) for key in [check_key(key) for key in keys]}
        return {key: Found(s.value, s.token) for key, s in current.items() if s is not None}

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Store every item; one that is larger than ``max_bytes`` only drops what was there."""
        for key, value in [(check_key(key), _exact(value)) for key, value in items.items()]:
            self._exclusively(self._write, key, value, expires_in)

    def add(self, key: str, value: bytes, expires_in: float | None) -> bool:
        """Store the value where there is none that has not expired."""
        return self._exclusively(self._add, check_key(key), _exact(value), expires_in)

    def cas(self, key: str, value: bytes, token: Token, expires_in: float | None) -> bool:
        """Store the value where the token is that of the last write."""
        return self._exclusively(self._cas, check_key(key), _exact(value), token, expires_in)

    def delete(self, key: str) -> bool:
        """Remove what is stored under the key."""
        return self._exclusively(self._delete, check_key(key))

    def close(self) -> None:
        """Hold nothing open; what is stored stays."""

    def renew_lock(self) -> None:
        """Take a new lock, in a process that has one thread; a change that was under way is lost.

        A forked child calls it: the thread that held the lock is not there to finish.
        """
        lock: threading.Lock | None = getattr(self, "_lock", None)
        if lock is not None and lock.locked():
            self._shelf.empty()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._shelf.nodes)

    def __bool__(self) -> bool:
        return True  # an empty backend is a backend

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(max_bytes={self._shelf.max_bytes}, entries={len(self)}, "
            f"bytes_used={self.bytes_used})"
        )

    def __reduce__(self) -> tuple[Callable[[], "MemoryBackend"], tuple[()]]:
        shelf = self._shelf
        seats = shelf.max_entries
        return partial(type(self), shelf.max_bytes, max_entries=seats, clock=self._clock), ()

    def _exclusively(self, change: Callable[[*Args], R], *args: *Args) -> R:
        with self._lock:
            try:
                return change(*args)
            except BaseException:
                # Interrupted midway (a signal, a greenlet's timeout), the count and the queue may
                # not agree. An empty shelf is right again, and a cache may forget.
                self._shelf.empty()
                raise

    def _clear(self, which: Callable[[Hashable], bool] | None) -> None:
        self.clears += 1
        if which is None:
            self._shelf.empty()
            return
        for key in [key for key in self._shelf.nodes if which(key)]:
            self._shelf.drop(key)

    def _current(self, key: str, now: float) -> Stored | None:
        node = self._shelf.nodes.get(key)
        stored = None if node is None else node.value
        if node is None or not isinstance(stored, Stored) or stored.expires_at <= now:
            return None
        node.visited = True
        return stored

    def _write(self, key: str, value: bytes, expires_in: float | None) -> bool:
        self._writes += 1
        expires_at = math.inf if expires_in is None else self._clock() + expires_in
        stored = Stored(value, self._writes, expires_at)
        return self._shelf.store(key, stored, weigh(key, stored))

    def _add(self, key: str, value: bytes, expires_in: float | None) -> bool:
        absent = self._current(key, self._clock()) is None
        return absent and self._write(key, value, expires_in)

    def _cas(self, key: str, value: bytes, token: Token, expires_in: float | None) -> bool:
        stored = self._current(key, self._clock())
        unchanged = stored is not None and stored.token == token
        return unchanged and self._write(key, value, expires_in)

    def _delete(self, key: str) -> bool:
        present = self._current(key, self._clock()) is not None
        self._shelf.drop(key)
        return present


def open_memory(url: BackendURL) -> MemoryBackend:
    """Return the backend that ``memory://?max_bytes=64MiB&max_entries=10000`` stands for."""
    url.refuse_place()
    options = url.read({"max_bytes": read_size, "max_entries": read_count})
    return MemoryBackend(
        options.get("max_bytes", DEFAULT_MAX_BYTES), max_entries=options.get("max_entries")
    )


def _limit(name: str, value: object, least: int) -> int:
    if type(value) is int and value >= least:
        return value
    raise ConfigurationError(f"{name} is {value!r}: give an int of at least {least}")


def _exact(value: bytes) -> bytes:
    if type(value) is bytes:
        return value
    raise TypeError(f"a value is {type(value).__name__}: give bytes, which nobody can change later")


_living: "weakref.WeakSet[MemoryBackend]" = weakref.WeakSet()


def _renew_locks() -> None:
    for backend in _living:
        backend.renew_lock()


# Where there is no fork, as on Windows, there is no hook for it either.
getattr(os, "register_at_fork", dict)(after_in_child=_renew_locks)
