"""Who takes part, in the order of the report; who is not installed stays out."""

from collections.abc import Callable, Mapping

from jinja2 import Environment

from .django_peers import DjangoEngine, django_jinja
from .engines import TIMEOUT, Engine, JinjaEngine, plain, quoted_tag, ready
from .mako_peer import MakoEngine
from .peers import flask_caching, textbook

Makers = Mapping[str, Callable[[], Engine]]

PLAIN = "no cache"
READY = "{{ html }}"
TEXTBOOK = "textbook extension"
FLASK = "Flask-Caching"
DJANGO = "Django"
DJANGO_JINJA = "django-jinja"
MAKO = "Mako + dogpile.cache"
OURS = "jinjacache"


def ours() -> JinjaEngine:
    """Cache with jinjacache in memory; its statistics are always on."""
    from jinjacache import Cache  # noqa: PLC0415 - absent, it is a row of the report
    from jinjacache.backends.memory import MemoryBackend  # noqa: PLC0415

    environment = Environment(autoescape=True)
    backend = MemoryBackend(1 << 30)
    Cache(backend, timeout=TIMEOUT).install(environment)
    return JinjaEngine(environment, quoted_tag, forget=backend.clear)


MAKERS: Makers = {
    PLAIN: plain,
    READY: ready,
    TEXTBOOK: textbook,
    FLASK: flask_caching,
    DJANGO: DjangoEngine,
    DJANGO_JINJA: django_jinja,
    MAKO: MakoEngine,
    OURS: ours,
}

PACKAGES = (
    *("jinjacache", "Jinja2", "MarkupSafe", "Flask-Caching", "cachelib", "Django", "django-jinja"),
    *("Mako", "dogpile.cache"),
)
"""The distributions whose versions matter to the figures."""


def gather(makers: Makers = MAKERS) -> tuple[dict[str, Engine], dict[str, str]]:
    """Make every contender; return those that are there, and why the others are not."""
    engines: dict[str, Engine] = {}
    absent: dict[str, str] = {}
    for name, make in makers.items():
        try:
            engines[name] = make()
        except ImportError as error:
            absent[name] = str(error)
    return engines, absent
