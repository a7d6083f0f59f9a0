import numpy as np
import pytest

from services.speed.training.evaluate import Course
from services.speed.training.pipeline import BOUNDS, answered, stretch
from services.speed.views import GIVEN_SD


def course(seed: int, factor: float, count: int = 20_000) -> Course:
    """Errors `factor` times as wide as the sd says, and beside them the share of the speed that answers add."""
    draw = np.random.default_rng(seed)
    truth, sd = draw.uniform(0, 20, count), draw.uniform(0.05, 0.3, count)
    raw = truth + np.hypot(factor * sd, GIVEN_SD * truth) * draw.standard_normal(count)
    raw[:3] = np.nan
    return Course(np.arange(count) / 10, truth, raw, sd, raw, sd, raw)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_the_factor_makes_the_stated_deviations_a_normals(factor: float) -> None:
    """Of 20,000 errors the 95 % quantile is sure to 1 %."""
    found = [course(1, factor), course(2, factor)]
    assert answered(found) == pytest.approx(factor, rel=0.03)
    off = np.abs(np.concatenate([each.off(factor) for each in found]))
    assert [(off < wide).mean() for wide in (1, 2)] == pytest.approx([0.683, 0.954], abs=0.01)
    assert stretch(off) == pytest.approx(1, abs=0.02)


def test_the_factor_stays_within_its_bounds() -> None:
    """Errors far below what answers add, and far above all."""
    assert answered([course(3, 0.0)]) == BOUNDS[0]
    assert answered([course(3, 50.0)]) == BOUNDS[1]
