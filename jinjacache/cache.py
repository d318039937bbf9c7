"""`Cache`: what users hold."""

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Literal, cast

from jinja2 import Environment

from jinjacache.arguments import (
    check_alias,
    check_clock,
    check_vary,
    check_version,
    one_of,
    secrets,
)
from jinjacache.backends.protocol import Backend
from jinjacache.binding import Binding, Tagged
from jinjacache.durations import seconds
from jinjacache.entry import Codec
from jinjacache.errors import ConfigurationError
from jinjacache.events import Audience, FragmentId, FragmentStats, Journal, Subscriber
from jinjacache.fingerprint import fingerprint, loader_identity
from jinjacache.handle import FragmentHandle
from jinjacache.keys import check_namespace, prefix
from jinjacache.recording import NO_MODES, SCOPE, Clock, Mode, Modes, Request
from jinjacache.store import Finder, Store
from jinjacache.stores import OnError, open_store

OnKeyError = Literal["raise", "render"]
Vary = Mapping[str, Callable[..., object]]
Secret = str | bytes | Sequence[str | bytes]

EXTENSION = "jinjacache.extension.CacheExtension"


_MOST_FRAGMENTS = 10_000
_FURTHER = FragmentId(None, "further fragments")


@dataclass(frozen=True, slots=True)
class Stats:
    """What happened since the cache was made, per fragment and in all.

    Beyond 10,000 fragments (templates made from ever new strings), the rest count as one.
    """

    fragments: Mapping[FragmentId, FragmentStats]

    @property
    def hits(self) -> int:
        """How often an entry was served."""
        return sum(stats.hits for stats in self.fragments.values())

    @property
    def misses(self) -> int:
        """How often a body was rendered."""
        return sum(stats.misses for stats in self.fragments.values())

    @property
    def errors(self) -> int:
        """How often a backend failed or an entry was unreadable."""
        return sum(stats.errors for stats in self.fragments.values())


class Cache:
    """Keep rendered fragments in a backend.

    Args:
        backend: a URL (``memory://``, ``memory://?max_bytes=64MiB``, ``null://``) or a backend
            object.
        timeout: how long a fragment is fresh that names no timeout of its own: seconds as an int
            or float, a `timedelta`, or None for no expiry; 0 renders and touches nothing.
        namespace: 1 to 40 characters from ``A-Z a-z 0-9 . _ -`` that keep applications apart which
            share a backend.
        version: the release of the application, part of every key; releases with different
            versions live side by side.
        vary: ambient variables, by name: callables (that may use Jinja's ``pass_context``) whose
            values are part of every key, such as ``{"lang": get_locale}``.
        secret: signs entries in a backend that others can write to; a list rotates: the first
            signs, all verify.
        on_error: ``"ignore"`` renders uncached when a backend fails, ``"raise"`` lets the error
            through, for tests.
        on_key_error: ``"raise"`` stops the page when a key cannot be made, ``"render"`` renders
            the fragment uncached.
        enabled: False renders everything and touches nothing; the attribute may be changed.
        clock: seconds since any fixed moment; by default the monotonic clock for entries in
            memory and the wall clock for entries that processes share.

    Raises:
        ConfigurationError: an argument is wrong; the message says which and what it may be.
    """

    def __init__(
        self,
        backend: str | Backend = "memory://",
        *,
        timeout: float | timedelta | None = 300,
        namespace: str = "default",
        version: str | None = None,
        vary: Vary | None = None,
        secret: Secret | None = None,
        on_error: OnError = "ignore",
        on_key_error: OnKeyError = "raise",
        enabled: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self._arguments: dict[str, object] = {
            "backend": backend,
            "timeout": timeout,
            "namespace": namespace,
            "version": version,
            "vary": vary,
            "secret": secret,
            "on_error": on_error,
            "on_key_error": on_key_error,
            "clock": clock,
        }
        self._timeout = seconds(timeout)
        self._namespace = check_namespace(namespace)
        self._version = check_version(version)
        self._vary = check_vary(vary)
        self._renders_on_key_error = one_of("on_key_error", on_key_error, OnKeyError) == "render"
        self._store: Store = open_store(
            backend,
            namespace=namespace,
            codec=Codec(secrets=secrets(secret)),
            clock=check_clock(clock),
            on_error=one_of("on_error", on_error, OnError),
        )
        self._audience = Audience()
        self._stats: dict[FragmentId, FragmentStats] = {}
        self.find: Finder = _nothing
        self.enabled = enabled

    def install(self, environment: Environment, *, alias: str | None = None) -> "Cache":
        """Register the ``cache`` tag in ``environment`` and keep its fragments here.

        With ``alias`` the cache serves the tags that say ``using="alias"``; others keep theirs.
        Returns the cache itself.
        """
        if not isinstance(cast("object", environment), Environment):
            raise ConfigurationError(
                f"a cache is installed in an Environment, not in {type(environment).__name__}; "
                "in Flask that is app.jinja_env"
            )
        if alias is None:
            # Not `extend`, which leaves alone what is there already.
            environment.fragment_cache = self  # type: ignore[attr-defined]
        else:
            known = getattr(environment, "fragment_caches", {})
            environment.fragment_caches = {**known, check_alias(alias): self}  # type: ignore[attr-defined]
        if EXTENSION not in environment.extensions:
            environment.add_extension(EXTENSION)
        return self

    @property
    def enabled(self) -> bool:
        """Whether the cache works at all; when not, fragments are rendered and nothing touched."""
        return self._enabled

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        if type(enabled) is not bool:
            raise ConfigurationError(f"enabled is {enabled!r}: take True or False")
        self._arguments["enabled"] = self._enabled = enabled
        self._attend()

    @contextmanager
    def off(self) -> Generator[None]:
        """Render as if there were no cache in this block: no read, no write, no statistics."""
        with self._as(Mode.OFF):
            yield

    @contextmanager
    def bypass(self) -> Generator[None]:
        """Render without reading or storing entries in this block."""
        with self._as(Mode.BYPASS):
            yield

    @contextmanager
    def refresh(self) -> Generator[None]:
        """Render without reading entries in this block, and store what is rendered."""
        with self._as(Mode.REFRESH):
            yield

    def clear(self) -> None:
        """Forget every entry of the namespace, in all processes; the backend is not flushed.

        Raises:
            BackendError: the backend could not be reached; entries may still be served.
        """
        self._store.clear()

    def stats(self) -> Stats:
        """Return a copy of the counters, per fragment."""
        return Stats({fragment: replace(stats) for fragment, stats in tuple(self._stats.items())})

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call ``callback`` with every event from now on; return how to stop that.

        Events are the frozen records of `jinjacache.events`. A callback that raises is logged and
        does not reach the page. While nobody listens, events cost nothing.
        """
        subscription = partial(callback)  # one callback may be subscribed several times
        self._audience.subscribers = (*self._audience.subscribers, subscription)
        self._attend()
        return partial(self._unsubscribe, subscription)

    def fragment(self, environment: Environment, template: str, name: str) -> FragmentHandle:
        """Return a handle on the fragment ``name`` of ``template``, as it is compiled now.

        Raises:
            LookupError: the template has no such fragment, or more than one.
            jinja2.TemplateNotFound: there is no such template.
        """
        return FragmentHandle(self, environment, template, name)

    def close(self) -> None:
        """Give back what the backend holds: sockets, files."""
        self._store.close()

    def bind(self, site: Tagged, environment: Environment) -> Binding:
        """Return what ``site`` works with in ``environment``; compiled templates call it."""
        fragment = FragmentId(site.template, site.label)
        where = (self._version, site.template, site.name, site.given, tuple(self._vary))
        # What other files hold is known by the loader that finds them.
        files = loader_identity(environment) if site.depends else None
        identity = (*where, site.digest, site.escaped, fingerprint(environment), files)
        if fragment not in self._stats and len(self._stats) >= _MOST_FRAGMENTS:
            fragment = _FURTHER
        stats = self._stats.setdefault(fragment, FragmentStats())
        return Binding(
            environment=environment,
            cache=self,
            store=self._store,
            clock=self._store.clock,
            namespace=self._namespace,
            escaping=prefix(self._namespace, *identity, "escaping"),
            plain=prefix(self._namespace, *identity, "plain"),
            timeout=site.timeout_or(self._timeout),
            journal=Journal(fragment, self._audience, stats),
            stats=stats,
            ambient=self._vary,
            renders_on_key_error=self._renders_on_key_error,
        )

    def mode(self, modes: Modes) -> Mode | None:
        """Return what the cache does, where ``modes`` hold, instead of its usual work, or None."""
        return modes.get(self) if self._enabled else Mode.OFF

    def __repr__(self) -> str:
        return f"Cache(namespace={self._namespace!r}, timeout={self._timeout}, {self._store!r})"

    def __reduce__(self) -> tuple[Callable[..., "Cache"], tuple[()]]:
        return partial(type(self), **self._arguments), ()  # type: ignore[arg-type]

    @contextmanager
    def _as(self, mode: Mode) -> Generator[None]:
        outside = SCOPE.get()
        recording, modes = (outside.recording, outside.modes) if outside else (None, NO_MODES)
        SCOPE.set(Request(recording, {**modes, self: mode}))
        try:
            yield
        finally:
            SCOPE.set(outside)

    def _attend(self) -> None:
        """Let hits take the short way only while nothing has to be done on one."""
        short = self._enabled and not self._vary and not self._audience.subscribers
        self.find = self._store.find if short else _nothing

    def _unsubscribe(self, subscription: Subscriber) -> None:
        rest = [known for known in self._audience.subscribers if known is not subscription]
        self._audience.subscribers = tuple(rest)
        self._attend()


def _nothing(key: Hashable) -> None:
    """Find nothing."""
