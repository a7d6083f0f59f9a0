"""Raw speeds, one a frame with its standard deviation, made into one track.

Causal, it is what `live.LiveTrack` says frame by frame; by all frames, a smoother goes over what that filter did.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.speed.live import ACCELERATION_SD, LEAST_SD, LONGEST_S, MODEL, LiveTrack, Note, beginning, presented
from services.speed.scene import Trouble
from shared.kalman import Array, KalmanFilter, Recorder, smooth

Smoothing = Literal["kalman", "rts", "none"]
Troubles = Sequence[Trouble | None]

PIECE, LATER = 4096, 4096
"""Events that are smoothed together, and how many of those after them are looked at."""


@dataclass(frozen=True, slots=True)
class Track:
    """Speeds [T] in m/s and their standard deviations; NaN throughout where nothing was measured.

    A speed is below 0 only where the car reverses beyond doubt, by more than three standard deviations.
    """

    speed_mps: Array
    sd_mps: Array


def smooth_speeds(
    time_s: Array, raw_mps: Array, sd_mps: Array, smoothing: Smoothing, troubles: Troubles | None = None
) -> Track:
    """`raw_mps` [T] with `sd_mps` [T] at increasing `time_s` [T]; NaN is a frame that could not be measured. `troubles`
    [T] says of each frame what went wrong; the track begins anew with a cut.

    "kalman": each frame by itself and those before it. Frames before the first measurement (the first frame always,
    since it has none before it to be compared with) are carried back from that measurement, which widens their sd.
    "rts": each frame by all frames. "none": the raw values; a frame without one takes that of the nearest measured
    frame, its sd widened by what a car may gain in between. A mean below 0 that noise explains is
    reported as 0.
    """
    measured = np.isfinite(raw_mps) & np.isfinite(sd_mps)
    if not measured.any():
        nothing = np.full(len(raw_mps), np.nan)
        return Track(nothing, nothing.copy())
    if smoothing == "none":
        return _nearest(time_s, raw_mps, np.maximum(sd_mps, LEAST_SD), measured)
    series = time_s, raw_mps, sd_mps, troubles
    if smoothing == "rts":
        return _smoothed(*series)
    track = _filtered(*series)
    until = int(np.argmax(measured)) + 1
    start = _smoothed(time_s[:until], raw_mps[:until], sd_mps[:until], None)
    track.speed_mps[:until], track.sd_mps[:until] = start.speed_mps, start.sd_mps
    return track


def _filtered(
    time_s: Array, raw_mps: Array, sd_mps: Array, troubles: Troubles | None, notes: list[Note] | None = None
) -> Track:
    live = LiveTrack(notes)
    said = [None] * len(time_s) if troubles is None else troubles
    rows = [live.push(*each) for each in zip(time_s.tolist(), raw_mps.tolist(), sd_mps.tolist(), said, strict=True)]
    return Track(*np.array(rows, float).reshape(-1, 2).T.copy())


def _smoothed(time_s: Array, raw_mps: Array, sd_mps: Array, troubles: Troubles | None) -> Track:
    """What the filter did, replayed in the order of its times and seen from its end."""
    notes: list[Note] = []
    _filtered(time_s, raw_mps, sd_mps, troubles, notes)
    count = len(time_s)
    events = [*notes, *(Note(float(each)) for each in time_s)]
    order = sorted(range(len(events)), key=lambda each: events[each].time_s)
    start = raw_mps[np.argmax(np.isfinite(raw_mps) & np.isfinite(sd_mps))]
    rows = np.empty((len(events), 2))
    rows[order] = _replayed([events[each] for each in order], beginning(float(start)))
    speed, sd = rows[len(events) - count :].T
    return Track(presented(speed, sd), sd)


def _replayed(events: Sequence[Note], kalman: KalmanFilter) -> Array:
    """[N, 2] speed and sd at each event, piece by piece: what lies LATER events and more after a piece says nothing
    that would change its last digit, and a smoother's memory grows with what it goes over."""
    rows = np.empty((len(events), 2))
    for at in range(0, len(events), PIECE):
        recorder, following = Recorder(kalman), kalman
        recorder.step(events[max(at - 1, 0)].time_s)
        for k, each in enumerate(events[at : at + PIECE + LATER]):
            recorder.step(each.time_s, each.z, each.r, row=each.row, leap=each.leap)
            if k == PIECE - 1:
                following = KalmanFilter(MODEL, kalman.mean, kalman.covariance)
        smoothed = smooth(recorder.filtered())
        here = slice(1, 1 + PIECE)
        rows[at : at + PIECE] = np.column_stack([smoothed.mean[here, 0], smoothed.sd[here, 0]])
        kalman = following
    return rows


def _nearest(time_s: Array, z: Array, sd: Array, measured: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Track:
    seen = np.flatnonzero(measured)
    after = np.searchsorted(seen, np.arange(len(z))).clip(0, len(seen) - 1)
    before = (after - 1).clip(0)
    nearer = time_s[seen[after]] - time_s < time_s - time_s[seen[before]]
    source = np.where(measured, np.arange(len(z)), np.where(nearer | (after == 0), seen[after], seen[before]))
    away = np.abs(time_s - time_s[source])
    widened = np.hypot(sd[source], ACCELERATION_SD * np.minimum(away, LONGEST_S))
    return Track(presented(z[source], widened), widened)
