"""Where entries are kept; ``open_backend`` turns a URL into a backend."""

from importlib import import_module
from typing import cast

from jinjacache.backends.protocol import Backend
from jinjacache.backends.url import parse_url

_SCHEMES = {
    "memory": "jinjacache.backends.memory:open_memory",
    "null": "jinjacache.backends.null:open_null",
}
"""Scheme → module and function, which is imported when the scheme is used."""


def open_backend(url: str) -> Backend:
    """Return the backend that the URL names, such as ``memory://?max_bytes=64MiB``.

    Raises:
        ConfigurationError: the scheme or an option is unknown, repeated or malformed, or a part
            stands where none belongs. The message lists what is known and shows no password.
    """
    parsed = parse_url(url, _SCHEMES)
    module, _, function = _SCHEMES[parsed.scheme].partition(":")
    return cast("Backend", getattr(import_module(module), function)(parsed))
