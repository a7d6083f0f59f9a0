"""What the service makes of its readings: scores, plots, films, additions to aggregates. Real processes, real clips."""

import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from services.speed.camera import PRESETS
from services.speed.plot import SIZE
from services.speed.render import render_clip
from tests.polling import until
from tests.processes import Process, running, running_redis
from tests.services.speed import clips
from tests.services.speed.test_mutations import memory, spooled

FRAMES = 24
VIDEO = {"content-type": "video/mp4"}


@pytest.fixture(scope="module")
def speed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """With a Redis, and stats that is not there yet."""
    folder = tmp_path_factory.mktemp("spool")
    with (
        running_redis(tmp_path_factory.mktemp("redis")) as (_, redis_url),
        running("services.stats", REDIS_URL=redis_url) as stats,
        running(
            "services.speed", TMPDIR=str(folder), REDIS_URL=redis_url, VERNIER_SPEED_STATS_URL=stats.address
        ) as process,
    ):
        process.stats = stats.address  # type: ignore[attr-defined]
        yield process
        assert list(folder.iterdir()) == []


@pytest.fixture
def web(speed: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{speed.address}/v1/speed", timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A rendered drive and the csv of its speeds."""
    path = tmp_path_factory.mktemp("drive") / "road.mp4"
    camera = PRESETS["kitti"].scaled(310, 94)
    render_clip(path, seconds=FRAMES / 10, fps=10.0, seed=1, camera=camera)
    return path.read_bytes(), path.with_suffix(".csv").read_bytes()


def forms(file: bytes, truth: bytes) -> dict[str, tuple[str, bytes]]:
    return {"file": ("file", file), "truth": ("truth", truth)}


class TestEvaluate:
    def test_two_lists(self, web: httpx.Client) -> None:
        answer = web.post("/evaluate", files=forms(b"1\n2\n3\n4\n", b"\xef\xbb\xbfspeed_mps\r\n1\r\n2\r\n3\r\n8\r\n"))
        assert answer.status_code == 200
        assert answer.json() == {
            "mse": 4.0, "rmse": 2.0, "mae": 1.0, "bias": -1.0, "frames": 4, "grade": "better",
            "within_1_sd": None, "within_2_sd": None, "model": None, "warnings": [],
        }  # fmt: skip

    def test_text(self, web: httpx.Client) -> None:
        predicted = b"time_s,speed_mps,sd_mps\n0,1,0.1\n1,2,2\n"
        answer = web.post("/evaluate", files=forms(predicted, b"1\n4\n"), headers={"accept": "text/plain"})
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        fields = dict(line.split() for line in answer.text.splitlines())
        assert (float(fields["mse"]), fields["grade"], float(fields["within_1_sd"])) == (2.0, "heart", 1.0)

    def test_what_the_service_answers_can_be_scored(self, web: httpx.Client, drive: tuple[bytes, bytes]) -> None:
        """Measured and sent back as CSV, as plain text, or measured on the way: one score."""
        video, truth = drive
        said = {
            kind: web.post("/video?camera=kitti", content=video, headers={**VIDEO, "accept": kind}).content
            for kind in ("text/csv", "text/plain")
        }
        table, lines = (web.post("/evaluate", files=forms(each, truth)).json() for each in said.values())
        measured = web.post("/evaluate?camera=kitti", files=forms(video, truth)).json()
        assert measured["mse"] == pytest.approx(table["mse"], rel=1e-9)
        assert measured["mse"] == pytest.approx(lines["mse"], rel=1e-3)
        assert measured["within_2_sd"] == table["within_2_sd"]
        assert lines["within_2_sd"] is None
        assert measured["model"]["name"] == "speed"
        assert measured["frames"] == FRAMES
        assert measured["warnings"] == []

    @pytest.mark.parametrize(
        ("file", "truth", "status", "pointer", "what"),
        [
            (b"1\n2\n", b"1\n", 422, "/file", "file has 2 speeds and truth 1"),
            (b"", b"1\n", 422, "/file", "file is empty"),
            (b"1\n", b"", 422, "/truth", "truth is empty"),
            (b"1\nnan\n", b"1\n2\n", 422, "/file", "file: line 2 has nan"),
            (b"1\n2\n", b"1\nx\n", 400, "/truth", "truth: line 2 has 'x'"),
            (clips.image(), b"1\n", 400, "/file", "file is no text in UTF-8"),
            (b"9\n" * 80_000, b"1\n", 413, "/file", "more than the 72,000"),
        ],
    )
    def test_refusals(self, web: httpx.Client, file: bytes, truth: bytes, status: int, pointer: str, what: str) -> None:
        answer = web.post("/evaluate", files=forms(file, truth))
        problem = answer.json()
        assert (answer.status_code, problem["errors"][0]["pointer"]) == (status, pointer)
        assert what in problem["detail"]

    def test_a_video_that_is_none_and_parts_that_are_missing(self, web: httpx.Client) -> None:
        assert web.post("/evaluate", files=forms(clips.video(1), b"1\n")).status_code == 422
        assert web.post("/evaluate", files=forms(clips.without_index(clips.video()), b"1\n")).status_code == 400
        assert "no part named truth" in web.post("/evaluate", files={"file": ("f", b"1")}).json()["detail"]
        assert web.post("/evaluate", content=b"1\n").status_code == 415
        assert web.post("/evaluate?aggregate=fleet", files=forms(b"1\n", b"1\n")).status_code == 400


class TestPictures:
    def test_plot(self, web: httpx.Client, drive: tuple[bytes, bytes]) -> None:
        answer = web.post("/video?camera=kitti", content=drive[0], headers={**VIDEO, "accept": "image/png"})
        assert answer.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(answer.content)).size == SIZE
        again = web.post("/video?camera=kitti", content=drive[0], headers={**VIDEO, "accept": "image/png"})
        assert again.content == answer.content

    def test_what_was_assumed_is_said_beside_the_table(self, web: httpx.Client, drive: tuple[bytes, bytes]) -> None:
        said = web.post("/video", content=drive[0], headers={**VIDEO, "accept": "text/csv"})
        assert "no camera was given" in said.headers["vernier-warnings"]
        known = web.post("/video?camera=kitti", content=drive[0], headers={**VIDEO, "accept": "text/csv"})
        assert "vernier-warnings" not in known.headers

    def test_film(self, web: httpx.Client, drive: tuple[bytes, bytes]) -> None:
        """The same frames at the same times, their pictures above the bar, and the index before the data."""
        answer = web.post("/video?camera=kitti", content=drive[0], headers={**VIDEO, "accept": "video/mp4"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert answer.headers["vernier-model"].startswith("speed/")
        kinds = list(clips.boxes(answer.content))
        assert kinds.index(b"moov") < kinds.index(b"mdat")
        drawn, times = decoded(answer.content)
        given, expected = decoded(drive[0])
        assert times == pytest.approx(expected, abs=1e-3)
        assert drawn[0].shape[1] == 640
        for index in (5, FRAMES - 1):
            sky = np.s_[: drawn[0].shape[0] // 5]
            enlarged = np.asarray(Image.fromarray(given[index]).resize((640, 194)))
            assert np.abs(drawn[index][sky].astype(int) - enlarged[sky]).mean() < 6
            assert drawn[index][-100:, :300].max() > 230, "a speed is written there"

    def test_film_of_images(self, web: httpx.Client) -> None:
        files = [("frames", (f"{k}.jpg", clips.image(k), "image/jpeg")) for k in range(5)]
        answer = web.post("/frames?fps=20", files=files, headers={"accept": "video/mp4"})
        frames, times = decoded(answer.content)
        assert times == pytest.approx([0, 0.05, 0.1, 0.15, 0.2], abs=1e-3)
        assert frames[0].shape[1] == 640

    def test_deadline_while_a_film_is_written(self, web: httpx.Client, speed: Process) -> None:
        data = clips.video(1500)
        answer = web.post(
            "/video", content=data, headers={**VIDEO, "accept": "video/mp4", "x-request-timeout-ms": "300"}
        )
        assert answer.status_code == 504
        until(lambda: spooled(speed) == 0, "neither video nor film is on disk any more")

    def test_a_client_that_leaves_midway_takes_its_film_along(self, speed: Process) -> None:
        """A film of noise, larger than what fits between two sockets."""
        noise = np.random.default_rng(0).integers(0, 256, (16, 720, 1280), np.uint8)
        times = [2000 * k for k in range(16)]
        options = {"preset": "ultrafast", "crf": "40"}
        data = clips.coded(width=1280, height=720, shown=noise, options=options, times=times)
        address = urlsplit(speed.address)
        with socket.create_connection((address.hostname, address.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            head = (
                f"POST /v1/speed/video HTTP/1.1\r\nHost: x\r\nAccept: video/mp4\r\nContent-Length: {len(data)}\r\n\r\n"
            )
            client.sendall(head.encode() + data)
            assert client.recv(200).startswith(b"HTTP/1.1 200")
            assert spooled(speed) == 1, "the film is not all sent"
        until(lambda: spooled(speed) == 0, "the film is gone")


def decoded(data: bytes) -> tuple[list[Any], list[float]]:
    with av.open(io.BytesIO(data), "r") as file:
        frames = list(file.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in frames], [frame.time or 0.0 for frame in frames]


class TestAggregate:
    def test_speeds_are_added_once(self, web: httpx.Client, speed: Process, drive: tuple[bytes, bytes]) -> None:
        fleet = f"{speed.stats}/v1/stats/aggregates/fleet"  # type: ignore[attr-defined]
        assert httpx.put(fleet, json={"kind": ["count", "mean"], "columns": ["speed_mps"]}).status_code in {200, 201}
        query = "camera=kitti&aggregate=fleet"
        answers = [web.post(f"/video?{query}", content=drive[0], headers=VIDEO) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
        assert answers[0].json()["warnings"] == []
        plain = web.post("/video?camera=kitti", content=drive[0], headers=VIDEO)
        assert plain.json() == answers[0].json()
        assert "cache-control" not in plain.headers
        assert self.count(fleet) == FRAMES
        table = web.post(f"/video?{query}", content=drive[0], headers={**VIDEO, "accept": "text/csv"})
        assert (table.status_code, self.count(fleet)) == (200, FRAMES)
        key = {"Idempotency-Key": "second-drive"}
        for _ in range(2):
            web.post(f"/video?{query}", content=drive[0], headers={**VIDEO, **key, "accept": "video/mp4"})
        assert self.count(fleet) == 2 * FRAMES
        files = [("frames", (f"{k}.jpg", clips.image(k), "image/jpeg")) for k in range(4)]
        assert web.post("/frames?fps=20&aggregate=fleet", files=files).status_code == 200

    def count(self, fleet: str) -> int:
        found: int = httpx.get(fleet).json()["rows"]
        return found

    def test_an_aggregate_that_is_not_there(self, web: httpx.Client) -> None:
        answer = web.post("/video?aggregate=nobody", content=clips.video(3), headers=VIDEO)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (404, "/aggregate")
        assert web.post("/video?aggregate=!", content=clips.video(3), headers=VIDEO).status_code == 422

    def test_with_stats_away_the_speeds_are_served(self) -> None:
        with running("services.speed", VERNIER_SPEED_STATS_URL="http://127.0.0.1:9") as process:
            answer = httpx.post(
                f"{process.address}/v1/speed/video?aggregate=fleet", content=clips.video(4), headers=VIDEO, timeout=60
            )
        assert answer.status_code == 200
        assert len(answer.json()["speed_mps"]) == 4
        assert any("stats service is away" in each for each in answer.json()["warnings"])


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    """Three times the frames, the same memory: a process that kept their pictures would grow by 52 MB."""
    with running("services.speed", TMPDIR=str(tmp_path)) as process:
        held = []
        for count in (600, 1800):
            path = tmp_path / "long.mp4"
            write_night(path, count)
            with path.open("rb") as file:
                answer = httpx.post(f"{process.address}/v1/speed/video", content=file, headers=VIDEO, timeout=300)
            assert answer.json()["frames"] == count
            held.append(peak(process))
        assert held[1] - held[0] < 20 << 20
        assert memory(process) < held[1]


def write_night(path: Path, count: int) -> None:
    """A video in which the light goes on for a tenth of its time: most frames are cheap to measure."""
    lit, dark = clips.pictures(20, 240, 180), np.zeros((180, 240), np.uint8)
    shown = (lit[k % 20] if k % 200 < 20 else dark for k in range(count))
    path.write_bytes(clips.coded(count, width=240, height=180, shown=shown, options={"preset": "ultrafast"}))


def peak(process: Process) -> int:
    """Bytes that it ever held at a time."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10
