"""What a stop does. Runs last of all: afterwards the containers are down."""

import time

import httpx
import pytest

from tests.containers.docker import SERVICES, docker, state

DEADLINE_S = 30.0


def test_what_redis_held_survives_its_restart(project: str) -> None:
    redis = state(project)["redis"]["Id"]
    docker("exec", redis, "redis-cli", "set", "probe", "kept")
    docker("restart", redis)
    deadline = time.monotonic() + DEADLINE_S
    while "PONG" not in docker("exec", redis, "sh", "-c", "redis-cli ping || true"):
        assert time.monotonic() < deadline
    assert docker("exec", redis, "redis-cli", "get", "probe").strip() == "kept"


def test_answers_come_without_redis(project: str, vernier: str, client: httpx.Client) -> None:
    docker("stop", state(project)["redis"]["Id"])
    answer = client.post(f"{vernier}/v1/stats/trend", json={"series": [3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.3]})
    assert answer.status_code == 200, answer.text
    assert client.get(f"{vernier}/readyz").status_code == 200


@pytest.mark.parametrize("name", SERVICES)
def test_sigterm_ends_each_process_with_0_within_its_grace(project: str, name: str) -> None:
    container = state(project)[name]
    grace_s = container["Config"]["StopTimeout"]
    start = time.monotonic()
    docker("stop", container["Id"])
    assert time.monotonic() - start < grace_s
    after = state(project)[name]["State"]
    assert (after["Status"], after["ExitCode"], after["OOMKilled"]) == ("exited", 0, False)
