"""Vectors whose groups are known."""

import numpy as np

from services.text.embedder import Vectors


def blobs(sizes: list[int], seed: int = 0, noise: float = 0.05) -> tuple[Vectors, list[int]]:
    """Unit rows around orthogonal directions, so that the right answer is known."""
    generator = np.random.default_rng(seed)
    truth = [label for label, size in enumerate(sizes) for _ in range(size)]
    rows = np.eye(len(sizes), 16)[truth] + noise * generator.standard_normal((len(truth), 16))
    return unit(rows), truth


def scattered(count: int, dimensions: int = 16, seed: int = 0) -> Vectors:
    """Unit rows in no groups at all."""
    return unit(np.random.default_rng(seed).standard_normal((count, dimensions)))


def unit(rows: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
