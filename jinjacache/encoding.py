"""Typed values become canonical bytes: the same for the same value, different for any other.

Every value is a frame: a tag for its exact type, the length of the content in four bytes, the
content. Containers hold frames. So the bytes can be read back to the value and its type, which
proves that no two values share them. Nothing is ever turned into text to make it fit.
"""

import threading
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar, cast

from jinja2 import Undefined
from jinja2.utils import missing
from markupsafe import Markup

from jinjacache.errors import ConfigurationError, KeyEncodingError
from jinjacache.scalars import (
    MAX_BYTES,
    SCALARS,
    USE_A_PART,
    class_frame,
    error_of,
    header,
    too_large,
    type_name,
)

MAX_DEPTH = 16
MAX_VALUES = 4096

T = TypeVar("T")
_SHORT = 40  # characters of a name in a message
_CONVERTERS = frozenset(
    [str, Markup, bytes, int, float, Decimal, tuple, list, dict, set, frozenset]
)
_registered: dict[type, Callable[[Any], object]] = {}
_registering = threading.Lock()


def encode(value: object) -> bytes:
    """Return the canonical bytes of a value, which no value of another type or content shares.

    Order counts in lists and tuples, and does not in dicts and sets. Bounded while it works, not
    afterwards: 16 levels, 4,096 members of containers in all, 64 KiB of result.

    Raises:
        KeyEncodingError: the value, or a part of it, has no canonical form or is over a bound;
            generators, proxies and the like are refused untouched.
    """
    return _Encoder().encode(value)


def register_key_type(cls: type[T], function: Callable[[T], object]) -> None:
    """Let instances of a class, and of its subclasses, be key variables in every cache.

    ``function`` takes the instance and returns a value that keys can hold: text, a number, a
    tuple of such. The real class of the instance becomes part of the key, so ``User`` 1 and
    ``Post`` 1 differ. It goes before a ``__cache_key__`` of the class; registering a class again
    replaces its function. A lazy translation is keyed by its text in the current language, and a
    model by its table and primary key, with::

        register_key_type(LazyString, str)
        register_key_type(Model, lambda model: (model.table, model.pk))

    Raises:
        ConfigurationError: ``cls`` is no class, or one that keys treat in their own way (built-in
            types, enums, ``Undefined``), or ``object``, which would let everything in.
    """
    global _registered  # noqa: PLW0603
    given = cast("object", cls)
    if not isinstance(given, type):
        raise ConfigurationError(
            f"a key type is a class, not an instance of {type_name(type(given))}"
        )
    kind: type[object] = cls
    name = type_name(kind)
    if kind is object or kind in _SUPPORTED or issubclass(kind, Enum | Undefined):
        raise ConfigurationError(f"{name} cannot be a key type: register a class of your own")
    with _registering:
        _registered = {**_registered, kind: function}


_CONTAINERS: dict[type, bytes] = {tuple: b"t", list: b"l", set: b"e", frozenset: b"z", dict: b"k"}
_SUPPORTED = SCALARS.keys() | _CONTAINERS.keys()


class _Encoder:
    """Encode one value, counting on the way, so that nothing is done beyond a bound."""

    __slots__ = ("_members", "_open", "_size")

    def __init__(self) -> None:
        self._members = 0
        self._size = 0
        self._open: list[int] = []  # the identity of each container and object around

    def encode(self, value: object) -> bytes:
        cls = type(value)
        if cls in SCALARS:
            encoded = SCALARS[cls](value)
            self._size += len(encoded)  # not by _count, whose call costs a tenth of the rest
            if self._size > MAX_BYTES:
                raise too_large(value)
            return encoded
        if cls in _CONTAINERS:
            return self._container(value)
        return self._enum(cls, value) if issubclass(cls, Enum) else self._object(value)

    def _count(self, encoded: bytes, value: object) -> bytes:
        self._size += len(encoded)
        if self._size > MAX_BYTES:
            raise too_large(value)
        return encoded

    def _wrap(self, tag: bytes, parts: list[bytes], value: object) -> bytes:
        content = b"".join(parts)
        return self._count(header(tag, len(content)), value) + content

    def _enter(self, value: object, members: int) -> None:
        if id(value) in self._open:
            raise error_of("a cycle has no canonical form", value, USE_A_PART)
        if len(self._open) == MAX_DEPTH:
            raise error_of(f"the value is over {MAX_DEPTH} levels deep", value, USE_A_PART)
        self._members += members
        if self._members > MAX_VALUES:
            raise error_of(f"the value holds over {MAX_VALUES} others", value, USE_A_PART)
        self._open.append(id(value))

    def _container(self, value: object) -> bytes:
        cls, members = type(value), cast("Any", value)
        self._enter(value, 2 * len(members) if cls is dict else len(members))
        if cls is tuple or cls is list:
            parts = self._in_order(members)
        else:  # the bytes are sorted: the members themselves, 1 and "1", may have no order
            parts = sorted(self._pairs(members) if cls is dict else self._in_any_order(members))
        self._open.pop()
        return self._wrap(_CONTAINERS[cls], parts, value)

    # All three copy first, since a member's key function may change the container it is in.
    def _in_order(self, value: Iterable[object]) -> list[bytes]:
        parts: list[bytes] = []
        try:
            for item in tuple(value):
                parts.append(self.encode(item))  # noqa: PERF401
        except KeyEncodingError as error:
            error.path = f"[{len(parts)}]{error.path}"
            raise
        return parts

    def _in_any_order(self, value: Iterable[object]) -> list[bytes]:
        return [self._at(..., item) for item in tuple(value)]

    def _pairs(self, value: dict[object, object]) -> list[bytes]:
        return [self._at(..., key) + self._at(key, item) for key, item in tuple(value.items())]

    def _at(self, step: object, item: object) -> bytes:
        try:
            return self.encode(item)
        except KeyEncodingError as error:
            error.path = f"[{_shown(step)}]{error.path}"
            raise

    def _enum(self, cls: type[Enum], member: object) -> bytes:
        name: object = object.__getattribute__(member, "_name_")
        parts = [self._count(class_frame(cls), member)]
        if type(name) is str and name in cls.__members__:
            return self._wrap(b"E", [*parts, self.encode(name)], member)
        # Flags in combination: what they are called differs between versions of Python.
        self._enter(member, 1)
        parts.append(self.encode(object.__getattribute__(member, "_value_")))
        self._open.pop()
        return self._wrap(b"G", parts, member)

    def _object(self, value: object) -> bytes:
        function = _key_function(type(value))
        if function is None:
            raise _refusal(value)
        self._enter(value, 1)
        parts = [self._count(class_frame(type(value)), value), self._key_of(value, function)]
        self._open.pop()
        return self._wrap(b"O", parts, value)

    def _key_of(self, value: object, function: Callable[[Any], object]) -> bytes:
        try:
            key = function(value)
        except Exception as error:
            problem = f"making the key of {type_name(type(value))} raised {type_name(type(error))}"
            raise error_of(problem, value, "return a plain value, such as an id") from error
        try:
            if _key_function(type(key)) is not None:
                problem = f"{type_name(type(key))} is another object with a key"
                raise error_of(problem, key, "return a tuple that holds it, or a plain value")
            return self.encode(key)
        except KeyEncodingError as error:
            name = type_name(type(value))
            problem = f"the key of {name} cannot be used: {error}"
            raise KeyEncodingError(problem, type_name=name, remedy=error.remedy) from error


def _key_function(cls: type[object]) -> Callable[[Any], object] | None:
    if cls in _SUPPORTED or issubclass(cls, Enum | Undefined):
        return None
    registered = _registered
    for base in cls.__mro__:
        if base in registered:
            return registered[base]
    return _own_key if _has(cls, "__cache_key__") else None


def _own_key(value: object) -> object:
    key: object = cast("Any", value).__cache_key__
    return key() if callable(key) else key


def _has(cls: type, name: str) -> bool:
    # Not ``hasattr``: proxies and Undefined have every attribute, their classes do not.
    found = (vars(base)[name] for base in cls.__mro__ if name in vars(base))
    return next(found, None) is not None


def _refusal(value: object) -> KeyEncodingError:
    cls = type(value)
    if issubclass(cls, Undefined):
        return _undefined(value)
    return error_of(f"{type_name(cls)} has no canonical form", value, _remedy(cls))


def _undefined(value: object) -> KeyEncodingError:
    # Not ``value._undefined_name``: each attribute of a StrictUndefined raises.
    name: object = object.__getattribute__(value, "_undefined_name")
    owner: object = object.__getattribute__(value, "_undefined_obj")
    what = "variable" if owner is missing else "attribute"
    # A subscript can be any object, which must not be turned into text.
    problem = f"{what} {_shown(name)} is undefined" if type(name) is str else "it is undefined"
    written = name if owner is missing and type(name) is str else "x"
    return error_of(problem, value, f"write {written}|default(none) if it may be missing")


def _remedy(cls: type) -> str:
    steps = _has(cls, "__next__") or _has(cls, "__anext__")
    # A proxy has all of these methods, whatever it stands for.
    if steps is not _has(cls, "__await__"):
        return "pass a list of it" if steps else "await it, or render in an async environment"
    if cls is object:
        return "use a value that says what it stands for"
    for base in cls.__mro__:
        if base in _CONVERTERS:
            return f"call register_key_type({cls.__name__}, {base.__name__})"
    return (
        "use a plain value of it, such as obj.id, give its class a __cache_key__, "
        f"or call register_key_type({cls.__name__}, function)"
    )


def _shown(step: object) -> str:
    """Show a place by its name if that is short, and otherwise by its type alone."""
    if type(step) is str and len(step) <= _SHORT:
        return repr(step)
    return "..." if step is ... else f"<{type_name(type(step))}>"
