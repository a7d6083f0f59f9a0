"""When frames that come as images were taken."""

import math
from collections.abc import Mapping, Sequence

from services.speed.video import MAX_FPS
from shared.errors import FieldError, Malformed, Unprocessable


def frame_times(
    count: int, fps: float | None, time_s: Sequence[str], fields: Mapping[str, Sequence[str]]
) -> list[float]:
    """Seconds of `count` frames out of `fps` or `time_s`, said once, in the query or in the form's fields.

    Raises Malformed for what is no number and Unprocessable for times that are too few, too many or do not increase.
    """
    rates = [*([fps] if fps is not None else []), *(_number(each, "fps") for each in fields.get("fps", ()))]
    stated = [_number(each, "time_s") for text in (*time_s, *fields.get("time_s", ())) for each in text.split(",")]
    if len(rates) + bool(stated) != 1:
        raise Unprocessable(
            "say either fps, once, or time_s: when the frames were taken decides their speed",
            errors=[FieldError("/fps", "either this or time_s")],
        )
    if rates:
        if not 0 < rates[0] <= MAX_FPS:
            raise _wrong("fps", f"must be above 0 and at most {MAX_FPS:g}, not {rates[0]:g}")
        return [index / rates[0] for index in range(count)]
    return increasing(stated, count)


def increasing(stated: list[float], count: int) -> list[float]:
    """Raises Unprocessable for times that are not as many as the frames, or do not increase."""
    if len(stated) != count:
        raise _wrong("time_s", f"has {len(stated)} times for {count} frames")
    for index in range(1, count):
        if not stated[index] > stated[index - 1]:
            raise _wrong("time_s", f"must increase: time {index} is {stated[index]:g} after {stated[index - 1]:g}")
    return stated


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        detail = f"{name} holds {text[:50]!r}, which is no finite number"
        raise Malformed(detail, errors=[FieldError(f"/{name}", detail)])
    return value


def _wrong(name: str, what: str) -> Unprocessable:
    return Unprocessable(f"{name} {what}", errors=[FieldError(f"/{name}", what)])
