"""The encoding of keys can be undone, so no two values share one, whatever they are."""

import math
import struct
from datetime import UTC, datetime, time, timedelta, timezone
from enum import IntFlag
from random import Random
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from jinjacache.encoding import encode
from tests.support.key_decoder import Keyed, Member, Moment, decode

ZONES = [UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Africa/Monrovia"), timezone(timedelta(hours=1))]
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-2, 2),
    st.floats(),
    TEXT,
    TEXT.map(Markup),
    st.binary(max_size=20),
    st.decimals(allow_nan=False),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.timedeltas(),
    st.uuids(),
)
KEYS = st.recursive(
    HASHABLE,
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)
VALUES = st.recursive(
    KEYS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
        st.sets(KEYS, max_size=4),
    ),
    max_leaves=12,
)


class Page:
    """Be keyed by whatever it is given."""

    def __init__(self, key: object) -> None:
        self.key = key

    def __cache_key__(self) -> object:
        return self.key


class Access(IntFlag):
    """Be a member of an enum, an int, and in combinations without a name."""

    READ = 1
    WRITE = 2


def typed(given: object) -> object:
    """Return a value that is equal to another's only if all types, signs and folds are too."""
    kind, value = type(given), cast("Any", given)
    if kind in {tuple, list}:
        return kind, [typed(item) for item in value]
    if kind in {set, frozenset}:
        return kind, sorted(repr(typed(item)) for item in value)
    if kind is dict:
        return kind, sorted(repr((typed(key), typed(item))) for key, item in value.items())
    if kind is float and math.isnan(value):
        return kind, "nan"
    return kind, repr(value), getattr(value, "fold", 0)


@given(VALUES)
def test_what_was_encoded_is_read_back_with_its_types(value: object) -> None:
    """Decoding is the left inverse of encoding, so encoding is injective."""
    assert typed(decode(encode(value))) == typed(value)


@given(VALUES, VALUES)
def test_two_values_share_bytes_only_if_they_are_the_same(one: object, other: object) -> None:
    """Equal bytes and equal types with equal contents go together, both ways."""
    assert (encode(one) == encode(other)) == (typed(one) == typed(other))


@given(st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=4))
def test_texts_cannot_be_cut_and_joined_into_another_key(one: list[str], other: list[str]) -> None:
    """Where one text ends and the next begins is part of the key."""
    assert (encode(one) == encode(other)) == (one == other)
    assert encode(tuple(one)) != encode(one)


@given(st.dictionaries(KEYS, KEYS, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_insertion_is_not_part_of_a_key(
    value: dict[object, object], random: Random
) -> None:
    """A dict and a set built in another order have the same bytes."""
    pairs = list(value.items())
    random.shuffle(pairs)
    assert encode(dict(pairs)) == encode(value)
    assert encode({key for key, _ in pairs}) == encode(set(value))


@given(st.datetimes(timezones=st.sampled_from(ZONES)) | st.times(timezones=st.sampled_from(ZONES)))
def test_aware_moments_are_read_back_with_their_zone(value: datetime | time) -> None:
    """The fields, the fold, the offset, the name and the identity of the zone are all there."""
    moment = decode(encode(value))
    assert isinstance(moment, Moment)
    zone = value.tzinfo
    assert typed(moment.fields) == typed(value.replace(tzinfo=None))
    assert (moment.zone.offset, moment.zone.name) == (value.utcoffset(), value.tzname())
    assert moment.zone.identity == getattr(zone, "key", None)
    assert moment.zone.qualname == type(zone).__qualname__


@given(VALUES, VALUES)
def test_objects_are_read_back_as_their_class_and_key(one: object, other: object) -> None:
    """An object is never taken for its key, and another key is another object."""
    keyed = decode(encode(Page(one)))
    assert isinstance(keyed, Keyed)
    assert (keyed.module, keyed.qualname) == (Page.__module__, "Page")
    assert typed(keyed.key) == typed(one)
    assert encode(Page(one)) != encode(one)
    assert (encode(Page(one)) == encode(Page(other))) == (typed(one) == typed(other))


@given(st.integers(0, 255))
def test_enum_members_are_read_back_as_their_class_and_name_or_value(number: int) -> None:
    """A member is its name; a combination of flags, or bits without a name, is its value."""
    named = {1: "READ", 2: "WRITE"}.get(number)
    value = None if named else number
    expected = Member(Access.__module__, "Access", name=named, value=value)
    assert decode(encode(Access(number))) == expected


@given(st.binary(max_size=40) | st.text(max_size=9).map(encode), st.integers(1, 5))
def test_the_decoder_reads_one_whole_frame_and_nothing_else(content: bytes, cut: int) -> None:
    """The proof by decoding is worth something: what is cut or follows a frame is not accepted."""
    encoded = encode(content)
    for damaged in (encoded[:-cut], encoded + encode(None), b""):
        with pytest.raises((ValueError, struct.error)):
            decode(damaged)
