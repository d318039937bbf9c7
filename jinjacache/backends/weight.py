"""How many bytes an entry costs in memory: a pure function of its key and value.

The same pair weighs the same whenever it is asked for, so nothing has to remember a weight: what
was added when an entry came is taken away when it goes. ``sys.getsizeof`` of a text would not do,
since a text that a C extension once read as UTF-8 keeps that form and reports it from then on.
"""

import sys
from typing import cast

from jinjacache.entry import Entry

OVERHEAD = 180
"""Bytes of a node (72) and of its slot in a dict (52, or 105 once evictions left gaps).

Measured with tracemalloc at 100 000 entries, CPython 3.11, as is the next.
"""

_ENTRY = OVERHEAD + 80 + 3 * 24
"""Bytes of all that, of an entry, and of those of its times that it shares with no other."""

_TEXT = sys.getsizeof("")
_TUPLE = sys.getsizeof(())
_POINTER = 8
_KEPT = _ENTRY + _TEXT
_PAIR = _TUPLE + 2 * _POINTER
_INT = 36
"""Bytes of an int of three digits of 30 bits; keys hold none that is larger."""


def weigh(key: object, value: object) -> int:
    """Return the bytes that ``value`` costs under ``key``.

    What entries share counts for each of them, except for the first part of a tuple: the prefix
    of a key, which is its fragment's own.
    """
    # Every miss weighs, so what `_size` would say of the usual text and key stands here too.
    if isinstance(value, Entry):
        body = value.body
        if isinstance(body, str) and body.isascii():
            total = _KEPT + len(body)
        else:
            total = _ENTRY + _size(body)
        if value.tags:
            total += _size(value.tags)
    else:
        total = OVERHEAD + _size(value)
    if not isinstance(key, tuple):
        return total + _size(key)
    parts = cast("tuple[object, ...]", key)
    if len(parts) == 2:  # noqa: PLR2004 - a prefix, and its value
        return total + _PAIR + (_INT if type(parts[1]) is int else _size(parts[1]))
    total += _TUPLE + _POINTER
    for part in parts[1:]:
        total += _POINTER + _size(part)
    return total


def _size(part: object) -> int:
    if isinstance(part, str):
        # One character beyond latin-1 doubles the whole text, one beyond the BMP quadruples it
        # (PEP 393). Only a copy tells the width without what the original may have cached.
        return _TEXT + len(part) if part.isascii() else sys.getsizeof(part + "\n")
    if not isinstance(part, tuple):
        return sys.getsizeof(part)
    total = _TUPLE
    for item in cast("tuple[object, ...]", part):
        total += _POINTER + _size(item)
    return total
