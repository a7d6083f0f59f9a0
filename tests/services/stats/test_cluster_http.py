"""Clustering over HTTP."""

from typing import Any

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_iris

from services.stats import cluster_examples
from tests.services.stats.asking import Ask

POINTS = cluster_examples.CLUSTER["Three groups in the plane"]["x"]
GROUPS = [0, 0, 0, 1, 1, 1, 2, 2]


@pytest.fixture
def url(stats_url: str) -> str:
    return f"{stats_url}/v1/stats/cluster"


def test_kmeans(ask: Ask) -> None:
    iris = load_iris().data.T.tolist()
    body = ask(x=iris, k=3)
    assert body["inertia"] == pytest.approx(78.851441426146)
    assert (body["k"], body["sizes"], body["tree"], body["membership"]) == (3, [62, 50, 38], None, None)
    assert body["silhouette"] == pytest.approx(0.5528, abs=1e-4)
    assert body["model"] == {"name": "k-means", "version": "1"}
    assert ask(x=iris, k=3) == body
    chosen = ask(x=iris)
    assert chosen["k"] == 2  # the silhouette's well-known choice
    assert [each["k"] for each in chosen["tried"]] == [2, 3, 4, 5, 6, 7, 8]
    assert chosen["tried"][1]["silhouette"] == pytest.approx(body["silhouette"])


@pytest.mark.parametrize("method", ["kmeans", "hierarchical", "gmm"])
def test_three_groups(ask: Ask, method: str) -> None:
    body = ask(x=POINTS, method=method, k=3, shape="spherical")
    labels = np.array(body["labels"])
    assert [len(set(labels[np.array(GROUPS) == g])) for g in range(3)] == [1, 1, 1]
    assert sorted(body["sizes"]) == [2, 3, 3]
    assert body["centres"][body["labels"][7]] == pytest.approx([8.95, 1.15])
    assert (body["membership"] is not None) == (method == "gmm")


def test_a_tree(ask: Ask) -> None:
    body = ask(x=POINTS, method="hierarchical", linkage="average", height=2.0)
    assert body["k"] == 3
    assert len(body["tree"]["left"]) == 7
    assert body["tree"]["size"][-1] == 8
    assert body["tree"]["height"] == sorted(body["tree"]["height"])
    assert ask(x=POINTS, method="hierarchical")["k"] == 3
    assert ask(x=POINTS, method="hierarchical", k=8)["sizes"] == [1] * 8


def test_columns_in_different_units(ask: Ask) -> None:
    rng = np.random.default_rng(0)
    far, noise = np.repeat([0.0, 1.0], 20) + rng.normal(size=40) * 0.05, rng.normal(size=40) * 1000
    plain = ask(x=[far.tolist(), noise.tolist()], k=2)
    scaled = ask(x=[(far * 1e6).tolist(), noise.tolist()], k=2, scale="standard")
    assert len(set(plain["labels"][:20])) == 2
    assert len(set(scaled["labels"][:20])) == 1
    assert scaled["centres"][scaled["labels"][20]][0] == pytest.approx(1e6, rel=0.05)


def test_nothing_to_tell_apart(ask: Ask) -> None:
    assert ask(x=[3])["labels"] == [0]
    body = ask(x=[5, 5, 5])
    assert (body["k"], body["silhouette"]) == (1, None)
    assert "nothing to tell apart" in body["warnings"][0]
    line = ask(x=np.random.default_rng(0).normal(size=(5, 200)).tolist())
    assert "do not fall into groups" in line["warnings"][0]


def test_a_table_in_and_out(url: str, client: httpx.Client) -> None:
    headers = {"Content-Type": "text/csv", "Accept": "text/csv"}
    answer = client.post(url, content=cluster_examples.CLUSTER_TABLE, params={"k": "3"}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.text.splitlines() == ["labels", "0", "0", "1", "1", "2"]


def test_a_picture_of_a_tree(url: str, client: httpx.Client) -> None:
    body = {"x": POINTS, "method": "hierarchical"}
    assert client.post(url, json=body, headers={"Accept": "image/png"}).content.startswith(b"\x89PNG")
    assert client.post(url, json={**body, "k": 1}, headers={"Accept": "image/svg+xml"}).status_code == 200
    assert client.post(url, json={"x": POINTS}, headers={"Accept": "image/png"}).status_code == 406


REFUSALS: list[tuple[dict[str, Any], int, str | None]] = [
    ({"x": []}, 422, "/x"),
    ({"x": [[1, 2], [1]]}, 422, "/x/1"),
    ({"x": [1, 1, 2], "k": 3}, 422, "/k"),
    ({"x": [1, 2], "method": "hierarchical", "k": 3}, 422, "/k"),
    ({"x": [1], "method": "hierarchical"}, 422, "/x"),
    ({"x": [1, 2, 3], "height": 1}, 422, "/height"),
    ({"x": [1, 2, 3], "height": 1, "k": 2, "method": "hierarchical"}, 422, "/height"),
    ({"x": [1, 1, 1], "method": "gmm"}, 422, "/x"),
    ({"x": [1, 2], "k": 0}, 422, None),
    ({"x": [1, 2], "method": "dbscan"}, 422, "/method"),
    ({"x": [1, 2], "names": ["a", "b"]}, 422, "/names"),
    ({"x": list(range(5001)), "method": "hierarchical"}, 413, None),
    ({"x": list(range(200_000)), "k": 1000}, 413, None),
    ({"x": list(range(200_000)), "method": "gmm", "k": 50}, 413, None),
    ({"x": [[1, 2]] * 501}, 413, None),
]


@pytest.mark.parametrize(("body", "status", "pointer"), REFUSALS)
def test_refusals(url: str, client: httpx.Client, body: dict[str, Any], status: int, pointer: str | None) -> None:
    answer = client.post(url, json=body)
    assert answer.status_code == status, answer.text
    assert pointer is None or pointer in [each["pointer"] for each in answer.json()["errors"]], answer.text
