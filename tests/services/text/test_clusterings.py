"""Clusterings that are kept, over a real socket and in a real Redis."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from services.text.assignment import Reference
from services.text.cluster_examples import ASSIGN, CLUSTER, TRANSCRIPT
from services.text.embedder import Vectors
from services.text.keeping import PREFIX
from services.text.packing import Kept, packed
from shared.redis import connect
from tests.processes import running, running_redis
from tests.services.text.served import MODEL_VERSION

TEXTS = CLUSTER["Three topics"]["texts"]
NEW = ["When does my new card come?", "I want another PIN.", "Is there a fee for transfers abroad?", "[inaudible]"]
CLUSTERINGS = "/v1/text/cluster"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as (_, url):
        yield url


@pytest.fixture(scope="module")
def url(redis: str, model_folder: Path) -> Iterator[str]:
    assert model_folder.is_dir()
    with running("services.text", REDIS_URL=redis, VERNIER_TEXT_MAX_CLUSTERINGS="10") as process:
        yield process.address + CLUSTERINGS


def keep(client: httpx.Client, url: str, **body: Any) -> dict[str, Any]:
    answer = client.post(url, params={"keep": True}, json={"texts": TEXTS, "k": 3, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("method", ["kmeans", "agglomerative", "gmm"])
def test_new_texts_join_clusters_that_are_kept(client: httpx.Client, url: str, method: str) -> None:
    kept = keep(client, url, method=method)
    answer = client.post(f"{url}/{kept['id']}/assign", json={"texts": NEW})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert found["model"] == {"name": "text-embedding", "version": MODEL_VERSION}
    assert found["id"] == kept["id"]
    assert found["labels"] == [0, 1, 2, -1]
    assert found["distance"][3] is None
    assert all(0 < distance < 1 for distance in found["distance"][:3])
    assert (found["probability"] is not None) == (method == "gmm")
    assert found["projection"]["x"][3] is None
    own = client.post(f"{url}/{kept['id']}/assign", json={"texts": TEXTS, "draw": False}).json()
    assert own["labels"] == kept["labels"]
    assert own["distance"][:9] == pytest.approx(kept["distance"][:9], abs=1e-2)
    assert own["projection"] is None


def test_the_same_request_is_kept_once_and_its_answer_can_be_read(client: httpx.Client, url: str) -> None:
    one, two = keep(client, url, seed=7), keep(client, url, seed=7)
    assert one == two
    assert one["id"] != keep(client, url, seed=8)["id"]
    read = client.get(f"{url}/{one['id']}")
    assert read.json() == one
    assert read.headers["cache-control"] == "no-store"
    assert client.post(url, json={"texts": TEXTS, "k": 3, "seed": 7}).json() == {**one, "id": None}
    for seed in (7, 8):
        assert client.delete(f"{url}/{keep(client, url, seed=seed)['id']}").status_code == 204
    assert client.get(f"{url}/{one['id']}").status_code == 404


def test_new_texts_have_a_place_on_the_map(client: httpx.Client, url: str) -> None:
    kept = keep(
        client,
        url,
        texts=[f"{text} {each}" for each in ("Please help.", "Thanks!") for text in TEXTS[:9]],
        projection="tsne",
    )
    assert kept["projection"]["method"] == "tsne"
    one = client.post(f"{url}/{kept['id']}/assign", json={"texts": NEW}).json()["projection"]
    assert one["method"] == "tsne"
    assert None not in one["x"][:3]
    assert one == client.post(f"{url}/{kept['id']}/assign", json={"texts": NEW}).json()["projection"]


def test_a_transcript_is_kept_too(client: httpx.Client, url: str) -> None:
    query: dict[str, Any] = {"keep": "true", "k": 2}
    kept = client.post(url, params=query, content=TRANSCRIPT, headers={"Content-Type": "text/csv"}).json()
    found = client.post(f"{url}/{kept['id']}/assign", json={"texts": NEW[:1]}).json()
    assert found["labels"] == [kept["labels"][0]]


def test_examples_run(client: httpx.Client, url: str) -> None:
    kept = keep(client, url)
    for example in ASSIGN.values():
        assert client.post(f"{url}/{kept['id']}/assign", json=example).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({}, 400, "/texts"),
        ({"texts": []}, 422, "/texts"),
        ({"texts": ["a", " "]}, 422, "/texts/1"),
        ({"texts": ["[inaudible]"]}, 422, "/texts"),
        ({"texts": ["a"], "draw": 1}, 400, "/draw"),
        ({"texts": ["a"], "k": 1}, 400, "/k"),
    ],
)
def test_refusals_point_at_the_field(client: httpx.Client, url: str, body: Any, status: int, pointer: str) -> None:
    answer = client.post(f"{url}/{keep(client, url)['id']}/assign", json=body)
    assert answer.status_code == status, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


def test_what_is_not_there(client: httpx.Client, url: str) -> None:
    for answer in (
        client.get(f"{url}/none"),
        client.delete(f"{url}/none"),
        client.post(f"{url}/none/assign", json={"texts": ["a"]}),
    ):
        assert answer.status_code == 404
        assert "there is no clustering none: one is kept for 24 h after its last use" in answer.json()["detail"]
    assert client.get(f"{url}/-").status_code == 422
    assert client.post(f"{url}?keep=perhaps", json={"texts": TEXTS}).status_code == 400
    assert client.post(f"{url}/none/assign", json={"texts": ["a"] * 5001}).status_code == 413


def test_one_of_another_model_is_refused_and_one_of_another_release_made_anew(
    client: httpx.Client, url: str, redis: str
) -> None:
    row: Vectors = np.eye(1, 384, dtype=np.float32)
    reference = Reference("kmeans", 0, np.zeros(1, int), row, np.ones(1), None, row, None, None)
    other = packed(Kept("another", 1, b"{}", reference))
    made = keep(client, url)
    put(redis, "other", other)
    put(redis, made["id"], packed(Kept(MODEL_VERSION, 1, b"{}", reference), release=0))
    refused = client.post(f"{url}/other/assign", json={"texts": ["a"]})
    assert refused.status_code == 409
    assert "version another" in refused.json()["detail"]
    assert client.get(f"{url}/{made['id']}").status_code == 409
    assert keep(client, url) == made
    assert client.get(f"{url}/{made['id']}").json() == made


def put(redis: str, id: str, content: bytes) -> None:
    async def store() -> None:
        client = connect(redis, timeout_s=2)
        await client.set(f"{PREFIX}clusterings:{id}", content)
        await client.aclose()

    asyncio.run(store())


def test_only_so_many_are_kept(client: httpx.Client, url: str) -> None:
    answers = [client.post(url, params={"keep": 1}, json={"texts": TEXTS, "k": 1, "seed": seed}) for seed in range(11)]
    assert answers[-1].status_code == 503
    assert "as many clusterings as may be kept" in answers[-1].json()["detail"]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_without_redis_nothing_is_kept_and_faults_are_told_first(client: httpx.Client, text_url: str) -> None:
    answer = client.post(f"{text_url}{CLUSTERINGS}?keep=true", json={"texts": TEXTS})
    assert answer.status_code == 503
    assert "REDIS_URL" in answer.json()["detail"]
    assert client.post(f"{text_url}{CLUSTERINGS}?keep=true", json={"texts": TEXTS, "k": 99}).status_code == 422
    assert client.get(f"{text_url}{CLUSTERINGS}/a").status_code == 503


def test_keep_is_an_effect_that_the_gateway_knows(client: httpx.Client, text_url: str) -> None:
    document = client.get(f"{text_url}/openapi.json").json()["paths"]
    parameters = {each["name"]: each for each in document[CLUSTERINGS]["post"]["parameters"]}
    assert parameters["keep"]["schema"]["x-vernier-effect"] is True
    assert {"text", "speaker", "time", "method", "k", "bins"} <= parameters.keys()
    assert "x-vernier-cacheable" not in document[CLUSTERINGS + "/{id}/assign"]["post"]
