"""Join a class of ours with the one that an environment already uses, so that both take part."""

import copyreg
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_known: dict[tuple[type, type], type] = {}


class _Composed(type):
    """Make a class that can be pickled by how it came about, since no module holds it."""


def compose(ours: type[T], theirs: type[T]) -> type[T]:
    """Return the class that has ``ours`` in front of ``theirs``, always the same for the same two.

    Both are subclasses of what ``ours`` derives from; where ``theirs`` is just that, ``ours`` will
    do, and where it derives from ``ours``, ``theirs``.
    """
    if issubclass(theirs, ours):
        return theirs
    if issubclass(ours, theirs):
        return ours
    known = _known.get((ours, theirs))
    if known is not None:
        return known
    body = {"__module__": theirs.__module__, "__qualname__": theirs.__qualname__}
    return _known.setdefault((ours, theirs), _Composed(theirs.__name__, (ours, theirs), body))


def _reduce(composed: type) -> tuple[Callable[..., type], tuple[type, type]]:
    ours, theirs = composed.__bases__
    return compose, (ours, theirs)


copyreg.pickle(_Composed, _reduce)  # type: ignore[arg-type]  # a metaclass is a class like others
