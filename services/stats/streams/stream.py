"""A Kalman filter that is fed as measurements come: its state as a value, and what a batch makes of it.

A stream's past does not change. A measurement of a time that was taken before is the same one sent again, and is
answered as it was; another one of that time, or one of a time between, is late. So many of the last measurements are
remembered with their answers as the caller keeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.stats.kalman.filtering import estimate, threshold, unknown
from services.stats.kalman.kernels.step import FloatArray
from shared.kalman import Kind, Motion, Noise

VERSION = 1
"""Of the documents that states are kept as."""


@dataclass(frozen=True)
class Definition:
    """`gate`: a measurement beyond that share of what is expected is left out."""

    kind: Kind
    noise: Noise
    q: float
    r: float
    gate: float | None = None

    @property
    def motion(self) -> Motion:
        return Motion(self.kind, self.q, self.noise)


@dataclass(frozen=True)
class State:
    """After `observations` measurements, the last at `time`: the filter's `state` [STATE] and the log-likelihood."""

    time: float | None
    state: FloatArray
    observations: int
    loglik: float

    @classmethod
    def first(cls, definition: Definition) -> "State":
        return cls(None, unknown(1, definition.motion.size)[0], 0, 0.0)

    def document(self) -> dict[str, Any]:
        """As JSON has it: every number in as many digits as it takes to read it back to the bit."""
        return {
            "version": VERSION,
            "time": self.time,
            "state": self.state.tolist(),
            "observations": self.observations,
            "loglik": self.loglik,
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> "State":
        return cls(document["time"], np.array(document["state"]), document["observations"], document["loglik"])


class Late(Exception):
    """The measurement `place` of the batch is late; `taken` is what was taken at its time, None if nothing is known."""

    def __init__(self, place: int, taken: float | None) -> None:
        super().__init__(place, taken)
        self.place, self.taken = place, taken


@dataclass(frozen=True)
class Taken:
    """What a batch of k made of a stream.

    `rows` [k, 5 + 2 n]: time, measurement, the n components of the mean and their standard deviations after it,
    innovation, NIS, and 1 if it was used; NaN where it was dropped. `new` [k]: which of them are taken now; of the
    others `repeated` had been before, and `dropped` were late.
    """

    state: State
    rows: FloatArray
    new: NDArray[np.bool_]
    repeated: int
    dropped: int


def take(
    definition: Definition, state: State, seen: Sequence[FloatArray], time: FloatArray, z: FloatArray, *, drop: bool
) -> Taken:
    """The stream with the measurements `z` [k], NaN where missing, of `time` [k], which increases.

    `seen`: rows as `Taken` has them, of what was taken before. Raises Late, unless late measurements are to be dropped.
    """
    last = -inf if state.time is None else state.time
    known = {float(row[0]): row for row in seen}
    rows = np.full((len(z), 5 + 2 * definition.motion.size), np.nan)
    repeated = dropped = 0
    for k in np.flatnonzero(time <= last).tolist():
        row = known.get(float(time[k]))
        if row is not None and (row[1] == z[k] or (np.isnan(row[1]) and np.isnan(z[k]))):
            rows[k] = row
            repeated += 1
        elif drop:
            dropped += 1
        else:
            raise Late(k, None if row is None else float(row[1]))
    new = time > last
    if not new.any():
        return Taken(state, rows, new, repeated, dropped)
    found = estimate(
        definition.motion, z[new][None], definition.r, time[new], gate=threshold(definition.gate),
        states=state.state[None], since=state.time,
    )  # fmt: skip
    rows[new] = np.vstack(
        [time[new], z[new], found.mean[:, 0], found.sd[:, 0], found.innovation, found.nis, found.used]
    ).T
    after = State(
        float(time[new][-1]),
        found.states[0],
        state.observations + int(new.sum()),
        state.loglik + float(found.loglik[0]),
    )
    return Taken(after, rows, new, repeated, dropped)


def at(definition: Definition, state: State, time: float | None) -> FloatArray:
    """[2 n]: the components' means and standard deviations at `time`, not before the last; then, where None."""
    if state.time is None:
        return np.repeat([np.nan, inf], definition.motion.size)
    when = state.time if time is None else time
    found = estimate(
        definition.motion, np.array([[np.nan]]), 1.0, np.array([when]), states=state.state[None], since=state.time
    )
    return np.concatenate([found.mean[:, 0, 0], found.sd[:, 0, 0]])
