"""What a backend is: bytes under short keys, and a few operations that can race safely.

To write one, give a class the methods of ``Backend`` and run
``jinjacache.testing.BackendContract`` over it. What holds for every method:

- Keys go through ``check_key`` first, all of them, before anything is sent or stored.
- A value may vanish at any time. One that is too large to hold vanishes at once, and takes the
  older value under its key with it: old content never outlives the attempt to replace it.
- What the world does wrong (refused, late, full, garbled) is raised as ``BackendError``; a miss
  is never an error, and an error is never reported as a miss.
- Methods are called by many threads at once.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

Token = bytes | int

_KEY = re.compile(r"[!-~]{1,250}")


class Found(NamedTuple):
    """Hold a value and the token of the write that put it there; only ``cas`` reads the token."""

    value: bytes
    token: Token


class Backend(Protocol):
    """Keep bytes under keys; ``expires_in`` is in seconds, above 0, and None never expires.

    Expiry is an upper bound that frees space: a backend with a coarse clock rounds it up, since
    an entry knows by itself, to the microsecond, how long it may be served.
    """

    def get_many(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Return what is stored under the keys in one round trip; missing ones are absent."""
        ...

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Store every item, whatever was there before."""
        ...

    def add(self, key: str, value: bytes, expires_in: float | None) -> bool:
        """Store the value only where there is none, atomically; tell whether it was stored.

        Leases rest on this: of many callers at once exactly one may be told True.
        """
        ...

    def cas(self, key: str, value: bytes, token: Token, expires_in: float | None) -> bool:
        """Store the value only if the key was not written since the token was read.

        False where it was written, deleted or has expired. A token serves one write.
        """
        ...

    def delete(self, key: str) -> bool:
        """Remove what is stored under the key; tell whether there was something."""
        ...

    def close(self) -> None:
        """Give back what is held open; closing twice is fine."""
        ...


OPERATIONS = ("get_many", "set_many", "add", "cas", "delete", "close")
"""The operations of a backend, by name."""


def check_key(key: object) -> str:
    """Return the key if it is 1 to 250 visible ASCII characters.

    Text protocols end a key at a space and a command at a line break, so nothing else may reach
    a server (Memcached's protocol.txt, "Keys"). The message does not repeat the key, which may
    hold what a visitor typed.

    Raises:
        ValueError: before any I/O, for every other value.
    """
    if type(key) is str and _KEY.fullmatch(key):
        return key
    size = f" of {len(key)} characters" if isinstance(key, str) else ""
    raise ValueError(
        f"a backend's key must be a str of 1 to 250 visible ascii characters, not this "
        f"{type(key).__name__}{size}: hash what the key is made of"
    )
