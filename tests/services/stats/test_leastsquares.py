from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats import leastsquares
from tests.services.stats import nist

# correct digits by column scaling and Householder QR as measured beforehand, less one: coefficients, standard errors
GATES = {
    "Norris": (1, True, 11.5, 12.8),
    "Pontius": (2, True, 11.2, 12.2),
    "NoInt1": (1, False, 13.7, 13.7),
    "Longley": (1, True, 9.9, 11.3),
    "Wampler1": (5, True, 8.4, 8.7),
    "Wampler2": (5, True, 12.0, 13.6),
    "Wampler3": (5, True, 8.1, 12.7),
}


def design(columns: list[nist.FloatArray], degree: int, *, intercept: bool) -> nist.FloatArray:
    powers = [column**k for column in columns for k in range(1, degree + 1)]
    return np.column_stack([np.ones(len(columns[0])), *powers] if intercept else powers)


@pytest.mark.parametrize("name", GATES)
def test_certified_digits(data: Path, name: str) -> None:
    degree, intercept, coef_digits, se_digits = GATES[name]
    known = nist.load(data / "stats" / "nist", name)
    x = design(known.columns, degree, intercept=intercept)
    found = leastsquares.solve(x, known.y, None, intercept=intercept)
    sigma = np.sqrt(found.rss / (len(known.y) - x.shape[1]))
    assert nist.digits(found.coef, known.coef) >= coef_digits
    assert nist.digits(found.unit_se * sigma, known.se) >= se_digits


@pytest.mark.parametrize(("scale", "least"), [(1.0, 8.1), (100.0, 6.8), (10_000.0, 4.8)])
def test_certified_digits_under_noise(scale: float, least: float) -> None:
    known = nist.wampler(scale)
    found = leastsquares.solve(design(known.columns, 5, intercept=True), known.y, None, intercept=True)
    assert nist.digits(found.coef, known.coef) >= least
    assert nist.digits(found.unit_se * np.sqrt(found.rss / 15), known.se) >= 12.7


def test_large_offset_keeps_the_digits_of_the_slope() -> None:
    # seconds since 1970: raw sums give .001009 for .001
    seconds: nist.FloatArray = 1493712816.939 + 15 * np.arange(20.0)
    found = leastsquares.solve(design([seconds], 1, intercept=True), 0.001 * (seconds - 1e9), None, intercept=True)
    assert found.coef[1] == pytest.approx(0.001, rel=1e-10)  # y itself is rounded to 1e-16 * 5e5 / 285


def test_dependent_columns_are_dropped_in_order() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 50))
    x = np.column_stack([np.ones(50), a, b, a + b, np.full(50, 0.1), rng.normal(size=50)])
    found = leastsquares.solve(x, rng.normal(size=50), None, intercept=True)
    assert found.kept == [0, 1, 2, 5]
    assert np.isnan(found.coef[[3, 4]]).all()
    assert np.isfinite(found.coef[found.kept]).all()


def test_no_column_left() -> None:
    found = leastsquares.solve(np.zeros((4, 1)), np.arange(4.0), None, intercept=False)
    assert found.kept == []
    assert found.rss == found.tss == 14.0


def test_more_columns_than_points() -> None:
    x = np.vander(np.arange(3.0), 5)
    assert len(leastsquares.independent_columns(x, np.linalg.norm(x, axis=0))) == 3


@given(st.integers(-40, 40), st.integers(-40, 40), st.integers(0, 2**32))
def test_powers_of_two_scale_exactly(column: int, response: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = design(list(rng.normal(size=(2, 12))), 1, intercept=True), rng.normal(size=12)
    plain = leastsquares.solve(x, y, None, intercept=True)
    x[:, 1] *= 2.0**column
    scaled = leastsquares.solve(x, y * 2.0**response, None, intercept=True)
    assert scaled.coef[1] == plain.coef[1] * 2.0 ** (response - column)
    assert scaled.rss == plain.rss * 4.0**response


def test_condition_does_not_see_scale() -> None:
    rng = np.random.default_rng(2)
    x = design(list(rng.normal(size=(3, 30))), 1, intercept=True)
    y = rng.normal(size=30)
    unit = x / np.linalg.norm(x, axis=0)
    found = leastsquares.solve(x * [1, 1e8, 1e-8, 3], y, None, intercept=True)
    assert found.condition == pytest.approx(np.linalg.cond(unit), rel=1e-9)
