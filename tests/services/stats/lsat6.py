"""LSAT section 6: 1,000 people, five questions, 1 for a right answer (Bock & Lieberman 1970, table 1)."""

import numpy as np
import numpy.typing as npt

_PATTERNS = {
    "00000": 3, "00001": 6, "00010": 2, "00011": 11, "00100": 1, "00101": 1, "00110": 3, "00111": 4,
    "01000": 1, "01001": 8, "01010": 0, "01011": 16, "01100": 0, "01101": 3, "01110": 2, "01111": 15,
    "10000": 10, "10001": 29, "10010": 14, "10011": 81, "10100": 3, "10101": 28, "10110": 15, "10111": 80,
    "11000": 16, "11001": 56, "11010": 21, "11011": 173, "11100": 11, "11101": 61, "11110": 28, "11111": 298,
}  # fmt: skip


def table() -> npt.NDArray[np.float64]:
    """(1000, 5)."""
    rows = [[float(digit) for digit in pattern] for pattern, count in _PATTERNS.items() for _ in range(count)]
    return np.array(rows)


def columns() -> dict[str, npt.NDArray[np.float64]]:
    return {f"item{j + 1}": column for j, column in enumerate(table().T)}
