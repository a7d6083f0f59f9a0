import io

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]
import pytest

from benchmarks.checks import WrongAnswer
from benchmarks.parts.tables import agree, arrow


def test_what_is_sent_is_the_table() -> None:
    sent = pa.ipc.open_stream(io.BytesIO(arrow({"x": [1.0, 2.0], "y": [3.0, None]}))).read_all()
    assert sent.to_pydict() == {"x": [1.0, 2.0], "y": [3.0, None]}


def test_an_answer_that_strays_is_wrong() -> None:
    agree([1.0, 2.0], [1.0, 2.0 + 1e-10])
    with pytest.raises(WrongAnswer, match=r"2\.0\], not \[1\.0, 2\.0000001"):
        agree([1.0, 2.0], [1.0, 2.0 + 1e-7])
