"""What a fragment prints that is written elsewhere, known at run time only: callers and blocks.

``caller()`` prints the source between ``{% call %}`` and ``{% endcall %}``; ``self.title()`` and
``super()`` print whatever block the page's own template defines last. Compiled code therefore
carries the digests of its call blocks and blocks, and a fragment that prints one of them has the
digest as one more key variable.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final, TypeVar

from jinja2 import Undefined
from jinja2.runtime import Context, Macro
from jinja2.utils import missing

from jinjacache.tag import ALL_BLOCKS, SOURCES_OF_BLOCKS

UNKNOWN: Final = object()
"""The source of something that was not compiled with the extension."""

_ATTRIBUTE = "_fragment_source"
_MacroT = TypeVar("_MacroT", bound=Macro)


def stamped(macro: _MacroT, *sources: object) -> _MacroT:
    """Let a call block's macro carry the digest of its source, and of what it prints in turn."""
    setattr(macro, _ATTRIBUTE, joined(*sources))
    return macro


def caller_source(caller: object) -> object:
    """Return the digest of a caller's source, ``""`` where there is none, or `UNKNOWN`."""
    if caller is missing or isinstance(caller, Undefined):
        return ""
    return getattr(caller, _ATTRIBUTE, UNKNOWN) if isinstance(caller, Macro) else UNKNOWN


def blocks_source(context: Context, names: Iterable[str]) -> object:
    """Return the digest of the blocks, as this page defines them, with all that they print.

    `ALL_BLOCKS` stands for every block of the page. `UNKNOWN` where one was compiled without the
    extension.
    """
    digest = blake2b(digest_size=20)
    waiting = sorted(context.blocks) if ALL_BLOCKS in names else list(names)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for function in context.blocks.get(name, ()):
            table: Mapping[str, tuple[str, tuple[str, ...]]] | None
            table = function.__globals__.get(SOURCES_OF_BLOCKS)
            if table is None or name not in table:
                return UNKNOWN
            source, prints = table[name]
            digest.update(f"{name}={source};".encode())
            waiting += sorted(context.blocks) if ALL_BLOCKS in prints else prints
    return digest.hexdigest()


def joined(*sources: object) -> object:
    """Return one digest for several, `UNKNOWN` if one of them is."""
    if any(source is UNKNOWN for source in sources):
        return UNKNOWN
    return blake2b("|".join(map(str, sources)).encode(), digest_size=20).hexdigest()
