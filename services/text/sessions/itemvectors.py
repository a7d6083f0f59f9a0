"""Vectors of items from the sessions that they occur in: items met in the same company lie near each other.

The positive pointwise mutual information of each two items (Church and Hanks 1990; context counts to the power .75,
Levy, Goldberg and Dagan 2015), shrunk where it rests on few meetings (Pantel and Lin 2002), factored by the largest
positive eigenvalues of the matrix. A meeting at a distance of d clicks counts 1/d (Pennington et al. 2014).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shared.errors import FieldError, TooLarge, Unprocessable

Method = Literal["ppmi", "word2vec"]
Vectors = NDArray[np.float32]
Codes = NDArray[np.int64]

SMOOTHING = 0.75
SHRINK = 1.0
POWER = 0.75
"""Of the eigenvalues: between the vectors' own geometry (0) and that of the matrix (1)."""
DENSE = 400
"""Up to so many items the whole spectrum is computed, which an iteration is no faster for."""
MOST_NUMBERS = 8_000_000
EPOCHS = 20


@dataclass(frozen=True, slots=True)
class ItemVectors:
    """`items` by falling count; `vectors` float32 (items, dimensions), rows of length 1."""

    items: list[str]
    counts: list[int]
    vectors: Vectors
    method: Method = "ppmi"
    warnings: list[str] = field(default_factory=list)


def train(
    sessions: Sequence[Sequence[str]],
    *,
    dimensions: int = 64,
    window: int = 5,
    min_count: int = 5,
    method: Method = "ppmi",
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
) -> ItemVectors:
    """Vectors of the items that occur at least `min_count` times and meet another within `window` clicks.

    The same sessions have the same vectors, bit for bit, in whatever order they come for `ppmi`; `word2vec` is
    gensim's skip-gram with negative sampling, where that is installed, and depends on `seed`. `check` may raise to end
    the work. Raises Unprocessable where no items are left, TooLarge where the vectors would be too many numbers.
    """
    counted = Counter(chain.from_iterable(sessions))
    items = sorted((item for item, n in counted.items() if n >= min_count), key=lambda item: (-counted[item], item))
    if len(items) < 2:
        detail = f"{len(items)} of {len(counted):,} items occur {min_count} times or more; lower min_count"
        raise Unprocessable(detail, errors=[FieldError("/min_count", detail)])
    if len(items) * dimensions > MOST_NUMBERS:
        detail = (
            f"{len(items):,} items of {dimensions} dimensions are more than the {MOST_NUMBERS:,} numbers that are kept;"
            " raise min_count or lower dimensions"
        )
        raise TooLarge(detail, errors=[FieldError("/dimensions", detail)])
    check()
    if method == "word2vec":
        vectors = _skip_gram(sessions, items, dimensions, window, min_count, seed)
    else:
        vectors = _factors(_information(_meetings(*_coded(sessions, items), len(items), window), check), dimensions)
    return _kept(items, counted, vectors, method, dimensions)


def _kept(items: list[str], counted: Counter[str], vectors: Vectors, method: Method, dimensions: int) -> ItemVectors:
    lengths = np.linalg.norm(vectors, axis=1)
    there = np.flatnonzero(lengths > 0)
    if len(there) < 2:
        raise Unprocessable("no two items meet more often than by chance: there is nothing to tell them apart by")
    warnings = []
    if len(there) < len(items):
        warnings.append(f"{len(items) - len(there):,} items meet no other more often than by chance and are left out")
    if vectors.shape[1] < dimensions:
        warnings.append(f"the items fill {vectors.shape[1]} dimensions, not {dimensions}")
    names = [items[index] for index in there]
    unit = np.ascontiguousarray(vectors[there] / lengths[there, None], dtype=np.float32)
    return ItemVectors(names, [counted[name] for name in names], unit, method, warnings)


def _coded(sessions: Sequence[Sequence[str]], items: list[str]) -> tuple[Codes, Codes]:
    """The items that are kept as numbers, one after another, and the session of each."""
    code = {item: index for index, item in enumerate(items)}
    codes = [[code[item] for item in session if item in code] for session in sessions]
    lengths = [len(each) for each in codes]
    flat = np.fromiter(chain.from_iterable(codes), dtype=np.int64, count=sum(lengths))
    return flat, np.repeat(np.arange(len(lengths)), lengths)


def _meetings(codes: Codes, session: Codes, size: int, window: int) -> Any:
    """A symmetric sparse matrix: how often each two items meet within the window, 1/distance each."""
    from scipy import sparse

    total = sparse.csr_matrix((size, size))
    for distance in range(1, min(window, len(codes) - 1) + 1):
        met = (session[:-distance] == session[distance:]) & (codes[:-distance] != codes[distance:])
        first, second = codes[:-distance][met], codes[distance:][met]
        weights = np.full(len(first), 1.0 / distance)
        total = total + sparse.coo_matrix((weights, (first, second)), (size, size)).tocsr()
    return (total + total.T).tocoo()


def _information(meetings: Any, check: Callable[[], None]) -> Any:
    from scipy import sparse

    check()
    rows = np.asarray(meetings.sum(axis=1)).ravel()
    context = rows**SMOOTHING
    context /= context.sum() or 1.0
    n, i, j = meetings.data, meetings.row, meetings.col
    information = np.log(n / (rows[i] * context[j]))
    rarer = np.minimum(rows[i], rows[j])
    information *= n / (n + SHRINK) * rarer / (rarer + SHRINK)
    positive = information > 0
    half = sparse.coo_matrix((information[positive] / 2, (i[positive], j[positive])), meetings.shape).tocsr()
    return half + half.T


def _factors(matrix: Any, dimensions: int) -> Vectors:
    """Eigenvectors of the largest eigenvalues, those above 0 alone, times the eigenvalues to the power `POWER`."""
    from scipy.sparse.linalg import eigsh

    size = matrix.shape[0]
    if size <= max(DENSE, dimensions + 1):
        values, vectors = np.linalg.eigh(matrix.toarray())
    else:
        values, vectors = eigsh(matrix, k=dimensions, which="LA", v0=np.ones(size))
    order = np.argsort(-values)[:dimensions]
    order = order[values[order] > 1e-10 * max(float(values[order[0]]), 1e-300)]
    vectors = vectors[:, order]
    signs = np.sign(vectors[np.argmax(np.abs(vectors), axis=0), np.arange(len(order))])
    factors = vectors * signs * values[order] ** POWER
    factors[np.asarray(abs(matrix).sum(axis=1)).ravel() == 0] = 0  # what meets nobody lies nowhere
    return np.asarray(factors, dtype=np.float32)


def _skip_gram(
    sessions: Sequence[Sequence[str]], items: list[str], dimensions: int, window: int, min_count: int, seed: int
) -> Vectors:
    try:
        from gensim.models import Word2Vec
    except ImportError:
        detail = "word2vec needs gensim, which is not installed here; ppmi needs nothing"
        raise Unprocessable(detail, errors=[FieldError("/method", detail)]) from None
    model = Word2Vec(
        sentences=[list(session) for session in sessions],
        vector_size=dimensions,
        window=window,
        min_count=min_count,
        sg=1,
        negative=5,
        epochs=EPOCHS,
        seed=seed,
        workers=1,  # with more the order of updates, and with it every vector, would vary
    )
    return np.stack([model.wv[item] for item in items])
