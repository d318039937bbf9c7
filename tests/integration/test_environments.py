"""Environments that share a cache never show each other's pages, however they are made."""

import asyncio
import copy
import pickle
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from jinja2 import (
    ChainableUndefined,
    DebugUndefined,
    DictLoader,
    Environment,
    StrictUndefined,
    Template,
    TemplateRuntimeError,
    TemplateSyntaxError,
    Undefined,
)
from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError
from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment

from jinjacache import Cache, ConfigurationError
from tests.support.pages import render, without_fragments

EXTENSION = "jinjacache.CacheExtension"
PAGE = """<p>
  # set line = '<line>'
  {% if true %}
  {% cache 'x' %}
  [{{ html }} {{ none }} {{ nope }} {{ 'a'|shout }} {{ 1 is odd }} {{ line }} << html >>]<# no #>
  {% endcache %}
  {% endif %}
</p>

"""
CONTEXT = {"html": "<&>"}
modes = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def shout(text: str) -> str:
    """Return a filter's result."""
    return f"{text.upper()}!"


def whisper(text: str) -> str:
    """Return another filter's result."""
    return f"({text})"


def dash(value: object) -> object:
    """Return what is printed for a value."""
    return "-" if value is None else value


def instead(text: str) -> Callable[[object], object]:
    """Return a function that prints ``text`` for None."""
    return lambda value: text if value is None else value


def after(before: str) -> Callable[[str], str]:
    """Return a filter that prints ``before`` before a text."""
    return lambda text: before + text


class Loud(Environment):
    """Bring the filter of the page."""

    def __init__(self, filter_: Callable[[str], str] = shout, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.filters["shout"] = filter_


SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "escaping": {"autoescape": True},
    "finalize": {"finalize": dash},
    "finalize of a closure": {"finalize": instead("?")},
    "finalize of another closure": {"finalize": instead("!")},
    "debug undefined": {"undefined": DebugUndefined},
    "trim blocks": {"trim_blocks": True},
    "lstrip blocks": {"lstrip_blocks": True},
    "newlines": {"newline_sequence": "\r\n"},
    "trailing newline": {"keep_trailing_newline": True},
    "delimiters of variables": {"variable_start_string": "<<", "variable_end_string": ">>"},
    "delimiters of comments": {"comment_start_string": "<#", "comment_end_string": "#>"},
    "line statements": {"line_statement_prefix": "#"},
    "another filter": {"filter_": whisper},
    "filter of a closure": {"filter_": after("1")},
    "filter of another closure": {"filter_": after("2")},
}


def loud(setting: str, *, is_async: bool, source: str = PAGE) -> Environment:
    """Return an environment with one setting changed."""
    loader = DictLoader({"page": source})
    return Loud(loader=loader, enable_async=is_async, **SETTINGS[setting])


def page(env: Environment, context: Mapping[str, object] = CONTEXT) -> str:
    """Return the page as it comes out now."""
    return render(env.get_template("page"), context)


@pytest.mark.parametrize("start", range(0, len(SETTINGS), 5))
@pytest.mark.parametrize("step", [1, -1])
@modes
def test_each_environment_shows_its_own_page(start: int, step: int, *, is_async: bool) -> None:
    """Over one cache each page is its own uncached page, whichever environment came first."""
    names = list(SETTINGS)[start:] + list(SETTINGS)[:start]
    bare = {
        name: loud(name, is_async=is_async, source=without_fragments(PAGE)) for name in SETTINGS
    }
    expected = {name: page(bare[name]) for name in names[::step]}
    assert len(set(expected.values())) == len(SETTINGS)
    cache = Cache()
    environments = {name: loud(name, is_async=is_async) for name in names[::step]}
    for env in environments.values():
        cache.install(env)
    for _ in ("miss", "hit"):
        assert {name: page(env) for name, env in environments.items()} == expected
    assert cache.stats().hits == cache.stats().misses == len(SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS)
def test_environments_with_the_same_settings_share(setting: str) -> None:
    """What one environment rendered is served in another that renders alike, sync or async."""
    cache = Cache()
    first, second, third = (loud(setting, is_async=mode) for mode in (False, False, True))
    for env in (first, second, third):
        cache.install(env)
    expected = page(first)
    assert [page(second), page(third)] == [expected, expected]
    assert (cache.stats().misses, cache.stats().hits) == (1, 2)


OVERLAYS: dict[str, dict[str, object]] = {
    "escaping": {"autoescape": True},
    "finalize": {"finalize": dash},
    "undefined": {"undefined": DebugUndefined},
    "trim blocks": {"trim_blocks": True},
}


@pytest.mark.parametrize("setting", OVERLAYS)
@modes
def test_overlay_with_another_setting_shows_its_own_page(setting: str, *, is_async: bool) -> None:
    """An overlay works with the cache of its environment and shares no entry that would differ."""
    options = OVERLAYS[setting]
    env = loud("default", is_async=is_async)
    cache = Cache().install(env)
    overlay = env.overlay(**options)  # type: ignore[arg-type]
    bare = loud("default", is_async=is_async, source=without_fragments(PAGE))
    expected = page(bare), page(bare.overlay(**options))  # type: ignore[arg-type]
    assert expected[0] != expected[1]
    for _ in ("miss", "hit"):
        assert (page(env), page(overlay)) == expected
    assert cache.stats().hits == cache.stats().misses == 2


@modes
def test_overlay_with_the_same_settings_shares(*, is_async: bool) -> None:
    """An overlay that renders alike is served what its environment stored, and the reverse."""
    env = loud("default", is_async=is_async)
    cache = Cache().install(env)
    overlay = env.overlay(cache_size=10, enable_async=not is_async)
    assert page(overlay) == page(env) == page(overlay)
    assert (cache.stats().misses, cache.stats().hits) == (1, 2)


def test_overlay_can_have_the_tag_alone() -> None:
    """An overlay that brings the extension leaves its environment without the tag."""
    env = Environment(autoescape=True)
    overlay = env.overlay(extensions=[EXTENSION])
    assert overlay.from_string("{% cache 'x' %}{{ a }}{% endcache %}").render(a="<") == "&lt;"
    assert not hasattr(env, "fragment_cache")
    with pytest.raises(TemplateSyntaxError, match="unknown tag 'cache'"):
        env.from_string("{% cache 'x' %}{% endcache %}")


def test_cache_is_installed_in_an_overlay_alone() -> None:
    """A cache that is installed in an overlay serves it from now on, and nothing else."""
    env = Environment(autoescape=True)
    outer, inner = Cache(), Cache()
    outer.install(env)
    overlay = env.overlay()
    inner.install(overlay)
    assert overlay.fragment_cache is inner  # type: ignore[attr-defined]
    assert env.fragment_cache is outer  # type: ignore[attr-defined]


def test_extension_alone_brings_a_cache() -> None:
    """The extension without an installed cache keeps fragments for five minutes."""
    env = Environment(autoescape=True, extensions=[EXTENSION])
    template = env.from_string("{% cache 'x' %}{{ a }}{% endcache %}")
    assert [template.render(a="<"), template.render(a="changed")] == ["&lt;", "&lt;"]
    cache: object = env.fragment_cache  # type: ignore[attr-defined]
    assert isinstance(cache, Cache)
    assert cache.stats().hits == 1
    assert "timeout=300" in repr(cache)


def test_installed_cache_replaces_the_one_before() -> None:
    """A cache that is installed later takes the place of the one that was there."""
    env = Environment(autoescape=True, extensions=[EXTENSION])
    template = env.from_string("{% cache 'x' %}{{ a }}{% endcache %}")
    assert template.render(a=1) == "1"
    for number in (2, 3):
        cache = Cache()
        cache.install(env)
        assert [template.render(a=number), template.render(a="hit")] == [str(number)] * 2
        assert (cache.stats().misses, cache.stats().hits) == (1, 1)


def test_two_environments_with_the_extension_alone_share_nothing() -> None:
    """Each environment's embedded cache is its own."""
    one, two = (Environment(autoescape=True, extensions=[EXTENSION]) for _ in range(2))
    source = "{% cache 'x' %}{{ a }}{% endcache %}"
    assert one.from_string(source).render(a=1) == "1"
    assert two.from_string(source).render(a=2) == "2"


def test_template_alone_takes_the_extension() -> None:
    """Templates that make their own environment have the tag, and entries by their bodies."""
    sources = ["{% cache %}a{{ v }}{% endcache %}", "{% cache %}b{{ v }}{% endcache %}"]
    one, two = (Template(source, extensions=[EXTENSION]) for source in sources)
    assert [one.render(v=1), two.render(v=2)] == ["a1", "b2"]
    assert [one.render(v="hit"), two.render(v="hit")] == ["a1", "b2"]


@modes
def test_extension_may_come_late(*, is_async: bool) -> None:
    """Templates that were loaded before the tag was there keep working, with those after."""
    templates = {
        "old": "<{{ a }}>",
        "page": "{% cache 'x' %}{% include 'old' %}{% endcache %}",
        "child": "{% extends 'base' %}{% block b %}{% cache 'y' %}{{ super() }}{% endcache %}"
        "{% endblock %}",
        "base": "[{% block b %}{{ a }}{% endblock %}]",
    }
    env = Environment(loader=DictLoader(templates), autoescape=True, enable_async=is_async)
    old = [env.get_template("old"), env.get_template("base")]
    Cache().install(env)
    assert [render(template, {"a": 1}) for template in old] == ["<1>", "[1]"]
    assert [page(env, {"a": 1}), page(env, {"a": 2})] == ["<1>", "<1>"]
    # What a block prints that was compiled without the tag is not known, so it is not kept.
    child = env.get_template("child")
    assert [render(child, {"a": 1}), render(child, {"a": 2})] == ["[1]", "[2]"]
    assert [render(template, {"a": 2}) for template in old] == ["<2>", "[2]"]


STRINGS = {
    "no names": ("{% cache %}a{{ v }}{% endcache %}", "{% cache %}b{{ v }}{% endcache %}"),
    "one name": ("{% cache 'x' %}a{{ v }}{% endcache %}", "{% cache 'x' %}b{{ v }}{% endcache %}"),
    "macros": (
        "{% macro m() %}a{% endmacro %}{% cache 'x' %}{{ m() }}{{ v }}{% endcache %}",
        "{% macro m() %}b{% endmacro %}{% cache 'x' %}{{ m() }}{{ v }}{% endcache %}",
    ),
    "names set before": (
        "{% set s = 'a' %}{% cache 'x' %}{{ s }}{{ v }}{% endcache %}",
        "{% set s = 'b' %}{% cache 'x' %}{{ s }}{{ v }}{% endcache %}",
    ),
}


@pytest.mark.parametrize("case", STRINGS)
@modes
def test_templates_from_strings_have_entries_of_their_own(case: str, *, is_async: bool) -> None:
    """Templates without a name are told apart by what they print."""
    env = Environment(autoescape=True, enable_async=is_async)
    Cache().install(env)
    one, two = map(env.from_string, STRINGS[case])
    for value in (1, "hit"):
        assert [render(one, {"v": value}), render(two, {"v": value})] == ["a1", "b1"]


def test_templates_from_the_same_string_share() -> None:
    """The same body in two strings is one fragment, whatever stands around it."""
    env = Environment(autoescape=True)
    cache = Cache().install(env)
    fragment = "{% cache %}{{ v }}{% endcache %}"
    one, two = env.from_string(fragment), env.from_string(f"{{# comment #}}[{fragment}]")
    assert [one.render(v=1), two.render(v=2)] == ["1", "[1]"]
    assert cache.stats().hits == 1


class OwnTemplate(Template):
    """A template class of the application's."""


class OwnGenerator(CodeGenerator):
    """A code generator of the application's."""


class OwnEnvironment(Environment):
    """An environment with classes of its own."""

    template_class = OwnTemplate
    code_generator_class = OwnGenerator


def _overlay(**options: object) -> Environment:
    return Environment(autoescape=False).overlay(**options)  # type: ignore[arg-type]


MADE: dict[str, Callable[..., Environment]] = {
    "plain": Environment,
    "sandbox": SandboxedEnvironment,
    "with classes of its own": OwnEnvironment,
    "overlay": _overlay,
}


def _pickled(env: Environment) -> Environment:
    copied: object = pickle.loads(pickle.dumps(env))  # noqa: S301 - our own
    assert isinstance(copied, Environment)
    return copied


@pytest.mark.parametrize("duplicate", [_pickled, copy.deepcopy], ids=["pickle", "deepcopy"])
@pytest.mark.parametrize("kind", MADE)
def test_copy_of_an_environment_works(
    kind: str, duplicate: Callable[[Environment], Environment]
) -> None:
    """A copy has the tag, the same classes and the configuration, but none of the entries."""
    env = MADE[kind](autoescape=True)
    cache = Cache(timeout=60, namespace="copied")
    env.add_extension(EXTENSION)
    env.fragment_cache = cache  # type: ignore[attr-defined]
    source = "{% cache 'x' %}{{ v }}{% endcache %}"
    assert env.from_string(source).render(v="<") == "&lt;"
    copied = duplicate(env)
    template = copied.from_string(source)
    assert [template.render(v=">"), template.render(v="hit")] == ["&gt;", "&gt;"]
    assert env.from_string(source).render(v="hit") == "&lt;"
    own: object = copied.fragment_cache  # type: ignore[attr-defined]
    assert isinstance(own, Cache)
    assert own is not cache
    assert (own.stats().misses, own.stats().hits) == (1, 1)
    assert all(shown in repr(own) for shown in ("timeout=60", "namespace='copied'"))
    assert (type(copied), type(template)) == (type(env), env.template_class)
    assert copied.code_generator_class is env.code_generator_class


def test_classes_of_an_environment_take_part() -> None:
    """An environment's own template class and code generator stay in use beside the tag's."""
    env = OwnEnvironment(autoescape=True, extensions=[EXTENSION])
    assert isinstance(env.from_string("{% cache 'x' %}{% endcache %}"), OwnTemplate)
    assert issubclass(env.code_generator_class, OwnGenerator)
    other = OwnEnvironment(autoescape=True, extensions=[EXTENSION])
    assert other.template_class is env.template_class
    env.add_extension(EXTENSION)
    assert other.template_class is env.template_class
    assert other.code_generator_class is env.code_generator_class
    assert OwnEnvironment.template_class is OwnTemplate


def test_native_environment_is_refused() -> None:
    """A fragment is text, so an environment that renders lists and numbers cannot keep it."""
    with pytest.raises(ConfigurationError, match="use an Environment"):
        NativeEnvironment(extensions=[EXTENSION])
    with pytest.raises(ConfigurationError, match="NativeEnvironment"):
        Cache().install(NativeEnvironment())


@pytest.mark.parametrize("kind", [SandboxedEnvironment, ImmutableSandboxedEnvironment])
@modes
def test_sandbox_shows_its_own_page(kind: type[Environment], *, is_async: bool) -> None:
    """Fragments of a sandbox are its uncached page, and those of others are not shared."""
    source = "{% cache 'x', v %}{{ v|upper }}{{ v.__class__ }}{% endcache %}"
    loader = DictLoader({"page": source})
    cache = Cache()
    sandbox, free = (
        make(loader=loader, undefined=ChainableUndefined, enable_async=is_async)
        for make in (kind, Environment)
    )
    cache.install(sandbox)
    cache.install(free)
    for _ in ("miss", "hit"):
        assert page(free, {"v": "a"}) == "A<class 'str'>"
        assert page(sandbox, {"v": "a"}) == "A"
    assert (cache.stats().misses, cache.stats().hits) == (2, 2)
    unsafe = sandbox.from_string("{% cache 'x' %}{{ v.__class__.__name__ }}{% endcache %}")
    sandbox.undefined = StrictUndefined
    for _ in range(2):
        with pytest.raises(SecurityError, match="__class__"):
            render(unsafe, {"v": "a"})


@pytest.mark.parametrize("kind", [Environment, SandboxedEnvironment, ImmutableSandboxedEnvironment])
def test_nothing_is_added_that_a_template_can_name(kind: type[Environment]) -> None:
    """The tag brings no filter, test, global or policy to the environment."""
    env, untouched = kind(), kind()
    Cache("memory://", secret="hush").install(env)  # noqa: S106 - a test's own
    template = env.from_string("{% cache 'x' %}{{ v }}{% endcache %}")
    assert [template.render(v=1), template.render(v=2)] == ["1", "1"]
    for table in ("filters", "tests", "globals", "policies"):
        assert getattr(env, table).keys() == getattr(untouched, table).keys()
    assert set(template.module.__dict__) == set(untouched.from_string("").module.__dict__)


DIGEST = re.compile("[0-9a-f]{40}")
TRICKS = [
    "{{ caller._fragment_source }}",
    "{{ caller|attr('_fragment_source') }}",
    "{{ caller['_fragment_source'] }}",
    "{{ [caller]|map(attribute='_fragment_source')|list }}",
    "{{ [caller]|map('attr', '_fragment_source')|list }}",
    "{{ [caller]|groupby('_fragment_source') }}",
    "{{ [caller]|sort(attribute='_fragment_source') }}",
    "{{ '{0._fragment_source}'.format(caller) }}",
    "{{ '%s'|format(caller._fragment_source) }}",
    "{{ self._TemplateReference__context.environment.fragment_cache }}",
    "{{ self.__class__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ caller._func.__globals__.fragment_1.binding }}",
    "{{ box._func.__globals__.fragment_1.binding }}",
    "{{ fragment_1 }}{{ fragments }}{{ self.fragment_1 }}{{ jinjacache_stamp }}",
    "{{ fragment_cache }}{{ environment }}{{ sources_of_blocks }}",
    *(
        "{{ ['x', caller]|" + filter_ + "('" + name + "')|list }}"
        for filter_ in ("map", "select", "reject")
        for name in ("cache", "recall", "fragment_1", "jinjacache.recall", "jinjacache lookup")
    ),
]


@pytest.mark.parametrize("trick", TRICKS)
@modes
def test_sandboxed_template_reaches_nothing_of_the_cache(trick: str, *, is_async: bool) -> None:
    """No attribute, module name or string leads from a sandbox to a cache, a site or a digest."""
    source = (
        "{% macro box() %}{% cache 'x' %}{{ caller() }}{% endcache %}" + trick + "{% endmacro %}"
        "{% call box() %}{% endcall %}"
    )
    env = SandboxedEnvironment(enable_async=is_async)
    Cache("memory://", secret="hush").install(env)  # noqa: S106 - a test's own
    try:
        text = render(env.from_string(source), {})
    except (SecurityError, TemplateRuntimeError) as error:
        text = str(error)
    assert not DIGEST.search(text)
    assert not [word for word in ("Cache(", "Site", "Binding", "hush", "jc1") if word in text]


def test_digest_of_a_caller_is_what_the_sandbox_hides() -> None:
    """Outside of a sandbox a caller's digest can be read, so the tricks above have a target."""
    env = Environment(autoescape=True, extensions=[EXTENSION])
    source = "{% macro box() %}" + TRICKS[0] + "{% endmacro %}{% call box() %}{% endcall %}"
    assert DIGEST.search(env.from_string(source).render())


def test_extension_holds_no_state_of_a_render() -> None:
    """Threads and tasks by the dozen go through one extension and leave nothing behind."""
    source = (
        "{% cache 'x', v %}{% for n in range(20) %}{{ v }}{{ wait() }}{% endfor %}{% endcache %}"
    )
    sync = Environment(autoescape=True, extensions=[EXTENSION])
    threads = sync.overlay()
    tasks = sync.overlay(enable_async=True)
    extensions = [env.extensions["jinjacache.extension.CacheExtension"] for env in (sync, tasks)]
    before = [dict(vars(extension)) for extension in extensions]

    def in_thread(number: int) -> str:
        template = threads.from_string(source)
        return template.render(v=number % 7, wait=str)

    async def wait() -> str:
        await asyncio.sleep(0)
        return ""

    async def in_tasks() -> list[str]:
        template = tasks.from_string(source)
        return await asyncio.gather(
            *(template.render_async(v=number % 11, wait=wait) for number in range(50))
        )

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(in_thread, range(400))) == [str(n % 7) * 20 for n in range(400)]
    assert asyncio.run(in_tasks()) == [str(n % 11) * 20 for n in range(50)]
    assert [dict(vars(extension)) for extension in extensions] == before


def test_kinds_of_undefined_share_nothing() -> None:
    """What one kind of undefined value prints is not shown where another one would raise."""
    cache = Cache()
    source = "{% cache 'x' %}{{ nope }}{% endcache %}"
    shown: list[str] = []
    for undefined in (Undefined, ChainableUndefined, DebugUndefined, StrictUndefined):
        env = Environment(autoescape=True, undefined=undefined)
        cache.install(env)
        try:
            shown.append(env.from_string(source).render())
        except TemplateRuntimeError as error:
            shown.append(str(error))
    assert shown == ["", "", "{{ nope }}", "'nope' is undefined"]
