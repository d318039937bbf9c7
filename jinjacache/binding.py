"""What a site works with in one environment with one cache."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from jinja2 import Environment
from jinja2.runtime import Context

from jinjacache.events import FragmentStats, Journal
from jinjacache.recording import Mode, Modes
from jinjacache.store import Finder, Store


class Tagged(Protocol):
    """What a cache needs to know of a ``cache`` tag in order to keep its fragment."""

    template: str | None
    name: str | None
    digest: str
    escaped: bool | None
    given: int
    depends: bool

    @property
    def label(self) -> str:
        """The fragment's name, or ``#`` and the beginning of its digest."""
        ...

    def timeout_or(self, default: float) -> float:
        """Return the literal timeout of the tag, or ``default`` where it has none."""
        ...


class Keeper(Protocol):
    """What a site needs of the cache that is installed in its environment."""

    @property
    def find(self) -> Finder:
        """Look up an in-memory key, or always None where a hit takes more than that."""
        ...

    def bind(self, site: Tagged, environment: Environment) -> "Binding":
        """Return what the site works with from now on."""
        ...

    def mode(self, modes: Modes) -> Mode | None:
        """Return what the cache does instead of its usual work, or None."""
        ...


@dataclass(slots=True, eq=False)
class Binding:
    """A site in one environment with one cache."""

    environment: Environment
    cache: Keeper
    store: Store
    clock: Callable[[], float]
    namespace: str
    escaping: bytes
    """The prefix of the fragment's keys where autoescaping is on."""
    plain: bytes
    """The prefix of the fragment's keys where autoescaping is off."""
    timeout: float
    journal: Journal
    stats: FragmentStats
    ambient: Mapping[str, Callable[[Context], object]]
    renders_on_key_error: bool
