"""Each kind of job on its real service: the result is the call's own answer, byte for byte."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import gateway_before
from tests.gateway.jobs.laboratory import ASYNC, FINAL
from tests.gateway.jobs.test_events import assert_monotone, events
from tests.polling import until
from tests.processes import PATIENCE_S, running, running_redis


@pytest.fixture(scope="module")
def vernier(
    tmp_path_factory: pytest.TempPathFactory, speed_url: str, text_url: str, stats_url: str
) -> Iterator[httpx.Client]:
    """A gateway and a worker before the three services."""
    services = {"speed": speed_url, "text": text_url, "stats": stats_url}
    worker = {f"VERNIER_JOBS_{name.upper()}_URL": url for name, url in services.items()}
    with ExitStack() as stack:
        _, redis_url = stack.enter_context(running_redis(tmp_path_factory.mktemp("redis")))
        gateway = stack.enter_context(gateway_before(services, REDIS_URL=redis_url))
        stack.enter_context(running("gateway.jobs", REDIS_URL=redis_url, VERNIER_JOBS_BEAT_S="0.02", **worker))
        yield stack.enter_context(httpx.Client(base_url=gateway.address, timeout=PATIENCE_S))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    from services.speed.camera import PRESETS
    from services.speed.render import render_clip

    path = tmp_path_factory.mktemp("clip") / "road.mp4"
    render_clip(path, seconds=8.0, fps=10.0, seed=1, camera=PRESETS["kitti"].scaled(620, 188))
    return path.read_bytes()


def as_job(client: httpx.Client, path: str, **request: Any) -> tuple[httpx.Response, list[dict[str, Any]]]:
    """The result, and every state that its events told."""
    accepted = client.post(path, headers={**request.pop("headers", {}), **ASYNC}, **request)
    assert accepted.status_code == 202, accepted.text
    place = accepted.headers["location"]
    with client.stream("GET", f"{place}/events", headers={"Last-Event-ID": "0"}) as answer:
        seen = list(events(answer))
    assert_monotone(seen)
    assert seen[-1][1]["status"] in FINAL
    return client.get(f"{place}/result"), [job for _, job in seen]


def at_once(client: httpx.Client, path: str, **request: Any) -> httpx.Response:
    """Computed, not cached."""
    return client.post(path, headers={**request.pop("headers", {}), "Cache-Control": "no-store"}, **request)


def assert_same(result: httpx.Response, call: httpx.Response) -> None:
    assert (result.status_code, result.content) == (call.status_code, call.content)
    ours = {"date", "x-request-id", "vernier-identity", "server-timing", "x-cache-status", "cache-control", "etag"}
    assert {k: v for k, v in result.headers.items() if k not in ours} == {
        k: v for k, v in call.headers.items() if k not in ours
    }


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_a_video(vernier: httpx.Client, video: bytes, accept: str) -> None:
    request: dict[str, Any] = {"params": {"camera": "kitti"}, "files": {"file": ("road.mp4", video, "video/mp4")}}
    result, seen = as_job(vernier, "/v1/speed/video", headers={"Accept": accept}, **request)
    assert result.status_code == 200
    assert_same(result, at_once(vernier, "/v1/speed/video", headers={"Accept": accept}, **request))
    assert {job["kind"] for job in seen} == {"video"}
    assert [job["progress"] for job in seen if 0 < job["progress"] < 1], "the service told how many frames were done"


def test_a_clustering(vernier: httpx.Client) -> None:
    texts = [f"{subject} {verb} the {thing}" for subject in SUBJECTS for verb, thing in PAIRS]
    body = {"texts": texts, "k": "auto", "seed": 3, "projection": "pca"}
    result, seen = as_job(vernier, "/v1/text/cluster", json=body)
    assert result.status_code == 200
    assert_same(result, at_once(vernier, "/v1/text/cluster", json=body))
    assert [job["progress"] for job in seen if 0 < job["progress"] < 1], "the service told how far it was"


def test_a_batch_of_trends(vernier: httpx.Client) -> None:
    series = {f"s{n}": [((k * (n + 3)) % 17) + 0.01 * k for k in range(400)] for n in range(300)}
    result, seen = as_job(vernier, "/v1/stats/trend", json={"series": series})
    assert result.status_code == 200
    assert len(result.json()["trend"]) == 300
    assert_same(result, at_once(vernier, "/v1/stats/trend", json={"series": series}))
    assert {job["kind"] for job in seen} == {"trend"}


def test_a_refusal_is_the_services_own(vernier: httpx.Client) -> None:
    result, seen = as_job(vernier, "/v1/stats/trend", json={"series": [1, 2]})
    call = at_once(vernier, "/v1/stats/trend", json={"series": [1, 2]})
    assert (result.status_code, result.headers["content-type"]) == (422, "application/problem+json")
    for name in ("type", "title", "status", "detail", "errors", "instance"):
        assert result.json()[name] == call.json()[name]
    assert (seen[-1]["status"], seen[-1]["error"]["detail"]) == ("failed", call.json()["detail"])


def test_progress_is_not_for_clients(vernier: httpx.Client, stats_url: str) -> None:
    assert vernier.get("/internal/progress?request_id=1").status_code == 404
    assert "there is nothing at" in vernier.get("/internal/progress?request_id=1").json()["detail"]
    assert "no active request" in httpx.get(f"{stats_url}/internal/progress?request_id=1").json()["detail"]
    assert not [path for path in vernier.get("/openapi.json").json()["paths"] if "internal" in path]


def test_the_services_mark_what_may_be_a_job(vernier: httpx.Client) -> None:
    document = vernier.get("/openapi.json").json()
    kinds = {path: item["post"].get("x-vernier-job") for path, item in document["paths"].items() if "post" in item}
    marked = {path: kind for path, kind in kinds.items() if kind}
    assert marked == {
        "/v1/speed/video": "video",
        "/v1/speed/evaluate": "evaluate",
        "/v1/text/cluster": "cluster",
        "/v1/text/sessions": "sessions",
        "/v1/stats/trend": "trend",
    }
    for path in marked:
        assert "202" in document["paths"][path]["post"]["responses"]


def test_a_cancelled_clustering_leaves_its_service_free(vernier: httpx.Client, text_url: str) -> None:
    texts = [f"{n} {subject} {verb} the {thing}" for n in range(20) for subject in SUBJECTS for verb, thing in PAIRS]
    accepted = vernier.post("/v1/text/cluster", json={"texts": texts, "k": "auto", "projection": None}, headers=ASYNC)
    place = accepted.headers["location"]
    until(lambda: vernier.get(place).json()["progress"] > 0, "the clustering has begun")
    assert vernier.delete(place).json()["status"] == "cancelled"
    until(lambda: active(text_url) == 1, "the service has nothing to do but to say so")
    assert vernier.get(place).json()["status"] == "cancelled"


def active(service: str) -> float:
    [line] = [line for line in httpx.get(f"{service}/metrics").text.splitlines() if line.startswith(ACTIVE)]
    return float(line.split()[1])


ACTIVE = "http_server_active_requests "
SUBJECTS = ["the dog", "a driver", "our neighbour", "that pilot", "my sister"]
VERBS = ["sees", "paints", "repairs", "sells", "remembers", "measures"]
THINGS = ["old house", "river", "engine", "violin", "recipe"]
PAIRS = [(verb, thing) for verb in VERBS for thing in THINGS]
