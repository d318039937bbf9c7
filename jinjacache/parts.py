"""What an object is made of, found without running its code."""

import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from gettext import GNUTranslations, NullTranslations
from types import (
    BuiltinMethodType,
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, ModuleLoader

from jinjacache.encoding import encode
from jinjacache.errors import KeyEncodingError


def plain(value: object) -> bytes | None:
    """Return the canonical bytes of a value that has them; text may be of any length."""
    if type(value) is str:
        return b"s" + value.encode("utf-8", "surrogatepass")
    if type(value) is bytes:
        return b"b" + value
    try:
        return b"k" + encode(value)
    except KeyEncodingError:
        return None


def is_importable(value: object) -> bool:
    """Say whether ``value`` is what its module and qualified name lead to, in any process."""
    module, qualname = _own(value, "__module__"), _own(value, "__qualname__")
    if not isinstance(module, str) or not isinstance(qualname, str) or module == "__main__":
        return False
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found is value


def name_of(value: object) -> tuple[bytes, bytes]:
    """Return the module and qualified name of a class or function."""
    return str(_own(value, "__module__")).encode(), str(_own(value, "__qualname__")).encode()


def _own(value: object, name: str) -> object:
    """Return an attribute of ``value`` itself: a proxy would go to what it stands for."""
    try:
        found: object = object.__getattribute__(value, name)
    except AttributeError:
        return None
    return found


def parts(value: object) -> Iterator[object]:
    """Yield all that makes ``value`` what it is, in an order that no process changes."""
    cls: type[object] = type(value)
    if cls in OPEN:
        yield from OPEN[cls](value)
    elif issubclass(cls, type):
        yield from _class(cast("type[object]", value))
    elif not issubclass(cls, _OPAQUE):
        yield cls
        for kind in (kind for kind in _CONTAINERS if issubclass(cls, kind)):
            yield from _CONTAINERS[kind](value)
        if cls not in _CONTAINERS:
            yield from _state(value)


def _class(cls: type[object]) -> Iterator[object]:
    yield from name_of(cls)
    yield from cls.__bases__
    for name, member in sorted(vars(cls).items()):
        if not name.startswith("__") or callable(member):  # the rest is what Python adds
            yield from (name, member)


def _function(function: FunctionType) -> Iterable[object]:
    yield from name_of(function)
    yield from (function.__code__, function.__defaults__, function.__kwdefaults__)
    yield from function.__closure__ or ()
    yield from _pairs(vars(function))  # as Jinja's pass_context marks it


def _code(code: CodeType) -> Iterable[object]:
    yield from (code.co_code, code.co_exceptiontable, code.co_flags)
    yield from (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    yield from code.co_consts


def _cell(cell: CellType) -> Iterable[object]:
    try:
        return [cell.cell_contents]
    except ValueError:  # not filled yet: a function that will refer to itself
        return []


def _partial(call: "partial[object]") -> Iterable[object]:
    return (call.func, call.args, call.keywords, vars(call))


def _catalogue(translations: NullTranslations) -> Iterable[object]:
    return _pairs(vars(translations))


def _pairs(values: Mapping[Any, object]) -> Iterable[object]:
    for pair in list(values.items()):
        yield from pair


def _unordered(members: Iterable[object]) -> Iterable[object]:
    return sorted(plain(member) or b" ".join(name_of(type(member))) for member in list(members))


def _state(value: object) -> Iterable[object]:
    fields = _fields(value)
    if not fields:
        yield _reduced(value)
    serves = callable(value) and any(issubclass(type(at), Environment) for at in fields.values())
    for name in sorted(fields):
        # What a web application registers, and what is private in it, changes while it runs.
        if not serves or (not name.startswith("_") and plain(fields[name]) is not None):
            yield from (name, fields[name])


def _fields(value: object) -> dict[str, object]:
    """Return the attributes of an instance without running its code."""
    fields: dict[str, object] = {}
    for base in reversed(type(value).__mro__):
        for name, member in list(vars(base).items()):
            is_dict = name == "__dict__" and type(member) is GetSetDescriptorType
            is_slot = type(member) is MemberDescriptorType and not name.startswith("__")
            if is_dict or is_slot:
                try:
                    found = member.__get__(value)
                except AttributeError:  # a slot that was never filled
                    continue
                fields |= found if is_dict else {name: found}
    return fields


def _reduced(value: object) -> object:
    """Return what pickling takes along of an object that shows no attribute, as an itemgetter."""
    try:
        return value.__reduce_ex__(2)
    except Exception:  # noqa: BLE001 - a lock, a context variable, whatever refuses to be pickled
        return None


_OPAQUE = (Environment, weakref.ReferenceType, *weakref.ProxyTypes)
_CONTAINERS: dict[type[object], Callable[[Any], Iterable[object]]] = {
    dict: _pairs,
    frozenset: _unordered,
    list: list,
    set: _unordered,
    tuple: tuple,
}
OPEN: dict[type[object], Callable[[Any], Iterable[object]]] = {
    BuiltinMethodType: lambda method: (method.__name__, method.__self__),
    CellType: _cell,
    CodeType: _code,
    FileSystemLoader: lambda loader: (loader.searchpath, loader.encoding, loader.followlinks),
    FunctionType: _function,
    MethodType: lambda method: (method.__func__, method.__self__),
    ModuleLoader: lambda loader: loader.module.__path__,
    GNUTranslations: _catalogue,
    ModuleType: lambda module: (module.__name__,),
    NullTranslations: _catalogue,
    classmethod: lambda method: (method.__func__,),
    dict: _pairs,
    list: list,
    partial: _partial,
    staticmethod: lambda method: (method.__func__,),
    tuple: tuple,
}
"""How to see through what hides nothing: its parts show all that it is."""
