"""The running containers hold no more rights than they need."""

from typing import Any

import pytest

from tests.containers.docker import SERVICES, docker

Containers = dict[str, dict[str, Any]]


def test_six_containers_run_and_are_healthy(containers: Containers) -> None:
    assert set(containers) == set(SERVICES)
    assert {name: each["State"]["Health"]["Status"] for name, each in containers.items()} == dict.fromkeys(
        SERVICES, "healthy"
    )
    assert all(each["RestartCount"] == 0 for each in containers.values())


@pytest.mark.parametrize("name", SERVICES)
class TestEachContainer:
    def test_its_process_is_not_root(self, containers: Containers, name: str) -> None:
        status = docker("exec", containers[name]["Id"], "cat", "/proc/1/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split() == ["10001"] * 4
        assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
        assert fields["NoNewPrivs"] == "1"

    def test_it_cannot_write_to_its_root(self, containers: Containers, name: str) -> None:
        script = "for d in / /app /opt /usr /home; do touch $d/probe 2>/dev/null && echo $d; done; touch /tmp/probe"
        assert docker("exec", "--user", "0", containers[name]["Id"], "sh", "-c", script) == ""

    def test_memory_processors_and_processes_are_bounded(self, containers: Containers, name: str) -> None:
        host = containers[name]["HostConfig"]
        assert 0 < host["Memory"] <= 2 << 30
        assert 0 < host["NanoCpus"] <= 2_000_000_000
        assert 0 < host["PidsLimit"] <= 256

    def test_only_the_gateway_publishes_a_port_and_on_loopback(self, containers: Containers, name: str) -> None:
        published = {port: hosts for port, hosts in containers[name]["NetworkSettings"]["Ports"].items() if hosts}
        if name == "gateway":
            assert list(published) == ["8080/tcp"]
            assert {each["HostIp"] for each in published["8080/tcp"]} == {"127.0.0.1"}
        else:
            assert published == {}


@pytest.mark.parametrize("name", ["speed", "text", "stats"])
def test_a_service_reaches_nothing_outside(containers: Containers, name: str) -> None:
    networks = containers[name]["NetworkSettings"]["Networks"]
    assert [docker("network", "inspect", "--format", "{{.Internal}}", each).strip() for each in networks] == ["true"]


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("gateway", ["services", "numpy", "onnxruntime", "pip", "torch"]),
        ("speed", ["gateway", "services.text", "services.stats", "services.speed.training", "onnx", "pip", "torch"]),
        ("text", ["gateway", "services.speed", "services.stats", "onnx", "pip", "torch", "cv2"]),
        ("stats", ["gateway", "services.speed", "services.text", "onnxruntime", "pip", "torch", "cv2"]),
    ],
)
def test_an_image_holds_its_own_process_only(containers: Containers, name: str, absent: list[str]) -> None:
    script = (
        "import sys, importlib.util as u\n"
        "def there(name):\n"
        "    try: return u.find_spec(name) is not None\n"
        "    except ModuleNotFoundError: return False\n"
        "print(*[name for name in sys.argv[1:] if there(name)])"
    )
    assert docker("exec", containers[name]["Id"], "python", "-c", script, *absent).split() == []


def test_redis_evicts_only_what_may_expire_and_keeps_the_rest_on_disk(containers: Containers) -> None:
    def config(name: str) -> str:
        return docker("exec", containers["redis"]["Id"], "redis-cli", "config", "get", name).split()[-1]

    assert config("maxmemory-policy") == "volatile-lru"
    assert 0 < int(config("maxmemory")) < containers["redis"]["HostConfig"]["Memory"]
    assert config("appendonly") == "yes"
    assert [mount["Type"] for mount in containers["redis"]["Mounts"] if mount["Destination"] == "/data"] == ["volume"]
