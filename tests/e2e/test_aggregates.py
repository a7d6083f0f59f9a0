"""Aggregates through the gateway, and speeds on their way into one: however often it is asked, counted once."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.polling import until

pytestmark = pytest.mark.e2e
Clip = tuple[Path, list[float], dict[str, str]]


@pytest.fixture
def fleet(vernier: str, client: httpx.Client) -> str:
    """The address of a new aggregate."""
    url = f"{vernier}/v1/stats/aggregates/fleet-{uuid.uuid4().hex}"
    body = {"kind": ["count", "mean", "variance", "quantiles"], "columns": ["speed_mps"]}
    made = client.put(url, json=body)
    assert (made.status_code, made.headers["location"]) == (201, url.removeprefix(vernier))
    return url


@pytest.fixture(scope="module")
def short(clip: Clip) -> bytes:
    """A video of a second."""
    from services.speed.camera import PRESETS
    from services.speed.render import render_clip

    path = clip[0].with_name("short.mp4")
    render_clip(path, seconds=1.0, fps=10.0, seed=2, camera=PRESETS["kitti"].scaled(620, 188))
    return path.read_bytes()


def count(client: httpx.Client, fleet: str) -> int:
    answer = client.get(fleet)
    assert "x-cache-status" not in answer.headers
    found: int = answer.json()["present"]["count"]["speed_mps"]
    return found


@pytest.fixture
def send(vernier: str, client: httpx.Client, short: bytes, fleet: str) -> Callable[..., httpx.Response]:
    def post(**headers: str) -> httpx.Response:
        query = {"camera": "kitti", "aggregate": fleet.rpartition("/")[2]}
        given = {"Content-Type": "video/mp4", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return client.post(f"{vernier}/v1/speed/video", params=query, content=short, headers=given)

    return post


def test_what_is_kept_is_never_answered_stale(client: httpx.Client, fleet: str) -> None:
    for k in range(3):
        assert count(client, fleet) == 2 * k
        added = client.post(f"{fleet}/values", json={"values": [1.0, 2.0]}, headers={"Idempotency-Key": str(k)})
        assert added.json()["repeated"] is False
    again = client.post(f"{fleet}/values", json={"values": [1.0, 2.0]}, headers={"Idempotency-Key": "0"})
    assert again.json()["repeated"] is True
    state = client.get(f"{fleet}/state").json()
    assert client.post(f"{fleet}/merge", json={"state": state}).status_code == 200
    assert count(client, fleet) == 12
    assert client.delete(fleet).status_code == 204
    assert client.get(fleet).status_code == 404


def test_a_state_is_folded_and_merged_by_whoever_asks(vernier: str, client: httpx.Client) -> None:
    url = f"{vernier}/v1/stats/aggregates"
    values = [1.0, 4.0, float(uuid.uuid4().int % 1000)]
    body = {"kind": ["mean", "max"], "values": values}
    first, second = (client.post(f"{url}:fold", json=body) for _ in range(2))
    assert [each.headers["x-cache-status"] for each in (first, second)] == ["MISS", "HIT"]
    merged = client.post(f"{url}:merge", json={"states": [first.json(), second.json()]})
    assert merged.json()["present"]["mean"]["x"] == pytest.approx(sum(values) / 3)


def test_a_video_counts_once_however_often_it_is_sent(
    client: httpx.Client, fleet: str, send: Callable[..., httpx.Response]
) -> None:
    answers = [send() for _ in range(3)] + [send(Accept="text/csv"), send(X_Request_ID=uuid.uuid4().hex)]
    assert [(each.status_code, each.headers["x-cache-status"]) for each in answers] == [(200, "BYPASS")] * 5
    speeds = [each for each in answers[0].json()["speed_mps"] if each is not None]
    assert count(client, fleet) == len(speeds)
    assert client.get(fleet).json()["present"]["mean"]["speed_mps"] == pytest.approx(sum(speeds) / len(speeds))
    with ThreadPoolExecutor(4) as pool:
        keys = ["one", "two", "one", "two"]
        assert {each.status_code for each in pool.map(lambda key: send(Idempotency_Key=key), keys)} == {200}
    assert count(client, fleet) == 3 * len(speeds)


def test_a_video_that_became_a_job_counts_with_those_that_did_not(
    vernier: str, client: httpx.Client, fleet: str, send: Callable[..., httpx.Response]
) -> None:
    places = [send(Prefer="respond-async").headers["location"] for _ in range(2)]
    assert len(set(places)) == 2
    for place in places:
        until(lambda: client.get(f"{vernier}{place}").json()["status"] == "succeeded", "the job is done", 120)  # noqa: B023
    once = send()
    speeds = [each for each in once.json()["speed_mps"] if each is not None]
    assert count(client, fleet) == len(speeds)
    keyed = send(Prefer="respond-async", Idempotency_Key="k").headers["location"]
    until(lambda: client.get(f"{vernier}{keyed}").json()["status"] == "succeeded", "the job is done", 120)
    send(Idempotency_Key="k")
    assert count(client, fleet) == 2 * len(speeds)


def test_an_aggregate_made_anew_starts_anew(
    client: httpx.Client, fleet: str, send: Callable[..., httpx.Response]
) -> None:
    send()
    before, definition = count(client, fleet), client.get(fleet).json()
    client.delete(fleet)
    refused = send()
    assert refused.status_code == 404
    assert refused.json()["errors"][0]["pointer"] == "/aggregate"
    again: dict[str, Any] = {name: definition[name] for name in ("kind", "columns")}
    client.put(fleet, json=again)
    send()
    assert count(client, fleet) == before > 0
