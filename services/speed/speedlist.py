"""Speeds that a client sends as text: one a line, as the speed challenge's test.txt, or CSV with a column of them."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from shared.errors import FieldError, Malformed, TooLarge, Unprocessable, VernierError
from shared.kalman import Array

SPEED, SD = "speed_mps", "sd_mps"
MAX_BYTES = 16 << 20
FASTEST_MPS = 10_000.0
"""What is beyond is no speed of a car, but another column or unit."""
LINE_END = re.compile(r"\r\n|\r|\n")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
UNREAL = re.compile(r"[+-]?(nan|inf|infinity)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SpeedList:
    """Metres a second [T], all finite; `sd_mps` [T] where the text has that column."""

    speed_mps: Array
    sd_mps: Array | None = None


def read_speeds(data: bytes, name: str, most: int) -> SpeedList:
    """`name` is what the file goes by in the form. Line ends of any kind, a byte order mark and empty lines at the end
    make no difference.

    Raises, naming file and line: Malformed for what is no number or no such table, Unprocessable for an empty file and
    a speed that is missing, not finite or beyond FASTEST_MPS, TooLarge for more than `most` speeds.
    """
    return _Reader(name, most).read(data)


class _Reader:
    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self.most = most

    def read(self, data: bytes) -> SpeedList:
        lines = self._lines(data)
        head = [field.strip() for field in self._fields(lines[0], 1)]
        if NUMBER.fullmatch(head[0]) or UNREAL.fullmatch(head[0]):
            if len(head) > 1:
                self._fail(
                    Malformed, 1, f"has {len(head)} columns and no header; a CSV names {SPEED} in its first line"
                )
            return SpeedList(self._column(lines, 0, 0, 1))
        if SPEED not in head:
            self._fail(
                Malformed, 1, f"is {lines[0][:50]!r}; a speed belongs there, or a CSV's header that names {SPEED}"
            )
        if len(lines) == 1:
            self._refuse(Unprocessable, "has a header and no speeds")
        speeds = self._column(lines, 1, head.index(SPEED), len(head))
        if SD not in head:
            return SpeedList(speeds)
        deviations = self._column(lines, 1, head.index(SD), len(head))
        if (deviations < 0).any():
            self._fail(Unprocessable, int(np.argmax(deviations < 0)) + 2, f"has an {SD} below 0")
        return SpeedList(speeds, deviations)

    def _lines(self, data: bytes) -> list[str]:
        if len(data) > MAX_BYTES:
            self._refuse(TooLarge, f"has {len(data):,} bytes, more than the {MAX_BYTES:,} that are read")
        if max(data.count(b"\n"), data.count(b"\r")) > 2 * self.most + 2:
            self._too_many()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._refuse(Malformed, f"is no text in UTF-8: byte {error.start:,}")
        lines = LINE_END.split(text)
        while lines and not lines[-1].strip():
            lines.pop()
        if not lines:
            self._refuse(Unprocessable, "is empty; it holds one speed a line")
        if len(lines) > self.most + 1:
            self._too_many()
        return lines

    def _column(self, lines: Sequence[str], start: int, place: int, width: int) -> Array:
        return np.array([self._value(line, start + k + 1, place, width) for k, line in enumerate(lines[start:])])

    def _value(self, line: str, number: int, place: int, width: int) -> float:
        fields = self._fields(line, number)
        if len(fields) != width:
            self._fail(Malformed, number, f"has {len(fields)} columns where the first has {width}")
        text = fields[place].strip()
        if UNREAL.fullmatch(text):
            self._fail(Unprocessable, number, f"has {text or 'nothing'} where a speed belongs; every frame needs one")
        if not NUMBER.fullmatch(text):
            self._fail(Malformed, number, f"has {text[:50]!r} where a number belongs")
        value = float(text)
        if not math.isfinite(value) or abs(value) > FASTEST_MPS:
            self._fail(Unprocessable, number, f"has {text[:50]}, which is no speed in metres a second")
        return value

    def _fields(self, line: str, number: int) -> list[str]:
        try:
            return next(csv.reader([line], strict=True), [""]) or [""]
        except csv.Error as error:
            self._fail(Malformed, number, f"is no line of a CSV: {error}")

    def _too_many(self) -> NoReturn:
        self._refuse(TooLarge, f"has more than the {self.most:,} lines that are read")

    def _fail(self, kind: type[VernierError], line: int, what: str) -> NoReturn:
        self._refuse(kind, f"line {line:,} {what}")

    def _refuse(self, kind: type[VernierError], what: str) -> NoReturn:
        said = f"{self.name}: {what}" if what.startswith("line") else f"{self.name} {what}"
        raise kind(said, errors=[FieldError(f"/{self.name}", what)])
