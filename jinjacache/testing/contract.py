"""The contract of a backend, as tests that every backend runs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Protocol, TypeVar, cast
from uuid import uuid4

from jinjacache.backends.protocol import Backend, Token
from jinjacache.testing.clock import ManualClock

T = TypeVar("T")

_EIGHT = [b"thread %d" % number for number in range(8)]
_SHORT = (0.2, 1.0, 1.5)
_LONG = (90.0, 30 * 86400.0, 31 * 86400.0, 20 * 365 * 86400.0, None)
_BAD_KEYS = ("", " ", "a b", "\r\n", "a\r\nflush", "\0", "\x7f", "é", "k" * 251, b"key", None, 1)


class _Request(Protocol):
    def getfixturevalue(self, argname: str, /) -> object: ...


class BackendContract:
    """Check with pytest that a backend keeps every promise of ``Backend``.

    Derive a class from it whose name begins with ``Test`` and give it a fixture ``backend`` that
    returns a new backend. Where time can be moved, add a fixture ``clock`` that returns the
    `ManualClock` that the backend reads; otherwise set ``has_clock = False``, and expiry is not
    checked. Keys are random, so a server may be shared::

        class TestMine(BackendContract):
            @pytest.fixture
            def clock(self):
                return ManualClock()

            @pytest.fixture
            def backend(self, clock):
                return MyBackend(clock=clock)
    """

    has_clock: ClassVar[bool] = True

    def test_a_key_that_was_never_written_is_absent(self, backend: Backend) -> None:
        """A miss is an absent key, not an empty value and not an error."""
        assert dict(backend.get_many([_key()])) == {}

    def test_many_items_are_stored_and_found_in_one_call(self, backend: Backend) -> None:
        """What was stored is found, each value under its own key, and nothing else."""
        items = {_key(): b"value %d" % number for number in range(100)}
        backend.set_many(items, 60.0)
        assert _values(backend, *items, _key()) == items

    def test_no_keys_are_no_error(self, backend: Backend) -> None:
        """An empty request finds nothing, and stores nothing."""
        backend.set_many({}, 60.0)
        assert dict(backend.get_many([])) == {}

    def test_a_key_may_be_asked_for_twice(self, backend: Backend) -> None:
        """A repeated key is found as if it stood there once."""
        key = _stored(backend, b"once")
        assert _values(backend, key, key) == {key: b"once"}

    def test_a_later_write_replaces_an_earlier_one(self, backend: Backend) -> None:
        """The last value wins, also where it is shorter."""
        key = _stored(backend, b"a long first value")
        backend.set_many({key: b"second"}, 60.0)
        assert _values(backend, key) == {key: b"second"}

    def test_bytes_come_back_exactly(self, backend: Backend) -> None:
        """No byte, length or look of a protocol means anything in a value."""
        every = bytes(range(256))
        odd = [b"", b"\0", b"\r\n", b"\r\nEND\r\n", b"0", b" ", every, every * 400]
        items = {_key(): value for value in odd}
        backend.set_many(items, 60.0)
        assert _values(backend, *items) == items
        assert {type(value) for value in _values(backend, *items).values()} == {bytes}

    def test_the_longest_and_oddest_keys_work(self, backend: Backend) -> None:
        """Every visible ASCII character may stand in a key, and 250 of them."""
        visible = "".join(map(chr, range(33, 127)))
        items = {_key() + visible: b"all", _key().ljust(250, "k"): b"long"}
        backend.set_many(items, 60.0)
        assert _values(backend, *items) == items

    def test_add_stores_only_where_there_is_nothing(self, backend: Backend) -> None:
        """The first of two wins and is told so; after a deletion the key is free again."""
        key = _key()
        assert backend.add(key, b"first", 60.0) is True
        assert backend.add(key, b"second", 60.0) is False
        assert _values(backend, key) == {key: b"first"}
        backend.delete(key)
        assert backend.add(key, b"third", 60.0) is True

    def test_add_respects_what_was_set(self, backend: Backend) -> None:
        """A value that was stored in another way, an empty one too, is there for ``add``."""
        assert backend.add(_stored(backend, b""), b"later", 60.0) is False

    def test_one_of_many_threads_is_granted_an_add(self, backend: Backend) -> None:
        """Of eight threads that add the same key, one is told True, and its value is there."""
        for _ in range(25):
            key = _key()

            def add(value: bytes, key: str = key) -> bool:
                return backend.add(key, value, 60.0)

            granted = _in_threads(add, _EIGHT)
            assert granted.count(True) == 1
            assert _values(backend, key) == {key: _EIGHT[granted.index(True)]}

    def test_cas_stores_while_the_key_is_unchanged(self, backend: Backend) -> None:
        """A token that was just read allows one write, and the value is replaced."""
        key = _stored(backend, b"old")
        assert backend.cas(key, b"new", _token(backend, key), 60.0) is True
        assert _values(backend, key) == {key: b"new"}

    def test_a_token_serves_one_write(self, backend: Backend) -> None:
        """The write that a token allowed makes it worthless."""
        key = _stored(backend, b"old")
        token = _token(backend, key)
        assert backend.cas(key, b"new", token, 60.0) is True
        assert backend.cas(key, b"newer", token, 60.0) is False
        assert _values(backend, key) == {key: b"new"}

    def test_cas_refuses_after_another_write(self, backend: Backend) -> None:
        """A write of the very same bytes is a change all the same."""
        key = _stored(backend, b"same")
        token = _token(backend, key)
        backend.set_many({key: b"same"}, 60.0)
        assert backend.cas(key, b"mine", token, 60.0) is False
        assert _values(backend, key) == {key: b"same"}

    def test_cas_refuses_where_the_value_is_gone(self, backend: Backend) -> None:
        """A deletion since the token was read is a change; nothing is brought back."""
        key = _stored(backend, b"old")
        token = _token(backend, key)
        backend.delete(key)
        assert backend.cas(key, b"new", token, 60.0) is False
        assert _values(backend, key) == {}
        backend.add(key, b"other", 60.0)
        assert backend.cas(key, b"new", token, 60.0) is False

    def test_one_of_many_threads_is_granted_a_cas(self, backend: Backend) -> None:
        """Of eight threads with the same token, one may write."""
        for _ in range(25):
            key = _stored(backend, b"old")
            token = _token(backend, key)

            def cas(value: bytes, key: str = key, token: Token = token) -> bool:
                return backend.cas(key, value, token, 60.0)

            granted = _in_threads(cas, _EIGHT)
            assert granted.count(True) == 1
            assert _values(backend, key) == {key: _EIGHT[granted.index(True)]}

    def test_delete_removes_and_tells_whether_there_was_something(self, backend: Backend) -> None:
        """A deleted key is a miss; deleting it again says that there was nothing."""
        key = _stored(backend, b"value")
        assert backend.delete(key) is True
        assert backend.delete(key) is False
        assert _values(backend, key) == {}

    def test_every_length_of_life_is_accepted(self, backend: Backend) -> None:
        """A fraction of a second, more than thirty days, and none at all are fine in each write."""
        for expires_in in (*_SHORT, *_LONG):
            put, added, swapped = _key(), _key(), _stored(backend, b"old")
            backend.set_many({put: b"new"}, expires_in)
            assert backend.add(added, b"new", expires_in) is True
            assert backend.cas(swapped, b"new", _token(backend, swapped), expires_in) is True
            if expires_in in _LONG:
                new = dict.fromkeys((put, added, swapped), b"new")
                assert _values(backend, *new) == new

    def test_a_value_expires_in_its_time(self, backend: Backend, request: _Request) -> None:
        """A value is there until its time, is gone soon after it, and then is absent to all."""
        clock = self._clock(request)
        for expires_in in (*_SHORT, 90.0, 31 * 86400.0):
            key = _key()
            backend.set_many({key: b"value"}, expires_in)
            token = _token(backend, key)
            clock.advance(expires_in - 0.1)
            assert _values(backend, key) == {key: b"value"}
            clock.advance(2.1)
            assert _values(backend, key) == {}
            assert backend.cas(key, b"new", token, None) is False
            assert backend.delete(key) is False
            assert backend.add(key, b"next", None) is True

    def test_every_write_sets_the_time_anew(self, backend: Backend, request: _Request) -> None:
        """A value without expiry stays for years, and a later write decides for itself."""
        clock = self._clock(request)
        kept, swapped, added = _stored(backend, b"1"), _stored(backend, b"1"), _key()
        backend.set_many({kept: b"2"}, None)
        assert backend.cas(swapped, b"2", _token(backend, swapped), None) is True
        assert backend.add(added, b"2", None) is True
        clock.advance(20 * 365 * 86400.0)
        assert _values(backend, kept, swapped, added) == {kept: b"2", swapped: b"2", added: b"2"}

    def test_a_key_that_a_protocol_could_misread_is_refused(self, backend: Backend) -> None:
        """Each operation raises ``ValueError`` for such a key, before it does anything."""
        for bad in _BAD_KEYS:
            good = _key()
            key = cast("str", bad)
            for attempt in (
                lambda key=key: backend.get_many([key]),
                lambda key=key, good=good: backend.get_many([good, key]),
                lambda key=key: backend.set_many({key: b""}, 60.0),
                lambda key=key, good=good: backend.set_many({good: b"", key: b""}, 60.0),
                lambda key=key: backend.add(key, b"", 60.0),
                lambda key=key: backend.cas(key, b"", 0, 60.0),
                lambda key=key: backend.delete(key),
            ):
                assert _refuses(attempt), f"{bad!r} was accepted"
            assert _values(backend, good) == {}

    def test_threads_never_see_foreign_values(self, backend: Backend) -> None:
        """Eight threads that write, read and delete see their own values, or none."""

        def work(mine: bytes) -> set[bytes]:
            keys = {_key(): mine + b" %d" % size * size for size in (1, 10, 1000)}
            seen: set[bytes] = set()
            for _ in range(50):
                backend.set_many(keys, 60.0)
                found = _values(backend, *keys)
                seen.update(value for key, value in found.items() if keys[key] != value)
                backend.delete(next(iter(keys)))
            return seen

        assert _in_threads(work, _EIGHT) == [set()] * 8

    def test_closing_twice_is_no_error(self, backend: Backend) -> None:
        """Whoever closes a backend need not know whether someone did."""
        backend.close()
        backend.close()

    def _clock(self, request: _Request) -> ManualClock:
        if not self.has_clock:
            import pytest  # noqa: PLC0415  # only a test run has it

            pytest.skip("the time of this backend cannot be moved")
        return cast("ManualClock", request.getfixturevalue("clock"))


def _key() -> str:
    return f"contract:{uuid4().hex}"


def _stored(backend: Backend, value: bytes) -> str:
    key = _key()
    backend.set_many({key: value}, 60.0)
    return key


def _token(backend: Backend, key: str) -> Token:
    return backend.get_many([key])[key].token


def _values(backend: Backend, *keys: str) -> dict[str, bytes]:
    return {key: found.value for key, found in backend.get_many(keys).items()}


def _refuses(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except ValueError:
        return True
    return False


def _in_threads(work: Callable[[bytes], T], values: list[bytes]) -> list[T]:
    with ThreadPoolExecutor(len(values)) as threads:
        return list(threads.map(work, values))
