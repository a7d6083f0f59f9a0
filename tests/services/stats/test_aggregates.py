"""Aggregates over HTTP, kept in a real Redis, with everything killed that can be."""

import itertools
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from redis import Redis

from scripts.machine import free_port
from services.stats.aggregates.aggregate import KINDS
from tests.polling import until
from tests.processes import running, running_redis

PATIENCE_S = 60


@pytest.fixture(scope="module")
def stats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running_redis(tmp_path_factory.mktemp("redis")) as (_, url), serving(REDIS_URL=url) as client:
        yield client


@contextmanager
def serving(**env: str) -> Iterator[httpx.Client]:
    with (
        running("services.stats", **env) as process,
        httpx.Client(base_url=f"{process.address}/v1/stats", timeout=PATIENCE_S) as client,
    ):
        yield client


def make(client: httpx.Client, id: str, *kind: str, columns: tuple[str, ...] = ("x",)) -> None:
    assert client.put(f"/aggregates/{id}", json={"kind": kind, "columns": columns}).status_code == 201


def add(client: httpx.Client, id: str, values: Any, key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"/aggregates/{id}/values", json={"values": values}, headers=headers)


def present(client: httpx.Client, id: str) -> dict[str, Any]:
    answer = client.get(f"/aggregates/{id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["present"]
    return found


def test_what_goes_in_batches_comes_out_as_if_at_once(stats: httpx.Client) -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(10, 3, 400), random.normal(size=400)
    make(stats, "all", *KINDS, columns=("x", "y"))
    for k in range(0, 400, 50):
        answer = add(stats, "all", {"x": x[k : k + 50].tolist(), "y": y[k : k + 50].tolist()})
        assert (answer.status_code, answer.json()) == (200, {"id": "all", "rows": 50, "repeated": False})
    whole = stats.get("/aggregates/all").json()
    assert (whole["rows"], whole["kind"], whole["y"], whole["model"]["name"]) == (400, list(KINDS), "y", "aggregates")
    found = whole["present"]
    assert found["mean"]["x"] == pytest.approx(x.mean(), rel=1e-15)
    assert found["variance"]["y"]["sd"] == pytest.approx(y.std(ddof=1), rel=1e-13)
    assert found["covariance"]["matrix"] == [pytest.approx(row) for row in np.cov(x, y).tolist()]
    assert found["regression"]["coef"] == pytest.approx(np.polyfit(x, y, 1)[::-1].tolist())
    assert (found["min"]["x"], found["max"]["x"], found["distinct"]["x"]["estimate"]) == (x.min(), x.max(), 400)
    state = stats.get("/aggregates/all/state").json()
    merged = stats.post("/aggregates:merge", json={"states": [state]}).json()
    assert merged["state"] == state
    assert merged["present"] == found
    make(stats, "copy", *KINDS, columns=("x", "y"))
    for _ in range(2):
        again = stats.post("/aggregates/copy/merge", json={"state": state}, headers={"Idempotency-Key": "m"})
    assert again.json() == {"id": "copy", "rows": 400, "repeated": True}
    assert present(stats, "copy") == found


def test_an_answer_is_for_now(stats: httpx.Client) -> None:
    make(stats, "now", "count")
    assert stats.get("/aggregates/now").headers["cache-control"] == "no-store"
    assert present(stats, "now")["count"] == {"x": 0}
    add(stats, "now", [1, None, 2])
    assert present(stats, "now")["count"] == {"x": 2}


def test_a_key_counts_once(stats: httpx.Client) -> None:
    make(stats, "once", "count", "quantiles")
    values = np.arange(3_000.0).tolist()
    answers = [add(stats, "once", values, "a") for _ in range(5)]
    assert [(each.status_code, each.json()["repeated"]) for each in answers] == [(200, k > 0) for k in range(5)]
    assert add(stats, "once", values, "b").json()["repeated"] is False
    other = add(stats, "once", [1, 2], "a")
    assert other.status_code == 422
    assert other.json()["errors"] == [
        {
            "pointer": "Idempotency-Key",
            "detail": "was used for other values of this aggregate; use a new one for each batch",
            "in": "header",
        }
    ]
    assert present(stats, "once")["count"]["x"] == 6_000
    make(stats, "elsewhere", "count")
    assert add(stats, "elsewhere", [1.0], "a").json()["repeated"] is False


def test_a_key_stands_for_values_however_they_are_written(stats: httpx.Client) -> None:
    make(stats, "forms", "sum", columns=("x", "y"))
    key = {"Idempotency-Key": "k"}
    bodies: list[dict[str, Any]] = [
        {"json": {"values": {"x": [1, 2.5], "y": [3, None]}}},
        {"json": {"y": [3.0, None], "x": [1.0, 2.5]}},
        {"content": "y,x\n3,1\n,2.50\n", "headers": {"Content-Type": "text/csv"}},
    ]
    answers = [
        stats.post("/aggregates/forms/values", **{**body, "headers": {**key, **body.get("headers", {})}})
        for body in bodies
    ]
    assert [each.json() for each in answers] == [{"id": "forms", "rows": 2, "repeated": k > 0} for k in range(3)]
    assert present(stats, "forms")["sum"] == {"x": 3.5, "y": 3.0}


def test_the_same_definition_again_is_fine_and_another_is_not(stats: httpx.Client) -> None:
    make(stats, "defined", "mean", "count")
    add(stats, "defined", [5])
    same = stats.put("/aggregates/defined", json={"kind": ["count", "mean", "mean"], "columns": ["x"]})
    assert (same.status_code, same.headers["location"]) == (200, "/v1/stats/aggregates/defined")
    assert same.json() == {"id": "defined", "kind": ["count", "mean"], "columns": ["x"]}
    for other in ({"kind": "mean", "columns": ["x"]}, {"kind": ["count", "mean"], "columns": ["y"]}):
        assert stats.put("/aggregates/defined", json=other).status_code == 409
    assert present(stats, "defined") == {"count": {"x": 1}, "mean": {"x": 5.0}}


def test_what_is_forgotten_is_gone_with_its_keys(stats: httpx.Client) -> None:
    make(stats, "gone", "count")
    add(stats, "gone", [1, 2], "k")
    assert stats.delete("/aggregates/gone").status_code == 204
    calls = [
        stats.get("/aggregates/gone"),
        stats.get("/aggregates/gone/state"),
        stats.delete("/aggregates/gone"),
        add(stats, "gone", [1]),
        stats.post("/aggregates/gone/merge", json={"state": {}}),
    ]
    assert [each.status_code for each in calls] == [404] * 5
    assert "PUT /v1/stats/aggregates/gone" in calls[0].json()["detail"]
    make(stats, "gone", "count")
    assert add(stats, "gone", [1, 2], "k").json()["repeated"] is False


def test_a_time_to_live_where_one_is_asked_for(stats: httpx.Client) -> None:
    body: dict[str, Any] = {"kind": ["count"], "columns": ["x"]}
    made = stats.put("/aggregates/lives", json={**body, "ttl_s": 0.05})
    assert (made.status_code, made.json()) == (201, {"id": "lives", **body, "ttl_s": 0.05})
    until(lambda: stats.get("/aggregates/lives").status_code == 404, "its time is over")
    assert add(stats, "lives", [1]).status_code == 404
    stats.put("/aggregates/lives", json={**body, "ttl_s": 3_600})
    add(stats, "lives", [1])
    assert stats.get("/aggregates/lives").json()["ttl_s"] == 3_600
    for ttl_s in (0, -1, 1e10):
        refused = stats.put("/aggregates/lives", json={**body, "ttl_s": ttl_s})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/ttl_s")
    assert stats.put("/aggregates/lives", json=body).status_code == 200
    found = stats.get("/aggregates/lives").json()
    assert ("ttl_s" not in found, found["present"]) == (True, {"count": {"x": 1}})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "pointer"),
    [
        ("PUT", "-a", {"kind": "mean", "columns": ["x"]}, 422, "/id"),
        ("PUT", "a" * 129, {"kind": "mean", "columns": ["x"]}, 422, "/id"),
        ("PUT", "new", {"kind": "median", "columns": ["x"]}, 422, "/kind/0"),
        ("PUT", "new", {"kind": [], "columns": ["x"]}, 422, "/kind"),
        ("PUT", "new", {"kind": "mean", "columns": []}, 422, "/columns"),
        ("PUT", "new", {"kind": "mean", "columns": [str(k) for k in range(51)]}, 422, "/columns"),
        ("PUT", "new", {"kind": "mean", "columns": ["x", "x"]}, 422, "/columns"),
        ("PUT", "new", {"kind": "mean"}, 400, "/columns"),
        ("PUT", "new", {"kind": "regression", "columns": ["x", "y"], "y": "z"}, 422, "/y"),
        ("POST", "bad/values", {"values": {"x": [1, "a"]}}, 400, "/values/x/1"),
        ("POST", "bad/values", {"values": {"x": [1, 1e71]}}, 422, "/values/x/1"),
        ("POST", "bad/values", {"values": {"x": []}}, 422, "/values/x"),
        ("POST", "bad/values", {"values": {"z": [1]}}, 422, "/values"),
        ("POST", "bad/values", {}, 400, "/values"),
        ("POST", "bad/merge", {"state": {"version": 7}}, 422, "/state/version"),
        ("POST", "bad/merge", {}, 400, "/state"),
    ],
)
def test_a_fault_is_refused_where_it_is(
    stats: httpx.Client, method: str, path: str, body: Any, status: int, pointer: str
) -> None:
    stats.put("/aggregates/bad", json={"kind": ["count"], "columns": ["x"]})
    answer = stats.request(method, f"/aggregates/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("key", ["", "a b", "é".encode(), "k" * 256], ids=["empty", "blank", "letters", "long"])
def test_a_key_that_is_none(stats: httpx.Client, key: str | bytes) -> None:
    stats.put("/aggregates/keys", json={"kind": ["count"], "columns": ["x"]})
    given = [(b"Idempotency-Key", key if isinstance(key, bytes) else key.encode())]
    answer = stats.post("/aggregates/keys/values", json={"values": [1]}, headers=given)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].lower() == "/idempotency-key"


def test_without_a_server_that_remembers(stats_url: str) -> None:
    with httpx.Client(base_url=f"{stats_url}/v1/stats", timeout=PATIENCE_S) as client:
        parts = [{"kind": ["mean", "max"], "values": each} for each in ([1, 2], [3, None, 6])]
        states = [client.post("/aggregates:fold", json=each).json() for each in parts]
        assert [each["rows"] for each in states] == [2, 3]
        merged = client.post("/aggregates:merge", json={"states": states}).json()
        assert merged["present"] == {"mean": {"x": 3.0}, "max": {"x": 6.0}}
        table = client.post(
            "/aggregates:fold?kind=count,sum", content="a,b\n1,2\n3,\n", headers={"Content-Type": "text/csv"}
        )
        assert table.json()["parts"] == {"count": {"a": 2, "b": 1}, "sum": {"a": ["1", 2], "b": ["1", 1]}}
        mixed = client.post("/aggregates:merge", json={"states": [states[0], table.json()]})
        assert (mixed.status_code, mixed.json()["errors"][0]["pointer"]) == (422, "/states/1/kind")
        for call in (client.get("/aggregates/a"), add(client, "a", [1]), client.delete("/aggregates/a")):
            assert call.status_code == 503
            assert call.headers["retry-after"]
            assert "REDIS_URL" in call.json()["detail"]


def test_with_redis_gone_the_rest_goes_on(tmp_path: Path) -> None:
    port = free_port()
    options = ("--appendonly", "yes")
    with serving(REDIS_URL=f"redis://127.0.0.1:{port}/0") as client:
        root = str(client.base_url).removesuffix("/v1/stats/")
        assert httpx.get(f"{root}/readyz").status_code == 200
        assert client.put("/aggregates/a", json={"kind": "count", "columns": ["x"]}).status_code == 503
        with running_redis(tmp_path, *options, port=port) as (redis, _):
            make(client, "a", "count")
            assert add(client, "a", [1, 2, 3], "k").json()["repeated"] is False
            redis.send_signal(signal.SIGSTOP)
            slow = add(client, "a", [1], "l")
            assert (slow.status_code, slow.headers["retry-after"]) == (503, "1")
            redis.send_signal(signal.SIGCONT)
            redis.kill()
            redis.wait()
            gone = client.get("/aggregates/a")
            assert (gone.status_code, gone.headers["content-type"]) == (503, "application/problem+json")
            assert client.post("/aggregates:fold", json={"kind": "sum", "values": [1]}).status_code == 200
            assert httpx.get(f"{root}/readyz").status_code == 200
        with running_redis(tmp_path, *options, port=port):
            before = present(client, "a")["count"]["x"]
            assert before in (3, 4)  # the one that was not answered may have arrived
            assert add(client, "a", [1, 2, 3], "k").json()["repeated"] is True
            add(client, "a", [1], "l")
            assert present(client, "a")["count"]["x"] == 4


def test_what_is_acknowledged_survives_the_death_of_redis(tmp_path: Path) -> None:
    """Killed three times in the midst of four writers' batches and of the merging of tails. Nothing acknowledged is
    lost, and what was not acknowledged counts once when it is sent again."""
    port, sent, acknowledged = free_port(), list[int](), set[int]()
    numbers = itertools.count()
    with serving(REDIS_URL=f"redis://127.0.0.1:{port}/0") as client:

        def write() -> None:
            while True:
                number = next(numbers)
                sent.append(number)
                if add(client, "a", [number], str(number)).status_code != 200:
                    return
                acknowledged.add(number)

        for life in range(4):
            with running_redis(tmp_path, "--appendonly", "yes", port=port) as (redis, _):
                if life == 0:
                    make(client, "a", "count", "sum", "distinct")
                for number in sent:
                    again = add(client, "a", [number], str(number))
                    assert again.status_code == 200
                    assert again.json()["repeated"] or number not in acknowledged
                acknowledged.update(sent)
                found = present(client, "a")
                assert (found["count"]["x"], found["sum"]["x"]) == (len(sent), sum(sent))
                if life == 3:
                    break
                enough = len(acknowledged) + 50
                with ThreadPoolExecutor(4) as pool:
                    writers = [pool.submit(write) for _ in range(4)]
                    until(lambda: len(acknowledged) > enough, "some are acknowledged")  # noqa: B023
                    redis.kill()
                    for writer in writers:
                        writer.result(PATIENCE_S)


def test_what_is_acknowledged_survives_a_failover(tmp_path: Path) -> None:
    """Where a replica must have each batch: one that is behind is waited for, and then takes over from a primary that
    was killed in the midst of writing."""
    folders = [tmp_path / name for name in ("primary", "replica")]
    for folder in folders:
        folder.mkdir()
    acknowledged: list[int] = []
    with running_redis(folders[0], "--repl-diskless-sync-delay", "0") as (primary, primary_url):
        follow = ("--replicaof", "127.0.0.1", primary_url.rpartition(":")[2].removesuffix("/0"))
        with (
            running_redis(folders[1], *follow) as (replica, replica_url),
            Redis.from_url(replica_url) as standby,
            serving(REDIS_URL=primary_url, VERNIER_STATS_REDIS_REPLICAS="1") as client,
        ):
            until(lambda: standby.info("replication")["master_link_status"] == "up", "the replica follows")
            make(client, "a", "count")
            replica.send_signal(signal.SIGSTOP)
            behind = add(client, "a", [0], "0")
            assert (behind.status_code, "Idempotency-Key" in behind.json()["detail"]) == (503, True)
            replica.send_signal(signal.SIGCONT)
            assert add(client, "a", [0], "0").json()["repeated"] is True

            def write() -> None:
                for number in itertools.count(1):
                    if add(client, "a", [number], str(number)).status_code != 200:
                        return
                    acknowledged.append(number)

            writer = threading.Thread(target=write)
            writer.start()
            until(lambda: len(acknowledged) > 40, "some are acknowledged")
            primary.kill()
            writer.join(PATIENCE_S)
            standby.replicaof("NO", "ONE")
            with serving(REDIS_URL=replica_url) as other:
                assert present(other, "a")["count"]["x"] - 1 - len(acknowledged) in (0, 1)
                assert all(add(other, "a", [number], str(number)).json()["repeated"] for number in acknowledged)


def test_nothing_is_evicted_to_make_room(tmp_path: Path) -> None:
    limits = ("--maxmemory", "6mb", "--maxmemory-policy", "volatile-lru")
    with running_redis(tmp_path, *limits) as (_, url), serving(REDIS_URL=url) as client, Redis.from_url(url) as redis:
        make(client, "a", "count", "distinct")
        assert add(client, "a", [1, 2, 3], "k").json()["repeated"] is False
        for k in range(200):
            redis.set(f"cached:{k}", bytes(100_000), ex=1_000)
        assert 0 < sum(redis.exists(f"cached:{k}") for k in range(200)) < 200
        redis.set("state", bytes(1_000_000))
        redis.config_set("maxmemory", "1mb")
        refused = add(client, "a", [4], "l")
        assert (refused.status_code, refused.headers.get("retry-after")) == (503, "10"), refused.text
        assert "full" in refused.json()["detail"]
        assert present(client, "a")["count"]["x"] == 3
        redis.config_set("maxmemory", "6mb")
        assert add(client, "a", [1, 2, 3], "k").json()["repeated"] is True
        assert add(client, "a", [4], "l").json()["repeated"] is False
        assert present(client, "a")["count"]["x"] == 4


def test_writers_of_many_processes_lose_nothing_though_some_are_killed(tmp_path: Path) -> None:
    """Six writers at two services, one of which is killed midway: each batch is sent until it is acknowledged, and
    once more than needed."""
    with (
        running_redis(tmp_path) as (_, url),
        running("services.stats", REDIS_URL=url) as first,
        running("services.stats", REDIS_URL=url) as second,
        httpx.Client(timeout=PATIENCE_S) as client,
    ):
        urls = [f"{each.address}/v1/stats/aggregates/all" for each in (first, second)]
        client.put(urls[1], json={"kind": ["count", "sum", "mean", "variance"], "columns": ["x"]})
        done, killed = threading.Semaphore(0), threading.Event()

        def write(writer: int) -> None:
            for k in range(40):
                values, key = [float(writer * 40 + k)] * 5, {"Idempotency-Key": f"{writer}-{k}"}
                for attempt in range(100):
                    try:
                        answer = client.post(
                            f"{urls[(writer + attempt) % 2]}/values", json={"values": values}, headers=key
                        )
                    except httpx.TransportError:
                        continue
                    assert answer.status_code == 200, answer.text
                    break
                else:
                    raise AssertionError("never acknowledged")
                if k % 3 == 0:
                    again = client.post(f"{urls[1]}/values", json={"values": values}, headers=key)
                    assert again.json()["repeated"] is True
                done.release()

        def kill() -> None:
            for _ in range(60):
                assert done.acquire(timeout=PATIENCE_S)
            first.popen.kill()
            killed.set()

        with ThreadPoolExecutor(7) as pool:
            tasks = [pool.submit(kill), *(pool.submit(write, each) for each in range(6))]
            for task in tasks:
                task.result()
        assert killed.is_set()
        found = client.get(urls[1]).json()["present"]
        values = np.repeat(np.arange(240.0), 5)
        assert (found["count"]["x"], found["sum"]["x"], found["mean"]["x"]) == (1_200, values.sum(), values.mean())
        assert found["variance"]["x"]["variance"] == pytest.approx(values.var(ddof=1), rel=1e-12)


def test_keys_are_bounded_and_told_apart_for_a_while(tmp_path: Path) -> None:
    few = {"VERNIER_STATS_MAX_IDEMPOTENCY_KEYS": "3", "VERNIER_STATS_MAX_AGGREGATES": "1"}
    with running_redis(tmp_path) as (_, url):
        with serving(REDIS_URL=url, **few) as client:
            make(client, "a", "count")
            assert client.put("/aggregates/b", json={"kind": "count", "columns": ["x"]}).status_code == 503
            assert [add(client, "a", [1], str(k)).status_code for k in range(5)] == [200] * 3 + [503] * 2
            assert add(client, "a", [1], "0").json()["repeated"] is True
            assert add(client, "a", [1]).status_code == 200
            assert present(client, "a")["count"]["x"] == 4
        with serving(REDIS_URL=url, **few, VERNIER_STATS_IDEMPOTENCY_S="0.001") as client:
            assert add(client, "a", [1], "3").status_code == 200
            assert present(client, "a")["count"]["x"] == 5
