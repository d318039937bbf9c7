"""What a store is: where the policy finds entries and has them kept.

A fetch samples a *token* of the namespace before a body is rendered; what is kept later carries
it, so an entry whose rendering was overtaken by ``Cache.clear`` is never served.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Protocol

from jinjacache.entry import Entry
from jinjacache.keys import Key
from jinjacache.recording import Clock, Recording


class Held(Protocol):
    """An entry in memory, with the mark of a hit that keeps it from being evicted."""

    value: Entry
    visited: bool


Finder = Callable[[Hashable], Held | None]
"""Looks up an in-memory key without a lock."""


class Store(Protocol):
    """What carries out the steps of the policy; it writes what came of one on the recording."""

    @property
    def find(self) -> Finder:
        """Look up an in-memory key without a lock; always None where entries are bytes."""
        ...

    @property
    def clock(self) -> Clock:
        """Seconds, in which entries count ``made_at``."""
        ...

    @property
    def waits(self) -> bool:
        """Whether a step may block, so that an event loop must send it to a worker thread."""
        ...

    def fetch(self, recording: Recording) -> None:
        """Set the recording's ``token``, and its ``entry`` unless a mode forbids to read.

        A failure becomes its ``problem``.
        """
        ...

    def keep(self, recording: Recording) -> None:
        """Store the recording's ``entry``; a failure becomes its ``problem``.

        Where the entry cannot be kept, the ``refusal`` says why.
        """
        ...

    def delete(self, key: Key) -> bool:
        """Remove one entry and say whether there was one; failures are raised."""
        ...

    def clear(self) -> None:
        """Make every entry of the namespace unreachable; failures are raised."""
        ...

    def close(self) -> None:
        """Give back what the backend holds: sockets, files."""
        ...


async def without_blocking(
    store: Store, step: Callable[[Recording], None], recording: Recording
) -> None:
    """Carry out a step of the store without blocking the event loop."""
    if store.waits:
        await asyncio.to_thread(step, recording)
    else:
        step(recording)
