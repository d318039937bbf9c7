"""What the figures of jinjacache are to reach, and whether they do."""

from dataclasses import dataclass
from statistics import median
from typing import Literal

from . import alone, scenarios
from .contenders import DJANGO, DJANGO_JINJA, FLASK, OURS, READY, TEXTBOOK
from .measure import Samples, paired_ratio
from .scenarios import Cell

Place = tuple[Cell, str]
Sign = Literal["≤", "≥"]


@dataclass(frozen=True, slots=True)
class Target:
    """Bound a figure, or the ratio of two from the same rounds, from above or from below."""

    what: str
    figure: Place
    over: Place | None
    sign: Sign
    bound: float

    @property
    def unit(self) -> str:
        """Return the unit of what is bounded."""
        return self.figure[0].unit if self.over is None else "×"

    def reached(self, samples: Samples) -> float | None:
        """Return what was measured; None where something needed for it was not."""
        figures = _figures(samples, self.figure)
        if self.over is None:
            return median(figures) if figures else None
        others = _figures(samples, self.over)
        return paired_ratio(figures, others) if figures and others else None

    def verdict(self, samples: Samples) -> str:
        """Say whether it is met."""
        reached = self.reached(samples)
        if reached is None:
            return "not measured"
        met = reached <= self.bound if self.sign == "≤" else reached >= self.bound
        return "met" if met else "missed"


def _figures(samples: Samples, place: Place) -> list[float]:
    cell, contender = place
    return samples.get((cell.name, contender), [])


def _own(what: str, cell: Cell, sign: Sign, bound: float) -> Target:
    return Target(what, (cell, OURS), None, sign, bound)


def _over_ready(what: str, cell: Cell, bound: float) -> Target:
    return Target(what, (cell, OURS), (cell, READY), "≤", bound)


def _like_a_small_hit(what: str, cell: Cell) -> Target:
    return Target(what, (cell, OURS), (scenarios.HIT_1, OURS), "≤", 1.1)


def _peer(contender: str, bound: float) -> Target:
    hit = scenarios.HIT_1
    what = f"hit 1 KB: {contender} over jinjacache"
    return Target(what, (hit, contender), (hit, OURS), "≥", bound)


TARGETS = (
    _over_ready("hit 1 KB: jinjacache over `{{ html }}`", scenarios.HIT_1, 0.8),
    _peer(TEXTBOOK, 4),
    _peer(FLASK, 9),
    _peer(DJANGO, 13),
    _peer(DJANGO_JINJA, 13),
    _over_ready("hit 8 KB: jinjacache over `{{ html }}`", scenarios.HIT_8, 0.3),
    _like_a_small_hit("hit 8 KB over hit 1 KB", scenarios.HIT_8),
    _like_a_small_hit("hit of an outer fragment over hit 1 KB", scenarios.NESTED),
    _own("miss over plain rendering", scenarios.MISS, "≤", 5),
    _own("throughput of 8 threads over 1", alone.SCALING, "≥", 0.9),
    _own("insert into a full store", alone.INSERT, "≤", 3),
    _own("the same, all entries marked", alone.INSERT_MARKED, "≤", 3),
    _own("the slowest insert", alone.INSERT_WORST, "≤", 200),
    _own("memory per entry beyond its text", alone.PER_ENTRY, "≤", 450),
)
