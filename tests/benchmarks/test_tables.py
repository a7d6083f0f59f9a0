import io

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]

from benchmarks.parts.tables import arrow


def test_what_is_sent_is_the_table() -> None:
    sent = pa.ipc.open_stream(io.BytesIO(arrow({"x": [1.0, 2.0], "y": [3.0, None]}))).read_all()
    assert sent.to_pydict() == {"x": [1.0, 2.0], "y": [3.0, None]}
