"""A fragment cache for Jinja2 that cannot serve the wrong thing, and is fast with the right one."""

from jinjacache.cache import Cache, Stats
from jinjacache.encoding import register_key_type
from jinjacache.errors import (
    BackendError,
    CacheError,
    CacheKeyError,
    ConfigurationError,
    InvalidDuration,
)
from jinjacache.extension import CacheExtension
from jinjacache.recording import current_fragment

__all__ = [
    "BackendError",
    "Cache",
    "CacheError",
    "CacheExtension",
    "CacheKeyError",
    "ConfigurationError",
    "InvalidDuration",
    "Stats",
    "current_fragment",
    "register_key_type",
]
