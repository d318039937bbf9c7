"""A cache that is set up wrongly says so at once: which argument, and what it may be."""

import copy
import math
import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from jinja2 import DictLoader, Environment, pass_context, pass_environment, pass_eval_context
from jinja2.nodes import EvalContext
from jinja2.runtime import Context

from jinjacache import Cache, ConfigurationError
from jinjacache.backends.memory import MemoryBackend
from jinjacache.testing import ManualClock, RecordingBackend

WRONG: dict[str, tuple[dict[str, object], list[str]]] = {
    "backend is a number": ({"backend": 7}, ["int is no backend", "'memory://'"]),
    "backend is none": ({"backend": None}, ["NoneType is no backend", "'memory://'"]),
    "backend is a class": ({"backend": MemoryBackend}, ["MemoryBackend is a class", "instance"]),
    "url is empty": ({"backend": ""}, ["begins with a scheme", "memory"]),
    "scheme has a typo": ({"backend": "memry://"}, ["'memry'", "did you mean 'memory'?"]),
    "option has a typo": ({"backend": "memory://?max_byte=9"}, ["'max_byte'", "'max_bytes'"]),
    "option is no size": ({"backend": "memory://?max_bytes=lots"}, ["'max_bytes'", "MiB"]),
    "option is given twice": ({"backend": "null://?a=1&a=2"}, ["'a'", "twice"]),
    "memory has a host": ({"backend": "memory://localhost"}, ["memory", "no host"]),
    "timeout is negative": ({"timeout": -1}, ["timeout", "-1", "seconds", "none for no expiry"]),
    "timeout is a bool": ({"timeout": True}, ["timeout", "True (bool)", "timedelta"]),
    "timeout is text": ({"timeout": "60"}, ["timeout", "'60' (str)", "seconds"]),
    "timeout is no number": ({"timeout": math.nan}, ["timeout", "nan", "seconds"]),
    "timeout is negative time": ({"timeout": timedelta(-1)}, ["timeout", "timedelta"]),
    "namespace is empty": ({"namespace": ""}, ["namespace ''", "1 to 40 characters"]),
    "namespace has a space": ({"namespace": "a b"}, ["namespace 'a b'", "A-Z a-z 0-9 . _ -"]),
    "namespace is too long": ({"namespace": "x" * 41}, ["namespace", "1 to 40 characters"]),
    "namespace is none": ({"namespace": None}, ["namespace None", "1 to 40 characters"]),
    "version is a number": ({"version": 5}, ["version 5", "a string, or None"]),
    "vary is a list": ({"vary": ["lang"]}, ["vary", "names to callables"]),
    "vary holds a value": ({"vary": {"lang": "de"}}, ["vary['lang'] is 'de'", "the callable"]),
    "a name in vary is a number": ({"vary": {1: str}}, ["vary", "names to callables"]),
    "a name in vary is bytes": ({"vary": {"a": str, b"b": str}}, ["vary", "names to callables"]),
    "clock is a number": ({"clock": 5.0}, ["clock is 5.0", "a callable that returns seconds"]),
    "clock is text": ({"clock": "utc"}, ["clock is 'utc'", "a callable", "or None"]),
    "enabled is a number": ({"enabled": 1}, ["enabled is 1", "True or False"]),
    "enabled is text": ({"enabled": "false"}, ["enabled is 'false'", "True or False"]),
    "enabled is none": ({"enabled": None}, ["enabled is None", "True or False"]),
    "secret is empty": ({"secret": ""}, ["secret", "empty", "bytes"]),
    "secret is a number": ({"secret": 5}, ["secret", "not bytes or str"]),
    "secrets are none": ({"secret": []}, ["secret is an empty list", "at least one, or None"]),
    "one secret is empty": ({"secret": ["good", b""]}, ["secret is empty"]),
    "on_error is unknown": (
        {"on_error": "explode"},
        ["on_error is 'explode'", "'ignore', 'raise'"],
    ),
    "on_key_error is unknown": (
        {"on_key_error": "ignore"},
        ["on_key_error is 'ignore'", "'raise', 'render'"],
    ),
}


def cache_of(arguments: dict[str, Any]) -> Cache:
    """Return a cache, of arguments that types would not allow."""
    return Cache(**arguments)


@pytest.mark.parametrize("case", WRONG)
def test_wrong_argument_is_refused_at_once(case: str) -> None:
    """The message says which it is, what it was and what it may be."""
    arguments, words = WRONG[case]
    with pytest.raises(ConfigurationError) as refusal:
        cache_of(arguments)
    message = str(refusal.value)
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize("wrong", [0, 1, None, "false"])
@pytest.mark.parametrize("before", [False, True])
def test_cache_is_switched_by_a_bool_alone(wrong: bool, *, before: bool) -> None:  # noqa: FBT001
    """A text that says no would switch it on; what is refused leaves it as it was."""
    cache = Cache(enabled=before)
    with pytest.raises(ConfigurationError, match=r"enabled is .*: take True or False"):
        cache.enabled = wrong
    assert cache.enabled is before
    assert page(cache, 1) == "1"
    assert page(cache, 2) == ("1" if before else "2")


PASSWORD = "hunter2"  # noqa: S105


@pytest.mark.parametrize(
    "url",
    [
        f"memry://user:{PASSWORD}@host",
        f"memory://user:{PASSWORD}@host",
        f"null://:{PASSWORD}@host/path",
        f"memory://[{PASSWORD}",
        f"memory://#{PASSWORD}",
        f"memory://?password={PASSWORD}",
        f" memory://user:{PASSWORD}@host",
        f"memory:/user:{PASSWORD}@host",
    ],
)
def test_no_message_shows_a_password(url: str) -> None:
    """Nor does an error that it was raised from."""
    with pytest.raises(ConfigurationError) as refusal:
        Cache(url)
    error: BaseException | None = refusal.value
    while error is not None:
        assert PASSWORD not in f"{error!r}{error}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_a_cache_shows_no_secret() -> None:
    """Its text tells what it is, for a debugger and a log."""
    shown = repr(Cache("memory://?max_bytes=64KiB", namespace="shop", secret=PASSWORD, timeout=9))
    assert shown.startswith("Cache(namespace='shop', timeout=9.0, ")
    assert PASSWORD not in shown


@pytest.mark.parametrize("alias", ["", 5, b"a"])
def test_wrong_alias_is_refused(alias: str) -> None:
    """It is a string, as in the tag."""
    env = Environment(autoescape=True)
    with pytest.raises(ConfigurationError, match=r"alias .* is not usable: take a string, or None"):
        Cache().install(env, alias=alias)
    assert not hasattr(env, "fragment_caches")


PAGE = "{% cache 'x', v %}{{ n }}{% endcache %}"


def page(cache: Cache, number: int, **context: object) -> str:
    """Render a page, in an environment of its own, that shows the number on a miss."""
    env = Environment(loader=DictLoader({"page": PAGE}), autoescape=True)
    cache.install(env)
    return env.get_template("page").render(v=1, n=number, **context)


def test_ambient_variables_take_what_jinja_passes() -> None:
    """Callables may be marked for the context, the evaluation context or the environment."""
    language = ["de"]

    @pass_context
    def currency(context: Context) -> object:
        return context["currency"]

    @pass_eval_context
    def escaping(eval_ctx: EvalContext) -> bool:
        return bool(eval_ctx.autoescape)

    @pass_environment
    def is_async(environment: Environment) -> bool:
        return environment.is_async

    vary: dict[str, Callable[..., object]] = {"c": currency, "e": escaping, "a": is_async}
    vary["l"] = lambda: language[0]
    cache = Cache(vary=vary)
    assert [page(cache, n, currency="EUR") for n in (1, 2)] == ["1", "1"]
    assert [page(cache, n, currency="USD") for n in (3, 4)] == ["3", "3"]
    language[0] = "en"
    assert [page(cache, n, currency="EUR") for n in (5, 6)] == ["5", "5"]


def test_releases_and_namespaces_do_not_mix() -> None:
    """Over one backend each has its own entries, of the same page."""
    backend = MemoryBackend()
    setups: list[dict[str, str]] = [
        {},
        {"version": "1"},
        {"version": "2"},
        {"namespace": "other"},
        {"namespace": "other", "version": "1"},
    ]
    for _ in range(2):
        for number, setup in enumerate(setups):
            assert page(cache_of({"backend": backend, **setup}), number) == str(number)


def pickled(cache: Cache) -> Cache:
    """Return what another process makes of it."""
    twin = pickle.loads(pickle.dumps(cache))  # noqa: S301 - it was pickled just here
    assert isinstance(twin, Cache)
    return twin


COPIES: dict[str, Callable[[Cache], Cache]] = {
    "pickled": pickled,
    "copied": copy.copy,
    "deep-copied": copy.deepcopy,
}


@pytest.mark.parametrize("kind", COPIES)
def test_copy_of_a_cache_carries_its_set_up_alone(kind: str) -> None:
    """Neither entries nor counters, subscribers or the mode of the moment."""
    cache = Cache(
        "memory://?max_bytes=1MiB",
        timeout=10,
        namespace="shop",
        version="7",
        secret=["new", "old"],
        on_key_error="render",
        clock=ManualClock(),
    )
    told: list[object] = []
    cache.subscribe(told.append)
    page(cache, 1)
    told.clear()
    twin = COPIES[kind](cache)
    assert type(twin) is Cache
    assert twin.stats().fragments == {}
    assert page(twin, 2) == "2"
    assert page(cache, 3) == "1"
    assert [type(event).__name__ for event in told] == ["Hit"]
    assert repr(twin).partition(", <")[0] == repr(cache).partition(", <")[0]


@pytest.mark.parametrize("kind", COPIES)
def test_copy_of_a_cache_keeps_by_the_same_keys(kind: str) -> None:
    """What one stored, the other would find where they share a backend."""
    env = Environment(loader=DictLoader({"page": PAGE}), autoescape=True)
    cache = Cache(namespace="shop", version="7").install(env)
    key = cache.fragment(env, "page", "x").key(1)
    twin = COPIES[kind](cache).install(env)
    assert twin.fragment(env, "page", "x").key(1) == key
    assert key.startswith("jc1:shop:f:")


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("before", [False, True])
def test_copy_of_a_cache_is_switched_as_the_cache_is(kind: str, *, before: bool) -> None:
    """By what ``enabled`` is now, not by what it was when the cache was made."""
    cache = Cache(enabled=before)
    cache.enabled = not before
    twin = COPIES[kind](cache)
    assert twin.enabled is not before
    cache.enabled = before
    assert [page(twin, n) for n in (1, 2)] == (["1", "2"] if before else ["1", "1"])


def test_install_wants_an_environment() -> None:
    """A Flask application has an environment, and is none."""
    with pytest.raises(ConfigurationError, match=r"not in int; in Flask that is app\.jinja_env"):
        Cache().install(3)  # type: ignore[arg-type]


def test_repr_names_the_backend() -> None:
    """What a cache keeps its entries in is the first thing one wants to know."""
    assert "NullBackend()" in repr(Cache("null://"))
    assert "RecordingBackend" in repr(Cache(RecordingBackend()))
