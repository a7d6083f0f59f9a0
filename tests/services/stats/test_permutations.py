import itertools
import math

import numpy as np
import pytest

from services.stats.permutations import exact_tail


@pytest.mark.parametrize("n", [4, 5, 6])
def test_exact_p_is_that_of_all_permutations(n: int) -> None:
    scores = [
        sum(np.sign(order[j] - order[i]) for j in range(n) for i in range(j))
        for order in itertools.permutations(range(n))
    ]
    for s in sorted(set(scores)):
        assert exact_tail(n, s) == sum(score >= s for score in scores) / len(scores)


def test_ends_of_the_distribution() -> None:
    assert exact_tail(20, 190) == 1 / math.factorial(20)
    assert exact_tail(20, 192) == 0.0
    assert exact_tail(20, -190) == 1.0
