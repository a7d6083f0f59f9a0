"""Least squares by Householder QR of centred columns scaled by powers of two."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.linalg import solve_triangular

from services.stats.design import Design, ExponentArray
from services.stats.design import FloatArray as FloatArray
from services.stats.reduction import Factor, reduce_rows

_LARGEST_EXPONENT = 500


@dataclass(frozen=True)
class Centred:
    """A solution where it was found: in the columns that are kept, less `centre`, and y less `y_centre`, all scaled.

    `effects` (k,) are y's coordinates in an orthonormal basis of the columns, and `coef` (k,) = `gain` (k, k) effects;
    `hat` (k, k) takes effects to those fitted, which without a penalty is all of them; `left` has the lengths of what
    is not fitted, in that basis and beside it. `rows` (k, k) is the gain of the coefficients of columns that are not
    centred. `q` (n, k) has each point in that basis, and `residuals` (n,) are times the root of the weight; None
    unless asked for.
    """

    kept: list[int]
    centre: FloatArray
    y_centre: float
    exponents: ExponentArray
    y_exponent: int
    w_exponent: int
    intercept: bool
    coef: FloatArray
    effects: FloatArray
    gain: FloatArray
    hat: FloatArray
    left: FloatArray
    rows: FloatArray
    q: FloatArray | None
    residuals: FloatArray | None

    @property
    def true_coef(self) -> FloatArray:
        """Those of the columns as they were given, (k,)."""
        coef: FloatArray = np.ldexp(self.coef, self.y_exponent - self.exponents)
        if self.intercept:
            coef[0] = np.ldexp(uncentred(self.coef, self.y_centre, self.centre), self.y_exponent)
        return coef

    @property
    def points(self) -> tuple[FloatArray, FloatArray]:
        """`q` and `residuals` of a solution with its points."""
        assert self.q is not None
        assert self.residuals is not None
        return self.q, self.residuals


@dataclass(frozen=True)
class Solution:
    """What a solver hands on: everything inference needs, and nothing of how it was found.

    `coef` and `unit_se` (the square roots of the diagonal of (X'WX)^-1) have one entry a column of the design, NaN
    where the column was dropped; `rss` is the weighted residual sum of squares, `tss` the weighted total sum of
    squares (about the weighted mean when there is an intercept, about zero else); `kept` are the columns used;
    `condition` is the ratio of the extreme singular values of the kept columns, each scaled to unit length, with the
    rows of a penalty among them. `parameters` is the trace of the hat matrix: as many as are kept, less by a penalty.
    """

    coef: FloatArray
    unit_se: FloatArray
    rss: float
    tss: float
    kept: list[int]
    condition: float
    parameters: float
    centred: Centred | None = None


def solve(
    design: Design,
    y: FloatArray,
    weights: FloatArray | None,
    *,
    penalty: float = 0.0,
    with_q: bool = False,
) -> Solution:
    """Minimise sum(w (y - X b)^2) + `penalty` sum(b_j^2), the constant's coefficient left out of the latter."""
    return solve_factor(reduce_rows(design, y, weights, with_q=with_q), penalty=penalty)


@np.errstate(over="ignore", under="ignore")
def solve_factor(factor: Factor, *, penalty: float = 0.0) -> Solution:
    count = len(factor.r) - 1
    x, target = factor.r[:, :count], factor.r[:, count]
    shifted = x + np.outer(x[:, 0], factor.centre) if factor.intercept else x
    extra = _penalties(factor, penalty)
    kept = independent_columns(np.vstack([x, extra]), np.linalg.norm(shifted, axis=0), rows=max(factor.n, count))
    centred = _centred(factor, kept, extra)
    about = target[1:] if factor.intercept else target
    unit_exponents = -centred.exponents - factor.w_exponent
    scale = np.ldexp(1.0, 2 * (factor.y_exponent + factor.w_exponent))
    return Solution(
        coef=spread(centred.true_coef, kept, count),
        unit_se=spread(np.ldexp(np.linalg.norm(centred.rows, axis=1), unit_exponents), kept, count),
        rss=float(centred.left @ centred.left * scale),
        tss=float(about @ about * scale),
        kept=kept,
        condition=condition_number(np.vstack([shifted, extra])[:, kept]),
        parameters=float(np.trace(centred.hat)) if penalty else float(len(kept)),
        centred=centred,
    )


def _centred(factor: Factor, kept: list[int], extra: FloatArray) -> Centred:
    k = len(kept)
    turn, r = np.linalg.qr(factor.r[:, [*kept, len(factor.r) - 1]])
    r_x, effects = r[:k, :k], r[:k, k]
    own_q, both_r = _with_penalty(r_x, extra[:, kept]) if extra.size and k else (np.eye(k), r_x)
    gain, hat = solve_triangular(both_r, own_q.T), own_q @ own_q.T
    coef = gain @ effects
    left = np.concatenate([effects - hat @ effects, r[k:, k]])
    rows, centre = gain.copy(), factor.centre[kept]
    if factor.intercept:
        rows[0] -= centre[1:] @ gain[1:]
    q = residuals = None
    if factor.q is not None:
        q = factor.q @ turn[:, :k]
        residuals = factor.q @ (turn @ left)
    return Centred(
        kept=kept,
        centre=centre,
        y_centre=factor.y_centre,
        exponents=factor.exponents[kept],
        y_exponent=factor.y_exponent,
        w_exponent=factor.w_exponent,
        intercept=factor.intercept,
        coef=coef,
        effects=effects,
        gain=gain,
        hat=hat,
        left=left,
        rows=rows,
        q=q,
        residuals=residuals,
    )


def _with_penalty(r: FloatArray, extra: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The QR factors of both, one below the other, of the orthonormal one the rows of `r`. The largest rows stand
    first, which keeps the digits of those that are far smaller (Cox and Higham 1998)."""
    rows = np.vstack([r, extra])
    order = np.argsort(-np.abs(rows).max(axis=1), kind="stable")
    q, both = np.linalg.qr(rows[order])
    back = np.empty_like(q)
    back[order] = q
    return back[: len(r)], both


def independent_columns(columns: FloatArray, lengths: FloatArray, *, rows: int) -> list[int]:
    """The columns that add a direction to those before them, first come first kept.

    A column is dependent when what is left of it outside their span is below the rounding of its own entries:
    4 eps sqrt(`rows`) times `lengths`, the length it had before it was centred.
    """
    count = columns.shape[1]
    tolerance = 4.0 * np.finfo(float).eps * np.sqrt(rows) * lengths
    if len(columns) >= count:
        diagonal = np.abs(np.diagonal(np.linalg.qr(columns, mode="r")))
        if np.all(diagonal > tolerance):
            return list(range(count))
    kept: list[int] = []
    basis = np.zeros((len(columns), min(columns.shape)))
    for j in range(count):
        span = basis[:, : len(kept)]
        rest = columns[:, j]
        for _ in range(2):  # Gram-Schmidt twice is as orthogonal as Householder (Giraud, Langou, Rozloznik 2005)
            rest = rest - span @ (span.T @ rest)
        length = np.linalg.norm(rest)
        if length > tolerance[j] and len(kept) < len(columns):
            basis[:, len(kept)] = rest / length
            kept.append(j)
    return kept


def condition_number(factor: FloatArray) -> float:
    """The 2-norm condition number of `factor` (a matrix, or its R factor) with its columns at unit length."""
    if factor.shape[1] == 0:
        return 1.0
    lengths = np.linalg.norm(factor, axis=0)
    singular = np.linalg.svd(factor / np.where(lengths > 0, lengths, 1.0), compute_uv=False)
    return float(singular[0] / singular[-1]) if singular[-1] > 0 else float("inf")


def uncentred(coef: FloatArray, y_centre: float, centre: FloatArray) -> float:
    """c0 + y_centre - sum(b_j centre_j), rounded once: the terms can be far larger than their sum."""
    terms = (Fraction(float(b)) * Fraction(float(m)) for b, m in zip(coef[1:], centre[1:], strict=True))
    return float(Fraction(float(coef[0])) + Fraction(y_centre) - sum(terms))


def _penalties(factor: Factor, penalty: float) -> FloatArray:
    """The rows that a penalty stands for, (p, p), or none: the root of it on the diagonal, on the scale of the columns
    and of the weights."""
    count = len(factor.r) - 1
    if not penalty:
        return np.zeros((0, count))
    exponents = np.clip(-factor.exponents - factor.w_exponent, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
    roots = np.ldexp(np.sqrt(penalty), exponents)
    if factor.intercept:
        roots[0] = 0.0
    return np.diag(roots)


def spread(values: FloatArray, kept: list[int], count: int) -> FloatArray:
    wide = np.full(count, np.nan)
    wide[kept] = values
    return wide
