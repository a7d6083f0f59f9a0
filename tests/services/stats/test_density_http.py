"""Densities over HTTP."""

from typing import Any

import httpx
import numpy as np
import pytest
from scipy.stats import gaussian_kde

from services.stats import density_examples
from tests.services.stats.asking import Ask

WAITING = density_examples.DENSITY["Old Faithful, by kernels"]["x"]


@pytest.fixture
def url(stats_url: str) -> str:
    return f"{stats_url}/v1/stats/density"


@pytest.mark.parametrize("method", ["kde", "gmm"])
def test_a_grid_covers_what_there_is(ask: Ask, method: str) -> None:
    body = ask(x=WAITING, method=method)
    assert (body["names"], body["n"], len(body["density"])) == (["x"], 40, 256)
    # four standard deviations beyond: all but 1e-4
    assert np.trapezoid(body["density"], body["at"]["x"]) == pytest.approx(1.0, abs=1e-3)
    assert body["log_density"] == pytest.approx(np.log(body["density"]))


def test_kernels(ask: Ask) -> None:
    body = ask(x=WAITING, at=[50, 60.5, 70], bandwidth="silverman")
    peer = gaussian_kde(WAITING, "silverman")
    assert body["density"] == pytest.approx(peer([50, 60.5, 70]).tolist())
    assert body["kernel_sd"] == pytest.approx(np.sqrt(peer.covariance[0]).tolist())
    assert (body["components"], body["k"], body["criteria"], body["loglik"]) == (None, None, None, None)
    assert body["model"] == {"name": "kernel-density", "version": "1"}


def test_a_mixture(ask: Ask) -> None:
    body = ask(x=WAITING, method="gmm", largest=3)
    assert body["k"] == 2
    assert [each["k"] for each in body["criteria"]] == [1, 2, 3]
    first, second = body["components"]
    assert first["weight"] + second["weight"] == pytest.approx(1)
    assert [first["mean"][0], second["mean"][0]] == pytest.approx([79, 56], abs=2)  # long waits and short ones
    assert ask(x=WAITING, method="gmm", largest=3) == body
    assert len(ask(x=WAITING, method="gmm", k=4)["components"]) == 4


def test_two_columns_and_three(ask: Ask) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 50)).tolist()
    body = ask(x=x[:2], names=["a", "b"], grid=20)
    assert len(body["density"]) == len(body["at"]["a"]) == 400
    body = ask(x=x)
    assert body["at"]["x3"] == x[2]  # the rows themselves
    assert len(ask(x=x, at=[[0], [0], [0]])["density"]) == 1


def test_a_table_in_and_out(url: str, client: httpx.Client) -> None:
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    answer = client.post(
        url, content=density_examples.DENSITY_TABLE, params={"grid": "5", "bandwidth": "2.5"}, headers=headers
    )
    assert answer.status_code == 200, answer.text
    lines = answer.text.splitlines()
    assert lines[0] == "waiting_min,density,log_density"
    assert len(lines) == 6


@pytest.mark.parametrize("method", ["kde", "gmm"])
def test_a_picture_of_one_column(url: str, client: httpx.Client, method: str) -> None:
    answer = client.post(url, json={"x": WAITING, "method": method}, headers={"Accept": "image/png"})
    assert answer.content.startswith(b"\x89PNG")
    answer = client.post(url, json={"x": [WAITING, WAITING[::-1]]}, headers={"Accept": "image/png"})
    assert answer.status_code == 406


REFUSALS: list[tuple[dict[str, Any], int, str | None]] = [
    ({"x": [1]}, 422, "/x"),
    ({"x": [2, 2, 2]}, 422, "/x"),
    ({"x": [[1, 2, 3], [4, 4, 4]]}, 422, "/x/1"),
    ({"x": [[1, 2, 3], [4, 5]]}, 422, "/x/1"),
    ({"x": [[1, 2, 3], [2, 4, 6]]}, 422, "/x"),
    ({"x": [1, 2], "names": ["a", "b"]}, 422, "/names"),
    ({"x": [[1, 2], [3, 5]], "names": ["a", "a"]}, 422, "/names"),
    ({"x": [1, None]}, 422, "/x/1"),
    ({"x": [1, 2], "at": [[1], [2]]}, 422, "/at"),
    ({"x": [1, 2], "at": [1], "grid": 10}, 422, "/grid"),
    ({"x": [[1, 2, 4], [3, 5, 4], [1, 5, 5]], "grid": 10, "bandwidth": 1}, 422, "/grid"),
    ({"x": [1, 2], "grid": 1}, 422, "/grid"),
    ({"x": [1, 2], "bandwidth": 0}, 422, None),
    ({"x": [1, 2], "bandwidth": "wide"}, 400, None),
    ({"x": [1, 2], "method": "gmm", "k": 3}, 422, "/k"),
    ({"x": [1, 2], "method": "gmm", "k": 0}, 422, None),
    ({"x": [1, 2], "method": "histogram"}, 422, "/method"),
    ({"x": [[1, 2], [3, 5]], "grid": 4000, "bandwidth": 1}, 413, None),
    ({"x": list(range(200_000)), "grid": 4000}, 413, None),
    ({"x": list(range(200_000)), "method": "gmm"}, 413, None),
    ({"x": [[1, 2]] * 51}, 413, None),
]


@pytest.mark.parametrize(("body", "status", "pointer"), REFUSALS)
def test_refusals(url: str, client: httpx.Client, body: dict[str, Any], status: int, pointer: str | None) -> None:
    answer = client.post(url, json=body)
    assert answer.status_code == status, answer.text
    assert pointer is None or pointer in [each["pointer"] for each in answer.json()["errors"]], answer.text
