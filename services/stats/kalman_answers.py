"""Requests about Kalman filters to their answers; run on a worker's thread."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.stats.kalman.filtering import Estimates, Way, estimate, threshold
from services.stats.kalman.fitting import Fit, fit, least_measurements
from services.stats.kalman.kernels.step import FloatArray
from services.stats.kalman_schemas import KalmanFitRequest, KalmanRequest
from services.stats.replies import Answer
from shared.errors import FieldError, TooLarge, Unprocessable
from shared.kalman import Kind, Motion, Noise

MODELS = {"kalman": "1"}
MODEL = {"name": "kalman", "version": MODELS["kalman"]}
MOST_STEPS = 1_000_000
"""Series times times of one request: its answer has up to ten numbers for each."""
COMPONENTS = (("x", "sd"), ("velocity", "velocity_sd"), ("acceleration", "acceleration_sd"))


@dataclass(frozen=True)
class LongAnswer(Answer):
    """Whose table has a row a series and time."""

    @property
    def table(self) -> Iterator[tuple[str, Any]]:
        ids, time = self.content["id"], self.content["time"]
        for name in self.columns:
            value = self.content[name]
            if name == "id":
                yield name, np.repeat(np.asarray(ids, object), len(time))
            else:
                yield name, np.tile(time, len(ids)) if name == "time" else value.reshape(-1)


def kalman_answer(body: KalmanRequest, way: Way, check: Callable[[], None]) -> Answer:
    motion, z, time, names = _series(body.model, body.noise, body.z, body.time)
    q = _by_id(body.q, names, "/q") if isinstance(body.q, dict) else body.q
    r = _variances(body.r, names, len(time))
    check()
    found = estimate(motion, z, r, time, way=way, q=q, gate=threshold(body.gate))
    _check_range(found, names)
    return _answer(motion, names, found, {}, _warnings(motion, found, names))


def fit_answer(body: KalmanFitRequest, check: Callable[[], None], report: Callable[[float], None]) -> Answer:
    motion, z, time, names = _series(body.model, body.noise, body.z, body.time)
    fitted = fit(motion, z, time, q=body.q, r=body.r, check=check, report=report)
    told = ~np.isnan(fitted.loglik)
    if names is None and not told[0]:
        detail = _untold(motion, z[0])
        raise Unprocessable(f"/z {detail}", errors=[FieldError("/z", detail)])
    q, r = np.where(told, fitted.q, 0.0), np.where(told, fitted.r, 1.0)
    found = estimate(motion, z, r[:, None], time, q=q)
    for each in (found.mean, found.sd):
        each[:, ~told] = np.nan
    for each in (found.innovation, found.nis):
        each[~told] = np.nan
    found.used[~told] = False
    found.loglik[~told] = np.nan
    facts = {"q": fitted.q, "r": fitted.r}
    said = [*_fit_warnings(motion, fitted, z, names), *_warnings(motion, found, names)]
    return _answer(motion, names, found, facts, said)


def _series(
    kind: Kind, noise: Noise, z: FloatArray | Mapping[str, FloatArray], time: FloatArray | None
) -> tuple[Motion, FloatArray, FloatArray, list[str] | None]:
    """The model of q = 1, the measurements [m, T], their times, and the series' names where they have some."""
    if kind == "level" and noise == "discrete":
        detail = "is discrete, which a level's noise cannot be: it would not depend on the step; use continuous"
        raise Unprocessable(f"/noise {detail}", errors=[FieldError("/noise", detail)])
    many = z if isinstance(z, Mapping) else {"": z}
    names = list(z) if isinstance(z, Mapping) else None
    length = len(next(iter(many.values()))) if time is None else len(time)
    for name, values in many.items():
        if len(values) != length:
            pointer = "/z" if names is None else f"/z/{name}"
            of = "the first series" if time is None else "time"
            detail = f"has {len(values):,} entries, {of} {length:,}: give one a time, null where missing"
            raise Unprocessable(f"{pointer} {detail}", errors=[FieldError(pointer, detail)])
    if len(many) * length > MOST_STEPS:
        detail = f"has {len(many) * length:,} entries; a request may have {MOST_STEPS:,}"
        raise TooLarge(f"/z {detail}", errors=[FieldError("/z", detail)])
    clock = np.arange(length, dtype=np.float64) if time is None else time
    back = np.flatnonzero(np.diff(clock) < 0)
    if back.size:
        k = int(back[0]) + 1
        detail = f"is {clock[k]:.17g}, before {clock[k - 1]:.17g}: times must not run backwards"
        raise Unprocessable(f"/time/{k} {detail}", errors=[FieldError(f"/time/{k}", detail)])
    return Motion(kind, 1.0, noise), np.stack(list(many.values())), clock, names


def _variances(r: float | FloatArray | dict[str, float], names: list[str] | None, length: int) -> FloatArray:
    """[1, 1], [m, 1] or [1, T]."""
    if isinstance(r, dict):
        return _by_id(r, names, "/r")[:, None]
    if isinstance(r, np.ndarray) and len(r) != length:
        detail = f"has {len(r):,} entries, there are {length:,} times: give one a time, or one number"
        raise Unprocessable(f"/r {detail}", errors=[FieldError("/r", detail)])
    return np.atleast_2d(r)


def _by_id(given: dict[str, float], names: list[str] | None, pointer: str) -> FloatArray:
    if names is None:
        detail = "goes by id, but z is one series: give one number"
        raise Unprocessable(f"{pointer} {detail}", errors=[FieldError(pointer, detail)])
    for name in [*names, *given]:
        if name not in given or name not in names:
            detail = f"{'lacks' if name not in given else 'has'} {name!r}, {'' if name in names else 'no '}series of z"
            raise Unprocessable(f"{pointer} {detail}", errors=[FieldError(pointer, detail)])
    return np.array([given[name] for name in names])


def _answer(
    motion: Motion, names: list[str] | None, found: Estimates, facts: dict[str, FloatArray], warnings: list[str]
) -> Answer:
    columns: dict[str, Any] = {"time": found.time}
    for c, (mean, sd) in enumerate(COMPONENTS[: motion.size]):
        columns |= {mean: found.mean[c], sd: found.sd[c]}
    columns |= {"innovation": found.innovation, "nis": found.nis, "used": found.used}
    facts = {**facts, "loglik": found.loglik}
    said = {"model": MODEL, "motion": motion.kind, "noise": motion.noise}
    if names is not None:
        content = {**said, "id": names, **columns, **facts, "warnings": warnings}
        return LongAnswer(content, dict.fromkeys(["id", *columns]))
    alone = {name: each if name == "time" else each[0] for name, each in columns.items()}
    content = {**said, **alone, **{name: float(each[0]) for name, each in facts.items()}, "warnings": warnings}
    return Answer(content, dict.fromkeys(columns))


def _check_range(found: Estimates, names: list[str] | None) -> None:
    beyond = np.flatnonzero(~np.isfinite(found.loglik))
    if beyond.size:
        pointer = "/z" if names is None else f"/z/{names[int(beyond[0])]}"
        detail = "is so far from what q and r expect that its likelihood leaves the range of numbers"
        raise Unprocessable(f"{pointer} {detail}", errors=[FieldError(pointer, detail)])


def _warnings(motion: Motion, found: Estimates, names: list[str] | None) -> list[str]:
    unknown = np.flatnonzero(~np.isnan(found.loglik) & np.isinf(found.sd[-1, :, -1]))
    what = ("level", "velocity", "acceleration")[motion.size - 1]
    return _said(f"too few measurements, at different times, to tell the {what}", unknown, names)


def _fit_warnings(motion: Motion, fitted: Fit, z: FloatArray, names: list[str] | None) -> list[str]:
    untold, still, noiseless = (np.flatnonzero(e) for e in (np.isnan(fitted.loglik), fitted.still, fitted.noiseless))
    return [
        *_said(_untold(motion, z[untold[0]]) if len(untold) else "", untold, names),
        *_said("q is 0: nothing is likelier than a state that does not move by itself", still, names),
        *_said("r is as small as was tried: the measurements look free of noise", noiseless, names),
    ]


def _untold(motion: Motion, z: FloatArray) -> str:
    least = least_measurements(motion)
    if np.count_nonzero(~np.isnan(z)) < least:
        return f"has fewer than {least} measurements, which a {motion.kind} model's q and r need"
    return "is followed by the model exactly, without any noise: q and r have no likeliest values"


def _said(what: str, series: FloatArray | Any, names: list[str] | None) -> list[str]:
    if not len(series):
        return []
    if names is None:
        return [what]
    shown = ", ".join(names[i] for i in series[:5].tolist())
    return [f"{len(series)} of {len(names)} series ({shown}{', ...' if len(series) > 5 else ''}): {what}"]
