import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, theilslopes

from services.stats.leastsquares import FloatArray
from services.stats.trend import mann_kendall
from shared.errors import TooLarge, Unprocessable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the peer's own imports
    import pymannkendall

KINDS: dict[str, Callable[[np.random.Generator, int], FloatArray]] = {
    "noise": lambda rng, n: rng.normal(size=n),
    "ties": lambda rng, n: rng.integers(0, 5, n).astype(float),
    "walk": lambda rng, n: np.cumsum(rng.normal(size=n)),
    "rounded trend": lambda rng, n: np.round(rng.normal(size=n) + np.linspace(0, 2, n), 1),
}
numbers = st.floats(-1e6, 1e6).map(lambda v: round(v, 3))
series = st.lists(numbers, min_size=3, max_size=40).map(np.array)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [3, 4, 5, 10, 37, 100, 150])
def test_same_bits_as_pymannkendall(kind: str, n: int) -> None:
    rng = np.random.default_rng(n)
    many = [KINDS[kind](rng, n) for _ in range(20)]
    many = [x for x in many if x.min() < x.max()]
    found = mann_kendall(many, exact=False)
    for k, x in enumerate(many):
        peer = pymannkendall.original_test(x)
        mine = (found.s[k], found.var_s[k], found.z[k], found.tau[k], found.slope[k], found.intercept[k])
        assert mine == (peer.s, peer.var_s, peer.z, peer.Tau, peer.slope, peer.intercept)
        assert found.p[k] == pytest.approx(peer.p, abs=2e-15)  # its own 2 (1 - cdf) is off by an ulp of 1
        assert (found.trend[k], found.significant[k]) == (peer.trend, peer.h)
        line = theilslopes(x, np.arange(n), 0.95)
        assert found.slope_ci[k].tolist() == [line.low_slope, line.high_slope]


@pytest.mark.parametrize("kind", KINDS)
def test_long_series_too(kind: str) -> None:
    x = KINDS[kind](np.random.default_rng(7), 1600)
    found, peer = mann_kendall([x]), pymannkendall.original_test(x)
    mine = (found.s[0], found.var_s[0], found.z[0], found.tau[0], found.slope[0], found.intercept[0])
    assert mine == (peer.s, peer.var_s, peer.z, peer.Tau, peer.slope, peer.intercept)
    line = theilslopes(x, np.arange(1600), 0.95)
    assert found.slope_ci[0].tolist() == [line.low_slope, line.high_slope]


def test_nile(data: Path) -> None:
    nile = np.loadtxt(data / "stats" / "nile.csv", delimiter=",", skiprows=1)[:, 1]
    found = mann_kendall([nile])
    assert found.trend == ["decreasing"]
    assert found.tau[0] == pytest.approx(-0.28020, abs=5e-6)  # published to five digits
    assert found.slope[0] == pymannkendall.original_test(nile).slope


def test_gaps_keep_their_times() -> None:
    full = np.array([3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.0, 6.0])
    holes = full.copy()
    holes[[2, 5]] = np.nan
    present = np.flatnonzero(~np.isnan(holes))
    found = mann_kendall([holes, full])
    line = theilslopes(holes[present], present)
    assert found.slope[0] == line.slope
    assert found.intercept[0] == np.median(holes[present]) - np.median(present) * line.slope
    assert found.s[0] == mann_kendall([holes[present]]).s[0]
    assert found.n.tolist() == [6, 8]
    assert found.n_missing.tolist() == [2, 0]


def test_times_of_the_user() -> None:
    rng = np.random.default_rng(3)
    t = np.cumsum(rng.exponential(size=30))
    x = 2 * t + rng.normal(size=30)
    x[4] = np.nan
    found = mann_kendall([x], time=t)
    there = ~np.isnan(x)
    line = theilslopes(x[there], t[there], 0.95)
    assert (found.slope[0], *found.slope_ci[0]) == (line.slope, line.low_slope, line.high_slope)


@given(st.permutations(range(12)))
def test_exact_p_agrees_with_scipy(order: list[int]) -> None:
    x = np.array(order, dtype=float)
    found = mann_kendall([x])
    assert found.p_method == ["exact"]
    assert found.p[0] == pytest.approx(kendalltau(np.arange(12), x, method="exact").pvalue, rel=1e-12)


def test_exact_p_of_eight_points() -> None:
    x = np.array([0, 1, 2, 3, 4, 5, 7, 6.0])  # S = 26
    assert mann_kendall([x]).p[0] == pytest.approx(0.000397, abs=5e-7)
    assert mann_kendall([x], exact=False).p[0] == pytest.approx(0.00198, abs=5e-6)


def test_exact_when_asked_for_and_when_not_to_be_had() -> None:
    rng = np.random.default_rng(1)
    fifty, tied, long = rng.normal(size=50), np.array([1.0, 1.0, 2.0, 3.0]), rng.normal(size=101)
    assert mann_kendall([fifty, tied, long]).p_method == ["normal"] * 3
    asked = mann_kendall([fifty, tied, long], exact=True)
    assert asked.p_method == ["exact", "normal", "normal"]
    assert [len(each) for each in asked.warnings] == [0, 1, 1]
    assert asked.p[0] == pytest.approx(kendalltau(np.arange(50), fifty, method="exact").pvalue, rel=1e-9)


def test_p_is_never_zero_by_rounding() -> None:
    rng = np.random.default_rng(0)
    x = np.arange(200) + rng.normal(size=200)
    found = mann_kendall([x])
    assert pymannkendall.original_test(x).p == 0.0
    assert 0 < found.p[0] < 1e-80


def test_alternatives() -> None:
    x = np.arange(50.0) + np.random.default_rng(0).normal(size=50)
    both, up, down = (mann_kendall([x], alternative=each) for each in ("two-sided", "increasing", "decreasing"))
    assert both.p[0] == pytest.approx(2 * up.p[0], rel=1e-12)
    assert up.p[0] + down.p[0] == pytest.approx(1)
    assert (up.trend, down.trend) == (["increasing"], ["no trend"])


def test_constant_series_and_short_ones_harm_no_other() -> None:
    found = mann_kendall([np.full(5, 2.0), np.array([1.0, np.nan, np.nan]), np.arange(5.0), np.full(200, 1.0)])
    assert found.trend == ["no trend", None, "increasing", "no trend"]
    assert found.p[0] == found.p[3] == 1.0
    assert found.slope[0] == found.slope[3] == 0.0
    assert np.isnan([found.p[1], found.s[1], found.slope[1], found.var_s[1]]).all()
    assert found.significant[1] is None
    assert ["constant" in " ".join(each) for each in found.warnings] == [True, False, False, True]
    assert "too few" in found.warnings[1][0]


def test_long_constant_series() -> None:
    found = mann_kendall([np.full(1600, 4.0)])
    assert (found.s[0], found.slope[0], found.p[0]) == (0, 0.0, 1.0)


@given(series)
def test_tau_ignores_monotone_maps(x: np.ndarray) -> None:
    ranks = np.unique(x, return_inverse=True)[1].astype(float)
    plain, mapped = mann_kendall([x]), mann_kendall([np.exp(ranks / 10)])
    assert (plain.s[0], plain.var_s[0], plain.tau[0], plain.p[0]) == (
        mapped.s[0], mapped.var_s[0], mapped.tau[0], mapped.p[0],
    )  # fmt: skip


@given(series)
def test_reversing_flips_the_sign(x: np.ndarray) -> None:
    plain, back = mann_kendall([x]), mann_kendall([x[::-1]])
    assert back.s[0] == -plain.s[0]
    assert back.z[0] == -plain.z[0]
    assert back.p[0] == plain.p[0]
    assert back.slope[0] == -plain.slope[0]
    assert back.slope_ci[0].tolist() == (-plain.slope_ci[0][::-1]).tolist()


@given(series, st.integers(-30, 30), st.floats(-1000, 1000))
def test_slope_scales_and_does_not_shift(x: np.ndarray, exponent: int, shift: float) -> None:
    plain = mann_kendall([x]).slope[0]
    assert mann_kendall([x * 2.0**exponent]).slope[0] == plain * 2.0**exponent
    # a shift rounds each value to 1e-16 of 1e6
    assert mann_kendall([x + shift]).slope[0] == pytest.approx(plain, abs=1e-9)
    assert mann_kendall([x], time=np.arange(0.0, 10.0 * len(x), 10.0)).slope[0] == pytest.approx(plain / 10, rel=1e-14)


@given(st.lists(series, min_size=2, max_size=6), st.randoms())
def test_series_do_not_see_each_other(many: list[np.ndarray], random: object) -> None:
    order = list(range(len(many)))
    random.shuffle(order)  # type: ignore[attr-defined]
    together = mann_kendall([many[k] for k in order])
    for place, k in enumerate(order):
        alone = mann_kendall([many[k]])
        assert (together.s[place], together.p[place], together.slope[place]) == (
            alone.s[0], alone.p[0], alone.slope[0],
        )  # fmt: skip


def test_twenty_thousand_points_in_bounded_memory() -> None:
    x = np.random.default_rng(0).normal(size=20_000) + 1e-4 * np.arange(20_000)
    tracemalloc.start()
    found = mann_kendall([x])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.trend == ["increasing"]
    assert found.slope_ci[0, 0] < found.slope[0] < found.slope_ci[0, 1]
    assert found.slope[0] == pytest.approx(1e-4, rel=0.05)
    assert peak < 100e6  # all slopes at once would be 1.6 GB


def test_refusals() -> None:
    x = np.arange(4.0)
    with pytest.raises(Unprocessable, match="/series/b has 3 entries, time has 4") as caught:
        mann_kendall([x, x[:3]], names=["a", "b"], time=x)
    assert caught.value.errors[0].pointer == "/series/b"
    with pytest.raises(Unprocessable, match="entry 2 does not") as caught:
        mann_kendall([x], time=np.array([0.0, 1.0, 1.0, 2.0]))
    assert caught.value.errors[0].pointer == "/time/2"
    with pytest.raises(TooLarge, match="200,001"):
        mann_kendall([np.zeros(200_001)])


def test_it_can_be_ended_between_chunks() -> None:
    def stop() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        mann_kendall([np.arange(10.0)], check=stop)


def test_it_says_what_share_of_the_values_is_done() -> None:
    shares: list[float] = []
    mann_kendall([np.arange(float(n)) for n in (10, 30, 10, 2000)], report=shares.append)
    assert shares == sorted(shares)
    assert (len(shares) > 2, shares[-1]) == (True, 1.0)
