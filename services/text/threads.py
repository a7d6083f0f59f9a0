"""One computation, one thread: requests run side by side, and sums of several threads end on other last digits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Of BLAS from here on in the whole process, and of OpenMP on the calling thread within."""
    _load()
    with threadpool_limits(1, user_api="openmp"):
        yield


@cache
def _load() -> None:
    """The libraries bring threads of their own, which can be limited once they are loaded."""
    import openTSNE  # noqa: F401
    import sklearn.cluster
    import sklearn.decomposition
    import sklearn.mixture  # noqa: F401

    threadpool_limits(1, user_api="blas")
