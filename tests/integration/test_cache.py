"""What users hold: a cache is installed, counts, tells what happens, and is emptied."""

from collections.abc import Callable

import pytest
from jinja2 import DictLoader, Environment

from jinjacache import Cache, CacheKeyError, ConfigurationError, Stats
from jinjacache.backends.memory import MemoryBackend
from jinjacache.events import Event, FragmentId, FragmentStats, Hit, Miss, NotStored, Stored
from jinjacache.testing import FailingBackend, ManualClock, RecordingBackend
from tests.support.pages import Way, environment, render

ways = pytest.mark.parametrize(
    "way", [Way(is_async=a, autoescape=True) for a in (False, True)], ids=str
)
PAGE = "{% cache 'x' %}{{ n }}{% endcache %}"
TWO = "{% cache 'x' %}{{ n }}{% endcache %}{% cache 'y', using='b' %}{{ n }}{% endcache %}"
ID = FragmentId("page", "x")
Show = Callable[[object], str]


def page_of(source: str, way: Way, cache: Cache | None = None) -> tuple[Environment, Show]:
    """Return an environment with one page, and how it is rendered with a number."""
    env = environment({"page": source}, way)
    if cache is not None:
        cache.install(env)
    return env, lambda n: render(env.get_template("page"), {"n": n})


def shows(source: str, way: Way, cache: Cache) -> Show:
    """Return how a page over a cache is rendered with a number."""
    return page_of(source, way, cache)[1]


@ways
def test_installing_returns_the_cache_and_makes_it_known(way: Way) -> None:
    """The tag keeps its fragments in ``environment.fragment_cache``."""
    env = environment({"page": PAGE}, way)
    cache = Cache()
    assert cache.install(env) is cache
    assert env.fragment_cache is cache  # type: ignore[attr-defined]
    assert render(env.get_template("page"), {"n": 1}) == "1"
    assert cache.stats().misses == 1


@ways
def test_extension_alone_brings_the_default(way: Way) -> None:
    """Without a cache of one's own, fragments are kept in memory for five minutes."""
    env = environment({"page": PAGE}, way, extensions=["jinjacache.CacheExtension"])
    cache = env.fragment_cache  # type: ignore[attr-defined]
    assert isinstance(cache, Cache)
    assert "timeout=300.0" in repr(cache)
    assert "MemoryBackend(" in repr(cache)
    assert [render(env.get_template("page"), {"n": n}) for n in (1, 2)] == ["1", "1"]


@pytest.mark.parametrize("replace", ["install", "assign"])
@ways
def test_replacing_the_cache_takes_effect_at_once(way: Way, replace: str) -> None:
    """In templates that are loaded already; the one that was there keeps what it has."""
    old, new = Cache(), Cache()
    env, show = page_of(PAGE, way, old)
    assert show(1) == "1"
    for number, cache in ((2, new), (3, old)):
        if replace == "install":
            cache.install(env)
        else:
            env.fragment_cache = cache  # type: ignore[attr-defined]
        assert show(number) == ("2" if cache is new else "1")
    assert len(env.extensions) == 1


@ways
def test_cache_replaces_the_default(way: Way) -> None:
    """An extension that was registered before does not stand in the way."""
    env = environment({"page": PAGE}, way, extensions=["jinjacache.CacheExtension"])
    cache = Cache().install(env)
    render(env.get_template("page"), {"n": 1})
    assert cache.stats().misses == 1


@ways
def test_two_caches_serve_one_page(way: Way) -> None:
    """A tag names the one that it does not share with the others."""
    first, second = Cache(), Cache()
    env, show = page_of(TWO, way, first)
    second.install(env, alias="b")
    assert [show(1), show(2)] == ["11", "11"]
    second.clear()
    assert show(3) == "13"
    first.clear()
    assert show(4) == "43"
    assert [cache.stats().hits for cache in (first, second)] == [2, 2]
    assert [fragment.name for fragment in second.stats().fragments] == ["y"]
    Cache().install(env, alias="b")
    assert show(5) == "45"


@ways
def test_cache_that_is_not_installed_is_an_error(way: Way) -> None:
    """It names the place, the aliases that there are, and the call that is missing."""
    env, show = page_of(TWO, way, Cache())
    with pytest.raises(ConfigurationError) as refusal:
        show(1)
    assert str(refusal.value) == (
        "page, line 1: fragment 'y': no cache is installed as 'b' (there is: none); "
        "call install(env, alias='b')"
    )
    Cache().install(env, alias="c")
    Cache().install(env, alias="d")
    with pytest.raises(ConfigurationError, match="there is: 'c', 'd'"):
        show(2)


@pytest.mark.parametrize("kind", [MemoryBackend, RecordingBackend])
@ways
def test_clearing_leaves_other_namespaces_alone(
    way: Way, kind: type[MemoryBackend] | type[RecordingBackend]
) -> None:
    """Two applications share a backend, and one of them begins anew."""
    backend = kind()
    ours, theirs = Cache(backend, namespace="ours"), Cache(backend, namespace="theirs")
    show_ours, show_theirs = shows(PAGE, way, ours), shows(PAGE, way, theirs)
    assert [show_ours(1), show_theirs(2)] == ["1", "2"]
    ours.clear()
    assert [show_ours(3), show_theirs(4)] == ["3", "2"]
    assert [show_ours(5), show_theirs(6)] == ["3", "2"]


@pytest.mark.parametrize("backend", ["memory://", "bytes"])
@ways
def test_what_a_clear_overtakes_is_served_to_its_own_page_only(way: Way, backend: str) -> None:
    """The page that is under way is complete, and the next one is rendered afresh."""
    cache = Cache(RecordingBackend() if backend == "bytes" else backend)
    show = shows("{% cache 'x' %}{{ n() }}{% endcache %}", way, cache)

    def clear() -> str:
        cache.clear()
        return "overtaken"

    assert show(clear) == "overtaken"
    assert show(lambda: "new") == "new"
    assert show(lambda: "newer") == "new"


@ways
def test_statistics_count_what_happens(way: Way) -> None:
    """Per fragment and in all; bytes are those of UTF-8, seconds those of the bodies."""
    cache = Cache()
    show = shows(
        "{% cache 'x' %}né{% endcache %}{% cache 'y', n %}{{ n }}{% endcache %}", way, cache
    )
    for number in (1, 2, 1):
        show(number)
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.errors) == (3, 3, 0)
    one, other = stats.fragments[ID], stats.fragments[FragmentId("page", "y")]
    assert one.render_seconds > 0
    assert one == FragmentStats(2, 1, 0, 1, 0, 3, one.render_seconds)
    assert other == FragmentStats(1, 2, 0, 2, 0, 2, other.render_seconds)


def test_statistics_are_copies() -> None:
    """What was returned does not change any more, and changing it changes nothing."""
    cache = Cache()
    show = shows(PAGE, Way(is_async=False, autoescape=True), cache)
    show(1)
    stats = cache.stats()
    show(2)
    assert stats.hits == 0
    stats.fragments[ID].hits = 99
    assert cache.stats().hits == 1
    assert Cache().stats() == Stats({})


@ways
def test_failures_and_refusals_are_counted(way: Way) -> None:
    """A backend that fails counts as an error, a body that may not be kept as not stored."""
    failing = Cache(FailingBackend())
    shows(PAGE, way, failing)(1)
    assert failing.stats().errors == 1
    full = Cache("memory://?max_bytes=2KiB")
    shows(PAGE, way, full)("x" * 4096)
    stats = full.stats().fragments[ID]
    assert (stats.stored, stats.not_stored) == (0, 1)


@ways
def test_events_come_in_order(way: Way) -> None:
    """A miss before what came of it; a hit is told too, though it takes a longer way then."""
    clock = ManualClock()
    cache = Cache("memory://?max_bytes=2KiB", clock=clock, timeout=60)
    show = shows(PAGE, way, cache)
    events: list[Event] = []
    stop = cache.subscribe(events.append)
    for number in ("a", "b"):
        assert show(number) == "a"
    clock.advance(60)
    show("c")
    cache.clear()
    show("x" * 4096)
    stored = [event for event in events if isinstance(event, Stored)]
    assert [(event.fragment, event.size) for event in stored] == [(ID, 1), (ID, 1)]
    expected: list[Event] = [
        Miss(ID, "first"),
        stored[0],
        Hit(ID),
        Miss(ID, "expired"),
        stored[1],
        Miss(ID, "first"),
    ]
    assert events[:-1] == expected
    assert isinstance(events[-1], NotStored)
    assert "too large" in events[-1].reason
    stop()
    show("d")
    assert len(events) == 7


@ways
def test_subscribers_come_and_go_alone(way: Way) -> None:
    """One that leaves does not take another along; leaving twice is fine."""
    cache = Cache()
    show = shows(PAGE, way, cache)
    first: list[Event] = []
    second: list[Event] = []
    stop = cache.subscribe(first.append)
    cache.subscribe(second.append)
    show(1)
    stop()
    stop()
    show(2)
    assert [type(event) for event in first] == [Miss, Stored]
    assert [type(event) for event in second] == [Miss, Stored, Hit]


@pytest.mark.parametrize("leaves", ["first", "second"])
@ways
def test_one_callback_can_be_subscribed_twice(way: Way, leaves: str) -> None:
    """It is told of everything twice, and of one subscription the less when that is stopped."""
    cache = Cache()
    show = shows(PAGE, way, cache)
    events: list[Event] = []
    callback = events.append
    stops = [cache.subscribe(callback), cache.subscribe(callback)]
    show(1)
    assert [type(event) for event in events] == [Miss, Miss, Stored, Stored]
    events.clear()
    stop, other = stops if leaves == "first" else reversed(stops)
    stop()
    stop()
    show(2)
    assert events == [Hit(ID)]
    other()
    show(3)
    assert events == [Hit(ID)]


def test_fragments_beyond_the_bound_count_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates of ever new strings take no memory; those that are known keep their own count."""
    monkeypatch.setattr("jinjacache.cache._MOST_FRAGMENTS", 3)
    env, cache = Environment(autoescape=True), Cache()
    cache.install(env)
    events: list[Event] = []

    def show(number: int, n: int) -> str:
        source = "{% cache 'x" + str(number) + "' %}{{ n }}{% endcache %}"
        return env.from_string(source).render(n=n)

    assert [show(number, number) for number in range(5)] == ["0", "1", "2", "3", "4"]
    cache.subscribe(events.append)
    assert [show(number, 9) for number in range(5)] == ["0", "1", "2", "3", "4"]
    counts = {
        fragment.name: (stats.hits, stats.misses, stats.stored)
        for fragment, stats in cache.stats().fragments.items()
    }
    assert counts == {
        "x0": (1, 1, 1),
        "x1": (1, 1, 1),
        "x2": (1, 1, 1),
        "further fragments": (2, 2, 2),
    }
    assert events == [Hit(FragmentId(None, name)) for name in [*counts, "further fragments"]]


def test_fragments_inside_are_told_of_first() -> None:
    """The outer one is missed first and stored last."""
    cache = Cache()
    source = "{% cache 'x' %}{% cache 'y' %}{% endcache %}{% endcache %}"
    show = shows(source, Way(is_async=False, autoescape=True), cache)
    told: list[tuple[type, str]] = []
    cache.subscribe(lambda event: told.append((type(event), event.fragment.name)))
    show(1)
    assert told == [(Miss, "x"), (Miss, "y"), (Stored, "y"), (Stored, "x")]


kinds = pytest.mark.parametrize("kind", [MemoryBackend, RecordingBackend])
Kind = type[MemoryBackend] | type[RecordingBackend]


@kinds
def test_number_of_key_variables_is_part_of_the_key(kind: Kind) -> None:
    """A fragment without any is not the one of the same body whose only one is none."""
    env = Environment(autoescape=True)
    Cache(kind()).install(env)
    body = "{{ v }}{% endcache %}"
    page = env.from_string(
        "{% cache 'x' %}" + body + "{% for v in [none] %}{% cache 'x', v %}" + body + "{% endfor %}"
    )
    assert page.render(v=1) == "1None"
    assert page.render(v=2) == "1None"


@ways
def test_key_may_be_too_large_as_a_whole(way: Way) -> None:
    """No single variable is named then, since each of them would do."""
    cache = Cache()
    env, _ = page_of("{% cache 'x', v, v %}{% endcache %}", way, cache)
    with pytest.raises(CacheKeyError, match=r"fragment 'x': .* over 65536 bytes"):
        render(env.get_template("page"), {"v": "x" * 40_000})
    assert cache.stats().misses == 0


@kinds
def test_names_of_ambient_variables_are_part_of_the_key(kind: Kind) -> None:
    """Two releases that vary by other things do not share what has the same value."""
    backend, way = kind(), Way(is_async=False, autoescape=True)
    by_country = shows(PAGE, way, Cache(backend, vary={"country": lambda: "de"}))
    by_language = shows(PAGE, way, Cache(backend, vary={"language": lambda: "de"}))
    assert [by_country(1), by_language(2)] == ["1", "2"]
    assert [by_country(3), by_language(4)] == ["1", "2"]


def test_overlay_may_have_a_cache_of_its_own() -> None:
    """Installing it there leaves the environment below as it is."""
    env = Environment(loader=DictLoader({"page": PAGE}), autoescape=True)
    below, above = Cache().install(env), Cache()
    overlay = env.overlay()
    above.install(overlay)
    assert [env.get_template("page").render(n=1), overlay.get_template("page").render(n=2)] == [
        "1",
        "2",
    ]
    assert (below.stats().misses, above.stats().misses) == (1, 1)


def test_closing_closes_the_backend() -> None:
    """Sockets and files are given back once."""
    backend = RecordingBackend()
    Cache(backend).close()
    assert [call.operation for call in backend.calls] == ["close"]
