"""What happens around a body: it runs once, errors stay themselves, nothing is left behind."""

import asyncio
import gc
import threading
import traceback
from collections.abc import Iterator

import pytest
from jinja2 import Environment, TemplateRuntimeError, UndefinedError

from jinjacache import Cache, current_fragment
from jinjacache.events import Event, NotStored
from jinjacache.recording import SCOPE
from tests.support.pages import WAYS, Way, environment, render

ways = pytest.mark.parametrize("way", WAYS, ids=str)


class Failing:
    """A function for templates that counts its calls and fails while it is told to."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.failing = True
        self.calls = 0

    def __call__(self) -> str:
        """Count, and fail or not."""
        self.calls += 1
        if self.failing:
            raise self.error
        return "fine"


@ways
def test_empty_fragment_is_a_hit(way: Way) -> None:
    """No text is text: it is stored, and served."""
    env = environment({"page": "[{% cache 'x' %}{{ f() }}{% endcache %}]"}, way)
    cache = Cache().install(env)
    empty = Failing(ValueError())
    assert render(env.get_template("page"), {"f": lambda: ""}) == "[]"
    assert render(env.get_template("page"), {"f": empty}) == "[]"
    assert empty.calls == 0
    assert cache.stats().hits == 1


@ways
@pytest.mark.parametrize(
    "error",
    [
        ValueError("boom"),
        KeyError("k"),
        TemplateRuntimeError("t"),
        KeyboardInterrupt(),
        SystemExit(3),
    ],
    ids=lambda error: type(error).__name__,
)
def test_body_that_raises_runs_once_and_leaves_nothing(error: BaseException, way: Way) -> None:
    """The error is the body's own; nothing is stored; the next render begins afresh."""
    page = "\n{% cache 'a' %}{% cache 'b' %}\n{{ f() }}{% endcache %}{% endcache %}"
    env = environment({"page": page}, way)
    cache = Cache().install(env)
    failing = Failing(error)
    template = env.get_template("page")
    with pytest.raises(type(error)) as raised:
        render(template, {"f": failing})
    assert raised.value is error
    assert failing.calls == 1
    assert SCOPE.get() is None
    failing.failing = False
    assert render(template, {"f": failing}).strip() == "fine"
    assert failing.calls == 2
    assert cache.stats().hits == 0


@ways
def test_traceback_shows_the_line_of_the_template(way: Way) -> None:
    """The innermost frames are the template's own line and the function it called."""
    page = "one\n{% cache 'a' %}\nthree\n{{ f() }}\n{% endcache %}"
    env = environment({"page": page}, way)
    Cache().install(env)
    with pytest.raises(ValueError, match="boom") as raised:
        render(env.get_template("page"), {"f": Failing(ValueError("boom"))})
    lines = [
        f.lineno
        for f in traceback.extract_tb(raised.value.__traceback__)
        if "template" in f.filename
    ]
    assert lines[-1] == 4
    names = [frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert not [name for name in names if "jinjacache/r" in name]


@ways
def test_error_of_the_template_keeps_its_message(way: Way) -> None:
    """What is undefined in a body is reported as without the cache."""
    page = "{% cache 'a' %}{{ nope.attribute }}{% endcache %}"
    env = environment({"page": page}, way)
    Cache().install(env)
    with pytest.raises(UndefinedError, match="'nope' is undefined"):
        render(env.get_template("page"), {})


def test_abandoned_generate_leaves_nothing_behind() -> None:
    """A page that is given up between two pieces has no fragment open."""
    env = Environment()
    cache = Cache().install(env)
    template = env.from_string("a{% cache 'x' %}b{% endcache %}c{% cache 'y' %}d{% endcache %}")
    pieces: Iterator[str] = template.generate()
    assert [next(pieces), next(pieces)] == ["a", "b"]
    del pieces
    gc.collect()
    assert SCOPE.get() is None
    assert template.render() == "abcd"
    assert cache.stats().hits == 1


def test_cancelled_render_leaves_nothing_behind() -> None:
    """Cancelling a task in a body stores nothing, and the next render has its own turn."""
    env = Environment(enable_async=True)
    cache = Cache().install(env)
    template = env.from_string("{% cache 'x' %}{{ wait() }}{% endcache %}")

    async def story() -> str:
        reached, never = asyncio.Event(), asyncio.Event()

        async def wait() -> str:
            reached.set()
            await never.wait()
            return ""

        async def quick() -> str:
            return "fine"

        task = asyncio.create_task(template.render_async(wait=wait))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await template.render_async(wait=quick)

    assert asyncio.run(story()) == "fine"
    assert cache.stats().hits == 0


def test_tasks_do_not_see_each_others_fragments() -> None:
    """Fifty interleaved renders, each in its own fragment, come out each as its own."""
    env = Environment(enable_async=True)
    Cache().install(env)
    template = env.from_string(
        "{% cache 'o', n %}<{{ step(n) }}{% cache 'i', n %}{{ step(n) }}{% endcache %}>"
        "{% endcache %}"
    )

    async def step(n: int) -> str:
        for _ in range(n % 5):
            await asyncio.sleep(0)
        fragment = current_fragment()
        assert fragment is not None
        return f"{n}{fragment.fragment.name}"

    async def pages() -> list[str]:
        return await asyncio.gather(*[template.render_async(n=n, step=step) for n in range(50)])

    assert asyncio.run(pages()) == [f"<{n}o{n}i>" for n in range(50)]


def test_fragments_in_opposite_order_do_not_wait_for_each_other() -> None:
    """Thread 1 renders A around B, thread 2 B around A, each in the middle of the other's."""
    env = Environment()
    Cache().install(env)
    both = threading.Barrier(2, timeout=20)

    def meet() -> str:
        both.wait()
        return ""

    a, b = "{% cache 'a', 1 %}a", "{% cache 'b', 1 %}b"
    end = "{% endcache %}"
    first = env.from_string(f"{a}{{{{ meet() }}}}{b}{end}{end}")
    second = env.from_string(f"{b}{{{{ meet() }}}}{a}{end}{end}")
    pages: dict[str, str] = {}
    threads = [
        threading.Thread(target=lambda: pages.update(first=first.render(meet=meet))),
        threading.Thread(target=lambda: pages.update(second=second.render(meet=meet))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert pages == {"first": "ab", "second": "ba"}


@ways
@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        ("{% cache 'b', when=false %}{{ n }}{% endcache %}", "'when' of b is false"),
        ("{% cache 'b', timeout=0 %}{{ n }}{% endcache %}", "b has timeout 0"),
        ("{% cache 'b' %}{{ n }}{{ skip() }}{% endcache %}", "the stock is live"),
        ("{{ n }}{{ skip() }}", "the stock is live"),
    ],
)
def test_what_must_not_be_stored_keeps_those_around_it_out(
    inner: str, reason: str, way: Way
) -> None:
    """A staff's version or a live value is never baked into the fragment around it."""

    def skip() -> str:
        fragment = current_fragment()
        assert fragment is not None
        fragment.skip("the stock is live")
        return ""

    page = "{% cache 'z' %}{% cache 'a' %}{{ n }}" + inner + "{% endcache %}{% endcache %}"
    env = environment({"page": page}, way)
    cache = Cache().install(env)
    events: list[Event] = []
    cache.subscribe(events.append)
    template = env.get_template("page")
    assert [render(template, {"n": n, "skip": skip}) for n in (1, 2)] == ["11", "22"]
    reasons = {(e.fragment.name, e.reason) for e in events if isinstance(e, NotStored)}
    assert {("a", reason), ("z", reason)} <= reasons


@ways
def test_false_when_protects_the_key(way: Way) -> None:
    """``when`` is evaluated first; where it is false neither key nor other options are."""
    page = "{% cache 'x', user.id, when=user, timeout=1/0 %}{{ n }}{% endcache %}"
    env = environment({"page": page}, way)
    Cache().install(env)
    assert render(env.get_template("page"), {"user": None, "n": 1}) == "1"
    with pytest.raises(ZeroDivisionError):
        render(env.get_template("page"), {"user": type("U", (), {"id": 3})(), "n": 1})


@ways
def test_false_when_reads_and_stores_nothing(way: Way) -> None:
    """What is rendered for ``when=false`` is not what others get, nor the other way round."""
    page = "{% cache 'x', 1, when=not staff %}{{ n }}{% endcache %}"
    env = environment({"page": page}, way)
    Cache().install(env)
    template = env.get_template("page")
    staff = [True, False, True, False]
    pages = [render(template, {"staff": s, "n": n}) for n, s in enumerate(staff)]
    assert pages == ["0", "1", "2", "1"]


@ways
def test_same_key_twice_in_one_render_is_the_same_text(way: Way) -> None:
    """The second occurrence is served from the first."""
    page = "{% for i in (1, 2) %}{% cache 'x' %}{{ next() }}{% endcache %}{% endfor %}"
    env = environment({"page": page}, way)
    Cache().install(env)
    numbers = iter(range(9))
    assert render(env.get_template("page"), {"next": lambda: next(numbers)}) == "00"


@ways
def test_recursive_include_and_macro_render_inline(way: Way) -> None:
    """A fragment that comes to itself again is a part of itself; nothing waits."""
    templates = {
        "page": "{% set depth = 0 %}{% include 'tree' %}",
        "tree": "{% cache 't' %}({% if left.pop() %}{% include 'tree' %}{% endif %}){% endcache %}",
        "macro": "{% macro m() %}{% cache 't' %}({% if left.pop() %}{{ m() }}{% endif %})"
        "{% endcache %}{% endmacro %}{{ m() }}",
    }
    env = environment(templates, way)
    cache = Cache().install(env)
    for page in ("page", "macro"):
        before = cache.stats()
        assert render(env.get_template(page), {"left": [0, 1, 1]}) == "((()))"
        assert render(env.get_template(page), {"left": []}) == "((()))"
        assert cache.stats().hits == before.hits + 1


def test_threads_share_one_site_and_get_their_own_pages() -> None:
    """Sixteen threads over one template, hits and misses mixed, never see foreign text."""
    env = Environment()
    Cache("memory://?max_bytes=40KiB").install(env)
    template = env.from_string(
        "{% cache 'x', v %}{{ v }}:{% cache 'y', v %}{{ v }}{% endcache %}{% endcache %}"
    )
    wrong: list[str] = []

    def work(seed: int) -> None:
        for step in range(2_000):
            value = (seed * 31 + step * 7) % 97
            page = template.render(v=value)
            if page != f"{value}:{value}":
                wrong.append(page)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
