"""What an entry weighs depends on what it holds, and is what it costs."""

import ctypes
import gc
import sys
import tracemalloc

import pytest

from jinjacache.backends.memory import MemoryBackend
from jinjacache.backends.weight import weigh
from jinjacache.entry import Entry, Hole, Tag

KEY = (b"p" * 28, ("a",))


def weight_of(text: str) -> int:
    """Return what an entry of this text weighs, beyond one of no text."""
    return weigh(KEY, Entry(text, 0.0, 1.0)) - weigh(KEY, Entry("", 0.0, 1.0))


def cached_utf8(text: str) -> str:
    """Return the text after a C extension has read it as UTF-8."""
    before = sys.getsizeof(text)
    read = ctypes.pythonapi.PyUnicode_AsUTF8
    read.argtypes, read.restype = [ctypes.py_object], ctypes.c_char_p
    read(text)
    assert sys.getsizeof(text) > before
    return text


@pytest.mark.parametrize(
    ("character", "width"), [("a", 1), ("é", 1), ("…", 2), ("\ud800", 2), ("😀", 4)]
)
def test_one_wide_character_widens_the_whole_text(character: str, width: int) -> None:
    """A text is counted as it lies in memory: one, two or four bytes a character."""
    assert abs(weight_of("a" * 9999 + character) - 10_000 * width) < 100


@pytest.mark.parametrize("character", ["é", "…", "😀"])
def test_a_text_weighs_the_same_after_it_was_read_as_utf8(character: str) -> None:
    """What a text caches meanwhile does not show, so the count cannot drift."""
    text = "".join(["a" * 999, character])
    before = weight_of(text)
    assert weight_of(cached_utf8(text)) == before


@pytest.mark.parametrize("character", ["é", "…", "😀"])
def test_the_count_is_nothing_after_a_text_was_read_as_utf8(character: str) -> None:
    """What is taken away at the end is what was added at the beginning."""
    text = "".join(["b" * 999, character])
    backend = MemoryBackend()
    backend.put(KEY, Entry(text, 0.0, 1.0))
    cached_utf8(text)
    backend.remove(KEY)
    assert backend.bytes_used == 0


def test_every_part_of_an_entry_counts() -> None:
    """Segments, holes and tags add what they hold."""
    plain = weigh(KEY, Entry("x" * 1000, 0.0, 1.0))
    holes = weigh(KEY, Entry(("x" * 500, Hole(0), "x" * 500), 0.0, 1.0))
    tagged = weigh(KEY, Entry("x" * 1000, 0.0, 1.0, tags=(Tag(b"d" * 16, b"t" * 8),) * 10))
    assert plain + 100 < holes < plain + 300
    assert plain + 10 * 100 < tagged < plain + 10 * 250


def test_the_prefix_that_a_fragments_keys_share_is_not_counted() -> None:
    """All other parts of a key are."""
    entry = Entry("", 0.0, 1.0)
    assert weigh((b"p" * 1000, ("a",)), entry) == weigh((b"p", ("a",)), entry)
    assert weigh((b"p", ("a" * 1000,)), entry) == weigh((b"p", ("a",)), entry) + 999
    assert weigh((b"p", b"a" * 1000), entry) == weigh((b"p", b"a"), entry) + 999
    assert weigh((b"p", ("a",), ("b" * 1000,)), entry) > weigh((b"p", ("a",)), entry) + 1000


@pytest.mark.parametrize("text", ["a", "é", "…", "😀"])
@pytest.mark.parametrize("turnover", [0, 2])
def test_what_is_counted_is_what_python_takes(text: str, turnover: int) -> None:
    """The count is at least the memory that is taken, and at most a third above it."""
    count = 5000
    tracemalloc.start()
    try:
        backend = MemoryBackend(max_entries=count)
        for number in range(count * (turnover + 1)):
            key = (KEY[0], (f"key {number}",))
            backend.put(key, Entry("".join([text] * 200), float(number), 300.0, number / 7))
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(backend) == count
    assert taken <= backend.bytes_used <= taken * 4 / 3
