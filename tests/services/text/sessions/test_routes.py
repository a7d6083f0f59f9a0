"""/v1/text/sessions over a real socket, kept in a real Redis."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.text.sessions.examples import ITEM_CLUSTER, LOG, SESSIONS, SIMILAR
from tests.processes import running, running_redis

EXAMPLE = next(iter(SESSIONS.values()))
TEXT = {"Content-Type": "text/plain"}


@pytest.fixture(scope="module")
def sessions_url(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert model_folder.is_dir()
    with (
        running_redis(tmp_path_factory.mktemp("redis")) as (_, url),
        running("services.text", REDIS_URL=url, VERNIER_TEXT_MAX_CLICKS="50000") as process,
    ):
        yield f"{process.address}/v1/text/sessions"


@pytest.fixture
def made(client: httpx.Client, sessions_url: str) -> dict[str, Any]:
    answer = client.post(sessions_url, json=EXAMPLE)
    assert answer.status_code == 201
    body: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/text/sessions/{body['id']}"
    return body


def test_the_same_sessions_are_the_same_vectors(client: httpx.Client, sessions_url: str, made: dict[str, Any]) -> None:
    assert made["model"] == {"name": "item-vectors", "version": "1"}
    assert (made["sessions"], made["clicks"]) == (6, 18)
    assert made["items"] >= made["dimensions"] > 1
    assert client.post(sessions_url, json=EXAMPLE).json() == made
    assert client.get(f"{sessions_url}/{made['id']}").json() == made
    other = client.post(sessions_url, json={**EXAMPLE, "window": 2}).json()
    assert other["id"] != made["id"]


def test_neighbours_analogies_groups(client: httpx.Client, sessions_url: str, made: dict[str, Any]) -> None:
    url = f"{sessions_url}/{made['id']}"
    near = client.post(f"{url}/similar", json={"positive": ["/cards/order"], "top": 2}).json()["similar"]
    assert all(each["item"].startswith("/cards") for each in near)
    assert near[0]["cosine"] >= near[1]["cosine"] > 0
    for example in SIMILAR.values():
        assert client.post(f"{url}/similar", json=example).status_code == 200
    groups = client.post(f"{url}/cluster", json=ITEM_CLUSTER["Two groups"]).json()
    label = dict(zip(groups["items"], groups["labels"], strict=True))
    assert label["/cards/order"] == label["/cards/delivery"] != label["/transfers/fees"]
    assert label["/transfers/fees"] == label["/transfers/abroad"]
    assert len(groups["projection"]["x"]) == made["items"]
    assert sum(each["size"] for each in groups["clusters"]) == made["items"]


def test_vectors_are_exported_and_forgotten(client: httpx.Client, sessions_url: str) -> None:
    made = client.post(sessions_url, json={**EXAMPLE, "seed": 77}).json()
    url = f"{sessions_url}/{made['id']}"
    answer = client.get(f"{url}/vectors")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    first, *rest = answer.text.splitlines()
    assert first == f"{made['items']} {made['dimensions']}"
    assert [len(line.split(" ")) for line in rest] == [1 + made["dimensions"]] * made["items"]
    assert client.delete(url).status_code == 204
    assert [client.get(url).status_code, client.delete(url).status_code] == [404, 404]


def test_an_access_log(client: httpx.Client, sessions_url: str) -> None:
    answer = client.post(f"{sessions_url}?min_count=2&dimensions=8", content=LOG, headers=TEXT)
    assert answer.status_code == 201
    assert answer.json()["log"] == {"lines": 36, "strange": 0, "assets": 0, "robots": 0, "unserved": 0}
    assert answer.json()["sessions"] == 12


def test_a_real_access_log_has_sensible_neighbours(client: httpx.Client, sessions_url: str, data: Path) -> None:
    log = (data / "text" / "apache_logs").read_bytes()
    made = client.post(f"{sessions_url}?min_count=3", content=log, headers=TEXT).json()
    assert made["log"]["lines"] == 10_000
    url = f"{sessions_url}/{made['id']}/similar"
    for page, expected in {
        "/projects/xdotool/": "/projects/xdotool/xdotool.xhtml",
        "/projects/keynav/": "/projects/keynav/keynav.html",
        "/presentations/logstash-puppetconf-2012/": "/presentations/puppet-at-loggly/puppet-at-loggly.pdf.html",
        "/blog/geekery/xvfb-firefox.html": "/blog/geekery/headless-wrapper-for-ephemeral-xservers.html",
    }.items():
        near = client.post(url, json={"positive": [page], "top": 3}).json()["similar"]
        assert expected in [each["item"] for each in near], page


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"sessions": []}, 422, "at least 1"),
        ({"sessions": [[]]}, 422, "no session has an item"),
        ({"sessions": [["a", "b"]], "min_count": 1, "method": "glove"}, 422, "word2vec"),
        ({"sessions": [["a", 1]]}, 400, "string"),
        ({"sessions": [["a", ""]]}, 422, "at least 1 character"),
        ({"sessions": "a b"}, 400, "array"),
        ({"sessions": [["a", "b"]]}, 422, "lower min_count"),
        ({"sessions": [["a"] * 50_001]}, 413, "50,001"),
        ({"sessions": [["a", "b"]], "dimensions": 1}, 422, "2"),
    ],
)
def test_what_is_refused(client: httpx.Client, sessions_url: str, body: dict[str, Any], status: int, said: str) -> None:
    answer = client.post(sessions_url, json=body)
    assert answer.status_code == status, answer.text
    assert said in answer.text


def test_a_log_that_is_none_and_parameters_that_are_none(client: httpx.Client, sessions_url: str) -> None:
    for content, query, status, said in (
        (b"\xff\xfe", "", 400, "not UTF-8"),
        (b"no log", "", 400, "common or combined"),
        (b"", "", 400, "empty"),
        (LOG.encode(), "?dimensions=x", 400, "dimensions"),
        (LOG.encode(), "?window=2&window=3", 400, "more than once"),
        (LOG.encode(), "?colour=red", 400, "colour"),
    ):
        answer = client.post(f"{sessions_url}{query}", content=content, headers=TEXT)
        assert (answer.status_code, said in answer.text) == (status, True), answer.text
    assert client.post(f"{sessions_url}?window=2", json=EXAMPLE).status_code == 400
    assert client.post(sessions_url, content=b"x", headers={"Content-Type": "text/csv"}).status_code == 415


def test_what_is_asked_of_vectors(client: httpx.Client, sessions_url: str, made: dict[str, Any]) -> None:
    url = f"{sessions_url}/{made['id']}"
    unknown = client.post(f"{url}/similar", json={"positive": ["/nowhere"]})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/positive/0")
    assert client.post(f"{url}/cluster", json={"k": 500}).status_code == 422
    assert client.post(f"{sessions_url}/none/similar", json={"positive": ["a"]}).status_code == 404


def test_without_redis(client: httpx.Client, text_url: str) -> None:
    answer = client.post(f"{text_url}/v1/text/sessions", json=EXAMPLE)
    assert (answer.status_code, "REDIS_URL" in answer.json()["detail"]) == (503, True)
    assert answer.headers["retry-after"]
