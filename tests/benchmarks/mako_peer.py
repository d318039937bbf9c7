"""Mako's cached defs over a region of dogpile.cache in memory."""

import re
from importlib import import_module

from .engines import TIMEOUT, Context
from .pages import Shape, loop

Regions = dict[str, object]

_INNERMOST = re.compile(r"\[\[(\w+): ([\w ]+)\]\]((?:(?!\[\[).)*?)\[\[end\]\]", re.DOTALL)


class MakoPage:
    """Render a template of Mako."""

    def __init__(self, source: str, regions: Regions) -> None:
        self._template = import_module("mako.template").Template(
            source,
            default_filters=["h"],
            cache_impl="dogpile.cache",
            cache_args={"regions": regions},
        )

    def render(self, context: Context) -> str:
        """Return the whole page as text."""
        text: str = self._template.render_unicode(**context)
        return text


class MakoEngine:
    """Cache with ``<%def cached="True">``."""

    def __init__(self) -> None:
        self._store: dict[str, object] = {}
        import_module("mako.template")
        region = import_module("dogpile.cache").make_region()
        region.configure("dogpile.cache.memory", arguments={"cache_dict": self._store})
        self._regions: Regions = {"memory": region}

    def page(self, shape: Shape) -> MakoPage:
        """Compile a page with fragments in it."""
        return MakoPage(_with_defs(loop(shape.value)), self._regions)

    def blank(self, text: str) -> MakoPage:
        """Compile the same loop around a text that stands in the template."""
        return MakoPage(_translated(loop(text)), self._regions)

    def clear(self) -> None:
        """Forget every stored fragment."""
        self._store.clear()


def _with_defs(source: str) -> str:
    """Move each fragment into a def of its own, the innermost first, and call it there."""
    defs: list[str] = []
    while found := _INNERMOST.search(source):
        name, variables, body = found[1], found[2].split(), found[3]
        defs.append(_cached_def(name, variables, _translated(body)))
        call = f"{{{{ {name}({', '.join(variables)}) }}}}"
        source = source[: found.start()] + call + source[found.end() :]
    return "".join(defs) + _translated(source)


def _translated(source: str) -> str:
    """Rewrite expressions and loops for Mako, whose loops take a line of their own."""
    source = re.sub(r"{{ (.*?) }}", r"${\1}", source)
    source = re.sub(r"{% (for .*?) %}", r"\\\n% \1:\n", source)
    return source.replace("{% endfor %}", "\\\n% endfor\n")


def _cached_def(name: str, variables: list[str], body: str) -> str:
    """Write a cached def, whose key holds its name: a region has one space of keys."""
    key = "_".join([name, *(f"${{{variable}}}" for variable in variables)])
    return (
        f'<%def name="{name}({", ".join(variables)})" cached="True" cache_region="memory"'
        f' cache_timeout="{TIMEOUT}" cache_key="{key}">{body}</%def>'
    )
