"""Everything that can go wrong, as one small tree.

*The program is wrong*: ``ConfigurationError`` and ``CacheKeyError`` are raised, with a remedy.
*The world is wrong*: ``BackendError`` is forgiven in one place (the store), counted and logged.
Mistakes in a tag are Jinja's own ``TemplateSyntaxError``, at the tag's line.
"""


class CacheError(Exception):
    """Be the base of every error that jinjacache raises by itself."""


class ConfigurationError(CacheError, ValueError):
    """Say that a cache, a backend or an option was set up wrongly."""


class InvalidDuration(ConfigurationError):
    """Say that a value is no duration: negative, NaN, bool, text or undefined."""


class CacheKeyError(CacheError):
    """Say that a fragment's key cannot be made from what the tag names.

    The page stops, because a key that cannot be made is a bug of the template or its view;
    ``Cache(on_key_error="render")`` renders such a fragment uncached instead.
    """

    def __init__(
        self,
        message: str,
        *,
        template: str | None = None,
        lineno: int | None = None,
        fragment: str | None = None,
        argument: str | None = None,
        type_name: str | None = None,
    ) -> None:
        super().__init__(message)
        self.template = template
        self.lineno = lineno
        self.fragment = fragment
        self.argument = argument
        self.type_name = type_name


class KeyEncodingError(CacheError, ValueError):
    """Say which part of a key value has no canonical form, and the way out.

    ``path`` leads to the part from the value that was given, such as ``[0]['a']``.
    """

    def __init__(self, message: str, *, path: str = "", type_name: str, remedy: str) -> None:
        super().__init__(message)
        self.path = path
        self.type_name = type_name
        self.remedy = remedy


class BackendError(CacheError):
    """Say that a backend could not do what it was asked for."""


class EntryTooLarge(CacheError):
    """Say that an entry is larger than what may be stored; sizes in bytes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"an entry of {size} bytes is over the limit of {limit} bytes")
        self.size = size
        self.limit = limit
