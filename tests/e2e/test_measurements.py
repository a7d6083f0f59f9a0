"""A clip, a transcript and a series go in at one address; what comes back is true."""

from pathlib import Path

import httpx
import numpy as np
import pytest

pytestmark = pytest.mark.e2e
Clip = tuple[Path, list[float], dict[str, str]]


def mean_square_error(speeds: list[float], truth: list[float]) -> float:
    assert len(speeds) == len(truth)
    return float(np.mean((np.array(speeds) - np.array(truth)) ** 2))


def test_a_rendered_clip(vernier: str, client: httpx.Client, clip: Clip) -> None:
    path, truth, camera = clip
    with path.open("rb") as file:
        answer = client.post(
            f"{vernier}/v1/speed/video", params=camera, files={"file": ("road.mp4", file, "video/mp4")}
        )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["frames"] == len(truth)
    assert mean_square_error(body["speed_mps"], truth) < 1.0
    assert min(body["sd_mps"]) > 0
    assert body["model"]["name"] == "speed"


def test_a_real_clip(vernier: str, client: httpx.Client, data: Path) -> None:
    clip = data / "speed" / "val_odom03_0640_0800.mp4"
    truth = [float(line.split(",")[2]) for line in clip.with_suffix(".csv").read_text().splitlines()[1:]]
    answer = client.post(
        f"{vernier}/v1/speed/video",
        params={"camera": "kitti"},
        content=clip.read_bytes(),
        headers={"Content-Type": "video/mp4", "Accept": "text/plain"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert mean_square_error([float(line) for line in answer.text.splitlines()], truth) < 1.0


def test_a_transcript(vernier: str, client: httpx.Client) -> None:
    texts = ["Yeah.", "The unemployment rate in Ohio fell to 4.1 percent.", "Yeah.", "Yeah, mmm-hmm.", "We will see."]
    scores = client.post(f"{vernier}/v1/text/information", json={"texts": texts}).json()["scores"]
    bits = [score["bits"] for score in scores]
    assert bits.index(max(bits)) == 1
    answer = client.post(f"{vernier}/v1/embeddings", json={"input": texts, "model": "text-embedding"})
    assert answer.status_code == 200, answer.text
    vectors = np.array([each["embedding"] for each in answer.json()["data"]])
    assert vectors.shape == (5, 384)
    assert vectors[0] @ vectors[2] > 0.999999 > vectors[0] @ vectors[1]


def test_a_series(vernier: str, client: httpx.Client, data: Path) -> None:
    nile = [float(line.split(",")[-1]) for line in (data / "stats" / "nile.csv").read_text().splitlines()[1:]]
    body = client.post(f"{vernier}/v1/stats/trend", json={"series": nile}).json()
    assert body["trend"] == "decreasing"
    assert body["tau"] == pytest.approx(-0.28020, abs=5e-6)


def test_one_document_names_every_operation(vernier: str, client: httpx.Client) -> None:
    paths = client.get(f"{vernier}/openapi.json").json()["paths"]
    assert {
        "/v1/speed/video", "/v1/speed/frames", "/v1/embeddings", "/v1/text/cluster", "/v1/text/information",
        "/v1/stats/regression", "/v1/stats/trend", "/v1/stats/covariance",
    } <= set(paths)  # fmt: skip


def test_all_services_are_ready(vernier: str, client: httpx.Client) -> None:
    body = client.get(f"{vernier}/readyz").json()
    assert body["ready"] is True
    assert set(body["services"]) == {"speed", "text", "stats"}
