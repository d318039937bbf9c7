"""The policy takes the same steps in the same order, by hand and by either driver."""

import asyncio
import inspect
import threading
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from jinjacache.backends.protocol import Token
from jinjacache.engine import (
    DONE,
    FETCH,
    KEEP,
    RENDER,
    SERVE,
    Policy,
    Step,
    advance,
    advance_async,
    policy,
)
from jinjacache.entry import Entry
from jinjacache.events import (
    Audience,
    Event,
    Failed,
    FragmentId,
    FragmentStats,
    Hit,
    Journal,
    Miss,
    NotStored,
    Stored,
)
from jinjacache.keys import Key, prefix
from jinjacache.recording import SCOPE, Mode, Problem, Recording
from jinjacache.rendering import Rendering
from jinjacache.stores import NullStore
from jinjacache.testing import ManualClock

NOW = 1_000.0
TOKEN = b"sampled!"
ID = FragmentId("page", "x")
KEY = Key("default", prefix("default", "page", "x"), ())
FRESH = Entry("old", NOW - 59.5, 60.0)
RENDERED = Entry("né", NOW - 5.0, 60.0, 5.0)
LATE = "it, or something in it, expired while it was rendered"


class Fetched(NamedTuple):
    """What a fetch finds."""

    entry: Entry | None = None
    token: Token | None = None
    problem: Problem | None = None


NOTHING = Fetched(token=TOKEN)


@dataclass(frozen=True)
class Scenario:
    """What the store finds and the body gives, and what must come of it."""

    steps: list[Step]
    events: list[Event]
    fetched: Fetched | None = None
    """None where the store must not be asked."""
    kept: Entry | None = None
    """What the store is to keep."""
    outcome: Problem | str | None = None
    """What comes in the way of keeping it."""
    mode: Mode | None = None
    timeout: float = 60.0
    unfit: str | None = None
    bound: float | None = None
    """Seconds that are told to be left when the body ends."""


ALL, UNKEPT = [FETCH, RENDER, KEEP], [FETCH, RENDER]
STORED = Stored(ID, 3, 5.0)

SCENARIOS = {
    "a fresh entry is served": Scenario([FETCH, SERVE], [Hit(ID)], Fetched(FRESH, TOKEN)),
    "nothing there is rendered and kept": Scenario(
        ALL, [Miss(ID, "first"), STORED], NOTHING, RENDERED
    ),
    "an expired entry is rendered anew": Scenario(
        ALL,
        [Miss(ID, "expired"), STORED],
        Fetched(Entry("old", NOW - 60.0, 60.0), TOKEN),
        RENDERED,
    ),
    "a shorter timeout of the tag expires an older entry": Scenario(
        ALL,
        [Miss(ID, "expired"), STORED],
        Fetched(FRESH, TOKEN),
        Entry("né", NOW - 5.0, 59.5, 5.0),
        timeout=59.5,
    ),
    "an unreadable entry is rendered anew": Scenario(
        ALL,
        [Failed(ID, "decode", "checksum"), Miss(ID, "unreadable"), STORED],
        Fetched(None, TOKEN, Problem("decode", "checksum")),
        RENDERED,
    ),
    "a failed fetch is rendered and not kept": Scenario(
        UNKEPT,
        [Failed(ID, "fetch", "BackendError"), Miss(ID, "failed")],
        Fetched(problem=Problem("fetch", "BackendError")),
    ),
    "without a token nothing is kept": Scenario(UNKEPT, [Miss(ID, "first")], Fetched()),
    "a failed keep is told": Scenario(
        ALL,
        [Miss(ID, "first"), Failed(ID, "store", "OSError")],
        Fetched(token=7),
        RENDERED,
        Problem("store", "OSError"),
    ),
    "a refusal to keep is told": Scenario(
        ALL, [Miss(ID, "first"), NotStored(ID, "too large")], NOTHING, RENDERED, "too large"
    ),
    "what is unfit is not kept": Scenario(
        UNKEPT, [Miss(ID, "first"), NotStored(ID, "a preview")], NOTHING, unfit="a preview"
    ),
    "what expired while it was rendered is not kept": Scenario(
        UNKEPT, [Miss(ID, "first"), NotStored(ID, LATE)], NOTHING, bound=0.0
    ),
    "what took all of its timeout is not kept": Scenario(
        UNKEPT, [Miss(ID, "first"), NotStored(ID, LATE)], NOTHING, timeout=5.0
    ),
    "what has a moment left is kept": Scenario(
        ALL,
        [Miss(ID, "first"), STORED],
        NOTHING,
        Entry("né", NOW - 5.0, 5.125, 5.0),
        bound=0.125,
    ),
    "a bypass asks for nothing": Scenario([RENDER], [Miss(ID, "bypass")], mode=Mode.BYPASS),
    "off asks for nothing and tells nothing": Scenario([RENDER], [], mode=Mode.OFF),
    "a refresh asks for the token alone, and keeps": Scenario(
        ALL, [Miss(ID, "refresh"), STORED], NOTHING, RENDERED, mode=Mode.REFRESH
    ),
    "a refresh that cannot reach the backend renders": Scenario(
        UNKEPT,
        [Failed(ID, "fetch", "OSError"), Miss(ID, "refresh")],
        Fetched(problem=Problem("fetch", "OSError")),
        mode=Mode.REFRESH,
    ),
}
scenarios = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))


class Script(NullStore):
    """Be a store that does as a scenario says and notes what it was asked."""

    def __init__(self, scenario: Scenario, *, waits: bool) -> None:
        super().__init__(ManualClock(NOW))
        self.waits = waits
        self.scenario = scenario
        self.steps: list[Step] = []
        self.kept: list[Entry | None] = []
        self.threads: set[int] = set()

    def fetch(self, recording: Recording) -> None:
        """Find what the scenario says."""
        self._note(FETCH, recording)
        assert self.scenario.fetched is not None
        recording.entry, recording.token, recording.problem = self.scenario.fetched

    def keep(self, recording: Recording) -> None:
        """Keep the entry, or have it that what the scenario says comes in the way."""
        self._note(KEEP, recording)
        assert self.scenario.fetched is not None
        assert recording.token == self.scenario.fetched.token
        self.kept.append(recording.entry)
        outcome = self.scenario.outcome
        if isinstance(outcome, Problem):
            recording.problem = outcome
        else:
            recording.refusal = outcome

    def _note(self, step: Step, recording: Recording) -> None:
        assert (recording.key, recording.mode) == (KEY, self.scenario.mode)
        self.steps.append(step)
        self.threads.add(threading.get_ident())


class Run:
    """One policy on its way through a scenario."""

    def __init__(self, scenario: Scenario, *, waits: bool = False) -> None:
        self.scenario = scenario
        self.events: list[Event] = []
        self.store = Script(scenario, waits=waits)
        self.journal = Journal(ID, Audience(subscribers=(self.events.append,)), FragmentStats())
        self.recording = Recording(
            KEY, scenario.timeout, self.journal, self.store.clock, mode=scenario.mode
        )
        self.policy: Policy = policy(self.recording)

    def stop(self, step: Step) -> None:
        """Be the page where it takes over: note the step, and render the body if it says so."""
        self.store.steps.append(step)
        recording, scenario = self.recording, self.scenario
        if step is SERVE:
            assert scenario.fetched is not None
            assert recording.entry is scenario.fetched.entry
        else:
            assert step is RENDER
            recording.text, recording.made_at, recording.cost = "né", NOW - 5.0, 5.0
            recording.unfit = scenario.unfit
            if scenario.bound is not None:
                recording.bound(scenario.bound)

    def check(self) -> None:
        """Compare what happened with what must happen; the policy has ended."""
        assert self.store.steps == self.scenario.steps
        assert self.store.kept == ([] if self.scenario.kept is None else [self.scenario.kept])
        assert self.events == self.scenario.events
        assert inspect.getgeneratorstate(self.policy) == inspect.GEN_CLOSED


@scenarios
def test_policy_driven_by_hand(scenario: Scenario) -> None:
    """A plain loop over the generator is a driver: the policy does no I/O."""
    run = Run(scenario)
    for step in run.policy:
        if step is FETCH:
            run.store.fetch(run.recording)
        elif step is KEEP:
            run.store.keep(run.recording)
        else:
            run.stop(step)
    run.check()


@scenarios
def test_policy_driven_synchronously(scenario: Scenario) -> None:
    """The driver lets the store do its steps, returns where the page takes over, and at the end."""
    run = Run(scenario)
    run.stop(advance(run.policy, run.recording, run.store))
    assert advance(run.policy, run.recording, run.store) is DONE
    run.check()


@pytest.mark.parametrize("waits", [False, True])
@scenarios
def test_policy_driven_asynchronously(scenario: Scenario, *, waits: bool) -> None:
    """The asynchronous driver takes the very same steps."""
    run = Run(scenario, waits=waits)

    async def drive() -> None:
        run.stop(await advance_async(run.policy, run.recording, run.store))
        assert await advance_async(run.policy, run.recording, run.store) is DONE

    asyncio.run(drive())
    run.check()


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("is_kept", [False, True])
def test_only_a_store_that_waits_is_sent_to_a_worker(*, waits: bool, is_kept: bool) -> None:
    """An event loop calls a store in memory directly, and any other from another thread."""
    name = "nothing there is rendered and kept" if is_kept else "a fresh entry is served"
    run = Run(SCENARIOS[name], waits=waits)
    asyncio.run(advance_async(run.policy, run.recording, run.store))
    if is_kept:
        run.store.threads.clear()
        run.stop(RENDER)
        asyncio.run(advance_async(run.policy, run.recording, run.store))
        assert run.store.kept
    assert (threading.get_ident() in run.store.threads) is not waits
    assert len(run.store.threads) == 1


def test_counters_follow_the_scenarios() -> None:
    """Hits, misses, errors, what was stored and what was not are each counted once."""
    total = FragmentStats()
    for scenario in SCENARIOS.values():
        run = Run(scenario)
        run.journal.stats = total
        run.stop(advance(run.policy, run.recording, run.store))
        advance(run.policy, run.recording, run.store)
    assert (total.hits, total.misses, total.errors) == (1, 15, 4)
    assert (total.stored, total.not_stored, total.bytes) == (6, 4, 18)
    assert total.render_seconds == 30.0


class Interruption(BaseException):
    """Stand for KeyboardInterrupt, cancellation and the like."""


class Watched(Rendering):
    """Be a fragment whose policy can be seen."""

    __slots__ = ()

    @property
    def policy(self) -> Policy:
        """The policy."""
        return self._policy


@pytest.mark.parametrize("error", [ValueError, Interruption])
@pytest.mark.parametrize("is_async", [False, True])
def test_body_that_raises_closes_the_policy(error: type[BaseException], *, is_async: bool) -> None:
    """Nothing more is asked, nothing is told, and the error is the body's own."""
    run = Run(SCENARIOS["nothing there is rendered and kept"])
    rendering = Watched(KEY, 60.0, run.journal, run.store.clock)

    def break_off() -> None:
        assert rendering.begin(run.store) is rendering
        with rendering:
            raise error("boom")

    async def break_off_asynchronously() -> None:
        assert await rendering.begin_async(run.store) is rendering
        async with rendering:
            raise error("boom")

    with pytest.raises(error, match="boom"):
        asyncio.run(break_off_asynchronously()) if is_async else break_off()
    assert run.store.steps == [FETCH]
    assert run.events == [Miss(ID, "first")]
    assert inspect.getgeneratorstate(rendering.policy) == inspect.GEN_CLOSED
    assert SCOPE.get() is None
