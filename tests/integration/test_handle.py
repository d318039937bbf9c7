"""A handle on a fragment computes the keys that a render computes, and asks for the same entry."""

from collections.abc import Callable, Mapping

import pytest
from jinja2 import DictLoader, Environment, FunctionLoader, TemplateNotFound, pass_context
from jinja2.runtime import Context

from jinjacache import BackendError, Cache, CacheKeyError
from jinjacache.events import Event
from jinjacache.testing import FailingBackend, ManualClock, RecordingBackend
from tests.support.pages import Way, environment, render

ways = pytest.mark.parametrize(
    "way", [Way(is_async=a, autoescape=e) for a in (False, True) for e in (False, True)], ids=str
)
SYNC = Way(is_async=False, autoescape=True)

TAGS: dict[str, tuple[str, tuple[object, ...]]] = {
    "no variables": ("{% cache 'x' %}", ()),
    "one plain": ("{% cache 'x', a %}", (1,)),
    "one that is none": ("{% cache 'x', a %}", (None,)),
    "one that is encoded": ("{% cache 'x', a %}", ([1, "é"],)),
    "one that is long": ("{% cache 'x', a %}", ("x" * 500,)),
    "several": ("{% cache 'x', a, b, timeout=60 %}", (1, "1")),
    "several of all kinds": ("{% cache 'x', a, b, c, when=true %}", (True, None, 2.5)),
    "with an include": ("{% cache 'x', a %}{% include 'part' %}", (1,)),
    "in an autoescape region": ("{% autoescape false %}{% cache 'x', a %}", (1,)),
}


@pass_context
def language(context: Context) -> object:
    """Return what the page says."""
    return context.get("lang")


class Pages:
    """Some templates over a cache of bytes whose clock the test moves."""

    def __init__(self, templates: Mapping[str, str], way: Way = SYNC, **options: object) -> None:
        self.clock = ManualClock()
        self.backend = RecordingBackend()
        arguments: dict[str, object] = {"backend": self.backend, "clock": self.clock, **options}
        self.cache = Cache(**arguments)  # type: ignore[arg-type]
        self.environment = environment(templates, way)
        self.cache.install(self.environment)

    def render(self, **context: object) -> str:
        """Render the page."""
        return render(self.environment.get_template("page"), context)

    def stored(self) -> set[str]:
        """Return the keys under which entries were stored."""
        return {call.keys[0] for call in self.backend.calls if call.operation == "set_many"}


@pytest.mark.parametrize("case", TAGS)
@ways
def test_key_is_the_one_that_a_render_stores(case: str, way: Way) -> None:
    """Whatever the variables are, before the first render as after it."""
    tag, variables = TAGS[case]
    end = "{% endcache %}" + ("{% endautoescape %}" if "autoescape" in tag else "")
    pages = Pages({"page": tag + "text" + end, "part": "part"}, way)
    handle = pages.cache.fragment(pages.environment, "page", "x")
    key = handle.key(*variables)
    assert pages.backend.calls == []
    pages.render(**dict(zip("abc", variables, strict=False)))
    assert pages.stored() == {key} == {handle.key(*variables)}


@ways
def test_fragment_is_cached_after_a_render(way: Way) -> None:
    """For those variables, until it expires or is deleted."""
    pages = Pages({"page": "{% cache 'x', v, timeout=60 %}{{ n }}{% endcache %}"}, way)
    handle = pages.cache.fragment(pages.environment, "page", "x")
    assert not handle.is_cached(1)
    assert pages.render(v=1, n="a") == "a"
    assert [handle.is_cached(1), handle.is_cached(2), handle.is_cached("1")] == [True, False, False]
    pages.clock.advance(59.9)
    assert handle.is_cached(1)
    pages.clock.advance(0.1)
    assert not handle.is_cached(1)
    pages.render(v=1, n="b")
    assert [handle.delete(1), handle.delete(1), handle.is_cached(1)] == [True, False, False]
    assert pages.render(v=1, n="c") == "c"


@ways
def test_fragment_in_memory_has_a_handle_too(way: Way) -> None:
    """Entries that are kept as they are are asked for and deleted alike."""
    pages = Pages({"page": "{% cache 'x', v %}{{ n }}{% endcache %}"}, way, backend="memory://")
    handle = pages.cache.fragment(pages.environment, "page", "x")
    pages.render(v=(1, 2), n="a")
    assert [handle.is_cached((1, 2)), handle.is_cached([1, 2])] == [True, False]
    assert [handle.delete((1, 2)), handle.is_cached((1, 2))] == [True, False]


def test_asking_is_no_hit_and_no_miss() -> None:
    """Statistics and events are about pages."""
    pages = Pages({"page": "{% cache 'x' %}{% endcache %}"})
    events: list[Event] = []
    pages.cache.subscribe(events.append)
    handle = pages.cache.fragment(pages.environment, "page", "x")
    assert [handle.is_cached(), handle.delete()] == [False, False]
    assert events == []
    assert (pages.cache.stats().hits, pages.cache.stats().misses) == (0, 0)


@pytest.mark.parametrize("mode", ["off", "bypass", "refresh", "disabled"])
def test_nothing_is_cached_for_a_request_that_reads_nothing(mode: str) -> None:
    """Or a view would skip the queries that the body needs."""
    pages = Pages({"page": "{% cache 'x' %}{{ n }}{% endcache %}"})
    pages.render(n="a")
    handle = pages.cache.fragment(pages.environment, "page", "x")
    blocks = {"off": pages.cache.off, "bypass": pages.cache.bypass, "refresh": pages.cache.refresh}
    if mode == "disabled":
        pages.cache.enabled = False
        assert not handle.is_cached()
        pages.cache.enabled = True
    else:
        with blocks[mode]():
            assert not handle.is_cached()
    assert handle.is_cached()


@ways
def test_ambient_variables_are_part_of_the_key(way: Way) -> None:
    """Those that read the template's context are given it."""
    pages = Pages({"page": "{% cache 'x', 1 %}{% endcache %}"}, way, vary={"lang": language})
    handle = pages.cache.fragment(pages.environment, "page", "x")
    pages.render(lang="de")
    german = {"lang": "de"}
    assert pages.stored() == {handle.key(1, context=german)}
    assert [handle.is_cached(1, context=german), handle.is_cached(1)] == [True, False]
    assert [handle.delete(1), handle.delete(1, context=german)] == [False, True]


def test_globals_are_part_of_the_context() -> None:
    """As in a render, of the environment and of the template."""
    pages = Pages({"page": "{% cache 'x' %}{% endcache %}"}, vary={"lang": language})
    vars(pages.environment)["globals"]["lang"] = "de"
    pages.render()
    handle = pages.cache.fragment(pages.environment, "page", "x")
    assert pages.stored() == {handle.key()}


@ways
def test_key_that_cannot_be_made_is_the_renders_error(way: Way) -> None:
    """The same type, and the same words."""
    pages = Pages({"page": "\n{% cache 'x', v %}{% endcache %}"}, way)
    handle = pages.cache.fragment(pages.environment, "page", "x")
    with pytest.raises(CacheKeyError) as rendered:
        pages.render(v=object())
    for ask in (handle.key, handle.is_cached, handle.delete):
        with pytest.raises(CacheKeyError) as asked:
            ask(object())
        assert str(asked.value) == str(rendered.value)


@pytest.mark.parametrize("given", [(), (1,), (1, 2, 3)])
def test_wrong_number_of_variables_is_refused(given: tuple[object, ...]) -> None:
    """The message says where, how many there are, and how many were given."""
    pages = Pages({"page": "\n{% cache 'x', a, b %}{% endcache %}"})
    handle = pages.cache.fragment(pages.environment, "page", "x")
    message = f"page, line 2: fragment 'x' has 2 key variables, {len(given)} were given"
    for ask in (handle.key, handle.is_cached, handle.delete):
        with pytest.raises(TypeError, match=message):
            ask(*given)


REFUSED: dict[str, tuple[str, str]] = {
    "unknown": (
        "{% cache 'a' %}{% endcache %}{% cache %}{% endcache %}{% cache 'b' %}{% endcache %}",
        "there is no fragment 'x' of 'page'; the template has 'a', 'b'",
    ),
    "unknown among unnamed ones": (
        "{% cache %}{% endcache %}",
        "there is no fragment 'x' of 'page'; the template has none with a name",
    ),
    "no fragment at all": (
        "text",
        "there is no fragment 'x' of 'page'; the template has none with a name",
    ),
    "named twice": (
        "{% cache 'x' %}a{% endcache %}\n\n{% cache 'x' %}b{% endcache %}",
        "fragment 'x' of 'page' stands at line 1 and line 3: give each a name of its own",
    ),
    "escaping decided by the page": (
        "{% autoescape flag %}{% cache 'x' %}{% endcache %}{% endautoescape %}",
        "has no key outside of a render",
    ),
    "printing a caller": (
        "{% macro m() %}{% cache 'x' %}{{ caller() }}{% endcache %}{% endmacro %}",
        "has no key outside of a render",
    ),
    "printing a block": (
        "{% block b %}{% endblock %}{% cache 'x' %}{{ self.b() }}{% endcache %}",
        "has no key outside of a render",
    ),
    "kept elsewhere": (
        "{% cache 'x', using='b' %}{% endcache %}",
        "fragment 'x' of 'page' is kept by another cache (using='b')",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_fragment_without_a_key_of_its_own_has_no_handle(case: str) -> None:
    """The error comes at once, and says what there is."""
    source, message = REFUSED[case]
    pages = Pages({"page": source})
    Cache().install(pages.environment, alias="b")
    with pytest.raises(LookupError) as refusal:
        pages.cache.fragment(pages.environment, "page", "x")
    assert message in str(refusal.value)


def test_template_that_is_missing_is_jinjas_error() -> None:
    """As where it is rendered."""
    pages = Pages({})
    with pytest.raises(TemplateNotFound, match="page"):
        pages.cache.fragment(pages.environment, "page", "x")


def test_fragment_of_a_second_cache_has_its_handle_there() -> None:
    """The cache that the tag names gives it."""
    env = Environment(
        loader=DictLoader({"page": "{% cache 'x', using='b' %}{% endcache %}"}), autoescape=True
    )
    Cache().install(env)
    other = Cache(namespace="b").install(env, alias="b")
    handle = other.fragment(env, "page", "x")
    env.get_template("page").render()
    assert handle.is_cached()
    assert handle.key().startswith("jc1:b:f:")


class Edited:
    """A template that changes under its environment."""

    def __init__(self, source: str, *, is_async: bool) -> None:
        self.source = source
        self.environment = Environment(
            loader=FunctionLoader(self._load), autoescape=True, enable_async=is_async
        )
        self.cache = Cache().install(self.environment)

    def _load(self, name: str) -> tuple[str, None, Callable[[], bool]] | None:
        source = self.source
        return (source, None, lambda: self.source == source) if name == "page" else None

    def render(self, **context: object) -> str:
        """Render it as it is now."""
        return render(self.environment.get_template("page"), context)


@pytest.mark.parametrize("is_async", [False, True])
def test_handle_follows_edits_of_the_template(*, is_async: bool) -> None:
    """Its key, its number of variables and whether it is there are those of the source now."""
    edited = Edited("{% cache 'x', v %}a{% endcache %}", is_async=is_async)
    handle = edited.cache.fragment(edited.environment, "page", "x")
    before = handle.key(1)
    edited.render(v=1)
    assert handle.is_cached(1)
    edited.source = "{% cache 'x', v %}b{% endcache %}"
    assert handle.key(1) != before
    assert not handle.is_cached(1)
    assert edited.render(v=1) == "b"
    assert handle.is_cached(1)
    edited.source = "{% cache 'x', v, w %}b{% endcache %}"
    with pytest.raises(TypeError, match="has 2 key variables, 1 were given"):
        handle.key(1)
    edited.source = "gone"
    with pytest.raises(LookupError, match="there is no fragment 'x'"):
        handle.key(1)
    edited.source = "{% cache 'x', v %}a{% endcache %}"
    assert handle.key(1) == before
    assert handle.is_cached(1)


@pytest.mark.parametrize("error", [BackendError("down"), OSError("down")], ids=repr)
def test_failing_backend_says_no_and_cannot_delete(error: Exception) -> None:
    """A view then makes its queries; whoever deletes must know."""
    pages = Pages({"page": "{% cache 'x' %}{% endcache %}"}, backend=FailingBackend(error=error))
    handle = pages.cache.fragment(pages.environment, "page", "x")
    assert not handle.is_cached()
    with pytest.raises(type(error), match="down"):
        handle.delete()


def test_null_has_handles() -> None:
    """Nothing is ever cached, and nothing to delete."""
    pages = Pages({"page": "{% cache 'x' %}{% endcache %}"}, backend="null://")
    handle = pages.cache.fragment(pages.environment, "page", "x")
    pages.render()
    assert [handle.is_cached(), handle.delete()] == [False, False]
    assert handle.key().startswith("jc1:default:f:")


def test_computed_timeout_is_the_entrys_own() -> None:
    """What the tag computes is not known outside of a render: the stored timeout decides."""
    clock = ManualClock()
    env = Environment(loader=DictLoader({"page": "{% cache 'x', timeout=t %}a{% endcache %}"}))
    cache = Cache(clock=clock, timeout=300).install(env)
    handle = cache.fragment(env, "page", "x")
    env.get_template("page").render(t=1000)
    clock.advance(400)
    assert handle.is_cached()
    clock.advance(600)
    assert not handle.is_cached()
