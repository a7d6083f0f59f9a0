"""A reading as text: CSV, or one speed a line as in the speed challenge's test.txt."""

import math

from services.speed.reading import Reading

COLUMNS = ("time_s", "speed_mps", "sd_mps", "raw_mps")


def csv(reading: Reading) -> str:
    """Shortest digits that give the same doubles back; an empty field is a missing number."""
    columns = [getattr(reading, name).tolist() for name in COLUMNS]
    lines = [",".join("" if math.isnan(value) else repr(value) for value in row) for row in zip(*columns, strict=True)]
    return "\n".join([",".join(COLUMNS), *lines, ""])


def plain(reading: Reading) -> str:
    """One speed a line, m/s, to the micrometre a second; `nan` where nothing could be measured."""
    return "".join(f"{speed:.6f}\n" for speed in reading.speed_mps.tolist())
