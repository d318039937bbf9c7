"""Time fairly: in rounds, in an order drawn anew for each, and judge by medians.

What is compared is timed in turns, a call of each, so that a busy machine slows both; in CPU time
of the thread, or who works longest would pay for most of what other processes do. The garbage
collector runs before a timing and not within it, as in ``timeit``: who pays for everyone's garbage
would be chance.
"""

import gc
import math
import random
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import thread_time_ns

Work = Callable[[], object]
Clock = Callable[[], int]
Samples = dict[tuple[str, str], list[float]]
"""The figures of each cell and contender, one a round."""

LEAST_TURNS = 3


@dataclass(frozen=True, slots=True)
class Job:
    """Know how to take one figure of one contender in one cell, in the cell's unit."""

    cell: str
    contender: str
    sample: Callable[[], float]

    @property
    def name(self) -> str:
        """Name the job as ``--only`` does."""
        return f"{self.cell}/{self.contender}"


@contextmanager
def no_collection() -> Generator[None]:
    """Collect garbage now and not before the end."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def time_turns(works: Sequence[Work], least_ns: int, clock: Clock = thread_time_ns) -> list[float]:
    """Call each work in turn, for at least so long and three times; return their medians in ns."""
    passed: list[list[int]] = [[] for _ in works]
    with no_collection():
        deadline = clock() + least_ns
        while len(passed[-1]) < LEAST_TURNS or clock() < deadline:
            for work, times in zip(works, passed, strict=True):
                started = clock()
                work()
                times.append(clock() - started)
    return [median(times) for times in passed]


def time_over(work: Work, baseline: Work, least_ns: int, clock: Clock = thread_time_ns) -> float:
    """Return the nanoseconds that a call of the work takes over one of the baseline."""
    with_it, without = time_turns([work, baseline], least_ns, clock)
    return with_it - without


def run_rounds(jobs: Sequence[Job], rounds: int, seed: int, tell: Callable[[int], None]) -> Samples:
    """Take one figure of every job in each round; a first round, to warm up, is thrown away.

    Each round goes through the cells in an order of its own, and within a cell through its
    contenders: who is compared is timed close together.
    """
    draw = random.Random(seed)  # noqa: S311 - an order, no secret
    samples: Samples = {(job.cell, job.contender): [] for job in jobs}
    for number in range(rounds + 1):
        tell(number)
        for job in shuffled(jobs, draw):
            figure = job.sample()
            if number:
                samples[job.cell, job.contender].append(figure)
    return samples


def shuffled(jobs: Sequence[Job], draw: random.Random) -> list[Job]:
    """Shuffle the cells, and the contenders within each."""
    ranks = {job.cell: draw.random() for job in jobs}
    return sorted(jobs, key=lambda job: (ranks[job.cell], draw.random()))


def paired_ratio(figures: Sequence[float], references: Sequence[float]) -> float:
    """Return the median of the ratios within each round, which a drift of the machine cancels."""
    return median(one / other for one, other in zip(figures, references, strict=True))


def quantile(figures: Sequence[float], share: float) -> float:
    """Return the smallest figure that at least this share of all does not exceed."""
    ordered = sorted(figures)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]
