from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats import exact, leastsquares
from services.stats.design import Design
from shared.errors import TooLarge
from tests.services.stats import nist
from tests.services.stats.test_leastsquares import GATES

# the certified values have 15 digits, so their last one may be off by a half: that is 14.3 where they begin with a 1
EVERY_DIGIT = 14.3


@pytest.mark.parametrize("name", GATES)
def test_every_certified_digit(data: Path, name: str) -> None:
    degree, intercept, _, _ = GATES[name]
    known = nist.load(data / "stats" / "nist", name)
    check(known, degree, intercept=intercept)


@pytest.mark.parametrize("scale", [1.0, 100.0, 10_000.0])
def test_every_certified_digit_under_noise(scale: float) -> None:
    check(nist.wampler(scale), 5, intercept=True)


def test_every_certified_digit_of_filip() -> None:
    check(nist.FILIP, 10, intercept=True)


def test_every_certified_digit_without_an_intercept() -> None:
    check(nist.NO_INT_2, 1, intercept=False)
    plain = leastsquares.solve(Design.of(nist.NO_INT_2.columns, intercept=False), nist.NO_INT_2.y, None)
    assert nist.digits(plain.coef, nist.NO_INT_2.coef) >= 13.7
    assert nist.digits([1 - plain.rss / plain.tss], [nist.NO_INT_2.r2]) >= 13.7


def check(known: nist.Dataset, degree: int, *, intercept: bool) -> None:
    found = exact.solve(Design.of(known.columns, degree, intercept=intercept), known.y, None).solution
    sigma = np.sqrt(found.rss / (len(known.y) - len(known.coef)))
    assert nist.digits(found.coef, known.coef) >= EVERY_DIGIT
    assert nist.digits(found.unit_se * sigma, known.se) >= EVERY_DIGIT
    assert nist.digits([sigma], [known.sigma]) >= EVERY_DIGIT
    if known.r2 == known.r2 and intercept:
        assert nist.digits([1 - found.rss / found.tss], [known.r2]) >= EVERY_DIGIT


def test_filip_by_doubles_is_not_dropped_silently() -> None:
    found = leastsquares.solve(Design.of(nist.FILIP.columns, 10, intercept=True), nist.FILIP.y, None)
    assert found.kept == list(range(11))
    assert nist.digits(found.coef, nist.FILIP.coef) >= 6.5
    assert found.condition > 1e9


def test_numbers_are_read_as_they_were_written() -> None:
    # in doubles .1 + .2 is not .3; as decimals the third column is the sum of the first two
    columns = [np.array([0.1, 0.4, 0.7, 0.25]), np.array([0.2, 0.5, 0.9, 0.15])]
    third = np.array([0.3, 0.9, 1.6, 0.4])
    design = Design.of([*columns, third], intercept=False)
    assert exact.solve(design, np.arange(4.0), None).solution.kept == [0, 1]


def test_a_line_through_decimals_leaves_nothing() -> None:
    x = np.array([0.1, 0.2, 0.3, 0.7])
    found = exact.solve(Design.of([x], intercept=True), np.array([1.3, 1.6, 1.9, 3.1]), None).solution
    assert found.coef.tolist() == [1.0, 3.0]
    assert found.rss == 0.0


@given(st.lists(st.floats(-1e150, 1e150), min_size=1, max_size=20))
def test_decimal_integers_give_the_values_back(values: list[float]) -> None:
    integers, exponent = exact.decimal_integers(np.array(values))
    assert [float(Fraction(k) * Fraction(10) ** exponent) for k in integers] == values


@given(st.integers(0, 2**32))
def test_agrees_with_doubles_where_they_are_good(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns, y, weights = list(rng.normal(size=(2, 15))), rng.normal(size=15), rng.uniform(0.5, 2, 15)
    design = Design.of(columns, intercept=True)
    high = exact.solve(design, y, weights).solution
    plain = leastsquares.solve(design, y, weights)
    # the condition of 15 random points is some 10: 1e-11 leaves room for a seed that is unlucky a thousandfold
    np.testing.assert_allclose(plain.coef, high.coef, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(plain.unit_se, high.unit_se, rtol=1e-11)
    assert plain.rss == pytest.approx(high.rss, rel=1e-11)
    assert plain.tss == pytest.approx(high.tss, rel=1e-11)


@pytest.mark.parametrize(
    ("rows", "columns", "degree", "spread"),
    [(400_000, 1, 1, 0), (200, 60, 1, 0), (2_000, 1, 20, 0), (9_000, 1, 10, 300)],
)
def test_what_would_take_too_long_is_refused(rows: int, columns: int, degree: int, spread: int) -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(columns, rows)) * 10.0 ** rng.integers(-spread // 2, spread // 2 + 1, rows)
    with pytest.raises(TooLarge, match="use precision default"):
        exact.solve(Design.of(list(table), degree, intercept=True), rng.normal(size=rows), None)
