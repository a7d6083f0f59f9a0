"""HDBSCAN: groups where texts are dense, the rest noise (Campello, Moulavi and Sander 2013).

In hundreds of dimensions everything is about as far from everything, so it works in the first principal components,
and still parts sentences badly: of 5,001 bank questions of 77 intents it leaves 41 % as noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.text.axes import principal
from services.text.embedder import Vectors

DIMENSIONS = 20


def fit(vectors: Vectors, smallest: int) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Labels of (n, d), of which two rows differ at least: -1 for noise. Their strength of membership, 0..1, and the
    dimensions they were found in. Clusters have `smallest` rows or more, at least 2; one of all rows is never found.
    """
    from sklearn.cluster import HDBSCAN

    smallest = min(smallest, len(vectors))
    points = principal(vectors, DIMENSIONS).place(vectors)
    model = HDBSCAN(smallest, n_jobs=1, copy=True).fit(points)
    return model.labels_.astype(np.int64), model.probabilities_, points.shape[1]
