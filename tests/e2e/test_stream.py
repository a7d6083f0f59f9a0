"""A camera that streams through the gateway, breaks off, goes on, and is counted once."""

import json
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.polling import until

pytestmark = pytest.mark.e2e
Clip = tuple[Path, list[float], dict[str, str]]
PATIENCE_S = 60.0


def stream(vernier: str, **query: str) -> ClientConnection:
    url = f"ws{vernier.removeprefix('http')}/v1/speed/stream?{urlencode(query)}"
    socket: ClientConnection = connect(url, compression=None, proxy=None, open_timeout=PATIENCE_S)
    return socket


def ask(socket: ClientConnection, picture: bytes) -> dict[str, Any]:
    socket.send(picture)
    found: dict[str, Any] = json.loads(socket.recv(PATIENCE_S))
    return found


def pictures(path: Path) -> list[bytes]:
    video, found = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        found.append(cv2.imencode(".jpg", read[1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
    video.release()
    return found


def test_a_stream_that_breaks_off_is_true_and_counted_once(vernier: str, client: httpx.Client, clip: Clip) -> None:
    path, truth, camera = clip
    frames = pictures(path)
    fleet = f"fleet-{uuid.uuid4().hex}"
    aggregate = f"{vernier}/v1/stats/aggregates/{fleet}"
    made = client.put(aggregate, json={"kind": ["count", "mean"], "columns": ["speed_mps"]})
    assert made.status_code in {200, 201}, made.text
    query = {**camera, "fps": "10", "aggregate": fleet}
    half = len(frames) // 2
    with stream(vernier, **query) as socket:
        first = [ask(socket, each) for each in frames[:half]]
    session = first[0]["session"]
    assert session is not None
    with stream(vernier, **query, session=session) as socket:
        second = [ask(socket, each) for each in frames[half:]]
    assert second[0]["resumed"] is True
    assert not any("aggregate" in each for reply in first + second for each in reply.get("warnings", []))
    speeds = [reply["speed_mps"] for reply in first + second]
    known = [(speed, true) for speed, true in zip(speeds, truth, strict=True) if speed is not None]
    assert len(known) == len(frames) - 1
    settled = np.array(known)[half // 3 :]
    assert np.mean((settled[:, 0] - settled[:, 1]) ** 2) < 1.0
    until(lambda: client.get(aggregate).json()["rows"] == len(known), "every speed is counted")
    found = client.get(aggregate).json()
    assert found["present"]["mean"]["speed_mps"] == pytest.approx(np.mean([speed for speed, _ in known]))
    client.delete(aggregate)


def test_an_aggregate_that_is_not_there_is_refused_before_it_opens(vernier: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        stream(vernier, fps="10", aggregate="nobody")
    assert caught.value.response.status_code == 404
