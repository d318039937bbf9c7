"""What is shipped for test suites: the clock, and the backends that record and fail."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from jinjacache import testing
from jinjacache.backends.memory import MemoryBackend
from jinjacache.backends.protocol import Backend
from jinjacache.errors import BackendError, ConfigurationError
from jinjacache.testing import (
    OPERATIONS,
    BackendContract,
    Call,
    FailingBackend,
    ManualClock,
    RecordingBackend,
)


def use(backend: Backend) -> list[Callable[[], object]]:
    """Return one call of each operation, in the order of their names in ``OPERATIONS``."""
    return [
        lambda: backend.get_many(["a", "b"]),
        lambda: backend.set_many({"a": b"1", "b": b"2"}, 60.0),
        lambda: backend.add("c", b"3", None),
        lambda: backend.cas("c", b"4", 0, 1.0),
        lambda: backend.delete("c"),
        backend.close,
    ]


class TestRecordingKeepsTheContract(BackendContract):
    """A backend that is recorded behaves as it does alone."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Return the clock of the inner backend."""
        return ManualClock()

    @pytest.fixture
    def backend(self, clock: ManualClock) -> RecordingBackend:
        """Return a recording backend before a memory backend."""
        return RecordingBackend(MemoryBackend(clock=clock))


class TestFailingKeepsTheContractWhileItIsOff(BackendContract):
    """A failing backend that is switched off passes everything on; time cannot be moved."""

    has_clock = False

    @pytest.fixture
    def backend(self) -> FailingBackend:
        """Return a failing backend that is off."""
        backend = FailingBackend()
        backend.failing = False
        return backend


def test_the_clock_moves_when_it_is_told_to() -> None:
    """It can be advanced and set, and stands still otherwise."""
    clock = ManualClock(10.0)
    assert (clock(), clock()) == (10.0, 10.0)
    clock.advance(0.25)
    assert clock() == clock.now == 10.25
    clock.now = 3.0
    assert clock() == 3.0


def test_every_call_is_recorded_in_order_with_its_keys() -> None:
    """The list reads like the conversation."""
    backend = RecordingBackend()
    for call in use(backend):
        call()
    keys = [("a", "b"), ("a", "b"), ("c",), ("c",), ("c",), ()]
    assert backend.calls == [Call(*call) for call in zip(OPERATIONS, keys, strict=True)]


def test_calls_can_be_forgotten() -> None:
    """Forgetting calls forgets no values."""
    backend = RecordingBackend()
    backend.set_many({"a": b"1"}, None)
    backend.forget()
    assert backend.calls == []
    assert backend.get_many(["a"])["a"].value == b"1"
    assert backend.calls == [Call("get_many", ("a",))]


def test_an_empty_inner_backend_is_used_all_the_same() -> None:
    """The backend that was given gets the values, though nothing is stored in it yet."""
    inner = MemoryBackend()
    RecordingBackend(inner).set_many({"a": b"1"}, None)
    assert len(inner) == 1


def test_every_operation_fails_by_default() -> None:
    """The error is one of the world's, and nothing reaches the inner backend."""
    inner = RecordingBackend()
    for call in use(FailingBackend(inner)):
        with pytest.raises(BackendError, match="told to fail"):
            call()
    assert inner.calls == []


@pytest.mark.parametrize("chosen", OPERATIONS)
def test_chosen_operations_fail_alone(chosen: str) -> None:
    """All others are passed on."""
    inner = RecordingBackend()
    backend = FailingBackend(inner, operations={chosen})
    for operation, call in zip(OPERATIONS, use(backend), strict=True):
        if operation == chosen:
            with pytest.raises(BackendError):
                call()
        else:
            call()
    assert [call.operation for call in inner.calls] == [o for o in OPERATIONS if o != chosen]


def test_failing_can_be_switched() -> None:
    """A backend can break down and come back."""
    backend = FailingBackend()
    backend.failing = False
    backend.set_many({"a": b"1"}, None)
    backend.failing = True
    with pytest.raises(BackendError):
        backend.get_many(["a"])
    backend.failing = False
    assert backend.get_many(["a"])["a"].value == b"1"


def test_the_error_may_be_any_exception_or_make_one() -> None:
    """An instance is raised as it is, a class or function is called each time."""
    given = KeyboardInterrupt()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt) as raised:
            FailingBackend(error=given).close()
        assert raised.value is given
    made: list[TimeoutError] = []

    def make() -> TimeoutError:
        made.append(TimeoutError())
        return made[-1]

    for _ in range(2):
        with pytest.raises(TimeoutError) as failed:
            FailingBackend(error=make).close()
        assert failed.value is made[-1]
    assert len(made) == 2


def test_an_operation_that_is_not_there_cannot_fail() -> None:
    """A misspelled name would make a test that never fails."""
    with pytest.raises(ConfigurationError, match=r"no operation 'gett'; known: get_many, set_many"):
        FailingBackend(operations={"gett"})


def test_testing_can_be_imported_without_pytest() -> None:
    """An application that borrows the clock or a backend need not install it."""
    program = "import sys; sys.modules['pytest'] = None; import jinjacache.testing"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_public_names_are_sorted_and_there() -> None:
    """What can be imported is decided name by name."""
    assert testing.__all__ == ["OPERATIONS", *sorted(testing.__all__[1:])]
    assert all(hasattr(testing, name) for name in testing.__all__)
