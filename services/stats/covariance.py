"""Covariance and correlation matrices of tables, holes and all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from services.stats import nearest, products, shrinkage
from services.stats.binary import tetrachoric_matrix
from services.stats.kendall import SIGNED_ROWS, tau_b
from services.stats.leastsquares import FloatArray
from services.stats.products import Counts
from services.stats.rows import hole, refused, stacked
from services.stats.tetrachoric import EMPTY
from shared.errors import TooLarge, Unprocessable

Kind = Literal["covariance", "pearson", "spearman", "kendall", "tetrachoric"]
Estimator = Literal["sample", "mle", "ledoit_wolf", "oas", "mcd"]
Missing = Literal["reject", "pairwise", "listwise"]
Repair = Literal["nearest", "none"]

MAX_COLUMNS = 1_000
MAX_WORK = 20_000_000_000
"""Most multiplications (rows x columns squared) of a complete table: some ten seconds of one core."""
MAX_PAIRWISE_WORK = 1_000_000_000
"""The same for a table with holes, each pair of which has its own rows."""
MAX_RANKED_WORK = 100_000_000
"""The same where each pair of columns is sorted for itself: the ranks of a table with holes, Kendall's of long ones."""
MAX_SIGNED_WORK = 100_000_000_000
"""Most multiplications of signs, rows squared x columns squared, half of them: Kendall's of up to 1,000 rows."""
MAX_ROBUST_ENTRIES, MAX_ROBUST_ROWS, MAX_ROBUST_COLUMNS = 200_000, 20_000, 50
"""Largest table for mcd: some seven seconds of one core."""

_NEVER: Callable[[], None] = lambda: None  # noqa: E731


@dataclass(frozen=True)
class Covariance:
    """A symmetric (p, p) `matrix`, NaN where undefined, over `n` rows.

    `counts` are the rows behind each entry where pairs have their own; `n` is then the number of rows given. `se` are
    the standard errors of tetrachoric correlations, before any repair. `shrinkage` is the weight of the multiple of
    the identity in a shrunk estimate, `support` the number of rows that a robust one rests upon.
    """

    names: list[str]
    matrix: FloatArray
    n: int
    counts: Counts | None = None
    se: FloatArray | None = None
    shrinkage: float | None = None
    support: int | None = None
    repaired: bool = False
    warnings: list[str] = field(default_factory=list)


def covariance(
    columns: Mapping[str, FloatArray],
    *,
    kind: Kind = "covariance",
    estimator: Estimator = "sample",
    missing: Missing = "reject",
    repair: Repair = "nearest",
    empty: float = EMPTY,
    check: Callable[[], None] = _NEVER,
) -> Covariance:
    """Of the named columns, all of one length, whose NaN are missing values.

    `estimator` divides by n - 1 (sample) or n (mle), which cancels from a correlation; ledoit_wolf and oas shrink,
    mcd is robust, and a pearson of theirs is their covariance brought to a unit diagonal. With `missing` pairwise
    every entry is over the rows that its two columns share; where the matrix is then not positive semidefinite (or a
    tetrachoric one is not), `repair` nearest puts the nearest correlation matrix in the place of the correlations and
    leaves the variances as they are. listwise leaves out every row with a hole. `empty` is what tetrachoric counts an
    empty cell as. Raises Unprocessable for holes under reject, unequal columns, too few rows and what an estimator
    cannot do, TooLarge for more arithmetic than the limits allow.
    """
    names = list(columns)
    if len(names) > MAX_COLUMNS:
        raise TooLarge(f"{len(names):,} columns; a matrix may have {MAX_COLUMNS:,}")
    if estimator not in ("sample", "mle") and kind not in ("covariance", "pearson"):
        raise refused(
            "/estimator", f"is {estimator}, which estimates covariance and pearson only; for {kind} leave it out"
        )
    table = _table(columns)
    holes = np.isnan(table)
    if missing == "reject" and holes.any():
        raise hole(names, holes, "fill it, or set missing to pairwise or listwise")
    if missing == "listwise":
        table = table[~holes.any(axis=1)]
    elif holes.any() and estimator not in ("sample", "mle"):
        raise hole(names, holes, f"{estimator} needs whole rows: fill it, or set missing to listwise")
    if len(table) < 2:
        raise Unprocessable(f"{len(table)} complete rows are too few: a covariance needs at least 2")
    found = _estimate(names, table, kind, estimator, empty, check)
    if np.isnan(table).any():
        found = replace(found, counts=products.counts(table))
    found = replace(found, warnings=[*_warnings(found, kind), *found.warnings])
    return _repaired(found, kind, repair, check) if kind == "tetrachoric" or found.counts is not None else found


def _table(columns: Mapping[str, FloatArray]) -> FloatArray:
    table = stacked(columns)
    rows, width = table.shape
    _limit(rows * width**2, MAX_WORK, f"{rows} rows x {width} columns squared", "")
    return table


def _limit(work: int, most: int, what: str, advice: str) -> None:
    if work > most:
        raise TooLarge(f"{what} is more than {most:,} multiplications, the most{advice}")


def _estimate(
    names: list[str], table: FloatArray, kind: Kind, estimator: Estimator, empty: float, check: Callable[[], None]
) -> Covariance:
    if kind == "tetrachoric":
        matrix, se, warnings = tetrachoric_matrix(names, table, empty)
        return Covariance(names, matrix, len(table), se=se, warnings=warnings)
    if kind == "kendall":
        _check_kendall(*table.shape)
        return Covariance(names, tau_b(table, check=check), len(table))
    if estimator in ("sample", "mle"):
        return Covariance(names, _moments(table, kind, estimator, check), len(table))
    scaled, exponents = products.scaled(table, together=True)
    found = _shrunk_or_robust(names, scaled, estimator)
    matrix = _unit(found.matrix) if kind == "pearson" else _unscaled(found.matrix, exponents)
    return Covariance(names, matrix, len(table), shrinkage=found.shrinkage, support=found.support)


def _check_kendall(rows: int, width: int) -> None:
    what = f"{rows} rows x {width} columns, of which Kendall's compares every two"
    if rows <= SIGNED_ROWS:
        _limit(rows**2 * width**2 // 2, MAX_SIGNED_WORK, what, "; take spearman, or fewer columns")
    else:
        _limit(rows * width**2, MAX_RANKED_WORK, what, "; take spearman, or fewer rows")


def _shrunk_or_robust(names: list[str], table: FloatArray, estimator: Estimator) -> shrinkage.Estimate:
    if estimator == "ledoit_wolf":
        return shrinkage.ledoit_wolf(table)
    if estimator == "oas":
        return shrinkage.oracle_approximating(table)
    rows, width = table.shape
    if table.size > MAX_ROBUST_ENTRIES or rows > MAX_ROBUST_ROWS or width > MAX_ROBUST_COLUMNS:
        raise TooLarge(
            f"{rows:,} rows x {width:,} columns are too many for mcd: {MAX_ROBUST_ROWS:,} rows, "
            f"{MAX_ROBUST_COLUMNS} columns and {MAX_ROBUST_ENTRIES:,} values are the most"
        )
    constant = np.flatnonzero(np.ptp(table, axis=0) == 0)
    if len(constant):
        raise refused(f"/columns/{names[constant[0]]}", "does not vary: mcd needs columns that do")
    return shrinkage.minimum_determinant(table)


def _moments(table: FloatArray, kind: Kind, estimator: Estimator, check: Callable[[], None]) -> FloatArray:
    rows, width = table.shape
    correlation, ddof = kind != "covariance", int(estimator == "sample")
    scaled, exponents = products.scaled(table)
    if np.isnan(table).any():
        most = MAX_RANKED_WORK if kind == "spearman" else MAX_PAIRWISE_WORK
        what = f"{rows} rows x {width} columns squared"
        _limit(rows * width**2, most, what, " for a table with holes taken pairwise; set missing to listwise")
        ranked = kind == "spearman"
        matrix = products.pairwise(scaled, correlation=correlation, ddof=ddof, ranked=ranked, check=check)
    else:
        values = products.ranks(scaled) if kind == "spearman" else scaled
        matrix = products.complete(values, correlation=correlation, ddof=ddof)
    return matrix if correlation else _unscaled(matrix, exponents)


def _unscaled(matrix: FloatArray, exponents: products.Exponents) -> FloatArray:
    with np.errstate(over="ignore"):
        scaled: FloatArray = np.ldexp(matrix, exponents[:, None] + exponents)
    return scaled


def _unit(matrix: FloatArray) -> FloatArray:
    """A covariance as correlations, NaN where a column does not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(np.diagonal(matrix))
        unit: FloatArray = np.clip(matrix / np.outer(root, root), -1.0, 1.0)
    np.fill_diagonal(unit, np.where(root > 0, 1.0, np.nan))
    return unit


def _repaired(found: Covariance, kind: Kind, repair: Repair, check: Callable[[], None]) -> Covariance:
    matrix = found.matrix
    deviations = np.sqrt(np.diagonal(matrix)) if kind == "covariance" else np.ones(len(matrix))
    if not np.isfinite(matrix).all() or not (deviations > 0).all():
        return found
    unit = matrix / np.outer(deviations, deviations)
    np.fill_diagonal(unit, 1.0)
    least = nearest.indefinite(unit)
    if least is None:
        return found
    reason = "its entries are over different rows" if found.counts is not None else "each entry is found by itself"
    said = f"the matrix is not positive semidefinite: {reason}"
    if repair == "none":
        return replace(found, warnings=[*found.warnings, said])
    mended = nearest.nearest_correlation(unit, check=check)
    said += (
        f"; the nearest correlation matrix stands in its place (smallest eigenvalue of the correlations "
        f"{mended.eigenvalue:.3g}, Frobenius distance {mended.distance:.3g})"
    )
    whole = mended.matrix * np.outer(deviations, deviations)
    np.fill_diagonal(whole, np.diagonal(matrix))
    return replace(found, matrix=whole, repaired=True, warnings=[*found.warnings, said])


def _warnings(found: Covariance, kind: Kind) -> list[str]:
    names, matrix = found.names, found.matrix
    diagonal = np.diagonal(matrix)
    constant = diagonal == 0 if kind == "covariance" else np.isnan(diagonal)
    of = "its covariances are 0" if kind == "covariance" else "its correlations are null"
    warnings = [f"column {names[k]} does not vary: {of}" for k in np.flatnonzero(constant)]
    if found.counts is not None:
        few = np.argwhere(np.triu(found.counts < 2))
        warnings += [f"columns {names[i]} and {names[j]} share fewer than 2 rows: null" for i, j in few[:20]]
        varies = ~np.isnan(diagonal)
        still = np.argwhere(np.triu(np.isnan(matrix) & (found.counts > 1) & np.outer(varies, varies)))
        warnings += [
            f"column {names[i]} or {names[j]} does not vary over the rows they share: null" for i, j in still[:20]
        ]
    if np.isinf(matrix).any():
        warnings.append("some covariances are beyond the range of a double: null")
    return warnings
