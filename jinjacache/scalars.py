"""The frames of values that hold no others: a tag for the exact type, a length, the content."""

import math
import struct
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

from markupsafe import Markup

from jinjacache.errors import KeyEncodingError

MAX_BYTES = 64 * 1024
header = struct.Struct(">cI").pack  # five bytes, and faster than any other way to write them
USE_A_PART = "use a part of it that identifies the whole, such as an id or a version"


def frame(tag: bytes, content: bytes) -> bytes:
    """Return the frame of ``content``."""
    return header(tag, len(content)) + content


def _integer(value: int) -> bytes:
    if value.bit_length() > 4 * MAX_BYTES:
        raise too_large(value)
    # Hexadecimal, since decimal digits cost the square of their number.
    content = b"%x" % value
    return header(b"i", len(content)) + content


def _text(value: str) -> bytes:
    if len(value) > MAX_BYTES:
        raise too_large(value)
    content = value.encode("utf-8", "surrogatepass")
    return header(b"s", len(content)) + content


def _binary(value: bytes) -> bytes:
    if len(value) > MAX_BYTES:
        raise too_large(value)
    return frame(b"b", value)


def _float(value: float) -> bytes:
    # All the bit patterns of NaN are one value here.
    return frame(b"f", b"nan" if math.isnan(value) else struct.pack(">d", value))


def _decimal(value: Decimal) -> bytes:
    if value.__sizeof__() > MAX_BYTES:
        raise too_large(value)
    # The decimal context of the thread decides between "E" and "e".
    return frame(b"n", str(value).upper().encode())


def _moment(value: datetime | time) -> bytes:
    """Hold the zone beside the fields: two zones print the same instant differently."""
    clock = _text(value.replace(tzinfo=None).isoformat()) + _integer(value.fold)
    return clock if value.tzinfo is None else clock + _zone(value, value.tzinfo)


def _zone(value: datetime | time, zone: tzinfo) -> bytes:
    try:
        offset, name = value.utcoffset(), value.tzname()
        identity = getattr(zone, "key", None) or getattr(zone, "zone", None)  # zoneinfo, pytz
    except Exception as error:
        problem = f"the time zone {type_name(type(zone))} raised {type_name(type(error))}"
        raise error_of(problem, value, "use a zone of zoneinfo") from error
    texts = [_text(part) if type(part) is str else _NONE for part in (name, identity)]
    return b"".join(
        [class_frame(type(zone)), _NONE if offset is None else _duration(offset), *texts]
    )


def _duration(value: timedelta) -> bytes:
    return frame(b"p", b"%d" % (value // timedelta.resolution))


def class_frame(cls: type) -> bytes:
    """Return the frames of a class: its module and its qualified name."""
    return _text(f"{cls.__module__}") + _text(cls.__qualname__)


_NONE = header(b"N", 0)
_TRUE = header(b"T", 0)
_FALSE = header(b"F", 0)
SCALARS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: _NONE,
    bool: lambda value: _TRUE if value else _FALSE,
    int: _integer,
    float: _float,
    Decimal: _decimal,
    str: _text,
    Markup: lambda value: b"m" + _text(value)[1:],
    bytes: _binary,
    date: lambda value: frame(b"d", value.isoformat().encode()),
    time: lambda value: frame(b"c", _moment(value)),
    datetime: lambda value: frame(b"w", _moment(value)),
    timedelta: _duration,
    UUID: lambda value: frame(b"u", value.bytes),
}


def error_of(problem: str, value: object, remedy: str) -> KeyEncodingError:
    """Return the error for a value, with the way out."""
    return KeyEncodingError(f"{problem}: {remedy}", type_name=type_name(type(value)), remedy=remedy)


def too_large(value: object) -> KeyEncodingError:
    """Return the error for a value over ``MAX_BYTES``."""
    return error_of(f"the value is over {MAX_BYTES} bytes as a key", value, USE_A_PART)


def type_name(cls: type) -> str:
    """Return a class as messages call it."""
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
