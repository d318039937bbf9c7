"""What compiled templates call.

Compiled code has one `Site` for each tag, made of constants at the end of the template's module,
and this shape (with ``await`` and ``async with`` in an asynchronous environment)::

    t_1 = fragment_1.recall(context, l_0_user_id)
    if t_1.__class__ is not str:
        with t_1 as t_2:
            t_2.append(...)                              # the body
        t_1 = t_1.text
    yield t_1

A hit is one call, one test and the text. The body stands where it stood, so it sees the same
names, fails with the same traceback, and cannot run twice.
"""

import math
from collections.abc import Awaitable, Mapping
from inspect import isawaitable
from typing import Any, cast

from jinja2 import Environment, Undefined
from jinja2.runtime import Context
from jinja2.utils import missing

from jinjacache.binding import Binding, Keeper
from jinjacache.durations import seconds as parse_seconds
from jinjacache.encoding import encode
from jinjacache.errors import (
    CacheKeyError,
    ConfigurationError,
    InvalidDuration,
    KeyEncodingError,
)
from jinjacache.freshness import SKEW
from jinjacache.keys import PLAIN, Key
from jinjacache.recording import NO_MODES, SCOPE, Mode
from jinjacache.rendering import Rendering, Unstored
from jinjacache.sources import UNKNOWN

Answer = str | Rendering | Unstored

_scope = SCOPE.get


class Site:
    """One ``cache`` tag of a compiled template."""

    __slots__ = (
        "binding",
        "computes_timeout",
        "depends",
        "digest",
        "elsewhere",
        "escaped",
        "given",
        "lineno",
        "name",
        "several",
        "template",
        "timeout",
        "using",
        "variables",
    )

    def __init__(
        self,
        template: str | None,
        name: str | None,
        lineno: int,
        digest: str,
        *,
        escaped: bool | None,
        variables: int,
        elsewhere: bool = False,
        depends: bool = False,
        computes_timeout: bool = False,
        timeout: object = missing,
        using: str | None = None,
    ) -> None:
        self.template = template
        self.name = name
        self.lineno = lineno
        self.digest = digest
        self.escaped = escaped
        """How the body was compiled: escaping, not, or None where it is decided at run time."""
        self.variables = variables
        self.elsewhere = elsewhere
        """Whether it prints a caller or a block, whose source is one more key variable."""
        self.depends = depends or elsewhere
        """Whether other templates take part in what it prints."""
        self.timeout = None if timeout is missing else parse_seconds(timeout)
        self.computes_timeout = computes_timeout
        """Whether the timeout is known at run time only."""
        self.using = using
        self.given = variables + elsewhere
        """How many key variables compiled code hands over."""
        self.several = self.given > 1
        self.binding: Binding | None = None

    @property
    def label(self) -> str:
        """The fragment's name, or ``#`` and the beginning of its digest."""
        return self.name or f"#{self.digest[:8]}"

    @property
    def place(self) -> str:
        """Where the tag stands, for messages."""
        return f"{self.template or '<template>'}, line {self.lineno}: fragment {self.label!r}"

    def recall(
        self, context: Context, value: object, timeout: object = missing
    ) -> "Answer | Awaitable[Answer]":
        """Return the fragment's text, or the context manager in which its body is rendered.

        ``value`` is the only key variable, None where there is none, or the tuple of several.

        Raises:
            CacheKeyError: a key variable, an ambient variable or the timeout has no canonical form.
        """
        environment: Any = context.environment
        binding = self.binding
        cache: Keeper = (
            environment.fragment_cache if self.using is None else self.installed(environment)
        )
        if binding is None or binding.cache is not cache or binding.environment is not environment:
            binding = self.binding = cache.bind(self, environment)
        seconds = binding.timeout if timeout is missing else self.seconds(timeout)
        if value.__class__ in PLAIN or (self.several and _all_plain(value)):
            prefix = binding.escaping if context.eval_ctx.autoescape else binding.plain
            # As `Key.in_memory` has it; what is long or large lies under a hash, and takes longer.
            node = cache.find((prefix, value))
            if node is not None:
                # What `freshness.judge` says, without its two calls.
                entry = node.value
                age = binding.clock() - entry.made_at
                # A clock that was set back gives ages below 0, and still 0 serves nothing.
                if -SKEW <= age < entry.timeout and age < seconds and seconds:
                    scope = _scope()
                    if scope is None or scope.admits(entry, age, seconds):
                        node.visited = True
                        binding.stats.hits += 1
                        return entry.body  # type: ignore[return-value]  # no holes, so text
        values = value if self.several else (value,) if self.given else ()
        return self.decide(binding, context, cast("tuple[object, ...]", values), seconds)

    def decide(
        self, binding: Binding, context: Context, values: tuple[object, ...], seconds: float
    ) -> "Answer | Awaitable[Answer]":
        """Find out by the whole policy what a look-up at hand could not tell."""
        rendering = self.prepare(binding, context, values, seconds)
        if isinstance(rendering, Rendering):
            return rendering.begin(binding.store)
        return rendering

    def installed(self, environment: Environment) -> Keeper:
        """Return the cache that keeps this fragment in ``environment`` now.

        Raises:
            ConfigurationError: ``using`` names a cache that is not installed.
        """
        if self.using is None:
            return environment.fragment_cache  # type: ignore[attr-defined, no-any-return]
        caches: Mapping[str, Keeper] = getattr(environment, "fragment_caches", {})
        if self.using in caches:
            return caches[self.using]
        raise ConfigurationError(
            f"{self.place}: no cache is installed as {self.using!r} (there is: "
            f"{', '.join(map(repr, caches)) or 'none'}); call install(env, alias={self.using!r})"
        )

    def timeout_or(self, default: float) -> float:
        """Return the literal timeout of the tag, or ``default`` where it has none.

        Where the tag computes it, the answer is infinite: until it does, nothing shorter is known.
        """
        if self.computes_timeout:
            return math.inf
        return default if self.timeout is None else self.timeout

    def prepare(
        self, binding: Binding, context: Context, values: tuple[object, ...], seconds: float
    ) -> Rendering | Unstored:
        """Make the key and say what is wanted, or why the fragment goes without the cache."""
        if self.elsewhere and values[-1] is UNKNOWN:
            return Unstored(f"{self.label} prints what a caller or block of unknown source gives")
        scope = _scope()
        mode = binding.cache.mode(NO_MODES if scope is None else scope.modes)
        try:
            key = self.key(binding, context, values)
        except CacheKeyError as refusal:
            if not binding.renders_on_key_error:
                raise
            if mode is not Mode.OFF:
                binding.journal.key_refused(str(refusal))
            return Unstored(f"the key of {self.label} cannot be made")
        rendering = Rendering(
            key, seconds, binding.journal, binding.clock, mode=mode, outside=scope
        )
        if rendering.outer is not None and rendering.outer.contains(key.in_memory):
            return Unstored(None)  # the same fragment inside itself is a part of it
        if seconds == 0:
            return Unstored(f"{self.label} has timeout 0")
        return rendering

    def key(self, binding: Binding, context: Context, values: tuple[object, ...]) -> Key:
        """Return the key for ``values`` in ``context``.

        Raises:
            CacheKeyError: a value has no canonical form; it says which, its type and the fix.
        """
        prefix = binding.escaping if context.eval_ctx.autoescape else binding.plain
        ambient: tuple[object, ...] = ()
        if binding.ambient:
            ambient = tuple([call(context) for call in binding.ambient.values()])
        try:
            return Key(binding.namespace, prefix, values, ambient)
        except KeyEncodingError as error:
            raise self.refusal(
                error, values, dict(zip(binding.ambient, ambient, strict=True))
            ) from error

    def refusal(
        self, error: KeyEncodingError, values: tuple[object, ...], ambient: Mapping[str, object]
    ) -> CacheKeyError:
        """Say which variable has no canonical form, its type and the fix."""
        variables = [(f"key variable {at}", value) for at, value in enumerate(values, 1)]
        variables += [(f"ambient variable {name!r}", value) for name, value in ambient.items()]
        guilty, cause = _guilty(variables, error)
        return CacheKeyError(
            f"{self.place}: {guilty}{cause.path}: {cause}",
            template=self.template,
            lineno=self.lineno,
            fragment=self.label,
            argument=guilty,
            type_name=cause.type_name,
        )

    def seconds(self, timeout: object) -> float:
        """Return a timeout that the template computed, in seconds.

        Raises:
            CacheKeyError: it is undefined.
            InvalidDuration: it is negative, NaN, a bool or text.
        """
        if isinstance(timeout, Undefined):
            raise self.undefined("timeout", timeout, "300")
        try:
            return parse_seconds(timeout)
        except InvalidDuration as error:
            raise InvalidDuration(f"{self.place}: {error}") from error

    def wanted(self, when: object) -> bool:
        """Return whether the fragment is to be cached, from the value of ``when``.

        Raises:
            CacheKeyError: it is undefined.
        """
        if isinstance(when, Undefined):
            raise self.undefined("when", when, "false")
        return bool(when)

    def uncached(self) -> "Unstored | Awaitable[Unstored]":
        """Return the context manager of a body whose ``when`` is false."""
        return Unstored(f"'when' of {self.label} is false")

    def undefined(self, option: str, value: Undefined, instead: str) -> CacheKeyError:
        """Return the error for an option that is undefined."""
        name = object.__getattribute__(value, "_undefined_name")
        return CacheKeyError(
            f"{self.place}: {option} is undefined (variable {name!r}); "
            f"give it a value, for example with {name}|default({instead})",
            template=self.template,
            lineno=self.lineno,
            fragment=self.label,
            argument=option,
            type_name="Undefined",
        )


class AsyncSite(Site):
    """One ``cache`` tag of a template that was compiled for asynchronous rendering."""

    __slots__ = ()

    async def decide(
        self, binding: Binding, context: Context, values: tuple[object, ...], seconds: float
    ) -> Answer:
        """Find out by the whole policy, without blocking the event loop."""
        values = tuple([await value if isawaitable(value) else value for value in values])
        rendering = self.prepare(binding, context, values, seconds)
        if isinstance(rendering, Rendering):
            return await rendering.begin_async(binding.store)
        return rendering

    async def uncached(self) -> Unstored:
        """Return the context manager of a body whose ``when`` is false."""
        return Unstored(f"'when' of {self.label} is false")


def _all_plain(values: object) -> bool:
    # Not `all` over a generator, which would take twice the time of a hit.
    for value in cast("tuple[object, ...]", values):  # noqa: SIM110
        if value.__class__ not in PLAIN:
            return False
    return True


def _guilty(
    arguments: list[tuple[str, object]], cause: KeyEncodingError
) -> tuple[str, KeyEncodingError]:
    """Return the first argument that has no canonical form by itself, and why."""
    for argument, value in arguments:
        try:
            encode(value)
        except KeyEncodingError as error:
            return argument, error
    return "the key", cause
