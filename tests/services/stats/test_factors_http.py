"""Factor analysis and Boltzmann machines over HTTP."""

from typing import Any

import httpx
import numpy as np
import pytest

from services.stats import factor_examples
from tests.services.stats import lsat6
from tests.services.stats.asking import Ask


@pytest.fixture
def url(stats_url: str) -> str:
    return f"{stats_url}/v1/stats/factors"


@pytest.fixture
def lsat() -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in lsat6.columns().items()}


def test_law_school_admission_test(ask: Ask, lsat: dict[str, list[float]]) -> None:
    body = ask(columns=lsat, correlation="tetrachoric", method="ml")
    assert np.ravel(body["loadings"]) == pytest.approx([0.38172, 0.40624, 0.48625, 0.36934, 0.31910], abs=6e-6)
    assert body["matrix"][0][1] == pytest.approx(0.1703163977, abs=1e-9)
    assert (body["n"], body["fit"], body["factor_correlations"], body["heywood"]) == (1000, None, None, [])
    assert body["model"] == {"name": "factor-analysis", "version": "1"}
    assert ask(columns=lsat, method="ml")["fit"]["df"] == 5


def test_a_matrix_of_covariances(ask: Ask) -> None:
    body = ask(**factor_examples.FACTORS["Two abilities behind six tests"])
    assert body["names"][2] == "blocks"
    assert body["uniqueness"] == pytest.approx([0.455, 0.589, 0.218, 0.769, 0.052, 0.334], abs=5e-4)
    assert body["fit"]["chi2"] == pytest.approx(6.11, abs=5e-3)
    assert body["factor_correlations"][0][1] == pytest.approx(body["factor_correlations"][1][0])
    assert ask(matrix=[[1, 0.5, 0.4], [0.5, 1, 0.3], [0.4, 0.3, 1]])["names"] == ["x1", "x2", "x3"]


@pytest.mark.parametrize("method", ["pa", "ml"])
def test_an_indefinite_matrix_is_mended_and_that_is_said(ask: Ask, method: str) -> None:
    wrong = [[1, 0.9, -0.6, 0.1], [0.9, 1, 0.6, 0.1], [-0.6, 0.6, 1, 0.1], [0.1, 0.1, 0.1, 1]]
    body = ask(matrix=wrong, method=method, n=50)
    assert "not positive semidefinite" in body["warnings"][0]
    assert body["fit"] is None
    assert np.linalg.eigvalsh(np.array(body["matrix"]))[0] > -1e-12


def test_a_heywood_case_is_named(ask: Ask) -> None:
    body = ask(matrix=[[1, 0.8, 0.8], [0.8, 1, 0.5], [0.8, 0.5, 1]], names=["a", "b", "c"])
    assert body["heywood"] == ["a"]
    assert any("Heywood" in each for each in body["warnings"])


def test_a_boltzmann_machine(ask: Ask, lsat: dict[str, list[float]]) -> None:
    body = ask(columns=lsat, method="rbm", n_factors=2, activations=True)
    assert body["training"] == "exact"
    assert body["loglik_bound"] == pytest.approx(-2.45604, abs=5e-6)
    assert -2.4959 < body["loglik"] < body["loglik_bound"]
    assert np.mean(body["row_loglik"]) == pytest.approx(body["loglik"])
    assert np.shape(body["weights"]) == (5, 2)
    assert np.shape(body["hidden"]) == (1000, 2)
    assert body["model"] == {"name": "restricted-boltzmann-machine", "version": "1"}
    again = ask(columns=lsat, method="rbm", n_factors=2)
    assert again["weights"] == body["weights"]
    assert (again["hidden"], again["row_loglik"]) == (None, None)


def test_a_likelihood_that_is_not_computed_is_null_and_said(ask: Ask) -> None:
    rows = (np.random.default_rng(0).random((21, 30)) < 0.5).astype(int).tolist()
    columns = {f"c{j}": row for j, row in enumerate(rows)}
    body = ask(columns=columns, method="rbm", n_factors=21, epochs=1)
    assert (body["loglik"], body["log_partition"], body["training"]) == (None, None, "pcd")
    assert "not computed" in body["warnings"][0]


def test_a_table(url: str, client: httpx.Client, lsat: dict[str, list[float]]) -> None:
    lines = ["a,b,c", *(f"{x:g},{y:g},{z:g}" for x, y, z in zip(*list(lsat.values())[:3], strict=True))]
    query = {"correlation": "tetrachoric", "rotation": "varimax"}
    answer = client.post(url, content="\n".join(lines), params=query, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["names"] == ["a", "b", "c"]
    csv = {"Content-Type": "text/csv", "Accept": "text/csv"}
    answer = client.post(url, content="\n".join(lines), params={**query, "method": "rbm"}, headers=csv)
    assert answer.text.splitlines()[0] == "names,hidden1,visible_bias"
    answer = client.post(url, content="\n".join(lines), params=query, headers=csv)
    assert answer.text.splitlines()[0] == "names,factor1,communalities,uniqueness"
    assert len(answer.text.splitlines()) == 4


ELEVEN = {str(j): [0, 1] for j in range(11)}
LONG = {"a": [0, 1] * 5000, "b": [1, 0] * 5000}
REFUSALS: list[tuple[dict[str, Any], int, str | None]] = [
    ({}, 422, ""),
    ({"columns": {"a": [1, 2]}, "matrix": [[1]]}, 422, ""),
    ({"matrix": [[1, 0.5], [0.5]]}, 422, "/matrix"),
    ({"matrix": [1, 2]}, 400, "/matrix"),
    ({"matrix": []}, 422, "/matrix"),
    ({"matrix": [[1, 0.5, 0.1], [0.5, 1, 0.1]]}, 422, "/matrix"),
    ({"matrix": [[1, 0.5], [0.2, 1]]}, 422, "/matrix/0/1"),
    ({"matrix": [[1, 1.5], [1.5, 1]]}, 422, "/matrix/0/1"),
    ({"matrix": [[1, 0.5], [0.5, 0]]}, 422, "/matrix/1/1"),
    ({"matrix": [[1, None], [None, 1]]}, 422, "/matrix/0/1"),
    ({"matrix": [[1, "a"], ["a", 1]]}, 400, "/matrix/0/1"),
    ({"matrix": [[1, 0.5], [0.5, 1]], "names": ["a"]}, 422, "/names"),
    ({"matrix": [[1, 0.5], [0.5, 1]], "n_factors": 2}, 422, "/n_factors"),
    ({"matrix": [[1, 0.5], [0.5, 1]], "method": "rbm"}, 422, "/matrix"),
    ({"matrix": np.ones((4, 4)).tolist(), "method": "ml"}, 422, None),
    ({"columns": {"a": [1, 2, 3], "b": [1, 2, 4]}, "names": ["a", "b"]}, 422, "/names"),
    ({"columns": {"a": [1, 2, 3], "b": [1, 2, 4]}, "n": 3}, 422, "/n"),
    ({"columns": {"a": [1, 1, 1], "b": [1, 2, 4], "c": [2, 1, 2]}}, 422, "/columns"),
    ({"columns": {"a": [1, 2, 3], "b": [1, None, 4]}}, 422, "/columns/b/1"),
    ({"columns": {"a": [1, 2, 3], "b": [1, 2]}}, 422, "/columns/b"),
    ({"columns": {"a": [0, 1, 2]}, "method": "rbm"}, 422, "/columns/a/1"),
    ({"columns": {"a": [0, 1, None]}, "method": "rbm"}, 422, "/columns/a/2"),
    ({"columns": {"a": [0, None]}, "method": "rbm", "missing": "listwise"}, 422, "/columns"),
    ({"columns": {"a": [0, 1]}, "method": "rbm", "missing": "pairwise"}, 422, "/missing"),
    ({"columns": ELEVEN, "method": "rbm", "n_factors": 11, "training": "exact"}, 422, "/training"),
    ({"columns": LONG, "method": "rbm", "training": "pcd", "n_factors": 200, "epochs": 10_000}, 413, None),
    ({"columns": {str(j): [j, 1, 2 * j] for j in range(201)}}, 413, None),
    ({"columns": {"a": [1, 2]}, "gamma": 1}, 422, "/gamma"),
    ({"columns": {"a": [1, 2]}, "rotation": "equamax"}, 422, "/rotation"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "pointer"), REFUSALS)
def test_refusals(url: str, client: httpx.Client, body: dict[str, Any], status: int, pointer: str | None) -> None:
    answer = client.post(url, json=body)
    assert answer.status_code == status, answer.text
    assert pointer is None or pointer in [each["pointer"] for each in answer.json()["errors"]], answer.text


def test_a_deadline_ends_training(url: str, client: httpx.Client) -> None:
    rows = (np.random.default_rng(0).random((15, 5000)) < 0.5).astype(int).tolist()
    body = {"columns": {f"c{j}": row for j, row in enumerate(rows)}, "method": "rbm", "n_factors": 15, "epochs": 2500}
    answer = client.post(url, json=body, headers={"X-Request-Timeout-Ms": "500"})
    assert answer.status_code == 504, answer.text
    assert client.post(url, json={"matrix": [[1, 0.5], [0.5, 1]]}).status_code == 200
