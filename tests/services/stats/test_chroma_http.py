"""Chroma from luma over HTTP."""

import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import sklearn.datasets
from openapi_spec_validator import validate
from PIL import Image

from services.stats import chroma_examples
from services.stats.chroma import fit
from services.stats.images import planes

PHOTOGRAPH = Path(sklearn.datasets.__file__).parent / "images" / "china.jpg"
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
def url(stats_url: str) -> str:
    return f"{stats_url}/v1/stats/chroma-from-luma"


def test_a_photograph(url: str, client: httpx.Client) -> None:
    data = PHOTOGRAPH.read_bytes()
    answer = client.post(url, content=data, params={"block": "8", "prediction": "true"}, headers=JPEG)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["width"], body["height"], body["rows"], body["columns"]) == (640, 427, 54, 80)
    assert (body["subsampling"], body["block"], body["bit_depth"], body["dc"]) == ("4:2:0", 8, 8, "neighbours")
    luma, *chroma = planes(data, "4:2:0", 10**6)
    for plane, name, given in zip(chroma, ("cb", "cr"), body["planes"], strict=True):
        found = fit(luma, plane, block=8)
        assert given["name"] == name
        assert np.array_equal(np.array(given["alpha"]) * 8, found.alpha_q3)
        assert np.array_equal(given["prediction"], found.prediction)
        assert np.sum(given["sse"]) == found.sse.sum()
        assert given["psnr"] > given["psnr_dc"] + 0.3
    assert body["model"] == {"name": "chroma-from-luma", "version": "1"}


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_pictures(url: str, client: httpx.Client, kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(file, kind)
    query = {"subsampling": "4:4:4", "block": "4", "dc": "mean"}
    answer = client.post(url, content=file.getvalue(), params=query, headers={"Content-Type": f"image/{kind.lower()}"})
    assert answer.status_code == 200, answer.text
    assert np.shape(answer.json()["planes"][1]["sse"]) == (3, 2)
    assert answer.json()["planes"][0]["prediction"] is None


def test_two_planes(url: str, client: httpx.Client) -> None:
    answer = client.post(url, json=chroma_examples.CHROMA["One block of 4:4:4, its chroma half of its luma"])
    assert answer.status_code == 200, answer.text
    (plane,) = answer.json()["planes"]
    assert plane["alpha"] == [[0.5]]
    assert plane["alpha_exact"][0][0] == pytest.approx(0.5)
    assert plane["name"] == "chroma"
    flat = client.post(url, json={"luma": [[5, 5], [5, 5]], "chroma": [[128]]}).json()
    assert flat["planes"][0]["alpha_exact"] == [[None]]
    assert (flat["planes"][0]["psnr"], flat["planes"][0]["sse"]) == (None, [[0]])
    assert "flat" in flat["warnings"][0]


REFUSALS: list[tuple[dict[str, Any], int, str | None]] = [
    ({}, 400, "/luma"),
    ({"luma": [[1]], "chroma": [[1], [2]]}, 422, "/chroma"),
    ({"luma": [[1, 2], [3]], "chroma": [[1]]}, 422, "/luma"),
    ({"luma": [[1, 256]], "chroma": [[1]]}, 422, "/luma/0/1"),
    ({"luma": [[1, 2]], "chroma": [[0.5]]}, 422, "/chroma/0/0"),
    ({"luma": [[1, -1]], "chroma": [[1]]}, 422, "/luma/0/1"),
    ({"luma": [[1, None]], "chroma": [[1]]}, 422, "/luma/0/1"),
    ({"luma": [[1, "2"]], "chroma": [[1]]}, 400, "/luma/0/1"),
    ({"luma": [1, 2], "chroma": [[1]]}, 400, "/luma"),
    ({"luma": [[1, 2]], "chroma": [[1]], "block": 4}, 422, "/block"),
    ({"luma": [[1, 2]], "chroma": [[1]], "block": 12}, 422, "/block"),
    ({"luma": [[1, 2]], "chroma": [[1]], "subsampling": "4:1:1"}, 422, "/subsampling"),
    ({"luma": [[1, 2]], "chroma": [[1]], "bit_depth": 9}, 422, "/bit_depth"),
    ({"luma": [[0] * 2000] * 501, "chroma": [[0] * 1000] * 251, "prediction": True}, 413, None),
]


@pytest.mark.parametrize(("body", "status", "pointer"), REFUSALS)
def test_refused_planes(url: str, client: httpx.Client, body: dict[str, Any], status: int, pointer: str | None) -> None:
    answer = client.post(url, json=body)
    assert answer.status_code == status, answer.text
    assert pointer is None or pointer in [each["pointer"] for each in answer.json()["errors"]], answer.text


def test_refused_pictures(url: str, client: httpx.Client) -> None:
    data = PHOTOGRAPH.read_bytes()
    assert client.post(url, content=b"", headers=JPEG).status_code == 400
    assert client.post(url, content=data[:5000], headers=JPEG).status_code == 400
    assert client.post(url, content=b"GIF89a", headers=JPEG).status_code == 415
    assert client.post(url, content=data, headers={"Content-Type": "image/gif"}).status_code == 415
    assert client.post(url, content=data, headers={**JPEG, "Accept": "text/csv"}).status_code == 406
    for query, status in (({"block": "5"}, 422), ({"block": "4"}, 422), ({"blok": "8"}, 400), ({"dc": "median"}, 422)):
        answer = client.post(url, content=data, params=query, headers=JPEG)
        assert answer.status_code == status, answer.text
        assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(query))}"
    answer = client.post(f"{url}?block=8", json=chroma_examples.CHROMA["Four blocks of 4:2:0"])
    assert answer.status_code == 400
    file = io.BytesIO()
    Image.new("L", (4096, 2200)).save(file, "PNG")
    answer = client.post(url, content=file.getvalue(), headers={"Content-Type": "image/png"})
    assert answer.status_code == 413
    assert "4,096 x 2,200 pixels; 9,000,000 at most" in answer.json()["detail"]


def test_the_document_holds_and_its_examples_too(stats_url: str, url: str, client: httpx.Client) -> None:
    document = client.get(f"{stats_url}/openapi.json").json()
    validate(document)
    operation = document["paths"]["/v1/stats/chroma-from-luma"]["post"]
    assert operation["x-vernier-cacheable"] is True
    content = operation["requestBody"]["content"]
    assert set(content) == {"application/json", "image/png", "image/jpeg", "image/webp"}
    assert {each["name"] for each in operation["parameters"]} == {"subsampling", "block", "dc", "prediction"}
    for example in content["application/json"]["examples"].values():
        assert client.post(url, json=example["value"]).status_code == 200
