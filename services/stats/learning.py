"""How scikit-learn is run here: the same bits every time, and what it would warn of is in the answers."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

warnings.filterwarnings("ignore", module=r"sklearn\.")


@contextmanager
def one_thread() -> Iterator[None]:
    """Several threads add their partial sums in the order that they finish, and the last digits vary with it."""
    with threadpool_limits(1):
        yield
