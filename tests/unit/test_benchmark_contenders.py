"""Who takes part in the benchmark, with which pages, and that the command runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import alone, scenarios
from tests.benchmarks.contenders import MAKERS, OURS, PLAIN, READY, TEXTBOOK, gather
from tests.benchmarks.engines import Engine, JinjaEngine, fill_in, plain, quoted_tag, ready
from tests.benchmarks.pages import Shape, make_context, make_items
from tests.benchmarks.scenarios import DifferentPageError, Plan

TESTS = Path(__file__).parents[1]


def test_a_contender_that_cannot_be_imported_is_absent() -> None:
    """The others are measured all the same."""

    def missing() -> Engine:
        raise ModuleNotFoundError("No module named 'gone'")

    engines, absent = gather({"gone": missing, PLAIN: plain})
    assert list(engines) == [PLAIN]
    assert absent == {"gone": "No module named 'gone'"}


def test_tags_go_where_the_source_keeps_a_place() -> None:
    """Name and key variables reach the tag of each contender."""
    source = "a[[card: user part]]b[[end]]c"
    tagged = 'a{% cache "card", user, part %}b{% endcache %}c'
    assert fill_in(source, quoted_tag, "{% endcache %}") == tagged


@pytest.mark.parametrize("size", [1, 8, 50])
def test_a_fragment_is_as_large_as_its_column_says(size: int) -> None:
    """One card is 1 KB to the character."""
    plan = Plan({PLAIN: plain()}, 1)
    ((_, html),) = plan.rows(Shape.FLAT, ["h00001"], make_items(size))
    assert len(html) == 1_024 * size


def test_ready_html_prints_the_uncached_page() -> None:
    """The reference is escaped once, like everyone."""
    plan = Plan({PLAIN: plain(), READY: ready()}, 1)
    items = make_items(2)
    context = make_context(plan.rows(Shape.NESTED, ["h00001", "h00002"], items), items)
    page = plan.page(READY, Shape.NESTED, context).render(context)
    assert page.count("Mill &amp; Press 01") == 2 * 5


def test_a_contender_with_another_page_is_refused() -> None:
    """Figures of wrong pages mean nothing."""
    shout = JinjaEngine(plain().environment, lambda name, _: name.upper(), "")
    plan = Plan({PLAIN: plain(), "shout": shout}, 1)
    context = make_context([("h00001", "")], make_items(1))
    with pytest.raises(DifferentPageError, match="shout renders another page"):
        plan.page("shout", Shape.FLAT, context)


def test_the_command_measures_who_is_installed(tmp_path: Path) -> None:
    """One quick round gives a table, a verdict for each target, and the figures as JSON."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    target = tmp_path / "figures.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--quick",
        "--rounds",
        "1",
        "--json",
        str(target),
    ]
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
    )
    assert run.returncode == 0, run.stderr
    assert all(f"| {name} | " in run.stdout for name in MAKERS if name != READY)
    measured = {
        (one["cell"], one["contender"]) for one in json.loads(target.read_text())["figures"]
    }
    assert {(cell.name, TEXTBOOK) for cell in scenarios.CELLS} <= measured
    assert {(cell.name, OURS) for cell in (*scenarios.CELLS, *alone.CELLS)} <= measured
