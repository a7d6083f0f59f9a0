import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri, owens_t

from services.stats.tetrachoric import excess, tetrachoric


def one(cells: list[float], empty: float = 0.5) -> tuple[float, float]:
    found = tetrachoric(np.array([cells]), empty=empty)
    return float(found.r[0]), float(found.se[0])


@pytest.mark.parametrize(
    ("cells", "published", "expected"),
    [
        # R's psych, examples of tetrachoric(): as Mplus has them; then to the last digit, where they were worked out
        ((44268, 193, 14, 0), 0.24, 0.232310085),
        ((61661, 1610, 85, 20), 0.35, 0.348079906),
        ((62503, 105, 768, 0), -0.10, -0.101948333),
        ((24875, 265, 47, 0), 0.0, -0.000164552),
    ],
)
def test_published_tables(cells: list[float], published: float, expected: float) -> None:
    r, _ = one(cells)
    assert r == pytest.approx(published, abs=0.01)  # psych fits margins that are filled too
    assert r == pytest.approx(expected, abs=2e-8)


@pytest.mark.parametrize("both", [1, 20, 25, 30, 49.5])
def test_a_split_at_the_medians_has_a_closed_form(both: float) -> None:
    r, _ = one([both, 50 - both, 50 - both, both])
    assert r == pytest.approx(math.sin(math.pi / 2 * (4 * both / 100 - 1)), abs=1e-14)


@pytest.mark.parametrize("bound", [0.5, 0.99, 0.9999, 0.999999])
def test_the_integral_is_owens(bound: float) -> None:
    rng = np.random.default_rng(0)
    h, k = rng.normal(size=(2, 2000)) * 1.5
    r = rng.uniform(-bound, bound, 2000)
    r[:500] = bound * np.sign(r[:500])
    k[:50] = h[:50]
    root = np.sqrt((1 - r) * (1 + r))
    # P(X < -h, Y < -k) by Owen's T function (Owen 1956, eq. 3.1)
    half = np.where(h * k < 0, 0.5, 0.0)
    owen = (ndtr(-h) + ndtr(-k)) / 2 - owens_t(-h, (k - r * h) / (h * root)) - owens_t(-k, (h - r * k) / (k * root))
    # the arc sine loses digits near 1, as does the root
    np.testing.assert_allclose(excess(np.arcsin(r), h, k), owen - half - ndtr(-h) * ndtr(-k), atol=1e-13)


def test_against_fifty_digits() -> None:
    h, k, r = 0.3, -1.2, 0.95
    with mpmath.workdps(50):
        inner = mpmath.quad(
            lambda x: mpmath.npdf(x) * mpmath.ncdf((r * x - k) / mpmath.sqrt(1 - mpmath.mpf(r) ** 2)), [h, 2, 12]
        )
        expected = float(inner - mpmath.ncdf(-h) * mpmath.ncdf(-k))
    found = excess(np.array([math.asin(r)]), np.array([h]), np.array([k]))[0]
    assert found == pytest.approx(expected, abs=1e-15)


shares = st.lists(st.integers(1, 500), min_size=4, max_size=4)


@given(shares)
def test_the_fitted_normal_has_the_shares_of_the_table(cells: list[int]) -> None:
    neither, first, second, both = cells
    r, se = one(cells)  # type: ignore[arg-type]
    n = sum(cells)
    x, y = (both + first) / n, (both + second) / n
    h, k = -ndtri(x), -ndtri(y)
    found = excess(np.array([math.asin(r)]), np.array([h]), np.array([k]))[0]
    assert found == pytest.approx(both / n - x * y, abs=1e-13)
    assert -1 < r < 1
    assert se > 0
    assert np.sign(r) == np.sign(both * neither - first * second)


@given(shares)
def test_symmetries(cells: list[int]) -> None:
    neither, first, second, both = map(float, cells)
    r, se = one([neither, first, second, both])
    assert one([neither, second, first, both]) == pytest.approx((r, se), abs=1e-10)
    assert one([both, second, first, neither]) == pytest.approx((r, se), abs=1e-10)
    assert one([first, neither, both, second]) == pytest.approx((-r, se), abs=1e-10)
    assert one([2 * c for c in (neither, first, second, both)]) == pytest.approx((r, se / math.sqrt(2)), abs=1e-10)


@pytest.mark.parametrize(("rho", "h", "k"), [(0.0, 0.5, -0.3), (0.6, 0.0, 1.0), (-0.8, -0.5, 0.2)])
def test_the_standard_error_is_the_spread_of_repeated_samples(rho: float, h: float, k: float) -> None:
    shared = float(excess(np.array([math.asin(rho)]), np.array([h]), np.array([k]))[0])
    x, y = float(ndtr(-h)), float(ndtr(-k))
    both = shared + x * y
    cells = np.array([1 - x - y + both, x - both, y - both, both])
    n, repeats = 4000, 4000
    samples = np.random.default_rng(7).multinomial(n, cells, size=repeats).astype(float)
    r, se = one((cells * n).tolist())
    assert r == pytest.approx(rho, abs=1e-12)
    # of 4,000 samples the spread itself is known to 1.1 %, and the error is asymptotic
    assert tetrachoric(samples).r.std() == pytest.approx(se, rel=0.04)


def test_the_standard_error_is_that_of_the_information_matrix() -> None:
    cells = np.array([30.0, 20.0, 15.0, 35.0])
    r, se = one(cells.tolist())
    n = cells.sum()
    at = np.array([-ndtri(0.55), -ndtri(0.50), r])

    def chances(p: np.ndarray) -> np.ndarray:
        h, k, rho = p
        x, y = ndtr(-h), ndtr(-k)
        both = excess(np.array([np.arcsin(rho)]), np.array([h]), np.array([k]))[0] + x * y
        return np.array([1 - x - y + both, x - both, y - both, both])

    step = 1e-5
    slopes = np.array([(chances(at + step * e) - chances(at - step * e)) / (2 * step) for e in np.eye(3)])
    information = n * (slopes / chances(at)) @ slopes.T
    assert np.sqrt(np.linalg.inv(information)[2, 2]) == pytest.approx(se, rel=1e-7)


def test_tables_that_tell_nothing_and_those_that_tell_all() -> None:
    found = tetrachoric(np.array([[0, 0, 3, 4], [5, 0, 0, 5], [0, 5, 5, 0]], dtype=float), empty=0)
    assert np.isnan(found.r[0])
    assert found.r[1:].tolist() == [1.0, -1.0]
    assert np.isnan(found.se).all()
    assert not found.filled.any()
    filled = tetrachoric(np.array([[0, 0, 3, 4], [5, 0, 0, 5], [0, 5, 5, 0]], dtype=float))
    assert filled.filled.tolist() == [False, True, True]
    assert filled.r[1] == pytest.approx(-filled.r[2])
    assert 0.9 < filled.r[1] < 1
