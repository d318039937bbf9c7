"""Each test of the shipped contract fails for a backend that breaks its promise."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from jinjacache.backends.memory import MemoryBackend
from jinjacache.backends.protocol import Found, Token
from jinjacache.testing import BackendContract, ManualClock

MONTH = 30 * 86400.0


class FindsWhatIsNotThere(MemoryBackend):
    """Answer a miss with an empty value."""

    def get_many(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Find every key."""
        return {key: Found(b"", 0) for key in keys} | dict(super().get_many(keys))


class FindsTheFirstOnly(MemoryBackend):
    """Read one key of many."""

    def get_many(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Find the first key."""
        return super().get_many(keys[:1])


class StoresForeignValues(MemoryBackend):
    """Mix up what belongs to whom."""

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Store another value."""
        super().set_many(dict.fromkeys(items, b"foreign"), expires_in)


class FailsWithoutKeys(MemoryBackend):
    """Take an empty request for a mistake."""

    def get_many(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Read one key or more."""
        return {keys[0]: Found(b"", 0)} | dict(super().get_many(keys))


class FailsOnRepeatedKeys(MemoryBackend):
    """Take a repeated key for a mistake."""

    def get_many(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Read keys that are all different."""
        if len(set(keys)) < len(keys):
            raise LookupError
        return super().get_many(keys)


class KeepsTheFirstValue(MemoryBackend):
    """Store only where there is nothing."""

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Add every item."""
        for key, value in items.items():
            self.add(key, value, expires_in)


class StripsValues(MemoryBackend):
    """Take line ends for the protocol's."""

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Store what is between the line ends."""
        super().set_many({key: value.strip() for key, value in items.items()}, expires_in)


class TakesShortKeysOnly(MemoryBackend):
    """Refuse keys that are allowed."""

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Store what has a short key."""
        super().set_many({key: items[key] for key in items if len(key) < 200}, expires_in)


class AddsAlways(MemoryBackend):
    """Grant a lease to everyone."""

    def add(self, key: str, value: bytes, expires_in: float | None) -> bool:
        """Store the value in any case."""
        self.set_many({key: value}, expires_in)
        return True


class AddsOverEmptyValues(MemoryBackend):
    """Take an empty value for none."""

    def add(self, key: str, value: bytes, expires_in: float | None) -> bool:
        """Store the value where there is none, or nothing in it."""
        found = super().get_many([key]).get(key)
        return (found is not None and not found.value) or super().add(key, value, expires_in)


class NeverSwaps(MemoryBackend):
    """Refuse every token."""

    def cas(self, key: str, value: bytes, token: Token, expires_in: float | None) -> bool:  # noqa: ARG002  # as the protocol has it
        """Store nothing."""
        return super().cas(key, value, -1, expires_in)


class SwapsAlways(MemoryBackend):
    """Accept every token."""

    def cas(self, key: str, value: bytes, token: Token, expires_in: float | None) -> bool:  # noqa: ARG002
        """Store the value in any case."""
        self.set_many({key: value}, expires_in)
        return True


class DeletesNothing(MemoryBackend):
    """Say that a value is gone that is still there."""

    def delete(self, key: str) -> bool:
        """Leave everything as it is."""
        return bool(super().get_many([key]))


class ReadsLongTimesAsDates(MemoryBackend):
    """Take more than thirty days for an instant, long ago."""

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Store with an expiry that may have passed."""
        long = expires_in is not None and expires_in > MONTH
        super().set_many(items, 0.0 if long else expires_in)


class NeverExpires(MemoryBackend):
    """Forget about time."""

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:  # noqa: ARG002
        """Store for ever."""
        super().set_many(items, None)


class ExpiresAfterAMonth(MemoryBackend):
    """Know no values without expiry."""

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Store for a month at most."""
        super().set_many(items, MONTH if expires_in is None else expires_in)


class AcceptsEveryKey(MemoryBackend):
    """Read under keys that were never checked."""

    def get_many(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Find nothing under a key that cannot be stored."""
        return super().get_many([key for key in keys if type(key) is str and key.isalnum()])


class StoresBeforeItChecks(MemoryBackend):
    """Check each key when its turn comes."""

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Store item by item."""
        for key, value in items.items():
            super().set_many({key: value}, expires_in)


class ClosesOnce(MemoryBackend):
    """Take a second close for a mistake."""

    def close(self) -> None:
        """Close, or fail."""
        del self.find


BROKEN: list[tuple[str, type[MemoryBackend]]] = [
    ("test_a_key_that_was_never_written_is_absent", FindsWhatIsNotThere),
    ("test_many_items_are_stored_and_found_in_one_call", FindsTheFirstOnly),
    ("test_no_keys_are_no_error", FailsWithoutKeys),
    ("test_a_key_may_be_asked_for_twice", FailsOnRepeatedKeys),
    ("test_a_later_write_replaces_an_earlier_one", KeepsTheFirstValue),
    ("test_bytes_come_back_exactly", StripsValues),
    ("test_the_longest_and_oddest_keys_work", TakesShortKeysOnly),
    ("test_add_stores_only_where_there_is_nothing", AddsAlways),
    ("test_add_respects_what_was_set", AddsOverEmptyValues),
    ("test_one_of_many_threads_is_granted_an_add", AddsAlways),
    ("test_cas_stores_while_the_key_is_unchanged", NeverSwaps),
    ("test_a_token_serves_one_write", SwapsAlways),
    ("test_cas_refuses_after_another_write", SwapsAlways),
    ("test_cas_refuses_where_the_value_is_gone", SwapsAlways),
    ("test_one_of_many_threads_is_granted_a_cas", SwapsAlways),
    ("test_delete_removes_and_tells_whether_there_was_something", DeletesNothing),
    ("test_every_length_of_life_is_accepted", ReadsLongTimesAsDates),
    ("test_a_value_expires_in_its_time", NeverExpires),
    ("test_every_write_sets_the_time_anew", ExpiresAfterAMonth),
    ("test_a_key_that_a_protocol_could_misread_is_refused", StoresBeforeItChecks),
    ("test_a_key_that_a_protocol_could_misread_is_refused", AcceptsEveryKey),
    ("test_threads_never_see_foreign_values", StoresForeignValues),
    ("test_closing_twice_is_no_error", ClosesOnce),
]


class Fixtures:
    """Stand for pytest's request: its one fixture is the clock."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock

    def getfixturevalue(self, argname: str) -> object:
        """Return the fixture of that name."""
        return {"clock": self.clock}[argname]


def run(test: str, kind: type[MemoryBackend]) -> None:
    """Run one test of the contract over a backend of that kind."""
    clock = ManualClock()
    method: Callable[..., None] = getattr(BackendContract(), test)
    takes_time = "request" in method.__code__.co_varnames
    method(kind(clock=clock), *([Fixtures(clock)] if takes_time else []))


@pytest.mark.parametrize(("test", "kind"), BROKEN)
def test_a_broken_promise_is_noticed(test: str, kind: type[MemoryBackend]) -> None:
    """The test fails for the broken backend, and for that reason: a sound one passes."""
    run(test, MemoryBackend)
    with pytest.raises((AssertionError, LookupError, AttributeError)):
        run(test, kind)


def test_every_test_of_the_contract_is_tried() -> None:
    """A promise that is added to the contract needs a backend that breaks it."""
    assert {test for test, _ in BROKEN} == {
        name for name in dir(BackendContract) if name.startswith("test_")
    }
