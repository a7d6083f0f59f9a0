from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats import leastsquares
from services.stats.design import Design
from services.stats.reduction import BLOCK
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


@pytest.mark.parametrize("name", GATES)
def test_certified_digits(data: Path, name: str) -> None:
    degree, intercept, coef_digits, se_digits = GATES[name]
    known = nist.load(data / "stats" / "nist", name)
    design = Design.of(known.columns, degree, intercept=intercept)
    found = leastsquares.solve(design, known.y, None)
    sigma = np.sqrt(found.rss / (len(known.y) - design.width))
    assert nist.digits(found.coef, known.coef) >= coef_digits
    assert nist.digits(found.unit_se * sigma, known.se) >= se_digits


@pytest.mark.parametrize(("scale", "least"), [(1.0, 8.1), (100.0, 6.8), (10_000.0, 4.8)])
def test_certified_digits_under_noise(scale: float, least: float) -> None:
    known = nist.wampler(scale)
    found = leastsquares.solve(Design.of(known.columns, 5, intercept=True), known.y, None)
    assert nist.digits(found.coef, known.coef) >= least
    assert nist.digits(found.unit_se * np.sqrt(found.rss / 15), known.se) >= 12.7


def test_large_offset_keeps_the_digits_of_the_slope() -> None:
    # seconds since 1970: raw sums give .001009 for .001
    seconds: nist.FloatArray = 1493712816.939 + 15 * np.arange(20.0)
    found = leastsquares.solve(Design.of([seconds], intercept=True), 0.001 * (seconds - 1e9), None)
    assert found.coef[1] == pytest.approx(0.001, rel=1e-10)  # y itself is rounded to 1e-16 * 5e5 / 285


def test_dependent_columns_are_dropped_in_order() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 50))
    x = [a, b, a + b, np.full(50, 0.1), rng.normal(size=50)]
    found = leastsquares.solve(Design.of(x, intercept=True), rng.normal(size=50), None)
    assert found.kept == [0, 1, 2, 5]
    assert np.isnan(found.coef[[3, 4]]).all()
    assert np.isfinite(found.coef[found.kept]).all()


def test_no_column_left() -> None:
    found = leastsquares.solve(Design.of([np.zeros(4)], intercept=False), np.arange(4.0), None)
    assert found.kept == []
    assert found.rss == found.tss == 14.0


def test_more_columns_than_points() -> None:
    x = np.vander(np.arange(3.0), 5)
    assert len(leastsquares.independent_columns(x, np.linalg.norm(x, axis=0), rows=5)) == 3


@given(st.integers(-40, 40), st.integers(-40, 40), st.integers(0, 2**32))
def test_powers_of_two_scale_exactly(column: int, response: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    (first, second), y = rng.normal(size=(2, 12)), rng.normal(size=12)
    plain = leastsquares.solve(Design.of([first, second], intercept=True), y, None)
    far = Design.of([first * 2.0**column, second], intercept=True)
    scaled = leastsquares.solve(far, y * 2.0**response, None)
    assert scaled.coef[1] == plain.coef[1] * 2.0 ** (response - column)
    assert scaled.rss == plain.rss * 4.0**response


def test_condition_does_not_see_scale() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 30))
    unit = np.column_stack([np.ones(30), *x])
    unit /= np.linalg.norm(unit, axis=0)
    design = Design.of([x[0] * 1e8, x[1] * 1e-8, x[2] * 3], intercept=True)
    found = leastsquares.solve(design, rng.normal(size=30), None)
    assert found.condition == pytest.approx(np.linalg.cond(unit), rel=1e-9)


@pytest.mark.parametrize("with_q", [False, True])
@pytest.mark.parametrize("rows", [BLOCK - 1, BLOCK + 1, 3 * BLOCK])
def test_blocks_are_as_good_as_the_whole(rows: int, with_q: bool) -> None:
    rng = np.random.default_rng(rows)
    x, weights = rng.normal(size=(3, rows)) + 100, rng.uniform(0.5, 2, rows)
    y = 1 + x.T @ [1, 2, 3] + rng.normal(size=rows)
    found = leastsquares.solve(Design.of(list(x), intercept=True), y, weights, with_q=with_q)
    root = np.sqrt(weights)
    matrix = np.column_stack([np.ones(rows), *x]) * root[:, None]
    coef, rss, *_ = np.linalg.lstsq(matrix, y * root)
    np.testing.assert_allclose(found.coef, coef, rtol=1e-11)
    assert found.rss == pytest.approx(float(rss[0]), rel=1e-12)
    assert found.tss == pytest.approx(float(weights @ (y - np.average(y, weights=weights)) ** 2), rel=1e-12)
    assert found.condition == pytest.approx(np.linalg.cond(matrix / np.linalg.norm(matrix, axis=0)), rel=1e-9)
    if with_q:
        assert found.centred is not None
        q, residuals = found.centred.points
        residuals = np.ldexp(residuals, found.centred.y_exponent + found.centred.w_exponent)
        np.testing.assert_allclose(q.T @ q, np.eye(4), atol=1e-12)
        np.testing.assert_allclose(residuals, (y - matrix @ coef / root) * root, atol=1e-9)


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 3))
def test_every_dependent_column_is_found(seed: int, free: int, dependent: int) -> None:
    """Whatever their sizes: entries are whole numbers times powers of two, so that they depend exactly."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, (free, 30)).astype(float)
    more = rng.integers(-3, 4, (dependent, free)) @ x + rng.integers(-5, 6, (dependent, 1))
    sizes = 2.0 ** rng.integers(-60, 60, free + dependent)
    columns = np.concatenate([x, more]) * sizes[:, None]
    found = leastsquares.solve(Design.of(list(columns), intercept=True), rng.normal(size=30), None)
    assert found.kept == list(range(free + 1))


@given(st.integers(0, 2**32), st.floats(0, 100))
def test_a_penalty_is_rows_of_its_own(seed: int, penalty: float) -> None:
    """Ridge as least squares on [X; sqrt(penalty) I], of columns and a response that are centred by hand."""
    rng = np.random.default_rng(seed)
    x, weights = rng.normal(size=(2, 15)) + 3, rng.uniform(0.5, 2, 15)
    y = rng.normal(size=15)
    found = leastsquares.solve(Design.of(list(x), intercept=True), y, weights, penalty=penalty)
    centre, root = np.average(x, axis=1, weights=weights), np.sqrt(weights)
    rows = np.vstack([(x.T - centre) * root[:, None], np.sqrt(penalty) * np.eye(2)])
    mean = np.average(y, weights=weights)
    slopes = np.linalg.lstsq(rows, np.concatenate([(y - mean) * root, [0, 0]]))[0]
    np.testing.assert_allclose(found.coef, [mean - slopes @ centre, *slopes], rtol=1e-9, atol=1e-12)
    inverse = np.linalg.inv(rows.T @ rows)
    scatter = rows[:15].T @ rows[:15]
    assert found.parameters == pytest.approx(1 + np.trace(inverse @ scatter), rel=1e-10)
    np.testing.assert_allclose(found.unit_se[1:] ** 2, np.diagonal(inverse @ scatter @ inverse), rtol=1e-9)
    rest = y - found.coef[0] - found.coef[1:] @ x
    assert found.rss == pytest.approx(float(weights @ rest**2), rel=1e-10)
