"""Long work without a connection, through everything that a client would meet."""

from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.ipc  # type: ignore[import-untyped]

from services.stats.tables import ARROW
from tests.polling import until
from tests.services.stats.tables.tables import arrow_bytes

Clip = tuple[Path, list[float], dict[str, str]]


def test_a_video_is_measured_while_nobody_waits(vernier: str, clip: Clip, client: httpx.Client) -> None:
    path, _, camera = clip
    request = {"content": path.read_bytes(), "params": camera}
    headers = {"Content-Type": "video/mp4", "Accept": "text/csv", "Prefer": "respond-async"}
    accepted = client.post(f"{vernier}/v1/speed/video", headers=headers, **request)  # type: ignore[arg-type]
    assert accepted.status_code == 202, accepted.text
    place = f"{vernier}{accepted.headers['location']}"
    until(lambda: client.get(place).json()["status"] == "succeeded", "the job has succeeded", 90)
    result = client.get(f"{place}/result")
    headers.pop("Prefer")
    at_once = client.post(f"{vernier}/v1/speed/video", headers=headers, **request)  # type: ignore[arg-type]
    assert (result.status_code, result.content) == (200, at_once.content)
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404


def test_a_table_of_series_is_tested_while_nobody_waits(vernier: str, client: httpx.Client) -> None:
    series = np.random.default_rng(1).normal(size=(3_000, 100)).cumsum(axis=1)
    values = pa.FixedSizeListArray.from_arrays(pa.array(series.ravel()), 100)
    body = arrow_bytes({"id": [f"station {k}" for k in range(len(series))], "values": values})
    headers = {"Content-Type": ARROW, "Accept": ARROW}
    accepted = client.post(f"{vernier}/v1/stats/trend", content=body, headers={**headers, "Prefer": "respond-async"})
    assert accepted.status_code == 202, accepted.text
    place = f"{vernier}{accepted.headers['location']}"
    until(lambda: client.get(place).json()["status"] == "succeeded", "the job has succeeded", 90)
    result = client.get(f"{place}/result")
    at_once = client.post(f"{vernier}/v1/stats/trend", content=body, headers=headers)
    assert (result.headers["content-type"], result.content) == (ARROW, at_once.content)
    found = pa.ipc.open_stream(result.content).read_all()
    assert found["id"].to_pylist() == [f"station {k}" for k in range(len(series))]
    as_csv = client.post(f"{vernier}/v1/stats/trend", content=body, headers={**headers, "Accept": "text/csv"})
    assert (as_csv.headers["x-cache-status"], as_csv.text.count("\n")) == ("MISS", 3_001)
    assert client.delete(place).status_code == 204
