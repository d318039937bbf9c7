"""A backend's URL, taken apart and checked, whose errors never show a password."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

from jinjacache.errors import ConfigurationError

T = TypeVar("T")

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://")
_SIZE = re.compile(r"([0-9]{1,15})([kKMG]i?B)?")
_UNITS = {
    None: 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


@dataclass(frozen=True, slots=True)
class BackendURL:
    """Hold the parts of a URL; ``place`` is everything between the scheme and the options."""

    scheme: str
    place: str
    options: Mapping[str, str]

    def refuse_place(self) -> None:
        """Check that neither a host nor a path is named.

        Raises:
            ConfigurationError: one is; it is not repeated, since it may hold a password.
        """
        if self.place:
            raise ConfigurationError(
                f"a {self.scheme} url names no host, user or path: "
                f"write '{self.scheme}://', and options after a '?'"
            )

    def read(self, known: Mapping[str, Callable[[str], T]]) -> dict[str, T]:
        """Return the options that are given, each read by its own function.

        A reader raises ``ValueError`` with what it expects.

        Raises:
            ConfigurationError: an option is unknown, or its value is not what it takes.
        """
        return {name: self._value(name, known) for name in self.options}

    def _value(self, name: str, known: Mapping[str, Callable[[str], T]]) -> T:
        if name not in known:
            raise ConfigurationError(
                f"{self.scheme} has no option {name!r}{_nearest(name, known)}; {_listed(known)}"
            )
        try:
            return known[name](self.options[name])
        except ValueError as error:
            raise ConfigurationError(f"{self.scheme} option {name!r} takes {error}") from error


def parse_url(url: object, schemes: Collection[str]) -> BackendURL:
    """Return the parts of the URL.

    Raises:
        ConfigurationError: it is no URL, its scheme is unknown, or an option is repeated.
    """
    scheme = _scheme_of(url, schemes)
    try:
        parts = urlsplit(str(url))
    except ValueError:
        # The cause shows the host, and with it the password.
        raise ConfigurationError(f"the host of this {scheme} url is malformed") from None
    if parts.fragment:
        raise ConfigurationError(f"a '#' in a {scheme} url must be written as %23")
    return BackendURL(scheme, parts.netloc + parts.path, _options(scheme, parts.query))


def read_size(text: str) -> int:
    """Return a number of bytes from text such as ``65536``, ``64MiB`` or ``64MB``."""
    found = _SIZE.fullmatch(text)
    if not found or found[2] not in _UNITS:
        raise ValueError("bytes as an int, or with KiB, MiB, GiB, kB, MB or GB right after it")
    return int(found[1]) * _UNITS[found[2]]


def read_count(text: str) -> int:
    """Return a number of things from its digits."""
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ValueError("an int of at most 15 digits")
    return int(text)


def _scheme_of(url: object, schemes: Collection[str]) -> str:
    match = _SCHEME.match(url) if isinstance(url, str) and url.isprintable() else None
    if match is None:
        raise ConfigurationError(
            "a backend's url is a printable str that begins with a scheme and '://'; "
            f"{_listed(schemes)}"
        )
    if match[1] not in schemes:
        raise ConfigurationError(
            f"unknown backend {match[1]!r}{_nearest(match[1], schemes)}; {_listed(schemes)}"
        )
    return match[1]


def _options(scheme: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in options:
            raise ConfigurationError(f"{scheme} option {name!r} is given twice")
        options[name] = value
    return options


def _nearest(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _listed(known: Collection[str]) -> str:
    return f"known: {', '.join(sorted(known)) or 'none'}"
