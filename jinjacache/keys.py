"""One key: where a fragment's entry is kept, in memory and on the wire."""

import re
from collections.abc import Hashable
from hashlib import blake2b

from jinjacache.encoding import encode
from jinjacache.errors import ConfigurationError
from jinjacache.scalars import MAX_BYTES

PLAIN = frozenset({str, int, type(None)})
"""Exact types whose values are their own key: no two of them compare equal across types."""

_NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,40}")
_REALM_SIZE = 8
_WIRE_SIZE = 20
_INLINE = 64
_INT_BITS = 61


def check_namespace(namespace: object) -> str:
    """Return ``namespace``, of 1 to 40 characters from ``A-Z a-z 0-9 . _ -``.

    Raises:
        ConfigurationError: it is anything else; it stands on the wire as it is.
    """
    if type(namespace) is str and _NAMESPACE.fullmatch(namespace):
        return namespace
    raise ConfigurationError(
        f"namespace {namespace!r} is not usable: take 1 to 40 characters from A-Z a-z 0-9 . _ -"
    )


def realm(namespace: str) -> bytes:
    """Return the 8 bytes that every in-memory key of ``namespace`` begins with."""
    return blake2b(namespace.encode(), digest_size=_REALM_SIZE).digest()


def prefix(namespace: str, *parts: object) -> bytes:
    """Return what all keys of one fragment have in common: 8 + 20 bytes."""
    return realm(namespace) + blake2b(encode(parts), digest_size=_WIRE_SIZE).digest()


_Frozen = tuple[object, ...] | bytes


class Key:
    """The identity of one entry: a fragment's prefix, its key variables, its ambient values.

    Made once, before the body runs: what the body does to a key variable changes nothing here.

    Raises:
        KeyEncodingError: a value has no canonical form or is too large.
    """

    __slots__ = ("_ambient", "_prefix", "_values", "in_memory", "namespace")

    def __init__(
        self,
        namespace: str,
        prefix: bytes,
        values: tuple[object, ...],
        ambient: tuple[object, ...] = (),
    ) -> None:
        self.namespace = namespace
        self._prefix = prefix
        self._values = frozen = _frozen(values)
        self._ambient: _Frozen = ()
        shape = _shape(frozen)
        self.in_memory: tuple[object, ...] = (prefix, shape)
        """The key of a dict, as compiled code makes it; plain values stand for themselves."""
        if ambient:
            self._ambient = _frozen(ambient)
            self.in_memory = (prefix, shape, _shape(self._ambient))

    def material(self) -> bytes:
        """Return the whole key as canonical bytes; an entry holds an echo of it."""
        return self._prefix + _canonical(self._values) + _canonical(self._ambient)

    def on_the_wire(self) -> str:
        """Return ``jc1:<namespace>:f:<160-bit blake2b, hex>``, at most 87 bytes of ASCII."""
        return wire(self.namespace, "f", self.material())


def wire(namespace: str, kind: str, material: bytes) -> str:
    """Return the backend's key for ``material``; ``kind`` is one letter."""
    digest = blake2b(material, digest_size=_WIRE_SIZE).hexdigest()
    return f"jc1:{namespace}:{kind}:{digest}"


def _frozen(values: tuple[object, ...]) -> _Frozen:
    """Return the values themselves where all are plain and small, else their encoding."""
    bits = 0
    for value in values:
        kind = value.__class__
        if kind is str:
            if len(value) > _INLINE:  # type: ignore[arg-type]  # its class says that it is a str
                return _encoded(values)
        elif kind is int:
            bits += value.bit_length()  # type: ignore[attr-defined]  # its class says it is an int
        elif value is not None:
            return _encoded(values)
    # CPython's hashes of ints, and of tuples of them, have no secret: with more bits to choose
    # from than a hash has, a visitor could pick any number of keys that collide.
    return values if bits <= _INT_BITS else _encoded(values)


def _shape(values: _Frozen) -> Hashable:
    """Return what compiled code looks up: None, the only value, or the tuple of several."""
    if isinstance(values, bytes):
        return values if len(values) <= _INLINE else blake2b(values, digest_size=32).digest()
    return values if len(values) > 1 else values[0] if values else None


def _canonical(values: _Frozen) -> bytes:
    return values if isinstance(values, bytes) else _encoded(values)


def _encoded(values: tuple[object, ...]) -> bytes:
    """Return how many values there are, and the frame of each."""
    data = b"%d:%b" % (len(values), b"".join([encode(value) for value in values]))
    return data if len(data) <= MAX_BYTES else encode(values)  # which says what is too large
