"""Off, bypass and refresh hold for one request, one cache and nothing else."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

import pytest

from jinjacache import Cache, CacheKeyError, current_fragment
from jinjacache.events import (
    Event,
    FragmentId,
    FragmentStats,
    Hit,
    KeyRefused,
    Miss,
    Stored,
)
from jinjacache.testing import Call, RecordingBackend
from tests.support.pages import Way, environment, render

ways = pytest.mark.parametrize(
    "way", [Way(is_async=a, autoescape=True) for a in (False, True)], ids=str
)
both = pytest.mark.parametrize("backend", ["memory://", "bytes"])
Block = Callable[[Cache], AbstractContextManager[None]]
NO_READ: dict[str, Block] = {"off": Cache.off, "bypass": Cache.bypass, "refresh": Cache.refresh}
no_read = pytest.mark.parametrize("mode", NO_READ)
ID = FragmentId("page", "x")


class Page:
    """One page over a cache; ``n`` counts its renders, and shows which of them made a fragment."""

    def __init__(self, way: Way, source: str, backend: str = "memory://") -> None:
        self.backend = RecordingBackend()
        self.cache = Cache(self.backend if backend == "bytes" else backend)
        self.environment = environment({"page": source}, way)
        self.cache.install(self.environment)
        self.n = 0

    def render(self, **context: object) -> str:
        """Render it once more."""
        self.n += 1
        return render(self.environment.get_template("page"), {"n": self.n, **context})


FLAT = "{% cache 'x' %}{{ n }}{% endcache %}"


@both
@ways
def test_off_and_bypass_neither_read_nor_store(way: Way, backend: str) -> None:
    """The content is rendered; what was stored before is served again afterwards."""
    page = Page(way, FLAT, backend)
    assert page.render() == "1"
    page.backend.forget()
    with page.cache.off():
        assert [page.render(), page.render()] == ["2", "3"]
    with page.cache.bypass():
        assert [page.render(), page.render()] == ["4", "5"]
    assert page.backend.calls == []
    assert page.render() == "1"


@both
@ways
def test_refresh_stores_what_it_renders(way: Way, backend: str) -> None:
    """It reads no entry; afterwards the new one is served."""
    page = Page(way, FLAT, backend)
    assert page.render() == "1"
    with page.cache.refresh():
        assert [page.render(), page.render()] == ["2", "3"]
    assert page.render() == "3"


@ways
def test_refresh_asks_for_the_token_alone(way: Way) -> None:
    """Nothing but what is needed to store goes over the wire."""
    page = Page(way, FLAT, "bytes")
    with page.cache.refresh():
        page.render()
    key = page.cache.fragment(page.environment, "page", "x").key()
    token = page.backend.calls[0].keys
    assert key not in token
    assert page.backend.calls == [
        Call("get_many", token),
        Call("add", token),
        Call("set_many", (key,)),
    ]


@ways
def test_modes_are_told_and_counted_apart(way: Way) -> None:
    """Off tells nothing, a bypass and a refresh say why the body was rendered."""
    page = Page(way, FLAT)
    events: list[Event] = []
    page.cache.subscribe(events.append)
    with page.cache.off():
        page.render()
    assert events == []
    assert (page.cache.stats().misses, page.cache.stats().errors) == (0, 0)
    with page.cache.bypass():
        page.render()
    with page.cache.refresh():
        page.render()
    page.render()
    stored = events.pop(2)
    assert isinstance(stored, Stored)
    assert events == [Miss(ID, "bypass"), Miss(ID, "refresh"), Hit(ID)]
    assert (page.cache.stats().hits, page.cache.stats().misses) == (1, 2)


def refusing(page: Page) -> list[Event]:
    """Have the page render where a key cannot be made, and return what will be told."""
    page.cache = Cache(on_key_error="render").install(page.environment)
    events: list[Event] = []
    page.cache.subscribe(events.append)
    return events


@pytest.mark.parametrize("means", ["off", "disabled"])
@ways
def test_off_does_not_count_a_refused_key(way: Way, means: str) -> None:
    """Nor does a cache that is disabled; the body is rendered, and nobody is told."""
    page = Page(way, "{% cache 'x', v %}{{ n }}{% endcache %}")
    events = refusing(page)
    page.cache.enabled = means != "disabled"
    with page.cache.off() if means == "off" else nullcontext():
        assert [page.render(v=object()), page.render(v=object())] == ["1", "2"]
    assert page.cache.stats().fragments == {ID: FragmentStats()}
    assert events == []


@pytest.mark.parametrize("mode", ["bypass", "refresh", "ordinary"])
@ways
def test_refused_key_is_counted_in_every_other_mode(way: Way, mode: str) -> None:
    """Once for each render, as an error and as neither hit nor miss."""
    page = Page(way, "{% cache 'x', v %}{{ n }}{% endcache %}")
    events = refusing(page)
    with NO_READ.get(mode, without_a_mode)(page.cache):
        assert [page.render(v=object()), page.render(v=object())] == ["1", "2"]
    assert page.cache.stats().fragments == {ID: FragmentStats(errors=2)}
    assert [type(event) for event in events] == [KeyRefused, KeyRefused]


NESTED = "{% cache 'a' %}{{ n }}{% cache 'b' %}{{ n }}{% endcache %}{% endcache %}"


@ways
def test_modes_hold_for_nested_fragments(way: Way) -> None:
    """Every fragment of the page is rendered afresh, and a refresh stores all of them."""
    page = Page(way, NESTED)
    assert page.render() == "11"
    with page.cache.bypass():
        assert page.render() == "22"
    assert page.render() == "11"
    with page.cache.refresh():
        assert page.render() == "44"
    assert page.render() == "44"
    page.cache.fragment(page.environment, "page", "a").delete()
    assert page.render() == "64"


@ways
def test_blocks_nest_and_the_innermost_counts(way: Way) -> None:
    """Leaving one gives back the one around it."""
    page = Page(way, FLAT)
    page.render()
    with page.cache.bypass():
        with page.cache.refresh():
            assert page.render() == "2"
        assert page.render() == "3"
        with page.cache.off():
            assert page.render() == "4"
    assert page.render() == "2"


@no_read
@ways
def test_exception_inside_ends_the_mode(way: Way, mode: str) -> None:
    """Whatever ends the block, the next request is an ordinary one."""
    page = Page(way, "{% cache 'x' %}{{ n }}{{ 1 // d }}{% endcache %}")
    assert page.render(d=1) == "11"
    with pytest.raises(ZeroDivisionError), NO_READ[mode](page.cache):
        page.render(d=0)
    assert page.render(d=0) == "11"
    assert current_fragment() is None


@no_read
def test_mode_holds_for_its_thread_alone(mode: str) -> None:
    """Another thread is served meanwhile."""
    page = Page(Way(is_async=False, autoescape=True), FLAT)
    page.render()
    inside, outside = threading.Event(), threading.Event()

    def afresh() -> str:
        with NO_READ[mode](page.cache):
            inside.set()
            outside.wait(timeout=30)
            return page.environment.get_template("page").render(n="fresh")

    def served() -> str:
        inside.wait(timeout=30)
        text = page.environment.get_template("page").render(n="other")
        outside.set()
        return text

    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(afresh), pool.submit(served)]
        assert [result.result() for result in results] == ["fresh", "1"]


@no_read
def test_mode_holds_for_its_task_alone(mode: str) -> None:
    """Another task of the same loop is served meanwhile; one that it starts is not."""
    page = Page(Way(is_async=True, autoescape=True), FLAT)
    page.render()
    template = page.environment.get_template("page")

    async def both_at_once() -> list[str]:
        inside, outside = asyncio.Event(), asyncio.Event()

        async def afresh() -> str:
            with NO_READ[mode](page.cache):
                inside.set()
                await outside.wait()
                return await asyncio.create_task(template.render_async(n="fresh"))

        async def served() -> str:
            await inside.wait()
            text = await template.render_async(n="other")
            outside.set()
            return text

        return list(await asyncio.gather(afresh(), served()))

    assert asyncio.run(both_at_once()) == ["fresh", "1"]


@no_read
@ways
def test_mode_of_one_cache_leaves_another_alone(way: Way, mode: str) -> None:
    """On a page with two caches, the other one serves."""
    page = Page(
        way, "{% cache 'x' %}{{ n }}{% endcache %}{% cache 'y', using='b' %}{{ n }}{% endcache %}"
    )
    Cache().install(page.environment, alias="b")
    assert page.render() == "11"
    with NO_READ[mode](page.cache):
        assert page.render() == "21"


@ways
def test_each_cache_of_a_page_has_its_own_mode(way: Way) -> None:
    """One is bypassed while the other is refreshed, and each ends by itself."""
    source = FLAT + "{% cache 'y', using='b' %}{{ n }}{% endcache %}"
    page, other = Page(way, source), Cache()
    other.install(page.environment, alias="b")
    assert page.render() == "11"
    with page.cache.bypass():
        with other.refresh():
            assert page.render() == "22"
        assert page.render() == "32"
    assert page.render() == "12"


@both
@ways
def test_disabled_cache_renders_and_touches_nothing(way: Way, backend: str) -> None:
    """Switched on again, it serves what it had."""
    page = Page(way, FLAT, backend)
    page.render()
    page.backend.forget()
    page.cache.enabled = False
    assert not page.cache.enabled
    assert [page.render(), page.render()] == ["2", "3"]
    with page.cache.refresh():
        assert page.render() == "4"
    assert page.backend.calls == []
    page.cache.enabled = True
    assert page.render() == "1"
    assert (page.cache.stats().hits, page.cache.stats().misses) == (1, 1)


WITHOUT_A_CACHE: dict[str, Callable[[], Cache]] = {
    "null": lambda: Cache("null://"),
    "disabled": lambda: Cache(enabled=False),
    "disabled bytes": lambda: Cache(RecordingBackend(), enabled=False),
}


@pytest.mark.parametrize("setup", WITHOUT_A_CACHE)
@ways
def test_content_is_rendered_where_nothing_is_cached(way: Way, setup: str) -> None:
    """A page without a cache is a page, nested fragments and all."""
    page = Page(way, NESTED + "{% cache 'c', n %}<{{ n }}>{% endcache %}")
    page.cache = WITHOUT_A_CACHE[setup]().install(page.environment)
    assert [page.render(), page.render()] == ["11<1>", "22<2>"]
    assert page.cache.stats().hits == 0


@pytest.mark.parametrize("mode", [*WITHOUT_A_CACHE, *NO_READ, "ordinary"])
@ways
def test_wrong_keys_are_errors_everywhere(way: Way, mode: str) -> None:
    """A set-up or a request without a cache does not hide a bug."""
    page = Page(way, "{% cache 'x', v %}{{ n }}{% endcache %}")
    if mode in WITHOUT_A_CACHE:
        page.cache = WITHOUT_A_CACHE[mode]().install(page.environment)
    with NO_READ.get(mode, without_a_mode)(page.cache), pytest.raises(CacheKeyError) as refusal:
        page.render(v=object())
    assert str(refusal.value).startswith("page, line 1: fragment 'x': key variable 1: object has")


def without_a_mode(_: Cache) -> AbstractContextManager[None]:
    """Leave the cache as it is."""
    return nullcontext()
