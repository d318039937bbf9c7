"""A fragment that is being rendered knows itself, and what it learns holds around it too."""

import asyncio
import math
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from functools import partial

import pytest
from jinja2 import DictLoader, Environment, Undefined

from jinjacache import Cache, InvalidDuration, current_fragment
from jinjacache.entry import Entry
from jinjacache.recording import NO_MODES, SCOPE, Mode, Recording, Request, Scope
from jinjacache.rendering import Rendering
from jinjacache.stores import NullStore
from jinjacache.testing import ManualClock
from tests.support.stores import ID, journal, key


@pytest.fixture
def clock() -> ManualClock:
    """Return the clock of the recordings."""
    return ManualClock(100.0)


def recording(
    clock: ManualClock, outside: Scope | None = None, *, name: str = "k", timeout: float = 60.0
) -> Recording:
    """Return a fragment that began to be rendered just now."""
    one = Recording(key(name), timeout, journal(), clock, outside=outside)
    one.made_at = clock()
    return one


def lifetime(one: Recording, timeout: float) -> float:
    """Return how long it may be fresh where its tag says ``timeout``."""
    one.timeout = timeout
    return one.lifetime()


def bubble(one: Recording, timeout: float) -> None:
    """Let a fragment whose tag says ``timeout`` tell the one around it."""
    one.timeout = timeout
    one.bubble()


def test_without_bounds_a_fragment_has_its_own_timeout(clock: ManualClock) -> None:
    """Nothing that was told leaves everything as the tag says."""
    one = recording(clock)
    assert (one.unfit, one.outer, one.fragment) == (None, None, ID)
    assert lifetime(one, 60.0) == 60.0
    assert lifetime(one, math.inf) == math.inf


def test_fragment_is_as_old_as_the_beginning_of_its_body(clock: ManualClock) -> None:
    """What the look-up took does not count; the text and what the body took are written down."""
    one = Rendering(key(), 60.0, journal(), clock)
    assert one.begin(NullStore(clock)) is one
    clock.advance(1)
    with one as buffer:
        assert current_fragment() is one
        buffer += ["some ", "text"]
        clock.advance(2.5)
    assert (one.made_at, one.cost, one.text) == (101.0, 2.5, "some text")


def test_body_never_takes_less_than_no_time(clock: ManualClock) -> None:
    """A clock that is set back meanwhile does not make it so."""
    one = Rendering(key(), 60.0, journal(), clock)
    one.begin(NullStore(clock))
    with one:
        clock.advance(-5)
    assert one.cost == 0.0


def test_shortest_bound_counts_from_when_it_was_told(clock: ManualClock) -> None:
    """Ten seconds, told three seconds into the render, are thirteen of the entry's."""
    one = recording(clock)
    clock.advance(3)
    one.expire_within(10)
    one.expire_within(timedelta(minutes=1))
    one.expire_within(10.5)
    assert lifetime(one, 60.0) == 13.0
    assert lifetime(one, 5.0) == 5.0
    assert lifetime(one, math.inf) == 13.0


def test_bound_without_end_is_none(clock: ManualClock) -> None:
    """What never expires does not shorten anything."""
    one = recording(clock)
    one.bound(math.inf)
    assert lifetime(one, 60.0) == 60.0
    assert lifetime(one, math.inf) == math.inf


def test_expiry_at_once_leaves_no_time(clock: ManualClock) -> None:
    """Zero seconds are a duration."""
    one = recording(clock)
    one.expire_within(0)
    assert lifetime(one, 60.0) == 0.0


@pytest.mark.parametrize(
    "wrong",
    [-1, -0.5, math.nan, math.inf, True, "60", b"60", Undefined("x"), timedelta(-1), [60]],
    ids=repr,
)
def test_what_is_no_duration_is_refused(wrong: float, clock: ManualClock) -> None:
    """The error comes to the caller, and nothing is bounded by it."""
    one = recording(clock)
    with pytest.raises(InvalidDuration):
        one.expire_within(wrong)
    assert lifetime(one, 60.0) == 60.0


def test_time_that_is_left_bubbles_up(clock: ManualClock) -> None:
    """The fragment around lives no longer than the one inside."""
    outer = recording(clock)
    clock.advance(5)
    inner = recording(clock, outer)
    clock.advance(2)
    bubble(inner, 10.0)
    assert lifetime(outer, 60.0) == 15.0
    assert lifetime(inner, 10.0) == 10.0


def test_bounds_of_the_inner_bubble_too(clock: ManualClock) -> None:
    """What Python code told the inner one holds for both."""
    outer = recording(clock)
    inner = recording(clock, outer)
    inner.expire_within(7)
    bubble(inner, math.inf)
    assert lifetime(outer, 60.0) == 7.0


def test_inner_without_end_leaves_the_outer_its_time(clock: ManualClock) -> None:
    """A fragment that never expires shortens nothing around it."""
    outer = recording(clock)
    bubble(recording(clock, outer), math.inf)
    assert lifetime(outer, math.inf) == math.inf


def test_inner_that_expired_meanwhile_leaves_no_time(clock: ManualClock) -> None:
    """Its bound is now, not in the past."""
    outer = recording(clock)
    inner = recording(clock, outer)
    clock.advance(30)
    bubble(inner, 10.0)
    assert lifetime(outer, 60.0) == 30.0


def test_clocks_of_two_caches_need_not_agree(clock: ManualClock) -> None:
    """What bubbles is a length of time, not an instant."""
    outer = recording(clock)
    bubble(recording(ManualClock(5e9), outer), 10.0)
    assert lifetime(outer, 60.0) == 10.0


def test_skipping_bubbles_to_every_fragment_around(clock: ManualClock) -> None:
    """The reason comes along."""
    outer = recording(clock)
    middle = recording(clock, outer)
    inner = recording(clock, middle)
    inner.skip("a preview")
    bubble(inner, 10.0)
    bubble(middle, 10.0)
    assert (inner.unfit, middle.unfit, outer.unfit) == ("a preview",) * 3


def test_bubbling_ends_at_the_outermost(clock: ManualClock) -> None:
    """There is nobody to tell."""
    one = recording(clock)
    one.skip("a preview")
    bubble(one, 10.0)
    assert one.unfit == "a preview"


def test_keys_being_rendered_are_known(clock: ManualClock) -> None:
    """A fragment contains itself and what is around it, not what is inside of it."""
    outer = recording(clock, name="outer")
    inner = recording(clock, outer, name="inner")
    keys = [key(name).in_memory for name in ("outer", "inner", "other")]
    assert [inner.contains(one) for one in keys] == [True, True, False]
    assert [outer.contains(one) for one in keys] == [True, False, False]


def test_fragment_knows_what_is_around_it(clock: ManualClock) -> None:
    """The next fragment and the modes, through any number of blocks and fragments."""
    outer = recording(clock)
    modes = {object(): Mode.REFRESH}
    inner = recording(clock, Request(outer, modes))
    innermost = recording(clock, inner)
    assert (outer.outer, outer.modes) == (None, NO_MODES)
    assert (inner.outer, inner.modes) == (outer, modes)
    assert (innermost.outer, innermost.modes) == (inner, modes)
    assert [one.recording for one in (outer, inner, innermost)] == [outer, inner, innermost]


def test_fragment_admits_a_hit_and_lives_no_longer_than_it(clock: ManualClock) -> None:
    """Inside a fragment a hit counts with what is left of the shorter timeout."""
    one = recording(clock)
    entry = Entry("text", 0.0, 60.0)
    assert one.admits(entry, 50.0, 100.0)
    assert lifetime(one, 60.0) == 10.0
    assert one.admits(entry, 1.0, 5.0)
    assert lifetime(one, 60.0) == 4.0


def test_hit_from_the_future_counts_with_its_timeout(clock: ManualClock) -> None:
    """Where a clock was set back, the fragment around a hit is not given more than that."""
    one = recording(clock)
    assert one.admits(Entry("text", 130.0, 20.0), -30.0, 100.0)
    assert lifetime(one, 60.0) == 20.0


def test_place_with_a_mode_leaves_the_decision_to_the_policy(clock: ManualClock) -> None:
    """In a fragment or outside of any; nothing is bounded by it."""
    request = Request(recording(clock), {object(): Mode.BYPASS})
    assert request.recording is not None
    inner = recording(clock, request)
    for place in (request, inner):
        assert not place.admits(Entry("text", 0.0, 60.0), 1.0, 5.0)
    assert not Request(None, request.modes).admits(Entry("text", 0.0, 60.0), 1.0, 5.0)
    assert lifetime(request.recording, 60.0) == lifetime(inner, 60.0) == 60.0


def rendered(source: str, **context: object) -> str:
    """Return a page of its own environment and cache."""
    env = Environment(loader=DictLoader({"page": source}), autoescape=True)
    Cache().install(env)
    return env.get_template("page").render(context)


def name() -> str:
    """Return the name of the fragment that is being rendered."""
    fragment = current_fragment()
    return "-" if fragment is None else fragment.fragment.name


def test_current_fragment_is_the_innermost() -> None:
    """Before, between and after fragments it is the one that stands there, or none."""
    assert current_fragment() is None
    page = "{{ n() }}{% cache 'a' %}{{ n() }}{% cache 'b' %}{{ n() }}{% endcache %}{{ n() }}"
    assert rendered(page + "{% endcache %}{{ n() }}", n=name) == "-aba-"
    assert current_fragment() is None
    assert SCOPE.get() is None


def test_body_that_raises_leaves_no_current_fragment() -> None:
    """The place is given back however the body ends."""
    with pytest.raises(ZeroDivisionError):
        rendered("{% cache 'a' %}{% cache 'b' %}{{ 1 / 0 }}{% endcache %}{% endcache %}")
    assert current_fragment() is None


def in_thread(function: Callable[[], str]) -> str:
    """Call the function in a new thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_thread_sees_the_fragment_that_its_context_says() -> None:
    """A copied context brings it along; without one it is what Python makes of new threads."""
    inherited = "a" if getattr(sys.flags, "thread_inherit_context", 0) else "-"
    page = "{% cache 'a' %}{{ in_thread(n) }}{{ copied(n) }}{{ n() }}{% endcache %}"

    def copied(function: Callable[[], str]) -> str:
        return in_thread(partial(copy_context().run, function))

    text = rendered(page, n=name, in_thread=in_thread, copied=copied)
    assert text == inherited + "aa"


def test_threads_do_not_see_each_others_fragments() -> None:
    """Two pages that meet in the middle of their bodies each see their own."""
    meeting = threading.Barrier(2)

    def meet() -> str:
        before = name()
        meeting.wait(timeout=30)
        return before + name()

    pages = [
        "{% cache 'a' %}{{ meet() }}{% endcache %}",
        "{% cache 'b' %}{{ meet() }}{% endcache %}",
    ]
    with ThreadPoolExecutor(2) as pool:
        texts = list(pool.map(partial(rendered, meet=meet), pages))
    assert texts == ["aa", "bb"]


def asynchronously(source: str, **context: object) -> list[str]:
    """Render two pages at once in one loop."""
    env = Environment(enable_async=True, autoescape=True)
    Cache().install(env)

    async def both() -> list[str]:
        pages = [env.from_string(source.replace("NAME", name)) for name in "ab"]
        return await asyncio.gather(*[page.render_async(context) for page in pages])

    return asyncio.run(both())


def test_tasks_do_not_see_each_others_fragments() -> None:
    """Neither do two pages that are rendered in turns by one thread."""
    arrived: list[str] = []
    everyone = asyncio.Event()

    async def meet() -> str:
        arrived.append(name())
        if len(arrived) == 2:
            everyone.set()
        await everyone.wait()
        return name()

    texts = asynchronously("{% cache 'NAME' %}{{ meet() }}{% endcache %}", meet=meet)
    assert sorted(arrived) == texts == ["a", "b"]


def test_tasks_and_workers_that_a_body_starts_see_its_fragment() -> None:
    """What they tell of time holds for the body that started them."""

    async def ask() -> str:
        return name()

    async def task() -> str:
        return await asyncio.create_task(ask())

    async def worker() -> str:
        return await asyncio.to_thread(name)

    page = "{% cache 'NAME' %}{{ task() }}{{ worker() }}{% endcache %}{{ task() }}{{ worker() }}"
    assert asynchronously(page, task=task, worker=worker) == ["aa--", "bb--"]


def test_threads_of_a_body_may_all_shorten_it(clock: ManualClock) -> None:
    """Nothing that any of them tells is lost."""
    one = recording(clock)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one.expire_within, range(100, 1100)))
    assert lifetime(one, math.inf) == 100.0
