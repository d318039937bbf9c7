"""Say what was measured: as Markdown for people, as JSON for programs."""

import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from os import cpu_count
from statistics import median

from . import alone, scenarios
from .contenders import MAKERS, OURS, PACKAGES, READY
from .measure import Samples, paired_ratio, quantile
from .scenarios import Cell
from .targets import TARGETS

NOTHING = "-"
HOW = """\
Figures are medians over the rounds, in CPU time; in brackets is the median of the ratios to
`{{ html }}` within a round. Each contender renders the same text, which was checked. A hit is what
one fragment costs in a page of 100 rows (20 at 50 KB), rendered to one string, over the same text
standing in the template: the same loop around that text is timed in turns with it and subtracted.\
"""


@dataclass(frozen=True, slots=True)
class Result:
    """Hold what a run has measured, and who could not take part and why."""

    samples: Samples
    absent: Mapping[str, str]
    rounds: int
    seed: int


def to_markdown(result: Result) -> str:
    """Write the whole report."""
    return "\n".join(
        [
            "# What a cached fragment costs\n",
            f"{describe_machine()}; {result.rounds} rounds, seed {result.seed}.\n",
            HOW,
            "",
            *contenders_table(result),
            "",
            *legend(scenarios.CELLS),
            "\n## jinjacache alone\n",
            *alone_table(result.samples),
            "\n## Targets\n",
            *targets_table(result.samples),
        ]
    )


def describe_machine() -> str:
    """Name the Python, the system and the versions of what was measured."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    packages = ", ".join(f"{name} {number}" for name, number in versions().items())
    return f"{python}, {platform.system()} {platform.machine()}, {cpu_count()} CPUs; {packages}"


def versions() -> dict[str, str]:
    """Return the versions of the distributions that take part, of those that are installed."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Write a Markdown table, its first column to the left and the others to the right."""
    yield _row(head)
    yield _row([":--", *["--:"] * (len(head) - 1)])
    yield from map(_row, rows)


def _row(fields: Sequence[str]) -> str:
    return f"| {' | '.join(fields)} |"


def contenders_table(result: Result) -> Iterator[str]:
    """Write the figures of all contenders, one a row; an absent one says why it is."""
    head = ["contender", *(f"{cell.name}, {cell.unit}" for cell in scenarios.CELLS)]
    return table(head, (contender_row(result, name) for name in MAKERS))


def contender_row(result: Result, name: str) -> list[str]:
    """Write the figures of one contender."""
    label = f"`{name}`" if name == READY else name
    if name in result.absent:
        return [label, f"not installed: {result.absent[name]}", *[""] * (len(scenarios.CELLS) - 1)]
    return [label, *(figure(result.samples, cell, name) for cell in scenarios.CELLS)]


def figure(samples: Samples, cell: Cell, name: str) -> str:
    """Write the median of a cell, and its ratio to the reference where that has one."""
    figures = samples.get((cell.name, name))
    if not figures:
        return NOTHING
    references = samples.get((cell.name, READY))
    ratio = f" ({paired_ratio(figures, references):.2f})" if references else ""
    return number(median(figures)) + ratio


def number(value: float) -> str:
    """Write a figure with three digits, or all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def legend(cells: Iterable[Cell]) -> Iterator[str]:
    """Explain the columns."""
    return (f"- *{cell.name}*: {cell.about}" for cell in cells)


def alone_table(samples: Samples) -> Iterator[str]:
    """Write the figures that nobody else has, one a row, with what they mean."""
    rows = (
        [f"{cell.name}, {cell.unit}: {cell.about}", figure(samples, cell, OURS)]
        for cell in alone.CELLS
    )
    return table(["what", "median"], rows)


def targets_table(samples: Samples) -> Iterator[str]:
    """Write each target beside what was reached."""
    rows: list[list[str]] = []
    for target in TARGETS:
        reached = target.reached(samples)
        shown = NOTHING if reached is None else f"{number(reached)} {target.unit}"
        bound = f"{target.sign} {number(target.bound)} {target.unit}"
        rows.append([target.what, bound, shown, target.verdict(samples)])
    return table(["what", "target", "reached", "verdict"], rows)


def to_json(result: Result) -> dict[str, object]:
    """Return the report as JSON can hold it, with quartiles."""
    units = {cell.name: cell.unit for cell in (*scenarios.CELLS, *alone.CELLS)}
    return {
        "python": sys.version,
        "machine": platform.platform(),
        "packages": versions(),
        "rounds": result.rounds,
        "seed": result.seed,
        "absent": dict(result.absent),
        "figures": [
            {
                "cell": cell,
                "contender": contender,
                "unit": units[cell],
                "median": median(figures),
                "quartiles": [quantile(figures, 0.25), quantile(figures, 0.75)],
            }
            for (cell, contender), figures in result.samples.items()
        ],
        "targets": [
            {
                "what": target.what,
                "bound": f"{target.sign} {target.bound}",
                "reached": target.reached(result.samples),
                "verdict": target.verdict(result.samples),
            }
            for target in TARGETS
        ],
    }
