"""Rotations of factor loadings to simple structure, by projected gradients.

Jennrich (2001, 2002) and Bernaards & Jennrich (2005), whose notation this keeps: A are the loadings to be rotated, T
the rotation, L the result, A T for orthogonal and A inv(T)' for oblique ones; a criterion gives its value at L, to be
minimised, and its gradient.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from services.stats.leastsquares import FloatArray

Rotation = Literal["none", "varimax", "quartimax", "promax", "oblimin"]
OBLIQUE = frozenset({"promax", "oblimin"})
PROMAX_POWER = 4
_STEPS = 2_000
_HALVINGS = 12
_SLOPE, _ENOUGH = 1e-9, 1e-5
"""What the slope should come to, and what is taken where rounding or the steps come to an end before."""

Criterion = Callable[[FloatArray], tuple[float, FloatArray]]


@dataclass(frozen=True)
class Rotated:
    """`loadings` (p, m) are the given ones times `matrix` (m, m); `correlations` those of the factors, the identity of
    an orthogonal rotation. `converged` tells whether the criterion's slope came to nothing."""

    loadings: FloatArray
    matrix: FloatArray
    correlations: FloatArray
    converged: bool = True


def rotate(
    loadings: FloatArray,
    rotation: Rotation,
    *,
    kaiser: bool = True,
    gamma: float = 0.0,
    check: Callable[[], None] = lambda: None,
) -> Rotated:
    """Of `loadings` (p, m). `kaiser` brings each row to unit length for as long as the rotation is sought; `gamma` is
    oblimin's, 0 (quartimin) and below, the less the more nearly orthogonal."""
    width = loadings.shape[1]
    if rotation == "none" or width == 1:
        return Rotated(loadings, np.eye(width), np.eye(width))
    lengths: FloatArray = np.sqrt((loadings**2).sum(axis=1, keepdims=True))
    sought = loadings / np.where(lengths > 0, lengths, 1.0) if kaiser else loadings
    if rotation == "promax":
        return _promax(loadings, _orthogonal(sought, _varimax, check))
    if rotation == "oblimin":
        turn, converged = _oblique(sought, partial(_oblimin, gamma), check)
        matrix = np.asarray(np.linalg.inv(turn).T, dtype=np.float64)
        return Rotated(loadings @ matrix, matrix, turn.T @ turn, converged)
    turn, converged = _orthogonal(sought, _varimax if rotation == "varimax" else _quartimax, check)
    return Rotated(loadings @ turn, turn, np.eye(width), converged)


def _promax(loadings: FloatArray, varimax: tuple[FloatArray, bool]) -> Rotated:
    """Hendrickson & White (1964): the varimax loadings are drawn towards their own powers."""
    turn, converged = varimax
    start = loadings @ turn
    target = start * np.abs(start) ** (PROMAX_POWER - 1)
    bend = np.linalg.lstsq(start, target, rcond=None)[0]
    bend *= np.sqrt(np.diagonal(np.linalg.inv(bend.T @ bend)))
    matrix = turn @ bend
    return Rotated(loadings @ matrix, matrix, np.linalg.inv(matrix.T @ matrix), converged)


def _varimax(loadings: FloatArray) -> tuple[float, FloatArray]:
    squares = loadings**2
    rest = squares - squares.mean(axis=0)
    return -float(np.sum(rest**2)) / 4, -loadings * rest


def _quartimax(loadings: FloatArray) -> tuple[float, FloatArray]:
    return -float(np.sum(loadings**4)) / 4, -(loadings**3)


def _oblimin(gamma: float, loadings: FloatArray) -> tuple[float, FloatArray]:
    squares = loadings**2
    others = squares.sum(axis=1, keepdims=True) - squares
    others = others - gamma * others.mean(axis=0)
    return float(np.sum(squares * others)) / 4, loadings * others


def _orthogonal(a: FloatArray, criterion: Criterion, check: Callable[[], None]) -> tuple[FloatArray, bool]:
    def gradient(_: FloatArray, __: FloatArray, slope: FloatArray) -> FloatArray:
        return a.T @ slope

    def tangent(turn: FloatArray, g: FloatArray) -> FloatArray:
        moment = turn.T @ g
        flat: FloatArray = g - turn @ ((moment + moment.T) / 2)
        return flat

    def onto(x: FloatArray) -> FloatArray:
        u, _, v = np.linalg.svd(x)
        nearest: FloatArray = u @ v
        return nearest

    return _descend(a, criterion, lambda turn: a @ turn, gradient, tangent, onto, check)


def _oblique(a: FloatArray, criterion: Criterion, check: Callable[[], None]) -> tuple[FloatArray, bool]:
    def gradient(turn: FloatArray, loadings: FloatArray, slope: FloatArray) -> FloatArray:
        return -np.asarray(loadings.T @ slope @ np.linalg.inv(turn), dtype=np.float64).T

    def tangent(turn: FloatArray, g: FloatArray) -> FloatArray:
        flat: FloatArray = g - turn * (turn * g).sum(axis=0)
        return flat

    def onto(x: FloatArray) -> FloatArray:
        unit: FloatArray = x / np.sqrt((x**2).sum(axis=0))
        return unit

    return _descend(a, criterion, lambda turn: a @ np.linalg.inv(turn).T, gradient, tangent, onto, check)


def _descend(
    a: FloatArray,
    criterion: Criterion,
    apply: Callable[[FloatArray], FloatArray],
    gradient: Callable[[FloatArray, FloatArray, FloatArray], FloatArray],
    tangent: Callable[[FloatArray, FloatArray], FloatArray],
    onto: Callable[[FloatArray], FloatArray],
    check: Callable[[], None],
) -> tuple[FloatArray, bool]:
    """Steps along the tangent, brought back onto the set of rotations, each long enough to be worth it."""
    turn: FloatArray
    turn, step, length = np.eye(a.shape[1]), 1.0, math.inf
    loadings = apply(turn)
    value, slope = criterion(loadings)
    for _ in range(_STEPS):
        check()
        direction = tangent(turn, gradient(turn, loadings, slope))
        length = float(np.linalg.norm(direction))
        if length < _SLOPE:
            return turn, True
        step *= 2
        for _ in range(_HALVINGS):
            there = onto(turn - step * direction)
            trial = apply(there)
            found, trial_slope = criterion(trial)
            if found < value - 0.5 * length**2 * step:
                break
            step /= 2
        else:
            break  # rounding hides what is left to gain
        turn, loadings, value, slope = there, trial, found, trial_slope
    return turn, length < _ENOUGH * max(1.0, abs(value))
