"""Scores against scikit-learn's, and the words of the challenge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import mean_absolute_error, mean_squared_error, root_mean_squared_error

from services.speed.evaluate import score
from shared.errors import Unprocessable

SPEEDS = st.integers(1, 40).flatmap(lambda n: st.tuples(*[arrays(float, n, elements=st.floats(-50, 50))] * 2))


@given(SPEEDS)
def test_the_same_as_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, truth = pair
    found = score(predicted, truth)
    assert found.frames == len(truth)
    assert found.mse == pytest.approx(mean_squared_error(truth, predicted))
    assert found.rmse == pytest.approx(root_mean_squared_error(truth, predicted))
    assert found.mae == pytest.approx(mean_absolute_error(truth, predicted))
    assert found.mse == pytest.approx(found.bias**2 + np.var(predicted - truth))
    assert (found.within_1_sd, found.within_2_sd) == (None, None)


def test_bias_is_above_0_where_the_prediction_is_too_fast() -> None:
    assert score(np.array([3.0, 4.0]), np.array([1.0, 4.0])).bias == 1.0


@pytest.mark.parametrize(
    ("off", "word"), [(0.0, "heart"), (1.7, "heart"), (1.8, "better"), (2.2, "better"), (2.3, "good"), (3.2, None)]
)
def test_the_words_of_the_challenge(off: float, word: str | None) -> None:
    """Below 3, 5 and 10 (m/s)^2."""
    assert score(np.full(5, 10 + off), np.full(5, 10.0)).grade == word


def test_shares_within_the_stated_sd() -> None:
    """Of normal errors 68.3 and 95.4 %, within three of the sampling's own standard deviations."""
    sd = np.linspace(0.1, 2, 20_000)
    truth = np.full(20_000, 10.0)
    found = score(truth + sd * np.random.default_rng(0).standard_normal(20_000), truth, sd)
    assert found.within_1_sd == pytest.approx(0.6827, abs=0.01)
    assert found.within_2_sd == pytest.approx(0.9545, abs=0.0045)


def test_unequal_lengths() -> None:
    with pytest.raises(Unprocessable, match="file has 3 speeds and truth 2"):
        score(np.zeros(3), np.zeros(2))
