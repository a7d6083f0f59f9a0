"""Lists of speeds as people and spreadsheets write them."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.speed.speedlist import read_speeds
from shared.errors import Malformed, TooLarge, Unprocessable, VernierError


@pytest.mark.parametrize(
    "text",
    [
        "8.5\n9\n1e1\n",
        "8.5\n9\n10",
        "8.5\r\n9\r\n10\r\n",
        "8.5\r9\r10\r",
        "\ufeff8.5\n9\n10\n\n  \n",
        " 8.5\n+9 \n10.\n",
        "speed_mps\n8.5\n9\n10\n",
        "\ufefftime_s,speed_mps\r\n0,8.5\r\n0.05,9\r\n0.1,10\r\n",
        'frame,"speed_mps",note\n0,8.5,"a, b"\n1,"9",\n2,10,x\n',
    ],
)
def test_read(text: str) -> None:
    found = read_speeds(text.encode(), "truth", 3)
    assert (found.speed_mps.tolist(), found.sd_mps) == ([8.5, 9, 10], None)


def test_sd() -> None:
    found = read_speeds(b"time_s,speed_mps,sd_mps,raw_mps\n0.0,8.28,0.31,\n0.05,8.25,0.5,8.28\n", "file", 9)
    assert found.sd_mps is not None
    assert found.sd_mps.tolist() == [0.31, 0.5]


@given(st.lists(st.floats(-9999, 9999), min_size=1, max_size=30))
def test_every_double_comes_back(speeds: list[float]) -> None:
    np.testing.assert_array_equal(read_speeds("\n".join(map(repr, speeds)).encode(), "truth", 30).speed_mps, speeds)


@pytest.mark.parametrize(
    ("data", "error", "what"),
    [
        (b"", Unprocessable, "truth is empty"),
        (b"\r\n \r\n", Unprocessable, "truth is empty"),
        (b"\xef\xbb\xbf", Unprocessable, "truth is empty"),
        (b"speed_mps\n", Unprocessable, "a header and no speeds"),
        (b"1\nnan\n3\n", Unprocessable, "truth: line 2 has nan where a speed"),
        (b"nan\n2\n", Unprocessable, "truth: line 1 has nan"),
        (b"1\n-inf\n", Unprocessable, "truth: line 2 has -inf"),
        (b"1\n\n3\n", Unprocessable, "truth: line 2 has nothing"),
        (b"1\n1e999\n", Unprocessable, "truth: line 2 has 1e999"),
        (b"1\n20000\n", Unprocessable, "truth: line 2 has 20000, which is no speed"),
        (b"speed_mps,t\n1,0\n,1\n", Unprocessable, "truth: line 3 has nothing"),
        (b"speed_mps,sd_mps\n1,-1\n", Unprocessable, "truth: line 2 has an sd_mps below 0"),
        (b"1\ntwo\n", Malformed, "truth: line 2 has 'two'"),
        (b"1\n1_000\n", Malformed, "truth: line 2 has '1_000'"),
        (b"1\n0x10\n", Malformed, "truth: line 2 has '0x10'"),
        (b"0,1\n1,2\n", Malformed, "truth: line 1 has 2 columns and no header"),
        (b"1\n2,3\n", Malformed, "truth: line 2 has 2 columns where the first has 1"),
        (b"time,v\n0,1\n", Malformed, "truth: line 1 is 'time,v'; .*speed_mps"),
        (b'speed_mps\n"1\n', Malformed, "truth: line 2 is no line of a CSV"),
        ("1\n2\n".encode("utf-16"), Malformed, "no text in UTF-8: byte 0"),
        (b"\x89PNG\r\n", Malformed, "no text in UTF-8"),
        (b"1\n" * 6, TooLarge, "more than the 4 lines"),
        (b"\n" * 100, TooLarge, "more than the 4 lines"),
        (b" " * ((16 << 20) + 1), TooLarge, "16,777,217 bytes"),
    ],
)  # fmt: skip
def test_refusals(data: bytes, error: type[VernierError], what: str) -> None:
    with pytest.raises(error, match=what) as caught:
        read_speeds(data, "truth", 4)
    assert caught.value.errors[0].pointer == "/truth"


@given(st.binary(max_size=200) | st.text("0123456789.,-eE\n\r\"' nafi", max_size=60).map(str.encode))
def test_any_bytes_end_in_speeds_or_a_refusal(data: bytes) -> None:
    with suppress(Malformed, TooLarge, Unprocessable):
        assert np.isfinite(read_speeds(data, "file", 50).speed_mps).all()
