"""A stored fragment: what it holds, and its bytes.

Where a backend keeps bytes, an entry looks like this (big-endian)::

    magic "JC", version (1), flags (1)
    made_at, timeout, stale, cost: doubles; an echo of the key       4 × 8, 32
    how many tags, how many segments, length of text, of payload     4 each
    for each tag: digest, token                                      16 + 8
    for each segment: length of its text, or HOLE | index            4; none when there is no hole
    payload: the text in UTF-8, deflated when that is flagged
    seal: a CRC-32, with secrets a keyed BLAKE2b                     4, 16

The seal is checked before anything is believed, every count against the length of the data, and
every size before memory is taken for it. Nothing in an entry is code.
"""

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from hashlib import blake2b
from hmac import compare_digest
from itertools import accumulate, pairwise
from typing import ClassVar, NamedTuple

from jinjacache.errors import ConfigurationError, EntryTooLarge

MAGIC = b"JC"
VERSION = 1

_COMPRESSED, _SIGNED = 1, 2
_HEAD = struct.Struct(">2sBB4d32s4I")
_TAG = struct.Struct(">16s8s")
_WORD, _HOLE, _LAST_HOLE = 4, 1 << 31, 0xFFFF
_CRC, _MAC = 4, 16
_UTF8 = ("utf-8", "surrogatepass")
_ECHO = blake2b(digest_size=32, person=b"jinjacache.echo")
# The most that deflate can promise, by zlib's technical details (zlib.net/zlib_tech.html).
_BEST_RATIO = 1032


class Tag(NamedTuple("Tag", [("digest", bytes), ("token", bytes)])):
    """Name a tag by its digest, with the version token that it had before the render."""

    __slots__ = ()
    DIGEST_SIZE: ClassVar = 16
    TOKEN_SIZE: ClassVar = 8


@dataclass(frozen=True, slots=True)
class Hole:
    """Mark where a hole stands; ``index``, 0 to 65535, says which one of the fragment's source."""

    index: int


@dataclass(slots=True)
class Entry:
    """Hold a rendered fragment, its times in seconds, and what can invalidate it.

    ``body`` is an exact ``str`` when there are no holes. ``made_at`` is read from the wall clock
    for bytes, from the backend's clock otherwise. A ``timeout`` of ``math.inf`` never expires;
    ``stale`` begins where it ends. ``cost`` is what the render took. Nobody changes an entry:
    it is not frozen because that costs about 1 µs at each miss.
    """

    body: str | tuple[str | Hole, ...]
    made_at: float
    timeout: float
    cost: float = 0.0
    stale: float = 0.0
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Say in one word why data is no entry; the word is what statistics count by."""

    reason: str


class _Refusal(Exception):
    """Leave the parser; its argument is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """Turn entries into bytes and back.

    With ``secrets`` every entry is signed by the first, and read when any of them signed it.
    A text longer than ``compress_above`` bytes is compressed where that saves a tenth.
    ``max_body`` bounds, in bytes, the uncompressed text with its tables of tags and segments.

    Raises:
        ConfigurationError: a secret is empty or of another type, or a bound is.
    """

    secrets: InitVar[Sequence[bytes | str]] = ()
    compress_above: int = 16 * 1024
    max_body: int = 8 * 1024 * 1024
    _macs: tuple[bytes, ...] = field(init=False, repr=False)

    def __post_init__(self, secrets: Sequence[bytes | str]) -> None:
        """Check the set-up and derive one MAC key from each secret."""
        for name, bound in (("compress_above", self.compress_above), ("max_body", self.max_body)):
            if type(bound) is not int or not 0 <= bound < _HOLE:
                raise ConfigurationError(f"{name} is {bound!r}; give bytes, an int below 2**31")
        if type(secrets) not in (list, tuple):
            raise ConfigurationError("secrets are no list; put a single one in a list")
        object.__setattr__(self, "_macs", tuple(map(_derive, secrets)))

    def encode(self, entry: Entry, key: bytes) -> bytes:
        """Return the bytes of an entry that is stored under this key material, of any length.

        Raises:
            EntryTooLarge: text and tables are over ``max_body``.
        """
        text, table = _flatten(entry.body)
        size = len(text) + _WORD * len(table) + _TAG.size * len(entry.tags)
        if size > self.max_body:
            raise EntryTooLarge(size, self.max_body)
        payload, flags = _deflate(text) if len(text) > self.compress_above else (text, 0)
        head = _HEAD.pack(
            *(MAGIC, VERSION, flags | (_SIGNED if self._macs else 0)),
            *(entry.made_at, entry.timeout, entry.stale, entry.cost, _echo(key)),
            *(len(entry.tags), len(table), len(text), len(payload)),
        )
        tags = b"".join([_TAG.pack(*tag) for tag in entry.tags])
        content = b"".join((head, tags, struct.pack(f">{len(table)}I", *table), payload))
        return content + (_mac(content, self._macs[0]) if self._macs else _crc(content))

    def decode(self, data: object, key: bytes) -> Entry | Unreadable:
        """Return the entry that was stored under this key material, or why there is none.

        Whatever the data is, nothing is raised.
        """
        if type(data) is not bytes:
            return Unreadable("foreign")
        try:
            return self._parse(self._unseal(data), key)
        except _Refusal as refusal:
            return Unreadable(str(refusal))
        except UnicodeDecodeError:
            return Unreadable("text")
        except zlib.error:
            return Unreadable("compression")

    def _unseal(self, data: bytes) -> memoryview:
        """Return what the seal vouches for; the layout decides nothing before that."""
        width = _MAC if self._macs else _CRC
        _require(data.startswith(MAGIC), "magic")
        _require(0 <= len(data) - _HEAD.size - width <= self.max_body, "length")
        _require(data[2] == VERSION, "version")
        content, seal = memoryview(data)[:-width], data[-width:]
        if self._macs:
            # The flag only names the reason: what nobody signed has no right MAC either.
            _require(data[3] & _SIGNED, "unsigned")
            right = [compare_digest(_mac(content, mac), seal) for mac in self._macs]
            _require(any(right), "forged")
        else:
            _require(not data[3] & _SIGNED, "signed")
            _require(_crc(content) == seal, "checksum")
        return content

    def _parse(self, content: memoryview, key: bytes) -> Entry:
        _, _, flags, *times, echo, tags, segments, length, size = _HEAD.unpack_from(content)
        table_at = _HEAD.size + _TAG.size * tags
        payload_at = table_at + _WORD * segments
        _require(flags <= _COMPRESSED | _SIGNED, "flags")
        _require(echo == _echo(key), "key")
        _require(payload_at + size == len(content), "length")
        _require(payload_at + length <= _HEAD.size + self.max_body, "size")
        made_at, timeout, stale, cost = times
        # A NaN fails each of these comparisons.
        _require(0.0 <= made_at < math.inf and 0.0 <= cost < math.inf, "times")
        _require(timeout >= 0.0 and stale >= 0.0, "times")
        payload = content[payload_at:]
        text = _inflate(payload, length) if flags & _COMPRESSED else payload
        _require(len(text) == length, "length")
        body = _cut(text, content[table_at:payload_at]) if segments else str(text, *_UTF8)
        found = tuple(map(Tag._make, _TAG.iter_unpack(content[_HEAD.size : table_at])))
        return Entry(body, made_at, timeout, cost, stale, found)


def _require(condition: object, reason: str) -> None:
    if not condition:
        raise _Refusal(reason)


def _derive(secret: object) -> bytes:
    """Hash a secret to one size: a key of BLAKE2b has at most 64 bytes."""
    raw = secret.encode(*_UTF8) if isinstance(secret, str) else secret
    if not isinstance(raw, bytes) or not raw:
        raise ConfigurationError("a secret is empty or not bytes or str; use 16 random bytes")
    return blake2b(raw, digest_size=32, person=b"jinjacache.key").digest()


def _echo(key: bytes) -> bytes:
    echo = _ECHO.copy()  # 0.5 µs less than to begin anew
    echo.update(key)
    return echo.digest()


def _mac(content: bytes | memoryview, mac: bytes) -> bytes:
    return blake2b(content, digest_size=_MAC, key=mac, person=b"jinjacache.mac").digest()


def _crc(content: bytes | memoryview) -> bytes:
    # At 8 KB 2.5 µs, BLAKE2b 10.4. It need not withstand intent (secrets do), and what it might
    # let through, one accident in 2**32, must still fit the echo and every length.
    return zlib.crc32(content).to_bytes(_CRC)


def _flatten(body: str | tuple[str | Hole, ...]) -> tuple[bytes, list[int]]:
    """Return the text and one word per segment; no words when there are no holes."""
    if isinstance(body, str):
        return body.encode(*_UTF8), []
    texts = [b"" if isinstance(part, Hole) else part.encode(*_UTF8) for part in body]
    table = [
        _HOLE | part.index if isinstance(part, Hole) else len(text)
        for part, text in zip(body, texts, strict=True)
    ]
    return b"".join(texts), table if max(table, default=0) >= _HOLE else []


def _cut(text: bytes | memoryview, words: memoryview) -> tuple[str | Hole, ...]:
    """Cut the text into segments as the words say, one of which at least is a hole."""
    table = struct.unpack(f">{len(words) // _WORD}I", words)
    ends = list(accumulate((0 if word & _HOLE else word for word in table), initial=0))
    _require(_HOLE <= max(table) <= _HOLE | _LAST_HOLE and ends[-1] == len(text), "structure")
    return tuple(
        Hole(word ^ _HOLE) if word & _HOLE else str(text[start:end], *_UTF8)
        for word, (start, end) in zip(table, pairwise(ends), strict=True)
    )


def _deflate(text: bytes) -> tuple[bytes, int]:
    # Level 6 takes up to four times as long for a tenth less.
    packed = zlib.compress(text, 1)
    return (packed, _COMPRESSED) if 10 * len(packed) <= 9 * len(text) else (text, 0)


def _inflate(payload: memoryview, length: int) -> bytes:
    """Return a text of exactly this length; never hold more than one byte beyond it."""
    _require(len(payload) < length <= _BEST_RATIO * len(payload), "compression")
    inflater = zlib.decompressobj()
    text = inflater.decompress(payload, length + 1)
    _require(inflater.eof and len(text) == length and not inflater.unused_data, "compression")
    return text
