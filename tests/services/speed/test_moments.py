"""When images were taken, as clients say it."""

import pytest

from services.speed.moments import frame_times
from shared.errors import Malformed, Unprocessable


def test_fps_in_the_query_or_the_form() -> None:
    assert frame_times(3, 20.0, [], {}) == [0, 0.05, 0.1]
    assert frame_times(3, None, [], {"fps": ["20"]}) == [0, 0.05, 0.1]


@pytest.mark.parametrize(
    ("query", "form"), [(["0,0.1,0.3"], []), (["0", "0.1", "0.3"], []), ([], ["0, 0.1,0.3"]), ([], ["0", "0.1,0.3"])]
)
def test_times_in_every_way(query: list[str], form: list[str]) -> None:
    assert frame_times(3, None, query, {"time_s": form} if form else {}) == [0, 0.1, 0.3]


@pytest.mark.parametrize(
    ("fps", "query", "form", "error", "what"),
    [
        (None, [], {}, Unprocessable, "either fps"),
        (20.0, ["0,1,2"], {}, Unprocessable, "either fps"),
        (20.0, [], {"fps": ["20"]}, Unprocessable, "either fps"),
        (None, ["0,1"], {}, Unprocessable, "2 times for 3 frames"),
        (None, ["0,1,1"], {}, Unprocessable, "time 2 is 1 after 1"),
        (None, ["0,2,1"], {}, Unprocessable, "must increase"),
        (None, ["0,x,1"], {}, Malformed, "'x'"),
        (None, ["0,nan,1"], {}, Malformed, "'nan'"),
        (None, [], {"fps": ["fast"]}, Malformed, "'fast'"),
        (None, [], {"fps": ["-1"]}, Unprocessable, "above 0"),
    ],
)
def test_refusals(
    fps: float | None, query: list[str], form: dict[str, list[str]], error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=what):
        frame_times(3, fps, query, form)
