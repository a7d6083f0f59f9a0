"""No client makes series: whatever it invents, the metrics stay as many as they are."""

import http.client
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from tests.gateway.conftest import gateway_before

METHODS = ("GET", "POST", "PUT", "DELETE", "PROPFIND", "MKCOL", "REPORT")
REQUESTS = 1000


@pytest.fixture(scope="module")
def gateway_url(stats_url: str, text_url: str, speed_url: str) -> Iterator[str]:
    with gateway_before({"stats": stats_url, "text": text_url, "speed": speed_url}) as process:
        yield process.address


def invented(number: int) -> str:
    """A path that nobody offers, or a model, version, job or query that nobody has."""
    return (
        f"/nowhere/{number}",
        f"/v2/models/model{number}",
        f"/v2/models/model{number}/versions/{number}/ready",
        f"/v2/models/model{number}/stats",
        f"/v2/models/speed/versions/{number}/infer",
        f"/v2/models/text-embedding/versions/{number}",
        f"/v2/repository/models/model{number}/load",
        f"/v1/stats/trend?x{number}={number}",
        f"/v1/jobs/{number}",
        f"/docs/{number}",
        f"/{number}%ff%00",
        f"//{number}",
    )[number % 12]


def post(connection: http.client.HTTPConnection, number: int) -> int:
    method = METHODS[number % len(METHODS)]
    headers = {
        "x-request-id": f"id-{number}",
        "traceparent": f"00-{number + 1:032x}-{number + 1:016x}-01",
        "user-agent": f"agent/{number}",
        "host": f"host{number}.example",
        "accept": f"application/x-{number}",
        "content-type": f"application/x-{number}",
        "x-api-key": f"key{number}",
        "prefer": f"respond-async, wait={number}",
        f"x-header-{number}": "1",
    }
    connection.request(method, invented(number), body=b"{}" if method != "GET" else None, headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def series(connection: http.client.HTTPConnection) -> set[str]:
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


@pytest.mark.parametrize("name", ["gateway_url", "speed_url", "text_url", "stats_url"])
def test_what_clients_invent_makes_no_series(name: str, request: pytest.FixtureRequest) -> None:
    every = len(METHODS) * 12
    address = urlsplit(request.getfixturevalue(name)).netloc
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        statuses = {post(connection, number) for number in range(every)}
        series(connection)
        before = series(connection)
        for number in range(every, every + REQUESTS):
            post(connection, number)
        after = series(connection)
    assert statuses <= {400, 403, 404, 405, 406, 415, 422, 503}
    assert after - before == set()
    text = "\n".join(after)
    for trace in ("model84", "nowhere", "PROPFIND", "agent/", "example", "id-"):
        assert trace not in text
