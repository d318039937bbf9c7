"""What a fragment prints from elsewhere, a caller or a block, is part of what it is."""

from collections.abc import Mapping

import pytest
from jinja2 import DictLoader, Environment

from jinjacache import Cache
from tests.support.pages import render, without_fragments

modes = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])

TITLES = {
    "a": "{% extends 'layout' %}{% block title %}A{{ v }}{% endblock %}",
    "b": "{% extends 'layout' %}{% block title %}B{{ v }}{% endblock %}",
}
BOX = "{% macro box() %}{% cache 'box' %}<{{ caller() }}>{% endcache %}{% endmacro %}"

PAGES: dict[str, dict[str, str]] = {
    "block through self": {
        **TITLES,
        "layout": "{% block title %}{% endblock %}{% block body %}{% cache 'b' %}"
        "[{{ self.title() }}]{% endcache %}{% endblock %}",
    },
    "block through self as an item": {
        **TITLES,
        "layout": "{% block title %}{% endblock %}{% cache 'b' %}"
        "[{{ self['title']() }}]{% endcache %}",
    },
    "block through self under another name": {
        **TITLES,
        "layout": "{% block title %}{% endblock %}{% set s = self %}{% cache 'b' %}"
        "[{{ s.title() }}]{% endcache %}",
    },
    "block through a block": {
        **TITLES,
        "layout": "{% block title %}{% endblock %}{% block two %}{{ self.title() }}{% endblock %}"
        "{% cache 'b' %}[{{ self.two() }}]{% endcache %}",
    },
    "block itself and through a block": {
        **TITLES,
        "layout": "{% block title %}{% endblock %}{% block two %}{{ self.title() }}{% endblock %}"
        "{% cache 'b' %}[{{ self.title() }}{{ self.two() }}]{% endcache %}",
    },
    "block beside a caller": {
        **TITLES,
        "layout": "{% block title %}{% endblock %}{% set page = self %}"
        "{% macro box() %}{% cache 'b' %}[{{ caller() }}{{ page.title() }}]{% endcache %}"
        "{% endmacro %}{% call box() %}one{% endcall %}{% call box() %}two{% endcall %}",
    },
    "block in a block": {
        "a": "{% extends 'layout' %}{% block inner %}A{{ v }}{% endblock %}",
        "b": "{% extends 'layout' %}{% block inner %}B{{ v }}{% endblock %}",
        "layout": "{% block outer %}<{% block inner %}{% endblock %}>{% endblock %}"
        "{% cache 'b' %}[{{ self.outer() }}]{% endcache %}",
    },
    "block through a macro": {
        **TITLES,
        "layout": "{% block title %}{% endblock %}"
        "{% macro m(page) %}{{ page.title() }}{% endmacro %}"
        "{% cache 'b' %}[{{ m(self) }}]{% endcache %}",
    },
    "block of a page in the middle": {
        "a": "{% extends 'middle' %}{% block title %}A{{ super() }}{% endblock %}",
        "b": "{% extends 'middle' %}{% block title %}B{{ super() }}{% endblock %}",
        "middle": "{% extends 'layout' %}{% block title %}m{{ v }}{% endblock %}",
        "layout": "{% block title %}{% endblock %}{% cache 'b' %}"
        "[{{ self.title() }}]{% endcache %}",
    },
    "parent chosen at run time": {
        "a": "{% set layout = 'one' %}{% extends layout %}{% block title %}{% cache 't' %}"
        "{{ super() }}{{ v }}{% endcache %}{% endblock %}",
        "b": "{% set layout = 'two' %}{% extends layout %}{% block title %}{% cache 't' %}"
        "{{ super() }}{{ v }}{% endcache %}{% endblock %}",
        "one": "<{% block title %}one{% endblock %}>",
        "two": "<{% block title %}two{% endblock %}>",
    },
    "call blocks": {
        "a": BOX + "{% call box() %}A{{ v }}{% endcall %}",
        "b": BOX + "{% call box() %}B{{ v }}{% endcall %}",
    },
    "call blocks of one page": {
        "a": BOX + "{% call box() %}A{{ v }}{% endcall %}{% call box() %}B{{ v }}{% endcall %}",
        "b": BOX + "{% call box() %}B{{ v }}{% endcall %}{% call box() %}A{{ v }}{% endcall %}",
    },
    "caller as an argument": {
        name: BOX + "{% macro outer() %}({{ box(caller=caller) }}){% endmacro %}"
        "{% call outer() %}" + name + "{{ v }}{% endcall %}"
        for name in ("a", "b")
    },
    "caller under another name": {
        name: "{% macro box() %}{% set c = caller %}{% cache 'box' %}<{{ c() }}>{% endcache %}"
        "{% endmacro %}{% call box() %}" + name + "{{ v }}{% endcall %}"
        for name in ("a", "b")
    },
    "caller under another name of a scope": {
        name: "{% macro box() %}{% with c = caller %}{% cache 'box' %}<{{ c() }}>{% endcache %}"
        "{% endwith %}{% endmacro %}{% call box() %}" + name + "{{ v }}{% endcall %}"
        for name in ("a", "b")
    },
    "caller in a loop": {
        name: "{% macro box() %}{% for c in [caller] %}{% cache 'box' %}<{{ c() }}>{% endcache %}"
        "{% endfor %}{% endmacro %}{% call box() %}" + name + "{{ v }}{% endcall %}"
        for name in ("a", "b")
    },
    "caller of a caller": {
        name: BOX
        + "{% macro outer() %}{% set c = caller %}{% call box() %}({{ c() }}){% endcall %}"
        "{% endmacro %}"
        "{% call outer() %}" + name + "{{ v }}{% endcall %}"
        for name in ("a", "b")
    },
    "call block that prints a block": {
        **TITLES,
        "layout": BOX + "{% block title %}{% endblock %}"
        "{% call box() %}{{ self.title() }}{% endcall %}",
    },
    "call block that prints the parent's block": {
        name: BOX + "{% set layout = '" + name + name + "' %}{% extends layout %}"
        "{% from 'macros' import box %}"
        "{% block title %}{% call box() %}{{ super() }}{{ v }}{% endcall %}{% endblock %}"
        for name in ("a", "b")
    }
    | {
        "macros": BOX,
        "aa": "{% block title %}A{% endblock %}",
        "bb": "{% block title %}B{% endblock %}",
    },
    "imported macro with a caller": {
        name: "{% from 'macros' import box %}{% call box() %}" + name + "{{ v }}{% endcall %}"
        for name in ("a", "b")
    }
    | {"macros": BOX},
    "macro that a call block prints": {
        name: BOX + "{% macro m() %}" + name + "{{ v }}{% endmacro %}"
        "{% call box() %}{{ m() }}{% endcall %}"
        for name in ("a", "b")
    },
}


def environment(templates: Mapping[str, str], *, is_async: bool) -> Environment:
    """Return an environment over ``templates``."""
    return Environment(loader=DictLoader(dict(templates)), autoescape=True, enable_async=is_async)


def shown(env: Environment, page: str, value: object) -> str:
    """Return a page as it comes out now."""
    return render(env.get_template(page), {"v": value})


@modes
@pytest.mark.parametrize("order", ["ab", "ba"])
@pytest.mark.parametrize("case", PAGES)
def test_each_page_prints_its_own(case: str, order: str, *, is_async: bool) -> None:
    """Pages with other callers and blocks do not share what a common fragment prints of them."""
    plain = {name: without_fragments(source) for name, source in PAGES[case].items()}
    bare = environment(plain, is_async=is_async)
    env = environment(PAGES[case], is_async=is_async)
    cache = Cache().install(env)
    expected = {page: shown(bare, page, 1) for page in order}
    assert len(set(expected.values())) == 2
    assert {page: shown(env, page, 1) for page in order} == expected
    before = cache.stats()
    assert {page: shown(env, page, 1) for page in order} == expected
    after = cache.stats()
    assert (after.misses, after.hits) == (before.misses, before.hits + before.misses)


@modes
def test_pages_with_the_same_block_share(*, is_async: bool) -> None:
    """Two pages that define a block alike are served the same entry."""
    layout = "{% block t %}{% endblock %}{% cache 'b' %}[{{ self.t() }}]{% endcache %}"
    child = "{% extends 'layout' %}{% block t %}A{% endblock %}"
    templates = {"layout": layout, "a": child, "b": "{# comment #}" + child, "c": child + "more"}
    env = environment(templates, is_async=is_async)
    cache = Cache().install(env)
    assert [shown(env, page, 1) for page in "abc"] == ["A[A]"] * 3
    assert (cache.stats().misses, cache.stats().hits) == (1, 2)


@modes
def test_edit_of_a_block_is_seen(*, is_async: bool) -> None:
    """A child whose block was edited is rendered anew inside of the layout's fragment."""
    layout = "{% block t %}{% endblock %}{% cache 'b' %}[{{ self.t() }}]{% endcache %}"
    templates = {"layout": layout, "a": "{% extends 'layout' %}{% block t %}A{% endblock %}"}
    env = environment(templates, is_async=is_async)
    Cache().install(env)
    assert shown(env, "a", 1) == "A[A]"
    env.loader = DictLoader({**templates, "a": templates["a"].replace("A", "B")})
    assert shown(env, "a", 1) == "B[B]"


FROM_PYTHON: dict[str, str] = {
    "argument": BOX + "{{ box(caller=given) }}",
    "argument that is passed on": (
        BOX + "{% macro outer() %}{{ box(caller=caller) }}{% endmacro %}{{ outer(caller=given) }}"
    ),
    "inside of a call block": (
        BOX + "{% macro outer() %}{% set c = caller %}{% call box() %}{{ c() }}{% endcall %}"
        "{% endmacro %}"
        "{{ outer(caller=given) }}"
    ),
    "variable of the page": "{% cache 'x' %}<{{ caller() }}>{% endcache %}",
}


@modes
@pytest.mark.parametrize("case", FROM_PYTHON)
def test_caller_from_python_is_never_cached(case: str, *, is_async: bool) -> None:
    """What a Python function prints as a caller is not known, so it is rendered each time."""
    env = environment({"page": FROM_PYTHON[case]}, is_async=is_async)
    cache = Cache().install(env)
    template = env.get_template("page")
    for text in ("one", "two", "two"):
        given = {"given": lambda text=text: text, "caller": lambda text=text: text}
        assert render(template, given) == f"<{text}>"
    assert cache.stats().hits == 0


@modes
def test_macro_without_a_caller_has_an_entry(*, is_async: bool) -> None:
    """A macro that is called plainly has an entry beside those of its call blocks."""
    source = (
        "{% macro box() %}{% cache 'box' %}<{{ caller() if caller else v }}>{% endcache %}"
        "{% endmacro %}{{ box() }}{% call box() %}A{% endcall %}{{ box() }}"
    )
    env = environment({"page": source}, is_async=is_async)
    cache = Cache().install(env)
    assert [shown(env, "page", 1), shown(env, "page", 2)] == ["<1><A><1>"] * 2
    assert (cache.stats().misses, cache.stats().hits) == (2, 4)
