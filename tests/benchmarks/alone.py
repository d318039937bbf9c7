"""The cells that jinjacache has to itself: keys, threads, a full store, bytes per entry."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import count, islice
from statistics import median
from threading import Barrier, Thread
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING

from .contenders import OURS
from .engines import TIMEOUT
from .measure import Clock, Job, no_collection, quantile, time_turns
from .pages import Shape, make_context, make_items
from .scenarios import MICROSECOND, ROWS, Cell, Plan

if TYPE_CHECKING:
    from jinjacache.backends.memory import MemoryBackend
    from jinjacache.entry import Entry

    from .engines import Page

Key = tuple[bytes, tuple[str]]

THREADS = 8
PAGES_A_THREAD = 20
THREAD_TURNS = 3
KEYS = 1_000
INSERTS = 2_000
TEXT = "x" * 1_024

KEY_TEXT = Cell("key of one str", "ns", "canonical bytes of ('u00001',)")
KEY_INTS = Cell("key of two ints", "ns", "canonical bytes of (4711, 12)")
KEY_RICH = Cell("key of a Decimal and a datetime", "ns", "canonical bytes of both in a tuple")
SCALING = Cell(
    "8 threads",
    "× 1 thread",
    "pages of 100 hits a second, by 8 threads together over by one, by the clock",
)
PER_ENTRY = Cell("bytes per entry", "bytes", "traced memory, without the text")

KEY_VALUES = {
    KEY_TEXT: ("u00001",),
    KEY_INTS: (4711, 12),
    KEY_RICH: (Decimal("129.90"), datetime(2025, 11, 24, 12, 30, tzinfo=UTC)),
}
INSERT = Cell("insert", "µs", "an insert that evicts, nothing marked as used: the median")
INSERT_MARKED = Cell("insert, all marked", "µs", "the same, every entry marked at the start")
INSERT_SLOW = Cell("insert, all marked, 99.9 %", "µs", "what 99.9 % of these inserts do not exceed")
INSERT_WORST = Cell(
    "insert, worst", "µs", "the slowest of twice as many as there are entries, in CPU time"
)

CELLS = (
    *KEY_VALUES,
    SCALING,
    INSERT,
    INSERT_MARKED,
    INSERT_SLOW,
    INSERT_WORST,
    PER_ENTRY,
)


def make_jobs(plan: Plan) -> Iterator[Job]:
    """Make the jobs that are done in every round."""
    for cell, value in KEY_VALUES.items():
        yield Job(cell.name, OURS, key_building(value, plan.sample_ns))
    yield Job(SCALING.name, OURS, threads(plan))


def make_store_jobs(entries: int) -> Iterator[Job]:
    """Make the jobs over stores of so many entries, of which a few rounds are enough."""
    store = FullStore(entries)
    yield Job(INSERT.name, OURS, partial(store.typical, marked=False))
    yield Job(INSERT_MARKED.name, OURS, partial(store.typical, marked=True))
    yield Job(INSERT_SLOW.name, OURS, partial(store.slowest, INSERTS, 0.999))
    yield Job(INSERT_WORST.name, OURS, partial(store.slowest, 2 * entries, 1.0))
    yield Job(PER_ENTRY.name, OURS, partial(bytes_per_entry, entries))


def key_building(value: object, sample_ns: int) -> Callable[[], float]:
    """Time the canonical encoding of one value."""
    from jinjacache.encoding import encode  # noqa: PLC0415 - these jobs are made where it is there

    def work() -> None:
        for _ in range(KEYS):
            encode(value)

    return lambda: time_turns([work], sample_ns)[0] / KEYS


def threads(plan: Plan) -> Callable[[], float]:
    """Compare the throughput of eight threads on one warm store with that of one thread."""
    items = make_items(1)
    rows = plan.rows(Shape.FLAT, [f"t{number:05}" for number in range(ROWS)], items)
    context = make_context(rows, items)
    page = plan.page(OURS, Shape.FLAT, context)

    def sample() -> float:
        page.render(context)
        ratios: list[float] = []
        for _ in range(THREAD_TURNS):
            with no_collection():
                alone = _time_threads(page, context, 1, THREADS * PAGES_A_THREAD)
                together = _time_threads(page, context, THREADS, PAGES_A_THREAD)
            ratios.append(alone / together)
        return median(ratios)

    return sample


def _time_threads(page: "Page", context: dict[str, object], number: int, pages: int) -> int:
    """Return the nanoseconds in which so many threads render so many pages each."""
    barrier = Barrier(number + 1)

    def work() -> None:
        barrier.wait()
        for _ in range(pages):
            page.render(context)

    workers = [Thread(target=work) for _ in range(number)]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = perf_counter_ns()
    for worker in workers:
        worker.join()
    return perf_counter_ns() - started


class FullStore:
    """Hold a store that can take no more entries without evicting some."""

    def __init__(self, entries: int) -> None:
        self._store = make_store(entries)
        self._numbers = count()
        self._keys: list[Key] = []
        for key, entry in self._fresh(entries):
            self._store.put(key, entry)

    def typical(self, *, marked: bool) -> float:
        """Insert new entries; return the median of what one took, in µs by the clock."""
        self._mark(marked=marked)
        return quantile(self._time(INSERTS, perf_counter_ns), 0.5) / MICROSECOND

    def slowest(self, inserts: int, share: float) -> float:
        """Insert among marked entries; return what this share took at most, in µs of CPU time.

        By the clock the slowest would be one that had to wait for another process. Only many
        inserts show all: a dict that others leave is built anew now and then.
        """
        self._mark(marked=True)
        return quantile(self._time(inserts, thread_time_ns), share) / MICROSECOND

    def _time(self, inserts: int, clock: Clock) -> list[int]:
        fresh, put = list(self._fresh(inserts)), self._store.put
        times: list[int] = []
        with no_collection():
            for key, entry in fresh:
                started = clock()
                put(key, entry)
                times.append(clock() - started)
        return times

    def _mark(self, *, marked: bool) -> None:
        """Mark every entry as used, or none; forget the keys of those that are gone."""
        stored: list[Key] = []
        for key in self._keys:
            node = self._store.find(key)
            if node is not None:
                node.visited = marked
                stored.append(key)
        self._keys = stored

    def _fresh(self, number: int) -> "Iterator[tuple[Key, Entry]]":
        for index in islice(self._numbers, number):
            key = make_key(index)
            self._keys.append(key)
            yield key, make_entry(index)


def bytes_per_entry(entries: int) -> float:
    """Return the traced memory of a store, per entry; their text is one and was there before."""
    store = make_store(entries)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(entries):
            store.put(make_key(number), make_entry(number))
        return tracemalloc.get_traced_memory()[0] / entries
    finally:
        tracemalloc.stop()


def make_store(entries: int) -> "MemoryBackend":
    """Make a store that is bounded by the number of its entries."""
    from jinjacache.backends.memory import MemoryBackend  # noqa: PLC0415

    return MemoryBackend(1 << 40, max_entries=entries)


def make_key(number: int) -> Key:
    """Make the key of a fragment with one short text for a variable."""
    return b"prefix", (f"u{number:07}",)


def make_entry(number: int) -> "Entry":
    """Make an entry with times of its own."""
    from jinjacache.entry import Entry  # noqa: PLC0415

    return Entry(body=TEXT, made_at=float(number), timeout=float(TIMEOUT), cost=number / 1e9)
