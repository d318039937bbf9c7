"""Backends that stand before another one: to see what it is asked for, or to make it fail."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from jinjacache.backends.memory import MemoryBackend
from jinjacache.backends.protocol import OPERATIONS, Backend, Found, Token
from jinjacache.errors import BackendError, ConfigurationError


@dataclass(frozen=True, slots=True)
class Call:
    """Hold what a backend was asked to do: one of ``OPERATIONS``, and its keys in order."""

    operation: str
    keys: tuple[str, ...]


class _PassingOn(ABC):
    """Ask ``_before`` and then do what the inner backend does."""

    def __init__(self, inner: Backend | None) -> None:
        self._inner: Backend = MemoryBackend() if inner is None else inner

    @abstractmethod
    def _before(self, operation: str, keys: Iterable[str], /) -> None:
        """Be told what is about to be done."""

    def get_many(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Pass on what the inner backend finds."""
        self._before("get_many", keys)
        return self._inner.get_many(keys)

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Have the inner backend store every item."""
        self._before("set_many", items)
        self._inner.set_many(items, expires_in)

    def add(self, key: str, value: bytes, expires_in: float | None) -> bool:
        """Have the inner backend store the value where there is none."""
        self._before("add", (key,))
        return self._inner.add(key, value, expires_in)

    def cas(self, key: str, value: bytes, token: Token, expires_in: float | None) -> bool:
        """Have the inner backend store the value if the key is unchanged."""
        self._before("cas", (key,))
        return self._inner.cas(key, value, token, expires_in)

    def delete(self, key: str) -> bool:
        """Have the inner backend remove the value."""
        self._before("delete", (key,))
        return self._inner.delete(key)

    def close(self) -> None:
        """Close the inner backend."""
        self._before("close", ())
        self._inner.close()


class RecordingBackend(_PassingOn):
    """Write down every call in ``calls``, then pass it on to ``inner``, by default in memory."""

    def __init__(self, inner: Backend | None = None) -> None:
        super().__init__(inner)
        self.calls: list[Call] = []

    def forget(self) -> None:
        """Empty the list of calls; what is stored stays."""
        self.calls.clear()

    def _before(self, operation: str, keys: Iterable[str], /) -> None:
        self.calls.append(Call(operation, tuple(keys)))


class FailingBackend(_PassingOn):
    """Raise ``error`` on the chosen operations (all of them) while ``failing``, else pass on.

    ``error`` is an exception, or a callable that makes a new one each time.

    Raises:
        ConfigurationError: there is no operation of that name.
    """

    def __init__(
        self,
        inner: Backend | None = None,
        *,
        error: Callable[[], BaseException] | BaseException | None = None,
        operations: Collection[str] | None = None,
    ) -> None:
        super().__init__(inner)
        self.failing = True
        self._error = _told_to_fail if error is None else error
        self._operations = frozenset(OPERATIONS if operations is None else operations)
        if unknown := sorted(self._operations.difference(OPERATIONS)):
            raise ConfigurationError(
                f"a backend has no operation {unknown[0]!r}; known: {', '.join(OPERATIONS)}"
            )

    def _before(self, operation: str, _keys: Iterable[str], /) -> None:
        if self.failing and operation in self._operations:
            raise self._error if isinstance(self._error, BaseException) else self._error()


def _told_to_fail() -> BackendError:
    return BackendError("this backend was told to fail")
