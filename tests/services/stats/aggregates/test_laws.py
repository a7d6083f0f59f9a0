"""The laws of an aggregator, of every kind: to the bit where it is exact, else to the rounding that doubles allow."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.aggregates.aggregate import KINDS, Aggregate, Kind, Summary
from services.stats.leastsquares import FloatArray

EXACT: tuple[Kind, ...] = ("count", "sum", "mean", "min", "max", "distinct")
IDEMPOTENT: tuple[Kind, ...] = ("min", "max", "distinct")

wide = st.one_of(
    st.just(0.0),
    st.just(-0.0),
    st.floats(1e-70, 1e70),
    st.floats(-1e70, -1e-70),
    st.integers(-9, 9).map(float),
    st.just(float("nan")),
)
tame = st.one_of(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), st.integers(-5, 5).map(float), st.just(float("nan")))


def batches(numbers: st.SearchStrategy[float], least: int = 0) -> st.SearchStrategy[FloatArray]:
    return st.lists(numbers, min_size=least, max_size=40).map(lambda each: np.array(each, dtype=float))


def fold(aggregate: Aggregate, values: FloatArray) -> Summary:
    """Of the values as the one column, or as the first with others made of it."""
    columns = {name: np.roll(values, k) * (-1) ** k for k, name in enumerate(aggregate.columns)}
    return aggregate.fold(columns)


def one(*kinds: Kind) -> Aggregate:
    return Aggregate.of(kinds, ["x"])


def bits(aggregate: Aggregate, summary: Summary) -> bytes:
    return orjson.dumps(aggregate.dump(summary))


@given(batches(wide), batches(wide), batches(wide))
def test_exact_kinds_do_not_care_for_order_or_partition(a: FloatArray, b: FloatArray, c: FloatArray) -> None:
    aggregate = one(*EXACT)
    x, y, z = (fold(aggregate, each) for each in (a, b, c))
    left = aggregate.merge([aggregate.merge([x, y]), z])
    right = aggregate.merge([z, aggregate.merge([y, x])])
    whole = fold(aggregate, np.concatenate([a, b, c]))
    assert bits(aggregate, left) == bits(aggregate, right) == bits(aggregate, aggregate.merge([whole]))
    assert aggregate.present(left) == aggregate.present(whole)


@given(batches(wide))
def test_sum_and_mean_are_rounded_once(values: FloatArray) -> None:
    there = [Fraction(each) for each in values.tolist() if each == each]
    found = one("sum", "mean", "count").present(fold(one("sum", "mean", "count"), values))
    assert found["sum"]["x"] == float(sum(there))
    assert found["count"]["x"] == len(there)
    assert found["mean"]["x"] == (float(sum(there) / len(there)) if there else None)


@given(batches(wide), st.sampled_from(KINDS))
def test_nothing_added_changes_nothing(values: FloatArray, kind: Kind) -> None:
    aggregate = Aggregate.of([kind], ["x", "y"])
    summary, nothing = fold(aggregate, values), aggregate.merge([])
    known = bits(aggregate, aggregate.merge([summary]))
    assert bits(aggregate, aggregate.merge([nothing, summary])) == known
    assert bits(aggregate, aggregate.merge([summary, nothing])) == known
    assert bits(aggregate, fold(aggregate, np.array([]))) == bits(aggregate, nothing)


@given(batches(wide))
def test_a_state_is_read_back_to_the_bit(values: FloatArray) -> None:
    aggregate = Aggregate.of(KINDS, ["a", "b", "c"], "b")
    text = bits(aggregate, fold(aggregate, values))
    assert bits(aggregate, aggregate.load(orjson.loads(text))) == text


@given(batches(wide))
def test_semilattices_may_count_twice_and_sums_may_not(values: FloatArray) -> None:
    aggregate = one(*IDEMPOTENT)
    summary = fold(aggregate, values)
    assert aggregate.merge([summary, summary]).parts == summary.parts
    counted = fold(one("count"), values)
    assert one("count").merge([counted, counted]).parts["count"] == (2 * counted.parts["count"][0],)


@given(batches(tame), batches(tame))
def test_a_product_is_its_parts_side_by_side(a: FloatArray, b: FloatArray) -> None:
    columns = ["x", "y"]
    product = Aggregate.of(KINDS, columns)
    together = product.present(product.merge([fold(product, a), fold(product, b)]))
    for kind in KINDS:
        part = Aggregate.of([kind], columns)
        assert orjson.dumps(part.present(part.merge([fold(part, a), fold(part, b)]))[kind]) == orjson.dumps(
            together[kind]
        )


def exact_moments(values: FloatArray) -> tuple[Fraction, ...]:
    """m2, m3 and m4, rationally."""
    there = [Fraction(each) for each in values.tolist() if each == each]
    mean = sum(there, Fraction(0)) / len(there)
    return tuple(sum(((each - mean) ** k for each in there), Fraction(0)) for k in (2, 3, 4))


@given(st.lists(batches(tame, 1), min_size=1, max_size=6))
def test_moments_of_any_partition_are_those_of_all(parts: list[FloatArray]) -> None:
    """Each sum of k-th powers to 40 roundings of n times the k-th power of the values' range: nothing of their size."""
    aggregate = one("moments")
    (found,) = aggregate.merge([fold(aggregate, each) for each in parts]).parts["moments"]
    values = np.concatenate(parts)
    there = values[~np.isnan(values)]
    assert found.n == len(there)
    if len(there):
        unit = 40 * np.finfo(float).eps * len(there)
        span = float(np.ptp(there)) or 0.0
        for k, (sums, true) in enumerate(zip(found[3:], exact_moments(values), strict=True), start=2):
            assert abs(Fraction(sums) - true) <= unit * span**k
        assert found.shift + found.mean == pytest.approx(there.mean(), rel=1e-13, abs=1e-13)


@given(st.lists(batches(tame, 1), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_rounded_kinds_hardly_care_for_order(parts: list[FloatArray], chance: Any) -> None:
    aggregate = Aggregate.of(["variance", "covariance"], ["x", "y"])
    summaries = [fold(aggregate, each) for each in parts]
    shuffled = chance.sample(summaries, len(summaries))
    known, other = (aggregate.present(aggregate.merge(each)) for each in (summaries, shuffled))
    span = max(1.0, max(float(np.nanmax(np.abs(each), initial=0.0)) for each in parts)) ** 2
    assert leaves(known["variance"]) == pytest.approx(leaves(other["variance"]), rel=1e-12, abs=1e-13 * span)
    pairs = (known["covariance"]["matrix"], other["covariance"]["matrix"])
    assert leaves(pairs[0]) == pytest.approx(leaves(pairs[1]), rel=1e-12, abs=1e-12 * span)


def leaves(found: Any) -> list[float]:
    if isinstance(found, dict | list):
        return [leaf for each in (found.values() if isinstance(found, dict) else found) for leaf in leaves(each)]
    return [] if found is None else [float(found)]


@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_regression_of_any_partition_is_that_of_all(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    x, z = random.normal(3, 2, 60), random.normal(-1e3, 5, 60)
    y = 2 + 3 * x - z + random.normal(size=60)
    aggregate = Aggregate.of(["regression"], ["y", "x", "z"])
    cuts = [0, *sorted(random.integers(0, 61, count - 1).tolist()), 60]
    order = random.permutation(60)
    pieces = [order[a:b] for a, b in pairwise(cuts)]
    parts = [aggregate.fold({"x": x[p], "y": y[p], "z": z[p]}) for p in pieces]
    found = aggregate.present(aggregate.merge(parts))["regression"]
    design = np.column_stack([np.ones(60), x, z])
    truth = np.linalg.lstsq(design, y, rcond=None)[0]
    # the intercept is what is left of terms of 1e3, of which doubles have 13 digits and columns so far off 0 take two
    assert found["coef"] == pytest.approx(truth.tolist(), rel=1e-9, abs=1e-9)
    assert (found["n"], found["rank"], found["df"], found["dropped"]) == (60, 3, 57, [])
    assert found["sigma"] == pytest.approx(float(np.sqrt(np.sum((y - design @ truth) ** 2) / 57)), rel=1e-9)


@pytest.mark.parametrize("kind", ["quantiles", "distinct"])
def test_sketches_of_parts_are_as_good_as_that_of_all(kind: Kind) -> None:
    """30,000 values in 30 parts: ranks within 2.5 times the error that holds with 99 %, the count within the same of
    the bounds that hold with 95 %."""
    values = np.random.default_rng(5).permutation(np.arange(30_000.0))
    aggregate = one(kind)
    whole = aggregate.present(fold(aggregate, values))[kind]["x"]
    merged = aggregate.present(aggregate.merge([fold(aggregate, each) for each in np.split(values, 30)]))[kind]["x"]
    for found in (whole, merged):
        if kind == "quantiles":
            assert found["n"] == 30_000
            assert 0.006 < found["rank_error"] < 0.007
            off = np.abs(np.array(found["value"]) / 30_000 - found["rank"])
            assert off.max() <= 2.5 * found["rank_error"]
        else:
            assert abs(found["estimate"] - 30_000) <= 2.5 * (found["high"] - found["low"]) / 2
            assert found["low"] < found["estimate"] < found["high"]
            assert not found["exact"]
    if kind == "distinct":
        assert whole == merged


@given(batches(tame), batches(tame))
def test_few_values_have_exact_quantiles(a: FloatArray, b: FloatArray) -> None:
    aggregate = one("quantiles")
    found = aggregate.present(aggregate.merge([fold(aggregate, a), fold(aggregate, b)]))["quantiles"]["x"]
    both = np.concatenate([a, b])
    there = sorted(both[~np.isnan(both)].tolist())
    assert (found["n"], found["rank_error"]) == (len(there), 0.0)
    if there:
        assert set(found["value"]) <= set(there)
        assert found["value"] == sorted(found["value"])
        place = found["value"][found["rank"].index(0.5)]
        below, upto = (sum(each < place for each in there), sum(each <= place for each in there))
        assert below <= len(there) / 2 <= upto
