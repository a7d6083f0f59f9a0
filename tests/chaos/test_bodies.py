"""Bodies made to be believed: each is refused by a 4xx that says why, soon, in little memory; beside it all goes on.

| what is sent                                             | what its client may see                      |
|----------------------------------------------------------|----------------------------------------------|
| compressed, whatever is in it                            | 415                                          |
| images and videos larger than the limits, or that say so | 413, 415                                     |
| forms without end, with too many parts                   | 400, 413                                     |
| JSON too deep, numbers too long or infinite, no UTF-8    | 400                                          |
| texts too long or too many                               | 400, 413                                     |
| tensors that are not as they say                         | 400                                          |
| more than the limit, announced or in chunks              | 413                                          |

Its neighbours: 200 and the right answer.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.chaos.bombs import BOMBS, Bomb
from tests.chaos.questions import question, truths
from tests.chaos.stack import Member, ready
from tests.polling import until
from tests.processes import PATIENCE_S
from tests.sockets import connect, read_answer

ALLOWED = {400, 413, 415}
PEAK_BYTES = 256 << 20
"""A bomb of at most 20 MB may cost a process so much at its height."""
REST_BYTES = 160 << 20
"""All of them together may leave so much behind: what the allocator keeps."""
LIMIT_BYTES = 32 << 20


class Vernier:
    def __init__(self, stack: ExitStack) -> None:
        self.services = {name: Member(f"services.{name}") for name in ("speed", "text", "stats")}
        urls = {f"VERNIER_GATEWAY_{name.upper()}_URL": member.url for name, member in self.services.items()}
        self.gateway = Member("gateway", VERNIER_GATEWAY_MAX_BODY_BYTES=str(LIMIT_BYTES), **urls)
        for member in self.members:
            stack.callback(member.stop)
            member.start()
        until(lambda: ready(self.gateway.url), "every service is ready", PATIENCE_S)

    @property
    def members(self) -> list[Member]:
        return [*self.services.values(), self.gateway]


@pytest.fixture(scope="module")
def vernier() -> Iterator[Vernier]:
    with ExitStack() as stack:
        yield Vernier(stack)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(vernier: Vernier, name: str) -> None:
    bomb = BOMBS[name]
    body = bomb.body()
    before = {member: _begin_peak(member) for member in vernier.members}
    answer = httpx.post(vernier.gateway.url + bomb.path, content=body, headers=bomb.headers, timeout=PATIENCE_S)
    assert_refused(answer, bomb)
    if "Content-Encoding" in bomb.headers:
        assert answer.status_code == 415
    peaks = {member.module: (_peak(member) - rss) >> 20 for member, rss in before.items()}
    assert max(peaks.values()) < PEAK_BYTES >> 20, peaks


def test_all_at_once_beside_others(vernier: Vernier) -> None:
    asked = [question(number) for number in range(24) if number % 8 != 5]
    right = truths(asked, {name: member.url for name, member in vernier.services.items()})
    before = {member: _begin_peak(member) for member in vernier.members}
    with ThreadPoolExecutor(8) as pool, httpx.Client(timeout=PATIENCE_S) as client:
        refused = [
            (bomb, pool.submit(client.post, vernier.gateway.url + bomb.path, content=bomb.body(), headers=bomb.headers))
            for bomb in BOMBS.values()
        ]
        while not all(future.done() for _, future in refused):
            for each in asked:
                answer = client.post(
                    vernier.gateway.url + each.path,
                    content=each.body,
                    headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
                )
                assert answer.status_code == 200, answer.text
                assert each.same(answer.content, right[each])
        for bomb, future in refused:
            assert_refused(future.result(), bomb)
    kept = {member.module: (member.rss_bytes() - rss) >> 20 for member, rss in before.items()}
    assert max(kept.values()) < REST_BYTES >> 20, kept


def assert_refused(answer: httpx.Response, bomb: Bomb) -> None:
    assert answer.status_code in ALLOWED, answer.text[:500]
    assert len(answer.content) < 10_000
    body = answer.json()
    if bomb.path == "/v1/embeddings" and isinstance(body["error"], dict):
        assert len(body["error"]["message"]) > 10
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert body["status"] == answer.status_code
        assert len(body["detail"]) > 10


@pytest.mark.parametrize("framing", ["Content-Length: %d", "Transfer-Encoding: chunked"])
def test_more_than_the_limit_is_refused_before_it_is_here(vernier: Vernier, framing: str) -> None:
    head = "POST /v1/speed/video HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\n"
    framing = framing.replace("%d", str(1 << 40))
    rss = _begin_peak(vernier.gateway)
    with connect(vernier.gateway.url) as sock:
        sock.sendall(f"{head}{framing}\r\n\r\n".encode())
        piece = os.urandom(1 << 20)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(read_answer, sock)
            if "chunked" in framing:
                with pytest.raises(OSError, match=r"reset|pipe"):
                    sock.sendall((b"100000\r\n" + piece + b"\r\n") * (8 * LIMIT_BYTES >> 20))
            assert answer.result().startswith(b"HTTP/1.1 413 ")
    assert _peak(vernier.gateway) - rss < PEAK_BYTES


def _begin_peak(member: Member) -> int:
    """Forgets the height that its memory has had; what it has now."""
    assert member.process is not None
    Path(f"/proc/{member.process.popen.pid}/clear_refs").write_text("5")
    return member.rss_bytes()


def _peak(member: Member) -> int:
    assert member.process is not None
    status = Path(f"/proc/{member.process.popen.pid}/status").read_text()
    line = next(each for each in status.splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) << 10
