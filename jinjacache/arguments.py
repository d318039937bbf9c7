"""The arguments of ``Cache``, checked when it is made.

Each function returns what the cache works with, or raises a `ConfigurationError` that says which
argument is wrong and what it may be.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast, get_args

from jinja2.runtime import Context

from jinjacache.errors import ConfigurationError
from jinjacache.recording import Clock

T = TypeVar("T")


def check_clock(clock: Clock | None) -> Clock | None:
    """Return a clock, or None for the store's own."""
    if clock is None or callable(clock):
        return clock
    raise ConfigurationError(f"clock is {clock!r}: give a callable that returns seconds, or None")


def check_alias(alias: object) -> str:
    """Return the alias of a cache."""
    if isinstance(alias, str) and alias:
        return alias
    raise ConfigurationError(f"alias {alias!r} is not usable: take a string, or None")


def check_version(version: object) -> str | None:
    """Return the release of the application, or None."""
    if version is None or isinstance(version, str):
        return None if version is None else str(version)
    raise ConfigurationError(f"version {version!r} is not usable: take a string, or None")


def check_vary(vary: object) -> dict[str, Callable[[Context], object]]:
    """Return the ambient variables, by name, as functions of a context."""
    if vary is None:
        return {}
    named = dict(cast("Mapping[object, object]", vary)) if isinstance(vary, Mapping) else {0: vary}
    if not all(isinstance(name, str) for name in named):
        raise ConfigurationError('vary must map names to callables, like {"lang": get_locale}')
    ambient: dict[str, Callable[[Context], object]] = {}
    for name, function in sorted(cast("dict[str, object]", named).items()):
        if not callable(function):
            raise ConfigurationError(
                f"vary[{name!r}] is {function!r}: give the callable that returns the value"
            )
        ambient[name] = contextual(function)
    return ambient


def contextual(function: Callable[..., object]) -> Callable[[Context], object]:
    """Let ``function`` take what Jinja's ``pass_context`` and its siblings mark it for."""
    match getattr(getattr(function, "jinja_pass_arg", None), "name", None):
        case "context":
            return function
        case "eval_context":
            return lambda context: function(context.eval_ctx)
        case "environment":
            return lambda context: function(context.environment)
        case _:
            return lambda _: function()


def secrets(secret: object) -> Sequence[str | bytes]:
    """Return all secrets, the signing one first."""
    if secret is None:
        return ()
    if isinstance(secret, list | tuple):
        if not secret:
            raise ConfigurationError("secret is an empty list: give at least one, or None")
        return cast("Sequence[str | bytes]", secret)
    return [secret]  # type: ignore[list-item]  # the codec says what is wrong with it


def one_of(option: str, value: T, choices: object) -> T:
    """Return ``value``, one of the choices of a Literal."""
    known = get_args(choices)
    if value not in known:
        raise ConfigurationError(
            f"{option} is {value!r}: take one of {', '.join(map(repr, known))}"
        )
    return value
