"""The body of a fragment while it is rendered: where its text gathers, and what becomes of it."""

from types import TracebackType
from typing import cast

from jinjacache.engine import SERVE, Policy, advance, advance_async, policy
from jinjacache.entry import Entry
from jinjacache.freshness import remaining
from jinjacache.recording import SCOPE, Recording
from jinjacache.store import Store


class Unstored:
    """Render a body without the cache.

    ``reason`` is why; a fragment around it is then not stored either, since the page that it is
    stored from may differ from the next. None means that the body is simply a part of what is
    around it.
    """

    __slots__ = ("_buffer", "_reason", "text")

    def __init__(self, reason: str | None) -> None:
        self._reason = reason
        self._buffer: list[str] = []
        self.text = ""

    def __enter__(self) -> list[str]:
        """Return the list to which compiled code appends."""
        scope = SCOPE.get()
        if self._reason is not None and scope is not None and scope.recording is not None:
            scope.recording.skip(self._reason)
        return self._buffer

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Join the text."""
        self.text = "".join(self._buffer)

    async def __aenter__(self) -> list[str]:
        """Return the list to which compiled code appends."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Join the text."""
        self.__exit__(kind, error, traceback)


class Rendering(Recording):
    """A fragment with the policy that decides about it, and the buffer for its body.

    Entering makes it the current fragment; leaving, in whatever way, gives the place back. A body
    that raises leaves nothing behind: the policy is closed where it stands.
    """

    __slots__ = ("_buffer", "_policy", "_store")

    _buffer: list[str]
    _policy: Policy
    _store: Store

    def begin(self, store: Store) -> "str | Rendering":
        """Return the text of a fresh entry, or itself, for the body to be rendered in."""
        self._store = store
        self._policy = policy(self)
        return self._served() if advance(self._policy, self, store) is SERVE else self

    async def begin_async(self, store: Store) -> "str | Rendering":
        """Do the same without blocking the event loop."""
        self._store = store
        self._policy = policy(self)
        step = await advance_async(self._policy, self, store)
        return self._served() if step is SERVE else self

    def __enter__(self) -> list[str]:
        """Return the list to which compiled code appends."""
        SCOPE.set(self)
        buffer: list[str] = []
        self._buffer = buffer
        self.made_at = self.clock()
        return buffer

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the policy go on with the text, or close it."""
        if self._leave(error):
            advance(self._policy, self, self._store)

    async def __aenter__(self) -> list[str]:
        """Return the list to which compiled code appends."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the policy go on with the text, without blocking the event loop, or close it."""
        if self._leave(error):
            await advance_async(self._policy, self, self._store)

    def _leave(self, error: BaseException | None) -> bool:
        SCOPE.set(self.outside)
        if error is not None:
            self._policy.close()
            return False
        self.text = "".join(self._buffer)
        self.cost = max(0.0, self.clock() - self.made_at)
        if self.outer is not None:
            self.bubble()
        return True

    def _served(self) -> str:
        """Return the entry's text; a fragment around it lives no longer than it does."""
        entry = cast("Entry", self.entry)  # as the policy says
        if self.outer is not None:
            now = self.clock()
            self.outer.bound(remaining(entry.made_at, entry.timeout, now, self.timeout))
        return entry.body  # type: ignore[return-value]  # no holes, so text
