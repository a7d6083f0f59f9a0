"""Streams over HTTP, kept in a real Redis, with everything killed that can be."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import nan
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from redis import Redis

from scripts.machine import free_port
from services.stats import examples
from services.stats.kalman.filtering import estimate, unknown
from services.stats.kalman.kernels.step import FloatArray
from shared.kalman import Motion
from tests.polling import until
from tests.processes import running, running_redis
from tests.services.stats.kalman.peers import walks

PATIENCE_S = 60
MODEL = {"model": "velocity", "q": 0.4, "r": 0.1}


@contextmanager
def serving(**env: str) -> Iterator[httpx.Client]:
    with (
        running("services.stats", **env) as process,
        httpx.Client(base_url=f"{process.address}/v1/stats/kalman/streams", timeout=PATIENCE_S) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as (_, url):
        yield url


@pytest.fixture(scope="module")
def streams(redis: str) -> Iterator[httpx.Client]:
    with serving(REDIS_URL=redis) as client:
        yield client


def observe(client: httpx.Client, id: str, time: Any, z: Any, **more: Any) -> httpx.Response:
    body = {"time": list(time), "z": [None if each is None or each != each else each for each in z], **more}
    return client.post(f"/{id}/observations", json=body)


def taken(client: httpx.Client, id: str, time: Any, z: Any, **more: Any) -> dict[str, Any]:
    answer = observe(client, id, time, z, **more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def look(client: httpx.Client, id: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/{id}", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def listed(values: FloatArray) -> list[float | None]:
    return [float(each) if np.isfinite(each) else None for each in values]


@pytest.mark.parametrize("model", ["level", "velocity", "acceleration"])
def test_in_batches_as_at_once(streams: httpx.Client, model: Any) -> None:
    """To the bit: the state keeps every digit."""
    z, time, _ = walks(1, 60, seed=7)
    time = time + 0.01 * np.arange(60)
    made = streams.put(f"/{model}", json={"model": model, "q": 0.4, "r": 0.1, "gate": 0.99})
    assert (made.status_code, made.headers["location"]) == (201, f"/v1/stats/kalman/streams/{model}")
    said = {"model": {"name": "kalman", "version": "1"}, "id": model, "motion": model, "noise": "continuous"}
    assert made.json() == {**said, "q": 0.4, "r": 0.1, "gate": 0.99}
    motion = Motion(model, 0.4)
    whole = estimate(motion, z, 0.1, time, gate=6.6348966, states=unknown(1, motion.size))
    before = look(streams, model)
    assert (before["observations"], before["time"], before["x"], before["loglik"]) == (0, None, None, 0)
    names = [("x", "sd"), ("velocity", "velocity_sd"), ("acceleration", "acceleration_sd")]
    for cut in (slice(0, 1), slice(1, 3), slice(3, 40), slice(40, 60)):
        found = taken(streams, model, time[cut], z[0, cut])
        assert found["time"] == time[cut].tolist()
        for c, (mean, sd) in enumerate(names):
            if c < motion.size:
                assert found[mean] == listed(whole.mean[c, 0, cut])
                assert found[sd] == listed(whole.sd[c, 0, cut])
            else:
                assert mean not in found
        assert found["innovation"] == listed(whole.innovation[0, cut])
        assert found["nis"] == listed(whole.nis[0, cut])
        assert found["used"] == whole.used[0, cut].tolist()
        assert (found["accepted"], found["repeated"], found["dropped"]) == (len(found["time"]), 0, 0)
    now = look(streams, model)
    assert (now["observations"], now["time"]) == (60, time[-1])
    assert now["loglik"] == pytest.approx(whole.loglik[0], rel=1e-13)
    assert now["x"] == whole.mean[0, 0, -1]
    ahead = look(streams, model, at=float(time[-1] + 1))
    later = estimate(motion, np.array([[nan]]), 1.0, time[-1:] + 1, states=whole.states, since=float(time[-1]))
    assert (ahead["x"], ahead["sd"]) == (later.mean[0, 0, 0], later.sd[0, 0, 0])
    early = streams.get(f"/{model}", params={"at": float(time[-2])})
    assert (early.status_code, early.json()["errors"][0]["pointer"]) == (422, "/at")


def test_what_was_taken_is_taken_once(streams: httpx.Client) -> None:
    streams.put("/once", json=MODEL)
    first = taken(streams, "once", [0, 1, 2.5], [1, 2, None])
    again = taken(streams, "once", [0, 1, 2.5], [1, 2, None])
    counts = {"accepted": 0, "repeated": 3}
    assert again == {**first, **counts}
    longer = taken(streams, "once", [1, 2.5, 3], [2.0, None, 4])
    assert (longer["accepted"], longer["repeated"], longer["observations"]) == (1, 2, 4)
    assert longer["x"][:2] == first["x"][1:]
    table = streams.post(
        "/once/observations?time=t", content="t,z\n3,4.0\n4,5\n", headers={"Content-Type": "text/csv"}
    ).json()
    assert (table["accepted"], table["repeated"], table["x"][0]) == (1, 1, longer["x"][2])


def test_a_past_does_not_change(streams: httpx.Client) -> None:
    streams.put("/past", json=MODEL)
    taken(streams, "past", [0, 1, 2], [1, 2, 3])
    before = look(streams, "past")
    for time, z, pointer, word in (
        ([1, 3], [2.5, 4], "/z/0", "is not 2"),
        ([2, 3], [None, 4], "/z/0", "is not 3"),
        ([0, 1.5, 3], [1, 2, 4], "/time/1", "not after 2"),
        ([-1, 3], [0, 4], "/time/0", "late: drop"),
    ):
        answer = observe(streams, "past", time, z)
        assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
        assert answer.json()["errors"][0]["pointer"] == pointer
        assert word in answer.json()["detail"]
    assert look(streams, "past") == before
    found = taken(streams, "past", [-1, 0, 1, 1.5, 3], [0, 1, 2.5, 2, 4], late="drop")
    assert (found["accepted"], found["repeated"], found["dropped"]) == (1, 1, 3)
    assert [each is None for each in found["x"]] == [True, False, True, True, False]
    streams.put("/clean", json=MODEL)
    assert taken(streams, "clean", [0, 1, 2, 3], [1, 2, 3, 4])["x"][3] == found["x"][4]


def test_a_state_of_a_later_form_is_left_alone(streams: httpx.Client, redis: str) -> None:
    streams.put("/later", json=MODEL)
    taken(streams, "later", [0], [1])
    with Redis.from_url(redis) as client:
        kept = client.hget("vernier:streams:later", "state")
        later = kept.replace(b'"version":1', b'"version":2')
        client.hset("vernier:streams:later", "state", later)
        for call in (streams.get("/later"), observe(streams, "later", [1], [2])):
            assert (call.status_code, "form 2" in call.json()["detail"]) == (503, True)
        assert client.hget("vernier:streams:later", "state") == later


def test_models(streams: httpx.Client) -> None:
    assert streams.put("/model", json=MODEL).status_code == 201
    assert streams.put("/model", json={**MODEL, "q": 0.4, "noise": "continuous", "ttl_s": 1000}).status_code == 200
    assert look(streams, "model")["ttl_s"] == 1000
    assert streams.put("/model", json={**MODEL, "q": 0.5}).status_code == 409
    assert streams.delete("/model").status_code == 204
    gone = [streams.get("/model"), streams.delete("/model"), observe(streams, "model", [0], [1])]
    assert [each.status_code for each in gone] == [404] * 3
    assert "PUT /v1/stats/kalman/streams/model" in gone[0].json()["detail"]
    for shown in examples.STREAM.values():
        assert streams.put("/example", json=shown).status_code == 201
        for batch in examples.OBSERVATIONS.values():
            assert streams.post("/example/observations", json=batch).status_code == 200
        streams.delete("/example")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "pointer"),
    [
        ("PUT", "/-a", MODEL, 422, "/id"),
        ("PUT", "/a", {"model": "velocity", "q": 1}, 400, "/r"),
        ("PUT", "/a", {**MODEL, "q": -1}, 422, "/q"),
        ("PUT", "/a", {**MODEL, "r": 0}, 422, "/r"),
        ("PUT", "/a", {**MODEL, "gate": 1.5}, 422, "/gate"),
        ("PUT", "/a", {**MODEL, "ttl_s": 0}, 422, "/ttl_s"),
        ("PUT", "/a", {**MODEL, "model": "level", "noise": "discrete"}, 422, ""),
        ("POST", "/bad/observations", {"z": [1]}, 400, "/time"),
        ("POST", "/bad/observations", {"time": [1, 2], "z": [1]}, 422, "/z"),
        ("POST", "/bad/observations", {"time": [1, 1], "z": [1, 2]}, 422, "/time/1"),
        ("POST", "/bad/observations", {"time": [1, None], "z": [1, 2]}, 422, "/time/1"),
        ("POST", "/bad/observations", {"time": [1], "z": ["a"]}, 400, "/z/0"),
        ("POST", "/bad/observations", {"time": [1], "z": [1], "late": "keep"}, 422, "/late"),
        ("POST", "/bad/observations", {"time": [1, 1e120], "z": [1, 2]}, 422, "/time"),
        ("POST", "/bad/observations", {"time": list(range(501)), "z": [0] * 501}, 413, "/z"),
        ("GET", "/bad?at=soon", None, 400, "/at"),
    ],
)
def test_a_fault_is_refused_where_it_is(
    streams: httpx.Client, method: str, path: str, body: Any, status: int, pointer: str
) -> None:
    streams.put("/bad", json=MODEL)
    answer = streams.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert look(streams, "bad")["observations"] == 0


def test_without_redis(stats_url: str) -> None:
    with httpx.Client(base_url=f"{stats_url}/v1/stats/kalman/streams", timeout=PATIENCE_S) as client:
        for call in (
            client.put("/a", json=MODEL),
            client.get("/a"),
            observe(client, "a", [1], [1]),
            client.delete("/a"),
        ):
            assert (call.status_code, call.headers["retry-after"]) == (503, "60")
            assert "REDIS_URL" in call.json()["detail"]


def test_few_are_kept_and_little_is_remembered(redis: str) -> None:
    few = {"VERNIER_STATS_MAX_STREAMS": "1", "VERNIER_STATS_STREAM_REMEMBERED": "3"}
    with Redis.from_url(redis) as client:
        client.flushall()
    with serving(REDIS_URL=redis, **few) as client:
        client.put("/a", json={**MODEL, "ttl_s": 1000})
        assert client.put("/b", json=MODEL).status_code == 503
        assert observe(client, "a", range(4), range(4)).status_code == 413
        taken(client, "a", range(3), range(3))
        taken(client, "a", [3], [3])
        assert taken(client, "a", [1, 2, 3], [1, 2, 3])["repeated"] == 3
        assert observe(client, "a", [0], [0]).status_code == 409
        with Redis.from_url(redis) as store:
            assert all(store.ttl(key) == -1 for key in store.scan_iter())
            store.zadd("vernier:streams::expiring", {"a": 1.0})
        assert client.get("/a").status_code == 404
        assert client.put("/b", json=MODEL).status_code == 201


def test_many_clients_of_two_processes_lose_nothing(redis: str) -> None:
    """Four clients send overlapping parts of one series in order, each until it is taken: together they are the series,
    to the bit, whoever came first."""
    time, z = np.arange(160.0), np.random.default_rng(1).normal(size=160).cumsum()
    with serving(REDIS_URL=redis) as first, serving(REDIS_URL=redis) as second:
        first.put("/crowd", json=MODEL)
        accepted: list[int] = []

        def send(number: int) -> None:
            client = (first, second)[number % 2]
            for k in range(0, 160, 8):
                found = taken(client, "crowd", time[k : k + 8], z[k : k + 8])
                accepted.append(found["accepted"])
                assert found["accepted"] + found["repeated"] == 8

        with ThreadPoolExecutor(4) as pool:
            for task in [pool.submit(send, each) for each in range(4)]:
                task.result()
        assert sum(accepted) == 160
        now = look(second, "crowd")
    ends = estimate(Motion("velocity", 0.4), z[None], 0.1, time, states=unknown(1, 2))
    assert (now["observations"], now["x"], now["velocity_sd"]) == (160, ends.mean[0, 0, -1], ends.sd[1, 0, -1])


def test_what_is_acknowledged_survives_the_death_of_redis(tmp_path: Path) -> None:
    port, options = free_port(), ("--appendonly", "yes")
    z = np.random.default_rng(2).normal(size=5_000).cumsum()
    acknowledged: list[int] = []
    with serving(REDIS_URL=f"redis://127.0.0.1:{port}/0") as client:
        assert client.put("/a", json=MODEL).status_code == 503
        with running_redis(tmp_path, *options, port=port) as (redis, _):
            assert client.put("/a", json=MODEL).status_code == 201

            def write() -> None:
                for k in range(5_000):
                    if observe(client, "a", [k], [z[k]]).status_code != 200:
                        return
                    acknowledged.append(k)

            writer = threading.Thread(target=write)
            writer.start()
            until(lambda: len(acknowledged) > 60, "some are acknowledged")
            redis.send_signal(signal.SIGKILL)
            writer.join(PATIENCE_S)
            lost = observe(client, "a", [len(acknowledged)], [z[len(acknowledged)]])
            assert (lost.status_code, "again" in lost.json()["detail"]) == (503, True)
        with running_redis(tmp_path, *options, port=port):
            last = len(acknowledged)
            assert look(client, "a")["observations"] - last in (0, 1)
            taken(client, "a", [last], [z[last]])
            now = look(client, "a")
    ends = estimate(Motion("velocity", 0.4), z[None, : last + 1], 0.1, np.arange(last + 1.0), states=unknown(1, 2))
    assert (now["observations"], now["x"], now["velocity"]) == (last + 1, ends.mean[0, 0, -1], ends.mean[1, 0, -1])


def test_a_full_redis_takes_nothing_and_loses_nothing(tmp_path: Path) -> None:
    with running_redis(tmp_path) as (_, url), serving(REDIS_URL=url) as client, Redis.from_url(url) as redis:
        client.put("/a", json=MODEL)
        taken(client, "a", [0, 1], [0, 1])
        redis.config_set("maxmemory", "1")
        refused = observe(client, "a", [2], [2])
        assert (refused.status_code, "full" in refused.json()["detail"]) == (503, True)
        assert look(client, "a")["observations"] == 2
        redis.config_set("maxmemory", "0")
        assert taken(client, "a", [1, 2], [1, 2])["accepted"] == 1
