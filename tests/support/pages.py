"""Compare cached pages with the uncached one, in every mode in which Jinja renders.

*The uncached page* is the same templates with ``{% with %}…{% endwith %}`` in the place of each
fragment, since a fragment is a scope. Every check renders it, then the cached page as a miss and
as a hit, and wants the same text or the same error.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jinja2 import DictLoader, Environment, Template

from jinjacache import Cache

_OPENING = re.compile(r"\{%([-+]?)\s*cache\b(?:[^%]|%(?!\}))*?([-+]?)%\}")
_CLOSING = re.compile(r"\{%([-+]?)\s*endcache\b[^%]*?([-+]?)%\}")

Context = Callable[[], Mapping[str, object]]


def without_fragments(source: str) -> str:
    """Return the template with a plain scope in the place of each fragment."""
    source = _OPENING.sub(r"{%\1 with \2%}", source)
    return _CLOSING.sub(r"{%\1 endwith \2%}", source)


@dataclass(frozen=True)
class Way:
    """One way to render: synchronous or not, escaping or not."""

    is_async: bool
    autoescape: bool

    def __str__(self) -> str:
        return f"{'async' if self.is_async else 'sync'}-{'escaped' if self.autoescape else 'plain'}"


WAYS = [Way(is_async, autoescape) for is_async in (False, True) for autoescape in (False, True)]


def environment(templates: Mapping[str, str], way: Way, **options: object) -> Environment:
    """Return an environment over ``templates`` that renders that ``way``."""
    return Environment(
        loader=DictLoader(dict(templates)),
        autoescape=way.autoescape,
        enable_async=way.is_async,
        **options,  # type: ignore[arg-type]
    )


def render(template: Template, context: Mapping[str, object]) -> str:
    """Render with ``render``, or ``render_async`` where the environment is asynchronous."""
    if template.environment.is_async:
        return asyncio.run(template.render_async(context))
    return template.render(context)


def outcome(template: Callable[[], Template], context: Mapping[str, object]) -> object:
    """Return the text of a page, or what its error says."""
    try:
        return render(template(), context)
    except Exception as error:  # noqa: BLE001 - whatever the page raises is what is compared
        return type(error), str(error)


def check(
    templates: Mapping[str, str],
    way: Way,
    context: Context = dict,
    *,
    page: str = "page",
    hits: bool = True,
    **options: object,
) -> str:
    """Check that ``page`` comes out as the uncached page, rendered and from the cache.

    ``context`` is called for each render, since generators and coroutines are used up.
    ``options`` are the environment's. With ``hits`` the second render must be served.
    """
    plain = {name: without_fragments(source) for name, source in templates.items()}
    bare = environment(plain, way, **options)
    expected = outcome(lambda: bare.get_template(page), context())
    fragments = environment(templates, way, **options)
    cache = Cache().install(fragments)
    missed = outcome(lambda: fragments.get_template(page), context())
    assert missed == expected, "the miss differs from the uncached page"
    before = cache.stats()
    again = outcome(lambda: fragments.get_template(page), context())
    assert again == expected, "the hit differs from the uncached page"
    after = cache.stats()
    if hits:
        assert after.hits > before.hits, "the second render was not served"
        assert after.misses == before.misses, "the second render missed"
    if isinstance(expected, str):
        _check_streams(fragments.get_template(page), context, expected)
        return expected
    raise AssertionError(f"the uncached page raises {expected}")


def _check_streams(template: Template, context: Context, expected: str) -> None:
    if template.environment.is_async:

        async def collect() -> str:
            return "".join([piece async for piece in template.generate_async(context())])

        assert asyncio.run(collect()) == expected
        assert template.render(context()) == expected
    else:
        assert "".join(template.generate(context())) == expected
        assert "".join(template.stream(context())) == expected
