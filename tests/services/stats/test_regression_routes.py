"""Regression over HTTP; its refusals and its document with the other operations' in `test_routes`."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from services.stats import examples, regression
from services.stats.prediction import predict
from tests.services.stats.peers import table

PATHS = ("/regression", "/regression/predict")


@pytest.fixture
def stats(stats_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{stats_url}/v1/stats", timeout=60) as client:
        yield client


def post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def lists(x: list[np.ndarray]) -> list[list[float]]:
    return [each.tolist() for each in x]


@pytest.mark.parametrize(
    ("options", "model"),
    [
        ({"covariance": "HAC", "lag": 3, "influence": True}, "ordinary-least-squares"),
        ({"method": "ridge", "alpha": 2.5, "covariance": "HC1"}, "ridge-regression"),
        ({"method": "huber", "degree": 2}, "huber-regression"),
        ({"method": "tukey"}, "tukey-regression"),
        ({"method": "theil_sen", "confidence": 0.8}, "theil-sen"),
        ({"method": "siegel"}, "repeated-medians"),
        ({"precision": "high", "influence": True}, "ordinary-least-squares"),
    ],
)
def test_the_answer_is_the_librarys(stats: httpx.Client, options: dict[str, Any], model: str) -> None:
    x, y, _ = table(12, columns=1, heavy=True)
    body = post(stats, "/regression", x=lists(x), y=y.tolist(), **options)
    assert body["model"]["name"] == model
    found = regression.fit(x, y, **options)
    nothing = [None, None]
    for name in ("coef", "se", "t", "p"):
        expected = getattr(found, name)
        assert body[name] == [None if np.isnan(each) else each for each in expected], name
    assert body["ci"] == [nothing if np.isnan(row).any() else row.tolist() for row in found.ci]
    assert (body["sigma"], body["df"], body["lag"], body["iterations"]) == (
        found.sigma,
        found.df,
        found.lag,
        found.iterations,
    )
    assert (body["influence"] is None) == (found.influence is None)
    if found.influence is not None:
        assert body["influence"]["cooks_distance"] == found.influence.cooks_distance.tolist()
    assert "fitted" not in body


def test_predictions(stats: httpx.Client) -> None:
    x, y, weights = table(13, columns=2)
    at = [np.array([0.0, 1.0, -1.0]), np.array([2.0, 0.5, 0.0])]
    options = {"weights": weights.tolist(), "covariance": "HC3", "confidence": 0.9, "names": ["a", "b"]}
    body = post(stats, "/regression/predict", x=lists(x), y=y.tolist(), at=lists(at), **options)
    mine = predict(regression.fit(x, y, weights=weights, covariance="HC3"), at, 0.9)
    assert (body["y"], body["se"], body["ci"], body["pi"]) == (
        mine.y.tolist(),
        mine.se.tolist(),
        mine.ci.tolist(),
        mine.pi.tolist(),
    )
    assert (body["names"], body["n"], body["model"]["name"]) == (["intercept", "a", "b"], 40, "ordinary-least-squares")
    holes = {
        "x": [[*a.tolist(), *b.tolist()] for a, b in zip(x, at, strict=True)],
        "y": [*y.tolist(), None, None, None],
    }
    options["weights"] = [*weights.tolist(), 1, 1, 1]
    assert post(stats, "/regression/predict", **holes, **options) == body


def test_rows_without_a_response_are_predicted(stats: httpx.Client) -> None:
    answer = stats.post(
        "/regression/predict",
        content=examples.PREDICTION_TABLE,
        params={"y": "response", "precision": "high"},
        headers={"Content-Type": "text/csv"},
    )
    assert answer.status_code == 200, answer.text
    by_hand = post(
        stats,
        "/regression/predict",
        x=[1, 2, 3, 4],
        y=[2.1, 3.9, 6.2, 7.8],
        at=[5, 6],
        names=["dose"],
        precision="high",
    )
    assert answer.json() == by_hand
    assert by_hand["y"] == [9.85, 11.79]  # 5 + 1.94 x, less 4.85, in decimals


def test_predictions_as_a_table(stats: httpx.Client) -> None:
    answer = stats.post(
        "/regression/predict",
        json=examples.PREDICTION["A line, further on"],
        headers={"Accept": "text/csv"},
    )
    assert answer.status_code == 200, answer.text
    lines = answer.text.split()
    assert lines[0] == "y,se,ci_low,ci_high,pi_low,pi_high"
    assert [float(line.split(",")[0]) for line in lines[1:]] == pytest.approx([11.99, 13.98, 15.97])


def test_influence_by_the_query(stats: httpx.Client) -> None:
    answer = stats.post(
        "/regression?y=response&influence=true&covariance=HC0",
        content=examples.REGRESSION_TABLE,
        headers={"Content-Type": "text/csv"},
    )
    assert answer.status_code == 200, answer.text
    assert sum(answer.json()["influence"]["leverage"]) == pytest.approx(3)


@pytest.mark.parametrize(
    ("path", "body", "status", "pointer"),
    [
        ("/regression", {"method": "ridge"}, 422, "/alpha"),
        ("/regression", {"method": "ridge", "alpha": -1}, 422, "/alpha"),
        ("/regression", {"method": "huber", "covariance": "HC3"}, 422, "/covariance"),
        ("/regression", {"covariance": "HC4"}, 422, "/covariance"),
        ("/regression", {"covariance": "HAC", "lag": 9}, 422, "/lag"),
        ("/regression", {"method": "siegel", "degree": 2}, 422, "/degree"),
        ("/regression", {"influence": True, "method": "tukey"}, 422, "/influence"),
        ("/regression", {"influence": "yes"}, 400, "/influence"),
        ("/regression", {"at": [1]}, 400, "/at"),
        ("/regression", {"x": [1, 1, 1, 1], "method": "theil_sen"}, 422, "/x"),
        ("/regression/predict", {}, 422, "/at"),
        ("/regression/predict", {"at": []}, 422, "/at"),
        ("/regression/predict", {"at": [[1], [2]]}, 422, "/at"),
        ("/regression/predict", {"at": [None]}, 422, "/at/0"),
        ("/regression/predict", {"at": ["1"]}, 400, "/at/0"),
        ("/regression/predict", {"at": [1], "y": [1, None, 2, 3]}, 422, "/y/1"),
        ("/regression/predict", {"y": [None, None, None, None]}, 422, "/y"),
        ("/regression/predict", {"y": [1, None, None, None]}, 422, "/y"),
        ("/regression/predict", {"at": [1], "weights": [1, 2, 0, 1]}, 422, "/weights/2"),
        ("/regression/predict", {"x": [[1, 2, 3, 4], [1, 2, 2, 1]], "at": [[1, 2], [3]]}, 422, "/at/1"),
    ],
)
def test_refusals(stats: httpx.Client, path: str, body: dict[str, Any], status: int, pointer: str) -> None:
    answer = stats.post(path, json={"x": [1, 2, 3, 4], "y": [1, 3, 2, 5], **body})
    assert answer.status_code == status, answer.text
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]


def test_the_document_holds_and_its_examples_too(stats: httpx.Client) -> None:
    document = stats.get(f"{str(stats.base_url).removesuffix('/v1/stats/')}/openapi.json").json()
    for path in PATHS:
        operation = document["paths"][f"/v1/stats{path}"]["post"]
        assert operation["x-vernier-cacheable"] is True
        parameters = {each["name"] for each in operation["parameters"]}
        assert {"covariance", "lag", "alpha", "method"} <= parameters
        assert "at" not in parameters
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
            answer = post(stats, path, **example["value"])
            assert set(answer) == set(document["components"]["schemas"][schema]["properties"])


def test_answers_of_the_examples(stats: httpx.Client) -> None:
    past = post(stats, "/regression", **examples.REGRESSION["A line past an outlier"])
    assert past["coef"] == pytest.approx([0, 2], abs=0.2)
    near = post(stats, "/regression", **examples.REGRESSION["Two columns nearly the same, by ridge"])
    assert near["coef"][1:] == pytest.approx([1, 1], abs=0.1)
    further = post(stats, "/regression/predict", **examples.PREDICTION["A line, further on"])
    assert further["y"] == pytest.approx([11.99, 13.98, 15.97])
    assert all(p[0] < c[0] < y < c[1] < p[1] for y, c, p in zip(*(further[k] for k in ("y", "ci", "pi")), strict=True))
