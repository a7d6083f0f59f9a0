"""Transcripts: who said what, and when; as columns, or as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

MISSING = frozenset({"", "NA"})
"""Fields that stand for a missing value."""
SPEAKER, TEXT, TIMES = "speaker", "text", ("time", "minute")
"""Names of columns where no others are asked for."""
RESTART_S = 60.0
"""A clock that goes back by more has begun anew; by less, statements overlap."""

_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):([0-5]?\d(?:\.\d{1,6})?)")
_NUMBER = re.compile(r"-?\d{1,12}(?:\.\d{1,9})?")


class BadTranscript(ValueError):
    """`pointer` is the field or column at fault, "" for the whole."""

    def __init__(self, detail: str, pointer: str = "") -> None:
        super().__init__(detail)
        self.detail, self.pointer = detail, pointer


@dataclass(frozen=True, slots=True)
class Transcript:
    """Columns of one length; `speakers` and `times` are None where there is no such column."""

    texts: list[str]
    speakers: list[str | None] | None
    times: list[str | None] | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """`seconds` (texts,): from where the clock starts, or since 1970 UTC where dates were given."""

    seconds: list[float | None]
    warnings: list[str] = field(default_factory=list)


def read_transcript(
    content: bytes, *, text: str | None = None, speaker: str | None = None, time: str | None = None
) -> Transcript:
    """CSV as RFC 4180 has it, its first line naming the columns: `text`, and where they are there `speaker` and `time`
    or `minute`, or those that the arguments name.

    Raises BadTranscript.
    """
    names, rows = _read(content)
    found = {name: place for place, name in reversed([*enumerate(names)])}
    places = {
        "text": _place(found, text, (TEXT,), "text"),
        "speaker": _place(found, speaker, (SPEAKER,), "speaker"),
        "time": _place(found, time, TIMES, "time"),
    }
    if places["text"] is None:
        raise BadTranscript(f"no column is named text; the columns are {_listed(names)}")
    columns = {role: None if place is None else [row[place] for row in rows] for role, place in places.items()}
    speakers, times = columns["speaker"], columns["time"]
    return Transcript(columns["text"] or [], _present(speakers), _present(times))


def timeline(times: Sequence[float | str | None]) -> Timeline:
    """Seconds, clocks ("03:20" is minutes and seconds, "1:03:20" has hours) or dates (ISO 8601, UTC where they name no
    zone), all of one kind. A clock that begins anew, as where a recording has two parts, is counted on, with a warning.

    Raises BadTranscript for what is none of these.
    """
    parsed = [(index, *_parsed(index, value)) for index, value in enumerate(times) if not _is_missing(value)]
    kinds = {kind for _, kind, _ in parsed}
    if len(kinds) > 1:
        odd = next(index for index, kind, _ in parsed if kind != parsed[0][1])
        raise BadTranscript(f"is of another kind than those before it: {parsed[0][1]}s", f"/times/{odd}")
    seconds: list[float | None] = [None] * len(times)
    warnings: list[str] = []
    offset, last = 0.0, 0.0
    for index, kind, value in parsed:
        if kind == "clock" and value + offset < last - RESTART_S:
            offset = last
            warnings.append(
                f"the clock begins anew at text {index}; from there on times are counted on from {last:g} s"
            )
        last = seconds[index] = value + offset
    return Timeline(seconds, warnings)


def _read(content: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        decoded = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadTranscript(f"the transcript is not UTF-8: byte {error.start} cannot be read") from None
    reader = csv.reader(io.StringIO(decoded, newline=""), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise BadTranscript(f"line {reader.line_num}: not CSV as RFC 4180 has it: {error}") from None
    if len(rows) < 2:
        raise BadTranscript("the transcript has no rows; its first line names the columns, each other is a statement")
    names = [name.strip() for name in rows[0][1]]
    for number, row in rows[1:]:
        if len(row) != len(names):
            raise BadTranscript(f"line {number}: {len(row)} fields, but {len(names)} columns are named")
    return names, [row for _, row in rows[1:]]


def _place(found: dict[str, int], wanted: str | None, usual: Sequence[str], role: str) -> int | None:
    if wanted is None:
        return next((found[name] for name in usual if name in found), None)
    if wanted not in found:
        raise BadTranscript(f"names no column: {wanted[:40]!r} is none of {_listed(found)}", f"/{role}")
    return found[wanted]


def _listed(names: Sequence[str] | dict[str, int]) -> str:
    return ", ".join(name[:40] for name in list(names)[:20])


def _present(column: list[str] | None) -> list[str | None] | None:
    return None if column is None else [None if value.strip() in MISSING else value.strip() for value in column]


def _is_missing(value: float | str | None) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in MISSING)


def _parsed(index: int, value: float | str | None) -> tuple[str, float]:
    if not isinstance(value, str):
        assert value is not None
        return "number", float(value)
    value = value.strip()
    if match := _CLOCK.fullmatch(value):
        hours, minutes, seconds = match.groups()
        return "clock", 3600.0 * int(hours or 0) + 60 * int(minutes) + float(seconds)
    if _NUMBER.fullmatch(value):
        return "number", float(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        shown = f"{value[:40]!r} is no time; send seconds, mm:ss, hh:mm:ss or a date as ISO 8601 has it"
        raise BadTranscript(shown, f"/times/{index}") from None
    return "date", (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
