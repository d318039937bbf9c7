"""Whatever lies under a fragment's key: what is not its own entry is a miss, and overwritten."""

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jinjacache import Cache
from jinjacache.backends.memory import MemoryBackend
from jinjacache.events import Event, Failed, FragmentId, Hit, Miss, Stored
from jinjacache.testing import ManualClock, RecordingBackend
from tests.support.pages import Way, environment, render

ways = pytest.mark.parametrize("way", [Way(is_async=a, autoescape=True) for a in (False, True)])
DAY = 86_400.0
TIMEOUT = 60.0
PAGE = "{% cache 'x', v %}<b>{{ n }}</b>{% endcache %}"
ID = FragmentId("page", "x")


class Site:
    """An application over a backend, with one page of one fragment."""

    def __init__(self, backend: RecordingBackend, cache: Cache, way: Way, page: str = PAGE) -> None:
        self._backend = backend
        self.cache = cache
        environment_ = environment({"page": page}, way)
        cache.install(environment_)
        self._template = environment_.get_template("page")
        self.key = cache.fragment(environment_, "page", "x").key(1)

    def render(self, number: int) -> str:
        """Render the page, which shows the number on a miss."""
        return render(self._template, {"v": 1, "n": number})

    @property
    def stored(self) -> bytes:
        """What lies under the fragment's key."""
        return self._backend.get_many([self.key])[self.key].value

    @stored.setter
    def stored(self, data: bytes) -> None:
        self._backend.set_many({self.key: data}, None)


@dataclass(frozen=True)
class Canary:
    """Touch a file when it is unpickled."""

    path: Path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


FOREIGN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "magic"),
    "text": (b"<b>bad</b>", "magic"),
    "json": (json.dumps({"body": "bad"}).encode(), "magic"),
    "a number": (b"42", "magic"),
    "the beginning of an entry": (b"JC\x01\x00", "length"),
    "another version": (b"JC\x63" + bytes(200), "version"),
    "zeros": (b"JC\x01" + bytes(200), "checksum"),
}


@pytest.mark.parametrize("case", FOREIGN)
@ways
def test_foreign_value_is_a_miss_and_is_overwritten(case: str, way: Way) -> None:
    """It is counted as unreadable with its reason; the page is right, the next one a hit."""
    backend = RecordingBackend()
    site = Site(backend, Cache(backend), way)
    site.render(1)
    events: list[Event] = []
    site.cache.subscribe(events.append)
    site.stored, reason = FOREIGN[case]
    assert [site.render(2), site.render(3)] == ["<b>2</b>", "<b>2</b>"]
    assert site.cache.stats().errors == 1
    assert events[:2] == [Failed(ID, "decode", reason), Miss(ID, "unreadable")]
    assert [type(event) for event in events[2:]] == [Stored, Hit]


@ways
def test_pickle_is_not_loaded(way: Way, tmp_path: Path) -> None:
    """Nothing that lies in a backend is ever run."""
    backend, canary = RecordingBackend(), Canary(tmp_path / "canary")
    pickle.loads(pickle.dumps(canary))  # noqa: S301 - the canary is alive
    assert canary.path.exists()
    canary.path.unlink()
    site = Site(backend, Cache(backend), way)
    site.stored = pickle.dumps(canary)
    assert site.render(1) == "<b>1</b>"
    assert not canary.path.exists()
    assert site.cache.stats().errors == 1


@ways
def test_damaged_entry_is_a_miss(way: Way) -> None:
    """Cut short at any length, or with any byte changed, an entry is not served."""
    backend = RecordingBackend()
    site = Site(backend, Cache(backend), way)
    site.render(1)
    good = site.stored
    damaged = [good[:length] for length in range(0, len(good), 7)] + [good + b"\0"]
    damaged += [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(0, len(good), 7)]
    for number, data in enumerate(damaged, 2):
        site.stored = data
        assert site.render(number) == f"<b>{number}</b>"
    assert site.cache.stats().errors == len(damaged)
    site.stored = good
    assert site.render(0) == "<b>1</b>"


OTHERS: dict[str, Callable[[RecordingBackend, Way], Site]] = {
    "namespace": lambda b, way: Site(b, Cache(b, namespace="other"), way),
    "release": lambda b, way: Site(b, Cache(b, version="2"), way),
    "language": lambda b, way: Site(b, Cache(b, vary={"lang": lambda: "de"}), way),
    "escaping": lambda b, way: Site(b, Cache(b), Way(is_async=way.is_async, autoescape=False)),
    "body": lambda b, way: Site(b, Cache(b), way, PAGE.replace("b>", "i>")),
}


@pytest.mark.parametrize("other", OTHERS)
@ways
def test_entry_of_another_key_is_a_miss(other: str, way: Way) -> None:
    """Replayed under this key, it does not fit the echo of the key in it."""
    backend = RecordingBackend()
    ours, theirs = Site(backend, Cache(backend), way), OTHERS[other](backend, way)
    assert theirs.key != ours.key
    theirs.render(1)
    ours.stored = theirs.stored
    events: list[Event] = []
    ours.cache.subscribe(events.append)
    assert ours.render(2) == "<b>2</b>"
    assert events[0] == Failed(ID, "decode", "key")
    assert ours.render(3) == "<b>2</b>"
    assert "1" in theirs.render(4)


Secret = str | list[str] | None


@pytest.mark.parametrize(
    ("writer", "reader", "reason"),
    [
        (None, "ours", "unsigned"),
        ("theirs", "ours", "forged"),
        ("old", ["ours", "new"], "forged"),
        ("ours", None, "signed"),
    ],
    ids=str,
)
@ways
def test_entry_that_is_not_signed_as_it_must_be_is_a_miss(
    writer: Secret, reader: Secret, reason: str, way: Way
) -> None:
    """Whoever can write to the backend but has not the secret cannot place content."""
    backend = RecordingBackend()
    Site(backend, Cache(backend, secret=writer), way).render(1)
    site = Site(backend, Cache(backend, secret=reader), way)
    events: list[Event] = []
    site.cache.subscribe(events.append)
    assert [site.render(2), site.render(3)] == ["<b>2</b>", "<b>2</b>"]
    assert events[:2] == [Failed(ID, "decode", reason), Miss(ID, "unreadable")]
    assert site.cache.stats().errors == 1


def test_signature_cannot_be_taken_away() -> None:
    """With the flag cleared, or the seal of an unsigned entry, it is no entry."""
    backend, way = RecordingBackend(), Way(is_async=False, autoescape=True)
    site = Site(backend, Cache(backend, secret="ours"), way)  # noqa: S106
    site.render(1)
    good = site.stored
    site.stored = good[:3] + bytes([good[3] & ~2]) + good[4:]
    assert site.render(2) == "<b>2</b>"
    assert site.cache.stats().errors == 1


@ways
def test_secrets_rotate(way: Way) -> None:
    """With a list the first signs and all verify, so that no entry is lost on the way."""
    backend = RecordingBackend()
    steps: list[tuple[Secret, str]] = [
        ("old", "<b>0</b>"),
        (["new", "old"], "<b>0</b>"),
        ("new", "<b>2</b>"),
        (["new", "old"], "<b>2</b>"),
        ("old", "<b>4</b>"),
    ]
    for number, (secret, expected) in enumerate(steps):
        assert Site(backend, Cache(backend, secret=secret), way).render(number) == expected


moves = st.tuples(
    st.sampled_from(["wait", "set"]),
    st.sampled_from([0.0, 1.0, 29.0, 59.0, 61.0, -1.0, -29.0, -61.0, DAY, -DAY, 2 * DAY]),
)


PLAIN = Way(is_async=False, autoescape=False)


@given(st.lists(moves, max_size=12))
def test_wall_clock_that_is_set_never_makes_an_entry_last(steps: list[tuple[str, float]]) -> None:
    """However it jumps, nothing is served past its time; at worst it is missed early."""
    real, offset = ManualClock(1e9), 0.0
    backend = RecordingBackend(MemoryBackend(clock=real))
    cache = Cache(backend, timeout=TIMEOUT, clock=lambda: real() + offset)
    env = environment({"page": "{% cache 'x' %}{{ n }}{% endcache %}"}, PLAIN)
    cache.install(env)
    template = env.get_template("page")
    for step, seconds in steps:
        if step == "wait":
            real.advance(abs(seconds))
        else:
            offset += seconds
        assert 0 <= real() - float(template.render(n=real())) < TIMEOUT
    template.render(n=real())
    assert template.render(n="never") != "never"


@pytest.mark.parametrize("jump", [DAY, -DAY, -61.0])
def test_entry_is_missed_when_the_wall_clock_jumps(jump: float) -> None:
    """A day back it seems to come from the future, a day ahead it seems to be old."""
    clock, way = ManualClock(), Way(is_async=False, autoescape=True)
    backend = RecordingBackend()
    site = Site(backend, Cache(backend, timeout=TIMEOUT, clock=clock), way)
    site.render(1)
    assert site.render(2) == "<b>1</b>"
    clock.advance(jump)
    assert [site.render(3), site.render(4)] == ["<b>3</b>", "<b>3</b>"]
    assert site.cache.stats().errors == 0
