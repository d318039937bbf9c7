"""A page with fragments is the page without them: on a miss, on a hit, in every mode."""

from collections.abc import Callable, Mapping

import pytest
from jinja2 import Environment, pass_context
from jinja2.ext import Extension
from jinja2.runtime import Context

from jinjacache import Cache
from tests.support.pages import WAYS, Way, check, environment, render

ways = pytest.mark.parametrize("way", WAYS, ids=str)

PAGES: dict[str, dict[str, str]] = {
    "name alone": {"page": "a{% cache 'x' %}<b>{{ html }}</b>{% endcache %}z"},
    "name and key variables": {"page": "{% cache 'x', number, text %}{{ text }}{% endcache %}"},
    "no name": {"page": "{% cache %}{{ html }}{% endcache %}{% cache %}other{% endcache %}"},
    "empty body": {"page": "[{% cache 'x' %}{% endcache %}]"},
    "white space control": {"page": "a \n{%- cache 'x' -%}\n b \n{%- endcache -%}\n c"},
    "include": {
        "page": "{% cache 'x' %}[{% include 'part' %}]{% endcache %}",
        "part": "<i>{{ html }}</i>",
    },
    "include without context": {
        "page": "1{% cache 'x' %}2{% include 'part' without context %}3{% endcache %}4",
        "part": "<i>part{{ html }}</i>",
    },
    "include of a missing template": {
        "page": "{% cache 'x' %}[{% include 'nope' ignore missing without context %}]{% endcache %}"
    },
    "include of a list without context": {
        "page": "{% cache 'x' %}[{% include ['no', 'part'] without context %}]{% endcache %}",
        "part": "part",
    },
    "fragment in an included template": {
        "page": "{% for n in numbers %}{% include 'part' %}{% endfor %}",
        "part": "{% cache 'x', n %}{{ n }}{{ html }}{% endcache %}",
    },
    "set block": {
        "page": "{% set y %}{% cache 'x' %}<b>{{ html }}</b>{% endcache %}{% endset %}{{ y }}|{{ y }}"
    },
    "filter block": {
        "page": "{% filter upper %}a{% cache 'x' %}b{{ html }}{% endcache %}{% endfilter %}"
    },
    "fragment around a filter block": {
        "page": "{% cache 'x' %}{% filter upper %}a{{ html }}{% endfilter %}{% endcache %}"
    },
    "macro": {
        "page": "{% macro m(a, b=2) %}{% cache 'x', a, b %}{{ a }}{{ b }}{{ html }}{% endcache %}"
        "{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m('1') }}{{ m(1) }}"
    },
    "macro inside": {
        "page": "{% cache 'x' %}{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(html) }}{% endcache %}"
    },
    "macro's varargs and kwargs": {
        "page": "{% macro m() %}{% cache 'x', varargs, kwargs %}{{ varargs|join(',') }}"
        "{{ kwargs.z }}{% endcache %}{% endmacro %}{{ m(1, 2, z=html) }}{{ m(1, 3, z=html) }}"
    },
    "caller": {
        "page": "{% macro box(n) %}{% cache 'box' %}<b>{{ caller(html) }}</b>{% endcache %}"
        "{% endmacro %}{% call(h) box(1) %}one {{ h }}{% endcall %}"
        "{% call(h) box(2) %}two {{ h }}{% endcall %}"
    },
    "caller under another name": {
        "page": "{% macro inner() %}{{ caller() }}{% endmacro %}"
        "{% macro box() %}{% set outer = caller %}{% cache 'box' %}"
        "{% call inner() %}({{ outer() }}){% endcall %}{% endcache %}{% endmacro %}"
        "{% call box() %}one{% endcall %}{% call box() %}two{% endcall %}"
    },
    "caller through two macros": {
        "page": "{% macro inner() %}{% cache 'in' %}{{ caller() }}{% endcache %}{% endmacro %}"
        "{% macro box() %}{% set outer = caller %}{% call inner() %}<{{ outer() }}>{% endcall %}"
        "{% endmacro %}{% call box() %}one{% endcall %}{% call box() %}two{% endcall %}"
    },
    "macro without a caller": {
        "page": "{% macro box() %}{% cache 'b' %}{% if caller %}{{ caller() }}{% else %}none"
        "{% endif %}{% endcache %}{% endmacro %}{{ box() }}{% call box() %}one{% endcall %}"
    },
    "caller in an included template": {
        "page": "{% macro box() %}{% if caller %}{% cache 'b' %}{% include 'part' %}{% endcache %}"
        "{% endif %}{% endmacro %}{% call box() %}one{% endcall %}{% call box() %}two{% endcall %}",
        "part": "<b>{{ caller() }}</b>",
    },
    "caller in a body and in a template that it includes": {
        "page": "{% macro box() %}{% cache 'b' %}{{ caller() }}{% include 'part' %}{% endcache %}"
        "{% endmacro %}{% call box() %}one{% endcall %}{% call box() %}two{% endcall %}",
        "part": "<b>{{ caller() }}</b>",
    },
    "call blocks with other parameters": {
        "page": "{% macro b() %}{% cache 'b' %}{{ caller(1, 2) }}{% endcache %}{% endmacro %}"
        "{% call(a, b) b() %}{{ a }}{% endcall %}{% call(b, a) b() %}{{ a }}{% endcall %}"
    },
    "two recursive loops": {
        "page": "{% for t in tree recursive %}A{% cache 'x', t.id %}{{ loop(t.below) }}{% endcache %}"
        "{% endfor %}{% for t in tree recursive %}B{% cache 'x', t.id %}{{ loop(t.below) }}"
        "{% endcache %}{% endfor %}"
    },
    "macros of the same name": {
        "page": "{% macro m() %}1{% endmacro %}{% cache 'c' %}{{ m() }}{% endcache %}"
        "{% macro m() %}2{% endmacro %}{% cache 'c' %}{{ m() }}{% endcache %}"
    },
    "a name that is set twice": {
        "page": "{% set t %}1{% endset %}{% cache 'c' %}{{ t }}{% endcache %}"
        "{% set t %}2{% endset %}{% cache 'c' %}{{ t }}{% endcache %}"
    },
    "call blocks that escape and do not": {
        "page": "{% macro b() %}{% cache 'b' %}{{ caller() }}{% endcache %}{% endmacro %}"
        "{% for e in (false, true) %}{% autoescape e %}{% call b() %}{{ html }}{% endcall %}"
        "{% endautoescape %}{% endfor %}{% autoescape false %}{% call b() %}{{ html }}{% endcall %}"
        "{% endautoescape %}{% autoescape true %}{% call b() %}{{ html }}{% endcall %}{% endautoescape %}"
    },
    "child at run time, with what it lacks": {
        "page": "{% if child %}{% extends 'base' %}{% endif %}{% cache 'x', nobody.id %}"
        "{{ nobody.name }}{% endcache %}{% block b %}{% cache 'y' %}b{% endcache %}{% endblock %}",
        "base": "<{% block b %}{% endblock %}>",
    },
    "call block inside": {
        "page": "{% macro box() %}<b>{{ caller() }}</b>{% endmacro %}"
        "{% cache 'x' %}{% call box() %}{{ html }}{% endcall %}{% endcache %}"
    },
    "imported macro with a caller": {
        "page": "{% from 'm' import box %}{% call box() %}one {{ html }}{% endcall %}"
        "{% call box() %}two{% endcall %}",
        "m": "{% macro box() %}{% cache 'box' %}<b>{{ caller() }}</b>{% endcache %}{% endmacro %}",
    },
    "import inside": {
        "page": "{% cache 'x' %}{% import 'm' as m %}{% from 'm' import b with context %}"
        "{{ m.b() }}{{ b() }}{% endcache %}",
        "m": "{% macro b() %}<b>{{ html }}</b>{% endmacro %}",
    },
    "set inside is local": {
        "page": "{% set a = 1 %}{% cache 'x' %}{% set a = 2 %}{% set b = 3 %}{{ a }}{% endcache %}"
        "{{ a }}{{ b is defined }}"
    },
    "name that is set after": {
        "page": "{% cache 'x' %}{{ a }}{% endcache %}{% set a = 1 %}{{ a }}"
    },
    "loop variables": {
        "page": "{% for n in numbers %}{% cache 'x', loop.index, n %}{{ loop.index }}"
        "{{ loop.cycle('a', 'b') }}{{ loop.last }}{{ n }}{% endcache %}{% else %}none{% endfor %}"
    },
    "loop inside, left by break": {
        "page": "{% cache 'x' %}{% for n in numbers %}{% if n == 2 %}{% break %}{% endif %}{{ n }}"
        "{% continue %}never{% endfor %}{% endcache %}"
    },
    "recursive loop": {
        "page": "{% for t in tree recursive %}{% cache 'x', t.id %}<{{ t.id }}>"
        "{% if t.below %}{{ loop(t.below) }}{% endif %}{% endcache %}{% endfor %}"
    },
    "recursive loop inside": {
        "page": "{% cache 'x' %}{% for t in tree recursive %}<{{ t.id }}>"
        "{{ loop(t.below) }}{% endfor %}{% endcache %}"
    },
    "nested": {
        "page": "{% cache 'a' %}1{% cache 'b' %}2{{ html }}{% endcache %}3{% cache 'c' %}4"
        "{% endcache %}{% endcache %}{% cache 'b' %}2{{ html }}{% endcache %}"
    },
    "the same key inside itself": {
        "page": "{% for t in chain recursive %}{% cache 'x' %}<{{ loop(t.below) }}>"
        "{% endcache %}{% endfor %}"
    },
    "same name, other body": {
        "page": "{% cache 'x' %}a{% endcache %}{% cache 'x' %}b{% endcache %}"
    },
    "autoescape regions": {
        "page": "{% autoescape false %}{% cache 'x' %}{{ html }}{% endcache %}{% endautoescape %}"
        "{% autoescape true %}{% cache 'x' %}{{ html }}{% endcache %}{% endautoescape %}"
    },
    "autoescape decided at run time": {
        "page": "{% for e in (true, false) %}{% autoescape e %}{% cache 'x' %}{{ html }}{{ ['<']|join(html) }}"
        "{% endcache %}{% endautoescape %}{% endfor %}"
    },
    "autoescape inside": {
        "page": "{% cache 'x' %}{% autoescape false %}{{ html }}{% endautoescape %}{{ html }}{% endcache %}"
    },
    "block": {
        "page": "{% extends 'base' %}{% block b %}{% cache 'x' %}{{ super() }}+{% endcache %}{% endblock %}",
        "base": "<{% block b %}{{ html }}{% endblock %}>",
    },
    "scoped block": {
        "page": "{% for n in numbers %}{% block b scoped %}{% cache 'x', n %}{{ n }}{% endcache %}"
        "{% endblock %}{% endfor %}"
    },
    "self": {
        "page": "{% block t %}T{{ html }}{% endblock %}{% cache 'x' %}[{{ self.t() }}]{% endcache %}"
    },
    "top level of a child": {
        "page": "{% extends 'base' %}{% cache 'x' %}lost{{ html }}{% endcache %}"
        "{% block b %}{% cache 'y' %}kept{% endcache %}{% endblock %}",
        "base": "<{% block b %}{% endblock %}>",
    },
    "top level of a page that may be a child": {
        "page": "{% if child %}{% extends 'base' %}{% endif %}{% cache 'x' %}a{% endcache %}"
        "{% block b %}{% cache 'y' %}b{% endcache %}{% endblock %}",
        "base": "<{% block b %}{% endblock %}>",
    },
    "set block at the top level of a child": {
        "page": "{% extends 'base' %}{% set a %}{% cache 'x' %}{{ html }}{% endcache %}{% endset %}"
        "{% macro m() %}{% cache 'm' %}m{% endcache %}{% endmacro %}"
        "{% set c = m() %}",
        "base": "{{ a }}|{{ c }}|{% block b %}{% endblock %}",
    },
    "filter block at the top level of a child": {
        "page": "{% extends 'base' %}{% filter upper %}{% cache 'x' %}a{% endcache %}{% endfilter %}"
        "{% set y %}{% filter upper %}{% cache 'z' %}b{% endcache %}{% endfilter %}{% endset %}",
        "base": "<{{ y }}{% block b %}{% cache 'y' %}c{% endcache %}{% endblock %}>",
    },
    "translations": {
        "page": "{% cache 'x', number %}{% trans n=number, h=html %}one {{ h }}{% pluralize %}"
        "{{ n }} {{ h }}{% endtrans %}{{ _('hello') }}{% endcache %}"
    },
    "functions that take the context": {
        "page": "{% set a = 1 %}{% for n in numbers %}{% with w = 5 %}{% cache 'x', n %}"
        "{{ look('n') }}{{ look('a') }}{{ look('w') }}{{ 'n'|looked }}{% endcache %}{% endwith %}"
        "{{ look('n') }}{% endfor %}"
    },
    "functions that take the context, in a block": {
        "page": "{% block b %}{% set a = 1 %}{% cache 'x' %}{% set c = 2 %}{{ look('a') }}"
        "{{ look('c') }}{% endcache %}{{ look('a') }}{% endblock %}"
    },
    "with and if around": {
        "page": "{% with a = html %}{% if a %}{% cache 'x', a %}{{ a }}{% endcache %}{% endif %}{% endwith %}"
    },
    "namespace": {
        "page": "{% set ns = namespace(n=0) %}{% cache 'x' %}{% for n in numbers %}{{ ns.n }}"
        "{% endfor %}{% endcache %}"
    },
    "conditions": {
        "page": "{% cache 'a', when=true %}a{% endcache %}{% cache 'b', nope.nope, when=false %}b"
        "{{ html }}{% endcache %}{% cache 'c', timeout=none %}c{% endcache %}"
    },
}


@pass_context
def look(context: Context, name: str) -> object:
    """Look a name up as functions that take the context do."""
    return context.get(name, "absent")


class Looking(Extension):
    """Bring translations and a filter that takes the context, as applications do."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        filters: dict[str, object] = environment.filters  # pyright: ignore[reportAssignmentType]
        filters["looked"] = look
        install: Callable[..., object] = environment.install_null_translations  # type: ignore[attr-defined]
        install()


def context() -> Mapping[str, object]:
    """Return fresh variables for one render."""
    leaf: dict[str, object] = {"id": 2, "below": []}
    return {
        "html": "<&>",
        "number": 3,
        "text": 'te"xt',
        "numbers": [1, 2, 3],
        "look": look,
        "child": True,
        "chain": [{"below": [{"below": [leaf]}]}],
        "tree": [{"id": 1, "below": [leaf]}, {"id": 3, "below": list[object]()}],
    }


@ways
@pytest.mark.parametrize("case", PAGES)
def test_page_is_the_uncached_page(case: str, way: Way) -> None:
    """A miss and a hit give what the same templates give with plain scopes."""
    check(
        PAGES[case],
        way,
        context,
        extensions=["jinja2.ext.i18n", "jinja2.ext.loopcontrols", "jinja2.ext.do", Looking],
    )


@pytest.mark.parametrize("case", ["set", "filter", "macro"])
@ways
def test_include_without_context_stays_in_its_buffer(case: str, way: Way) -> None:
    """Where Jinja itself lets such an include go past a buffer, its text stays where it stands."""
    page = {
        "set": "{% set y %}[{% include 'part' without context %}]{% endset %}{{ y }}",
        "filter": "{% filter upper %}[{% include 'part' without context %}]{% endfilter %}",
        "macro": "{% macro m() %}[{% include 'part' without context %}]{% endmacro %}{{ m() }}",
    }[case]
    templates = {"page": "{% cache 'x' %}" + page + "{% endcache %}", "part": "part"}
    fragments = environment(templates, way)
    Cache().install(fragments)
    template = fragments.get_template("page")
    expected = "[PART]" if case == "filter" else "[part]"
    assert [render(template, {}), render(template, {})] == [expected, expected]
