"""The cells of the tables that all contenders share: what is timed, and what is subtracted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

from markupsafe import Markup

from .contenders import PLAIN, READY
from .engines import Context, Engine, JinjaEngine, Page
from .measure import Job, time_over
from .pages import Item, Row, Shape, make_context, make_items

ROWS = 100
LONG_SIZE = 50
LONG_ROWS = 20
"""Rows of 50 KB: a page of 1 MB is long enough."""
OUTER_ROWS = 20
MICROSECOND = 1_000


@dataclass(frozen=True, slots=True)
class Cell:
    """Describe a column: its name, its unit, and how its figure comes about."""

    name: str
    unit: str
    about: str


HIT_1 = Cell("hit 1 KB", "ns", "a fragment of 1,024 characters, found")
HIT_8 = Cell("hit 8 KB", "ns", "a fragment of 8,192 characters, found")
HIT_50 = Cell("hit 50 KB", "ns", "a fragment of 51,200 characters, found")
NESTED = Cell("nested hit", "ns", "a fragment around five fragments of 1 KB, all stored, found")
ANEW = Cell("outer anew", "µs", "the same, where only the outer one is not stored")
MISS = Cell("miss", "µs", "a fragment of 1 KB, rendered and stored, over plain rendering")
PAGE_100 = Cell("page of 100", "µs", "a whole page, joined, of 100 different fragments of 1 KB")
PAGE_1 = Cell("page of 1", "µs", "a whole page, joined, of one fragment of 1 KB")

HITS = {HIT_1: 1, HIT_8: 8, HIT_50: 50}
CELLS = (HIT_1, HIT_8, HIT_50, NESTED, ANEW, MISS, PAGE_1, PAGE_100)


class DifferentPageError(Exception):
    """Say that a contender renders another page than no cache does."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold who takes part and how long one timing is to last at least."""

    engines: Mapping[str, Engine]
    sample_ns: int

    def rows(self, shape: Shape, users: Sequence[str], items: Sequence[Item]) -> list[Row]:
        """Make the rows of a page, each with the HTML that no cache renders."""
        page = self.engines[PLAIN].page(shape)
        texts = [page.render(make_context([(user, "")], items)) for user in users]
        return list(zip(users, map(Markup, texts), strict=True))

    def page(self, name: str, shape: Shape, context: Context) -> Page:
        """Compile a page and compare it, cold and warm, with what no cache renders.

        Raises:
            DifferentPageError: it is another page; no figure of it would mean anything.
        """
        right = self.engines[PLAIN].page(shape).render(context)
        page = self.engines[name].page(shape)
        if not right == page.render(context) == page.render(context):
            raise DifferentPageError(f"{name} renders another page than no cache does")
        return page


def make_jobs(plan: Plan) -> Iterator[Job]:
    """Make every job of the shared cells."""
    for name, engine in plan.engines.items():
        for cell, size in HITS.items():
            yield Job(cell.name, name, hit(plan, name, Shape.FLAT, size))
        yield Job(NESTED.name, name, hit(plan, name, Shape.NESTED, 1))
        yield Job(PAGE_1.name, name, whole(plan, name, 1))
        yield Job(PAGE_100.name, name, whole(plan, name, 100))
        if name != READY:
            yield Job(ANEW.name, name, outer_anew(plan, name))
        if isinstance(engine, JinjaEngine) and name not in {PLAIN, READY}:
            yield Job(MISS.name, name, miss(plan, name))


def hit(plan: Plan, name: str, shape: Shape, size: int) -> Callable[[], float]:
    """Time one stored fragment in each row, less its text standing there in the template."""
    items = make_items(size)
    length = ROWS if size < LONG_SIZE else LONG_ROWS
    (row,) = plan.rows(shape, [f"h{size:05}"], items)
    context = make_context([row] * length, items)
    page, blank = plan.page(name, shape, context), plan.engines[name].blank(row[1])

    def sample() -> float:
        page.render(context)
        work, baseline = partial(page.render, context), partial(blank.render, context)
        return time_over(work, baseline, plan.sample_ns) / length

    return sample


def do_nothing() -> None:
    """Be the baseline that only reading the clock has a part in."""


def whole(plan: Plan, name: str, fragments: int) -> Callable[[], float]:
    """Time a joined page of so many different stored fragments; nothing is subtracted."""
    items = make_items(1)
    users = [f"w{number:05}" for number in range(fragments)]
    context = make_context(plan.rows(Shape.FLAT, users, items), items)
    page = plan.page(name, Shape.FLAT, context)

    def sample() -> float:
        page.render(context)
        work = partial(page.render, context)
        return time_over(work, do_nothing, plan.sample_ns) / MICROSECOND

    return sample


def outer_anew(plan: Plan, name: str) -> Callable[[], float]:
    """Time outer fragments under keys never seen, around inner ones that are stored."""
    items = make_items(1)
    rows = [(f"n{number:05}", "") for number in range(OUTER_ROWS)]
    versions = count()
    clear = plan.engines[name].clear

    def fresh() -> Context:
        return make_context(rows, items, version=f"v{next(versions):07}")

    page, blank = plan.page(name, Shape.VERSIONED, fresh()), plan.engines[name].blank("")

    def sample() -> float:
        page.render(fresh())
        work, baseline = lambda: page.render(fresh()), lambda: blank.render(fresh())
        figure = time_over(work, baseline, plan.sample_ns)
        clear()
        return figure / OUTER_ROWS / MICROSECOND

    return sample


def miss(plan: Plan, name: str) -> Callable[[], float]:
    """Time fragments under keys never seen, less the same pages rendered without a cache."""
    items = make_items(1)
    users = count()
    clear = plan.engines[name].clear

    def fresh() -> Context:
        return make_context([(f"m{next(users):07}", "") for _ in range(ROWS)], items)

    page, plain = plan.page(name, Shape.FLAT, fresh()), plan.engines[PLAIN].page(Shape.FLAT)

    def sample() -> float:
        work, baseline = lambda: page.render(fresh()), lambda: plain.render(fresh())
        figure = time_over(work, baseline, plan.sample_ns)
        clear()
        return figure / ROWS / MICROSECOND

    return sample
