"""Trend tests against pymannkendall, and how long a hundred thousand points take whatever they are.

All in this process, on one core: figures are processor time, so that others at work beside it do not count.
"""

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from benchmarks.checks import WrongAnswer
from benchmarks.measure import Goal, Row, Rule, paired, repeated, spread
from benchmarks.servers import SERVER_CORE
from services.stats.trend import mann_kendall

PART = "trend"
Floats = NDArray[np.float64]
BATCHES = ((100, 100_000, 100, 80.0), (1000, 2000, 10, 50.0), (10_000, 100, 1, 100.0))
"""Points, series of ours, series of the peer's, and by how much ours is to be faster."""
LONG = 100_000
SERIES: dict[str, Callable[[np.random.Generator, Floats], Floats]] = {
    "noise": lambda rng, t: rng.normal(size=len(t)),
    "integers with a trend": lambda rng, t: np.round(0.01 * t + 10 * rng.normal(size=len(t))),
    "a trend rounded to tenths": lambda rng, t: np.round(0.01 * t + rng.normal(size=len(t)), 1),
    "few integers": lambda rng, t: rng.integers(0, 10, len(t)).astype(np.float64),
    "a random walk": lambda rng, t: np.cumsum(rng.normal(size=len(t))),
    "a small change on a large level": lambda rng, t: 1e9 + 1e-3 * t + 1e-6 * rng.normal(size=len(t)),
}


def rows(folder: Path, rule: Rule) -> Iterator[Row]:  # noqa: ARG001
    with one_core():
        peer = pymannkendall()
        for points, ours, theirs, goal in BATCHES:
            row = Row(PART, f"series of {points:,} points", float("nan"), "ratio", "pymannkendall", Goal(goal))
            if isinstance(peer, str):
                yield replace(row, missing=peer)
            else:
                yield against(peer, row, points, ours, theirs, rule)
        for name in SERIES:
            yield long_one(name, rule)


def long_one(name: str, rule: Rule) -> Row:
    x = SERIES[name](np.random.default_rng(2), np.arange(float(LONG)))
    values, stable = repeated(lambda: seconds(lambda: mann_kendall([x])), rule)
    value, low, high = spread(values)
    goal = Goal(1, at_most=True)
    return Row(PART, f"{LONG:,} points: {name}", value, "s", "slope, its limits and p", goal, low, high, stable)


def against(peer: ModuleType, row: Row, points: int, ours: int, theirs: int, rule: Rule) -> Row:
    """The full result of each series, the slope's interval with ours only."""
    table = np.random.default_rng(1).normal(size=(ours, points))
    check(peer, table[: min(theirs, 20)])

    def mine() -> float:
        return ours / seconds(lambda: mann_kendall(table))

    def reference() -> float:
        return theirs / seconds(lambda: [peer.original_test(x) for x in table[:theirs]])

    found = paired(mine, reference, rule)
    value, low, high = spread(found.ratios)
    raw = {"ours_per_s": found.ours, "reference_per_s": found.reference, "pairs": len(found.pairs), "series": ours}
    return replace(row, value=value, low=low, high=high, stable=found.stable, raw=raw)


def check(peer: ModuleType, table: Floats) -> None:
    """Raises WrongAnswer where a figure is not the peer's to the last bit."""
    found = mann_kendall(table)
    for k, x in enumerate(table):
        theirs = peer.original_test(x)
        mine = (found.s[k], found.var_s[k], found.z[k], found.tau[k], found.slope[k], found.intercept[k])
        if mine != (theirs.s, theirs.var_s, theirs.z, theirs.Tau, theirs.slope, theirs.intercept):
            raise WrongAnswer(f"{len(x)} points: {mine} and {theirs}")


def seconds(work: Callable[[], object]) -> float:
    """Of processor time."""
    before = time.process_time()
    work()
    return time.process_time() - before


@contextmanager
def one_core() -> Iterator[None]:
    """This thread, and those that it starts, on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def pymannkendall() -> ModuleType | str:
    """Or why it is not there."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pymannkendall
    except ImportError as error:
        return f"not measured: {error}"
    return pymannkendall  # type: ignore[no-any-return]
