"""The other caches of Jinja fragments: the textbook's, and Flask's."""

from collections.abc import Callable
from importlib import import_module

from jinja2 import Environment, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from markupsafe import Markup

from .engines import ROOMY, TIMEOUT, JinjaEngine, quoted_tag


class TextbookExtension(Extension):
    """Cache fragments in a dict by a call block, as Jinja's documentation sketches it."""

    tags = {"cache"}  # noqa: RUF012 - as in Jinja

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.store: dict[str, Markup] = {}

    def parse(self, parser: Parser) -> nodes.Node:
        """Make a call block of the tag."""
        lineno = next(parser.stream).lineno
        arguments = [parser.parse_expression()]
        while parser.stream.skip_if("comma"):
            arguments.append(parser.parse_expression())
        body = parser.parse_statements(("name:endcache",), drop_needle=True)
        call = self.call_method("_cached", arguments)
        return nodes.CallBlock(call, [], [], body).set_lineno(lineno)

    def _cached(self, name: str, *variables: object, caller: Callable[[], Markup]) -> Markup:
        """Return the stored fragment, or render it and store it."""
        key = ":".join([name, *map(str, variables)])
        found = self.store.get(key)
        if found is None:
            found = self.store[key] = caller()
        return found


def textbook() -> JinjaEngine:
    """Cache with the extension above."""
    environment = Environment(autoescape=True, extensions=[TextbookExtension])
    extension = environment.extensions[TextbookExtension.identifier]
    assert isinstance(extension, TextbookExtension)
    return JinjaEngine(environment, quoted_tag, forget=extension.store.clear)


def flask_caching() -> JinjaEngine:
    """Cache with Flask-Caching over cachelib's SimpleCache, inside an application's context."""
    module = import_module("flask_caching")
    extension = import_module("flask_caching.jinja2ext")
    app = import_module("flask").Flask("benchmark")
    settings = {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": ROOMY}
    cache = module.Cache(app, config=settings)
    app.app_context().push()
    environment = Environment(autoescape=True, extensions=[extension.CacheExtension])
    setattr(environment, extension.JINJA_CACHE_ATTR_NAME, cache)

    def opening(name: str, variables: list[str]) -> str:
        return f'{{% cache {TIMEOUT}, "{name}", {", ".join(variables)} %}}'

    return JinjaEngine(environment, opening, forget=cache.clear)
