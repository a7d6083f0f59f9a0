"""Covariance over HTTP: every kind and estimator, as JSON and as a table."""

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from tests.services.stats import lsat6

Ask = Callable[..., dict[str, Any]]
COLUMNS: dict[str, list[float | None]] = {
    "a": [1, 0, 1, 1, 0, 1, 0, 0, 1, 1],
    "b": [1, 0, 1, 0, 0, 1, 1, 0, 1, 1],
    "c": [0, 0, 1, 1, 0, 1, 0, 1, 1, 0],
}


@pytest.fixture
def ask(stats_url: str, client: httpx.Client) -> Ask:
    def post(**body: Any) -> dict[str, Any]:
        answer = client.post(f"{stats_url}/v1/stats/covariance", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return post


def test_law_school_admission_test(ask: Ask) -> None:
    columns = {name: values.tolist() for name, values in lsat6.columns().items()}
    body = ask(columns=columns, kind="tetrachoric")
    assert body["matrix"][3][4] == pytest.approx(0.2009241151, abs=1e-9)
    assert body["matrix"][0][0] == 1.0
    assert (body["se"][0][0], body["shrinkage"], body["counts"], body["repaired"]) == (None, None, None, False)
    assert body["se"][0][1] == pytest.approx(0.0742, abs=1e-4)
    assert body["model"] == {"name": "covariance", "version": "2"}


@pytest.mark.parametrize("kind", ["covariance", "pearson", "spearman", "kendall", "tetrachoric"])
@pytest.mark.parametrize("missing", ["reject", "pairwise", "listwise"])
def test_kinds(ask: Ask, kind: str, missing: str) -> None:
    holes = {} if missing == "reject" else {"d": [None, 1, 0, 0, 1, 0, 1, 1, 1, 0]}
    body = ask(columns={**COLUMNS, **holes}, kind=kind, missing=missing)
    matrix = np.array(body["matrix"])
    assert np.array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix)[0] > -1e-12
    assert kind == "covariance" or np.diagonal(matrix).tolist() == [1.0] * len(matrix)
    assert body["n"] == (9 if missing == "listwise" else 10)


@pytest.mark.parametrize("estimator", ["sample", "mle", "ledoit_wolf", "oas", "mcd"])
def test_estimators(ask: Ask, estimator: str) -> None:
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=30).tolist() for name in "ab"}
    body = ask(columns=columns, estimator=estimator)
    assert (body["shrinkage"] is not None) == (estimator in ("ledoit_wolf", "oas"))
    assert (body["support"] is not None) == (estimator == "mcd")
    assert body["matrix"][0][0] > 0


def test_a_repair_is_said_and_can_be_declined(ask: Ask) -> None:
    one, two, none = [1, 2, 3], [3, 2, 1], [None] * 3
    columns = {"a": one + one + none, "b": one + none + one, "c": none + one + two}
    body = ask(columns=columns, kind="pearson", missing="pairwise")
    assert body["repaired"] is True
    assert body["matrix"][0] == pytest.approx([1, 0.5, 0.5])
    assert "nearest correlation matrix" in body["warnings"][0]
    body = ask(columns=columns, kind="pearson", missing="pairwise", repair="none")
    assert body["repaired"] is False
    assert body["matrix"][0] == pytest.approx([1, 1, 1])
    assert "not positive semidefinite" in body["warnings"][0]


def test_parameters_of_a_table_stand_in_the_query(stats_url: str, client: httpx.Client) -> None:
    table = "a,b\n" + "".join(f"{x},{y}\n" for x, y in zip(COLUMNS["a"], COLUMNS["b"], strict=True))
    query = {"kind": "tetrachoric", "empty_cells": "0.25", "repair": "none", "missing": "listwise"}
    url, csv = f"{stats_url}/v1/stats/covariance", {"Content-Type": "text/csv"}
    answer = client.post(url, content=table, params=query, headers=csv)
    assert answer.status_code == 200, answer.text
    assert answer.json()["matrix"][0][1] > 0.5
    refused = client.post(url, content=table, params={"empty_cells": "2"}, headers=csv)
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"columns": {"a": [1, 2, 3]}, "kind": "tetrachoric"}, 422, "/columns/a/1"),
        ({"columns": {"a": [1, 2, 3]}, "kind": "kendall", "estimator": "mcd"}, 422, "/estimator"),
        ({"columns": {"a": [1, 2, 2, 2]}, "estimator": "robust"}, 422, "/estimator"),
        ({"columns": {"a": [1, 1, 1, 1]}, "estimator": "mcd"}, 422, "/columns/a"),
        ({"columns": {"a": [1, None, 1, 2]}, "estimator": "oas", "missing": "pairwise"}, 422, "/columns/a/1"),
        ({"columns": {"a": [1, 2]}, "empty_cells": -1}, 422, "/empty_cells"),
        ({"columns": {"a": [1, 2]}, "repair": "all"}, 422, "/repair"),
        ({"columns": {"a": list(range(21_000))}, "estimator": "mcd"}, 413, None),
    ],
)
def test_refusals(stats_url: str, client: httpx.Client, body: dict[str, Any], status: int, pointer: str | None) -> None:
    answer = client.post(f"{stats_url}/v1/stats/covariance", json=body)
    assert answer.status_code == status, answer.text
    assert pointer is None or pointer in [each["pointer"] for each in answer.json()["errors"]]
