"""Django's own cache tag, and django-jinja's, both over Django's cache in local memory."""

from importlib import import_module
from typing import Any

from jinja2 import Environment

from .engines import ROOMY, TIMEOUT, Context, JinjaEngine, fill_in
from .pages import Shape, loop


def _django_cache() -> Any:  # noqa: ANN401 - Django says no more
    """Set Django up once, and return its cache in local memory."""
    conf = import_module("django.conf")
    if not conf.settings.configured:
        backend = "django.core.cache.backends.locmem.LocMemCache"
        store = {"BACKEND": backend, "OPTIONS": {"MAX_ENTRIES": ROOMY}}
        conf.settings.configure(CACHES={"default": store}, USE_I18N=False)
    return import_module("django.core.cache").cache


def django_jinja() -> JinjaEngine:
    """Cache with django-jinja's extension over Django's local memory."""
    cache = _django_cache()
    extension = import_module("django_jinja.builtins.extensions").CacheExtension
    environment = Environment(autoescape=True, extensions=[extension])

    def opening(name: str, variables: list[str]) -> str:
        return f'{{% cache {TIMEOUT} "{name}" {" ".join(variables)} %}}'

    return JinjaEngine(environment, opening, forget=cache.clear)


class DjangoPage:
    """Render a template of Django."""

    def __init__(self, source: str) -> None:
        base = import_module("django.template")
        engine = base.Engine(libraries={"cache": "django.templatetags.cache"})
        self._context = base.Context
        self._template = engine.from_string("{% load cache %}" + source)

    def render(self, context: Context) -> str:
        """Return the whole page as text."""
        text: str = self._template.render(self._context(context))
        return text


class DjangoEngine:
    """Cache with Django's own template language over its local memory."""

    def __init__(self) -> None:
        self._cache = _django_cache()

    def page(self, shape: Shape) -> DjangoPage:
        """Compile a page with fragments in it."""

        def opening(name: str, variables: list[str]) -> str:
            return f"{{% cache {TIMEOUT} {name} {' '.join(variables)} %}}"

        return DjangoPage(fill_in(loop(shape.value), opening, "{% endcache %}"))

    def blank(self, text: str) -> DjangoPage:
        """Compile the same loop around a text that stands in the template."""
        return DjangoPage(loop(text))

    def clear(self) -> None:
        """Forget every stored fragment."""
        self._cache.clear()
