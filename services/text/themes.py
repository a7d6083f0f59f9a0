"""Which clusters are spoken of when, and by whom: counts of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.text.clustering import Labels

MOST_SPEAKERS = 200


@dataclass(frozen=True, slots=True)
class OverTime:
    """`counts` has a row a cluster and a column a bin; a bin holds its start and not its end, the last one both."""

    start_s: list[float]
    end_s: list[float]
    counts: list[list[int]]


@dataclass(frozen=True, slots=True)
class BySpeaker:
    """`counts` has a row a cluster and a column a speaker; speakers in the order that they first speak."""

    speakers: list[str]
    counts: list[list[int]]


def over_time(labels: Labels, seconds: Sequence[float | None], k: int, bins: int) -> OverTime | None:
    """In `bins` equal spans from the first time to the last, one where these are equal; texts without a time or a
    cluster (-1) are not counted. None where no text has a time.
    """
    known = [(label, time) for label, time in zip(labels.tolist(), seconds, strict=True) if time is not None]
    if not known:
        return None
    times = np.array([time for _, time in known])
    first, last = float(times.min()), float(times.max())
    if first == last:
        bins = 1
    edges = np.linspace(first, last, bins + 1)
    place = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, bins - 1)
    counts = np.zeros((k, bins), dtype=np.int64)
    for (label, _), column in zip(known, place.tolist(), strict=True):
        if label >= 0:
            counts[label, column] += 1
    return OverTime(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist())


def by_speaker(labels: Labels, speakers: Sequence[str | None], k: int) -> BySpeaker | None:
    """The 200 who speak most often, where there are more; None where no text has a speaker."""
    spoken = Counter(speaker for speaker in speakers if speaker is not None)
    if not spoken:
        return None
    most = {speaker for speaker, _ in spoken.most_common(MOST_SPEAKERS)}
    names = [speaker for speaker in spoken if speaker in most]
    column = {speaker: place for place, speaker in enumerate(names)}
    counts = np.zeros((k, len(names)), dtype=np.int64)
    for label, speaker in zip(labels.tolist(), speakers, strict=True):
        if label >= 0 and speaker in column:
            counts[label, column[speaker]] += 1
    return BySpeaker(names, counts.tolist())
