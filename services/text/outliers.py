"""How far each text is from the middle of its cluster, and which are too far to belong to it."""

from __future__ import annotations

import numpy as np

from services.text.clustering import NOISE, Floats, Labels
from services.text.embedder import Vectors

FEWEST = 5
"""Distances that a median of deviations means something for."""
CUTOFF = 3.5
"""Modified z-score above which a value is labelled an outlier (Iglewicz and Hoaglin 1993)."""
NORMAL = 0.6745
"""Median absolute deviation of a normal distribution, in standard deviations."""


def distances(vectors: Vectors, labels: Labels, centres: Vectors) -> Floats:
    """(n,): cosine distance, 0..2, to the centre of the own cluster, of noise to the nearest one; NaN where there is
    no cluster at all.
    """
    if not len(centres):
        return np.full(len(vectors), np.nan)
    similarity = np.empty(len(vectors))
    noise = labels == NOISE
    own = centres[labels[~noise]]
    similarity[~noise] = np.einsum("ij,ij->i", vectors[~noise], own, dtype=np.float64)
    similarity[noise] = (vectors[noise] @ centres.T).max(axis=1, initial=-1)
    return np.clip(1 - similarity, 0, 2)


def limits(distance: Floats, labels: Labels, k: int) -> Floats:
    """(k,): the distance beyond which a member is an outlier: the median of the cluster's and 3.5 / 0.6745 times their
    median absolute deviation; infinite for clusters of fewer than five.
    """
    bounds = np.full(k, np.inf)
    for label in range(k):
        members = distance[labels == label]
        if len(members) >= FEWEST:
            middle = np.median(members)
            deviation = np.median(np.abs(members - middle))
            bounds[label] = middle + CUTOFF / NORMAL * deviation if deviation > 0 else np.inf
    return bounds


def beyond(distance: Floats, labels: Labels, bounds: Floats) -> list[int]:
    """Rows that are noise, or farther from the centre of their cluster than its bound."""
    noise = labels == NOISE
    far = np.zeros(len(distance), dtype=bool)
    far[~noise] = distance[~noise] > bounds[labels[~noise]]
    return np.flatnonzero(noise | far).tolist()
