"""What is odd about numbers, in every way that they come: refused with its place, or answered with a warning."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from services.stats.tables import ARROW, CSV, NDJSON, PARQUET
from tests.processes import running
from tests.services.stats.tables.tables import arrow_bytes, parquet_bytes

NAN, INF = float("nan"), float("inf")
Columns = dict[str, list[float]]


@pytest.fixture
def stats(stats_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stats_url}/v1/stats", timeout=60) as client:
        yield client


def bodies(columns: Columns) -> dict[str, bytes]:
    """The same table as each kind has it."""
    rows = list(zip(*columns.values(), strict=True))
    written = [["NA" if v != v else repr(v) for v in row] for row in rows]
    lines = [
        "{" + ", ".join(f'"{n}": {w.replace("NA", "null")}' for n, w in zip(columns, row, strict=True)) + "}"
        for row in written
    ]
    return {
        CSV: "\n".join([",".join(columns), *map(",".join, written), ""]).encode(),
        NDJSON: "\n".join(lines).encode(),
        ARROW: arrow_bytes(columns),
        PARQUET: parquet_bytes(columns),
    }


@pytest.mark.parametrize("kind", [CSV, NDJSON, ARROW, PARQUET])
@pytest.mark.parametrize(
    ("path", "columns", "status", "says"),
    [
        ("/trend", {"a": [1.0, 2.0, INF, 4.0]}, 400, ""),
        ("/trend", {"a": [1.0, 2.0, 1e308, 4.0]}, 422, "1e+150"),
        ("/trend", {"a": [NAN, NAN, NAN]}, 422, "0 values are too few"),
        ("/trend", {"a": [1.0]}, 422, "too few"),
        ("/trend?time=t", {"t": [1.0, 2.0, 2.0], "a": [1.0, 2.0, 3.0]}, 422, "time must increase"),
        ("/trend?time=t", {"t": [1.0, NAN, 3.0], "a": [1.0, 2.0, 3.0]}, 422, "missing"),
        ("/regression?y=y", {"x": [1.0, NAN, 3.0], "y": [1.0, 2.0, 3.0]}, 422, "missing"),
        ("/regression?y=y", {"x": [1.0], "y": [1.0]}, 422, "points"),
        ("/covariance", {"a": [1.0, 2.0], "b": [NAN, NAN]}, 422, "missing"),
        ("/covariance", {"a": [1.0], "b": [2.0]}, 422, "too few"),
    ],
)
def test_refused(stats: httpx.Client, kind: str, path: str, columns: Columns, status: int, says: str) -> None:
    answer = stats.post(path, content=bodies(columns)[kind], headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]


@pytest.mark.parametrize("kind", [CSV, NDJSON, ARROW, PARQUET])
@pytest.mark.parametrize(
    ("path", "columns", "warns"),
    [
        ("/trend", {"a": [2.0, 2.0, 2.0, 2.0]}, "constant"),
        ("/trend", {"a": [2.0, 2.0, 2.0, 2.0], "b": [1.0, NAN, NAN, NAN]}, "too few"),
        (
            "/regression?y=y",
            {"x": [1.0, 2.0, 3.0], "z": [2.0, 4.0, 6.0], "y": [1.0, 2.0, 4.0]},
            "z is a linear combination",
        ),
        ("/regression?y=y", {"x": [1.0, 2.0, 3.0], "y": [5.0, 5.0, 5.0]}, "does not vary"),
        ("/covariance?kind=pearson", {"a": [1.0, 2.0, 3.0], "b": [4.0, 4.0, 4.0]}, "does not vary"),
    ],
)
def test_warned_of(stats: httpx.Client, kind: str, path: str, columns: Columns, warns: str) -> None:
    answer = stats.post(path, content=bodies(columns)[kind], headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text
    assert warns in str(answer.json()["warnings"])


def test_a_place_in_a_table_is_named(stats: httpx.Client) -> None:
    for kind, body in bodies({"a": [1.0, 2.0, 3.0], "b": [1.0, INF, 3.0]}).items():
        if kind == NDJSON:
            continue  # has no infinity
        answer = stats.post("/covariance", content=body, headers={"Content-Type": kind}).json()
        assert answer["errors"][0]["pointer"] == "/b/1"
        assert ("line 3" if kind == CSV else "row 2") in answer["detail"]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"a": ["x", "y"]}, "column a is of type string"),
        ({"a": [1, 2], "b": [{"c": 1}, {"c": 2}]}, "column b is of type struct"),
        ({"a": [[1], [2]], "b": [1, 2]}, "column a is of type list"),
    ],
)
def test_columns_of_no_number(stats: httpx.Client, columns: dict[str, Any], says: str) -> None:
    for kind, encode in ((ARROW, arrow_bytes), (PARQUET, parquet_bytes)):
        answer = stats.post("/covariance", content=encode(columns), headers={"Content-Type": kind})
        assert answer.status_code == 422
        assert says in answer.json()["detail"]


def test_what_is_cut_off_or_of_another_kind(stats: httpx.Client) -> None:
    columns = {"a": np.arange(100.0), "b": np.arange(100.0)}
    whole = {ARROW: arrow_bytes(columns), PARQUET: parquet_bytes(columns)}
    for kind, body in whole.items():
        for cut in (body[:40], body[: len(body) // 2], body[:-8]):
            assert stats.post("/covariance", content=cut, headers={"Content-Type": kind}).status_code == 400
        other = whole[ARROW if kind == PARQUET else PARQUET]
        assert stats.post("/covariance", content=other, headers={"Content-Type": kind}).status_code == 400
        assert stats.post("/covariance", content=b"a,b\n1,2\n", headers={"Content-Type": kind}).status_code == 400


@pytest.mark.parametrize(
    ("states", "pointer"),
    [
        (["count", "sum"], "/states/1/kind"),
        (["quantiles", "distinct"], "/states/1/kind"),
    ],
)
def test_states_of_another_kind(stats: httpx.Client, states: list[str], pointer: str) -> None:
    folded = [stats.post("/aggregates:fold", json={"kind": kind, "values": {"x": [1, 2]}}).json() for kind in states]
    answer = stats.post("/aggregates:merge", json={"states": folded})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    folded[1] = {**folded[0], "version": 99}
    answer = stats.post("/aggregates:merge", json={"states": folded})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/states/1/version"


def test_one_column_has_no_pairs(stats: httpx.Client) -> None:
    answer = stats.post("/covariance", json={"columns": {"q": [0, 1, 1, 0]}, "kind": "tetrachoric"})
    assert answer.json()["matrix"] == [[1.0]]


def test_ridge_takes_a_column_that_does_not_vary(stats: httpx.Client) -> None:
    body = {"x": [[1, 2, 3, 4], [7, 7, 7, 7]], "y": [1, 2, 2, 4], "method": "ridge", "alpha": 0.5}
    without = {**body, "x": [[1, 2, 3, 4]]}
    coef = stats.post("/regression", json=body).json()["coef"]
    assert coef[2] == 0
    assert coef[:2] == pytest.approx(stats.post("/regression", json=without).json()["coef"])


def test_bodies_that_are_held_are_counted() -> None:
    small, large = (arrow_bytes({"a": np.arange(size), "b": np.arange(size)}) for size in (2000.0, 4000.0))
    with (
        running("services.stats", VERNIER_STATS_BODY_MEMORY_BYTES=str(len(large) - 1)) as process,
        httpx.Client(base_url=f"{process.address}/v1/stats", timeout=60) as client,
    ):
        for _ in range(3):  # what has been answered counts no longer, nor what has been refused
            assert client.post("/covariance", content=small, headers={"Content-Type": ARROW}).status_code == 200
            answer = client.post("/covariance", content=large, headers={"Content-Type": ARROW})
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"]
