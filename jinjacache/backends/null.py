"""A backend that keeps nothing, so that everything is rendered."""

from collections.abc import Mapping, Sequence

from jinjacache.backends.protocol import Found, Token, check_key
from jinjacache.backends.url import BackendURL


class NullBackend:
    """Accept everything and keep nothing; keys are checked as everywhere else."""

    def get_many(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Find nothing."""
        for key in keys:
            check_key(key)
        return {}

    def set_many(self, items: Mapping[str, bytes], expires_in: float | None) -> None:
        """Keep nothing."""
        for key in items:
            check_key(key)

    def add(self, key: str, value: bytes, expires_in: float | None) -> bool:
        """Tell that the key was absent, as it always is."""
        check_key(key)
        return True

    def cas(self, key: str, value: bytes, token: Token, expires_in: float | None) -> bool:
        """Tell that there was nothing to replace."""
        check_key(key)
        return False

    def delete(self, key: str) -> bool:
        """Tell that there was nothing to remove."""
        check_key(key)
        return False

    def close(self) -> None:
        """Hold nothing open."""

    def __repr__(self) -> str:
        return "NullBackend()"


def open_null(url: BackendURL) -> NullBackend:
    """Return the backend that ``null://`` stands for."""
    url.refuse_place()
    url.read({})
    return NullBackend()
