"""Whatever a backend does, the page is the uncached page, and each body is rendered once."""

import asyncio
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence

import pytest
from jinja2 import Environment

from jinjacache import BackendError, Cache, current_fragment
from jinjacache.backends.protocol import Found
from jinjacache.events import Event
from jinjacache.testing import OPERATIONS, FailingBackend, RecordingBackend
from tests.support.pages import Way, environment, render, without_fragments

ways = pytest.mark.parametrize(
    "way", [Way(is_async=a, autoescape=True) for a in (False, True)], ids=str
)
errors = pytest.mark.parametrize("kind", [BackendError, OSError, RuntimeError, KeyError])
PATIENCE = 20  # seconds until a loop counts as blocked

TEMPLATES = {
    "page": "{% cache 'shelf' %}{{ ran('shelf') }}{% for n in numbers %}"
    "{% cache 'card', n %}{{ ran('card') }}{{ n }}{{ html }}"
    "{% cache 'price', n, html %}{{ ran('price') }}{{ n * 3 }}{% endcache %}"
    "{% endcache %}{% endfor %}{% endcache %}|{% include 'part' %}|"
    "{% cache 'foot', timeout=none %}{{ ran('foot') }}{{ html }}{% endcache %}",
    "part": "{% cache 'part', [1, html] %}{{ ran('part') }}<i>né</i>{% endcache %}",
}
BODIES = ["shelf", "card", "price", "card", "price", "part", "foot"]


class FailsAt(RecordingBackend):
    """Fail at the call of one number, counted from 1."""

    def __init__(self, number: int, error: BaseException) -> None:
        super().__init__()
        self._number = number
        self._error = error

    def _before(self, operation: str, keys: Iterable[str], /) -> None:
        super()._before(operation, keys)
        if len(self.calls) == self._number:
            raise self._error


class Page:
    """One page, and the names of the bodies that were rendered for it."""

    def __init__(self, templates: Mapping[str, str], way: Way, cache: Cache | None = None) -> None:
        self._environment = environment(templates, way)
        if cache is not None:
            cache.install(self._environment)
        self.ran: list[str] = []

    def render(self) -> str:
        """Render it once, noting the bodies anew."""
        self.ran.clear()
        return render(self._environment.get_template("page"), self._context())

    def render_twice(self) -> list[str]:
        """Render it cold, then warm."""
        return [self.render(), self.render()]

    def _context(self) -> dict[str, object]:
        return {"numbers": [1, 2], "html": "<&>", "ran": self._note}

    def _note(self, name: str) -> str:
        self.ran.append(name)
        return ""


def uncached(way: Way) -> str:
    """Return the uncached page."""
    plain = {name: without_fragments(source) for name, source in TEMPLATES.items()}
    page = Page(plain, way)
    text = page.render()
    assert page.ran == BODIES
    return text


def calls_of_a_cold_and_a_warm_page(way: Way) -> int:
    """Return how often a healthy backend is called for two pages."""
    backend = RecordingBackend()
    page = Page(TEMPLATES, way, Cache(backend))
    page.render()
    page.render()
    assert page.ran == []
    return len(backend.calls)


@errors
@ways
def test_failure_of_any_single_call_does_not_reach_the_page(
    way: Way, kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """Cold and warm, with the failure at each call in turn: counted, logged, one body more."""
    expected = uncached(way)
    calls = calls_of_a_cold_and_a_warm_page(way)
    assert calls > 15
    for number in range(1, calls + 1):
        caplog.clear()
        cache = Cache(FailsAt(number, kind("down")))
        page = Page(TEMPLATES, way, cache)
        with caplog.at_level(logging.WARNING, "jinjacache"):
            assert page.render() == expected
            assert page.ran == BODIES
            assert page.render() == expected
        assert len(page.ran) <= 1
        assert cache.stats().errors == 1
        assert len(caplog.records) == 1
        assert kind.__name__ in caplog.text
        assert "down" not in caplog.text
        assert page.render() == expected
        assert page.ran == []


@errors
@pytest.mark.parametrize("operations", [[operation] for operation in OPERATIONS] + [OPERATIONS])
@ways
def test_operation_that_always_fails_does_not_reach_the_page(
    way: Way, operations: Sequence[str], kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """Each body is rendered once for each page; a fault that lasts is one line."""
    needed = not {"get_many", "set_many", "add"}.isdisjoint(operations)
    cache = Cache(FailingBackend(error=kind("down"), operations=operations))
    page = Page(TEMPLATES, way, cache)
    with caplog.at_level(logging.WARNING, "jinjacache"):
        for first in (True, False, False):
            assert page.render() == uncached(way)
            assert page.ran == (BODIES if first or needed else [])
    assert (cache.stats().errors > 0) is needed
    assert len(caplog.records) == needed


@ways
def test_cache_works_again_when_its_backend_does(way: Way) -> None:
    """No failure is remembered."""
    backend = FailingBackend()
    page = Page(TEMPLATES, way, Cache(backend))
    page.render()
    backend.failing = False
    page.render()
    assert page.ran == BODIES
    page.render()
    assert page.ran == []


class Interruption(BaseException):
    """Stand for what no `except Exception` may stop, such as a greenlet's timeout."""


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, Interruption])
@ways
def test_interruption_passes_through(way: Way, kind: type[BaseException]) -> None:
    """At whatever call it comes, nothing stays behind and the next page is right."""
    expected = uncached(way)
    for number in range(1, calls_of_a_cold_and_a_warm_page(way) + 1):
        cache = Cache(FailsAt(number, kind()))
        page = Page(TEMPLATES, way, cache)
        with pytest.raises(kind):
            page.render_twice()
        assert current_fragment() is None
        assert page.render() == expected
        assert cache.stats().errors == 0


@ways
def test_subscriber_that_raises_does_not_reach_the_page(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, beside the one line on the backend; others are told all the same."""

    def broken(event: Event) -> None:
        raise ValueError(event)

    cache = Cache(FailingBackend())
    told: list[Event] = []
    cache.subscribe(broken)
    cache.subscribe(told.append)
    page = Page(TEMPLATES, way, cache)
    with caplog.at_level(logging.WARNING, "jinjacache"):
        assert page.render() == uncached(way)
        assert page.render() == uncached(way)
    assert page.ran == BODIES
    assert len(told) == 2 * 2 * len(BODIES)
    assert [record.message.partition(" ")[0] for record in caplog.records] == ["fragment", "a"]


class Slow(RecordingBackend):
    """Answer a read and a write only when the event loop has said so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = [threading.Event(), threading.Event()]
        self.released = [threading.Event(), threading.Event()]
        self.in_time: list[bool] = []

    def get_many(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Wait, then read."""
        self._wait(0)
        return super().get_many(keys)

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Wait, then store."""
        self._wait(1)
        super().set_many(items, expires_in)

    def _wait(self, which: int) -> None:
        self.asked[which].set()
        self.in_time.append(self.released[which].wait(PATIENCE))


def test_slow_backend_does_not_block_the_loop() -> None:
    """While a worker thread waits for it, the loop goes on; here to say that it may answer."""
    backend = Slow()
    env = Environment(enable_async=True, autoescape=True)
    Cache(backend).install(env)
    template = env.from_string("{% cache 'x' %}text{% endcache %}")

    async def page() -> str:
        task = asyncio.create_task(template.render_async())
        for asked, released in zip(backend.asked, backend.released, strict=True):
            await asyncio.to_thread(asked.wait, PATIENCE)
            released.set()
        return await task

    assert asyncio.run(page()) == "text"
    assert backend.in_time == [True, True]
