"""Read canonical key bytes back to the value and its type: the left inverse of ``encoding.encode``.

A function with a left inverse is injective, so a round trip of any value shows that no other
value has its bytes. Only tests need it: a cache never reads a key back.
"""

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from markupsafe import Markup

HEADER = struct.Struct(">cI")


@dataclass(frozen=True)
class Zone:
    """Hold what an encoding says of a time zone."""

    module: str
    qualname: str
    offset: object
    name: object
    identity: object


@dataclass(frozen=True)
class Moment:
    """Hold an aware time or datetime as its fields, with the fold in them, and its zone."""

    fields: datetime | time
    zone: Zone


@dataclass(frozen=True)
class Member:
    """Hold a member of an enum, by its name or, for a combination of flags, by its value."""

    module: str
    qualname: str
    name: str | None = None
    value: object = None


@dataclass(frozen=True)
class Keyed:
    """Hold an object as its class and what its key function returned."""

    module: str
    qualname: str
    key: object


def decode(encoded: bytes) -> object:
    """Return the one value in the bytes.

    Raises:
        ValueError: they are not exactly one frame.
    """
    (value,) = _values(encoded)
    return value


def _values(content: bytes) -> Iterator[object]:
    while content:
        tag, size = HEADER.unpack_from(content)
        body, content = content[HEADER.size :][:size], content[HEADER.size + size :]
        if len(body) != size:
            raise ValueError("a frame is shorter than its header says")
        yield _READERS[tag](body)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "surrogatepass")


def _float(body: bytes) -> float:
    if body == b"nan":
        return math.nan
    number: float = struct.unpack(">d", body)[0]
    return number


def _dict(body: bytes) -> dict[object, object]:
    members = _values(body)
    return dict(zip(members, members, strict=True))


def _moment(kind: type[datetime] | type[time], body: bytes) -> object:
    clock, fold, *zone = _values(body)
    fields = kind.fromisoformat(str(clock)).replace(fold=int(str(fold)))
    return Moment(fields, _zone(*zone)) if zone else fields


def _zone(module: object, qualname: object, *rest: object) -> Zone:
    offset, name, identity = rest
    return Zone(str(module), str(qualname), offset, name, identity)


def _member(body: bytes) -> Member:
    module, qualname, name = _values(body)
    return Member(str(module), str(qualname), name=str(name))


def _combination(body: bytes) -> Member:
    module, qualname, value = _values(body)
    return Member(str(module), str(qualname), value=value)


def _keyed(body: bytes) -> Keyed:
    module, qualname, key = _values(body)
    return Keyed(str(module), str(qualname), key)


_READERS: dict[bytes, Callable[[bytes], object]] = {
    b"N": lambda _: None,
    b"T": lambda _: True,
    b"F": lambda _: False,
    b"i": lambda body: int(body, 16),
    b"f": _float,
    b"n": lambda body: Decimal(body.decode()),
    b"s": _text,
    b"m": lambda body: Markup(_text(body)),  # noqa: S704
    b"b": lambda body: body,
    b"d": lambda body: date.fromisoformat(body.decode()),
    b"c": lambda body: _moment(time, body),
    b"w": lambda body: _moment(datetime, body),
    b"p": lambda body: timedelta.resolution * int(body),
    b"u": lambda body: UUID(bytes=body),
    b"t": lambda body: tuple(_values(body)),
    b"l": lambda body: list(_values(body)),
    b"e": lambda body: set(_values(body)),
    b"z": lambda body: frozenset(_values(body)),
    b"k": _dict,
    b"E": _member,
    b"G": _combination,
    b"O": _keyed,
}
