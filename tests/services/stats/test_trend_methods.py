"""The family beside pymannkendall, where that is right; and what it gets wrong."""

import itertools
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.concordance import concordances, score_covariance
from services.stats.joint import Joint, Seasonal
from services.stats.leastsquares import FloatArray
from services.stats.serial import Serial
from services.stats.trend import JOINT, SEASONAL, SERIAL, Method, Trends, mann_kendall
from shared.errors import TooLarge, Unprocessable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the peer's own imports
    import pymannkendall as peer

KINDS: dict[str, Callable[[np.random.Generator, int], FloatArray]] = {
    "noise": lambda rng, n: rng.normal(size=n),
    "ties": lambda rng, n: rng.integers(0, 5, n).astype(float),
    "walk": lambda rng, n: np.cumsum(rng.normal(size=n)),
    "rounded trend": lambda rng, n: np.round(rng.normal(size=n) + np.linspace(0, 2, n), 1),
}
SINGLE: list[tuple[Serial | Seasonal, Any, dict[str, Any]]] = [
    ("hamed_rao", peer.hamed_rao_modification_test, {}),
    ("hamed_rao", peer.hamed_rao_modification_test, {"lag": 3}),
    ("yue_wang", peer.yue_wang_modification_test, {}),
    ("yue_wang", peer.yue_wang_modification_test, {"lag": 1}),
    ("pre_whitening", peer.pre_whitening_modification_test, {}),
    ("trend_free_pre_whitening", peer.trend_free_pre_whitening_modification_test, {}),
    ("seasonal", peer.seasonal_test, {"period": 12}),
    ("seasonal", peer.seasonal_test, {"period": 5}),
    ("correlated_seasonal", peer.correlated_seasonal_test, {"period": 4}),
]
TOGETHER: list[tuple[Joint, Any]] = [
    ("multivariate", peer.multivariate_test),
    ("regional", peer.regional_test),
    ("correlated_multivariate", peer.correlated_multivariate_test),
]


def bits(found: Trends, k: int = 0) -> tuple[float, ...]:
    return (found.s[k], found.var_s[k], found.z[k], found.tau[k], found.slope[k], found.intercept[k])


def same(found: Trends, theirs: Any, k: int = 0) -> None:
    assert bits(found, k) == (theirs.s, theirs.var_s, theirs.z, theirs.Tau, theirs.slope, theirs.intercept)
    assert found.p[k] == pytest.approx(theirs.p, abs=2e-15)  # 2 (1 - cdf) is off by an ulp of 1
    assert (found.trend[k], found.significant[k]) == (theirs.trend, theirs.h)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("method", "theirs", "options"), SINGLE)
def test_same_bits_for_each_series(kind: str, method: Method, theirs: Any, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    for n in (36, 100, 400):
        many = [KINDS[kind](rng, n) for _ in range(6)]
        found = mann_kendall(many, method=method, **options)
        for k, x in enumerate(many):
            result = theirs(x, **options)
            if result.var_s > 0:
                same(found, result, k)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("method", "theirs"), TOGETHER)
def test_same_bits_for_all_together(kind: str, method: Method, theirs: Any) -> None:
    rng = np.random.default_rng(6)
    for n in (10, 50, 500):
        table = np.stack([KINDS[kind](rng, n) for _ in range(3)], axis=1)
        same(mann_kendall(table.T, method=method), theirs(table))


@pytest.mark.parametrize("n", [10, 50, 500])
def test_same_bits_given_another_series(n: int) -> None:
    rng = np.random.default_rng(n)
    table = np.cumsum(rng.normal(size=(n, 2)), axis=0)
    same(mann_kendall(table.T, method="partial"), peer.partial_test(table))


@pytest.mark.parametrize("method", [each for each, _ in TOGETHER])
def test_columns_of_a_table_with_gaps(method: Joint) -> None:
    rng = np.random.default_rng(7)
    table = rng.normal(size=(40, 3))
    table[rng.random(table.shape) < 0.1] = np.nan
    found = mann_kendall(table.T, method=method)
    theirs = peer.multivariate_test(table)
    assert (found.s[0], found.tau[0], found.slope[0]) == (theirs.s, theirs.Tau, theirs.slope)
    assert (found.intercept[0], found.n[0], found.n_missing[0]) == (
        theirs.intercept, np.sum(~np.isnan(table)), np.sum(np.isnan(table)),
    )  # fmt: skip


# (a) alpha is for all of them


@pytest.mark.parametrize("method", sorted(get_args(Serial) + get_args(Seasonal) + get_args(Joint)))
def test_alpha_counts(method: Method) -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        table = rng.normal(size=(2, 48)) + np.linspace(0, 0.6, 48)
        strict, lax = (mann_kendall(table, method=method, alpha=alpha) for alpha in (0.001, 0.5))
        if strict.p[0] < 0.5 and strict.p[0] > 0.001:
            break
    assert (strict.significant[0], lax.significant[0]) == (False, True)
    assert lax.slope_ci[0, 0] > strict.slope_ci[0, 0]
    assert lax.slope_ci[0, 1] < strict.slope_ci[0, 1]


# (b) the tail of p is in test_trend


def test_the_tail_of_p_is_kept() -> None:
    x = np.arange(200.0) + np.random.default_rng(0).normal(size=200)
    for method in get_args(Serial):
        lag = 1 if method == "yue_wang" else None  # of all lags the sum is near -1/2, whatever the series
        assert 0 < mann_kendall([x], method=method, lag=lag).p[0] < 1e-10


# (c) a variance that is none


def negative() -> FloatArray:
    rng = np.random.default_rng(0)
    while True:
        x = np.round(rng.normal(size=10) + np.linspace(0, 2, 10), 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if peer.hamed_rao_modification_test(x).var_s < 0:
                return x


def test_a_negative_variance_is_left_as_it_was_and_said() -> None:
    x = negative()
    found, plain = mann_kendall([x], method="hamed_rao"), mann_kendall([x], exact=False)
    assert (found.var_s[0], found.z[0], found.p[0]) == (plain.var_s[0], plain.z[0], plain.p[0])
    assert "left as it is" in found.warnings[0][0]


# (d) gaps keep their places


@pytest.mark.parametrize("method", sorted(SERIAL))
def test_a_trend_is_taken_out_over_its_gaps(method: Method) -> None:
    """Of a line with gaps nothing is left once it is detrended, wherever the gaps are; and no slope is changed."""
    x = 2.0 * np.arange(40)
    x[[3, 4, 5, 20, 33]] = np.nan
    noise = np.where(np.isnan(x), np.nan, x + 0.01 * np.random.default_rng(0).normal(size=40))
    found = mann_kendall([x, noise], method=method)
    assert found.slope.tolist() == mann_kendall([x, noise]).slope.tolist()
    assert found.trend == ["increasing", "increasing"]
    assert found.n.tolist() == [35, 35]


def test_autocorrelation_over_a_gap_is_that_of_the_pairs_there() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=60)
    for k in range(1, 60):
        x[k] += 0.7 * x[k - 1]
    holes = x.copy()
    holes[30] = np.nan
    whole, gapped = (mann_kendall([each], method="hamed_rao", lag=1) for each in (x, holes))
    assert whole.var_s[0] > 1.5 * mann_kendall([x]).var_s[0]
    assert gapped.var_s[0] == pytest.approx(whole.var_s[0], rel=0.15)  # one of sixty values fewer


def test_seasons_with_a_gap_lose_that_value_only() -> None:
    """The peer drops the year."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=120)
    x[17] = np.nan
    found = mann_kendall([x], method="correlated_seasonal")
    assert (found.n[0], found.s[0]) == (119, mann_kendall([x], method="seasonal").s[0])
    assert peer.correlated_seasonal_test(x).s != found.s[0]


# (e) what is no series, and lists


def test_empty_one_value_and_lists() -> None:
    for method in get_args(Serial) + get_args(Seasonal):
        found = mann_kendall([np.empty(0), np.array([1.0]), np.full(3, np.nan)], method=method)
        assert found.trend == [None] * 3
        assert all(found.warnings)
    table = [[1, 2, 3, 4, 5], [2, 1, 4, 3, 5]]
    assert bits(mann_kendall(table, method="multivariate")) == bits(
        mann_kendall(np.array(table, float), method="multivariate")
    )
    assert mann_kendall({"a": table[0], "b": table[1]}, method="partial").n.tolist() == [5]
    assert mann_kendall(np.arange(5.0)).trend == ["increasing"]
    with pytest.raises(Unprocessable, match="2 dimensions"):
        mann_kendall(np.zeros((2, 2, 2)))


# (f) times


def test_times_of_every_method() -> None:
    rng = np.random.default_rng(9)
    table = rng.normal(size=(2, 48))
    plain = 2000 + np.arange(48) / 12
    for method in get_args(Serial) + get_args(Joint):
        steps, years = (mann_kendall(table, method=method, time=t) for t in (None, plain))
        assert years.s.tolist() == steps.s.tolist()
        assert years.var_s == pytest.approx(steps.var_s, rel=1e-12)
        assert years.slope == pytest.approx(12 * steps.slope, rel=1e-9)  # 2000 + k / 12 keeps 12 digits of k / 12
    cycles, years = (mann_kendall(table, method="seasonal", time=t) for t in (None, plain))
    assert years.slope == pytest.approx(cycles.slope, rel=1e-9)


@pytest.mark.parametrize("method", sorted(SERIAL))
def test_autocorrelation_needs_equal_steps(method: Method) -> None:
    with pytest.raises(Unprocessable, match="equal steps") as caught:
        mann_kendall([np.arange(5.0)], method=method, time=[0, 1, 2, 4, 5])
    assert caught.value.errors[0].pointer == "/time/3"


# (g) ties of a partial test


@pytest.mark.parametrize("columns", [[[1, 1, 2, 3], [1, 2, 2, 3]], [[1, 2, 3, 4], [1, 1, 1, 2]]])
def test_covariance_of_scores_is_that_over_all_orders(columns: list[list[float]]) -> None:
    """Under no trend every order of the rows is as likely as another. The estimate of the covariance is unbiased
    (Dietz and Killeen 1981), that of the variances exact."""
    table = np.array(columns, float)
    orders = [table[:, list(order)] for order in itertools.permutations(range(4))]
    scores = np.array([[np.sum(np.sign(np.subtract.outer(x, x)[np.tril_indices(4)])) for x in each] for each in orders])
    truth = scores.T @ scores / len(orders)
    assert score_covariance(table) == pytest.approx(truth)


def test_partial_of_ties_has_their_variance() -> None:
    table = np.random.default_rng(1).integers(0, 4, (2, 60)).astype(float)
    found = mann_kendall(table, method="partial")
    own, other = (mann_kendall([x]) for x in table)
    shared = score_covariance(table)[0, 1]
    assert found.s[0] == pytest.approx(own.s[0] - shared / other.var_s[0] * other.s[0])
    assert found.var_s[0] == pytest.approx(own.var_s[0] - shared**2 / other.var_s[0])


def test_partial_of_a_series_given_itself_says_nothing() -> None:
    x = np.arange(10.0)
    found = mann_kendall([x, x], method="partial")
    assert (found.s[0], found.p[0], found.trend) == (0.0, 1.0, ["no trend"])
    assert "nothing can be said" in found.warnings[0][0]


# (h) constants are in test_trend; (i)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308])
def test_infinity_and_what_becomes_it_is_refused(value: float) -> None:
    with pytest.raises(Unprocessable, match="beyond") as caught:
        mann_kendall({"a": [1.0, 2.0, value]})
    assert caught.value.errors[0].pointer == "/series/a/2"
    with pytest.raises(Unprocessable) as caught:
        mann_kendall([[1.0, 2.0, 3.0]], time=sorted([0, 1, value]))
    assert caught.value.errors[0].pointer.startswith("/time/")
    with pytest.raises(Unprocessable, match="increase"):
        mann_kendall([[1.0, 2.0, 3.0]], time=[0, 1e-300, 2e-300])


def test_numbers_at_the_ends_of_the_range() -> None:
    rng = np.random.default_rng(0)
    for n in (40, 200, 3000):
        x = 10.0 ** rng.uniform(-150, 150, n) * rng.choice([-1, 1], n)
        found = mann_kendall([x], time=1e-149 * np.arange(1, n + 1))
        assert np.isfinite([found.slope[0], *found.slope_ci[0], found.intercept[0]]).all()


@pytest.mark.parametrize("method", get_args(Serial) + get_args(Seasonal) + get_args(Joint))
def test_constants(method: Method) -> None:
    found = mann_kendall([np.full(24, 3.0), np.full(24, 3.0)], method=method)
    assert set(found.p) == {1.0}
    assert set(found.slope) == {0.0}
    assert np.isnan(found.tau_b).all()
    assert all("constant" in each[0] for each in found.warnings)


@given(st.integers(2, 30), st.integers(0, 2**32 - 1))
def test_concordances_by_sorting_are_those_of_all_pairs(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 6, (3, n)).astype(float)
    table[rng.random(table.shape) < 0.2] = np.nan
    padded = np.concatenate([table, np.full((3, 400), np.nan)], axis=1)  # long enough to be sorted
    assert concordances(table).tolist() == concordances(padded).tolist()


def test_tau_b_leaves_ties_out() -> None:
    from scipy.stats import kendalltau

    x = np.random.default_rng(0).integers(0, 4, 30).astype(float)
    found = mann_kendall([x, np.arange(30.0)])
    assert found.tau_b[0] == pytest.approx(kendalltau(np.arange(30), x).statistic, rel=1e-14)
    assert found.tau_b[1] == found.tau[1] == 1.0


def test_false_discoveries() -> None:
    from scipy.stats import false_discovery_control

    rng = np.random.default_rng(0)
    many = [rng.normal(size=30) + k / 20 * np.linspace(0, 1, 30) for k in range(40)] + [np.array([1.0])]
    plain, found = mann_kendall(many), mann_kendall(many, fdr="bh")
    assert np.isnan(plain.q).all()
    assert found.p.tolist()[:-1] == plain.p.tolist()[:-1]
    assert found.q[:-1] == pytest.approx(false_discovery_control(plain.p[:-1]), rel=1e-14)
    assert found.significant == [*(found.q[:-1] < 0.05).tolist(), None]
    assert found.significant != plain.significant


def test_one_sided_methods() -> None:
    x = np.random.default_rng(1).normal(size=48) + np.linspace(0, 1, 48)
    for method in get_args(Serial) + get_args(Seasonal):
        up, down = (mann_kendall([x], method=method, alternative=each).p[0] for each in ("increasing", "decreasing"))
        assert up + down == pytest.approx(1)
        assert mann_kendall([x], method=method).p[0] == pytest.approx(2 * min(up, down))


def test_exact_is_for_the_original() -> None:
    found = mann_kendall([np.arange(10.0)], method="yue_wang", exact=True)
    assert found.p_method == ["normal"]
    assert "original" in found.warnings[0][0]


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"lag": 2}, "/lag"),
        ({"method": "hamed_rao", "lag": 0}, "/lag"),
        ({"period": 12}, "/period"),
        ({"method": "seasonal", "period": 1}, "/period"),
        ({"method": "partial"}, "/series"),
        ({"method": "multivariate", "names": ["a", "b", "c"]}, "/series/c"),
    ],
)
def test_parameters_that_do_not_fit(options: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        mann_kendall([np.arange(5.0), np.arange(5.0), np.arange(4.0)], **options)
    assert [each.pointer for each in caught.value.errors] == [pointer]


def test_more_columns_than_are_compared() -> None:
    with pytest.raises(TooLarge, match="366"):
        mann_kendall([np.zeros(3)] * 367, method="correlated_multivariate")
    with pytest.raises(TooLarge, match="366"):
        mann_kendall([np.zeros(3)], method="correlated_seasonal", period=367)


@pytest.mark.parametrize("method", sorted(SERIAL | JOINT | SEASONAL))
def test_long_series_take_little_memory(method: Method) -> None:
    table = np.random.default_rng(0).normal(size=(2, 10_000))
    calls: list[int] = []
    tracemalloc.start()
    mann_kendall(table, method=method, check=lambda: calls.append(1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert calls
    assert peak < 100e6  # all slopes of one would be 400 MB
