"""The null backend keeps nothing, and is as strict as any other."""

import inspect
from collections.abc import Callable
from typing import cast

import pytest

from jinjacache.backends.memory import MemoryBackend
from jinjacache.backends.null import NullBackend
from jinjacache.backends.protocol import Backend
from jinjacache.testing import OPERATIONS


def test_every_operation_does_nothing() -> None:
    """Each answers as if whatever was stored had vanished at once."""
    backend: Backend = NullBackend()
    backend.set_many({"key": b"value"}, 60.0)
    assert backend.get_many(["key"]) == {}
    assert backend.add("key", b"value", 60.0) is True
    assert backend.add("key", b"value", 60.0) is True
    assert backend.cas("key", b"value", 0, None) is False
    assert backend.delete("key") is False
    assert backend.get_many(["key"]) == {}
    backend.close()
    backend.close()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_its_operations_are_called_like_those_of_another_backend(operation: str) -> None:
    """Code that runs with one runs with the other: same names, same parameters."""
    null, memory = (getattr(kind, operation) for kind in (NullBackend, MemoryBackend))
    assert inspect.signature(null) == inspect.signature(memory)


@pytest.mark.parametrize("bad", ["", " ", "\r\n", "k" * 251, "é", b"key", None])
def test_keys_are_checked_as_everywhere(bad: object) -> None:
    """A key that would fail in production fails without a cache too."""
    backend, key = NullBackend(), cast("str", bad)
    attempts: list[Callable[[], object]] = [
        lambda: backend.get_many(["good", key]),
        lambda: backend.set_many({"good": b"", key: b""}, None),
        lambda: backend.add(key, b"", None),
        lambda: backend.cas(key, b"", 0, None),
        lambda: backend.delete(key),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError, match="1 to 250 visible ascii characters"):
            attempt()


def test_repr_says_what_it_is() -> None:
    """Its name is all there is to say."""
    assert repr(NullBackend()) == "NullBackend()"
