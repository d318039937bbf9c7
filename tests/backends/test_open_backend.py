"""A URL opens a backend, or says what is wrong with it and what would be right."""

import pytest

from jinjacache.backends import open_backend
from jinjacache.backends.memory import DEFAULT_MAX_BYTES, MemoryBackend
from jinjacache.backends.null import NullBackend
from jinjacache.backends.protocol import check_key
from jinjacache.errors import ConfigurationError

SECRET = "hunter2"  # noqa: S105  # it is one


def refusal_of(url: object) -> str:
    """Return the message that the URL is refused with."""
    with pytest.raises(ConfigurationError) as refusal:
        open_backend(url)  # type: ignore[arg-type]  # some are no str on purpose
    return str(refusal.value)


def test_memory_without_options_has_the_default_bound() -> None:
    """The embedded default is 64 MiB."""
    assert DEFAULT_MAX_BYTES == 64 * 1024 * 1024
    backend = open_backend("memory://")
    assert isinstance(backend, MemoryBackend)
    assert repr(backend) == repr(MemoryBackend(DEFAULT_MAX_BYTES))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("65536", 65536),
        ("64KiB", 64 * 1024),
        ("64MiB", 64 * 1024**2),
        ("2GiB", 2 * 1024**3),
        ("64kB", 64_000),
        ("64MB", 64_000_000),
        ("2GB", 2_000_000_000),
    ],
)
def test_sizes_may_have_units(text: str, size: int) -> None:
    """Bytes are an int, or count in powers of 1024 or of 1000."""
    backend = open_backend(f"memory://?max_bytes={text}")
    assert repr(backend) == repr(MemoryBackend(size))


def test_memory_may_be_bounded_by_entries() -> None:
    """Both options can be given, in any order."""
    backend = open_backend("memory://?max_entries=2&max_bytes=1MiB")
    backend.set_many({"a": b"", "b": b"", "c": b""}, None)
    assert len(backend.get_many(["a", "b", "c"])) == 2


def test_null_opens_the_backend_that_keeps_nothing() -> None:
    """It takes no options."""
    assert isinstance(open_backend("null://"), NullBackend)
    assert refusal_of("null://?size=1") == "null has no option 'size'; known: none"


@pytest.mark.parametrize(
    "url", ["", "memory", "memory:", "://", "MEMORY://", " memory://", b"memory://", None]
)
def test_what_is_no_url_is_refused(url: object) -> None:
    """The message says how a URL begins, and with what it may begin."""
    assert refusal_of(url) == (
        "a backend's url is a printable str that begins with a scheme and '://'; "
        "known: memory, null"
    )


def test_an_unknown_scheme_is_refused_with_the_nearest() -> None:
    """The message lists what is known."""
    message = "unknown backend 'memroy' (did you mean 'memory'?); known: memory, null"
    assert refusal_of("memroy://") == message
    assert refusal_of("xyz://") == "unknown backend 'xyz'; known: memory, null"


def test_an_unknown_option_is_refused_with_the_nearest() -> None:
    """The message lists what is known."""
    message = refusal_of("memory://?max_byte=1MiB")
    assert message == (
        "memory has no option 'max_byte' (did you mean 'max_bytes'?); known: max_bytes, max_entries"
    )


def test_an_option_that_is_given_twice_is_refused() -> None:
    """Neither of the two is taken silently."""
    message = refusal_of("memory://?max_bytes=1MiB&max_bytes=2MiB")
    assert message == "memory option 'max_bytes' is given twice"


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "1.5MiB", "64 MiB", "64mib", "64kiB", "64KB", "MiB", "1e6", "9" * 16, "٣MB"],
)
def test_a_malformed_size_is_refused(text: str) -> None:
    """The message says how sizes are written."""
    message = refusal_of(f"memory://?max_bytes={text}")
    assert message == (
        "memory option 'max_bytes' takes bytes as an int, or with KiB, MiB, GiB, kB, MB or GB "
        "right after it"
    )


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "9" * 16, "٣"])
def test_a_malformed_count_is_refused(text: str) -> None:
    """The message says what a count is."""
    message = refusal_of(f"memory://?max_entries={text}")
    assert message == "memory option 'max_entries' takes an int of at most 15 digits"


def test_a_fragment_of_a_url_is_refused() -> None:
    """A '#' in a password would otherwise cut the URL short."""
    assert refusal_of("memory://#max_bytes=1MiB") == "a '#' in a memory url must be written as %23"


@pytest.mark.parametrize("character", ["\n", "\t", "\0"])
def test_a_control_character_in_a_url_is_refused(character: str) -> None:
    """It is not dropped silently."""
    assert "is a printable str" in refusal_of(f"memory://?max_bytes=64{character}MiB")


def test_a_bound_that_is_too_small_is_refused() -> None:
    """A size whose unit was forgotten is noticed."""
    assert refusal_of("memory://?max_bytes=64") == "max_bytes is 64: give an int of at least 1024"


@pytest.mark.parametrize("place", ["host", "host:1", "/path", "user@", "/", "//", ":"])
@pytest.mark.parametrize("scheme", ["memory", "null"])
def test_a_place_where_none_belongs_is_refused(scheme: str, place: str) -> None:
    """Neither host nor path means anything to a backend in this process."""
    assert refusal_of(f"{scheme}://{place}").startswith(
        f"a {scheme} url names no host, user or path"
    )


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}@host/0",
        f"memory://:{SECRET}@host",
        f"memory://user:{SECRET}@[host",
        f"memory://user:{SECRET}@ho\u2100st",
        f"memory://user:pass#{SECRET}@host",
        f"memory://?password={SECRET}",
        f"memory://?max_bytes={SECRET}",
        f"memory://?password={SECRET}&password={SECRET}",
        f":{SECRET}@host",
        f"redis:{SECRET}@host://",
        f"redis://:{SECRET}\n@host",
        SECRET,
    ],
)
def test_no_error_shows_a_password(url: str) -> None:
    """Neither the message nor what it was caused by repeats what may be a secret."""
    with pytest.raises(ConfigurationError) as refusal:
        open_backend(url)
    error: BaseException | None = refusal.value
    while error is not None:
        assert SECRET not in repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize("key", ["k", "k" * 250, "!", "~", "jc1:site:f:0123456789abcdef"])
def test_visible_ascii_makes_a_key(key: str) -> None:
    """A key that is fine comes back as it is."""
    assert check_key(key) is key


@pytest.mark.parametrize("key", ["", " ", "k" * 251, "k\n", "a b", "\x7f", "é", b"k", 1, None])
def test_everything_else_is_no_key(key: object) -> None:
    """The message says what it was, without what it held."""
    with pytest.raises(ValueError, match="visible ascii") as refusal:
        check_key(key)
    assert f"not this {type(key).__name__}" in str(refusal.value)


def test_the_error_about_a_key_does_not_repeat_it() -> None:
    """A key may hold what a visitor typed."""
    with pytest.raises(ValueError, match="of 12 characters") as refusal:
        check_key(f"key {SECRET}\n")
    assert SECRET not in str(refusal.value)


def test_a_key_of_a_class_of_its_own_is_refused() -> None:
    """Such a str may show one text here and send another."""

    class Lazy(str):
        __slots__ = ()

    with pytest.raises(ValueError, match="not this Lazy"):
        check_key(Lazy("key"))
