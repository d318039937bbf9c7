"""Where two renders could meet in one entry, they do not, unless they are the same."""

import asyncio
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment, ModuleLoader, select_autoescape

from jinjacache import Cache
from jinjacache.testing import ManualClock, RecordingBackend
from tests.support.pages import WAYS, Way, environment, render

ways = pytest.mark.parametrize("way", WAYS, ids=str)


def angled(value: object) -> str:
    """Print a value between angles."""
    return f"<{value}>"


@ways
@pytest.mark.parametrize("how", ["{% include 'p' %}", "{% from 'p' import m %}{{ m() }}"])
def test_environments_over_other_files_do_not_share(how: str, way: Way) -> None:
    """What an included or imported file prints is known by the loader that finds it."""
    cache = Cache()
    for text in ("one", "two"):
        files = {"page": "{% cache 'x' %}" + how + "{% endcache %}"}
        files["p"] = "{% macro m() %}" + text + "{% endmacro %}" + text
        env = environment(files, way)
        cache.install(env)
        assert [render(env.get_template("page"), {}) for _ in range(2)] == [text, text]


def test_environments_that_share_compiled_modules_keep_apart(tmp_path: Path) -> None:
    """Two environments over one ModuleLoader and one cache have entries of their own."""
    source = DictLoader({"page": "{% cache 'x' %}{{ v }}{% endcache %}"})
    compiling = Environment(loader=source, extensions=["jinjacache.CacheExtension"])
    compiling.compile_templates(str(tmp_path), zip=None)
    loader, cache = ModuleLoader(str(tmp_path)), Cache()
    pages: list[str] = []
    for finalize in (None, angled):
        env = Environment(loader=loader, finalize=finalize)
        cache.install(env)
        pages += [env.get_template("page").render(v=len(pages)) for _ in range(2)]
    assert pages == ["0", "0", pages[2], pages[2]]
    assert pages[2] != "0"
    assert cache.stats().misses == 2


@ways
def test_page_that_is_now_a_child_and_now_not(way: Way) -> None:
    """What is dropped because a parent prints instead is stored whole."""
    files = {
        "page": "{% if child %}{% extends 'base' %}{% endif %}{% cache 'x' %}text{% endcache %}",
        "base": "base",
    }
    env = environment(files, way)
    Cache().install(env)
    page = env.get_template("page")
    assert [render(page, {"child": child}) for child in (True, False, True)] == [
        "base",
        "text",
        "base",
    ]


@ways
def test_call_blocks_with_other_defaults_do_not_share(way: Way) -> None:
    """The default of a call block's argument is a part of its source."""
    page = (
        "{% macro box() %}{% cache 'b' %}{{ caller() }}{% endcache %}{% endmacro %}"
        "{% call(x='one') box() %}{{ x }}{% endcall %}{% call(x='two') box() %}{{ x }}{% endcall %}"
    )
    env = environment({"page": page}, way)
    Cache().install(env)
    assert [render(env.get_template("page"), {}) for _ in range(2)] == ["onetwo", "onetwo"]


@pytest.mark.parametrize("option", ["when", "timeout"])
def test_bare_coroutine_as_an_option_is_awaited(option: str) -> None:
    """A name that holds a coroutine counts with what it returns."""

    async def value() -> int:
        await asyncio.sleep(0)
        return 0

    env = Environment(enable_async=True)
    cache = Cache().install(env)
    template = env.from_string("{% cache 'x', " + option + "=v %}{{ n }}{% endcache %}")

    async def pages() -> list[str]:
        return [await template.render_async(v=value(), n=n) for n in (1, 2)]

    assert asyncio.run(pages()) == ["1", "2"]
    assert cache.stats().misses == 0


@ways
def test_fragment_inside_itself_is_one_render(way: Way) -> None:
    """The inner occurrences are counted nowhere: they are a part of the outer one."""
    page = "{% for t in chain recursive %}{% cache 'x' %}<{{ loop(t) }}>{% endcache %}{% endfor %}"
    env = environment({"page": page}, way)
    cache = Cache().install(env)
    assert render(env.get_template("page"), {"chain": [[[list[object]()]]]}) == "<<<>>>"
    assert (cache.stats().misses, cache.stats().hits) == (1, 0)


def test_hit_keeps_an_entry_from_being_evicted() -> None:
    """What is asked for between two evictions outlives what is not."""
    env = Environment()
    cache = Cache("memory://?max_entries=3").install(env)
    template = env.from_string("{% cache 'x', v %}{{ v }}{% endcache %}")
    for value in ("kept", "b", "c"):
        template.render(v=value)
    template.render(v="kept")
    template.render(v="d")
    before = cache.stats().hits
    template.render(v="kept")
    assert cache.stats().hits == before + 1


@ways
def test_shortened_timeout_of_a_nested_hit_bubbles_over_bytes(way: Way) -> None:
    """An inner entry from a backend counts with the timeout that the template gives it now."""
    clock = ManualClock()
    inner = "{% cache 'b', timeout=T %}b{% endcache %}"
    files = {
        "first": inner.replace("T", "100"),
        "page": "{% cache 'a', timeout=1000 %}{{ n }}{% include 'part' %}{% endcache %}",
        "part": inner.replace("T", "t"),
    }
    env = environment(files, way)
    Cache(RecordingBackend(), clock=clock).install(env)
    page = env.get_template("page")
    assert render(env.get_template("part"), {"t": 100}) == "b"
    assert render(page, {"n": 1, "t": 10}) == "1b"
    clock.advance(11)
    assert render(page, {"n": 2, "t": 10}) == "2b"


@pytest.mark.parametrize("is_async", [False, True])
def test_pages_that_escape_and_do_not_share_no_caller_and_no_block(*, is_async: bool) -> None:
    """What another file hands over is escaped there, or not, and the key knows."""
    call = "{% from 'm.html' import box %}{% call box() %}{{ h }}{% endcall %}"
    layout = "{% extends 'base.html' %}{% block t %}{{ h }}{% endblock %}"
    files = {
        "m.html": "{% macro box() %}{% cache 'b' %}{{ caller() }}{% endcache %}{% endmacro %}",
        "base.html": "{% block t %}{% endblock %}{% cache 'b' %}{{ self.t() }}{% endcache %}",
        "call.txt": call,
        "call.html": call,
        "mid.txt": layout,
        "mid.html": layout,
        "one.html": "{% extends 'mid.txt' %}",
        "two.html": "{% extends 'mid.html' %}",
    }
    env = Environment(
        loader=DictLoader(files), autoescape=select_autoescape(["html"]), enable_async=is_async
    )
    Cache().install(env)
    for _ in range(2):
        names = ("call.txt", "call.html", "one.html", "two.html")
        pages = [render(env.get_template(name), {"h": "<"}) for name in names]
        assert pages == ["<", "&lt;", "<<", "&lt;&lt;"]


def test_macro_in_a_region_is_another_than_outside_of_it() -> None:
    """Templates made from strings differ where only the place of a definition does."""
    env = Environment(autoescape=True)
    Cache().install(env)
    macro, fragment = (
        "{% macro m() %}{{ h }}{% endmacro %}",
        "{% cache 'c' %}{{ m() }}{% endcache %}",
    )
    off, end = "{% autoescape false %}", "{% endautoescape %}"
    inside = env.from_string(off + macro + fragment + end)
    outside = env.from_string(macro + off + fragment + end)
    assert [inside.render(h="<"), outside.render(h="<")] == ["<", "&lt;"]


@ways
@pytest.mark.parametrize(
    "inner",
    [
        "{% macro sub() %}F{% endmacro %}{{ sub() }}",
        "{% call plain() %}F{% endcall %}",
    ],
)
def test_outer_caller_under_another_name_in_a_macro_inside(inner: str, way: Way) -> None:
    """Whose source it is cannot be known there, so it is rendered each time."""
    fragment = "{% cache 'x' %}{{ outer() }}{% endcache %}"
    page = (
        "{% macro plain() %}{{ caller() }}{% endmacro %}{% macro box() %}{% set outer = caller %}"
        + inner.replace("F", fragment)
        + "{% endmacro %}{% call box() %}one{% endcall %}{% call box() %}two{% endcall %}"
    )
    env = environment({"page": page}, way)
    Cache().install(env)
    assert [render(env.get_template("page"), {}) for _ in range(2)] == ["onetwo", "onetwo"]
