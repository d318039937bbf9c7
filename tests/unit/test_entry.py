"""Entries come back as they were, and only under their own key and secret."""

import copy
import math
import pickle
import zlib
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import pytest
from markupsafe import Markup

from jinjacache.entry import Codec, Entry, Hole, Tag, Unreadable
from jinjacache.errors import ConfigurationError, EntryTooLarge

KEY = b"the material of a key, of any length" * 3
FLAGS = 3
MIB = 1024 * 1024

TEXTS = {
    "nothing": "",
    "words of Memcached": "VALUE x 0 1\r\n1\r\nEND\r\n",
    "line ends": "a\nb\r\nc\rd",
    "the magic": "JC\x01\x00JC",
    "NUL": "\0a\0",
    "emoji": "🦊 é …",
    "lone surrogates": "\udc80 and \ud800",
    "what could be taken for a hole": "\x80\0\0\0{% nocache %}",
}


def stored(body: str | tuple[str | Hole, ...]) -> Entry:
    """Return an entry after its way through bytes."""
    codec = Codec()
    found = codec.decode(codec.encode(Entry(body, 1.0, 1.0), KEY), KEY)
    assert isinstance(found, Entry)
    return found


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(
    "codec",
    [Codec(), Codec(compress_above=0), Codec(secrets=[b"s"])],
    ids=["plain", "compressing", "signing"],
)
def test_every_text_comes_back_as_it_was(codec: Codec, text: str) -> None:
    """A text is the same after its way through bytes, alone and between holes."""
    for body in (text, (text, Hole(0), text, text, Hole(65535))):
        entry = Entry(body, 1.5, 300.0)
        assert codec.decode(codec.encode(entry, KEY), KEY) == entry


def test_everything_beside_the_text_comes_back() -> None:
    """Times, cost, staleness, tags in their order and an endless timeout survive."""
    tags = (Tag(b"d" * Tag.DIGEST_SIZE, b"t" * Tag.TOKEN_SIZE), Tag(bytes(16), b"\xff" * 8))
    entry = Entry("x", 1_700_000_000.25, math.inf, cost=0.5, stale=60.0, tags=tags)
    assert Codec().decode(Codec().encode(entry, KEY), KEY) == entry


def test_markup_is_stored_as_its_text() -> None:
    """What was Markup comes back as exact str, whole or in segments."""
    whole, parts = stored(Markup("<b>")).body, stored((Markup("<b>"), Hole(0))).body
    assert (whole, parts) == ("<b>", ("<b>", Hole(0)))
    assert [type(whole), type(parts[0])] == [str, str]


@pytest.mark.parametrize("segments", [(), ("",), ("a", "b")])
def test_segments_without_a_hole_become_one_text(segments: tuple[str, ...]) -> None:
    """A body without holes is read as one str, however it was written."""
    assert stored(segments).body == "".join(segments)


class _Bytes(bytes):
    """Be almost bytes."""


@pytest.mark.parametrize(
    "data", ["JC", 1, 1.5, None, [], bytearray(200), memoryview(bytes(200)), _Bytes(200), object()]
)
def test_other_types_are_foreign(data: object) -> None:
    """Only exact bytes can be an entry."""
    assert Codec().decode(data, KEY) == Unreadable("foreign")


@pytest.mark.parametrize("data", [b"", b"J", b"text", b'{"a": 1}', b"<p>" * 99, bytes(300)])
def test_what_others_store_lacks_the_magic(data: bytes) -> None:
    """A foreign value under our key is told from an entry."""
    assert Codec().decode(data, KEY) == Unreadable("magic")


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    """A pickle that would make a file is refused, bare and in an envelope; no file appears."""
    canary = tmp_path / "canary"

    class Trap:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
            return open, (str(canary), "w")

    data = pickle.dumps(Trap())
    enveloped = b"JC\x01\x00" + data * 3
    enveloped += zlib.crc32(enveloped).to_bytes(4)
    assert Codec().decode(data, KEY) == Unreadable("magic")
    assert Codec().decode(enveloped, KEY) == Unreadable("key")
    assert not canary.exists()


def test_an_entry_under_another_key_is_refused() -> None:
    """Whoever copies an entry to the place of another gains nothing, signed or not."""
    for codec in (Codec(), Codec(secrets=[b"s"])):
        data = codec.encode(Entry("of Ada", 1.0, 1.0), b"user 1")
        assert codec.decode(data, b"user 2") == Unreadable("key")


def test_secrets_can_be_rotated() -> None:
    """The first secret signs, each of them reads, one that was taken away no longer does."""
    old, both, new = (Codec(secrets=s) for s in (["old"], ["new", "old"], ["new"]))
    entry = Entry("x", 1.0, 1.0)
    assert both.decode(old.encode(entry, KEY), KEY) == entry
    assert new.decode(both.encode(entry, KEY), KEY) == entry
    assert old.decode(both.encode(entry, KEY), KEY) == Unreadable("forged")


def test_a_signature_is_wanted_exactly_where_there_are_secrets() -> None:
    """Unsigned entries are no longer read once there is a secret, nor signed ones without."""
    unsigned, signed = (
        codec.encode(Entry("", 1.0, 1.0), KEY) for codec in (Codec(), Codec(secrets=["s"]))
    )
    assert Codec(secrets=["s"]).decode(unsigned + bytes(12), KEY) == Unreadable("unsigned")
    assert Codec().decode(signed, KEY) == Unreadable("signed")


@pytest.mark.parametrize(("flags", "reason"), [(0, "unsigned"), (2, "forged")])
def test_a_signature_cannot_be_talked_away(flags: int, reason: str) -> None:
    """What anyone can compute, a checksum or a keyless hash, does not stand in for a MAC."""
    content = bytearray(Codec().encode(Entry("forged by hand", 1.0, 1.0), KEY)[:-4])
    content[FLAGS] = flags
    hashed = blake2b(content, digest_size=16, person=b"jinjacache.mac").digest()
    for seal in (zlib.crc32(content).to_bytes(4), zlib.crc32(content).to_bytes(16), hashed):
        assert Codec(secrets=["s"]).decode(bytes(content) + seal, KEY) == Unreadable(reason)


def test_secrets_of_any_length_are_told_apart() -> None:
    """Secrets longer than a key of BLAKE2b count to their last byte; text is its UTF-8."""
    entry = Entry("x", 1.0, 1.0)
    data = Codec(secrets=["é" * 500 + "a"]).encode(entry, KEY)
    assert Codec(secrets=[("é" * 500 + "a").encode()]).decode(data, KEY) == entry
    assert Codec(secrets=["é" * 500 + "b"]).decode(data, KEY) == Unreadable("forged")


def test_secrets_are_never_shown() -> None:
    """A codec's repr tells its bounds and nothing of its secrets."""
    codec = Codec(secrets=["hush"], compress_above=1, max_body=2)
    assert repr(codec) == "Codec(compress_above=1, max_body=2)"


def test_a_codec_can_be_copied() -> None:
    """A copy, or a codec from a pickle, reads what the first one signed."""
    codec, entry = Codec(secrets=["s"]), Entry("x", 1.0, 1.0)
    data = codec.encode(entry, KEY)
    for twin in (copy.deepcopy(codec), pickle.loads(pickle.dumps(codec))):  # noqa: S301
        assert twin.decode(data, KEY) == entry


@pytest.mark.parametrize("secrets", ["text", b"bytes", None, [""], [b""], ["s", None], [1]])
def test_a_secret_that_is_none_is_refused(secrets: Sequence[bytes | str]) -> None:
    """A secret is bytes or text with something in it, in a list."""
    with pytest.raises(ConfigurationError, match="secret"):
        Codec(secrets=secrets)


@pytest.mark.parametrize("value", [-1, 2**31, 1.5, True, None, "1 MB"])
def test_a_bound_that_is_no_size_is_refused(value: int) -> None:
    """Bounds are numbers of bytes that the format can write; the error names the option."""
    with pytest.raises(ConfigurationError, match="max_body"):
        Codec(max_body=value)
    with pytest.raises(ConfigurationError, match="compress_above"):
        Codec(compress_above=value)


def test_an_entry_over_the_limit_is_not_written() -> None:
    """Text, segments and tags count together; what is just within the limit is read again."""
    tag = Tag(bytes(16), bytes(8))
    entry = Entry(("é" * 10, Hole(0)), 1.0, 1.0, tags=(tag, tag))
    size = 20 + 2 * 4 + 2 * 24
    with pytest.raises(EntryTooLarge) as caught:
        Codec(max_body=size - 1).encode(entry, KEY)
    assert (caught.value.size, caught.value.limit) == (size, size - 1)
    exact = Codec(max_body=size)
    assert exact.decode(exact.encode(entry, KEY), KEY) == entry


def test_an_entry_over_the_limit_is_not_read() -> None:
    """A process with a lower limit refuses the others' large entries, deflated ones too."""
    entry = Entry("a" * 100, 1.0, 1.0, tags=(Tag(bytes(16), bytes(8)),))
    for codec, reason in ((Codec(), "length"), (Codec(compress_above=0), "size")):
        data = codec.encode(entry, KEY)
        assert Codec(max_body=124).decode(data, KEY) == entry
        assert Codec(max_body=123).decode(data, KEY) == Unreadable(reason)


def test_three_megabytes_are_compressed_and_read() -> None:
    """A large text of repeated markup takes a fraction of its size and comes back whole."""
    entry = Entry("<li>a product & its price</li>\n" * (3 * MIB // 31), 1.0, 1.0)
    data = Codec().encode(entry, KEY)
    assert len(data) < MIB / 10
    assert Codec().decode(data, KEY) == entry


def test_only_texts_above_the_threshold_are_compressed() -> None:
    """A text of exactly the threshold stays as it is, one byte more is deflated."""
    codec = Codec(compress_above=500)
    flags = [codec.encode(Entry("a" * size, 1.0, 1.0), KEY)[FLAGS] for size in (500, 501)]
    assert flags == [0, 1]


def test_compression_must_save_a_tenth() -> None:
    """A text that deflates by a little only is stored as it is, and so is one that grows."""
    alphabet = "".join(map(chr, range(33, 127)))
    texts = [alphabet + alphabet[:extra] for extra in range(94)]
    sizes = [len(zlib.compress(text.encode(), 1)) / len(text) for text in texts]
    codec = Codec(compress_above=0)
    flags = [codec.encode(Entry(text, 1.0, 1.0), KEY)[FLAGS] for text in texts]
    assert flags == [int(size <= 0.9) for size in sizes]
    assert any(size > 1 for size in sizes)
    assert any(0.9 < size < 1 for size in sizes)
    assert any(size <= 0.9 for size in sizes)
