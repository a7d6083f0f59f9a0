"""The batcher in a process, behind the real server and real sockets."""

import re
import socket
from collections.abc import Iterator

import httpx
import orjson
import pytest

from tests.polling import until
from tests.processes import Process, running
from tests.sockets import connect, read_answer


@pytest.fixture
def gated() -> Iterator[Process]:
    with running("tests.shared.batching.gated") as process:
        yield process


class Peer:
    """The process, asked and looked at."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self.client = client
        self.url = url

    def ask(self, numbers: list[float], *headers: str) -> socket.socket:
        """A request sent on a socket of its own; its answer is not waited for."""
        body = orjson.dumps({"x": numbers})
        lines = ["POST /twice HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        sock = connect(self.url)
        sock.sendall("\r\n".join([*lines, *headers, "", ""]).encode() + body)
        return sock

    def metric(self, line: str) -> float:
        found = re.search(rf"^{re.escape(line)} (\S+)$", self.client.get(f"{self.url}/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def outcomes(self, outcome: str) -> float:
        return self.metric(f'inference_requests_total{{model="twice",outcome="{outcome}"}}')

    def waiting(self) -> float:
        return self.metric('inference_queue_depth{model="twice"}')

    def runs(self) -> list[list[float]]:
        found: list[list[float]] = self.client.get(f"{self.url}/runs").json()["runs"]
        return found

    def go_on(self) -> None:
        self.client.get(f"{self.url}/open")


@pytest.fixture
def peer(gated: Process, client: httpx.Client) -> Peer:
    return Peer(client, gated.address)


def occupied(peer: Peer) -> socket.socket:
    """A request that the model is busy with."""
    sock = peer.ask([0])
    until(lambda: peer.runs() == [[0.0]], "the model is busy")
    return sock


def test_a_client_that_hangs_up_frees_its_place_before_compute(peer: Peer) -> None:
    with occupied(peer) as first, peer.ask([3]) as staying:
        with peer.ask([1, 2]):
            until(lambda: peer.waiting() == 3, "all wait")
        until(lambda: peer.outcomes("cancelled") == 1, "the hang-up is noticed")
        assert peer.waiting() == 1
        assert peer.runs() == [[0.0]]
        peer.go_on()
        assert read_answer(first).endswith(b'{"y":[0.0]}')
        assert read_answer(staying).endswith(b'{"y":[6.0]}')
    assert peer.runs() == [[0.0], [3.0]]
    assert peer.outcomes("ok") == 2


def test_a_deadline_passes_in_the_queue(peer: Peer) -> None:
    with occupied(peer) as first:
        with peer.ask([1], "X-Request-Timeout-Ms: 50") as late:
            assert b" 504 " in read_answer(late).split(b"\r\n")[0]
        assert peer.outcomes("timeout") == 1
        assert peer.waiting() == 0
        peer.go_on()
        read_answer(first)
    assert peer.runs() == [[0.0]]


def test_a_full_queue_is_503_with_retry_after_for_lists_and_single_items_alike(peer: Peer) -> None:
    with occupied(peer) as first, peer.ask([1] * 60) as list_, peer.ask([2] * 40) as other:
        until(lambda: peer.waiting() == 100, "the queue is full")
        for numbers in ([3], [3, 4]):
            refused = peer.client.post(f"{peer.url}/twice", json={"x": numbers})
            assert refused.status_code == 503
            assert int(refused.headers["Retry-After"]) >= 1
            assert refused.json()["type"].endswith("#temporary-reduced-capacity")
        too_large = peer.client.post(f"{peer.url}/twice", json={"x": [3] * 101})
        assert too_large.status_code == 413
        peer.go_on()
        for sock in (first, list_, other):
            assert b" 200 " in read_answer(sock).split(b"\r\n")[0]
    assert 3.0 not in {number for run in peer.runs() for number in run}
    assert peer.outcomes("rejected") == 3
    answer = peer.client.post(f"{peer.url}/twice", json={"x": [3]})
    assert answer.json() == {"y": [6.0]}
    assert {"queue", "compute"} <= {each.split(";")[0].strip() for each in answer.headers["Server-Timing"].split(",")}


def test_poison_fails_alone(peer: Peer) -> None:
    with occupied(peer) as first, peer.ask([1, 2]) as good, peer.ask([13]) as bad, peer.ask([3]) as too:
        until(lambda: peer.waiting() == 4, "all wait")
        peer.go_on()
        assert read_answer(good).endswith(b'{"y":[2.0,4.0]}')
        assert read_answer(too).endswith(b'{"y":[6.0]}')
        assert b" 500 " in read_answer(bad).split(b"\r\n")[0]
        read_answer(first)
    assert peer.outcomes("error") == 1
    assert peer.outcomes("ok") == 3
    facts = peer.client.get(f"{peer.url}/runs").json()["statistics"]
    assert facts["inference_stats"]["fail"]["count"] == 1
    assert facts["inference_count"] == 4
