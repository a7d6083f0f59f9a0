"""`WS /v1/speed/stream` as its clients meet it: a stock client, a real process, the gateway where it matters."""

import contextlib
import io
import json
import signal
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
import redis as sync_redis
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from services.speed.smoothing import smooth_speeds
from tests.gateway.conftest import gateway_before
from tests.polling import until
from tests.processes import Process, running, running_redis

PATIENCE_S = 60.0
FPS = 10
SIZE = (320, 96)
MOST_BYTES, MOST_STREAMS = 400_000, 6


def picture(index: int, kind: str = "PNG", size: tuple[int, int] = SIZE) -> bytes:
    """A texture that comes nearer."""
    noise = np.random.default_rng(0).integers(0, 256, size[::-1], np.uint8)
    texture = cv2.equalizeHist(cv2.GaussianBlur(noise, (0, 0), 2))
    zoom = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), 0, 1.03**index)
    out = io.BytesIO()
    Image.fromarray(cv2.warpAffine(texture, zoom, size)).save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as (_, url):
        yield url


@pytest.fixture(scope="module")
def address(redis: str) -> Iterator[str]:
    """Of the speed service."""
    env = {
        "VERNIER_SPEED_MAX_PIXELS": "100000",
        "VERNIER_MAX_MESSAGE_BYTES": str(MOST_BYTES),
        "VERNIER_SPEED_STREAMS": str(MOST_STREAMS),
        "VERNIER_SPEED_STREAM_FRAMES": "4",
    }
    with running("services.speed", REDIS_URL=redis, **env) as process:
        yield process.address


@pytest.fixture(scope="module")
def gateway(address: str) -> Iterator[str]:
    with gateway_before({"speed": address}) as process:
        yield process.address


def stream(address: str, query: str = f"?fps={FPS}") -> ClientConnection:
    """To be used in a `with`."""
    url = f"ws{address.removeprefix('http')}/v1/speed/stream{query}"
    socket: ClientConnection = connect(url, compression=None, proxy=None, open_timeout=PATIENCE_S)
    return socket


def ask(socket: ClientConnection, message: bytes | str) -> dict[str, Any]:
    socket.send(message)
    return reply(socket)


def reply(socket: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(socket.recv(PATIENCE_S))
    return found


def test_through_the_gateway_it_says_what_a_request_with_the_same_frames_gets(gateway: str) -> None:
    pictures = [picture(index) for index in range(6)]
    with stream(gateway) as socket:
        replies = [ask(socket, each) for each in pictures]
    files = [("frames", (f"{index}.png", each, "image/png")) for index, each in enumerate(pictures)]
    whole = httpx.post(f"{gateway}/v1/speed/frames", params={"fps": FPS}, files=files, timeout=PATIENCE_S).json()
    assert [each["frame"] for each in replies] == list(range(6))
    assert [each["time_s"] for each in replies] == pytest.approx(whole["time_s"])
    assert replies[0]["raw_mps"] is None
    assert [each["raw_mps"] for each in replies[1:]] == pytest.approx(whole["raw_mps"][1:], rel=1e-5)
    assert replies[-1]["speed_mps"] == pytest.approx(whole["speed_mps"][-1], rel=1e-5)
    assert replies[-1]["sd_mps"] == pytest.approx(whole["sd_mps"][-1], rel=1e-5)
    opening = replies[0]
    assert opening["model"] == whole["model"]
    assert opening["camera"] == whole["camera"]
    assert "no camera was given" in opening["warnings"][0]
    assert "model" not in replies[1]


def test_each_reply_is_the_filters_after_that_frame(address: str) -> None:
    with stream(address) as socket:
        replies = [ask(socket, picture(index)) for index in range(5)]
    with stream(address, f"?fps={FPS}&smoothing=none") as socket:
        raws = [ask(socket, picture(index)) for index in range(5)]
    assert [each["raw_mps"] for each in raws] == [each["raw_mps"] for each in replies]
    assert [each["speed_mps"] for each in raws] == [each["raw_mps"] for each in raws]
    time_s, raw, sd = (np.array([each[name] for each in raws], float) for name in ("time_s", "raw_mps", "sd_mps"))
    shared = raws[0]["camera"]["scale_sd"]
    sd = np.sqrt(sd**2 - (shared * raw) ** 2)
    for count in range(2, 6):
        track = smooth_speeds(time_s[:count], raw[:count], sd[:count], "kalman")
        reply, speed = replies[count - 1], track.speed_mps[-1]
        assert reply["speed_mps"] == pytest.approx(speed, rel=1e-6)
        assert reply["sd_mps"] == pytest.approx(np.hypot(track.sd_mps[-1], shared * speed), rel=1e-6)


def test_times_of_its_own_stand_before_each_image(address: str) -> None:
    with stream(address, "") as socket:
        socket.send('{"timestamps": true}')
        replies = [ask(socket, struct.pack("<d", 5 + 0.1 * index) + picture(index, "JPEG")) for index in range(3)]
    assert [each["time_s"] for each in replies] == pytest.approx([5.0, 5.1, 5.2])
    assert replies[2]["speed_mps"] is not None


def test_a_frame_that_cannot_be_read_is_said_and_the_stream_goes_on(address: str) -> None:
    with stream(address) as socket:
        good = [ask(socket, picture(0))]
        bad = [
            ask(socket, b"no image"),
            ask(socket, b""),
            ask(socket, picture(1)[:200]),
            ask(socket, picture(1, size=(160, 96))),
            ask(socket, picture(1, size=(2000, 96))),
        ]
        good += [ask(socket, picture(index)) for index in (6, 7)]
    assert [each["frame"] for each in [*good[:1], *bad, *good[1:]]] == list(range(8))
    assert all(set(each) == {"frame", "error"} for each in bad)
    assert "JPEG, PNG or WebP" in bad[0]["error"]
    assert "[96, 160]" in bad[3]["error"]
    assert "100,000" in bad[4]["error"]
    assert good[-1]["time_s"] == pytest.approx(0.7)
    assert good[-1]["speed_mps"] is not None


def test_times_that_run_backwards_are_said(address: str) -> None:
    with stream(address) as socket:
        socket.send('{"timestamps": true}')
        for time_s, image, wrong in (
            (1.0, picture(0), False),
            (0.5, picture(1), True),
            (float("nan"), picture(1), True),
            (1.1, picture(1), False),
        ):
            assert ("error" in ask(socket, struct.pack("<d", time_s) + image)) == wrong
        assert "8 bytes" in ask(socket, b"short")["error"]


@pytest.mark.parametrize("text", ["hello", "{}", '{"timestamps": false}', '{"timestamps": true, "x": 1}', "[]", '"'])
def test_other_texts_are_said_to_be_none(address: str, text: str) -> None:
    with stream(address) as socket:
        assert "timestamps" in ask(socket, text)["error"]
        assert ask(socket, picture(0))["frame"] == 0
        assert "before the first frame" in ask(socket, '{"timestamps": true}')["error"]


def test_without_any_time_a_frame_is_refused(address: str) -> None:
    with stream(address, "") as socket:
        assert "fps" in ask(socket, picture(0))["error"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("?fps=0", 422), ("?fps=x", 400), ("?nonsense=1", 400), ("?fps=10&smoothing=rts", 422), ("?camera=none", 422)],
)
def test_a_query_without_sense_is_refused_before_it_opens(gateway: str, query: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as caught:
        stream(gateway, query)
    assert caught.value.response.status_code == status
    assert b"application/problem+json" in str(caught.value.response.headers).encode()


def test_a_message_too_large_ends_it(address: str) -> None:
    with stream(address) as socket:
        socket.send(bytes(MOST_BYTES + 1))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(PATIENCE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_several_streams_at_once_do_not_mix(address: str) -> None:
    with stream(address) as one, stream(address) as other:
        for index in range(4):
            mine, theirs = ask(one, picture(index)), ask(other, picture(0))
            assert mine["frame"] == theirs["frame"] == index
        assert abs(mine["raw_mps"] or 0.0) > 0.1
        assert abs(theirs["raw_mps"] or 0.0) < 0.1


def measured(reply: dict[str, Any]) -> bool:
    return reply["speed_mps"] is not None


def test_a_fast_sender_is_told_which_frames_were_dropped(address: str) -> None:
    """Frames come much faster than they are measured: each is answered or said to be dropped, in order."""
    count = 400
    pictures = [picture(index) for index in range(8)]
    before = dropped_in_all(address)
    with stream(address, "?fps=200") as socket:
        sender = threading.Thread(target=send_all, args=(socket, [pictures[k % 8] for k in range(count)]))
        sender.start()
        replies = [reply(socket)]
        while replies[-1]["frame"] < count - 1:
            replies.append(reply(socket))
        sender.join()
    expected, dropped = 0, 0
    for each in replies:
        missing = each.get("dropped", 0)
        if missing:
            assert each["dropped_frames"] == [expected, expected + missing - 1]
        assert each["frame"] == expected + missing
        expected, dropped = each["frame"] + 1, dropped + missing
    assert dropped > count / 4
    assert len(replies) + dropped == count
    assert dropped_in_all(address) == before + dropped


def send_all(socket: ClientConnection, messages: list[bytes]) -> None:
    for each in messages:
        socket.send(each)


def dropped_in_all(address: str) -> float:
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("speed_stream_dropped_total ")))


@pytest.fixture(scope="module")
def elsewhere(redis: str) -> Iterator[Process]:
    """Another instance of the service, with the same Redis."""
    with running("services.speed", REDIS_URL=redis) as process:
        yield process


def saved(redis: str, session: str, frames: int) -> bool:
    """Whether the state in Redis has seen so many frames."""
    found = sync_redis.from_url(redis).hget(f"vernier:speed:stream:{session}", "state")
    return found is not None and len(json.loads(found)["stream"]["track"]["times"]) >= frames


def test_after_a_break_it_goes_on_at_another_instance(address: str, elsewhere: Process, redis: str) -> None:
    query = "?fps=10&camera=kitti"
    with stream(address, query) as socket:
        first = ask(socket, picture(0))
        before = [ask(socket, picture(index)) for index in range(1, 8)]
        socket.socket.shutdown(2)
    assert first["resumed"] is False
    assert "warnings" not in first or not first["warnings"]
    session = first["session"]
    until(lambda: saved(redis, session, 8), "the state is kept")
    with stream(elsewhere.address, f"{query}&session={session}") as socket:
        after = [ask(socket, picture(index)) for index in range(8, 12)]
    with stream(elsewhere.address, query) as socket:
        fresh = ask(socket, picture(8))
    assert after[0]["resumed"] is True
    assert after[0]["session"] == session
    assert [each["frame"] for each in after] == [0, 1, 2, 3]
    assert after[0]["time_s"] > before[-1]["time_s"] + 0.09
    assert np.diff([each["time_s"] for each in after]) == pytest.approx(0.1)
    assert after[0]["raw_mps"] is None
    assert measured(after[0])
    assert not measured(fresh)
    assert abs(after[0]["speed_mps"] - before[-1]["speed_mps"]) < 3 * after[0]["sd_mps"]
    assert after[0]["sd_mps"] > before[-1]["sd_mps"]


@pytest.mark.parametrize("query", ["?fps=10&session=" + "0" * 32, "?fps=10&camera=kitti&session={}"])
def test_a_session_that_does_not_fit_begins_anew_and_says_so(address: str, redis: str, query: str) -> None:
    with stream(address) as socket:
        session = ask(socket, picture(0))["session"]
    until(lambda: saved(redis, session, 1), "the state is kept")
    with stream(address, query.format(session)) as socket:
        found = ask(socket, picture(0))
    assert found["resumed"] is False
    assert found["session"] not in (session, "0" * 32)
    assert any("begins anew" in each for each in found["warnings"])


def test_who_takes_a_session_over_ends_the_other_connection(address: str) -> None:
    with stream(address) as one:
        session = ask(one, picture(0))["session"]
        with stream(address, f"?fps={FPS}&session={session}") as other:
            assert ask(other, picture(1))["resumed"] is True
            with pytest.raises(ConnectionClosed) as closed:
                ask_again_and_again(one)
            assert ask(other, picture(2))["frame"] == 1
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert "another connection" in closed.value.rcvd.reason


def ask_again_and_again(socket: ClientConnection) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        ask(socket, picture(0))


def test_a_drain_ends_a_stream_once_its_state_is_kept(redis: str) -> None:
    with running("services.speed", REDIS_URL=redis) as process:
        with stream(process.address) as busy, stream(process.address) as idle:
            replies = [ask(busy, picture(index)) for index in range(4)]
            resting = ask(idle, picture(0))
            process.popen.send_signal(signal.SIGTERM)
            for socket, first, frames in ((busy, replies[0], 4), (idle, resting, 1)):
                with pytest.raises(ConnectionClosed) as closed:
                    socket.recv(PATIENCE_S)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1012
                assert first["session"] in closed.value.rcvd.reason
                assert saved(redis, first["session"], frames)
        assert process.popen.wait(PATIENCE_S) == 0


def test_without_redis_it_works_and_says_that_it_cannot_be_taken_up_again(tmp_path: Path) -> None:
    with running_redis(tmp_path) as (server, url), running("services.speed", REDIS_URL=url) as process:
        with stream(process.address) as socket:
            assert ask(socket, picture(0))["session"] is not None
            server.kill()
            server.wait()
            index, warnings = 1, list[str]()
            end = time.monotonic() + PATIENCE_S
            while not warnings:
                assert time.monotonic() < end
                found = ask(socket, picture(index % 20))
                warnings = found.get("warnings", [])
                assert "error" not in found
                index += 1
            assert "cannot be taken up again" in warnings[0]
        with stream(process.address, f"?fps={FPS}&session={'1' * 32}") as socket:
            found = ask(socket, picture(0))
        assert found["session"] is None
        assert found["resumed"] is False
        assert len(found["warnings"]) == 3


def test_no_more_streams_than_may_be(address: str) -> None:
    with contextlib.ExitStack() as stack:
        with pytest.raises(InvalidStatus) as caught:
            open_all(stack, address, MOST_STREAMS + 1)
        assert caught.value.response.status_code == 503
        assert "Retry-After" in caught.value.response.headers
    until(lambda: opens(address), "a place is free again")


def open_all(stack: contextlib.ExitStack, address: str, count: int) -> None:
    for _ in range(count):
        stack.enter_context(stream(address))


def opens(address: str) -> bool:
    try:
        with stream(address):
            return True
    except InvalidStatus:
        return False
