"""No bytes but those that were written are ever read as an entry."""

import math
import random
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jinjacache.entry import Codec, Entry, Hole, Tag, Unreadable

KEY = b"the material of a key"
FLAGS, TIMES, TAGS, SEGMENTS, LENGTH, PAYLOAD, HEAD = 3, 4, 68, 72, 76, 80, 84
MIB = 1024 * 1024


def sealed(content: bytes) -> bytes:
    """Close content as an entry without secrets is closed."""
    return content + zlib.crc32(content).to_bytes(4)


def patched(data: bytes, at: int, layout: str, *values: float) -> bytes:
    """Write values over a part of an entry, and seal it again."""
    content = bytearray(data[:-4])
    struct.pack_into(layout, content, at, *values)
    return sealed(bytes(content))


def deflated(payload: bytes, length: int) -> bytes:
    """Make an entry whose payload claims to inflate to this length."""
    head = Codec().encode(Entry("", 1.0, 1.0), KEY)[:HEAD]
    data = patched(sealed(head + payload), LENGTH, ">II", length, len(payload))
    return patched(data, FLAGS, ">B", 1)


def bomb(mib: int) -> bytes:
    """Deflate as many MiB of zeros, up to their end but without it."""
    deflater = zlib.compressobj(9)
    first, again = (
        deflater.compress(bytes(MIB)) + deflater.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    return first + again * (mib - 1)


SAMPLE = Entry(
    ("<p>Grüße, " * 9, Hole(0), " und mehr</p>\r\n"),
    *(1_700_000_000.25, 300.0, 0.5, 60.0),
    tags=(Tag(b"d" * 16, b"t" * 8), Tag(bytes(range(16)), bytes(8))),
)
CODECS = {
    "plain": Codec(),
    "compressed": Codec(compress_above=0),
    "signed": Codec(secrets=["s"]),
    "compressed and signed": Codec(secrets=["s", "t"], compress_above=0),
}
every_codec = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
any_codec = st.sampled_from(list(CODECS.values()))

PLAIN = Codec().encode(Entry("héllo", 1.0, 1.0), KEY)
HOLED = Codec().encode(Entry(("éé", Hole(0), "a"), 1.0, 1.0), KEY)
FIFTY = zlib.compress(b"a" * 50)

CRAFTED = {
    "no room for a head": (sealed(b"JC\x01\x00"), "length"),
    "a head less one byte": (sealed(PLAIN[: HEAD - 1]), "length"),
    "another version": (patched(PLAIN, 2, ">B", 2), "version"),
    "an unknown flag": (patched(PLAIN, FLAGS, ">B", 4), "flags"),
    "more payload than there is": (patched(PLAIN, PAYLOAD, ">I", 7), "length"),
    "less payload than there is": (patched(PLAIN, PAYLOAD, ">I", 5), "length"),
    "four milliard tags": (patched(PLAIN, TAGS, ">I", 2**32 - 1), "length"),
    "four milliard segments": (patched(PLAIN, SEGMENTS, ">I", 2**32 - 1), "length"),
    "a text longer than its payload": (patched(PLAIN, LENGTH, ">I", 7), "length"),
    "a text longer than may be": (patched(PLAIN, LENGTH, ">I", 2**32 - 1), "size"),
    "broken UTF-8": (patched(PLAIN, HEAD + 2, ">B", 0xFF), "text"),
    "a cut within a character": (patched(HOLED, HEAD, ">III", 3, 1 << 31, 2), "text"),
    "more segments than text": (patched(HOLED, HEAD, ">I", 6), "structure"),
    "more text than segments": (patched(HOLED, HEAD, ">I", 2), "structure"),
    "no hole among the segments": (patched(HOLED, HEAD + 4, ">I", 0), "structure"),
    "a hole beyond the last": (patched(HOLED, HEAD + 4, ">I", 1 << 31 | 65536), "structure"),
    "no deflate": (deflated(b"not deflated", 50), "compression"),
    "a deflated text shorter than said": (deflated(FIFTY, 51), "compression"),
    "a deflated text longer than said": (deflated(FIFTY, 49), "compression"),
    "bytes after the deflated text": (deflated(FIFTY + b"!", 50), "compression"),
    "a deflated text without its end": (deflated(FIFTY[:-4], 50), "compression"),
    "deflated, and larger for it": (deflated(zlib.compress(b"a"), 1), "compression"),
}


@every_codec
def test_no_flipped_bit_is_overlooked(codec: Codec) -> None:
    """Each single bit of an entry, when flipped, makes it unreadable."""
    data = codec.encode(SAMPLE, KEY)
    assert codec.decode(data, KEY) == SAMPLE
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert isinstance(codec.decode(bytes(flipped), KEY), Unreadable), bit


@every_codec
def test_no_missing_or_added_byte_is_overlooked(codec: Codec) -> None:
    """An entry cut anywhere, or with one byte more at its end or front, is unreadable."""
    data = codec.encode(SAMPLE, KEY)
    cut = [data[:length] for length in range(len(data))]
    longer = [data + bytes([byte]) for byte in range(256)]
    shifted = [bytes([byte]) + data for byte in range(256)]
    for other in cut + longer + shifted:
        assert isinstance(codec.decode(other, KEY), Unreadable), other


@pytest.mark.parametrize(("data", "reason"), CRAFTED.values(), ids=CRAFTED)
def test_a_crafted_entry_is_refused_behind_its_seal(data: bytes, reason: str) -> None:
    """A right checksum opens no way around the bounds; the reason says which one held."""
    assert Codec().decode(data, KEY) == Unreadable(reason)


@pytest.mark.parametrize("place", range(4), ids=["made_at", "timeout", "stale", "cost"])
@pytest.mark.parametrize("value", [math.nan, -math.inf, -1.0, math.inf])
def test_times_that_cannot_be_are_refused(place: int, value: float) -> None:
    """No time is NaN or negative; only a timeout and its stale window may be endless."""
    found = Codec().decode(patched(PLAIN, TIMES + 8 * place, ">d", value), KEY)
    if value == math.inf and place in (1, 2):
        assert isinstance(found, Entry)
    else:
        assert found == Unreadable("times")


@pytest.mark.parametrize(
    ("limit", "payload", "length", "reason"),
    [
        (8 * MIB, bomb(1024), 10, "compression"),
        (8 * MIB, bomb(1024), 2 * MIB, "compression"),
        (8 * MIB, bomb(1024), 1024 * MIB, "size"),
        (2**31 - 1, bomb(8), 1024 * MIB, "compression"),
        (2 * MIB, bomb(1024), 2 * MIB, "compression"),
    ],
    ids=["10 B", "2 MiB", "1 GiB", "1 GiB within the limit", "the limit"],
)
def test_a_bomb_does_not_go_off(limit: int, payload: bytes, length: int, reason: str) -> None:
    """What would inflate to a gigabyte takes memory for what it claims, or for nothing."""
    codec, data = Codec(max_body=limit), deflated(payload, length)
    tracemalloc.start()
    try:
        assert codec.decode(data, KEY) == Unreadable(reason)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # zlib collects blocks, the last of them half empty, and then joins them.
    assert peak < (3 * length if length == 2 * MIB else MIB / 4)


def test_the_best_deflate_is_no_bomb() -> None:
    """A text that deflates as well as any can is read, however steep its claim looks."""
    data = deflated(zlib.compress(b"a" * 4 * MIB, 9), 4 * MIB)
    assert Codec().decode(data, KEY) == Entry("a" * 4 * MIB, 1.0, 1.0)


texts = st.text(st.characters(exclude_categories=()))
holes = st.integers(0, 65535).map(Hole)
bodies = texts | st.tuples(st.lists(texts | holes), holes, st.lists(texts | holes)).map(
    lambda parts: (*parts[0], parts[1], *parts[2])
)
finite = st.floats(0, allow_infinity=False)
tags = st.builds(Tag, st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8))
entries = st.builds(
    Entry,
    *(bodies, finite, st.floats(0)),
    cost=finite,
    stale=st.floats(0),
    tags=st.lists(tags).map(tuple),
)


@given(any_codec, entries, st.binary())
def test_whatever_is_written_is_read(codec: Codec, entry: Entry, key: bytes) -> None:
    """Every entry comes back equal under its key, and under no other."""
    data = codec.encode(entry, key)
    assert codec.decode(data, key) == entry
    assert codec.decode(data, key + b"!") == Unreadable("key")


@given(any_codec, st.binary() | st.binary().map(lambda tail: b"JC\x01" + tail))
@example(Codec(), sealed(b"JC\x01" + bytes(HEAD)))
def test_any_bytes_are_unreadable(codec: Codec, data: bytes) -> None:
    """Bytes that nobody wrote as an entry are none, and raise nothing."""
    assert isinstance(codec.decode(data, KEY), Unreadable)


@given(any_codec, st.none() | st.text() | st.integers() | st.floats() | st.lists(st.binary()))
def test_any_object_is_unreadable(codec: Codec, data: object) -> None:
    """Whatever a client hands over instead of bytes is no entry, and raises nothing."""
    assert isinstance(codec.decode(data, KEY), Unreadable)


@given(any_codec, entries, st.data())
def test_an_entry_with_a_part_replaced_is_unreadable(
    codec: Codec, entry: Entry, data: st.DataObject
) -> None:
    """Any stretch of bytes changed to other bytes, of the same length or not, is noticed."""
    whole = codec.encode(entry, KEY)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    other = whole[:start] + data.draw(st.binary(max_size=40)) + whole[end:]
    assert other == whole or isinstance(codec.decode(other, KEY), Unreadable)


counts = st.integers(0, 4) | st.integers(0, 120) | st.integers(0, 2**32 - 1)


@given(st.integers(0, 1), st.tuples(counts, counts, counts, counts), st.binary(max_size=120))
def test_any_head_is_read_within_its_bounds(
    flags: int, numbers: tuple[int, int, int, int], rest: bytes
) -> None:
    """Behind a right seal and key any counts and bytes are refused, or are an entry like others."""
    data = patched(sealed(PLAIN[:HEAD] + rest), TAGS, ">4I", *numbers)
    found = Codec().decode(patched(data, FLAGS, ">B", flags), KEY)
    if isinstance(found, Entry):
        assert Codec().decode(Codec().encode(found, KEY), KEY) == found


def test_an_accident_of_many_bytes_is_noticed() -> None:
    """Two halves of different entries, as a torn write leaves them, are unreadable."""
    chance = random.Random(1)  # noqa: S311
    texts = ["".join(chance.choices("<p>abc</p>", k=2000)) for _ in range(2)]
    one, two = (Codec().encode(Entry(text, 1.0, 1.0), KEY) for text in texts)
    for at in range(HEAD + 100, len(one), 100):
        assert Codec().decode(one[:at] + two[at:], KEY) == Unreadable("checksum")
