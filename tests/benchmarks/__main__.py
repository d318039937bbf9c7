"""Run the benchmark, as ``tests/benchmarks/run`` does in an environment of its own.

Nothing here fails for being slow: the targets are reported, with a verdict each.
"""

import argparse
import gc
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import alone, scenarios
from .contenders import OURS, gather
from .measure import Job, run_rounds
from .report import Result, to_json, to_markdown
from .scenarios import Plan

STORE_ROUNDS = 8
"""A round over a full store takes seconds; one for so many others is enough."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Say how much is done: rounds, nanoseconds a timing, entries of a full store."""

    rounds: int
    sample_ns: int
    entries: int


FULL = Effort(rounds=40, sample_ns=5_000_000, entries=100_000)
QUICK = Effort(rounds=5, sample_ns=1_000_000, entries=10_000)


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("tests/benchmarks/run", description=__doc__)
    parser.add_argument("--rounds", type=int, help=f"default {FULL.rounds}, quick {QUICK.rounds}")
    parser.add_argument("--quick", action="store_true", help="fewer, shorter timings: a first look")
    parser.add_argument("--only", default="", metavar="PATTERN", help="part of CELL/CONTENDER")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--seed", type=int, default=1, help="of the order within the rounds")
    return parser.parse_args(arguments)


def measure(effort: Effort, only: str, seed: int) -> Result:
    """Measure every contender that is installed, in each job whose name holds ``only``."""
    engines, absent = gather()
    plan = Plan(engines, effort.sample_ns)
    jobs, store_jobs = list(scenarios.make_jobs(plan)), list[Job]()
    if OURS in engines:
        jobs += alone.make_jobs(plan)
        store_jobs += alone.make_store_jobs(effort.entries)
    # What lives as long as the run need not be walked through before every timing.
    gc.freeze()
    samples = run_rounds(_chosen(jobs, only), effort.rounds, seed, _tell)
    few = max(1, effort.rounds // STORE_ROUNDS)
    samples |= run_rounds(_chosen(store_jobs, only), few, seed, _tell)
    return Result(samples, absent, effort.rounds, seed)


def _chosen(jobs: Iterable[Job], only: str) -> list[Job]:
    return [job for job in jobs if only in job.name]


def _tell(number: int) -> None:
    sys.stderr.write(f"\rround {number} ")
    sys.stderr.flush()


def main(arguments: list[str] | None = None) -> None:
    """Measure and report."""
    options = read_arguments(arguments)
    effort = QUICK if options.quick else FULL
    if options.rounds:
        effort = Effort(options.rounds, effort.sample_ns, effort.entries)
    result = measure(effort, options.only, options.seed)
    sys.stderr.write("\n")
    sys.stdout.write(to_markdown(result) + "\n")
    if options.json:
        options.json.write_text(json.dumps(to_json(result), indent=2) + "\n")


if __name__ == "__main__":
    main()
