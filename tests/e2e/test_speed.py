"""A drive goes in at the gateway: a score, a plot, a film and a table come out, and a fleet's mean grows once."""

import csv
import io
import uuid
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.e2e
Clip = tuple[Path, list[float], dict[str, str]]


def ask(vernier: str, client: httpx.Client, clip: Clip, accept: str, **query: str) -> httpx.Response:
    path, _, camera = clip
    answer = client.post(
        f"{vernier}/v1/speed/video",
        params={**camera, **query},
        content=path.read_bytes(),
        headers={"Content-Type": "video/mp4", "Accept": accept},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == accept
    return answer


def test_table(vernier: str, client: httpx.Client, clip: Clip) -> None:
    rows = list(csv.DictReader(io.StringIO(ask(vernier, client, clip, "text/csv").text)))
    speeds = np.array([float(row["speed_mps"]) for row in rows])
    assert np.mean((speeds - clip[1]) ** 2) < 1.0


def test_plot(vernier: str, client: httpx.Client, clip: Clip) -> None:
    first = ask(vernier, client, clip, "image/png")
    assert Image.open(io.BytesIO(first.content)).width > 1000
    again = ask(vernier, client, clip, "image/png")
    assert again.headers["x-cache-status"] == "HIT"
    assert again.content == first.content


def test_film(vernier: str, client: httpx.Client, clip: Clip) -> None:
    answer = ask(vernier, client, clip, "video/mp4", smoothing="rts")
    assert int(answer.headers["content-length"]) == len(answer.content)
    with av.open(io.BytesIO(answer.content), "r") as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert sum(1 for _ in file.decode(stream)) == len(clip[1])


def test_score(vernier: str, client: httpx.Client, clip: Clip) -> None:
    """Of the video itself and of its table: the same."""
    path, _, camera = clip
    truth = ("truth.csv", path.with_suffix(".csv").read_bytes())
    table = ask(vernier, client, clip, "text/csv").content
    scores = [
        client.post(f"{vernier}/v1/speed/evaluate", params=camera, files={"file": file, "truth": truth})
        for file in (("road.mp4", path.read_bytes()), ("predicted.csv", table))
    ]
    assert [score.status_code for score in scores] == [200, 200], scores[0].text
    of_video, of_table = (score.json() for score in scores)
    assert of_video["mse"] == pytest.approx(of_table["mse"])
    assert (of_video["grade"], of_video["frames"]) == ("heart", len(clip[1]))
    assert of_video["model"]["name"] == "speed"


def test_a_fleet_counts_a_drive_once(vernier: str, client: httpx.Client, clip: Clip) -> None:
    """Sent twice, and also where the answer without it is in the cache already."""
    fleet = f"{vernier}/v1/stats/aggregates/fleet-{uuid.uuid4().hex}"
    made = client.put(fleet, json={"kind": ["count", "mean"], "columns": ["speed_mps"]})
    assert made.status_code in {200, 201}, made.text
    ask(vernier, client, clip, "application/json")
    for _ in range(2):
        answer = ask(vernier, client, clip, "application/json", aggregate=fleet.rpartition("/")[2])
        assert answer.headers["x-cache-status"] == "BYPASS"
        assert not any("aggregate" in each for each in answer.json()["warnings"])
    found = client.get(fleet).json()
    assert found["rows"] == len(clip[1])
    assert found["present"]["mean"]["speed_mps"] == pytest.approx(np.mean(answer.json()["speed_mps"]))
    client.delete(fleet)
