"""A wrong tag is a ``TemplateSyntaxError`` at its own line that says what to do."""

import pytest
from jinja2 import Environment, TemplateSyntaxError

from jinjacache import Cache, CacheExtension

WRONG = {
    "option misspelt": ("{% cache 'x', timout=3 %}{% endcache %}", "did you mean 'timeout'"),
    "option unknown": ("{% cache 'x', colour=3 %}{% endcache %}", "timeout, using, when"),
    "option repeated": ("{% cache 'x', timeout=3, timeout=4 %}{% endcache %}", "given twice"),
    "dynamic option repeated": ("{% cache 'x', when=a, when=b %}{% endcache %}", "given twice"),
    "timeout negative": ("{% cache 'x', timeout=-1 %}{% endcache %}", "seconds from 0 up"),
    "timeout negative, computed": ("{% cache 'x', timeout=1-2 %}{% endcache %}", "from 0 up"),
    "timeout bool": ("{% cache 'x', timeout=true %}{% endcache %}", "seconds from 0 up"),
    "timeout text": ("{% cache 'x', timeout='60' %}{% endcache %}", "seconds from 0 up"),
    "timeout list": ("{% cache 'x', timeout=[60] %}{% endcache %}", "seconds from 0 up"),
    "using computed": ("{% cache 'x', using=a %}{% endcache %}", "string literal"),
    "using empty": ("{% cache 'x', using='' %}{% endcache %}", "string literal"),
    "using number": ("{% cache 'x', using=3 %}{% endcache %}", "string literal"),
    "name computed": ("{% cache 'a' ~ b %}{% endcache %}", "string literal"),
    "name a variable": ("{% cache user.id %}{% endcache %}", "string literal"),
    "name a number": ("{% cache 3 %}{% endcache %}", "string literal"),
    "name empty": ("{% cache '' %}{% endcache %}", "1 to 200"),
    "name too long": ("{% cache '" + "x" * 201 + "' %}{% endcache %}", "1 to 200"),
    "name as an option": ("{% cache name='x' %}{% endcache %}", "no option 'name'"),
    "comma missing": ("{% cache 'x' user.id %}{% endcache %}", "comma"),
    "comma missing before an option": ("{% cache 'x' timeout=3 %}{% endcache %}", "comma"),
    "variable after an option": ("{% cache 'x', timeout=3, user %}{% endcache %}", "the front"),
    "not ended": ("{% cache 'x' %} text", "{% endcache %}"),
    "block inside": (
        "{% cache 'x' %}{% if a %}{% block b %}{% endblock %}{% endif %}{% endcache %}",
        "put the fragment inside the block",
    ),
    "block directly inside": (
        "{% cache 'x' %}{% block b %}{% endblock %}{% endcache %}",
        "block 'b' stands inside fragment 'x'",
    ),
}
"""Case: source, and a part of the message."""

LATER = {
    "other name at the end": ("{% cache 'x' %}\n\n{% endcache 'y' %}", "'endcache' names 'y'"),
    "name at the end of an unnamed one": ("{% cache %}\n\n{% endcache 'y' %}", "names 'y'"),
    "break across": (
        "{% for i in a %}{% cache 'x' %}\n\n{% if i %}{% break %}{% endif %}{% endcache %}{% endfor %}",
        "'break' would leave fragment 'x'",
    ),
    "continue across": (
        "{% for i in a %}{% cache %}\n\n{% continue %}{% endcache %}{% endfor %}",
        "'continue' would leave the unnamed fragment",
    ),
    "break in the else of an inner loop": (
        "{% for i in a %}{% cache 'x' %}{% for j in i %}{% else %}\n\n{% break %}{% endfor %}"
        "{% endcache %}{% endfor %}",
        "'break'",
    ),
}
"""The same for what is wrong two lines below the tag."""


@pytest.fixture
def environment() -> Environment:
    """Return an environment with the tag, and with loops that can be left."""
    return Environment(extensions=[CacheExtension, "jinja2.ext.loopcontrols"])


@pytest.mark.parametrize("case", WRONG)
def test_wrong_tag_is_refused_at_its_line(environment: Environment, case: str) -> None:
    """The error stands at the line of the tag, and names the remedy."""
    source, remedy = WRONG[case]
    with pytest.raises(TemplateSyntaxError) as refusal:
        environment.from_string("\n\n\n" + source)
    assert refusal.value.lineno == 4
    assert remedy in str(refusal.value)


@pytest.mark.parametrize("case", LATER)
def test_wrong_body_is_refused_at_its_line(environment: Environment, case: str) -> None:
    """The error stands at the line of what is wrong inside the tag."""
    source, remedy = LATER[case]
    with pytest.raises(TemplateSyntaxError) as refusal:
        environment.from_string("\n\n\n" + source)
    assert refusal.value.lineno == 6
    assert remedy in str(refusal.value)


def test_wrong_tags_are_refused_where_nothing_is_cached() -> None:
    """A set-up without a cache must not hide a bug."""
    for cache in (Cache("null://"), Cache(enabled=False)):
        environment = Environment()
        cache.install(environment)
        with pytest.raises(TemplateSyntaxError):
            environment.from_string("{% cache 'x', timout=3 %}{% endcache %}")


@pytest.mark.parametrize("end", ["endcache", "endcache x", "endcache 'x'"])
def test_end_may_repeat_the_name(environment: Environment, end: str) -> None:
    """The name may stand at the end, as in ``{% endblock name %}``."""
    template = environment.from_string("{% cache 'x', 1, timeout=3 %}a{% " + end + " %}b")
    assert template.render() == "ab"


def test_literal_options_are_checked_when_parsed(environment: Environment) -> None:
    """Tools that only parse see the same errors as tools that compile."""
    with pytest.raises(TemplateSyntaxError):
        environment.parse("{% cache 'x', timeout=-1 %}{% endcache %}")


def test_a_name_of_200_characters_is_usable(environment: Environment) -> None:
    """The bound is 200 characters, and any character is one."""
    name = "é\r\nflush_all " + "x" * 187
    assert environment.from_string("{% cache '" + name + "' %}a{% endcache %}").render() == "a"
