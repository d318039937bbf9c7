"""What a contender is: an engine that turns the shape of a page into something that renders it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from jinja2 import Environment, Template

from .pages import Shape, loop

Context = dict[str, object]
Tag = Callable[[str, list[str]], str]
"""Write a cache tag's opening, from the fragment's name and its key variables."""

TIMEOUT = 300
"""Seconds: longer than a run, so nothing expires within one timing."""
ROOMY = 1_000_000
"""More entries than are ever stored: nobody is measured while making room."""

_PLACE = re.compile(r"\[\[(\w+): ([\w ]+)\]\]")


class Page(Protocol):
    """Render one page, again and again."""

    def render(self, context: Context) -> str:
        """Return the whole page as text."""
        ...


class Engine(Protocol):
    """Make the pages of one contender."""

    def page(self, shape: Shape) -> Page:
        """Compile a page with fragments in it."""
        ...

    def blank(self, text: str) -> Page:
        """Compile the same loop around a text that stands in the template: what to subtract."""
        ...

    def clear(self) -> None:
        """Forget every stored fragment."""
        ...


def fill_in(source: str, opening: Tag, closing: str) -> str:
    """Put a contender's tags in the places that a source keeps for them."""
    opened = _PLACE.sub(lambda place: opening(place[1], place[2].split()), source)
    return opened.replace("[[end]]", closing)


@dataclass(frozen=True, slots=True)
class JinjaPage:
    """Render a template of Jinja."""

    template: Template

    def render(self, context: Context) -> str:
        """Return the whole page as text."""
        return self.template.render(context)


def _forget_nothing() -> None:
    """Have nothing stored."""


@dataclass(frozen=True, slots=True)
class JinjaEngine:
    """Render with Jinja and one kind of cache tag."""

    environment: Environment
    opening: Tag
    closing: str = "{% endcache %}"
    forget: Callable[[], None] = field(default=_forget_nothing)

    def page(self, shape: Shape) -> JinjaPage:
        """Compile a page with fragments in it."""
        source = fill_in(loop(shape.value), self.opening, self.closing)
        return JinjaPage(self.environment.from_string(source))

    def blank(self, text: str) -> JinjaPage:
        """Compile the same loop around a text that stands in the template."""
        return JinjaPage(self.environment.from_string(loop(text)))

    def clear(self) -> None:
        """Forget every stored fragment."""
        self.forget()


class ReadyEngine(JinjaEngine):
    """Print ready HTML with ``{{ html }}`` where the others have their fragment."""

    __slots__ = ()

    def page(self, shape: Shape) -> JinjaPage:
        """Compile a page that prints what it is given."""
        del shape
        return JinjaPage(self.environment.from_string(loop("{{ html }}")))


def no_tag(name: str, variables: list[str]) -> str:
    """Write nothing: the page without a cache."""
    del name, variables
    return ""


def quoted_tag(name: str, variables: list[str]) -> str:
    """Write ``{% cache "name", user, … %}``."""
    return f'{{% cache "{name}", {", ".join(variables)} %}}'


def plain() -> JinjaEngine:
    """Render without a cache."""
    return JinjaEngine(Environment(autoescape=True), no_tag, "")


def ready() -> ReadyEngine:
    """Print ready HTML: the reference."""
    return ReadyEngine(Environment(autoescape=True), no_tag, "")
