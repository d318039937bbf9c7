"""The source digest changes with what a fragment prints or decides, and with nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import jinja2
import markupsafe
import pytest
from jinja2 import Environment, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

import jinjacache
from jinjacache.analysis.digest import Reach
from jinjacache.tag import ALL_BLOCKS, tag_of


class Internal(Extension):
    """Print an expression twice through a name that the parser numbers by itself."""

    tags = {"twice"}  # noqa: RUF012 - Jinja's way

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return an assignment and what prints it."""
        lineno = next(parser.stream).lineno
        name = parser.free_identifier(lineno)
        value = parser.parse_expression()
        return [
            nodes.Assign(name, value, lineno=lineno),
            nodes.Output([name, name], lineno=lineno),
        ]


class Odd(Extension):
    """Print a constant that no template can write."""

    tags = {"odd"}  # noqa: RUF012 - Jinja's way

    def parse(self, parser: Parser) -> nodes.Node:
        """Return an imaginary number."""
        lineno = next(parser.stream).lineno
        number = parser.parse_expression().as_const()
        return nodes.Output([nodes.Const(complex(0, number))], lineno=lineno)


def environment() -> Environment:
    """Return an environment with the tags of these tests."""
    extensions: list[str | type[Extension]] = [Internal, Odd]
    extensions += ["jinjacache.CacheExtension", "jinja2.ext.i18n", "jinja2.ext.do"]
    return Environment(extensions=extensions)


def reach(source: str) -> tuple[Reach, list[nodes.Node]]:
    """Return what the template leads to, and the body of its first fragment."""
    tree = environment().parse(source)
    fragments = (node for node in tree.find_all(nodes.With) if tag_of(node) is not None)
    return Reach(tree), next(fragments).body


def digest(source: str) -> str:
    """Return the digest of the template's first fragment."""
    found, body = reach(source)
    return found.digest(body)


BODY = "<b>{{ a.b|join(',') }}</b>{% if c %}yes{% endif %}"
FRAGMENT = "{% cache 'x' %}" + BODY + "{% endcache %}"

ALIKE = {
    "comment before": "{# more #}" + FRAGMENT,
    "comment inside": FRAGMENT.replace("<b>", "<b>{# more #}"),
    "comment between expressions": FRAGMENT.replace("{% if", "{# more #}{% if"),
    "lines before": "\n\n\n" + FRAGMENT,
    "text around": "before " + FRAGMENT + " after",
    "white space inside of tags": FRAGMENT.replace("{{ a", "{{\n a").replace("{% if", "{%   if"),
    "white space that is stripped": FRAGMENT.replace("<b>{{", "<b>  {{-"),
    "another spelling of a literal": FRAGMENT.replace("','", '","'),
    "parentheses": FRAGMENT.replace("if c", "if (c)"),
    "another fragment after": FRAGMENT + "{% cache 'y', a %}other{% endcache %}",
    "text cut by an empty raw": FRAGMENT.replace("yes", "y{% raw %}{% endraw %}es"),
    "its own name": FRAGMENT.replace("'x'", "'y'"),
    "its own key": FRAGMENT.replace("'x'", "'x', number"),
    "its own timeout": FRAGMENT.replace("'x'", "'x', timeout=5"),
    "a macro that is not called": "{% macro m() %}m{% endmacro %}" + FRAGMENT,
    "an import that is not used": "{% import 'm' as m %}{% from 'n' import o %}" + FRAGMENT,
    "a set that is not read": "{% set z = 1 %}" + FRAGMENT,
    "a loop over something else": "{% for z in a %}" + FRAGMENT + "{% endfor %}",
    "a block around": "{% block z %}" + FRAGMENT + "{% endblock %}",
}


@pytest.mark.parametrize("case", ALIKE)
def test_what_is_not_printed_changes_nothing(case: str) -> None:
    """Comments, places, spellings and what stands around a fragment leave its digest alone."""
    assert digest(ALIKE[case]) == digest(FRAGMENT)


def test_numbers_of_internal_names_change_nothing() -> None:
    """Tags before the fragment that use up the parser's own names leave its digest alone."""
    fragment = "{% cache 'x' %}{% twice a %}{% twice b %}{% trans %}t{% endtrans %}{% endcache %}"
    before = "{% twice 1 %}{% trans n=a %}one{% pluralize %}{{ n }}{% endtrans %}{% twice 2 %}"
    assert digest(before + fragment) == digest(fragment)


def test_internal_names_are_told_apart() -> None:
    """Which of two internal names is printed first is part of the digest."""
    found, body = reach("{% cache 'x' %}{% twice a %}{% twice b %}{% endcache %}")
    (first, print_first, second, print_second) = body
    assert found.digest([first, print_first, second, print_second]) != found.digest(
        [first, print_second, second, print_first]
    )


EDITS = {
    "text": ("a", "b"),
    "text of a template tag": ("a{{ x }}", "{{ x }}a"),
    "white space in text": ("a b", "a  b"),
    "text or expression": ("{{ a }}", "a"),
    "name": ("{{ a }}", "{{ b }}"),
    "attribute": ("{{ a.b }}", "{{ a.c }}"),
    "attribute or item": ("{{ a.b }}", "{{ a['b'] }}"),
    "filter": ("{{ a|upper }}", "{{ a|lower }}"),
    "filter or none": ("{{ a|upper }}", "{{ a }}"),
    "filter or call": ("{{ a|upper }}", "{{ upper(a) }}"),
    "filter argument": ("{{ a|join(',') }}", "{{ a|join(';') }}"),
    "filter argument by name": ("{{ a|join(d=',') }}", "{{ a|join(',') }}"),
    "order of filters": ("{{ a|trim|upper }}", "{{ a|upper|trim }}"),
    "test": ("{% if a is odd %}b{% endif %}", "{% if a is even %}b{% endif %}"),
    "condition": ("{% if a %}b{% endif %}", "{% if not a %}b{% endif %}"),
    "branch": ("{% if a %}b{% endif %}", "{% if a %}{% else %}b{% endif %}"),
    "elif or else": (
        "{% if a %}{% elif b %}c{% endif %}",
        "{% if a %}{% else %}{% if d %}c{% endif %}{% endif %}",
    ),
    "what stands inside of an if": ("{% if a %}b{% endif %}c", "{% if a %}bc{% endif %}"),
    "comparison": ("{{ a < b }}", "{{ a <= b }}"),
    "operator": ("{{ a + b }}", "{{ a - b }}"),
    "order": ("{{ a }}{{ b }}", "{{ b }}{{ a }}"),
    "int or text": ("{{ f(1) }}", "{{ f('1') }}"),
    "int or bool": ("{{ f(1) }}", "{{ f(true) }}"),
    "int or float": ("{{ f(1) }}", "{{ f(1.0) }}"),
    "bool or text": ("{{ f(true) }}", "{{ f('True') }}"),
    "none or text": ("{{ f(none) }}", "{{ f('None') }}"),
    "list or tuple": ("{{ f([1, 2]) }}", "{{ f((1, 2)) }}"),
    "one list or two arguments": ("{{ f([1, 2]) }}", "{{ f(1, 2) }}"),
    "dict": ("{{ f({'a': 1}) }}", "{{ f({'a': 2}) }}"),
    "call argument": ("{{ f(1, 2) }}", "{{ f(2, 1) }}"),
    "slice": ("{{ a[1:] }}", "{{ a[:1] }}"),
    "loop": ("{% for a in b %}{% endfor %}", "{% for a in c %}{% endfor %}"),
    "loop variable": ("{% for a in b %}{{ a }}{% endfor %}", "{% for c in b %}{{ a }}{% endfor %}"),
    "loop filter": ("{% for a in b if a %}{% endfor %}", "{% for a in b if not a %}{% endfor %}"),
    "loop that is recursive": (
        "{% for a in b %}{% endfor %}",
        "{% for a in b recursive %}{% endfor %}",
    ),
    "set": ("{% set a = 1 %}{{ a }}", "{% set a = 2 %}{{ a }}"),
    "set block": ("{% set a %}1{% endset %}{{ a }}", "{% set a %}2{% endset %}{{ a }}"),
    "do": ("{% do a.b() %}", "{% do a.c() %}"),
    "with": ("{% with a=1 %}{{ a }}{% endwith %}", "{% with a=2 %}{{ a }}{% endwith %}"),
    "autoescape region": (
        "{% autoescape true %}{{ a }}{% endautoescape %}",
        "{% autoescape false %}{{ a }}{% endautoescape %}",
    ),
    "include": ("{% include 'a' %}", "{% include 'b' %}"),
    "include without context": ("{% include 'a' %}", "{% include 'a' without context %}"),
    "include that may be missing": ("{% include 'a' %}", "{% include 'a' ignore missing %}"),
    "translation": ("{% trans %}a{% endtrans %}", "{% trans %}b{% endtrans %}"),
    "filter block": ("{% filter upper %}a{% endfilter %}", "{% filter lower %}a{% endfilter %}"),
    "call block": ("{% call m() %}a{% endcall %}", "{% call m() %}b{% endcall %}"),
    "call block's arguments": ("{% call(a) m() %}{% endcall %}", "{% call(b) m() %}{% endcall %}"),
    "macro inside": (
        "{% macro m() %}a{% endmacro %}{{ m() }}",
        "{% macro m() %}b{% endmacro %}{{ m() }}",
    ),
    "nested fragment or none": ("{% cache 'n' %}a{% endcache %}", "a"),
    "nested fragment or scope": ("{% cache 'n' %}a{% endcache %}", "{% with %}a{% endwith %}"),
    "nested fragment's name": ("{% cache 'n' %}a{% endcache %}", "{% cache 'o' %}a{% endcache %}"),
    "nested fragment without a name": (
        "{% cache 'n' %}a{% endcache %}",
        "{% cache %}a{% endcache %}",
    ),
    "nested fragment's timeout": (
        "{% cache 'n', timeout=1 %}a{% endcache %}",
        "{% cache 'n', timeout=2 %}a{% endcache %}",
    ),
    "nested fragment's computed timeout": (
        "{% cache 'n', timeout=a %}a{% endcache %}",
        "{% cache 'n', timeout=b %}a{% endcache %}",
    ),
    "nested fragment's option": (
        "{% cache 'n', when=a %}a{% endcache %}",
        "{% cache 'n', timeout=a %}a{% endcache %}",
    ),
    "nested fragment's key": (
        "{% cache 'n', a %}a{% endcache %}",
        "{% cache 'n', b %}a{% endcache %}",
    ),
    "internal name": ("{% twice a %}", "{% twice b %}"),
    "constant of an extension": ("{% odd 1 %}", "{% odd 2 %}"),
}


@pytest.mark.parametrize("case", EDITS)
def test_edit_of_the_body_changes_the_digest(case: str) -> None:
    """Whatever a body prints or decides is part of its digest."""
    one, two = (digest("{% cache 'x' %}" + body + "{% endcache %}") for body in EDITS[case])
    assert one != two


def around(template: str, filled: str) -> str:
    """Make a fragment of what stands between two ``~``, and fill every ``*``."""
    before, body, *after = template.split("~")
    whole = [before, "{% cache 'x' %}", body, "{% endcache %}", *after]
    return "".join(whole).replace("*", filled)


AROUND = {
    "macro body": "{% macro m() %}*{% endmacro %}~{{ m() }}",
    "macro default": "{% macro m(a='*') %}{{ a }}{% endmacro %}~{{ m() }}",
    "macro argument": "{% macro m(a, b*) %}{{ a }}{% endmacro %}~{{ m() }}",
    "macro of a macro": (
        "{% macro n() %}*{% endmacro %}{% macro m() %}{{ n() }}{% endmacro %}~{{ m() }}"
    ),
    "macro that stands after": "~{{ m() }}~{% macro m() %}*{% endmacro %}",
    "imported template": "{% import 't*' as m %}~{{ m.n() }}",
    "template imported from": "{% from 't*' import m %}~{{ m() }}",
    "name imported": "{% from 't' import n* as m %}~{{ m() }}",
    "set": "{% set a = '*' %}~{{ a }}",
    "set of several": "{% set a, b = 1, '*' %}~{{ a }}",
    "set of a set": "{% set b = '*' %}{% set a = b %}~{{ a }}",
    "set block": "{% set a %}*{% endset %}~{{ a }}",
    "set of an attribute": "{% set n = namespace() %}{% set n.a = '*' %}~{{ n.a }}",
    "set in a macro that is called": (
        "{% set a = '*' %}{% macro m() %}{{ a }}{% endmacro %}~{{ m() }}"
    ),
    "with around": "{% with a = '*' %}~{{ a }}~{% endwith %}",
    "loop around": "{% for a, b in ['*'] %}~{{ a }}~{% endfor %}",
    "filter of a loop around": "{% for a in b if a == '*' %}~{{ a }}~{% endfor %}",
    "macro that an included template may call": "{% macro m() %}*{% endmacro %}~{% include 'p' %}",
    "set that an imported template may read": (
        "{% set a = '*' %}~{% import 'p' as p with context %}{{ p.m() }}"
    ),
}


@pytest.mark.parametrize("case", AROUND)
def test_definition_that_is_read_counts(case: str) -> None:
    """What the body reads by name from its template is part of the digest, however indirectly."""
    assert digest(around(AROUND[case], "1")) != digest(around(AROUND[case], "2"))


def test_context_of_an_import_counts() -> None:
    """Whether an imported macro sees the context is part of the digest."""
    template = "{% from 't' import m * context %}~{{ m() }}"
    assert digest(around(template, "with")) != digest(around(template, "without"))


UNREAD = {
    "macro beside one that is called": (
        "{% macro n() %}*{% endmacro %}{% macro m() %}m{% endmacro %}~{{ m() }}"
    ),
    "import beside one that is used": "{% import 't*' as n %}{% import 't' as m %}~{{ m.a() }}",
    "set beside one that is read": "{% set b = '*' %}{% set a = 1 %}~{{ a }}",
    "attribute of that name": "{% set a = '*' %}~{{ b.a }}",
    "keyword of that name": "{% set a = '*' %}~{{ b(a=1) }}",
    "filter of that name": "{% set upper = '*' %}~{{ b|upper }}",
    "text of a loop around": "{% for a in b %}*~{{ a }}~*{% endfor %}",
    "text of a scope around": "{% with a = 1 %}*~{{ a }}~*{% endwith %}",
    "macro beside an include without context": (
        "{% macro m() %}*{% endmacro %}~{% include 'p' without context %}"
    ),
    "key of a fragment beside an include": ("~{% include 'p' %}~{% cache 'y', a* %}{% endcache %}"),
}


@pytest.mark.parametrize("case", UNREAD)
def test_definition_that_is_not_read_does_not_count(case: str) -> None:
    """An edit of what the body never reads does not throw its entries away."""
    assert digest(around(UNREAD[case], "1")) == digest(around(UNREAD[case], "2"))


BLOCKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "none": ("{{ a }}", ()),
    "attribute of self": ("{{ self.title() }}", ("title",)),
    "item of self": ("{{ self['title']() }}", ("title",)),
    "two blocks": ("{{ self.title() }}{{ self.a() }}", ("a", "title")),
    "self under another name": ("{% set s = self %}{{ s.title() }}", (ALL_BLOCKS,)),
    "self with a computed item": ("{{ self[a]() }}", (ALL_BLOCKS,)),
    "self through a filter": ("{{ (self|attr('title'))() }}", (ALL_BLOCKS,)),
    "self and its attribute": ("{{ self.title() }}{{ self }}", (ALL_BLOCKS, "title")),
    "super": ("{{ super() }}", ("own",)),
    "super of super": ("{{ super.super() }}", ("own",)),
    "super under another name": ("{% set s = super %}{{ s() }}", ("own",)),
    "inside of a macro": ("{% macro m() %}{{ self.title() }}{% endmacro %}{{ m() }}", ("title",)),
    "attribute of another object": ("{{ a.self.title() }}", ()),
    "set to self": ("{% set self = 1 %}", ()),
}


@pytest.mark.parametrize("case", BLOCKS)
def test_blocks_that_a_body_prints(case: str) -> None:
    """Blocks are found by the name that ``self`` is asked for, or all where that is not known."""
    body, blocks = BLOCKS[case]
    found, pieces = reach("{% cache 'x' %}" + body + "{% endcache %}")
    assert found.blocks(pieces, "own") == blocks


def test_super_is_of_no_block_outside_of_one() -> None:
    """Outside of a block there is none whose parent ``super()`` could print."""
    found, pieces = reach("{% cache 'x' %}{{ super() }}{% endcache %}")
    assert found.blocks(pieces, None) == ()


def test_blocks_inside_of_pieces_are_printed_by_them() -> None:
    """A block prints the blocks that stand in it."""
    inner = "{% if c %}{% block b %}{% endblock %}{% endif %}"
    tree = environment().parse("{% block a %}" + inner + "{% endblock %}")
    (outer,) = (block for block in tree.find_all(nodes.Block) if block.name == "a")
    assert Reach(tree).blocks(outer.body, "a") == ("b",)


def test_names_read_through_definitions() -> None:
    """A name is read by the body if what the body reads was made of it."""
    fragment = "{% cache 'x' %}{{ b() }}{% endcache %}"
    found, body = reach("{% set a = caller %}{% with b = a %}" + fragment + "{% endwith %}")
    assert found.reads(body, "caller")
    assert not found.reads(body, "other")


TEMPLATE = """{% set a, b = 1, {'k': [1.5, none, true, 'é']} %}{% import 'm' as m %}
{% macro row(x, y=(1, 2)) %}<td>{{ x|join(', ', attribute='n') }}{{ y }}{{ a }}</td>{% endmacro %}
{% cache 'x', user.id, timeout=60 %}{% for k, v in b.items() if v is odd %}{{ row(k) ~ m.f(v) }}
{% else %}{% twice b %}
{% cache 'n', k, timeout=a %}\U0001f600{{ self.t() }}{% endcache %}{% endfor %}
{% trans n=a %}one{% pluralize %}{{ n }}{% endtrans %}{% odd 3 %}{% endcache %}"""
PINNED = "653ad8be19ba4aa6ec3f62c7ccd01329ab566f8d"


def test_digest_is_pinned() -> None:
    """A change of the digest's form drops every entry in every shared store: it is announced."""
    assert digest(TEMPLATE) == PINNED


def _interpreters() -> dict[str, str | None]:
    """Return this Python, and where to find others of the versions that are supported."""
    installed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found: dict[str, str | None] = {"this": sys.executable}
    for version in ("3.12", "3.13"):
        candidates = sorted(installed.glob(f"{version}.*/bin/python"))
        found[version] = str(candidates[-1]) if candidates else None
    return found


INTERPRETERS = _interpreters()


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
@pytest.mark.parametrize("version", INTERPRETERS)
def test_digest_is_the_same_in_every_process(version: str, seed: str) -> None:
    """Neither the hash seed nor the version of Python shows in a digest."""
    python = INTERPRETERS[version]
    if python is None:
        pytest.skip(f"Python {version} is not installed where pyenv keeps its versions")
    packages = (jinjacache, jinja2, markupsafe, pytest)
    paths = {str(Path(str(package.__file__)).parents[1]) for package in packages}
    command = (
        f"import runpy, sys; sys.path[:0] = {sorted(paths)!r}; "
        f"print(runpy.run_path({__file__!r})['digest']({TEMPLATE!r}))"
    )
    run = subprocess.run(
        [python, "-c", command],
        env={**os.environ, "PYTHONHASHSEED": seed},
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == PINNED
