import csv
import io
from typing import Any

import numpy as np
import orjson
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from services.stats.replies import BOUNDS, Answer
from services.stats.replies.table import METADATA, PIECE_ROWS, write_table
from services.stats.tables import ARROW, CSV, NDJSON, PARQUET

MODEL = {"name": "m", "version": "1"}
ANSWER = Answer(
    {
        "model": MODEL,
        "id": ["a", 'b, "c"'],
        "p": np.array([0.1, np.nan]),
        "ci": np.array([[1.0, 2.0], [-np.inf, 1e-300]]),
        "s": [3, None],
        "sure": [True, None],
        "warnings": [[], ["too few", "and flat"]],
        "r2": 0.5,
        "sigma": np.nan,
    },
    {"id": None, "p": None, "ci": BOUNDS, "s": None, "sure": None, "warnings": None},
)
ROWS: list[dict[str, Any]] = [
    {"id": "a", "p": 0.1, "ci_low": 1.0, "ci_high": 2.0, "s": 3, "sure": True, "warnings": []},
    {
        "id": 'b, "c"', "p": None, "ci_low": None, "ci_high": 1e-300, "s": None, "sure": None,
        "warnings": ["too few", "and flat"],
    },
]  # fmt: skip


def written(answer: Answer, media_type: str) -> bytes:
    return b"".join(write_table(answer, media_type))


def read_back(content: bytes, media_type: str) -> pa.Table:
    if media_type == ARROW:
        return pa.ipc.open_stream(content).read_all()
    return pa.parquet.read_table(io.BytesIO(content))


def test_ndjson() -> None:
    assert [orjson.loads(line) for line in written(ANSWER, NDJSON).splitlines()] == ROWS


def test_csv() -> None:
    header, *rows = csv.reader(io.StringIO(written(ANSWER, CSV).decode()))
    assert header == list(ROWS[0])
    assert rows == [["a", "0.1", "1", "2", "3", "true", ""], ['b, "c"', "", "", "1e-300", "", "", "too few; and flat"]]


@pytest.mark.parametrize("media_type", [ARROW, PARQUET])
def test_arrow_and_parquet_carry_the_facts(media_type: str) -> None:
    table = read_back(written(ANSWER, media_type), media_type)
    assert table.to_pylist() == ROWS
    assert orjson.loads(table.schema.metadata[METADATA]) == {"model": MODEL, "r2": 0.5, "sigma": None}


@pytest.mark.parametrize("media_type", [CSV, NDJSON, ARROW, PARQUET])
def test_a_long_table_comes_whole(media_type: str) -> None:
    count = 2 * PIECE_ROWS + 7
    x = np.random.default_rng(0).normal(size=count)
    answer = Answer({"model": MODEL, "x": x, "n": np.arange(count)}, {"x": None, "n": None})
    content = written(answer, media_type)
    if media_type in (ARROW, PARQUET):
        table = read_back(content, media_type)
        found = [table["x"].to_numpy(), table["n"].to_numpy()]
    elif media_type == CSV:
        found = list(np.loadtxt(io.BytesIO(content), delimiter=",", skiprows=1).T)
    else:
        rows = [orjson.loads(line) for line in content.splitlines()]
        found = [np.array([row["x"] for row in rows]), np.array([row["n"] for row in rows])]
    assert np.array_equal(found[0], x)
    assert np.array_equal(found[1], np.arange(count))


def test_a_matrix_has_a_column_by_each_name() -> None:
    names = ["a", "names"]
    answer = Answer({"model": MODEL, "names": names, "matrix": np.eye(2)}, {"names": None, "matrix": names})
    table = read_back(written(answer, ARROW), ARROW)
    assert table.to_pydict() == {"names_": names, "a": [1.0, 0.0], "names": [0.0, 1.0]}


def test_a_single_answer_is_one_row() -> None:
    content = {"model": MODEL, "slope": 2.5, "ci": np.array([1.0, np.nan]), "trend": "increasing"}
    answer = Answer(content, {"slope": None, "ci": BOUNDS, "trend": None}, single=True)
    assert written(answer, CSV) == b'slope,ci_low,ci_high,trend\n2.5,1,,"increasing"\n'
