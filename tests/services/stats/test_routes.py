"""The stats service as a real process, over a real socket."""

import math
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from openapi_spec_validator import validate

from services.stats import examples
from services.stats.covariance import covariance
from tests.processes import running

JSON = {"Content-Type": "application/json"}
PATHS = (
    "/v1/stats/regression",
    "/v1/stats/trend",
    "/v1/stats/covariance",
    "/v1/stats/factors",
    "/v1/stats/density",
    "/v1/stats/cluster",
)


@pytest.fixture
def stats(stats_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stats_url}/v1/stats", timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def small() -> Iterator[httpx.Client]:
    with (
        running(
            "services.stats",
            VERNIER_STATS_MAX_VALUES="100",
            VERNIER_STATS_MAX_TABLE_VALUES="100",
            VERNIER_STATS_MAX_BODY_BYTES="5000",
        ) as process,
        httpx.Client(base_url=f"{process.address}/v1/stats", timeout=60) as client,
    ):
        yield client


def post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def test_longley_to_every_certified_digit(stats: httpx.Client) -> None:
    # NIST StRD, Longley
    certified = [
        -3482258.63459582, 15.0618722713733, -0.0358191792925910, -2.02022980381683, -1.03322686717359,
        -0.0511041056535807, 1829.15146461355,
    ]  # fmt: skip
    body = post(stats, "/regression", **examples.REGRESSION["Longley's six columns"], precision="high")
    assert body["coef"] == pytest.approx(certified, rel=5e-15)
    assert body["se"][0] == pytest.approx(890420.383607373, rel=5e-15)
    assert body["sigma"] == pytest.approx(304.854073561965, rel=5e-15)
    assert body["r2"] == pytest.approx(0.995479004577296, rel=5e-15)
    assert body["f"] == pytest.approx(330.285339234588, rel=5e-15)
    assert (body["df"], body["rank"], body["n"], body["dropped"], body["warnings"]) == (9, 7, 16, [], [])
    assert body["model"] == {"name": "ordinary-least-squares", "version": "2"}
    assert body["names"] == ["intercept", *examples.REGRESSION["Longley's six columns"]["names"]]


def test_a_dropped_column_is_null(stats: httpx.Client) -> None:
    body = post(stats, "/regression", x=[[1, 2, 3, 4], [2, 4, 6, 8]], y=[1, 2, 4, 3], names=["a", "b"])
    assert body["dropped"] == ["b"]
    assert (body["coef"][2], body["se"][2], body["ci"][2]) == (None, None, [None, None])
    assert body["warnings"]


def test_trend_of_one_series(stats: httpx.Client) -> None:
    body = post(stats, "/trend", series=[1, 2, None, 4, 5, 7, 6, 9])
    assert body["trend"] == "increasing"
    assert body["significant"] is True
    assert (body["s"], body["n"], body["n_missing"], body["p_method"]) == (19, 7, 1, "exact")
    assert body["p"] == pytest.approx(2 * 7 / math.factorial(7))  # none or one of 21 pairs falls: 1 + 6 orders
    assert body["tau"] == pytest.approx(19 / 21)
    assert body["slope_ci"][0] <= body["slope"] <= body["slope_ci"][1]
    assert body["model"] == {"name": "mann-kendall", "version": "2"}


def test_trend_of_many_series_is_columns(stats: httpx.Client) -> None:
    body = post(stats, "/trend", series={"up": [1, 2, 3, 4, 5, 6], "short": [1, None], "flat": [2, 2, 2]})
    assert body["id"] == ["up", "short", "flat"]
    assert body["trend"] == ["increasing", None, "no trend"]
    assert body["p"] == [pytest.approx(2 / 720), None, 1.0]
    assert body["s"] == [15, None, 0]
    assert body["slope"] == [1.0, None, 0.0]
    assert body["slope_ci"][1] == [None, None]
    assert [bool(each) for each in body["warnings"]] == [False, True, True]
    alone = post(stats, "/trend", series=[1, 2, 3, 4, 5, 6])
    facts = ("id", "model", "method")
    assert {name: column[0] for name, column in body.items() if name not in facts} == {
        name: value for name, value in alone.items() if name not in facts
    }


def test_covariance_and_correlation(stats: httpx.Client) -> None:
    columns = {"a": [1, 2, 3, 4], "b": [2, 1, 4, 3]}
    body = post(stats, "/covariance", columns=columns, estimator="mle")
    assert body["names"] == ["a", "b"]
    assert np.array(body["matrix"]) == pytest.approx(np.cov(list(columns.values()), ddof=0))
    body = post(stats, "/covariance", columns={**columns, "c": [5, 5, 5, 5]}, kind="pearson")
    assert body["matrix"][0] == [1.0, pytest.approx(0.6), None]
    assert body["matrix"][2] == [None, None, None]
    assert body["model"] == {"name": "covariance", "version": "2"}
    body = post(stats, "/covariance", columns={"a": [1, 2, 3, None], "b": [2, 1, None, 3]}, missing="pairwise")
    assert body["counts"] == [[3, 2], [2, 3]]


REFUSALS = [
    # malformed
    ("/trend", b"", 400, None),
    ("/trend", b'{"series": [1, 2', 400, ""),
    ("/trend", b'{"series": [1, NaN, 3, 4]}', 400, "/series/1"),
    ("/trend", b'{"series": [1, Infinity, 3, 4]}', 400, "/series/1"),
    ("/trend", b'{"series": [1, 1e999, 3, 4]}', 400, "/series/1"),
    ("/trend", b'{"series": [1, "2", 3, 4]}', 400, "/series/1"),
    ("/trend", b'{"series": {"a": [1, 2, true]}}', 400, "/series/a/2"),
    ("/trend", b'{"series": "1,2,3"}', 400, "/series"),
    ("/trend", b"{}", 400, "/series"),
    ("/trend", b"[1, 2, 3]", 400, ""),
    ("/trend", b'{"series": [1, 2, 3], "lags": 2}', 400, "/lags"),
    ("/trend", b'{"series": [1, 2, 3], "alpha": "small"}', 400, "/alpha"),
    ("/regression", b'{"x": [1, 2, 3]}', 400, "/y"),
    ("/regression", b'{"x": [[1, 2], ["a", 3]], "y": [1, 2]}', 400, "/x/1/0"),
    ("/covariance", b'{"columns": [[1, 2], [3, 4]]}', 400, "/columns"),
    # without meaning
    ("/trend", b'{"series": []}', 422, "/series"),
    ("/trend", b'{"series": {}}', 422, "/series"),
    ("/trend", b'{"series": [1, 2]}', 422, "/series"),
    ("/trend", b'{"series": [1, null, null, 2]}', 422, "/series"),
    ("/trend", b'{"series": [1, 2, 1e200]}', 422, "/series/2"),
    ("/trend", b'{"series": [1, 2, 3], "time": [1, 2]}', 422, "/series"),
    ("/trend", b'{"series": [1, 2, 3], "time": [1, 3, 2]}', 422, "/time/2"),
    ("/trend", b'{"series": [1, 2, 3], "method": "hamed"}', 422, "/method"),
    ("/trend", b'{"series": [1, 2, 3], "alpha": 1}', 422, "/alpha"),
    ("/regression", b'{"x": [[1, 2, 3], [1, 2]], "y": [1, 2, 3]}', 422, "/x/1"),
    ("/regression", b'{"x": [1, 2], "y": [1, 2, 3]}', 422, "/x"),
    ("/regression", b'{"x": [1, 2, 3], "y": [1, 2, 3], "weights": [1, 2]}', 422, "/weights"),
    ("/regression", b'{"x": [1, 2, 3], "y": [1, 2, 3], "weights": [1, 0, 2]}', 422, "/weights/1"),
    ("/regression", b'{"x": [1, 2, 3], "y": [1, 2, 3], "names": ["a", "b"]}', 422, "/names"),
    ("/regression", b'{"x": [1, null, 3], "y": [1, 2, 3]}', 422, "/x/1"),
    ("/regression", b'{"x": [1, 2, 3], "y": [1, 2, 3], "method": "lasso"}', 422, "/method"),
    ("/regression", b'{"x": [1, 2, 3], "y": [1, 2, 3], "degree": 3}', 422, "/y"),
    ("/regression", b'{"x": [1, 2, 3], "y": [1, 2, 3], "degree": 0}', 422, "/degree"),
    ("/regression", b'{"x": [1], "y": [1]}', 422, "/y"),
    ("/regression", b'{"x": [], "y": []}', 422, "/x"),
    ("/covariance", b'{"columns": {"a": [1, 2], "b": [1]}}', 422, "/columns/b"),
    ("/covariance", b'{"columns": {"a": [1, 2], "b": [1, null]}}', 422, "/columns/b/1"),
    ("/covariance", b'{"columns": {"a": [1], "b": [1]}}', 422, None),
    ("/covariance", b'{"columns": {}}', 422, "/columns"),
    ("/covariance", b'{"columns": {"a": [1, 2]}, "kind": "cosine"}', 422, "/kind"),
]


@pytest.mark.parametrize(("path", "content", "status", "pointer"), REFUSALS)
def test_refusals(stats: httpx.Client, path: str, content: bytes, status: int, pointer: str | None) -> None:
    answer = stats.post(path, content=content, headers=JSON)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert pointer is None or pointer in [each["pointer"] for each in problem["errors"]]
    post(stats, "/trend", series=[1, 2, 3])  # it serves on


def test_values_that_exist_are_named(stats: httpx.Client) -> None:
    answer = stats.post("/covariance", json={"columns": {"a": [1, 2]}, "kind": "cosine"})
    assert "'kendall' or 'tetrachoric'" in answer.json()["detail"]


@pytest.mark.parametrize("path", PATHS)
def test_other_types_and_representations(stats_url: str, client: httpx.Client, path: str) -> None:
    url = f"{stats_url}{path}"
    assert client.post(url, content=b"1,2", headers={"Content-Type": "image/png"}).status_code == 415
    assert client.post(url, json={}, headers={"Accept": "audio/ogg"}).status_code == 406
    assert client.get(url).status_code == 405


def test_too_many_values_are_refused_before_they_are_read(stats: httpx.Client) -> None:
    answer = stats.post("/trend", content=b'{"series": [' + b"0," * 10_000_000 + b"0]}", headers=JSON)
    assert answer.status_code == 413
    assert "10,000,001 values" in answer.json()["detail"]
    assert "5,000,000" in answer.json()["detail"]


def test_limits_are_settings(small: httpx.Client) -> None:
    post(small, "/trend", series=list(range(100)))
    answer = small.post("/trend", json={"series": list(range(101))})
    assert answer.status_code == 413
    assert "100 that one request" in answer.json()["detail"]
    assert small.post("/trend", content=b" " * 5001, headers=JSON).status_code == 413


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/trend", {"series": [0] * 200_001}, "200,000"),
        ("/regression", {"x": [[0] * 80_000] * 9, "y": [0] * 80_000, "precision": "high"}, "precision default"),
        ("/regression", {"x": [0] * 1_000_000, "y": [0] * 1_000_000, "degree": 20}, "20,000,000 entries"),
        ("/covariance", {"columns": {str(j): [1, 2] for j in range(1001)}}, "1,000"),
    ],
)
def test_more_work_than_allowed(stats: httpx.Client, path: str, body: dict[str, Any], says: str) -> None:
    answer = stats.post(path, json=body)
    assert answer.status_code == 413, answer.text
    assert says in answer.json()["detail"]


def test_a_large_request(stats: httpx.Client) -> None:
    table = np.random.default_rng(0).normal(size=(2, 100_000)).round(6)
    body = post(stats, "/covariance", columns={"a": table[0].tolist(), "b": table[1].tolist()})
    expected = covariance({"a": table[0], "b": table[1]}).matrix
    assert np.array(body["matrix"]) == pytest.approx(expected, rel=1e-15)


def test_deadline(stats: httpx.Client) -> None:
    rng = np.random.default_rng(0)
    many = {str(k): rng.permutation(1000).tolist() for k in range(3000)}  # a second's work
    answer = stats.post("/trend", json={"series": many}, headers={"X-Request-Timeout-Ms": "300"})
    assert answer.status_code == 504


def test_the_document_holds_and_its_examples_too(stats_url: str, client: httpx.Client) -> None:
    document = client.get(f"{stats_url}/openapi.json").json()
    validate(document)
    for path in PATHS:
        operation = document["paths"][path]["post"]
        assert operation["summary"]
        assert operation["description"]
        assert operation["x-vernier-cacheable"] is True
        assert {"200", "400", "406", "413", "415", "422", "503", "504"} <= set(operation["responses"])
        shown = operation["requestBody"]["content"]["application/json"]["examples"]
        for example in shown.values():
            answer = client.post(f"{stats_url}{path}", json=example["value"])
            assert answer.status_code == 200, answer.text
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
            assert fields_of(document, schema, set(answer.json())) == set(answer.json())


def fields_of(document: dict[str, Any], schema: dict[str, Any], given: set[str]) -> set[str]:
    """The properties of the alternative that fits."""
    names = [each["$ref"].rpartition("/")[2] for each in schema.get("anyOf", [schema])]
    alternatives = [set(document["components"]["schemas"][name]["properties"]) for name in names]
    return max(alternatives, key=lambda fields: len(fields & given) - len(fields - given))


def test_answers_of_the_examples(stats: httpx.Client) -> None:
    line = post(stats, "/regression", **examples.REGRESSION["A line"])
    assert line["coef"] == pytest.approx([0.05, 1.99])
    parabola = post(stats, "/regression", **examples.REGRESSION["A parabola, exactly"])
    peer = np.polynomial.polynomial.polyfit([0, 1, 2, 3, 4], [0.1, 0.9, 4.2, 8.8, 16.1], 2)
    assert parabola["coef"] == pytest.approx(peer.tolist(), rel=1e-12)
    nile = post(stats, "/trend", **examples.TREND["The Nile at Aswan, 1871 to 1900"])
    assert (nile["trend"], nile["s"], nile["n"]) == ("no trend", -31, 30)
    two = post(stats, "/trend", **examples.TREND["Two series, one with a gap"])
    assert two["trend"] == ["increasing", "no trend"]
    assert two["n_missing"] == [1, 0]
    body = post(stats, "/covariance", **examples.COVARIANCE["Two columns"])
    assert body["matrix"][0][1] == pytest.approx(0.7725)


def test_ready_names_the_models(stats_url: str, client: httpx.Client) -> None:
    body = client.get(f"{stats_url}/readyz").json()
    assert body["ready"] is True
    assert {"ordinary-least-squares", "theil-sen", "mann-kendall", "covariance", "aggregates"} <= set(body["models"])


def test_tables_as_csv(stats: httpx.Client) -> None:
    csv = {"Content-Type": "text/csv; charset=utf-8"}
    given = {"time": "year", "alpha": "0.01"}
    table = stats.post("/trend", content=examples.TREND_TABLE, params=given, headers=csv)
    assert table.status_code == 200, table.text
    columns = {
        "time": [2015, 2016, 2017, 2018, 2019, 2020],
        "alpha": 0.01,
        "series": {"rising": [1.0, 2.5, None, 3.1, 4.0, 4.4], "flat": [2.0, 2.1, 1.9, 2.0, 2.1, 2.0]},
    }
    assert table.json() == post(stats, "/trend", **columns)
    table = stats.post("/regression", content=examples.REGRESSION_TABLE, params={"y": "response"}, headers=csv)
    assert table.json()["names"] == ["intercept", "dose", "age"]
    table = stats.post("/covariance", content=examples.COVARIANCE_TABLE, params={"estimator": "mle"}, headers=csv)
    assert table.json()["matrix"][0][1] == pytest.approx(0.7725 * 3 / 4)


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/trend", b"a,b\n1,2\n3\n", 400),
        ("/trend", b"a,b\n1,x\n", 400),
        ("/trend?alpha=2", b"a\n1\n2\n3\n", 422),
        ("/regression", b"a,b\n1,2\n", 400),
        ("/regression?y=c", b"a,b\n1,2\n", 422),
        ("/covariance", b"a,b\n", 422),
        ("/covariance", b"", 400),
    ],
)
def test_refused_tables(stats: httpx.Client, path: str, content: bytes, status: int) -> None:
    answer = stats.post(path, content=content, headers={"Content-Type": "text/csv"})
    assert answer.status_code == status, answer.text


def test_a_table_with_too_many_values(small: httpx.Client) -> None:
    answer = small.post("/trend", content="x\n" + "1\n" * 100, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 413


def test_parameters_of_a_json_body_stand_in_it(stats: httpx.Client) -> None:
    answer = stats.post("/trend?alpha=0.1", json={"series": [1, 2, 3]})
    assert answer.status_code == 400
    assert "alpha" in answer.json()["detail"]
