"""How the benchmark times, compares and reports; how fast anything is, no test says."""

import gc
import json
import random
from collections.abc import Callable

import pytest

from tests.benchmarks import alone, scenarios
from tests.benchmarks.contenders import MAKERS, OURS, READY
from tests.benchmarks.measure import (
    Job,
    Samples,
    paired_ratio,
    quantile,
    run_rounds,
    shuffled,
    time_over,
    time_turns,
)
from tests.benchmarks.report import Result, contender_row, number, table, to_json, to_markdown
from tests.benchmarks.targets import TARGETS, Target


def silent(number: int) -> None:
    """Show no progress."""


def seeded(seed: int) -> random.Random:
    """Make a source of chance that is always the same."""
    return random.Random(seed)  # noqa: S311 - an order, no secret


def constant_jobs(*names: tuple[str, str]) -> list[Job]:
    """Make jobs that measure nothing."""
    return [Job(cell, contender, lambda: 1.0) for cell, contender in names]


class Hours:
    """Count hours, in place of nanoseconds; a work takes as many as it is told to."""

    def __init__(self) -> None:
        self.now = 0
        self.worked: list[int] = []

    def __call__(self) -> int:
        """Return the hour."""
        return self.now

    def work(self, hours: int) -> Callable[[], None]:
        """Make a work that takes so long."""

        def work() -> None:
            self.now += hours
            self.worked.append(hours)

        return work


def test_works_are_timed_in_turns() -> None:
    """A call of each follows a call of the other, so that a busy machine slows both."""
    hours = Hours()
    assert time_turns([hours.work(5), hours.work(2)], 1, hours) == [5, 2]
    assert hours.worked == [5, 2] * 3


def test_a_timing_lasts_as_long_as_it_should() -> None:
    """Where three calls are over too soon, there are more of them."""
    hours = Hours()
    time_turns([hours.work(2)], 9, hours)
    assert hours.worked == [2] * 5


def test_a_slow_call_does_not_count() -> None:
    """The median of the calls is what one takes that nothing has interrupted."""
    hours = Hours()
    works = map(hours.work, [3, 100, 3])

    def work() -> None:
        next(works)()

    assert time_turns([work], 1, hours) == [3]


def test_a_baseline_is_subtracted() -> None:
    """What is left is the cost of what only the work has."""
    hours = Hours()
    assert time_over(hours.work(7), hours.work(5), 1, hours) == 2


def test_no_garbage_is_collected_within_a_timing() -> None:
    """The collector is off inside, and on again after an error too."""

    def fail() -> None:
        assert not gc.isenabled()
        raise KeyError

    with pytest.raises(KeyError):
        time_turns([fail], 1)
    assert gc.isenabled()


def test_every_job_gives_one_figure_a_round() -> None:
    """The first round warms up and is thrown away."""
    numbers = iter(range(100))
    samples = run_rounds([Job("c", "x", lambda: float(next(numbers)))], 3, 1, silent)
    assert samples == {("c", "x"): [1.0, 2.0, 3.0]}


def test_a_round_shuffles_cells_and_contenders() -> None:
    """Contenders of one cell stay together, and neither order is always the same."""
    jobs = constant_jobs(*((cell, contender) for cell in "abc" for contender in "xyz"))
    draw = seeded(5)
    orders = [[(job.cell, job.contender) for job in shuffled(jobs, draw)] for _ in range(20)]
    cells = {tuple(dict.fromkeys(cell for cell, _ in order)) for order in orders}
    contenders = {tuple(name for cell, name in order if cell == "a") for order in orders}
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert all(len({cell for cell, _ in order[:3]}) == 1 for order in orders)
    assert len(cells) > 1
    assert len(contenders) > 1


def test_a_seed_repeats_the_order() -> None:
    """A run can be done again as it was."""
    jobs = constant_jobs(*(("a", contender) for contender in "uvwxyz"))
    assert shuffled(jobs, seeded(1)) == shuffled(jobs, seeded(1))


def test_ratios_are_taken_within_rounds() -> None:
    """A machine that gets slower by the round changes no ratio."""
    assert paired_ratio([2.0, 20.0, 200.0], [1.0, 10.0, 100.0]) == 2.0
    assert paired_ratio([2.0, 30.0, 100.0], [1.0, 10.0, 100.0]) == 2.0


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 2), (0.51, 3), (0.75, 3), (1, 4)])
def test_a_quantile_is_a_figure_that_was_measured(share: float, expected: float) -> None:
    """It is the smallest that so many do not exceed."""
    assert quantile([4.0, 1.0, 3.0, 2.0], share) == expected


@pytest.mark.parametrize(
    ("value", "text"), [(0.123456, "0.123"), (7.0, "7"), (99.94, "99.9"), (12345.6, "12,346")]
)
def test_numbers_have_three_digits_or_no_fraction(value: float, text: str) -> None:
    """More digits than that would be noise."""
    assert number(value) == text


def test_a_table_is_markdown() -> None:
    """The first column is text and stands to the left."""
    assert list(table(["a", "b"], [["x", "1"]])) == ["| a | b |", "| :-- | --: |", "| x | 1 |"]


def result(samples: Samples, **absent: str) -> Result:
    """Make a result of three rounds."""
    return Result(samples, absent, rounds=3, seed=1)


def test_a_figure_stands_beside_its_ratio_to_the_reference() -> None:
    """Each column that has a reference shows both; what was not measured is a dash."""
    hit = scenarios.HIT_1.name
    row = contender_row(result({(hit, OURS): [300.0] * 3, (hit, READY): [600.0] * 3}), OURS)
    assert row == [OURS, "300 (0.50)", *["-"] * (len(scenarios.CELLS) - 1)]


def test_an_absent_contender_is_a_row_of_the_table() -> None:
    """It says what is missing, and the row is as long as the others."""
    row = contender_row(result({}, Django="No module named 'django'"), "Django")
    assert row[:2] == ["Django", "not installed: No module named 'django'"]
    assert len(row) == 1 + len(scenarios.CELLS)


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [(399.0, "met"), (400.0, "met"), (401.0, "missed"), (None, "not measured")],
)
def test_a_bound_from_above_is_met_up_to_itself(figure: float | None, verdict: str) -> None:
    """Without figures nothing is claimed."""
    hit = scenarios.HIT_1
    samples: Samples = {(hit.name, READY): [500.0]}
    if figure is not None:
        samples[hit.name, OURS] = [figure]
    assert Target("hit", (hit, OURS), (hit, READY), "≤", 0.8).verdict(samples) == verdict


@pytest.mark.parametrize(("figure", "verdict"), [(0.9, "met"), (0.89, "missed")])
def test_a_bound_from_below_is_met_from_itself_on(figure: float, verdict: str) -> None:
    """Some figures are to be large."""
    target = Target("threads", (alone.SCALING, OURS), None, "≥", 0.9)
    assert target.verdict({(alone.SCALING.name, OURS): [figure]}) == verdict


def test_every_target_is_about_a_cell_that_is_measured() -> None:
    """No target can stay unmeasured for ever."""
    cells = {*scenarios.CELLS, *alone.CELLS}
    places = [place for target in TARGETS for place in (target.figure, target.over) if place]
    assert {cell for cell, _ in places} <= cells
    assert {contender for _, contender in places} <= set(MAKERS)


def test_a_report_without_figures_can_be_written() -> None:
    """Whatever was left out, the rest is reported."""
    empty = result({}, **dict.fromkeys(MAKERS, "gone"))
    assert to_markdown(empty).count("not measured") == len(TARGETS)
    assert json.loads(json.dumps(to_json(empty)))["figures"] == []
