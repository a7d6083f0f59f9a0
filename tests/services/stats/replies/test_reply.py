"""Answers by `Accept`, over a real socket."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import orjson
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from services.stats.replies.table import METADATA
from services.stats.tables import ARROW, CSV, NDJSON, PARQUET
from tests.services.stats.tables.tables import arrow_bytes, parquet_bytes


@pytest.fixture
def stats(stats_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stats_url}/v1/stats", timeout=60) as client:
        yield client


def ask(client: httpx.Client, path: str, content: bytes, kind: str, accept: str) -> httpx.Response:
    answer = client.post(path, content=content, headers={"Content-Type": kind, "Accept": accept})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(accept)
    assert answer.headers["vary"] == "Accept"
    return answer


SERIES = {"rising": [1.0, 2.5, 2.4, 3.1, 4.0, 4.4, 5.2], "short": [1.0, None, None, 2.0, None, None, None]}


@pytest.mark.parametrize("kind", [ARROW, PARQUET])
def test_the_same_answer_whatever_the_format(stats: httpx.Client, kind: str) -> None:
    as_json = stats.post("/trend", json={"series": SERIES}).json()
    encode = arrow_bytes if kind == ARROW else parquet_bytes
    answer = ask(stats, "/trend", encode(SERIES), kind, kind)
    source = io.BytesIO(answer.content)
    table = pa.ipc.open_stream(source).read_all() if kind == ARROW else pa.parquet.read_table(source)
    found = table.to_pydict()
    assert found.pop("slope_ci_low") == [low for low, _ in as_json["slope_ci"]]
    assert found.pop("slope_ci_high") == [high for _, high in as_json["slope_ci"]]
    assert found == {name: values for name, values in as_json.items() if name not in ("model", "method", "slope_ci")}
    facts = orjson.loads(table.schema.metadata[METADATA])
    assert facts == {name: as_json[name] for name in ("model", "method")}
    assert answer.headers["vernier-model"] == "{name}/{version}".format(**facts["model"])


def test_facts_and_warnings_stand_in_headers(stats: httpx.Client) -> None:
    table = b"a,b,y\n1,2,3\n2,4,5\n3,6,8\n4,8,9\n"
    answer = ask(stats, "/regression?y=y", table, CSV, CSV)
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["names", "coef", "se", "t", "p", "ci_low", "ci_high"]
    assert rows[3] == ["b", "", "", "", "", "", ""]
    assert "was dropped" in answer.headers["vernier-warnings"]
    facts = orjson.loads(answer.headers["vernier-answer"])
    assert (facts["rank"], facts["n"]) == (2, 4)
    assert facts["r2"] == pytest.approx(22.05 / 22.75)  # sxy^2 / sxx over syy


def test_a_matrix_as_ndjson(stats: httpx.Client) -> None:
    table = b'{"a": 1, "b": 2}\n{"a": 2, "b": 1}\n{"a": 4, "b": 4}\n'
    rows = [orjson.loads(line) for line in ask(stats, "/covariance", table, NDJSON, NDJSON).text.splitlines()]
    expected = np.cov([1, 2, 4], [2, 1, 4])
    assert [row["names"] for row in rows] == ["a", "b"]
    assert [[row["a"], row["b"]] for row in rows] == pytest.approx(expected, rel=1e-15)


def test_series_a_row(stats: httpx.Client) -> None:
    x = np.random.default_rng(5).normal(size=(4, 20))
    nested = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), 20)
    table = pa.table({"id": ["a", "b", "c", "d"], "values": nested})
    wide = dict(zip("abcd", x, strict=True))
    by_row = ask(stats, "/trend", arrow_bytes(table), ARROW, "application/json")
    assert by_row.json() == ask(stats, "/trend", arrow_bytes(wide), ARROW, "application/json").json()


def test_a_long_answer_is_streamed(stats: httpx.Client) -> None:
    rows = pa.table({"values": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(99_000.0)), 3)})
    answer = ask(stats, "/trend", arrow_bytes(rows), ARROW, CSV)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.text.count("\n") == 33_001


def test_what_is_not_offered(stats: httpx.Client) -> None:
    answer = stats.post("/trend", json={"series": [1, 2, 3]}, headers={"Accept": "audio/ogg"})
    assert answer.status_code == 406
    assert ARROW in answer.json()["detail"]


@pytest.mark.parametrize(("accept", "begins"), [("image/png", b"\x89PNG"), ("image/svg+xml", b"<?xml")])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/trend", {"series": [1, 3, 2, 5, 6]}),
        ("/regression", {"x": [1, 2, 3, 5], "y": [1, 2, 2, 5]}),
        ("/regression", {"x": [2, 2, 2, 2], "y": [1, 2, 2, 5]}),
        ("/regression", {"x": [1, 2, 3, 5], "y": [1, 2, 2, 5], "method": "siegel"}),
    ],
)
def test_a_picture(stats: httpx.Client, path: str, body: dict[str, Any], accept: str, begins: bytes) -> None:
    answer = stats.post(path, json=body, headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == accept
    assert answer.content.startswith(begins)


def test_too_many_for_a_picture(stats: httpx.Client) -> None:
    many = {"series": {str(k): [1, 2, 3] for k in range(13)}}
    two = {"x": [[1, 2, 3, 4], [1, 0, 0, 1]], "y": [1, 2, 3, 5]}
    for path, body, says in (("/trend", many, "these are 13"), ("/regression", two, "this is on 2")):
        answer = stats.post(path, json=body, headers={"Accept": "image/png"})
        assert answer.status_code == 406
        assert says in answer.json()["detail"]
