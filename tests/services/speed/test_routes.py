"""The speed service as its clients meet it: a real process, real sockets, real clips."""

import csv
import io
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.speed.video import Limits, open_video
from tests.polling import until
from tests.processes import Process, running
from tests.services.speed import clips

CLIP = "tiny_odom03_0640_0790"
VIDEO = {"content-type": "video/mp4"}


@pytest.fixture(scope="module")
def speed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One process whose limits are within reach and whose temporary files would be seen."""
    folder = tmp_path_factory.mktemp("spool")
    limits = {"MAX_BODY_BYTES": "4000000", "MAX_FRAMES": "2000", "MAX_IMAGES": "200", "MAX_PIXELS": "2000000"}
    settings = {f"VERNIER_SPEED_{name}": value for name, value in limits.items()}
    with running("services.speed", TMPDIR=str(folder), **settings) as process:
        yield process
        assert list(folder.iterdir()) == []
    assert [line for line in process.lines if line.get("raw")] == [], "a decoder wrote a line of its own"
    assert [line for line in process.lines if line.get("level") == "error"] == []


@pytest.fixture
def web(speed: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{speed.address}/v1/speed", timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def clip(data: Path) -> bytes:
    return (data / "speed" / f"{CLIP}.mp4").read_bytes()


@pytest.fixture(scope="module")
def answers(speed: Process, clip: bytes) -> dict[str, dict[str, Any]]:
    """What the service says of the clip, by smoothing."""

    def ask(smoothing: str) -> dict[str, Any]:
        query = {"camera": "kitti-03", "smoothing": smoothing}
        sent = httpx.post(f"{speed.address}/v1/speed/video", params=query, content=clip, headers=VIDEO, timeout=120)
        assert sent.status_code == 200
        found: dict[str, Any] = sent.json()
        return found

    return {smoothing: ask(smoothing) for smoothing in ("kalman", "rts", "none")}


@pytest.fixture(scope="module")
def truth(data: Path) -> dict[str, list[float]]:
    with (data / "speed" / f"{CLIP}.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    return {name: [float(row[name]) for row in rows] for name in ("time_s", "speed_mps")}


def metric(process: Process, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(httpx.get(f"{process.address}/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def spooled(process: Process) -> int:
    """Files without a name that the process holds open: bodies on disk."""
    held = 0
    for each in Path(f"/proc/{process.popen.pid}/fd").iterdir():
        try:
            held += "(deleted)" in str(each.readlink())
        except FileNotFoundError:
            continue
    return held


def still_serves(web: httpx.Client) -> None:
    assert web.post("/video", content=clips.video(3), headers=VIDEO).status_code == 200


def images(*files: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("frames", (f"{k}.jpg", each, "image/jpeg")) for k, each in enumerate(files)]


class TestAnswers:
    def test_json(self, answers: dict[str, dict[str, Any]], truth: dict[str, list[float]]) -> None:
        frames = len(truth["time_s"])
        for smoothing, answer in answers.items():
            assert (answer["frames"], answer["smoothing"]) == (frames, smoothing)
            for column in ("time_s", "speed_mps", "sd_mps", "raw_mps"):
                assert len(answer[column]) == frames
            assert answer["time_s"] == pytest.approx(truth["time_s"], abs=0.02)
            assert answer["fps"] == pytest.approx(9.6775, rel=1e-3)
            assert answer["raw_mps"][0] is None
            assert None not in answer["speed_mps"] + answer["sd_mps"]
            assert answer["warnings"] == []
            assert answer["camera"]["width"] == 620
            assert answer["model"].keys() == {"name", "version", "provider"}
            assert answer["model"]["provider"].endswith("ExecutionProvider")

    def test_speeds_are_those_of_the_car(
        self, answers: dict[str, dict[str, Any]], truth: dict[str, list[float]]
    ) -> None:
        """On a road that no training saw: 0.06, 0.014 and 0.06 (m/s)^2 were measured, a constant misses by 22."""
        error = {
            smoothing: float(np.mean((np.array(answer["speed_mps"]) - truth["speed_mps"]) ** 2))
            for smoothing, answer in answers.items()
        }
        assert error["kalman"] < 0.12
        assert error["none"] < 0.12
        assert error["rts"] < 0.03

    @pytest.mark.parametrize("smoothing", ["kalman", "rts", "none"])
    def test_sd_covers_the_error(
        self, answers: dict[str, dict[str, Any]], truth: dict[str, list[float]], smoothing: str
    ) -> None:
        """Two sd would hold 95 % of independent errors; of 151 that hang together 85 % is asked for."""
        answer = answers[smoothing]
        error = np.abs(np.array(answer["speed_mps"]) - truth["speed_mps"])
        assert np.mean(error < 2 * np.array(answer["sd_mps"])) > 0.85

    def test_form_and_body_say_the_same(self, web: httpx.Client) -> None:
        data = clips.video(5)
        raw = web.post("/video", content=data, headers=VIDEO)
        assert raw.content == web.post("/video", files={"file": ("clip.mp4", data, "video/mp4")}).content
        assert raw.content == web.post("/video", content=data).content

    def test_requests_side_by_side_do_not_mix(self, web: httpx.Client) -> None:
        videos = [clips.video(count) for count in (5, 8, 11)]

        def ask(data: bytes) -> bytes:
            return web.post("/video", content=data, headers=VIDEO).content

        alone = [ask(data) for data in videos]
        with ThreadPoolExecutor(6) as threads:
            assert list(threads.map(ask, videos * 2)) == alone * 2

    def test_text(self, web: httpx.Client) -> None:
        data = clips.video(5)
        answer = web.post("/video", content=data, headers=VIDEO).json()
        table = web.post("/video", content=data, headers={**VIDEO, "accept": "text/csv"})
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(table.text)))
        for name in ("time_s", "speed_mps", "sd_mps", "raw_mps"):
            assert [float(row[name]) if row[name] else None for row in rows] == answer[name]
        lines = web.post("/video", content=data, headers={**VIDEO, "accept": "text/plain"})
        assert [float(line) for line in lines.text.splitlines()] == pytest.approx(answer["speed_mps"], abs=5e-7)
        assert lines.headers["vernier-model"] == f"{answer['model']['name']}/{answer['model']['version']}"

    @pytest.mark.parametrize(
        ("accept", "media_type"),
        [
            ("*/*", "application/json"),
            ("text/*", "text/csv"),
            ("text/plain;q=0.5, text/csv;q=0.4", "text/plain"),
            ("application/json;q=0.1, text/plain;q=0.2", "text/plain"),
            ("audio/ogg, */*;q=0.1", "application/json"),
            ("image/*", "image/png"),
            ("video/mp4, */*;q=0.1", "video/mp4"),
            ("*/*, application/json;q=0", "text/csv"),
        ],
    )
    def test_accept(self, web: httpx.Client, accept: str, media_type: str) -> None:
        answer = web.post("/video", content=clips.video(3), headers={**VIDEO, "accept": accept})
        assert answer.headers["content-type"].partition(";")[0] == media_type

    def test_fps_sets_the_times(self, web: httpx.Client) -> None:
        answer = web.post("/video?fps=5", content=clips.video(4), headers=VIDEO).json()
        assert (answer["time_s"], answer["fps"]) == ([0, 0.2, 0.4, 0.6], pytest.approx(5))

    def test_images_say_what_the_video_said(
        self, web: httpx.Client, clip: bytes, answers: dict[str, dict[str, Any]]
    ) -> None:
        """The clip's own first 30 frames as PNG, which loses nothing: the same speeds to rounding."""
        with clips.upload(clip).taken() as upload:
            video = open_video(upload, Limits())
            frames = list(video.frames())[:30]
            video.close()
        files = images(*(clips.encoded(frame.grey) for frame in frames))
        times = ",".join(repr(frame.time_s) for frame in frames)
        whole = answers["kalman"]
        part = web.post("/frames?camera=kitti-03", files=files, data={"time_s": times}).json()
        assert part["raw_mps"][1:] == pytest.approx(whole["raw_mps"][1:30], rel=1e-6)
        assert part["speed_mps"] == pytest.approx(whole["speed_mps"][:30], rel=1e-6)
        assert part["time_s"] == whole["time_s"][:30]

    def test_frames_by_rate(self, web: httpx.Client) -> None:
        files = images(*(clips.image(k) for k in range(4)))
        in_query = web.post("/frames?fps=20", files=files)
        assert in_query.json()["time_s"] == pytest.approx([0, 0.05, 0.1, 0.15])
        assert in_query.content == web.post("/frames", files=files, data={"fps": "20"}).content

    def test_cut_off_video_is_read_as_far_as_it_goes(self, web: httpx.Client) -> None:
        data = clips.index_first(clips.video(40))
        answer = web.post("/video", content=data[: len(data) * 6 // 10], headers=VIDEO)
        assert answer.status_code == 200
        assert 2 <= answer.json()["frames"] < 40
        assert any("cut off" in each for each in answer.json()["warnings"])

    def test_speeds_beyond_the_training_are_said(self, web: httpx.Client, clip: bytes) -> None:
        """The same road in a fifth of the time, or seen from three times the height."""
        with clips.upload(clip).taken() as upload:
            video = open_video(upload, Limits())
            files = images(*(clips.encoded(frame.grey) for frame in list(video.frames())[:6]))
            video.close()
        answer = web.post("/frames?camera=kitti-03&height_m=5&fps=9.6775", files=files).json()
        assert max(answer["speed_mps"]) > 15
        assert any("faster than the 15 m/s" in each for each in answer["warnings"])

    def test_what_was_assumed_is_said(self, web: httpx.Client) -> None:
        def warnings(query: str) -> list[str]:
            found: list[str] = web.post(f"/video?{query}", content=clips.video(3), headers=VIDEO).json()["warnings"]
            return found

        assert "no camera was given" in warnings("")[0]
        assert "height_m, pitch_rad not given" in warnings("camera=kitti&focal_px=90&cx_px=80&cy_px=48")[0]
        whole = warnings("focal_px=90&cx_px=80&cy_px=48&height_m=1.5&pitch_rad=0")
        assert not any("given" in each or "camera" in each for each in whole)


BAD_VIDEOS: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "0 bytes"),
    "text": (b"hello", 415, "no video"),
    "playlist": (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x.ts\n", 415, "no video"),
    "image": (clips.image(), 415, "no video"),
    "index missing": (clips.without_index(clips.video()), 400, "moov"),
    "head only": (clips.video()[:50], 400, "moov"),
    "one frame": (clips.video(1), 422, "one frame"),
    "too many pixels": (clips.video(2, width=1600, height=1280), 413, "2,000,000"),
    "too small": (clips.video(2, width=32, height=32), 422, "at least 64"),
}

GOOD = clips.image()
BAD_IMAGES: dict[str, tuple[list[bytes], int, str]] = {
    "one": ([GOOD], 422, "two or more"),
    "1x1": ([clips.image(0, "PNG", 1, 1)] * 2, 422, "1 x 1"),
    "30,000 square, PNG": ([GOOD, clips.png_header(30_000, 30_000)], 413, "30,000 x 30,000"),
    "30,000 square, JPEG": ([clips.jpeg_header(30_000, 30_000), GOOD], 413, "30,000 x 30,000"),
    "two sizes": ([GOOD, clips.image(0, "JPEG", 176, 96)], 422, "frame 1 is 176 x 96"),
    "half an image": ([GOOD, GOOD[:600]], 400, "frame 1"),
    "no image": ([GOOD, b"no image"], 415, "frame 1"),
    "too many": ([GOOD] * 201, 413, "200"),
}


class TestRefusals:
    @pytest.mark.parametrize("case", BAD_VIDEOS)
    def test_videos(self, web: httpx.Client, case: str) -> None:
        data, status, what = BAD_VIDEOS[case]
        for sent in (
            web.post("/video", content=data, headers=VIDEO),
            web.post("/video", files={"file": ("clip.mp4", data)}),
        ):
            self.is_problem(sent, status, what)
        still_serves(web)

    @pytest.mark.parametrize("case", BAD_IMAGES)
    def test_images(self, web: httpx.Client, case: str) -> None:
        files, status, what = BAD_IMAGES[case]
        sent = web.post("/frames?fps=20", files=images(*files))
        self.is_problem(sent, status, what)
        still_serves(web)

    @pytest.mark.parametrize(
        ("path", "query", "status", "pointer"),
        [
            ("/video", "fps=0", 422, "/fps"),
            ("/video", "fps=nan", 400, "/fps"),
            ("/video", "fps=fast", 400, "/fps"),
            ("/video", "smoothing=median", 422, "/smoothing"),
            ("/video", "camera=webcam", 422, "/camera"),
            ("/video", "height_m=-1", 422, "/height_m"),
            ("/video", "pitch_rad=3", 422, "/pitch_rad"),
            ("/video", "focal_px=1", 422, "/focal_px"),
            ("/video", "focal_length=700", 400, "/focal_length"),
            ("/frames", "", 422, "/fps"),
            ("/frames", "fps=20&time_s=0,1", 422, "/fps"),
            ("/frames", "time_s=0,1,2", 422, "/time_s"),
            ("/frames", "time_s=1,0", 422, "/time_s"),
            ("/frames", "time_s=0,soon", 400, "/time_s"),
        ],
    )
    def test_parameters(self, web: httpx.Client, path: str, query: str, status: int, pointer: str) -> None:
        if path == "/video":
            sent = web.post(f"{path}?{query}", content=clips.video(3), headers=VIDEO)
        else:
            sent = web.post(f"{path}?{query}", files=images(GOOD, GOOD))
        assert (sent.status_code, sent.json()["errors"][0]["pointer"]) == (status, pointer)

    @pytest.mark.parametrize(
        ("path", "content_type", "status"),
        [
            ("/video", "text/html", 415),
            ("/video", "image/jpeg", 415),
            ("/frames", "video/mp4", 415),
            ("/frames", "application/json", 415),
            ("/video", "multipart/form-data", 400),
            ("/video", "multipart/form-data; boundary=x", 400),
        ],
    )
    def test_content_types(self, web: httpx.Client, path: str, content_type: str, status: int) -> None:
        sent = web.post(f"{path}?fps=20", content=b"x", headers={"content-type": content_type})
        self.is_problem(sent, status, "multipart/form-data")

    def test_not_acceptable(self, web: httpx.Client) -> None:
        headers = {**VIDEO, "accept": "image/gif, application/json;q=0"}
        self.is_problem(web.post("/video", content=clips.video(3), headers=headers), 406, "text/csv")

    @pytest.mark.parametrize("announced", [True, False])
    def test_body_larger_than_the_limit(self, web: httpx.Client, announced: bool) -> None:
        def chunks() -> Iterator[bytes]:
            for _ in range(50):
                yield bytes(100_000)

        body: Any = bytes(5_000_000) if announced else chunks()
        self.is_problem(web.post("/video", content=body, headers=VIDEO), 413, "4,000,000 bytes")
        still_serves(web)

    def test_too_many_frames(self, web: httpx.Client, long_video: bytes) -> None:
        self.is_problem(web.post("/video", content=long_video, headers=VIDEO), 413, "2,000 frames")

    def test_deadline(self, web: httpx.Client, patient_video: bytes) -> None:
        headers = {**VIDEO, "x-request-timeout-ms": "100"}
        started = time.monotonic()
        self.is_problem(web.post("/video", content=patient_video, headers=headers), 504, "deadline")
        assert time.monotonic() - started < 5

    def is_problem(self, sent: httpx.Response, status: int, what: str) -> None:
        assert (sent.status_code, sent.headers["content-type"]) == (status, "application/problem+json"), sent.text[:500]
        assert what in sent.json()["detail"]


@pytest.fixture(scope="module")
def long_video() -> bytes:
    return clips.video(2001, width=64, height=64)


@pytest.fixture(scope="module")
def patient_video() -> bytes:
    """So many frames that nobody measures them while a test looks."""
    return clips.video(2000)


class TestHangUps:
    def post(self, speed: Process, data: bytes, length: int | None = None) -> socket.socket:
        address = urlsplit(speed.address)
        connection = socket.create_connection((address.hostname, address.port))
        head = f"POST /v1/speed/video HTTP/1.1\r\nHost: x\r\nContent-Length: {length or len(data)}\r\n\r\n"
        connection.sendall(head.encode() + data)
        return connection

    def test_body_cut_off_midway(self, speed: Process, web: httpx.Client) -> None:
        data = clips.video(20)
        with self.post(speed, data[: len(data) // 2], len(data)):
            until(lambda: spooled(speed) == 1, "the body is being written to disk")
        until(lambda: spooled(speed) == 0, "the file of the cut body is gone")
        still_serves(web)

    def test_form_cut_off_midway(self, speed: Process, web: httpx.Client) -> None:
        cut = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + clips.video(5)
        answer = web.post("/video", content=cut, headers={"content-type": "multipart/form-data; boundary=b"})
        assert (answer.status_code, "breaks off" in answer.json()["detail"]) == (400, True)
        assert spooled(speed) == 0

    def test_client_gone_while_its_video_is_measured(
        self, speed: Process, web: httpx.Client, patient_video: bytes
    ) -> None:
        cancelled = metric(speed, "inference_requests_total", outcome="cancelled")
        before = metric(speed, "speed_frames_total")
        with self.post(speed, patient_video):
            until(lambda: metric(speed, "speed_frames_total") > before, "frames are measured")
        until(lambda: metric(speed, "inference_requests_total", outcome="cancelled") > cancelled, "it was cancelled")
        until(lambda: spooled(speed) == 0, "its file is gone")
        assert metric(speed, "speed_frames_total") - before < 2000
        still_serves(web)


def test_frames_are_counted(speed: Process, web: httpx.Client) -> None:
    before = metric(speed, "speed_frames_total")
    web.post("/video", content=clips.video(7), headers=VIDEO)
    assert metric(speed, "speed_frames_total") == before + 7


def test_document(speed: Process) -> None:
    document = httpx.get(f"{speed.address}/openapi.json").json()
    for name in ("video", "frames"):
        operation = document["paths"][f"/v1/speed/{name}"]["post"]
        assert operation["x-vernier-cacheable"] is True
        offered = {"application/json", "text/csv", "text/plain", "image/png", "video/mp4"}
        assert operation["responses"]["200"]["content"].keys() == offered
        assert operation["responses"].keys() >= {"400", "406", "413", "415", "422", "503", "504"}
        assert "multipart/form-data" in operation["requestBody"]["content"]
        assert {"aggregate", "Idempotency-Key"} <= {each["name"] for each in operation["parameters"]}
    evaluate = document["paths"]["/v1/speed/evaluate"]["post"]
    assert evaluate["x-vernier-cacheable"] is True
    assert "aggregate" not in [each["name"] for each in evaluate["parameters"]]
    assert evaluate["responses"]["200"]["content"].keys() == {"application/json", "text/plain"}
