"""The policy, written once and free of I/O.

`policy` is a generator that yields the steps it wants done; what comes of each is written on
the recording before it goes on. `advance` and `advance_async` let the store do its steps, the
second without blocking an event loop, and stop where the page takes over: at ``SERVE`` the page
has its text, at ``RENDER`` compiled code renders the body. A body that raises closes the
generator where it stands.
"""

from collections.abc import Generator
from enum import Enum
from typing import assert_never

from jinjacache.entry import Entry
from jinjacache.events import Cause
from jinjacache.freshness import Verdict, judge
from jinjacache.recording import Mode, Recording
from jinjacache.store import Store, without_blocking


class Step(Enum):
    """What the policy wants done next."""

    FETCH = "fetch"
    """The store looks for the entry."""
    SERVE = "serve"
    """The page takes the entry's text; the policy ends."""
    RENDER = "render"
    """The page renders the body, and comes back with its text."""
    KEEP = "keep"
    """The store keeps the entry."""
    DONE = "done"
    """The policy has ended."""


# An enum's members are looked up through its metaclass, for most of the time that a step takes.
FETCH, SERVE, RENDER, KEEP, DONE = Step

Policy = Generator[Step, None, None]


def policy(recording: Recording) -> Policy:
    """Serve the entry while it is fresh; otherwise render, and keep what may be kept."""
    cause: Cause = "bypass"
    if recording.mode is None or recording.mode is Mode.REFRESH:
        yield FETCH
        missing = _cause_of_a_miss(recording)
        if missing is None:
            recording.journal.hit()
            yield SERVE
            return
        cause = missing
    if recording.mode is not Mode.OFF:
        recording.journal.miss(cause)
    yield RENDER
    if recording.token is not None and _make_entry(recording):
        yield KEEP
        _report(recording)


def _cause_of_a_miss(recording: Recording) -> Cause | None:
    """Return why what was fetched cannot be served, or None when it can."""
    if recording.problem is not None:
        recording.journal.failed(*recording.problem)
        if recording.mode is None:
            return "failed" if recording.token is None else "unreadable"
    if recording.mode is not None:
        return "refresh"
    entry = recording.entry
    if entry is None:
        return "first"
    verdict = judge(entry.made_at, entry.timeout, recording.clock(), recording.timeout)
    if verdict is Verdict.FRESH:
        return None
    if verdict is Verdict.GONE:
        return "expired"
    assert_never(verdict)


def _make_entry(recording: Recording) -> bool:
    """Make the entry to be kept, unless something that was told or took place forbids it."""
    lifetime = recording.lifetime()
    unfit = recording.unfit
    if unfit is None and lifetime <= recording.cost:
        unfit = "it, or something in it, expired while it was rendered"
    if unfit is not None:
        recording.journal.not_stored(unfit)
        return False
    recording.entry = Entry(recording.text, recording.made_at, lifetime, recording.cost)
    recording.problem = None
    return True


def _report(recording: Recording) -> None:
    """Write down what came of keeping the entry."""
    if recording.problem is not None:
        recording.journal.failed(*recording.problem)
    elif recording.refusal is not None:
        recording.journal.not_stored(recording.refusal)
    else:
        recording.journal.stored(recording.text, recording.cost)


def advance(policy: Policy, recording: Recording, store: Store) -> Step:
    """Drive the policy to where the page takes over, or to its end."""
    step = next(policy, DONE)
    while step is FETCH or step is KEEP:
        if step is FETCH:
            store.fetch(recording)
        else:
            store.keep(recording)
        step = next(policy, DONE)
    return step


async def advance_async(policy: Policy, recording: Recording, store: Store) -> Step:
    """Drive the policy to where the page takes over, or to its end, without blocking the loop."""
    step = next(policy, DONE)
    while step is FETCH or step is KEEP:
        work = store.fetch if step is FETCH else store.keep
        await without_blocking(store, work, recording)
        step = next(policy, DONE)
    return step
