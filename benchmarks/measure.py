"""How often something is measured, and what becomes of the figures.

Windows are repeated until three in a row agree, as perf_analyzer does it; pairs alternate (A B A B), so that a machine
which drifts drifts for both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

AGREEING = 3


@dataclass(frozen=True)
class Rule:
    """Windows of `seconds`, repeated until the last three all lie within `within` of their mean, `at_most` in all."""

    seconds: float = 2.0
    at_most: int = 8
    within: float = 0.05

    def met(self, values: Sequence[float]) -> bool:
        last = values[-AGREEING:]
        if len(last) < AGREEING:
            return False
        mean = fmean(last)
        return all(abs(value - mean) <= self.within * abs(mean) for value in last)

    def over(self, values: Sequence[float]) -> bool:
        return len(values) >= self.at_most or self.met(values)


@dataclass(frozen=True)
class Goal:
    value: float
    at_most: bool = False

    def reached(self, value: float) -> bool:
        return value <= self.value if self.at_most else value >= self.value

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.value:g}"


@dataclass(frozen=True)
class Row:
    """One line of the table. `value` is what `goal` speaks of, the median of the windows; `low` and `high` their range.

    `stable` says whether the windows agreed. `raw` holds medians of what was measured, each with its unit in its name,
    and `profile` where the time goes. `missing` says why nothing was measured; then `value` is NaN.
    """

    part: str
    name: str
    value: float
    unit: str
    against: str
    goal: Goal | None = None
    low: float = float("nan")
    high: float = float("nan")
    stable: bool | None = None
    raw: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    profile: dict[str, Any] = field(default_factory=dict)
    missing: str = ""

    @property
    def reached(self) -> bool | None:
        if self.goal is None or self.missing:
            return None
        return self.goal.reached(self.value)


@dataclass(frozen=True)
class Pairs:
    """What `paired` measured: (ours, reference) of each pair."""

    pairs: list[tuple[float, float]]
    stable: bool

    @property
    def ratios(self) -> list[float]:
        return [ours / reference for ours, reference in self.pairs]

    @property
    def differences(self) -> list[float]:
        return [ours - reference for ours, reference in self.pairs]

    @property
    def ours(self) -> float:
        return median(ours for ours, _ in self.pairs)

    @property
    def reference(self) -> float:
        return median(reference for _, reference in self.pairs)


def repeated(measure: Callable[[], float], rule: Rule) -> tuple[list[float], bool]:
    """The windows' values, and whether the last of them agreed."""
    values: list[float] = []
    while not rule.over(values):
        values.append(measure())
    return values, rule.met(values)


def paired(ours: Callable[[], float], reference: Callable[[], float], rule: Rule) -> Pairs:
    """Pairs until their ratios agree. One of each, not counted, goes before."""
    ours(), reference()
    pairs: list[tuple[float, float]] = []
    while not rule.over([mine / theirs for mine, theirs in pairs]):
        pairs.append((ours(), reference()))
    return Pairs(pairs, rule.met([mine / theirs for mine, theirs in pairs]))


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """`value`, `low` and `high` of a `Row`."""
    return median(values), min(values), max(values)
