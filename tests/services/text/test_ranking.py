"""/v1/text/information/ranking, with a real stats service and without."""

from typing import Any

import httpx
import pytest

from tests.processes import Process

PATH = "/v1/text/information/ranking"
RISING = [" ".join(f"w{10 * length + word}" for word in range(length)) for length in range(1, 11)]


def rank(client: httpx.Client, url: str, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    return client.post(url + PATH, json=body, headers=headers)


def test_most_least_and_the_trend(client: httpx.Client, whole_text: str, stats: Process) -> None:
    headers = {"X-Request-ID": "ranking-1", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    answer = rank(client, whole_text, headers, texts=[*RISING, "..."], top=3)
    assert answer.status_code == 200, answer.text
    assert "Cache-Control" not in answer.headers
    found = answer.json()
    assert [each["index"] for each in found["most"]] == [9, 8, 7]
    assert [each["index"] for each in found["least"]] == [0, 1, 2]
    assert found["most"][0]["text"] == RISING[9]
    assert found["most"][0]["tokens"] == 10
    assert len(found["over_time"]["bits"]) == 10
    asked = client.post(f"{stats.address}/v1/stats/trend", json={"series": found["over_time"]["bits"]}).json()
    assert found["trend"] == {name: asked[name] for name in found["trend"]}
    assert (found["trend"]["trend"], found["trend"]["tau"], found["warnings"]) == ("increasing", 1, [])
    while (line := stats.await_line("request"))["request_id"] != "ranking-1":
        pass
    assert line["path"] == "/v1/stats/trend"
    assert line["trace_id"] == "a" * 32


def test_times_order_the_texts_and_equal_ones_are_one(client: httpx.Client, whole_text: str) -> None:
    time_s = [float(9 - index // 2) for index in range(10)]
    found = rank(client, whole_text, texts=RISING, time_s=time_s).json()
    assert found["over_time"]["time_s"] == [5, 6, 7, 8, 9]
    assert found["over_time"]["texts"] == [2] * 5
    bits = {each["index"]: each["bits"] for each in found["most"]}
    assert found["over_time"]["bits"][0] == pytest.approx((bits[8] + bits[9]) / 2)
    assert found["trend"]["trend"] == "decreasing"
    assert found["trend"]["slope"] < 0
    assert found["most"][0]["time_s"] == 5


def test_what_stats_cannot_test_is_said(client: httpx.Client, whole_text: str) -> None:
    answer = rank(client, whole_text, texts=["one text", "another text"])
    assert answer.json()["trend"] is None
    assert answer.json()["warnings"][0].startswith("no trend: ")
    assert "Cache-Control" not in answer.headers


def test_without_stats_the_rest_is_served(client: httpx.Client, text_url: str) -> None:
    for _ in range(3):
        answer = rank(client, text_url, texts=RISING, top=1)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json()["most"][0]["index"] == 9
        assert answer.json()["trend"] is None
        assert "away" in answer.json()["warnings"][0]


def test_a_deadline_that_passes_is_504(client: httpx.Client, whole_text: str) -> None:
    answer = rank(client, whole_text, {"X-Request-Timeout-Ms": "1"}, texts=RISING)
    assert answer.status_code == 504


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"time_s": [1.0]}, 422),
        ({"time_s": ["now"] * 10}, 400),
        ({"top": 0}, 422),
        ({"per_token": True}, 400),
        ({"texts": ["..."]}, 422),
    ],
)
def test_refusals(client: httpx.Client, whole_text: str, more: dict[str, Any], status: int) -> None:
    answer = rank(client, whole_text, **{"texts": RISING, **more})
    assert answer.status_code == status, answer.text


def test_debate(client: httpx.Client, whole_text: str, debate: list[str]) -> None:
    found = rank(client, whole_text, texts=debate, background="spoken").json()
    assert min(each["tokens"] for each in found["most"]) > 100
    assert max(each["tokens"] for each in found["least"]) == 1
    assert found["trend"]["n"] == sum(found["over_time"]["texts"]) < len(debate)
