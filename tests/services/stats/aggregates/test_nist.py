"""Certified values, from all rows at once and from shuffled parts."""

import re
from pathlib import Path

import numpy as np
import pytest

from services.stats.aggregates.aggregate import Aggregate
from services.stats.leastsquares import FloatArray
from tests.services.stats import nist
from tests.services.stats.nist import digits

PARTS = [1, 8, 100]


def num_acc(base: float) -> FloatArray:
    """NIST's NumAcc3 (base 1,000,000) and NumAcc4 (10,000,000): 1,001 values whose sd is 0.1."""
    return np.array([base + 0.2] + [base + 0.1, base + 0.3] * 500)


def shuffled(count: int, parts: int, seed: int) -> list[FloatArray]:
    return [np.asarray(each) for each in np.array_split(np.random.default_rng(seed).permutation(count), parts)]


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize(("base", "sd_digits"), [(1e6, 9.4), (1e7, 8.2)])
def test_the_standard_deviation_keeps_the_digits_of_the_values(base: float, sd_digits: float, parts: int) -> None:
    values = num_acc(base)
    aggregate = Aggregate.of(["variance", "mean", "moments"], ["y"])
    for seed in range(10):
        rows = [np.arange(len(values))] if parts == 1 else shuffled(len(values), parts, seed)
        found = aggregate.present(aggregate.merge([aggregate.fold({"y": values[each]}) for each in rows]))
        for kind in ("variance", "moments"):
            assert digits([found[kind]["y"]["sd"]], [0.1]) >= sd_digits
        assert digits([found["mean"]["y"]], [base + 0.2]) == 15


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize(("name", "sd_digits"), [("Mavro", 12.0), ("Michelso", 12.3), ("Lottery", 14.5), ("Lew", 14.5)])
def test_the_univariate_sets(data: Path, name: str, sd_digits: float, parts: int) -> None:
    head, _, column = (data / "stats" / "nist" / f"{name}.dat").read_text().rpartition("-----")
    mean, sd = (float(each) for each in re.findall(r"^Sample .* (?:ybar|s): +(\S+)$", head, re.M))
    values = np.array(column.split(), dtype=float)
    aggregate = Aggregate.of(["variance"], ["y"])
    merged = aggregate.merge([aggregate.fold({"y": values[each]}) for each in shuffled(len(values), parts, 1)])
    found = aggregate.present(merged)["variance"]["y"]
    assert digits([found["mean"]], [mean]) >= 14
    assert digits([found["sd"]], [sd]) >= sd_digits


def regression_digits(given: nist.Dataset, powers: int, seed: int) -> tuple[float, float]:
    """Those of the coefficients and of the standard errors, from four shuffled parts."""
    columns = [given.columns[0] ** k for k in range(1, powers + 1)] if powers else given.columns
    names = [f"x{k}" for k in range(len(columns))]
    aggregate = Aggregate.of(["regression"], [*names, "y"])
    parts = [
        aggregate.fold({"y": given.y[rows], **{n: c[rows] for n, c in zip(names, columns, strict=True)}})
        for rows in shuffled(len(given.y), 4, seed)
    ]
    found = aggregate.present(aggregate.merge(parts))["regression"]
    assert found["dropped"] == []
    return digits(found["coef"], given.coef), digits(found["se"], given.se)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("name", "powers", "least"), [("Norris", 0, 11.5), ("Longley", 0, 12.5), ("Pontius", 2, 11.3)])
def test_regression_from_parts_is_as_good_as_from_all(
    data: Path, name: str, powers: int, least: float, seed: int
) -> None:
    coef, se = regression_digits(nist.load(data / "stats" / "nist", name), powers, seed)
    assert coef >= least
    assert se >= 11.5


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("scale", "least"), [(1.0, 8.0), (100.0, 7.0), (10_000.0, 5.0)])
def test_wampler(scale: float, least: float, seed: int) -> None:
    """One-shot QR of the same columns has 9.1, 7.8 and 5.8 digits."""
    assert regression_digits(nist.wampler(scale), 5, seed)[0] >= least


@pytest.mark.parametrize("seed", range(4))
def test_filip(seed: int) -> None:
    """Sums of products have none, and one-shot QR 8.0."""
    assert min(regression_digits(nist.FILIP, 10, seed)) >= 6.0


def test_unix_times_do_not_lose_the_slope() -> None:
    time = 1493712816.939 + 15 * np.arange(400.0)
    level = 5 + 0.001 * (time - time[0])
    aggregate = Aggregate.of(["regression"], ["time", "level"])
    parts = [aggregate.fold({"time": time[k::4], "level": level[k::4]}) for k in range(4)]
    found = aggregate.present(aggregate.merge(parts))["regression"]
    assert found["coef"][1] == pytest.approx(0.001, rel=1e-12)


def anova(folder: Path, name: str, leading: str) -> tuple[float, list[FloatArray]]:
    """The certified F and the groups' values, whose digits before the point are `leading` where it is given."""
    text = (folder / f"{name}.dat").read_text()
    certified = float(re.search(r"^Between.* (\S+)$", text, re.M)[1])  # type: ignore[index]
    groups: dict[str, list[float]] = {}
    for line in text.rpartition("\nData:")[2].splitlines()[1:]:
        group, value = line.split()
        groups.setdefault(group, []).append(float(leading + value[value.index(".") :] if leading else value))
    return certified, [np.array(each) for each in groups.values()]


# the last three are SmLs07 to SmLs09: what is kept is what the values have as doubles, as much as scipy's f_oneway
@pytest.mark.parametrize(
    ("name", "leading", "least"),
    [
        ("SiRstv", "", 13.0), ("AtmWtAg", "", 10.1), ("SmLs01", "", 14.5), ("SmLs02", "", 14.5), ("SmLs03", "", 14.0),
        ("SmLs04", "", 10.3), ("SmLs05", "", 10.1), ("SmLs06", "", 10.1),
        ("SmLs01", "1000000000000", 4.3), ("SmLs02", "1000000000000", 4.1), ("SmLs03", "1000000000000", 4.1),
    ],
)  # fmt: skip
def test_analysis_of_variance_from_states(data: Path, name: str, leading: str, least: float) -> None:
    certified, groups = anova(data / "stats" / "nist", name, leading)
    aggregate = Aggregate.of(["variance"], ["y"])
    for seed in range(3):
        states = [
            aggregate.merge([aggregate.fold({"y": group[rows]}) for rows in shuffled(len(group), 3, seed)])
            for group in groups
        ]
        within = sum(each.parts["variance"][0].m2 for each in states)
        total = aggregate.merge(states).parts["variance"][0]
        f = (total.m2 - within) / (len(groups) - 1) / (within / (total.n - len(groups)))
        assert digits([f], [certified]) >= least
