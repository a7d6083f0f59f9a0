import math

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from shared.responses import MOST_SAID, field_of, json_bytes


def test_what_is_no_number_is_null() -> None:
    assert json_bytes({"x": [1.5, math.nan, math.inf, -math.inf, None]}) == b'{"x":[1.5,null,null,null,null]}'
    assert json_bytes(np.array([1.0, np.nan])) == b"[1.0,null]"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_comes_back_to_its_last_bit(value: float) -> None:
    assert orjson.loads(json_bytes(value)) == value


def test_sentences_in_a_header_are_printable_ascii_of_bounded_length() -> None:
    assert field_of(["one", "t\u00e4wo\r\n"]) == "one; t?wo  "
    assert len(field_of(["x" * 5000])) == MOST_SAID
