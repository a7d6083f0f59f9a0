"""Requests for factors to their answers; run on a worker's thread."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from services.stats import boltzmann, factors, nearest
from services.stats.answers import fields_of
from services.stats.binary import high
from services.stats.boltzmann import Recipe
from services.stats.covariance import Covariance, covariance
from services.stats.factor_schemas import FactorsRequest
from services.stats.leastsquares import FloatArray
from services.stats.replies.answer import Answer
from services.stats.rows import complete, refused
from shared.errors import TooLarge

MODELS = {"factor-analysis": "1", "restricted-boltzmann-machine": "1"}
"""What computes, and its version: it changes when answers do."""

MAX_COLUMNS = 200
MAX_HIDDEN = 200
MAX_TRAINING = 20_000_000_000
"""Most multiplications that a machine's training, or its enumeration, may take: some ten seconds of one core."""
MAX_ACTIVATIONS = 2_000_000
"""Most numbers in an answer's `hidden`."""
_FLOOR = 1e-3
"""Least eigenvalue of repaired correlations under ml, which needs them to be positive definite."""


def factors_answer(body: FactorsRequest, check: Callable[[], None], report: Callable[[float], None]) -> Answer:
    if (body.columns is None) == (body.matrix is None):
        raise refused("", "give either columns or matrix")
    if body.method == "rbm":
        return _machine(body, check, report)
    found = _correlations(body, check) if body.columns is not None else _given(body)
    width = len(found.names)
    if width > MAX_COLUMNS:
        raise TooLarge(f"{width:,} columns; a factor analysis may have {MAX_COLUMNS}")
    undefined = ~np.isfinite(found.matrix)
    if undefined.any():
        i, j = np.argwhere(undefined)[0]
        said = "; ".join(found.warnings[:3])
        raise refused("/columns", f"leave the correlation of {found.names[i]} and {found.names[j]} undefined: {said}")
    found = _definite(found, body, check)
    analysed = factors.analyse(
        found.matrix,
        body.n_factors,
        method="ml" if body.method == "ml" else "pa",
        rotation=body.rotation,
        kaiser=body.kaiser,
        gamma=body.gamma,
        n=found.n if body.correlation == "pearson" and found.n and not found.repaired else None,
        check=check,
    )
    heywood = [found.names[j] for j in analysed.heywood]
    improper = [f"the uniqueness of column {name} came to its bound (a Heywood case)" for name in heywood]
    content = {
        "model": _model("factor-analysis"),
        "method": body.method,
        "rotation": body.rotation,
        "names": found.names,
        "n": found.n or None,
        "n_factors": body.n_factors,
        **fields_of(analysed),
        "heywood": heywood,
        "matrix": np.ascontiguousarray(found.matrix),
        "warnings": [*found.warnings, *analysed.warnings, *improper],
    }
    columns = {"loadings": _labels("factor", body.n_factors), "communalities": None, "uniqueness": None}
    return Answer(content, {"names": None, **columns})


def _correlations(body: FactorsRequest, check: Callable[[], None]) -> Covariance:
    assert body.columns is not None
    for name, value in (("names", body.names), ("n", body.n)):
        if value is not None:
            raise refused(f"/{name}", "goes with matrix: columns have their own")
    return covariance(body.columns, kind=body.correlation, missing=body.missing, repair="none", check=check)


def _given(body: FactorsRequest) -> Covariance:
    """A matrix of the request as correlations."""
    matrix = body.matrix
    assert matrix is not None
    if matrix.shape[0] != matrix.shape[1]:
        raise refused("/matrix", f"has {matrix.shape[0]} rows of {matrix.shape[1]}: it must be square")
    names = body.names or [f"x{j + 1}" for j in range(len(matrix))]
    if len(names) != len(matrix):
        raise refused("/names", f"has {len(names)} entries, matrix has {len(matrix)} rows: give one a row")
    diagonal = np.diagonal(matrix)
    if not (diagonal > 0).all():
        place = int(np.argmin(diagonal > 0))
        raise refused(f"/matrix/{place}/{place}", f"is {diagonal[place]:g}; a variance is above 0")
    root = np.sqrt(diagonal)
    unit = matrix / np.outer(root, root)
    if (np.abs(unit - unit.T) > 1e-6).any():
        i, j = np.argwhere(np.abs(unit - unit.T) > 1e-6)[0]
        raise refused(f"/matrix/{i}/{j}", f"is {matrix[i, j]:g}, but the other way round {matrix[j, i]:g}")
    if (np.abs(unit) > 1 + 1e-6).any():
        i, j = np.argwhere(np.abs(unit) > 1 + 1e-6)[0]
        raise refused(f"/matrix/{i}/{j}", f"makes a correlation of {unit[i, j]:g}; they lie within -1..1")
    unit = np.clip((unit + unit.T) / 2, -1.0, 1.0)
    np.fill_diagonal(unit, 1.0)
    return Covariance(names, unit, body.n or 0)


def _definite(found: Covariance, body: FactorsRequest, check: Callable[[], None]) -> Covariance:
    if nearest.indefinite(found.matrix) is None:
        return found
    floor = _FLOOR if body.method == "ml" else 0.0
    mended = nearest.nearest_correlation(found.matrix, floor=floor, check=check)
    said = (
        f"the correlations are not positive semidefinite (smallest eigenvalue {mended.eigenvalue:.3g}): the nearest "
        f"matrix with eigenvalues from {floor:g} is analysed, at Frobenius distance {mended.distance:.3g}"
    )
    warnings = [each for each in found.warnings if "positive semidefinite" not in each]
    return replace(found, matrix=mended.matrix, repaired=True, warnings=[*warnings, said])


def _machine(body: FactorsRequest, check: Callable[[], None], report: Callable[[float], None]) -> Answer:
    names, rows = _binary_rows(body)
    width = len(names)
    if width > MAX_COLUMNS or body.n_factors > MAX_HIDDEN:
        raise TooLarge(f"{width:,} columns and {body.n_factors} hidden units; {MAX_COLUMNS} and {MAX_HIDDEN} at most")
    recipe = Recipe(body.training, body.epochs, body.learning_rate, body.batch, body.steps, body.decay, body.seed)
    if body.training == "exact" and min(width, body.n_factors) > boltzmann.TRAINED_EXACTLY:
        few = boltzmann.TRAINED_EXACTLY
        raise refused("/training", f"is exact, which takes at most {few} columns or {few} hidden units; use pcd")
    work = boltzmann.cost(len(rows), width, body.n_factors, recipe)
    if work > MAX_TRAINING:
        raise TooLarge(
            f"training takes {work:,.0f} multiplications, {MAX_TRAINING:,} at most; take fewer epochs, units or rows"
        )
    if body.activations and len(rows) * body.n_factors > MAX_ACTIVATIONS:
        raise TooLarge(f"{len(rows):,} rows of {body.n_factors} activations; {MAX_ACTIVATIONS:,} numbers at most")
    found = boltzmann.train(rows, body.n_factors, recipe, check=check, report=report)
    warnings = []
    if found.loglik is None:
        warnings.append(
            f"the likelihood is not computed: there are more than {boltzmann.ENUMERABLE} units of both kinds"
        )
    if found.converged is False:
        warnings.append(f"the likelihood was still rising after {body.epochs} steps; raise epochs or decay")
    content = {
        "model": _model("restricted-boltzmann-machine"),
        "method": "rbm",
        "training": found.training,
        "names": names,
        "n": len(rows),
        "n_factors": body.n_factors,
        **fields_of(found.machine),
        "loglik": found.loglik,
        "loglik_bound": found.bound,
        "log_partition": found.log_partition,
        "converged": found.converged,
        "row_loglik": found.row_loglik if body.activations else None,
        "hidden": np.ascontiguousarray(found.machine.hidden(rows)) if body.activations else None,
        "warnings": warnings,
    }
    columns = {"weights": _labels("hidden", body.n_factors), "visible_bias": None}
    return Answer(content, {"names": None, **columns})


def _binary_rows(body: FactorsRequest) -> tuple[list[str], FloatArray]:
    if body.columns is None:
        raise refused("/matrix", "goes with pa and ml: rbm needs the columns themselves")
    if body.missing == "pairwise":
        raise refused("/missing", "is pairwise, but rbm needs whole rows: use listwise")
    names = list(body.columns)
    return names, high(names, complete(body.columns, drop=body.missing == "listwise"))


def _labels(word: str, count: int) -> list[str]:
    return [f"{word}{k + 1}" for k in range(count)]


def _model(name: str) -> dict[str, str]:
    return {"name": name, "version": MODELS[name]}
