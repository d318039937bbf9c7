"""What happened is counted, told and logged, in bounds and without telling secrets."""

import logging
from collections.abc import Iterator

import pytest
from jinja2 import DictLoader, Environment

from jinjacache import BackendError, Cache, CacheKeyError
from jinjacache.events import (
    Audience,
    Event,
    Failed,
    FaultLog,
    FragmentId,
    FragmentStats,
    Hit,
    Journal,
    KeyRefused,
    Miss,
    NotStored,
    Stored,
)
from jinjacache.testing import FailingBackend, ManualClock

ID = FragmentId("page.html", "x")


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Capture whatever the package logs."""
    with caplog.at_level(logging.DEBUG, "jinjacache"):
        yield


def test_one_warning_per_kind_in_thirty_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """What is held back is counted, and told with the next line."""
    clock = ManualClock()
    faults = FaultLog(clock=clock)
    for _ in range(10):
        faults.warn("kind", "it is %s", "down")
    clock.advance(29.9)
    faults.warn("kind", "it is %s", "down")
    clock.advance(0.1)
    faults.warn("kind", "it is %s", "down")
    clock.advance(30)
    faults.warn("kind", "it is %s", "up")
    assert caplog.messages == [
        "it is down",
        "it is down (10 more since the last such line)",
        "it is up",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert {record.name for record in caplog.records} == {"jinjacache"}


def test_kinds_do_not_silence_each_other(caplog: pytest.LogCaptureFixture) -> None:
    """A new kind of fault is told at once."""
    faults = FaultLog(clock=ManualClock())
    for kind in ("a", "b", "a", "c", "b"):
        faults.warn(kind, kind)
    assert caplog.messages == ["a", "b", "c"]


def test_percent_signs_in_details_are_text(caplog: pytest.LogCaptureFixture) -> None:
    """Names come from templates and may hold anything."""
    FaultLog(clock=ManualClock()).warn("kind", "fragment %s", "100 %s %d")
    assert caplog.messages == ["fragment 100 %s %d"]


def test_any_number_of_kinds_takes_bounded_memory_and_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Beyond 256 kinds the rest share a line, and the first are told apart all the same."""
    clock = ManualClock()
    faults = FaultLog(clock=clock)
    for number in range(1_000):
        faults.warn(f"kind {number}", "%d", number)
    assert caplog.messages == [str(number) for number in range(257)]
    clock.advance(30)
    caplog.clear()
    for number in (0, 999, 998):
        faults.warn(f"kind {number}", "%d", number)
    assert caplog.messages == ["0", "999 (743 more since the last such line)"]


def test_subscribers_are_told_in_order() -> None:
    """Each is told of each event."""
    told: list[tuple[str, Event]] = []
    audience = Audience()
    audience.subscribers = (
        lambda event: told.append(("first", event)),
        lambda event: told.append(("second", event)),
    )
    audience.tell(Hit(ID))
    assert told == [("first", Hit(ID)), ("second", Hit(ID))]


def test_subscriber_that_raises_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """It reaches neither the caller nor the subscribers after it; its words are not logged."""
    told: list[Event] = []

    def broken(event: Event) -> None:
        raise ValueError(f"secret of {event}")

    audience = Audience(FaultLog(clock=ManualClock()), (broken, told.append))
    for _ in range(3):
        audience.tell(Hit(ID))
    assert told == [Hit(ID)] * 3
    assert caplog.messages == ["a subscriber raised ValueError on Hit; the page is not affected"]


def test_subscriber_may_be_interrupted() -> None:
    """What is no `Exception` passes through."""

    def interrupted(_: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Audience(subscribers=(interrupted,)).tell(Hit(ID))


def write_all(journal: Journal) -> None:
    """Note one thing of each kind, and two that were stored."""
    journal.hit()
    journal.miss("first")
    journal.stored("née", 0.5)
    journal.stored("\ud800", 0.25)
    journal.not_stored("too large")
    journal.failed("fetch", "OSError")
    journal.key_refused("no key")


@pytest.mark.parametrize("listened_to", [False, True])
def test_journal_counts_and_tells(*, listened_to: bool) -> None:
    """Counters count whether or not somebody listens; bytes are those of UTF-8."""
    told: list[Event] = []
    stats = FragmentStats()
    audience = Audience(subscribers=(told.append,) if listened_to else ())
    write_all(Journal(ID, audience, stats))
    assert stats == FragmentStats(
        hits=1, misses=1, errors=2, stored=2, not_stored=1, bytes=7, render_seconds=0.75
    )
    events: list[Event] = [
        Hit(ID),
        Miss(ID, "first"),
        Stored(ID, 4, 0.5),
        Stored(ID, 3, 0.25),
        NotStored(ID, "too large"),
        Failed(ID, "fetch", "OSError"),
        KeyRefused(ID, "no key"),
    ]
    assert told == (events if listened_to else [])


def test_only_faults_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Hits, misses and refusals are events; a warning says what failed and where."""
    write_all(Journal(ID, Audience(), FragmentStats()))
    write_all(Journal(FragmentId(None, "#12345678"), Audience(), FragmentStats()))
    assert caplog.messages == [
        "fragment x of page.html: fetch failed (OSError); rendered uncached",
        "no key; rendered uncached (on_key_error='render')",
        "fragment #12345678 of <template>: fetch failed (OSError); rendered uncached",
        "no key; rendered uncached (on_key_error='render')",
    ]


class Customer:
    """An object without a key, whose text tells who it is."""

    def __str__(self) -> str:
        return "private-key-value"


SECRETS = ["private-key-value", "private-body", "private-signature", "private-password"]


@pytest.mark.parametrize("variable", ["private-key-value", ["private-key-value"], Customer()])
@pytest.mark.parametrize("operation", ["get_many", "add", "set_many"])
def test_nothing_secret_is_logged_or_told(
    operation: str, variable: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither key values nor bodies, signing secrets or the words of a client's error."""
    error = BackendError("redis://user:private-password@host refused")
    backend = FailingBackend(error=error, operations=[operation])
    page = "{% cache 'x', v %}private-body{{ v }}{% endcache %}"
    env = Environment(loader=DictLoader({"page": page}), autoescape=True)
    cache = Cache(backend, secret=SECRETS[2], on_key_error="render").install(env)
    told: list[Event] = []

    def broken(_: Event) -> None:
        raise ValueError(variable)

    cache.subscribe(told.append)
    cache.subscribe(broken)
    assert "private-key-value" in env.get_template("page").render(v=variable)
    assert len(caplog.messages) == 2
    assert cache.stats().errors == 1
    said = f"{caplog.text}{told!r}{cache!r}{cache.stats()!r}"
    assert [secret for secret in SECRETS if secret in said] == []


def test_key_error_does_not_repeat_the_value() -> None:
    """It says which argument and which type, and not what it holds."""
    env = Environment(autoescape=True)
    Cache(on_key_error="raise").install(env)
    template = env.from_string("{% cache 'x', v %}{% endcache %}")
    with pytest.raises(CacheKeyError) as refusal:
        template.render(v=["private-key-value", Customer()])
    assert "private" not in str(refusal.value)
