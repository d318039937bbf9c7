"""What an object looks like, in 20 bytes that are the same in every process.

A function is known by its module and name where it can be imported by them, otherwise by its
code, defaults and closure; an instance by its class and state. State may hide where Python cannot
look, so a second instance with the looks of another in the same place gets a mark that nothing
else has: two that may differ are never taken for one.

What an object looked like when it was first seen counts for its life: a filter that counts its
calls is still the same filter.
"""

import os
import weakref
from collections.abc import Callable
from functools import partial
from hashlib import blake2b

from jinjacache.parts import OPEN, is_importable, name_of, parts, plain

_SIZE = 20
_DEPTH = 32
_MOST = 10_000
_seen: dict[tuple[int, str], tuple[Callable[[], object], bytes]] = {}
# Never forgotten, since entries outlive the object whose looks they were stored under.
_taken: dict[tuple[str, bytes], object] = {}


def looks(value: object, place: str) -> bytes:
    """Return 20 bytes for ``value`` in ``place``, such as the setting that holds it."""
    return _at_first_sight(value, place, lambda: _Walk(place).digest(value))


def _alone(value: object, place: str) -> bytes:
    """Return the looks of ``value``, or a mark where another had these looks in this place."""
    seen, mine = _Walk(None).digest(value), object()
    return seen if _taken.setdefault((place, seen), mine) is mine else os.urandom(_SIZE)


def _at_first_sight(value: object, place: str, look: Callable[[], bytes]) -> bytes:
    if not _is_referable(value):
        return look()
    key = (id(value), place)
    known = _seen.get(key)
    if known is not None and known[0]() is value:
        return known[1]
    fresh = weakref.ref(value, partial(_forget, key)), look()
    # Another thread may have been faster, and both must say the same from now on.
    known = _seen.setdefault(key, fresh)
    return (known if known[0]() is value else fresh)[1]


def _forget(key: tuple[int, str], _: object) -> None:
    _seen.pop(key, None)


def _is_referable(value: object) -> bool:
    return type(value).__weakrefoffset__ != 0


class _Walk:
    """Write a value and all that it is made of into one hash; what comes again by its number.

    With a ``place``, an instance there gets a mark where another one looks the same.
    """

    def __init__(self, place: str | None) -> None:
        self._place = place
        self._hash = blake2b(digest_size=_SIZE)
        # The values are kept, or one that is made on the way could get the identity of another.
        self._met: dict[int, tuple[int, object]] = {}
        self._depth = 0

    def digest(self, value: object) -> bytes:
        self._write(value)
        return self._hash.digest()

    def _write(self, value: object) -> None:
        if id(value) in self._met:
            self._put(b"again", b"%d" % self._met[id(value)][0])
        elif (canonical := plain(value)) is not None:
            self._put(b"value", canonical)
        elif is_importable(value):
            self._put(b"name", *name_of(value))
        else:
            self._met[id(value)] = len(self._met), value
            self._made_of_others(value)

    def _made_of_others(self, value: object) -> None:
        beyond = self._depth > _DEPTH or len(self._met) > _MOST
        hides = _is_referable(value) and (beyond or type(value) not in OPEN)
        if hides and self._place is not None:
            place = f"{self._place}, {len(self._met)}"
            mark = _at_first_sight(value, place, lambda: _alone(value, place))
            self._put(b"alone", mark)
            return
        self._put(b"(", *name_of(type(value)))
        self._depth += 1
        for part in [os.urandom(_SIZE)] if beyond else parts(value):
            self._write(part)
        self._depth -= 1
        self._put(b")")

    def _put(self, *parts: bytes) -> None:
        for part in parts:
            self._hash.update(b"%d:" % len(part))
            self._hash.update(part)
