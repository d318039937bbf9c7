"""Where entries are kept: as they are in memory, or as bytes in a backend.

This is the one place where the failures of a backend are forgiven.
"""

import math
import os
import time
from collections.abc import Hashable, Mapping
from dataclasses import replace
from inspect import iscoroutinefunction
from typing import Literal, NamedTuple, cast

from jinjacache.backends import open_backend
from jinjacache.backends.memory import MemoryBackend
from jinjacache.backends.null import NullBackend
from jinjacache.backends.protocol import OPERATIONS, Backend, Found
from jinjacache.entry import Codec, Entry, Tag, Unreadable
from jinjacache.errors import BackendError, ConfigurationError, EntryTooLarge
from jinjacache.freshness import remaining
from jinjacache.keys import Key, realm, wire
from jinjacache.recording import Clock, Problem, Recording
from jinjacache.store import Finder, Store

OnError = Literal["ignore", "raise"]


TOKEN_MEMO = 0.15
"""Seconds for which a namespace's token is remembered: how far a process may lag behind a clear."""

_NAMESPACE = bytes(Tag.DIGEST_SIZE)
"""The digest under which an entry carries the namespace's token among those of its tags."""


def open_store(
    backend: str | Backend,
    *,
    namespace: str,
    codec: Codec,
    clock: Clock | None,
    on_error: OnError,
) -> Store:
    """Return the store that fits ``backend``, a URL or an object.

    Raises:
        ConfigurationError: the URL is wrong, or the object is no backend.
    """
    opened: object = open_backend(backend) if isinstance(backend, str) else backend
    if isinstance(opened, MemoryBackend):
        return MemoryStore(opened, namespace, clock or time.monotonic)
    if isinstance(opened, NullBackend):
        return NullStore(clock or time.monotonic)
    return ByteStore(
        _checked(opened),
        namespace,
        codec=codec,
        clock=clock or time.time,
        on_error=on_error,
    )


def _checked(backend: object) -> Backend:
    """Return what is a backend: later its every failure would be forgiven, and nothing cached."""
    if isinstance(backend, type):
        raise ConfigurationError(f"{backend.__name__} is a class: give an instance of it")
    name = type(backend).__name__
    missing = [name for name in OPERATIONS if not callable(getattr(backend, name, None))]
    if missing:
        raise ConfigurationError(
            f"{name} is no backend: it lacks {', '.join(missing)}; "
            "give a URL such as 'memory://', or see jinjacache.backends.protocol.Backend"
        )
    if iscoroutinefunction(getattr(backend, "get_many")):  # noqa: B009
        raise ConfigurationError(f"{name} is asynchronous: give a backend with plain methods")
    return cast("Backend", backend)


class MemoryStore:
    """Keep entries as they are, in this process; instants are on the monotonic clock."""

    waits = False

    def __init__(self, backend: MemoryBackend, namespace: str, clock: Clock) -> None:
        # A tuple's value is an entry; only str keys hold bytes.
        self.find = cast("Finder", backend.find)
        self.clock = clock
        self._backend = backend
        self._realm = realm(namespace)

    def __repr__(self) -> str:
        return repr(self._backend)

    def fetch(self, recording: Recording) -> None:
        """Look for the entry; nothing here can fail."""
        recording.token = self._backend.clears
        if recording.mode is None:
            node = self.find(recording.key.in_memory)
            if node is not None:
                node.visited = True
                recording.entry = node.value

    def keep(self, recording: Recording) -> None:
        """Store the entry."""
        entry = cast("Entry", recording.entry)  # as the policy makes it
        if not self._backend.put(recording.key.in_memory, entry, since=recording.token):
            overtaken = recording.token != self._backend.clears
            recording.refusal = (
                "the cache was cleared while it was rendered" if overtaken else "it is too large"
            )

    def delete(self, key: Key) -> bool:
        """Remove one entry and say whether there was one."""
        return self._backend.remove(key.in_memory)

    def clear(self) -> None:
        """Remove the namespace's entries; other caches on the same backend keep theirs."""
        self._backend.clear(lambda key: type(key) is tuple and key[0].startswith(self._realm))

    def close(self) -> None:
        """Do nothing: memory holds no sockets or files."""


class NullStore:
    """Keep nothing."""

    waits = False

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def find(self, key: Hashable) -> None:
        """Find nothing."""

    def __repr__(self) -> str:
        return "NullBackend()"

    def fetch(self, recording: Recording) -> None:
        """Find nothing, and no token to keep an entry with."""

    def keep(self, recording: Recording) -> None:
        """Keep nothing."""

    def delete(self, key: Key) -> bool:  # noqa: ARG002 - there is nothing under any key
        """Say that there was no entry."""
        return False

    def clear(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class _Memo(NamedTuple):
    """Hold the namespace's token, when it was asked for, and what clears had been made then."""

    token: bytes
    sampled_at: float
    epoch: object


class ByteStore:
    """Keep entries as bytes in a backend; instants are on the wall clock, hosts share them."""

    waits = True

    def __init__(
        self, backend: Backend, namespace: str, *, codec: Codec, clock: Clock, on_error: OnError
    ) -> None:
        self.clock = clock
        self._backend = backend
        self._codec = codec
        self._raises = on_error == "raise"
        self._token_key = wire(namespace, "n", b"")
        self._epoch = object()
        self._memo = _Memo(b"", -math.inf, self._epoch)

    def find(self, key: Hashable) -> None:
        """Find nothing: what lies in a backend is not at hand."""

    def __repr__(self) -> str:
        return type(self._backend).__name__

    def fetch(self, recording: Recording) -> None:
        """Look for the entry and sample the token; whatever the backend raises is a problem."""
        try:
            self._fetch(recording)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is forgiven here
            self._forgive(recording, "fetch", error)

    def keep(self, recording: Recording) -> None:
        """Store the entry's bytes; whatever the backend raises is a problem."""
        try:
            recording.refusal = self._keep(recording)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is forgiven here
            self._forgive(recording, "store", error)

    def _forgive(self, recording: Recording, operation: str, error: Exception) -> None:
        if self._raises:
            raise error
        recording.problem = Problem(operation, type(error).__name__)

    def delete(self, key: Key) -> bool:
        """Remove one entry and say whether there was one."""
        return self._backend.delete(key.on_the_wire())

    def clear(self) -> None:
        """Renew the namespace's token: every entry that carries another one is a miss."""
        self._backend.set_many({self._token_key: os.urandom(Tag.TOKEN_SIZE)}, None)
        # A fetch that is under way may hold the old token: what it remembers now is void.
        self._epoch = object()

    def close(self) -> None:
        """Close the backend."""
        self._backend.close()

    def _fetch(self, recording: Recording) -> None:
        epoch, now, memo = self._epoch, self.clock(), self._memo
        known = memo.epoch is epoch and 0 <= now - memo.sampled_at < TOKEN_MEMO
        key = recording.key.on_the_wire() if recording.mode is None else None
        wanted = [name for name in (key, None if known else self._token_key) if name is not None]
        found: Mapping[str, Found] = self._backend.get_many(wanted) if wanted else {}
        if not known:
            memo = self._memo = _Memo(self._sampled(found.get(self._token_key)), now, epoch)
        recording.token = memo.token
        if key is None or key not in found:
            return
        entry = self._codec.decode(found[key].value, recording.key.material())
        if isinstance(entry, Unreadable):
            recording.problem = Problem("decode", entry.reason)
        elif Tag(_NAMESPACE, memo.token) in entry.tags:
            recording.entry = entry

    def _sampled(self, found: Found | None) -> bytes:
        """Return the token that was read; where none is (never set, evicted, foreign), set one."""
        if found is not None and _is_token(found.value):
            return found.value
        token = os.urandom(Tag.TOKEN_SIZE)
        if found is None:
            ours = self._backend.add(self._token_key, token, None)
        else:
            ours = self._backend.cas(self._token_key, token, found.token, None)
        if ours:
            return token
        faster = self._backend.get_many([self._token_key]).get(self._token_key)
        if faster is None or not _is_token(faster.value):
            raise BackendError("the namespace's token cannot be read: another writer replaces it")
        return faster.value

    def _keep(self, recording: Recording) -> str | None:
        token = cast("bytes", recording.token)  # as every one that `_fetch` hands out
        kept = cast("Entry", recording.entry)  # as the policy makes it
        entry = replace(kept, tags=(*kept.tags, Tag(_NAMESPACE, token)))
        key = recording.key.material()
        try:
            data = self._codec.encode(entry, key)
        except EntryTooLarge as error:
            self._backend.delete(recording.key.on_the_wire())
            return str(error)
        bound = remaining(entry.made_at, entry.timeout, self.clock(), entry.timeout)
        if bound <= 0:
            return "it is past its time: the render was too long, or the clock was set"
        expires_in = None if bound == math.inf else bound
        self._backend.set_many({recording.key.on_the_wire(): data}, expires_in)
        return None


def _is_token(value: object) -> bool:
    return type(value) is bytes and len(value) == Tag.TOKEN_SIZE
