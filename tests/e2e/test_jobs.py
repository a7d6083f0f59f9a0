"""Long work without a connection, through everything that a client would meet."""

from pathlib import Path

import httpx

from tests.polling import until

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
