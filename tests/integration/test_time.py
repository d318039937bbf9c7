"""A fragment is never served past its time, nor past the time of anything nested in it."""

import math
from datetime import timedelta

import pytest
from jinja2 import Environment

from jinjacache import Cache, CacheKeyError, InvalidDuration, current_fragment
from jinjacache.testing import ManualClock
from tests.support.pages import WAYS, Way, environment, render

ways = pytest.mark.parametrize("way", WAYS, ids=str)
DAY = 86_400.0
WRONG: list[object] = [
    *[-1, -0.5, True, math.nan, math.inf, "60", b"60", [60], {}],
    timedelta(seconds=-1),
]
wrong_timeouts = pytest.mark.parametrize(
    "timeout", WRONG, ids=lambda value: f"{type(value).__name__}-{str(value)[:8]}"
)


class Page:
    """One template over a cache whose clock the test moves; ``n`` counts its renders."""

    def __init__(self, source: str, way: Way = WAYS[0], **options: object) -> None:
        self.clock = ManualClock()
        self.environment = environment({"page": source}, way)
        self.cache = Cache(clock=self.clock, **options).install(self.environment)  # type: ignore[arg-type]
        self.n = 0

    def render(self, **context: object) -> str:
        """Render it once more."""
        self.n += 1
        return render(self.environment.get_template("page"), {"n": self.n, **context})

    def after(self, seconds: float, **context: object) -> str:
        """Render it once more, later."""
        self.clock.advance(seconds)
        return self.render(**context)


@ways
def test_default_timeout_counts_where_none_is_named(way: Way) -> None:
    """A fragment without a timeout lives as long as the cache says, to the end and no longer."""
    page = Page("{% cache 'x' %}{{ n }}{% endcache %}", way, timeout=10)
    assert page.render() == "1"
    assert page.after(9.999) == "1"
    assert page.after(0.001) == "3"


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        ("0.2", 0.2),
        ("31 * 86400", 31 * 86400),
        ("20 * 365 * 86400", 20 * 365 * 86400),
        ("t", 90.0),
    ],
)
@ways
def test_timeouts_are_exact(timeout: str, seconds: float, way: Way) -> None:
    """Fractions of a second, a month, 20 years and a timedelta are kept as they are."""
    page = Page("{% cache 'x', timeout=" + timeout + " %}{{ n }}{% endcache %}", way, timeout=5)
    delta = timedelta(minutes=1, seconds=30)
    assert page.render(t=delta) == "1"
    assert page.after(seconds * 0.999, t=delta) == "1"
    assert page.after(seconds * 0.001 + 1e-3, t=delta) == "3"


@pytest.mark.parametrize("timeout", [5, 0.25, timedelta(seconds=5)])
def test_default_timeout_takes_every_form(timeout: float | timedelta) -> None:
    """``Cache(timeout=…)`` takes an int, a float or a timedelta."""
    page = Page("{% cache 'x' %}{{ n }}{% endcache %}", timeout=timeout)
    assert page.render() == "1"
    assert page.after(0.2) == "1"
    assert page.after(5) == "3"


@ways
@pytest.mark.parametrize("page", ["{% cache 'x', timeout=none %}", "{% cache 'x', timeout=t %}"])
def test_none_never_expires(page: str, way: Way) -> None:
    """``none`` is no expiry, as a literal and as a value."""
    never = Page(page + "{{ n }}{% endcache %}", way, timeout=5)
    assert never.render(t=None) == "1"
    assert never.after(100 * 365 * 86400, t=None) == "1"


def test_default_of_none_never_expires() -> None:
    """``Cache(timeout=None)`` is no expiry for everything that names none."""
    page = Page("{% cache 'x' %}{{ n }}{% endcache %}", timeout=None)
    assert page.render() == "1"
    assert page.after(100 * 365 * 86400) == "1"


@ways
@pytest.mark.parametrize("tag", ["cache 'x', timeout=0", "cache 'x', timeout=t", "cache 'x'"])
def test_zero_renders_and_touches_nothing(tag: str, way: Way) -> None:
    """A timeout of 0 neither reads nor stores."""
    default = 0 if tag == "cache 'x'" else 300
    page = Page("{% " + tag + " %}{{ n }}{% endcache %}", way, timeout=default)
    assert [page.render(t=0), page.render(t=0.0)] == ["1", "2"]
    (stats,) = page.cache.stats().fragments.values()
    assert (stats.hits, stats.misses, stats.stored) == (0, 0, 0)


@ways
@wrong_timeouts
def test_wrong_timeout_of_a_tag_stops_the_page(timeout: object, way: Way) -> None:
    """A timeout that is none says so, with the place of the tag, before the body runs."""
    page = Page("\n{% cache 'x', timeout=t %}{{ ran.append(1) }}{% endcache %}", way)
    ran: list[int] = []
    with pytest.raises(InvalidDuration, match="page, line 2: fragment 'x': timeout"):
        page.render(t=timeout, ran=ran)
    assert ran == []


@wrong_timeouts
def test_wrong_default_timeout_is_refused(timeout: object) -> None:
    """``Cache(timeout=…)`` is checked when the cache is made."""
    with pytest.raises(InvalidDuration, match="timeout"):
        Cache(timeout=timeout)  # type: ignore[arg-type]


def test_undefined_timeout_stops_the_page() -> None:
    """A misspelt name is no default."""
    with pytest.raises(CacheKeyError, match="timeout is undefined"):
        Page("{% cache 'x', timeout=misspelt %}{% endcache %}").render()


def test_a_shorter_timeout_holds_for_what_is_stored() -> None:
    """After an edit a shorter timeout holds at once, a longer one for new entries."""
    clock = ManualClock()
    cache = Cache(clock=clock)
    env = Environment(autoescape=True)
    cache.install(env)
    edits = {
        t: env.from_string("{% cache 'x', timeout=" + str(t) + " %}{{ n }}{% endcache %}")
        for t in (10, 100, 1000)
    }
    assert edits[100].render(n=1) == "1"
    clock.advance(10)
    assert edits[100].render(n=2) == "1"
    assert edits[10].render(n=3) == "3"
    clock.advance(20)
    assert edits[1000].render(n=4) == "4"


@ways
def test_fragment_lives_no_longer_than_what_is_nested_in_it(way: Way) -> None:
    """An hour around ten seconds lives ten seconds, on a miss of both."""
    page = Page(
        "{% cache 'a', timeout=3600 %}{{ n }}{% cache 'b', timeout=10 %}-{{ n }}{% endcache %}"
        "{% endcache %}",
        way,
    )
    assert page.render() == "1-1"
    assert page.after(9.9) == "1-1"
    assert page.after(0.2) == "3-3"


@ways
@pytest.mark.parametrize("around", ["{% include 'part' %}", "{% from 'part' import m %}{{ m() }}"])
def test_time_bubbles_through_includes_and_macros(around: str, way: Way) -> None:
    """Where the nested fragment stands makes no difference."""
    clock = ManualClock()
    inner = "{% cache 'b', timeout=10 %}b{% endcache %}"
    part = "{% macro m() %}" + inner + "{% endmacro %}" + inner
    page = "{% cache 'a', timeout=3600 %}{{ n }}" + around + "{% endcache %}"
    env = environment({"page": page, "part": part}, way)
    Cache(clock=clock).install(env)
    template = env.get_template("page")
    assert render(template, {"n": 1}) == "1b"
    clock.advance(10)
    assert render(template, {"n": 2}) == "2b"


@ways
def test_nested_hit_counts_with_what_is_left_of_it(way: Way) -> None:
    """An inner entry with 3 seconds left gives the outer fragment 3 seconds."""
    page = Page(
        "{% cache 'b', timeout=10 %}b{{ n }}{% endcache %}{% if outer %}"
        "{% cache 'a', timeout=3600 %}a{{ n }}{% cache 'b', timeout=10 %}b{{ n }}{% endcache %}"
        "{% endcache %}{% endif %}",
        way,
    )
    assert page.render(outer=False) == "b1"
    assert page.after(7, outer=True) == "b1a2b1"
    assert page.after(2.9, outer=True) == "b1a2b1"
    assert page.after(0.2, outer=True) == "b4a4b4"


@ways
def test_outer_fragment_can_be_the_shorter_one(way: Way) -> None:
    """Time bubbles up, not down."""
    page = Page(
        "{% cache 'a', timeout=1 %}{{ n }}{% cache 'b', timeout=10 %}-{{ n }}{% endcache %}"
        "{% endcache %}",
        way,
    )
    assert page.render() == "1-1"
    assert page.after(1) == "2-1"


@ways
def test_python_code_can_shorten_a_fragment(way: Way) -> None:
    """``current_fragment().expire_within`` holds for the fragment and for those around it."""

    def price() -> str:
        fragment = current_fragment()
        assert fragment is not None
        fragment.expire_within(timedelta(seconds=5))
        fragment.expire_within(50)
        return "9"

    page = Page(
        "{% cache 'a' %}{{ n }}{% cache 'b' %}{{ n }}{{ price() }}{% endcache %}{% endcache %}", way
    )
    assert page.render(price=price) == "119"
    assert page.after(4.9, price=price) == "119"
    assert page.after(0.2, price=price) == "339"


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize(
    ("back", "is_served"), [(0.0, True), (30.0, True), (60.0, True), (60.5, False), (DAY, False)]
)
@ways
def test_clock_that_is_set_back_means_the_same_on_every_way(
    back: float, way: Way, *, is_served: bool, heard: bool
) -> None:
    """A minute is forgiven, a day is not: by a hit at hand, by one that is told, by a handle."""
    page = Page("{% cache 'x' %}{{ n }}{% endcache %}", way)
    told: list[str] = []
    if heard:
        page.cache.subscribe(lambda event: told.append(type(event).__name__))
    assert page.render() == "1"
    page.clock.advance(-back)
    assert page.cache.fragment(page.environment, "page", "x").is_cached() is is_served
    assert page.render() == ("1" if is_served else "2")
    assert page.cache.stats().hits == is_served
    assert told[2:3] == (["Hit" if is_served else "Miss"] if heard else [])


@pytest.mark.parametrize("heard", [False, True])
@ways
def test_hit_that_a_clock_set_back_makes_younger_gives_no_more_than_its_timeout(
    way: Way, *, heard: bool
) -> None:
    """A fragment around an entry from half a minute ahead lives no longer than a new one would."""
    page = Page(
        "{% cache 'b', timeout=60 %}b{{ n }}{% endcache %}{% if outer %}"
        "{% cache 'a', timeout=3600 %}a{{ n }}{% cache 'b', timeout=60 %}b{{ n }}{% endcache %}"
        "{% endcache %}{% endif %}",
        way,
    )
    if heard:
        page.cache.subscribe(lambda _: None)
    assert page.render(outer=False) == "b1"
    assert page.after(-30, outer=True) == "b1a2b1"
    assert page.after(59.9, outer=True) == "b1a2b1"
    assert page.after(0.2, outer=True) == "b1a4b1"


@pytest.mark.parametrize("heard", [False, True])
@ways
def test_zero_serves_nothing_whatever_the_clock_says(way: Way, *, heard: bool) -> None:
    """Not even an entry that, since the clock was set back, is still to be made."""
    page = Page("{% cache 'x', timeout=t %}{{ n }}{% endcache %}", way)
    if heard:
        page.cache.subscribe(lambda _: None)
    assert page.render(t=60) == "1"
    assert page.after(-30, t=0) == "2"
    assert page.render(t=60) == "1"


def test_what_expires_while_it_is_rendered_is_not_stored() -> None:
    """A body that takes longer than its timeout gives its page, and no entry."""
    page = Page("{% cache 'x', timeout=5 %}{{ n }}{{ wait() }}{% endcache %}")

    def wait() -> str:
        page.clock.advance(6)
        return ""

    assert page.render(wait=wait) == "1"
    assert page.render(wait=wait) == "2"
    nested = Page(
        "{% cache 'a' %}{{ n }}{% cache 'b', timeout=5 %}{% endcache %}{{ wait() }}{% endcache %}"
    )

    def wait_there() -> str:
        nested.clock.advance(6)
        return ""

    assert nested.render(wait=wait_there) == "1"
    assert nested.render(wait=wait_there) == "2"
    stats = nested.cache.stats().fragments
    assert {fragment.name: count.stored for fragment, count in stats.items()} == {"a": 0, "b": 2}


def test_time_counts_from_the_beginning_of_the_render() -> None:
    """What was read when the render began is that old, however long the render took."""
    page = Page("{% cache 'x', timeout=10 %}{{ n }}{{ wait() }}{% endcache %}")

    def wait() -> str:
        page.clock.advance(6)
        return ""

    assert page.render(wait=wait) == "1"
    assert page.after(3.9, wait=wait) == "1"
    assert page.after(0.2, wait=wait) == "3"
