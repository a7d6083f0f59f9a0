"""The trend operation over HTTP: every method, what it says of itself, what it refuses."""

from collections.abc import Iterator
from typing import Any, get_args

import httpx
import numpy as np
import pytest

from services.stats.joint import Joint, Seasonal
from services.stats.serial import Serial
from services.stats.trend import Method, mann_kendall

RNG = np.random.default_rng(0)
TABLE = {
    "a": RNG.normal(size=48).round(3).tolist(),
    "b": (RNG.normal(size=48) + np.linspace(0, 2, 48)).round(3).tolist(),
}


@pytest.fixture
def stats(stats_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stats_url}/v1/stats", timeout=60) as client:
        yield client


def post(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/trend", json=body)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


@pytest.mark.parametrize("method", ["original", *get_args(Serial), *get_args(Seasonal)])
def test_a_test_a_series(stats: httpx.Client, method: Method) -> None:
    body = post(stats, series=TABLE, method=method)
    found = mann_kendall(TABLE, method=method)
    assert (body["method"], body["id"]) == (method, ["a", "b"])
    assert body["s"] == found.s.tolist()
    assert body["p"] == found.p.tolist()
    assert body["slope_ci"] == found.slope_ci.tolist()
    assert body["tau_b"] == found.tau_b.tolist()
    alone = post(stats, series=TABLE["b"], method=method)
    assert (alone["s"], alone["p"], alone["q"]) == (body["s"][1], body["p"][1], None)


@pytest.mark.parametrize("method", get_args(Joint))
def test_a_test_of_all(stats: httpx.Client, method: Method) -> None:
    body = post(stats, series=TABLE, method=method, slope_ci=False)
    found = mann_kendall(TABLE, method=method)
    assert (body["s"], body["p"], body["slope_ci"]) == (found.s[0], found.p[0], None)
    assert (body["n"], "id" in body) == (found.n[0], False)


def test_false_discoveries_of_many(stats: httpx.Client) -> None:
    many = {str(k): RNG.normal(size=30).tolist() for k in range(20)} | {"short": [1.0]}
    body = post(stats, series=many, fdr="bh")
    found = mann_kendall(many, fdr="bh")
    assert body["q"] == [*found.q.tolist()[:-1], None]
    assert body["significant"] == found.significant


def test_a_warning_where_a_variance_is_none(stats: httpx.Client) -> None:
    x = [-0.8, -0.9, 0.1, 0.3, -1.0, 1.6, -1.1, 2.7, 1.4, 3.0]
    body = post(stats, series=x, method="hamed_rao")
    assert "left as it is" in body["warnings"][0]
    assert body["var_s"] == 125.0  # 10 * 9 * 25 / 18; the correction would make it -17.45


def test_a_table_with_parameters_in_the_query(stats: httpx.Client) -> None:
    rows = "".join(f"{2000 + k / 12},{a},{b}\n" for k, (a, b) in enumerate(zip(*TABLE.values(), strict=True)))
    answer = stats.post(
        "/trend",
        content="year,a,b\n" + rows,
        params={"time": "year", "method": "seasonal", "period": 12, "fdr": "bh", "slope_ci": "false"},
        headers={"Content-Type": "text/csv"},
    )
    assert answer.status_code == 200, answer.text
    years = [2000 + k / 12 for k in range(48)]
    expected = post(stats, series=TABLE, time=years, method="seasonal", period=12, fdr="bh", slope_ci=False)
    assert answer.json() == expected
    lagged = stats.post(
        "/trend?method=hamed_rao&lag=2", content="a\n1\n2\n4\n3\n5\n", headers={"Content-Type": "text/csv"}
    )
    assert lagged.json()["method"] == "hamed_rao"


@pytest.mark.parametrize("kind", ["text/csv", "application/x-ndjson"])
def test_answers_as_tables(stats: httpx.Client, kind: str) -> None:
    for method in ("seasonal", "multivariate"):
        for slope_ci in (True, False):
            body = {"series": TABLE, "method": method, "slope_ci": slope_ci}
            answer = stats.post("/trend", json=body, headers={"Accept": kind})
            assert answer.status_code == 200, answer.text
            lines = 2 if method == "seasonal" else 1
            assert len(answer.text.splitlines()) == lines + (kind == "text/csv")


def test_a_picture_of_seasons_and_none_of_one_test_of_all(stats: httpx.Client) -> None:
    picture = stats.post("/trend", json={"series": TABLE, "method": "seasonal"}, headers={"Accept": "image/svg+xml"})
    assert picture.status_code == 200, picture.text
    refused = stats.post("/trend", json={"series": TABLE, "method": "partial"}, headers={"Accept": "image/png"})
    assert refused.status_code == 406, refused.text


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"lag": 2}, 422, "/lag"),
        ({"method": "hamed_rao", "lag": 0}, 422, "/lag"),
        ({"method": "hamed_rao", "lag": 1.5}, 400, "/lag"),
        ({"method": "seasonal", "period": 1}, 422, "/period"),
        ({"method": "seasonal", "period": 200_001}, 422, "/period"),
        ({"method": "correlated_seasonal", "period": 367}, 413, "/period"),
        ({"period": 12}, 422, "/period"),
        ({"method": "partial"}, 422, "/series"),
        ({"method": "partial", "series": {"a": [1, 2, 3], "b": [1, 2]}}, 422, "/series/b"),
        ({"method": "partial", "series": {"a": [1, 2, None, 4], "b": [None, 2, 3, 4]}}, 422, "/series"),
        ({"method": "multivariate", "series": {"a": [1, None], "b": [None, 2]}}, 422, "/series"),
        ({"method": "seasonal", "period": 5}, 422, "/series"),
        ({"method": "pre_whitening", "series": [1, 2, 3]}, 422, "/series"),
        ({"method": "yue_wang", "time": [0, 1, 2, 3, 5]}, 422, "/time/4"),
        ({"fdr": "by"}, 422, "/fdr"),
        ({"slope_ci": "no"}, 400, "/slope_ci"),
        ({"method": "correlated_multivariate", "series": {str(k): [1, 2, 3] for k in range(367)}}, 413, "/series"),
    ],
)
def test_refusals(stats: httpx.Client, body: dict[str, Any], status: int, pointer: str) -> None:
    answer = stats.post("/trend", json={"series": [1, 2, 4, 3, 5], **body})
    assert answer.status_code == status, answer.text
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]
