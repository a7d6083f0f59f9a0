"""The second identical answer is not computed again, whoever asks."""

import uuid

import httpx
import pytest

pytestmark = pytest.mark.e2e


def fresh() -> list[float]:
    """A series that no one has asked about."""
    return [byte + index / 7 for index, byte in enumerate(uuid.uuid4().bytes)]


def test_the_second_identical_answer_is_a_hit(vernier: str, client: httpx.Client) -> None:
    url, body = f"{vernier}/v1/stats/trend", {"series": fresh()}
    first, second = client.post(url, json=body), client.post(url, json=body)
    assert (first.status_code, second.status_code) == (200, 200)
    assert (first.headers["x-cache-status"], second.headers["x-cache-status"]) == ("MISS", "HIT")
    assert int(second.headers["age"]) >= 0
    assert first.content == second.content
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_another_parameter_is_another_answer(vernier: str, client: httpx.Client) -> None:
    url, series = f"{vernier}/v1/stats/trend", fresh()
    client.post(url, json={"series": series})
    other = client.post(url, json={"series": series, "alpha": 0.01})
    assert other.headers["x-cache-status"] == "MISS"


@pytest.mark.parametrize(("control", "then"), [("no-cache", "HIT"), ("no-store", "MISS")])
def test_a_client_may_have_it_computed_anew(vernier: str, client: httpx.Client, control: str, then: str) -> None:
    url, body = f"{vernier}/v1/stats/trend", {"series": fresh()}
    anew = client.post(url, json=body, headers={"Cache-Control": control})
    assert anew.headers["x-cache-status"] == ("BYPASS" if control == "no-store" else "MISS")
    assert client.post(url, json=body).headers["x-cache-status"] == then


def test_errors_are_not_kept(vernier: str, client: httpx.Client) -> None:
    url = f"{vernier}/v1/stats/trend"
    body: dict[str, list[float]] = {"series": []}
    answers = [client.post(url, json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert {answer.headers.get("x-cache-status") for answer in answers} == {"MISS"}
