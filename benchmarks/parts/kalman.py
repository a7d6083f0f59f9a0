"""The Kalman filter of the stats service, a step of a sensor, against filterpy and statsmodels: one thread each."""

import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.checks import WrongAnswer
from benchmarks.measure import Goal, Row, Rule, paired, spread
from services.stats.kalman.filtering import advance, estimate, unknown
from shared.kalman import Motion

PART = "kalman"
SENSORS, STEPS, LONG = 10_000, 100, 2_000
Floats = NDArray[np.float64]
MOTION = Motion("velocity", 0.01, "discrete")
R, SPREAD = 1.0, 100.0


def rows(folder: Path, rule: Rule) -> Iterator[Row]:  # noqa: ARG001
    """filterpy, which keeps nothing of a step, stands beside both: where the sensors are in the end, and all of it."""
    if find_spec("filterpy") is None:
        yield Row(PART, "steps of sensors", float("nan"), "ratio", "filterpy", missing="filterpy is not installed")
        return
    rng = np.random.default_rng(0)
    many, one = rng.normal(size=(SENSORS, STEPS)).cumsum(axis=1), rng.normal(size=(1, LONG)).cumsum(axis=1)
    clock, long = np.arange(float(STEPS)), np.arange(float(LONG))
    peer = f"filterpy {version('filterpy')}, one sensor after the other"
    agree("filterpy", advance(MOTION, one, R, long, states=start(1)).states[0, :2], filterpy(one[0]))

    def by_filterpy() -> float:
        return rate(lambda: filterpy(one[0]), LONG, rule)

    yield row("10,000 sensors: where each is in the end", peer, Goal(1_000), rule, by_filterpy,
        lambda: rate(lambda: advance(MOTION, many, R, clock, states=start(SENSORS)), many.size, rule))  # fmt: skip
    yield row("10,000 sensors: every state, its deviation, innovation and NIS", peer, None, rule, by_filterpy,
        lambda: rate(lambda: estimate(MOTION, many, R, clock, states=start(SENSORS)), many.size, rule))  # fmt: skip
    yield row("one sensor: every state, its deviation, innovation and NIS", peer, Goal(50), rule, by_filterpy,
        lambda: rate(lambda: estimate(MOTION, one, R, long, states=start(1)), LONG, rule))  # fmt: skip
    yield against_statsmodels(one, long, rule)


def against_statsmodels(z: Floats, clock: Floats, rule: Rule) -> Row:
    """A local level of exactly diffuse start, filtered and smoothed."""
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    level = Motion("level", 0.5)
    peer = UnobservedComponents(z[0], "local level", use_exact_diffuse=True)
    peer.update([R, 0.5])
    wanted = peer.ssm.smooth()
    agree("statsmodels", estimate(level, z, R, clock, way="smooth").mean[0, 0], wanted.smoothed_state[0])
    name = f"statsmodels {version('statsmodels')}"
    return row("one level: filtered and smoothed", name, None, rule, lambda: rate(peer.ssm.smooth, LONG, rule),
        lambda: rate(lambda: estimate(level, z, R, clock, way="smooth"), LONG, rule))  # fmt: skip


def row(
    what: str, peer: str, goal: Goal | None, rule: Rule, theirs: Callable[[], float], ours: Callable[[], float]
) -> Row:
    found = paired(ours, theirs, rule)
    value, low, high = spread(found.ratios)
    raw = {"ours_per_s": found.ours, "reference_per_s": found.reference, "pairs": len(found.pairs)}
    return Row(PART, what, value, "ratio", peer, goal, low, high, found.stable, raw)


def rate(work: Callable[[], object], steps: int, rule: Rule) -> float:
    """Steps per second of one thread's own time, which others on the machine do not take from."""
    begun, done = time.thread_time(), 0
    until = time.perf_counter() + rule.seconds / 2
    while time.perf_counter() < until:
        work()
        done += steps
    return done / (time.thread_time() - begun)


def filterpy(z: Floats) -> Floats:
    """The state after the last of `z` [T]."""
    from filterpy.kalman import KalmanFilter

    each = KalmanFilter(2, 1)
    each.F, each.H = MOTION.transition(1.0), np.eye(1, 2)
    each.Q, each.R = MOTION.process_noise(1.0), np.array([[R]])
    each.P *= SPREAD
    each.update(z[0])
    for value in z[1:]:
        each.predict()
        each.update(value)
    return np.asarray(each.x[:, 0])


def start(sensors: int) -> Floats:
    """Known to be 0, give or take sqrt(SPREAD)."""
    states = np.zeros_like(unknown(sensors, 2))
    states[:, [3, 6]] = SPREAD
    return states


def agree(name: str, found: Floats, wanted: Floats) -> None:
    if not np.allclose(found, wanted, rtol=1e-9, atol=1e-9):
        raise WrongAnswer(f"kalman: {name} finds something else, by up to {np.max(np.abs(found - wanted)):.2g}")
