"""A stream as a value: what a batch makes of it, in whatever pieces and however often it comes."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.kalman.kernels.step import FloatArray
from services.stats.streams.stream import Definition, Late, State, take
from shared.kalman import Kind

KINDS: list[Kind] = ["level", "velocity", "acceleration"]


def series(seed: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=24).cumsum()
    z[rng.random(24) < 0.2] = np.nan
    return np.cumsum(rng.uniform(0.1, 2, 24)), z


@given(
    seed=st.integers(0, 1000),
    kind=st.sampled_from(KINDS),
    ends=st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), max_size=8),
)
def test_pieces_in_order_are_the_whole(seed: int, kind: Kind, ends: list[tuple[int, int]]) -> None:
    """Each piece may begin anywhere in what is there: to the bit, through JSON, as if all had come at once."""
    time, z = series(seed)
    definition = Definition(kind, "continuous", 0.3, 0.2, gate=0.999)
    whole = take(definition, State.first(definition), [], time, z, drop=False)
    state, seen, reached = State.first(definition), np.empty((0, whole.rows.shape[1])), 0
    for end, back in [*sorted(ends), (24, 3)]:
        begin = max(0, min(reached, end) - back)
        found = take(definition, state, list(seen), time[begin:end], z[begin:end], drop=False)
        assert found.repeated == max(0, min(reached, end) - begin)
        assert np.array_equal(found.rows, whole.rows[begin:end], equal_nan=True)
        seen = np.vstack([seen, found.rows[found.new]])
        state = State.of(orjson.loads(orjson.dumps(found.state.document())))
        reached = max(reached, end)
    assert np.array_equal(seen, whole.rows, equal_nan=True)
    assert np.array_equal(state.state, whole.state.state)
    assert (state.time, state.observations) == (time[-1], 24)
    assert state.loglik == pytest.approx(whole.state.loglik, rel=1e-12)


def test_late() -> None:
    definition = Definition("level", "continuous", 1.0, 1.0)
    begun = take(definition, State.first(definition), [], np.array([1.0, 2.0]), np.array([5.0, np.nan]), drop=False)
    for time, z, known in ((1.0, 6.0, 5.0), (2.0, 0.0, np.nan), (1.5, 5.0, None)):
        with pytest.raises(Late) as caught:
            take(definition, begun.state, list(begun.rows), np.array([time, 3.0]), np.array([z, 7.0]), drop=False)
        assert caught.value.place == 0
        assert caught.value.taken == pytest.approx(known, nan_ok=True)
        dropped = take(definition, begun.state, list(begun.rows), np.array([time, 3.0]), np.array([z, 7.0]), drop=True)
        assert (dropped.dropped, dropped.repeated, dropped.new.tolist()) == (1, 0, [False, True])
        assert np.isnan(dropped.rows[0]).all()
