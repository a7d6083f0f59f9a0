"""What there is to say of a sequence's frames, in words for its reader."""

from collections.abc import Sequence

from services.speed.scene import Trouble

SAYINGS = {
    Trouble.unseen: "not measured, too little can be followed on the road",
    Trouble.dark: "not measured, too dark, or the lens is covered",
    Trouble.frozen: "not measured, the picture before them once more",
    Trouble.cut: "not measured, another scene begins and the track with it",
    Trouble.foreign: "not the view ahead from a car on a road, or hardly; sd_mps is wide",
}
MOST_RANGES = 5
"""Stretches of frames that are named, the longest; of further ones the number."""


def remarks(troubles: Sequence[Trouble | None]) -> list[str]:
    """One sentence for each trouble there is, naming its frames, from 0 on."""
    said = []
    for trouble in Trouble:
        if trouble is Trouble.first:
            continue
        stretches = _stretches([each is trouble for each in troubles])
        if stretches:
            said.append(f"{_named(stretches)}: {SAYINGS.get(trouble, trouble.value)}")
    return said


def _stretches(true: Sequence[bool]) -> list[tuple[int, int]]:
    """First and last index of each run of true ones."""
    found: list[tuple[int, int]] = []
    for index, each in enumerate(true):
        if each and found and found[-1][1] == index - 1:
            found[-1] = found[-1][0], index
        elif each:
            found.append((index, index))
    return found


def _named(stretches: list[tuple[int, int]]) -> str:
    longest = sorted(sorted(stretches, key=lambda each: each[0] - each[1])[:MOST_RANGES])
    names = [f"{first}" if first == last else f"{first}-{last}" for first, last in longest]
    frames = sum(last - first + 1 for first, last in stretches)
    more = len(stretches) - len(longest)
    rest = f" and {more:,} more stretches, {frames:,} frames in all" if more else ""
    return f"frame{'' if frames == 1 else 's'} {', '.join(names)}{rest}"
