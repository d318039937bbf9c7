"""What a tag is keyed by: typed values, refused clearly where they have no canonical form."""

import asyncio
import logging
from collections.abc import Callable
from decimal import Decimal

import pytest
from jinja2 import (
    ChainableUndefined,
    DebugUndefined,
    DictLoader,
    Environment,
    StrictUndefined,
    Undefined,
    make_logging_undefined,
    pass_context,
)
from jinja2.runtime import Context
from markupsafe import Markup

from jinjacache import Cache, CacheKeyError
from jinjacache.events import Event, KeyRefused
from tests.support.pages import WAYS, Way, environment, render

ways = pytest.mark.parametrize("way", WAYS, ids=str)

ALIKE: list[object] = [
    *[1, "1", True, 1.0, b"1", Decimal(1), Markup("1"), [1], (1,), {1}, frozenset({1}), {1: 1}],
    *[None, "None", "", "a:b", ["a", "b"], ["a:b"], "a_b", 0.0, -0.0, False, 0, 2**70],
    *["é", "e\u0301", "\ud800", "\0", "\r\n", "x" * 10_000, "x" * 10_001, Decimal("1.0")],
]


@ways
def test_values_that_differ_have_entries_of_their_own(way: Way) -> None:
    """No two values of different type or content share an entry, on a miss or on a hit."""
    fragments = environment({"page": "{% cache 'x', v %}{{ number }}{% endcache %}"}, way)
    Cache().install(fragments)
    template = fragments.get_template("page")
    for _ in range(2):
        for number, value in enumerate(ALIKE):
            assert render(template, {"v": value, "number": number}) == str(number)


def test_arguments_do_not_run_together() -> None:
    """``"a_b", "c"`` is another key than ``"a", "b_c"``, and than ``("a", "b_c")``."""
    env = Environment()
    Cache().install(env)
    two = env.from_string("{% cache 'x', a, b %}{{ n }}{% endcache %}")
    pairs = [
        ("a_b", "c"),
        ("a", "b_c"),
        ("a", "bc"),
        ("ab", "c"),
        ("", "abc"),
        (1, True),
        (True, 1),
    ]
    for _ in range(2):
        assert [two.render(a=a, b=b, n=n) for n, (a, b) in enumerate(pairs)] == list("0123456")


def broken_generator() -> object:
    """Be consumed by nobody."""
    yield "never"
    raise AssertionError("consumed")


class Plain:
    """An object whose text would be its address."""


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "plain object": (Plain, "__cache_key__"),
    "generator": (broken_generator, "list"),
    "iterator": (lambda: iter([1]), "list"),
    "list with an object": (lambda: [1, {"a": Plain()}], "[1]['a']"),
    "module": (lambda: pytest, "module"),
}


@ways
@pytest.mark.parametrize("case", REFUSED)
def test_value_without_canonical_form_stops_the_page(case: str, way: Way) -> None:
    """The error names template, line, fragment, argument, type and fix; the body does not run."""
    make, remedy = REFUSED[case]
    ran: list[int] = []
    fragments = environment(
        {"page": "\n{% cache 'x', 1, v, timeout=9 %}{{ ran.append(1) }}{% endcache %}"}, way
    )
    Cache().install(fragments)
    value = make()
    with pytest.raises(CacheKeyError) as refusal:
        render(fragments.get_template("page"), {"v": value, "ran": ran})
    message = str(refusal.value)
    assert message.startswith("page, line 2: fragment 'x': key variable 2")
    assert remedy in message
    assert refusal.value.template == "page"
    assert refusal.value.lineno == 2
    assert refusal.value.fragment == "x"
    assert refusal.value.argument == "key variable 2"
    assert refusal.value.__cause__ is not None
    assert ran == []
    if case == "generator":
        assert next(value) == "never"  # type: ignore[call-overload]  # nothing was consumed


@ways
@pytest.mark.parametrize(
    "kind",
    [Undefined, ChainableUndefined, DebugUndefined, StrictUndefined, make_logging_undefined()],
)
@pytest.mark.parametrize("tag", ["cache 'x', v", "cache 'x', timeout=v", "cache 'x', when=v"])
def test_undefined_is_refused(kind: type[Undefined], tag: str, way: Way) -> None:
    """An undefined key variable or option is an error that shows ``|default(none)``."""
    page = "{% " + tag + " %}a{% endcache %}"
    fragments = environment({"page": page}, way, undefined=kind)
    Cache().install(fragments)
    with pytest.raises(CacheKeyError, match=r"v.*undefined|undefined.*v") as refusal:
        render(fragments.get_template("page"), {})
    assert "|default(" in str(refusal.value)
    assert "|default(none)" not in str(refusal.value) or "timeout" not in tag


@ways
def test_undefined_with_a_default_is_a_value(way: Way) -> None:
    """``v|default(none)`` is the way to say that a name may be missing."""
    page = "{% cache 'x', v|default(none) %}{{ v is defined }}{% endcache %}"
    fragments = environment({"page": page}, way)
    Cache().install(fragments)
    template = fragments.get_template("page")
    pages = [render(template, {}), render(template, {"v": None}), render(template, {"v": 1})]
    assert pages == ["False", "False", "True"]


def test_property_that_raises_is_the_templates_error() -> None:
    """An error in a key expression comes through as it is; nothing is rendered or stored."""

    class Product:
        @property
        def id(self) -> int:
            raise ZeroDivisionError("boom")

    env = Environment()
    cache = Cache().install(env)
    template = env.from_string("{% cache 'x', p.id %}{{ ran.append(1) }}{% endcache %}")
    ran: list[int] = []
    with pytest.raises(ZeroDivisionError, match="boom"):
        template.render(p=Product(), ran=ran)
    assert ran == []
    assert cache.stats().fragments == {} or cache.stats().misses == 0


@ways
def test_key_is_made_once_before_the_body(way: Way) -> None:
    """What the body does to a key variable does not change the key."""
    page = "{% cache 'x', v %}{{ v.append(2) }}{{ v }}{% endcache %}"
    fragments = environment({"page": page}, way)
    cache = Cache().install(fragments)
    template = fragments.get_template("page")
    render(template, {"v": [1]})
    assert "[1, 2]" in render(template, {"v": [1]})
    assert (cache.stats().hits, cache.stats().misses) == (1, 1)


@ways
def test_key_error_can_render_uncached(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    """``on_key_error="render"`` prefers a slow page, with an event and one warning."""
    fragments = environment({"page": "{% cache 'x', v %}{{ n }}{% endcache %}"}, way)
    cache = Cache(on_key_error="render").install(fragments)
    events: list[Event] = []
    cache.subscribe(events.append)
    template = fragments.get_template("page")
    with caplog.at_level(logging.WARNING, "jinjacache"):
        assert [render(template, {"v": Plain(), "n": n}) for n in (1, 2)] == ["1", "2"]
    assert [type(event) for event in events] == [KeyRefused, KeyRefused]
    assert [record.name for record in caplog.records] == ["jinjacache"]
    assert cache.stats().errors == 2


def test_fragment_without_a_key_keeps_the_one_around_it_from_being_stored() -> None:
    """What could not be keyed must not be baked into what can."""
    env = Environment()
    cache = Cache(on_key_error="render").install(env)
    page = env.from_string("{% cache 'a' %}{% cache 'b', v %}{{ n }}{% endcache %}{% endcache %}")
    assert [page.render(v=Plain(), n=n) for n in (1, 2)] == ["1", "2"]
    assert cache.stats().hits == 0


def test_attackers_values_leave_nothing_behind_but_entries() -> None:
    """A key variable with unbounded values stays within the memory backend's bounds."""
    env = Environment()
    cache = Cache("memory://?max_bytes=64KiB").install(env)
    template = env.from_string("{% cache 'x', v %}text{% endcache %}")
    for value in range(20_000):
        template.render(v=value)
    stats = cache.stats()
    assert len(stats.fragments) == 1
    assert stats.misses == 20_000
    (fragment,) = stats.fragments.values()
    assert fragment.stored == 20_000


def test_ambient_variables_are_part_of_the_key() -> None:
    """``Cache(vary=…)`` separates entries by what its callables return, context or none."""
    language = ["en"]

    @pass_context
    def currency(context: Context) -> object:
        return context.get("currency")

    env = Environment()
    vary: dict[str, Callable[..., object]] = {"lang": lambda: language[0], "money": currency}
    cache = Cache(vary=vary).install(env)
    template = env.from_string("{% cache 'x', 1 %}{{ n }}{% endcache %}")
    assert template.render(n=1, currency="EUR") == "1"
    assert template.render(n=2, currency="USD") == "2"
    language[0] = "de"
    assert template.render(n=3, currency="USD") == "3"
    assert template.render(n=4, currency="USD") == "3"
    assert cache.stats().hits == 1
    language[0] = Plain()  # type: ignore[call-overload]
    with pytest.raises(CacheKeyError, match="ambient variable 'lang'"):
        template.render(n=5, currency="USD")


def test_awaitables_in_keys_and_options_are_awaited() -> None:
    """In an asynchronous environment, coroutines in the tag are awaited, as in the page."""

    async def number(value: object) -> object:
        await asyncio.sleep(0)
        return value

    async def doubled(value: int) -> int:
        return value * 2

    page = (
        "{% cache 'x', number(7), 3|doubled, bare, timeout=number(60), when=number(true) %}"
        "{{ number(n) }}{% endcache %}"
    )
    env = Environment(loader=DictLoader({"page": page}), enable_async=True)
    filters: dict[str, object] = env.filters  # pyright: ignore[reportAssignmentType]
    filters["doubled"] = doubled
    cache = Cache().install(env)
    template = env.get_template("page")

    async def pages() -> list[str]:
        return [await template.render_async(number=number, n=n, bare=number("b")) for n in (1, 2)]

    assert asyncio.run(pages()) == ["1", "1"]
    assert (cache.stats().hits, cache.stats().misses) == (1, 1)


def test_coroutine_in_a_synchronous_environment_is_refused() -> None:
    """Where nothing can be awaited, a coroutine is no key."""

    async def number() -> int:
        return 1

    env = Environment()
    Cache().install(env)
    value = number()
    with pytest.raises(CacheKeyError, match="await"):
        env.from_string("{% cache 'x', v %}{% endcache %}").render(v=value)
    value.close()
